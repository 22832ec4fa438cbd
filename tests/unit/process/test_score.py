"""What a worker tells of itself, read by somebody else."""

from __future__ import annotations

import os
from time import monotonic

import pytest

from scpd.process import score
from scpd.process.score import Score
from scpd.process.scoreboard import Reading


@pytest.fixture
def memory() -> memoryview:
    return memoryview(bytearray(score.SIZE))


def test_it_is_nobody_who_has_not_begun(memory: memoryview) -> None:
    Score(memory)
    reading = Reading(memory)
    assert (reading.pid, reading.phase, reading.bytes, reading.objects) == (0, score.IDLE, 0, {})
    assert reading.peer == ("", "", "", "")


def test_who_has_begun_says_who_it_is_since_when_and_with_whom(memory: memoryview) -> None:
    before = monotonic()
    Score(memory).begin("192.0.2.1:4711")
    reading = Reading(memory)
    assert (reading.pid, reading.phase) == (os.getpid(), score.WAITING)
    assert reading.peer == ("192.0.2.1:4711", "", "", "")
    assert before <= reading.begun == reading.heard <= monotonic()


def test_numbers_go_beyond_what_32_bits_hold(memory: memoryview) -> None:
    mine = Score(memory)
    mine.begin("x")
    mine.words[score.BYTES] += 5_000_000_000
    mine.words[score.STORED] += 7
    mine.words[score.PLACES[0xA700]] += 2
    mine.words[score.OTHER] += 1
    reading = Reading(memory)
    assert (reading.bytes, reading.stored) == (5_000_000_000, 7)
    assert reading.objects == {"0000": 7, "A700": 2, "other": 1}


@pytest.mark.parametrize("long", ["x" * 5000, "é" * 300])
def test_a_text_that_is_too_long_is_cut_and_harms_no_number(memory: memoryview, long: str) -> None:
    mine = Score(memory)
    mine.begin("peer")
    mine.tell("peer", "CALLING", "CALLED", long)
    peer, calling, called, name = Reading(memory).peer
    assert (peer, calling, called) == ("peer", "CALLING", "CALLED")
    assert 200 < len(name) < 500
    assert name.rstrip("\N{REPLACEMENT CHARACTER}") == long[: len(name.rstrip("\N{REPLACEMENT CHARACTER}"))]
    assert Reading(memory).pid == os.getpid()


def test_a_shorter_text_leaves_nothing_of_a_longer_one(memory: memoryview) -> None:
    mine = Score(memory)
    mine.begin("a long name of a peer")
    mine.tell("b", "C", "D", "")
    assert Reading(memory).peer == ("b", "C", "D", "")


@pytest.mark.parametrize(
    ("why", "fields", "read"),
    [
        (score.REJECTED, (1, 1, 7), (score.REJECTED, 1, 1, 7)),
        (score.ABORTED, (0, 2, 255), (score.ABORTED, 0, 2, 255)),
        (score.DENIED, (), (score.DENIED, 0, 0, 0)),
        (0, (), (0, 0, 0, 0)),
    ],
)
def test_why_it_ended_can_be_read(
    memory: memoryview, why: int, fields: tuple[int, ...], read: tuple[int, ...]
) -> None:
    mine = Score(memory)
    mine.begin("x")
    mine.ended(why, fields)
    assert Reading(memory).why == read
    assert Reading(memory).phase == score.ENDING


def test_of_another_layout_nothing_is_read(memory: memoryview) -> None:
    mine = Score(memory)
    mine.begin("x")
    mine.words[score.BYTES] = 9
    mine.words[score.VERSION] = score.LAYOUT + 1
    reading = Reading(memory)
    assert (reading.pid, reading.bytes, reading.peer) == (0, 0, ("", "", "", ""))


def test_whatever_a_worker_writes_can_be_read(memory: memoryview) -> None:
    for pattern in (0xFF, 0x80, 0x01):
        memory[:] = bytes([pattern]) * score.SIZE
        Score(memory).words[score.VERSION] = score.LAYOUT
        reading = Reading(memory)
        assert all(isinstance(field, str) for field in reading.peer)
        assert reading.begun > 0
        assert len(reading.why) == 4


def test_without_a_master_it_is_a_workers_own() -> None:
    one, other = Score(), Score()
    one.words[score.BYTES] = 3
    assert other.words[score.BYTES] == 0


def test_the_words_and_phases_are_told_apart() -> None:
    words = [
        score.VERSION, score.PID, score.PHASE, score.BEGUN, score.HEARD, score.BYTES, score.WHY,
        *score.PLACES.values(), score.OTHER,
    ]  # fmt: skip
    assert len(set(words)) == len(words)
    assert max(words) < score.TEXT // 8
    assert len(score.PHASES) == score.ENDING + 1
