"""Servers that last for a module: each test has one for itself, in the state of a new one, without a start of its own.

For tests whose server has the same options and only serves.  A test that ends its server, signals it or counts what its
master does starts its own.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.harness.servers import scpd_factory, storescp_factory

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.harness.raw_peer import RawPeer
    from tests.harness.servers import Server

FACTORIES = {"scpd": scpd_factory, "storescp": storescp_factory}


@contextmanager
def lasting(program: str, folder: Path, *options: str) -> Iterator[Server]:
    """Start "scpd" or "storescp" for a fixture of scope module, which tests must not get but through `lent`.

    The fixture that lends must name it as a parameter: one that is started in the middle of a test is ended with it.
    """
    factory = FACTORIES[program](folder)
    try:
        yield factory(*options)
    finally:
        factory.finish()


def lent(server: Server, peers: list[RawPeer]) -> Iterator[Server]:
    """Give it to one test; when that is over, nothing of its associations may be left."""
    server.begin_anew()
    yield server
    for peer in peers:
        peer.close()
    server.begin_anew()
