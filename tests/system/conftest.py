"""Super-servers that end with the test."""

from __future__ import annotations

import socket
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.harness.superservers import SuperServers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.harness.raw_peer import RawPeer


@pytest.fixture
def superservers(
    tmp_path: Path, _no_child_is_left_behind: None, _raw_peers: list[RawPeer]
) -> Iterator[SuperServers]:
    """`superservers.start(kind, line)` starts a real one."""
    made = SuperServers(tmp_path)
    yield made
    for peer in _raw_peers:
        peer.close()
    made.finish()


@pytest.fixture
def connection() -> Iterator[tuple[socket.socket, socket.socket]]:
    """A peer's end, and ours."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        theirs = socket.create_connection(listener.getsockname(), 30)
        ours, _ = listener.accept()
    with theirs, ours:
        yield theirs, ours
