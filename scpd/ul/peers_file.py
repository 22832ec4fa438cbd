"""The file that --peers names: read, and its errors told to the administrator."""

from __future__ import annotations

import os

from scpd.errors import StartError
from scpd.ul.callers import Callers
from scpd.ul.escape import printable
from scpd.ul.peers import parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from scpd.ul.callers import Permission


def load_peers(path: str) -> Callers:
    """Give the table of a file; raises `StartError` with the first fault, and how many there are."""
    entries, faults = read_peers(path)
    if faults:
        raise StartError(first_of(faults))
    return table(entries, path)


def read_peers(path: str) -> tuple[list[Permission], list[str]]:
    """Give the entries of a file and everything that is wrong with it, one line each."""
    try:
        with open(path, "rb") as file:
            text = os.fsdecode(file.read())
    except OSError as error:
        return [], [f"cannot read {printable(path)}: {error.strerror}"]
    entries, faults = parse(text, path)
    return entries, [located(path, fault.line, fault.text) for fault in faults]


def table(entries: Sequence[Permission], path: str) -> Callers:
    """Give the table of these entries."""
    first, last = (entries[place].where.rpartition(":")[2] for place in (0, -1))
    lines = f"lines {first} to {last}" if first != last else f"line {first}"
    return Callers(entries, f"no entry is for it ({printable(path)}, {lines})")


def located(path: str, line: int, text: str) -> str:
    """Say where in the file something is wrong."""
    return f"{printable(path)}: line {line}: {text}" if line else f"{printable(path)}: {text}"


def first_of(faults: Sequence[str]) -> str:
    """Say what is wrong in one line."""
    others = len(faults) - 1
    return f"{faults[0]} (and {others} more)" if others else faults[0]
