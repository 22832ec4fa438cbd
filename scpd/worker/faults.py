"""Behaving badly when told to: for those who test what their senders do then.

    --sleep-during s    s seconds before the data set, after each of its fragments, and before the object is stored:
                        (fragments + 2) * s before the response
    --sleep-after s     s seconds after the response: the next request waits
    --abort-during      A-ABORT (source 0, reason 0) after the first fragment of the data set
    --abort-after       the same after the whole data set, in place of the response; nothing is stored

C-STORE only, as in storescp; a C-ECHO is answered at once.  `Faults.during` stands between the data set that the
connection gives and who stores it, so that neither knows of it; without these options it is not there.

Raises `Abort`, and `Stopped` when SIGTERM cuts a pause short.
"""

from __future__ import annotations

import logging
import select
from time import monotonic

from scpd.errors import Abort, Stopped

TYPE_CHECKING = False
if TYPE_CHECKING:
    from scpd.process.signals import Wakeup
    from scpd.ul.connection import DataSet

log = logging.getLogger("dcmtk.apps.storescp")

# poll(2) takes an int; a day is as good as any longer time.
_LONGEST_POLL = 86_400_000


class Faults:
    """What goes wrong on purpose: seconds, and whether to abort."""

    __slots__ = ("abort_after", "abort_during", "sleep_after", "sleep_during")

    def __init__(self, *, sleep_after: int, sleep_during: int, abort_after: bool, abort_during: bool) -> None:
        self.sleep_after = sleep_after
        self.sleep_during = sleep_during
        self.abort_after = abort_after
        self.abort_during = abort_during

    def __bool__(self) -> bool:
        """Tell whether anything is to go wrong at all."""
        return bool(self.sleep_after or self.sleep_during or self.abort_after or self.abort_during)

    def during(self, data: DataSet, wakeup: Wakeup) -> DataSet:
        """Give what `data` gives, late, or only the begin of it.

        To be right about the first fragment, `data` should give each as soon as it has come.
        """
        pause(self.sleep_during, wakeup)
        for pieces, fragments, is_last in data:
            if self.abort_during and (fragments or is_last):
                raise _abort("--abort-during")
            pause(self.sleep_during * fragments, wakeup)
            if not is_last:
                yield pieces, fragments, False
                continue
            if self.abort_after:
                # All of it is counted and written, as of any other object, but it never ends.
                yield pieces, fragments, False
                raise _abort("--abort-after")
            pause(self.sleep_during, wakeup)
            yield pieces, fragments, True

    def after(self, wakeup: Wakeup) -> None:
        """Pause when the response was sent and all that follows from it is done."""
        pause(self.sleep_after, wakeup)


def pause(seconds: float, wakeup: Wakeup) -> None:
    """Do nothing for so long; `Stopped` if SIGTERM comes before or meanwhile."""
    if not seconds:
        return
    poll = select.poll()
    poll.register(wakeup, select.POLLIN)
    deadline = monotonic() + seconds
    while (left := deadline - monotonic()) > 0:
        if poll.poll(min(left * 1000, _LONGEST_POLL)):
            raise Stopped(wakeup.cause)


def _abort(option: str) -> Abort:
    log.info("ABORT initiated (due to command line options)")
    return Abort(0, 0, f"as {option} asks")
