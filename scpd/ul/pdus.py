"""The PDUs of an association, and their bytes (PS3.8 9.3).

Every PDU is a type, a reserved byte, a length and that many bytes of body, all big endian:

    +------+----------+---------------+------------------+
    | type | reserved | length, 4     | body             |
    +------+----------+---------------+------------------+

A decoder takes the body, whose length somebody has limited before it was received; an encoder gives the whole
PDU.  What is decoded is a copy of the bytes.  The decoders of A-ASSOCIATE raise `scpd.errors.Abort` where the
body cannot be read, and nothing else, whatever the bytes are; they report odd requests (no or equal or even
context IDs, no transfer syntax, blank titles) as they are, because the negotiation has an answer for them.
P-DATA-TF is read elsewhere, in slices.
"""

from __future__ import annotations

from itertools import starmap
from struct import Struct

from scpd.ul.items import (
    ANSWERED_CONTEXT,
    APPLICATION_CONTEXT,
    PROPOSED_CONTEXT,
    USER_INFORMATION,
    ProposedContext,
    Record,
    UserInformation,
    decode_answered_context,
    decode_proposed_context,
    decode_text,
    decode_user_information,
    each_item,
    encode_answered_context,
    encode_proposed_context,
    encode_text,
    encode_user_information,
    undecodable,
)

TYPE_CHECKING = False  # what typing calls so, without importing it: a worker pays for each import
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import TypeVar

    Context = TypeVar("Context")

ASSOCIATE_RQ = 1
ASSOCIATE_AC = 2
ASSOCIATE_RJ = 3
P_DATA_TF = 4
RELEASE_RQ = 5
RELEASE_RP = 6
ABORT = 7

APPLICATION_CONTEXT_NAME = "1.2.840.10008.3.1.1.1"
PROTOCOL_VERSION = 1

_MOST_CONTEXTS = 128  # the odd numbers of one byte
_HEADER = Struct(">BxI")
_ASSOCIATE = Struct(">H2x16s16s32x")
_SHORT_PDU = Struct(">BxIxBBB")
_DATA = Struct(">BxIIBB")


class AssociateRequest(Record):
    """An A-ASSOCIATE-RQ (PS3.8 9.3.2).

    The titles are as on the wire, up to the first NUL and without trailing spaces; leading ones stay.
    `application_context_name` is "" if the item is missing, `user` all defaults likewise.
    """

    __slots__ = (
        "application_context_name",
        "called_ae_title",
        "calling_ae_title",
        "contexts",
        "protocol_version",
        "user",
    )

    def __init__(
        self,
        *,
        protocol_version: int,
        called_ae_title: bytes,
        calling_ae_title: bytes,
        application_context_name: str,
        contexts: tuple[ProposedContext, ...],
        user: UserInformation,
    ) -> None:
        self.protocol_version = protocol_version
        self.called_ae_title = called_ae_title
        self.calling_ae_title = calling_ae_title
        self.application_context_name = application_context_name
        self.contexts = contexts
        self.user = user


def decode_associate_request(body: memoryview) -> AssociateRequest:
    """Decode the body of an A-ASSOCIATE-RQ; raise `Abort` if it cannot be read (PS3.8 9.3.2).

    +---------------------+-------------+---------------------+----------------------+--------------+
    | protocol version, 2 | reserved, 2 | called AE title, 16 | calling AE title, 16 | reserved, 32 |
    +---------------------+-------------+---------------------+----------------------+--------------+
    | 10H application context, 20H presentation context 1...128, 50H user information               |
    +-----------------------------------------------------------------------------------------------+
    """
    version, called, calling = _decode_fixed_fields(body)
    name, contexts, user = _decode_items(body, PROPOSED_CONTEXT, decode_proposed_context)
    return AssociateRequest(
        protocol_version=version,
        called_ae_title=_title(called),
        calling_ae_title=_title(calling),
        application_context_name=name,
        contexts=contexts,
        user=user,
    )


def encode_associate_request(request: AssociateRequest) -> bytes:
    """Encode an A-ASSOCIATE-RQ; an empty application context name is left out."""
    name = request.application_context_name
    items = [encode_text(APPLICATION_CONTEXT, name)] if name else []
    items += map(encode_proposed_context, request.contexts)
    items.append(encode_user_information(request.user))
    fixed = _fixed_fields(request.protocol_version, request.called_ae_title, request.calling_ae_title)
    return _encode(ASSOCIATE_RQ, fixed, items)


def decode_associate_accept(body: memoryview) -> tuple[tuple[tuple[int, int, str], ...], UserInformation]:
    """Give (ID, result, transfer syntax) of each context in the body of an A-ASSOCIATE-AC, and the user.

    Raises `Abort` if it cannot be read.  The layout is the request's, with items 21H for 20H, and the titles
    are not to be tested (PS3.8 9.3.3).
    """
    _decode_fixed_fields(body)
    _, contexts, user = _decode_items(body, ANSWERED_CONTEXT, decode_answered_context)
    return contexts, user


def encode_associate_accept(
    called: bytes, calling: bytes, contexts: Iterable[tuple[int, int, str]], user: UserInformation
) -> bytes:
    """Encode an A-ASSOCIATE-AC; each context is (ID, result, transfer syntax UID), in the order given."""
    items = [encode_text(APPLICATION_CONTEXT, APPLICATION_CONTEXT_NAME)]
    items += starmap(encode_answered_context, contexts)
    items.append(encode_user_information(user))
    return _encode(ASSOCIATE_AC, _fixed_fields(PROTOCOL_VERSION, called, calling), items)


def encode_associate_reject(result: int, source: int, reason: int) -> bytes:
    """Encode an A-ASSOCIATE-RJ (PS3.8 9.3.4).

    +----------+--------+--------+--------+
    | reserved | result | source | reason |
    +----------+--------+--------+--------+
    """
    return _SHORT_PDU.pack(ASSOCIATE_RJ, 4, result, source, reason)


def encode_p_data(context_id: int, control: int, fragment: bytes) -> bytes:
    """Encode a P-DATA-TF with one PDV; `control` is its message control header (PS3.8 9.3.5, annex E.2).

    +---------------+------------+---------+----------+
    | PDV length, 4 | context ID | control | fragment |
    +---------------+------------+---------+----------+
    """
    return _DATA.pack(P_DATA_TF, len(fragment) + 6, len(fragment) + 2, context_id, control) + fragment


def encode_release_request() -> bytes:
    """Encode an A-RELEASE-RQ: four reserved bytes (PS3.8 9.3.6)."""
    return _SHORT_PDU.pack(RELEASE_RQ, 4, 0, 0, 0)


def encode_release_reply() -> bytes:
    """Encode an A-RELEASE-RP: four reserved bytes (PS3.8 9.3.7)."""
    return _SHORT_PDU.pack(RELEASE_RP, 4, 0, 0, 0)


def encode_abort(source: int, reason: int) -> bytes:
    """Encode an A-ABORT (PS3.8 9.3.8).

    +-------------+--------+--------+
    | reserved, 2 | source | reason |
    +-------------+--------+--------+
    """
    return _SHORT_PDU.pack(ABORT, 4, 0, source, reason)


def decode_abort(body: memoryview) -> tuple[int, int]:
    """Give source and reason of an A-ABORT; 0, 0 if it is too short, since the association ends anyway."""
    return (body[2], body[3]) if len(body) >= 4 else (0, 0)


def _decode_fixed_fields(body: memoryview) -> tuple[int, bytes, bytes]:
    if len(body) < _ASSOCIATE.size:
        raise undecodable(f"{len(body)} bytes, {_ASSOCIATE.size} are fixed")
    version, called, calling = _ASSOCIATE.unpack_from(body)
    return version, called, calling


def _decode_items(
    body: memoryview, context_item: int, decode_context: Callable[[memoryview], Context]
) -> tuple[str, tuple[Context, ...], UserInformation]:
    """Give application context name, contexts and user information from the variable items."""
    name = ""
    contexts: list[Context] = []
    user = None
    for kind, value in each_item(body[_ASSOCIATE.size :], "PDU"):
        if kind == APPLICATION_CONTEXT:
            name = decode_text(value)
        elif kind == context_item:
            if len(contexts) == _MOST_CONTEXTS:
                raise undecodable(f"more than {_MOST_CONTEXTS} presentation contexts")
            contexts.append(decode_context(value))
        elif kind == USER_INFORMATION:
            user = decode_user_information(value)
    return name, tuple(contexts), user or UserInformation()


def _title(field: bytes) -> bytes:
    return field.partition(b"\0")[0].rstrip(b" ")


def _fixed_fields(version: int, called: bytes, calling: bytes) -> bytes:
    return _ASSOCIATE.pack(version, called.ljust(16), calling.ljust(16))


def _encode(kind: int, fixed: bytes, items: list[bytes]) -> bytes:
    body = b"".join((fixed, *items))
    return _HEADER.pack(kind, len(body)) + body
