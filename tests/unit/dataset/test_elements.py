from __future__ import annotations

from struct import pack, unpack

import pytest
from pydicom.valuerep import EXPLICIT_VR_LENGTH_16, EXPLICIT_VR_LENGTH_32

from scpd.dataset.elements import ITEM, MAX_DEPTH, UNDEFINED_LENGTH, EndOfData, skip_undefined, syntax_of
from scpd.errors import Refused
from scpd.tables.transfer_syntaxes import (
    DEFLATED,
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    JPEG_BASELINE,
)

BYTE_ORDERS = [(EXPLICIT_LITTLE, "<"), (EXPLICIT_BIG, ">")]
ITEM_DELIMITER = pack("<HHI", 0xFFFE, 0xE00D, 0)
SEQUENCE_DELIMITER = pack("<HHI", 0xFFFE, 0xE0DD, 0)


def item(content: bytes, length: int | None = None) -> bytes:
    return pack("<HHI", 0xFFFE, 0xE000, len(content) if length is None else length) + content


def test_an_implicit_header_has_a_32_bit_length_and_no_vr() -> None:
    read = syntax_of(IMPLICIT_LITTLE).read
    assert read(b"xx" + pack("<HHI", 0x0008, 0x0018, 0x12345678), 2) == (0x00080018, b"", 0x12345678, 10)


@pytest.mark.parametrize(("syntax", "order"), BYTE_ORDERS)
@pytest.mark.parametrize("vr", sorted(EXPLICIT_VR_LENGTH_16))
def test_a_short_header_has_a_16_bit_length(syntax: str, order: str, vr: str) -> None:
    data = pack(order + "HH2sH", 0x0008, 0x0018, vr.encode(), 0xFFFF) + b"\xff\xff\xff\xff"
    assert syntax_of(syntax).read(data, 0) == (0x00080018, vr.encode(), 0xFFFF, 8)


@pytest.mark.parametrize(("syntax", "order"), BYTE_ORDERS)
@pytest.mark.parametrize("vr", [*sorted(EXPLICIT_VR_LENGTH_32), "ZZ"])
def test_a_long_header_has_a_32_bit_length_and_a_vr_yet_to_come_too(syntax: str, order: str, vr: str) -> None:
    data = b"x" + pack(order + "HH2sHI", 0x7FE0, 0x0010, vr.encode(), 0xABCD, 0x12345678)
    assert syntax_of(syntax).read(data, 1) == (0x7FE00010, vr.encode(), 0x12345678, 13)


@pytest.mark.parametrize("vr", [b"??", b"xx", b"  ", b"\0\0", b"O1", b"Ob", b"\xc4\xd6"])
def test_two_bytes_that_are_no_vr_make_a_short_header_as_in_dcmtk(vr: bytes) -> None:
    data = pack("<HH2sH", 0x0009, 0x1001, vr, 6) + b"\xff" * 4
    assert syntax_of(EXPLICIT_LITTLE).read(data, 0) == (0x00091001, vr, 6, 8)


@pytest.mark.parametrize(("syntax", "order"), [*BYTE_ORDERS, (IMPLICIT_LITTLE, "<")])
@pytest.mark.parametrize("field", [bytes(4), b"\xff\xff\xff\xff", b"CS\0\0", b"SQ\0\0", b"\0\0UI"])
def test_an_item_has_no_vr_even_if_its_length_looks_like_one(syntax: str, order: str, field: bytes) -> None:
    data = pack(order + "HH", 0xFFFE, 0xE000) + field
    (length,) = unpack(order + "I", field)
    assert syntax_of(syntax).read(data, 0) == (ITEM, b"", length, 8)


@pytest.mark.parametrize("syntax", [EXPLICIT_LITTLE, JPEG_BASELINE, DEFLATED, "1.2.3", ""])
def test_what_is_compressed_or_unknown_is_explicit_little_endian(syntax: str) -> None:
    assert syntax_of(syntax) is syntax_of(EXPLICIT_LITTLE)


@pytest.mark.parametrize(
    ("syntax", "header"),
    [
        (IMPLICIT_LITTLE, pack("<HHI", 8, 0x18, 4)),
        (EXPLICIT_LITTLE, pack("<HH2sH", 8, 0x18, b"UI", 4)),
        (EXPLICIT_BIG, pack(">HH2sH", 8, 0x18, b"UI", 4)),
        (EXPLICIT_LITTLE, pack("<HH2sHI", 8, 0x18, b"UN", 0, 4)),
        (EXPLICIT_BIG, pack(">HHI", 0xFFFE, 0xE000, 4)),
    ],
)
def test_a_header_cut_off_is_the_end_of_data(syntax: str, header: bytes) -> None:
    read = syntax_of(syntax).read
    assert read(header, 0)[2] == 4
    for end in range(len(header)):
        with pytest.raises(EndOfData):
            read(header[:end], 0)
    with pytest.raises(EndOfData):
        read(header, 2**33)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        item(b""),
        item(b"") + item(b"12345678"),
        item(b"", UNDEFINED_LENGTH) + ITEM_DELIMITER,
        item(pack("<HH2sH", 0x0010, 0x0010, b"PN", 4) + b"A^B ", UNDEFINED_LENGTH) + ITEM_DELIMITER,
        item(
            pack("<HH2sHI", 0x0040, 0xA730, b"SQ", 0, UNDEFINED_LENGTH) + SEQUENCE_DELIMITER, UNDEFINED_LENGTH
        )
        + ITEM_DELIMITER,
        item(pack("<HHI", 0xFFFE, 0xE0DD, 0)),
    ],
)
@pytest.mark.parametrize("vr", [b"SQ", b"OB", b"OW"])
def test_a_value_of_undefined_length_ends_with_its_delimiter(content: bytes, vr: bytes) -> None:
    data = b"before" + content + SEQUENCE_DELIMITER + b"behind"
    assert skip_undefined(data, 6, vr, syntax_of(EXPLICIT_LITTLE)) == len(data) - len("behind")


@pytest.mark.parametrize("syntax", [EXPLICIT_LITTLE, EXPLICIT_BIG])
@pytest.mark.parametrize("vr", [b"UN", b"ZZ"])
def test_within_un_all_is_implicit_little_endian(syntax: str, vr: bytes) -> None:
    name = pack("<HHI", 0x0010, 0x0010, 4) + b"A^B "
    data = item(name, UNDEFINED_LENGTH) + ITEM_DELIMITER + SEQUENCE_DELIMITER
    assert skip_undefined(data, 0, vr, syntax_of(syntax)) == len(data)


@pytest.mark.parametrize("vr", [b"UT", b"UC", b"UR", b"OD", b"OF", b"OL", b"OV", b"SV", b"UV"])
def test_a_vr_that_must_have_a_length_is_refused_without(vr: bytes) -> None:
    with pytest.raises(Refused, match=vr.decode()) as caught:
        skip_undefined(SEQUENCE_DELIMITER, 0, vr, syntax_of(EXPLICIT_LITTLE))
    assert caught.value.status == 0xC000


@pytest.mark.parametrize(
    ("content", "comment"),
    [
        (pack("<HH2sH", 0x0010, 0x0010, b"PN", 0), "something else than an item"),
        (ITEM_DELIMITER, "something else than an item"),
        (item(SEQUENCE_DELIMITER, UNDEFINED_LENGTH), "without an item delimiter"),
        (item(item(b""), UNDEFINED_LENGTH), "without an item delimiter"),
    ],
)
def test_a_sequence_of_something_else_is_refused(content: bytes, comment: str) -> None:
    with pytest.raises(Refused, match=comment) as caught:
        skip_undefined(content, 0, b"SQ", syntax_of(EXPLICIT_LITTLE))
    assert caught.value.status == 0xC000


@pytest.mark.parametrize("data", [b"", item(b"", UNDEFINED_LENGTH), item(b"", 0xFFFFFFFE), item(b"1234", 5)])
def test_a_sequence_without_an_end_is_the_end_of_data(data: bytes) -> None:
    with pytest.raises(EndOfData):
        skip_undefined(data, 0, b"SQ", syntax_of(EXPLICIT_LITTLE))


@pytest.mark.parametrize("syntax", [IMPLICIT_LITTLE, EXPLICIT_LITTLE])
def test_nesting_is_followed_to_its_limit_and_refused_beyond(syntax: str) -> None:
    header = pack("<HHI", 8, 0x1140, UNDEFINED_LENGTH)
    if syntax == EXPLICIT_LITTLE:
        header = pack("<HH2sHI", 8, 0x1140, b"SQ", 0, UNDEFINED_LENGTH)

    def nested(depth: int) -> bytes:
        begin, end = item(header, UNDEFINED_LENGTH), SEQUENCE_DELIMITER + ITEM_DELIMITER
        return begin * (depth - 1) + end * (depth - 1) + SEQUENCE_DELIMITER

    assert skip_undefined(nested(MAX_DEPTH), 0, b"SQ", syntax_of(syntax)) == len(nested(MAX_DEPTH))
    for depth in (MAX_DEPTH + 1, 5000):
        with pytest.raises(Refused, match="64") as caught:
            skip_undefined(nested(depth), 0, b"SQ", syntax_of(syntax))
        assert caught.value.status == 0xC000
