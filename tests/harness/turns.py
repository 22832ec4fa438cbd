"""What sched_getattr(2) says of a process: policy, nice value, and the length of its turns."""

from __future__ import annotations

import ctypes
from struct import Struct

from scpd.process import slices
from tests.harness.forked import in_child

_LAYOUT = Struct("IIQiIQQQ")
_NUMBERS = {314: 315, 274: 275}  # it stands behind sched_setattr


def attributes(pid: int = 0) -> tuple[int, int, int]:
    """Give policy, nice value, and turn in nanoseconds."""
    assert slices._NUMBER is not None
    buffer = ctypes.create_string_buffer(_LAYOUT.size)
    assert ctypes.CDLL(None).syscall(_NUMBERS[slices._NUMBER], pid, buffer, len(buffer), 0) == 0
    _, policy, _, nice, _, runtime, _, _ = _LAYOUT.unpack(buffer.raw)
    return policy, nice, runtime


def lack() -> str:
    """Say why turns of a certain length cannot be had here; empty if they can."""
    if slices._NUMBER is None:
        return "no number for this machine"

    def life() -> int:
        slices.take(slices.PROMPT)
        return attributes()[2]

    return "" if in_child(life) == slices.PROMPT else "the kernel knows no such turns (Linux before 6.12)"
