"""What a peer sends: a whole connection, its A-ASSOCIATE-RQ alone, its command sets."""

from __future__ import annotations

import re
from binascii import crc32
from itertools import repeat
from pathlib import Path
from random import Random

from scpd.dimse import dump as command_dump
from scpd.dimse import messages, status
from scpd.dimse.commands import decode_command
from scpd.errors import Abort, Refused, Reject
from scpd.ul import pdus
from tests.fuzz import mutations
from tests.fuzz.session import POLICIES, Session, demand_lines, negotiated, pieces_of
from tests.fuzz.target import Target, demand
from tests.harness import wire

CASES = Path(__file__).parents[1] / "cases"
SESSIONS = CASES / "fuzz" / "sessions"
_NUMBERS = re.compile(r"[0-9A-F]*[0-9][0-9A-Fa-f]*")


def sessions() -> list[bytes]:
    """Give what real clients have sent on a connection each."""
    return [path.read_bytes() for path in sorted(SESSIONS.iterdir())]


def requests() -> list[bytes]:
    """Give the bodies of real clients' A-ASSOCIATE-RQ."""
    recorded = [path.read_text("ascii").splitlines() for path in (CASES / "associate_requests").iterdir()]
    texts = ["".join(line for line in lines if not line.startswith("#")) for lines in recorded]
    return sorted(bytes.fromhex(text)[6:] for text in texts)


def commands() -> list[bytes]:
    """Give real clients' command sets."""
    found = []
    for data in sessions():
        position = 0
        while position < len(data):
            end = position + 6 + int.from_bytes(data[position + 2 : position + 6], "big")
            if data[position] == wire.P_DATA_TF and data[position + 11] & wire.COMMAND:
                found.append(data[position + 12 : end])
            position = end
    return found


def pdus_in(data: bytes) -> int:
    """Count PDUs, by their lengths: what is behind a wrong one is none."""
    position = count = 0
    while position < len(data):
        position += 6 + int.from_bytes(data[position + 2 : position + 6], "big")
        count += 1
    return count


def without_numbers(text: str) -> str:
    """Give a text by which inputs are sorted: what differs in numbers only is the same."""
    return _NUMBERS.sub("#", text)


def _connection(data: bytes) -> str:
    """See that it ends well, and alike however it is cut."""
    policy = POLICIES[crc32(data) % len(POLICIES)]
    whole = Session(data, repeat(1 << 20), policy)
    whole.run()
    parts = Session(data, pieces_of(Random(data)), policy)
    parts.run()
    demand(whole.happened == parts.happened, f"cut {parts.happened}, but whole {whole.happened}")
    demand(whole.answers == parts.answers, "other answers when it is cut")
    return without_numbers(" ".join(whole.happened[1:]))


def _request(data: bytes) -> str:
    try:
        request = pdus.decode_associate_request(memoryview(data))
        accept, contexts = negotiated(request, POLICIES[crc32(data) % len(POLICIES)])
    except (Abort, Reject) as error:
        return without_numbers(str(error))
    answered, _ = pdus.decode_associate_accept(memoryview(accept)[6:])
    ids = [context_id for context_id, _, _ in answered]
    demand(ids == list(dict.fromkeys(context.context_id for context in request.contexts)), "not each id once")
    demand(set(contexts) <= set(ids), "accepted, and not answered")
    return "accepted" if contexts else "no context"


def _command(data: bytes) -> str:
    try:
        elements = decode_command(data)
        demand_lines(command_dump.command_text(elements, 1))
        request = messages.parse_request(elements)
    except Abort as error:
        return without_numbers(str(error))
    outcome, comment = status.SUCCESS, ""
    try:
        messages.check_store(request)
    except Refused as refusal:
        outcome, comment = refusal.status, refusal.comment
    answer = wire.parse_command(messages.response(request, outcome, comment))
    demand(wire.number(answer[wire.STATUS]) == outcome, "another status")
    demand(wire.number(answer[wire.MESSAGE_ID_BEING_RESPONDED_TO]) == request.message_id, "another request")
    return f"{request.command_field & 0xFF} {comment}"


TARGETS = (
    Target(
        "connection",
        "any bytes of a peer end by an answer, a rejection or an abort, alike however they are cut",
        sessions,
        _connection,
        mutations.spoilt_stream,
        milliseconds_per_kb=15.0,
        weight=4,
        pdus=pdus_in,
    ),
    Target(
        "request",
        "any A-ASSOCIATE-RQ is answered context by context, rejected or aborted, and shown in printable lines",
        requests,
        _request,
        mutations.spoilt_request,
        weight=2,
    ),
    Target(
        "command",
        "any command set is a request that can be answered, or an abort",
        commands,
        _command,
        mutations.spoilt_command,
        weight=2,
    ),
)
