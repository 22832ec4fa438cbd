"""A look whether there is a keeper when there is something to keep: for daemons that were told to start none.

Somebody else has to be the keeper then (`scpctl keep`, or another daemon's), and may have failed.  A process that comes
and goes looks once in a while; since when nobody was the keeper stands in memory that all of them share.  A warning is
given once for each vacancy.  Nothing in the lock directory is changed; raises nothing.
"""

from __future__ import annotations

import logging
import os
from mmap import mmap
from struct import Struct

from scpd.lockdir import layout
from scpd.lockdir.layout import LockDirectory

log = logging.getLogger("dcmtk.apps.storescp")

LONGEST_SECONDS = 60.0
_SINCE = Struct("d")
_NEVER, _SAID = -1.0, -2.0
_WHERE_WORK_IS = (layout.OPEN, layout.SEALED, layout.JOURNALS, layout.DEAD)
_NO_WORK = frozenset((layout.DEAD.rpartition("/")[2],))


class Vacancy:
    """Since when there was something to do and nobody to do it."""

    __slots__ = ("_memory", "_path")

    def __init__(self, path: str) -> None:
        self._path = path
        self._memory = mmap(-1, _SINCE.size)
        self._note(_NEVER)

    def _note(self, since: float) -> None:
        _SINCE.pack_into(self._memory, 0, since)

    def look(self, now: float) -> None:
        """Look; warn if it was the same for a minute at least."""
        try:
            found = is_vacant(self._path)
        except OSError as error:
            log.warning("cannot look for the keeper of %s: %s", self._path, error.strerror)
            return
        if not found:
            self._note(_NEVER)
            return
        since: float = _SINCE.unpack_from(self._memory)[0]
        if since == _NEVER:
            self._note(now)
        elif since >= 0 and now - since >= LONGEST_SECONDS:
            self._note(_SAID)
            log.warning(
                "studies or commands wait in %s, and for %d s nobody has been its keeper",
                self._path,
                now - since,
            )


def is_vacant(path: str) -> bool:
    """Tell whether there is something to do in a lock directory, and no keeper; raises `OSError`."""
    lockdir = LockDirectory(path)
    try:
        return not lockdir.has_keeper() and _has_work(lockdir)
    finally:
        lockdir.close()


def _has_work(lockdir: LockDirectory) -> bool:
    return any(
        name[0] != "." and name not in _NO_WORK
        for part in _WHERE_WORK_IS
        for name in os.listdir(lockdir.opened(part))
    )
