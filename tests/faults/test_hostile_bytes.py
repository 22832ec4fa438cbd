"""Changed bytes of real clients, files and records: whatever reads them keeps its promise, in bounded time and memory.

`make fuzz` tries more of them; what it finds is replayed here for ever.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import pytest

from scpd.dimse.commands import decode_command
from tests.fuzz import __main__ as program
from tests.fuzz.engine import fuzz, shares, try_one
from tests.fuzz.mutations import spoilt, spoilt_command, spoilt_records, spoilt_request, spoilt_stream
from tests.fuzz.record_targets import TARGETS as RECORD_TARGETS
from tests.fuzz.regressions import REGRESSIONS, regressions, save
from tests.fuzz.target import BrokenPromiseError, Target, demand
from tests.fuzz.targets import TARGETS
from tests.fuzz.wire_targets import commands, requests, sessions

if TYPE_CHECKING:
    from pathlib import Path

INPUTS = 10_000
SHARES = [(target, int(inputs)) for target, inputs in shares(tuple(TARGETS.values()), INPUTS)]


@pytest.mark.parametrize(("target", "inputs"), SHARES, ids=[target.name for target, _ in SHARES])
def test_any_input_keeps_the_promise_of_its_target(target: Target, inputs: int, is_long: bool) -> None:
    seed = Random().randrange(1 << 32)
    tally = fuzz(target, seed, inputs=inputs * (20 if is_long else 1))
    assert not tally.findings, f"{target.promise} (seed {seed})"
    assert tally.outcomes > 5, "whatever comes, the same happens: the inputs get nowhere"


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_what_was_not_changed_and_what_broke_a_promise_once_keeps_it(target: Target) -> None:
    for number, seed in enumerate(target.seeds()):
        try_one(target, seed, measures_memory=number % 10 == 0)
    for path in regressions(target.name):
        try_one(target, path.read_bytes(), measures_memory=True)


def test_every_input_that_is_kept_has_a_target() -> None:
    assert {path.parent.name for path in REGRESSIONS.glob("*/*")} <= set(TARGETS)


# The fuzzer itself.


def _careless(data: bytes) -> str:
    if b"\xff\xff" in data:
        raise IndexError
    if data[:1] == b"L":
        while True:
            pass
    if data[:1] == b"M":
        return str(len(bytearray(64 << 20)))
    demand(data[:1] != b"P", "a promise")
    return "fine"


def careless(seed: bytes = b"") -> Target:
    """Something that breaks every promise."""
    return Target("careless", "it does not matter", lambda: [seed], _careless, milliseconds=5.0)


def test_what_is_raised_is_found_and_made_short(tmp_path: Path) -> None:
    tally = fuzz(careless(b"abc\xff\xffdef"), 1, inputs=300)
    found = {finding.error.partition(":")[0]: finding.data for finding in tally.findings}
    assert found["IndexError"] == b"\xff\xff"
    path = save(tally.findings[0], tmp_path)
    assert path.read_bytes() == tally.findings[0].data


@pytest.mark.parametrize("data", [b"L", b"M", b"P"], ids=["endless", "memory", "promise"])
def test_what_takes_too_long_or_too_much_is_found(data: bytes) -> None:
    with pytest.raises(BrokenPromiseError):
        try_one(careless(), data, measures_memory=True)


def test_a_finding_is_told_by_the_exit_code_and_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(TARGETS, "records", careless(b"P" * 99))
    monkeypatch.setattr(
        "sys.argv", ["fuzz", "--target", "records", "--seconds", "1", "--save", str(tmp_path)]
    )
    assert program.main() == 1
    assert [path.read_bytes()[:1] for path in tmp_path.glob("careless/*") if b"P" in path.read_bytes()] == [
        b"P"
    ]
    assert "BrokenPromiseError: a promise" in capsys.readouterr().out


def test_changes_get_behind_lengths_and_checksums() -> None:
    """Else each input would end at the first of these."""
    chance = Random(1)
    streams = [spoilt_stream(data, chance) for data in sessions() for _ in range(50)]
    assert sum(_has_right_lengths(data) for data in streams) > len(streams) / 2
    bodies = [spoilt_request(data, chance) for data in requests() for _ in range(50)]
    assert sum(len(data) > 68 for data in bodies) > len(bodies) / 2
    whole = [
        data for each in commands() for _ in range(50) if _is_command(data := spoilt_command(each, chance))
    ]
    assert len(whole) > 25 * len(commands())
    (target,) = RECORD_TARGETS
    lines = [target.run(spoilt_records(data, chance)) for data in target.seeds() for _ in range(50)]
    assert sum(map(bool, lines)) > len(lines) / 2


def _has_right_lengths(stream: bytes) -> bool:
    position = 0
    while position < len(stream):
        position += 6 + int.from_bytes(stream[position + 2 : position + 6], "big")
    return position == len(stream)


def _is_command(data: bytes) -> bool:
    try:
        return bool(decode_command(data))
    except Exception:  # noqa: BLE001 - whatever it is
        return False


def test_the_same_seed_makes_the_same_changes() -> None:
    assert [spoilt(b"abcdef" * 9, Random(7)) for _ in range(3)] == [spoilt(b"abcdef" * 9, Random(7))] * 3
