"""The master's books: what its workers say of themselves now, and the tally of those that have ended.

Both pass to the program that takes its place.
"""

from __future__ import annotations

from scpd.master.tally import Tally
from scpd.process.scoreboard import Scoreboard

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from scpd.master.children import Child
    from scpd.process.succession import Estate

# Of an estate (`process.succession`).
SCOREBOARD, _TALLY = "scoreboard", "tally"


class Books:
    """The scoreboard and the tally, new ones unless there were some before."""

    __slots__ = ("scoreboard", "tally")

    def __init__(self, scoreboard: Scoreboard | None = None, tally: Tally | None = None) -> None:
        self.scoreboard = Scoreboard() if scoreboard is None else scoreboard
        self.tally = Tally() if tally is None else tally

    @classmethod
    def of(cls, estate: Estate, taken: Iterable[int]) -> Books:
        """Go on with those of the program that we succeed, whose children have the slots that are `taken`."""
        return cls(Scoreboard(estate.get(SCOREBOARD), taken), Tally.from_dict(estate.get(_TALLY, {})))

    def estate(self) -> Estate:
        """Give them to who succeeds us."""
        return {SCOREBOARD: self.scoreboard.fileno(), _TALLY: self.tally.as_dict()}

    def reaped(self, child: Child) -> None:
        """Count a child that was reaped, and free its slot."""
        reading = self.scoreboard.take_back(child.slot)
        self.tally.reaped(child.kind, child.exit_code, reading)
