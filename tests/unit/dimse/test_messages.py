from __future__ import annotations

from io import BytesIO
from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pynetdicom import dimse_messages, dimse_primitives
from pynetdicom.dsutils import decode as pynetdicom_decode
from pynetdicom.dsutils import encode as pynetdicom_encode

from scpd.dimse.commands import decode_command, encode_command
from scpd.dimse.messages import (
    C_CANCEL_RQ,
    C_ECHO_RQ,
    C_STORE_RQ,
    Request,
    check_store,
    parse_request,
    response,
)
from scpd.dimse.status import (
    CANNOT_UNDERSTAND,
    INVALID_ATTRIBUTE_VALUE,
    MISSING_ATTRIBUTE,
    SUCCESS,
    UNRECOGNIZED_OPERATION,
)
from scpd.errors import Abort, Refused

CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
INSTANCE = "1.2.826.0.1.3680043.8.498.1234"
US = {number: pack("<H", number) for number in range(0x10000)}

STORE = {
    0x0002: CT_IMAGE.encode() + b"\0",
    0x0100: US[C_STORE_RQ],
    0x0110: US[7],
    0x0700: US[0],
    0x0800: US[1],
    0x1000: INSTANCE.encode(),
}
N_SERVICES = [0x0100, 0x0110, 0x0120, 0x0130, 0x0140, 0x0150]
REQUESTED = [0x0110, 0x0120, 0x0130, 0x0150]


def store(**changes: bytes | None) -> Request:
    """Parse a C-STORE-RQ with elements changed or (None) left out, named `e0002` and so on."""
    elements = {**STORE, **{int(name[1:], 16): value for name, value in changes.items()}}
    return parse_request({number: value for number, value in elements.items() if value is not None})


def numbers_of(data: bytes) -> list[int]:
    return list(decode_command(data))


def test_a_store_request_is_understood() -> None:
    request = store()
    assert (request.command_field, request.message_id, request.has_data_set) == (C_STORE_RQ, 7, True)
    assert request.affected_sop_class_uid == CT_IMAGE
    assert request.affected_sop_instance_uid == INSTANCE
    assert request.has_sop_class_uid
    assert request.has_sop_instance_uid
    check_store(request)


@pytest.mark.parametrize(
    ("value", "uid"),
    [
        (b"1.2.3\0", "1.2.3"),
        (b"1.2.3\0\0\0", "1.2.3"),
        (b" 1.2.3 ", "1.2.3"),
        (b"1. 2\t.\r\n3\v\f", "1.2.3"),
        (b"1.2.3 \0", "1.2.3"),
        (b"1.2.3\0 ", "1.2.3"),
        (b"", ""),
        (b" \0", ""),
        (b"1.2\0.3", "1.2\0.3"),
        (b"../\xe4", "../\xe4"),
    ],
)
def test_uids_are_read_without_white_space_and_padding(value: bytes, uid: str) -> None:
    request = store(e0002=value, e1000=value)
    assert request.affected_sop_class_uid == uid
    assert request.affected_sop_instance_uid == uid


@pytest.mark.parametrize("number", [0x0100, 0x0110, 0x0800])
@pytest.mark.parametrize("value", [None, b"", b"\1", b"\1\0\0", b"\1\0\1\0"])
def test_a_command_that_cannot_be_answered_is_an_abort(number: int, value: bytes | None) -> None:
    with pytest.raises(Abort, match=f"\\(0000,{number:04X}\\)") as caught:
        store(**{f"e{number:04x}": value})
    assert (caught.value.source, caught.value.reason) == (0, 0)


@pytest.mark.parametrize("command_field", [0x8001, 0x8030, 0x8020, 0xFFFF, 0x8FFF])
def test_a_response_is_an_abort(command_field: int) -> None:
    with pytest.raises(Abort, match=f"{command_field:04X}H"):
        store(e0100=US[command_field])


def test_a_cancel_is_known_by_the_request_that_it_ends() -> None:
    request = parse_request({0x0100: US[C_CANCEL_RQ], 0x0120: US[99], 0x0800: US[0x0101]})
    assert (request.command_field, request.message_id, request.has_data_set) == (C_CANCEL_RQ, 99, False)


def test_a_cancel_that_names_no_request_is_an_abort() -> None:
    with pytest.raises(Abort, match=r"\(0000,0120\) missing"):
        parse_request({0x0100: US[C_CANCEL_RQ], 0x0110: US[99], 0x0800: US[0x0101]})


@pytest.mark.parametrize(
    ("value", "has_data_set"),
    [(0x0101, False), (0x0000, True), (0x0001, True), (0x0102, True), (0xFFFF, True)],
)
def test_any_data_set_type_but_0101_announces_a_data_set(value: int, has_data_set: bool) -> None:
    assert store(e0800=US[value]).has_data_set is has_data_set


def test_an_operation_that_nobody_knows_is_a_request_all_the_same() -> None:
    request = parse_request({0x0100: US[0x1234], 0x0110: US[5], 0x0800: US[0x0101]})
    assert (request.command_field, request.message_id) == (0x1234, 5)
    assert not request.has_sop_class_uid


@pytest.mark.parametrize("command_field", N_SERVICES)
def test_requests_about_an_instance_name_it_where_the_standard_says(command_field: int) -> None:
    request = parse_request(
        {
            0x0002: b"1.1\0",
            0x0003: b"1.2\0",
            0x0100: US[command_field],
            0x0110: US[5],
            0x0800: US[0x0101],
            0x1000: b"1.3\0",
            0x1001: b"1.4\0",
        }
    )
    expected = ("1.2", "1.4") if command_field in REQUESTED else ("1.1", "1.3")
    assert (request.affected_sop_class_uid, request.affected_sop_instance_uid) == expected


@given(st.dictionaries(st.sampled_from([*STORE, 0x0003, 0x0120, 0x1001]), st.binary(max_size=70)))
def test_any_elements_give_a_request_or_an_abort(elements: dict[int, bytes]) -> None:
    try:
        request = parse_request({0x0100: US[1], 0x0110: US[1], 0x0800: US[1], **elements})
    except Abort:
        return
    answer = response(request, SUCCESS)
    assert decode_command(answer)[0x0120] == US[request.message_id]


@pytest.mark.parametrize(
    ("name", "primitive"),
    [
        ("C_STORE_RQ", dimse_primitives.C_STORE),
        ("C_ECHO_RQ", dimse_primitives.C_ECHO),
        ("C_FIND_RQ", dimse_primitives.C_FIND),
        ("C_MOVE_RQ", dimse_primitives.C_MOVE),
        ("N_GET_RQ", dimse_primitives.N_GET),
        ("N_CREATE_RQ", dimse_primitives.N_CREATE),
        ("N_DELETE_RQ", dimse_primitives.N_DELETE),
    ],
)
def test_requests_of_pynetdicom_are_read_as_it_means_them(name: str, primitive: type) -> None:
    asked = primitive()
    asked.MessageID = 4711
    for keyword, value in {
        "AffectedSOPClassUID": CT_IMAGE,
        "AffectedSOPInstanceUID": INSTANCE,
        "RequestedSOPClassUID": CT_IMAGE,
        "RequestedSOPInstanceUID": INSTANCE,
        "Priority": 2,
        "MoveDestination": "STORESCP",
    }.items():
        if hasattr(asked, keyword):
            setattr(asked, keyword, value)
    for keyword in ("DataSet", "Identifier", "AttributeList"):
        if hasattr(asked, keyword):
            setattr(asked, keyword, BytesIO(b"\0"))
    message = getattr(dimse_messages, name)()
    message.primitive_to_message(asked)
    request = parse_request(decode_command(pynetdicom_encode(message.command_set, True, True)))
    assert request.command_field == message.command_set.CommandField
    assert request.message_id == 4711
    assert request.affected_sop_class_uid == CT_IMAGE
    assert request.has_data_set is (message.command_set.CommandDataSetType != 0x0101)
    if request.has_sop_instance_uid:
        assert request.affected_sop_instance_uid == INSTANCE
    assert request.has_sop_instance_uid is (name.startswith("N_") or name == "C_STORE_RQ")


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"e0002": None}, MISSING_ATTRIBUTE),
        ({"e1000": None}, MISSING_ATTRIBUTE),
        ({"e1000": b""}, INVALID_ATTRIBUTE_VALUE),
        ({"e1000": b" \0"}, INVALID_ATTRIBUTE_VALUE),
        ({"e1000": b"1" * 65}, INVALID_ATTRIBUTE_VALUE),
        ({"e0002": b"1" * 65}, INVALID_ATTRIBUTE_VALUE),
        ({"e0800": US[0x0101]}, CANNOT_UNDERSTAND),
    ],
)
def test_a_store_request_that_lacks_something_is_refused(
    changes: dict[str, bytes | None], status: int
) -> None:
    with pytest.raises(Refused) as caught:
        check_store(store(**changes))
    assert caught.value.status == status
    assert len(caught.value.comment) <= 64
    assert caught.value.comment.isascii()


@pytest.mark.parametrize(
    "changes", [{"e1000": b"1" * 64}, {"e0002": b"1" * 64}, {"e0002": b""}, {"e0002": b"x y"}]
)
def test_a_store_request_at_the_limits_passes(changes: dict[str, bytes]) -> None:
    check_store(store(**changes))


def test_a_store_response_has_storescps_elements_in_its_order() -> None:
    expected = encode_command(
        [
            (0x0002, CT_IMAGE.encode()),
            (0x0100, US[0x8001]),
            (0x0120, US[7]),
            (0x0800, US[0x0101]),
            (0x0900, US[0xA700]),
            (0x1000, INSTANCE.encode()),
        ]
    )
    assert response(store(), 0xA700) == expected


def test_an_echo_response_names_the_class_and_no_instance() -> None:
    echo = parse_request(
        {
            0x0002: b"1.2.840.10008.1.1\0",
            0x0100: US[C_ECHO_RQ],
            0x0110: US[3],
            0x0800: US[0x0101],
            0x1000: b"1\0",
        }
    )
    data = response(echo, SUCCESS)
    assert numbers_of(data) == [0x0002, 0x0100, 0x0120, 0x0800, 0x0900]
    assert decode_command(data)[0x0100] == US[0x8030]


def test_a_comment_follows_the_status() -> None:
    data = response(store(), CANNOT_UNDERSTAND, "why")
    assert numbers_of(data) == [0x0002, 0x0100, 0x0120, 0x0800, 0x0900, 0x0902, 0x1000]
    assert decode_command(data)[0x0902] == b"why "


@pytest.mark.parametrize(
    ("comment", "value"),
    [
        ("x" * 64, b"x" * 64),
        ("x" * 65, b"x" * 64),
        ("Gr\xf6\xdfe \u2028", b"Gr??e ? "),
        ("a\\b\n\tc\x7f\0", b"a?b??c??"),
    ],
)
def test_a_comment_is_what_a_long_string_may_hold(comment: str, value: bytes) -> None:
    assert decode_command(response(store(), 0xC000, comment))[0x0902] == value


@pytest.mark.parametrize("command_field", N_SERVICES)
def test_a_requested_instance_comes_back_as_the_affected_one(command_field: int) -> None:
    where = (0x0003, 0x1001) if command_field in REQUESTED else (0x0002, 0x1000)
    request = parse_request(
        {
            where[0]: b"1.2\0",
            0x0100: US[command_field],
            0x0110: US[5],
            0x0800: US[0x0101],
            where[1]: b"1.4\0",
        }
    )
    elements = decode_command(response(request, UNRECOGNIZED_OPERATION, "not here"))
    assert elements[0x0002] == b"1.2\0"
    assert elements[0x1000] == b"1.4\0"
    assert elements[0x0100] == US[command_field | 0x8000]
    assert elements[0x0900] == US[0x0211]


def test_an_unknown_operation_gets_its_answer() -> None:
    request = parse_request({0x0100: US[0x1234], 0x0110: US[5], 0x0800: US[0x0101]})
    elements = decode_command(response(request, UNRECOGNIZED_OPERATION))
    assert elements == {0x0100: US[0x9234], 0x0120: US[5], 0x0800: US[0x0101], 0x0900: US[0x0211]}


def test_absent_uids_stay_absent_and_empty_ones_empty() -> None:
    assert 0x1000 not in decode_command(response(store(e1000=None), MISSING_ATTRIBUTE))
    assert 0x0002 not in decode_command(response(store(e0002=None), MISSING_ATTRIBUTE))
    assert decode_command(response(store(e0002=b""), SUCCESS))[0x0002] == b""


def test_a_uid_too_long_for_its_element_is_not_sent_back() -> None:
    data = response(store(e0002=b"1" * 40000, e1000=b"2" * 65), INVALID_ATTRIBUTE_VALUE)
    assert numbers_of(data) == [0x0100, 0x0120, 0x0800, 0x0900]


def test_uids_come_back_clean() -> None:
    elements = decode_command(response(store(e0002=b"1. 2.3  ", e1000=b" 4.5\0\0"), SUCCESS))
    assert elements[0x0002] == b"1.2.3\0"
    assert elements[0x1000] == b"4.5\0"


@pytest.mark.parametrize("comment", ["", "odd", "even"])
@pytest.mark.parametrize("status", [0x0000, 0xA700, 0xA900, 0xC000, 0x0122])
def test_pynetdicom_would_answer_with_the_same_bytes(status: int, comment: str) -> None:
    answer = dimse_primitives.C_STORE()
    answer.MessageIDBeingRespondedTo = 7
    answer.AffectedSOPClassUID = CT_IMAGE
    answer.AffectedSOPInstanceUID = INSTANCE
    answer.Status = status
    if comment:
        answer.ErrorComment = comment
    message = dimse_messages.C_STORE_RSP()
    message.primitive_to_message(answer)
    theirs = message.command_set
    theirs.CommandGroupLength = len(pynetdicom_encode(theirs, True, True)) - 12
    assert response(store(), status, comment) == pynetdicom_encode(theirs, True, True)


def test_pynetdicom_reads_our_echo_response() -> None:
    echo = parse_request(
        {0x0002: b"1.2.840.10008.1.1\0", 0x0100: US[0x30], 0x0110: US[3], 0x0800: US[0x0101]}
    )
    decoded = pynetdicom_decode(BytesIO(response(echo, SUCCESS)), True, True)
    assert decoded.CommandField == 0x8030
    assert decoded.MessageIDBeingRespondedTo == 3
    assert decoded.AffectedSOPClassUID == "1.2.840.10008.1.1"
    assert decoded.Status == 0
