"""Jobs start in order of arrival, never too many at once, and each ends once, whatever happens."""

from __future__ import annotations

import time

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from scpd.jobs.queue import Queue

NOW = 1000.0


def start_all(queue: Queue, now: float = NOW) -> list[str]:
    """Start what can be, give it in order."""
    started = []
    while (job := queue.startable(now)) is not None:
        queue.started(job)
        started.append(job)
    return started


def filled(limit: int, *jobs: str, retries: int = 0) -> Queue:
    queue = Queue(limit, retries)
    for job in jobs:
        queue.add(job)
    return queue


def test_jobs_start_in_order_of_arrival_and_never_more_than_the_limit() -> None:
    queue = filled(2, "c", "a", "b")
    assert start_all(queue) == ["c", "a"]
    assert queue.running == 2
    assert queue.ended("a", NOW, ok=True)
    assert start_all(queue) == ["b"]
    assert len(queue) == 2


def test_a_startable_job_is_given_again_until_it_has_started() -> None:
    queue = filled(1, "a", "b")
    assert [queue.startable(NOW) for _ in range(3)] == ["a"] * 3


def test_a_job_arrives_once() -> None:
    queue = filled(9, "a", "a")
    assert start_all(queue) == ["a"]
    queue.add("a")
    assert start_all(queue) == []
    assert len(queue) == 1


def test_nothing_waits_in_an_empty_queue() -> None:
    queue = Queue(1, 0)
    assert (queue.startable(NOW), queue.next_time(), len(queue)) == (None, None, 0)


def test_a_failed_job_is_set_aside_without_retries() -> None:
    queue = filled(1, "a", "b")
    start_all(queue)
    assert queue.ended("a", NOW, ok=False)
    assert queue.state("a") == "set aside"
    assert queue.is_settled("a")
    assert len(queue) == 1
    assert start_all(queue, NOW + 10_000) == ["b"]


def test_it_is_retried_after_growing_delays() -> None:
    queue = filled(1, "a", retries=12)
    now, delays = NOW, []
    for _ in range(12):
        assert start_all(queue, now) == ["a"]
        assert not queue.ended("a", now, ok=False)
        due = queue.next_time()
        assert due is not None
        assert queue.startable(due - 0.001) is None
        assert not queue.is_settled("a")
        delays.append(due - now)
        now = due
    assert delays == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]
    start_all(queue, now)
    assert queue.ended("a", now, ok=False)
    assert queue.state("a") == "set aside"
    assert queue.next_time() is None


def test_while_one_is_delayed_others_run_and_then_it_has_its_old_place() -> None:
    queue = filled(1, "a", "b", "c", retries=1)
    queue.started("a")
    queue.ended("a", NOW, ok=False)
    assert start_all(queue) == ["b"]
    queue.ended("b", NOW + 2, ok=True)
    assert queue.startable(NOW + 2) == "a"


def test_the_failures_that_an_earlier_keeper_saw_count() -> None:
    queue = Queue(1, 2)
    queue.add("a", failures=2)
    start_all(queue)
    assert queue.ended("a", NOW, ok=False)
    assert queue.state("a") == "set aside"


def test_a_lost_job_runs_again_at_once_and_then_later_and_later_and_that_is_no_retry() -> None:
    queue = filled(1, "a", "b")
    now, delays = NOW, []
    for _ in range(5):
        queue.started("a")
        queue.lost("a", now)
        due = queue.next_time()
        assert due is not None
        delays.append(due - now)
        now = due
        assert queue.startable(now) == "a"
    assert delays == [0, 1, 2, 4, 8]
    queue.started("a")
    assert queue.ended("a", now, ok=True)
    assert queue.state("a") == ""


def test_one_that_comes_after_others_waits_until_each_has_ended_or_was_set_aside() -> None:
    queue = filled(3, "a", "b")
    queue.add("s", after=["a", "b", "unknown", "s"])
    queue.add("c")
    assert start_all(queue) == ["a", "b", "c"]
    assert queue.state("s") == "blocked"
    queue.ended("a", NOW, ok=True)
    assert queue.startable(NOW) is None
    queue.ended("b", NOW, ok=False)  # set aside
    assert queue.startable(NOW) == "s"


def test_it_waits_while_one_of_them_is_to_be_retried() -> None:
    queue = filled(3, "a", retries=1)
    queue.add("s", after=["a"])
    start_all(queue)
    queue.ended("a", NOW, ok=False)
    assert queue.startable(NOW) is None
    assert start_all(queue, NOW + 1) == ["a"]
    queue.ended("a", NOW + 1, ok=True)
    assert start_all(queue, NOW + 1) == ["s"]


@pytest.mark.parametrize("state", ["ready", "blocked", "delayed", "set aside"])
def test_a_job_that_is_dropped_is_forgotten_and_nobody_waits_for_it(state: str) -> None:
    queue = Queue(1, 1 if state == "delayed" else 0)
    if state == "blocked":
        queue.add("first")
    queue.add("a", after=["first"])
    queue.add("s", after=["a"])
    if state in {"delayed", "set aside"}:
        start_all(queue)
        queue.ended("a", NOW, ok=False)
    assert queue.state("a") == state
    assert queue.drop("a")
    assert queue.state("a") == ""
    if state == "blocked":
        queue.drop("first")
    assert start_all(queue, NOW + 999) == ["s"]
    assert queue.next_time() is None
    assert len(queue) == 1


def test_a_running_job_that_is_dropped_is_not_run_again() -> None:
    for is_lost in (False, True):
        queue = filled(1, "a", retries=9)
        start_all(queue)
        assert queue.drop("a")
        assert queue.running == 1
        if is_lost:
            queue.lost("a", NOW)
        else:
            assert queue.ended("a", NOW, ok=False)
        assert (queue.running, len(queue), queue.startable(NOW + 999)) == (0, 0, None)


def test_what_is_dropped_and_comes_again_is_another_job() -> None:
    queue = filled(1, "a", "b")
    queue.add("s", after=["a"])
    queue.drop("s")
    queue.add("s", after=["a", "b"])
    assert start_all(queue) == ["a"]
    queue.ended("a", NOW, ok=True)
    assert start_all(queue) == ["b"]
    assert queue.state("s") == "blocked"
    queue.ended("b", NOW, ok=True)
    assert start_all(queue) == ["s"]


def test_a_job_that_was_set_aside_can_be_retried_with_all_its_retries() -> None:
    queue = filled(1, "a", retries=1)
    for now in (NOW, NOW + 1):
        start_all(queue, now)
        queue.ended("a", now, ok=False)
    queue.add("b")
    assert queue.retry("a")
    assert start_all(queue) == ["b"]  # it arrives anew
    queue.ended("b", NOW, ok=True)
    assert start_all(queue) == ["a"]
    assert not queue.ended("a", NOW, ok=False)


def test_a_retry_ends_a_delay() -> None:
    queue = filled(1, "a", retries=1)
    start_all(queue)
    queue.ended("a", NOW, ok=False)
    assert queue.retry("a")
    assert queue.startable(NOW) == "a"
    assert queue.next_time() is None


def test_only_what_is_there_is_dropped_or_retried() -> None:
    queue = filled(1, "a", "b")
    start_all(queue)
    assert not queue.drop("x")
    assert [queue.retry(job) for job in ("a", "b", "x")] == [False] * 3


def test_what_an_earlier_keeper_has_started_is_taken_over() -> None:
    queue = Queue(2, 0)
    for job in ("x", "y", "z"):  # more than the limit is now
        queue.started(job)
    queue.add("a")
    assert (queue.running, len(queue)) == (3, 4)
    queue.ended("x", NOW, ok=True)
    assert queue.startable(NOW) is None
    queue.ended("y", NOW, ok=True)
    assert queue.startable(NOW) == "a"
    assert [queue.is_running(job) for job in ("x", "z", "a")] == [False, True, False]


def test_an_end_that_is_told_twice_counts_once() -> None:
    queue = filled(2, "a", "b")
    start_all(queue)
    for _ in range(3):
        queue.ended("a", NOW, ok=True)
        queue.lost("a", NOW)
    assert queue.running == 1


def test_50_000_jobs_of_one_study_cost_a_moment() -> None:
    queue = Queue(4, 1)
    jobs = [f"m.{number}.xcr" for number in range(50_000)]
    begin = time.process_time()
    for job in jobs:
        queue.add(job)
    queue.add("s", after=jobs)
    order = []
    while (job := queue.startable(NOW)) is not None:
        queue.started(job)
        order.append(job)
        queue.ended(job, NOW, ok=True)
        queue.next_time()
        len(queue)
    assert order == [*jobs, "s"]
    assert time.process_time() - begin < 10  # one second; with a step for each job it would be hours


class AnyQueue(RuleBasedStateMachine):
    """A queue and a plain model of it."""

    LIMIT = 3
    RETRIES = 2

    def __init__(self) -> None:
        super().__init__()
        self.queue = Queue(self.LIMIT, self.RETRIES)
        self.now = NOW
        self.count = 0
        self.waiting: dict[str, int] = {}  # job > place
        self.due: dict[str, float] = {}
        self.running: dict[str, int] = {}
        self.failures: dict[str, int] = {}
        self.after: dict[str, set[str]] = {}
        self.aside: set[str] = set()
        self.settled: list[str] = []

    def _is_unsettled(self, job: str) -> bool:
        return job in self.waiting or job in self.running

    def _settle(self, job: str) -> None:
        """Nobody waits for it any more, even if it is retried later."""
        for after in self.after.values():
            after.discard(job)

    def _one(self, data: st.DataObject, jobs: object) -> str:
        return data.draw(st.sampled_from(sorted(jobs)))  # type: ignore[call-overload, no-any-return]

    @rule(data=st.data())
    def arrives(self, data: st.DataObject) -> None:
        known = sorted(self.failures)
        after = data.draw(st.lists(st.sampled_from(known), max_size=3)) if known else []
        self.count += 1
        job = f"{data.draw(st.sampled_from('zax'))}{self.count}"
        self.queue.add(job, after)
        self.waiting[job], self.failures[job] = self.count, 0
        self.after[job] = {each for each in after if self._is_unsettled(each)}

    @rule()
    def the_next_starts(self) -> None:
        ready = [
            job
            for job in sorted(self.waiting, key=self.waiting.__getitem__)
            if self.due.get(job, 0) <= self.now and not any(map(self._is_unsettled, self.after[job]))
        ]
        expected = ready[0] if ready and len(self.running) < self.LIMIT else None
        assert self.queue.startable(self.now) == expected
        if expected is not None:
            self.queue.started(expected)
            self.running[expected] = self.waiting.pop(expected)
            self.due.pop(expected, None)

    @precondition(lambda self: self.running)
    @rule(data=st.data(), ok=st.booleans())
    def one_ends(self, data: st.DataObject, ok: bool) -> None:
        job = self._one(data, self.running)
        place = self.running.pop(job)
        is_settled = self.queue.ended(job, self.now, ok=ok)
        self.failures[job] += not ok
        assert is_settled == (ok or self.failures[job] > self.RETRIES)
        if is_settled:
            self._settle(job)
        if ok:
            self.settled.append(job)
        elif is_settled:
            self.aside.add(job)
        else:
            self.waiting[job] = place
            self.due[job] = self.now + 2 ** (self.failures[job] - 1)

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def one_is_lost(self, data: st.DataObject) -> None:
        job = self._one(data, self.running)
        self.waiting[job] = self.running.pop(job)
        self.queue.lost(job, self.now)
        due = self.queue.next_time()
        assert due is not None
        self.now = max(self.now, *self.due.values(), self.now + 300)
        self.due.clear()

    @precondition(lambda self: self.waiting or self.aside)
    @rule(data=st.data())
    def one_is_dropped(self, data: st.DataObject) -> None:
        job = self._one(data, [*self.waiting, *self.aside])
        assert self.queue.drop(job)
        self.waiting.pop(job, None)
        self.due.pop(job, None)
        self.aside.discard(job)
        self._settle(job)
        self.settled.append(job)

    @precondition(lambda self: self.aside)
    @rule(data=st.data())
    def one_is_retried(self, data: st.DataObject) -> None:
        job = self._one(data, self.aside)
        assert self.queue.retry(job)
        self.aside.discard(job)
        self.count += 1
        self.waiting[job], self.failures[job], self.after[job] = self.count, 0, set()

    @rule(seconds=st.integers(1, 10))
    def time_passes(self, seconds: int) -> None:
        self.now += seconds

    @invariant()
    def nobody_is_lost(self) -> None:
        assert self.queue.running == len(self.running) <= self.LIMIT
        assert len(self.queue) == len(self.waiting) + len(self.running)
        assert all(self.queue.state(job) == "running" for job in self.running)
        assert all(self.queue.state(job) == "set aside" for job in self.aside)
        assert len(set(self.settled)) == len(self.settled)
        assert all(self.queue.state(job) == "" for job in self.settled)

    def teardown(self) -> None:
        # Whatever happened, all end.
        for _ in range(len(self.waiting) + len(self.running) + 1):
            for job in sorted(self.running):
                assert self.queue.ended(job, self.now, ok=True)
                self._settle(job)
                self.settled.append(job)
                del self.running[job]
            self.now += 1000
            self.due.clear()
            for _ in range(self.LIMIT):
                self.the_next_starts()
        self.nobody_is_lost()
        assert len(self.queue) == 0


AnyQueue.TestCase.settings = settings(max_examples=60, stateful_step_count=40)
TestAnyQueue = AnyQueue.TestCase
