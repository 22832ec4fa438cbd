"""The slots of the workers, shared with real ones."""

from __future__ import annotations

import fcntl
import os
import resource
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from scpd.errors import StartError
from scpd.process import score, scoreboard
from scpd.process.scoreboard import NOWHERE, Scoreboard
from tests.harness.forked import exit_code, forked, in_child

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def board() -> Iterator[Scoreboard]:
    made = Scoreboard()
    yield made
    made.close()


def store(board: Scoreboard, slot: int, count: int) -> None:
    mine = board.score(slot)
    mine.begin(f"peer {slot}")
    for _ in range(count):
        mine.words[score.STORED] += 1
        mine.words[score.BYTES] += 1000


def test_what_a_worker_counted_is_there_when_it_was_killed(board: Scoreboard) -> None:
    slot = board.take()
    ready, tell = os.pipe()

    def life() -> int:
        store(board, slot, 12)
        os.write(tell, b"!")
        signal.pause()
        return 0

    pid = forked(life)
    os.read(ready, 1)
    assert board.copy().read(slot).stored == 12
    os.kill(pid, signal.SIGKILL)
    exit_code(pid)

    reading = board.take_back(slot)
    assert (reading.pid, reading.stored, reading.bytes, reading.peer[0]) == (pid, 12, 12000, "peer 0")
    os.close(ready)
    os.close(tell)


def test_each_writes_to_its_own_slot_only(board: Scoreboard) -> None:
    slots = [board.take() for _ in range(5)]
    for slot in slots:
        board.score(slot).words[:] = memoryview(bytes([slot + 1]) * score.TEXT).cast("Q")
        board.score(slot).words[score.VERSION] = score.LAYOUT
        board.score(slot).words[score.BYTES] = slot
    assert [board.copy().read(slot).bytes for slot in slots] == slots


def test_a_slot_that_was_given_back_is_empty_and_is_taken_next(board: Scoreboard) -> None:
    slots = [board.take() for _ in range(3)]
    store(board, slots[1], 5)
    board.take_back(slots[1])
    assert board.copy().read(slots[1]).pid == 0
    assert board.take() == slots[1]
    assert board.take() == 3


def test_who_finds_none_free_goes_without(board: Scoreboard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoreboard, "MOST", 2)
    assert [board.take() for _ in range(3)] == [0, 1, NOWHERE]
    mine = board.score(NOWHERE)
    mine.begin("x")
    assert board.take_back(NOWHERE).pid == 0
    board.take_back(0)
    assert [board.take(), board.take()] == [0, NOWHERE]


def test_a_copy_stays_as_it_was(board: Scoreboard) -> None:
    slot = board.take()
    store(board, slot, 1)
    copy = board.copy()
    store(board, slot, 1)
    board.take_back(slot)
    assert copy.read(slot).stored == 1
    assert copy.read(slot + 1).pid == copy.read(NOWHERE).pid == copy.read(99999).pid == 0


def test_a_program_that_takes_its_masters_place_has_the_same_memory(board: Scoreboard) -> None:
    slots = [board.take() for _ in range(4)]
    store(board, slots[2], 7)
    code = (
        "import sys; from scpd.process.scoreboard import Scoreboard\n"
        "board = Scoreboard(int(sys.argv[1]), [2, 5000])\n"
        "print(board.copy().read(2).stored, board.take(), board.take(), board.take())"
    )
    os.set_inheritable(board.fileno(), True)
    words = [sys.executable, "-c", code, str(board.fileno())]
    said = subprocess.run(words, capture_output=True, check=True, close_fds=False, timeout=30).stdout
    assert said == b"7 1 0 3\n"


def test_where_files_may_not_be_so_large_it_works_without_one() -> None:
    def work() -> list[int]:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
        board = Scoreboard()
        slot = board.take()
        exit_code(forked(lambda: store(board, slot, 3) or 0))  # type: ignore[func-returns-value]
        found = [board.fileno(), board.take_back(slot).stored, len(os.listdir("/proc/self/fd"))]
        board.close()
        return found

    descriptors = len(os.listdir("/proc/self/fd"))
    assert in_child(work) == [-1, 3, descriptors + 1]  # the pipe that this comes by


def test_a_file_that_is_none_is_refused() -> None:
    with open(os.devnull, "rb") as file, pytest.raises(StartError, match="cannot share memory"):
        Scoreboard(os.dup(file.fileno()))


def test_a_program_that_is_run_does_not_inherit_it(board: Scoreboard) -> None:
    assert fcntl.fcntl(board.fileno(), fcntl.F_GETFD) & fcntl.FD_CLOEXEC
    again = Scoreboard(os.dup2(board.fileno(), os.dup(board.fileno()), inheritable=True))
    assert fcntl.fcntl(again.fileno(), fcntl.F_GETFD) & fcntl.FD_CLOEXEC
    again.close()
