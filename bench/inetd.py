"""Inetd: how long a peer waits for its A-ASSOCIATE-AC from the moment at which the program for it is started.

Nothing listens with a program behind it: the connection is accepted here, and given to a fresh process as its standard
streams, as a super-server does it.
"""

from __future__ import annotations

import compileall
import shlex
import shutil
import socket
import subprocess
import tempfile
import time
from statistics import median
from typing import TYPE_CHECKING

from bench import wire
from bench.images import SMALL
from bench.report import Check, Row
from bench.rounds import note
from bench.servers import CHECKOUT, STORESCP, ServerError

if TYPE_CHECKING:
    from bench.rounds import Settings
    from bench.servers import Program

TITLE = "started by inetd, until A-ASSOCIATE-AC"
FLOOR = 0.4
STARTS = 5  # of each program, in each round
ANSWER_SECONDS = 10
_HEADER = 6


def measure_inetd(settings: Settings) -> Row:
    """Give the row: medians in milliseconds, and the median of the ratios of neighbouring starts."""
    # As installed: where the environment forbids Python to write byte code, each start would compile all it imports.
    compileall.compile_dir(CHECKOUT / "scpd", quiet=1)
    row, ratios = Row(TITLE, "-id"), []
    programs = [each for each in (settings.subject, STORESCP) if shutil.which(shlex.split(each.command)[0])]
    times: dict[str, list[float]] = {each.heading: [] for each in programs}
    with tempfile.TemporaryDirectory(dir=settings.directory) as directory:
        for program in programs:
            _start(program, directory)  # its files are in memory from then on
        for number in range(settings.rounds * STARTS):
            for program in programs[:: -1 if number % 2 else 1]:
                times[program.heading].append(_start(program, directory))
    for heading, seconds in times.items():
        row.cells[heading] = f"{1000 * median(seconds):.1f} ms"
        note(f"inetd: {heading} {row.cells[heading]}")
    if len(programs) > 1:
        ours, theirs = (times[each.heading] for each in programs)
        ratios = [their / our for our, their in zip(ours, theirs, strict=True)]
        row.checks.append(Check(median(ratios), FLOOR))
    return row


def _start(program: Program, directory: str) -> float:
    """Start a program for a connection; give the seconds until its answer, when it has ended."""
    command = [*shlex.split(program.command), "-id", "-od", directory]
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname(), ANSWER_SECONDS) as peer,
    ):
        peer.sendall(wire.associate_rq(SMALL.sop_class_uid))
        accepted, _ = listener.accept()
        with accepted:
            started = time.perf_counter()
            process = subprocess.Popen(
                command, stdin=accepted, stdout=accepted, stderr=accepted, cwd=CHECKOUT
            )
        try:
            header = peer.recv(_HEADER, socket.MSG_WAITALL)
            seconds = time.perf_counter() - started
        finally:
            peer.close()
            process.wait()
    if header[:1] != bytes([wire.A_ASSOCIATE_AC]):
        raise ServerError(f"{program.heading} -id: no A-ASSOCIATE-AC, but {header!r}")
    return seconds
