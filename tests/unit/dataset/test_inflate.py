"""Deflated data sets: any fragmentation, streams that end too early or not at all, and what is no stream."""

from __future__ import annotations

import os
import zlib
from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scpd.dataset.inflate import Inflater, deflated, inflated
from scpd.errors import Refused

LONGEST_PIECE = 1 << 17
TEXT = b"".join(b"%d, " % number for number in range(3000))


def stream(data: bytes, level: int = 6) -> bytes:
    engine = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS)
    return engine.compress(data) + engine.flush()


STREAM = stream(TEXT)


def fed(data: bytes, places: list[int]) -> tuple[bytes, bool]:
    """What comes out of a stream that comes in pieces, and whether it is whole then."""
    inflater = Inflater()
    content = b""
    for begin, end in pairwise([0, *places, len(data)]):
        content += b"".join(inflater.inflate(memoryview(data)[begin:end]))
    return content, inflater.is_whole()


@given(
    data=st.binary(max_size=300) | st.just(TEXT),
    level=st.integers(0, 9),
    places=st.lists(st.integers(0, 10_000), max_size=8),
)
def test_any_fragmentation_gives_the_same_bytes(data: bytes, level: int, places: list[int]) -> None:
    content = stream(data, level)
    cuts = sorted(place % (len(content) + 1) for place in places)

    assert fed(content, cuts) == (data, True)


def test_byte_by_byte_nothing_is_held_back_at_the_end() -> None:
    assert fed(STREAM, list(range(1, len(STREAM)))) == (TEXT, True)


@pytest.mark.parametrize("feed", ["whole", "in fragments"])
def test_a_bomb_gives_pieces_of_bounded_size(feed: str) -> None:
    bomb = stream(bytes(50_000_000))
    assert len(bomb) < LONGEST_PIECE
    inflater, sizes = Inflater(), []
    for begin in range(0, len(bomb), len(bomb) if feed == "whole" else 1000):
        fragment = bomb[begin : begin + (len(bomb) if feed == "whole" else 1000)]
        sizes += [len(piece) for piece in inflater.inflate(fragment)]

    assert max(sizes) <= LONGEST_PIECE
    assert min(sizes) > 0
    assert sum(sizes) == 50_000_000
    assert inflater.is_whole()


@pytest.mark.parametrize("more", [1, 100, 258, 1000, 4000])
@pytest.mark.parametrize("feed", [1, 20, 1000])
def test_what_is_left_within_when_all_has_come_is_given_too(more: int, feed: int) -> None:
    """The last bytes of a stream may hold far more than the piece that they fill."""
    content = stream(bytes(LONGEST_PIECE + more))

    assert fed(content, list(range(feed, len(content), feed))) == (bytes(LONGEST_PIECE + more), True)


def test_pieces_come_one_by_one() -> None:
    """Who stops after the first has not paid for all of a bomb."""
    pieces = Inflater().inflate(stream(bytes(10_000_000)))

    assert len(next(pieces)) == LONGEST_PIECE
    assert len(next(pieces)) == LONGEST_PIECE


def test_what_hardly_shrinks_costs_no_more_than_its_length(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is left of a stream is copied at each piece; so it is not given as a whole."""
    given_at_once = []
    real = Inflater.inflate

    def inflate(self: Inflater, data: memoryview) -> object:
        given_at_once.append(len(data))
        return real(self, data)

    monkeypatch.setattr(Inflater, "inflate", inflate)
    noise = os.urandom(1_000_000)

    assert b"".join(inflated(memoryview(stream(noise)))) == noise
    assert max(given_at_once) <= LONGEST_PIECE


@pytest.mark.parametrize("missing", [1, 2, 100, len(STREAM) - 1, len(STREAM)])
def test_a_stream_that_is_cut_off_is_not_whole(missing: int) -> None:
    content, is_whole = fed(STREAM[:-missing], [])

    assert not is_whole
    assert TEXT.startswith(content)


def test_a_stream_without_its_end_gives_all_the_same_what_it_holds() -> None:
    engine = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
    begun = engine.compress(TEXT) + engine.flush(zlib.Z_SYNC_FLUSH)

    assert fed(begun, []) == (TEXT, False)


@pytest.mark.parametrize("behind", [b"\0", b"anything", STREAM, bytes(200_000)])
def test_what_stands_behind_the_stream_is_nobodys(behind: bytes) -> None:
    assert fed(STREAM + behind, []) == (TEXT, True)
    assert fed(STREAM + behind, [100, len(STREAM), len(STREAM) + 1]) == (TEXT, True)
    assert b"".join(inflated(memoryview(STREAM + behind))) == TEXT


@pytest.mark.parametrize("level", [1, 6, 9])
def test_a_zlib_header_is_refused(level: int) -> None:
    with pytest.raises(Refused) as caught:
        fed(zlib.compress(TEXT, level), [])

    assert (caught.value.status, caught.value.comment) == (0xC000, "data set is not a deflate stream")


@pytest.mark.parametrize("data", [b"\x08\0\x16\0UI\x1a\x001.2.840", b"\x1f\x8b\x08" + STREAM, b"\xff" * 10])
def test_what_is_no_stream_is_refused(data: bytes) -> None:
    for places in ([], [1], list(range(1, len(data)))):
        with pytest.raises(Refused) as caught:
            fed(data, places)
        assert caught.value.status == 0xC000


def test_a_stream_that_goes_wrong_later_is_refused_then() -> None:
    engine = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
    begun = engine.compress(TEXT) + engine.flush(zlib.Z_FULL_FLUSH)
    inflater = Inflater()

    assert b"".join(inflater.inflate(begun)) == TEXT
    with pytest.raises(Refused):
        list(inflater.inflate(b"\xff" * 100))


@given(data=st.binary(max_size=200))
def test_any_bytes_are_a_stream_or_refused(data: bytes) -> None:
    with suppress(Refused):
        fed(data, [len(data) // 2])


@pytest.mark.parametrize("level", range(10))
@pytest.mark.parametrize("size", [0, 1, 2, 1000, LONGEST_PIECE, LONGEST_PIECE + 1, 400_001])
def test_what_is_deflated_has_even_length_and_comes_back(level: int, size: int) -> None:
    data = (TEXT * (size // len(TEXT) + 1))[:size]
    pieces = list(deflated(memoryview(data), level))
    content = b"".join(pieces)

    assert len(content) % 2 == 0
    assert fed(content, []) == (data, True)


def test_an_odd_stream_is_padded_with_one_nul() -> None:
    odd = [data for data in (TEXT[:size] for size in range(1, 60)) if len(stream(data)) % 2]
    assert odd

    for data in odd:
        assert b"".join(deflated(memoryview(data), 6)) == stream(data) + b"\0"


def test_the_level_is_that_which_is_asked_for() -> None:
    sizes = [len(b"".join(deflated(memoryview(TEXT), level))) for level in (0, 1, 9)]

    assert sizes[0] > len(TEXT) > sizes[1] > sizes[2]
