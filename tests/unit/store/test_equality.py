"""The same object in two files, and all that is not."""

from __future__ import annotations

import os
import resource
import struct
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scpd.store import equality
from scpd.store.equality import are_equal
from scpd.store.filemeta import FileMeta
from tests.harness.forked import in_child

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LITTLE, IMPLICIT = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2"
CT = "1.2.840.10008.5.1.4.1.1.2"
CHUNK = equality._CHUNK


def dicom(data_set: bytes, syntax: str = LITTLE, calling: bytes = b"CT_1") -> bytes:
    return FileMeta(syntax, calling, b"STORESCP").for_object(CT, "1.2.3") + data_set


def element(number: int, vr: bytes, value: bytes) -> bytes:
    value += b"\0" * (len(value) % 2)
    long = vr in {b"OB", b"UN"}
    length = struct.pack("<2xI", len(value)) if long else struct.pack("<H", len(value))
    return struct.pack("<HH2s", 2, number, vr) + length + value


def foreign(meta: bytes, data_set: bytes, length: int | None = None) -> bytes:
    group_length = struct.pack("<I", len(meta) if length is None else length)
    return b"P" * 128 + b"DICM\2\0\0\0UL\4\0" + group_length + meta + data_set


@pytest.fixture
def compare(tmp_path: Path) -> Iterator[object]:
    descriptors = []

    def compare(one: bytes, other: bytes) -> bool:
        for name, content in (("one", one), ("other", other)):
            (tmp_path / name).write_bytes(content)
            descriptors.append(os.open(tmp_path / name, os.O_RDONLY))
        there = are_equal(*descriptors[-2:])
        assert are_equal(*descriptors[:-3:-1]) is there
        return there

    yield compare
    for descriptor in descriptors:
        os.close(descriptor)


META = element(0x10, b"UI", LITTLE.encode())
EQUAL = {
    "identical": (dicom(b"data"), dicom(b"data")),
    "another sender": (dicom(b"data"), dicom(b"data", calling=b"ANOTHER_ONE")),
    "another writer": (dicom(b"data"), foreign(element(1, b"OB", b"\0\1") + META, b"data")),
    "the syntax first": (dicom(b"data"), foreign(META + element(0x13, b"SH", b"X"), b"data")),
    "padded with a space": (dicom(b"data"), foreign(element(0x10, b"UI", LITTLE.encode() + b" "), b"data")),
    "no data": (dicom(b""), dicom(b"")),
    "bare": (b"data set", b"data set"),
    "bare and short": (b"x", b"x"),
    "bare and empty": (b"", b""),
    "many chunks": (dicom(b"x" * 3 * CHUNK), dicom(b"x" * 3 * CHUNK, calling=b"OTHER")),
}


@pytest.mark.parametrize(("one", "other"), EQUAL.values(), ids=EQUAL)
def test_the_same_syntax_and_data_set_are_one_object(compare, one: bytes, other: bytes) -> None:  # type: ignore[no-untyped-def]
    assert compare(one, other)


DIFFERENT = {
    "another syntax": (dicom(b"data"), dicom(b"data", syntax=IMPLICIT)),
    "another byte": (dicom(b"data"), dicom(b"dat_")),
    "longer": (dicom(b"data"), dicom(b"data!")),
    "cut off": (dicom(b"x" * 3 * CHUNK), dicom(b"x" * 2 * CHUNK)),
    "the last byte of many": (dicom(b"x" * 3 * CHUNK), dicom(b"x" * (3 * CHUNK - 1) + b"y")),
    "the first byte of a chunk": (
        dicom(b"x" * 3 * CHUNK),
        dicom(b"x" * CHUNK + b"y" + b"x" * (2 * CHUNK - 1)),
    ),
    "with and without file meta": (dicom(b"data"), b"data"),
    "empty": (dicom(b"data"), b""),
    "no group length": (dicom(b"data"), b"P" * 128 + b"DICM" + META + b"data"),
    "no syntax": (dicom(b"data"), foreign(element(0x12, b"UI", b"1.2"), b"data")),
    "neither has a syntax": (foreign(b"", b"data"), foreign(b"", b"data")),
    "meta longer than the file": (dicom(b""), foreign(META, b"", length=len(META) + 1)),
    "meta of 4 GB": (foreign(META, b"", length=0xFFFFFFFF), foreign(META, b"", length=0xFFFFFFFF)),
    "meta cut off": (dicom(b"data")[:150], dicom(b"data")[:150]),
    "a header cut off": (foreign(META[:7], b""), foreign(META[:7], b"")),
    "a long header cut off": (foreign(b"\2\0\1\0OB\0\0", b""), foreign(b"\2\0\1\0OB\0\0", b"")),
    "the prefix alone": (bytes(128) + b"DICM", bytes(128) + b"DICM"),
}


@pytest.mark.parametrize(("one", "other"), DIFFERENT.values(), ids=DIFFERENT)
def test_anything_else_is_another_object(compare, one: bytes, other: bytes) -> None:  # type: ignore[no-untyped-def]
    assert not compare(one, other)


@given(st.binary(max_size=200), st.binary(max_size=60))
def test_any_bytes_give_an_answer(meta: bytes, data_set: bytes) -> None:
    descriptor = os.memfd_create("any")
    try:
        os.write(descriptor, foreign(meta, data_set))
        assert are_equal(descriptor, descriptor) in (True, False)
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("kind", ["directory", "FIFO"])
def test_what_is_no_file_is_no_object(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "it"
    if kind == "FIFO":
        os.mkfifo(path)
    else:
        path.mkdir()
    descriptor, empty = os.open(path, os.O_RDONLY | os.O_NONBLOCK), os.memfd_create("empty")
    try:
        assert not are_equal(empty, descriptor)
        assert not are_equal(descriptor, empty)
    finally:
        os.close(descriptor)
        os.close(empty)


def test_large_files_need_little_memory(tmp_path: Path) -> None:
    with (tmp_path / "large").open("wb") as file:
        file.truncate(200_000_000)  # a hole: costs no disk

    def work() -> bool:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        descriptor = os.open(tmp_path / "large", os.O_RDONLY)
        assert are_equal(descriptor, descriptor)
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 5000

    assert in_child(work)
