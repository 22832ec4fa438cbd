"""Numbers: what storescp accepts in front, what we refuse behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scpd.cli.numbers import INT_MAX, BadValueError, port_number, signed, unsigned

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("5", 5),
        ("+5", 5),
        ("-5", -5),
        (" \t\n\v\f\r5", 5),
        (" +5", 5),
        ("0", 0),
        ("-0", 0),
        ("0x10", 16),
        ("0X1f", 31),
        ("-0x10", -16),
        ("010", 8),
        ("-010", -8),
        ("007", 7),
        ("99999999999", INT_MAX),
        ("9" * 5000, INT_MAX),
    ],
)
def test_a_signed_number_has_the_base_of_c_source(text: str, number: int) -> None:
    assert signed(text, None, None) == number


@pytest.mark.parametrize(
    ("text", "number"),
    [("5", 5), ("+5", 5), (" 5", 5), ("010", 10), ("08", 8), ("131072", 131072), ("0" * 5000 + "7", 7)],
)
def test_an_unsigned_number_is_decimal(text: str, number: int) -> None:
    assert unsigned(text, 0, None) == number


NONE_AT_ALL = ["", " ", "+", "-", "abc", ".", "++5", "+-5", "+ 5", "\u0663", "\u00b2", "\u00a05"]
SOMETHING_BEHIND = ["5x", "5 ", "5m", "1e5", "131072.5", "1_0", "1,5", "5\x00"]


@pytest.mark.parametrize("text", NONE_AT_ALL + SOMETHING_BEHIND)
@pytest.mark.parametrize(
    "read", [lambda text: signed(text, None, None), lambda text: unsigned(text, None, None), port_number]
)
def test_what_is_no_number_or_has_something_behind_it_is_invalid(
    read: Callable[[str], int], text: str
) -> None:
    with pytest.raises(BadValueError) as caught:
        read(text)
    assert caught.value.reason == ""


@pytest.mark.parametrize("text", ["08", "0x", "0xg", "0b1", "00x1", "0x-1"])
def test_digits_must_fit_the_base(text: str) -> None:
    with pytest.raises(BadValueError) as caught:
        signed(text, None, None)
    assert caught.value.reason == ""


@pytest.mark.parametrize("text", ["-5", "-0", "0x2000"])
def test_an_unsigned_number_has_neither_minus_nor_base(text: str) -> None:
    with pytest.raises(BadValueError) as caught:
        unsigned(text, 0, None)
    assert caught.value.reason == ""


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("0", "underflow"),
        ("-0", "underflow"),
        ("65536", "overflow"),
        ("9" * 5000, "overflow"),
        ("-5", "overflow"),
    ],
)
def test_a_port_out_of_range_says_on_which_side(text: str, reason: str) -> None:
    with pytest.raises(BadValueError) as caught:
        port_number(text)
    assert caught.value.reason == reason


@pytest.mark.parametrize(("text", "number"), [("1", 1), ("65535", 65535), ("+104", 104), ("010", 10)])
def test_a_port_is_decimal(text: str, number: int) -> None:
    assert port_number(text) == number


def test_both_bounds_belong_to_the_range() -> None:
    assert [unsigned(text, 4096, 131072) for text in ("4096", "131072")] == [4096, 131072]
    for text, reason in (("4095", "underflow"), ("131073", "overflow")):
        with pytest.raises(BadValueError) as caught:
            unsigned(text, 4096, 131072)
        assert caught.value.reason == reason


@given(st.integers(-INT_MAX, INT_MAX))
def test_any_number_survives_being_written_and_read(number: int) -> None:
    assert signed(str(number), None, None) == number


@given(st.text(alphabet=st.characters(codec=None)) | st.text(alphabet="0123456789abcdefxX+- \t_."))
def test_any_text_is_a_number_or_a_bad_value(text: str) -> None:
    for read in (signed, unsigned, lambda text, low, high: port_number(text)):
        try:
            assert -1 <= read(text, -1, 100) <= 65535
        except BadValueError:
            continue
