"""The fast way through a data set: over plain elements, which no output option changes without changing all.

Most elements of most data sets are plain: in order, of an old VR, with a value that is even, well padded and all there.
Here is one tight loop; it stops before the first element that needs a second look, and leaves
that to its caller, who knows all the rules.  Some 0.2 microseconds an element.

The values of a few attributes are taken down on the way.
"""

from __future__ import annotations

from struct import error as StructError  # noqa: N812 - it is a class, whatever its name

from scpd.dataset import representations
from scpd.dataset.elements import ITEM
from scpd.dataset.levels import BY_NAME, Level
from scpd.dataset.representations import PIXEL_DATA, REPRESENTATIONS, SHORT, UN
from scpd.dataset.values import is_presented_uid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Literal

    from scpd.dataset.elements import Data
    from scpd.dataset.representations import Representation

    ByteOrder = Literal["little", "big"]

SPECIFIC_CHARACTER_SET = 0x00080005
SOP_CLASS_UID = 0x00080016
SOP_INSTANCE_UID = 0x00080018
PATIENT_NAME = 0x00100010
STUDY_INSTANCE_UID = 0x0020000D
NOTED = frozenset((SPECIFIC_CHARACTER_SET, SOP_CLASS_UID, SOP_INSTANCE_UID, PATIENT_NAME, STUDY_INSTANCE_UID))
LONGEST_NOTED = 65536  # bytes; what is longer is no such attribute

# Sequences that lie deeper are not tried: each level around one that is not plain would try it again.
_DEEPEST = 3

_PIXEL_NAMES = (b"OW", b"OB", "px", "OW", "OB")
_SEQUENCE_NAMES = (b"SQ", "SQ")

_SPACE = 0x20

# Kinds of values.
PLAIN, TEXT, UIDS = 1, 2, 3
KINDS = {representations.PLAIN: PLAIN, representations.TEXT: TEXT, representations.UID: UIDS}  # by rule
# By a dictionary's name, where the data have no VR.
_IMPLICIT_KINDS: dict[str | None, int] = {name: KINDS.get(like.rule, 0) for name, like in BY_NAME.items()}


def _kinds_by_number(byte_order: ByteOrder) -> bytes:
    """List the kinds of all VRs of the short form by the numbers that their two letters are; 0: it is none."""
    kinds = bytearray(1 << 16)
    for vr in SHORT:
        kinds[int.from_bytes(vr, byte_order)] = KINDS[REPRESENTATIONS[vr].rule]
    return bytes(kinds)


# Not by VR in a dictionary: that reads each VR there, and a fresh worker copies the page of each.
_EXPLICIT_KINDS = {"<": _kinds_by_number("little"), ">": _kinds_by_number("big")}


def run(
    data: Data, position: int, limit: int, level: Level, names: Mapping[int, str], *, with_sequences: bool
) -> int:
    """Return the position of the first element from `position` that is not plain or not whole before `limit`.

    `names` are a dictionary's VRs of public tags.  Sequences are plain too if they may be and consist of items of
    defined length with nothing but plain elements.
    """
    while True:
        position = _run(data, position, limit, level, names)
        if not with_sequences:
            return position
        tag, name, begin, length = _long_header(data, position, level, names)
        end = begin + length
        if name not in _SEQUENCE_NAMES or end > limit or level.depth > _DEEPEST:
            return position
        if not level.last < tag < level.upper or not _is_plain_sequence(data, begin, end, level, names):
            return position
        level.last = tag
        position = end


def pixel_data_at(data: Data, position: int, level: Level, names: Mapping[int, str]) -> tuple[int, int]:
    """Return where the value of native pixel data begins whose header is at `position`, and its length; else 0, 0."""
    tag, name, value, length = _long_header(data, position, level, names)
    if tag != PIXEL_DATA or name not in _PIXEL_NAMES or length & 1 or tag <= level.last:
        return 0, 0  # an undefined length is odd
    return value, length


def _long_header(
    data: Data, position: int, level: Level, names: Mapping[int, str]
) -> tuple[int, object, int, int]:
    """Read a long header: tag, VR or a dictionary's name, begin of the value, length; tag 0 if it is none."""
    syntax = level.syntax
    unpack, unpack_long = syntax.unpack_header, syntax.unpack_long
    try:
        if not syntax.is_explicit:
            group, element, length = unpack(data, position)
            tag = group << 16 | element
            return tag, names.get(tag), position + 8, length
        group, element, vr, unused = unpack(data, position)
        length = unpack_long(data, position + 8)[0]
    except StructError:
        return 0, None, 0, 0
    return 0 if unused else group << 16 | element, vr, position + 12, length


def _is_plain_sequence(data: Data, position: int, end: int, level: Level, names: Mapping[int, str]) -> bool:
    unpack = level.syntax.unpack_item
    while position < end:
        if position + 8 > end:
            return False
        group, element, length = unpack(data, position)
        position += 8
        item_end = position + length
        if group << 16 | element != ITEM or item_end > end:
            return False
        item = Level(level.syntax, position, item_end, level.nested, level.nested, level.depth + 1)
        if run(data, position, item_end, item, names, with_sequences=True) != item_end:
            return False
        position = item_end
    return True


def _run(data: Data, position: int, limit: int, level: Level, names: Mapping[int, str]) -> int:
    syntax, last, upper, found = level.syntax, level.last, level.upper, level.found
    is_explicit, kinds = syntax.is_explicit, _EXPLICIT_KINDS[syntax.byte_order]
    unpack = syntax.unpack_numbers if is_explicit else syntax.unpack_item
    try:
        while True:
            if is_explicit:
                group, element, vr, length = unpack(data, position)
                tag = group << 16 | element
                kind = kinds[vr]
            else:
                group, element, length = unpack(data, position)
                tag = group << 16 | element
                kind = _IMPLICIT_KINDS.get(names.get(tag), 0)
            following = position + 8 + length
            if following > limit or length & 1 or not last < tag < upper or not (kind and element):
                break
            if kind == TEXT:
                if length and data[following - 1] == _SPACE and data[following - 2] == _SPACE:
                    break
            elif kind == UIDS and (
                length > LONGEST_NOTED or not is_presented_uid(bytes(data[following - length : following]))
            ):
                break
            if kind != PLAIN and tag in NOTED and tag not in found and length <= LONGEST_NOTED:
                found[tag] = bytes(data[following - length : following])
            position = following
            last = tag
    except StructError:
        pass
    level.last = last
    return position


def says_who(representation: Representation) -> bool:
    """Tell whether an attribute with such a value is noted: a UID or text, or what has lost its VR (PS3.5 6.2.2)."""
    return representation.rule in (representations.TEXT, representations.UID) or representation is UN
