"""The entrance: real listeners and connections; times are numbers."""

from __future__ import annotations

import logging
import os
import resource
import socket
from ast import literal_eval
from time import monotonic
from typing import TYPE_CHECKING

import pytest

from scpd.master import turnstile as turnstile_module
from scpd.master import waiting as waiting_module
from scpd.master.children import Children
from scpd.master.entrance import Entrance
from scpd.master.rest import Rest
from scpd.master.tally import Tally
from scpd.master.turnstile import Turnstile
from scpd.master.waiting import Waiting
from scpd.master.watch import Watch
from scpd.worker.peer import Peer
from tests.harness.commands import ForkedWakeup
from tests.harness.forked import in_child

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HERE, ELSEWHERE = "127.0.0.1", "127.0.0.2"
SECONDS = 30.0


class Scene:
    """An entrance without workers behind it, `full` or not."""

    def __init__(self, most: int | None) -> None:
        listener = socket.create_server((HERE, 0))
        listener.setblocking(False)
        self.address = listener.getsockname()
        self.watch = Watch()
        self.rest = Rest()
        self.full = False
        self.turnstile = None
        self.tally = Tally()
        if most is not None:
            self.turnstile = Turnstile(most, _nobody, Children(), ForkedWakeup(), (), self.tally)  # type: ignore[arg-type]
        self.waiting = Waiting(SECONDS)
        self.entrance = Entrance(
            [listener], self.waiting, self.watch, self.rest, lambda: self.full, self.turnstile, self.tally
        )
        self.peers: list[socket.socket] = []

    def turn(self) -> None:
        """Do what is to be done now."""
        self.entrance.open_or_shut(monotonic())
        self.watch.wait(0.05)

    def come(self, said: bytes = b"", source: str = HERE) -> socket.socket:
        """Let a peer connect and say this."""
        peer = socket.create_connection(self.address, 10, source_address=(source, 0))
        self.peers.append(peer)
        peer.sendall(said)
        self.turn()
        return peer

    def is_closed(self, peer: socket.socket) -> bool:
        peer.setblocking(False)
        try:
            return peer.recv(1) == b""
        except BlockingIOError:
            return False
        except ConnectionResetError:  # what it had said was not read
            return True

    def serve(self) -> str | None:
        """Give the host that is to be served next, and let it go."""
        arrival = self.entrance.first()
        if arrival is None:
            return None
        self.entrance.let_go()
        return Peer(arrival.address).host

    def end(self) -> None:
        self.entrance.close()
        for peer in self.peers:
            peer.close()


def _nobody(*_: object) -> int:
    os._exit(0)


@pytest.fixture
def scene(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Scene]]:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr(turnstile_module, "MOST_REFUSERS", 0)
    made: list[Scene] = []

    def make(most: int | None = None) -> Scene:
        made.append(Scene(most))
        return made[-1]

    yield make
    for each in made:
        each.end()


both = pytest.mark.parametrize("most", [None, 5])


@both
def test_who_has_spoken_is_the_first_of_those_who_have(scene: Callable[..., Scene], most: int | None) -> None:
    here = scene(most)
    late = here.come()
    here.come(b"\1", ELSEWHERE)
    late.send(b"\1")
    here.turn()
    assert [here.serve() for _ in range(3)] == [ELSEWHERE, HERE, None]
    assert [here.is_closed(peer) for peer in here.peers] == [True, True]


@both
def test_who_leaves_without_a_word_is_forgotten(scene: Callable[..., Scene], most: int | None) -> None:
    here = scene(most)
    here.come().close()
    here.turn()
    assert here.waiting.oldest() is None
    assert here.entrance.first() is None
    assert here.tally.unanswered == {"left": 1}


@both
def test_who_is_silent_for_too_long_is_closed(scene: Callable[..., Scene], most: int | None) -> None:
    here = scene(most)
    peer = here.come()
    expiry = here.entrance.next_times()[0]
    assert expiry is not None
    here.entrance.keep_time(expiry - 0.001)
    assert not here.is_closed(peer)
    here.entrance.keep_time(expiry)
    assert here.is_closed(peer)
    assert here.entrance.next_times() == (None, None)
    assert here.tally.unanswered == {"timeout": 1}


@both
def test_while_resting_nobody_comes_in(scene: Callable[..., Scene], most: int | None) -> None:
    here = scene(most)
    here.rest.begin("cannot fork")
    here.come(b"\1")
    assert here.entrance.first() is None
    here.rest.until = 0.0
    here.turn()
    assert here.entrance.first() is not None


@both
def test_at_the_end_all_are_closed(scene: Callable[..., Scene], most: int | None) -> None:
    here = scene(most)
    silent, ready = here.come(), here.come(b"\1")
    here.entrance.close()
    assert here.is_closed(silent)
    assert here.is_closed(ready)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(here.address)
    here.turn()


@both
def test_who_has_just_come_has_a_moment_to_speak_though_nobody_is_let_in(
    scene: Callable[..., Scene], most: int | None
) -> None:
    here = scene(most)
    ready, silent, late = here.come(b"\1"), here.come(), here.come()
    here.entrance.shut()
    assert here.is_closed(ready)
    assert not here.entrance.is_empty()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(here.address)
    late.send(b"\1")
    here.turn()
    assert here.serve() == HERE
    expiry = here.entrance.next_times()[0]
    assert expiry is not None
    assert expiry < monotonic() + SECONDS - 1
    here.entrance.keep_time(expiry)
    assert here.is_closed(silent)
    assert here.entrance.is_empty()


def test_while_all_workers_are_busy_connections_stay_in_the_backlog(scene: Callable[..., Scene]) -> None:
    here = scene()
    here.full = True
    here.come(b"\1")
    assert here.entrance.first() is None
    here.full = False
    here.turn()
    assert here.entrance.first() is not None


def test_where_hosts_are_counted_they_come_in_while_all_workers_are_busy(scene: Callable[..., Scene]) -> None:
    here = scene(2)
    here.full = True
    peers = [here.come(b"\1") for _ in range(4)]
    other = here.come(b"\1", ELSEWHERE)
    assert [here.is_closed(peer) for peer in [*peers[:2], other]] == [False] * 3
    assert [here.is_closed(peer) for peer in peers[2:]] == [True, True]
    first = here.entrance.first()
    assert first is not None
    assert first.since == float("inf")
    assert [here.serve() for _ in range(4)] == [HERE, HERE, ELSEWHERE, None]


def test_whoever_stands_behind_another_has_all_his_time_when_he_gets_a_worker(
    scene: Callable[..., Scene],
) -> None:
    here = scene(2)
    for _ in range(2):
        here.come(b"\1")
    assert [arrival.since == float("inf") for arrival in here.waiting.ready] == [False, True]


def test_there_is_room_for_so_many_that_wait_for_a_worker(
    scene: Callable[..., Scene], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scpd.master.entrance.MOST_READY", 2)
    here = scene(5)
    here.full = True
    for source in (HERE, HERE, ELSEWHERE):
        here.come(b"\1", source)
    assert [here.serve(), here.serve(), here.serve()] == [HERE, HERE, None]
    here.turn()
    assert here.serve() == ELSEWHERE


def test_who_leaves_while_he_waits_for_a_worker_gives_his_place_back(scene: Callable[..., Scene]) -> None:
    here = scene(1)
    here.full = True
    here.come(b"\1").close()
    here.turn()
    assert here.entrance.first() is None
    assert here.tally.unanswered == {"gone": 1}
    here.come(b"\1")
    assert here.serve() == HERE


def test_who_is_being_served_keeps_his_place(scene: Callable[..., Scene]) -> None:
    here = scene(1)
    here.come(b"\1")
    assert here.serve() == HERE
    here.come(b"\1")
    assert here.entrance.first() is None


@pytest.mark.parametrize(("most", "closed"), [(None, 0), (9, 1)])
def test_room_is_made_by_the_oldest_or_where_hosts_are_counted_by_the_host_that_has_most(
    scene: Callable[..., Scene], monkeypatch: pytest.MonkeyPatch, most: int | None, closed: int
) -> None:
    monkeypatch.setattr(waiting_module, "MOST_SILENT", 3)
    here = scene(most)
    for source in (ELSEWHERE, HERE, HERE, HERE):
        here.come(source=source)
    assert [here.is_closed(peer) for peer in here.peers].index(True) == closed
    assert here.tally.unanswered == {"no_room": 1}


def test_whoever_passes_after_a_moment_is_served_and_has_all_his_time(
    scene: Callable[..., Scene], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turnstile_module, "MOST_REFUSERS", 2)
    here = scene(1)
    first = here.come()
    here.come(b"\1")
    late = here.come()
    first.close()
    here.turn()
    now = monotonic()
    here.entrance.keep_time(now)
    here.turn()
    assert here.serve() == HERE
    assert here.turnstile is not None
    here.turnstile.left(Peer((HERE, 1)))
    here.entrance.keep_time(now)
    assert here.entrance.next_times()[0] == now + SECONDS
    late.send(b"\1")
    here.turn()
    assert here.serve() == HERE


def handed_on(old: Scene, new: Scene) -> list[list[object]]:
    """Let one entrance take over what another one had."""
    listeners, rows = literal_eval(repr(old.entrance.estate()))
    for descriptor in (*listeners, *(row[0] for row in rows)):
        assert os.get_inheritable(descriptor) is False
    new.entrance.take_over([[os.dup(row[0]), *row[1:]] for row in rows])
    return rows


@pytest.mark.parametrize("most", [None, 1])
def test_whoever_waits_passes_to_a_successor(scene: Callable[..., Scene], most: int | None) -> None:
    old = scene(9)
    old.full = True
    old.come(b"first")
    old.turn()
    silent = old.come()
    old.turn()
    old.come(b"second", ELSEWHERE)
    old.turn()
    new = scene(most)
    rows = handed_on(old, new)
    assert [row[1] for row in rows] == [HERE, ELSEWHERE, HERE]
    assert all(row[3] <= monotonic() for row in rows)
    assert [new.serve(), new.serve(), new.serve()] == [HERE, ELSEWHERE, None]
    silent.sendall(b"third")
    new.turn()
    assert new.serve() == HERE
    if new.turnstile is not None:  # three were counted, and none of them has left
        new.come(b"one more")
        new.turn()
        assert new.serve() is None


def test_one_too_many_is_still_one_too_many_for_a_successor(
    scene: Callable[..., Scene], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turnstile_module, "MOST_REFUSERS", 1)
    old, new = scene(1), scene(1)
    old.come(b"first")
    old.turn()
    old.come(b"too many")
    old.turn()
    rows = handed_on(old, new)
    assert [row[-1] for row in rows] == [True, False]
    assert new.serve() == HERE
    assert new.serve() is None
    assert new.turnstile is not None
    assert len(new.turnstile.patient()) == 1
    new.turnstile.left(Peer((HERE, 1)))
    new.entrance.keep_time(monotonic())
    new.turn()
    assert new.serve() == HERE


def test_a_successor_waits_no_longer_for_the_first_byte(scene: Callable[..., Scene]) -> None:
    old, new = scene(), scene()
    old.come()
    old.turn()
    (arrival,) = old.waiting.all()
    arrival.since -= 10
    handed_on(old, new)
    assert new.waiting.next_expiry() == arrival.since + SECONDS


def test_for_a_reload_those_make_room_that_have_been_silent_longest(
    scene: Callable[..., Scene], caplog: pytest.LogCaptureFixture
) -> None:
    here = scene()
    for _ in range(6):
        here.come()
    here.turn()
    here.come(b"spoken")
    here.turn()

    def work() -> list[object]:
        numbers = os.listdir("/proc/self/fd")  # with the directory's own, free by now
        most = max(map(int, numbers)) + 3
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        free = most - len(numbers) + 1
        enough = here.entrance.keep_free(free)
        said = len(caplog.messages)
        more = here.entrance.keep_free(free + 2)
        return [
            enough,
            said,
            more,
            len(caplog.messages),
            here.entrance.keep_free(free + 99),
            here.serve() is not None,
        ]

    caplog.clear()
    assert in_child(work) == [True, 0, True, 2, False, True]
