"""How a master ends that could not take over yet and is told to end meanwhile: as the one before it would have ended.

It has no configuration, and perhaps not even a log: what it knows is the estate.  Nobody is let in any more; workers
have the grace period to finish, which a second request ends; the keeper, whose former master's pipe is broken, ends by
itself, and is told to end when all others have.  At last what says where we are is removed.
"""

from __future__ import annotations

import logging
import os
import signal
from contextlib import suppress
from time import monotonic

from scpd.fixed_options import FIXED
from scpd.log.counted import counted
from scpd.master.children import KEEPER, Children
from scpd.master.control import ASKERS, DOOR
from scpd.master.door import inherit_door
from scpd.master.drain import Drain
from scpd.master.renewal import CHILDREN, GRACE, LISTENERS, PID_FILE, WAITING
from scpd.master.upkeep import Upkeep
from scpd.process import notify, signals
from scpd.process.pidfile import PidFile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from scpd.process.notify import Manager
    from scpd.process.succession import Estate

log = logging.getLogger("dcmtk.apps.storescp")

_ENDS = {signal.SIGTERM, signal.SIGINT}
_LONGEST_WAIT = 60.0


def surrender(estate: Estate, manager: Manager | None) -> None:
    """End; the signals that a master hears are held back still, and all that was handed on is open."""
    if manager is not None:
        manager.tell(notify.STOPPING)
    grace = estate.get(GRACE, 0.0)
    children = Children()
    kept = {child.pid: child.kind for child in children.take_over(estate[CHILDREN])}
    log.info("told to end: %s may finish within %g s", counted(children.workers, "association"), grace)
    _close_doors(estate)
    upkeep = Upkeep(None, children, signals.Wakeup(), ())
    now = monotonic()
    for pid, kind in kept.items():
        if kind == KEEPER:
            upkeep.take_over(pid, now)
    _wait_for(children, upkeep, Drain(now, grace), manager)
    if estate[PID_FILE]:
        PidFile(estate[FIXED]["--pidfile"], tuple(estate[PID_FILE])).remove()
    log.info("ended")


def _close_doors(estate: Estate) -> None:
    """Let nobody in, and give no answer: there is no port from here on, and no control socket."""
    if DOOR in estate:
        with suppress(OSError):  # its directory is not there any more
            inherit_door(*estate[DOOR]).close()
    waiting = (row[0] for row in estate[WAITING])
    for descriptor in (*estate[LISTENERS], *waiting, *estate.get(DOOR, ())[:1], *estate.get(ASKERS, ())):
        os.close(descriptor)


def _wait_for(children: Children, upkeep: Upkeep, drain: Drain, manager: Manager | None) -> None:
    """Wait for the last child, and insist where that is due; the service manager hears how many are left."""
    longest = _LONGEST_WAIT
    if manager is not None:
        longest = manager.seconds_of_silence(longest)
    while True:
        now = monotonic()
        for child, _ in children.reap():
            upkeep.reaped(child.pid, now)
        if not children:
            return
        if manager is not None:
            manager.tell(
                notify.WATCHDOG, notify.status(f"draining, {counted(children.workers, 'association')}")
            )
        number = drain.due(now)
        if number is not None:
            children.send(number)
        deadline = drain.next_deadline()
        if not children.has_others_than(KEEPER):
            upkeep.end(now, deadline)
            deadline = upkeep.next_time()
        if _hears(longest if deadline is None else min(deadline - now, longest)):
            drain.hurry(monotonic())


def _hears(seconds: float) -> bool:
    """Wait for a child's end or a request, at the most so long; tell whether it was a request."""
    heard = signal.sigtimedwait({signal.SIGCHLD, *_ENDS}, max(seconds, 0.0))
    return heard is not None and heard.si_signo in _ENDS
