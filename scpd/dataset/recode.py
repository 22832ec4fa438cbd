"""Write a data set anew in the form that the output options ask (PS3.5 7 and annex A).

A pure function of a received data set that `scan` has gone through to its end: bytes in, bytes out.  Works on headers;
values that stay as they are go from the source to the target without a copy, others in pieces of bounded size.  Memory
grows with the depth of nesting, and up to a bound with the elements of a level where these are out of order: `Refused`
if there are more.

What it does to a level, be it the data set or an item: elements are sorted, of two with one tag the first stays; group
lengths are written, corrected or left out; DataSetTrailingPadding goes, and comes if it is asked for.  Sequences and
items get the lengths that are asked for, whatever they had; what is too long for a length has a delimiter.
"""

from __future__ import annotations

from scpd.dataset.context import remember, resolved
from scpd.dataset.convert import Converter
from scpd.dataset.elements import (
    CANNOT_UNDERSTAND,
    IMPLICIT,
    ITEM,
    ITEM_DELIMITER,
    SEQUENCE_DELIMITER,
    SHORT_HEADER,
    UNDEFINED_LENGTH,
    reserved,
    skip_undefined,
    syntax_of,
)
from scpd.dataset.encoding import CREATE
from scpd.dataset.lengths import Groups, GroupTooLongError, Nested
from scpd.dataset.levels import LONGEST_CREATOR, Level, is_creator
from scpd.dataset.padding import TRAILING_PADDING, pad
from scpd.dataset.plain import LONGEST_NOTED, run
from scpd.dataset.representations import OB, OW, PIXEL_DATA, SEQUENCE, SQ, TEXT, UID, UN, received
from scpd.dataset.template import template
from scpd.dataset.values import end_of_text, presented_uid, swapped
from scpd.dataset.writer import Writer
from scpd.errors import Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from scpd.dataset.dictionary import Dictionary
    from scpd.dataset.elements import Data, Syntax
    from scpd.dataset.encoding import Encoding
    from scpd.dataset.likeness import Likeness
    from scpd.dataset.representations import Representation
    from scpd.dataset.template import Template
    from scpd.dataset.writer import Target

LONGEST_SHORT = 0xFFFF  # bytes of a value whose length has 16 bits
_MOST_UNORDERED = 1 << 15  # elements of one level
_MOST_CONVERTED = 1 << 14  # bytes at a time: as many elements as these hold are in memory
_PADDING_GROUP = TRAILING_PADDING >> 16


class Source:
    """A received data set: its bytes, its transfer syntax, and where levels begin that are not in order.

    `likeness` is that to data sets with the same headers before their pixel data, if there is one.
    """

    __slots__ = ("data", "likeness", "transfer_syntax", "unordered")

    def __init__(
        self,
        data: memoryview,
        transfer_syntax: str,
        unordered: set[int],
        likeness: Likeness | None = None,
    ) -> None:
        self.likeness = likeness
        self.data = data
        self.transfer_syntax = transfer_syntax
        self.unordered = unordered


def recode(
    source: Source, encoding: Encoding, dictionary: Dictionary, target: Target, before: int = 0
) -> None:
    """Write `source` to `target` in this encoding, but not deflated; `before` bytes precede it in its file."""
    writer = Writer(target)
    unlimited: set[tuple[int, int]] = set()
    while True:
        try:
            Recoding(source, encoding, dictionary, writer, unlimited).run(before)
            writer.flush()
        except GroupTooLongError as error:
            unlimited.add(error.group)
            writer.restart()
        else:
            return


class Value:
    """The value of pixel data: where it begins in the target, its length, the unit that is swapped in it (1: none)."""

    __slots__ = ("begin", "length", "unit")

    def __init__(self, begin: int, length: int, unit: int) -> None:
        self.begin = begin
        self.length = length
        self.unit = unit


class _Element:
    """One element of the source: its tag, what it is, and where."""

    __slots__ = ("begin", "length", "representation", "tag", "value", "vr")

    def __init__(
        self, tag: int, vr: bytes, representation: Representation, begin: int, value: int, length: int
    ) -> None:
        self.tag = tag
        self.vr = vr
        self.representation = representation
        self.begin = begin
        self.value = value
        self.length = length


class Recoding:
    """One run from begin to end."""

    __slots__ = (
        "_converters",
        "_data",
        "_dictionary",
        "_encoding",
        "_keeps_sequences",
        "_levels",
        "_source",
        "_syntax",
        "_top_groups",
        "_unlimited",
        "_writer",
    )

    def __init__(
        self,
        source: Source,
        encoding: Encoding,
        dictionary: Dictionary,
        writer: Writer,
        unlimited: set[tuple[int, int]],
    ) -> None:
        self._source = source
        self._data = source.data
        self._encoding = encoding
        self._keeps_sequences = encoding.keeps_sequences()
        self._dictionary = dictionary
        self._syntax = syntax_of(encoding.written(source.transfer_syntax))
        self._writer = writer
        self._unlimited = unlimited
        self._levels: list[Level] = []
        self._converters: dict[Syntax, Converter] = {}  # by syntax of a level
        self._top_groups: Groups | None = None  # while there are pixel data to come

    def run(self, before: int) -> None:
        """Write the whole data set."""
        file_padding, _ = self._encoding.padding
        self._level(self._top(len(self._data)), file_padding, before)

    def _top(self, end: int) -> Level:
        return Level(syntax_of(self._source.transfer_syntax), 0, end, {}, {})

    # In three steps, with a value that the source has not yet.

    def begin(self, begin_of_last: int) -> Value:
        """Write all but the last element of a source that ends behind its header, and that header."""
        level = self._top(begin_of_last)
        self._levels.append(level)
        if self._encoding.convert_un or not level.syntax.is_explicit:
            remember(self._data, self._levels)
        groups = self._top_groups = self._groups(level)
        self._ordered(level, groups)
        element = self._next(level, begin_of_last)
        assert element is not None  # noqa: S101 - pixel data are no delimiter
        groups.enter(element.tag)
        label = self._label(element.representation, element.length)
        self._add_header(level, element, label, element.length, b"")
        level.last = element.tag
        unit = element.representation.unit if self._is_swapped(level, element, label) else 1
        return Value(self._writer.position(), element.length, unit)

    def begin_as(self, template: Template, begin_of_last: int) -> Value:
        """Write what `begin` would write for a data set that has the headers of an earlier one."""
        _, _, length, _ = syntax_of(self._source.transfer_syntax).read(self._data, begin_of_last)
        level = self._top(len(self._data))
        self._levels.append(level)
        level.last = PIXEL_DATA
        self._top_groups = self._groups(level)
        self._top_groups.number = PIXEL_DATA >> 16
        self._writer.add(memoryview(template.fill(self._data)))
        return Value(self._writer.position(), length, template.unit)

    def awaits_length(self) -> bool:
        """Tell whether the group of the pixel data has a group length."""
        return self._top_groups is not None and self._top_groups.awaits_length()

    def learn(self, value: Value) -> Template | None:
        """Learn from what `begin` has written how others with the same headers are written."""
        written = self._writer.gathered()
        if written is None or self.awaits_length():
            return None
        source = syntax_of(self._source.transfer_syntax)
        return template(bytes(self._data), source, written, self._syntax, value.unit)

    def end(self, rest: Source, before: int) -> None:
        """Write what follows that value."""
        level, groups = self._levels[0], self._top_groups
        assert groups is not None  # noqa: S101 - `begin` comes first
        self._source, self._data = rest, rest.data
        level.end = len(rest.data)
        self._ordered(level, groups)
        self._end_level(groups, self._encoding.padding[0], before)

    # Levels.

    def _level(self, level: Level, padding: int, before: int) -> int:
        """Write one level; `padding` counts from `before` bytes ahead of the target.  Gives the position behind it."""
        self._levels.append(level)
        groups = self._groups(level)
        level.is_ordered = level.start not in self._source.unordered
        end = (self._ordered if level.is_ordered else self._unordered)(level, groups)
        self._end_level(groups, padding, before)
        self._levels.pop()
        return end

    def _groups(self, level: Level) -> Groups:
        return Groups(self._writer, self._syntax, level, self._encoding.group_lengths, self._unlimited)

    def _end_level(self, groups: Groups, padding: int, before: int) -> None:
        if groups.number != _PADDING_GROUP:
            groups.end()  # padding does not count, but to a group of its own
        if padding:
            pad(self._writer, self._syntax, padding, before)
        groups.end()

    def _ordered(self, level: Level, groups: Groups) -> int:
        is_fast = self._encoding.allows_fast_loops(level.syntax)
        pass_plain = self._copy_plain if level.syntax is self._syntax else self._convert_plain
        if self._encoding.group_lengths == CREATE:
            level.upper = 0  # no element is passed over until its group has a length
        position = level.start
        while True:
            if is_fast:
                position = pass_plain(level, position)
            if level.end is not None and position >= level.end:
                return position
            element = self._next(level, position)
            if element is None:
                return position + SHORT_HEADER
            position = self._element(level, groups, element)
            level.last = element.tag

    def _unordered(self, level: Level, groups: Groups) -> int:
        """Write a level in the order of its tags; what its elements are, their order of arrival decides."""
        elements: dict[int, _Element] = {}
        position = level.start
        while level.end is None or position < level.end:
            element = self._next(level, position)
            if element is None:
                position = position + SHORT_HEADER
                break
            position = self._behind(level, element)
            level.last = max(level.last, element.tag)
            elements.setdefault(element.tag, element)
            if len(elements) > _MOST_UNORDERED:
                raise Refused(CANNOT_UNDERSTAND, "too many elements of one item, out of order")
        for tag in sorted(elements):
            self._element(level, groups, elements[tag])
        return position

    def _copy_plain(self, level: Level, position: int) -> int:
        limit = len(self._data) if level.end is None else level.end
        names = self._dictionary.public
        end = run(self._data, position, limit, level, names, with_sequences=self._keeps_sequences)
        if end > position:
            self._writer.copy(self._data, position, end)
        return end

    def _convert_plain(self, level: Level, position: int) -> int:
        limit = len(self._data) if level.end is None else level.end
        limit = min(limit, position + _MOST_CONVERTED)
        pieces: list[Data] = []
        converter = self._converters.get(level.syntax)
        if converter is None:
            converter = Converter(level.syntax, self._syntax, self._dictionary.public)
            self._converters[level.syntax] = converter
        position = converter.convert(self._data, position, limit, level, pieces)
        if pieces:
            self._writer.add(b"".join(pieces))  # cheaper than many short pieces for writev
        return position

    def _next(self, level: Level, position: int) -> _Element | None:
        """Read the element at `position`; `None` for the delimiter that ends the level."""
        tag, vr, length, value = level.syntax.read(self._data, position)
        if tag == ITEM_DELIMITER:
            return None
        if is_creator(tag) and length <= LONGEST_CREATOR:
            level.reserve(tag, bytes(self._data[value : value + length]), in_order=tag > level.last)
        return _Element(tag, vr, self._representation(level, tag, vr, length), position, value, length)

    def _representation(self, level: Level, tag: int, vr: bytes, length: int) -> Representation:
        if level.syntax.is_explicit:
            representation = received(vr, tag)
            if not (vr == b"UN" and self._encoding.convert_un and length != UNDEFINED_LENGTH):
                return representation
        return resolved(level.name(tag, self._dictionary), tag, self._data, self._levels)

    def _behind(self, level: Level, element: _Element) -> int:
        """Give the position behind an element."""
        if element.length != UNDEFINED_LENGTH:
            return element.value + element.length
        return skip_undefined(self._data, element.value, element.vr, level.syntax)

    # Elements.

    def _element(self, level: Level, groups: Groups, element: _Element) -> int:
        """Write one element, or leave it out; its place is the next one in order.  Gives the position behind it."""
        tag, representation = element.tag, element.representation
        if tag == TRAILING_PADDING:
            return self._behind(level, element)
        if not tag & 0xFFFF:
            groups.enter_with_length(tag)
            return self._behind(level, element)
        groups.enter(tag)
        if representation in (OB, OW) and element.length == UNDEFINED_LENGTH:
            return self._fragments(level, element)
        if representation.rule == SEQUENCE or element.length == UNDEFINED_LENGTH:
            return self._sequence(level, element)
        self._value(level, element)
        return element.value + element.length

    def _sequence(self, level: Level, element: _Element) -> int:
        """Write a sequence; give the position behind it."""
        is_defined = element.length != UNDEFINED_LENGTH
        # What is labelled UN is implicit (PS3.5 6.2.2).
        within = level.syntax if element.vr in (b"SQ", b"") else IMPLICIT
        position = element.value
        end = position + element.length if is_defined else None
        nested = Nested(self._writer, self._syntax, element.tag, SQ)
        while end is None or position < end:
            tag, _, length, position = within.read(self._data, position)
            if tag != ITEM:
                break
            position = self._item(within, position, length)
        nested.end(SEQUENCE_DELIMITER, with_length=self._encoding.explicit_lengths)
        return position

    def _item(self, syntax: Syntax, position: int, length: int) -> int:
        """Write one item; give the position behind it."""
        end = None if length == UNDEFINED_LENGTH else position + length
        _, padding = self._encoding.padding
        nested = Nested(self._writer, self._syntax, ITEM, None)
        level = Level(syntax, position, end, {}, {}, len(self._levels))
        position = self._level(level, padding, -nested.begin)
        nested.end(ITEM_DELIMITER, with_length=self._encoding.explicit_lengths)
        return position

    def _fragments(self, level: Level, element: _Element) -> int:
        """Write pixel data in fragments as they came, each made even; give the position behind them."""
        self._writer.add(self._syntax.header(element.tag, OB, UNDEFINED_LENGTH))
        position = element.value
        while True:
            begin = position
            tag, _, length, position = level.syntax.read(self._data, position)
            if tag == SEQUENCE_DELIMITER:
                break
            if length & 1:
                self._writer.add(self._syntax.header(ITEM, None, length + 1))
                self._writer.copy(self._data, position, position + length)
                self._writer.add(b"\0")
            else:
                self._writer.copy(self._data, begin, position + length)
            position += length
        self._writer.add(self._syntax.header(SEQUENCE_DELIMITER, None, 0))
        return position

    def _value(self, level: Level, element: _Element) -> None:
        """Write an element with a value of its own."""
        representation, begin = element.representation, element.value
        end = begin + element.length
        if representation.rule == TEXT:
            end = end_of_text(self._data, begin, end)
        elif representation.rule == UID and element.length <= LONGEST_NOTED:
            self._uid(element, presented_uid(bytes(self._data[begin:end])))
            return
        is_odd = bool((end - begin) & 1)
        padding = (b" " if representation.rule == TEXT else b"\0") if is_odd else b""
        label = self._label(representation, end - begin + is_odd)
        self._add_header(level, element, label, end - begin, padding)
        if representation.unit > 1 and self._is_swapped(level, element, label):
            for piece in swapped(self._data[begin:end], padding, representation.unit):
                self._writer.add(piece)
            return
        self._writer.copy(self._data, begin, end)
        if padding:
            self._writer.add(padding)

    def _is_swapped(self, level: Level, element: _Element, label: Representation) -> bool:
        """Tell whether a value of this element changes its byte order when it is written under this VR."""
        # What has lost its VR is little endian whatever the data set is: nobody else could swap it back.
        written = self._syntax.byte_order if label is element.representation else "<"
        # A value that came as UN is little endian in any data set (PS3.5 6.2.2).
        return written != ("<" if element.vr == b"UN" else level.syntax.byte_order)

    def _add_header(
        self, level: Level, element: _Element, label: Representation, size: int, padding: bytes
    ) -> None:
        is_same = level.syntax is self._syntax and element.vr in (label.vr, b"")
        is_clean = element.value - element.begin == SHORT_HEADER or not any(
            reserved(self._data, element.value)
        )
        if is_same and is_clean and size == element.length and not padding:
            self._writer.copy(self._data, element.begin, element.value)
        else:
            self._writer.add(self._syntax.header(element.tag, label, size + len(padding)))

    def _uid(self, element: _Element, value: bytes) -> None:
        self._writer.add(
            self._syntax.header(element.tag, self._label(element.representation, len(value)), len(value))
        )
        self._writer.add(value)

    def _label(self, representation: Representation, size: int) -> Representation:
        """Give the VR that is written for a value of so many bytes."""
        label = representation
        if not label.is_long and size > LONGEST_SHORT and self._syntax.is_explicit:
            label = UN  # PS3.5 6.2.2
        return OB if label.is_young and not self._encoding.young_vrs else label
