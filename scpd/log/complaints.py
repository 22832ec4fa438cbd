"""The same complaint about the same source stands in the log once a minute at most, whichever process makes it.

The master makes the memory before it forks: a file without a name, whose slots hold key, time of the last line and the
number of complaints since then.  A slot lies in one of a few places, and the oldest there makes room.  A look at it
is locked by a record lock (fcntl(2)), which belongs to the process, not to the inherited descriptor: a process that is
killed in the middle leaves no lock, and one that is stopped there holds up nobody for long.

What a complaint says behind its first colon may be the peer's words, or numbers that it sent.  No more than sixteen
different ones of a kind are made about a source in a minute: who makes up others does not fill a disk.  A slot of their
own counts them.

Whatever goes wrong, the complaint is made: a line too many is better than one too few.

A slot: 8 bytes of key, 8 of time (monotonic seconds), 4 of count, 4 unused; all zero is a free one.
"""

from __future__ import annotations

import fcntl
import os
import time
from struct import Struct

_SLOT = Struct("Qd Ixxxx")
_PLACES = 8
_BUCKETS = 128
_BUCKET_BYTES = _SLOT.size * _PLACES
_KEY_MASK = (1 << 64) - 1
_MOST_COUNTED = (1 << 32) - 1
_QUIET_SECONDS = 60.0
_MOST_DIFFERENT = 16  # texts of one kind from one source
# A lock is held for some microseconds; whoever waits longer than this for it does without.
_TRIES = 20
_PAUSE_SECONDS = 0.0005


class Complaints:
    """What was complained about lately, for the process that made this and all that it forks."""

    __slots__ = ("_descriptor", "_identity")

    def __init__(self) -> None:
        try:
            self._descriptor = os.memfd_create("scpd-complaints", os.MFD_CLOEXEC)
            os.ftruncate(self._descriptor, _BUCKET_BYTES * _BUCKETS)
            self._identity = _identity(self._descriptor)
        except OSError:
            self._descriptor = -1
            self._identity = (0, 0)

    def descriptors(self) -> tuple[int, ...]:
        """Give what a forked process must keep to share the memory."""
        return () if self._descriptor < 0 else (self._descriptor,)

    def admit(self, kind: str, source: str, now: float) -> int | None:
        """Say how many complaints like this were held back since the last; `None`: hold this one back too.

        `now` is in monotonic seconds, `kind` and `source` say what is alike.
        """
        begin, _, rest = kind.partition(": ")
        try:
            is_new = rest and not self._is_quiet((kind, source), now)
            # First: one that is not made takes no slot, from which it would drive out others.
            if is_new and self._look((begin, source), now, _MOST_DIFFERENT) is None:
                return None
            return self._look((kind, source), now)
        except OSError:
            return 0

    def _is_quiet(self, what: tuple[str, ...], now: float) -> bool:
        """Tell whether this one was made lately."""
        key = _key(what, 1)
        slots = os.pread(self._descriptor, _BUCKET_BYTES, key % _BUCKETS * _BUCKET_BYTES)
        usable = slots[: len(slots) - len(slots) % _SLOT.size]
        return any(
            each[0] == key and 0 <= now - each[1] < _QUIET_SECONDS for each in _SLOT.iter_unpack(usable)
        )

    def _look(self, what: tuple[str, ...], now: float, most: int = 1) -> int | None:
        """Count one of these, of which there may be so many in a minute; `None` if it is one too many."""
        key = _key(what, most)
        bucket = key % _BUCKETS * _BUCKET_BYTES
        # A process that closed its copy may have another file of that number.
        if _identity(self._descriptor) != self._identity or not self._lock(bucket):
            return 0
        try:
            return self._count(bucket, key, now, most)
        finally:
            fcntl.lockf(self._descriptor, fcntl.LOCK_UN, _BUCKET_BYTES, bucket)

    def _lock(self, begin: int) -> bool:
        for _ in range(_TRIES):
            try:
                fcntl.lockf(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, _BUCKET_BYTES, begin)
            except (BlockingIOError, PermissionError):
                time.sleep(_PAUSE_SECONDS)
            else:
                return True
        return False

    def _count(self, begin: int, key: int, now: float, most: int) -> int | None:
        slots = list(_SLOT.iter_unpack(os.pread(self._descriptor, _BUCKET_BYTES, begin)))
        if len(slots) < _PLACES:
            return 0
        place = next((place for place, slot in enumerate(slots) if slot[0] == key), None)
        if place is None:
            place = min(range(_PLACES), key=lambda number: slots[number][1])
            held_back = 0
        else:
            _, last, held_back = slots[place]
            if 0 <= now - last < _QUIET_SECONDS:
                self._put(begin, place, _SLOT.pack(key, last, min(held_back + 1, _MOST_COUNTED)))
                return None if held_back + 1 >= most else 0
        self._put(begin, place, _SLOT.pack(key, now, 0))
        return int(held_back)

    def _put(self, begin: int, place: int, slot: bytes) -> None:
        os.pwrite(self._descriptor, slot, begin + place * _SLOT.size)


def _key(what: tuple[str, ...], most: int) -> int:
    return hash((most, *what)) & _KEY_MASK or 1


def _identity(descriptor: int) -> tuple[int, int]:
    status = os.fstat(descriptor)
    return status.st_dev, status.st_ino


def and_more(held_back: int) -> str:
    """Say behind a complaint how many like it were held back."""
    return f" ({held_back} more like it in the last minute)" if held_back else ""
