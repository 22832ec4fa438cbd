from __future__ import annotations

from io import BytesIO
from struct import pack

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pynetdicom.dsutils import decode as pynetdicom_decode

from scpd.dimse.commands import decode_command, encode_command
from scpd.errors import Abort

CT_IMAGE = b"1.2.840.10008.5.1.4.1.1.2"
INSTANCE = b"1.3.6.1.4.1.5962.1.1.1.1.1.20040119072730.12322"

# From gdcmscu and pynetdicom; DCMTK's storescu and dcmsend differ in the Priority (0000,0700) only: 0.
C_STORE_RQ = bytes.fromhex(
    "0000 0000 04000000 82000000"
    "0000 0200 1a000000 312e322e3834302e31303030382e352e312e342e312e312e3200"
    "0000 0001 02000000 0100"
    "0000 1001 02000000 0100"
    "0000 0007 02000000 0200"
    "0000 0008 02000000 0100"
    "0000 0010 30000000 312e332e362e312e342e312e353936322e312e312e312e312e312e32303034303131393037323733302e"
    "313233323200"
)
# From echoscu.
C_ECHO_RQ = bytes.fromhex(
    "0000 0000 04000000 38000000"
    "0000 0200 12000000 312e322e3834302e31303030382e312e3100"
    "0000 0001 02000000 3000"
    "0000 1001 02000000 0100"
    "0000 0008 02000000 0101"
)


def element(number: int, value: bytes, group: int = 0) -> bytes:
    return pack("<HHI", group, number, len(value)) + value


ELEMENT_LISTS = st.lists(st.tuples(st.integers(1, 0xFFFF), st.binary(max_size=80)), max_size=12)


def test_a_real_store_request_is_read() -> None:
    assert decode_command(C_STORE_RQ) == {
        0x0002: CT_IMAGE + b"\0",
        0x0100: b"\1\0",
        0x0110: b"\1\0",
        0x0700: b"\2\0",
        0x0800: b"\1\0",
        0x1000: INSTANCE + b"\0",
    }


@pytest.mark.parametrize("data", [C_STORE_RQ, C_ECHO_RQ])
def test_a_real_request_is_written_as_its_sender_did(data: bytes) -> None:
    assert encode_command(list(decode_command(data).items())) == data


def test_nothing_is_an_empty_command_set() -> None:
    assert decode_command(b"") == {}
    assert encode_command([]) == element(0, bytes(4))


@pytest.mark.parametrize("length", [b"", element(0, pack("<I", 7)), element(0, b""), element(0, b"12345678")])
def test_a_missing_or_wrong_group_length_does_not_matter(length: bytes) -> None:
    rest = element(0x0100, b"\1\0") + element(0x0110, b"\2\0")
    assert decode_command(length + rest) == {0x0100: b"\1\0", 0x0110: b"\2\0"}


def test_order_does_not_matter_and_unknown_elements_are_kept() -> None:
    data = element(0x1000, b"1.2 ") + element(0x4711, b"") + element(0x0100, b"\1\0")
    assert decode_command(data) == {0x0100: b"\1\0", 0x1000: b"1.2 ", 0x4711: b""}


def test_of_two_elements_with_one_number_the_first_counts() -> None:
    assert decode_command(element(0x0100, b"\1\0") + element(0x0100, b"\2\0")) == {0x0100: b"\1\0"}


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (element(0x0010, b"x", group=0x0008), r"\(0008,0010\)"),
        (element(0x0100, b"\1\0") + element(0, b"", group=2), r"\(0002,0000\)"),
        (pack("<HHI", 0, 0x1000, 3) + b"1.", r"\(0000,1000\) longer"),
        (pack("<HHI", 0, 0x1000, 0xFFFFFFFF), r"\(0000,1000\) longer"),
        (element(0x0100, b"\1\0") + bytes(7), "7 stray bytes"),
    ],
)
def test_what_cannot_be_read_on_is_an_abort_by_the_service_user(data: bytes, text: str) -> None:
    with pytest.raises(Abort, match=text) as caught:
        decode_command(data)
    assert (caught.value.source, caught.value.reason) == (0, 0)


@pytest.mark.parametrize("end", range(1, len(C_STORE_RQ)))
def test_a_command_set_cut_off_is_read_up_to_an_element_or_aborts(end: int) -> None:
    try:
        elements = decode_command(C_STORE_RQ[:end])
    except Abort:
        return
    whole = decode_command(C_STORE_RQ)
    assert elements.items() < whole.items()


@given(st.binary(max_size=300))
@example(bytes(8) * 40)
def test_any_bytes_give_elements_or_an_abort(data: bytes) -> None:
    try:
        elements = decode_command(data)
    except Abort:
        return
    assert all(0 < number <= 0xFFFF for number in elements)


@given(ELEMENT_LISTS)
def test_any_elements_come_back_made_even(elements: list[tuple[int, bytes]]) -> None:
    data = encode_command(elements)
    assert len(data) % 2 == 0
    assert int.from_bytes(data[8:12], "little") == len(data) - 12
    decoded = decode_command(data)
    assert decoded.keys() == dict(elements).keys()
    for number, value in dict(reversed(elements)).items():
        assert decoded[number].startswith(value)
        assert len(decoded[number]) == len(value) + len(value) % 2


@pytest.mark.parametrize(
    ("number", "padding"), [(0x0002, b"\0"), (0x1000, b"\0"), (0x0600, b" "), (0x0902, b" "), (0x1030, b" ")]
)
def test_text_is_padded_with_a_space_and_a_uid_with_a_nul(number: int, padding: bytes) -> None:
    assert decode_command(encode_command([(number, b"123")])) == {number: b"123" + padding}


def test_pynetdicom_reads_what_we_write() -> None:
    data = encode_command([(0x0002, CT_IMAGE), (0x0100, b"\1\x80"), (0x0902, b"odd"), (0x1000, INSTANCE)])
    decoded = pynetdicom_decode(BytesIO(data), True, True)
    assert decoded.CommandGroupLength == len(data) - 12
    assert decoded.AffectedSOPClassUID == CT_IMAGE.decode()
    assert decoded.AffectedSOPInstanceUID == INSTANCE.decode()
    assert decoded.CommandField == 0x8001
    assert decoded.ErrorComment == "odd"
