"""What a master knows of itself, as a document."""

from __future__ import annotations

import json
import socket
from time import monotonic
from typing import TYPE_CHECKING

import pytest

from scpd import __version__
from scpd.master.books import Books
from scpd.master.children import KEEPER, STANDBY, WORKER, Child, Children
from scpd.master.condition import Condition
from scpd.master.entrance import Entrance
from scpd.master.rest import Rest
from scpd.master.upkeep import Upkeep
from scpd.master.waiting import Arrival, Waiting
from scpd.master.watch import Watch
from scpd.process import score
from scpd.worker.peer import Peer
from tests.harness.commands import ForkedWakeup

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from scpd.process.score import Score


class Scene:
    """A master with all its parts, which does nothing."""

    def __init__(self) -> None:
        self.children, self.books, self.rest = Children(), Books(), Rest()
        self.waiting = Waiting(30.0)
        self.verdict: dict[str, object] | None = None  # of the last reload
        self.entrance = Entrance([], self.waiting, Watch(), self.rest, lambda: False, None, self.books.tally)
        self.condition = Condition(
            pid=99,
            addresses=["0.0.0.0:104"],
            most=50,
            children=self.children,
            books=self.books,
            entrance=self.entrance,
            upkeep=Upkeep(None, self.children, ForkedWakeup(), ()),  # type: ignore[arg-type]
            renewal=self,  # type: ignore[arg-type]
        )

    def worker(self, pid: int, kind: str = WORKER) -> Score:
        slot = self.books.scoreboard.take()
        self.children.add(Child(pid, kind, Peer(("192.0.2.1", 4711)), slot))
        return self.books.scoreboard.score(slot)

    def facts(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(json.dumps(self.condition.facts(self.books.scoreboard.copy())))
        return found


@pytest.fixture
def scene() -> Iterator[Scene]:
    made = Scene()
    yield made
    made.books.scoreboard.close()


def test_a_master_that_has_done_nothing_says_that(scene: Scene) -> None:
    facts = scene.facts()
    assert {name: facts[name] for name in ("version", "pid", "state", "listeners", "most_associations")} == {
        "version": __version__,
        "pid": 99,
        "state": "serving",
        "listeners": ["0.0.0.0:104"],
        "most_associations": 50,
    }
    assert (facts["workers"], facts["standing_by"], facts["reload"]) == ([], 0, None)
    assert facts["waiting"] == {"silent": 0, "ready": 0}
    assert facts["keeper"] == {"pid": None, "silence": None}
    assert facts["totals"]["associations"] == {}
    assert 0 <= facts["time"] - facts["since"] < 60


def test_every_worker_is_told_and_nobody_else(scene: Scene) -> None:
    first, _, _ = scene.worker(1), scene.worker(2, STANDBY), scene.worker(3, KEEPER)
    scene.worker(4)
    first.begin("192.0.2.1:4711")
    first.tell("192.0.2.1:4711", "CT_1", "STORE", "ct1.example")
    first.words[score.PHASE] = score.STORING
    first.words[score.STORED] = 7
    first.words[score.PLACES[0xA700]] = 2
    first.words[score.BYTES] = 1000
    first.words[score.BEGUN] = int((monotonic() - 100) * 1e9)
    first.words[score.HEARD] = int((monotonic() - 10) * 1e9)
    facts = scene.facts()
    one, other = facts["workers"]
    assert 99 < one.pop("seconds") < 110
    assert 9 < one.pop("idle") < 20
    assert one == {
        "pid": 1,
        "peer": "192.0.2.1:4711",
        "name": "ct1.example",
        "calling_aet": "CT_1",
        "called_aet": "STORE",
        "phase": "storing",
        "objects": 7,
        "refused": 2,
        "bytes": 1000,
    }
    assert (other["pid"], other["peer"], other["phase"]) == (4, "192.0.2.1:4711", "standing by")
    assert (other["seconds"], other["idle"]) == (None, None)
    assert facts["standing_by"] == 1


def test_totals_are_of_those_that_ended_and_of_those_that_serve(scene: Scene) -> None:
    ended = Child(5, WORKER, slot=scene.books.scoreboard.take())
    mine = scene.books.scoreboard.score(ended.slot)
    mine.begin("x")
    mine.words[score.STORED], mine.words[score.BYTES] = 10, 100
    scene.books.reaped(ended)
    for pid in (1, 2):
        other = scene.worker(pid)
        other.begin("y")
        other.words[score.STORED], other.words[score.BYTES] = 1, 10
    totals = scene.facts()["totals"]
    assert (totals["objects"], totals["bytes"], totals["associations"]) == (
        {"0000": 12},
        120,
        {"released": 1},
    )
    assert scene.books.tally.stored == 10


def test_what_a_hostile_worker_writes_is_text_and_numbers(scene: Scene) -> None:
    mine = scene.worker(1)
    mine.begin("x")
    mine.words[score.PHASE] = mine.words[score.BYTES] = mine.words[score.BEGUN] = (1 << 64) - 1
    mine.tell("\x1b[2J", "a\nb", "\udcff", "\0\0\0\0")
    (worker,) = scene.facts()["workers"]
    assert (worker["phase"], worker["bytes"], worker["calling_aet"]) == ("unknown", (1 << 64) - 1, "a\nb")


def test_its_state_is_that_of_the_entrance(scene: Scene) -> None:
    scene.rest.until = monotonic() + 100
    assert scene.facts()["state"] == "resting"
    scene.entrance.close()
    assert scene.facts()["state"] == "draining"


def test_connections_that_wait_are_counted(scene: Scene) -> None:
    ends = [socket.socketpair() for _ in range(3)]
    arrivals = [Arrival(ours, ("192.0.2.1", 1), 0.0) for ours, _ in ends]
    for arrival in arrivals:
        scene.waiting.add(arrival)
    scene.waiting.spoke(arrivals[0])
    assert scene.facts()["waiting"] == {"silent": 2, "ready": 1}
    for ours, theirs in ends:
        ours.close()
        theirs.close()
