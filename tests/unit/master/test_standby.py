"""Workers forked ahead, real ones: they wait, serve one connection each, and leave with their master."""

from __future__ import annotations

import os
import signal
import socket
from typing import TYPE_CHECKING, Any

import pytest

from scpd.master.standby import Standby
from scpd.process.scoreboard import Scoreboard
from scpd.process.standby import Assignment, await_assignment
from tests.harness.forked import exit_code

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scpd.process.score import Score

ADDRESS = ("192.0.2.1", 1234)


class Quiet:
    """A wakeup without signals, which leaves those of the test's own process alone."""

    signalled = False

    def __init__(self) -> None:
        self._reader, self._writer = -1, -1

    def renew(self) -> None:
        self._reader, self._writer = os.pipe()

    def fileno(self) -> int:
        return self._reader


QUIET: Any = Quiet()


def stand_by(worker_end: socket.socket, score: Score) -> int:
    """Wait for a connection, and say on it whom one was asked to serve."""
    work = await_assignment(worker_end, QUIET)
    if work is None:
        return 0
    score.begin(work.address[0])
    work.sock.sendall(f"{work.address[0]} {work.deadline}".encode())
    return 42


@pytest.fixture
def pids() -> Iterator[list[int]]:
    """The standby of the test, which end with it."""
    pids: list[int] = []
    yield pids
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


@pytest.fixture
def scoreboard() -> Iterator[Scoreboard]:
    made = Scoreboard()
    yield made
    made.close()


@pytest.fixture
def standby(pids: list[int], scoreboard: Scoreboard) -> Iterator[Standby]:
    del pids  # which end after it
    made = Standby(stand_by, QUIET, (), scoreboard)
    yield made
    made.dismiss()


def forked(standby: Standby, pids: list[int]) -> int:
    pid = standby.fork().pid
    pids.append(pid)
    return pid


def served_by(standby: Standby, pids: list[int]) -> int | None:
    """Hand a connection over; gives the worker that has served it."""
    peer, ours = socket.socketpair()
    with peer:
        child = standby.hand_over(Assignment(ours, ADDRESS, 12.5))
        ours.close()
        if child is None:
            return None
        peer.settimeout(30)
        assert peer.recv(99) == b"192.0.2.1 12.5"
        assert exit_code(child.pid) == 42
    pids.remove(child.pid)
    return child.pid


def test_it_serves_one_connection(standby: Standby, pids: list[int]) -> None:
    assert not standby
    pid = forked(standby, pids)
    assert standby

    assert served_by(standby, pids) == pid
    assert not standby


def test_one_that_has_died_hands_the_connection_back(standby: Standby, pids: list[int]) -> None:
    dead = forked(standby, pids)
    os.kill(dead, signal.SIGKILL)
    assert exit_code(dead) == -signal.SIGKILL
    pids.remove(dead)

    assert served_by(standby, pids) is None
    assert not standby


def test_one_that_was_reaped_is_forgotten(standby: Standby, pids: list[int]) -> None:
    child = standby.fork()
    os.kill(child.pid, signal.SIGKILL)
    exit_code(child.pid)

    standby.forget(child)
    standby.forget(child)

    assert not standby


def test_it_leaves_when_the_master_dismisses_it(standby: Standby, pids: list[int]) -> None:
    pid = forked(standby, pids)

    standby.dismiss()

    assert not standby
    assert exit_code(pid) == 0
    pids.remove(pid)


def test_each_has_a_slot_of_the_scoreboard_until_that_is_taken_back(
    standby: Standby, pids: list[int], scoreboard: Scoreboard
) -> None:
    child = standby.fork()
    pids.append(child.pid)
    assert child.slot == 0
    assert served_by(standby, pids) == child.pid
    pids.append(standby.fork().pid)
    assert scoreboard.take() == 2

    reading = scoreboard.take_back(0)

    assert (reading.pid, reading.peer[0]) == (child.pid, "192.0.2.1")
    assert scoreboard.copy().read(0).pid == 0
    assert scoreboard.take() == 0


def test_one_keeps_nothing_of_the_masters_but_its_end_of_the_channel(
    pids: list[int], scoreboard: Scoreboard
) -> None:
    reader, writer = os.pipe()

    def count_descriptors(worker_end: socket.socket, _: Score) -> int:
        await_assignment(worker_end, QUIET)
        return len(os.listdir("/proc/self/fd"))

    standby = Standby(count_descriptors, QUIET, (), scoreboard)
    pid = forked(standby, pids)
    standby.dismiss()
    os.close(reader)
    os.close(writer)

    # Standard streams, wakeup, and the directory that is being listed; the channel is closed by now.
    assert exit_code(pid) == 3 + 2 + 1
    pids.remove(pid)


def test_one_that_serves_is_not_dismissed(standby: Standby, pids: list[int]) -> None:
    forked(standby, pids)
    peer, ours = socket.socketpair()
    child = standby.hand_over(Assignment(ours, ADDRESS, 12.5))
    standby.dismiss()
    ours.close()

    assert child is not None
    assert exit_code(child.pid) == 42
    pids.remove(child.pid)
    peer.close()


def test_no_descriptor_is_lost(standby: Standby, pids: list[int]) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        forked(standby, pids)
        assert served_by(standby, pids)

    assert len(os.listdir("/proc/self/fd")) == before
