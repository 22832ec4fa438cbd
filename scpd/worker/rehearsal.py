"""An association played through the engines, without a socket, a file or a peer, before the first real one.

CPython learns: after some calls of a function its bytecode is specialized and its lookups are cached.  A forked worker
is too short-lived to learn for itself, but inherits what the master has learnt.  A worker that stands by plays the
piece once more, so that the pages which it will write to are its own by the time a peer waits for an answer.
"""

from __future__ import annotations

from scpd.dataset.identity import check_identity
from scpd.dimse import messages, status
from scpd.dimse.assembler import CommandAssembler
from scpd.dimse.commands import decode_command, encode_command
from scpd.errors import Released
from scpd.store.filemeta import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME, FileMeta
from scpd.store.names import file_name
from scpd.tables.transfer_syntaxes import EXPLICIT_LITTLE, IMPLICIT_LITTLE
from scpd.ul import negotiation, pdus
from scpd.ul.acceptor import Acceptor
from scpd.ul.items import ProposedContext, UserInformation
from scpd.ul.stream import COMMAND_FRAGMENT, LAST_FRAGMENT

# Calls after which CPython 3.11 has specialized what it is going to (PEP 659: eight to warm up, some more to settle).
ENOUGH = 20

_CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
_INSTANCE = "2.25.1"
_TITLE = b"REHEARSAL"
_USER = UserInformation(
    max_length=16384,
    implementation_class_uid=IMPLEMENTATION_CLASS_UID,
    implementation_version_name=IMPLEMENTATION_VERSION_NAME,
)
_DATA_SET = (
    b"\x08\x00\x05\x00CS\x0a\x00ISO_IR 100"
    b"\x08\x00\x16\x00UI\x1a\x001.2.840.10008.5.1.4.1.1.2\0"
    b"\x08\x00\x18\x00UI\x06\x002.25.1"
)


def _script() -> bytes:
    """Encode what the peer says: request, one C-STORE, release."""
    contexts = (
        ProposedContext(1, _CT_IMAGE, (IMPLICIT_LITTLE, EXPLICIT_LITTLE)),
        ProposedContext(3, "1.2.840.10008.1.1", (IMPLICIT_LITTLE,)),
    )
    request = pdus.AssociateRequest(
        protocol_version=1,
        called_ae_title=_TITLE,
        calling_ae_title=_TITLE,
        application_context_name=pdus.APPLICATION_CONTEXT_NAME,
        contexts=contexts,
        user=_USER,
    )
    command = encode_command(
        [
            (0x0002, _CT_IMAGE.encode("ascii")),
            (0x0100, b"\x01\x00"),
            (0x0110, b"\x01\x00"),
            (0x0700, b"\x00\x00"),
            (0x0800, b"\x00\x00"),
            (0x1000, _INSTANCE.encode("ascii")),
        ]
    )
    return b"".join(
        (
            pdus.encode_associate_request(request),
            pdus.encode_p_data(1, COMMAND_FRAGMENT | LAST_FRAGMENT, command),
            pdus.encode_p_data(1, LAST_FRAGMENT, _DATA_SET),
            pdus.encode_release_request(),
        )
    )


_SCRIPT = _script()


def rehearse(policy: negotiation.Policy, max_pdu: int) -> None:
    """Play one association from request to release."""
    acceptor = Acceptor(max_pdu)
    acceptor.stream.room()[: len(_SCRIPT)] = _SCRIPT
    acceptor.stream.filled(len(_SCRIPT))
    request = acceptor.next_event()
    assert isinstance(request, pdus.AssociateRequest)  # noqa: S101  (as written above)
    negotiation.check_request(request)
    answers, _ = negotiation.negotiate(request.contexts, policy)
    answer = pdus.encode_associate_accept(request.called_ae_title, request.calling_ae_title, answers, _USER)
    acceptor.accept(answer, negotiation.peer_max_pdu(request))
    _store(acceptor)
    try:
        acceptor.next_event()
    except Released as released:
        acceptor.end_with(released)


def _store(acceptor: Acceptor) -> None:
    pdv = acceptor.next_event()
    assert isinstance(pdv, tuple)  # noqa: S101
    command = CommandAssembler().add(pdv)
    assert command is not None  # noqa: S101
    request = messages.parse_request(decode_command(command))
    messages.check_store(request)
    sop_class, sop_instance = request.affected_sop_class_uid, request.affected_sop_instance_uid
    pieces: list[memoryview] = []
    acceptor.take_data(1, pieces)
    check_identity(pieces[0], EXPLICIT_LITTLE, True, sop_class, sop_instance)
    file_name(sop_class, sop_instance)
    FileMeta(EXPLICIT_LITTLE, _TITLE, _TITLE).for_object(sop_class, sop_instance)
    acceptor.send_command(1, messages.response(request, status.SUCCESS))
