"""While nobody is forked, and no end is heard, since a worker has just begun to serve (`master.standbys`).

Here that takes seconds, so that something can happen meanwhile.
"""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING

import pytest

from scpd.master.standbys import MOST
from scpd.process import slices
from tests.harness.processes import children_of, command_line
from tests.harness.tls_clients import PATIENCE, is_served
from tests.harness.turns import attributes, lack
from tests.harness.wrapped import wrapped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.harness.certificates import Infrastructure
    from tests.harness.servers import Server

# So long a client waits: who is served in a longer respite was not made to wait for its end.
LONG = 2.0 * max(map(int, PATIENCE[1::2]))
SHORT = 3.0
# It is told to run `python -m scpd`.
PROGRAM = """
import sys
from scpd.master import standbys
standbys.SECURE_RESPITE_SECONDS = {}
from scpd.__main__ import main
del sys.argv[1:4]
sys.exit(main())
"""


@pytest.fixture
def slow(tmp_path: Path, server_words: list[str]) -> Iterator[Callable[..., Server]]:
    """Give what starts a server with a respite of so many seconds."""
    program = tmp_path / "slow"
    factory = wrapped(tmp_path, [sys.executable, str(program)])

    def start(seconds: float, *, is_secure: bool = True) -> Server:
        program.write_text(PROGRAM.format(seconds), encoding="utf-8")
        return factory(*(server_words if is_secure else ()), "--fork", "--grace", "60")

    yield start
    factory.finish()


def dead(server: Server) -> list[int]:
    """Give the children that have ended and are not asked for yet."""
    return [child.pid for child in children_of(server.pid) if not child.is_running]


def test_whoever_comes_in_a_respite_is_served_at_once(
    slow: Callable[[float], Server], certificates: Infrastructure
) -> None:
    server = slow(LONG)
    for _ in range(MOST + 2):  # the last ones have a worker forked for them
        assert is_served(server, certificates, certificates.good)
    server.wait_for(lambda: dead(server), 10, "the end of the last worker, in a respite")


def test_who_has_ended_in_a_respite_is_asked_for_after_it(
    slow: Callable[[float], Server], certificates: Infrastructure
) -> None:
    server = slow(SHORT)
    assert is_served(server, certificates, certificates.good)
    server.wait_for(lambda: dead(server), 10, "the end of the worker")
    server.wait_for(lambda: not dead(server), 10, "the end of the respite")


def test_a_master_that_is_told_to_end_in_a_respite_does_so_at_once(
    slow: Callable[[float], Server], certificates: Infrastructure
) -> None:
    server = slow(LONG)
    assert is_served(server, certificates, certificates.good)
    server.wait_for(lambda: dead(server), 10, "the end of the worker")
    server.signal(signal.SIGTERM)
    assert server.wait(20) == 0


@pytest.mark.parametrize("is_secure", [True, False])
def test_master_and_who_stands_by_come_before_all_else(slow: Callable[..., Server], is_secure: bool) -> None:
    if reason := lack():
        pytest.skip(reason)
    server = slow(0.001, is_secure=is_secure)

    def turns() -> set[int]:
        standing = [child.pid for child in children_of(server.pid) if "standby" in command_line(child.pid)]
        return {attributes(pid)[2] for pid in (server.pid, *standing)}

    server.wait_for(lambda: turns() == {slices.PROMPT}, 10, "their turns")
