"""What one sender may do: --max-object-size, --min-rate."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.harness import wire
from tests.harness.objects import ct_image
from tests.harness.raw_peer import STORE_CONTEXT
from tests.harness.storing import announce, assert_holds, assert_serves, serving, store, temporaries
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.harness.raw_peer import RawPeer
    from tests.harness.servers import ServerFactory


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
    assert temporaries(server) == []


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
