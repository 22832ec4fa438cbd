"""Connections that wait for their first byte or for a worker; the clock is a number."""

from __future__ import annotations

import select
import socket
import struct
from typing import TYPE_CHECKING

import pytest

from scpd.master import waiting as waiting_module
from scpd.master.waiting import Arrival, Waiting

if TYPE_CHECKING:
    from collections.abc import Iterator

ADDRESS = ("192.0.2.1", 1234)


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """A peer's end of a TCP connection, and ours."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        peer = socket.create_connection(listener.getsockname())
        ours, _ = listener.accept()
    yield peer, ours
    peer.close()
    ours.close()


def until_readable(sock: socket.socket) -> None:
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    assert poll.poll(10_000)


def close(waiting: Waiting) -> None:
    for arrival in waiting.all():
        arrival.sock.close()


def arrivals(*times: float) -> list[Arrival]:
    return [Arrival(socket.socket(), ADDRESS, time) for time in times]


class TestArrival:
    def test_a_byte_is_a_word_and_stays_unread(self, pair: tuple[socket.socket, socket.socket]) -> None:
        peer, ours = pair
        arrival = Arrival(ours, ADDRESS, 0.0)
        peer.send(b"\1")
        until_readable(ours)

        assert arrival.has_spoken()
        assert arrival.has_spoken()
        assert ours.recv(9) == b"\1"

    def test_who_closes_without_a_byte_has_not_spoken(
        self, pair: tuple[socket.socket, socket.socket]
    ) -> None:
        peer, ours = pair
        peer.close()
        until_readable(ours)

        assert not Arrival(ours, ADDRESS, 0.0).has_spoken()

    def test_who_closes_after_a_byte_has_spoken(self, pair: tuple[socket.socket, socket.socket]) -> None:
        peer, ours = pair
        peer.send(b"\1")
        peer.close()
        until_readable(ours)

        assert Arrival(ours, ADDRESS, 0.0).has_spoken()

    def test_who_resets_the_connection_has_not_spoken(
        self, pair: tuple[socket.socket, socket.socket]
    ) -> None:
        peer, ours = pair
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.close()
        until_readable(ours)

        assert not Arrival(ours, ADDRESS, 0.0).has_spoken()

    def test_a_closed_connection_has_no_descriptor(self, pair: tuple[socket.socket, socket.socket]) -> None:
        _, ours = pair
        arrival = Arrival(ours, ADDRESS, 0.0)
        assert arrival.fileno() == ours.fileno()
        ours.close()

        assert arrival.fileno() == -1


class TestWaiting:
    def test_nobody_waits_at_first(self) -> None:
        waiting = Waiting(30.0)

        assert waiting.oldest() is None
        assert waiting.next_expiry() is None
        assert not waiting.ready
        assert not waiting.is_full()

    def test_the_one_that_has_waited_longest_expires_first(self) -> None:
        waiting = Waiting(30.0)
        first, second, third = arrivals(100.0, 101.0, 105.0)
        for arrival in (first, second, third):
            waiting.add(arrival)

        assert waiting.oldest() is first
        assert waiting.next_expiry() == 130.0

        waiting.remove(first)
        assert waiting.oldest() is second
        assert waiting.next_expiry() == 131.0

        waiting.spoke(second)
        assert waiting.next_expiry() == 135.0
        close(waiting)

    def test_who_has_spoken_waits_for_a_worker_in_the_order_of_speaking(self) -> None:
        waiting = Waiting(30.0)
        first, second, third = arrivals(1.0, 2.0, 3.0)
        for arrival in (first, second, third):
            waiting.add(arrival)

        waiting.spoke(third)
        waiting.spoke(first)

        assert list(waiting.ready) == [third, first]
        assert waiting.oldest() is second
        close(waiting)

    def test_who_has_spoken_takes_no_silent_ones_place(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(waiting_module, "MOST_SILENT", 2)
        waiting = Waiting(30.0)
        first, second = arrivals(1.0, 2.0)
        waiting.add(first)
        assert not waiting.is_full()
        waiting.add(second)
        assert waiting.is_full()

        waiting.spoke(first)

        assert not waiting.is_full()
        close(waiting)

    def test_the_oldest_of_the_host_that_has_most_is_known(self) -> None:
        waiting = Waiting(30.0)
        assert waiting.oldest_of_most() is None
        mapped, plain = ("::ffff:192.0.2.9", 1, 0, 0), ("192.0.2.9", 2)
        alone, first, second, third = (
            Arrival(socket.socket(), address, 1.0) for address in (ADDRESS, mapped, plain, plain)
        )
        for arrival in (alone, first, second, third):
            waiting.add(arrival)

        assert waiting.oldest_of_most() is first
        waiting.remove(first)
        assert waiting.oldest_of_most() is second
        waiting.spoke(second)
        assert waiting.oldest_of_most() is alone
        first.sock.close()
        close(waiting)

    def test_a_thousand_may_be_silent(self) -> None:
        waiting = Waiting(30.0)
        sock = socket.socket()
        for number in range(1023):
            waiting.add(Arrival(sock, ADDRESS, float(number)))
        assert not waiting.is_full()
        waiting.add(Arrival(sock, ADDRESS, 1e4))
        assert waiting.is_full()
        close(waiting)

    def test_who_waits_for_a_worker_can_be_closed_and_forgotten(self) -> None:
        waiting = Waiting(30.0)
        silent, spoken = arrivals(1.0, 2.0)
        waiting.add(silent)
        waiting.add(spoken)
        waiting.spoke(spoken)

        waiting.close_ready()

        assert spoken.fileno() == -1
        assert waiting.all() == [silent]
        silent.sock.close()

    @pytest.mark.parametrize(("seconds", "expiry"), [(1.0, 11.0), (60.0, 40.0)])
    def test_who_is_silent_can_be_given_less_time_and_never_more(self, seconds: float, expiry: float) -> None:
        waiting = Waiting(30.0)
        (silent,) = arrivals(10.0)
        waiting.add(silent)

        waiting.hurry(seconds)

        assert waiting.next_expiry() == expiry
        silent.sock.close()

    def test_one_that_was_taken_out_is_not_closed_at_the_end(self) -> None:
        # A worker takes its own connection out of the table, and closes all that is left there.
        waiting = Waiting(30.0)
        (own,) = arrivals(1.0)
        waiting.add(own)
        waiting.spoke(own)
        waiting.ready.popleft()

        close(waiting)

        assert own.fileno() != -1
        own.sock.close()
