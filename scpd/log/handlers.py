"""Where records go: a console or a file, each record in one write; the null appender.

What an appender holds open and how it is opened anew is the same for all kinds.
"""

from __future__ import annotations

import logging

from scpd.log.journal import prefixed
from scpd.process.streams import Stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from scpd.log.files import LogFile


class Appender(logging.Handler):
    """A handler that may hold descriptors; this one discards everything."""

    def descriptors(self) -> tuple[int, ...]:
        """Give what a forked process must keep."""
        return ()

    def files(self) -> tuple[str, ...]:
        """Give the absolute paths of files that are opened anew from time to time, or moved away."""
        return ()

    def connects(self) -> bool:
        """Tell whether a socket is connected again when the other end has been restarted."""
        return False

    def reopen(self, now: float) -> bool:  # noqa: ARG002 - for those that have a file
        """Open anew what may have been moved away; `False` if that cannot be opened."""
        return True

    def emit(self, record: logging.LogRecord) -> None:
        """Show the record."""


class ConsoleAppender(Appender):
    """Writes to standard output or standard error, with priorities if that is the journal."""

    def __init__(self, descriptor: int, *, to_journal: bool) -> None:
        super().__init__()
        self._stream = Stream(descriptor)
        self._to_journal = to_journal

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record."""
        text = self.format(record)
        if self._to_journal:
            text = prefixed(text, record.levelno)
        self._stream.write(encoded(text))


class FileAppender(Appender):
    """Writes to a file, which knows when to begin another."""

    def __init__(self, file: LogFile) -> None:
        super().__init__()
        self._file = file

    def descriptors(self) -> tuple[int, ...]:
        """Give the file's, which is the same for life."""
        return (self._file.descriptor,)

    def files(self) -> tuple[str, ...]:
        """Give the file's."""
        return (self._file.path,)

    def reopen(self, now: float) -> bool:
        """Open what the path names now; `False` if that cannot be opened, and the old file goes on."""
        return self._file.reopen(now)

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record."""
        self._file.write(encoded(self.format(record)), record.created)


def encoded(text: str) -> bytes:
    """Give the bytes of a text; what has none is escaped."""
    return text.encode("utf-8", "backslashreplace")
