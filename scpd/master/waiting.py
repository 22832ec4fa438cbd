"""Accepted connections that wait: for their first byte, or for a worker that may serve them.

A connection costs a descriptor until it has said something, and never a process; the master asks the kernel how much
there is to read (FIONREAD) and reads none of it.  The tables are bounded: whoever has been silent longest makes room
for a newer connection, and nobody is silent for longer than the ACSE timeout.
"""

from __future__ import annotations

import fcntl
from collections import deque
from struct import Struct

from scpd.worker.peer import Peer

TYPE_CHECKING = False  # what typing calls so, without importing it: every fork would copy some of it
if TYPE_CHECKING:
    import socket

MOST_SILENT = 1024
MOST_READY = 1024

_COUNT = Struct("i")
# ioctl_tty(2); the module that has it is a library more for every fork to map.
_FIONREAD = 0x541B


class Arrival:
    """An accepted connection: its socket, its address, and since when (monotonic seconds) its peer owes a request."""

    __slots__ = ("address", "since", "sock")

    def __init__(self, sock: socket.socket, address: tuple[str, int], since: float) -> None:
        self.sock = sock
        self.address = address
        self.since = since

    def fileno(self) -> int:
        """Give the socket's descriptor, -1 once it is closed."""
        return self.sock.fileno()

    def has_spoken(self) -> bool:
        """Tell, of a readable connection, whether there is a byte to read; if not, its peer has closed it."""
        try:
            answer = fcntl.ioctl(self.sock, _FIONREAD, _COUNT.pack(0))
        except OSError:
            return False
        count: int = _COUNT.unpack(answer)[0]
        return count > 0


class Waiting:
    """The silent ones in order of arrival, and the ready ones in the order in which they spoke."""

    __slots__ = ("_acse_timeout", "_silent", "ready")

    def __init__(self, acse_timeout: float) -> None:
        self._acse_timeout = acse_timeout
        self._silent: dict[Arrival, None] = {}
        self.ready: deque[Arrival] = deque()

    def add(self, arrival: Arrival) -> None:
        """Add a connection that has said nothing yet."""
        self._silent[arrival] = None

    def is_full(self) -> bool:
        """Tell whether the longest waiting one has to go before another is added."""
        return len(self._silent) >= MOST_SILENT

    def counts(self) -> dict[str, int]:
        """Count both."""
        return {"silent": len(self._silent), "ready": len(self.ready)}

    def oldest(self) -> Arrival | None:
        """Give the one that has been silent longest."""
        return next(iter(self._silent), None)

    def oldest_of_most(self) -> Arrival | None:
        """Give the one that has been silent longest of the host that has most of the silent ones."""
        by_host: dict[str, list[Arrival]] = {}
        for arrival in self._silent:
            by_host.setdefault(Peer(arrival.address).host, []).append(arrival)
        return max(by_host.values(), key=len)[0] if by_host else None

    def spoke(self, arrival: Arrival) -> None:
        """Note that this one may be served."""
        del self._silent[arrival]
        self.ready.append(arrival)

    def remove(self, arrival: Arrival) -> None:
        """Forget a silent one."""
        del self._silent[arrival]

    def next_expiry(self) -> float | None:
        """Give the time (monotonic seconds) at which the next one has been silent for too long."""
        oldest = self.oldest()
        return None if oldest is None else oldest.since + self._acse_timeout

    def all(self) -> list[Arrival]:
        """Give every connection, those that wait for a worker first."""
        return [*self.ready, *self._silent]

    def hurry(self, seconds: float) -> None:
        """Let nobody be silent for longer than this, from now on."""
        self._acse_timeout = min(self._acse_timeout, seconds)

    def close_ready(self) -> None:
        """Close every connection that waits for a worker."""
        for arrival in self.ready:
            arrival.sock.close()
        self.ready.clear()
