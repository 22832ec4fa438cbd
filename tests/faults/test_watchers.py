"""Programs that watch the output directory are told of each object, by the events that they wait for under storescp."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.harness.objects import ct_image, data_set_bytes
from tests.harness.storing import store
from tests.harness.watching import Watcher

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.harness.raw_peer import RawPeer
    from tests.harness.servers import ServerFactory


@pytest.mark.parametrize("options", [[], ["+B"], ["--no-fsync"]], ids=["default", "raw", "no fsync"])
def test_an_object_is_moved_to_its_name_and_then_closed_under_it(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer], options: list[str]
) -> None:
    server, image = scpd("--fork", *options), ct_image(1000)
    name = f"CT.{image.sop_instance_uid}"
    peer = raw_peer(server)
    peer.associate()
    with Watcher(server.inbox) as watcher:
        for number in (1, 2):  # new, then replaced
            assert store(peer, image, number).status == 0
            events = watcher.wait_for(2 * number)
            assert events == [("MOVED_TO", name), ("CLOSE_WRITE", name)] * number
            assert data_set_bytes(server.inbox / name) == image.data_set


def test_a_storescp_watcher_waits_for_the_same_close(
    storescp: ServerFactory, raw_peer: Callable[..., RawPeer]
) -> None:
    server, image = storescp("--fork"), ct_image(1000)
    peer = raw_peer(server)
    peer.associate()
    with Watcher(server.inbox) as watcher:
        assert store(peer, image).status == 0
        assert watcher.wait_for(2)[-1] == ("CLOSE_WRITE", f"CT.{image.sop_instance_uid}")
