"""The master's table of its children: who they are, for whom they work, how they ended."""

from __future__ import annotations

import logging
import os
import signal

from scpd.process import exitcodes
from scpd.process.scoreboard import NOWHERE
from scpd.worker.peer import Peer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

log = logging.getLogger("dcmtk.apps.storescp")

WORKER = "worker"
STANDBY = "standby worker"  # forked ahead, serves nobody yet
REFUSER = "refuser"  # answers one connection too many, and is no association
SWEEPER = "sweeper"
CHECKER = "check of the configuration"
KEEPER = "keeper"
TELLER = "teller"  # answers scpctl


class Child:
    """One child process; `peer` is whom a worker serves or a refuser refuses, `slot` that of the scoreboard.

    `exit_code` is set when it is reaped, negative for a signal.
    """

    __slots__ = ("exit_code", "kind", "peer", "pid", "slot")

    def __init__(self, pid: int, kind: str, peer: Peer | None = None, slot: int = NOWHERE) -> None:
        self.pid = pid
        self.kind = kind
        self.peer = peer
        self.slot = slot
        self.exit_code = 0

    def __str__(self) -> str:
        return f"{self.kind} {self.pid} ({self.peer})" if self.peer else f"{self.kind} {self.pid}"


class Children:
    """All children that have not been reaped."""

    __slots__ = ("_by_pid", "_workers")

    def __init__(self) -> None:
        self._by_pid: dict[int, Child] = {}
        self._workers = 0

    def __bool__(self) -> bool:
        return bool(self._by_pid)

    @property
    def workers(self) -> int:
        """Count the workers."""
        return self._workers

    def add(self, child: Child) -> None:
        """Enter a child that was just forked."""
        self._by_pid[child.pid] = child
        self._workers += child.kind == WORKER

    def employ(self, child: Child, peer: Peer) -> None:
        """Note that a standby worker serves `peer` from now on."""
        child.kind = WORKER
        child.peer = peer
        self._workers += 1

    def __iter__(self) -> Iterator[Child]:
        return iter(self._by_pid.values())

    def count(self, kind: str) -> int:
        """Count those of this kind."""
        return sum(child.kind == kind for child in self)

    def has(self, kind: str) -> bool:
        """Tell whether a child of this kind lives."""
        return any(child.kind == kind for child in self._by_pid.values())

    def reap(self) -> list[tuple[Child, bool]]:
        """Take out every child that has ended and log how; with each, whether it ended by its own will.

        A child that did not was killed or has failed, and may have left something behind.
        """
        ended = []
        while self._by_pid:
            pid, wait_status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                break
            child = self._by_pid.pop(pid, None)
            if child is None:
                continue
            self._workers -= child.kind == WORKER
            child.exit_code = os.waitstatus_to_exitcode(wait_status)
            ended.append((child, _log_end(child)))
        return ended

    def has_others_than(self, *kinds: str) -> bool:
        """Tell whether a child of another kind lives."""
        return any(child.kind not in kinds for child in self)

    def take_over(self, rows: list[list[Any]]) -> list[Child]:
        """Enter the children of the master that we succeed, and give them."""
        for pid, kind, slot, *address in rows:
            self.add(Child(pid, kind, Peer(tuple(address)) if address else None, slot))
        return [*self._by_pid.values()]

    def estate(self) -> list[list[Any]]:
        """Give those that pass to our successor: id, kind, slot, and host and port of a peer."""
        rows: list[list[Any]] = []
        for child in self._by_pid.values():
            address = () if child.peer is None else (child.peer.host, child.peer.port)
            rows.append([child.pid, child.kind, child.slot, *address])
        return rows

    def send(self, number: int) -> None:
        """Send a signal to every child but the keeper, which ends last.

        None of them is reaped, so no id can be another process's by now.
        """
        for child in self._by_pid.values():
            if child.kind != KEEPER:
                os.kill(child.pid, number)


def _log_end(child: Child) -> bool:
    """Log the end of a child by its exit code; tell whether it ended by its own will."""
    code = child.exit_code
    if child.kind == CHECKER:  # whoever asked says what it found
        return True
    if code < 0:
        log.error("%s was killed by signal %d (%s)", child, -code, signal.strsignal(-code))
        return False
    level, text = exitcodes.MEANINGS.get(code, (logging.ERROR, f"ended with exit code {code}"))
    log.log(level, "%s %s", child, text)
    return code != exitcodes.CRASHED
