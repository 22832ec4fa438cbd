"""A line survives whole or is seen not to be; nothing that stands in a file makes its reader raise."""

from __future__ import annotations

from binascii import crc32

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from scpd.lockdir import records
from scpd.lockdir.records import decode, decode_all, encode

any_text = st.text(st.characters(exclude_categories=()))  # lone surrogates too
any_fields = st.lists(any_text, min_size=1, max_size=14)
names = st.binary(max_size=30).map(lambda name: name.decode("utf-8", "surrogateescape"))


def checked(text: bytes) -> bytes:
    """A line with the right checksum, whatever it says."""
    return text + b"\t%08x" % crc32(text + b"\t")


def test_a_line_can_be_read_by_eye() -> None:
    assert encode(["stored", "7", "CT 1%.dcm", "é", ""]) == b"stored\t7\tCT%201%25.dcm\t%C3%A9\t\t80ea1845\n"


@given(any_fields)
@example([""])
@example(["", ""])
@example(["\udcc3\udca9", "é", "\ud800", "\ud83d\ude00", "\U0001f600"])
def test_any_fields_survive(fields: list[str]) -> None:
    assert decode(encode(fields)[:-1]) == fields


@given(st.lists(names, min_size=1))
def test_any_names_of_files_survive(fields: list[str]) -> None:
    assert decode(encode(fields)[:-1]) == fields


@given(any_fields)
@example(["\x7f\x80\x1f ~!"])
def test_a_line_is_printable_ascii_and_one_line(fields: list[str]) -> None:
    line = encode(fields)
    assert line.endswith(b"\n")
    assert all(0x20 < byte < 0x7F or byte == 0x09 for byte in line[:-1])
    assert line.count(b"\t") == len(fields)


@given(any_fields, st.data())
def test_any_torn_line_is_noticed(fields: list[str], data: st.DataObject) -> None:
    line = encode(fields)[:-1]
    assert decode(line[: data.draw(st.integers(0, len(line) - 1))]) is None
    assert decode(line[data.draw(st.integers(1, len(line))) :]) is None


def test_a_line_torn_at_any_byte_is_noticed() -> None:
    line = encode(
        ["object", "1", "123456789", "", "study_1", "CT.1.2.3", "17", "0", "1.2", "1.2.3", "1.2", "1.2", ""]
    )
    assert [decode(line[:end]) for end in range(len(line) - 1)] == [None] * (len(line) - 1)


@given(any_fields, st.data())
def test_any_changed_byte_is_noticed(fields: list[str], data: st.DataObject) -> None:
    line = encode(fields)[:-1]
    at = data.draw(st.integers(0, len(line) - 1))
    changed = data.draw(st.integers(0, 255).filter(lambda byte: byte != line[at]))
    assert decode(line[:at] + bytes((changed,)) + line[at + 1 :]) is None


@given(any_fields, any_fields)
def test_any_line_that_ran_into_another_is_noticed(first: list[str], second: list[str]) -> None:
    assert decode(encode(first)[:-1] + encode(second)[:-1]) is None


@given(st.binary())
@example(b"")
@example(b"\t00000000")
def test_any_bytes_are_a_line_or_none(line: bytes) -> None:
    assert decode(line) is None or encode(decode(line) or []) == line + b"\n"


@given(st.binary())
@example(b"%")
@example(b"%4")
@example(b"%  ")
@example(b"%zz")
@example(b"%41")
@example(b"%c3%a9")
@example(b"%80")
@example(b"a b")
@example(b"a\rb")
@example(b"\xff")
def test_any_bytes_with_a_right_checksum_are_what_we_would_have_written_or_none(text: bytes) -> None:
    """A forger finds one spelling of each line, and none for what cannot be."""
    fields = decode(checked(text))
    assert fields is None or encode(fields)[:-1] == checked(text)


@pytest.mark.parametrize(
    "text", [b"%", b"%4", b"%  ", b"%zz", b"%41", b"%c3%a9", b"%80", b"a b", b"a\rb", b"\xff"]
)
def test_what_nobody_can_have_written_is_no_line(text: bytes) -> None:
    assert decode(checked(text)) is None


def test_a_checksum_that_follows_no_tab_makes_no_line() -> None:
    assert decode(b"abc%08x" % crc32(b"abc")) is None


def test_lines_that_are_not_whole_are_left_out() -> None:
    whole = [encode(["one"])[:-1], encode(["two", "2"])[:-1]]
    assert decode_all([whole[0], whole[1][:-1], b"", b"garbage", whole[1]]) == [["one"], ["two", "2"]]


def test_no_line_of_ours_is_longer_than_is_said() -> None:
    """Two names of 255 bytes that are no UTF-8, a host, three UIDs and a key of the worst characters, and numbers."""
    name = b"\xff" * 255
    uid = "\xff" * 64
    fields = ["object", "9" * 20, "9" * 20, "f" * 16, *[name.decode("utf-8", "surrogateescape")] * 2]
    fields += ["9" * 20, "9" * 20, uid, uid, uid, uid, "xcr"]
    assert len(encode(fields)) <= records.LONGEST
