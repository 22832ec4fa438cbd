"""The same complaint about the same source stands in the log once a minute at most, whichever process makes it.

The master makes the memory before it forks: a file without a name, whose slots hold key, time of the last line and the
number of complaints since then.  A slot lies in one of a few places, and the oldest there makes room.  A look at it
is locked by a record lock (fcntl(2)), which belongs to the process, not to the inherited descriptor: a process that is
killed in the middle leaves no lock, and one that is stopped there holds up nobody for long.

What a complaint says behind its first colon may be the peer's words, or numbers that it sent.  Of these no more than
sixteen are told apart: who makes up others does not fill a disk.

Whatever goes wrong, the complaint is made: a line too many is better than one too few.

A slot: 8 bytes of key, 8 of time (monotonic seconds), 4 of count, 4 unused; all zero is a free one.
"""

from __future__ import annotations

import fcntl
import os
import time
from binascii import crc32
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

        `now` is in monotonic seconds, `kind` and `source` say what is alike, but for what stands behind a colon.
        """
        begin, _, rest = kind.partition(": ")
        different = crc32(rest.encode(errors="replace")) % _MOST_DIFFERENT if rest else -1
        key = hash((begin, different, source)) & _KEY_MASK or 1
        bucket = key % _BUCKETS * _BUCKET_BYTES
        try:
            # A process that closed its copy may have another file of that number.
            if _identity(self._descriptor) != self._identity or not self._lock(bucket):
                return 0
            try:
                return self._count(bucket, key, now)
            finally:
                fcntl.lockf(self._descriptor, fcntl.LOCK_UN, _BUCKET_BYTES, bucket)
        except OSError:
            return 0

    def _lock(self, begin: int) -> bool:
        for _ in range(_TRIES):
            try:
                fcntl.lockf(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, _BUCKET_BYTES, begin)
            except (BlockingIOError, PermissionError):
                time.sleep(_PAUSE_SECONDS)
            else:
                return True
        return False

    def _count(self, begin: int, key: int, now: float) -> int | None:
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
                return None
        self._put(begin, place, _SLOT.pack(key, now, 0))
        return int(held_back)

    def _put(self, begin: int, place: int, slot: bytes) -> None:
        os.pwrite(self._descriptor, slot, begin + place * _SLOT.size)


def _identity(descriptor: int) -> tuple[int, int]:
    status = os.fstat(descriptor)
    return status.st_dev, status.st_ino


def counted(held_back: int) -> str:
    """Say behind a complaint how many like it were held back."""
    return f" ({held_back} more like it in the last minute)" if held_back else ""
