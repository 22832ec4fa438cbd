"""A worker waits for the keeper, and for nobody else."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from scpd.errors import Stopped
from scpd.lockdir import layout
from scpd.lockdir.layout import LockDirectory
from scpd.process.locks import lock
from scpd.process.signals import Wakeup
from scpd.study.replies import Replies
from tests.harness.forked import in_child

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MAKER = "4711-0123"


@pytest.fixture
def lockdir(tmp_path: Path) -> Iterator[LockDirectory]:
    layout.make(str(tmp_path / "lock"))
    lockdir = LockDirectory(str(tmp_path / "lock"))
    yield lockdir
    lockdir.close()


class Turns:
    """A wakeup that does something at each look at it, while somebody waits: the keeper's life, turn by turn."""

    cause = "stopped by the administrator"

    def __init__(self, *turns: Callable[[], object]) -> None:
        self._turns = list(turns)
        self._reader, self._writer = os.pipe()

    def fileno(self) -> int:
        return self._reader

    @property
    def signalled(self) -> bool:
        if self._turns:
            self._turns.pop(0)()
        return False

    def close(self) -> None:
        os.close(self._reader)
        os.close(self._writer)


@pytest.fixture(autouse=True)
def _short_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scpd.study.replies._LOOK_SECONDS", 0.01)


def waited(replies: Replies, number: int, *turns: Callable[[], object]) -> bool:
    wakeup = Turns(*turns)
    try:
        return replies.wait_for(number, wakeup)  # type: ignore[arg-type]
    finally:
        wakeup.close()


def write(lockdir: LockDirectory, data: bytes) -> None:
    fifo = os.open(MAKER, os.O_WRONLY | os.O_NONBLOCK, dir_fd=lockdir.opened(layout.REPLIES))
    os.write(fifo, data)
    os.close(fifo)


def be_keeper(lockdir: LockDirectory) -> int:
    descriptor = lockdir.open_lock_file(layout.KEEPER)
    assert lock(descriptor, 0)
    return descriptor


def nothing() -> None:
    """What a keeper does that is busy with other things."""


@pytest.mark.parametrize("data", [b"3\n", b"4\n", b"1\n2\n3\n", b"junk\n\n-7\n3\n", b"9999\n"])
def test_a_number_stands_for_all_before_it(lockdir: LockDirectory, data: bytes) -> None:
    replies = Replies(lockdir, MAKER)
    write(lockdir, data)

    assert waited(replies, 3)
    replies.close()


def test_a_lower_number_does_not_do(lockdir: LockDirectory) -> None:
    replies = Replies(lockdir, MAKER, patience_seconds=0)
    write(lockdir, b"2\n3")  # of which the end is missing

    assert not waited(replies, 3)
    write(lockdir, b"\n")
    assert waited(replies, 3)
    replies.close()


def test_it_waits_as_long_as_there_is_a_keeper(lockdir: LockDirectory) -> None:
    replies = Replies(lockdir, MAKER, patience_seconds=0)
    keeper = be_keeper(lockdir)

    assert waited(replies, 1, *[nothing] * 20, lambda: write(lockdir, b"1\n"))
    assert not waited(replies, 2, *[nothing] * 5, lambda: os.close(keeper))
    replies.close()


def test_a_keeper_may_be_replaced_meanwhile(lockdir: LockDirectory) -> None:
    replies = Replies(lockdir, MAKER, patience_seconds=10)
    keepers: list[int] = []

    assert waited(
        replies, 1, *[nothing] * 5, lambda: keepers.append(be_keeper(lockdir)), lambda: write(lockdir, b"1\n")
    )
    os.close(keepers.pop())
    replies.close()


def test_who_is_told_to_stop_stops_waiting(lockdir: LockDirectory) -> None:
    def life() -> int:
        wakeup = Wakeup()
        be_keeper(lockdir)
        here = LockDirectory(os.readlink(f"/proc/self/fd/{lockdir.descriptor}"))
        replies = Replies(here, MAKER)
        signal.setitimer(signal.ITIMER_REAL, 10)
        os.kill(os.getpid(), signal.SIGTERM)
        try:
            replies.wait_for(1, wakeup)
        except Stopped:
            replies.close()
            return 0
        return 1

    assert in_child(life) == 0
    assert os.listdir(lockdir.opened(layout.REPLIES)) == []


def test_a_worker_that_ends_takes_its_fifo_with_it(lockdir: LockDirectory) -> None:
    replies = Replies(lockdir, MAKER)
    assert os.listdir(lockdir.opened(layout.REPLIES)) == [MAKER]

    replies.close()
    assert os.listdir(lockdir.opened(layout.REPLIES)) == []
