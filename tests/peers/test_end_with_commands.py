"""What becomes of commands that run when the daemon is told to end."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from tests.harness.objects import ct_image
from tests.harness.storing import store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.harness.raw_peer import RawPeer
    from tests.harness.servers import ServerFactory


def test_a_command_that_runs_may_end_even_with_the_shortest_grace(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer], tmp_path: Path
) -> None:
    begun, done = tmp_path / "begun", tmp_path / "done"
    server = scpd("--fork", "-v", "--grace", "0", "-xcr", f"touch {begun}; sleep 3; touch {done}")
    peer = raw_peer(server)
    peer.associate()
    assert store(peer, ct_image(2000)).status == 0
    peer.release()
    server.wait_for(begun.exists, timeout=30)

    server.signal(signal.SIGTERM)
    assert server.wait(timeout=30) == 0

    assert done.exists()
    assert ".1.xcr ended after " in server.stderr
