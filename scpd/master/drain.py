"""How a master ends: first it asks, then it insists, then it kills (SIGTERM, SIGINT, SIGHUP).

Pure: takes the time, gives the signal for the children that is due.  The first request to end lets running
associations finish for the grace period; when that is over, or at a second request, workers are told to abort
(A-ABORT to their peers); what has not ended a moment later is killed.
"""

from __future__ import annotations

import signal

# What a worker may take to say its A-ABORT and leave.
_ABORT_SECONDS = 3.0


class Drain:
    """The end of a master, from the first request on; without `grace` there is time enough, until it is limited."""

    __slots__ = ("_deadline", "_steps", "is_limited")

    def __init__(self, now: float, grace: float | None) -> None:
        # Signal for the children, and the seconds that they have from then on.
        self._steps: list[tuple[int, float | None]] = [
            (signal.SIGTERM, _ABORT_SECONDS),
            (signal.SIGKILL, None),
        ]
        self._deadline: float | None = None
        self.is_limited = False
        if grace is not None:
            self.limit(now, grace)

    def limit(self, now: float, grace: float) -> None:
        """Begin the grace period."""
        self.is_limited = True
        self._deadline = now + grace

    def next_deadline(self) -> float | None:
        """Give the time (monotonic seconds) of the next step, `None` if nothing is left to do but wait."""
        return self._deadline

    def hurry(self, now: float) -> None:
        """Take a second request to end: the grace period is over."""
        if self._deadline is not None:
            self._deadline = now

    def due(self, now: float) -> int | None:
        """Give the signal to send to every child now, if one is due."""
        if self._deadline is None or now < self._deadline:
            return None
        number, seconds = self._steps.pop(0)
        self._deadline = None if seconds is None else now + seconds
        return number
