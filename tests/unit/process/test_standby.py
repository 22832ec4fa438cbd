"""The channel to a worker that stands by: a connection goes through, or the end of the master."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import pytest

from scpd.process import standby
from scpd.process.signals import Wakeup
from scpd.process.standby import Assignment, assign, await_assignment
from tests.harness.forked import exit_code, forked, in_child

if TYPE_CHECKING:
    from collections.abc import Iterator


class Quiet:
    """A wakeup whose signals never come, or one that came."""

    def __init__(self) -> None:
        self._reader, self.writer = os.pipe()
        self.signalled = False

    def fileno(self) -> int:
        return self._reader

    def close(self) -> None:
        os.close(self._reader)
        os.close(self.writer)


@pytest.fixture
def wakeup() -> Iterator[Quiet]:
    wakeup = Quiet()
    yield wakeup
    wakeup.close()


@pytest.fixture
def channel() -> Iterator[tuple[socket.socket, socket.socket]]:
    mine, theirs = standby.channel()
    yield mine, theirs
    mine.close()
    theirs.close()


@pytest.fixture(params=["127.0.0.1", "::1"])
def pair(request: pytest.FixtureRequest) -> Iterator[tuple[socket.socket, socket.socket]]:
    """A peer's end of a connection, and ours."""
    family = socket.AF_INET6 if ":" in request.param else socket.AF_INET
    try:
        listener = socket.create_server((request.param, 0), family=family)
    except OSError:
        pytest.skip(f"no {request.param} here")
    with listener:
        peer = socket.create_connection(listener.getsockname()[:2])
        ours, _ = listener.accept()
    yield peer, ours
    peer.close()
    ours.close()


def test_a_connection_arrives_with_its_address_and_its_deadline(
    channel: tuple[socket.socket, socket.socket], pair: tuple[socket.socket, socket.socket], wakeup: Quiet
) -> None:
    peer, ours = pair
    host = peer.getsockname()[0]
    assign(channel[0], Assignment(ours, (host, 11112), 1234.5))
    ours.close()

    work = await_assignment(channel[1], wakeup)  # type: ignore[arg-type]

    assert work is not None
    assert (work.address, work.deadline, work.sock.family) == ((host, 11112), 1234.5, peer.family)
    peer.sendall(b"hello")
    assert work.sock.recv(9) == b"hello"
    assert not work.sock.get_inheritable()
    assert channel[1].fileno() == -1
    work.sock.close()


@pytest.mark.parametrize("address", [("fe80::1%eth0", 104, 0, 2), ("2001:db8:1:2:3:4:5:6", 65535, 0, 0)])
def test_addresses_of_any_length_pass(
    channel: tuple[socket.socket, socket.socket], wakeup: Quiet, address: tuple[str, int]
) -> None:
    with socket.socket() as sock:
        assign(channel[0], Assignment(sock, address, 0.0))

    work = await_assignment(channel[1], wakeup)  # type: ignore[arg-type]

    assert work is not None
    assert work.address == address[:2]
    work.sock.close()


def test_when_the_master_closes_its_end_there_is_nothing_to_do(
    channel: tuple[socket.socket, socket.socket], wakeup: Quiet
) -> None:
    channel[0].close()

    assert await_assignment(channel[1], wakeup) is None  # type: ignore[arg-type]


def test_a_signal_ends_the_wait(channel: tuple[socket.socket, socket.socket], wakeup: Quiet) -> None:
    wakeup.signalled = True
    os.write(wakeup.writer, b"\x0f")

    assert await_assignment(channel[1], wakeup) is None  # type: ignore[arg-type]


def test_a_real_signal_ends_the_wait_too(channel: tuple[socket.socket, socket.socket]) -> None:
    def work() -> bool:
        wakeup = Wakeup()
        os.kill(os.getpid(), 15)
        return await_assignment(channel[1], wakeup) is None

    assert in_child(work) is True


def test_a_dead_worker_is_found_out(channel: tuple[socket.socket, socket.socket]) -> None:
    mine, theirs = channel
    theirs.close()

    with socket.socket() as sock, pytest.raises(OSError, match=r"pipe|reset"):
        assign(mine, Assignment(sock, ("192.0.2.1", 1), 0.0))


def test_a_connection_survives_the_master(
    channel: tuple[socket.socket, socket.socket], pair: tuple[socket.socket, socket.socket], wakeup: Quiet
) -> None:
    mine, theirs = channel
    peer, ours = pair

    def master() -> int:
        assign(mine, Assignment(ours, ("127.0.0.1", 1), 0.0))
        return 0

    assert exit_code(forked(master)) == 0
    mine.close()
    ours.close()

    work = await_assignment(theirs, wakeup)  # type: ignore[arg-type]
    assert work is not None
    work.sock.sendall(b"hello")
    assert peer.recv(9) == b"hello"
    work.sock.close()
