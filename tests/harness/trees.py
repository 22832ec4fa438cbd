"""Data sets as trees, and the bytes of each in any transfer syntax (PS3.5 7, A).

A tree is a list of nodes in the order in which they shall stand; nothing is sorted, padded or checked.  Values are
given in little endian, whatever the encoding; big endian swaps them by their VR.  What a transfer syntax cannot say is
said as PS3.5 6.2.2 wants it: a value that is too long for the 16-bit length of its VR becomes UN.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple, Protocol

from tests.harness.wire import DEFLATED, EXPLICIT_BIG, IMPLICIT_LITTLE

if TYPE_CHECKING:
    from collections.abc import Iterable

UNDEFINED = 0xFFFFFFFF
ITEM, ITEM_DELIMITATION, SEQUENCE_DELIMITATION = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
PIXEL_DATA = 0x7FE00010
# VR bytes in front of a 32-bit length; the last ones stand in no data set but in dictionaries (see dcvr.h of DCMTK).
LONG_VRS = frozenset(["OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"]) | {
    "ox",
    "px",
    "lt",
}
STANDARD_VRS = frozenset(
    [
        "AE",
        "AS",
        "AT",
        "CS",
        "DA",
        "DS",
        "DT",
        "FD",
        "FL",
        "IS",
        "LO",
        "LT",
        "OB",
        "OD",
        "OF",
        "OL",
        "OV",
        "OW",
        "PN",
        "SH",
        "SL",
        "SQ",
        "SS",
        "ST",
        "SV",
        "TM",
        "UC",
        "UI",
        "UL",
        "UN",
        "UR",
        "US",
        "UT",
        "UV",
    ]
)
SWAP_UNITS = {
    **dict.fromkeys(("AT", "OW", "SS", "US", "xs", "lt"), 2),
    **dict.fromkeys(("FL", "OF", "OL", "SL", "UL"), 4),
    **dict.fromkeys(("FD", "OD", "OV", "SV", "UV"), 8),
}


class Encoding(NamedTuple):
    """How elements are written: with their VR or without, in which byte order."""

    is_explicit: bool
    is_big: bool


IMPLICIT, EXPLICIT, BIG = Encoding(False, False), Encoding(True, False), Encoding(True, True)


class Node(Protocol):
    """What may stand in a data set or an item."""

    @property
    def group(self) -> int:
        """The group it counts for in a group length."""

    def encode(self, encoding: Encoding) -> bytes:
        """Give its bytes."""


@dataclass(frozen=True)
class Element:
    """An element; `vr` is the two characters of its VR field, `length` replaces the true length of its value."""

    tag: int
    vr: str
    value: bytes = b""
    length: int | None = None

    @property
    def group(self) -> int:
        return self.tag >> 16

    def encode(self, encoding: Encoding) -> bytes:
        length = len(self.value) if self.length is None else self.length
        vr = self.vr
        if encoding.is_explicit and length > 0xFFFF and not has_long_header(vr):
            vr = "UN"
        value = swapped(self.value, vr) if encoding.is_big else self.value
        return header(self.tag, vr, length, encoding) + value


@dataclass(frozen=True)
class Item:
    """An item of a sequence; `length` replaces the length field."""

    nodes: tuple[Node, ...] = ()
    undefined: bool = False
    length: int | None = None

    def encode(self, encoding: Encoding) -> bytes:
        content = encoded(self.nodes, encoding)
        length = UNDEFINED if self.undefined else len(content)
        delimiter = marker(ITEM_DELIMITATION, 0, encoding) if self.undefined else b""
        return marker(ITEM, length if self.length is None else self.length, encoding) + content + delimiter


@dataclass(frozen=True)
class Sequence:
    """A sequence of items; as UN its content is in implicit VR little endian whatever surrounds it (PS3.5 6.2.2)."""

    tag: int
    items: tuple[Item | Node, ...] = ()
    undefined: bool = False
    vr: str = "SQ"
    length: int | None = None

    @property
    def group(self) -> int:
        return self.tag >> 16

    def encode(self, encoding: Encoding) -> bytes:
        inner = encoding if self.vr == "SQ" else IMPLICIT
        content = b"".join(item.encode(inner) for item in self.items)
        length = UNDEFINED if self.undefined else len(content)
        delimiter = marker(SEQUENCE_DELIMITATION, 0, inner) if self.undefined else b""
        length = length if self.length is None else self.length
        return header(self.tag, self.vr, length, encoding) + content + delimiter


@dataclass(frozen=True)
class Fragments:
    """Encapsulated pixel data (PS3.5 A.4): the first fragment is the offset table, if it has one."""

    fragments: tuple[bytes, ...]
    tag: int = PIXEL_DATA
    vr: str = "OB"

    @property
    def group(self) -> int:
        return self.tag >> 16

    def encode(self, encoding: Encoding) -> bytes:
        items = (marker(ITEM, len(fragment), encoding) + fragment for fragment in self.fragments)
        end = marker(SEQUENCE_DELIMITATION, 0, encoding)
        return header(self.tag, self.vr, UNDEFINED, encoding) + b"".join(items) + end


@dataclass(frozen=True)
class GroupLength:
    """(gggg,0000): the true length of what follows of its group, or that and `error` more."""

    group: int
    error: int = 0
    vr: str = "UL"

    def encode(self, encoding: Encoding) -> bytes:
        return self.of(0, encoding)

    def of(self, length: int, encoding: Encoding) -> bytes:
        """Give its bytes for this length."""
        value = struct.pack("<I", (length + self.error) % (1 << 32))
        return Element(self.group << 16, self.vr, value).encode(encoding)


@dataclass(frozen=True)
class Bytes:
    """Any bytes, the same in every encoding."""

    data: bytes
    group: int = -1

    def encode(self, encoding: Encoding) -> bytes:
        return self.data


@dataclass(frozen=True)
class Marker:
    """An item tag or a delimiter by itself, where it belongs or not."""

    tag: int
    length: int = 0

    @property
    def group(self) -> int:
        return -1

    def encode(self, encoding: Encoding) -> bytes:
        return marker(self.tag, self.length, encoding)


def encoded(nodes: Iterable[Node], encoding: Encoding) -> bytes:
    """Give the bytes of nodes that stand behind each other."""
    parts: list[bytes] = []
    lengths: dict[int, int] = {}
    for node in reversed(list(nodes)):
        known = lengths.get(node.group, 0)
        part = node.of(known, encoding) if isinstance(node, GroupLength) else node.encode(encoding)
        lengths[node.group] = known + len(part)
        parts.append(part)
    return b"".join(reversed(parts))


def encoding_of(transfer_syntax: str) -> Encoding:
    """Give the encoding of a transfer syntax; all but two are explicit VR little endian (PS3.5 A)."""
    return {IMPLICIT_LITTLE: IMPLICIT, EXPLICIT_BIG: BIG}.get(transfer_syntax, EXPLICIT)


def data_set(nodes: Iterable[Node], transfer_syntax: str) -> bytes:
    """Give the bytes of a data set; a deflate stream of odd length gets its NUL (PS3.5 A.5)."""
    plain = encoded(nodes, encoding_of(transfer_syntax))
    return deflated(plain) if transfer_syntax == DEFLATED else plain


def deflated(plain: bytes) -> bytes:
    """Give a deflate stream of even length."""
    engine = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    stream = engine.compress(plain) + engine.flush()
    return stream + b"\0" * (len(stream) % 2)


def inflated(stream: bytes) -> bytes:
    """Give what is in a deflate stream."""
    return zlib.decompress(stream, wbits=-zlib.MAX_WBITS)


def has_long_header(vr: str) -> bool:
    """Say whether a 32-bit length follows these VR bytes, as DCMTK reads them: two capital letters are some new VR."""
    return vr in LONG_VRS or (vr not in STANDARD_VRS and vr.isascii() and vr.isalpha() and vr.isupper())


def header(tag: int, vr: str, length: int, encoding: Encoding) -> bytes:
    """Give the header of an element; the length is cut to its field."""
    order = ">" if encoding.is_big else "<"
    start = struct.pack(f"{order}HH", tag >> 16, tag & 0xFFFF)
    if not encoding.is_explicit:
        return start + struct.pack("<I", length)
    if has_long_header(vr):
        return start + vr.encode("latin-1") + bytes(2) + struct.pack(f"{order}I", length)
    return start + vr.encode("latin-1") + struct.pack(f"{order}H", length & 0xFFFF)


def marker(tag: int, length: int, encoding: Encoding) -> bytes:
    """Give an item tag or a delimiter: no VR, whatever the encoding."""
    return struct.pack(">HHI" if encoding.is_big else "<HHI", tag >> 16, tag & 0xFFFF, length)


def swapped(value: bytes, vr: str) -> bytes:
    """Give a value in the other byte order; what is left over at its end stays."""
    unit = SWAP_UNITS.get(vr, 1)
    whole = len(value) // unit * unit
    parts = (value[start : start + unit][::-1] for start in range(0, whole, unit))
    return b"".join(parts) + value[whole:]


def padded(nodes: Iterable[Node]) -> tuple[Node, ...]:
    """Give the tree with every value of odd length padded as PS3.5 6.2 wants it: text by a space, all else by NUL."""
    return tuple(_padded(node) for node in nodes)


def _padded(node: Node) -> Node:
    if isinstance(node, Element) and len(node.value) % 2:
        return replace(node, value=node.value + (b" " if node.vr in TEXT_VRS else b"\0"))
    if isinstance(node, Sequence):
        items = (
            replace(item, nodes=padded(item.nodes)) if isinstance(item, Item) else item for item in node.items
        )
        return replace(node, items=tuple(items))
    return node


TEXT_VRS = frozenset(
    ["AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UR", "UT"]
)
