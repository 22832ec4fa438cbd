"""What an association has done so far: for `ps`, for the progress line on standard output, for the log's last line.

The progress line is storescp's: `RECV: `, a dot for each PDV, a line feed when the data set is complete; it is written
only if the level of the logger `dcmtk.apps.storescp.progress` is exactly INFO.
"""

from __future__ import annotations

import logging
from time import monotonic

from scpd.process.streams import Stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from scpd.process.titles import Title

log = logging.getLogger("dcmtk.apps.storescp.progress")

_STDOUT = 1
# The title is not set more often than this, thousands of objects a second need not show each; a pause sets it anyway.
_SHOW_SECONDS = 0.1


class Progress:
    """Counts the objects and bytes of one association and shows them while they come."""

    __slots__ = (
        "_bytes",
        "_doing",
        "_dots",
        "_is_line_open",
        "_name",
        "_refused",
        "_shown_at",
        "_started",
        "_stored",
        "_title",
    )

    def __init__(self, title: Title, name: str) -> None:
        self._title = title
        self._name = name
        self._stored = 0
        self._refused = 0
        self._bytes = 0
        self._doing = "waiting for the request"
        self._shown_at = 0.0
        self._started = 0.0
        self._is_line_open = False
        is_shown = log.isEnabledFor(logging.INFO) and log.getEffectiveLevel() == logging.INFO
        self._dots = Stream(_STDOUT) if is_shown else None

    def associated(self, name: str) -> None:
        """Begin to count for the association of this name."""
        self._name = name
        self._started = monotonic()
        self._doing = "associated"
        self.show()

    def begin(self) -> None:
        """Note that an object is about to come."""
        self._doing = "storing"
        if self._dots:
            self._print("RECV: ")
            self._is_line_open = True

    def add(self, size: int, fragments: int, *, is_last: bool) -> None:
        """Note that `size` bytes have come, in which so many fragments end, and whether the data set does."""
        self._bytes += size
        if monotonic() - self._shown_at >= _SHOW_SECONDS:
            self.show()
        if self._dots:
            self._print("." * fragments + "\n" * is_last)
            self._is_line_open = not is_last

    def end(self, *, stored: bool) -> None:
        """Note that the object has ended, which a refused one may without its last fragment having been added."""
        if self._is_line_open:
            self._print("\n")
            self._is_line_open = False
        self._stored += stored
        self._refused += not stored
        self._doing = "stored"

    def summary(self) -> str:
        """Give objects, megabytes and seconds for the log; nothing if there was no association."""
        if not self._started:
            return ""
        seconds = monotonic() - self._started
        megabytes = self._bytes / 1e6
        refused = f", {self._refused} refused" if self._refused else ""
        speed = megabytes / max(seconds, 1e-6)
        objects = f"{self._stored} objects stored{refused}"
        return f", {objects}, {megabytes:.1f} MB received, {seconds:.1f} s, {speed:.1f} MB/s"

    def show(self) -> None:
        """Set the title now: at the begin, and when nothing happens for a while."""
        self._shown_at = monotonic()
        number = self._stored + (self._doing == "storing")
        what = f"{self._doing} {number}, {self._bytes / 1e6:.1f} MB" if number else self._doing
        self._title.show(f"{self._name}: {what}")

    def _print(self, text: str) -> None:
        # Whoever read it may have gone, or stopped to read; that must not cost an object.
        if self._dots is not None and not self._dots.write(text.encode("ascii")):
            self._dots = None
