from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scpd.dataset.values import end_of_text, is_presented_uid, presented_uid, swapped, uid_text

UIDS = st.one_of(st.binary(), st.text("12.\\ \t\n\v\f\r\0").map(str.encode))
TEXTS = st.one_of(st.binary(), st.text("ab \0").map(str.encode))


@pytest.mark.parametrize(
    ("value", "uid"),
    [
        (b"", ""),
        (b"1.2.3", "1.2.3"),
        (b"1.2.3\0", "1.2.3"),
        (b"1.2.3\0\0", "1.2.3"),
        (b" 1.2.3 ", "1.2.3"),
        (b"1 .\t2\n.\v3\f\r", "1.2.3"),
        (b"1.2.3\0 ", "1.2.3"),
        (b"1.2.3 \0", "1.2.3"),
        (b"\0 1.2", "\x001.2"),
        (b"1.2\0\\3.4\0", "1.2\0\\3.4"),
        (b"1.2\xa0\x85", "1.2\xa0\x85"),
    ],
)
def test_a_uid_loses_white_space_anywhere_and_nuls_at_its_end(value: bytes, uid: str) -> None:
    assert uid_text(value) == uid


@given(UIDS)
def test_any_bytes_are_a_text_that_is_already_clean(value: bytes) -> None:
    text = uid_text(value)
    assert uid_text(text.encode("latin-1")) == text


@pytest.mark.parametrize(
    ("value", "presented"),
    [
        (b"", b""),
        (b"1.2", b"1.2\0"),
        (b"1.23", b"1.23"),
        (b"1.2 ", b"1.2\0"),
        (b"1.2\0\0\0", b"1.2\0"),
        (b"1 .2\0", b"1.2\0"),
        (b"1.2\0\\3.4\0", b"1.2\0\\3.4"),
        (b"    ", b""),
        (b"\0\0", b""),
    ],
)
def test_a_uid_is_written_bare_and_even(value: bytes, presented: bytes) -> None:
    assert presented_uid(value) == presented


@given(UIDS.filter(lambda value: len(value) % 2 == 0))
def test_any_uid_of_even_length_is_presented_if_and_only_if_it_stays_as_it_is(value: bytes) -> None:
    assert is_presented_uid(value) == (presented_uid(value) == value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (b"", b""),
        (b"A^B     ", b"A^B"),
        (b"A  B", b"A  B"),
        (b" A", b" A"),
        (b"    ", b""),
        (b"AB\0\0", b"AB\0\0"),
        (b"A \0\0", b"A \0\0"),
        (b"A\0  ", b"A\0"),
        (b"abc", b"abc"),
        (b"ab ", b"ab"),
        (b"ab\0", b"ab"),
        (b"a\0 ", b"a"),
        (b"\0", b""),
        (b"\\\\  ", b"\\\\"),
        (b"A\t", b"A\t"),
    ],
)
def test_a_text_ends_before_the_spaces_and_if_it_is_odd_before_nuls_too(value: bytes, text: bytes) -> None:
    data = memoryview(b"  " + value + b"  ")
    assert end_of_text(data, 2, 2 + len(value)) == 2 + len(text)


@pytest.mark.parametrize("spaces", [0, 1, 131071, 131072, 131073, 400000])
@pytest.mark.parametrize("text", [b"", b"a", b"ab"])
def test_a_text_of_any_length_ends_before_its_spaces(text: bytes, spaces: int) -> None:
    assert end_of_text(memoryview(text + b" " * spaces), 0, len(text) + spaces) == len(text)


@given(TEXTS)
def test_the_end_of_any_text_is_the_end_of_the_text_up_to_there(value: bytes) -> None:
    end = end_of_text(memoryview(value), 0, len(value))
    assert 0 <= end <= len(value)
    assert not value[:end].endswith(b" ")
    assert not value[end:].strip(b" \0")


def in_other_order(value: bytes, unit: int) -> bytes:
    """Swap a value in the slow and obvious way."""
    whole = len(value) // unit * unit
    return b"".join(value[at : at + unit][::-1] for at in range(0, whole, unit)) + value[whole:]


@given(st.binary(), st.sampled_from([2, 4, 8]), st.booleans())
def test_any_value_and_its_padding_are_swapped_together_but_for_a_rest(
    value: bytes, unit: int, is_padded: bool
) -> None:
    padding = b"\0" if is_padded else b""
    pieces = b"".join(swapped(memoryview(value), padding, unit))
    assert pieces == in_other_order(value + padding if value else value, unit)


@pytest.mark.parametrize("unit", [2, 4, 8])
@pytest.mark.parametrize("size", [131071, 131072, 131073, 300001])
def test_a_long_value_is_swapped_in_pieces_of_bounded_size(unit: int, size: int) -> None:
    value = struct.pack(">I", 0x01020304) * (size // 4 + 1)
    value = value[:size]
    pieces = [bytes(piece) for piece in swapped(memoryview(value), b"\0" * (size % 2), unit)]
    assert b"".join(pieces) == in_other_order(value + b"\0" * (size % 2), unit)
    assert max(map(len, pieces)) <= 1 << 18
