"""One run: two daemons, their senders, and for each daemon somebody who reloads and kills."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from random import Random
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

from scpd.master.standbys import MOST as MOST_STANDBYS
from tests.harness.programs import real_program
from tests.harness.storing import standing_by, wait_until_idle
from tests.harness.waiting import wait_until
from tests.soak import daemons
from tests.soak.clients import PROGRAMS
from tests.soak.nuisance import KEEPER, MASTER, ROLES, WORKER, Nuisance
from tests.soak.samples import Growth, Sample, growth
from tests.soak.senders import Sender, Tally

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tests.harness.certificates import Infrastructure
    from tests.harness.servers import Server, ServerFactory
    from tests.soak.daemons import Daemon

SENDERS = 4
_TURN_SECONDS = 0.25
_END_SECONDS = 60.0
# What may be more at the end than at the begin: a page or two that Python keeps, a worker that stands by or not.
# A keeper has in memory what waits for its command, some kB each: hundreds, where the machine has other work too.
MOST_MEMORY_KB, MOST_DESCRIPTORS = {MASTER: 1024, KEEPER: 4096}, 2


class Account(NamedTuple):
    """What came of one daemon; `reloads` are asked for, `reloaded` those that were done.

    `kept` is how many more descriptors the master has, however often it was reloaded, when nothing is under way.
    """

    tally: Tally
    killed: Counter[str]
    reloads: int
    reloaded: int
    renewals: int
    shows_last_certificate: bool
    samples: dict[str, list[Sample]]
    kept: int
    tracebacks: int

    def growth(self) -> dict[str, Growth]:
        """Give by how much its processes have grown."""
        return {role: growth(samples) for role, samples in self.samples.items()}

    def faults(self) -> Iterator[str]:
        """Give what must not be."""
        for role, grown in self.growth().items():
            if grown.memory > MOST_MEMORY_KB[role] or grown.descriptors > MOST_DESCRIPTORS:
                yield f"{role} grows: {grown}"
        if self.kept > 0:
            yield f"the master has kept {self.kept} descriptors"
        if self.tally.failures.total() > self.killed[WORKER]:
            yield "more associations have failed than workers were killed"
        if self.reloaded < self.reloads:
            yield f"{self.reloads - self.reloaded} reloads were not done"
        if not self.shows_last_certificate:
            yield "the certificate that was made last is not shown"
        if self.tracebacks:
            yield f"{self.tracebacks} tracebacks in the log"


class Report(NamedTuple):
    """What came of a run, with an account for each daemon."""

    seconds: float
    accounts: dict[str, Account]
    lost: list[str]
    left: list[str]

    def faults(self) -> list[str]:
        """Give what must not be."""
        return [
            *(f"lost: {name}" for name in self.lost),
            *(f"left over: {name}" for name in self.left),
            *(f"{name}: {fault}" for name, account in self.accounts.items() for fault in account.faults()),
            *(f"nobody has looked at a {role}" for role in ROLES if not self._has_seen(role)),
        ]

    def _has_seen(self, role: str) -> bool:
        return any(account.samples[role] for account in self.accounts.values())

    def total(self) -> Tally:
        """Give what became of all associations."""
        total = Tally()
        for account in self.accounts.values():
            total.add(account.tally)
        return total


def soak(
    scpd: ServerFactory, certificates: Infrastructure, seconds: float, reload_seconds: float, seed: int
) -> Report:
    """Let it run for so long; one of the certificates is renewed."""
    for name in PROGRAMS:
        real_program(name)  # or nothing is done: a thread cannot skip a test
    served = daemons.start(scpd, certificates)
    before = {each.name: _descriptors_at_rest(each.server) for each in served}
    end = monotonic() + seconds
    nuisances = {
        each.name: Nuisance(each, Random(f"{seed} {each.name}"), reload_seconds, end - seconds / 2)
        for each in served
    }
    senders = [Sender(served, seed + number) for number in range(SENDERS)]
    _run(senders, list(nuisances.values()), end)
    for each in served:
        wait_until_idle(each.server)
    left = _wait_until_nothing_is_left([each.server for each in served])
    kept = {each.name: _descriptors_at_rest(each.server) - before[each.name] for each in served}
    return Report(
        seconds,
        {each.name: _account(each, nuisances[each.name], senders, kept[each.name]) for each in served},
        [name for sender in senders for name in sender.lost],
        left,
    )


def _run(senders: Sequence[Sender], nuisances: Sequence[Nuisance], end: float) -> None:
    threads = [threading.Thread(target=each.run, args=(lambda: monotonic() >= end,)) for each in senders]
    for thread in threads:
        thread.start()
    pause = threading.Event()
    while any(thread.is_alive() for thread in threads):
        for nuisance in nuisances:
            if monotonic() < end:
                nuisance.turn(monotonic())
        pause.wait(_TURN_SECONDS)
    for thread in threads:
        thread.join()


def _descriptors_at_rest(server: Server) -> int:
    """Wait until so many workers stand by as do in a calm; give how many descriptors the master has then."""
    server.wait_for(lambda: len(standing_by(server)) == MOST_STANDBYS, what="all that stand by")
    return len(os.listdir(f"/proc/{server.pid}/fd"))


def _account(daemon: Daemon, nuisance: Nuisance, senders: Sequence[Sender], kept: int) -> Account:
    with suppress(AssertionError):
        wait_until(lambda: daemon.reloads() >= nuisance.reloads, _END_SECONDS)
    tally = Tally()
    for sender in senders:
        tally.add(sender.tallies[daemon.name])
    return Account(
        tally,
        nuisance.killed,
        nuisance.reloads,
        daemon.reloads(),
        daemon.keys.renewals if daemon.keys else 0,
        daemon.shows_its_last_certificate(),
        nuisance.samples,
        kept,
        daemon.server.stderr.count("Traceback"),
    )


def _wait_until_nothing_is_left(servers: Sequence[Server]) -> list[str]:
    """Wait until no temporary file and no study under way is left; give what is left then."""
    with suppress(AssertionError):
        wait_until(lambda: not _left(servers), _END_SECONDS)
    return _left(servers)


def _left(servers: Sequence[Server]) -> list[str]:
    state = servers[0].inbox / ".scpd"
    # What a worker that stands by has made ready has its number.
    ready = {str(pid) for server in servers for pid in server.workers()}
    return sorted(
        str(path.relative_to(state))
        for part in ("tmp", "open", "sealed", "running")
        for path in (state / part).glob("*")
        if path.name not in {"lock", "dead"} and not _is_ready(path, ready)
    )


def _is_ready(path: Path, ready: set[str]) -> bool:
    return path.parent.name == "tmp" and path.name.partition(".")[0] in ready
