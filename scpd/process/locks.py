"""Locks on single bytes of files, held by an open file (OFD locks, fcntl(2)), not by a process.

The kernel drops them when the last descriptor of the open file is closed, however its holder ends; nobody has to clean
up, and what a forked child closes is still its parent's.  One descriptor can hold several bytes of a file, each shared
or exclusive.  Nothing here waits for another process longer than `PATIENCE_SECONDS`.

On network file systems a lock can be lost in silence: it is a lease.  So whoever got one compares the descriptor with
the path (`is_at`): a file that was renamed or unlinked meanwhile locks nothing.

Raises `OSError`.
"""

from __future__ import annotations

import errno
import fcntl
import os
from struct import Struct
from time import monotonic, sleep

# What others do under a lock takes microseconds; whoever holds one longer has been stopped.
PATIENCE_SECONDS = 5.0
_PAUSE_SECONDS = 0.0005

# struct flock of fcntl(2): type, whence, start, length, process id.
_FLOCK = Struct("hhqqi")


def lock(descriptor: int, place: int) -> bool:
    """Lock a byte exclusively, unless somebody else has it in whatever way."""
    return _set(descriptor, fcntl.F_WRLCK, place)


def share(descriptor: int, place: int) -> bool:
    """Lock a byte together with others who share it, unless somebody has it exclusively."""
    return _set(descriptor, fcntl.F_RDLCK, place)


def release(descriptor: int, place: int) -> None:
    """Let a byte go; nothing happens if we do not have it."""
    _set(descriptor, fcntl.F_UNLCK, place)


def is_taken(descriptor: int, place: int) -> bool:
    """Tell whether somebody else has a byte, in whatever way."""
    asked = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, place, 1, 0)
    answer = fcntl.fcntl(descriptor, fcntl.F_OFD_GETLK, asked)
    return bool(_FLOCK.unpack(answer)[0] != fcntl.F_UNLCK)


def wait_to_lock(descriptor: int, place: int, patience_seconds: float | None = None) -> None:
    """Lock a byte exclusively as soon as nobody else has it; `TimeoutError` if that lasts."""
    _wait(descriptor, fcntl.F_WRLCK, place, patience_seconds)


def wait_to_share(descriptor: int, place: int) -> None:
    """Share a byte as soon as nobody has it exclusively; `TimeoutError` if that lasts."""
    _wait(descriptor, fcntl.F_RDLCK, place)


def is_at(descriptor: int, name: str, directory: int) -> bool:
    """Tell whether an open file still has this name in an open directory."""
    try:
        there = os.stat(name, dir_fd=directory, follow_symlinks=False)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return os.path.samestat(there, os.fstat(descriptor))


def _wait(descriptor: int, kind: int, place: int, patience_seconds: float | None = None) -> None:
    if _set(descriptor, kind, place):
        return
    deadline = monotonic() + (PATIENCE_SECONDS if patience_seconds is None else patience_seconds)
    while not _set(descriptor, kind, place):
        if monotonic() > deadline:
            raise TimeoutError(errno.ETIMEDOUT, "somebody has held a lock for too long")
        sleep(_PAUSE_SECONDS)


def _set(descriptor: int, kind: int, place: int) -> bool:
    try:
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, _FLOCK.pack(kind, os.SEEK_SET, place, 1, 0))
    except (BlockingIOError, PermissionError):  # fcntl(2): EAGAIN or EACCES
        return False
    return True
