"""A worker without a master starts one keeper when there is none, and none where somebody else is to be it."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from scpd.keeper.election import Election
from scpd.keeper.starting import Absence, Starter
from tests.harness.commands import ForkedWakeup
from tests.harness.processes import children_of, process
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from scpd.lockdir.layout import LockDirectory
    from scpd.process.signals import Wakeup


@pytest.fixture
def path(output: Path) -> str:
    return str(output / ".scpd")


@pytest.fixture
def wakeup() -> Wakeup:
    return ForkedWakeup()  # type: ignore[return-value]


@pytest.fixture
def children() -> Iterator[Callable[[], list[int]]]:
    """Give the processes that were started since; they are ended."""
    before = {child.pid for child in children_of(os.getpid())}

    def find() -> list[int]:
        return [child.pid for child in children_of(os.getpid()) if child.pid not in before]

    yield find
    for pid in find():
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def be_keeper(path: str, elected: Callable[[], None]) -> int:
    """Be elected, and stay."""
    from scpd.lockdir.layout import LockDirectory

    election = Election(LockDirectory(path))
    assert election.is_won()
    elected()
    signal.pause()
    return 0


def test_the_first_object_starts_a_keeper_and_no_further_one_another(
    path: str, lockdir: LockDirectory, wakeup: Wakeup, children: Callable[[], list[int]]
) -> None:
    starter = Starter(path, lambda elected: be_keeper(path, elected), wakeup, ())
    for _ in range(5):
        starter.look()
    wait_until(lockdir.has_keeper)
    for _ in range(5):
        starter.look()
    starter.finish()

    (keeper,) = children()
    found = process(keeper)
    assert found is not None
    assert found.session == keeper


def test_one_that_has_gone_is_followed_by_another(
    path: str, output: Path, wakeup: Wakeup, children: Callable[[], list[int]]
) -> None:
    starter = Starter(path, lambda _: 0, wakeup, ())
    starter.look()
    (output / ".scpd/journals/1-a").touch()
    starter.finish()

    assert len(children()) == 2


@pytest.mark.parametrize("work", ["open/1.2", "sealed/1.2.0123456789abcdef", "journals/1-a", ""])
def test_at_the_end_one_is_started_for_what_earlier_workers_have_left(
    path: str, output: Path, wakeup: Wakeup, children: Callable[[], list[int]], work: str
) -> None:
    if work:
        (output / ".scpd" / work).touch()
    Starter(path, lambda _: 0, wakeup, ()).finish()

    assert len(children()) == bool(work)


def test_who_is_the_keeper_already_needs_no_other(
    path: str, output: Path, lockdir: LockDirectory, wakeup: Wakeup, children: Callable[[], list[int]]
) -> None:
    (output / ".scpd/open/1.2").touch()
    election = Election(lockdir)
    assert election.is_won()
    starter = Starter(path, lambda _: 0, wakeup, ())
    starter.look()
    starter.finish()

    assert not children()
    election.resign()


def test_what_keeps_it_from_starting_one_is_logged_and_hinders_nobody(
    path: str, output: Path, wakeup: Wakeup, caplog: pytest.LogCaptureFixture
) -> None:
    (output / ".scpd").rename(output / "elsewhere")
    starter = Starter(path, lambda _: 0, wakeup, ())
    starter.look()
    starter.finish()

    assert caplog.messages == [f"cannot start a keeper for {path}: No such file or directory"] * 2


def test_where_none_is_to_be_started_it_is_told_when_there_is_none_to_do_the_work(
    path: str, output: Path, lockdir: LockDirectory, caplog: pytest.LogCaptureFixture
) -> None:
    absence = Absence(path)
    absence.look()
    absence.finish()
    assert caplog.messages == []

    (output / ".scpd/open/1.2").touch()
    absence.finish()
    assert caplog.messages == [f"studies or commands wait in {path}, and nobody is its keeper"]

    election = Election(lockdir)
    assert election.is_won()
    absence.finish()
    assert len(caplog.messages) == 1
    election.resign()


def test_a_keeper_keeps_what_it_is_given_and_nothing_else(
    path: str, lockdir: LockDirectory, wakeup: Wakeup, children: Callable[[], list[int]], tmp_path: Path
) -> None:
    kept, other = (os.open(tmp_path / name, os.O_RDWR | os.O_CREAT) for name in ("kept", "other"))
    starter = Starter(path, lambda elected: be_keeper(path, elected), wakeup, (kept,))
    starter.look()
    wait_until(lockdir.has_keeper)
    os.close(kept)
    os.close(other)
    (keeper,) = children()
    links = {os.readlink(f"/proc/{keeper}/fd/{number}") for number in os.listdir(f"/proc/{keeper}/fd")}

    assert str(tmp_path / "kept") in links
    assert str(tmp_path / "other") not in links
    starter.finish()
