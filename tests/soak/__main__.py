"""`python -m tests.soak`: a daemon under mixed load, reloaded and killed at, and what became of it.

storescu, dcmsend, gdcmscu, pynetdicom and a raw peer send objects of 100 bytes to 3 MB in four encodings, on four
connections at once; SIGHUP comes each minute, SIGKILL for a worker each three seconds.  In the first half the keeper is
killed too, each twenty seconds; in the second half master and keeper are looked at.
Exit code 0; 1 if anything was lost, left over, or grows.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests.harness.processes import become_subreaper
from tests.harness.servers import scpd_factory
from tests.soak.run import soak

if TYPE_CHECKING:
    from tests.soak.run import Report

_RELOAD_SECONDS = 60.0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("soak", description="a daemon under mixed load, reloaded and killed at")
    parser.add_argument("--minutes", type=float, default=30.0, help="default: %(default)g")
    parser.add_argument(
        "--seed", type=int, help="of sizes, clients and kills; default: another one each time"
    )
    parser.add_argument("--directory", type=Path, help="store below this (default: TMPDIR)")
    return parser.parse_args()


def text(report: Report) -> str:
    """Give a report as it is printed."""
    lines = [
        (
            f"{report.seconds / 60:g} minutes, {report.associations.total()} associations, {report.stored} objects "
            f"acknowledged, {len(report.lost)} lost"
        ),
        f"killed: {report.killed['worker']} workers, {report.killed['keeper']} keepers; {report.reloads} reloads",
        "associations: " + ", ".join(f"{name} {count}" for name, count in report.associations.most_common()),
        f"failed: {report.failures.total()}",
        *(f"  {count:>6}  {cause}" for cause, count in report.failures.most_common()),
    ]
    for role, samples in report.samples.items():
        grown = report.growth(role)
        least = min((each.memory for each in samples), default=0)
        lines.append(
            f"{role}: {least} kB private, grown by {grown.memory} kB and {grown.descriptors} descriptors "
            f"({len(samples)} samples)"
        )
    return "\n".join([*lines, *(f"FAULT {fault}" for fault in report.faults())])


def main() -> int:
    """Run it."""
    arguments = _arguments()
    seed = int.from_bytes(os.urandom(4), "big") if arguments.seed is None else arguments.seed
    print(f"seed {seed}", flush=True)
    become_subreaper()
    with tempfile.TemporaryDirectory(prefix="scpd-soak-", dir=arguments.directory) as folder:
        factory = scpd_factory(Path(folder))
        try:
            report = soak(factory, arguments.minutes * 60, _RELOAD_SECONDS, seed)
        finally:
            factory.finish()
    print(text(report))
    return 1 if report.faults() else 0


if __name__ == "__main__":
    raise SystemExit(main())
