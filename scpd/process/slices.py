"""How long a turn of the processor is that this process has while others wait (sched_setattr(2), Linux since 6.12).

Whoever is woken comes first if his turns are shorter than those of the one at work.

    PROMPT    short turns: somebody waits for what is done in them
    PATIENT   long ones: what is done in them is done ahead

Nice value and policy stay what they are (sched(7)).  A child has the usual turns again.  The kernel ties that to what
would take a nice value below 0 from it, too: so whoever has one is left alone, and so is who has a real-time policy.
Who gives one to a running master (renice(1)) gives it to that process, and not to its children to come.

Nothing hangs on it: older kernels take no notice, and where it is forbidden nothing happens.
"""

from __future__ import annotations

import ctypes
import os
import sys
from struct import Struct

PROMPT, PATIENT = 100_000, 100_000_000  # nanoseconds: the shortest and the longest turn that there is

# Of sched_setattr, by machine (uname(2)): the kernel's, whose programs of 32 bits have other numbers.
_NUMBERS = {"x86_64": 314, "aarch64": 274}
_NUMBER = _NUMBERS.get(os.uname().machine) if sys.maxsize > 1 << 32 else None
# linux/sched/types.h: size, policy, flags, nice, priority, runtime, deadline, period
_ATTRIBUTES = Struct("IIQiIQQQ")
_RESET_ON_FORK = 1

_syscall = ctypes.CDLL(None).syscall


def take(nanoseconds: int) -> None:
    """Have turns of this length from now on; raises nothing."""
    try:
        nice = os.getpriority(os.PRIO_PROCESS, 0)
        policy = os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK
    except OSError:
        return
    if _NUMBER is None or nice < 0:
        return
    # With a real-time policy it fails, for lack of a priority.
    wanted = _ATTRIBUTES.pack(_ATTRIBUTES.size, policy, _RESET_ON_FORK, nice, 0, nanoseconds, 0, 0)
    _syscall(_NUMBER, 0, wanted, 0)
