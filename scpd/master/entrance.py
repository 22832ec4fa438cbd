"""The entrance: connections are accepted here, and wait here until a worker may have them.

No byte is read from a peer.  A connection that says nothing leaves when its time is over, or for a newer one where
there is no room, in the table or among the descriptors.

While every worker is busy connections stay in the kernel's backlog: unless there is a turnstile.  One host's
connections would stand before all others there, so with a turnstile they are let in, to be counted, and to wait here as
many as their host may have.
"""

from __future__ import annotations

import errno
import logging
import os
import socket
from select import POLLRDHUP
from time import monotonic

from scpd.master.listeners import close_all
from scpd.master.tally import GONE, LEFT, NO_ROOM, TIMEOUT
from scpd.master.waiting import MOST_READY, Arrival, Waiting
from scpd.worker.peer import Peer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from scpd.master.rest import Rest
    from scpd.master.tally import Tally
    from scpd.master.turnstile import Turnstile
    from scpd.master.watch import Watch

log = logging.getLogger("dcmtk.apps.storescp")

# How it is.
SERVING, RESTING, DRAINING = "serving", "resting", "draining"

# Who was let in so long before the end was asked for, and has not said a word, is about to or never will: a request
# comes right behind its connection, but for a lost packet.
LAST_MOMENT_SECONDS = 1.0

_STDERR = 2


class Entrance:
    """The listeners, which it owns from now on, and all that came in by them and is not served yet.

    `is_full()` tells whether every worker that there may be serves somebody; `turnstile` is `None` if a host may have
    as many connections as it likes.
    """

    __slots__ = (
        "_is_closed",
        "_is_full",
        "_is_open",
        "_listeners",
        "_rest",
        "_tally",
        "_turnstile",
        "_waiting",
        "_watch",
    )

    def __init__(  # noqa: PLR0913, PLR0917 - it is where they all meet
        self,
        listeners: list[socket.socket],
        waiting: Waiting,
        watch: Watch,
        rest: Rest,
        is_full: Callable[[], bool],
        turnstile: Turnstile | None,
        tally: Tally,
    ) -> None:
        self._tally = tally
        self._listeners = listeners
        self._waiting = waiting
        self._watch = watch
        self._rest = rest
        self._is_full = is_full
        self._turnstile = turnstile
        self._is_open = False
        self._is_closed = False

    @property
    def state(self) -> str:
        """Say whether connections are accepted, in a word."""
        if self._is_closed:
            return DRAINING
        return SERVING if self._rest.until is None else RESTING

    @property
    def waiting(self) -> dict[str, int]:
        """Count the connections that wait: for their first byte, for a worker."""
        return self._waiting.counts()

    def open_or_shut(self, now: float) -> None:
        """Poll the listeners or leave new connections in the backlog: while there is no room, while resting."""
        self._let(is_open=self._rest.is_over(now) and self._has_room())

    def _has_room(self) -> bool:
        if self._turnstile is None:
            return not self._is_full()
        return len(self._waiting.ready) < MOST_READY

    def _let(self, *, is_open: bool) -> None:
        if is_open == self._is_open:
            return
        self._is_open = is_open
        for listener in self._listeners:
            if is_open:
                self._watch.add(listener, self._accept)
            else:
                self._watch.remove(listener)

    def next_times(self) -> tuple[float | None, float | None]:
        """Give the times (monotonic seconds) at which something is to be done, if any."""
        turnstile = self._turnstile
        return self._waiting.next_expiry(), None if turnstile is None else turnstile.next_time()

    def keep_time(self, now: float) -> None:
        """Close those that have been silent for too long; let in whom the turnstile has let pass meanwhile."""
        while (expiry := self._waiting.next_expiry()) is not None and expiry <= now:
            self._drop(self._waiting.oldest(), "said nothing", TIMEOUT)
        if self._turnstile is not None:
            self._turnstile.keep_time(now)
            self._let_in_late_ones(self._turnstile, now)

    def _let_in_late_ones(self, turnstile: Turnstile, now: float) -> None:
        for arrival in turnstile.late:
            arrival.since = now
            self._take_in(arrival)
            self._watch.add(arrival, self._readable)  # which is at once, if it has spoken
        turnstile.late.clear()

    def first(self) -> Arrival | None:
        """Give the connection that a worker is to have next."""
        ready = self._waiting.ready
        return ready[0] if ready else None

    def let_go(self) -> None:
        """Let the first one go: a worker has it, and ours is closed."""
        arrival = self._waiting.ready.popleft()
        if self._turnstile is not None:
            self._watch.remove(arrival)
        arrival.sock.close()

    def shut(self) -> None:
        """Let in nobody more, for good.

        Who waits for a worker has none, but who has just come in and is silent still may be about to speak.
        """
        self._let(is_open=False)
        self._is_closed = True
        close_all(self._listeners)
        if self._turnstile is not None:
            for arrival in self._waiting.ready:
                self._watch.remove(arrival)
            self._turnstile.close()
        self._waiting.close_ready()
        self._waiting.hurry(LAST_MOMENT_SECONDS)

    def close(self) -> None:
        """Close listeners and connections, for good."""
        self.shut()
        while (arrival := self._waiting.oldest()) is not None:
            self._forget(arrival)

    def is_empty(self) -> bool:
        """Tell whether nobody is here who may still be served."""
        return not self._waiting.all()

    def keep_free(self, count: int) -> bool:
        """Let silent connections make room for a reload; tell whether so many descriptors are free."""
        while not _are_free(count):
            if self._waiting.oldest() is None:
                return False
            self._make_room("a reload")
        return True

    def estate(self) -> tuple[list[int], list[list[Any]]]:
        """Give what passes to our successor: listeners, and connections by descriptor.

        With each its address, its time, and whether it has been let in or is one too many.
        """
        arrivals = [(each, True) for each in self._waiting.all()]
        if self._turnstile is not None:
            arrivals += [(each, True) for each in self._turnstile.late]
            arrivals += [(each, False) for each in self._turnstile.patient()]
        now = monotonic()
        waiting: list[list[Any]] = [
            [each.fileno(), *each.address[:2], min(each.since, now), has_passed]
            for each, has_passed in arrivals
        ]
        return [each.fileno() for each in self._listeners], waiting

    def take_over(self, waiting: list[list[Any]]) -> None:
        """Take in what the master before us gave as connections of its estate; whom it let in stays."""
        for descriptor, host, port, since, has_passed in waiting:
            arrival = Arrival(socket.socket(fileno=descriptor), (host, port), since)
            if not has_passed:
                self._receive(arrival)
                continue
            if self._turnstile is not None:
                self._turnstile.admit(Peer(arrival.address))
            self._let_in(arrival)

    def _accept(self, listener: socket.socket) -> None:
        """Accept one connection; if there are more, the next poll says so."""
        try:
            sock, address = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError as error:
            self._no_more_connections(error)
            return
        self._receive(Arrival(sock, address, monotonic()))

    def _receive(self, arrival: Arrival) -> None:
        """Take in a connection, unless it is one too many of its host."""
        if self._turnstile is None or self._turnstile.passes(arrival):
            self._let_in(arrival)

    def _let_in(self, arrival: Arrival) -> None:
        self._take_in(arrival)
        if arrival.has_spoken():
            self._spoke(arrival)
        else:
            self._watch.add(arrival, self._readable)

    def _take_in(self, arrival: Arrival) -> None:
        if self._waiting.is_full():
            self._make_room()
        self._waiting.add(arrival)

    def _no_more_connections(self, error: OSError) -> None:
        """Make room if a silent connection holds the descriptor that is missing, else rest."""
        if error.errno in (errno.EMFILE, errno.ENFILE) and self._waiting.oldest() is not None:
            self._rest.complain(
                f"{error.strerror}: the connections that have been silent longest make room for newer ones"
            )
            self._make_room()
            return
        self._rest.begin(f"cannot accept a connection: {error.strerror}")

    def _make_room(self, whose: str = "a newer connection") -> None:
        """Close the connection that has been silent longest: where hosts are counted, of the one that has most."""
        waiting = self._waiting
        arrival = waiting.oldest() if self._turnstile is None else waiting.oldest_of_most()
        self._drop(arrival, f"made room for {whose}", NO_ROOM)

    def _drop(self, arrival: Arrival | None, why: str, reason: str) -> None:
        if arrival is None:
            return
        log.info("connection from %s closed, it %s", Peer(arrival.address), why)
        self._tally.closed(reason)
        self._forget(arrival)

    def _forget(self, arrival: Arrival) -> None:
        self._waiting.remove(arrival)
        self._close(arrival)

    def _readable(self, arrival: Arrival) -> None:
        """Take a silent connection that is silent no more: it has spoken, or it has gone without a word."""
        if not arrival.has_spoken():
            log.debug("connection from %s closed without a byte", Peer(arrival.address))
            self._tally.closed(LEFT)
            self._forget(arrival)
            return
        self._watch.remove(arrival)
        self._spoke(arrival)

    def _spoke(self, arrival: Arrival) -> None:
        """Put a connection among those that need a worker."""
        self._waiting.spoke(arrival)
        if self._is_full() or len(self._waiting.ready) > 1:
            arrival.since = float("inf")  # it did its part; its time begins when a worker has its
        if self._turnstile is not None:
            # It may wait for long, and its host could have another one instead.
            self._watch.add(arrival, self._lost, POLLRDHUP)

    def _lost(self, arrival: Arrival) -> None:
        """Forget a connection whose peer has left while it waited for a worker."""
        log.debug("connection from %s closed before a worker was free", Peer(arrival.address))
        self._tally.closed(GONE)
        self._waiting.ready.remove(arrival)
        self._close(arrival)

    def _close(self, arrival: Arrival) -> None:
        self._watch.remove(arrival)
        arrival.sock.close()
        if self._turnstile is not None:
            self._turnstile.left(Peer(arrival.address))


def _are_free(count: int) -> bool:
    """Tell whether this process could open so many more descriptors."""
    taken: list[int] = []
    try:
        taken.extend(os.dup(_STDERR) for _ in range(count))
    except OSError:
        return False
    finally:
        for descriptor in taken:
            os.close(descriptor)
    return True
