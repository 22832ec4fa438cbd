"""`python -m tests.fuzz`: change real clients' bytes, files and records for so long, and try each.

Prints a line for each target; what breaks its promise is kept in tests/cases/fuzz/regressions, which the tests replay.
Exit code 0; 1 if something was found.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from tests.fuzz.engine import fuzz, shares
from tests.fuzz.regressions import REGRESSIONS, save
from tests.fuzz.targets import TARGETS

if TYPE_CHECKING:
    from tests.fuzz.engine import Tally
    from tests.fuzz.target import Target


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "fuzz", description="hostile bytes for everything that reads and does no I/O"
    )
    parser.add_argument(
        "--seconds", type=float, default=60.0, help="for all targets together (default: %(default)g)"
    )
    parser.add_argument("--target", default="all", choices=["all", *TARGETS], help="this one only")
    parser.add_argument("--seed", type=int, help="of the changes; default: another one each time")
    parser.add_argument("--save", type=Path, default=REGRESSIONS, help="where findings go")
    return parser.parse_args()


def _say(target: Target, tally: Tally, folder: Path) -> None:
    rate = tally.inputs / max(tally.seconds, 0.001)
    pdus = f" of {tally.pdus} PDUs" if tally.pdus else ""
    print(
        f"{target.name:<13} {tally.inputs:>9} inputs{pdus} {tally.seconds:>7.1f} s {rate:>7.0f}/s "
        f"{tally.outcomes:>5} outcomes {len(tally.findings):>2} found  {target.promise}",
        flush=True,
    )
    for finding in tally.findings:
        print(f"    {save(finding, folder)}: {finding.error}", flush=True)


def main() -> int:
    """Run all that was asked for."""
    arguments = _arguments()
    seed = int.from_bytes(os.urandom(4), "big") if arguments.seed is None else arguments.seed
    chosen = tuple(TARGETS.values()) if arguments.target == "all" else (TARGETS[arguments.target],)
    print(f"seed {seed}", flush=True)
    inputs = found = 0
    for target, seconds in shares(chosen, arguments.seconds):
        tally = fuzz(target, seed, seconds=seconds)
        _say(target, tally, arguments.save)
        inputs += tally.inputs
        found += len(tally.findings)
    print(f"{inputs} inputs in {arguments.seconds:g} s, {found} found")
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())
