"""A client's bytes taken as a worker takes them, without socket, clock and disk.

What `connection` and `worker.serve` do, in their order: request, negotiation, dumps, commands, data sets with a look at
each, answers, and the answer to what ends it.
"""

from __future__ import annotations

from binascii import crc32
from pathlib import Path
from typing import TYPE_CHECKING

from scpd.cli.parser import parse
from scpd.cli.settings import Settings
from scpd.dataset.dictionary import builtin
from scpd.dataset.encoding import Encoding
from scpd.dataset.glance import Glance
from scpd.dataset.scan import Scan
from scpd.dimse import dump as command_dump
from scpd.dimse import messages, status
from scpd.dimse.assembler import CommandAssembler
from scpd.dimse.commands import decode_command
from scpd.errors import Abort, NotDicom, PeerError, Refused
from scpd.policies import negotiation_policy
from scpd.store.filemeta import FileMeta
from scpd.store.names import file_name, is_plain_name, prefix_of
from scpd.ul import dump, machine, negotiation, pdus
from scpd.ul.acceptor import Acceptor
from scpd.ul.items import UserInformation
from scpd.ul.profiles import parse as parse_profiles
from scpd.worker.announcement import check_command
from scpd.worker.peer import readable
from tests.fuzz.target import demand

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from random import Random

    from scpd.ul.negotiation import Context, Policy
    from scpd.ul.pdus import AssociateRequest
    from scpd.ul.stream import PDV

MAX_PDU = 16384
_DICTIONARY = builtin()
_OWN = UserInformation(
    max_length=MAX_PDU, implementation_class_uid="1.2.3", implementation_version_name="FUZZ"
)
_PROFILES = Path(__file__).resolve().parents[2] / "etc" / "storescp.cfg"


def _policies() -> tuple[Policy, ...]:
    settings = parse("scpd", ["+xa", "-pm", "104"])
    plain = parse("scpd", ["104"])
    assert isinstance(settings, Settings)
    assert isinstance(plain, Settings)
    profile = parse_profiles(_PROFILES.read_text(encoding="utf-8")).profile("Default")
    return negotiation_policy(settings), negotiation_policy(plain), negotiation_policy(plain, profile)


POLICIES = _policies()


def negotiated(request: AssociateRequest, policy: Policy) -> tuple[bytes, dict[int, Context]]:
    """Give the A-ASSOCIATE-AC to a request and the accepted contexts; all dumps on the way are printable."""
    demand_lines(dump.request_text(request, _OWN))
    negotiation.check_request(request, policy)
    answer = negotiation.negotiate(request.contexts, policy, request.user.roles)
    user = UserInformation(max_length=MAX_PDU, roles=answer.roles, extended=answer.extended)
    demand_lines(dump.accept_text(request, answer, user, policy))
    accept = pdus.encode_associate_accept(
        request.called_ae_title, request.calling_ae_title, answer.contexts, user
    )
    return accept, answer.accepted


def demand_lines(text: str) -> None:
    """Raise unless a text has nothing but printable ASCII and line feeds."""
    demand(text.isascii() and text.replace("\n", "").isprintable(), f"not printable: {text!r}")


class Session:
    """One connection; `happened` says what came, `answers` what was sent."""

    def __init__(self, data: bytes, pieces: Iterator[int], policy: Policy) -> None:
        self.happened: list[str] = []
        self.answers: list[bytes] = []
        self._data = memoryview(data)
        self._pieces = pieces
        self._policy = policy
        self._acceptor = Acceptor(MAX_PDU)
        self._contexts: dict[int, Context] = {}
        self._largest = 0

    def run(self) -> None:
        """Take it all; raises nothing."""
        try:
            self._associate()
            while True:
                self._message()
        except PeerError as error:
            # What other protocols are called goes by the bytes that were there when it was seen.
            text = "" if isinstance(error, NotDicom) else str(error)
            self.happened.append(f"{type(error).__name__}: {text}")
            try:
                self._acceptor.end_with(error)
            except PeerError as second:
                self.happened.append(f"then {type(second).__name__}")
        self._sent()
        state = self._acceptor.state
        demand(state in {machine.STA1, machine.STA13}, f"ends in Sta{state}")

    def _associate(self) -> None:
        request = self._event()
        assert not isinstance(request, tuple)
        titles = readable(request.calling_ae_title), readable(request.called_ae_title)
        accept, self._contexts = negotiated(request, self._policy)
        self._largest = negotiation.peer_max_pdu(request)
        self._acceptor.accept(accept, self._largest)
        self.happened.append(f"{'>'.join(titles)} {sorted(self._contexts)}")

    def _message(self) -> None:
        assembler, command = CommandAssembler(), None
        while command is None:
            pdv = self._event()
            assert isinstance(pdv, tuple)
            command = assembler.add(pdv)
        context = self._contexts.get(assembler.context_id)
        if context is None:
            raise Abort(0, 0, "not an accepted context")
        elements = decode_command(command)
        demand_lines(command_dump.command_text(elements, context.context_id))
        request = messages.parse_request(elements)
        code, comment = self._store(request, context)
        self.happened.append(f"{request.command_field:04X} {code:04X} {comment}")
        if request.command_field != messages.C_CANCEL_RQ:
            self._acceptor.send_command(context.context_id, messages.response(request, code, comment))
        self._sent()

    def _store(self, request: messages.Request, context: Context) -> tuple[int, str]:
        look = _Look(request, context) if request.command_field == messages.C_STORE_RQ else None
        checksum = 0
        for pieces in self._data_set(context.context_id) if request.has_data_set else ():
            for piece in pieces:
                checksum = crc32(piece, checksum)
            if look is not None:
                look.feed(pieces)
        self.happened.append(f"{checksum:08X}")
        return (status.UNRECOGNIZED_OPERATION, "") if look is None else look.verdict()

    def _data_set(self, context_id: int) -> Iterator[list[memoryview]]:
        pieces: list[memoryview] = []
        while not self._acceptor.take_data(context_id, pieces):
            if pieces:
                yield pieces
                pieces = []
            self._fill()
        yield pieces

    def _event(self) -> AssociateRequest | PDV:
        while (event := self._acceptor.next_event()) is None:
            self._fill()
        return event

    def _fill(self) -> None:
        """Receive what comes next, or the end."""
        stream = self._acceptor.stream
        stream.make_room()
        if not self._data:
            raise self._acceptor.transport_closed()
        room = stream.room()
        demand(room, "a full buffer, and nothing is taken from it")
        count = min(next(self._pieces), len(room), len(self._data))
        room[:count] = self._data[:count]
        stream.filled(count)
        self._data = self._data[count:]

    def _sent(self) -> None:
        """See that what is to be sent are whole PDUs that an acceptor sends, none longer than the peer takes."""
        for pdu in self._acceptor.outgoing:
            demand(int.from_bytes(pdu[2:6], "big") == len(pdu) - 6, "a PDU with a wrong length")
            demand(pdu[0] in {2, 3, 4, 6, 7}, f"a PDU of type {pdu[0]}")
            demand(pdu[0] != pdus.P_DATA_TF or len(pdu) - 6 <= self._largest, "longer than the peer takes")
        self.answers += self._acceptor.outgoing
        self._acceptor.outgoing.clear()


class _Look:
    """What a worker does with a data set before it has a name."""

    def __init__(self, request: messages.Request, context: Context) -> None:
        self._refusal: Refused | None = None
        self._request = request
        self._context = context
        try:
            check_command(request, context)
            self._scan = Scan(context.transfer_syntax, Encoding(), _DICTIONARY)
            self._glance = Glance(context.transfer_syntax)
        except Refused as refusal:
            self._refusal = refusal

    def feed(self, pieces: Sequence[memoryview]) -> None:
        """Look at some pieces."""
        if self._refusal is not None:
            return
        size = sum(map(len, pieces))
        try:
            self._scan.feed(pieces, size)
            self._glance.feed(pieces, size)
        except Refused as refusal:
            self._refusal = refusal

    def verdict(self) -> tuple[int, str]:
        """Give the status and its comment; what is stored has a name that leads nowhere else."""
        try:
            if self._refusal is not None:
                raise self._refusal
            self._scan.finish()
            self._glance.finish()
        except Refused as refusal:
            return refusal.status, refusal.comment
        request = self._request
        name = file_name(prefix_of(request.affected_sop_class_uid), request.affected_sop_instance_uid)
        demand(is_plain_name(name) and name.isascii() and name.isprintable(), f"a file named {name!r}")
        meta = FileMeta(self._context.transfer_syntax, b"CALLING", b"CALLED")
        meta.for_object(request.affected_sop_class_uid, request.affected_sop_instance_uid)
        return status.SUCCESS, self._scan.oddity


def pieces_of(chance: Random) -> Iterator[int]:
    """Give sizes in which bytes may arrive; seldom byte by byte, which takes as long as twenty others."""
    most = 3 if chance.random() < 0.03 else chance.choice((60, 300, 2000, 20000))
    while True:
        yield chance.randrange(1, most)
