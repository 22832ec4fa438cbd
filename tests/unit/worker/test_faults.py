"""What goes wrong on purpose: when, how often, and not a moment earlier."""

from __future__ import annotations

import logging
import os
import threading
from time import monotonic
from typing import TYPE_CHECKING

import pytest

from scpd.errors import Abort, Stopped
from scpd.worker import faults as faults_module
from scpd.worker.faults import Faults, pause

if TYPE_CHECKING:
    from collections.abc import Iterator

    DataSet = list[tuple[list[memoryview], int, bool]]

LONG = 3600
INITIATED = "ABORT initiated (due to command line options)"


class Wakeup:
    """A pipe into which a signal may write."""

    cause = "stopped by the administrator"

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()
        self.signalled = False

    def fileno(self) -> int:
        return self.reader

    def signal(self) -> None:
        self.signalled = True
        os.write(self.writer, b"\x0f")


@pytest.fixture
def wakeup() -> Iterator[Wakeup]:
    wakeup = Wakeup()
    yield wakeup
    os.close(wakeup.reader)
    os.close(wakeup.writer)


@pytest.fixture
def happened(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Pauses, without their time, among what else is noted here."""
    happened: list[object] = []

    def pause(seconds: int, _: object) -> None:
        if seconds:
            happened.append(seconds)

    monkeypatch.setattr(faults_module, "pause", pause)
    return happened


def faults(**options: object) -> Faults:
    chosen = {"sleep_after": 0, "sleep_during": 0, "abort_after": False, "abort_during": False} | options
    return Faults(**chosen)  # type: ignore[arg-type]


def data_set(*fragments: int) -> DataSet:
    """Triples with so many fragments each."""
    pieces = [([memoryview(b"%d" % number)], count, False) for number, count in enumerate(fragments)]
    return [*pieces[:-1], (*pieces[-1][:2], True)]


def asked_for(data: DataSet, happened: list[object]) -> Iterator[object]:
    for number, each in enumerate(data):
        happened.append(f"ask {number}")
        yield each


def given(wrong: Faults, data: DataSet, happened: list[object]) -> DataSet:
    """What comes through before the end, or the abort that is noted."""
    through = []
    try:
        for each in wrong.during(asked_for(data, happened), None):  # type: ignore[arg-type]
            happened.append("give")
            through.append(each)
    except Abort as abort:
        happened.append(f"abort {abort.source}/{abort.reason}")
    return through


@pytest.mark.parametrize(
    "option", [{}, {"sleep_during": 2}, {"sleep_after": 2}, {"abort_during": True}, {"abort_after": True}]
)
def test_whether_anything_goes_wrong_is_its_truth(option: dict[str, object]) -> None:
    assert bool(faults(**option)) is bool(option)


def test_sleeping_is_once_before_once_a_fragment_and_once_behind(happened: list[object]) -> None:
    data = data_set(1, 0, 3, 1)

    assert given(faults(sleep_during=2), data, happened) == data

    assert happened == [2, "ask 0", 2, "give", "ask 1", "give", "ask 2", 6, "give", "ask 3", 2, 2, "give"]
    assert sum(each for each in happened if isinstance(each, int)) == (5 + 2) * 2


def test_sleeping_afterwards_is_not_within_the_object(happened: list[object]) -> None:
    data, wrong = data_set(1, 1), faults(sleep_after=7)

    assert given(wrong, data, happened) == data
    assert 7 not in happened
    wrong.after(None)  # type: ignore[arg-type]

    assert happened[-1] == 7


def test_the_abort_within_comes_with_the_first_whole_fragment(
    happened: list[object], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    data = data_set(0, 0, 1, 1)

    assert given(faults(abort_during=True, sleep_during=5), data, happened) == data[:2]

    assert happened == [5, "ask 0", "give", "ask 1", "give", "ask 2", "abort 0/0"]
    assert [record.getMessage() for record in caplog.records] == [INITIATED]


@pytest.mark.parametrize("fragments", [(1,), (0,)])
def test_a_data_set_of_one_fragment_is_aborted_too(
    happened: list[object], fragments: tuple[int, ...]
) -> None:
    assert given(faults(abort_during=True), data_set(*fragments), happened) == []
    assert happened == ["ask 0", "abort 0/0"]


def test_the_abort_afterwards_comes_when_all_is_there_and_before_it_has_ended(
    happened: list[object], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    data = data_set(1, 2)

    through = given(faults(abort_after=True, sleep_during=1), data, happened)

    assert through == [data[0], (*data[1][:2], False)]
    assert happened == [1, "ask 0", 1, "give", "ask 1", 2, "give", "abort 0/0"]
    assert [record.getMessage() for record in caplog.records] == [INITIATED]


def test_of_both_aborts_the_earlier_one_counts(
    happened: list[object], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    given(faults(abort_after=True, abort_during=True), data_set(1, 1), happened)

    assert happened == ["ask 0", "abort 0/0"]
    assert len(caplog.records) == 1


class TestPause:
    @pytest.mark.parametrize("seconds", [0.01, 0.05])
    def test_it_lasts_as_long_as_it_is_told_and_hardly_longer(self, wakeup: Wakeup, seconds: float) -> None:
        before = monotonic()
        pause(seconds, wakeup)  # type: ignore[arg-type]
        assert seconds <= monotonic() - before < seconds + 5

    def test_no_pause_asks_nobody(self) -> None:
        pause(0, None)  # type: ignore[arg-type]

    def test_a_signal_that_came_before_ends_it(self, wakeup: Wakeup) -> None:
        wakeup.signal()
        with pytest.raises(Stopped):
            pause(LONG, wakeup)  # type: ignore[arg-type]

    def test_a_signal_ends_it_at_once(self, wakeup: Wakeup) -> None:
        timer = threading.Timer(0.02, wakeup.signal)
        timer.start()
        with pytest.raises(Stopped):
            pause(LONG, wakeup)  # type: ignore[arg-type]
        timer.join()

    def test_a_pause_longer_than_the_kernel_can_wait_is_none_the_less_one(self, wakeup: Wakeup) -> None:
        wakeup.signal()
        with pytest.raises(Stopped):
            pause(2**63, wakeup)  # type: ignore[arg-type]
