"""`python -m tests.soak`: daemons under mixed load, reloaded and killed at, and what became of it.

Two masters share an output directory, one of them speaks TLS.  storescu, dcmsend, gdcmscu, pynetdicom and a raw peer
send objects of 100 bytes to 3 MB in four encodings, on four connections at once, to one or the other; by TLS storescu,
pynetdicom and the raw peer, which goes on with its session.  SIGHUP comes to each master each minute, with a renewed
certificate every other time, SIGKILL for one of its workers each six seconds.  In the first half its keeper is killed
too, each forty seconds; in the second half masters and keepers are looked at, and the plain master is not reloaded.
Exit code 0; 1 if anything was lost, left over, or grows, or more has failed than kills explain.
"""

from __future__ import annotations

import argparse
import os
import signal
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests.harness.certificates import Infrastructure
from tests.harness.processes import become_subreaper
from tests.harness.servers import scpd_factory
from tests.soak.nuisance import KEEPER, WORKER
from tests.soak.run import soak
from tests.soak.samples import lives

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator

    from tests.soak.run import Account, Report

_RELOAD_SECONDS = 60.0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("soak", description="daemons under mixed load, reloaded and killed at")
    parser.add_argument("--minutes", type=float, default=30.0, help="default: %(default)g")
    parser.add_argument(
        "--seed", type=int, help="of sizes, clients and kills; default: another one each time"
    )
    parser.add_argument("--directory", type=Path, help="store below this (default: TMPDIR)")
    return parser.parse_args()


def text(report: Report) -> str:
    """Give a report as it is printed."""
    total = report.total()
    lines = [
        (
            f"{report.seconds / 60:g} minutes, {total.associations.total()} associations, {total.stored} objects "
            f"acknowledged, {len(report.lost)} lost"
        ),
        *(line for name, account in report.accounts.items() for line in _lines(name, account)),
        *(f"FAULT {fault}" for fault in report.faults()),
    ]
    return "\n".join(lines)


def _lines(name: str, account: Account) -> Iterator[str]:
    tally, killed = account.tally, account.killed
    yield (
        f"{name}: {tally.associations.total()} associations ({_counts(tally.associations)}), {tally.resumed} "
        f"sessions resumed, {tally.stored} objects"
    )
    yield (
        f"  killed: {killed[WORKER]} workers, {killed[KEEPER]} keepers; {account.reloaded} of {account.reloads} "
        f"reloads, {account.renewals} certificates renewed"
    )
    yield f"  failed: {tally.failures.total()}"
    for cause, count in tally.failures.most_common():
        yield f"  {count:>6}  {cause}"
    for role, grown in account.growth().items():
        parts = lives(account.samples[role])
        least = min((each.memory for life in parts for each in life), default=0)
        yield (
            f"  {role}: {least} kB private, grown by {grown.memory} kB and {grown.descriptors} descriptors "
            f"({sum(map(len, parts))} samples, {len(parts)} lives)"
        )


def _counts(counter: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counter.most_common())


def main() -> int:
    """Run it."""
    arguments = _arguments()
    seed = int.from_bytes(os.urandom(4), "big") if arguments.seed is None else arguments.seed
    print(f"seed {seed}", flush=True)
    become_subreaper()
    # By nohup(1) the daemons would not hear that they shall reload.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    with tempfile.TemporaryDirectory(prefix="scpd-soak-", dir=arguments.directory) as name:
        folder = Path(name)
        factory, certificates = scpd_factory(folder), folder / "certificates"
        certificates.mkdir()
        try:
            seconds = arguments.minutes * 60
            report = soak(factory, Infrastructure(certificates), seconds, _RELOAD_SECONDS, seed)
        finally:
            factory.finish()
    print(text(report))
    return 1 if report.faults() else 0


if __name__ == "__main__":
    raise SystemExit(main())
