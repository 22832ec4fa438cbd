"""Which file is it?  The numbers of its inode and of its device tell it from all others, whatever its name.

It is asked by statx(2), called by `ctypes`, into one place in memory:

    int statx(int dirfd, const char *path, int flags, unsigned int mask, struct statx *buffer);

os.stat makes objects of some twenty numbers, of which three are wanted: without these a worker that asks about each
object files more of them (`python -m bench --only small-sorted`: 2.04 to 2.14 of storescp's rate, 1.96 to 2.05 with
them).  Where C library or kernel cannot, and to say what is wrong, os.stat is asked.

Raises `OSError`.
"""

from __future__ import annotations

import ctypes
import os
from struct import Struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Identity = tuple[int, int, int]  # of the inode, and the two of the device

# linux/fcntl.h, linux/stat.h
_NOFOLLOW, _EMPTY_PATH = 0x100, 0x1000
_INO = 0x100
_SIZE = 256  # bytes of a struct statx
_FIELDS = Struct("=32xQ96xII")  # stx_ino, stx_dev_major and stx_dev_minor in it


def _lacks_it(*_: object) -> int:
    """Fail, for a C library without the function."""
    return -1


def _find_statx(library: object) -> Callable[[int, bytes, int, int, object], int]:
    # No `argtypes`, as in `store.rename`.
    return getattr(library, "statx", _lacks_it)


_statx = _find_statx(ctypes.CDLL(None))
# Where the answers come to, one after the other; made once, since a worker with one object is to make little.
_answer = ctypes.create_string_buffer(_SIZE)


def identity_at(name: bytes, directory: int) -> Identity:
    """Tell what has a name in an open directory; of a link, what the link itself is."""
    if _statx(directory, name, _NOFOLLOW, _INO, _answer):
        return _identity(os.stat(name, dir_fd=directory, follow_symlinks=False))
    return _FIELDS.unpack_from(_answer)


def identity_of(descriptor: int) -> Identity:
    """Tell what is open."""
    if _statx(descriptor, b"", _EMPTY_PATH, _INO, _answer):
        return _identity(os.fstat(descriptor))
    return _FIELDS.unpack_from(_answer)


def _identity(status: os.stat_result) -> Identity:
    return status.st_ino, os.major(status.st_dev), os.minor(status.st_dev)
