"""Lists: for people columns as wide as what stands in them, nothing unprintable; for programs JSON."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from scpd.log.escape import escape

if TYPE_CHECKING:
    from collections.abc import Sequence

_UNITS = ((86400, "d"), (3600, "h"), (60, "min"))
_GAP = "  "
NOTHING = "-"


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Give the lines of a table, each with its line feed; the last column may be of any width."""
    cells = [headings, *([escape(cell) or NOTHING for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = (
        _GAP.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    )
    return "".join(f"{line}\n" for line in lines)


def span(seconds: float | None) -> str:
    """Give a span of time in its largest unit that counts twice: `90 s`, `90 min`, `30 h`, `3 d`."""
    if seconds is None:
        return NOTHING
    for unit, name in _UNITS:
        if abs(seconds) >= 2 * unit:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds:.0f} s"


def as_json(found: Sequence[object]) -> str:
    """Give a JSON array, an object on each line."""
    return "[" + ",".join(f"\n{json.dumps(each)}" for each in found) + "\n]\n"


def say(text: str) -> None:
    """Write to standard output, now: `BrokenPipeError` shall come here."""
    sys.stdout.write(text)
    sys.stdout.flush()
