"""What an association has done so far: for `ps`, for the progress line on standard output, for the log's last line.

The progress line is storescp's: `RECV: `, a dot for each PDV, a line feed when the data set is complete; it is written
only if the level of the logger `dcmtk.apps.storescp.progress` is exactly INFO.
"""

from __future__ import annotations

import logging
import os
from time import monotonic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from scpd.process.titles import Title

_STDOUT = 1
# Bytes after which the title is brought up to date within an object.
_WORTH_SHOWING = 1_000_000


class Progress:
    """Counts the objects and bytes of one association and shows them while they come."""

    __slots__ = ("_bytes", "_dots", "_is_line_open", "_name", "_shown_bytes", "_started", "_stored", "_title")

    def __init__(self, title: Title) -> None:
        self._title = title
        self._name = ""
        self._stored = 0
        self._bytes = 0
        self._shown_bytes = 0
        self._started = 0.0
        self._is_line_open = False
        self._dots = logging.getLogger("dcmtk.apps.storescp.progress").getEffectiveLevel() == logging.INFO

    def associated(self, name: str) -> None:
        """Begin to count for the association of this name."""
        self._name = name
        self._started = monotonic()
        self._title.show(f"{name}: associated")

    def begin(self) -> None:
        """Note that an object is about to come."""
        self._show("storing", self._stored + 1)
        self._print("RECV: ")
        self._is_line_open = True

    def add(self, pieces: list[memoryview], fragments: int, *, is_last: bool) -> None:
        """Note that these pieces have come, in which so many fragments end, and whether the data set does."""
        self._bytes += sum(map(len, pieces))
        if self._bytes >= self._shown_bytes + _WORTH_SHOWING:
            self._show("storing", self._stored + 1)
        self._print("." * fragments + "\n" * is_last)
        if is_last:
            self._is_line_open = False

    def end(self, *, stored: bool) -> None:
        """Note that the object has ended, which a refused one may without its last fragment having been added."""
        if self._is_line_open:
            self._print("\n")
            self._is_line_open = False
        self._stored += stored
        self._show("stored", self._stored)

    def summary(self) -> str:
        """Give objects, megabytes and seconds for the log; nothing if there was no association."""
        if not self._name:
            return ""
        seconds = monotonic() - self._started
        return f", {self._stored} objects stored, {self._bytes / 1e6:.1f} MB received, {seconds:.1f} s"

    def _show(self, doing: str, number: int) -> None:
        self._shown_bytes = self._bytes
        self._title.show(f"{self._name}: {doing} {number}, {self._bytes / 1e6:.1f} MB")

    def _print(self, text: str) -> None:
        if not self._dots:
            return
        try:
            os.write(_STDOUT, text.encode("ascii"))
        except OSError:
            self._dots = False  # whoever read it has gone; that must not cost an object
