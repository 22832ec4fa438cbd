"""What a port of a hospital hears beside DICOM: probes, scanners, crowds that say nothing.

Nobody of these leaves a worker, a line for each try, or an honest client that waits.
"""

from __future__ import annotations

import errno
import socket
import struct
from contextlib import contextmanager, suppress
from time import monotonic
from typing import TYPE_CHECKING

import pytest

from tests.harness import wire
from tests.harness.descriptors import descriptors, tcp_sockets
from tests.harness.objects import ct_image
from tests.harness.raw_peer import STORE_CONTEXT
from tests.harness.storing import announce, assert_serves, complaints, serving, store, wait_until_idle
from tests.harness.waiting import PATIENCE_SECONDS, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.harness.raw_peer import RawPeer
    from tests.harness.servers import Server, ServerFactory

    Connect = Callable[..., RawPeer]

A_MINUTE, SHORT_SECONDS, LONG_SECONDS = 60.0, 5.0, 600.0
ROUNDS_PER_SECOND = 10
# Less than the time that any of the noise has (-ta), and enough for a machine that is busy with other tests, too.
HONEST_SECONDS = 4.0
CROWD = 2000
STANDBYS = 3  # workers that may stand by, or not yet: the master has a socket to each
NOISE = {
    "127.2.0.1": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "127.2.0.2": bytes.fromhex("16030100a5010000a10303") + bytes(150),
    "127.2.0.3": b"\x0bMSH|^~\\&|A|B|C|D\r\x1c\r",
    "127.2.0.4": b"",
}
SCANNER = "127.2.0.5"


def probe(server: Server, source: str, data: bytes) -> None:
    """Connect, say something, leave; in the ordinary way or by a reset."""
    with socket.create_connection(
        (server.host, server.port), PATIENCE_SECONDS, source_address=(source, 0)
    ) as sock:
        with suppress(BrokenPipeError, ConnectionResetError):
            sock.sendall(data)
        if sum(data) % 2:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def answered_within(server: Server, raw_peer: Connect) -> float:
    """Store an object; give the seconds until there was an association."""
    begin = monotonic()
    peer = raw_peer(server)
    peer.associate(calling="HONEST")
    seconds = monotonic() - begin
    image = ct_image(2000)
    assert store(peer, image).status == 0, server.stderr
    peer.release()
    (server.inbox / f"CT.{image.sop_instance_uid}").unlink()
    return seconds


def assert_prompt(seconds: list[float]) -> None:
    """Fail unless all were answered in time but for one: the machine may have had other things to do."""
    assert sorted(seconds)[-2] < HONEST_SECONDS, seconds


def paced(seconds: float) -> Iterator[int]:
    """Give 0, 1, 2 ... for so long, each when its time has come; the rhythm of the noise, no wait for anything.

    Fewer than a quarter of what there should be would say nothing: a machine that is slow takes longer.
    """
    begin, number = monotonic(), 0
    while monotonic() - begin < seconds or number <= seconds * ROUNDS_PER_SECOND / 4:
        yield number
        number += 1
        due = begin + number / ROUNDS_PER_SECOND
        wait_until(lambda due=due: monotonic() >= due, what="the next probe")


@pytest.mark.parametrize("mode", ["--fork", "--single-process"])
@pytest.mark.timeout(LONG_SECONDS + 120)
def test_noise_leaves_no_worker_and_a_line_for_each_source_and_minute(
    scpd: ServerFactory, raw_peer: Connect, is_long: bool, mode: str
) -> None:
    seconds = LONG_SECONDS if is_long else SHORT_SECONDS
    server = scpd(mode, "--max-associations", "8") if mode == "--fork" else scpd(mode)
    assert_serves(server, raw_peer)
    wait_until_idle(server)
    before = len(descriptors(server.pid))
    answered: list[float] = []
    begin = monotonic()
    for number in paced(seconds):
        for source, data in NOISE.items():
            probe(server, source, data)
        probe(server, SCANNER, bytes([number & 0x7F | 8]) + number.to_bytes(7, "big") + b"scan")
        answered.append(answered_within(server, raw_peer))
    wait_until_idle(server)
    assert_prompt(answered)
    wait_until(lambda: len(descriptors(server.pid)) <= before + STANDBYS, what="closed descriptors")
    wait_until(
        lambda: not [sock for sock in tcp_sockets(server.pid) if not sock.is_listening], what="no connection"
    )
    minutes = (monotonic() - begin) // A_MINUTE + 1
    lines = complaints(server)
    for source in (*NOISE, SCANNER):
        about = [line for line in lines if f"({source}:" in line]
        assert len(about) <= minutes, about
        assert bool(about) == bool(NOISE.get(source, True))
        assert all("not DICOM" in line for line in about)
    assert len(lines) <= minutes * (len(NOISE) + 1)


def test_a_source_that_varies_its_titles_does_not_fill_the_log(
    scpd: ServerFactory, raw_peer: Connect
) -> None:
    server = scpd("--fork")
    for number in range(60):
        peer = raw_peer(server, source=SCANNER)
        peer.request_association(application_context=f"1.2.{number}")
        peer.close()
    wait_until_idle(server)
    assert 1 <= len(complaints(server)) <= 16, complaints(server)


# Crowds.


@contextmanager
def crowd(server: Server, count: int) -> Iterator[list[socket.socket]]:
    """Connect so many, from several addresses."""
    members: list[socket.socket] = []
    try:
        for number in range(count):
            source = (f"127.3.{number % 4}.1", 0)
            members.append(
                socket.create_connection((server.host, server.port), PATIENCE_SECONDS, source_address=source)
            )
        yield members
    finally:
        for member in members:
            member.close()


def dribble(members: list[socket.socket], data: bytes) -> int:
    """Have each say this; give how many still can."""
    living = 0
    for member in members:
        try:
            member.send(data, socket.MSG_DONTWAIT)
        except OSError as error:
            if error.errno not in {errno.EPIPE, errno.ECONNRESET, errno.EAGAIN}:
                raise
        else:
            living += 1
    return living


def test_2000_silent_connections_keep_no_honest_one_waiting(
    scpd: ServerFactory, raw_peer: Connect, many_descriptors: int
) -> None:
    if many_descriptors < CROWD + 200:
        pytest.skip(f"this process may have {many_descriptors} descriptors only")
    server = scpd("--fork", "-ta", "60", "--max-associations", "8")
    with crowd(server, CROWD):
        assert_prompt([answered_within(server, raw_peer) for _ in range(10)])
        wait_until_idle(server)


def test_connections_that_dribble_a_request_leave_slots_to_an_honest_one(
    scpd: ServerFactory, raw_peer: Connect, many_descriptors: int
) -> None:
    """Each has a worker as soon as it says a byte, and -ta seconds from its connection on, whatever it says then."""
    server = scpd("--fork", "-ta", "6", "--max-associations-per-host", "3")
    request = bytes((1, 0)) + (60_000).to_bytes(4)  # the begin of one that never comes to its end
    with crowd(server, 100) as members:
        dribble(members, request[:1])
        answered = [answered_within(server, raw_peer)]
        begin = monotonic()
        position = 1
        while dribble(members, request[position : position + 1] or b"\0"):
            position += 1
            answered.append(answered_within(server, raw_peer))
            assert monotonic() - begin < 6 + PATIENCE_SECONDS, "they dribble for ever"
        assert_prompt(answered)
        wait_until(lambda: not serving(server), what="the end of all workers")


@pytest.mark.long
def test_senders_that_dribble_a_data_set_give_their_slots_to_an_honest_one(
    scpd: ServerFactory, raw_peer: Connect
) -> None:
    server = scpd("--fork", "--max-associations", "6", "--min-rate", "10k")
    slow = [raw_peer(server, timeout=30.0) for _ in range(6)]
    for peer in slow:
        peer.associate()
        announce(peer, ct_image())
    honest = raw_peer(server, timeout=30.0)
    honest.send(wire.associate_request([(1, wire.CT_IMAGE_STORAGE, [wire.EXPLICIT_LITTLE])]))
    honest.socket.settimeout(0.2)
    answer, begin = None, monotonic()
    while answer is None:
        for peer in slow:
            peer.send_data(STORE_CONTEXT, bytes(20), is_last=False)
        try:
            answer = honest.receive(0.2)
        except TimeoutError:
            assert monotonic() - begin < 25, "it waits for ever"
    assert answer.type == wire.ASSOCIATE_AC
    assert "are less than --min-rate" in server.stderr
