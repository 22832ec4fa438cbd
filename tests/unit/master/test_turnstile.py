"""The turnstile, with refusers that wait to be killed; times are numbers."""

from __future__ import annotations

import logging
import os
import signal
import socket
from typing import TYPE_CHECKING

import pytest

from scpd.master import turnstile as turnstile_module
from scpd.master.children import KEEPER, REFUSER, STANDBY, WORKER, Child, Children
from scpd.master.tally import Tally
from scpd.master.turnstile import Turnstile
from scpd.master.waiting import Arrival
from scpd.worker.peer import Peer
from tests.harness.commands import ForkedWakeup
from tests.harness.processes import children_of, is_running
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HOST, MAPPED, OTHER = ("192.0.2.1", 4711), ("::ffff:192.0.2.1", 4712), ("192.0.2.2", 4711)
# Beyond everybody's patience.
LATER = 0.5


def refuse(sock: socket.socket, peer: Peer, count: int, wakeup: object) -> int:
    """Say whom one refuses, and wait to be killed."""
    del wakeup
    sock.sendall(f"{peer} {count}".encode())
    while True:
        signal.pause()


class Scene:
    """A turnstile, its children, and connections that come to it."""

    def __init__(self, most: int) -> None:
        self.children = Children()
        self.before = {child.pid for child in children_of(os.getpid())}
        self.tally = Tally()
        self.turnstile = Turnstile(most, refuse, self.children, ForkedWakeup(), (), self.tally)  # type: ignore[arg-type]
        self.peers: list[socket.socket] = []
        self.arrivals: list[Arrival] = []

    def come(self, address: tuple[str, int] = HOST, since: float = 0.0) -> bool:
        """Let a connection come; its other end is the last of `peers`."""
        theirs, ours = socket.socketpair()
        theirs.settimeout(30)
        self.peers.append(theirs)
        self.arrivals.append(Arrival(ours, address, since))
        return self.turnstile.passes(self.arrivals[-1])

    def refusers(self) -> list[int]:
        return [it.pid for it in children_of(os.getpid()) if it.pid not in self.before and it.is_running]

    def end(self) -> None:
        self.turnstile.close()
        # Before their peers are gone, of which one that has not spoken yet would die by itself.
        for pid in self.refusers():
            self.kill(pid)
        for end in [*self.peers, *(arrival.sock for arrival in self.arrivals)]:
            end.close()

    def kill(self, pid: int) -> None:
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not is_running(pid))
        ((child, _),) = self.children.reap()
        self.turnstile.reaped(child)


@pytest.fixture
def scene(caplog: pytest.LogCaptureFixture) -> Iterator[Callable[[int], Scene]]:
    caplog.set_level(logging.WARNING)
    made: list[Scene] = []

    def make(most: int) -> Scene:
        made.append(Scene(most))
        return made[-1]

    yield make
    for each in made:
        each.end()


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


def test_so_many_pass_and_no_child_is_needed(scene: Callable[[int], Scene]) -> None:
    here = scene(3)
    assert [here.come() for _ in range(3)] == [True] * 3
    assert here.come(OTHER)
    assert here.refusers() == []


def test_one_too_many_is_given_to_a_refuser_who_knows_how_many_there_are(
    scene: Callable[[int], Scene],
) -> None:
    here = scene(2)
    here.come()
    here.come()
    assert not here.come()
    here.turnstile.keep_time(LATER)
    assert here.arrivals[-1].fileno() == -1
    assert here.peers[-1].recv(99) == b"192.0.2.1:4711 2"
    assert here.children.has(REFUSER)
    assert here.children.workers == 0


def test_an_ipv4_address_is_one_host_however_it_is_written(scene: Callable[[int], Scene]) -> None:
    here = scene(1)
    assert here.come(MAPPED)
    assert not here.come(HOST)
    here.turnstile.close()
    here.turnstile.left(Peer(MAPPED))
    assert here.come(HOST)


def test_a_worker_that_ends_gives_back_the_place_of_its_peer(scene: Callable[[int], Scene]) -> None:
    here = scene(1)
    here.come()
    here.turnstile.reaped(Child(1, WORKER, Peer(MAPPED)))
    assert here.come()


def test_a_refuser_that_ends_gives_back_no_place_but_its_own(
    scene: Callable[[int], Scene], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turnstile_module, "MOST_REFUSERS", 1)
    here = scene(1)
    here.come()
    here.come()
    here.turnstile.keep_time(LATER)
    here.kill(*here.refusers())
    assert not here.come()
    here.turnstile.keep_time(LATER)
    assert here.peers[-1].recv(99) == b"192.0.2.1:4711 1"


def test_whoever_finds_no_refuser_is_closed_and_counted(
    scene: Callable[[int], Scene], caplog: pytest.LogCaptureFixture
) -> None:
    here = scene(1)
    here.come()
    for _ in range(8):
        here.come()
    here.turnstile.keep_time(LATER)
    assert len(here.refusers()) == 8
    assert here.turnstile.next_time() is None
    for _ in range(8):
        here.come(since=1000.0)
    here.come()
    assert here.peers[-1].recv(99) == b""
    assert here.tally.unanswered == {"limit": 1}
    assert here.turnstile.next_time() is not None
    here.turnstile.keep_time(1000.0)
    (line,) = warnings(caplog)
    assert line == (
        "1 connection beyond --max-associations-per-host 1 closed without an answer: "
        "16 others were being refused (the last one from 192.0.2.1, which has 1)"
    )


def test_how_many_were_closed_is_said_once_a_minute(
    scene: Callable[[int], Scene], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turnstile_module, "MOST_REFUSERS", 0)
    here = scene(1)
    here.come()
    here.come()
    here.turnstile.keep_time(1000.0)
    for _ in range(3):
        here.come()
    here.turnstile.keep_time(1059.9)
    assert here.turnstile.next_time() == 1060.0
    assert len(warnings(caplog)) == 1
    here.turnstile.keep_time(1060.0)
    here.turnstile.keep_time(1120.0)
    assert [line.split(" beyond")[0] for line in warnings(caplog)] == ["1 connection", "3 connections"]
    assert here.turnstile.next_time() is None


def test_at_the_end_the_rest_of_them_is_said(
    scene: Callable[[int], Scene], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turnstile_module, "MOST_REFUSERS", 0)
    here = scene(1)
    here.turnstile.say()
    for _ in range(3):
        here.come()
    here.turnstile.say()
    here.turnstile.say()
    assert [line.split(" beyond")[0] for line in warnings(caplog)] == ["2 connections"]


def test_one_too_many_passes_if_a_place_becomes_free_in_a_moment(scene: Callable[[int], Scene]) -> None:
    here = scene(1)
    here.come()
    for address in (OTHER, OTHER, MAPPED, HOST):
        here.come(address, 100.0)
    assert here.turnstile.next_time() == 100.5
    here.turnstile.keep_time(100.4)
    here.turnstile.left(Peer(HOST))
    assert here.turnstile.late == [here.arrivals[3]]
    here.turnstile.late.clear()
    assert not here.come()
    here.turnstile.keep_time(100.5)
    assert here.peers[4].recv(99) == b"192.0.2.1:4711 1"
    assert here.turnstile.late == []


def test_at_the_end_those_who_wait_are_closed(scene: Callable[[int], Scene]) -> None:
    here = scene(1)
    for _ in range(3):
        here.come()
    here.turnstile.left(Peer(HOST))
    here.turnstile.close()
    assert [arrival.fileno() == -1 for arrival in here.arrivals] == [False, True, True]
    assert here.turnstile.late == []
    assert here.turnstile.next_time() is None


def test_whom_the_master_before_us_served_counts_whatever_the_limit_is(scene: Callable[[int], Scene]) -> None:
    here = scene(2)
    workers = [Child(number, WORKER, Peer(HOST)) for number in range(1, 4)]
    for child in (*workers, Child(4, STANDBY), Child(5, KEEPER), Child(6, WORKER, Peer(OTHER))):
        here.turnstile.take_over(child)
    assert not here.come()
    for child in workers[:2]:
        here.turnstile.reaped(child)
        assert here.turnstile.late == [here.arrivals[0]][: child.pid - 1]
    here.turnstile.reaped(workers[2])
    assert here.come()
    assert not here.come()


def test_whom_the_master_before_us_let_in_counts(scene: Callable[[int], Scene]) -> None:
    here = scene(1)
    for _ in range(2):
        here.turnstile.admit(Peer(HOST))
    assert not here.come()
    here.turnstile.left(Peer(HOST))
    assert here.turnstile.late == []
    here.turnstile.left(Peer(HOST))
    assert here.turnstile.late == here.arrivals


def test_refusers_of_the_master_before_us_have_their_places(
    scene: Callable[[int], Scene], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turnstile_module, "MOST_REFUSERS", 1)
    here = scene(1)
    refuser = Child(1, REFUSER, Peer(HOST))
    here.turnstile.take_over(refuser)
    here.come()
    here.come()
    assert here.arrivals[-1].fileno() == -1
    here.turnstile.reaped(refuser)
    here.come()
    assert here.turnstile.patient() == [here.arrivals[-1]]
