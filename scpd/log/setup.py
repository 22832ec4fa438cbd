"""Logging in storescp's shape: one line `X: text` per line of a message on standard error, X the level's letter.

Levels are DCMTK's: FATAL, ERROR, WARN, INFO, DEBUG and TRACE; a record is one write, so that the lines of many
processes do not mix.
"""

from __future__ import annotations

import logging
import os

TRACE = 5
OFF = logging.CRITICAL + 10

LEVELS = {
    "off": OFF,
    "fatal": logging.CRITICAL,
    "error": logging.ERROR,
    "warn": logging.WARNING,
    "info": logging.INFO,
    "debug": logging.DEBUG,
    "trace": TRACE,
    "all": TRACE,
}

_LETTERS = {
    logging.CRITICAL: "F",
    logging.ERROR: "E",
    logging.WARNING: "W",
    logging.INFO: "I",
    logging.DEBUG: "D",
    TRACE: "T",
}

_STDERR = 2


class LineHandler(logging.Handler):
    """Writes records to a descriptor, each in one write."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record, every line of it behind the level's letter."""
        letter = _LETTERS.get(record.levelno, "T")
        lines = self.format(record).split("\n")
        text = "".join(f"{letter}: {line}\n" for line in lines)
        try:
            os.write(_STDERR, text.encode("utf-8", "backslashreplace"))
        except OSError:
            # A closed or full standard error must not end a service; there is nowhere to say so.
            return


def configure(level: str) -> None:
    """Send everything from `level` (a key of `LEVELS`) upwards to standard error."""
    # Nothing here asks for the thread, the process name or the caller of a record: looking them up costs.
    logging.logThreads = False
    logging.logMultiprocessing = False
    logging.raiseExceptions = False
    root = logging.getLogger()
    root.addHandler(LineHandler())
    root.setLevel(LEVELS[level])
