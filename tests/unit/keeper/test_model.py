"""Any interleaving of workers and keepers, any crash: what must be true of studies is true (scpd_studies(7)).

- every stored object is in exactly one directory, and none is lost or overwritten;
- every study is completed exactly once per opening, and its command runs at least once (exactly once if no keeper
  crashes or loses its lease): after the last of its objects was stored, their commands have ended and all have
  their new names, and it is told how many they are;
- no study is sealed that a worker is busy with, or holds where only the second rule may end it;
- numbering has no gaps;
- nothing is left open at the end.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from scpd.study import completion, tracker
from scpd.study.rules import EITHER, NEXT, TIMEOUT, Rules
from tests.harness.keeping import Descriptors, Site, Worker, crash_at, interrupted_at

if TYPE_CHECKING:
    from scpd.keeper.keeper import Keeper

TIMEOUT_SECONDS = 100.0
STUDIES = ["1.1", "1.2", "1.3"]
PEERS = ["ONE", "TWO"]
LAST_STUDY = "1.9"
INDEX = st.integers(0, 2)
ALL_STEPS = 9
# What passes from one look of a worker's at the clock to the next: some objects after another are a long series, for
# which it becomes free (`study.tracker`), and a long time for one object is now and then longer than a lease.
TICK_SECONDS = 0.03


class Receiver(RuleBasedStateMachine):
    """Workers, keepers and time."""

    @initialize(
        by=st.sampled_from([EITHER, TIMEOUT, NEXT]),
        renames=st.booleans(),
        on_reception=st.booleans(),
        any_peer=st.booleans(),
    )
    def start(self, by: str, renames: bool, on_reception: bool, any_peer: bool) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="scpd-model-"))
        # Not the machine's: what happens must not depend on how fast that is.
        self.clocks = pytest.MonkeyPatch()
        self.clocks.setattr(tracker, "monotonic", self._tick)
        self.clocks.setattr(completion, "monotonic", lambda: self.now)
        rules = Rules(timeout=TIMEOUT_SECONDS, by=by, any_peer=any_peer, renames=renames, runs=True)
        self.site = Site(self.directory, rules, on_reception=on_reception)
        self.site.on_start = self._check_start
        self.most_workers = 1 if any_peer else 4  # --single-process
        self.workers: list[Worker] = []
        self.keeper: Keeper | None = None
        self.lost: Keeper | None = None  # a keeper that was stopped, and does not know that there is another
        self.is_smooth = True  # no keeper has crashed or lost its lease
        self.descriptors = Descriptors()
        self.now = self.seconds = monotonic()
        self.instances = 0
        self.stored: set[str] = set()
        self.ended: set[str] = set()  # generations whose command was started

    def _tick(self) -> float:
        """Tell a worker the time."""
        self.seconds += TICK_SECONDS
        return self.seconds

    def _check_start(self, job: str, variables: dict[str, str]) -> None:
        """See that the command of a study comes when all is done that it comes after."""
        if not job.endswith(".xcs"):
            return
        generation = job.removesuffix(".xcs").rpartition(".")[2]
        instances = {instance for instance, of in self.site.generations.items() if of == generation}
        assert variables["SCPD_OBJECTS"] == str(len(instances))
        if self.site.on_reception:
            ended = {
                given["SCPD_SOP_INSTANCE_UID"]
                for other, _, given in self.site.commands.started
                if other.endswith(".xcr") and other in self.site.ended
            }
            assert ended >= instances
        if self.site.rules.renames:
            names = {path.name for path in Path(variables["SCPD_DIRECTORY"]).iterdir()}
            assert not names & {f"CT.{instance}" for instance in instances}
        assert not (self.is_smooth and generation in self.ended)
        self.ended.add(generation)

    def _idle(self, index: int, peer: str) -> Worker | None:
        """Give an idle worker of a peer, a new one if there is room."""
        found = [worker for worker in self.workers if worker.peer == peer and not worker.is_busy]
        if len(self.workers) < self.most_workers and index >= len(found):
            self.workers.append(self.site.worker(peer))
            self.workers[-1].is_prompt = True
            return self.workers[-1]
        return found[index % len(found)] if found else None

    def _busy(self, index: int) -> Worker:
        busy = [worker for worker in self.workers if worker.is_busy]
        return busy[index % len(busy)]

    def _some_idle(self) -> list[Worker]:
        return [worker for worker in self.workers if not worker.is_busy]

    def _go_on(self, worker: Worker, steps: int) -> None:
        for _ in range(steps):
            if worker.is_busy and worker.go_on() == "renamed":
                self.stored.add(worker.at)

    def _begin(self, worker: Worker, study: str, steps: int) -> None:
        self.instances += 1
        worker.begin(study, f"9.{self.instances}")
        self._go_on(worker, steps)

    @rule(index=INDEX, peer=st.sampled_from(PEERS), study=st.sampled_from(STUDIES))
    def store(self, index: int, peer: str, study: str) -> None:
        worker = self._idle(index, peer)
        if worker is not None:
            self._begin(worker, study, ALL_STEPS)

    @rule(index=INDEX, peer=st.sampled_from(PEERS), study=st.sampled_from(STUDIES), steps=st.integers(0, 4))
    def begin(self, index: int, peer: str, study: str, steps: int) -> None:
        worker = self._idle(index, peer)
        if worker is not None:
            self._begin(worker, study, steps)

    @rule(index=INDEX, peer=st.sampled_from(PEERS), study=st.sampled_from(STUDIES), steps=st.integers(0, 4))
    def store_and_die(self, index: int, peer: str, study: str, steps: int) -> None:
        worker = self._idle(index, peer)
        if worker is not None:
            self._begin(worker, study, steps)
            self.workers.remove(worker)
            worker.die()

    @precondition(lambda self: len(self._some_idle()) < len(self.workers))
    @rule(index=INDEX, steps=st.integers(1, 4))
    def go_on(self, index: int, steps: int) -> None:
        self._go_on(self._busy(index), steps)

    @precondition(lambda self: len(self._some_idle()) < len(self.workers))
    @rule(index=INDEX)
    def refuse(self, index: int) -> None:
        worker = self._busy(index)
        if not worker.is_written_down:
            worker.refuse()

    @precondition(lambda self: self.workers)
    @rule(index=INDEX)
    def pause(self, index: int) -> None:
        self.workers[index % len(self.workers)].rest()

    @precondition(lambda self: self._some_idle())
    @rule(index=INDEX)
    def release(self, index: int) -> None:
        idle = self._some_idle()
        worker = idle[index % len(idle)]
        self.workers.remove(worker)
        worker.release()

    @precondition(lambda self: self.workers)
    @rule(index=INDEX)
    def kill_a_worker(self, index: int) -> None:
        self.workers.pop(index % len(self.workers)).die()

    @rule()
    def keep(self) -> None:
        self.now += 0.01
        with self.descriptors.watched():
            if self.keeper is None:
                self.keeper = self.site.keeper(self.now)
            self.keeper.turn(self.now)

    @rule(step=st.integers(1, 60))
    def keep_and_crash(self, step: int) -> None:
        self.is_smooth = False
        with crash_at(step):
            self.keep()
        self.keeper = None
        self.descriptors.close()

    @precondition(lambda self: any(worker.is_busy and worker.is_written_down for worker in self.workers))
    @rule(step=st.integers(1, 30), index=INDEX, dies=st.booleans())
    def keep_while_an_object_comes(self, step: int, index: int, dies: bool) -> None:
        """Let a worker end its object, and leave, somewhere in the middle of a keeper's turn."""
        coming = [worker for worker in self.workers if worker.is_busy and worker.is_written_down]
        worker = coming[index % len(coming)]

        def end() -> None:
            self.workers.remove(worker)
            if not dies:
                worker.finish()
                self.stored.add(worker.at)
            worker.die()

        if self.keeper is None:
            self.keep()
        with interrupted_at(step, end):
            self.keep()

    @precondition(lambda self: self.keeper and not self.lost)
    @rule()
    def lose_the_lease(self) -> None:
        """Stop the keeper, and let another be elected."""
        self.is_smooth = False
        self.lost, self.keeper = self.keeper, None
        self.lost_descriptors, self.descriptors = self.descriptors, Descriptors()
        self.keep()

    @precondition(lambda self: self.keeper and not self.lost)
    @rule(step=st.integers(1, 40))
    def lose_the_lease_in_the_middle(self, step: int) -> None:
        """Stop the keeper somewhere in a turn, let another do what it can, and let the first one go on."""
        self.is_smooth = False
        lost, lost_descriptors, self.descriptors = self.keeper, self.descriptors, Descriptors()
        self.keeper = None
        assert lost is not None

        def another() -> None:
            self.keep()
            self.keep()

        self.now += 0.01
        with interrupted_at(step, another), lost_descriptors.watched():
            lost.turn(self.now)
        lost_descriptors.leave_to(self.descriptors)
        lost_descriptors.close()

    @precondition(lambda self: self.lost)
    @rule(step=st.integers(1, 60), crashes=st.booleans())
    def go_on_unaware(self, step: int, crashes: bool) -> None:
        """Let the stopped keeper do what it was about to do, a whole turn at most; then it leaves, or crashes."""
        lost, self.lost = self.lost, None
        assert lost is not None
        with crash_at(step if crashes else 0), self.lost_descriptors.watched():
            lost.turn(self.now)
        self.lost_descriptors.close()

    @rule()
    def let_time_pass(self) -> None:
        self.now += TIMEOUT_SECONDS + 1

    @rule()
    def let_some_time_pass(self) -> None:
        self.now += TIMEOUT_SECONDS / 3
        self.seconds += TIMEOUT_SECONDS / 3

    @invariant()
    def nobody_is_sealed_out(self) -> None:
        """See that each study is open that a worker is busy with, or holds where only the second rule ends it."""
        if hasattr(self, "site"):
            by_hold = self.site.rules.by == NEXT
            assert not any(worker.is_out_of_place(by_hold=by_hold) for worker in self.workers)

    @invariant()
    def every_object_is_in_exactly_one_place(self) -> None:
        if not hasattr(self, "site"):
            return
        found = [path.read_text() for path in self.site.output.glob("study_*/*")]
        assert len(found) == len(set(found))
        assert set(found) >= self.stored

    def teardown(self) -> None:
        if not hasattr(self, "site"):
            return
        try:
            self._end()
        finally:
            self.clocks.undo()
            self.descriptors.close()
            if self.lost is not None:
                self.lost_descriptors.close()
            shutil.rmtree(self.directory)

    def _end(self) -> None:
        for worker in self.workers:
            worker.die()
        self.workers.clear()
        for peer in PEERS:  # each goes on to another study
            worker = self.site.worker(peer)
            self.instances += 1
            worker.begin(LAST_STUDY, f"9.{self.instances}")
            worker.finish()
            self.stored.add(worker.at)
            worker.release()
        for _ in range(12 + self.instances):  # two commands a turn
            self.keep()
            self.now += TIMEOUT_SECONDS + 1
        self.every_object_is_in_exactly_one_place()
        by_next = self.site.rules.by == NEXT
        lock_directory = self.site.lock_directory
        assert [path.name for path in (lock_directory / "open").iterdir()] == (
            [LAST_STUDY] if by_next else []
        )
        for part in ("sealed", "replies", "strange", "failed") + (() if by_next else ("journals/dead",)):
            assert not list((lock_directory / part).iterdir()), part
        assert len(list((lock_directory / "journals").iterdir())) == 1
        self._check_commands(set() if not by_next else {self.site.generations[f"9.{self.instances}"]})
        if self.site.rules.renames:
            self._check_numbers()

    def _check_commands(self, still_open: set[str]) -> None:
        started = self.site.commands.started
        of_objects = {
            variables["SCPD_SOP_INSTANCE_UID"] for job, _, variables in started if job.endswith(".xcr")
        }
        if self.site.on_reception:
            assert of_objects >= self.stored
        assert self.ended == set(self.site.generations.values()) - still_open

    def _check_numbers(self) -> None:
        for directory in self.site.output.glob("study_*"):
            if self.site.rules.by == NEXT and directory.name == f"study_{LAST_STUDY}":
                continue
            names = sorted(path.name for path in directory.iterdir())
            assert names == [f"CT{number:06}" for number in range(1, len(names) + 1)]


Receiver.TestCase.settings = settings(max_examples=50, stateful_step_count=40, deadline=None)
TestAnyInterleaving = Receiver.TestCase


@pytest.mark.long
@pytest.mark.timeout(1800)
class TestVeryManyInterleavings(Receiver.TestCase):  # type: ignore[misc, name-defined]
    settings = settings(max_examples=3000, stateful_step_count=60, deadline=None)
