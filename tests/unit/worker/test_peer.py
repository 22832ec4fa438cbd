"""The peer's address, its titles in the log, and the set-up of its socket."""

from __future__ import annotations

import logging
import socket
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scpd.worker.peer import Peer, readable, tune

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def sock() -> Iterator[socket.socket]:
    with socket.socket() as sock:
        yield sock


@pytest.mark.parametrize(
    ("address", "host", "text"),
    [
        (("192.0.2.1", 104), "192.0.2.1", "192.0.2.1:104"),
        (("::ffff:192.0.2.1", 104, 0, 0), "192.0.2.1", "192.0.2.1:104"),
        (("2001:db8::1", 104, 0, 0), "2001:db8::1", "[2001:db8::1]:104"),
        (("fe80::1%eth0", 104, 0, 2), "fe80::1%eth0", "[fe80::1%eth0]:104"),
    ],
)
def test_an_address_is_written_as_it_is_looked_for(address: tuple[str, int], host: str, text: str) -> None:
    peer = Peer(address)

    assert (peer.host, peer.port, str(peer)) == (host, 104, text)


@pytest.mark.parametrize(
    ("ae_title", "text"),
    [(b"CT_1", "CT_1"), (b" A B", " A B"), (b"\x1b[31mRED\n", "?[31mRED?"), (b"\xc4", "?"), (b"", "")],
)
def test_a_title_cannot_write_into_a_terminal(ae_title: bytes, text: str) -> None:
    assert readable(ae_title) == text


@given(st.binary(max_size=16))
def test_any_title_is_printable(ae_title: bytes) -> None:
    text = readable(ae_title)

    assert len(text) == len(ae_title)
    assert text.isascii()
    assert text.isprintable()


@pytest.mark.parametrize(
    ("environment", "no_delay"),
    [
        ({}, True),
        ({"TCP_NODELAY": "1"}, True),
        ({"TCP_NODELAY": "2"}, True),
        ({"TCP_NODELAY": "0"}, False),
        ({"TCP_NODELAY": "yes"}, True),
        ({"TCP_NODELAY": ""}, True),
    ],
)
def test_answers_wait_for_nothing_unless_the_environment_says_so(
    sock: socket.socket, environment: dict[str, str], no_delay: bool
) -> None:
    tune(sock, environment)

    assert bool(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)) is no_delay


@pytest.mark.parametrize(("value", "size"), [("20000", 20000), ("0", 65536)])
def test_buffer_lengths_are_those_of_the_environment(sock: socket.socket, value: str, size: int) -> None:
    tune(sock, {"TCP_BUFFER_LENGTH": value})

    # Linux keeps twice what it is given (socket(7)).
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) == 2 * size
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) == 2 * size


@pytest.mark.parametrize("environment", [{}, {"TCP_BUFFER_LENGTH": "many"}, {"TCP_BUFFER_LENGTH": "-1"}])
def test_without_a_word_the_kernel_tunes_the_buffers(
    sock: socket.socket, environment: dict[str, str]
) -> None:
    with socket.socket() as untouched:
        sizes = [
            untouched.getsockopt(socket.SOL_SOCKET, option) for option in (socket.SO_SNDBUF, socket.SO_RCVBUF)
        ]

    tune(sock, environment)

    assert sizes == [
        sock.getsockopt(socket.SOL_SOCKET, option) for option in (socket.SO_SNDBUF, socket.SO_RCVBUF)
    ]


@pytest.mark.parametrize("value", ["99999999999", str(2**31), "9" * 5000])
def test_a_length_beyond_every_buffer_ends_no_worker(sock: socket.socket, value: str) -> None:
    tune(sock, {"TCP_BUFFER_LENGTH": value, "TCP_NODELAY": value})


def test_a_value_that_is_no_number_is_named(sock: socket.socket, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        tune(sock, {"TCP_NODELAY": "yes"})

    assert caplog.messages == ["DUL: cannot parse environment variable TCP_NODELAY=yes"]
