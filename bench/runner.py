"""All workloads, a row of the table for each: scpd beside its peers, in rounds (`bench.rounds`).

storescp's own best PDU size for a workload is looked for first; scpd is then given the same.
"""

from __future__ import annotations

from contextlib import ExitStack
from functools import cache, partial
from statistics import median
from typing import TYPE_CHECKING

from bench import load
from bench.access import TITLE as ACCESS_TITLE
from bench.access import measure_access
from bench.bare import BareLoop
from bench.inetd import TITLE as INETD_TITLE
from bench.inetd import measure_inetd
from bench.itself import measure_flushed, measure_many_open
from bench.memory import Watch
from bench.report import OUT_OF_THE_BOX_RATIO, Check, Row, rate, rates_of
from bench.rounds import Contestant, Settings, note, once, ratio, turns
from bench.security import security
from bench.servers import OUT_OF_THE_BOX, PYNETDICOM, STORESCP, Program, Server, ServerError, Variant
from bench.wire import LoadError
from bench.workloads import (
    ACCESS,
    BESIDE,
    FLUSHED,
    INETD,
    MANY_OPEN,
    MEMORY,
    WORKLOADS,
    Workload,
    memory_workloads,
    second_sender,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

TRIALS = 2  # of each configuration of storescp, before the rounds
ALONE = "alone"


def measure(settings: Settings) -> Iterator[Row]:
    """Measure all workloads, a row for each; where a server failed the row says so."""
    for title, step in _steps(settings):
        try:
            yield step()
        except (ServerError, LoadError) as problem:
            note(f"{title}: {problem}")
            yield Row(title, failed=True)


def _steps(settings: Settings) -> Iterator[tuple[str, Callable[[], Row]]]:
    steps = {FLUSHED.name: measure_flushed, MANY_OPEN.name: measure_many_open, BESIDE.name: _measure_beside}
    for workload in (*WORKLOADS, FLUSHED, MANY_OPEN, BESIDE):
        if workload.name in settings.only:
            step = steps.get(workload.name, _measure_rates)
            wanted = workload.smaller() if settings.quick else workload
            yield workload.title, partial(step, settings, wanted)
    if MEMORY in settings.only:
        for workload in memory_workloads(quick=settings.quick):
            yield workload.title, partial(_measure_memory, settings, workload)
    if ACCESS in settings.only:
        yield ACCESS_TITLE, partial(measure_access, settings)
    if INETD in settings.only:
        yield INETD_TITLE, partial(measure_inetd, settings)


def _measure_rates(settings: Settings, workload: Workload) -> Row:
    variant = _best_variant(settings, workload)
    with ExitStack() as running:
        contestants = _contestants(settings, workload, variant, running)
        for contestant in contestants:
            contestant.run()
        results: dict[str, list[load.Result]] = {each.heading: [] for each in contestants}
        for contestant in turns(contestants, settings.rounds):
            result = contestant.run()
            results[contestant.heading].append(result)
            note(
                f"{workload.name} {len(results[contestant.heading])}: {contestant.heading} {rates_of(result)}"
            )
    return _row_of_rates(settings, workload, variant, results)


def _contestants(
    settings: Settings, workload: Workload, variant: Variant, running: ExitStack
) -> list[Contestant]:
    shares = {
        settings.subject: 1.0,
        STORESCP: 1.0,
        OUT_OF_THE_BOX: workload.out_of_the_box_share,
        PYNETDICOM: workload.pynetdicom_share,
    }
    plans = cache(workload.plans)
    contestants = []
    for program, share in shares.items():
        if share is not None and program.installed():
            server = running.enter_context(Server(program, variant, settings.directory))
            one_turn = program in {OUT_OF_THE_BOX, PYNETDICOM}
            contestants.append(
                Contestant(program.heading, server, workload, plans(server.max_length, share), one_turn)
            )
    if workload.bare:
        bare = running.enter_context(BareLoop(settings.directory))
        contestants.append(Contestant(bare.heading, bare, workload, plans(variant.max_pdu), one_turn=True))
    return contestants


def _row_of_rates(
    settings: Settings, workload: Workload, variant: Variant, results: dict[str, list[load.Result]]
) -> Row:
    row = Row(workload.title, str(variant))
    for heading, runs in results.items():
        row.cells[heading] = rate(
            median(run.objects_per_second for run in runs), median(run.megabytes_per_second for run in runs)
        )
    ours = results[settings.subject.heading]
    if STORESCP.heading in results:
        row.checks.append(Check(ratio(ours, results[STORESCP.heading]), workload.floor))
    if OUT_OF_THE_BOX.heading in results and workload.out_of_the_box_floor:
        value = ratio(ours, results[OUT_OF_THE_BOX.heading])
        row.checks.append(Check(value, workload.out_of_the_box_floor, OUT_OF_THE_BOX_RATIO))
    return row


def _best_variant(settings: Settings, workload: Workload) -> Variant:
    tls = None
    if workload.secure:
        tls = security(settings.directory, resumes=workload.resumes)
    variants = [Variant(pdu, workload.options, tls) for pdu in settings.pdus]
    if len(variants) == 1 or not STORESCP.installed():
        return variants[-1]
    with ExitStack() as running:
        servers = [running.enter_context(Server(STORESCP, each, settings.directory)) for each in variants]
        best = dict.fromkeys(variants, 0.0)
        for server in servers * TRIALS:
            result = once(server, workload, workload.plans(server.max_length))
            best[server.variant] = max(best[server.variant], result.objects_per_second)
            note(f"{workload.name} trial: storescp {server.variant} {rates_of(result)}")
    return max(variants, key=best.__getitem__)


def _measure_beside(settings: Settings, workload: Workload) -> Row:
    variant = _best_variant(settings, workload.smaller())
    row = Row(workload.title, str(variant))
    with ExitStack() as running:
        contestants = [
            _contestant_beside(settings, workload, program, variant, running)
            for program in (settings.subject, STORESCP)
            if program.installed()
        ]
        results = {each.heading: _with_and_without(each, variant, settings.rounds) for each in contestants}
    for heading, pairs in results.items():
        together = rate(*(median(values) for values in zip(*((_both(b)) for b, _ in pairs), strict=True)))
        row.cells[heading] = f"{together} ({_kept(pairs):.2f} of {ALONE})"
    row.checks.append(Check(_kept(results[settings.subject.heading]), workload.floor))
    return row


def _contestant_beside(
    settings: Settings, workload: Workload, program: Program, variant: Variant, running: ExitStack
) -> Contestant:
    server = running.enter_context(Server(program, variant, settings.directory))
    return Contestant(program.heading, server, workload, workload.plans(server.max_length))


def _with_and_without(
    contestant: Contestant, variant: Variant, rounds: int
) -> list[tuple[load.Result, load.Result]]:
    beside, pairs = second_sender(variant.max_pdu), []
    contestant.run()
    for number in range(rounds):
        order = (beside, None) if number % 2 else (None, beside)
        runs = {plan is None: contestant.run(plan) for plan in order}
        pairs.append((runs[False], runs[True]))
        note(
            f"beside {number + 1}: {contestant.heading} {rates_of(runs[False])}, alone {rates_of(runs[True])}"
        )
    return pairs


def _both(result: load.Result) -> tuple[float, float]:
    return result.objects_per_second, result.megabytes_per_second


def _kept(pairs: list[tuple[load.Result, load.Result]]) -> float:
    return ratio([beside for beside, _ in pairs], [alone for _, alone in pairs])


def _measure_memory(settings: Settings, workload: Workload) -> Row:
    variant = Variant(max(settings.pdus), workload.options)
    row = Row(workload.title, str(variant))
    for program in (settings.subject, STORESCP):
        if program.installed():
            peak = _peak_megabytes(program, variant, workload, settings.directory)
            row.cells[program.heading] = f"{peak:.1f} MB"
            if program is settings.subject:
                row.checks.append(Check(peak, workload.floor, unit=" MB", ceiling=True))
    return row


def _peak_megabytes(program: Program, variant: Variant, workload: Workload, directory: Path) -> float:
    with Server(program, variant, directory) as server:
        watch = Watch(server.pid)
        result = load.run(server.address, workload.plans(server.max_length), meanwhile=watch.sample)
        server.store.check(result.objects, result.data_bytes, mark=workload.mark)
    if watch.written_bytes < result.data_bytes / 2:
        raise ServerError(f"{program.heading}: none of the children watched was the one that stored")
    note(f"memory: {program.heading} {watch.peak_bytes / 1e6:.1f} MB in {watch.samples} samples")
    return watch.peak_bytes / 1e6
