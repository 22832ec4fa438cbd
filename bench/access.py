"""Host rules: how long it takes to decide about a client by tables of 10,000 rules, once they are read.

No server and no association: the library alone, in this process, with files on disk looked at each time.  The rules
are of every kind, and the client is one that none of them means, so that the last line decides.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from bench.report import Check, Row
from bench.rounds import note
from scpd.access.parties import Client, Host, Service
from scpd.access.tables import Tables
from scpd.access.verdict import decide

if TYPE_CHECKING:
    from bench.rounds import Settings

RULES = 10_000
CEILING_MILLISECONDS = 1.0
TITLE = f"host access by {RULES} rules, one decision"
DECISIONS = 200
YOUNG_SECONDS = 2.1  # a table that was only just written is read again at the next look
KINDS = (
    "storescp: 10.{high}.{low}.1",
    "storescp: 10.{high}.{low}.0/24 EXCEPT 10.{high}.{low}.9",
    "ALL: 172.16.{low}.0/255.255.255.0 [2001:db8:{low:x}:{high:x}::]/64",
    "scpd, storescp: ct{number}.rad.example .ward{number}.example",
    "ALL EXCEPT sshd: 192.168.{low}.*, mr{number}-*.example",
    "sshd: 10.{high}.{low}.1",
    "storescp: KNOWN@.ward{number}.example",
    "storescp: 10.{high}. .{low}.{high}: severity daemon.info",
    "104@10.9.{high}.{low}: 10.{high}.{low}.7",
    "ALL: .desk{number}.example EXCEPT LOCAL",
)


def measure_access(settings: Settings) -> Row:
    """Give the row: the median of many decisions, in milliseconds."""
    with tempfile.TemporaryDirectory(dir=settings.directory) as name:
        allow, deny = Path(name, "hosts.allow"), Path(name, "hosts.deny")
        allow.write_text("".join(rule(number) for number in range(RULES)), encoding="ascii")
        deny.write_text("ALL: ALL\n", encoding="ascii")
        tables = Tables(str(allow), str(deny))
        service = Service(("storescp", "scpd"), 104, Host("10.0.0.1"))
        time.sleep(YOUNG_SECONDS)
        started = time.perf_counter()
        tables.prepare(service)
        note(f"access: {RULES} rules read in {(time.perf_counter() - started) * 1000:.0f} ms")
        milliseconds = 1000 * median(_decide(tables, service) for _ in range(DECISIONS))
    row = Row(TITLE)
    row.cells[settings.subject.heading] = f"{milliseconds:.3f} ms"
    row.checks.append(Check(milliseconds, CEILING_MILLISECONDS, unit=" ms", ceiling=True))
    return row


def rule(number: int) -> str:
    """Give one rule of the table, with its newline."""
    low, high = number % 256, number // 256
    return KINDS[number % len(KINDS)].format(number=number, low=low, high=high) + "\n"


def _decide(tables: Tables, service: Service) -> float:
    """Give the seconds that it takes to look at the files and to decide, once."""
    started = time.perf_counter()
    verdict = decide(tables.look(), service, Client(Host("203.0.113.254", "unit.elsewhere.example")))
    seconds = time.perf_counter() - started
    if str(verdict) != f"denied by {verdict.table}:1" or not verdict.table.endswith("hosts.deny"):
        raise RuntimeError(f"not the last rule: {verdict}")
    return seconds
