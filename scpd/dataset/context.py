"""The VR of elements whose VR depends on others, where the encoding leaves it out (PS3.5 annex A.1, A.2).

    US or SS     SS if Pixel Representation (0028,0103) is 1: that of the same level, else of the nearest one around it,
                 wherever it stands there (PS3.3 C.7.6.3, C.11.1.1, C.7.6.16.2.11)
    waveforms    OB if Waveform Bits Allocated (5400,1004), found in the same way, is 8 or missing, else OW
                 (PS3.3 C.10.9)
    pixel and overlay data, lookup tables   OW
    other bytes or words   OB

Reads headers only, one level at a time, and each level once for what it is asked.
"""

from __future__ import annotations

from scpd.dataset.elements import ITEM_DELIMITER, UNDEFINED_LENGTH, EndOfData, skip_undefined
from scpd.dataset.levels import BY_NAME
from scpd.dataset.representations import OB, OW, REPRESENTATIONS, UN, US, is_pixel_or_overlay

TYPE_CHECKING = False
if TYPE_CHECKING:
    from scpd.dataset.levels import Level
    from scpd.dataset.representations import Representation

_PIXEL_REPRESENTATION = 0x00280103
_WAVEFORM_BITS_ALLOCATED = 0x54001004
_WAVEFORM_GROUP = 0x5400
_SS = REPRESENTATIONS[b"SS"]


def resolved(name: str, tag: int, data: memoryview, levels: list[Level]) -> Representation:
    """Give what an element is that the dictionary calls `name`; the last of `levels` holds it, each the next one."""
    if name == "xs":
        return _SS if _number_around(data, levels, _PIXEL_REPRESENTATION) == 1 else US
    if name == "ox":
        if tag >> 16 == _WAVEFORM_GROUP:
            bits = _number_around(data, levels, _WAVEFORM_BITS_ALLOCATED)
            return OB if bits in (None, 8) else OW
        return OW if is_pixel_or_overlay(tag) else OB
    return BY_NAME.get(name, UN)


def remember(data: memoryview, levels: list[Level]) -> None:
    """Look now for what may be asked of the levels when `data` is not at hand any more."""
    _number(data, levels[-1], _PIXEL_REPRESENTATION)


def _number_around(data: memoryview, levels: list[Level], tag: int) -> int | None:
    for level in reversed(levels):
        number = _number(data, level, tag)
        if number is not None:
            return number
    return None


def _number(data: memoryview, level: Level, tag: int) -> int | None:
    """Give the first of the unsigned 16-bit numbers in an element of a level; `None` if there is none."""
    value = level.found.get(tag)
    if value is None:
        value = level.found[tag] = _find(data, level, tag)
    return int.from_bytes(value[:2], "little" if level.syntax.byte_order == "<" else "big") if value else None


def _find(data: memoryview, level: Level, wanted: int) -> bytes:
    """Give the begin of a value; empty if the level has no such element."""
    position, read = level.start, level.syntax.read
    end = len(data) if level.end is None else level.end
    try:
        while position < end:
            tag, vr, length, position = read(data, position)
            if tag == ITEM_DELIMITER or (tag > wanted and level.is_ordered):
                break
            if tag == wanted and length != UNDEFINED_LENGTH:
                return bytes(data[position : position + min(length, 2)])
            if length == UNDEFINED_LENGTH:
                position = skip_undefined(data, position, vr, level.syntax)
            else:
                position += length
    except EndOfData:  # a level without a delimiter
        pass
    return b""
