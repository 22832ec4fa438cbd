"""`python -m bench`: measure scpd beside storescp and pynetdicom, print one table.

Exit code 0; 1 if a server failed; 2 if with --check a ratio is below its floor, or could not be had.
BENCH_ROUNDS and BENCH_DIR in the environment are the defaults of --rounds and --directory.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from bench.bare import BareLoop
from bench.neighbours import Neighbours
from bench.report import table
from bench.runner import Settings, measure
from bench.servers import OUT_OF_THE_BOX, PYNETDICOM, SCPD, STORESCP, Program, filesystem_of
from bench.workloads import NAMES

# Where files outlive a reboot by custom (hier(7)), and so lie on a disk's file system.
DISK_DIRECTORY = Path("/var/tmp")
LARGEST_WORKLOAD_BYTES = 4 * 10**9  # the 1.5 GB series, once for each of two servers

NOTES = """\
Rates are objects/s / MB/s (10^6 bytes of data set), medians of {rounds} alternating rounds; a ratio is
the median of the ratios of runs next to each other. storescp has TCP_NODELAY=1 and the PDU size that suits
it best (the options column), scpd the same options and --no-fsync, all have --fork; out of the box storescp
has its own PDU size and no TCP_NODELAY.  Senders have Reno, which paces nobody.
{machine}; output on {filesystem}; {neighbours}."""


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("bench", description="scpd and its peers, side by side on loopback")
    parser.add_argument("--only", action="append", choices=NAMES, help="this workload only (repeatable)")
    parser.add_argument("--rounds", type=int, help="alternating rounds (default: BENCH_ROUNDS, or 5)")
    parser.add_argument(
        "--quick", action="store_true", help="a quarter of the objects, 2 rounds: a first look"
    )
    parser.add_argument(
        "--pdu", type=int, nargs="+", default=[16384, 131072], help="PDU sizes tried for storescp"
    )
    parser.add_argument(
        "--subject", default=SCPD, help="command line to measure as scpd (default: %(default)s)"
    )
    parser.add_argument(
        "--directory",
        type=Path,
        help=f"store below this (default: BENCH_DIR; or {DISK_DIRECTORY}, since images are stored on disks: to get a "
        "page of a tmpfs takes longer than all that a server does with it)",
    )
    parser.add_argument("--markdown", action="store_true", help="print the table for the README")
    parser.add_argument("--check", action="store_true", help="exit with 2 if a ratio is below its floor")
    return parser.parse_args()


def _disk_directory() -> Path | None:
    """Give a directory on a disk if there is one with room for the largest workload."""
    try:
        free = shutil.disk_usage(DISK_DIRECTORY).free
    except OSError:
        return None
    return DISK_DIRECTORY if free > LARGEST_WORKLOAD_BYTES and os.access(DISK_DIRECTORY, os.W_OK) else None


def _machine() -> str:
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{platform.machine()}, {os.cpu_count()} CPUs, Linux {platform.release()}, {python}"


def main() -> int:
    """Measure and print; the exit code."""
    arguments = _arguments()
    # So that servers are ended and files removed when we are.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    rounds = arguments.rounds or int(os.environ.get("BENCH_ROUNDS", "2" if arguments.quick else "5"))
    subject = Program("scpd", arguments.subject)
    below = arguments.directory or os.environ.get("BENCH_DIR") or _disk_directory()
    neighbours = Neighbours()
    with tempfile.TemporaryDirectory(prefix="bench-", dir=below, ignore_cleanup_errors=True) as name:
        directory = Path(name)
        filesystem = filesystem_of(directory)
        only = frozenset(arguments.only or NAMES)
        settings = Settings(subject, directory, rounds, tuple(arguments.pdu), arguments.quick, only)
        rows = list(measure(settings))
    servers = [subject, STORESCP, OUT_OF_THE_BOX, PYNETDICOM]
    headings = [*(server.heading for server in servers), BareLoop.heading]
    print(table(rows, headings, markdown=arguments.markdown))
    print()
    print(NOTES.format(rounds=rounds, machine=_machine(), filesystem=filesystem, neighbours=neighbours))
    if any(row.failed for row in rows):
        return 1
    return 2 if arguments.check and not all(row.passed for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
