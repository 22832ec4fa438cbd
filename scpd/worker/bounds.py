"""What one sender, or the disk, is allowed: sizes, room and speed that the administrator has set.

    --min-free         room that is to stay free where objects are stored; with less an association is rejected for now
                       (PS3.8 9.3.4: transient, local limit exceeded), an object refused (A700H), also on its way
    --max-object-size  the longest data set that is taken, as it comes; a longer one is refused (A700H)
    --min-rate         what a sender has to send while we wait for a data set, over each ten seconds of waiting; a
                       slower one is aborted, and its worker free.  What our disk takes is not the sender's time

`Bounds.during` stands between the data set that the connection gives and who stores it; without these options it is not
there.  Raises `Reject`, `Refused`, `Abort`.
"""

from __future__ import annotations

import os
from time import monotonic

from scpd.dimse import status
from scpd.errors import Abort, Refused, Reject
from scpd.ul.negotiation import LOCAL_LIMIT_EXCEEDED, SERVICE_PROVIDER_PRESENTATION, TRANSIENT
from scpd.ul.stream import PROVIDER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from scpd.ul.connection import DataSet

    Piece = tuple[list[memoryview], int, bool]

# So much of an object may come between two looks at the free room.
_BETWEEN_LOOKS = 8 << 20
_WINDOW_SECONDS = 10.0


class Bounds:
    """Bytes, and bytes in a second; 0: unlimited."""

    __slots__ = ("least_free", "least_rate", "most_bytes")

    def __init__(self, *, least_free: int = 0, most_bytes: int = 0, least_rate: int = 0) -> None:
        self.least_free = least_free
        self.most_bytes = most_bytes
        self.least_rate = least_rate

    def check_association(self, path: str | None) -> None:
        """Raise `Reject` while there is too little room at `path`, where its objects would be stored, if anywhere."""
        want = self.want_of_room(path)
        if want:
            raise Reject(TRANSIENT, SERVICE_PROVIDER_PRESENTATION, LOCAL_LIMIT_EXCEEDED, want, lack=want)

    def want_of_room(self, path: str | None) -> str:
        """Say how much room is wanting, if any is; who cannot look says nothing: writing will tell."""
        if path is None or not self.least_free:
            return ""
        try:
            there = os.statvfs(path)
        except OSError:
            return ""
        is_enough = there.f_bavail * there.f_frsize >= self.least_free
        return "" if is_enough else f"less than --min-free {self.least_free} bytes are free in {path}"

    def during(self, data: DataSet, path: str | None, clock: Callable[[], float] = monotonic) -> DataSet:
        """Give what `data` gives, as long as it is within the bounds; `clock` gives monotonic seconds.

        What comes after a refusal is given too: somebody has to read it.
        """
        return _Within(self, data, path, clock)


class _Within:
    """A data set within bounds."""

    __slots__ = (
        "_bounds",
        "_clock",
        "_data",
        "_is_refused",
        "_look_at",
        "_path",
        "_recent",
        "_size",
        "_waited",
    )

    def __init__(self, bounds: Bounds, data: DataSet, path: str | None, clock: Callable[[], float]) -> None:
        self._bounds = bounds
        self._data = data
        self._path = path
        self._clock = clock
        self._size = 0
        self._look_at = 0  # the size at which to look for room
        self._is_refused = False
        self._waited = 0.0  # seconds, in this window
        self._recent = 0  # bytes, in this window

    def __iter__(self) -> _Within:
        return self

    def __next__(self) -> Piece:
        begin = self._clock()
        piece = next(self._data)
        self._waited += self._clock() - begin
        size = sum(map(len, piece[0]))
        self._size += size
        self._recent += size
        if self._waited >= _WINDOW_SECONDS:
            self._check_speed()
        if not self._is_refused:
            self._is_refused = True  # unless it is fine
            self._check_size()
            self._is_refused = False
        return piece

    def _check_speed(self) -> None:
        speed, least = self._recent / self._waited, self._bounds.least_rate
        if speed < least:
            raise Abort(PROVIDER, 0, f"{speed:.0f} bytes/s are less than --min-rate {least}")
        self._waited, self._recent = 0.0, 0

    def _check_size(self) -> None:
        most = self._bounds.most_bytes
        if most and self._size > most:
            raise Refused(status.OUT_OF_RESOURCES, f"longer than {most} bytes, --max-object-size")
        if self._size < self._look_at:
            return
        self._look_at = self._size + _BETWEEN_LOOKS
        want = self._bounds.want_of_room(self._path)
        if want:
            raise Refused(status.OUT_OF_RESOURCES, "too little disk space left", want, lack=want)
