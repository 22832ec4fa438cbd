"""Peers that are careless, wrong or no DICOM peers at all, end to end.

Whatever scpd answers as storescp does is asked of both: `server` is one or the other.  Where the two differ
test_defects.py or the test itself says why.
"""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING, Any

import pytest

from tests.harness import wire
from tests.harness.lasting import lasting, lent
from tests.harness.objects import ct_image, data_set_bytes, new_uid
from tests.harness.raw_peer import CONTEXTS, ECHO_CONTEXT, STORE_CONTEXT
from tests.harness.storing import (
    announce,
    assert_holds,
    assert_serves,
    complaints,
    send_half,
    serving,
    store,
    temporaries,
    wait_until_idle,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tests.harness.objects import StorableObject
    from tests.harness.raw_peer import RawPeer, Response
    from tests.harness.servers import Server, ServerFactory
    from tests.harness.wire import Accepted, Pdu

    Connect = Callable[..., RawPeer]
    Changes = dict[int, int | str | bytes | None]

WHOLE_COMMAND = wire.COMMAND | wire.LAST
C_FIND_RQ, C_GET_RQ, C_MOVE_RQ = 0x0020, 0x0010, 0x0021
N_OPERATIONS = [0x0100, 0x0110, 0x0120, 0x0130, 0x0140, 0x0150]
UNRECOGNIZED, MISMATCH, CANNOT_UNDERSTAND = 0x0211, 0xA900, 0xC000
NOT_THE_CONTEXTS, MISSING, INVALID = 0x0122, 0x0120, 0x0106


@pytest.fixture(scope="module", params=["scpd", "storescp"])
def lasting_server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    with lasting(request.param, tmp_path_factory.mktemp("either"), "--fork") as server:
        yield server


@pytest.fixture
def server(lasting_server: Server, _raw_peers: list[RawPeer]) -> Iterator[Server]:
    """Give scpd or storescp, forking."""
    yield from lent(lasting_server, _raw_peers)


@pytest.fixture(scope="module")
def lasting_ours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with lasting("scpd", tmp_path_factory.mktemp("ours"), "--fork") as server:
        yield server


@pytest.fixture
def ours(lasting_ours: Server, _raw_peers: list[RawPeer]) -> Iterator[Server]:
    """Give scpd, forking."""
    yield from lent(lasting_ours, _raw_peers)


@pytest.fixture(scope="module", params=["--fork", "--single-process"])
def lasting_patient(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    with lasting(
        "scpd", tmp_path_factory.mktemp("patient"), request.param, "-ta", "60", "-ts", "0"
    ) as server:
        yield server


@pytest.fixture
def patient(lasting_patient: Server, _raw_peers: list[RawPeer]) -> Iterator[Server]:
    """Give scpd in either process mode, without a clock that ends a connection within the time of a test."""
    yield from lent(lasting_patient, _raw_peers)


def is_ours(server: Server) -> bool:
    return "scpd" in server.command


def assert_quiet_end(server: Server, lines: int) -> None:
    """Fail unless scpd's log has so many complaints, and nobody is served any more; storescp has its own words."""
    if not is_ours(server):
        return
    wait_until_idle(server)
    assert len(complaints(server)) == lines, server.stderr
    assert "Traceback" not in server.stderr


def associated(
    raw_peer: Connect, server: Server, contexts: Sequence[Any] = CONTEXTS, **fields: Any
) -> RawPeer:
    peer = raw_peer(server)
    peer.associate(contexts, **fields)
    return peer


def context(context_id: int, abstract_syntax: bytes, *transfer_syntaxes: bytes) -> bytes:
    """Item 20H of raw UIDs."""
    syntaxes = b"".join(wire.item(0x40, syntax) for syntax in transfer_syntaxes)
    return wire.item(0x20, bytes([context_id, 0, 0, 0]) + wire.item(0x30, abstract_syntax) + syntaxes)


# Requests that are odd and all right


@pytest.mark.parametrize("context_id", [0, 2, 254, 255])
def test_any_context_id_serves(server: Server, raw_peer: Connect, context_id: int) -> None:
    image = ct_image(2000)
    peer = raw_peer(server)
    accepted = peer.associate([(context_id, image.sop_class_uid, [wire.EXPLICIT_LITTLE])])
    assert accepted.contexts == {context_id: (0, wire.EXPLICIT_LITTLE)}
    arguments = (image.sop_class_uid, image.sop_instance_uid, image.data_set)
    assert peer.store(*arguments, context_id=context_id) == 0
    (content,) = server.files().values()
    assert data_set_bytes(content) == image.data_set


DUPLICATES = {
    "the better syntax": [
        (1, wire.CT_IMAGE_STORAGE, [wire.IMPLICIT_LITTLE]),
        (1, wire.CT_IMAGE_STORAGE, [wire.EXPLICIT_LITTLE]),
    ],
    "the accepted one": [
        (1, "1.2.3.4", [wire.IMPLICIT_LITTLE]),
        (1, wire.CT_IMAGE_STORAGE, [wire.EXPLICIT_LITTLE]),
    ],
    "none": [(1, "1.2.3.4", [wire.IMPLICIT_LITTLE]), (1, wire.CT_IMAGE_STORAGE, ["1.2.3"])],
}


@pytest.mark.parametrize("proposed", DUPLICATES.values(), ids=DUPLICATES)
def test_a_duplicate_context_id_gets_one_answer(
    scpd: ServerFactory, storescp: ServerFactory, raw_peer: Connect, proposed: list[Any]
) -> None:
    answers = [raw_peer(factory()).associate([*proposed, *CONTEXTS[1:]]) for factory in (scpd, storescp)]
    kinds = [[kind for kind, _ in answer.items] for answer in answers]
    assert kinds[0] == kinds[1] == [0x10, 0x21, 0x21, 0x50]
    accepted = [[key for key, value in answer.contexts.items() if value.result == 0] for answer in answers]
    assert accepted[0] == accepted[1]
    assert [answers[0].contexts[key] for key in accepted[0]] == [
        answers[1].contexts[key] for key in accepted[0]
    ]


def test_128_contexts_are_answered_in_their_order(server: Server, raw_peer: Connect) -> None:
    proposed = [(number, wire.CT_IMAGE_STORAGE, [wire.EXPLICIT_LITTLE]) for number in range(255, 0, -2)]
    peer = raw_peer(server)
    accepted = peer.associate(proposed)
    assert list(accepted.contexts) == list(range(255, 0, -2))
    assert set(accepted.contexts.values()) == {(0, wire.EXPLICIT_LITTLE)}
    image = ct_image(1000)
    for context_id in (255, 129, 1):
        arguments = (image.sop_class_uid, image.sop_instance_uid, image.data_set)
        assert peer.store(*arguments, context_id=context_id) == 0


def test_an_association_whose_contexts_are_all_refused_is_acknowledged(
    server: Server, raw_peer: Connect
) -> None:
    peer = raw_peer(server)
    accepted = peer.associate([(1, "1.2.3", [wire.EXPLICIT_LITTLE]), (3, wire.CT_IMAGE_STORAGE, ["1.2.3"])])
    assert accepted.contexts == {1: (3, wire.IMPLICIT_LITTLE), 3: (4, wire.IMPLICIT_LITTLE)}
    peer.release()


def test_uids_end_at_a_nul_but_not_at_a_space(server: Server, raw_peer: Connect) -> None:
    ct, little = wire.CT_IMAGE_STORAGE.encode(), wire.EXPLICIT_LITTLE.encode()
    proposed = [
        context(1, ct + b"\0", little + b"\0"),
        context(3, ct + b" ", little),
        context(5, ct, little + b" "),
    ]
    accepted = raw_peer(server).associate(proposed)
    assert [answer.result for answer in accepted.contexts.values()] == [0, 3, 4]


def test_a_context_without_abstract_syntax_is_refused(server: Server, raw_peer: Connect) -> None:
    accepted = raw_peer(server).associate(
        [(1, None, [wire.EXPLICIT_LITTLE]), (3, "", [wire.EXPLICIT_LITTLE])]
    )
    assert [answer.result for answer in accepted.contexts.values()] == [3, 3]


def test_a_context_without_transfer_syntax_is_refused_beside_good_ones(
    ours: Server, raw_peer: Connect
) -> None:
    """storescp says nothing at all."""
    proposed = [(5, wire.CT_IMAGE_STORAGE, []), (7, "1.2.3", []), *CONTEXTS]
    peer = raw_peer(ours)
    accepted = peer.associate(proposed)
    assert [answer.result for answer in accepted.contexts.values()] == [4, 3, 0, 0]
    assert peer.echo() == 0


@pytest.mark.parametrize(
    ("called", "calling"),
    [
        (b" LEADING", b" X"),
        (b"IN NER", b"A B C"),
        (b"NUL\0BEHIND", b"XY\0Z"),
        (b"PADDED" + bytes(10), b"NULS" + bytes(12)),
        (b"SIXTEEN_CHARS_16", b"ANOTHER_16_CHARS"),
        (b"\xc4\xd6\xdc", b"\xff\x80"),
    ],
)
def test_titles_are_echoed_as_by_storescp(
    scpd: ServerFactory, storescp: ServerFactory, raw_peer: Connect, called: bytes, calling: bytes
) -> None:
    answers: list[Accepted] = []
    for factory in (scpd, storescp):
        peer = raw_peer(factory())
        answers.append(peer.associate(called=called, calling=calling))
        assert peer.echo() == 0
    assert (answers[0].called, answers[0].calling) == (answers[1].called, answers[1].calling)


USER_ITEMS = {
    "unknown sub-items": wire.item(0x5F, b"") + wire.item(0x77, b"abc"),
    "asynchronous operations": wire.item(0x53, struct.pack(">HH", 5, 5)),
    "a role": wire.item(0x54, struct.pack(">H", 5) + b"1.2.3" + b"\1\1"),
    "extended negotiation": wire.item(0x56, struct.pack(">H", 5) + b"1.2.3" + b"\1\2\3"),
    "user identity": wire.item(0x58, b"\1\1" + struct.pack(">H", 3) + b"abc" + bytes(2)),
}


@pytest.mark.parametrize("extra", USER_ITEMS.values(), ids=USER_ITEMS)
def test_user_items_that_are_not_ours_are_skipped(server: Server, raw_peer: Connect, extra: bytes) -> None:
    peer = raw_peer(server)
    accepted = peer.associate(user_info=wire.user_information(extra=extra))
    assert [kind for kind, _ in accepted.user_items] == [0x51, 0x52, 0x55]
    assert peer.echo() == 0


REQUEST_FIELDS: dict[str, dict[str, Any]] = {
    "unknown items": {"extra_items": wire.item(0x99, b"xyz") + wire.item(0x00, b"")},
    "no user information": {"user_info": b""},
    "empty user information": {"user_info": wire.item(0x50, b"")},
    "no implementation": {"user_info": wire.user_information(16384, None, None)},
    "the application context twice": {"extra_items": wire.item(0x10, wire.APPLICATION_CONTEXT)},
    "user information twice": {"extra_items": wire.user_information()},
    "reserved bytes": {"reserved": bytes(range(32))},
    "version 3": {"protocol_version": 3},
    "version 8001H": {"protocol_version": 0x8001},
    "version FFFFH": {"protocol_version": 0xFFFF},
}


@pytest.mark.parametrize("fields", REQUEST_FIELDS.values(), ids=REQUEST_FIELDS)
def test_careless_requests_are_accepted(server: Server, raw_peer: Connect, fields: dict[str, Any]) -> None:
    peer = associated(raw_peer, server, **fields)
    assert peer.echo() == 0
    peer.release()


# Requests that are rejected

REJECTIONS: dict[str, tuple[dict[str, Any], tuple[int, int, int]]] = {
    "version 0": ({"protocol_version": 0}, (1, 2, 2)),
    "version 2": ({"protocol_version": 2}, (1, 2, 2)),
    "version 8000H": ({"protocol_version": 0x8000}, (1, 2, 2)),
    "another application context": ({"application_context": "1.2.840.10008.3.1.1.2"}, (1, 1, 2)),
    "no application context": ({"application_context": None}, (1, 1, 2)),
    "an empty application context": ({"application_context": ""}, (1, 1, 2)),
}


@pytest.mark.parametrize(("fields", "expected"), REJECTIONS.values(), ids=REJECTIONS)
def test_what_cannot_be_accepted_is_rejected_with_its_reason(
    server: Server, raw_peer: Connect, fields: dict[str, Any], expected: tuple[int, int, int]
) -> None:
    peer = raw_peer(server)
    assert peer.request_association(**fields) == (wire.ASSOCIATE_RJ, bytes([0, *expected]))
    peer.close()
    assert_quiet_end(server, lines=1)


OWN_REJECTIONS: dict[str, tuple[dict[str, Any], tuple[int, int, int]]] = {
    "blank calling title": ({"calling": " "}, (1, 1, 3)),
    "calling title of NUL": ({"calling": bytes(16)}, (1, 1, 3)),
    "calling title that begins with NUL": ({"calling": b"\0ABC"}, (1, 1, 3)),
    "blank called title": ({"called": " "}, (1, 1, 7)),
    "called title of NUL": ({"called": bytes(16)}, (1, 1, 7)),
    "no contexts": ({"contexts": []}, (1, 1, 1)),
}


@pytest.mark.parametrize(("fields", "expected"), OWN_REJECTIONS.values(), ids=OWN_REJECTIONS)
def test_what_storescp_never_answers_is_rejected_with_its_reason(
    ours: Server, raw_peer: Connect, fields: dict[str, Any], expected: tuple[int, int, int]
) -> None:
    peer = raw_peer(ours)
    assert peer.request_association(**fields) == (wire.ASSOCIATE_RJ, bytes([0, *expected]))
    assert peer.receive() is None
    peer.close()
    assert_quiet_end(ours, lines=1)


UNREADABLE = {
    "empty": wire.pdu(wire.ASSOCIATE_RQ, b""),
    "67 bytes": wire.pdu(wire.ASSOCIATE_RQ, bytes(67)),
    "an item beyond the PDU": wire.associate_request(CONTEXTS, extra_items=wire.item(0x20, b"", length=500)),
    "half an item header": wire.associate_request(CONTEXTS, extra_items=b"\x20\x00"),
    "a context of 3 bytes": wire.associate_request([wire.item(0x20, b"\1\0\0")]),
    "a sub-item beyond its item": wire.associate_request(
        [wire.item(0x20, b"\1\0\0\0" + wire.item(0x30, b"1.2", 9))]
    ),
    "maximum length of 3 bytes": wire.associate_request(
        CONTEXTS, user_info=wire.item(0x50, wire.item(0x51, b"abc"))
    ),
    "129 contexts": wire.associate_request([(1, "1.2.3", [wire.EXPLICIT_LITTLE])] * 129),
    "a length of 4 GB": wire.pdu(wire.ASSOCIATE_RQ, b"", length=0xFFFFFFFF),
}


@pytest.mark.parametrize("request_bytes", UNREADABLE.values(), ids=UNREADABLE)
def test_a_request_that_cannot_be_read_is_aborted(
    ours: Server, raw_peer: Connect, request_bytes: bytes
) -> None:
    """storescp says nothing to most of them."""
    peer = raw_peer(ours)
    peer.send(request_bytes)
    assert peer.receive() == (wire.ABORT, bytes(4))
    assert peer.receive() is None
    peer.close()
    assert_quiet_end(ours, lines=1)


# The peer's maximum length


@pytest.mark.parametrize("maximum", [14, 15, 16, 17, 20, 50, 1000, 0, None, 0xFFFFFFFF])
def test_no_answer_is_longer_than_the_peer_wants(
    server: Server, raw_peer: Connect, maximum: int | None
) -> None:
    peer = raw_peer(server)
    peer.associate(user_info=wire.user_information(maximum))
    assert_echoed_within(peer, maximum or 131072)


@pytest.mark.parametrize("maximum", [8, 9, 10, 12, 13])
def test_two_bytes_at_a_time_are_answered_too(ours: Server, raw_peer: Connect, maximum: int) -> None:
    """storescp aborts at the first answer."""
    peer = raw_peer(ours)
    peer.associate(user_info=wire.user_information(maximum))
    assert all(length % 2 == 0 for length in assert_echoed_within(peer, maximum))


@pytest.mark.parametrize("maximum", [1, 2, 6, 7])
def test_a_maximum_length_that_no_answer_fits_is_rejected(
    ours: Server, raw_peer: Connect, maximum: int
) -> None:
    """storescp aborts at the first answer."""
    peer = raw_peer(ours)
    answer = peer.request_association(user_info=wire.user_information(maximum))
    assert answer == (wire.ASSOCIATE_RJ, bytes([0, 1, 1, 1]))
    peer.close()
    assert_quiet_end(ours, lines=1)


def assert_echoed_within(peer: RawPeer, maximum: int) -> list[int]:
    """Fail unless an echo is answered in PDUs of that length at most; gives the lengths of the fragments."""
    lengths = []
    peer.send_command(ECHO_CONTEXT, wire.c_echo_request())
    command, control = b"", 0
    while control != WHOLE_COMMAND:
        pdu = peer.receive()
        assert pdu is not None
        assert pdu.type == wire.P_DATA_TF
        assert len(pdu.body) <= maximum
        (pdv,) = wire.parse_pdvs(pdu.body)
        command, control = command + pdv.data, pdv.control
        lengths.append(len(pdv.data))
    assert wire.number(wire.parse_command(command)[wire.STATUS]) == 0
    return lengths


# PDUs out of turn

# Type of the PDU; what storescp answers too before the association, and within it.
UNEXPECTED = [wire.ASSOCIATE_AC, wire.ASSOCIATE_RJ, wire.RELEASE_RP]


@pytest.mark.parametrize("kind", [*UNEXPECTED, wire.P_DATA_TF, wire.RELEASE_RQ])
def test_a_pdu_before_the_request_is_aborted_by_the_service_user(
    server: Server, raw_peer: Connect, kind: int
) -> None:
    peer = raw_peer(server)
    peer.send(wire.pdu(kind, bytes(4)))
    assert peer.receive() == (wire.ABORT, bytes(4))
    assert peer.receive() is None
    peer.close()
    assert_quiet_end(server, lines=1)


@pytest.mark.parametrize("kind", [*UNEXPECTED, wire.ASSOCIATE_RQ])
def test_an_unexpected_pdu_within_the_association_is_aborted_by_the_provider(
    server: Server, raw_peer: Connect, kind: int
) -> None:
    peer = associated(raw_peer, server)
    peer.send(wire.associate_request(CONTEXTS) if kind == wire.ASSOCIATE_RQ else wire.pdu(kind, bytes(4)))
    assert peer.receive() == (wire.ABORT, bytes([0, 0, 2, 2]))
    assert peer.receive() is None
    peer.close()
    assert_quiet_end(server, lines=1)


@pytest.mark.parametrize("kind", [*UNEXPECTED, wire.ASSOCIATE_RQ])
def test_an_unexpected_pdu_within_a_data_set_is_aborted_and_leaves_no_file(
    server: Server, raw_peer: Connect, kind: int
) -> None:
    peer = associated(raw_peer, server)
    send_half(peer, ct_image(400_000))
    peer.send(wire.associate_request(CONTEXTS) if kind == wire.ASSOCIATE_RQ else wire.pdu(kind, bytes(4)))
    assert peer.receive() == (wire.ABORT, bytes([0, 0, 2, 2]))
    peer.close()
    server.wait_for(lambda: server.files() == {})
    assert_quiet_end(server, lines=1)
    assert temporaries(server) == []


@pytest.mark.parametrize("kind", [0, 8, 0x16, 0x47, 0xFF])
@pytest.mark.parametrize("is_storing", [False, True], ids=["idle", "storing"])
def test_an_unrecognized_pdu_within_the_association_is_aborted(
    ours: Server, raw_peer: Connect, kind: int, is_storing: bool
) -> None:
    """Provider, unrecognized PDU (PS3.8 9.3.8); storescp says service user without a reason."""
    peer = associated(raw_peer, ours)
    if is_storing:
        send_half(peer, ct_image(400_000))
    peer.send(wire.pdu(kind, bytes(4)))
    assert peer.receive() == (wire.ABORT, bytes([0, 0, 2, 1]))
    assert peer.receive() is None
    peer.close()
    assert_quiet_end(ours, lines=1)
    assert_holds(ours)


BAD_LENGTHS = {
    "P-DATA longer than our maximum": wire.pdu(wire.P_DATA_TF, b"", length=16385),
    "P-DATA of 4 GB": wire.pdu(wire.P_DATA_TF, b"", length=0xFFFFFFFF),
    "P-DATA without PDV": wire.pdu(wire.P_DATA_TF, b""),
    "PDV of length 0": wire.pdu(wire.P_DATA_TF, bytes(4)),
    "PDV of length 1": wire.pdu(wire.P_DATA_TF, b"\0\0\0\1\1"),
    "PDV beyond the PDU": wire.p_data(wire.pdv(1, WHOLE_COMMAND, bytes(10), length=5000)),
    "PDV of 4 GB": wire.p_data(wire.pdv(1, WHOLE_COMMAND, bytes(10), length=0xFFFFFFFF)),
    "PDVs that do not fill the PDU": wire.pdu(wire.P_DATA_TF, wire.pdv(1, wire.COMMAND, bytes(10)) + b"\0\0"),
    "half a PDV header": wire.pdu(wire.P_DATA_TF, b"\0\0"),
    "release of 129 bytes": wire.pdu(wire.RELEASE_RQ, bytes(129)),
    "release of 4 GB": wire.pdu(wire.RELEASE_RQ, b"", length=0xFFFFFFFF),
    "abort of 129 bytes": wire.pdu(wire.ABORT, bytes(129)),
}


@pytest.mark.parametrize("is_storing", [False, True], ids=["idle", "storing"])
@pytest.mark.parametrize("data", BAD_LENGTHS.values(), ids=BAD_LENGTHS)
def test_a_length_that_cannot_be_is_aborted(
    ours: Server, raw_peer: Connect, data: bytes, is_storing: bool
) -> None:
    """Provider, invalid PDU parameter (PS3.8 9.3.8); storescp says service user without a reason."""
    peer = associated(raw_peer, ours)
    if is_storing:
        send_half(peer, ct_image(400_000))
    peer.send(data)
    assert peer.receive() == (wire.ABORT, bytes([0, 0, 2, 6]))
    assert peer.receive() is None
    peer.close()
    assert_quiet_end(ours, lines=1)
    assert_holds(ours)


@pytest.mark.parametrize("data", BAD_LENGTHS.values(), ids=BAD_LENGTHS)
def test_storescp_aborts_lengths_that_cannot_be_too(
    storescp: ServerFactory, raw_peer: Connect, data: bytes
) -> None:
    peer = associated(raw_peer, storescp("--fork"))
    peer.send(data)
    answer = peer.receive()
    assert answer is not None
    assert answer.type == wire.ABORT


@pytest.mark.parametrize("length", [0, 2, 100, 128])
def test_release_and_abort_of_another_length_are_understood(
    server: Server, raw_peer: Connect, length: int
) -> None:
    peer = associated(raw_peer, server)
    peer.send(wire.pdu(wire.RELEASE_RQ, bytes(length)))
    assert peer.receive() == (wire.RELEASE_RP, bytes(4))
    peer.close()
    other = associated(raw_peer, server)
    other.send(wire.pdu(wire.ABORT, bytes(length)))
    assert other.receive() is None
    assert_quiet_end(server, lines=0)


@pytest.mark.parametrize("with_data", [False, True], ids=["before the data set", "within it"])
def test_a_release_in_place_of_the_data_set_is_answered_and_drops_the_object(
    server: Server, raw_peer: Connect, with_data: bool
) -> None:
    peer, image = associated(raw_peer, server), ct_image(400_000)
    if with_data:
        send_half(peer, image)
    else:
        announce(peer, image)
    peer.send(wire.release_request())
    assert peer.receive() == (wire.RELEASE_RP, bytes(4))
    peer.close()
    server.wait_for(lambda: server.files() == {})
    assert_quiet_end(server, lines=1)
    assert temporaries(server) == []


def test_what_comes_after_the_release_is_not_looked_at(ours: Server, raw_peer: Connect) -> None:
    peer = associated(raw_peer, ours)
    peer.send(wire.release_request() + wire.associate_request(CONTEXTS) + bytes(100_000))
    kinds = [pdu.type for pdu in peer.receive_until_closed()]
    assert kinds[0] == wire.RELEASE_RP
    assert set(kinds[1:]) <= {wire.ABORT}  # AA-7 of PS3.8 table 9-10
    peer.close()
    assert_quiet_end(ours, lines=0)


# What is not DICOM

NOISE = {
    "an HTTP request": (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "HTTP request"),
    "an HTTP post": (b"POST /wado HTTP/1.1\r\n\r\n", "HTTP request"),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "HTTP/2"),
    "a TLS hello": (bytes.fromhex("16030100a5010000a10303") + bytes(150), "TLS"),
    "HL7": (b"\x0bMSH|^~\\&|A|B|C|D\r\x1c\r", "HL7"),
    "HL7 without framing": (b"MSH|^~\\&|A|B|C|D\r", "HL7"),
    "SSH": (b"SSH-2.0-OpenSSH_9.2\r\n", "SSH"),
    "a PROXY header": (b"PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n", "PROXY"),
    "remote desktop": (bytes.fromhex("0300001302e00000000000"), "TPKT"),
    "one zero byte": (b"\0", "unknown protocol"),
    "one letter": (b"x", "unknown protocol"),
    "random bytes": (bytes(range(200, 250)) * 100, "unknown protocol"),
}


@pytest.mark.parametrize(("data", "name"), NOISE.values(), ids=NOISE)
def test_what_is_not_dicom_is_closed_at_once_and_named_in_one_line(
    patient: Server, raw_peer: Connect, data: bytes, name: str
) -> None:
    peer = raw_peer(patient)
    address, port = peer.socket.getsockname()
    peer.send(data)
    assert peer.receive_until_closed() == []
    assert_serves(patient, raw_peer)
    (line,) = complaints(patient)
    assert name in line
    assert re.search(rf"\b{re.escape(address)}:{port}\b", line)
    assert line.isprintable()


def test_noise_in_place_of_a_pdu_is_aborted_within_an_association(ours: Server, raw_peer: Connect) -> None:
    peer = associated(raw_peer, ours)
    peer.send(b"GET / HTTP/1.1\r\n\r\n")
    assert peer.receive() == (wire.ABORT, bytes([0, 0, 2, 1]))
    peer.close()
    assert_quiet_end(ours, lines=1)


# Commands


def response_to(peer: RawPeer, context_id: int, command: bytes, data: bytes | None = None) -> Response:
    peer.send_command(context_id, command)
    if data is not None:
        peer.send_data(context_id, data)
    return peer.receive_response()


def first_answer(peer: RawPeer, *messages: bytes) -> Pdu | None:
    for message in messages:
        peer.send(message)
    return peer.receive()


STORE_RESPONSE = [0x0000, 0x0002, 0x0100, 0x0120, 0x0800, 0x0900, 0x1000]


def test_a_store_response_has_its_elements_in_order(server: Server, raw_peer: Connect) -> None:
    image = ct_image(1000)
    response = store(associated(raw_peer, server), image, message_id=4711)
    elements = response.elements
    assert list(elements) == STORE_RESPONSE
    assert (response.context_id, response.command, response.message_id) == (1, wire.C_STORE_RSP, 4711)
    assert wire.number(elements[wire.COMMAND_DATA_SET_TYPE]) == wire.NO_DATA_SET
    assert wire.uid(elements[wire.AFFECTED_SOP_CLASS_UID]) == image.sop_class_uid
    assert wire.uid(elements[wire.AFFECTED_SOP_INSTANCE_UID]) == image.sop_instance_uid
    lengths = [8 + len(value) for number, value in elements.items() if number]
    assert wire.number(elements[wire.GROUP_LENGTH]) == sum(lengths)
    assert all(length % 2 == 0 for length in lengths)


def test_an_echo_response_has_its_elements_in_order(server: Server, raw_peer: Connect) -> None:
    peer = associated(raw_peer, server)
    response = response_to(peer, ECHO_CONTEXT, wire.c_echo_request(message_id=65535))
    assert list(response.elements) == STORE_RESPONSE[:-1]
    assert (response.context_id, response.command, response.message_id) == (3, wire.C_ECHO_RSP, 65535)
    assert response.status == 0


@pytest.mark.parametrize("sop_class", [wire.VERIFICATION, "1.2.3", wire.CT_IMAGE_STORAGE])
@pytest.mark.parametrize("context_id", [STORE_CONTEXT, ECHO_CONTEXT])
def test_an_echo_of_any_class_on_any_context_succeeds(
    server: Server, raw_peer: Connect, sop_class: str, context_id: int
) -> None:
    peer = associated(raw_peer, server)
    changes: Changes = {wire.AFFECTED_SOP_CLASS_UID: sop_class}
    response = response_to(peer, context_id, wire.c_echo_request(7, changes))
    assert (response.status, response.context_id) == (0, context_id)
    assert wire.uid(response.elements[wire.AFFECTED_SOP_CLASS_UID]) == sop_class


def request_for(image: StorableObject, changes: Changes | None = None) -> bytes:
    return wire.c_store_request(image.sop_class_uid, image.sop_instance_uid, 1, changes)


def with_raw_changes(image: StorableObject, kind: str) -> bytes:
    """Make a C-STORE-RQ with elements out of order, a wrong group length, or none."""
    elements: dict[int, int | str | bytes] = {
        wire.AFFECTED_SOP_INSTANCE_UID: image.sop_instance_uid,
        wire.COMMAND_DATA_SET_TYPE: wire.HAS_DATA_SET,
        wire.PRIORITY: 0,
        wire.MESSAGE_ID: 1,
        wire.COMMAND_FIELD: wire.C_STORE_RQ,
        wire.AFFECTED_SOP_CLASS_UID: image.sop_class_uid,
    }
    if kind == "order":
        return wire.command_set(elements)
    ordered = dict(sorted(elements.items()))
    if kind == "no group length":
        return wire.command_set(ordered)[12:]
    return wire.command_set(ordered, group_length=4)


@pytest.mark.parametrize("kind", ["order", "no group length", "wrong group length"])
def test_a_command_set_in_disorder_is_understood(server: Server, raw_peer: Connect, kind: str) -> None:
    image = ct_image(1000)
    peer = associated(raw_peer, server)
    assert response_to(peer, STORE_CONTEXT, with_raw_changes(image, kind), image.data_set).status == 0
    assert [data_set_bytes(content) for content in server.files().values()] == [image.data_set]


UNIMPORTANT: dict[str, Changes] = {
    "priority": {wire.PRIORITY: 77},
    "move originator": {0x1030: b"MOVER ", 0x1031: 5},
    "unknown elements": {0x5555: b"xy", 0x0001: b"abcd"},
    "data set type": {wire.COMMAND_DATA_SET_TYPE: 0x0102},
    "message id": {wire.MESSAGE_ID: 0},
}


@pytest.mark.parametrize("changes", UNIMPORTANT.values(), ids=UNIMPORTANT)
def test_what_does_not_matter_in_a_command_is_ignored(
    server: Server, raw_peer: Connect, changes: Changes
) -> None:
    image = ct_image(1000)
    response = response_to(
        associated(raw_peer, server), STORE_CONTEXT, request_for(image, changes), image.data_set
    )
    assert response.status == 0
    assert [data_set_bytes(content) for content in server.files().values()] == [image.data_set]


def test_uids_padded_with_a_space_are_those_without(server: Server, raw_peer: Connect) -> None:
    image = ct_image(1000)
    instance = image.sop_instance_uid.encode()
    command = wire.c_store_request(
        image.sop_class_uid.encode() + b" ", instance + b" " * (2 - len(instance) % 2)
    )
    response = response_to(associated(raw_peer, server), STORE_CONTEXT, command, image.data_set)
    assert response.status == 0
    assert wire.uid(response.elements[wire.AFFECTED_SOP_INSTANCE_UID]) == image.sop_instance_uid
    assert list(server.files()) == [f"CT.{image.sop_instance_uid}"]


def test_only_two_bits_of_a_message_control_header_count(server: Server, raw_peer: Connect) -> None:
    image = ct_image(1000)
    peer = associated(raw_peer, server)
    peer.send(wire.p_data(wire.pdv(STORE_CONTEXT, 0xF0 | WHOLE_COMMAND, request_for(image))))
    peer.send(wire.p_data(wire.pdv(STORE_CONTEXT, 0xF0 | wire.LAST, image.data_set)))
    assert peer.receive_response().status == 0


# Operations that are not served


@pytest.mark.parametrize("operation", [C_FIND_RQ, C_GET_RQ, C_MOVE_RQ, *N_OPERATIONS, 0x0777])
@pytest.mark.parametrize("with_data", [False, True], ids=["alone", "with data"])
def test_an_operation_that_is_not_served_fails_and_the_association_goes_on(
    ours: Server, raw_peer: Connect, operation: int, with_data: bool
) -> None:
    """storescp aborts."""
    peer = associated(raw_peer, ours)
    kind = wire.HAS_DATA_SET if with_data else wire.NO_DATA_SET
    elements: dict[int, int | str | bytes] = {
        0x0002: wire.CT_IMAGE_STORAGE,
        wire.COMMAND_FIELD: operation,
        wire.MESSAGE_ID: 9,
        wire.COMMAND_DATA_SET_TYPE: kind,
    }
    data = bytes(40_000) if with_data else None
    response = response_to(peer, STORE_CONTEXT, wire.command_set(elements), data)
    assert (response.status, response.command, response.message_id) == (UNRECOGNIZED, operation | 0x8000, 9)
    assert 0 < len(response.comment) <= 64
    assert peer.echo() == 0
    image = ct_image(1000)
    assert store(peer, image).status == 0
    assert_holds(ours, image)
    assert len(complaints(ours)) == 1


def test_a_cancel_is_ignored(ours: Server, raw_peer: Connect) -> None:
    """storescp aborts."""
    peer = associated(raw_peer, ours)
    cancel = {wire.COMMAND_FIELD: wire.C_CANCEL_RQ, 0x0120: 5, wire.COMMAND_DATA_SET_TYPE: wire.NO_DATA_SET}
    peer.send_command(STORE_CONTEXT, wire.command_set(cancel))
    response = response_to(peer, ECHO_CONTEXT, wire.c_echo_request(message_id=6))
    assert (response.command, response.message_id, response.status) == (wire.C_ECHO_RSP, 6, 0)
    assert complaints(ours) == []


def test_an_echo_with_a_data_set_is_answered_behind_it(ours: Server, raw_peer: Connect) -> None:
    """storescp aborts."""
    peer = associated(raw_peer, ours)
    changes: Changes = {wire.COMMAND_DATA_SET_TYPE: wire.HAS_DATA_SET}
    assert response_to(peer, ECHO_CONTEXT, wire.c_echo_request(1, changes), bytes(1000)).status == 0
    assert peer.echo() == 0


# Objects that are refused: status, and whether the data set was looked at


def refused(
    peer: RawPeer, server: Server, command: bytes, data: bytes | None, context_id: int = 1
) -> Response:
    """Send what is refused; fails unless nothing of it stays, and a good object is stored afterwards."""
    response = response_to(peer, context_id, command, data)
    assert_holds(server)
    assert 0 < len(response.comment) <= 64
    assert len(complaints(server)) == 1
    good = ct_image(1000)
    assert store(peer, good, message_id=2).status == 0
    assert_holds(server, good)
    return response


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({wire.AFFECTED_SOP_CLASS_UID: None}, MISSING),
        ({wire.AFFECTED_SOP_INSTANCE_UID: None}, MISSING),
        ({wire.AFFECTED_SOP_INSTANCE_UID: b""}, INVALID),
        ({wire.AFFECTED_SOP_INSTANCE_UID: b"  "}, INVALID),
        ({wire.AFFECTED_SOP_INSTANCE_UID: "1." + "2" * 63}, INVALID),
        ({wire.AFFECTED_SOP_CLASS_UID: "1." + "2" * 63}, INVALID),
    ],
)
@pytest.mark.parametrize("size", [500, 300_000])
def test_a_store_request_that_lacks_its_uids_is_refused(
    ours: Server, raw_peer: Connect, changes: Changes, status: int, size: int
) -> None:
    """storescp aborts."""
    image = ct_image(size)
    response = refused(associated(raw_peer, ours), ours, request_for(image, changes), image.data_set)
    assert response.status == status


@pytest.mark.parametrize("element", [wire.COMMAND_FIELD, wire.MESSAGE_ID, wire.COMMAND_DATA_SET_TYPE])
def test_a_command_that_cannot_be_answered_is_aborted(
    server: Server, raw_peer: Connect, element: int
) -> None:
    image = ct_image(1000)
    peer = associated(raw_peer, server)
    peer.send_command(STORE_CONTEXT, request_for(image, {element: None}))
    assert peer.receive() == (wire.ABORT, bytes(4))
    peer.close()
    server.wait_for(lambda: server.files() == {})
    assert_quiet_end(server, lines=1)


@pytest.mark.parametrize("size", [500, 300_000])
def test_an_object_on_the_context_of_another_class_is_refused(
    ours: Server, raw_peer: Connect, size: int
) -> None:
    """storescp stores it."""
    image = ct_image(size, transfer_syntax=wire.IMPLICIT_LITTLE)
    peer = associated(raw_peer, ours)
    response = refused(peer, ours, request_for(image), image.data_set, context_id=ECHO_CONTEXT)
    assert response.status == NOT_THE_CONTEXTS


@pytest.mark.parametrize("size", [500, 300_000])
def test_a_data_set_of_another_instance_is_refused(ours: Server, raw_peer: Connect, size: int) -> None:
    command = wire.c_store_request(wire.CT_IMAGE_STORAGE, new_uid())
    response = refused(associated(raw_peer, ours), ours, command, ct_image(size).data_set)
    assert response.status == MISMATCH


@pytest.mark.parametrize("size", [500, 300_000])
def test_a_data_set_of_another_class_is_refused(ours: Server, raw_peer: Connect, size: int) -> None:
    image = ct_image(size)
    data = image.data_set.replace(b"5.1.4.1.1.2\0", b"5.1.4.1.1.4\0", 1)
    assert refused(associated(raw_peer, ours), ours, request_for(image), data).status == MISMATCH


GARBAGE = {
    "ones": b"\xff" * 1000,
    "zeros": bytes(1000),
    "text": b"this is not a data set at all. " * 20,
    "one byte": b"\x08",
    "two bytes": b"\x08\x00",
    "half a header": b"\x08\x00\x16\x00UI",
    "nothing": b"",
    "a large one": b"\xff" * 300_000,
}


@pytest.mark.parametrize("data", GARBAGE.values(), ids=GARBAGE)
def test_a_data_set_that_is_none_is_refused(ours: Server, raw_peer: Connect, data: bytes) -> None:
    """storescp aborts most of them."""
    response = refused(associated(raw_peer, ours), ours, request_for(ct_image()), data)
    assert response.status == CANNOT_UNDERSTAND


def test_a_store_request_that_announces_no_data_set_is_refused(ours: Server, raw_peer: Connect) -> None:
    """storescp aborts."""
    command = request_for(ct_image(), {wire.COMMAND_DATA_SET_TYPE: wire.NO_DATA_SET})
    assert refused(associated(raw_peer, ours), ours, command, None).status == CANNOT_UNDERSTAND


@pytest.mark.parametrize("data", [GARBAGE["ones"], GARBAGE["one byte"], GARBAGE["a large one"]], ids=len)
@pytest.mark.parametrize("program", ["scpd", "storescp"])
def test_bit_preserving_mode_stores_whatever_comes(
    request: pytest.FixtureRequest, raw_peer: Connect, program: str, data: bytes
) -> None:
    if program == "storescp" and len(data) % 2:
        pytest.skip("storescp aborts fragments of odd length")
    server = request.getfixturevalue(program)("--fork", "+B")
    image = ct_image()
    peer = associated(raw_peer, server)
    assert response_to(peer, STORE_CONTEXT, request_for(image), data).status == 0
    assert [data_set_bytes(content) for content in server.files().values()] == [data]


# Fragments and contexts that do not fit


def test_fragments_of_odd_length_make_the_object(ours: Server, raw_peer: Connect) -> None:
    """storescp aborts."""
    image = ct_image(20_000)
    peer = associated(raw_peer, ours)
    command = request_for(image)
    peer.send_command(STORE_CONTEXT, command, fragments=[1, 3, 5, 7])
    peer.send_data(STORE_CONTEXT, image.data_set, fragments=[1, 101, 3, 16377, 0, 1])
    assert peer.receive_response().status == 0
    assert_holds(ours, image)


def test_empty_fragments_change_nothing(server: Server, raw_peer: Connect) -> None:
    image = ct_image(2000)
    peer = associated(raw_peer, server)
    peer.send_command(STORE_CONTEXT, request_for(image), fragments=[0, 12, 0, 30])
    for _ in range(50):
        peer.send(wire.p_data(wire.pdv(STORE_CONTEXT, wire.DATA, b"")))
    peer.send_data(STORE_CONTEXT, image.data_set, is_last=False)
    peer.send(wire.p_data(wire.pdv(STORE_CONTEXT, wire.LAST, b"")))
    assert peer.receive_response().status == 0
    assert [data_set_bytes(content) for content in server.files().values()] == [image.data_set]


def data_pdu(context_id: int, data: bytes, control: int = wire.LAST) -> bytes:
    return wire.p_data(wire.pdv(context_id, control, data))


def command_pdu(context_id: int, command: bytes, control: int = WHOLE_COMMAND) -> bytes:
    return wire.p_data(wire.pdv(context_id, control, command))


IMAGE = ct_image(1000)
COMMAND = request_for(IMAGE)
OUT_OF_TURN = {
    "a data set without a command": [data_pdu(1, IMAGE.data_set)],
    "a command within a data set": [
        command_pdu(1, COMMAND),
        data_pdu(1, IMAGE.data_set[:100], wire.DATA),
        command_pdu(1, COMMAND),
    ],
    "a data set that changes its context": [
        command_pdu(1, COMMAND),
        data_pdu(1, IMAGE.data_set[:100], wire.DATA),
        data_pdu(3, IMAGE.data_set[100:]),
    ],
    "a data set on another context": [command_pdu(1, COMMAND), data_pdu(3, IMAGE.data_set)],
    "a data set on an unknown context": [command_pdu(1, COMMAND), data_pdu(99, IMAGE.data_set)],
    "a command on an unknown context": [command_pdu(99, COMMAND)],
    "a command on a refused context": [command_pdu(5, COMMAND)],
    "a response": [command_pdu(1, request_for(IMAGE, {wire.COMMAND_FIELD: wire.C_STORE_RSP}))],
    "a command with a stray byte": [command_pdu(1, COMMAND + b"\0")],
    "a command with an element too long": [command_pdu(1, COMMAND[:-4])],
}


@pytest.mark.parametrize("messages", OUT_OF_TURN.values(), ids=OUT_OF_TURN)
def test_what_makes_no_message_is_aborted_by_the_service_user(
    server: Server, raw_peer: Connect, messages: list[bytes]
) -> None:
    proposed = [*CONTEXTS, (5, "1.2.3", [wire.EXPLICIT_LITTLE])]
    peer = associated(raw_peer, server, proposed)
    assert first_answer(peer, *messages) == (wire.ABORT, bytes(4))
    peer.close()
    server.wait_for(lambda: server.files() == {})
    assert_quiet_end(server, lines=1)
    assert temporaries(server) == []


def test_a_command_without_end_is_aborted(ours: Server, raw_peer: Connect) -> None:
    peer = associated(raw_peer, ours)
    fragment = command_pdu(STORE_CONTEXT, bytes(16_000), wire.COMMAND)
    assert first_answer(peer, *[fragment] * 5) == (wire.ABORT, bytes(4))
    peer.close()
    assert_quiet_end(ours, lines=1)


# Slow and hasty peers


def test_a_session_that_arrives_byte_by_byte_is_a_session(server: Server, raw_peer: Connect) -> None:
    image = ct_image(500)
    peer = raw_peer(server)
    session = wire.associate_request(CONTEXTS) + command_pdu(STORE_CONTEXT, request_for(image))
    peer.send(session + data_pdu(STORE_CONTEXT, image.data_set) + wire.release_request(), chunk=1)
    received = [pdu.type for pdu in (peer.receive(), peer.receive(), peer.receive()) if pdu]
    assert received == [wire.ASSOCIATE_AC, wire.P_DATA_TF, wire.RELEASE_RP]
    assert [data_set_bytes(content) for content in server.files().values()] == [image.data_set]


def test_a_session_that_arrives_at_once_is_a_session(server: Server, raw_peer: Connect) -> None:
    """Even the request for release is there before the acceptance was sent."""
    images = [ct_image(500), ct_image(20_000), ct_image(500)]
    session = wire.associate_request(CONTEXTS)
    for image in images:
        session += command_pdu(STORE_CONTEXT, request_for(image))
        halves = image.data_set[:10_000], image.data_set[10_000:]
        session += data_pdu(STORE_CONTEXT, halves[0], wire.DATA) + data_pdu(STORE_CONTEXT, halves[1])
        session += command_pdu(ECHO_CONTEXT, wire.c_echo_request())
    peer = raw_peer(server)
    peer.send(session + wire.release_request())
    kinds = [peer.receive() for _ in range(8)]
    assert [pdu.type for pdu in kinds if pdu] == [wire.ASSOCIATE_AC, *[wire.P_DATA_TF] * 6, wire.RELEASE_RP]
    assert sorted(data_set_bytes(content) for content in server.files().values()) == sorted(
        image.data_set for image in images
    )


def test_a_peer_that_says_all_and_closes_its_half_is_answered(ours: Server, raw_peer: Connect) -> None:
    image = ct_image(1000)
    peer = raw_peer(ours)
    peer.send(wire.associate_request(CONTEXTS) + command_pdu(STORE_CONTEXT, request_for(image)))
    peer.send(data_pdu(STORE_CONTEXT, image.data_set) + wire.release_request())
    peer.half_close()
    kinds = [pdu.type for pdu in peer.receive_until_closed()]
    assert kinds == [wire.ASSOCIATE_AC, wire.P_DATA_TF, wire.RELEASE_RP]
    assert_holds(ours, image)


# Clocks

PROVIDER_ABORT = (wire.ABORT, bytes([0, 0, 2, 0]))


def test_an_idle_association_is_aborted(scpd: ServerFactory, raw_peer: Connect) -> None:
    """storescp closes without a PDU."""
    server = scpd("--fork", "-ts", "1")
    peer = associated(raw_peer, server)
    assert peer.receive() == PROVIDER_ABORT
    assert peer.receive() is None
    peer.close()
    assert_quiet_end(server, lines=1)


@pytest.mark.parametrize("cut", [3, 12, 500], ids=["header", "PDV header", "fragment"])
@pytest.mark.parametrize("is_storing", [False, True], ids=["command", "data set"])
def test_a_pdu_that_stalls_is_aborted(
    scpd: ServerFactory, raw_peer: Connect, cut: int, is_storing: bool
) -> None:
    server = scpd("--fork", "-ts", "1")
    peer = associated(raw_peer, server)
    if is_storing:
        send_half(peer, ct_image(400_000))
        peer.send(data_pdu(STORE_CONTEXT, bytes(1000))[:cut])
    else:
        peer.send(command_pdu(STORE_CONTEXT, bytes(1000))[:cut])
    assert peer.receive() == PROVIDER_ABORT
    peer.close()
    assert_quiet_end(server, lines=1)
    assert_holds(server)


@pytest.mark.parametrize(
    "keep_alive", [b"", data_pdu(STORE_CONTEXT, b"", wire.DATA)[:1]], ids=["silent", "dripping"]
)
def test_a_data_set_without_a_further_fragment_is_aborted(
    scpd: ServerFactory, raw_peer: Connect, keep_alive: bytes
) -> None:
    """Whoever drips the bytes of a fragment makes none of it."""
    server = scpd("--fork", "-td", "1", "-ts", "60")
    peer = associated(raw_peer, server)
    send_half(peer, ct_image(400_000))
    peer.send(data_pdu(STORE_CONTEXT, bytes(1000), wire.DATA)[:20])
    answer = None
    while answer is None:
        try:
            answer = peer.receive(timeout=0.1 if keep_alive else 30)
        except TimeoutError:
            peer.send(bytes(1))
    assert answer == PROVIDER_ABORT
    peer.close()
    assert_quiet_end(server, lines=1)
    assert_holds(server)


def test_a_fragment_now_and_then_keeps_a_data_set_alive(scpd: ServerFactory, raw_peer: Connect) -> None:
    server = scpd("--fork", "-td", "2", "-ts", "60")
    peer, image = associated(raw_peer, server), ct_image(8000)
    announce(peer, image)
    for position in range(0, len(image.data_set), 2000):
        with pytest.raises(TimeoutError):
            peer.receive(timeout=0.5)
        is_last = position + 2000 >= len(image.data_set)
        peer.send_data(STORE_CONTEXT, image.data_set[position : position + 2000], is_last=is_last)
    peer.socket.settimeout(30)
    assert peer.receive_response().status == 0
    assert_holds(server, image)


def test_waiting_between_objects_is_not_limited_by_the_dimse_timeout(
    scpd: ServerFactory, raw_peer: Connect
) -> None:
    server = scpd("--fork", "-td", "1")
    peer = associated(raw_peer, server)
    with pytest.raises(TimeoutError):
        peer.receive(timeout=1.5)
    peer.socket.settimeout(30)
    assert store(peer, ct_image(1000)).status == 0


def test_a_peer_that_takes_no_answers_is_given_up(scpd: ServerFactory, raw_peer: Connect) -> None:
    server = scpd("--fork", "-ts", "1")
    peer = associated(raw_peer, server)
    peer.socket.settimeout(0.5)
    with pytest.raises(TimeoutError):
        send_many_echoes(peer)
    server.wait_for(lambda: not serving(server), timeout=20, what="the end of the worker")
    assert len(complaints(server)) == 1
    peer.reset()
    assert_serves(server, raw_peer)


def send_many_echoes(peer: RawPeer) -> None:
    """Send more than any buffers on the way take, and read nothing."""
    echoes = command_pdu(ECHO_CONTEXT, wire.c_echo_request()) * 1000
    for _ in range(2000):
        peer.send(echoes)


def test_a_silent_connection_is_closed_without_a_complaint(scpd: ServerFactory, raw_peer: Connect) -> None:
    server = scpd("--fork", "-ta", "1")
    assert raw_peer(server).receive() is None
    assert complaints(server) == []
    assert_serves(server, raw_peer)
