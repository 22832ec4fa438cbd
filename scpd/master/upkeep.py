"""The keeper as its master sees it: forked, kept alive, ended last.

A keeper that has ended is forked again, at once if it had worked for a while, else later and later.  One that gives no
sign of life for a minute is killed: its work is taken up by the next one.  At the end it is told to end when the last
worker has gone, and has what is left of the grace period then, at least ten seconds, for the commands that run.

A sign of life is a time in memory that master and keeper share: it costs neither of them a system call.  The master's
own is a pipe that nobody else holds open: it breaks when he has gone, however that was, or is succeeded.
"""

from __future__ import annotations

import logging
import os
import signal
from mmap import mmap
from struct import Struct
from time import monotonic

from scpd.master.children import KEEPER, Child
from scpd.master.rest import Minute
from scpd.process.fork import spawn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from scpd.master.children import Children
    from scpd.process.signals import Wakeup

_SILENCE_SECONDS = 60.0
LEAST_GRACE = 10.0
_LATER = 1.0  # than a keeper that ends by itself, which is killed else
_LONGEST_DELAY = 30.0
_A_WHILE = 60.0  # a keeper that lived so long is not at fault
_TIME = Struct("d")

log = logging.getLogger("dcmtk.apps.storescp")


class Heartbeat:
    """The keeper's time (monotonic seconds) in shared memory, and the master's pipe."""

    __slots__ = ("_masters", "_memory", "master")

    def __init__(self) -> None:
        self._memory = mmap(-1, _TIME.size)
        # A forked child keeps only what it is to keep: the other end is the master's alone.
        self.master, self._masters = os.pipe()

    def beat(self) -> None:
        """Give a sign of life."""
        _TIME.pack_into(self._memory, 0, monotonic())

    def last(self) -> float:
        """Give the time of the last one."""
        last: float = _TIME.unpack_from(self._memory)[0]
        return last


class Upkeep:
    """Keeps one keeper alive; `role` is what it does, given the wakeup and the heartbeat."""

    __slots__ = (
        "_children",
        "_delay",
        "_ends_at",
        "_heartbeat",
        "_kept",
        "_minute",
        "_pid",
        "_role",
        "_start_at",
        "_started",
        "_wakeup",
    )

    def __init__(
        self,
        role: Callable[[Wakeup, Heartbeat], int] | None,
        children: Children,
        wakeup: Wakeup,
        kept: tuple[int, ...],
    ) -> None:
        self._role = role
        self._children = children
        self._wakeup = wakeup
        self._kept = kept
        self._heartbeat: Heartbeat | None = None  # made for the first keeper
        self._pid = 0
        self._delay = 0.0
        self._minute = Minute()
        self._started = 0.0
        self._start_at = 0.0 if role is not None else float("inf")
        self._ends_at: float | None = None

    def keep(self, now: float) -> None:
        """Fork the keeper if there is none and should be one; kill it if it is stuck."""
        if self._pid and now - self._last_sign() > _SILENCE_SECONDS:
            log.error("keeper %d has given no sign of life for %g s: killing it", self._pid, _SILENCE_SECONDS)
            self._started = now  # until it is reaped
            os.kill(self._pid, signal.SIGKILL)
        role = self._role
        if role is None or self._pid or now < self._start_at or self._ends_at is not None:
            return
        heartbeat = self._heartbeat = self._heartbeat or Heartbeat()
        kept = (*self._kept, heartbeat.master)
        try:
            self._pid = spawn(lambda: role(self._wakeup, heartbeat), self._wakeup, kept)
        except OSError as error:
            level = logging.ERROR if self._minute.is_over(now) else logging.INFO
            log.log(level, "cannot fork a keeper: %s", error.strerror)
            self._put_off(now)
            return
        self._started = now
        self._children.add(Child(self._pid, KEEPER))

    def take_over(self, pid: int, now: float) -> None:
        """Wait for the end of a keeper whose master we succeed: it ends, as his pipe is broken."""
        self._pid = pid
        self._started = now

    def facts(self, now: float) -> dict[str, int | float | None]:
        """Give the keeper's process id, and for how many seconds it has given no sign of life; `None` without one."""
        if not self._pid:
            return {"pid": None, "silence": None}
        return {"pid": self._pid, "silence": round(max(now - self._last_sign(), 0.0), 1)}

    def _last_sign(self) -> float:
        """Give the time of the keeper's last sign of life; to have been started is one."""
        return self._started if self._heartbeat is None else max(self._heartbeat.last(), self._started)

    def reaped(self, pid: int, now: float) -> None:
        """Note that a child has ended, if it was the keeper."""
        if pid != self._pid:
            return
        self._pid = 0
        if now - self._started > _A_WHILE:
            self._delay = 0.0
        self._put_off(now)

    def _put_off(self, now: float) -> None:
        self._start_at = now + self._delay
        self._delay = min(max(2 * self._delay, 0.5), _LONGEST_DELAY)

    def end(self, now: float, grace_until: float | None) -> None:
        """Tell the keeper to end, as all others have; kill it when its time is over, or at once without a grace."""
        if not self._pid:
            return
        if self._ends_at is None:
            self._ends_at = max(grace_until or now, now + LEAST_GRACE + _LATER)
            os.kill(self._pid, signal.SIGTERM)
        elif now >= self._ends_at:
            self._ends_at = float("inf")
            os.kill(self._pid, signal.SIGKILL)

    def next_time(self) -> float | None:
        """Give the time at which something is to be done, if any."""
        if self._ends_at is not None:
            return self._ends_at
        if self._pid:
            return self._last_sign() + _SILENCE_SECONDS + 1
        return self._start_at if self._role is not None else None
