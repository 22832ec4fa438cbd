from __future__ import annotations

import pytest
from pydicom.uid import UID_dictionary

from scpd.tables import transfer_syntaxes
from scpd.tables.transfer_syntaxes import (
    DEFLATED,
    DEFLATED_DATA_SETS,
    ENCAPSULATED_UNCOMPRESSED,
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    PREFERENCES,
)

CONSTANTS = {
    name: value
    for name, value in vars(transfer_syntaxes).items()
    if name.isupper() and not name.startswith("_") and isinstance(value, str)
}
UNCOMPRESSED = (EXPLICIT_LITTLE, EXPLICIT_BIG, IMPLICIT_LITTLE)
JPEG = "1.2.840.10008.1.2.4."
FIRST_CHOICES = {
    "prefer-lossless": f"{JPEG}70",
    "prefer-jpeg8": f"{JPEG}50",
    "prefer-jpeg12": f"{JPEG}51",
    "prefer-j2k-lossless": f"{JPEG}90",
    "prefer-j2k-lossy": f"{JPEG}91",
    "prefer-jls-lossless": f"{JPEG}80",
    "prefer-jls-lossy": f"{JPEG}81",
    "prefer-mpeg2": f"{JPEG}100",
    "prefer-mpeg2-high": f"{JPEG}101",
    "prefer-mpeg4": f"{JPEG}102",
    "prefer-mpeg4-bd": f"{JPEG}103",
    "prefer-mpeg4-2-2d": f"{JPEG}104",
    "prefer-mpeg4-2-3d": f"{JPEG}105",
    "prefer-mpeg4-2-st": f"{JPEG}106",
    "prefer-hevc": f"{JPEG}107",
    "prefer-hevc10": f"{JPEG}108",
    "prefer-rle": "1.2.840.10008.1.2.5",
    "prefer-deflated": "1.2.840.10008.1.2.1.99",
}
ACCEPT_ALL = (
    "4.91 4.90 4.51 4.50 4.70 4.81 4.80 5 4.100 4.100.1 4.101 4.101.1 4.102 4.102.1 4.103 4.103.1 4.104 "
    "4.104.1 4.105 4.105.1 4.106 4.106.1 4.107 4.108 4.201 4.202 4.203 4.110 4.111 4.112 8.1 1.99 1.98 1 2"
)


@pytest.mark.parametrize("name", CONSTANTS)
def test_every_constant_is_a_transfer_syntax(name: str) -> None:
    uid = CONSTANTS[name]
    # Newer than pydicom's dictionary, to which pynetdicom adds them when it is imported.
    if uid not in UID_dictionary:
        assert name in {"JPEG_XL", "JPEG_XL_LOSSLESS", "JPEG_XL_RECOMPRESSION", "DEFLATED_IMAGE_FRAME"}
        return
    assert UID_dictionary[uid][1] == "Transfer Syntax"


def test_no_two_constants_are_the_same() -> None:
    assert len(set(CONSTANTS.values())) == len(CONSTANTS)


@pytest.mark.parametrize(
    ("uid", "keyword"),
    [
        (IMPLICIT_LITTLE, "ImplicitVRLittleEndian"),
        (EXPLICIT_LITTLE, "ExplicitVRLittleEndian"),
        (EXPLICIT_BIG, "ExplicitVRBigEndian"),
        (DEFLATED, "DeflatedExplicitVRLittleEndian"),
        (ENCAPSULATED_UNCOMPRESSED, "EncapsulatedUncompressedExplicitVRLittleEndian"),
    ],
)
def test_names_that_the_code_uses_are_the_standards(uid: str, keyword: str) -> None:
    assert UID_dictionary[uid][4] == keyword


def test_deflated_are_the_three_that_the_standard_calls_so() -> None:
    keywords = {uid: entry[4] for uid, entry in UID_dictionary.items()}
    deflated = {uid for uid, keyword in keywords.items() if "Deflate" in keyword and "Frame" not in keyword}
    assert deflated == DEFLATED_DATA_SETS


@pytest.mark.parametrize("option", ["prefer-uncompr", "prefer-little"])
def test_without_preference_explicit_little_endian_is_best(option: str) -> None:
    assert PREFERENCES[option] == UNCOMPRESSED


@pytest.mark.parametrize("option", FIRST_CHOICES)
def test_a_preferred_syntax_stands_before_the_uncompressed_ones(option: str) -> None:
    assert PREFERENCES[option] == (FIRST_CHOICES[option], *UNCOMPRESSED)


def test_prefer_big_turns_the_explicit_ones_round() -> None:
    assert PREFERENCES["prefer-big"] == (EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE)


def test_implicit_accepts_nothing_else() -> None:
    assert PREFERENCES["implicit"] == (IMPLICIT_LITTLE,)


def test_accept_all_takes_36_with_the_uncompressed_last() -> None:
    expected = (*(f"1.2.840.10008.1.2.{end}" for end in ACCEPT_ALL.split()), IMPLICIT_LITTLE)
    assert len(expected) == 36
    assert PREFERENCES["accept-all"] == expected


def test_no_option_is_without_its_list() -> None:
    assert set(PREFERENCES) == {
        "prefer-uncompr",
        "prefer-little",
        "prefer-big",
        "implicit",
        "accept-all",
    } | set(FIRST_CHOICES)
