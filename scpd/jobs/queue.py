"""Waiting commands: which one is next.

A job is a name.  It arrives and waits, runs, and ends well, or again and again until it is set aside:

    blocked     jobs that it comes after have not been settled yet
    ready       waits for its turn; jobs start in order of arrival
    delayed     failed, or was lost; ready again later, at its old place
    running     counts against the limit
    set aside   has failed once more than it is retried; an administrator may retry or drop it
    (unknown)   ended well, was dropped, or never was here

A job is settled when it is set aside or unknown: then those that come after it need not wait for it any longer.  Each
event costs a step in a heap, however many jobs there are.

Pure: the time is a number of seconds that its caller gives; raises nothing.
"""

from __future__ import annotations

from heapq import heappop, heappush

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_LONGEST_DELAY_SECONDS = 300.0
_BLOCKED, _READY, _DELAYED, _RUNNING, _SET_ASIDE = "blocked", "ready", "delayed", "running", "set aside"


class _Job:
    """One job; `place` in order of arrival, `due` when it is delayed."""

    __slots__ = ("due", "failures", "is_dropped", "losses", "place", "state", "successors", "waits_for")

    def __init__(self, place: int) -> None:
        self.place = place
        self.state = _READY
        self.due = 0.0
        self.failures = 0
        self.losses = 0
        self.waits_for = 0  # so many jobs
        self.successors: list[tuple[str, _Job]] = []  # who wait for this one
        self.is_dropped = False  # while it runs


class Queue:
    """All jobs of a keeper; at most `limit` run at a time, and one that fails is retried `retries` times."""

    __slots__ = ("_delayed", "_jobs", "_limit", "_place", "_ready", "_retries", "_set_aside", "running")

    def __init__(self, limit: int, retries: int) -> None:
        self._limit = limit
        self._retries = retries
        self._jobs: dict[str, _Job] = {}
        self._place = 0
        self._set_aside = 0  # so many
        # Heaps; an entry counts only while its job is in that state, at that place or time.
        self._ready: list[tuple[int, str]] = []
        self._delayed: list[tuple[float, str]] = []
        self.running = 0  # so many

    def __len__(self) -> int:
        """How many jobs have not been settled: that wait or run."""
        return len(self._jobs) - self._set_aside

    def add(self, name: str, after: Iterable[str] = (), failures: int = 0) -> None:
        """Let a job arrive that comes after those named; one that is here already is left alone.

        `failures` is how often it has failed before, as an earlier keeper wrote down.
        """
        if name in self._jobs:
            return
        self._place += 1
        job = self._jobs[name] = _Job(self._place)
        job.failures = failures
        for other in set(after) - {name}:
            if not self.is_settled(other):
                self._jobs[other].successors.append((name, job))
                job.waits_for += 1
        if job.waits_for:
            job.state = _BLOCKED
        else:
            self._make_ready(name, job)

    def state(self, name: str) -> str:
        """Give the state of a job for an administrator; empty if it is unknown."""
        job = self._jobs.get(name)
        return job.state if job else ""

    def is_running(self, name: str) -> bool:
        """Tell whether a job runs."""
        job = self._jobs.get(name)
        return job is not None and job.state is _RUNNING

    def is_set_aside(self, name: str) -> bool:
        """Tell whether a job has failed for the last time."""
        job = self._jobs.get(name)
        return job is not None and job.state is _SET_ASIDE

    def is_settled(self, name: str) -> bool:
        """Tell whether nobody need wait for a job (any more)."""
        job = self._jobs.get(name)
        return job is None or job.state is _SET_ASIDE

    def startable(self, now: float) -> str | None:
        """Give the job that is to start now, if any; it is given again until it has `started`."""
        self._end_delays(now)
        if self.running >= self._limit:
            return None
        while self._ready:
            place, name = self._ready[0]
            job = self._jobs.get(name)
            if job is not None and job.state is _READY and job.place == place:
                return name
            heappop(self._ready)
        return None

    def next_time(self) -> float | None:
        """Tell when the next delay ends."""
        while self._delayed:
            due, name = self._delayed[0]
            job = self._jobs.get(name)
            if job is not None and job.state is _DELAYED and job.due == due:
                return due
            heappop(self._delayed)
        return None

    def started(self, name: str) -> None:
        """Note that a job runs: the one that was startable, or any that an earlier keeper has started."""
        self.add(name)
        job = self._jobs[name]
        if job.state is not _RUNNING:
            job.state = _RUNNING
            self.running += 1

    def ended(self, name: str, now: float, *, ok: bool) -> bool:
        """Note how a running job ended; tell whether it is settled: ended well, was dropped or is set aside now."""
        job = self._stopped(name)
        if job is None:
            return True
        job.failures += not ok
        if ok or job.is_dropped:
            self._remove(name)
        elif job.failures > self._retries:
            self._set_job_aside(job)
        else:
            self._delay(name, job, now + _delay_seconds(job.failures))
            return False
        return True

    def lost(self, name: str, now: float) -> None:
        """Note that a running job is gone and nobody knows how it ended: it runs again, which is no retry.

        At once, but later and later if that goes on: what kills it may be what it does.
        """
        job = self._stopped(name)
        if job is None:
            return
        if job.is_dropped:
            self._remove(name)
            return
        job.losses += 1
        self._delay(name, job, now + (_delay_seconds(job.losses - 1) if job.losses > 1 else 0))

    def drop(self, name: str) -> bool:
        """Forget a job that waits or was set aside; one that runs is not run again.  `False` if it is unknown."""
        job = self._jobs.get(name)
        if job is None:
            return False
        if job.state is _RUNNING:
            job.is_dropped = True
        else:
            self._remove(name)
        return True

    def retry(self, name: str) -> bool:
        """Let a job that was set aside arrive anew, and end the delay of one that waits; tell whether there is such."""
        job = self._jobs.get(name)
        if job is None or job.state not in {_SET_ASIDE, _DELAYED}:
            return False
        if job.state is _SET_ASIDE:
            self._remove(name)
            self.add(name)
        else:
            self._make_ready(name, job)
        return True

    def _make_ready(self, name: str, job: _Job) -> None:
        job.state = _READY
        heappush(self._ready, (job.place, name))

    def _delay(self, name: str, job: _Job, due: float) -> None:
        job.state, job.due = _DELAYED, due
        heappush(self._delayed, (due, name))

    def _end_delays(self, now: float) -> None:
        while (due := self.next_time()) is not None and due <= now:
            _, name = heappop(self._delayed)
            self._make_ready(name, self._jobs[name])

    def _stopped(self, name: str) -> _Job | None:
        job = self._jobs.get(name)
        if job is None or job.state is not _RUNNING:
            return None
        self.running -= 1
        return job

    def _set_job_aside(self, job: _Job) -> None:
        job.state = _SET_ASIDE
        self._set_aside += 1
        self._release_successors(job)

    def _remove(self, name: str) -> None:
        job = self._jobs.pop(name)
        self._set_aside -= job.state is _SET_ASIDE
        self._release_successors(job)

    def _release_successors(self, job: _Job) -> None:
        for name, successor in job.successors:
            successor.waits_for -= 1
            is_here = self._jobs.get(name) is successor  # not dropped, nor another of that name
            if is_here and successor.state is _BLOCKED and not successor.waits_for:
                self._make_ready(name, successor)
        job.successors = []


def _delay_seconds(failures: int) -> float:
    """1, 2, 4 ... seconds."""
    return min(2.0 ** min(failures - 1, 16), _LONGEST_DELAY_SECONDS)
