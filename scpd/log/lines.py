"""storescp's own log: on standard error one line `X: text` for each line of a message, X the level's letter.

A record is one write, so that the lines of many processes do not mix.  Lines of an association have its id behind the
letter; in the journal each has its priority before it.
"""

from __future__ import annotations

import logging

from scpd.log.counted import counted
from scpd.log.escape import text_of
from scpd.log.journal import prefix
from scpd.log.levels import NAMES, TRACE
from scpd.process.streams import Stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from scpd.log.association import Association

_STDERR = 2


class LineHandler(logging.Handler):
    """Writes records to standard error, each in one write."""

    def __init__(self, association: Association, *, to_journal: bool) -> None:
        super().__init__()
        self._association = association
        self._stream = Stream(_STDERR)
        self._begins = {
            level: f"{prefix(level) if to_journal else ''}{name[0]}: " for level, name in NAMES.items()
        }

    def format(self, record: logging.LogRecord) -> str:
        """Give the record's text, every line of it behind the level's letter."""
        begin = self._begins.get(record.levelno) or self._begins[TRACE]
        if self._association.id:
            begin = f"{begin}[{self._association.id}] "
        lines = text_of(record).replace("\n", f"\n{begin}")
        return f"{begin}{lines}\n"

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record."""
        text = self.format(record)
        if self._stream.lost:
            lost = f"{counted(self._stream.lost, 'message')} lost, since nobody read them"
            text = f"{self._begins[logging.WARNING]}{lost}\n{text}"
        self._stream.write(text.encode("utf-8", "backslashreplace"))
