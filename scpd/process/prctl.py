"""What a process may ask of the kernel about itself: prctl(2), by `ctypes`, since Python has no function for it.

    int prctl(int option, unsigned long arg2, unsigned long arg3, unsigned long arg4, unsigned long arg5);

Raises `OSError`.
"""

from __future__ import annotations

import ctypes
import os

# linux/prctl.h
_SET_PDEATHSIG = 1
_SET_DUMPABLE = 4
_SET_KEEPCAPS = 8
_SET_NO_NEW_PRIVS = 38

_prctl = ctypes.CDLL(None, use_errno=True).prctl
_prctl.argtypes = (ctypes.c_int, *(ctypes.c_ulong,) * 4)


def signal_at_death_of_parent(number: int) -> None:
    """Have the kernel send us this signal when our parent has ended, however that was (0: none).

    A fork and a change of user or group undo it.
    """
    _ask(_SET_PDEATHSIG, number)


def forbid_dumps() -> None:
    """Let nobody but root look into our memory, and write none of it to a core file; a program that is run may be."""
    _ask(_SET_DUMPABLE, 0)


def forbid_new_privileges() -> None:
    """Let no program that we or our children run have more rights than we have: set-user-id bits do nothing."""
    _ask(_SET_NO_NEW_PRIVS, 1)


def keep_capabilities() -> None:
    """Keep what root may do when the user changes next, as far as it is set anew then (capabilities(7))."""
    _ask(_SET_KEEPCAPS, 1)


def _ask(option: int, value: int) -> None:
    if _prctl(option, value, 0, 0, 0):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
