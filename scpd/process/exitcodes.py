"""How a process of scpd ended, said by its exit code: one table for those who exit and those who reap."""

from __future__ import annotations

import logging

OK = 0
START_FAILED = 1  # the master: command line, directories, sockets
FAILED = 71  # the machine does not allow what is to be done, and that was said; EX_OSERR
CRASHED = 70  # an exception that nobody expected, EX_SOFTWARE of sysexits.h
# A worker's association that did not end by a release.
REJECTED = 10
ABORTED = 11
LOST = 12
NOT_DICOM = 13
STOPPED = 14
INSECURE = 15

# What each means for whoever reads the master's log: level and text.
MEANINGS: dict[int, tuple[int, str]] = {
    OK: (logging.DEBUG, "ended"),
    FAILED: (logging.WARNING, "failed, see the line above"),
    CRASHED: (logging.ERROR, "failed: a defect of scpd, see the lines above"),
    REJECTED: (logging.DEBUG, "rejected the association"),
    ABORTED: (logging.DEBUG, "aborted the association"),
    LOST: (logging.DEBUG, "lost its peer"),
    NOT_DICOM: (logging.DEBUG, "met a peer that does not speak DICOM"),
    STOPPED: (logging.INFO, "was stopped"),
    INSECURE: (logging.DEBUG, "came to no TLS connection with its peer"),
}
