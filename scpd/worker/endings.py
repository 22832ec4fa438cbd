"""How an association ends: exit code, level and begin of its one log line, by what ended it and how far it had come."""

from __future__ import annotations

import logging

from scpd.errors import (
    Abort,
    Denied,
    Gone,
    Insecure,
    NotDicom,
    PeerError,
    Refused,
    Reject,
    Released,
    Silent,
    Stopped,
)
from scpd.process import exitcodes

# How far a worker has come, as far as the end of its association depends on it.
WAITING, ASSOCIATED, STORING = "waiting", "associated", "storing"
_ANY = (WAITING, ASSOCIATED, STORING)


class Ending:
    """One row of the table."""

    __slots__ = ("error", "exit_code", "level", "phases", "text")

    def __init__(
        self, error: type[PeerError], phases: tuple[str, ...], exit_code: int, level: int, text: str
    ) -> None:
        self.error = error
        self.phases = phases
        self.exit_code = exit_code
        self.level = level
        self.text = text


# The first row that fits counts.
_ENDINGS = (
    Ending(Released, (STORING,), exitcodes.LOST, logging.ERROR, "Store SCP Failed"),
    Ending(Released, _ANY, exitcodes.OK, logging.INFO, "Association Release"),
    Ending(Stopped, _ANY, exitcodes.STOPPED, logging.WARNING, "Association Aborted"),
    Ending(Silent, _ANY, exitcodes.OK, logging.DEBUG, "No association"),
    Ending(
        Denied, _ANY, exitcodes.REJECTED, logging.ERROR, "Receiving Association failed"
    ),  # or as a rule says
    Ending(
        Insecure, _ANY, exitcodes.INSECURE, logging.ERROR, "Receiving Association failed: no TLS connection"
    ),
    Ending(NotDicom, _ANY, exitcodes.NOT_DICOM, logging.ERROR, "Receiving Association failed: not DICOM"),
    Ending(Reject, _ANY, exitcodes.REJECTED, logging.ERROR, "Association Rejected"),
    Ending(Abort, (WAITING,), exitcodes.ABORTED, logging.ERROR, "Receiving Association failed"),
    Ending(Abort, (STORING,), exitcodes.ABORTED, logging.ERROR, "Store SCP Failed (aborting association)"),
    Ending(Abort, _ANY, exitcodes.ABORTED, logging.ERROR, "DIMSE failure (aborting association)"),
    Ending(Gone, (WAITING,), exitcodes.LOST, logging.ERROR, "Receiving Association failed"),
    Ending(Gone, (STORING,), exitcodes.LOST, logging.ERROR, "Store SCP Failed"),
    Ending(PeerError, _ANY, exitcodes.LOST, logging.INFO, "Association Aborted"),
)


def alike(error: PeerError | Refused, text: str, host: str) -> tuple[str, str]:
    """Give what complaints are alike in, kind and source.

    Whatever the protocols that a scanner tries, it is one complaint in a minute.  What the machine lacks is no host's
    fault, and one complaint for all of them.
    """
    if isinstance(error, (Refused, Reject)) and error.lack:
        return error.lack, ""
    return "not DICOM" if isinstance(error, NotDicom) else text, host


def ending(error: PeerError, phase: str) -> Ending:
    """Give the row for what ended an association in this phase."""
    for row in _ENDINGS:
        if isinstance(error, row.error) and phase in row.phases:
            return row
    raise AssertionError("the last row fits everything")
