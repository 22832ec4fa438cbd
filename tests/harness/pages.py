"""The pages that a process has been given, one at a time, and what saves it from that."""

from __future__ import annotations

import os

import pytest

from scpd.process import pins, syscalls
from tests.harness.wrapped import require_root

# Of a worker that has a peer: what it would have to copy was copied when it was forked, 500 pages.
FEW_PAGE_FAULTS = 300


def page_faults(pid: int) -> int:
    """Count those without reading from a disk (proc_pid_stat(5))."""
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        return int(file.read().rpartition(")")[2].split()[7])


def require_io_uring() -> None:
    """Skip where the kernel has none, or the site forbids it, or others have pinned all that a user may."""
    require_root()
    try:
        os.close(syscalls.ask(pins._SETUP, 1, bytes(pins._PARAMETERS_BYTES)))
    except OSError as error:
        pytest.skip(f"no io_uring: {error}")
