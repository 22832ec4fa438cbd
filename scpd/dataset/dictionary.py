"""The VR of a tag: what an element is in explicit VR when its sender left that out (PS3.5 6.2, 7.1.3; PS3.6).

Looked up in this order: the tag itself, then the ranges that it lies in (repeating groups: PS3.5 7.6).  An element
of a private block (PS3.5 7.8.1) is first looked for among those of its creator, by its whole number and by the last
byte of it, which holds in every block that this creator may reserve.  A creator matches exactly, without the spaces
that pad its value; its characters are those of its bytes (Latin-1).

A narrower range is found before a wider one; an entry with the bounds of an earlier one replaces it.

The built-in dictionary is that of pydicom.  It knows some 450 creators: what each calls its own is a line of text,
which becomes a lookup when that creator is asked for, in the process that asks.

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
    from collections.abc import Iterable, Mapping

CONTEXT_DEPENDENT = frozenset(("xs", "lt", "ox", "px", "up", "na"))

ALL, EVEN, ODD = "all", "even", "odd"
_FIRST_RESERVED = 0x1000  # elements below it say who reserves the others
_VR_LENGTH = 2


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

    def __init__(self, group: Span, element: Span, vr: str, creator: str = "") -> None:
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


class _Ranges:
    """Public entries about several tags each; the first that covers a tag counts.

    There are a hundred of them in a dictionary, but few for one element number: these are kept together.
    """

    __slots__ = ("_by_element", "_wide")

    def __init__(self) -> None:
        self._by_element: dict[int, list[Entry]] = {}  # the wide ones that cover a number are in its list too
        self._wide: list[Entry] = []

    def add(self, entry: Entry) -> None:
        """Take an entry in."""
        low, high = entry.element.low, entry.element.high
        if low == high:
            if low not in self._by_element:
                self._by_element[low] = [wide for wide in self._wide if entry.element.is_within(wide.element)]
            _insert(entry, self._by_element[low])
            return
        _insert(entry, self._wide)
        for element, entries in self._by_element.items():
            if low <= element <= high:
                _insert(entry, entries)

    def vr(self, group: int, element: int) -> str | None:
        """Give the VR of a tag."""
        for entry in self._by_element.get(element, self._wide):
            if entry.covers(group, element):
                return entry.vr
        return None


class _Creator:
    """What a private creator calls its own; an element of two digits is one in whatever block it reserved."""

    __slots__ = ("_exact", "_ranges")

    def __init__(self, text: str = "") -> None:
        self._exact: dict[int, str] = {}
        self._ranges: list[Entry] = []
        vr = ""
        for word in text.split():
            if len(word) == _VR_LENGTH:
                vr = word
            elif "xxxx" in word:
                group, element = int(word[:2] + "00", 16), int(word[6:], 16)
                self.add(Entry(Span(group, group | 0xFF, ODD), Span(element, element), vr))
            else:
                self._exact[int(word.replace("x", "0"), 16)] = vr

    def add(self, entry: Entry) -> None:
        """Take an entry in."""
        if entry.is_exact:
            self._exact[entry.group.low << 16 | entry.element.low] = entry.vr
        else:
            _insert(entry, self._ranges)

    def vr(self, group: int, element: int) -> str | None:
        """Give the VR of a tag."""
        in_block = element & 0xFF
        found = self._exact.get(group << 16 | element) or self._exact.get(group << 16 | in_block)
        if found is not None:
            return found
        for entry in self._ranges:
            if entry.covers(group, element) or entry.covers(group, in_block):
                return entry.vr
        return None


def _insert(entry: Entry, entries: list[Entry]) -> None:
    for index, earlier in enumerate(entries):
        if entry.has_range_of(earlier):
            entries[index] = entry
            return
        if entry.is_within(earlier):
            entries.insert(index, entry)
            return
    entries.append(entry)


class Dictionary:
    """VRs by tag; later entries override earlier ones.

    `public` is a part of it for those who look up thousands: tag (group << 16 | element) > VR, for each tag of an even
    group that an entry of its own is about.  What is not in there, `vr` may know.
    """

    __slots__ = ("_creators", "_exact", "_ranges", "_texts", "public")

    def __init__(self, entries: Iterable[Entry] = (), texts: Mapping[str, str] | None = None) -> None:
        """`texts` are the private elements by creator, as in `tables.private_vrs`; read when they are wanted."""
        self.public: dict[int, str] = {}
        self._exact: dict[int, str] = {}  # odd groups, without creator
        self._ranges = _Ranges()
        self._creators: dict[str, _Creator] = {}
        self._texts = texts or {}
        for entry in entries:
            self.add(entry)

    def add(self, entry: Entry) -> None:
        """Take an entry in."""
        if entry.creator:
            creator = self._creator(entry.creator)
            if creator is None:
                creator = self._creators[entry.creator] = _Creator()
            creator.add(entry)
        elif entry.is_exact:
            group, element = entry.group.low, entry.element.low
            exact = self._exact if group & 1 else self.public
            exact[group << 16 | element] = entry.vr
        else:
            self._ranges.add(entry)

    def vr(self, group: int, element: int, private_creator: str | None = None) -> str | None:
        """Give the VR of a tag, or one of `CONTEXT_DEPENDENT`; `None` if it is not listed.

        `private_creator` is who reserved the block in the item that holds the element, if anybody did.
        """
        exact = self.public
        if group & 1:
            if private_creator and element >= _FIRST_RESERVED:
                creator = self._creator(private_creator)
                found = None if creator is None else creator.vr(group, element)
                if found is not None:
                    return found
            exact = self._exact
        return exact.get(group << 16 | element) or self._ranges.vr(group, element)

    def _creator(self, name: str) -> _Creator | None:
        """Find a creator; peers invent names without end, so nothing is kept about those that are not known."""
        creator = self._creators.get(name)
        if creator is None and name in self._texts:
            creator = self._creators[name] = _Creator(self._texts[name])
        return creator


def creator_name(value: bytes) -> str:
    """Give the name that the value of a private creator element says, as `Dictionary.vr` wants it.

    It ends before the spaces that pad it, or at a NUL, which no name contains (PS3.5 6.2).
    """
    return value.rstrip(b" ").partition(b"\0")[0].decode("latin-1")


def builtin() -> Dictionary:
    """Make the dictionary of PS3.6 and PS3.7, of private elements, creators and group lengths (PS3.5 7.2, 7.8.1)."""
    from struct import unpack

    from scpd.tables import private_vrs, vrs  # large, and wanted by those only who re-encode

    group_lengths = Entry(Span(0x0000, 0xFFFF), Span(0x0000, 0x0000), "UL")
    private_creators = Entry(Span(0x0001, 0xFFFF, ODD), Span(0x0010, 0x00FF), "LO")
    dictionary = Dictionary((group_lengths, private_creators), private_vrs.TAGS)
    for vr, tags in vrs.TAGS.items():
        packed = bytes.fromhex(tags)
        dictionary.public.update(dict.fromkeys(unpack(f">{len(packed) // 4}I", packed), vr))
    for low_group, high_group, low_element, high_element, vr in vrs.RANGES:
        # Repeating groups and elements are even ones, as DCMTK has it; (60xx,0011) is none that repeats.
        parity = ALL if low_element == high_element else EVEN
        element = Span(low_element, high_element, parity)
        dictionary.add(Entry(Span(low_group, high_group, EVEN), element, vr))
    return dictionary
