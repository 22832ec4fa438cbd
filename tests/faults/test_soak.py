"""A daemon under mixed load, reloaded and killed at: nothing that was acknowledged is lost, nothing grows.

`make soak` does it for half an hour, or for as long as one likes.
"""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import TYPE_CHECKING

import pytest

from tests.harness.objects import ct_image
from tests.soak.__main__ import text
from tests.soak.run import Report, soak
from tests.soak.samples import Sample, growth
from tests.soak.senders import CLIENTS, Sender

if TYPE_CHECKING:
    from tests.harness.servers import ServerFactory

SHORT_SECONDS, LONG_SECONDS = 20.0, 600.0
FLAT = [Sample(1000, 10)] * 8


@pytest.mark.timeout(LONG_SECONDS + 300)
def test_nothing_is_lost_and_nothing_grows(scpd: ServerFactory, is_long: bool) -> None:
    seed = Random().randrange(1 << 32)
    report = soak(scpd, LONG_SECONDS if is_long else SHORT_SECONDS, 60.0 if is_long else 6.0, seed)
    assert report.faults() == [], f"seed {seed}\n{text(report)}"
    assert report.stored > 20, text(report)
    assert report.reloads >= 1
    assert set(report.associations) == set(CLIENTS), "not every client had its turn"


def report(**changes: object) -> Report:
    """Give one of a run in which all was well, but for this."""
    fields: dict[str, object] = {
        "seconds": 60.0,
        "associations": Counter(raw=9),
        "failures": Counter({"raw: reset": 1}),
        "stored": 9,
        "lost": [],
        "killed": Counter(worker=1),
        "reloads": 1,
        "samples": {"master": FLAT, "keeper": FLAT},
        "left": [],
        "tracebacks": 0,
    }
    return Report(**(fields | changes))  # type: ignore[arg-type]


def test_a_run_in_which_all_was_well_has_no_faults() -> None:
    assert report().faults() == []


@pytest.mark.parametrize(
    "changes",
    [
        {"lost": ["1.2.3"]},
        {"left": ["tmp/1"]},
        {"tracebacks": 1},
        {"killed": Counter()},
        {
            "samples": {
                "master": [*FLAT, Sample(9000, 10), Sample(9000, 10), Sample(9000, 10)],
                "keeper": FLAT,
            }
        },
        {"samples": {"master": FLAT, "keeper": [*FLAT, *[Sample(1000, 14)] * 3]}},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_what_must_not_be_is_a_fault(changes: dict[str, object]) -> None:
    assert len(report(**changes).faults()) == 1
    assert "FAULT" in text(report(**changes))


def test_what_comes_and_goes_is_no_growth() -> None:
    assert growth([Sample(1, 1), Sample(9, 9)] * 8) == (0, 0)
    assert growth([]) == (0, 0)


def test_an_object_that_is_not_there_or_not_whole_is_lost(scpd: ServerFactory) -> None:
    sender = Sender(scpd("--fork"), 1)
    gone, short = ct_image(100), ct_image(100)
    folder = sender._server.inbox / "S_1"
    folder.mkdir()
    (folder / f"CT.{short.sop_instance_uid}").write_bytes(short.file_bytes[:-2])
    sender._look(gone, "raw", must_be_there=True)
    sender._look(short, "raw", must_be_there=False)
    assert len(sender.tally.lost) == 2
