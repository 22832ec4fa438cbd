"""The one place where scpd forks: what the child must not keep, and the one door by which it leaves.

The child starts with every signal held back, closes what belongs to its parent, sets up its own signals, and only
then lets them in.  Whatever happens in it, it ends by `os._exit` with a code of `exitcodes`; nothing of the parent's
stack is ever unwound there.
"""

from __future__ import annotations

import logging
import os

from scpd.process import exitcodes, signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger("dcmtk.apps.storescp")


def spawn(
    role: Callable[[signals.Wakeup], int], table: signals.SignalTable, leave_behind: Callable[[], None]
) -> int:
    """Fork a child that runs `leave_behind()`, then `role(wakeup)`, and exits with what that returns.

    Gives the child's process id to the parent; raises `OSError` if there can be no further process.
    """
    signals.hold()
    try:
        pid = os.fork()
        if pid == 0:
            _run(role, table, leave_behind)
    finally:
        signals.let_go()
    return pid


def _run(
    role: Callable[[signals.Wakeup], int], table: signals.SignalTable, leave_behind: Callable[[], None]
) -> None:
    """The child's whole life; does not return."""
    code = exitcodes.CRASHED
    try:
        leave_behind()
        wakeup = signals.Wakeup(table)
        signals.let_go()
        code = role(wakeup)
    except Exception:
        log.exception("process %d failed", os.getpid())
    finally:
        os._exit(code)
