"""Peers that get stuck on their way to a TLS connection, or are refused there, harm nobody and hear why."""

from __future__ import annotations

import os
import signal
import socket
import ssl
from time import monotonic
from typing import TYPE_CHECKING

import pytest
from OpenSSL import SSL

from tests.harness import wire
from tests.harness.clients import echoscu
from tests.harness.handshakes import Client
from tests.harness.raw_peer import CONTEXTS
from tests.harness.storing import complaints, serving
from tests.harness.tls_clients import PATIENCE, credentials, is_served

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.harness.certificates import Infrastructure, Pair
    from tests.harness.servers import Server, ServerFactory

STALLED = 200
SECONDS = 20.0


def half_a_hello() -> bytes:
    connection = SSL.Connection(Client().context, None)
    connection.set_connect_state()
    with pytest.raises(SSL.WantReadError):
        connection.do_handshake()
    return connection.bio_read(100)


def is_closed(peer: socket.socket) -> bool:
    """Tell whether its end comes: a reset where something was not read any more."""
    try:
        return peer.recv(1) == b""
    except ConnectionResetError:
        return True


@pytest.fixture
def stalled() -> Iterator[list[socket.socket]]:
    """Connections, closed at the end."""
    sockets: list[socket.socket] = []
    yield sockets
    for each in sockets:
        each.close()


def stall(server: Server, stalled: list[socket.socket]) -> socket.socket:
    """Connect and say half a hello."""
    peer = socket.create_connection((server.host, server.port), SECONDS)
    stalled.append(peer)
    peer.sendall(half_a_hello())
    return peer


def context_of(certificates: Infrastructure, pair: Pair) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=certificates.ca.crt)
    context.load_cert_chain(pair.crt, pair.key)
    return context


@pytest.mark.timeout(300)
def test_a_crowd_that_stalls_keeps_nobody_out_and_leaves_in_time(
    certificates: Infrastructure,
    scpd: ServerFactory,
    server_words: list[str],
    stalled: list[socket.socket],
) -> None:
    server = scpd(*server_words, "--fork", "--acse-timeout", "30")
    for _ in range(STALLED):
        stall(server, stalled)
    server.wait_for(lambda: len(serving(server)) >= STALLED, 60, "a worker for each")
    begin = monotonic()
    assert is_served(server, certificates, certificates.good)
    assert monotonic() - begin < SECONDS
    server.wait_for(lambda: not server.workers(), 90, "the end of the crowd")
    assert [line for line in complaints(server) if "no TLS handshake in time" not in line] == []
    assert len(complaints(server)) == 1  # of each host once a minute


def test_bytes_that_drip_have_one_deadline_for_all_of_them(
    certificates: Infrastructure,
    scpd: ServerFactory,
    server_words: list[str],
    stalled: list[socket.socket],
) -> None:
    server = scpd(*server_words, "--fork", "--acse-timeout", "2")
    begin = monotonic()
    peer = stall(server, stalled)
    peer.settimeout(0.1)
    while monotonic() - begin < SECONDS:
        try:
            peer.sendall(b"\0")  # of a session id and so on
            assert is_closed(peer)
            break
        except TimeoutError:
            continue
        except (BrokenPipeError, ConnectionResetError):
            break
    assert 1.5 < monotonic() - begin < SECONDS
    server.wait_for_log("no TLS handshake in time")


def test_a_worker_that_is_killed_in_its_handshake_takes_nobody_with_it(
    certificates: Infrastructure,
    scpd: ServerFactory,
    server_words: list[str],
    stalled: list[socket.socket],
) -> None:
    server = scpd(*server_words, "--fork")
    peer = stall(server, stalled)
    (victim,) = server.wait_for(lambda: serving(server), what="its worker")
    os.kill(victim, signal.SIGKILL)
    assert is_closed(peer)
    server.wait_for_log(f"worker {victim}")
    assert is_served(server, certificates, certificates.good)


def test_a_worker_is_stopped_in_its_handshake(
    scpd: ServerFactory, server_words: list[str], stalled: list[socket.socket]
) -> None:
    server = scpd(*server_words, "--fork")
    peer = stall(server, stalled)
    (worker,) = server.wait_for(lambda: serving(server), what="its worker")
    os.kill(worker, signal.SIGTERM)
    assert is_closed(peer)
    server.wait_for_log("Association Aborted")


def test_who_comes_too_often_is_told_so_by_tls(
    certificates: Infrastructure, scpd: ServerFactory, server_words: list[str]
) -> None:
    server = scpd(*server_words, "--fork", "--max-associations-per-host", "1")
    context = context_of(certificates, certificates.good)
    with (
        socket.create_connection((server.host, server.port), SECONDS) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as peer,
    ):
        peer.sendall(wire.associate_request(CONTEXTS))
        assert peer.recv(1)[0] == wire.ASSOCIATE_AC
        options = credentials(certificates, certificates.good)
        result = echoscu(server, *PATIENCE, *options)
        assert "Temporary Congestion" in result.stdout + result.stderr
    server.wait_for_log("Association Rejected: too many connections of this host")


@pytest.mark.parametrize(
    ("name", "alert"),
    [
        ("expired", "CERTIFICATE_EXPIRED"),
        ("future", "BAD_CERTIFICATE"),
        ("revoked", "CERTIFICATE_REVOKED"),
        ("foreign", "UNKNOWN_CA"),
        ("server_only", "UNSUPPORTED_CERTIFICATE"),
    ],
)
def test_a_refused_peer_hears_why_though_it_has_sent_much_more(
    certificates: Infrastructure, scpd: ServerFactory, server_words: list[str], name: str, alert: str
) -> None:
    # In TLS 1.3 a client may send before the server has looked at its certificate.  Closing on what it has sent would
    # be a reset, by which an alert is lost.
    server = scpd(*server_words, "--fork", "+crl", certificates.current_crl)
    pair = getattr(certificates, name)
    context = context_of(certificates, pair)
    with (
        socket.create_connection((server.host, server.port), SECONDS) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as peer,
    ):
        peer.sendall(bytes(300_000))
        with pytest.raises(ssl.SSLError, match=alert):
            peer.recv(1)
    server.wait_for_log(f"{pair.subject}, issued by ")
    (line,) = complaints(server)
    assert "Receiving Association failed: no TLS connection: " in line
    assert f"(127.0.0.1:{plain_port(line)})" in line


def plain_port(line: str) -> str:
    return line.rpartition(":")[2].rstrip(")\n")
