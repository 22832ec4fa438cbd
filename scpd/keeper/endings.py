"""Studies on their way from sealed to done: planned, renamed, their command run (scpd_studies(7), completing 2 to 5).

A study waits until the commands for its objects have been settled, and what else goes before it, and until the
generations of it before have been renamed, since they may share a directory.  A big one is renamed a piece a turn, so
that everything else goes on.

A step that fails is tried again later and later.  Only `recover` raises `OSError`.
"""

from __future__ import annotations

import logging
import os
from collections import deque
from contextlib import suppress

from scpd.keeper.generations import PLANNED, RENAMED, SEALED, is_in_place, make_study
from scpd.lockdir import layout
from scpd.study.completion import Sealed, StudyDirectory
from scpd.study.plan import make_plan, rivals
from scpd.study.states import read_sealed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from scpd.keeper.generations import Study
    from scpd.keeper.ledger import Ledger
    from scpd.keeper.places import Places
    from scpd.lockdir.layout import LockDirectory
    from scpd.study.plan import Plan

log = logging.getLogger("dcmtk.apps.storescp")

_RETRY_SECONDS, _LONGEST_RETRY_SECONDS = 5.0, 300.0


class Endings:
    """All of them.

    `on_sealed` is told of each study that comes, and may have it wait for commands of others; `on_renamed` of each
    whose own command may run, and has it `finish` after that.
    """

    def __init__(  # noqa: PLR0913 - whom it has to tell, and to ask
        self,
        lockdir: LockDirectory,
        ledger: Ledger,
        places: Places,
        on_sealed: Callable[[Study], None],
        on_renamed: Callable[[Study], None],
        is_elected: Callable[[], bool],
        *,
        fsync: bool,
    ) -> None:
        self._is_elected = is_elected
        self._lockdir = lockdir
        self._ledger = ledger
        self._places = places
        self._on_sealed = on_sealed
        self._on_renamed = on_renamed
        self._fsync = fsync
        self._studies: dict[str, Study] = {}  # by generation
        self._by_key: dict[str, deque[Study]] = {}  # those whose files are not yet renamed, in order
        self._ready: deque[Study] = deque()  # those with a step to do

    def find(self, generation: str) -> Study | None:
        """Give a study that is not yet done."""
        return self._studies.get(generation)

    def recover(self) -> None:
        """Take over what lies there, at the keeper's start; of what an earlier one was removing the rest goes."""
        for name in os.listdir(self._lockdir.opened(layout.SEALED)):
            if name[0] == ".":
                self.remove(name)
                continue
            key, _, generation = name.rpartition(".")
            study = make_study(key, read_sealed(self._lockdir, name))
            if study is None or study.generation != generation:
                self._lockdir.set_aside(name, layout.SEALED)
            elif is_in_place(study, self._places):
                self.enter(study)

    def enter(self, study: Study) -> None:
        """Take over a study that was sealed."""
        study.phase = SEALED
        self._studies[study.generation] = study
        self._by_key.setdefault(study.key, deque()).append(study)
        self._on_sealed(study)
        self._ready.append(study)

    def settled_command(self, study: Study) -> None:
        """Note that a command has run for which it waits; it may be open still."""
        study.commands_left -= 1
        if study.phase == SEALED and not study.commands_left:
            self._ready.append(study)

    def advance(self, now: float) -> None:
        """Do the steps that can be done."""
        for _ in range(len(self._ready)):
            study = self._ready.popleft()
            if self._studies.get(study.generation) is not study:
                continue
            if now < study.tried_again:
                self._ready.append(study)
                continue
            try:
                self._step(study)
                study.failures = 0
            except FileNotFoundError:
                self._vanished(study)
            except OSError as error:
                self._failed(study, error, now)

    def _vanished(self, study: Study) -> None:
        """Its sealed state is not there: another keeper, to whom our lock was lost, has done all; or somebody else."""
        log.warning("the state of sealed study %s has vanished from the lock directory", study.uid)
        self._next_generation(study)
        self.finish(study)

    def _failed(self, study: Study, error: OSError, now: float) -> None:
        delay = min(_RETRY_SECONDS * 2.0 ** min(study.failures, 16), _LONGEST_RETRY_SECONDS)
        study.failures += 1
        study.tried_again = now + delay
        self._ready.append(study)
        log.error("cannot complete study %s, trying again in %g s: %s", study.uid, delay, error)

    @property
    def count(self) -> int:
        """Count those that are not done."""
        return len(self._studies)

    def next_time(self) -> float | None:
        """Give the time at which something is to be done that nobody will wake us for."""
        return min((study.tried_again for study in self._ready), default=None)

    def _step(self, study: Study) -> None:
        if study.phase == SEALED:
            if study.commands_left or self._by_key[study.key][0] is not study:
                return  # comes again when these are done
            self._plan(study)
        if study.phase == PLANNED:
            if self._rename(study):
                self._renamed(study)
            else:
                self._ready.append(study)

    def _plan(self, study: Study) -> None:
        with Sealed(self._lockdir, study.name, fsync=self._fsync) as sealed:
            plan = sealed.read_plan()
            if plan is None and not self._is_elected():
                return  # we may have missed what the keeper knows
            if plan is None and study.objects:
                plan = sealed.write_plan(self._new_plan(study))
        if plan is not None:
            study.plan, study.phase = plan, PLANNED
            return
        log.warning("nothing is known of the objects of study %s", study.uid)
        self._next_generation(study)
        self.finish(study)

    def _new_plan(self, study: Study) -> Plan:
        # A look may have read one journal just before, and another just after an object came.
        study.objects.sort(key=lambda stored: stored.order)
        objects = [(stored.association.sender, stored.record) for stored in study.objects]
        there = self._study_directory(study, study.directory) if study.rules.renames else None
        if there is None:
            return make_plan(study.uid, study.directory, objects, None)
        with there:
            present, settled = there.names(), there.settle(rivals(objects))
        return make_plan(study.uid, study.directory, objects, present, settled)

    def _rename(self, study: Study) -> bool:
        """Carry out a piece of the plan; tell whether nothing is left of it."""
        plan = study.plan
        if plan is None or study.moves_done >= len(plan.moves):
            return True
        directory = self._study_directory(study, plan.directory)
        if directory is None:
            log.warning(
                "cannot rename the files of study %s: there is no directory %s", study.uid, plan.directory
            )
            return True
        with directory:
            study.moves_done = directory.carry_out(plan.moves, study.moves_done)
        return study.moves_done >= len(plan.moves)

    def _study_directory(self, study: Study, name: str) -> StudyDirectory | None:
        """Open a study's directory; `None` if it is gone."""
        try:
            return StudyDirectory(self._lockdir, self._places[study.place], name, fsync=self._fsync)
        except FileNotFoundError:
            return None

    def _renamed(self, study: Study) -> None:
        study.phase = RENAMED
        self._next_generation(study)
        if study.rules.runs:
            self._on_renamed(study)
        else:
            self.finish(study)

    def _next_generation(self, study: Study) -> None:
        """Let the next generation have its turn."""
        waiting = self._by_key[study.key]
        waiting.remove(study)
        if waiting:
            self._ready.append(waiting[0])
        else:
            del self._by_key[study.key]

    def finish(self, study: Study) -> None:
        """Nothing is left to do for a study."""
        self._studies.pop(study.generation, None)
        for stored in study.objects:
            self._ledger.release(stored.association)
        self.remove(study.name)

    def remove(self, name: str) -> None:
        """Remove a sealed study; what cannot be removed is found at the next start."""
        with suppress(OSError), Sealed(self._lockdir, name, fsync=self._fsync) as sealed:
            sealed.remove()

    def are_renaming(self) -> bool:
        """Tell whether any sealed study is not renamed yet."""
        return bool(self._by_key)

    def are_completing(self, peer: tuple[str, str]) -> bool:
        """Tell whether a sealed study of a peer is not done yet."""
        return any(study.is_of(peer) for study in self._studies.values())
