"""System calls for which neither Python nor the C library has a function: by their numbers (syscall(2)), by `ctypes`.

Those that were added since Linux 5.1 have the same number on all architectures.
"""

from __future__ import annotations

import ctypes
import os


def ask(number: int, *arguments: object) -> int:
    """Make a system call; raises `OSError`."""
    answer: int = ctypes.CDLL(None, use_errno=True).syscall(number, *arguments)
    if answer < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return answer
