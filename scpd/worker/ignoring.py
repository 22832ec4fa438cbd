"""Objects of which nothing is kept (--ignore), but for each of which a command runs (--exec-on-reception).

As with storescp only for those that were received to their end, and so answered by a success.  Raises `Refused` if
the command could not be recorded; what the peer does wrong passes through.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from scpd.dimse.messages import Request
    from scpd.process.signals import Wakeup
    from scpd.ul.connection import DataSet
    from scpd.ul.negotiation import Context
    from scpd.worker.filing import Filing
    from scpd.worker.progress import Progress


class IgnoredObjects:
    """Those of one association; the same calls as `worker.store.ObjectStore`."""

    __slots__ = ("_filing", "settles")

    def __init__(self, filing: Filing) -> None:
        self._filing = filing
        self.settles = filing.settles

    def store(self, request: Request, context: Context, data: DataSet, progress: Progress) -> None:
        """Receive an object and record it."""
        total = 0
        for pieces, fragments, is_last in data:
            size = sum(map(len, pieces))
            progress.add(size, fragments, is_last=is_last)
            total += size
        try:
            self._filing.note_ignored(request, context.transfer_syntax, total)
        finally:
            self._filing.ended()

    def prepare(self) -> bool:
        """Nothing can be made ready, and no begin is looked at."""
        return False

    def rest(self) -> None:
        """The peer pauses: do what was put off until the next object comes."""
        self._filing.rest()

    def settle(self, wakeup: Wakeup) -> None:
        """After the response: wait for the command if the options ask for that."""
        self._filing.settle(wakeup)

    def leave(self) -> None:
        """Leave nothing behind; nothing but `close` may follow."""
        self._filing.leave()

    def close(self) -> None:
        """Leave nothing behind, and wake the keeper."""
        self._filing.close()
