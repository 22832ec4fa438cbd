"""Who is the keeper of a lock directory: the one that has its lock (scpd_studies(7), electing 1 to 4).

    keeper    locked by the keeper; says its process id, for who is curious

The kernel drops the lock with its holder.  On a network file system it may be lost in silence, so the keeper looks
before each turn whether it still holds what is there: somebody may have replaced the file.  Raises `OSError`.
"""

from __future__ import annotations

import os
from contextlib import suppress

from scpd.lockdir import layout
from scpd.process.locks import is_at, lock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from scpd.lockdir.layout import LockDirectory


class Election:
    """One process that may become the keeper."""

    __slots__ = ("_descriptor", "_lockdir")

    def __init__(self, lockdir: LockDirectory) -> None:
        self._lockdir = lockdir
        self._descriptor = -1

    def is_won(self) -> bool:
        """Try to be the keeper; or see whether we still are."""
        if self._descriptor != -1:
            return is_at(self._descriptor, layout.KEEPER, self._lockdir.descriptor)
        descriptor = self._lockdir.open_lock_file(layout.KEEPER)
        if not lock(descriptor, layout.KEEPER_LOCK) or not is_at(
            descriptor, layout.KEEPER, self._lockdir.descriptor
        ):
            os.close(descriptor)
            return False
        with suppress(OSError):  # no room: nobody needs it
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode("ascii"), 0)
        self._descriptor = descriptor
        return True

    def resign(self) -> None:
        """Let another one be it."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor != -1:
            os.close(descriptor)
