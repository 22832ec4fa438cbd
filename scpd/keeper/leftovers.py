"""What crashes have left in the lock directory, and nobody will ever ask for again.

    journals/.MAKER, open/.GENERATION/, requests/.NAME, failed/.NAME      something that was being made
    replies/MAKER                                                         the FIFO of a worker that nobody reads

Each is made and gets its name within a moment, so what was there at the last look too, ten seconds ago, is removed; by
no clock, which may step.  Who was stopped for so long finds it gone, and makes it anew.  Raises nothing.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress

from scpd.lockdir import layout
from scpd.store.directory import open_directory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from scpd.lockdir.layout import LockDirectory

LOOK_SECONDS = 10.0

_PARTS = (layout.JOURNALS, layout.OPEN, layout.REQUESTS, layout.FAILED)
_FIFO_FLAGS = os.O_WRONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC


class Leftovers:
    """What was seen at the last look."""

    __slots__ = ("_lockdir", "_look_at", "_seen")

    def __init__(self, lockdir: LockDirectory) -> None:
        self._lockdir = lockdir
        self._seen: set[tuple[str, str]] = set()
        self._look_at = 0.0

    def sweep(self, now: float) -> None:
        """Remove what is there since the last look, if that was long enough ago."""
        if now < self._look_at:
            return
        self._look_at = now + LOOK_SECONDS
        with suppress(OSError):
            found = self._found()
            for part, name in found & self._seen:
                _remove(name, self._lockdir.opened(part))
            self._seen = found

    def _found(self) -> set[tuple[str, str]]:
        hidden = {
            (part, name)
            for part in _PARTS
            for name in os.listdir(self._lockdir.opened(part))
            if name[0] == "."
        }
        replies = self._lockdir.opened(layout.REPLIES)
        return hidden | {
            (layout.REPLIES, name) for name in os.listdir(replies) if not _has_reader(name, replies)
        }


def _has_reader(name: str, directory: int) -> bool:
    """Tell whether a worker has its FIFO open, as it has for life; in doubt it has."""
    try:
        os.close(os.open(name, _FIFO_FLAGS, dir_fd=directory))
    except OSError as error:
        return error.errno != errno.ENXIO
    return True


def _remove(name: str, directory: int) -> None:
    """Remove a file, or a directory with nothing but files."""
    with suppress(OSError):
        os.unlink(name, dir_fd=directory)
        return
    with suppress(OSError):
        inner = open_directory(name, directory)
        try:
            for file in os.listdir(inner):
                os.unlink(file, dir_fd=inner)
        finally:
            os.close(inner)
        os.rmdir(name, dir_fd=directory)
