from __future__ import annotations

import pytest
from pydicom.valuerep import AMBIGUOUS_VR, EXPLICIT_VR_LENGTH_16, EXPLICIT_VR_LENGTH_32, STR_VR, VR

from scpd.dataset.representations import (
    OB,
    OW,
    PLAIN,
    REPRESENTATIONS,
    SEQUENCE,
    SHORT,
    TEXT,
    UID,
    UL,
    UN,
    US,
    has_long_form,
    is_pixel_or_overlay,
    received,
)
from scpd.errors import Refused

PIXEL_DATA, PRIVATE = 0x7FE00010, 0x00091001
# PS3.5 6.2 in the edition of 1993, when these were all.
OLD = {
    "AE",
    "AS",
    "AT",
    "CS",
    "DA",
    "DS",
    "DT",
    "FD",
    "FL",
    "IS",
    "LO",
    "LT",
    "OB",
    "OW",
    "PN",
    "SH",
    "SL",
    "SQ",
    "SS",
    "ST",
    "TM",
    "UI",
    "UL",
    "US",
}
SIZES = {  # PS3.5 6.2 and 7.3
    **dict.fromkeys(("AT", "OW", "SS", "US"), 2),
    **dict.fromkeys(("FL", "OF", "OL", "SL", "UL"), 4),
    **dict.fromkeys(("FD", "OD", "OV", "SV", "UV"), 8),
}


def test_all_vrs_of_the_standard_are_known() -> None:
    assert {vr.decode() for vr in REPRESENTATIONS} == {str(vr) for vr in VR if vr not in AMBIGUOUS_VR}
    assert len(REPRESENTATIONS) == 34


@pytest.mark.parametrize("vr", sorted(REPRESENTATIONS))
def test_a_vr_is_as_the_standard_has_it(vr: bytes) -> None:
    representation, name = REPRESENTATIONS[vr], VR(vr.decode())
    assert representation.vr == vr
    assert representation.is_long == has_long_form(vr) == (name in EXPLICIT_VR_LENGTH_32)
    assert (vr in SHORT) == (name in EXPLICIT_VR_LENGTH_16)
    assert representation.unit == SIZES.get(vr.decode(), 1)
    assert representation.is_young == (vr.decode() not in OLD)


@pytest.mark.parametrize("vr", sorted(REPRESENTATIONS))
def test_a_value_is_text_a_uid_items_or_plain(vr: bytes) -> None:
    rule, name = REPRESENTATIONS[vr].rule, vr.decode()
    expected = UID if name == "UI" else SEQUENCE if name == "SQ" else TEXT if name in STR_VR else PLAIN
    assert rule == expected


@pytest.mark.parametrize("vr", sorted(REPRESENTATIONS))
def test_a_known_vr_is_what_it_says(vr: bytes) -> None:
    assert received(vr, PRIVATE) is received(vr, PIXEL_DATA) is REPRESENTATIONS[vr]


@pytest.mark.parametrize(
    ("vr", "is_long"),
    [
        *((vr, True) for vr in (b"ZZ", b"OX", b"AA", b"ox", b"px", b"lt")),
        *(
            (vr, False)
            for vr in (b"??", b"xx", b"  ", b"\0\0", b"O1", b"Ob", b"\xc4\xd6", b"xs", b"up", b"--")
        ),
    ],
)
def test_two_bytes_that_are_no_vr_have_the_form_that_dcmtk_sees(vr: bytes, is_long: bool) -> None:
    assert has_long_form(vr) == is_long


@pytest.mark.parametrize(
    ("vr", "tag", "taken_for"),
    [
        *((vr, PRIVATE, UN) for vr in (b"ZZ", b"OX", b"??", b"xx", b"\0\0", b"Ob")),
        *((vr, PIXEL_DATA, UN) for vr in (b"ZZ", b"??")),
        *((b"ox", tag, OW) for tag in (PIXEL_DATA, 0x60003000, 0x601E3000)),
        *((b"ox", tag, OB) for tag in (PRIVATE, 0x60013000, 0x50003000, 0x7FE10010)),
        (b"OX", PIXEL_DATA, OW),
        (b"OX", 0x60003000, UN),
        *((vr, PRIVATE, OW) for vr in (b"px", b"lt")),
        (b"xs", PRIVATE, US),
        (b"up", PRIVATE, UL),
    ],
)
def test_odd_vrs_are_taken_for_what_dcmtk_takes_them(vr: bytes, tag: int, taken_for: object) -> None:
    assert received(vr, tag) is taken_for


@pytest.mark.parametrize("vr", [b"na", b"pi"])
def test_what_no_element_can_be_is_refused(vr: bytes) -> None:
    with pytest.raises(Refused, match=vr.decode()) as caught:
        received(vr, PRIVATE)
    assert caught.value.status == 0xC000


def test_overlays_are_those_of_even_groups() -> None:
    tags = [group << 16 | 0x3000 for group in range(0x5FFE, 0x6104)]
    assert [tag >> 16 for tag in tags if is_pixel_or_overlay(tag)] == list(range(0x6000, 0x6100, 2))
    assert is_pixel_or_overlay(PIXEL_DATA)
    assert not is_pixel_or_overlay(0x60000010)
