"""What a process has at a moment (proc(5)), and whether that grows."""

from __future__ import annotations

import os
from typing import NamedTuple

_PARTS = 4  # of a run: what is least in the first is compared with what is least in the last


class Sample(NamedTuple):
    """Private memory in kB, and open descriptors."""

    memory: int
    descriptors: int


def sample(pid: int) -> Sample | None:
    """Look at a process; `None` if it has gone."""
    try:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
            memory = next(int(line.split()[1]) for line in file if line.startswith("Anonymous:"))
        return Sample(memory, len(os.listdir(f"/proc/{pid}/fd")))
    except (OSError, StopIteration):
        return None


def growth(samples: list[Sample]) -> Sample:
    """Give by how much the least of the last part of a run is more than that of its first part.

    The least is what stays when nothing is under way: connections and associations come and go.
    """
    size = max(len(samples) // _PARTS, 1)
    first, last = samples[:size], samples[-size:]
    if not samples:
        return Sample(0, 0)
    return Sample(
        min(each.memory for each in last) - min(each.memory for each in first),
        min(each.descriptors for each in last) - min(each.descriptors for each in first),
    )
