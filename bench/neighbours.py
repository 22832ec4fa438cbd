"""How much of the machine other people's processes took while we measured.

Client and server take turns, so on a busy machine each waits for its turn to be scheduled, and that wait is the
same for all servers: ratios shrink towards 1. The reader of a table should know.
"""

from __future__ import annotations

import os
import resource
import time

BUSY = 0.3  # CPUs; from about here on ratios are not to be trusted


class Neighbours:
    """CPU time of all processes but ours and our children's, from the moment this is created."""

    def __init__(self) -> None:
        """Take the first reading."""
        self._began, self._total, self._ours = time.monotonic(), _machine_seconds(), _our_seconds()

    def cpus(self) -> float:
        """Return the mean number of CPUs that the others kept busy, or that the hypervisor took away."""
        others = _machine_seconds() - self._total - (_our_seconds() - self._ours)
        return max(0.0, others / (time.monotonic() - self._began))

    def __str__(self) -> str:
        """Say so, with a warning where it matters."""
        cpus = self.cpus()
        warning = ": too many to trust the ratios" if cpus > BUSY else ""
        return f"meanwhile other processes kept {cpus:.1f} of {os.cpu_count()} CPUs busy{warning}"


def _machine_seconds() -> float:
    with open("/proc/stat") as file:
        user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, file.readline().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def _our_seconds() -> float:
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)
