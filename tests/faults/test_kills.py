"""Whichever process is killed, at a random moment or at a system call: nothing acknowledged is lost, nothing stays.

SCPD_TEST_KILLS says how many kills there are; `python -m tests.faults.kills` does the same by itself, with figures.
"""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING

import pytest

from tests.faults.kills import KILLS_A_ROUND, MODES, Figures, run
from tests.harness.wrapped import require_strace

if TYPE_CHECKING:
    from pathlib import Path

FEW_A_ROUND, MANY = 8, 500


@pytest.mark.timeout(4 * 3600)
def test_whoever_is_killed_what_was_acknowledged_is_there_and_nothing_else_is_left(
    tmp_path: Path, is_long: bool
) -> None:
    require_strace()
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")
    each = KILLS_A_ROUND if is_long else FEW_A_ROUND
    kills = int(os.environ.get("SCPD_TEST_KILLS", MANY if is_long else each * len(MODES)))
    figures = Figures()
    run(tmp_path, kills, seed, figures, each=each)
    print(figures)
    assert figures.count >= kills
