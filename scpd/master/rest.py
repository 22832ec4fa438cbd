"""What a master does while the machine lacks something: it says so once a minute, and rests for a moment.

While it rests it accepts nothing and forks nothing: new connections stay in the kernel's backlog, and a master that
cannot help it is not busy.
"""

from __future__ import annotations

import logging
from time import monotonic

log = logging.getLogger("dcmtk.apps.storescp")

_REST_SECONDS = 0.5
_COMPLAINT_SECONDS = 60.0


class Minute:
    """Whether a minute has passed since something was last said as an error."""

    __slots__ = ("_next",)

    def __init__(self) -> None:
        self._next = 0.0

    def is_over(self, now: float) -> bool:
        """Tell whether it may be said again (`now` in monotonic seconds); then the next minute begins."""
        if now < self._next:
            return False
        self._next = now + _COMPLAINT_SECONDS
        return True


class Rest:
    """The rest, if there is one; `until` is its end (monotonic seconds), `None` once that was noticed."""

    __slots__ = ("_minute", "until")

    def __init__(self) -> None:
        self.until: float | None = None
        self._minute = Minute()

    def begin(self, why: str) -> None:
        """Rest for a moment from now on."""
        self.complain(f"{why}; trying again every {_REST_SECONDS} s")
        self.until = monotonic() + _REST_SECONDS

    def is_over(self, now: float) -> bool:
        """Tell whether there is none, or none any more."""
        if self.until is not None and now >= self.until:
            self.until = None
        return self.until is None

    def complain(self, text: str) -> None:
        """Say what the machine lacks, once a minute."""
        if self._minute.is_over(monotonic()):
            log.error("%s", text)
