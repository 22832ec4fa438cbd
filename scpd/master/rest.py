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


class Rest:
    """The rest, if there is one; `until` is its end (monotonic seconds), `None` once that was noticed."""

    __slots__ = ("_next_complaint", "until")

    def __init__(self) -> None:
        self.until: float | None = None
        self._next_complaint = 0.0

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
        now = monotonic()
        if now >= self._next_complaint:
            log.error("%s", text)
            self._next_complaint = now + _COMPLAINT_SECONDS
