"""How a master is, as a document (scpctl(8)): what it can say without asking anybody.

Read in a teller, that is of the moment of its fork.  What a peer said of itself stands here as it is; whoever shows it
escapes it.
"""

from __future__ import annotations

from time import monotonic, time

from scpd import __version__
from scpd.master.children import STANDBY, WORKER
from scpd.process import score

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from scpd.master.books import Books
    from scpd.master.children import Child, Children
    from scpd.master.entrance import Entrance
    from scpd.master.renewal import Renewal
    from scpd.master.upkeep import Upkeep
    from scpd.process.scoreboard import Copy, Reading


class Condition:
    """A master of this process id, which listens at these addresses and serves `most` at a time (`None`: all)."""

    __slots__ = ("_addresses", "_books", "_children", "_entrance", "_most", "_pid", "_renewal", "_upkeep")

    def __init__(  # noqa: PLR0913 - as many as there are of whom something is to be told
        self,
        *,
        pid: int,
        addresses: Sequence[str],
        most: int | None,
        children: Children,
        books: Books,
        entrance: Entrance,
        upkeep: Upkeep,
        renewal: Renewal,
    ) -> None:
        self._pid = pid
        self._addresses = list(addresses)
        self._most = most
        self._children = children
        self._books = books
        self._entrance = entrance
        self._upkeep = upkeep
        self._renewal = renewal

    def facts(self, copy: Copy) -> dict[str, Any]:
        """Give all of it; `copy` is the scoreboard of the same moment."""
        now = monotonic()
        readings = [(child, copy.read(child.slot)) for child in self._children if child.kind == WORKER]
        totals = self._books.tally.copy()
        for _, reading in readings:
            totals.count(reading)
        numbers = totals.as_dict()
        return {
            "version": __version__,
            "pid": self._pid,
            "state": self._entrance.state,
            "since": numbers.pop("since"),
            "time": time(),
            "listeners": self._addresses,
            "most_associations": self._most,
            "workers": [_worker(child, reading, now) for child, reading in readings],
            "standing_by": self._children.count(STANDBY),
            "waiting": self._entrance.waiting,
            "totals": numbers,
            "keeper": self._upkeep.facts(now),
            "reload": self._renewal.verdict,
        }


def _worker(child: Child, reading: Reading, now: float) -> dict[str, Any]:
    """Give what is told of a worker; one that has just begun, or has no slot, has said nothing yet."""
    peer, calling, called, name = reading.peer
    phase, has_begun = reading.phase, reading.pid != 0
    return {
        "pid": child.pid,
        "peer": peer or str(child.peer or ""),
        "name": name,
        "calling_aet": calling,
        "called_aet": called,
        "phase": score.PHASES[phase] if phase < len(score.PHASES) else "unknown",
        "objects": reading.stored,
        "refused": sum(reading.objects.values()) - reading.stored,
        "bytes": reading.bytes,
        "seconds": round(now - reading.begun, 1) if has_begun else None,
        "idle": round(max(now - reading.heard, 0.0), 1) if has_begun else None,
    }
