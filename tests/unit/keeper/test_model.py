"""Any interleaving of workers and keepers, any crash: what must be true of studies is true (scpd_studies(7)).

- every stored object is in exactly one directory, and none is lost or overwritten;
- every study is completed exactly once per opening, and its command runs at least once, after the renames;
- numbering has no gaps;
- nothing is left open at the end.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from time import monotonic

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from scpd.study.rules import EITHER, NEXT, TIMEOUT, Rules
from tests.harness.keeping import Descriptors, Site, Worker, crash_at

TIMEOUT_SECONDS = 100.0
STUDIES = ["1.1", "1.2", "1.3"]
PEERS = ["ONE", "TWO"]


class Receiver(RuleBasedStateMachine):
    """Workers, keepers and time."""

    @initialize(
        by=st.sampled_from([EITHER, TIMEOUT, NEXT]), renames=st.booleans(), on_reception=st.booleans()
    )
    def start(self, by: str, renames: bool, on_reception: bool) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="scpd-model-"))
        rules = Rules(timeout=TIMEOUT_SECONDS, by=by, renames=renames, runs=True)
        self.site = Site(self.directory, rules, on_reception=on_reception)
        self.workers: list[Worker] = []
        self.keeper = None
        self.descriptors = Descriptors()
        self.now = monotonic()
        self.instances = 0
        self.stored: set[str] = set()

    def _worker(self, index: int) -> Worker:
        return self.workers[index % len(self.workers)]

    @rule(peer=st.sampled_from(PEERS))
    def connect(self, peer: str) -> None:
        if len(self.workers) < 4:
            self.workers.append(self.site.worker(peer))

    @precondition(lambda self: self.workers)
    @rule(index=st.integers(0, 3), study=st.sampled_from(STUDIES))
    def store(self, index: int, study: str) -> None:
        worker = self._worker(index)
        if worker.is_busy:
            return
        self.instances += 1
        worker.begin(study, f"9.{self.instances}")
        worker.finish()
        self.stored.add(worker.at)

    @precondition(lambda self: self.workers)
    @rule(index=st.integers(0, 3), study=st.sampled_from(STUDIES))
    def begin(self, index: int, study: str) -> None:
        worker = self._worker(index)
        if not worker.is_busy:
            self.instances += 1
            worker.begin(study, f"9.{self.instances}")

    @precondition(lambda self: any(worker.is_busy for worker in self.workers))
    @rule(index=st.integers(0, 3))
    def go_on(self, index: int) -> None:
        worker = self._worker(index)
        if worker.is_busy and worker.go_on() == "renamed":
            self.stored.add(worker.at)

    @precondition(lambda self: any(worker.is_busy for worker in self.workers))
    @rule(index=st.integers(0, 3))
    def refuse(self, index: int) -> None:
        worker = self._worker(index)
        if worker.is_busy and worker.at not in self.stored and not worker.is_written_down:
            worker.refuse()

    @precondition(lambda self: self.workers)
    @rule(index=st.integers(0, 3))
    def release(self, index: int) -> None:
        worker = self._worker(index)
        if not worker.is_busy:
            worker.release()
            self.workers.remove(worker)

    @precondition(lambda self: self.workers)
    @rule(index=st.integers(0, 3))
    def kill_a_worker(self, index: int) -> None:
        worker = self._worker(index)
        worker.die()
        self.workers.remove(worker)

    @rule()
    def keep(self) -> None:
        self.now += 0.01
        with self.descriptors.watched():
            if self.keeper is None:
                self.keeper = self.site.keeper(self.now)
            self.keeper.turn(self.now)

    @rule(step=st.integers(1, 60))
    def keep_and_crash(self, step: int) -> None:
        with crash_at(step):
            self.keep()
        self.keeper = None
        self.descriptors.close()

    @rule()
    def let_time_pass(self) -> None:
        self.now += TIMEOUT_SECONDS + 1

    @rule()
    def let_some_time_pass(self) -> None:
        self.now += TIMEOUT_SECONDS / 3

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
            self.descriptors.close()
            shutil.rmtree(self.directory)

    def _end(self) -> None:
        for worker in self.workers:
            worker.die()
        self.workers.clear()
        for _ in range(12):
            self.keep()
            self.now += TIMEOUT_SECONDS + 1
        self.every_object_is_in_exactly_one_place()
        lock_directory = self.site.lock_directory
        by_next_only = self.site.rules.by == NEXT
        if not by_next_only:
            for part in ("open", "sealed", "journals/dead", "replies", "strange", "failed"):
                assert not list((lock_directory / part).iterdir()), part
        assert not list((lock_directory / "sealed").iterdir())
        self._check_commands()
        if self.site.rules.renames and not by_next_only:
            self._check_numbers()

    def _check_commands(self) -> None:
        started = self.site.commands.started
        of_objects = {
            variables["SCPD_SOP_INSTANCE_UID"] for job, _, variables in started if job.endswith(".xcr")
        }
        if self.site.on_reception:
            assert of_objects >= self.stored
        ended = {variables["SCPD_DIRECTORY"] for job, _, variables in started if job.endswith(".xcs")}
        if self.site.rules.by != NEXT:
            assert {Path(path).name for path in ended} == {
                path.parent.name for path in self.site.output.glob("study_*/*")
            }

    def _check_numbers(self) -> None:
        for directory in self.site.output.glob("study_*"):
            names = sorted(path.name for path in directory.iterdir())
            assert names == [f"CT{number:06}" for number in range(1, len(names) + 1)]


Receiver.TestCase.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
TestAnyInterleaving = Receiver.TestCase
