"""Deflated data sets (PS3.5 A.5): a raw deflate stream, and one NUL behind it if it is odd.

They are inflated as they arrive, in pieces of bounded size whatever the stream is like.  Never raises anything but
`Refused`.
"""

from __future__ import annotations

import zlib

from scpd.dataset.elements import CANNOT_UNDERSTAND
from scpd.errors import Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from scpd.dataset.elements import Data

_PIECE = 1 << 17  # bytes inflated at a time


class Inflater:
    """One stream."""

    __slots__ = ("_engine",)

    def __init__(self) -> None:
        self._engine = zlib.decompressobj(-zlib.MAX_WBITS)

    def inflate(self, data: Data) -> Iterator[bytes]:
        """Give what these bytes hold."""
        engine = self._engine
        while not engine.eof:
            try:
                piece = engine.decompress(data, _PIECE)
            except zlib.error:
                raise Refused(CANNOT_UNDERSTAND, "data set is not a deflate stream") from None
            data = engine.unconsumed_tail
            if piece:
                yield piece
            elif not data:
                break

    def is_whole(self) -> bool:
        """Tell whether the stream has come to its end; what stands behind that is nobody's."""
        return self._engine.eof


def inflated(data: memoryview) -> Iterator[bytes]:
    """Give what a stream holds that was inflated before."""
    inflater = Inflater()
    for begin in range(0, len(data), _PIECE):
        yield from inflater.inflate(data[begin : begin + _PIECE])


class Deflater:
    """One stream to be written."""

    __slots__ = ("_engine", "_size")

    def __init__(self, level: int) -> None:
        self._engine = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS)
        self._size = 0

    def deflate(self, data: Data) -> bytes:
        """Take these bytes; give what comes out."""
        piece = self._engine.compress(data)
        self._size += len(piece)
        return piece

    def end(self) -> bytes:
        """Give the end of the stream, and the NUL that makes its length even."""
        rest = self._engine.flush()
        return rest + b"\0" * ((self._size + len(rest)) & 1)


def deflated(data: memoryview, level: int) -> Iterator[bytes]:
    """Give the stream for these bytes."""
    deflater = Deflater(level)
    for begin in range(0, len(data), _PIECE):
        yield deflater.deflate(data[begin : begin + _PIECE])
    yield deflater.end()
