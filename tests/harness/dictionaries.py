"""Which VRs storescp gives to the elements of an implicit VR data set, which we have, and where dictionaries differ.

An element here is a tag and a value; they are sent in the order given.  What depends on other elements is resolved as
storescp does it where neither Pixel Representation (0028,0103) nor Waveform Bits Allocated (5400,1004) has a value.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from scpd.dataset.dictfile import parse
from scpd.dataset.dictionary import Dictionary, Entry, Span, builtin, creator_name
from tests.harness import wire
from tests.harness.objects import LONG_VRS, data_set_bytes, new_uid
from tests.harness.raw_peer import STORE_CONTEXT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.harness.raw_peer import RawPeer
    from tests.harness.servers import Server

DEBIANS = Path("/usr/share/libdcmtk17")  # of libdcmtk17 3.6.7
OVERLAY_DATA = 0x3000
SOP_CLASS_UID, SOP_INSTANCE_UID = (0x0008, 0x0016), (0x0008, 0x0018)
STRINGS = frozenset(
    ("AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UI", "UR", "UT")
)
RESOLVED = {"xs": "US", "lt": "OW", "ox": "OB", "px": "OW", "up": "UL", "na": "UN"}


class Element(NamedTuple):
    """One element of an implicit VR data set; no nesting."""

    group: int
    element: int
    value: bytes = b""


def implicit(elements: Iterable[Element]) -> bytes:
    """Encode them in implicit VR little endian, as they come."""
    return b"".join(struct.pack("<HHI", *it[:2], len(it.value)) + it.value for it in elements)


def written_vrs(data: bytes) -> dict[tuple[int, int], str]:
    """Read the VRs of a data set in explicit VR little endian; all lengths must be defined."""
    found = {}
    position = 0
    while position < len(data):
        group, element, vr = struct.unpack_from("<HH2s", data, position)
        is_long = vr in LONG_VRS
        (length,) = struct.unpack_from("<I" if is_long else "<H", data, position + (8 if is_long else 6))
        position += (12 if is_long else 8) + length
        found[group, element] = vr.decode("ascii")
    return found


def send(
    server: Server, peer: RawPeer, elements: Iterable[Element]
) -> tuple[int, dict[tuple[int, int], str]]:
    """Store a data set of these elements, and of the SOP UIDs that it needs; gives the status and the VRs written."""
    instance = new_uid()
    uids = [Element(*SOP_CLASS_UID, _uid(wire.CT_IMAGE_STORAGE)), Element(*SOP_INSTANCE_UID, _uid(instance))]
    others = [it for it in elements if it[:2] not in (SOP_CLASS_UID, SOP_INSTANCE_UID)]
    first = next((index for index, it in enumerate(others) if it[:2] > SOP_INSTANCE_UID), len(others))
    before = len(server.files())
    peer.associate([(STORE_CONTEXT, wire.CT_IMAGE_STORAGE, [wire.IMPLICIT_LITTLE])])
    data = implicit([*others[:first], *uids, *others[first:]])
    status = peer.store(wire.CT_IMAGE_STORAGE, instance, data)
    peer.release()
    if status:
        return status, {}
    files = server.wait_for_files(before + 1)
    (content,) = (content for name, content in files.items() if name.endswith(instance))
    return status, written_vrs(data_set_bytes(content))


def expected_vrs(dictionary: Dictionary, elements: Iterable[Element]) -> dict[tuple[int, int], str]:
    """Say which VRs a dictionary gives to the elements of a data set, as storescp looks them up.

    A creator counts if its tag is higher than all before it; of elements of the same tag the first counts.
    """
    creators: dict[tuple[int, int], str] = {}
    found: dict[tuple[int, int], str] = {}
    highest = (-1, -1)
    for group, element, value in elements:
        vr = resolved(group, element, dictionary.vr(group, element, creators.get((group, element >> 8))))
        if group & 1 and 0x10 <= element <= 0xFF and vr in STRINGS and (group, element) > highest:
            creators[group, element] = creator_name(value)
        highest = max(highest, (group, element))
        found.setdefault((group, element), vr)
    return found


def resolved(group: int, element: int, name: str | None) -> str:
    """Give the VR that an entry of a dictionary means in a data set without what it depends on; UN if there is none."""
    if element == 0:
        return "UL"  # a group length is calculated anew, whatever it was
    if name is None:
        return "UN"
    is_overlay = group >> 8 == 0x60 and element == OVERLAY_DATA
    return "OW" if name == "ox" and is_overlay else RESOLVED.get(name, name)


class Differences:
    """Where the built-in dictionary of scpd and that of storescp 3.6.7 give another VR."""

    def __init__(self) -> None:
        self.ours = builtin()
        self.theirs = Dictionary(debians_entries())

    def at(self, group: int, element: int, creator: str | None = None) -> tuple[str, str] | None:
        """Give storescp's VR and ours (UN: unknown) if they differ; `creator` is who reserved the block."""
        theirs, ours = (
            resolved(group, element, dictionary.vr(group, element, creator))
            for dictionary in (self.theirs, self.ours)
        )
        return None if theirs == ours else (theirs, ours)

    def public(self) -> dict[tuple[int, int], tuple[str, str]]:
        """Give every public tag that differs; of repeating groups the first and the last."""
        return {tag: vrs for tag in public_tags() if (vrs := self.at(*tag))}

    def private(self) -> dict[tuple[str, int, int], tuple[str, str]]:
        """Give every private element that differs, by creator, group, and element as in block 10."""
        return {
            (creator, group, element): vrs
            for creator, group, element in private_elements()
            if (vrs := self.at(group, element, creator))
        }


def debians_entries() -> list[Entry]:
    """Read what storescp reads without DCMDICTPATH."""
    entries: list[Entry] = []
    for name in ("dicom.dic", "private.dic"):
        entries += parse((DEBIANS / name).read_text(encoding="latin-1"))[0]
    return entries


def public_tags() -> list[tuple[int, int]]:
    """Give each public tag that pydicom or storescp knows, with the borders of repeating groups and the tags beyond."""
    from pydicom.datadict import DicomDictionary

    from scpd.tables.vrs import RANGES

    tags = {(tag >> 16, tag & 0xFFFF) for tag in DicomDictionary}
    ranges = [(Span(*row[:2]), Span(*row[2:4])) for row in RANGES]
    ranges += [(entry.group, entry.element) for entry in debians_entries() if not entry.creator]
    for groups, elements in ranges:
        tags |= {(group, element) for group in _borders(groups) for element in _borders(elements)}
    return sorted(tags)


def _borders(span: Span) -> set[int]:
    if span.low == span.high:
        return {span.low}
    numbers = {border + step for border in (span.low, span.high) for step in (-1, 0, 1)}
    return {number for number in numbers if 0 <= number <= 0xFFFF}


def private_elements() -> list[tuple[str, int, int]]:
    """Give creator, group and element, as in block 10 if it may lie in any, of what pydicom or storescp knows."""
    from scpd.tables.private_vrs import TAGS

    found = set()
    for creator, text in TAGS.items():
        for word in text.split():
            if len(word) > 2:
                group = int(word[:4].replace("x", "0"), 16) | 1
                found.add((creator, group, int(word[4:].replace("xx", "10"), 16)))
    for entry in debians_entries():
        if entry.creator:
            element = entry.element.low
            found.add((entry.creator, entry.group.low, element if element > 0xFF else 0x1000 | element))
    return sorted(found)


def one_of_each() -> list[Element]:
    """Make a data set of every element that pydicom or storescp knows, in ascending order.

    Each creator reserves a block in each of its groups: 10 if it is free, else the next one, in which its elements of
    other blocks are unknown, or mean something else.  Left out is what cannot be an element, or is removed.
    """
    blocks: dict[tuple[int, str], int] = {}
    taken = set(public_tags())  # the borders of ranges are in odd groups too
    elements = {Element(*tag) for tag in public_tags() if tag[0] != 0xFFFE and tag != (0xFFFC, 0xFFFC)}
    private = sorted(private_elements(), key=lambda it: (it[1], -(it[2] >> 8), it[0]))
    for creator, group, element in private:
        if (group, creator) not in blocks:
            block = next(number for number in range(element >> 8, 0x100) if (group, number) not in taken)
            blocks[group, creator] = block
            taken.add((group, block))
            elements.add(Element(group, block, creator.encode("latin-1").ljust(len(creator) + 1 & ~1)))
        elements.add(Element(group, blocks[group, creator] << 8 | element & 0xFF))
    return sorted(elements)


def _uid(uid: str) -> bytes:
    data = uid.encode("ascii")
    return data + b"\0" * (len(data) % 2)
