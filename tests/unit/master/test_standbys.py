"""Workers forked ahead, real ones: they wait, serve one connection each, and leave with their master."""

from __future__ import annotations

import os
import signal
import socket
from typing import TYPE_CHECKING, Any

import pytest

from scpd.master.standbys import Standbys
from scpd.process.scoreboard import Scoreboard
from scpd.process.standby import Assignment, await_assignment
from tests.harness.forked import exit_code

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from scpd.process.score import Score

ADDRESS = ("192.0.2.1", 1234)
NOW, YEAR = 1000.0, 3e7


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
    """The workers of the test, which end with it."""
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
def standbys(pids: list[int], scoreboard: Scoreboard) -> Iterator[Callable[[int], Standbys]]:
    made: list[Standbys] = []

    def make(most: int) -> Standbys:
        made.append(Standbys(most, stand_by, QUIET, (), scoreboard))
        return made[0]

    yield make
    for each in made:
        each.dismiss()


def forked(standbys: Standbys, pids: list[int]) -> int:
    pid = standbys.fork().pid
    pids.append(pid)
    return pid


def served_by(standbys: Standbys, pids: list[int]) -> int | None:
    """Hand a connection over; gives the worker that has served it."""
    peer, ours = socket.socketpair()
    with peer:
        child = standbys.hand_over(Assignment(ours, ADDRESS, 12.5), NOW)
        ours.close()
        if child is None:
            return None
        peer.settimeout(30)
        assert peer.recv(99) == b"192.0.2.1 12.5"
        assert exit_code(child.pid) == 42
    pids.remove(child.pid)
    return child.pid


def test_while_connections_come_one_is_forked_for_each_and_in_a_calm_as_many_as_may_be(
    standbys: Callable[[int], Standbys], pids: list[int]
) -> None:
    workers = standbys(3)
    for _ in range(3):
        assert workers.are_wanted(NOW)
        forked(workers, pids)
    assert not workers.are_wanted(NOW + YEAR)
    assert workers.next_time() is None

    assert served_by(workers, pids)
    assert not workers.are_wanted(NOW)
    assert served_by(workers, pids)
    assert not workers.are_wanted(NOW)
    assert served_by(workers, pids)
    assert workers.are_wanted(NOW)
    forked(workers, pids)
    assert not workers.are_wanted(NOW)

    calm = workers.next_time()
    assert calm is not None
    assert NOW < calm < NOW + 1
    assert workers.are_wanted(calm)


def test_the_last_one_is_replaced_when_the_respite_of_who_begins_to_serve_is_over(
    pids: list[int], scoreboard: Scoreboard
) -> None:
    workers = Standbys(3, stand_by, QUIET, (), scoreboard, respite=0.5)
    assert workers.are_wanted(NOW)  # nobody has begun yet
    assert not workers.respite_left(NOW)
    for _ in range(2):
        forked(workers, pids)

    assert served_by(workers, pids)
    assert workers.respite_left(NOW) == 0.5
    assert not workers.are_wanted(NOW + 0.49)  # a calm is shorter
    assert workers.are_wanted(NOW + 0.5)
    assert served_by(workers, pids)
    assert not workers.are_wanted(NOW + 0.49)
    assert workers.respite_left(NOW + 0.25) == 0.25
    assert workers.next_time() == NOW + 0.5
    assert workers.are_wanted(NOW + 0.5)
    assert not workers.respite_left(NOW + 0.75)
    workers.dismiss()


def test_where_no_more_can_be_forked_one_is_enough_for_a_minute(
    standbys: Callable[[int], Standbys], pids: list[int]
) -> None:
    workers = standbys(3)
    workers.put_off(NOW)
    assert workers.are_wanted(NOW)  # without any there is nobody to serve
    forked(workers, pids)
    assert not workers.are_wanted(NOW + 59)
    forked(workers, pids)
    assert served_by(workers, pids)
    assert workers.next_time() == NOW + 60
    assert workers.are_wanted(NOW + 60)


@pytest.mark.parametrize("most", [1, 2])
def test_there_are_never_more_than_may_be(
    standbys: Callable[[int], Standbys], pids: list[int], most: int
) -> None:
    workers = standbys(most)
    for _ in range(most):
        assert workers.are_wanted(NOW + YEAR)
        forked(workers, pids)
    assert not workers.are_wanted(NOW + YEAR)


def test_the_one_that_has_waited_longest_serves(standbys: Callable[[int], Standbys], pids: list[int]) -> None:
    workers = standbys(4)
    order = [forked(workers, pids) for _ in range(3)]

    assert [served_by(workers, pids) for _ in range(3)] == order
    assert not workers


def test_one_that_has_died_hands_the_connection_back(
    standbys: Callable[[int], Standbys], pids: list[int]
) -> None:
    workers = standbys(4)
    dead, living = forked(workers, pids), forked(workers, pids)
    os.kill(dead, signal.SIGKILL)
    assert exit_code(dead) == -signal.SIGKILL
    pids.remove(dead)

    assert served_by(workers, pids) is None
    assert served_by(workers, pids) == living


def test_one_that_was_reaped_is_forgotten(standbys: Callable[[int], Standbys], pids: list[int]) -> None:
    workers = standbys(4)
    child = workers.fork()
    os.kill(child.pid, signal.SIGKILL)
    exit_code(child.pid)

    workers.forget(child)
    workers.forget(child)

    assert not workers


@pytest.mark.parametrize("count", [1, 4])
def test_they_leave_when_the_master_dismisses_them(
    standbys: Callable[[int], Standbys], pids: list[int], count: int
) -> None:
    workers = standbys(4)
    for _ in range(count):
        forked(workers, pids)

    workers.dismiss()

    # All of them: a younger one keeps no copy of the master's end of an older one's channel.
    for pid in [*pids]:
        assert exit_code(pid) == 0
        pids.remove(pid)


def test_each_has_a_slot_of_the_scoreboard_until_that_is_taken_back(
    standbys: Callable[[int], Standbys], pids: list[int], scoreboard: Scoreboard
) -> None:
    workers = standbys(4)
    children = [workers.fork(), workers.fork()]
    pids += [child.pid for child in children]
    assert [child.slot for child in children] == [0, 1]
    assert served_by(workers, pids) == children[0].pid

    reading = scoreboard.take_back(0)

    assert (reading.pid, reading.peer[0]) == (children[0].pid, "192.0.2.1")
    assert scoreboard.copy().read(0).pid == 0
    pids.append(workers.fork().pid)
    assert scoreboard.take() == 2


def test_one_keeps_nothing_of_the_masters_but_its_end_of_the_channel(
    pids: list[int], scoreboard: Scoreboard
) -> None:
    reader, writer = os.pipe()

    def count_descriptors(worker_end: socket.socket, _: Score) -> int:
        await_assignment(worker_end, QUIET)
        return len(os.listdir("/proc/self/fd"))

    workers = Standbys(4, count_descriptors, QUIET, (), scoreboard)
    pid = forked(workers, pids)
    workers.dismiss()
    os.close(reader)
    os.close(writer)

    # Standard streams, wakeup, and the directory that is being listed; the channel is closed by now.
    assert exit_code(pid) == 3 + 2 + 1
    pids.remove(pid)


def test_one_that_serves_is_not_dismissed(standbys: Callable[[int], Standbys], pids: list[int]) -> None:
    workers = standbys(4)
    forked(workers, pids)
    peer, ours = socket.socketpair()
    child = workers.hand_over(Assignment(ours, ADDRESS, 12.5), NOW)
    workers.dismiss()
    ours.close()

    assert child is not None
    assert exit_code(child.pid) == 42
    pids.remove(child.pid)
    peer.close()


def test_no_descriptor_is_lost(standbys: Callable[[int], Standbys], pids: list[int]) -> None:
    workers = standbys(4)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        forked(workers, pids)
        assert served_by(workers, pids)

    assert len(os.listdir("/proc/self/fd")) == before
