"""What a teller answers: by the files that are there."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from scpd.keeper.election import Election
from scpd.lockdir import layout
from scpd.lockdir.layout import LockDirectory
from scpd.master.answers import Sources, answer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


OURS = os.getpid()  # a keeper that is not stopped


def facts(state: str = "serving", silence: float | None = None, pid: int = OURS) -> dict[str, Any]:
    keeper = None if silence is None else pid
    return {"state": state, "keeper": {"pid": keeper, "silence": silence}, "more": 1}


def sources(
    *directories: Path, locks: Path | None = None, count: Callable[[], dict[str, Any]] | None = None
) -> Sources:
    path = None if locks is None else str(locks)
    return Sources([str(each) for each in directories], path, count, wants_keeper=locks is not None)


@pytest.fixture
def locks(tmp_path: Path) -> Path:
    """A lock directory without a keeper."""
    layout.make(str(tmp_path / "locks"))
    return tmp_path / "locks"


def test_it_is_ready_if_an_object_can_be_written_and_nothing_is_left_of_the_attempt(tmp_path: Path) -> None:
    assert answer("ready", facts(), sources(tmp_path)) == {"ready": True, "why": []}
    assert [path.name for path in (tmp_path / ".scpd" / "tmp").iterdir()] == ["lock"]
    assert answer("ready", facts(), sources()) == {"ready": True, "why": []}


@pytest.mark.parametrize("state", ["draining", "resting"])
def test_it_is_not_while_no_connection_is_accepted(state: str) -> None:
    assert answer("ready", facts(state), sources()) == {
        "ready": False,
        "why": [f"{state}: no connection is accepted"],
    }


def test_all_that_stands_against_it_is_told(tmp_path: Path) -> None:
    (tmp_path / "one").touch()
    found = answer("ready", facts(), sources(tmp_path / "one", tmp_path / "two", locks=tmp_path / "three"))
    assert found == {
        "ready": False,
        "why": [
            f"cannot write to {tmp_path}/one: Not a directory",
            f"cannot write to {tmp_path}/two: No such file or directory",
            f"cannot lock in {tmp_path}/three: No such file or directory",
        ],
    }


def test_a_disk_that_takes_names_but_no_bytes_is_not_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "writev", fail)
    assert answer("ready", facts(), sources(tmp_path))["why"] == [
        f"cannot write to {tmp_path}: No space left on device"
    ]
    assert [path.name for path in (tmp_path / ".scpd" / "tmp").iterdir()] == ["lock"]


def test_a_disk_with_less_room_than_is_to_stay_free_is_not_ready(tmp_path: Path) -> None:
    for name in ("full", "empty"):
        (tmp_path / name).mkdir()
    directories = [f"{tmp_path}/{name}" for name in ("full", "empty", "none")]
    asked = Sources(
        directories,
        None,
        None,
        wants_keeper=False,
        want_of_room=lambda path: f"too little in {path}" if path.endswith(("full", "none")) else "",
    )
    assert answer("ready", facts(), asked)["why"] == [
        f"too little in {tmp_path}/full",
        f"cannot write to {tmp_path}/none: No such file or directory",
    ]


@pytest.mark.parametrize(
    ("silence", "is_elected", "why"),
    [
        (None, False, ["there is no keeper"]),
        (None, True, []),
        (1.0, True, []),
        (61.0, True, [f"keeper {OURS} has given no sign of life for 61 s"]),
        (1.0, False, ["there is no keeper"]),
    ],
)
def test_where_a_keeper_is_wanted_one_must_be_at_work(
    tmp_path: Path, locks: Path, silence: float | None, is_elected: bool, why: list[str]
) -> None:
    lockdir = LockDirectory(str(locks))
    election = Election(lockdir)
    if is_elected:
        assert election.is_won()
    found = answer("ready", facts(silence=silence), sources(tmp_path, locks=locks))
    told = answer("status", facts(silence=silence), sources(tmp_path, locks=locks))
    election.resign()
    lockdir.close()
    assert found == {"ready": not why, "why": why}
    assert told["keeper"]["alive"] is (not why)


def test_a_lock_directory_whose_files_cannot_be_locked_is_not_ready(
    locks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> bytes:
        raise OSError(37, "No locks available")

    monkeypatch.setattr("fcntl.fcntl", fail)
    why = answer("ready", facts(), sources(locks=locks))["why"]
    assert why == [f"cannot lock in {locks}: No locks available"]


def test_the_status_has_what_the_master_knows_and_what_a_look_says(tmp_path: Path, locks: Path) -> None:
    def count() -> dict[str, Any]:
        return {"studies": {"open": 3}, "jobs": {"queued": 4}}

    found = answer("status", facts(), sources(tmp_path, tmp_path / "none", locks=locks, count=count))
    assert (found["more"], found["lock_directory"]) == (1, str(locks))
    assert (found["studies"], found["jobs"]) == ({"open": 3}, {"queued": 4})
    assert found["keeper"] == {"pid": None, "silence": None, "wanted": True, "alive": False}
    one, other = found["space"]
    assert other == {"directory": f"{tmp_path}/none", "error": "No such file or directory"}
    disk = os.statvfs(tmp_path)
    assert one["directory"] == str(tmp_path)
    assert abs(one["free"] - disk.f_bavail * disk.f_frsize) < 1 << 30
    assert one["free"] <= one["total"] <= disk.f_blocks * disk.f_frsize


def test_what_cannot_be_counted_is_an_error_in_its_place(locks: Path) -> None:
    def fail() -> dict[str, Any]:
        raise OSError(5, "Input/output error")

    found = answer("status", facts(), sources(locks=locks, count=fail))
    assert found["studies"] == found["jobs"] == {"error": "Input/output error"}
    assert found["more"] == 1


def test_without_a_lock_directory_there_is_nothing_to_count() -> None:
    found = answer("status", facts(), sources())
    assert (found["studies"], found["jobs"], found["lock_directory"]) == (None, None, None)
    assert found["keeper"]["wanted"] is False
