"""The numbers since the start, and how each end is counted."""

from __future__ import annotations

import json
import signal

import pytest

from scpd.master.books import Books
from scpd.master.children import KEEPER, REFUSER, STANDBY, SWEEPER, WORKER, Child
from scpd.master.tally import Tally
from scpd.process import exitcodes, score
from scpd.process.score import Score
from scpd.process.scoreboard import Reading


def reading(stored: int = 0, why: int = 0, fields: tuple[int, ...] = ()) -> Reading:
    memory = memoryview(bytearray(score.SIZE))
    mine = Score(memory)
    mine.begin("x")
    mine.words[score.STORED] = stored
    mine.words[score.BYTES] = 1000 * stored
    mine.ended(why, fields)
    return Reading(memory)


@pytest.mark.parametrize(
    ("code", "why", "result"),
    [
        (exitcodes.OK, 0, "released"),
        (exitcodes.OK, score.SILENT, "silent"),
        (exitcodes.REJECTED, score.REJECTED, "rejected"),
        (exitcodes.REJECTED, score.DENIED, "denied"),
        (exitcodes.ABORTED, score.ABORTED, "aborted"),
        (exitcodes.STOPPED, score.ABORTED, "stopped"),
        (exitcodes.LOST, 0, "lost"),
        (exitcodes.NOT_DICOM, 0, "not_dicom"),
        (exitcodes.INSECURE, 0, "insecure"),
        (exitcodes.CRASHED, 0, "crashed"),
        (exitcodes.CRASHED, score.DENIED, "crashed"),
        (exitcodes.FAILED, 0, "failed"),
        (99, 0, "failed"),
        (-signal.SIGKILL, 0, "killed"),
        (-signal.SIGSEGV, score.DENIED, "killed"),
    ],
)
def test_an_association_is_counted_by_its_end(code: int, why: int, result: str) -> None:
    tally = Tally()
    tally.reaped(WORKER, code, reading(why=why))
    assert tally.associations == {result: 1}
    assert tally.ended == 1


def test_what_a_worker_counted_is_added_however_it_ended() -> None:
    tally = Tally()
    for code in (exitcodes.OK, -signal.SIGKILL, exitcodes.CRASHED):
        tally.reaped(WORKER, code, reading(10))
    assert (tally.stored, tally.bytes, tally.objects) == (30, 30000, {"0000": 30})


def test_rejections_and_aborts_are_counted_by_the_fields_of_their_pdus() -> None:
    tally = Tally()
    for fields in ((1, 1, 7), (1, 1, 7), (2, 3, 1)):
        tally.reaped(WORKER, exitcodes.REJECTED, reading(why=score.REJECTED, fields=fields))
    tally.reaped(WORKER, exitcodes.ABORTED, reading(why=score.ABORTED, fields=(0, 2, 5)))
    assert tally.rejections == {"1/1/7": 2, "2/3/1": 1}
    assert tally.aborts == {"2/5": 1}


@pytest.mark.parametrize(
    ("kind", "code", "died"),
    [
        (WORKER, -signal.SIGKILL, {"worker SIGKILL": 1}),
        (WORKER, -99, {"worker signal 99": 1}),
        (WORKER, exitcodes.CRASHED, {"worker crashed": 1}),
        (KEEPER, -signal.SIGSEGV, {"keeper SIGSEGV": 1}),
        (STANDBY, exitcodes.CRASHED, {"standby worker crashed": 1}),
        (WORKER, exitcodes.ABORTED, {}),
        (SWEEPER, exitcodes.FAILED, {}),
    ],
)
def test_deaths_are_counted_by_kind_and_cause(kind: str, code: int, died: dict[str, int]) -> None:
    tally = Tally()
    tally.reaped(kind, code, Reading())
    assert tally.died == died


@pytest.mark.parametrize("kind", [STANDBY, SWEEPER, KEEPER])
def test_only_workers_have_associations(kind: str) -> None:
    tally = Tally()
    tally.reaped(kind, exitcodes.OK, Reading())
    assert tally.associations == {}


def test_a_refuser_has_rejected_if_it_had_a_request() -> None:
    tally = Tally()
    tally.reaped(REFUSER, exitcodes.REJECTED, Reading())
    tally.reaped(REFUSER, exitcodes.LOST, Reading())
    assert (tally.associations, tally.rejections) == ({"rejected": 1}, {"2/3/1": 1})


def test_it_goes_on_from_what_it_was_in_another_program() -> None:
    tally = Tally(since=1234.5)
    tally.reaped(WORKER, exitcodes.REJECTED, reading(3, score.REJECTED, (1, 1, 3)))
    tally.reaped(KEEPER, -signal.SIGKILL, Reading())
    tally.closed("left")
    again = Tally.from_dict(json.loads(json.dumps(tally.as_dict())))
    assert again.as_dict() == tally.as_dict()
    again.reaped(WORKER, exitcodes.OK, reading(1))
    assert (again.stored, tally.stored) == (4, 3)


def test_what_an_earlier_version_did_not_count_is_zero() -> None:
    tally = Tally.from_dict({"since": 1.0, "objects": {"0000": 3}, "more": 1})
    assert (tally.since, tally.stored, tally.bytes, tally.died) == (1.0, 3, 0, {})


def test_the_books_count_a_child_and_free_its_slot() -> None:
    books = Books()
    slot = books.scoreboard.take()
    mine = books.scoreboard.score(slot)
    mine.begin("x")
    mine.words[score.STORED] = 5
    child = Child(1, WORKER, slot=slot)
    child.exit_code = -signal.SIGKILL
    books.reaped(child)
    assert (books.tally.stored, books.tally.associations) == (5, {"killed": 1})
    assert books.scoreboard.take() == slot
    books.scoreboard.close()
