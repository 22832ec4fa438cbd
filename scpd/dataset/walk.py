"""The walk through a data set while it arrives: from header to header, and a look at what has to be seen of values.

What is found is judged by what storescp 3.6.7 makes of it:

    it parses, and is written as the options ask          `changes` tells whether that is what came already
    it is refused or ends the association there           `Refused`, C000H
    something is left out or added there without a word   `oddity` says what: such an object is kept as it came

PS3.5 7 (elements), 7.2 (group lengths), 7.5 (sequences), A.4 (fragments).  Never raises anything but `Refused`.
"""

from __future__ import annotations

from scpd.dataset.arrival import BEYOND, Arrival
from scpd.dataset.elements import (
    CANNOT_UNDERSTAND,
    IMPLICIT,
    ITEM,
    ITEM_DELIMITER,
    ITEM_GROUP,
    LONG_HEADER,
    MAX_DEPTH,
    SEQUENCE_DELIMITER,
    SHORT_HEADER,
    UNDEFINED_LENGTH,
    EndOfData,
    reserved,
)
from scpd.dataset.encoding import RECALCULATE, REMOVE
from scpd.dataset.levels import LONGEST_CREATOR, Level, is_creator
from scpd.dataset.padding import TRAILING_PADDING
from scpd.dataset.plain import LONGEST_NOTED, NOTED, run, says_who
from scpd.dataset.representations import OB, OW, PIXEL_DATA, SEQUENCE, TEXT, UID, UL, UN, received
from scpd.dataset.values import is_presented_uid
from scpd.errors import Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator

    from scpd.dataset.arrival import Asking, Steps, Wanted
    from scpd.dataset.dictionary import Dictionary
    from scpd.dataset.elements import Syntax
    from scpd.dataset.encoding import Encoding
    from scpd.dataset.findings import Findings
    from scpd.dataset.representations import Representation

_VOI_LUT_SEQUENCE = 0x00283010
_ALIEN_GROUPS = (0x0000, 0x0002)  # PS3.7 6.3 and PS3.10 7.1: those of the command set and of the file meta
_MOST_UNORDERED = 65536  # levels


class _CutOffError(Exception):
    """The data set ends, or its parsing does, before it should."""


class Walk(Arrival):
    """The way through one data set; what is found goes into `findings`."""

    __slots__ = (
        "_dictionary",
        "_encoding",
        "_has_creators",
        "_is_compressed",
        "_keeps_sequences",
        "_steps",
        "_top",
        "_value_at",
        "findings",
    )

    def __init__(
        self,
        top: Level,
        encoding: Encoding,
        dictionary: Dictionary,
        findings: Findings,
        *,
        is_compressed: bool,
    ) -> None:
        super().__init__()
        self._is_compressed = is_compressed
        self._encoding = encoding
        self._dictionary = dictionary
        # Whose private elements they are matters where their VR comes from the dictionary.
        self._has_creators = encoding.convert_un or not top.syntax.is_explicit
        self._keeps_sequences = encoding.keeps_sequences()
        self.findings = findings
        self._top = top
        self._value_at = 0
        self._steps = self._data_set()

    def begin(self, position: int, value: int, arrived: int) -> None:
        """Begin behind what is known: there, behind a value that begins at `value`, when so many bytes have come."""
        self._value_at = value
        self.start(position, SHORT_HEADER, arrived)

    def _go_on(self) -> Wanted:
        return next(self._steps, (BEYOND, BEYOND))

    def _data_set(self) -> Steps:
        try:
            yield from self._level(self._top)
        except _CutOffError as error:
            self.findings.oddity = self.findings.oddity or str(error)

    def _level(self, level: Level) -> Steps:
        is_fast = self._encoding.allows_fast_loops(level.syntax)
        is_within = True
        while is_within:
            if is_fast:
                self._run(level)
            is_within = yield from self._element(level)

    def _run(self, level: Level) -> None:
        """Go past plain elements."""
        limit = len(self.data)
        if level.end is not None:
            limit = min(limit, level.end - self.base)
        if self.position >= limit:
            return
        names, with_sequences = self._dictionary.public, self._keeps_sequences
        self.position = run(self.data, self.position, limit, level, names, with_sequences=with_sequences)

    def _element(self, level: Level) -> Asking:
        """Go past one element, whatever it is; `False` at the end of the level."""
        at = self.at()
        if level.end is not None and at >= level.end:
            self._end_group(level, -1, at)
            if at > level.end:
                raise _CutOffError("what is in an item is longer than the item")
            return False
        if not (yield from self._has_more(level)):
            self._end_group(level, -1, at)
            return False
        tag, vr, length = yield from self._header(level.syntax)
        if tag >> 16 == ITEM_GROUP:
            return self._delimiter(level, tag, length, at)
        if level.end is not None and self.at() > level.end:
            raise _CutOffError("an item ends within a header")
        if length != UNDEFINED_LENGTH and level.end is not None and self.at() + length > level.end:
            raise _refused(f"element {_shown(tag)} is longer than its item")
        self._place(level, tag, at)
        representation = self._representation(level, tag, vr, length)
        if length == UNDEFINED_LENGTH:
            yield from self._undefined(level, tag, representation)
        elif representation.rule == SEQUENCE:
            within = level.syntax if vr in (b"SQ", b"") else IMPLICIT
            if not length:
                self._value_at = BEYOND
            yield from self._sequence(within, self.at() + length, level.depth + 1)
        else:
            yield from self._value(level, tag, representation, length)
        return True

    def _has_more(self, level: Level) -> Asking:
        """Tell whether another header follows; only the data set itself may end without a word."""
        if (yield from self.need(8)):
            return True
        left = self.arrived - self.at()
        if left == 0 and level.depth == 0:
            return False
        self._cut_off(left)
        return False

    def _cut_off(self, left: int) -> None:
        """Tell what an end means that comes before the next header is whole, `left` bytes behind its begin.

        storescp goes on without a word where it ends within a header or exactly behind that of an element.
        """
        if left < 0 and self.arrived > self._value_at:
            raise _refused("the data set ends within a value")
        if left == 0 and self.arrived != self._value_at:
            raise _refused("the data set ends within a sequence")
        raise _CutOffError("the data set is cut off")

    def _header(self, syntax: Syntax) -> Generator[Wanted, None, tuple[int, bytes, int]]:
        """Read a header of which eight bytes are there; the position is behind it then."""
        try:
            tag, vr, length, value = syntax.read(self.data, self.position)
        except EndOfData:
            if not (yield from self.need(12)):
                raise _CutOffError("the data set is cut off") from None
            tag, vr, length, value = syntax.read(self.data, self.position)
        if value - self.position == LONG_HEADER and any(reserved(self.data, value)):
            self.findings.changes = True
        self.position = value
        self._value_at = self.at()
        return tag, vr, length

    def _delimiter(self, level: Level, tag: int, length: int, at: int) -> bool:
        """Judge what only belongs between items; `False` if it ends the level."""
        self._value_at = BEYOND
        if tag != ITEM_DELIMITER:
            raise _refused("an item or a delimiter outside a sequence")
        if level.depth == 0:
            raise _CutOffError("an item delimiter outside an item")
        if level.end is None:
            self._end_group(level, -1, at)
            self.findings.changes |= length != 0
            return False
        if self.at() < level.end:
            raise _refused("an item delimiter within an item")
        self.findings.changes = True
        return True

    def _place(self, level: Level, tag: int, at: int) -> None:
        """Judge where an element stands."""
        group = tag >> 16
        self._end_group(level, group, at)
        if group in _ALIEN_GROUPS:
            self.findings.oddity = self.findings.oddity or f"an element of group {group:04X}H in the data set"
        if tag == TRAILING_PADDING:
            self.findings.changes = True
        if not level.follows(tag):
            self.findings.changes = True
            if len(self.findings.unordered) >= _MOST_UNORDERED:
                raise _CutOffError("too many items with elements out of order")
            self.findings.unordered.add(level.start)

    def _end_group(self, level: Level, group: int, at: int) -> None:
        if level.ends_group_wrongly(group, at):
            self.findings.changes = True

    def _representation(self, level: Level, tag: int, vr: bytes, length: int) -> Representation:
        """Give what the value is like."""
        if not level.syntax.is_explicit:
            return level.representation(tag, self._dictionary)
        representation = received(vr, tag)
        if representation.vr != vr or (representation.is_young and not self._encoding.young_vrs):
            self.findings.changes = True
        if vr == b"UN" and self._encoding.convert_un and length != UNDEFINED_LENGTH:
            known = level.representation(tag, self._dictionary)
            if known is not UN:
                self.findings.changes = True
                return known
        return representation

    def _undefined(self, level: Level, tag: int, representation: Representation) -> Steps:
        """Go past a value of undefined length: a sequence, or pixel data in fragments."""
        if representation in (OB, OW):
            if tag != PIXEL_DATA and not self._is_named_pixel_data(level, tag):
                raise _refused(f"undefined length of {_shown(tag)}")
            if not self._is_compressed:
                raise _refused("compressed pixel data in an uncompressed transfer syntax")
            self.findings.has_fragments = True
            self.findings.changes |= representation is OW
            yield from self._fragments(level.syntax)
        elif representation.rule == SEQUENCE:
            yield from self._sequence(level.syntax, None, level.depth + 1)
        elif representation is UN:
            # PS3.5 6.2.2: then its content is implicit, and with a label of its own it may become what it is.
            self.findings.changes |= level.syntax.is_explicit
            yield from self._sequence(IMPLICIT, None, level.depth + 1)
        else:
            raise _refused(f"undefined length of {_shown(tag)}")

    def _is_named_pixel_data(self, level: Level, tag: int) -> bool:
        return bool(tag >> 16 & 1) and level.name(tag, self._dictionary) == "px"

    def _sequence(self, syntax: Syntax, end: int | None, depth: int) -> Steps:
        """Go past the items of a sequence, to `end` or to its delimiter."""
        if depth > MAX_DEPTH:
            raise _refused(f"sequences nested deeper than {MAX_DEPTH}")
        self._judge_length(is_undefined=end is None)
        while end is None or self.at() < end:
            tag, length = yield from self._item_header(syntax)
            if tag == SEQUENCE_DELIMITER:
                self.findings.changes |= length != 0 or end is not None
                if end is not None and self.at() != end:
                    raise _refused("a sequence delimiter within a sequence")
                return
            if tag != ITEM:
                raise _refused("something else than an item in a sequence")
            yield from self._item(syntax, length, end, depth)
        if self.at() > end:
            raise _CutOffError("what is in a sequence is longer than the sequence")

    def _judge_length(self, *, is_undefined: bool) -> None:
        if is_undefined == self._encoding.explicit_lengths:
            self.findings.changes = True

    def _item(self, syntax: Syntax, length: int, sequence_end: int | None, depth: int) -> Steps:
        end = None if length == UNDEFINED_LENGTH else self.at() + length
        if end is not None and sequence_end is not None and end > sequence_end:
            raise _CutOffError("an item is longer than its sequence")
        self._judge_length(is_undefined=end is None)
        yield from self._level(
            Level(syntax, self.at(), end, self.findings.nested, self.findings.nested, depth)
        )

    def _item_header(self, syntax: Syntax) -> Generator[Wanted, None, tuple[int, int]]:
        if not (yield from self.need(8)):
            self._cut_off(self.arrived - self.at())
        try:
            tag, _, length, value = syntax.read(self.data, self.position)
        except EndOfData:
            raise _refused("something else than an item in a sequence") from None
        self.position = value
        self._value_at = BEYOND
        return tag, length

    def _fragments(self, syntax: Syntax) -> Steps:
        """Go past pixel data: items of defined length, and a delimiter."""
        while True:
            tag, length = yield from self._item_header(syntax)
            if tag == SEQUENCE_DELIMITER:
                self.findings.changes |= length != 0
                return
            if tag != ITEM or length == UNDEFINED_LENGTH:
                raise _refused("something else than a fragment in pixel data")
            self._value_at = self.at()
            self.findings.changes |= bool(length & 1)
            self.position += length

    def _value(self, level: Level, tag: int, representation: Representation, length: int) -> Steps:
        """Go past a value of defined length; wait for as much of it as has to be seen."""
        self._judge_place_of_value(level, tag, representation, length)
        self.findings.changes |= bool(length & 1)
        if not length:
            self._value_at = BEYOND
        is_whole = length <= LONGEST_NOTED and self._says_something(level, tag, representation, length)
        tail = length if is_whole else min(length, 2 if representation.rule == TEXT else 0)
        self.position += length - tail
        is_there = not tail or (yield from self.need(tail))
        seen = bytes(self.data[self.position : self.position + tail])
        if tail and is_there:
            self._judge_value(representation, seen, is_whole=is_whole)
        self.position += tail
        if is_there and is_whole:
            self._note(level, tag, representation, seen)
        elif _is_group_length(tag):
            self.findings.changes = True

    def _says_something(self, level: Level, tag: int, representation: Representation, length: int) -> bool:
        """Tell whether a value has to be seen as a whole."""
        if representation.rule == UID or _is_group_length(tag) or _can_be_noted(level, tag, representation):
            return True
        return self._has_creators and is_creator(tag) and length <= LONGEST_CREATOR

    def _note_pixel_data(self, level: Level, length: int) -> None:
        if not self.findings.unordered and not self.findings.oddity:
            self.findings.note_pixel_data(level.syntax, self.at(), length)

    def _judge_place_of_value(
        self, level: Level, tag: int, representation: Representation, length: int
    ) -> None:
        """Refuse values that storescp takes for something else; take note of pixel data."""
        if tag == PIXEL_DATA and level.depth == 0:
            if self._is_compressed:
                raise _refused("pixel data of defined length in a compressed transfer syntax")
            if representation in (OB, OW) and not length & 1:
                self._note_pixel_data(level, length)
        if tag == _VOI_LUT_SEQUENCE and representation in (OB, OW):
            raise _refused("VOI LUT Sequence that is no sequence")

    def _judge_value(self, representation: Representation, value: bytes, *, is_whole: bool) -> None:
        """See whether a value, or the end of one, is as it should be."""
        if representation.rule == TEXT:
            self.findings.changes |= value.endswith(b"  ")
        elif representation.rule == UID:
            self.findings.changes |= not (is_whole and is_presented_uid(value))

    def _note(self, level: Level, tag: int, representation: Representation, value: bytes) -> None:
        """Take down what a value says about others."""
        if _is_group_length(tag):
            self._note_group_length(level, tag >> 16, representation, value)
        elif _can_be_noted(level, tag, representation):
            level.found[tag] = value
        elif self._has_creators and is_creator(tag):
            level.reserve(tag, value, in_order=tag == level.last)

    def _note_group_length(
        self, level: Level, group: int, representation: Representation, value: bytes
    ) -> None:
        wanted = self._encoding.group_lengths
        if wanted == REMOVE or representation is not UL or len(value) != 4:
            self.findings.changes = True
        elif wanted == RECALCULATE:
            level.begin_group(group, self.at() + level.syntax.unpack_long(value, 0)[0])


def _is_group_length(tag: int) -> bool:
    return not tag & 0xFFFF


def _can_be_noted(level: Level, tag: int, representation: Representation) -> bool:
    return tag in NOTED and tag not in level.found and says_who(representation)


def _refused(text: str) -> Refused:
    return Refused(CANNOT_UNDERSTAND, text)


def _shown(tag: int) -> str:
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"
