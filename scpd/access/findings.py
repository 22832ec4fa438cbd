"""What is wrong with a table: where, which text, what to do about it.

A fault refuses whoever the table would be asked about; a warning is only told.  A fault in a rule whose daemon list is
sound, and cannot mean us, is a warning: the tables are those of every daemon of the machine.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from scpd.access.match import Daemons
    from scpd.access.parties import Service

_LONGEST_TEXT = 80
# A file with more faults than that, each of which refuses whoever is asked about, is no table: nothing is read behind.
MOST_FAULTS = 1000
AND_MORE = "too many faults, nothing behind is looked at: is this the right file?"


class Fault(Exception):
    """What cannot be understood, or not be meant: the offending text, and the remedy."""

    def __init__(self, text: str, remedy: str, *, ours_only: bool = False) -> None:
        super().__init__(f"{text}: {remedy}")
        self.text = text
        self.remedy = remedy
        self.ours_only = ours_only


class Whom:
    """Several daemon lists: what a file has wrong concerns whoever is meant by any rule that names it."""

    __slots__ = ("_lists",)

    def __init__(self) -> None:
        self._lists: list[Daemons] = []

    def add(self, daemons: Daemons) -> None:
        """Add the list of one more rule."""
        self._lists.append(daemons)

    def may_mean(self, service: Service) -> bool:
        """Tell whether any of them may."""
        return any(daemons.may_mean(service) for daemons in self._lists)


class Finding:
    """One line for the administrator; `daemons` is whom it concerns, `None` is everybody.

    `ours_only` is true of what is no mistake in a rule for another daemon.
    """

    __slots__ = ("daemons", "is_fault", "line", "ours_only", "remedy", "table", "text")

    def __init__(  # noqa: PLR0913, PLR0917 - a record
        self,
        table: str,
        line: int,
        text: str,
        remedy: str,
        is_fault: bool = True,
        daemons: Daemons | Whom | None = None,
        ours_only: bool = False,
    ) -> None:
        self.table = table
        self.line = line
        self.text = text
        self.remedy = remedy
        self.is_fault = is_fault
        self.daemons = daemons
        self.ours_only = ours_only

    def __str__(self) -> str:
        place = f"{self.table}:{self.line}" if self.line else self.table
        remedy = _clean(self.remedy)  # which may say a part of the text again
        return f'{place}: "{shown(self.text)}": {remedy}' if self.text else f"{place}: {remedy}"


def shown(text: str) -> str:
    """Give text of a table, a character for each byte, as one can read it: as UTF-8 if it is that, and not too long."""
    clean = _clean(text)
    return clean if len(clean) <= _LONGEST_TEXT else f"{clean[:_LONGEST_TEXT]}..."


def _clean(text: str) -> str:
    readable = text.encode("latin-1", "replace").decode("utf-8", "backslashreplace")
    return "".join(each if each.isprintable() else f"\\x{ord(each):02x}" for each in readable)
