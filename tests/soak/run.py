"""One run: a daemon, its senders, and somebody who reloads and kills."""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter
from contextlib import suppress
from random import Random
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

from tests.harness.processes import children_of, command_line
from tests.harness.storing import serving, wait_until_idle
from tests.soak.samples import Sample, growth, sample
from tests.soak.senders import Sender, wait_until_nothing_is_left

if TYPE_CHECKING:
    from tests.harness.servers import Server, ServerFactory

SENDERS = 4
_OPTIONS = ("--fork", "-v", "+xa", "-pm", "+B", "-su", "S", "-tos", "2", "-xcs", "true")
_TURN_SECONDS = 0.25
_KILL_WORKER_SECONDS, _KILL_KEEPER_SECONDS = 3.0, 20.0
_END_SECONDS = 60.0
# What may be more at the end than at the begin: a page or two that Python keeps, a worker that stands by or not.
MOST_MEMORY_KB, MOST_DESCRIPTORS = 1024, 2


class Report(NamedTuple):
    """What came of it."""

    seconds: float
    associations: Counter[str]
    failures: Counter[str]
    stored: int
    lost: list[str]
    killed: Counter[str]
    reloads: int
    samples: dict[str, list[Sample]]
    left: list[str]
    tracebacks: int

    def growth(self, role: str) -> Sample:
        """Give by how much master or keeper have grown."""
        return growth(self.samples[role])

    def faults(self) -> list[str]:
        """Give what must not be."""
        found = [f"lost: {name}" for name in self.lost]
        found += [f"left over: {name}" for name in self.left]
        for role in self.samples:
            grown = self.growth(role)
            if grown.memory > MOST_MEMORY_KB or grown.descriptors > MOST_DESCRIPTORS:
                found.append(f"{role} grows: {grown}")
        if sum(self.failures.values()) > self.killed["worker"]:
            found.append("more associations have failed than workers were killed")
        if self.tracebacks:
            found.append(f"{self.tracebacks} tracebacks in the log")
        return found


def soak(scpd: ServerFactory, seconds: float, reload_seconds: float, seed: int) -> Report:
    """Let it run for so long."""
    server = scpd(*_OPTIONS)
    end = monotonic() + seconds
    senders = [Sender(server, seed + number) for number in range(SENDERS)]
    threads = [threading.Thread(target=each.run, args=(lambda: monotonic() >= end,)) for each in senders]
    nuisance = _Nuisance(server, Random(seed), reload_seconds, end - seconds / 2)
    for thread in threads:
        thread.start()
    pause = threading.Event()
    while any(thread.is_alive() for thread in threads):
        if monotonic() < end:
            nuisance.turn(monotonic())
        pause.wait(_TURN_SECONDS)
    for thread in threads:
        thread.join()
    wait_until_idle(server)
    left = wait_until_nothing_is_left(server, _END_SECONDS)
    tallies = [sender.tally for sender in senders]
    return Report(
        seconds,
        sum((tally.associations for tally in tallies), Counter()),
        sum((tally.failures for tally in tallies), Counter()),
        sum(tally.stored for tally in tallies),
        [name for tally in tallies for name in tally.lost],
        nuisance.killed,
        nuisance.reloads,
        nuisance.samples,
        left,
        server.stderr.count("Traceback"),
    )


class _Nuisance:
    """Reloads, kills and looks, each in its time.

    Keepers are killed until `looks_at`, and looked at from then on: one that is killed again and again cannot grow.
    """

    def __init__(self, server: Server, chance: Random, reload_seconds: float, looks_at: float) -> None:
        self.killed: Counter[str] = Counter()
        self.reloads = 0
        self.samples: dict[str, list[Sample]] = {"master": [], "keeper": []}
        self._server = server
        self._chance = chance
        self._reload_seconds = reload_seconds
        self._looks_at = looks_at
        now = monotonic()
        self._reload_at = now + reload_seconds
        self._kill_worker_at = now + _KILL_WORKER_SECONDS
        self._kill_keeper_at = now + min(_KILL_KEEPER_SECONDS, reload_seconds)

    def turn(self, now: float) -> None:
        """Do what is due."""
        keeper = self._keeper()
        if now >= self._looks_at:
            self._look("master", self._server.pid)
        if now >= self._looks_at and keeper:
            self._look("keeper", keeper)
        if now >= self._reload_at:
            self._reload_at = now + self._reload_seconds
            self._server.signal(signal.SIGHUP)
            self.reloads += 1
        if now >= self._kill_worker_at:
            self._kill_worker_at = now + self._chance.uniform(0.5, 1.5) * _KILL_WORKER_SECONDS
            self._kill("worker", serving(self._server))
        if self._kill_keeper_at <= now < self._looks_at:
            self._kill_keeper_at = now + self._chance.uniform(0.5, 1.5) * _KILL_KEEPER_SECONDS
            self._kill("keeper", [keeper] if keeper else [])

    def _keeper(self) -> int | None:
        """Give the process whose title says so; it has figures behind that."""
        children = [child.pid for child in children_of(self._server.pid) if child.is_running]
        return next((pid for pid in children if ": keeper" in command_line(pid)), None)

    def _look(self, role: str, pid: int) -> None:
        seen = sample(pid)
        if seen is not None:
            self.samples[role].append(seen)

    def _kill(self, role: str, pids: list[int]) -> None:
        if pids:
            with suppress(ProcessLookupError):
                os.kill(self._chance.choice(pids), signal.SIGKILL)
                self.killed[role] += 1
