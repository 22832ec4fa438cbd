"""Locks of single bytes belong to an open file, not to a process, and go with it; nobody waits long for one."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

import pytest

from scpd.process import locks
from scpd.process.locks import is_at, is_taken, lock, release, share, wait_to_lock, wait_to_share
from tests.harness.forked import exit_code, forked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

FAR = 2**62


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "locked"
    made.touch()
    return made


class Files:
    """Several open files of one path, closed in the end."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.opened: list[int] = []

    def open(self, flags: int = os.O_RDWR) -> int:
        self.opened.append(os.open(self.path, flags | os.O_CLOEXEC))
        return self.opened[-1]


@pytest.fixture
def files(path: Path) -> Iterator[Files]:
    made = Files(path)
    yield made
    for descriptor in made.opened:
        os.close(descriptor)


def test_a_byte_is_locked_by_one_only(files: Files) -> None:
    one, other = files.open(), files.open()
    assert lock(one, 0)
    assert not lock(other, 0)
    assert not share(other, 0)
    assert lock(one, 0)  # again: it has it
    release(one, 0)
    assert lock(other, 0)


def test_a_byte_is_shared_by_many_and_then_locked_by_none(files: Files) -> None:
    several, other = [files.open() for _ in range(5)], files.open()
    assert all(share(one, 3) for one in several)
    assert not lock(other, 3)
    for one in several[1:]:
        release(one, 3)
    assert not lock(other, 3)
    release(several[0], 3)
    assert lock(other, 3)


@pytest.mark.parametrize("take", [lock, share])
def test_bytes_are_locked_each_for_itself(files: Files, take: Callable[[int, int], bool]) -> None:
    one, other = files.open(), files.open()
    assert take(one, 5)
    assert take(one, FAR)
    assert lock(other, 4)
    assert lock(other, 6)
    assert lock(other, FAR - 1)
    assert not lock(other, FAR)
    release(one, 5)
    assert lock(other, 5)
    assert not lock(other, FAR)


def test_what_nobody_has_can_be_released(files: Files) -> None:
    one, other = files.open(), files.open()
    assert lock(one, 0)
    release(other, 0)
    assert not lock(other, 0)


def test_a_lock_goes_with_the_file_that_has_it_and_with_no_other_of_that_path(
    path: Path, files: Files
) -> None:
    one, other = files.open(), files.open()
    assert lock(one, 0)
    os.close(os.open(path, os.O_RDWR))  # a lock of the process (lockf) would be gone now
    assert not lock(other, 0)
    os.close(files.opened.pop(0))
    assert lock(other, 0)


def test_a_child_that_closes_lets_nothing_go_and_the_last_one_does(path: Path, files: Files) -> None:
    one, other = os.open(path, os.O_RDWR), files.open()
    assert lock(one, 0)
    goes_on, let_it_go_on = os.pipe()

    def closes() -> int:
        os.close(one)
        return 0

    def keeps() -> int:
        os.close(let_it_go_on)
        os.read(goes_on, 1)
        return 0

    assert exit_code(forked(closes)) == 0
    assert not lock(other, 0)
    keeper = forked(keeps)
    os.close(goes_on)
    os.close(one)
    assert not lock(other, 0)  # the child has the same open file
    os.close(let_it_go_on)
    assert exit_code(keeper) == 0
    assert lock(other, 0)


def test_a_killed_process_lets_all_go(path: Path, files: Files) -> None:
    other = files.open()
    ready, tell = os.pipe()

    def life() -> int:
        one = os.open(path, os.O_RDWR)
        assert lock(one, 0)
        assert share(one, 1)
        os.write(tell, b"x")
        signal.pause()
        return 0

    child = forked(life)
    os.read(ready, 1)
    os.close(ready)
    os.close(tell)
    assert [lock(other, 0), lock(other, 1), share(other, 1)] == [False, False, True]
    os.kill(child, signal.SIGKILL)
    assert exit_code(child) == -signal.SIGKILL
    assert [lock(other, 0), lock(other, 1)] == [True, True]


def test_who_asks_whether_a_byte_is_taken_takes_nothing(files: Files) -> None:
    one, other, reader = files.open(), files.open(), files.open(os.O_RDONLY)
    assert not is_taken(reader, 0)
    assert lock(one, 0)
    assert [is_taken(it, 0) for it in (one, other, reader)] == [False, True, True]
    assert not is_taken(reader, 1)
    release(one, 0)
    assert share(one, 0)
    assert [is_taken(it, 0) for it in (one, other, reader)] == [False, True, True]
    release(one, 0)
    assert not is_taken(reader, 0)
    assert lock(other, 0)


def test_what_cannot_be_locked_is_an_error(files: Files) -> None:
    with pytest.raises(OSError, match="Bad file descriptor"):
        lock(files.open(os.O_RDONLY), 0)  # an exclusive lock wants a file open for writing
    with pytest.raises(OSError, match="Bad file descriptor"):
        share(files.open(os.O_WRONLY), 0)


# Waiting.


@pytest.mark.parametrize("wait", [wait_to_lock, wait_to_share])
def test_what_is_free_is_given_at_once(files: Files, wait: Callable[[int, int], None]) -> None:
    one, other = files.open(), files.open()
    wait(one, 0)
    assert not lock(other, 0)
    assert share(other, 0) == (wait is wait_to_share)


@pytest.mark.parametrize("wait", [wait_to_lock, wait_to_share])
def test_who_waits_is_given_it_when_it_is_let_go(
    path: Path, files: Files, wait: Callable[[int, int], None]
) -> None:
    one = files.open()
    assert lock(one, 0)
    waits, tell = os.pipe()

    def life() -> int:
        other = os.open(path, os.O_RDWR)
        assert not lock(other, 0)
        os.write(tell, b"x")
        wait(other, 0)
        return 0

    child = forked(life)
    os.read(waits, 1)
    os.close(waits)
    os.close(tell)
    release(one, 0)
    assert exit_code(child) == 0


@pytest.mark.parametrize(
    ("wait", "take"), [(wait_to_lock, lock), (wait_to_lock, share), (wait_to_share, lock)]
)
def test_nobody_waits_for_ever(
    files: Files,
    wait: Callable[[int, int], None],
    take: Callable[[int, int], bool],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(locks, "PATIENCE_SECONDS", 0.05)
    one, other = files.open(), files.open()
    assert take(one, 0)
    began = time.monotonic()
    with pytest.raises(TimeoutError, match="too long"):
        wait(other, 0)
    assert time.monotonic() - began >= 0.05
    release(one, 0)
    assert lock(one, 0)  # who gave up has nothing


# The file behind the lock.


def test_a_file_is_at_its_name_until_it_is_moved_removed_or_replaced(path: Path, files: Files) -> None:
    descriptor, directory = files.open(), os.open(path.parent, os.O_RDONLY)
    try:
        assert is_at(descriptor, "locked", directory)
        assert not is_at(descriptor, "nothing", directory)
        path.rename(path.with_name("moved"))
        assert not is_at(descriptor, "locked", directory)
        assert is_at(descriptor, "moved", directory)
        path.symlink_to("moved")
        assert not is_at(descriptor, "locked", directory)
        path.unlink()
        path.touch()
        assert not is_at(descriptor, "locked", directory)
        path.with_name("moved").unlink()
        assert not is_at(descriptor, "moved", directory)
        assert not is_at(descriptor, "locked/below", directory)
    finally:
        os.close(directory)
