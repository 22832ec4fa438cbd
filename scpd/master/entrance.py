"""The entrance: connections are accepted here, and wait here until a worker may have them.

No byte is read from a peer.  A connection that says nothing leaves when its time is over, or for a newer one where
there is no room, in the table or among the descriptors.
"""

from __future__ import annotations

import errno
import logging
from time import monotonic

from scpd.master.listeners import close_all
from scpd.master.waiting import Arrival, Waiting
from scpd.worker.peer import Peer

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from scpd.master.rest import Rest
    from scpd.master.watch import Watch

log = logging.getLogger("dcmtk.apps.storescp")


class Entrance:
    """The listeners, which it owns from now on, and all that came in by them and is not served yet.

    `is_full()` tells whether every worker that there may be serves somebody.
    """

    __slots__ = ("_is_full", "_is_open", "_listeners", "_rest", "_waiting", "_watch")

    def __init__(
        self,
        listeners: list[socket.socket],
        waiting: Waiting,
        watch: Watch,
        rest: Rest,
        is_full: Callable[[], bool],
    ) -> None:
        self._listeners = listeners
        self._waiting = waiting
        self._watch = watch
        self._rest = rest
        self._is_full = is_full
        self._is_open = False

    def open_or_shut(self, now: float) -> None:
        """Poll the listeners or leave new connections in the backlog: while every worker is busy, while resting."""
        self._let(is_open=self._rest.is_over(now) and not self._is_full())

    def _let(self, *, is_open: bool) -> None:
        if is_open == self._is_open:
            return
        self._is_open = is_open
        for listener in self._listeners:
            if is_open:
                self._watch.add(listener, self._accept)
            else:
                self._watch.remove(listener)

    def next_expiry(self) -> float | None:
        """Give the time (monotonic seconds) at which the next one has been silent for too long."""
        return self._waiting.next_expiry()

    def expire(self, now: float) -> None:
        """Close those that have been silent for too long."""
        while (expiry := self._waiting.next_expiry()) is not None and expiry <= now:
            self._drop_oldest("said nothing")

    def first(self) -> Arrival | None:
        """Give the connection that a worker is to have next."""
        ready = self._waiting.ready
        return ready[0] if ready else None

    def let_go(self) -> None:
        """Let the first one go: a worker has it, and ours is closed."""
        self._waiting.ready.popleft().sock.close()

    def close(self) -> None:
        """Close listeners and connections, for good."""
        self._let(is_open=False)
        close_all(self._listeners)
        while (arrival := self._waiting.oldest()) is not None:
            self._forget(arrival)
        self._waiting.close_all()

    def _accept(self, listener: socket.socket) -> None:
        """Accept one connection; if there are more, the next poll says so."""
        try:
            sock, address = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError as error:
            self._no_more_connections(error)
            return
        if self._waiting.is_full():
            self._drop_oldest("made room for a newer connection")
        arrival = Arrival(sock, address, monotonic())
        self._waiting.add(arrival)
        if arrival.has_spoken():
            self._spoke(arrival)
        else:
            self._watch.add(arrival, self._readable)

    def _no_more_connections(self, error: OSError) -> None:
        """Make room if a silent connection holds the descriptor that is missing, else rest."""
        if error.errno in (errno.EMFILE, errno.ENFILE) and self._waiting.oldest() is not None:
            self._rest.complain(
                f"{error.strerror}: the connections that have been silent longest make room for newer ones"
            )
            self._drop_oldest("made room for a newer connection")
            return
        self._rest.begin(f"cannot accept a connection: {error.strerror}")

    def _drop_oldest(self, why: str) -> None:
        arrival = self._waiting.oldest()
        if arrival is None:
            return
        log.info("connection from %s closed, it %s", Peer(arrival.address), why)
        self._forget(arrival)

    def _forget(self, arrival: Arrival) -> None:
        self._waiting.remove(arrival)
        self._watch.remove(arrival)
        arrival.sock.close()

    def _readable(self, arrival: Arrival) -> None:
        """Take a silent connection that is silent no more: it has spoken, or it has gone without a word."""
        if not arrival.has_spoken():
            log.debug("connection from %s closed without a byte", Peer(arrival.address))
            self._forget(arrival)
            return
        self._watch.remove(arrival)
        self._spoke(arrival)

    def _spoke(self, arrival: Arrival) -> None:
        """Put a connection among those that need a worker."""
        self._waiting.spoke(arrival)
        if self._is_full():
            arrival.since = float("inf")  # it did its part; its time begins when a worker has its
