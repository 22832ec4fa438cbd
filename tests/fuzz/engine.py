"""The loop: change a known input, try it, keep what makes something new happen, report what breaks a promise.

Deterministic for a seed but for its clock.  An endless loop is ended by a timer of the processor time that it takes.
"""

from __future__ import annotations

import signal
import tracemalloc
from contextlib import contextmanager
from random import Random
from time import monotonic, process_time
from typing import TYPE_CHECKING, NamedTuple

from tests.fuzz.target import BrokenPromiseError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.fuzz.target import Target

_ENDLESS = 20  # times what an input may take: then it is stopped
_MEMORY_BYTES, _MEMORY_TIMES = 4 << 20, 100  # what an input may take at most, and for each of its bytes
_MEASURE_EACH = 100  # inputs: to measure memory takes five times as long
_MOST_KEPT = 400
_LONGEST = 1 << 16  # bytes of an input
_ROUNDS_OF_SHRINKING = 300


class Finding(NamedTuple):
    """An input that breaks the promise of its target, and how."""

    target: str
    data: bytes
    error: str


class Tally(NamedTuple):
    """What came of a run: how many inputs and PDUs, in how many seconds, with how many outcomes; what was found."""

    inputs: int
    pdus: int
    seconds: float
    outcomes: int
    findings: tuple[Finding, ...]


class EndlessError(BaseException):
    """An input takes so long that nobody waits for its end; no `except Exception` shall catch it."""


@contextmanager
def _stopped_after(seconds: float) -> Iterator[None]:
    def stop(*_: object) -> None:
        raise EndlessError

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def try_one(target: Target, data: bytes, *, measures_memory: bool = False) -> str:
    """Give what happens with an input; raises what breaks the promise, `BrokenPromiseError` for its bounds."""
    may_take = (target.milliseconds + target.milliseconds_per_kb * target.size(data) / 1024) / 1000
    try:
        with _stopped_after(_ENDLESS * may_take):
            begin = process_time()
            outcome = target.run(data)
            took = process_time() - begin
    except EndlessError:
        text = f"{len(data)} bytes take more than {_ENDLESS * may_take:.1f} s"
        raise BrokenPromiseError(text) from None
    if took > may_take:
        took = min(
            took, *(_seconds(target, data) for _ in range(3))
        )  # the machine may have had other things to do
    if took > may_take:
        raise BrokenPromiseError(f"{len(data)} bytes take {took:.3f} s of at most {may_take:.3f}")
    if measures_memory:
        _measure(target, data)
    return outcome


def _seconds(target: Target, data: bytes) -> float:
    begin = process_time()
    target.run(data)
    return process_time() - begin


def _measure(target: Target, data: bytes) -> None:
    tracemalloc.start()
    try:
        target.run(data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    most = _MEMORY_BYTES + _MEMORY_TIMES * target.size(data)
    if peak > most:
        raise BrokenPromiseError(f"{len(data)} bytes take {peak} bytes of memory, more than {most}")


def fuzz(
    target: Target,
    seed: int,
    *,
    seconds: float | None = None,
    inputs: int | None = None,
    most_findings: int = 5,
) -> Tally:
    """Try inputs for so long or so many."""
    chance = Random(seed)
    kept = list(target.seeds())
    outcomes, findings = {_outcome(target, data) for data in kept}, {}
    begin, count, pdus = monotonic(), 0, 0
    while (inputs is None or count < inputs) and (seconds is None or monotonic() - begin < seconds):
        data = _changed(target, kept, chance)
        count += 1
        pdus += target.pdus(data) if target.pdus is not None else 0
        try:
            outcome = try_one(target, data, measures_memory=count % _MEASURE_EACH == 0)
        except Exception as error:  # noqa: BLE001 - whatever a target raises is a finding
            findings.setdefault(_place(error), Finding(target.name, data, _text(error)))
            if len(findings) >= most_findings:
                break
            continue
        if outcome not in outcomes and len(kept) < _MOST_KEPT:
            kept.append(data)
        outcomes.add(outcome)
    found = tuple(Finding(each.target, shrunk(target, each.data), each.error) for each in findings.values())
    return Tally(count, pdus, monotonic() - begin, len(outcomes), found)


def _outcome(target: Target, data: bytes) -> str:
    """Give that of a seed; one that breaks a promise is found when it is tried among the others."""
    try:
        return target.run(data)
    except Exception:  # noqa: BLE001 - as above
        return ""


def _changed(target: Target, kept: list[bytes], chance: Random) -> bytes:
    # Seeds remain in sight, however much was kept of what became of them.
    data = chance.choice(kept)
    for _ in range(chance.choice((1, 1, 2, 3))):
        data = target.mutate(data, chance)
    if chance.random() < 0.05:
        other = chance.choice(kept)
        data = data[: chance.randrange(len(data) + 1)] + other[chance.randrange(len(other) + 1) :]
    return data[:_LONGEST]


def _text(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


def _place(error: BaseException) -> tuple[str, str, int]:
    """Tell findings apart: by what was raised, and where."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = ("", 0) if trace is None else (trace.tb_frame.f_code.co_filename, trace.tb_lineno)
    return type(error).__name__, *place


def shrunk(target: Target, data: bytes) -> bytes:
    """Give a shorter input that breaks the same promise at the same place."""
    expected = _failure(target, data)
    rounds, size = 0, max(len(data) // 2, 1)
    while size and rounds < _ROUNDS_OF_SHRINKING and expected is not None:
        at, was_cut = 0, False
        while at < len(data) and rounds < _ROUNDS_OF_SHRINKING:
            rounds += 1
            shorter = data[:at] + data[at + size :]
            if _failure(target, shorter) == expected:
                data, was_cut = shorter, True
            else:
                at += size
        size = size if was_cut and size > 1 else size // 2
    return data


def _failure(target: Target, data: bytes) -> tuple[str, str, int] | None:
    try:
        try_one(target, data)
    except Exception as error:  # noqa: BLE001 - as above
        return _place(error)
    return None


def shares(targets: tuple[Target, ...], all_of_it: float) -> list[tuple[Target, float]]:
    """Divide time or inputs among targets by their weights."""
    sum_of_weights = sum(target.weight for target in targets)
    return [(target, all_of_it * target.weight / sum_of_weights) for target in targets]
