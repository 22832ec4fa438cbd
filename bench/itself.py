"""scpd beside itself: what it costs to sort where everything is flushed, and to have many studies open."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from bench import load
from bench.report import Check, Row, rate, rates_of
from bench.rounds import Contestant, Settings, note, ratio, turns
from bench.servers import Server, ServerError, Variant, descendants, title_of

if TYPE_CHECKING:
    from bench.workloads import Workload

OPEN_STUDIES = 10_000
FIRST_OF_THEM = 5_000_000
IDLE_SECONDS = 5.0


def measure_flushed(settings: Settings, workload: Workload) -> Row:
    """With --fsync, sorted beside unsorted: three flushes for each object instead of two."""
    variants = [Variant(max(settings.pdus), ("--fsync", *options)) for options in (workload.options, ())]
    with ExitStack() as running:
        pair = [_contestant(settings, workload, variant, running) for variant in variants]
        return _row(settings, workload, pair)


def measure_many_open(settings: Settings, workload: Workload) -> Row:
    """With many studies open beside none: the same rate, and a keeper that has next to nothing to do."""
    variant = Variant(max(settings.pdus), workload.options)
    with ExitStack() as running:
        pair = [_contestant(settings, workload, variant, running) for _ in range(2)]
        _open_studies(pair[0], workload, variant)
        milliseconds = _idle_milliseconds(pair[0])
        row = _row(settings, workload, pair)
    row.cells[settings.subject.heading] += f" (idle keeper: {milliseconds:.1f} ms/s)"
    return row


def _contestant(settings: Settings, workload: Workload, variant: Variant, running: ExitStack) -> Contestant:
    server = running.enter_context(Server(settings.subject, variant, settings.directory))
    return Contestant(str(server.pid), server, workload, workload.plans(server.max_length))


def _row(settings: Settings, workload: Workload, pair: list[Contestant]) -> Row:
    """Measure the first one beside the second."""
    results: dict[str, list[load.Result]] = {each.heading: [] for each in pair}
    for contestant in turns(pair, settings.rounds):
        result = contestant.run()
        results[contestant.heading].append(result)
        which = "first" if contestant is pair[0] else "second"
        note(f"{workload.name} {len(results[contestant.heading])}: {which} {rates_of(result)}")
    ours, theirs = results.values()
    server = pair[0].server
    row = Row(workload.title, str(server.variant) if isinstance(server, Server) else "")
    row.cells[settings.subject.heading] = rate(
        median(run.objects_per_second for run in ours), median(run.megabytes_per_second for run in ours)
    )
    row.checks.append(Check(ratio(ours, theirs), workload.floor))
    return row


def _open_studies(contestant: Contestant, workload: Workload, variant: Variant) -> None:
    """Have the server receive one object of each of many studies."""
    image = replace(workload.image, own_study=True)
    many = load.plan(image, 1, OPEN_STUDIES, FIRST_OF_THEM, variant.max_pdu)
    server = contestant.server
    load.run(server.address, [many])
    if isinstance(server, Server):
        server.store.empty()


def _idle_milliseconds(contestant: Contestant) -> float:
    """Give the processor time that the keeper takes in a second, when nothing comes."""
    server = contestant.server
    pids = descendants(server.pid) if isinstance(server, Server) else ()
    keeper = next((pid for pid in pids if ": keeper" in title_of(pid)), None)
    if keeper is None:
        raise ServerError("it has no keeper")
    time.sleep(1)  # it reads what it was just sent
    before = _processor_seconds(keeper)
    time.sleep(IDLE_SECONDS)
    return (_processor_seconds(keeper) - before) / IDLE_SECONDS * 1000


def _processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
