"""The turnstile at the entrance: so many connections of a host, and no more (--max-associations-per-host).

What counts is every connection that has been accepted: silent, waiting for a worker, or served, until its worker is
reaped.  A sender that ends one association and begins the next is faster than that, so one beyond the limit has a
moment's patience: if a place of its host becomes free meanwhile it passes.  Else it is given to a refuser, a child that
reads its request and answers that there is congestion; it counts for nothing and lives for some seconds at most.

There are few of them, the patient ones included: a connection that finds no place among them is closed without an
answer, and how many those were is said once a minute.
"""

from __future__ import annotations

import logging
from functools import partial

from scpd.master.children import REFUSER, WORKER, Child
from scpd.master.quota import Quota
from scpd.master.tally import LIMIT
from scpd.process.fork import spawn
from scpd.worker.peer import Peer

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from scpd.master.children import Children
    from scpd.master.tally import Tally
    from scpd.master.waiting import Arrival
    from scpd.process.signals import Wakeup

    Refuse = Callable[[socket.socket, Peer, int, Wakeup], int]

MOST_REFUSERS = 16
PATIENCE_SECONDS = 0.5
_QUIET_SECONDS = 60.0

log = logging.getLogger("dcmtk.apps.storescp")


class Turnstile:
    """Lets `most` connections of each host pass.

    `refuse(sock, peer, count, wakeup)` is a refuser's life, and gives its exit code; `count` is what the host has.
    """

    __slots__ = (
        "_children",
        "_closed",
        "_kept",
        "_patient",
        "_quota",
        "_refuse",
        "_refusers",
        "_say_at",
        "_tally",
        "_wakeup",
        "_why",
        "late",
    )

    def __init__(
        self,
        most: int,
        refuse: Refuse,
        children: Children,
        wakeup: Wakeup,
        kept: tuple[int, ...],
        tally: Tally,
    ) -> None:
        self._tally = tally
        self._quota = Quota(most)
        self._refuse = refuse
        self._children = children
        self._wakeup = wakeup
        self._kept = kept
        self._patient: dict[Arrival, Peer] = {}
        self.late: list[Arrival] = []  # have passed after a moment; who takes them in empties the list
        self._refusers: set[int] = set()
        self._closed = 0  # without an answer, since that was said
        self._why = ""
        self._say_at = 0.0

    def passes(self, arrival: Arrival) -> bool:
        """Count this connection; `False` if it is one too many: then it is the turnstile's to deal with."""
        peer = Peer(arrival.address)
        if self._quota.take(peer.host):
            return True
        if len(self._patient) + len(self._refusers) < MOST_REFUSERS:
            self._patient[arrival] = peer
        else:
            self._close(arrival, peer, f"{MOST_REFUSERS} others were being refused")
        return False

    def take_over(self, child: Child) -> None:
        """Count a child of the master that we succeed: it is here, whatever the limit is now."""
        if child.kind == WORKER and child.peer is not None:
            self.admit(child.peer)
        elif child.kind == REFUSER:
            self._refusers.add(child.pid)

    def admit(self, peer: Peer) -> None:
        """Count a connection that has been let in before, whatever the limit is now."""
        self._quota.add(peer.host)

    def left(self, peer: Peer) -> None:
        """Note that a connection which passed has ended, served or not; the next one of its host may pass."""
        self._quota.give_back(peer.host)
        for arrival, other in self._patient.items():
            if other.host == peer.host:
                if not self._quota.take(peer.host):  # it has more than a lowered limit allows, still
                    return
                del self._patient[arrival]
                self.late.append(arrival)
                return

    def reaped(self, child: Child) -> None:
        """Note that a child has ended: a worker gives back its peer's place, a refuser its own."""
        self._refusers.discard(child.pid)
        if child.kind == WORKER and child.peer is not None:
            self.left(child.peer)

    def next_time(self) -> float | None:
        """Give the time (monotonic seconds) at which something is to be done, if there is anything."""
        say_at = self._say_at if self._closed else None
        for arrival in self._patient:
            patient_until = arrival.since + PATIENCE_SECONDS
            return patient_until if say_at is None else min(patient_until, say_at)
        return say_at

    def keep_time(self, now: float) -> None:
        """Refuse those who had their moment, and say what there is to say, if it is time to."""
        for arrival in [*self._patient]:
            if now >= arrival.since + PATIENCE_SECONDS:
                self._refuse_one(arrival, self._patient.pop(arrival))
        if self._closed and now >= self._say_at:
            self.say()
            self._say_at = now + _QUIET_SECONDS

    def patient(self) -> list[Arrival]:
        """Give those who wait here, and have not passed."""
        return [*self._patient]

    def close(self) -> None:
        """Close those who wait here, and say what is left to say."""
        for arrival in (*self._patient, *self.late):
            arrival.sock.close()
        self._patient.clear()
        self.late.clear()
        self.say()

    def say(self) -> None:
        """Say how many connections were closed without an answer since the last time, if any."""
        if self._closed:
            log.warning(
                "%d connection%s beyond --max-associations-per-host %d closed without an answer: %s",
                self._closed,
                "" if self._closed == 1 else "s",
                self._quota.most,
                self._why,
            )
            self._closed = 0

    def _refuse_one(self, arrival: Arrival, peer: Peer) -> None:
        life = partial(self._refuse, arrival.sock, peer, self._quota.count(peer.host), self._wakeup)
        try:
            pid = spawn(life, self._wakeup, (arrival.fileno(), *self._kept))
        except OSError as error:
            self._close(arrival, peer, f"cannot fork a worker to refuse it: {error.strerror}")
            return
        arrival.sock.close()
        self._refusers.add(pid)
        self._children.add(Child(pid, REFUSER, peer))

    def _close(self, arrival: Arrival, peer: Peer, why: str) -> None:
        arrival.sock.close()
        self._tally.closed(LIMIT)
        self._closed += 1
        self._why = f"{why} (the last one from {peer.host}, which has {self._quota.count(peer.host)})"
