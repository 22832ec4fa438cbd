"""Freed memory is there for what comes next: seen in new interpreters, since in this one much was freed before."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROUNDS = 50
PAGES_OF_A_ROUND = 128
COUNT_NEW_PAGES = f"""
import resource
from scpd.process.memory import keep_freed
keeps = {{keeps}}
if keeps:
    keep_freed()
begin = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range({ROUNDS}):
    pieces = [bytes(range(256)) * 512 for _ in range({PAGES_OF_A_ROUND} // 32)]
    del pieces
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - begin)
"""


def new_pages(*, keeps: bool) -> int:
    """Count pages that are taken for pieces of 128 kB, four at a time."""
    words = [sys.executable, "-c", COUNT_NEW_PAGES.format(keeps=keeps)]
    done = subprocess.run(words, capture_output=True, check=True, cwd=Path(__file__).parents[3], timeout=60)
    return int(done.stdout)


def test_what_an_object_has_freed_needs_no_new_pages_for_the_next() -> None:
    assert new_pages(keeps=False) > ROUNDS * PAGES_OF_A_ROUND / 2  # so this can fail
    assert new_pages(keeps=True) < 4 * PAGES_OF_A_ROUND
