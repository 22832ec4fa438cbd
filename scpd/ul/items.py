"""The variable items of the association PDUs: values and their bytes (PS3.8 9.3, annex D; PS3.7 annex D.3).

Every item is a type, a reserved byte, a length and that many bytes of value, all big endian:

    +------+----------+---------------+------------------+
    | type | reserved | length, 2     | value            |
    +------+----------+---------------+------------------+

    10H  application context            50H  user information, made of
    20H  proposed presentation context    51H  maximum length           56H  SOP class extended negotiation
    21H  answered presentation context    52H  implementation class     57H  common extended negotiation
      30H  abstract syntax                53H  asynchronous operations  58H  user identity
      40H  transfer syntax                54H  role selection           59H  answer to the user identity
                                          55H  implementation version

A decoder takes the value, without the four bytes in front; an encoder gives the whole item.  What is decoded
is a copy, so the receive buffer may be used again at once.  Whatever the bytes are, a decoder returns or
raises `scpd.errors.Abort`, and memory stays in proportion to them.  It is patient: unknown items are skipped,
of an item that may stand once the last counts (both as in storescp), bytes behind the last field of 54H, 57H,
58H and 59H are ignored.  Whether the values make sense is the negotiation's business.  An encoder raises
`struct.error` or `ValueError` if a value does not fit its field: no peer can cause that.
"""

from __future__ import annotations

from itertools import starmap
from struct import Struct

from scpd.errors import Abort

TYPE_CHECKING = False  # what typing calls so, without importing it: a worker pays for each import
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TypeVar

    Decoded = TypeVar("Decoded")

APPLICATION_CONTEXT = 0x10
PROPOSED_CONTEXT = 0x20
ANSWERED_CONTEXT = 0x21
ABSTRACT_SYNTAX = 0x30
TRANSFER_SYNTAX = 0x40
USER_INFORMATION = 0x50
MAXIMUM_LENGTH = 0x51
IMPLEMENTATION_CLASS_UID = 0x52
ASYNCHRONOUS_OPERATIONS = 0x53
ROLE_SELECTION = 0x54
IMPLEMENTATION_VERSION_NAME = 0x55
EXTENDED_NEGOTIATION = 0x56
COMMON_EXTENDED_NEGOTIATION = 0x57
USER_IDENTITY = 0x58
IDENTITY_RESPONSE = 0x59

_LONGEST_TEXT = 64  # a UID (PS3.5 9.1); storescp holds the version name to it too

_HEADER = Struct(">BxH")
_SHORT = Struct(">H")
_TWO_SHORTS = Struct(">HH")
_LONG = Struct(">I")


class Record:
    """A value made of its slots: equal to another of its class if every one is equal."""

    __slots__: tuple[str, ...] = ()
    __hash__ = None  # type: ignore[assignment]  # the fields may be changed

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in self.__slots__)

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__slots__)
        return f"{type(self).__name__}({fields})"


class ProposedContext(Record):
    """A presentation context as the requestor offers it; `abstract_syntax` is "" if it names none."""

    __slots__ = ("abstract_syntax", "context_id", "transfer_syntaxes")

    def __init__(self, context_id: int, abstract_syntax: str, transfer_syntaxes: tuple[str, ...]) -> None:
        self.context_id = context_id
        self.abstract_syntax = abstract_syntax
        self.transfer_syntaxes = transfer_syntaxes


class RoleSelection(Record):
    """The roles that a requestor proposes for itself, or is granted: 0 or 1 each (PS3.7 D.3.3.4)."""

    __slots__ = ("scp_role", "scu_role", "sop_class_uid")

    def __init__(self, sop_class_uid: str, scu_role: int, scp_role: int) -> None:
        self.sop_class_uid = sop_class_uid
        self.scu_role = scu_role
        self.scp_role = scp_role


class CommonExtendedNegotiation(Record):
    """The service class of a SOP class, and the general classes it is related to (PS3.7 D.3.3.6)."""

    __slots__ = ("related_sop_class_uids", "service_class_uid", "sop_class_uid")

    def __init__(
        self, sop_class_uid: str, service_class_uid: str, related_sop_class_uids: tuple[str, ...]
    ) -> None:
        self.sop_class_uid = sop_class_uid
        self.service_class_uid = service_class_uid
        self.related_sop_class_uids = related_sop_class_uids


class UserIdentity(Record):
    """Who the user says to be (PS3.7 D.3.3.7).

    `kind` is 1 user name, 2 user name and passcode (in `secondary`), 3 Kerberos ticket, 4 SAML assertion,
    5 JSON web token.
    """

    __slots__ = ("kind", "primary", "response_requested", "secondary")

    def __init__(self, kind: int, response_requested: bool, primary: bytes, secondary: bytes = b"") -> None:
        self.kind = kind
        self.response_requested = response_requested
        self.primary = primary
        self.secondary = secondary

    def __repr__(self) -> str:
        # Passcodes, tickets and tokens must not come into a log by way of a repr.
        return f"UserIdentity(kind={self.kind}, {len(self.primary)} and {len(self.secondary)} secret bytes)"


class UserInformation(Record):
    """What the user information item says; every default means that its sub-item is absent.

    `max_length` is the longest P-DATA-TF that its sender takes, in bytes behind the PDU header, 0 for any;
    `async_operations` are operations invoked and performed at once; `extended` are pairs of SOP class UID and
    that class's own bytes; `identity_response` is the acceptor's answer to `user_identity`.
    """

    __slots__ = (
        "async_operations",
        "common_extended",
        "extended",
        "identity_response",
        "implementation_class_uid",
        "implementation_version_name",
        "max_length",
        "roles",
        "user_identity",
    )

    def __init__(  # noqa: PLR0913 - one argument for each sub-item of the standard
        self,
        *,
        max_length: int = 0,
        implementation_class_uid: str = "",
        implementation_version_name: str = "",
        async_operations: tuple[int, int] | None = None,
        roles: tuple[RoleSelection, ...] = (),
        extended: tuple[tuple[str, bytes], ...] = (),
        common_extended: tuple[CommonExtendedNegotiation, ...] = (),
        user_identity: UserIdentity | None = None,
        identity_response: bytes | None = None,
    ) -> None:
        self.max_length = max_length
        self.implementation_class_uid = implementation_class_uid
        self.implementation_version_name = implementation_version_name
        self.async_operations = async_operations
        self.roles = roles
        self.extended = extended
        self.common_extended = common_extended
        self.user_identity = user_identity
        self.identity_response = identity_response


def undecodable(text: str) -> Abort:
    """Make the answer to a request that cannot be read: A-ABORT by the service user (PS3.8 9.2.3, AA-1)."""
    return Abort(0, 0, f"undecodable association PDU: {text}")


def each_item(data: memoryview, holder: str) -> Iterator[tuple[int, memoryview]]:
    """Yield type and value of each item in `data`; raise `Abort` if one reaches beyond its `holder`."""
    position, end = 0, len(data)
    while position < end:
        if end - position < _HEADER.size:
            raise undecodable(f"{end - position} stray bytes at the end of the {holder}")
        kind, length = _HEADER.unpack_from(data, position)
        position += _HEADER.size
        if length > end - position:
            raise undecodable(f"item {kind:02X}H of {length} bytes reaches beyond the {holder}")
        yield kind, data[position : position + length]
        position += length


def encode_item(kind: int, value: bytes) -> bytes:
    """Encode one item of any type."""
    return _HEADER.pack(kind, len(value)) + value


def decode_text(value: memoryview) -> str:
    """Decode a UID or name of at most 64 bytes; trailing NULs are cut, a trailing space stays."""
    if len(value) > _LONGEST_TEXT:
        raise undecodable(f"UID or name of {len(value)} bytes, {_LONGEST_TEXT} is the limit")
    return str(value, "latin-1").rstrip("\0")


def encode_text(kind: int, text: str) -> bytes:
    """Encode an item that is a UID or a name, without padding (PS3.8 annex F)."""
    return encode_item(kind, text.encode("latin-1"))


def decode_proposed_context(value: memoryview) -> ProposedContext:
    """Decode item 20H (PS3.8 9.3.2.2).

    +------------+-------------+--------------------------+----------------------------+
    | context ID | reserved, 3 | 30H abstract syntax item | 40H transfer syntax, 0..n  |
    +------------+-------------+--------------------------+----------------------------+
    """
    abstract_syntax = ""
    transfer_syntaxes = []
    for kind, uid in _context_items(value):
        if kind == ABSTRACT_SYNTAX:
            abstract_syntax = decode_text(uid)
        elif kind == TRANSFER_SYNTAX:
            transfer_syntaxes.append(decode_text(uid))
    return ProposedContext(value[0], abstract_syntax, tuple(transfer_syntaxes))


def encode_proposed_context(context: ProposedContext) -> bytes:
    """Encode item 20H; an empty abstract syntax is left out."""
    parts = [bytes((context.context_id, 0, 0, 0))]
    if context.abstract_syntax:
        parts.append(encode_text(ABSTRACT_SYNTAX, context.abstract_syntax))
    parts += (encode_text(TRANSFER_SYNTAX, uid) for uid in context.transfer_syntaxes)
    return encode_item(PROPOSED_CONTEXT, b"".join(parts))


def decode_answered_context(value: memoryview) -> tuple[int, int, str]:
    """Decode item 21H to context ID, result and transfer syntax, which is "" if absent (PS3.8 9.3.3.2).

    +------------+----------+--------+----------+-----------------------------+
    | context ID | reserved | result | reserved | 40H transfer syntax item, 1 |
    +------------+----------+--------+----------+-----------------------------+
    """
    transfer_syntax = ""
    for kind, uid in _context_items(value):
        if kind == TRANSFER_SYNTAX:
            transfer_syntax = decode_text(uid)
    return value[0], value[2], transfer_syntax


def encode_answered_context(context_id: int, result: int, transfer_syntax: str) -> bytes:
    """Encode item 21H."""
    head = bytes((context_id, 0, result, 0))
    return encode_item(ANSWERED_CONTEXT, head + encode_text(TRANSFER_SYNTAX, transfer_syntax))


def decode_user_information(value: memoryview) -> UserInformation:
    """Decode item 50H with all its sub-items (PS3.8 annex D, PS3.7 D.3.3)."""
    found: dict[int, list[memoryview]] = {}
    for kind, data in each_item(value, "user information item"):
        found.setdefault(kind, []).append(data)
    return UserInformation(
        max_length=_last(found, MAXIMUM_LENGTH, _decode_maximum_length, 0),
        implementation_class_uid=_last(found, IMPLEMENTATION_CLASS_UID, decode_text, ""),
        implementation_version_name=_last(found, IMPLEMENTATION_VERSION_NAME, decode_text, ""),
        async_operations=_last(found, ASYNCHRONOUS_OPERATIONS, _decode_async_operations, None),
        roles=_every(found, ROLE_SELECTION, _decode_role_selection),
        extended=_every(found, EXTENDED_NEGOTIATION, _decode_extended_negotiation),
        common_extended=_every(found, COMMON_EXTENDED_NEGOTIATION, _decode_common_extended),
        user_identity=_last(found, USER_IDENTITY, _decode_user_identity, None),
        identity_response=_last(found, IDENTITY_RESPONSE, _decode_identity_response, None),
    )


def encode_user_information(user: UserInformation) -> bytes:
    """Encode item 50H, sub-items by ascending type; the maximum length always, others unless empty."""
    parts = [encode_item(MAXIMUM_LENGTH, _LONG.pack(user.max_length))]
    if user.implementation_class_uid:
        parts.append(encode_text(IMPLEMENTATION_CLASS_UID, user.implementation_class_uid))
    if user.async_operations is not None:
        parts.append(encode_item(ASYNCHRONOUS_OPERATIONS, _TWO_SHORTS.pack(*user.async_operations)))
    parts += map(_encode_role_selection, user.roles)
    if user.implementation_version_name:
        parts.append(encode_text(IMPLEMENTATION_VERSION_NAME, user.implementation_version_name))
    parts += starmap(_encode_extended_negotiation, user.extended)
    parts += map(_encode_common_extended, user.common_extended)
    if user.user_identity is not None:
        parts.append(_encode_user_identity(user.user_identity))
    if user.identity_response is not None:
        parts.append(encode_item(IDENTITY_RESPONSE, _counted(user.identity_response)))
    return encode_item(USER_INFORMATION, b"".join(parts))


def _context_items(value: memoryview) -> Iterator[tuple[int, memoryview]]:
    if len(value) < 4:
        raise undecodable(f"presentation context item of {len(value)} bytes, 4 are fixed")
    return each_item(value[4:], "presentation context item")


def _every(
    found: dict[int, list[memoryview]], kind: int, decode: Callable[[memoryview], Decoded]
) -> tuple[Decoded, ...]:
    return tuple(map(decode, found.get(kind, ())))


def _last(
    found: dict[int, list[memoryview]], kind: int, decode: Callable[[memoryview], Decoded], absent: Decoded
) -> Decoded:
    decoded = _every(found, kind, decode)
    return decoded[-1] if decoded else absent


def _take_counted(value: memoryview, position: int, holder: str) -> tuple[memoryview, int]:
    """Give the field at `position`, which begins with its length in two bytes, and the position behind it."""
    start = position + _SHORT.size
    end = start + int.from_bytes(value[position:start], "big")
    if end > len(value):
        raise undecodable(f"a field reaches {end - len(value)} bytes beyond the {holder} item")
    return value[start:end], end


def _counted(value: bytes) -> bytes:
    return _SHORT.pack(len(value)) + value


def _counted_text(text: str) -> bytes:
    return _counted(text.encode("latin-1"))


def _decode_maximum_length(value: memoryview) -> int:
    if len(value) != _LONG.size:
        raise undecodable(f"maximum length item of {len(value)} bytes, not {_LONG.size}")
    return int.from_bytes(value, "big")


def _decode_async_operations(value: memoryview) -> tuple[int, int]:
    """Decode 53H (PS3.7 D.3.3.3).

    +---------------+-----------------+
    | invoked, 2    | performed, 2    |
    +---------------+-----------------+
    """
    if len(value) != _TWO_SHORTS.size:
        raise undecodable(f"asynchronous operations item of {len(value)} bytes, not {_TWO_SHORTS.size}")
    invoked, performed = _TWO_SHORTS.unpack(value)
    return invoked, performed


def _decode_role_selection(value: memoryview) -> RoleSelection:
    """Decode 54H (PS3.7 D.3.3.4).

    +---------------+---------------+----------+----------+
    | UID length, 2 | SOP class UID | SCU role | SCP role |
    +---------------+---------------+----------+----------+
    """
    uid, end = _take_counted(value, 0, "role selection")
    if len(value) - end < 2:
        raise undecodable(f"role selection item of {len(value)} bytes ends before its roles")
    return RoleSelection(decode_text(uid), value[end], value[end + 1])


def _encode_role_selection(role: RoleSelection) -> bytes:
    roles = bytes((role.scu_role, role.scp_role))
    return encode_item(ROLE_SELECTION, _counted_text(role.sop_class_uid) + roles)


def _decode_extended_negotiation(value: memoryview) -> tuple[str, bytes]:
    """Decode 56H (PS3.7 D.3.3.5).

    +---------------+---------------+---------------------------------------+
    | UID length, 2 | SOP class UID | service class application information |
    +---------------+---------------+---------------------------------------+
    """
    uid, end = _take_counted(value, 0, "extended negotiation")
    return decode_text(uid), bytes(value[end:])


def _decode_common_extended(value: memoryview) -> CommonExtendedNegotiation:
    """Decode 57H (PS3.7 D.3.3.6).

    +---------------+---------------+---------------+-------------------+
    | UID length, 2 | SOP class UID | UID length, 2 | service class UID |
    +---------------+---------------+---------------+-------------------+
    | length, 2     | related SOP classes: UID length, 2, and UID, 0..n |
    +---------------+---------------------------------------------------+
    """
    holder = "common extended negotiation"
    sop_class_uid, end = _take_counted(value, 0, holder)
    service_class_uid, end = _take_counted(value, end, holder)
    related, _ = _take_counted(value, end, holder)
    related_uids = []
    position = 0
    while position < len(related):
        uid, position = _take_counted(related, position, holder)
        related_uids.append(decode_text(uid))
    return CommonExtendedNegotiation(
        decode_text(sop_class_uid), decode_text(service_class_uid), tuple(related_uids)
    )


def _encode_extended_negotiation(uid: str, data: bytes) -> bytes:
    return encode_item(EXTENDED_NEGOTIATION, _counted_text(uid) + data)


def _encode_common_extended(common: CommonExtendedNegotiation) -> bytes:
    related = b"".join(map(_counted_text, common.related_sop_class_uids))
    head = _counted_text(common.sop_class_uid) + _counted_text(common.service_class_uid)
    return encode_item(COMMON_EXTENDED_NEGOTIATION, head + _counted(related))


def _decode_user_identity(value: memoryview) -> UserIdentity:
    """Decode 58H (PS3.7 D.3.3.7.1).

    +------+--------------------+-----------+---------------+-----------+-----------------+
    | kind | response requested | length, 2 | primary field | length, 2 | secondary field |
    +------+--------------------+-----------+---------------+-----------+-----------------+
    """
    primary, end = _take_counted(value, 2, "user identity")
    secondary, _ = _take_counted(value, end, "user identity")
    return UserIdentity(value[0], value[1] != 0, bytes(primary), bytes(secondary))


def _encode_user_identity(identity: UserIdentity) -> bytes:
    head = bytes((identity.kind, identity.response_requested))
    return encode_item(USER_IDENTITY, head + _counted(identity.primary) + _counted(identity.secondary))


def _decode_identity_response(value: memoryview) -> bytes:
    """Decode 59H (PS3.7 D.3.3.7.2).

    +-----------+-------------------+
    | length, 2 | server's response |
    +-----------+-------------------+
    """
    response, _ = _take_counted(value, 0, "user identity response")
    return bytes(response)
