"""Descriptors that are watched, real ones."""

from __future__ import annotations

import select
import socket
from time import monotonic
from typing import TYPE_CHECKING

import pytest

from scpd.master.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def pairs() -> Iterator[list[tuple[socket.socket, socket.socket]]]:
    """Two connected pairs: what is said at the second end of one is there at its first."""
    made = [socket.socketpair(), socket.socketpair()]
    yield made
    for end in [*made[0], *made[1]]:
        end.close()


def test_a_task_is_done_when_its_source_has_something_to_read(
    pairs: list[tuple[socket.socket, socket.socket]],
) -> None:
    watch, done = Watch(), list[socket.socket]()
    for ours, _ in pairs:
        watch.add(ours, done.append)
    pairs[1][1].send(b"x")
    watch.wait(10)
    assert done == [pairs[1][0]]
    pairs[0][1].close()
    watch.wait(10)
    assert done[1:] == [pairs[0][0], pairs[1][0]]


def test_a_source_that_was_taken_out_is_watched_no_more(
    pairs: list[tuple[socket.socket, socket.socket]],
) -> None:
    watch, done = Watch(), list[socket.socket]()
    for ours, theirs in pairs:
        watch.add(ours, done.append)
        theirs.send(b"x")
    watch.remove(pairs[0][0])
    watch.wait(10)
    assert done == [pairs[1][0]]


def test_what_an_earlier_task_of_the_turn_has_closed_is_not_asked_nor_who_has_its_number_now(
    pairs: list[tuple[socket.socket, socket.socket]],
) -> None:
    watch, done = Watch(), list[socket.socket]()

    def close_the_other(ours: socket.socket) -> None:
        done.append(ours)
        (other,) = [each for each, _ in pairs if each is not ours]
        number = other.fileno()
        watch.remove(other)
        other.close()
        pairs.append((socket.socket(), other))
        assert pairs[2][0].fileno() == number
        watch.add(pairs[2][0], done.append)

    for ours, theirs in pairs:
        watch.add(ours, close_the_other)
        theirs.send(b"x")
    watch.wait(10)
    assert len(done) == 1
    pairs.pop()[0].close()


def test_of_a_source_that_may_have_something_to_read_only_its_end_can_be_watched() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        peer = socket.create_connection(listener.getsockname())
        ours, _ = listener.accept()
    watch, done = Watch(), list[socket.socket]()
    with ours, peer:
        watch.add(ours, done.append, select.POLLRDHUP)
        peer.send(b"x")
        watch.wait(0.05)
        assert done == []
        peer.close()
        watch.wait(10)
        assert done == [ours]


@pytest.mark.parametrize("seconds", [0.0, 0.0005, 0.02])
def test_it_waits_as_long_as_told(seconds: float) -> None:
    start = monotonic()
    Watch().wait(seconds)
    assert seconds <= monotonic() - start < seconds + 5
