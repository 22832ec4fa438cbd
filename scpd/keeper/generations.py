"""One generation of a study: from its first object until nothing is left to do for it."""

from __future__ import annotations

import logging

from scpd.study.rules import Rules
from scpd.study.states import is_key_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from scpd.keeper.ledger import Stored
    from scpd.keeper.places import Places
    from scpd.study.plan import Plan
    from scpd.study.states import About

log = logging.getLogger("dcmtk.apps.storescp")

OPEN, SEALED, PLANNED, RENAMED = "open", "sealed", "planned", "renamed"


class Study:
    """One generation of a study.

    OPEN       workers may add to it; the rules say when it should be sealed
    SEALED     no worker comes to it any more; waits until the commands for its objects have run
    PLANNED    it is written down which file gets which name
    RENAMED    the files have their names; its command may run
    """

    __slots__ = (
        "commands_left",
        "failures",
        "generation",
        "key",
        "moves_done",
        "objects",
        "phase",
        "place",
        "plan",
        "rules",
        "tried_again",
        "uid",
    )

    def __init__(self, key: str, about: About, rules: Rules) -> None:
        self.key = key
        self.generation = about.generation
        self.uid = about.study_instance_uid
        self.place = about.place
        self.rules = rules
        self.phase = OPEN
        self.objects: list[Stored] = []
        self.commands_left = 0  # of its objects, and others that go before it, that have not been settled
        self.plan: Plan | None = None
        self.moves_done = 0  # of the plan
        self.failures = 0  # of steps, one after the other
        self.tried_again = 0.0  # not before this time, after a step that failed

    @property
    def name(self) -> str:
        """Give the name under which it is sealed."""
        return f"{self.key}.{self.generation}"

    @property
    def directory(self) -> str:
        """Give the name of its directory: all of its objects have the same."""
        return self.objects[-1].record.directory

    def is_of(self, peer: tuple[str, str]) -> bool:
        """Tell whether a peer's object of another study ends it; of one without objects nobody knows."""
        return self.rules.any_peer or not self.objects or self.objects[-1].association.sender.peer == peer


def make_study(key: str, about: About | None) -> Study | None:
    """Give the study of a state that lies under this name; `None` if nobody can have put that there."""
    rules = Rules.decode(about.rules) if about is not None else None
    if about is None or rules is None or not is_key_of(key, about):
        return None
    return Study(key, about, rules)


def is_in_place(study: Study, places: Places) -> bool:
    """Tell whether a study lies where the options allow it, and say so if it does not: such a one is passed by."""
    if study.place in places:
        return True
    log.error("study %s is passed by: no option allows the output directory %r", study.uid, study.place)
    return False
