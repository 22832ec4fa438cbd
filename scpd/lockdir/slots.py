"""So many associations at a time, counted over all processes that use a lock directory (scpd_studies(7), locks).

    slots/NAME    byte N is locked by the association that has slot N

Who is let in keeps the descriptor, and with it the slot, as long as it lives; the kernel frees it however that ends, so
nobody is counted who is gone.  Raises `OSError`.
"""

from __future__ import annotations

import os

from scpd.lockdir import layout
from scpd.lockdir.layout import LockDirectory
from scpd.process.locks import is_at, lock

_MOST_TRIES = 20


class Slots:
    """Those of one name; `count` of them."""

    __slots__ = ("_count", "_lock_directory", "_name")

    def __init__(self, lock_directory: str, name: str, count: int) -> None:
        self._lock_directory = lock_directory
        self._name = name
        self._count = count

    def take(self) -> int | None:
        """Take a slot; give the descriptor that keeps it, `None` if all are taken."""
        lockdir = LockDirectory(self._lock_directory)
        try:
            for _ in range(_MOST_TRIES):
                descriptor = lockdir.open_lock_file(self._name, layout.SLOTS)
                try:
                    has_slot = any(lock(descriptor, slot) for slot in range(self._count))
                    # A file that was removed meanwhile counts nobody.
                    counts = is_at(descriptor, self._name, lockdir.opened(layout.SLOTS))
                except OSError:
                    os.close(descriptor)
                    raise
                if has_slot and counts:
                    return descriptor
                os.close(descriptor)
                if not has_slot:
                    return None
        finally:
            lockdir.close()
        return None
