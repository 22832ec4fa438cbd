"""Lengths that are known when what they count has been written: of sequences, items and groups (PS3.5 7.2, 7.5).

A sequence or item has its length, or a delimiter: as is asked for, and where no length can say how long it is.  A group
that is too long for its group length has none.
"""

from __future__ import annotations

from scpd.dataset.elements import UNDEFINED_LENGTH
from scpd.dataset.encoding import CREATE, RECALCULATE
from scpd.dataset.levels import END_OF_TAGS
from scpd.dataset.representations import UL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from scpd.dataset.elements import Syntax
    from scpd.dataset.levels import Level
    from scpd.dataset.representations import Representation
    from scpd.dataset.writer import Field, Writer

_LONGEST = 0xFFFFFFFE  # bytes that a length can say


class GroupTooLongError(Exception):
    """A group was written that is longer than its group length can say: it must have none."""

    def __init__(self, group: tuple[int, int]) -> None:
        super().__init__()
        self.group = group


class Nested:
    """A sequence or an item that is being written."""

    __slots__ = ("_field", "_syntax", "_writer", "begin")

    def __init__(
        self, writer: Writer, syntax: Syntax, tag: int, representation: Representation | None
    ) -> None:
        """Write its header; an item has no VR."""
        self._writer = writer
        self._syntax = syntax
        self._field = writer.add_field(bytearray(syntax.header(tag, representation, UNDEFINED_LENGTH)))
        self.begin = writer.position()

    def end(self, delimiter: int, *, with_length: bool) -> None:
        """End it by its length if that is asked for and it has one, else by a delimiter."""
        size = self._writer.position() - self.begin
        if with_length and size <= _LONGEST:
            self._writer.fill(self._field, len(self._field.content) - 4, self._syntax.length(size))
        else:
            self._writer.add(self._syntax.header(delimiter, None, 0))


class Groups:
    """The groups of one level as they are written.

    Those in `unlimited`, by the begin of the level and their number, have no group length.
    """

    __slots__ = ("_begin", "_field", "_lengths", "_level", "_syntax", "_unlimited", "_writer", "number")

    def __init__(
        self, writer: Writer, syntax: Syntax, level: Level, lengths: str, unlimited: set[tuple[int, int]]
    ) -> None:
        """`lengths` is of `encoding`: whether group lengths are created, corrected or removed."""
        self._writer = writer
        self._syntax = syntax
        self._level = level
        self._lengths = lengths
        self._unlimited = unlimited
        self.number = -1
        self._field: Field | None = None  # the value of its group length
        self._begin = 0  # position behind that

    def enter(self, tag: int) -> None:
        """Take note that an element follows."""
        if tag >> 16 != self.number:
            self._enter(tag >> 16, with_length=self._lengths == CREATE)

    def enter_with_length(self, tag: int) -> None:
        """Take note that a group length was received; write one in its place, or none."""
        if self._lengths == RECALCULATE:
            self._enter(tag >> 16, with_length=True)

    def awaits_length(self) -> bool:
        """Tell whether the group has a group length that is not known yet."""
        return self._field is not None

    def end(self) -> None:
        """Say how long the last group was."""
        field, self._field = self._field, None
        if field is None:
            return
        size = self._writer.position() - self._begin
        if size > _LONGEST + 1:
            raise GroupTooLongError((self._level.start, self.number))
        self._writer.fill(field, 0, self._syntax.length(size))

    def _enter(self, number: int, *, with_length: bool) -> None:
        self.end()
        self.number = number
        # Its end must be noticed, and where every group has a length the begin of the next one too.
        is_watched = with_length or self._lengths == CREATE
        self._level.upper = min((number + 1) << 16, END_OF_TAGS) if is_watched else END_OF_TAGS
        if with_length and (self._level.start, number) not in self._unlimited:
            self._writer.add(self._syntax.header(number << 16, UL, 4))
            self._field = self._writer.add_field(bytearray(4))
            self._begin = self._writer.position()
