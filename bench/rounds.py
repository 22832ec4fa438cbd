"""Rounds: servers that are compared run side by side and take turns, forward and backward.

The machine is noisy, and its noise comes and goes in seconds. So servers are measured one right after the other, a
ratio is taken within each round, and medians of rounds are reported.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from bench import load
from bench.bare import BareLoop
from bench.servers import Program, Server, ServerError
from bench.wire import LoadError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bench.workloads import Workload

# A run takes a fraction of a second, as long as the noise does: scpd and its rival have several turns in each
# round, the slow ones and the bare loop one.
TURNS = 3


@dataclass(frozen=True)
class Settings:
    """What the command line says."""

    subject: Program
    directory: Path
    rounds: int
    pdus: tuple[int, ...]
    quick: bool
    only: frozenset[str]


@dataclass(frozen=True)
class Contestant:
    """A server that takes part in the rounds of a workload, with the plans it gets."""

    heading: str
    server: Server | BareLoop
    workload: Workload
    plans: list[load.Plan]
    one_turn: bool = False

    def run(self, beside: load.Plan | None = None) -> load.Result:
        """One run, its result checked, its files removed."""
        return once(self.server, self.workload, self.plans, beside)


def once(
    server: Server | BareLoop, workload: Workload, plans: list[load.Plan], beside: load.Plan | None = None
) -> load.Result:
    """Send the plans of a workload to a server, see that it stored all of them, and empty its directory."""
    server.store.warm(sum(request.data_bytes for plan in plans for request in plan.requests))
    if isinstance(server, BareLoop):
        result = load.run(server.address, plans, send=load.stream)
        server.store.check(len(plans), result.data_bytes)
    else:
        try:
            result = load.run(server.address, plans, beside=beside, security=server.variant.security)
        except LoadError as problem:
            said = server.last_words()
            raise ServerError(
                f"{server.program.heading} {server.variant}: {problem}; it said: {said}"
            ) from None
        least = round(result.data_bytes * workload.stored_share)
        server.store.check(result.objects, least, exactly=not beside, mark=workload.mark)
    server.store.empty()
    if workload.runs_commands and isinstance(server, Server):
        server.wait_for_commands()
    return result


def turns(contestants: list[Contestant], rounds: int) -> Iterator[Contestant]:
    """Give whose turn it is, over all rounds."""
    for turn in range(rounds * TURNS):
        in_order = contestants[:: -1 if turn % 2 else 1]
        yield from (each for each in in_order if turn % TURNS == 0 or not each.one_turn)


def ratio(ours: list[load.Result], theirs: list[load.Result]) -> float:
    """Give the median of the ratios of neighbouring runs."""
    in_same_turn = zip(ours[:: len(ours) // len(theirs)], theirs, strict=True)
    return median(our.objects_per_second / their.objects_per_second for our, their in in_same_turn)


def note(text: str) -> None:
    """Tell how far we are."""
    print(text, file=sys.stderr, flush=True)
