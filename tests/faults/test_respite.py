"""While nobody is forked, and no end is heard, since a worker has just begun to serve (`master.standbys`).

Here that takes seconds, so that something can happen meanwhile.
"""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING

import pytest

from scpd.master.standbys import MOST
from tests.harness.processes import children_of
from tests.harness.tls_clients import is_served
from tests.harness.wrapped import wrapped

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.harness.certificates import Infrastructure
    from tests.harness.servers import Server

SECONDS = 3.0
# It is told to run `python -m scpd`.
PROGRAM = f"""
import sys
from scpd.master import standbys
standbys.SECURE_RESPITE_SECONDS = {SECONDS}
from scpd.__main__ import main
del sys.argv[1:4]
sys.exit(main())
"""


@pytest.fixture
def slow(tmp_path: Path, server_words: list[str]) -> Iterator[Server]:
    """Give a server with a long respite."""
    program = tmp_path / "slow"
    program.write_text(PROGRAM, encoding="utf-8")
    factory = wrapped(tmp_path, [sys.executable, str(program)])
    yield factory(*server_words, "--fork", "--grace", "60")
    factory.finish()


def dead(server: Server) -> list[int]:
    """Give the children that have ended and are not asked for yet."""
    return [child.pid for child in children_of(server.pid) if not child.is_running]


def test_whoever_comes_in_a_respite_is_served(slow: Server, certificates: Infrastructure) -> None:
    for _ in range(MOST + 2):  # the last ones have a worker forked for them
        assert is_served(slow, certificates, certificates.good)
    slow.wait_for(lambda: dead(slow), 10, "the end of the last worker, in a respite")


def test_who_has_ended_in_a_respite_is_asked_for_after_it(slow: Server, certificates: Infrastructure) -> None:
    assert is_served(slow, certificates, certificates.good)
    slow.wait_for(lambda: dead(slow), 10, "the end of the worker")
    slow.wait_for(lambda: not dead(slow), 10, "the end of the respite")


def test_a_master_that_is_told_to_end_in_a_respite_does_so_soon(
    slow: Server, certificates: Infrastructure
) -> None:
    assert is_served(slow, certificates, certificates.good)
    slow.wait_for(lambda: dead(slow), 10, "the end of the worker")
    slow.signal(signal.SIGTERM)
    assert slow.wait(20) == 0
