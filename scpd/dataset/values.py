"""What the bytes of a value mean, and how they are presented (PS3.5 6.2, 7.3).  Never raises: any bytes give an answer.

Values may be gigabytes long: those that are only moved or swapped are given as pieces of bounded size.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

# What C's isspace() knows; DCMTK removes these wherever they stand in a UID, and so accepts senders that pad
# with spaces or break lines.
WHITE_SPACE = b" \t\n\v\f\r"

_PIECE = 1 << 17  # bytes, a multiple of every swap unit
_WIDEST = 8  # bytes of the widest unit
# Bytes that a `Swapper` swaps at once; more would be new pages for each object (mallopt(3), M_MMAP_THRESHOLD).
_ROOM = 1 << 16
_ARRAY_TYPES = {2: "H", 4: "I", 8: "Q"}


def uid_text(value: bytes) -> str:
    """Return the UID in the value of a UI element: no white space anywhere, no trailing NULs (PS3.5 9.1).

    Other bytes that no UID may hold come back as the characters of their codes (Latin-1): nothing is lost.
    """
    return value.translate(None, WHITE_SPACE).rstrip(b"\0").decode("latin-1")


def presented_uid(value: bytes) -> bytes:
    """Return a UID as it is to be written: no white space, one NUL behind it if it is odd."""
    bare = _bare_uid(value)
    return bare + b"\0" * (len(bare) & 1)


def is_presented_uid(value: bytes) -> bool:
    """Tell whether a UID of even length stays as it is: no white space, one NUL at its end at most."""
    return not value.endswith(b"\0\0") and value.translate(None, WHITE_SPACE) == value


def _bare_uid(value: bytes) -> bytes:
    return value.translate(None, WHITE_SPACE).rstrip(b"\0")


def end_of_text(data: memoryview, begin: int, end: int) -> int:
    """Return where a text ends that lies in `data` from `begin` to `end`, without what pads it.

    These are spaces; NULs too if the length is odd, since no text ends like that (storescp 3.6.7 leaves NULs, and
    adds one to an odd length; 3.7.0 knows no odd ones any more).
    """
    padding = b" \0" if (end - begin) & 1 else b" "
    while begin < end:
        piece = max(begin, end - _PIECE)
        rest = len(bytes(data[piece:end]).rstrip(padding))
        if rest:
            return piece + rest
        end = piece
    return begin


def swapped(data: memoryview, padding: bytes, unit: int) -> Iterator[memoryview]:
    """Give a value and its padding in the other byte order, in pieces; a rest shorter than the unit stays as it is."""
    from array import array  # who swaps nothing need not load it

    for begin in range(0, len(data), _PIECE):
        piece: bytes | memoryview = data[begin : begin + _PIECE]
        if padding and begin + _PIECE >= len(data):
            piece = bytes(piece) + padding
        whole = len(piece) // unit * unit
        numbers = array(_ARRAY_TYPES[unit])
        numbers.frombytes(piece[:whole])
        numbers.byteswap()
        yield memoryview(numbers).cast("B")
        if whole < len(piece):
            yield memoryview(piece)[whole:]


class Swapper:
    """Swaps a long value that comes in pieces of any length; what it gives is valid until the next call.

    It has one buffer, since to allocate one for each piece costs more, in new pages, than to swap it.
    """

    __slots__ = ("_filled", "_numbers", "_room")

    def __init__(self, unit: int) -> None:
        from array import array  # as above

        self._numbers = array(_ARRAY_TYPES[unit], bytes(_WIDEST)) * (_ROOM // _WIDEST)
        self._room = memoryview(self._numbers).cast("B")
        self._filled = 0

    def swap(self, piece: bytes | memoryview) -> Iterator[memoryview]:
        """Take a piece; give what is swapped, when there is much of it."""
        begin = 0
        while begin < len(piece):
            taken = min(len(piece) - begin, _ROOM - self._filled)
            self._room[self._filled : self._filled + taken] = piece[begin : begin + taken]
            self._filled += taken
            begin += taken
            if self._filled == _ROOM:
                yield self.rest()

    def rest(self) -> memoryview:
        """Give what is left, which should be whole units."""
        filled, self._filled = self._filled, 0
        self._numbers.byteswap()
        return self._room[:filled]
