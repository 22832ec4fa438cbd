"""A data set written anew while its pixel data arrive: they are long, and nothing about them has to be known first.

What stands before them is recoded when it is complete, they themselves pass through, swapped if need be, and what
follows is recoded at the end.  So each byte is written once.  If that end shows that the data set should have been kept
as it came, or that its elements are out of order, `original` undoes what was done to the value.
"""

from __future__ import annotations

from scpd.dataset.recode import Recoding, Source
from scpd.dataset.values import Swapper, swapped
from scpd.dataset.writer import Writer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from scpd.dataset.dictionary import Dictionary
    from scpd.dataset.elements import Data
    from scpd.dataset.encoding import Encoding
    from scpd.dataset.writer import Target

# Bytes of a value; behind a longer one a group may be too long for a group length, which is known too late here.
LONGEST = 0xF0000000


class Forward:
    """One data set on its way; `before` bytes precede it in its file."""

    __slots__ = ("_before", "_recoding", "_swapper", "_writer", "value")

    def __init__(
        self,
        begin: Source,
        begin_of_pixel_data: int,
        encoding: Encoding,
        dictionary: Dictionary,
        target: Target,
        before: int,
    ) -> None:
        """`begin` is all up to the value of the pixel data; what is learnt about writing it is left to its likeness."""
        self._before = before
        self._writer = Writer(target)
        self._recoding = Recoding(begin, encoding, dictionary, self._writer, set())
        likeness = begin.likeness
        if likeness is not None and likeness.template is not None:
            self.value = self._recoding.begin_as(likeness.template, begin_of_pixel_data)
        else:
            self.value = self._recoding.begin(begin_of_pixel_data)
            if likeness is not None:
                likeness.template = self._recoding.learn(self.value)
        self._swapper = None if self.value.unit == 1 else Swapper(self.value.unit)

    def awaits_length(self) -> bool:
        """Tell whether something before the pixel data will only be known behind them."""
        return self._recoding.awaits_length()

    def take(self, pieces: Sequence[Data]) -> None:
        """Write the next pieces of the value; they may change afterwards."""
        if self._swapper is None:
            for piece in pieces:
                self._writer.add(piece)
        else:
            for piece in pieces:
                for part in self._swapper.swap(piece):
                    self._writer.add(part)
                    self._writer.flush()
        self._writer.flush()

    def end_value(self) -> None:
        """Write what is left of the value, when it has come to its end or will not come to it."""
        if self._swapper is not None:
            self._writer.add(self._swapper.rest())
            self._writer.flush()

    def finish(self, rest: Source) -> None:
        """Write what follows the value."""
        self._recoding.end(rest, self._before)
        self._writer.flush()


def original(piece: bytes, unit: int) -> bytes:
    """Give back the bytes of a value of which this was written, whole units of it."""
    return piece if unit == 1 else b"".join(swapped(memoryview(piece), b"", unit))
