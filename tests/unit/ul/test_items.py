"""The variable items, each against bytes written by hand and against pynetdicom's item classes."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pynetdicom import pdu_items

from scpd.errors import Abort
from scpd.ul import items
from scpd.ul.items import (
    CommonExtendedNegotiation,
    ProposedContext,
    RoleSelection,
    UserIdentity,
    UserInformation,
)

CT = "1.2.840.10008.5.1.4.1.1.2"
STORAGE = "1.2.840.10008.4.2"
EXPLICIT = "1.2.840.10008.1.2.1"
IMPLICIT = "1.2.840.10008.1.2"


def item(kind: int, value: bytes) -> bytes:
    return struct.pack(">BBH", kind, 0, len(value)) + value


def counted(value: bytes | str) -> bytes:
    value = value.encode() if isinstance(value, str) else value
    return struct.pack(">H", len(value)) + value


def decode_user(sub_items: bytes) -> UserInformation:
    return items.decode_user_information(memoryview(sub_items))


MAXIMUM_LENGTH = item(0x51, b"\0\0\x40\0")
SUB_ITEMS = {
    "51H maximum length": (MAXIMUM_LENGTH, {"max_length": 16384}, pdu_items.MaximumLengthSubItem),
    "52H implementation class": (
        item(0x52, b"1.2.3.4"),
        {"implementation_class_uid": "1.2.3.4"},
        pdu_items.ImplementationClassUIDSubItem,
    ),
    "53H asynchronous operations": (
        item(0x53, b"\0\5\1\0"),
        {"async_operations": (5, 256)},
        pdu_items.AsynchronousOperationsWindowSubItem,
    ),
    "54H role selection": (
        item(0x54, counted(CT) + b"\1\0"),
        {"roles": (RoleSelection(CT, 1, 0),)},
        pdu_items.SCP_SCU_RoleSelectionSubItem,
    ),
    "55H implementation version": (
        item(0x55, b"SCANNER 7"),
        {"implementation_version_name": "SCANNER 7"},
        pdu_items.ImplementationVersionNameSubItem,
    ),
    "56H extended negotiation": (
        item(0x56, counted(CT) + b"\2\0\1\xff"),
        {"extended": ((CT, b"\2\0\1\xff"),)},
        pdu_items.SOPClassExtendedNegotiationSubItem,
    ),
    "57H common extended negotiation": (
        item(0x57, counted(CT) + counted(STORAGE) + counted(counted("1.2.3") + counted("1.2.4.5"))),
        {"common_extended": (CommonExtendedNegotiation(CT, STORAGE, ("1.2.3", "1.2.4.5")),)},
        pdu_items.SOPClassCommonExtendedNegotiationSubItem,
    ),
    "57H without related classes": (
        item(0x57, counted(CT) + counted(STORAGE) + counted(b"")),
        {"common_extended": (CommonExtendedNegotiation(CT, STORAGE, ()),)},
        pdu_items.SOPClassCommonExtendedNegotiationSubItem,
    ),
    "58H user name and passcode": (
        item(0x58, b"\2\1" + counted("anna") + counted("secret")),
        {"user_identity": UserIdentity(2, True, b"anna", b"secret")},
        pdu_items.UserIdentitySubItemRQ,
    ),
    "58H user name": (
        item(0x58, b"\1\0" + counted("anna") + counted(b"")),
        {"user_identity": UserIdentity(1, False, b"anna")},
        pdu_items.UserIdentitySubItemRQ,
    ),
    "59H user identity response": (
        item(0x59, counted(b"ticket")),
        {"identity_response": b"ticket"},
        pdu_items.UserIdentitySubItemAC,
    ),
}


@pytest.fixture(params=SUB_ITEMS.values(), ids=SUB_ITEMS)
def sub_item(request):
    return request.param


def test_each_sub_item_is_decoded_from_its_bytes(sub_item):
    raw, fields, _ = sub_item
    assert decode_user(raw) == UserInformation(**fields)


def test_each_sub_item_is_encoded_to_its_bytes(sub_item):
    raw, fields, _ = sub_item
    user = UserInformation(**{"max_length": 16384} | fields)
    value = raw if raw == MAXIMUM_LENGTH else MAXIMUM_LENGTH + raw
    assert items.encode_user_information(user) == item(0x50, value)


def test_pynetdicom_reads_and_writes_the_same_sub_items(sub_item):
    raw, _, class_ = sub_item
    theirs = class_()
    theirs.decode(raw)
    assert theirs.encode() == raw


def test_each_sub_item_cut_short_is_an_abort(sub_item):
    raw, _, _ = sub_item
    for length in range(1, len(raw)):
        with pytest.raises(Abort):
            decode_user(raw[:length])


@pytest.mark.parametrize(
    "name", [name for name in SUB_ITEMS if name[:2] in ("51", "53", "54", "57", "58", "59")]
)
def test_a_sub_item_that_ends_within_its_fields_is_an_abort(name):
    raw = SUB_ITEMS[name][0]
    for length in range(len(raw) - 4):
        with pytest.raises(Abort):
            decode_user(item(raw[0], raw[4 : 4 + length]) + MAXIMUM_LENGTH)


@pytest.mark.parametrize("name", [name for name in SUB_ITEMS if name[:2] in ("54", "57", "58", "59")])
def test_bytes_behind_the_last_field_are_ignored(name):
    raw, fields, _ = SUB_ITEMS[name]
    assert decode_user(item(raw[0], raw[4:] + b"\0\0\0")) == UserInformation(**fields)


@pytest.mark.parametrize(
    "sub_items",
    [
        pytest.param(item(0x51, b"\0\0\x40\0\0"), id="51H of five bytes"),
        pytest.param(item(0x51, b"\0\0\x40") + MAXIMUM_LENGTH, id="51H of three bytes before a good one"),
        pytest.param(item(0x53, b"\0\1\0\1\0"), id="53H of five bytes"),
        pytest.param(item(0x52, b"1" * 65), id="52H too long"),
        pytest.param(item(0x55, b"V" * 65), id="55H too long"),
        pytest.param(item(0x54, counted("1" * 65) + b"\1\0"), id="54H UID too long"),
        pytest.param(item(0x56, counted("1" * 65)), id="56H UID too long"),
        pytest.param(item(0x57, counted("1" * 65) + counted(CT) + counted(b"")), id="57H SOP class too long"),
        pytest.param(
            item(0x57, counted(CT) + counted("1" * 65) + counted(b"")), id="57H service class too long"
        ),
        pytest.param(
            item(0x57, counted(CT) + counted(CT) + counted(counted("1" * 65))),
            id="57H related class too long",
        ),
        pytest.param(
            item(0x57, counted(CT) + counted(CT) + counted(b"\0\4" + b"1.2") + b"3"),
            id="57H related class beyond its list",
        ),
        pytest.param(
            item(0x58, b"\2\1" + counted("anna") + b"\0\7secret"), id="58H passcode beyond its item"
        ),
        pytest.param(MAXIMUM_LENGTH + b"\0", id="a stray byte"),
    ],
)
def test_a_malformed_sub_item_is_an_abort(sub_items):
    with pytest.raises(Abort) as caught:
        decode_user(sub_items)
    assert (caught.value.source, caught.value.reason) == (0, 0)


def test_unknown_sub_items_are_skipped():
    assert decode_user(
        item(0x5A, b"?") + MAXIMUM_LENGTH + item(0x00, b"") + item(0xFF, b"12")
    ) == UserInformation(max_length=16384)


def test_of_a_single_sub_item_given_twice_the_last_counts():
    user = decode_user(MAXIMUM_LENGTH + item(0x51, b"\0\0\x13\x88") + item(0x52, b"1.2") + item(0x52, b"1.3"))
    assert user == UserInformation(max_length=5000, implementation_class_uid="1.3")


def test_sub_items_that_may_be_repeated_keep_their_order():
    user = decode_user(
        item(0x54, counted("1.2") + b"\1\1")
        + item(0x56, counted("1.9"))
        + item(0x54, counted("1.1") + b"\0\1")
    )
    assert user == UserInformation(
        roles=(RoleSelection("1.2", 1, 1), RoleSelection("1.1", 0, 1)), extended=(("1.9", b""),)
    )


def test_what_an_answer_needs_is_encoded_in_the_order_of_storescp():
    user = UserInformation(
        max_length=1,
        implementation_class_uid="1.2",
        roles=(RoleSelection("1.3", 0, 1), RoleSelection("1.4", 1, 0)),
        implementation_version_name="V",
        extended=(("1.5", b"\1"),),
    )
    value = memoryview(items.encode_user_information(user))[4:]
    kinds = [kind for kind, _ in items.each_item(value, "test")]
    assert kinds == [0x51, 0x52, 0x54, 0x54, 0x55, 0x56]


def test_secrets_of_a_user_stay_out_of_repr():
    user = UserInformation(user_identity=UserIdentity(2, True, b"anna", b"secret"))
    assert "secret'" not in repr(user)
    assert "anna" not in repr(user)


CONTEXT = item(0x30, CT.encode()) + item(0x40, EXPLICIT.encode()) + item(0x40, IMPLICIT.encode())


def test_a_proposed_context_is_read_and_written_like_pynetdicom_does():
    raw = item(0x20, b"\5\0\0\0" + CONTEXT)
    context = ProposedContext(5, CT, (EXPLICIT, IMPLICIT))
    theirs = pdu_items.PresentationContextItemRQ()
    theirs.decode(raw)
    assert items.decode_proposed_context(memoryview(raw)[4:]) == context
    assert items.encode_proposed_context(context) == raw == theirs.encode()
    assert (theirs.context_id, theirs.abstract_syntax, theirs.transfer_syntax) == (
        5,
        CT,
        [EXPLICIT, IMPLICIT],
    )


@pytest.mark.parametrize("result", range(5))
def test_an_answered_context_is_read_and_written_like_pynetdicom_does(result):
    raw = item(0x21, bytes((255, 0, result, 0)) + item(0x40, IMPLICIT.encode()))
    theirs = pdu_items.PresentationContextItemAC()
    theirs.decode(raw)
    assert items.decode_answered_context(memoryview(raw)[4:]) == (255, result, IMPLICIT)
    assert items.encode_answered_context(255, result, IMPLICIT) == raw == theirs.encode()
    assert (theirs.context_id, theirs.result, theirs.transfer_syntax) == (255, result, IMPLICIT)


@pytest.mark.parametrize(
    ("value", "context"),
    [
        pytest.param(b"\0\xff\xff\xff", ProposedContext(0, "", ()), id="nothing but an ID"),
        pytest.param(
            b"\2\0\0\0" + item(0x30, b"1.2"), ProposedContext(2, "1.2", ()), id="no transfer syntax"
        ),
        pytest.param(
            b"\1\0\0\0" + item(0x40, b"1.2"), ProposedContext(1, "", ("1.2",)), id="no abstract syntax"
        ),
        pytest.param(
            b"\1\0\0\0" + item(0x40, b""), ProposedContext(1, "", ("",)), id="empty transfer syntax"
        ),
        pytest.param(
            b"\1\0\0\0" + item(0x77, b"??") + CONTEXT + item(0x10, b"1"),
            ProposedContext(1, CT, (EXPLICIT, IMPLICIT)),
            id="unknown sub-items",
        ),
        pytest.param(
            b"\1\0\0\0" + item(0x30, b"1.2\0") + item(0x40, b"1.3\0\0") + item(0x40, b"1.4 "),
            ProposedContext(1, "1.2", ("1.3", "1.4 ")),
            id="padded UIDs",
        ),
        pytest.param(
            b"\1\0\0\0" + item(0x30, b"x;y/../\xe9") + item(0x40, b"1" * 64),
            ProposedContext(1, "x;y/../é", ("1" * 64,)),
            id="UIDs that are none",
        ),
    ],
)
def test_an_odd_context_is_decoded_as_it_is(value, context):
    assert items.decode_proposed_context(memoryview(value)) == context


@pytest.mark.parametrize("decode", [items.decode_proposed_context, items.decode_answered_context])
@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"\1\0\0",
        b"\1\0\0\0\x40",
        b"\1\0\0\0" + item(0x40, b"1.2")[:-1],
        b"\1\0\0\0" + item(0x40, b"1" * 65),
    ],
)
def test_a_malformed_context_is_an_abort(decode, value):
    with pytest.raises(Abort):
        decode(memoryview(value))


def test_what_is_decoded_does_not_keep_the_receive_buffer():
    raw = bytearray(b"".join(raw for raw, _, _ in SUB_ITEMS.values()))
    with memoryview(raw) as view:
        user = items.decode_user_information(view)
    expected = repr(user), user.extended, user.identity_response
    raw[:] = bytes(len(raw))
    assert (repr(user), user.extended, user.identity_response) == expected


def answer(sub_items: bytes) -> UserInformation | tuple[int, int]:
    try:
        return decode_user(sub_items)
    except Abort as abort:
        return abort.source, abort.reason


@given(st.binary(max_size=80))
def test_any_bytes_in_any_sub_item_give_a_value_or_an_abort(value):
    for kind in range(0x50, 0x5B):
        given_back = answer(item(kind, value))
        assert given_back == (0, 0) or isinstance(given_back, UserInformation)


@pytest.mark.parametrize(
    ("value", "other"),
    [
        (RoleSelection("1.2", 1, 0), RoleSelection("1.2", 1, 1)),
        (ProposedContext(1, "1.2", ()), ("1", "1.2", ())),
        (UserInformation(), UserInformation(max_length=1)),
    ],
)
def test_values_that_differ_in_a_field_or_class_are_not_equal(value, other):
    assert value != other
