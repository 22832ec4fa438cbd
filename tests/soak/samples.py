"""What a process has at a moment (proc(5)), and whether that grows."""

from __future__ import annotations

import os
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

_PARTS = 4  # of a life: what is least in the first is compared with what is least in the last
_BEGIN = 8  # so many samples of a life are of its begin, when it has not yet done everything once
_REST = 5  # so many samples show a process at rest at least once


class Sample(NamedTuple):
    """Private memory in kB, and open descriptors; of which life, since a reload gives a process another one."""

    memory: int
    descriptors: int
    life: object = None


class Growth(NamedTuple):
    """By how much there is more at an end than at a begin."""

    memory: int = 0
    descriptors: int = 0


def sample(pid: int) -> Sample | None:
    """Look at a process; `None` if it has gone."""
    try:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
            memory = next(int(line.split()[1]) for line in file if line.startswith("Anonymous:"))
        # Addresses are another program's or another run's of it: they change when a process executes itself.
        with open(f"/proc/{pid}/auxv", "rb") as addresses:
            life = pid, addresses.read()
        return Sample(memory, len(os.listdir(f"/proc/{pid}/fd")), life)
    except (OSError, StopIteration):
        return None


def lives(samples: Sequence[Sample]) -> list[list[Sample]]:
    """Part samples by life, without the begin of each; those of which nothing is left are not there."""
    parts = [list(life)[_BEGIN:] for _, life in groupby(samples, key=lambda each: each.life)]
    return [life for life in parts if life]


def growth(samples: Sequence[Sample]) -> Growth:
    """Give the most that one life has grown by."""
    grown = [_grown(life[: _size(life)], life[-_size(life) :]) for life in lives(samples)]
    return Growth(*(max(figures, default=0) for figures in zip(*grown, strict=True))) if grown else Growth()


def _size(life: Sequence[Sample]) -> int:
    return max(len(life) // _PARTS, 1)


def _grown(first: Sequence[Sample], last: Sequence[Sample]) -> Growth:
    """Compare what is least: that is what stays when nothing is under way, connections and associations come and go.

    Of descriptors nothing is told if there are too few samples for that.
    """
    memory, descriptors = (
        min(each[figure] for each in last) - min(each[figure] for each in first) for figure in range(2)
    )
    return Growth(memory, descriptors if len(first) >= _REST else 0)
