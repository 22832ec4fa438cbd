"""Command sets as bytes (PS3.7 6.3): group 0000H in implicit VR little endian, for any context.

    0000H 2 | element 2 | length 4 | value ...      again and again, the group length (0000,0000) first

Reading is tolerant where peers are careless: the group length may be missing or wrong, elements may come in
any order, unknown ones are kept; of two with one number the first counts.  Not tolerated is what leaves no
way to read on: an element of another group or one that ends behind the command set is `Abort`, by the service
user (0, 0).
"""

from __future__ import annotations

from struct import Struct

from scpd.errors import Abort

GROUP_LENGTH = 0x0000
# Error Comment, Move Originator and Move Destination titles: text is padded with a space (PS3.5 6.2).
_PADDED_WITH_SPACE = frozenset((0x0600, 0x0902, 0x1030))

_HEADER = Struct("<HHI")
_GROUP_LENGTH = Struct("<HHII")


def decode_command(data: bytes) -> dict[int, bytes]:
    """Return element number > value, without the group length; raises `Abort`."""
    elements: dict[int, bytes] = {}
    position, end = 0, len(data)
    while position < end:
        if end - position < 8:
            raise Abort(0, 0, f"command set with {end - position} stray bytes at its end")
        group, element, length = _HEADER.unpack_from(data, position)
        if group:
            raise Abort(0, 0, f"element ({group:04X},{element:04X}) in a command set")
        value = position + 8
        position = value + length
        if position > end:
            raise Abort(0, 0, f"element (0000,{element:04X}) longer than its command set")
        if element not in elements:
            elements[element] = data[value:position]
    elements.pop(GROUP_LENGTH, None)
    return elements


def place_of(element: int, data: bytes) -> slice:
    """Return where the value of the first element of this number lies in a command set that was read and has it."""
    end = 0
    while True:
        _, found, length = _HEADER.unpack_from(data, end)
        value = end + 8
        end = value + length
        if found == element:
            return slice(value, end)


def encode_command(elements: list[tuple[int, bytes]]) -> bytes:
    """Return the command set of these elements, in this order, each made even, behind a group length."""
    body = b"".join([_encode(element, value) for element, value in elements])
    return _GROUP_LENGTH.pack(0, GROUP_LENGTH, 4, len(body)) + body


def _encode(element: int, value: bytes) -> bytes:
    if len(value) & 1:
        value += b" " if element in _PADDED_WITH_SPACE else b"\0"
    return _HEADER.pack(0, element, len(value)) + value
