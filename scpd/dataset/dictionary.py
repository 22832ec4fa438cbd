"""The VR of a tag: what an element is in explicit VR when its sender left that out (PS3.5 6.2, 7.1.3; PS3.6).

Looked up in this order: the tag itself, then the ranges that it lies in (repeating groups: PS3.5 7.6).  An element
of a private block (PS3.5 7.8.1) is first looked for among those of its creator, by its whole number and by the last
byte of it, which holds in every block that this creator may reserve.  A creator matches exactly, without the spaces
that pad its value; its characters are those of its bytes (Latin-1).

A narrower range is found before a wider one; an entry with the bounds of an earlier one replaces it.

Some elements have no VR of their own: their entry is a name in small letters, resolved by whoever sees the data set.

    xs   US or SS, by Pixel Representation (0028,0103)
    lt   OW, or US or SS: data and descriptors of lookup tables
    ox   OB or OW: waveforms, overlays
    px   OB or OW: pixel data
    up   UL: an offset within a DICOMDIR
    na   none at all: items and delimiters

No I/O and no files here: `dictfile` reads DCMTK's format, `dictpath` what DCMDICTPATH names.
"""

from __future__ import annotations

TYPE_CHECKING = False  # what typing calls so, without importing it: a start pays for each import
if TYPE_CHECKING:
    from collections.abc import Iterable

CONTEXT_DEPENDENT = frozenset(("xs", "lt", "ox", "px", "up", "na"))

ALL, EVEN, ODD = "all", "even", "odd"
_FIRST_RESERVED = 0x1000  # elements below it say who reserves the others
_PUBLIC = ""


class Span:
    """Numbers from `low` to `high`, of which those count that are `EVEN` or `ODD`, or `ALL`."""

    __slots__ = ("high", "low", "parity")

    def __init__(self, low: int, high: int, parity: str = ALL) -> None:
        self.low = low
        self.high = high
        self.parity = parity

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Span) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __contains__(self, number: int) -> bool:
        if not self.low <= number <= self.high:
            return False
        return self.parity == ALL or number & 1 == (self.parity == ODD)

    def is_within(self, other: Span) -> bool:
        """Tell whether its bounds lie within those of the other, equal ones included."""
        return other.low <= self.low and self.high <= other.high

    def _key(self) -> tuple[int, int, str]:
        return self.low, self.high, self.parity


class Entry:
    """One line of a dictionary: the tags that it is about, their creator (empty: public) and their VR."""

    __slots__ = ("creator", "element", "group", "vr")

    def __init__(self, group: Span, element: Span, vr: str, creator: str = _PUBLIC) -> None:
        self.group = group
        self.element = element
        self.vr = vr
        self.creator = creator

    @property
    def is_exact(self) -> bool:
        """Tell whether it is about one tag."""
        return self.group.low == self.group.high and self.element.low == self.element.high

    def covers(self, group: int, element: int) -> bool:
        """Tell whether it is about this tag."""
        return group in self.group and element in self.element

    def is_within(self, other: Entry) -> bool:
        """Tell whether its range lies within the other's."""
        return self.group.is_within(other.group) and self.element.is_within(other.element)

    def has_range_of(self, other: Entry) -> bool:
        """Tell whether both are about the same tags."""
        return self.group == other.group and self.element == other.element


class Dictionary:
    """VRs by tag; later entries override earlier ones."""

    __slots__ = ("_exact", "_ranges")

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        # Creator, the empty one for public tags > tag > VR; creator > entries, the first that covers a tag counts.
        self._exact: dict[str, dict[int, str]] = {_PUBLIC: {}}
        self._ranges: dict[str, list[Entry]] = {_PUBLIC: []}
        for entry in entries:
            self.add(entry)

    def add(self, entry: Entry) -> None:
        """Take an entry in."""
        if entry.is_exact:
            tag = entry.group.low << 16 | entry.element.low
            self._exact.setdefault(entry.creator, {})[tag] = entry.vr
            return
        ranges = self._ranges.setdefault(entry.creator, [])
        for index, earlier in enumerate(ranges):
            if entry.has_range_of(earlier):
                ranges[index] = entry
                return
            if entry.is_within(earlier):
                ranges.insert(index, entry)
                return
        ranges.append(entry)

    def add_public(self, vr: str, tags: Iterable[int]) -> None:
        """Take these public tags in: the short way, for thousands of them."""
        self._exact[_PUBLIC].update(dict.fromkeys(tags, vr))

    def vr(self, group: int, element: int, private_creator: str | None = None) -> str | None:
        """Give the VR of a tag, or one of `CONTEXT_DEPENDENT`; `None` if it is not listed.

        `private_creator` is who reserved the block in the item that holds the element, if anybody did.
        """
        if private_creator and group & 1 and element >= _FIRST_RESERVED:
            found = self._vr_of(private_creator, group, element, element & 0xFF)
            if found is not None:
                return found
        return self._vr_of(_PUBLIC, group, element, element)

    def _vr_of(self, creator: str, group: int, element: int, in_block: int) -> str | None:
        exact = self._exact.get(creator)
        if exact is not None:
            found = exact.get(group << 16 | element) or exact.get(group << 16 | in_block)
            if found is not None:
                return found
        for entry in self._ranges.get(creator, ()):
            if entry.covers(group, element) or entry.covers(group, in_block):
                return entry.vr
        return None


def builtin() -> Dictionary:
    """Make the dictionary of PS3.6 and PS3.7, without private elements but with their creators and group lengths."""
    from scpd.tables import vrs  # large, and wanted by those only who re-encode

    group_lengths = Entry(Span(0x0000, 0xFFFF), Span(0x0000, 0x0000), "UL")  # PS3.5 7.2
    private_creators = Entry(Span(0x0001, 0xFFFF, ODD), Span(0x0010, 0x00FF), "LO")  # PS3.5 7.8.1
    dictionary = Dictionary((group_lengths, private_creators))
    for vr, tags in vrs.TAGS.items():
        dictionary.add_public(vr, (int(tag, 16) for tag in tags.split()))
    for low_group, high_group, low_element, high_element, vr in vrs.RANGES:
        # Repeating groups and elements are even ones, as DCMTK has it.
        dictionary.add(Entry(Span(low_group, high_group, EVEN), Span(low_element, high_element, EVEN), vr))
    return dictionary
