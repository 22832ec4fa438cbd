"""What one sender may do: --max-object-size, --min-rate."""

from __future__ import annotations

import os
import socket
import struct
from contextlib import closing, suppress
from typing import TYPE_CHECKING

import pytest

from tests.harness import wire
from tests.harness.objects import ct_image
from tests.harness.raw_peer import CONTEXTS, STORE_CONTEXT
from tests.harness.storing import (
    announce,
    assert_holds,
    assert_serves,
    serving,
    store,
    temporaries,
    wait_for_temporaries,
)
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.harness.raw_peer import RawPeer
    from tests.harness.servers import Server, ServerFactory

FEW, MANY = 100, 2000
ANSWER_SECONDS = 1.0  # what an honest peer is promised
GONE_SECONDS = 60.0


@pytest.mark.parametrize("mode", [[], ["+B"], ["+te"], ["+td"], ["-su", "S", "-xcs", "true"], ["--ignore"]])
def test_an_object_that_is_too_long_is_refused_and_the_next_one_taken(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer], mode: list[str]
) -> None:
    image = ct_image(300_000)
    server = scpd("--max-object-size", "200k", *mode)
    peer = raw_peer(server)
    peer.associate()
    response = store(peer, image)
    assert (response.status, response.comment) == (0xA700, "longer than 204800 bytes, --max-object-size")
    short = ct_image(150_000)
    assert store(peer, short).status == 0
    peer.release()
    names = [name for _, _, names in os.walk(server.inbox) for name in names if name.startswith("CT.")]
    assert names == ([] if "--ignore" in mode else [f"CT.{short.sop_instance_uid}"])
    wait_for_temporaries(server, 0)


def test_an_object_of_just_that_length_is_taken(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer]
) -> None:
    image = ct_image(50_000)
    server = scpd("--max-object-size", str(len(image.data_set)))
    peer = raw_peer(server)
    peer.associate()
    assert store(peer, image).status == 0
    peer.release()
    assert_holds(server, image)


def test_who_drips_is_aborted_and_leaves_the_slot_to_others(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer]
) -> None:
    server = scpd("--fork", "--max-associations", "1", "--min-rate", "10k")
    dripping = raw_peer(server, timeout=30.0)
    dripping.associate()
    announce(dripping, ct_image())
    dripping.socket.settimeout(0.2)
    answer = None
    while answer is None:
        dripping.send_data(STORE_CONTEXT, bytes(100), is_last=False)
        try:
            answer = dripping.receive(0.2)
        except TimeoutError:
            continue
    assert answer.type == wire.ABORT
    server.wait_for_log("are less than --min-rate 10240")
    wait_until(lambda: not serving(server))
    assert_serves(server, raw_peer)
    assert_holds(server)


class Dribblers:
    """Peers of ten hosts: half of them say nothing, the others drip a request or an object, byte by byte."""

    def __init__(self, server: Server, count: int) -> None:
        image = ct_image()
        command = wire.c_store_request(image.sop_class_uid, image.sop_instance_uid, 1)
        header = struct.pack(">BxI", wire.P_DATA_TF, 16_000)
        request = wire.associate_request(CONTEXTS)
        announced = request + wire.p_data(wire.pdv(STORE_CONTEXT, wire.COMMAND | wire.LAST, command)) + header
        begins = [b"", b"", request[:1], announced]
        rests = [
            b"",
            b"",
            request[1:60],
            struct.pack(">IBB", 15_996, STORE_CONTEXT, wire.DATA) + bytes(15_000),
        ]
        self.members: list[socket.socket] = []
        self._rests: list[bytes] = []
        self._rounds = 0
        for number in range(count):
            source = f"127.0.9.{1 + number // 4 % 10}"
            member = socket.create_connection((server.host, server.port), 10.0, source_address=(source, 0))
            self.members.append(member)
            member.sendall(begins[number % 4])
            member.setblocking(False)
            self._rests.append(rests[number % 4])

    def drip(self) -> None:
        """Let each who drips send one more byte, whoever has been aborted meanwhile."""
        for member, rest in zip(self.members, self._rests, strict=True):
            with suppress(OSError):
                member.send(rest[self._rounds : self._rounds + 1])
        self._rounds += 1

    def close(self) -> None:
        for member in self.members:
            member.close()


def test_an_honest_peer_is_answered_within_a_second_beside_those_who_are_silent_or_drip(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer], many_descriptors: int, is_long: bool
) -> None:
    count = MANY if is_long else FEW
    if many_descriptors < count + 100:
        pytest.skip(f"this process may have {many_descriptors} descriptors only")
    server = scpd("--fork", "--no-fsync", "--min-rate", "10k", "-ta", "30" if is_long else "15")
    with closing(Dribblers(server, count)) as crowd:
        server.wait_for(
            lambda: len(serving(server)) == count // 2, GONE_SECONDS, "a worker for each who drips"
        )
        for _ in range(5):
            crowd.drip()
            peer = raw_peer(server, timeout=ANSWER_SECONDS)
            peer.associate(calling="HONEST")
            assert store(peer, ct_image(2000)).status == 0
            peer.release()

        def are_gone() -> bool:
            crowd.drip()
            return not serving(server)

        server.wait_for(are_gone, GONE_SECONDS, "the end of those who drip")
        assert "are less than --min-rate 10240" in server.stderr
    assert temporaries(server) == []
