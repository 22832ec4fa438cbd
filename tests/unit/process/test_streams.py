"""A stream that nobody reads holds nobody up."""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING

import pytest

from scpd.process import streams
from scpd.process.streams import Stream

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    fcntl.fcntl(ends[1], fcntl.F_SETPIPE_SZ, 8192)
    yield ends
    for end in ends:
        os.close(end)


def test_what_a_pipe_does_not_take_is_lost_and_counted_until_it_is_read_again(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "_PATIENCE_MILLISECONDS", 1)
    reader, writer = pipe
    stream = Stream(writer)
    written = 0
    while stream.write(b"x" * 3000):
        written += 1
        assert written < 10
    assert not stream.write(b"y")
    assert stream.lost == 2
    assert len(os.read(reader, 65536)) == written * 3000
    assert stream.write(b"z")
    assert stream.lost == 0
    assert os.read(reader, 10) == b"z"


def test_a_text_longer_than_the_pipe_comes_in_pieces(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    assert Stream(writer).write(b"ab" * 4000)
    assert os.read(reader, 65536) == b"ab" * 4000


def test_a_file_gets_one_write(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as file:
        assert Stream(file.fileno()).write(b"x" * 100_000)
    assert (tmp_path / "log").stat().st_size == 100_000


@pytest.mark.parametrize("path", ["/dev/full", None])
def test_a_full_or_closed_stream_is_no_failure(path: str | None) -> None:
    descriptor = os.open(path or "/dev/null", os.O_WRONLY)
    stream = Stream(descriptor)
    if path is None:
        os.close(descriptor)
    assert not stream.write(b"x")
    if path is not None:
        os.close(descriptor)
