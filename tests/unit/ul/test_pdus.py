"""The association PDUs: against pynetdicom's, and with captured, odd, broken and hostile requests."""

from __future__ import annotations

import struct
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pynetdicom import pdu as theirs
from pynetdicom import pdu_items, pdu_primitives
from pynetdicom.presentation import PresentationContext

from scpd.errors import Abort
from scpd.ul import items, pdus
from scpd.ul.items import (
    CommonExtendedNegotiation,
    ProposedContext,
    RoleSelection,
    UserIdentity,
    UserInformation,
)
from scpd.ul.pdus import AssociateRequest

CASES = Path(__file__).parents[2] / "cases" / "associate_requests"
VERIFICATION = "1.2.840.10008.1.1"
CT = "1.2.840.10008.5.1.4.1.1.2"
IMPLICIT = "1.2.840.10008.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
BIG_ENDIAN = "1.2.840.10008.1.2.2"
DEFLATED = "1.2.840.10008.1.2.1.99"
AMBULATORY_ECG = "1.2.840.10008.5.1.4.1.1.9.1.3"
WORKLIST = "1.2.840.10008.5.1.4.31"
STUDY_GET = "1.2.840.10008.5.1.4.1.2.2.3"
DCMTK = ("1.2.276.0.7230010.3.0.3.6.7", "OFFIS_DCMTK_367")
GDCM = ("1.2.826.0.1.3680043.2.1143.107.104.103.115.3.0.21", "GDCM 3.0.21")
PYNETDICOM = ("1.2.826.0.1.3680043.9.3811.3.0.4", "PYNETDICOM_304")


def item(kind: int, value: bytes) -> bytes:
    return struct.pack(">BBH", kind, 0, len(value)) + value


def body(
    *variable_items: bytes, version: int = 1, called: bytes = b"ARCHIVE", calling: bytes = b"CT_1"
) -> bytes:
    fixed = struct.pack(">HH16s16s32s", version, 0, called.ljust(16), calling.ljust(16), b"")
    return fixed + b"".join(variable_items)


def context(context_id: int, *sub_items: bytes) -> bytes:
    return item(0x20, bytes((context_id, 0, 0, 0)) + b"".join(sub_items))


APPLICATION_CONTEXT = item(0x10, b"1.2.840.10008.3.1.1.1")
SYNTAXES = item(0x30, VERIFICATION.encode()) + item(0x40, IMPLICIT.encode())
CONTEXT = item(0x20, b"\1\0\0\0" + SYNTAXES)
MAXIMUM_LENGTH = item(0x51, b"\0\0\x40\0")
USER = item(0x50, MAXIMUM_LENGTH + item(0x52, b"1.2.3"))
PLAIN = body(APPLICATION_CONTEXT, CONTEXT, USER)


def plain_request(**fields: object) -> AssociateRequest:
    expected: dict = {
        "protocol_version": 1,
        "called_ae_title": b"ARCHIVE",
        "calling_ae_title": b"CT_1",
        "application_context_name": pdus.APPLICATION_CONTEXT_NAME,
        "contexts": (ProposedContext(1, VERIFICATION, (IMPLICIT,)),),
        "user": UserInformation(max_length=16384, implementation_class_uid="1.2.3"),
    }
    return AssociateRequest(**expected | fields)


def decode(request_body: bytes) -> AssociateRequest:
    return pdus.decode_associate_request(memoryview(request_body))


def user_of(item_of_theirs: pdu_items.UserInformationItem) -> UserInformation:
    """Say in our words what pynetdicom has decoded."""
    found: dict = {}
    for sub_item in item_of_theirs.user_data:
        found.setdefault(sub_item.item_type, []).append(sub_item)
    get = found.get
    user = UserInformation(
        roles=tuple(RoleSelection(str(r.uid), r.scu_role, r.scp_role) for r in get(0x54, ())),
        extended=tuple((str(e.uid), e.app_info) for e in get(0x56, ())),
        common_extended=tuple(
            CommonExtendedNegotiation(
                str(c.sop_class_uid),
                str(c.service_class_uid),
                tuple(map(str, c.related_general_sop_class_identification)),
            )
            for c in get(0x57, ())
        ),
    )
    for sub_item in get(0x51, ()):
        user.max_length = sub_item.maximum_length_received
    for sub_item in get(0x52, ()):
        user.implementation_class_uid = str(sub_item.implementation_class_uid)
    for sub_item in get(0x53, ()):
        user.async_operations = (sub_item.max_operations_invoked, sub_item.max_operations_performed)
    for sub_item in get(0x55, ()):
        user.implementation_version_name = sub_item.implementation_version_name
    for sub_item in get(0x58, ()):
        user.user_identity = UserIdentity(
            sub_item.id_type, bool(sub_item.response_requested), sub_item.primary, sub_item.secondary or b""
        )
    for sub_item in get(0x59, ()):
        user.identity_response = sub_item.response
    return user


def request_of(raw: bytes) -> AssociateRequest:
    """Decode a whole A-ASSOCIATE-RQ with pynetdicom."""
    pdu = theirs.A_ASSOCIATE_RQ()
    pdu.decode(raw)
    return AssociateRequest(
        protocol_version=pdu.protocol_version,
        called_ae_title=pdu.called_ae_title.encode(),
        calling_ae_title=pdu.calling_ae_title.encode(),
        application_context_name=str(pdu.application_context_name),
        contexts=tuple(
            ProposedContext(c.context_id, str(c.abstract_syntax), tuple(map(str, c.transfer_syntax)))
            for c in pdu.presentation_context
        ),
        user=user_of(pdu.user_information),
    )


def user_primitives(user: UserInformation) -> list:
    """Say in pynetdicom's words what a requestor tells of itself."""
    maximum = pdu_primitives.MaximumLengthNotification()
    maximum.maximum_length_received = user.max_length
    implementation = pdu_primitives.ImplementationClassUIDNotification()
    implementation.implementation_class_uid = user.implementation_class_uid
    said = [maximum, implementation]
    if user.implementation_version_name:
        version = pdu_primitives.ImplementationVersionNameNotification()
        version.implementation_version_name = user.implementation_version_name
        said.append(version)
    if user.async_operations:
        operations = pdu_primitives.AsynchronousOperationsWindowNegotiation()
        operations.maximum_number_operations_invoked = user.async_operations[0]
        operations.maximum_number_operations_performed = user.async_operations[1]
        said.append(operations)
    for role in user.roles:
        selection = pdu_primitives.SCP_SCU_RoleSelectionNegotiation()
        selection.sop_class_uid = role.sop_class_uid
        selection.scu_role, selection.scp_role = bool(role.scu_role), bool(role.scp_role)
        said.append(selection)
    for uid, data in user.extended:
        negotiation = pdu_primitives.SOPClassExtendedNegotiation()
        negotiation.sop_class_uid = uid
        negotiation.service_class_application_information = data
        said.append(negotiation)
    for common in user.common_extended:
        negotiation = pdu_primitives.SOPClassCommonExtendedNegotiation()
        negotiation.sop_class_uid = common.sop_class_uid
        negotiation.service_class_uid = common.service_class_uid
        negotiation.related_general_sop_class_identification = list(common.related_sop_class_uids)
        said.append(negotiation)
    if user.user_identity:
        identity = pdu_primitives.UserIdentityNegotiation()
        identity.user_identity_type = user.user_identity.kind
        identity.positive_response_requested = user.user_identity.response_requested
        identity.primary_field = user.user_identity.primary
        identity.secondary_field = user.user_identity.secondary
        said.append(identity)
    return said


def written_by_pynetdicom(request: AssociateRequest) -> bytes:
    primitive = pdu_primitives.A_ASSOCIATE()
    primitive.application_context_name = request.application_context_name
    primitive.called_ae_title = request.called_ae_title.decode()
    primitive.calling_ae_title = request.calling_ae_title.decode()
    contexts = []
    for proposed in request.contexts:
        context = PresentationContext()
        context.context_id = proposed.context_id
        context.abstract_syntax = proposed.abstract_syntax
        context.transfer_syntax = list(proposed.transfer_syntaxes)
        contexts.append(context)
    primitive.presentation_context_definition_list = contexts
    primitive.user_information = user_primitives(request.user)
    return theirs.A_ASSOCIATE_RQ(primitive).encode()


uids = st.integers(0, 10**59 - 1).map("2.25.{}".format) | st.sampled_from((VERIFICATION, CT, IMPLICIT, "1.2"))
graphic = st.characters(codec="ascii", categories=("L", "N", "P", "S", "Zs"), exclude_characters="\\")
titles = st.text(graphic, min_size=1, max_size=16).map(str.strip).filter(len)
roles = st.builds(RoleSelection, uids, st.integers(0, 1), st.integers(0, 1)).filter(
    lambda role: role.scu_role or role.scp_role
)
identities = st.one_of(
    st.builds(UserIdentity, st.sampled_from((1, 3, 4, 5)), st.booleans(), st.binary(min_size=1, max_size=99)),
    st.builds(
        UserIdentity,
        st.just(2),
        st.booleans(),
        st.binary(min_size=1, max_size=20),
        st.binary(min_size=1, max_size=20),
    ),
)


def several(elements: st.SearchStrategy, most: int, least: int = 0) -> st.SearchStrategy:
    return st.lists(elements, min_size=least, max_size=most).map(tuple)


users = st.builds(
    UserInformation,
    max_length=st.integers(0, 2**32 - 1),
    implementation_class_uid=uids,
    implementation_version_name=st.just("") | titles,
    async_operations=st.none() | st.tuples(st.integers(0, 65535), st.integers(0, 65535)),
    roles=st.lists(roles, max_size=3, unique_by=lambda role: role.sop_class_uid).map(tuple),
    extended=several(st.tuples(uids, st.binary(min_size=1, max_size=20)), 3),
    common_extended=several(st.builds(CommonExtendedNegotiation, uids, uids, several(uids, 3)), 2),
    user_identity=st.none() | identities,
)
contexts = st.lists(
    st.builds(
        ProposedContext,
        st.integers(0, 127).map(lambda number: 2 * number + 1),
        uids,
        st.lists(uids, min_size=1, max_size=4, unique=True).map(tuple),
    ),
    min_size=1,
    max_size=8,
    unique_by=lambda context: context.context_id,
).map(tuple)
requests = st.builds(
    AssociateRequest,
    protocol_version=st.just(1),
    called_ae_title=titles.map(str.encode),
    calling_ae_title=titles.map(str.encode),
    application_context_name=st.just(pdus.APPLICATION_CONTEXT_NAME),
    contexts=contexts,
    user=users,
)


@given(requests)
def test_any_request_that_we_write_is_read_by_pynetdicom_as_meant(request):
    raw = pdus.encode_associate_request(request)
    assert request_of(raw) == request
    pdu = theirs.A_ASSOCIATE_RQ()
    pdu.decode(raw)
    assert pdu.encode() == raw


@given(requests)
def test_any_request_that_pynetdicom_writes_is_read_by_us_as_meant(request):
    raw = written_by_pynetdicom(request)
    assert raw[0] == pdus.ASSOCIATE_RQ
    assert decode(raw[6:]) == request


@given(requests)
def test_any_request_survives_the_way_through_bytes(request):
    assert decode(pdus.encode_associate_request(request)[6:]) == request


answers = several(st.tuples(st.integers(0, 255), st.integers(0, 4), uids), 8)


@given(titles, titles, answers, users, st.none() | st.binary(max_size=9))
def test_any_accept_is_read_by_pynetdicom_as_meant(called, calling, contexts, user, response):
    user.user_identity, user.identity_response = None, response
    raw = pdus.encode_associate_accept(called.encode(), calling.encode(), list(contexts), user)
    pdu = theirs.A_ASSOCIATE_AC()
    pdu.decode(raw)
    assert pdu.protocol_version == 1
    assert (pdu.called_ae_title, pdu.calling_ae_title) == (called, calling)
    assert pdu.application_context_name == pdus.APPLICATION_CONTEXT_NAME
    assert [(c.context_id, c.result, c.transfer_syntax) for c in pdu.presentation_context] == list(contexts)
    assert user_of(pdu.user_information) == user
    assert pdu.encode() == raw
    assert pdus.decode_associate_accept(memoryview(raw)[6:]) == (contexts, user)


def test_what_a_request_does_not_name_is_left_out_of_its_bytes():
    nameless = body(context(1, item(0x40, IMPLICIT.encode())), item(0x50, MAXIMUM_LENGTH))
    assert pdus.encode_associate_request(decode(nameless))[6:] == nameless


def test_an_accept_has_these_bytes():
    user = UserInformation(
        max_length=16384, implementation_class_uid="1.2.3", implementation_version_name="V"
    )
    raw = pdus.encode_associate_accept(b" A B", b"", [(3, 0, EXPLICIT), (1, 4, IMPLICIT), (3, 3, "")], user)
    expected = (
        b"\0\1\0\0 A B"
        + b" " * 28
        + bytes(32)
        + APPLICATION_CONTEXT
        + item(0x21, b"\3\0\0\0" + item(0x40, EXPLICIT.encode()))
        + item(0x21, b"\1\0\4\0" + item(0x40, IMPLICIT.encode()))
        + item(0x21, b"\3\0\3\0" + item(0x40, b""))
        + item(0x50, MAXIMUM_LENGTH + item(0x52, b"1.2.3") + item(0x55, b"V"))
    )
    assert raw == b"\2\0" + struct.pack(">I", len(expected)) + expected


@given(
    st.sampled_from((1, 2)), st.sampled_from(((1, 1), (1, 2), (1, 3), (1, 7), (2, 1), (2, 2), (3, 1), (3, 2)))
)
def test_any_reject_is_pynetdicoms_byte_for_byte(result, source_and_reason):
    pdu = theirs.A_ASSOCIATE_RJ()
    pdu.result = result
    pdu.source, pdu.reason_diagnostic = source_and_reason
    assert pdus.encode_associate_reject(result, *source_and_reason) == pdu.encode()


def test_release_pdus_are_pynetdicoms_byte_for_byte():
    assert pdus.encode_release_request() == theirs.A_RELEASE_RQ().encode()
    assert pdus.encode_release_reply() == theirs.A_RELEASE_RP().encode()


@pytest.mark.parametrize("source", [0, 2])
@pytest.mark.parametrize("reason", [0, 1, 2, 4, 5, 6])
def test_aborts_are_pynetdicoms_byte_for_byte(source, reason):
    pdu = theirs.A_ABORT_RQ()
    pdu.source, pdu.reason_diagnostic = source, reason
    raw = pdus.encode_abort(source, reason)
    assert raw == pdu.encode()
    assert pdus.decode_abort(memoryview(raw)[6:]) == (source, reason)


@pytest.mark.parametrize(
    ("abort_body", "source_and_reason"),
    [(b"", (0, 0)), (b"\0\0\2", (0, 0)), (b"\xff\xff\2\6", (2, 6)), (b"\0\0\2\6more", (2, 6))],
)
def test_an_abort_of_any_length_is_understood(abort_body, source_and_reason):
    assert pdus.decode_abort(memoryview(abort_body)) == source_and_reason


@pytest.mark.parametrize("control", range(4))
@pytest.mark.parametrize("fragment", [b"", b"\0\0", b"odd", bytes(70000)])
def test_a_p_data_with_one_pdv_is_pynetdicoms_byte_for_byte(control, fragment):
    pdv = pdu_items.PresentationDataValueItem()
    pdv.presentation_context_id = 253
    pdv.presentation_data_value = bytes((control,)) + fragment
    pdu = theirs.P_DATA_TF()
    pdu.presentation_data_value_items = [pdv]
    assert pdus.encode_p_data(253, control, fragment) == pdu.encode()


def test_pdu_types_are_those_of_the_standard():
    opening = (pdus.ASSOCIATE_RQ, pdus.ASSOCIATE_AC, pdus.ASSOCIATE_RJ)
    assert (*opening, pdus.P_DATA_TF, pdus.RELEASE_RQ, pdus.RELEASE_RP, pdus.ABORT) == (1, 2, 3, 4, 5, 6, 7)


def captured(name: str) -> bytes:
    lines = (CASES / f"{name}.hex").read_text().splitlines()
    return bytes.fromhex("".join(line for line in lines if not line.startswith("#")))


# Of each file: calling and called title, number of contexts, the first one, maximum length, implementation.
REAL_REQUESTS = {
    "echoscu": (b"CT_1", b"ARCHIVE", 1, VERIFICATION, [IMPLICIT], 131072, DCMTK),
    "echoscu_many_contexts": (
        *(b"ECHOSCU", b"ANY-SCP", 5),
        *(VERIFICATION, [IMPLICIT, EXPLICIT, BIG_ENDIAN], 16384, DCMTK),
    ),
    "storescu": (b"STORESCU", b"ANY-SCP", 128, AMBULATORY_ECG, [EXPLICIT], 16384, DCMTK),
    "storescu_required": (b"MR_2", b"STORE", 2, CT, [EXPLICIT], 16384, DCMTK),
    "storescu_user": (b"STORESCU", b"ANY-SCP", 2, CT, [EXPLICIT], 16384, DCMTK),
    "storescu_jwt": (b"STORESCU", b"ANY-SCP", 2, CT, [EXPLICIT], 16384, DCMTK),
    "dcmsend_titles": (b"MODALITY", b"PACS", 1, CT, [EXPLICIT, BIG_ENDIAN, IMPLICIT], 16384, DCMTK),
    "findscu": (b"FINDSCU", b"ANY-SCP", 1, WORKLIST, [EXPLICIT, BIG_ENDIAN, IMPLICIT], 16384, DCMTK),
    "getscu": (b"GETSCU", b"ANY-SCP", 121, STUDY_GET, [EXPLICIT, BIG_ENDIAN, IMPLICIT], 16384, DCMTK),
    "gdcmscu_echo": (b"GDCMSCU", b"ANY-SCP", 1, VERIFICATION, [IMPLICIT], 16384, GDCM),
    "gdcmscu_store": (b"GDCM", b"ARCHIVE", 1, CT, [EXPLICIT], 16384, GDCM),
    "pynetdicom_echo": (
        *(b"ECHOSCU", b"ANY-SCP", 1),
        *(VERIFICATION, [EXPLICIT, IMPLICIT, DEFLATED, BIG_ENDIAN], 16382, PYNETDICOM),
    ),
    "pynetdicom_store": (b"STORESCU", b"ANY-SCP", 1, CT, [EXPLICIT], 16382, PYNETDICOM),
}


@pytest.mark.parametrize(("name", "expected"), REAL_REQUESTS.items(), ids=REAL_REQUESTS)
def test_requests_of_real_clients_are_understood(name, expected):
    request = decode(captured(name)[6:])
    first, user = request.contexts[0], request.user
    assert (request.protocol_version, request.application_context_name) == (1, pdus.APPLICATION_CONTEXT_NAME)
    assert [context.context_id for context in request.contexts] == list(range(1, 2 * expected[2], 2))
    assert expected == (
        request.calling_ae_title,
        request.called_ae_title,
        len(request.contexts),
        first.abstract_syntax,
        list(first.transfer_syntaxes),
        user.max_length,
        (user.implementation_class_uid, user.implementation_version_name),
    )


def test_every_captured_request_is_in_the_table():
    assert sorted(path.stem for path in CASES.iterdir()) == sorted(REAL_REQUESTS)


@pytest.mark.parametrize("name", REAL_REQUESTS)
def test_requests_of_real_clients_mean_to_us_what_they_mean_to_pynetdicom(name):
    raw = captured(name)
    assert decode(raw[6:]) == request_of(raw)
    assert decode(pdus.encode_associate_request(decode(raw[6:]))[6:]) == request_of(raw)


def test_user_identities_and_roles_of_real_clients_are_understood():
    assert decode(captured("storescu_user")[6:]).user.user_identity == UserIdentity(
        2, True, b"anna", b"secret"
    )
    token = decode(captured("storescu_jwt")[6:]).user.user_identity
    assert token == UserIdentity(5, False, b"eyJhbGciOiJub25lIn0.e30.")
    get = decode(captured("getscu")[6:])
    assert get.user.roles == tuple(RoleSelection(c.abstract_syntax, 0, 1) for c in get.contexts[1:])


@pytest.mark.parametrize(
    ("request_body", "fields"),
    [
        pytest.param(PLAIN, {}, id="nothing odd"),
        pytest.param(body(USER, CONTEXT, APPLICATION_CONTEXT), {}, id="items in another order"),
        pytest.param(
            body(APPLICATION_CONTEXT, context(0, SYNTAXES), context(2, SYNTAXES), context(0, SYNTAXES), USER),
            {"contexts": tuple(ProposedContext(n, VERIFICATION, (IMPLICIT,)) for n in (0, 2, 0))},
            id="even and duplicate context IDs",
        ),
        pytest.param(body(APPLICATION_CONTEXT, USER), {"contexts": ()}, id="no contexts"),
        pytest.param(
            body(APPLICATION_CONTEXT, context(1, item(0x30, VERIFICATION.encode())), USER),
            {"contexts": (ProposedContext(1, VERIFICATION, ()),)},
            id="no transfer syntax",
        ),
        pytest.param(
            body(APPLICATION_CONTEXT, context(1, item(0x40, IMPLICIT.encode())), USER),
            {"contexts": (ProposedContext(1, "", (IMPLICIT,)),)},
            id="no abstract syntax",
        ),
        pytest.param(
            body(
                APPLICATION_CONTEXT,
                context(1, item(0x30, b"1.2"), *[item(0x40, IMPLICIT.encode())] * 900),
                USER,
            ),
            {"contexts": (ProposedContext(1, "1.2", (IMPLICIT,) * 900),)},
            id="900 transfer syntaxes",
        ),
        pytest.param(
            body(APPLICATION_CONTEXT, *(context(n, SYNTAXES) for n in range(1, 256, 2)), USER),
            {"contexts": tuple(ProposedContext(n, VERIFICATION, (IMPLICIT,)) for n in range(1, 256, 2))},
            id="128 contexts",
        ),
        pytest.param(
            body(APPLICATION_CONTEXT, item(0x99, b"?"), CONTEXT, item(0, b""), USER, bytes(4)),
            {},
            id="unknown items",
        ),
        pytest.param(
            body(APPLICATION_CONTEXT, CONTEXT, item(0x50, item(0x7F, b"??") + USER[4:])),
            {},
            id="unknown user information",
        ),
        pytest.param(body(CONTEXT, USER), {"application_context_name": ""}, id="no application context"),
        pytest.param(
            body(APPLICATION_CONTEXT, CONTEXT, USER, item(0x10, b"1.2.3")),
            {"application_context_name": "1.2.3"},
            id="another application context behind the right one",
        ),
        pytest.param(
            body(item(0x10, b"1.2.840.10008.3.1.1.1\0"), CONTEXT, USER),
            {},
            id="application context with a NUL",
        ),
        pytest.param(
            body(APPLICATION_CONTEXT, CONTEXT), {"user": UserInformation()}, id="no user information"
        ),
        pytest.param(
            body(APPLICATION_CONTEXT, CONTEXT, item(0x50, b"")),
            {"user": UserInformation()},
            id="empty user information",
        ),
        pytest.param(
            body(APPLICATION_CONTEXT, CONTEXT, USER, version=0x8001),
            {"protocol_version": 0x8001},
            id="more version bits",
        ),
        pytest.param(
            body(APPLICATION_CONTEXT, CONTEXT, USER, version=0), {"protocol_version": 0}, id="no version"
        ),
        pytest.param(
            body(APPLICATION_CONTEXT, CONTEXT, USER, called=b"", calling=b"\0" * 16),
            {"called_ae_title": b"", "calling_ae_title": b""},
            id="blank titles",
        ),
        pytest.param(
            body(APPLICATION_CONTEXT, CONTEXT, USER, called=b" A  B\0\0", calling=b"CT\0garbage"),
            {"called_ae_title": b" A  B", "calling_ae_title": b"CT"},
            id="titles with NUL and blanks",
        ),
        pytest.param(
            body(APPLICATION_CONTEXT, CONTEXT, USER, called=b"CT \0X", calling=b'\xff";touch x;"\r\n'),
            {"called_ae_title": b"CT", "calling_ae_title": b'\xff";touch x;"\r\n'},
            id="titles of any bytes",
        ),
    ],
)
def test_an_odd_request_is_decoded_as_it_is(request_body, fields):
    assert decode(request_body) == plain_request(**fields)


def test_of_two_user_information_items_the_last_counts() -> None:
    first, last = (item(0x50, item(0x51, size.to_bytes(4, "big"))) for size in (4096, 8192))

    assert decode(body(APPLICATION_CONTEXT, CONTEXT, first, last)).user.max_length == 8192


@pytest.mark.parametrize(
    "request_body",
    [
        pytest.param(PLAIN[:67], id="shorter than its fixed fields"),
        pytest.param(b"", id="empty"),
        pytest.param(PLAIN + b"\0", id="a stray byte"),
        pytest.param(PLAIN + b"\0\0\0", id="three stray bytes"),
        pytest.param(body(b"\x99\0\xff\xff") + CONTEXT + USER, id="unknown item beyond the PDU"),
        pytest.param(body(item(0x10, b"1" * 65), CONTEXT, USER), id="application context name too long"),
        pytest.param(body(APPLICATION_CONTEXT, context(1, item(0x30, b"1" * 65)), USER), id="UID too long"),
        pytest.param(
            body(APPLICATION_CONTEXT, context(1, SYNTAXES, b"\x40\0\0\x09"), USER),
            id="transfer syntax beyond its context",
        ),
        pytest.param(body(APPLICATION_CONTEXT, item(0x20, b"\1\0\0"), USER), id="context too short"),
        pytest.param(
            body(APPLICATION_CONTEXT, CONTEXT, item(0x50, item(0x51, b"\0\0"))), id="maximum length too short"
        ),
        pytest.param(
            body(APPLICATION_CONTEXT, CONTEXT, item(0x50, item(0x58, b"\2\1\0\4anna\0\7secret"))),
            id="undecodable user identity",
        ),
        pytest.param(
            body(APPLICATION_CONTEXT, *(context(n % 256, SYNTAXES) for n in range(129)), USER),
            id="129 contexts",
        ),
    ],
)
def test_an_undecodable_request_is_an_abort_by_the_service_user(request_body):
    with pytest.raises(Abort) as caught:
        decode(request_body)
    assert (caught.value.source, caught.value.reason) == (0, 0)
    assert str(caught.value).startswith("undecodable association PDU: ")


def item_ends(raw: bytes) -> dict[int, int]:
    """Give the positions in a body where a variable item ends, and how many contexts precede each."""
    position, count = 68, 0
    ends = {position: count}
    while position < len(raw):
        kind, _, length = struct.unpack_from(">BBH", raw, position)
        position += 4 + length
        count += kind == 0x20
        ends[position] = count
    return ends


@pytest.mark.parametrize("name", ["echoscu_many_contexts", "storescu_user", "gdcmscu_store"])
def test_a_request_cut_anywhere_but_between_items_is_an_abort(name):
    whole = captured(name)[6:]
    ends = item_ends(whole)
    contexts_of_whole = decode(whole).contexts
    for length in range(len(whole)):
        if length in ends:
            assert decode(whole[:length]).contexts == contexts_of_whole[: ends[length]]
        else:
            with pytest.raises(Abort):
                decode(whole[:length])


@given(requests)
def test_any_request_cut_within_its_last_item_is_an_abort(request):
    whole = pdus.encode_associate_request(request)[6:]
    last = sorted(item_ends(whole))[-2]
    for length in range(last + 1, len(whole)):
        with pytest.raises(Abort):
            decode(whole[:length])


def answer(function, some_body: bytes) -> object:
    try:
        return function(memoryview(some_body))
    except Abort as abort:
        return abort.source, abort.reason


@given(st.binary(max_size=300))
@example(PLAIN)
def test_any_garbage_gives_a_request_or_an_abort(garbage):
    for some_body in (garbage, bytes(68) + garbage, body(APPLICATION_CONTEXT, item(0x50, garbage))):
        given_back = answer(pdus.decode_associate_request, some_body)
        assert given_back == (0, 0) or isinstance(given_back, AssociateRequest)
        accepted = answer(pdus.decode_associate_accept, some_body)
        assert accepted == (0, 0) or isinstance(accepted[1], UserInformation)


@given(requests, st.lists(st.tuples(st.integers(0, 10000), st.integers(0, 255)), min_size=1, max_size=5))
def test_any_request_with_wrong_bytes_gives_a_request_or_an_abort(request, wrong):
    damaged = bytearray(pdus.encode_associate_request(request)[6:])
    for position, byte in wrong:
        damaged[position % len(damaged)] = byte
    given_back = answer(pdus.decode_associate_request, bytes(damaged))
    assert given_back == (0, 0) or isinstance(given_back, AssociateRequest)


@pytest.mark.parametrize(
    "request_body",
    [
        pytest.param(body(item(0x99, bytes(65535)) * 16), id="large unknown items"),
        pytest.param(body(bytes(4) * 200_000), id="many empty items"),
        pytest.param(body(context(1, item(0x40, b"") * 16000) * 16), id="many empty transfer syntaxes"),
        pytest.param(body(item(0x50, item(0x7F, b"") * 16000)), id="many unknown sub-items"),
        pytest.param(body(item(0x50, item(0x54, b"\0\0\1\1") * 8000)), id="many roles"),
        pytest.param(body(item(0x50, item(0x57, bytes(6)) * 6500)), id="many common extended negotiations"),
        pytest.param(
            body(item(0x50, item(0x57, b"\0\0\0\0\xff\x00" + bytes(0xFF00)))), id="many related classes"
        ),
    ],
)
def test_a_large_request_takes_memory_in_proportion_only(request_body):
    tracemalloc.start()
    try:
        answer(pdus.decode_associate_request, request_body)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 80 * len(request_body)


def test_a_decoded_request_does_not_keep_the_receive_buffer():
    raw = bytearray(captured("storescu_user")[6:])
    with memoryview(raw) as view:
        request = pdus.decode_associate_request(view)
    raw[:] = bytes(len(raw))
    assert request == decode(captured("storescu_user")[6:])


def test_item_types_of_the_engine_are_pynetdicoms():
    for kind, class_ in pdu_items.PDU_ITEM_TYPES.items():
        assert class_().item_type == kind
    ours = {value for name, value in vars(items).items() if name.isupper() and not name.startswith("_")}
    assert set(pdu_items.PDU_ITEM_TYPES) - {0x01} <= ours
