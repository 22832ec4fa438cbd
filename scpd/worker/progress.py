"""What an association has done so far: for `ps`, the progress line on standard output, the log, and `scpctl status`.

The progress line is storescp's: `RECV: `, a dot for each PDV, a line feed when the data set is complete; it is written
only if the level of the logger `dcmtk.apps.storescp.progress` is exactly INFO, and there is somebody to watch it.

It is counted in the score (`process.score`), which the master and its helpers read.
"""

from __future__ import annotations

import logging
from time import monotonic

from scpd.errors import Abort, Denied, Reject, Silent
from scpd.log.counted import counted
from scpd.process.score import (
    ABORTED,
    ASSOCIATED,
    BYTES,
    DENIED,
    HEARD,
    OBJECTS,
    OTHER,
    PHASE,
    PLACES,
    REJECTED,
    SILENT,
    STORED,
    STORING,
    WAITING,
    Score,
)
from scpd.process.streams import Stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from scpd.errors import PeerError
    from scpd.process.titles import Title

log = logging.getLogger("dcmtk.apps.storescp.progress")

_STDOUT = 1
# The title is not set more often than this, thousands of objects a second need not show each; a pause sets it anyway.
_SHOW_SECONDS = 0.1


class Progress:
    """Counts the objects and bytes of one association and shows them while they come; unwatched, only in `ps`."""

    __slots__ = (
        "_dots",
        "_is_line_open",
        "_name",
        "_score",
        "_shown_at",
        "_started",
        "_title",
        "_words",
    )

    def __init__(
        self, title: Title, name: str, score: Score | None = None, *, is_watched: bool = True
    ) -> None:
        self._title = title
        self._name = name
        self._score = Score() if score is None else score
        self._score.begin(name)
        self._words = self._score.words
        self._shown_at = 0.0
        self._started = 0.0
        self._is_line_open = False
        is_shown = log.isEnabledFor(logging.INFO) and log.getEffectiveLevel() == logging.INFO
        self._dots = Stream(_STDOUT) if is_shown and is_watched else None

    def associated(self, name: str) -> None:
        """Begin to count for the association of this name."""
        self._name = name
        self._started = monotonic()
        self._words[PHASE] = ASSOCIATED
        self.show()

    def introduce(self, peer: str, calling: str, called: str, host_name: str) -> None:
        """Tell who has come: AE titles, and the name of the host if it is known."""
        self._score.tell(peer, calling, called, host_name)

    def ended(self, error: PeerError) -> None:
        """Note what ended the association."""
        if isinstance(error, Reject):
            self._score.ended(REJECTED, (error.result, error.source, error.reason))
        elif isinstance(error, Abort):
            self._score.ended(ABORTED, (0, error.source, error.reason))
        else:
            self._score.ended(DENIED * isinstance(error, Denied) or SILENT * isinstance(error, Silent))

    def begin(self) -> None:
        """Note that an object is about to come."""
        self._words[PHASE] = STORING
        if self._dots:
            self._print("RECV: ")
            self._is_line_open = True

    def add(self, size: int, fragments: int, *, is_last: bool) -> None:
        """Note that `size` bytes have come, in which so many fragments end, and whether the data set does."""
        self._words[BYTES] += size
        if monotonic() - self._shown_at >= _SHOW_SECONDS:
            self.show()
        if self._dots:
            self._print("." * fragments + "\n" * is_last)
            self._is_line_open = not is_last

    def end(self, status: int) -> None:
        """Note that an object is answered by this status; a refused one may lack its last fragment."""
        if self._is_line_open:
            self._print("\n")
            self._is_line_open = False
        words = self._words
        words[PLACES.get(status, OTHER)] += 1
        words[PHASE] = ASSOCIATED

    def summary(self) -> str:
        """Give objects, megabytes and seconds for the log; nothing if there was no association."""
        if not self._started:
            return ""
        seconds = monotonic() - self._started
        words = self._words
        megabytes, stored = words[BYTES] / 1e6, words[STORED]
        others = sum(words[OBJECTS]) - stored
        refused = f", {others} refused" if others else ""
        speed = megabytes / max(seconds, 1e-6)
        objects = f"{counted(stored, 'object')} stored{refused}"
        return f", {objects}, {megabytes:.1f} MB received, {seconds:.1f} s, {speed:.1f} MB/s"

    def show(self) -> None:
        """Set the title now: at the begin, and when nothing happens for a while."""
        words = self._words
        self._shown_at = now = monotonic()
        words[HEARD] = int(now * 1e9)
        phase, number = words[PHASE], words[STORED]
        if phase == STORING:
            what = f"storing {number + 1}, {words[BYTES] / 1e6:.1f} MB"
        elif number:
            what = f"stored {number}, {words[BYTES] / 1e6:.1f} MB"
        else:
            what = "waiting for the request" if phase == WAITING else "associated"
        self._title.show(f"{self._name}: {what}")

    def _print(self, text: str) -> None:
        # Whoever read it may have gone, or stopped to read; that must not cost an object.
        if self._dots is not None and not self._dots.write(text.encode("ascii")):
            self._dots = None
