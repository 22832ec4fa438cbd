"""What keepers have done with commands: read by the next one, on full disks too."""

from __future__ import annotations

import os
import resource
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scpd.keeper import accounts as accounts_module
from scpd.keeper.accounts import Accounts, read_failed, remove_failed, write_failed
from scpd.lockdir import layout, records
from scpd.lockdir.layout import LockDirectory
from tests.harness.lockdirs import put_what_is_no_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def all_matter(_: str) -> bool:
    return True


@pytest.fixture
def accounts(lockdir: LockDirectory) -> Iterator[Accounts]:
    made = Accounts(lockdir)
    made.renew(all_matter, 0)
    yield made
    made.close()


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """No file may become longer than this: as a disk that is full there."""
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)


def files(output: Path) -> list[Path]:
    return list((output / ".scpd/keepers").iterdir())


def test_the_next_keeper_knows_what_has_run_and_how_often_it_failed(
    lockdir: LockDirectory, accounts: Accounts
) -> None:
    accounts.settle("a.1.xcr")
    accounts.fail("b.1.xcr", 1)
    accounts.fail("b.1.xcr", 2)
    accounts.fail("c.1.xcr", 1)
    accounts.settle("c.1.xcr")
    successor = Accounts(lockdir)
    assert [successor.is_settled(job) for job in ("a.1.xcr", "b.1.xcr", "c.1.xcr")] == [True, False, True]
    assert [successor.tried(job) for job in ("a.1.xcr", "b.1.xcr")] == [0, 2]


def test_what_is_wanted_again_is_not_settled(accounts: Accounts) -> None:
    accounts.settle("a.1.xcr")
    accounts.unsettle("a.1.xcr")
    assert not accounts.is_settled("a.1.xcr")


def test_a_new_file_has_what_matters_and_the_others_go(
    lockdir: LockDirectory, accounts: Accounts, output: Path
) -> None:
    for job in ("a", "b", "c"):
        accounts.settle(job)
        accounts.fail(f"{job}-", 1)
    (before,) = files(output)
    accounts.renew(lambda job: job[0] != "b", 1)
    (after,) = files(output)
    assert after != before
    successor = Accounts(lockdir)
    assert [successor.is_settled(job) for job in "abc"] == [True, False, True]
    assert [successor.tried(f"{job}-") for job in "abc"] == [1, 0, 1]


def test_it_is_renewed_when_it_is_long_and_not_at_every_turn_then(
    accounts: Accounts, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accounts_module, "_LONG", 1000)
    accounts.renew(all_matter, 0)
    made = set()
    for number in range(1000):
        accounts.settle(f"m.{number}.xcr")
        accounts.keep_up(all_matter, 0)
        made.update(files(output))
        assert len(files(output)) == 1
    assert 3 < len(made) < 12


@pytest.mark.parametrize("kind", ["directory", "fifo", "link", "garbage", "huge", "torn"])
def test_what_is_no_account_is_no_harm(lockdir: LockDirectory, output: Path, kind: str) -> None:
    path = output / ".scpd/keepers/odd"
    if not put_what_is_no_file(path, kind):
        contents = {
            "garbage": b"\0\xff" * 50,
            "huge": b"x" * 3_000_000 + b"\n" + records.encode(("settled", "j")),
            "torn": records.encode(("settled", "j")) + records.encode(("settled", "k"))[:-3],
        }
        path.write_bytes(contents[kind])
    before = len(os.listdir("/proc/self/fd"))
    accounts = Accounts(lockdir)
    assert accounts.is_settled("j") == (kind in {"huge", "torn"})
    assert not accounts.is_settled("k")
    assert len(os.listdir(output / ".scpd/strange")) == (kind in {"directory", "fifo", "link"})
    assert len(os.listdir("/proc/self/fd")) - before <= 2  # the lock directory's own


@pytest.mark.parametrize("times", ["9" * 5000, "\u0661", "-1", "x", ""])
def test_a_number_that_is_none_counts_for_nothing(lockdir: LockDirectory, output: Path, times: str) -> None:
    (output / ".scpd/keepers/odd").write_bytes(records.encode(("tried", "j", times)))
    assert Accounts(lockdir).tried("j") == 0


@pytest.mark.parametrize("room", range(0, 60, 7))
def test_on_a_full_disk_it_goes_on_and_catches_up(
    lockdir: LockDirectory, accounts: Accounts, output: Path, room: int
) -> None:
    accounts.settle("before")
    size = files(output)[0].stat().st_size
    with room_for(size + room):
        for number in range(4):
            accounts.settle(f"meanwhile-{number}")
            accounts.keep_up(all_matter, 0)
    accounts.settle("after")
    assert Accounts(lockdir).is_settled("before")
    assert Accounts(lockdir).is_settled("after")
    accounts.keep_up(all_matter, 5)
    accounts.keep_up(all_matter, 10)
    assert all(Accounts(lockdir).is_settled(f"meanwhile-{number}") for number in range(4))
    assert len(files(output)) == 1


def test_a_keeper_that_starts_on_a_full_disk_removes_nothing(
    lockdir: LockDirectory, accounts: Accounts, output: Path
) -> None:
    accounts.settle("j")
    successor = Accounts(lockdir)
    with room_for(5):
        successor.renew(all_matter, 0)
        successor.settle("k")
    assert len(files(output)) == 1
    assert Accounts(lockdir).is_settled("j")
    successor.keep_up(all_matter, 10)
    assert Accounts(lockdir).is_settled("j")
    assert Accounts(lockdir).is_settled("k")
    successor.close()


@settings(max_examples=50)
@given(st.dictionaries(st.text(max_size=20), st.text(max_size=20), max_size=5))
def test_any_values_that_are_set_aside_are_found(values: dict[str, str]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        layout.make(folder)
        lockdir = LockDirectory(folder)
        write_failed(lockdir, "m.1.xcr", values)
        assert (read_failed(lockdir, "m.1.xcr") or {}) == values
        remove_failed(lockdir, "m.1.xcr")
        assert read_failed(lockdir, "m.1.xcr") is None
        lockdir.close()


def test_a_directory_in_the_place_of_what_is_set_aside_goes(lockdir: LockDirectory, output: Path) -> None:
    (output / ".scpd/failed/m.1.xcr").mkdir()
    write_failed(lockdir, "m.1.xcr", {"a": "b"})
    assert read_failed(lockdir, "m.1.xcr") == {"a": "b"}


@pytest.mark.parametrize("job", ["../requests/x", "a\0b", "", ".", "..", "x" * 300, "/etc/passwd"])
def test_what_is_no_jobs_name_is_not_looked_for(lockdir: LockDirectory, output: Path, job: str) -> None:
    (output / ".scpd/requests/x").write_bytes(records.encode(("a", "b")))
    assert read_failed(lockdir, job) is None
    remove_failed(lockdir, job)
    assert (output / ".scpd/requests/x").exists()
