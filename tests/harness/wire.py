"""PDUs and commands as bytes, right or deliberately wrong (PS3.8 9.3 and annex E, PS3.7 6.3 and annex E).

Builders take what they are given: no length, UID or title is checked, and most parts may be replaced by raw bytes.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

ASSOCIATE_RQ, ASSOCIATE_AC, ASSOCIATE_RJ = 1, 2, 3
P_DATA_TF = 4
RELEASE_RQ, RELEASE_RP = 5, 6
ABORT = 7

APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"
VERIFICATION = "1.2.840.10008.1.1"
CT_IMAGE_STORAGE = "1.2.840.10008.5.1.4.1.1.2"
MR_IMAGE_STORAGE = "1.2.840.10008.5.1.4.1.1.4"
IMPLICIT_LITTLE = "1.2.840.10008.1.2"
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
EXPLICIT_BIG = "1.2.840.10008.1.2.2"
DEFLATED = "1.2.840.10008.1.2.1.99"

# Message control header of a PDV (PS3.8 E.2).
DATA, COMMAND, LAST = 0, 1, 2

C_STORE_RQ, C_STORE_RSP = 0x0001, 0x8001
C_ECHO_RQ, C_ECHO_RSP = 0x0030, 0x8030
C_CANCEL_RQ = 0x0FFF
NO_DATA_SET, HAS_DATA_SET = 0x0101, 0x0000

# Elements of group 0000 by element number (PS3.7 annex E).
GROUP_LENGTH = 0x0000
AFFECTED_SOP_CLASS_UID = 0x0002
COMMAND_FIELD = 0x0100
MESSAGE_ID = 0x0110
MESSAGE_ID_BEING_RESPONDED_TO = 0x0120
PRIORITY = 0x0700
COMMAND_DATA_SET_TYPE = 0x0800
STATUS = 0x0900
OFFENDING_ELEMENT = 0x0901
ERROR_COMMENT = 0x0902
AFFECTED_SOP_INSTANCE_UID = 0x1000


class Pdu(NamedTuple):
    """One PDU: its type and what follows the 6 bytes of its header."""

    type: int
    body: bytes


class ContextResult(NamedTuple):
    """One presentation context of an A-ASSOCIATE-AC: result 0 is acceptance (PS3.8 9.3.3.2)."""

    result: int
    transfer_syntax: str


class Accepted(NamedTuple):
    """What an A-ASSOCIATE-AC says; `items` is every item in its order, `user_items` those of the user information."""

    called: bytes
    calling: bytes
    contexts: dict[int, ContextResult]
    maximum_length: int
    user_items: list[tuple[int, bytes]]
    items: list[tuple[int, bytes]]


class Pdv(NamedTuple):
    """One presentation data value of a P-DATA-TF."""

    context_id: int
    control: int
    data: bytes


def pdu(kind: int, body: bytes, length: int | None = None) -> bytes:
    """Any PDU; `length` replaces the true one."""
    return struct.pack(">BxI", kind, len(body) if length is None else length) + body


def item(kind: int, body: bytes | str, length: int | None = None) -> bytes:
    """Any item or sub-item; `length` replaces the true one."""
    data = body.encode("ascii") if isinstance(body, str) else body
    return struct.pack(">BxH", kind, len(data) if length is None else length) + data


def title(text: str | bytes) -> bytes:
    """An AE title in its field: 16 bytes, spaces behind; what is longer is cut."""
    data = text.encode("ascii") if isinstance(text, str) else text
    return data[:16].ljust(16)


def presentation_context(
    context_id: int, abstract_syntax: str | bytes | None, transfer_syntaxes: list[str]
) -> bytes:
    """Item 20H; an abstract syntax of None leaves its sub-item out."""
    abstract = b"" if abstract_syntax is None else item(0x30, abstract_syntax)
    return item(
        0x20, bytes([context_id, 0, 0, 0]) + abstract + b"".join(item(0x40, uid) for uid in transfer_syntaxes)
    )


def user_information(
    maximum_length: int | None = 16384,
    implementation_class_uid: str | bytes | None = "1.2.3.4.5",
    implementation_version_name: str | bytes | None = "RAWPEER",
    extra: bytes = b"",
) -> bytes:
    """Item 50H; None leaves a sub-item out, `extra` follows them."""
    parts = b"" if maximum_length is None else item(0x51, struct.pack(">I", maximum_length))
    if implementation_class_uid is not None:
        parts += item(0x52, implementation_class_uid)
    parts += extra
    if implementation_version_name is not None:
        parts += item(0x55, implementation_version_name)
    return item(0x50, parts)


def associate_request(
    contexts: list[tuple[int, str, list[str]] | bytes],
    *,
    called: str | bytes = "ANY-SCP",
    calling: str | bytes = "RAWPEER",
    protocol_version: int = 1,
    application_context: str | bytes | None = APPLICATION_CONTEXT,
    user_info: bytes | None = None,
    reserved: bytes = bytes(32),
    extra_items: bytes = b"",
) -> bytes:
    """A-ASSOCIATE-RQ (PS3.8 9.3.2); a context may be given as raw bytes, `user_info` replaces that item."""
    body = struct.pack(">HH", protocol_version, 0) + title(called) + title(calling) + reserved
    if application_context is not None:
        body += item(0x10, application_context)
    for context in contexts:
        body += context if isinstance(context, bytes) else presentation_context(*context)
    body += user_information() if user_info is None else user_info
    return pdu(ASSOCIATE_RQ, body + extra_items)


def release_request() -> bytes:
    """A-RELEASE-RQ (PS3.8 9.3.6)."""
    return pdu(RELEASE_RQ, bytes(4))


def release_response() -> bytes:
    """A-RELEASE-RP (PS3.8 9.3.7)."""
    return pdu(RELEASE_RP, bytes(4))


def abort(source: int = 0, reason: int = 0) -> bytes:
    """A-ABORT (PS3.8 9.3.8)."""
    return pdu(ABORT, bytes([0, 0, source, reason]))


def pdv(context_id: int, control: int, data: bytes, length: int | None = None) -> bytes:
    """One presentation data value item (PS3.8 9.3.5.1); `length` replaces the true one."""
    return struct.pack(">IBB", len(data) + 2 if length is None else length, context_id, control) + data


def p_data(*pdvs: bytes) -> bytes:
    """P-DATA-TF of these presentation data value items."""
    return pdu(P_DATA_TF, b"".join(pdvs))


def element(number: int, value: int | str | bytes) -> bytes:
    """One command element, implicit VR little endian; a number is a US, text gets a NUL if it is odd."""
    if isinstance(value, int):
        data = struct.pack("<H", value)
    else:
        data = value.encode("ascii") if isinstance(value, str) else value
        data += b"\0" * (len(data) % 2 if isinstance(value, str) else 0)
    return struct.pack("<HHI", 0, number, len(data)) + data


def command_set(elements: dict[int, int | str | bytes], *, group_length: int | None = None) -> bytes:
    """Encode a command set in the order given, its group length in front; `group_length` replaces the true one."""
    body = b"".join(element(number, value) for number, value in elements.items())
    length = len(body) if group_length is None else group_length
    return element(GROUP_LENGTH, struct.pack("<I", length)) + body


def c_store_request(
    sop_class: str | bytes,
    sop_instance: str | bytes,
    message_id: int = 1,
    changes: dict[int, int | str | bytes | None] | None = None,
) -> bytes:
    """C-STORE-RQ (PS3.7 9.3.1.1); `changes` replaces elements, adds them, or leaves them out (None)."""
    return _changed(
        {
            AFFECTED_SOP_CLASS_UID: sop_class,
            COMMAND_FIELD: C_STORE_RQ,
            MESSAGE_ID: message_id,
            PRIORITY: 0,
            COMMAND_DATA_SET_TYPE: HAS_DATA_SET,
            AFFECTED_SOP_INSTANCE_UID: sop_instance,
        },
        changes,
    )


def c_echo_request(message_id: int = 1, changes: dict[int, int | str | bytes | None] | None = None) -> bytes:
    """C-ECHO-RQ (PS3.7 9.3.5.1); `changes` as above."""
    return _changed(
        {
            AFFECTED_SOP_CLASS_UID: VERIFICATION,
            COMMAND_FIELD: C_ECHO_RQ,
            MESSAGE_ID: message_id,
            COMMAND_DATA_SET_TYPE: NO_DATA_SET,
        },
        changes,
    )


def items(data: bytes) -> list[tuple[int, bytes]]:
    """Read items or sub-items: type and value."""
    found = []
    position = 0
    while position < len(data):
        kind, length = struct.unpack_from(">BxH", data, position)
        found.append((kind, data[position + 4 : position + 4 + length]))
        position += 4 + length
    return found


def parse_accept(body: bytes) -> Accepted:
    """Read the body of an A-ASSOCIATE-AC (PS3.8 9.3.3)."""
    found = items(body[68:])
    contexts = {}
    user_items: list[tuple[int, bytes]] = []
    for kind, data in found:
        if kind == 0x21:
            syntaxes = [value for sub, value in items(data[4:]) if sub == 0x40]
            contexts[data[0]] = ContextResult(data[2], syntaxes[0].decode("ascii") if syntaxes else "")
        elif kind == 0x50:
            user_items = items(data)
    maximum = next((struct.unpack(">I", data)[0] for kind, data in user_items if kind == 0x51), 0)
    return Accepted(body[4:20], body[20:36], contexts, maximum, user_items, found)


def parse_pdvs(body: bytes) -> list[Pdv]:
    """Read the body of a P-DATA-TF."""
    pdvs = []
    position = 0
    while position < len(body):
        length, context_id, control = struct.unpack_from(">IBB", body, position)
        pdvs.append(Pdv(context_id, control, body[position + 6 : position + 4 + length]))
        position += 4 + length
    return pdvs


def parse_command(data: bytes) -> dict[int, bytes]:
    """Read a command set: element number and raw value, in their order."""
    elements = {}
    position = 0
    while position < len(data):
        group, number, length = struct.unpack_from("<HHI", data, position)
        if group != 0:
            raise AssertionError(f"group {group:04X} in a command set")
        elements[number] = data[position + 8 : position + 8 + length]
        position += 8 + length
    return elements


def number(value: bytes) -> int:
    """Read a US or UL."""
    return int.from_bytes(value, "little")


def uid(value: bytes) -> str:
    """Read a UI."""
    return value.rstrip(b"\0").decode("ascii")


def _changed(
    elements: dict[int, int | str | bytes], changes: dict[int, int | str | bytes | None] | None
) -> bytes:
    merged = {**elements, **(changes or {})}
    kept = {key: value for key, value in sorted(merged.items()) if value is not None}
    return command_set(kept)
