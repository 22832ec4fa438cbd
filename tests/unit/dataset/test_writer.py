from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given

from scpd.dataset.writer import Writer
from tests.harness.hostile import chances
from tests.harness.recoding import Memory

if TYPE_CHECKING:
    import random

SOURCE = memoryview(bytes(range(256)) * 4000)


def test_bytes_come_out_in_their_order_when_they_are_flushed() -> None:
    target = Memory()
    writer = Writer(target)
    writer.add(b"ab")
    writer.add(memoryview(b"cd"))
    writer.copy(SOURCE, 3, 5)
    assert writer.position() == 6
    writer.flush()
    assert target.content == b"abcd\3\4"
    assert writer.position() == 6


def test_stretches_that_meet_become_one() -> None:
    target = Memory()
    writer = Writer(target)
    for begin in range(0, 1000, 10):
        writer.copy(SOURCE, begin, begin + 10)
    writer.flush()
    assert target.most_pieces == 1
    assert target.content == SOURCE[:1000]


def test_stretches_of_two_sources_do_not_meet() -> None:
    target = Memory()
    writer = Writer(target)
    writer.copy(memoryview(b"abcd"), 0, 2)
    writer.copy(memoryview(b"ABCD"), 2, 4)
    writer.flush()
    assert target.content == b"abCD"


def test_an_empty_stretch_is_nothing() -> None:
    target = Memory()
    writer = Writer(target)
    writer.copy(SOURCE, 5, 5)
    writer.copy(SOURCE, 0, 1)
    writer.copy(SOURCE, 1, 1)
    writer.copy(SOURCE, 1, 2)
    writer.flush()
    assert target.content == b"\0\1"


@pytest.mark.parametrize("is_flushed", [True, False])
def test_a_field_is_filled_in_before_and_after_it_was_written(is_flushed: bool) -> None:
    target = Memory()
    writer = Writer(target)
    writer.add(b"ab")
    field = writer.add_field(bytearray(b"head0000"))
    writer.add(b"cd")
    if is_flushed:
        writer.flush()
        assert target.content == b"abhead0000cd"
    writer.fill(field, 4, b"1234")
    writer.flush()
    assert target.content == b"abhead1234cd"


def test_a_field_may_be_filled_in_while_a_stretch_is_open() -> None:
    target = Memory()
    writer = Writer(target)
    field = writer.add_field(bytearray(4))
    writer.copy(SOURCE, 0, 4)
    writer.fill(field, 0, b"abcd")
    writer.copy(SOURCE, 4, 8)
    writer.flush()
    assert target.content == b"abcd" + SOURCE[:8]


def test_a_new_begin_forgets_all() -> None:
    target = Memory()
    writer = Writer(target)
    writer.add(b"ab")
    writer.flush()
    writer.add_field(bytearray(4))
    writer.copy(SOURCE, 0, 9)
    writer.restart()
    assert writer.position() == 0
    writer.copy(SOURCE, 9, 10)
    writer.flush()
    assert target.content == b"\x09"


@pytest.mark.parametrize("way", ["add", "copy", "add_field"])
def test_no_more_is_gathered_than_a_batch(way: str) -> None:
    target = Memory()
    writer = Writer(target)
    for number in range(0, 20_000, 2):
        if way == "add":
            writer.add(b"a")
        elif way == "copy":
            writer.copy(SOURCE, number, number + 1)
        else:
            writer.fill(writer.add_field(bytearray(1)), 0, b"b")
    assert len(target.content) > 8000
    assert target.most_pieces <= 1024
    writer.flush()
    assert len(target.content) == 10_000


def test_long_pieces_are_handed_over_soon() -> None:
    target = Memory()
    writer = Writer(target)
    for _ in range(20):
        writer.add(SOURCE[:100_000])
    writer.flush()
    assert target.most_bytes < 500_000
    assert len(target.content) == 2_000_000


@given(chances())
def test_any_steps_give_the_bytes_in_their_order(chance: random.Random) -> None:
    target, expected = Memory(), bytearray()
    writer = Writer(target)
    fields = []
    for _ in range(chance.choice((10, 3000))):
        kind = chance.randrange(6)
        if kind == 0:
            piece = chance.randbytes(chance.choice((0, 1, 9, 200)))
            writer.add(piece)
            expected += piece
        elif kind <= 2:
            begin = chance.randrange(1000)
            end = begin + chance.choice((0, 1, 50, 1000))
            writer.copy(SOURCE, begin, end)
            expected += SOURCE[begin:end]
        elif kind == 3:
            fields.append((writer.add_field(bytearray(8)), len(expected)))
            expected += bytes(8)
        elif kind == 4 and fields:
            field, place = chance.choice(fields)
            offset, data = chance.randrange(5), chance.randbytes(4)
            writer.fill(field, offset, data)
            expected[place + offset : place + offset + 4] = data
        elif kind == 5 and chance.random() < 0.1:
            writer.flush()
            assert target.content == expected
        assert writer.position() == len(expected)
    writer.flush()
    assert target.content == expected
