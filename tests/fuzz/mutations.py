"""Bytes that are nearly those of a real client, file or record: pure, the same for the same `chance`.

`spoilt` knows nothing of what it changes.  The others change a part and make right the lengths and checksums around it:
else nearly every input would end at the first of these, and nothing behind it would be tried.
"""

from __future__ import annotations

import struct
from binascii import crc32
from typing import TYPE_CHECKING

from tests.harness import wire

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    Mutate = Callable[[bytes, Random], bytes]

_FIXED_FIELDS = 68  # of an A-ASSOCIATE-RQ, before its items
_BARBS = (
    *(b"", b"\0", b"\xff", b"\0\0", b"\xff\xff", b"\x7f\xff", b"\x80\0", b"\0\0\0\0", b"\xff\xff\xff\xff"),
    *(b"\0\0\0\1", b"\0\0\0\2", b"\x7f\xff\xff\xff", b"\n", b"\r\n", b"\x1b[2J", b"\xe2\x80\xae", b"\xed\xa0\x80"),
    *(b"../", b"%n", b"%", b"\\", b"'", b'"', b" ", b"\t", b"1.2.840.10008.1.2.1", b"9" * 30),
)  # fmt: skip


def spoilt(data: bytes, chance: Random) -> bytes:
    """Give bytes lost, doubled, changed, moved, or barbs among them."""
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        at = chance.randrange(len(changed) + 1)
        size = chance.choice((1, 1, 2, 4, 8, 16, 64))
        match chance.randrange(8):
            case 0:
                changed[at : at + 1] = chance.randbytes(1)
            case 1:
                del changed[at : at + size]
            case 2:
                begin = chance.randrange(len(changed) + 1)
                changed[at:at] = changed[begin : begin + size]
            case 3:
                del changed[at + size :]
            case 4:
                changed[at:at] = chance.choice(_BARBS)
            case 5:
                barb = chance.choice(_BARBS)
                changed[at : at + len(barb)] = barb
            case 6:
                changed[at : at + 1] = bytes(byte ^ 1 << chance.randrange(8) for byte in changed[at : at + 1])
            case _:
                step = chance.choice((-2, -1, 1, 2, 8))
                changed[at : at + 1] = bytes((byte + step) & 0xFF for byte in changed[at : at + 1])
    return bytes(changed)


def spoilt_lines(data: bytes, chance: Random) -> bytes:
    """Give a text with lines lost, doubled, joined, moved or spoilt."""
    lines = data.split(b"\n")
    at = chance.randrange(len(lines))
    match chance.randrange(5):
        case 0:
            del lines[at]
        case 1:
            lines.insert(chance.randrange(len(lines) + 1), lines[at])
        case 2:
            lines[at] = b" ".join((lines[at], chance.choice(lines)))
        case 3:
            lines[at] = spoilt(lines[at], chance)
        case _:
            return spoilt(data, chance)
    return b"\n".join(lines)


# PDUs.


def spoilt_stream(data: bytes, chance: Random) -> bytes:
    """Give a client's stream of PDUs with one of them lost, doubled, moved or spoilt within its length."""
    pdus = _pdus(data)
    if not pdus or chance.random() < 0.2:
        return spoilt(data, chance)
    at = chance.randrange(len(pdus))
    match chance.randrange(8):
        case 0:
            del pdus[at]
        case 1:
            pdus.insert(chance.randrange(len(pdus) + 1), pdus[at])
        case 2:
            pdus.insert(chance.randrange(len(pdus)), pdus.pop(at))
        case 3:
            kind = chance.choice((*range(9), 255))
            pdus[at] = bytes([kind]) + pdus[at][1:]
        case _:
            pdus[at] = _spoilt_pdu(pdus[at], chance)
    return b"".join(pdus)


def _pdus(data: bytes) -> list[bytes]:
    """Cut a stream into PDUs; what is left over is one more."""
    found, position = [], 0
    while position < len(data):
        end = position + 6 + int.from_bytes(data[position + 2 : position + 6], "big")
        found.append(data[position:end])
        position = end
    return found


def _spoilt_pdu(pdu: bytes, chance: Random) -> bytes:
    body = pdu[6:]
    if pdu[:1] == bytes([wire.ASSOCIATE_RQ]) and len(body) > _FIXED_FIELDS:
        body = spoilt_request(body, chance)
    elif pdu[:1] == bytes([wire.P_DATA_TF]) and len(body) > 6:
        body = _spoilt_p_data(body, chance)
    else:
        body = spoilt(body, chance)
    return pdu[:2] + struct.pack(">I", len(body)) + body


def _spoilt_p_data(body: bytes, chance: Random) -> bytes:
    """Change the first PDV and keep its length right; or cut it into two."""
    header, fragment = body[4:6], body[6:]
    if chance.random() < 0.3:
        return spoilt(body, chance)
    if chance.random() < 0.3:
        middle = chance.randrange(len(fragment) + 1)
        parts = (
            (header[:1] + bytes([header[1] & ~wire.LAST]), fragment[:middle]),
            (header, fragment[middle:]),
        )
    elif header[1] & wire.COMMAND:
        parts = ((header, spoilt_command(fragment, chance)),)
    else:
        parts = ((header, spoilt(fragment, chance)),)
    return b"".join(struct.pack(">I", len(part) + 2) + head + part for head, part in parts)


def spoilt_request(body: bytes, chance: Random) -> bytes:
    """Give the body of an A-ASSOCIATE-RQ with an item changed at any depth."""
    if chance.random() < 0.1:
        return (
            spoilt(body[:_FIXED_FIELDS], chance)[:_FIXED_FIELDS].ljust(_FIXED_FIELDS) + body[_FIXED_FIELDS:]
        )
    return body[:_FIXED_FIELDS] + _spoilt_items(body[_FIXED_FIELDS:], chance)


def _spoilt_items(data: bytes, chance: Random) -> bytes:
    items = _items(data)
    if not items or chance.random() < 0.1:
        return spoilt(data, chance)
    at = chance.randrange(len(items))
    kind, value = items[at]
    match chance.randrange(6):
        case 0:
            del items[at]
        case 1:
            items.insert(chance.randrange(len(items) + 1), items[at])
        case 2:
            items[at] = (chance.choice((0, 0x10, 0x20, 0x30, 0x40, *range(0x50, 0x5B), 0xFF)), value)
        case _:
            items[at] = (kind, _spoilt_item(kind, value, chance))
    return b"".join(struct.pack(">BxH", kind, min(len(value), 0xFFFF)) + value for kind, value in items)


def _spoilt_item(kind: int, value: bytes, chance: Random) -> bytes:
    if kind == 0x20 and len(value) > 4 and chance.random() < 0.8:
        return value[:4] + _spoilt_items(value[4:], chance)
    return _spoilt_items(value, chance) if kind == 0x50 else spoilt(value, chance)


def _items(data: bytes) -> list[tuple[int, bytes]]:
    found, position = [], 0
    while position + 4 <= len(data):
        end = position + 4 + int.from_bytes(data[position + 2 : position + 4], "big")
        found.append((data[position], data[position + 4 : end]))
        position = end
    return found


def spoilt_command(data: bytes, chance: Random) -> bytes:
    """Give a command set with an element lost, doubled, of another number, or spoilt."""
    elements, position = [], 0
    while position + 8 <= len(data):
        tag, length = (
            data[position : position + 4],
            int.from_bytes(data[position + 4 : position + 8], "little"),
        )
        elements.append((tag, data[position + 8 : position + 8 + length]))
        position += 8 + length
    if not elements or chance.random() < 0.2:
        return spoilt(data, chance)
    at = chance.randrange(len(elements))
    tag, value = elements[at]
    match chance.randrange(5):
        case 0:
            del elements[at]
        case 1:
            elements.insert(chance.randrange(len(elements) + 1), elements[at])
        case 2:
            elements[at] = (spoilt(tag, chance)[:4].ljust(4, b"\0"), value)
        case _:
            elements[at] = (tag, spoilt(value, chance))
    return b"".join(tag + struct.pack("<I", len(value)) + value for tag, value in elements)


# Records of the lock directory.


def spoilt_records(data: bytes, chance: Random) -> bytes:
    """Give lines with a checksum, of which one was changed and has a right one again."""
    changed = spoilt_lines(data, chance)
    if chance.random() < 0.3:
        return changed
    return b"\n".join(_checked(line) for line in changed.split(b"\n"))


def _checked(line: bytes) -> bytes:
    text, tab, _ = line.rpartition(b"\t")
    return text + tab + b"%08x" % crc32(text + tab) if tab else line
