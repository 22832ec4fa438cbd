"""The few DICOM encodings that a load generator needs: PS3.8 9.3 (PDUs) and PS3.7 6.3, 9.3.1 (C-STORE).

Own codecs, not pynetdicom's and not scpd's: the measuring side must be faster than any server it measures,
and must not share a mistake with one of them. Readers raise `LoadError`; nothing here touches a socket.
"""

from __future__ import annotations

import struct
from functools import lru_cache

A_ASSOCIATE_AC = 0x02
P_DATA_TF = 0x04
A_RELEASE_RP = 0x06
PDU_NAMES = {2: "A-ASSOCIATE-AC", 3: "A-ASSOCIATE-RJ", 4: "P-DATA-TF", 6: "A-RELEASE-RP", 7: "A-ABORT"}

RELEASE_RQ = struct.pack(">BxI4x", 0x05, 4)
EXPLICIT_VR_LITTLE_ENDIAN = b"1.2.840.10008.1.2.1"
APPLICATION_CONTEXT = b"1.2.840.10008.3.1.1.1"
IMPLEMENTATION_CLASS_UID = b"2.25.201530294027618284590452353602874713527"
CONTEXT_ID = 1

PDU_AND_PDV_HEADER = 12
PDV_HEADER = 6
COMMAND_LAST = 0x03
DATA_MORE, DATA_LAST = 0x00, 0x02
# Fragments are repeated from a block of about this size: an object of 1 GB costs 1 MB here.
BLOCK = 1 << 20


class LoadError(Exception):
    """A server refused, failed, or did not answer in time."""


def associate_rq(sop_class_uid: str) -> bytes:
    """A-ASSOCIATE-RQ with one presentation context: this SOP class in explicit VR little endian."""
    context = struct.pack(">Bxxx", CONTEXT_ID) + _item(0x30, sop_class_uid.encode())
    context += _item(0x40, EXPLICIT_VR_LITTLE_ENDIAN)
    user = _item(0x51, struct.pack(">I", 16384)) + _item(0x52, IMPLEMENTATION_CLASS_UID)
    body = struct.pack(">Hxx16s16s32x", 1, b"STORESCP".ljust(16), b"BENCH".ljust(16))
    body += _item(0x10, APPLICATION_CONTEXT) + _item(0x20, context) + _item(0x50, user)
    return struct.pack(">BxI", 0x01, len(body)) + body


def _item(kind: int, value: bytes) -> bytes:
    return struct.pack(">BxH", kind, len(value)) + value


def accepted_max_length(body: bytes) -> int:
    """Read the max PDU length announced in an A-ASSOCIATE-AC; raises LoadError if our context was refused."""
    top = _items(body[68:])
    context = top.get(0x21)
    if context is None or context[2]:
        raise LoadError("the presentation context was refused")
    maximum = _items(top.get(0x50, b"")).get(0x51)
    return struct.unpack(">I", maximum)[0] if maximum else 0


def _items(data: bytes) -> dict[int, bytes]:
    found, position = {}, 0
    while position + 4 <= len(data):
        kind, length = struct.unpack_from(">BxH", data, position)
        found[kind] = data[position + 4 : position + 4 + length]
        position += 4 + length
    return found


def store_rq(message_id: int, sop_class_uid: str, sop_instance_uid: str) -> bytes:
    """Encode a whole P-DATA-TF with the C-STORE-RQ command set."""
    elements = [
        (0x0002, _uid(sop_class_uid)),
        (0x0100, struct.pack("<H", 0x0001)),
        (0x0110, struct.pack("<H", message_id)),
        (0x0700, struct.pack("<H", 0)),
        (0x0800, struct.pack("<H", 1)),
        (0x1000, _uid(sop_instance_uid)),
    ]
    encoded = b"".join(struct.pack("<HHI", 0, tag, len(value)) + value for tag, value in elements)
    command = struct.pack("<HHII", 0, 0, 4, len(encoded)) + encoded
    return _fragment_header(len(command), COMMAND_LAST) + command


def _uid(text: str) -> bytes:
    return text.encode() + b"\0" * (len(text) % 2)


def _fragment_header(length: int, control: int) -> bytes:
    return struct.pack(">BxIIBB", P_DATA_TF, length + PDV_HEADER, length + 2, CONTEXT_ID, control)


def success_elements(message_id: int) -> tuple[bytes, bytes]:
    """Encode Message ID Being Responded To and Status 0000H as they must stand in a C-STORE-RSP.

    To look for them is much cheaper than to decode the response, and the UIDs in it cannot look like them.
    """
    return struct.pack("<HHIH", 0, 0x0120, 2, message_id), struct.pack("<HHIH", 0, 0x0900, 2, 0)


def describe_response(pdu: bytes) -> str:
    """Say what a C-STORE-RSP other than success was, for an error message."""
    position, values = PDU_AND_PDV_HEADER, {}
    while position + 8 <= len(pdu):
        tag, length = struct.unpack_from("<2xHI", pdu, position)
        values[tag] = pdu[position + 8 : position + 8 + length]
        position += 8 + length
    status, message_id = (int.from_bytes(values.get(tag, b""), "little") for tag in (0x0900, 0x0120))
    return f"status {status:04X}H for message {message_id}, comment {values.get(0x0902, b'')!r}"


def data_pdus(header: bytes, value_length: int, pixels: bytes, max_length: int) -> tuple[bytes, ...]:
    """Return buffers that are, one after the other, the P-DATA-TF PDUs of a data set.

    The data set is `header` and `value_length` bytes: `pixels` if they are so many, else their beginning over and
    over, once in each PDU. What follows the header is the same for all
    headers of one length, and shared: encoding 3000 images must not need 1.5 GB.
    """
    fragment, total = max_length - PDV_HEADER, len(header) + value_length
    head = []
    for position in range(0, len(header), fragment):
        head += [_header_at(position, total, fragment), header[position : position + fragment]]
    return (b"".join(head), *_tail(len(header), total, pixels, fragment))


def _header_at(position: int, total: int, fragment: int) -> bytes:
    length = min(fragment, total - position)
    return _fragment_header(length, DATA_LAST if position + length == total else DATA_MORE)


@lru_cache(maxsize=8)
def _tail(offset: int, total: int, pixels: bytes, fragment: int) -> tuple[bytes, ...]:
    begun = min(-offset % fragment, total - offset)
    if len(pixels) == total - offset:
        return _cut(offset, total, pixels, begun, fragment)
    whole, rest = divmod(total - offset - begun, fragment)
    if whole and not rest:
        whole, rest = whole - 1, fragment
    pdu = _fragment_header(fragment, DATA_MORE) + pixels[:fragment]
    pdus_in_block = max(1, BLOCK // len(pdu))
    blocks, left = divmod(whole, pdus_in_block)
    last = _header_at(total - rest, total, fragment) + pixels[:rest] if rest else b""
    return (pixels[:begun], *[pdu * pdus_in_block] * blocks, pdu * left + last)


def _cut(offset: int, total: int, pixels: bytes, begun: int, fragment: int) -> tuple[bytes, ...]:
    starts = range(begun, len(pixels), fragment)
    pdus = (
        _header_at(offset + start, total, fragment) + pixels[start : start + fragment] for start in starts
    )
    return (pixels[:begun], *pdus)
