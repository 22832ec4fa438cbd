"""A peer goes away in the middle of something: nothing of it stays, and the next one is served."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.harness import wire
from tests.harness.descriptors import tcp_sockets
from tests.harness.objects import StorableObject, ct_image, data_set_bytes
from tests.harness.raw_peer import CONTEXTS, STORE_CONTEXT
from tests.harness.storing import (
    announce,
    assert_holds,
    assert_serves,
    complaints,
    send_half,
    send_rest,
    temporaries,
    wait_for_temporaries,
    wait_until_idle,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.harness.raw_peer import RawPeer
    from tests.harness.servers import ServerFactory

    Step = Callable[[RawPeer, StorableObject], None]


def connected(peer: RawPeer, image: StorableObject) -> None:
    """Say nothing."""


def half_a_request(peer: RawPeer, image: StorableObject) -> None:
    peer.send(wire.associate_request(CONTEXTS)[:40])


def associated(peer: RawPeer, image: StorableObject) -> None:
    peer.associate()


def half_a_command(peer: RawPeer, image: StorableObject) -> None:
    peer.associate()
    command = wire.c_store_request(image.sop_class_uid, image.sop_instance_uid)
    peer.send(wire.p_data(wire.pdv(STORE_CONTEXT, wire.COMMAND, command[:30])))


def command_without_data(peer: RawPeer, image: StorableObject) -> None:
    peer.associate()
    announce(peer, image)


def half_a_data_set(peer: RawPeer, image: StorableObject) -> None:
    peer.associate()
    send_half(peer, image)


def half_a_pdu(peer: RawPeer, image: StorableObject) -> None:
    half_a_data_set(peer, image)
    peer.send(wire.p_data(wire.pdv(STORE_CONTEXT, wire.LAST, bytes(10000)))[:7000])


def by_close(peer: RawPeer) -> None:
    peer.close()


def by_reset(peer: RawPeer) -> None:
    peer.reset()


def by_abort(peer: RawPeer) -> None:
    peer.abort()


WAYS = [by_close, by_reset, by_abort]
# What the log then says, at its usual level or a more talkative one, and whether that is a complaint.
PHASES = [
    (half_a_request, "Receiving Association failed", True),
    (associated, "Association Aborted", False),
    (half_a_command, "Association Aborted", False),
    (command_without_data, "Store SCP Failed", True),
    (half_a_data_set, "Store SCP Failed", True),
    (half_a_pdu, "Store SCP Failed", True),
]


@pytest.mark.parametrize("vanish", WAYS)
@pytest.mark.parametrize(("phase", "text", "is_complaint"), PHASES)
def test_a_peer_that_vanishes_leaves_one_line_and_nothing_else(
    scpd: ServerFactory,
    raw_peer: Callable[..., RawPeer],
    phase: Step,
    text: str,
    is_complaint: bool,
    vanish: Callable[[RawPeer], None],
) -> None:
    image = ct_image(400_000)
    server = scpd("--fork", "-v")
    peer = raw_peer(server)
    phase(peer, image)
    wait_for_temporaries(server, phase in (half_a_data_set, half_a_pdu))
    vanish(peer)
    server.wait_for_log(text)
    wait_until_idle(server)
    assert server.stderr.count(text) == 1
    assert len(complaints(server)) == is_complaint
    assert_holds(server)
    assert_serves(server, raw_peer)


@pytest.mark.parametrize("vanish", [by_close, by_reset])
@pytest.mark.parametrize("level", ["-v", "-d"])
def test_a_health_probe_is_a_debug_line_and_no_process(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer], vanish: Callable[[RawPeer], None], level: str
) -> None:
    server = scpd("--fork", level)
    before = server.stderr
    vanish(raw_peer(server))
    assert_serves(server, raw_peer)
    if level == "-d":
        server.wait_for_log("closed without a byte")
    assert complaints(server) == []
    new = server.stderr.removeprefix(before)
    assert new.count("closed without a byte") == (level == "-d")
    assert "No association" not in new


def test_a_peer_that_aborts_before_its_request_is_told_apart_from_a_health_probe(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer]
) -> None:
    server = scpd("--fork")
    raw_peer(server).abort()
    server.wait_for_log("Receiving Association failed: aborted by the peer")
    assert_serves(server, raw_peer)


@pytest.mark.parametrize("vanish", WAYS)
def test_an_object_is_whole_or_absent_when_its_sender_does_not_wait_for_the_answer(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer], vanish: Callable[[RawPeer], None]
) -> None:
    image = ct_image(400_000)
    server = scpd("--fork", "-v")
    peer = raw_peer(server)
    peer.associate()
    send_half(peer, image)
    wait_for_temporaries(server, 1)
    send_rest(peer, image)
    vanish(peer)
    server.wait_for(lambda: "Association Aborted" in server.stderr or "Store SCP Failed" in server.stderr)
    wait_until_idle(server)
    assert temporaries(server) == []
    for content in server.files().values():
        assert data_set_bytes(content) == image.data_set
        (server.inbox / f"CT.{image.sop_instance_uid}").unlink()
    assert_serves(server, raw_peer)


@pytest.mark.parametrize("vanish", WAYS)
def test_the_next_peer_is_served_by_a_single_process_too(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer], vanish: Callable[[RawPeer], None]
) -> None:
    image = ct_image(400_000)
    server = scpd("--single-process")
    peer = raw_peer(server)
    half_a_pdu(peer, image)
    vanish(peer)
    assert_serves(server, raw_peer)
    assert_holds(server)


def test_a_hundred_vanishing_peers_leave_no_process_no_descriptor_and_no_file(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer]
) -> None:
    image = ct_image(400_000)
    server = scpd("--fork")
    assert_serves(server, raw_peer)
    wait_until_idle(server)
    before = tcp_sockets(server.pid)
    for number in range(100):
        peer = raw_peer(server)
        half_a_data_set(peer, image)
        WAYS[number % len(WAYS)](peer)
    wait_until_idle(server)
    server.wait_for(lambda: tcp_sockets(server.pid) == before, what="closed descriptors in the master")
    assert_holds(server)
    assert_serves(server, raw_peer)
