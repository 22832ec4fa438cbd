"""The one place where scpd forks: what the child must not keep, and the one door by which it leaves.

The child starts with every signal held back, closes what belongs to its parent, renews its wakeup, and only then
lets its signal in.  Whatever happens in it, it ends by `os._exit` with a code of `exitcodes`; nothing of the parent's
stack is ever unwound there.

What a child does first it does for the first time, unspecialized (`worker.rehearsal`).  So it uses names of this module
only: to look up an attribute of another one writes to five objects, on as many pages that the child then copies.
"""

from __future__ import annotations

import logging
import os
from os import _exit, closerange, fork

from scpd.process.exitcodes import CRASHED, FAILED
from scpd.process.signals import CHILD, hold, let_in, restore

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from scpd.process.signals import Wakeup

# Behind the standard streams, and behind all that a process may have.  Where the kernel lacks close_range(2) Python
# closes one by one: hence a bound on limits of a thousand million.
_FIRST_OF_OURS = 3
_END_OF_ALL = min(os.sysconf("SC_OPEN_MAX"), 1 << 20)

log = logging.getLogger("dcmtk.apps.storescp")


def spawn(role: Callable[[], int], wakeup: Wakeup, keep: tuple[int, ...]) -> int:
    """Fork a child that runs `role()` and exits with what that gives.

    Of the parent's descriptors it has the standard ones and those of `keep`, and `wakeup` anew, heard by SIGTERM
    only.  Gives the child's process id to the parent, whose signals are blocked as before; raises `OSError` if there
    can be no further process.
    """
    keep = tuple(sorted(keep))
    mask = hold()
    try:
        pid = fork()
        if pid == 0:
            _run(role, wakeup, keep)
    finally:
        restore(mask)
    return pid


def _run(role: Callable[[], int], wakeup: Wakeup, keep: tuple[int, ...]) -> None:
    """The child's whole life; does not return."""
    code = CRASHED
    try:
        _close_all_but(keep)
        wakeup.renew()
        let_in(CHILD)
        code = role()
    except MemoryError:
        log.error("process %d is out of memory", os.getpid())
        code = FAILED
    except Exception:
        log.exception("process %d failed", os.getpid())
    finally:
        _exit(code)


def _close_all_but(keep: tuple[int, ...]) -> None:
    """Close by number: to visit the parent's sockets as objects costs more, and one could be forgotten.

    `keep` is in order: what is sorted before the fork is one thing less that a child does for the first time.
    """
    begin = _FIRST_OF_OURS
    for descriptor in keep:
        closerange(begin, descriptor)
        begin = max(begin, descriptor + 1)
    closerange(begin, _END_OF_ALL)
