"""Somebody who reloads a daemon, kills its processes, and looks at what it has, each in its time."""

from __future__ import annotations

import os
import signal
from collections import Counter
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING

from tests.harness.processes import children_of, command_line
from tests.harness.storing import serving
from tests.soak.samples import Sample, sample

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from tests.soak.daemons import Daemon

_KILL_WORKER_SECONDS, _KILL_KEEPER_SECONDS = 6.0, 40.0
WORKER = "worker"
ROLES = MASTER, KEEPER = "master", "keeper"  # that are looked at
_KEEPER, _WAITING = ": keeper", "waiting for its turn"


class Nuisance:
    """Makes trouble for one daemon.

    Keepers are killed until `looks_at`, and looked at from then on: one that is killed again and again cannot grow.
    Nor can a master that reloads, and each reload brings another keeper: the daemon without TLS is not reloaded from
    then on.  Certificates are renewed before every other reload, the first one too.
    """

    def __init__(self, daemon: Daemon, chance: Random, reload_seconds: float, looks_at: float) -> None:
        self.killed: Counter[str] = Counter()
        self.reloads = 0
        self.samples: dict[str, list[Sample]] = {role: [] for role in ROLES}
        self._daemon = daemon
        self._server = daemon.server
        self._chance = chance
        self._looks_at = looks_at
        begin = monotonic()
        self._reload = _Repeated(begin, lambda: reload_seconds)
        self._kill_worker = _Repeated(begin, lambda: chance.uniform(0.5, 1.5) * _KILL_WORKER_SECONDS)
        longest = min(_KILL_KEEPER_SECONDS, reload_seconds)
        self._kill_keeper = _Repeated(begin, lambda: chance.uniform(0.5, 1.5) * longest)

    def turn(self, now: float) -> None:
        """Do what is due."""
        keepers = self.keepers()
        if now >= self._looks_at:
            self._look(MASTER, [self._server.pid])
            self._look(KEEPER, [pid for pid, title in keepers.items() if _WAITING not in title])
        elif self._kill_keeper.is_due(now):
            self._kill(KEEPER, list(keepers))
        if self._reload.is_due(now) and (self._daemon.keys or now < self._looks_at):
            self._renew()
        if self._kill_worker.is_due(now):
            self._kill(WORKER, serving(self._server))

    def keepers(self) -> dict[int, str]:
        """Give processes whose title says so: it has figures behind that, or what they wait for."""
        children = (child.pid for child in children_of(self._server.pid) if child.is_running)
        return {pid: title for pid in children if _KEEPER in (title := command_line(pid))}

    def _look(self, role: str, pids: list[int]) -> None:
        self.samples[role] += filter(None, map(sample, pids))

    def _renew(self) -> None:
        if self._daemon.keys and self.reloads % 2 == 0:
            self._daemon.keys.renew()
        self._server.signal(signal.SIGHUP)
        self.reloads += 1

    def _kill(self, role: str, pids: list[int]) -> None:
        if pids:
            with suppress(ProcessLookupError):
                os.kill(self._chance.choice(pids), signal.SIGKILL)
                self.killed[role] += 1


class _Repeated:
    """Something that is due again and again, for the first time after one `pause()`."""

    def __init__(self, begin: float, pause: Callable[[], float]) -> None:
        self._pause = pause
        self._at = begin + pause()

    def is_due(self, now: float) -> bool:
        """Tell whether it is, once."""
        if now < self._at:
            return False
        self._at = now + self._pause()
        return True
