"""The levels of DCMTK's logging: their words, their numbers in Python's `logging`, their letters and priorities.

Python lacks TRACE, which is 5 here, and calls FATAL critical.  A level in between, which nobody of us uses, counts as
TRACE.  ALL is another word for TRACE.
"""

from __future__ import annotations

import logging

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

# From number to word, as a log shows it in capitals; its first letter stands for it.
NAMES = {
    logging.CRITICAL: "FATAL",
    logging.ERROR: "ERROR",
    logging.WARNING: "WARN",
    logging.INFO: "INFO",
    logging.DEBUG: "DEBUG",
    TRACE: "TRACE",
}

# syslog(3): crit, err, warning, info, debug.
_PRIORITIES = {logging.CRITICAL: 2, logging.ERROR: 3, logging.WARNING: 4, logging.INFO: 6}
_DEBUG_PRIORITY = 7


def name_of(number: int) -> str:
    """Give the word for a record's level."""
    return NAMES.get(number, "TRACE")


def word_of(number: int) -> str:
    """Give the word of the command line for a logger's level."""
    return "off" if number >= OFF else name_of(number).lower()


def priority_of(number: int) -> int:
    """Give the priority that syslog(3) has for a record's level."""
    return _PRIORITIES.get(number, _DEBUG_PRIORITY)
