"""What has been, in numbers, since the daemon was started: associations, objects, refusals, deaths.

Pure: is told how each child ended and what it had counted (`process.scoreboard`).  What a worker counted is added when
it is reaped, however it ended; whoever wants to know of those that serve now adds them.  As a dictionary of numbers and
texts (JSON) it passes from one program to the next that takes its place.

    associations   by how they ended: released, rejected, denied (host rules), aborted, lost, not_dicom, silent,
                   stopped, crashed (a defect), failed (the machine), killed (a signal)
    objects        by the status of their C-STORE response, in hexadecimal digits
    rejections     by "result/source/reason" of the A-ASSOCIATE-RJ (PS3.8 9.3.4)
    aborts         by "source/reason" of the A-ABORT (PS3.8 9.3.8)
    unanswered     connections that no worker had, by why: left, timeout, no_room, gone, limit
    died           children that were killed or crashed, by kind and what ended them: "worker SIGKILL"
    bytes          of data sets
"""

from __future__ import annotations

import signal
from time import time

from scpd.master.children import REFUSER, WORKER
from scpd.process import exitcodes, score

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from scpd.process.scoreboard import Reading

# Why a connection was closed by the master.
LEFT = "left"  # without a byte
TIMEOUT = "timeout"  # said nothing in time
NO_ROOM = "no_room"  # made room for another one
GONE = "gone"  # before a worker was free
LIMIT = "limit"  # of its host (--max-associations-per-host), and more than can be told so

_RESULTS = {
    exitcodes.OK: "released",
    exitcodes.REJECTED: "rejected",
    exitcodes.ABORTED: "aborted",
    exitcodes.LOST: "lost",
    exitcodes.NOT_DICOM: "not_dicom",
    exitcodes.INSECURE: "insecure",
    exitcodes.STOPPED: "stopped",
    exitcodes.CRASHED: "crashed",
}
_BY_REASON = {score.DENIED: "denied", score.SILENT: "silent"}
# Permanent, by the service user: calling or called AE title not recognized; transient: temporary congestion.
TITLES, CONGESTION = ("1/1/3", "1/1/7"), "2/3/1"
_TABLES = ("associations", "objects", "rejections", "aborts", "unanswered", "died")


class Tally:
    """The numbers; `since` is when they were all zero, in seconds since 1970."""

    __slots__ = ("aborts", "associations", "bytes", "died", "objects", "rejections", "since", "unanswered")

    def __init__(self, since: float | None = None) -> None:
        self.since = time() if since is None else since
        self.bytes = 0
        self.associations: dict[str, int] = {}
        self.objects: dict[str, int] = {}
        self.rejections: dict[str, int] = {}
        self.aborts: dict[str, int] = {}
        self.unanswered: dict[str, int] = {}
        self.died: dict[str, int] = {}

    @property
    def stored(self) -> int:
        """Give how many objects were stored."""
        return self.objects.get("0000", 0)

    @property
    def ended(self) -> int:
        """Give how many associations have ended, however."""
        return sum(self.associations.values())

    def reaped(self, kind: str, exit_code: int, reading: Reading) -> None:
        """Count a child that has ended with this code, negative for a signal, and what it had counted."""
        if exit_code < 0 or exit_code == exitcodes.CRASHED:
            _add(self.died, f"{kind} {_cause(exit_code)}")
        if kind == WORKER:
            self._worker_ended(exit_code, reading)
        elif kind == REFUSER and exit_code == exitcodes.REJECTED:
            # Of a host that has all that it may have: it is an association no more than another one's refusal.
            _add(self.associations, _RESULTS[exit_code])
            _add(self.rejections, CONGESTION)

    def _worker_ended(self, exit_code: int, reading: Reading) -> None:
        why, *fields = reading.why
        _add(self.associations, _result(exit_code, why))
        if why == score.REJECTED:
            _add(self.rejections, "/".join(map(str, fields)))
        elif why == score.ABORTED:
            _add(self.aborts, "/".join(map(str, fields[1:])))
        self.count(reading)

    def count(self, reading: Reading) -> None:
        """Add the objects and bytes that a worker has counted."""
        self.bytes += reading.bytes
        for status, number in reading.objects.items():
            _add(self.objects, status, number)

    def closed(self, why: str) -> None:
        """Count a connection that the master has closed."""
        _add(self.unanswered, why)

    def copy(self) -> Tally:
        """Give another one that says the same."""
        return Tally.from_dict(self.as_dict())

    def as_dict(self) -> dict[str, Any]:
        """Give all of it, for JSON."""
        tables = {name: dict(getattr(self, name)) for name in _TABLES}
        return {"since": self.since, "bytes": self.bytes, **tables}

    @classmethod
    def from_dict(cls, facts: Mapping[str, Any]) -> Tally:
        """Go on from what `as_dict` gave, perhaps that of another version: what it did not count is zero."""
        tally = cls(facts.get("since"))
        tally.bytes = facts.get("bytes", 0)
        for name in _TABLES:
            getattr(tally, name).update(facts.get(name, {}))
        return tally


def _add(table: dict[str, int], name: str, number: int = 1) -> None:
    table[name] = table.get(name, 0) + number


def _result(exit_code: int, why: int) -> str:
    if exit_code < 0:
        return "killed"
    if exit_code in {exitcodes.OK, exitcodes.REJECTED} and why in _BY_REASON:
        return _BY_REASON[why]
    return _RESULTS.get(exit_code, "failed")


def _cause(exit_code: int) -> str:
    if exit_code == exitcodes.CRASHED:
        return "crashed"
    try:
        return signal.Signals(-exit_code).name
    except ValueError:
        return f"signal {-exit_code}"
