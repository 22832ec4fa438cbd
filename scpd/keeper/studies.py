"""All studies that are not yet complete in every respect, and their way there: open, sealed, planned, renamed, done.

    OPEN       workers may add to it; the rules say when it should be sealed
    SEALED     no worker comes to it any more; waits until the commands for its objects have run
    PLANNED    it is written down which file gets which name
    RENAMED    the files have their names; its command may run
    DONE       nothing is left of it in the lock directory

Generations of one study are renamed one after the other, since they may share a directory.  Raises `OSError`; whatever
step it was, the same one is tried again later.
"""

from __future__ import annotations

import logging
import os
from collections import deque
from contextlib import suppress

from scpd.lockdir import layout
from scpd.study.completion import Sealed, StudyDirectory
from scpd.study.plan import make_plan, rivals
from scpd.study.rules import Rulebook, Rules
from scpd.study.states import About, Seal, read_sealed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from scpd.keeper.ledger import Ledger, Stored
    from scpd.lockdir.layout import LockDirectory
    from scpd.study.plan import Plan

log = logging.getLogger("dcmtk.apps.storescp")

OPEN, SEALED, PLANNED, RENAMED = "open", "sealed", "planned", "renamed"

_MOST_SEALED_AT_ONCE = 64  # descriptors
_RETRY_SECONDS = 5.0  # after a step that failed


class Study:
    """One generation of a study."""

    __slots__ = (
        "commands_left",
        "generation",
        "key",
        "objects",
        "phase",
        "plan",
        "rules",
        "tried_again",
        "uid",
    )

    def __init__(self, key: str, about: About, rules: Rules) -> None:
        self.key = key
        self.generation = about.generation
        self.uid = about.study_instance_uid
        self.rules = rules
        self.phase = OPEN
        self.objects: list[Stored] = []
        self.commands_left = 0  # of its objects, that have not been settled
        self.plan: Plan | None = None
        self.tried_again = 0.0  # not before this time, after a step that failed

    @property
    def name(self) -> str:
        """Give the name under which it is sealed."""
        return f"{self.key}.{self.generation}"


class Studies:
    """All of them; `on_renamed` is told of each study whose command may run."""

    def __init__(
        self,
        lockdir: LockDirectory,
        ledger: Ledger,
        output_directory: str,
        on_renamed: Callable[[Study], None],
        *,
        fsync: bool,
    ) -> None:
        self._lockdir = lockdir
        self._ledger = ledger
        self._output_directory = output_directory
        self._on_renamed = on_renamed
        self._fsync = fsync
        self.rulebook = Rulebook()
        self._by_generation: dict[str, Study] = {}
        self._sealed: dict[str, deque[Study]] = {}  # by key, those whose files are not yet renamed, in order
        self._ready: deque[Study] = deque()  # sealed ones with a step to do
        self._empty: dict[str, float] = {}  # open ones without an object, and when to look at them
        self._held: set[str] = set()  # due, but a worker was at them

    def __iter__(self) -> Iterator[Study]:
        return iter(self._by_generation.values())

    def find(self, generation: str) -> Study | None:
        """Give a study that is not yet done."""
        return self._by_generation.get(generation)

    @property
    def open_count(self) -> int:
        """Count those that are open and have an object."""
        return len(self.rulebook) - len(self._empty)

    def recover(self, now: float) -> None:
        """Take over what lies there, at the keeper's start."""
        for name in os.listdir(self._lockdir.opened(layout.SEALED)):
            self._recover_sealed(name)
        for key in os.listdir(self._lockdir.opened(layout.OPEN)):
            if key[0] != ".":
                self._open(key, "", now)

    def _recover_sealed(self, name: str) -> None:
        key, _, generation = name.rpartition(".")
        found = read_sealed(self._lockdir, name)
        rules = Rules.decode(found.rules) if found else None
        if found is None or rules is None or found.generation != generation or not key:
            self._lockdir.set_aside(name, layout.SEALED)
            return
        self._enter_sealed(Study(key, found, rules))

    def _enter_sealed(self, study: Study) -> None:
        study.phase = SEALED
        self._by_generation[study.generation] = study
        self._sealed.setdefault(study.key, deque()).append(study)
        self._ready.append(study)

    def opened(self, key: str, generation: str, now: float) -> None:
        """Note that a worker is at a study."""
        if generation not in self._by_generation:
            self._open(key, generation, now)

    def _open(self, key: str, generation: str, now: float) -> None:
        """Enter an open study; of this generation if one is given: another one may be there by now."""
        try:
            seal = Seal(self._lockdir, key)
        except FileNotFoundError:
            return
        except OSError:
            self._lockdir.set_aside(key, layout.OPEN)
            return
        seal.let_go()
        about = seal.about
        rules = Rules.decode(about.rules) if about else None
        if about is None or rules is None:
            self._lockdir.set_aside(key, layout.OPEN)
            return
        if about.generation in self._by_generation or (generation and about.generation != generation):
            return
        self._by_generation[about.generation] = Study(key, about, rules)
        self.rulebook.open(about.generation, rules, now)
        self._empty[about.generation] = now

    def stored(self, stored: Stored) -> Study | None:
        """Add an object to its study; `None` if that is done, or not known."""
        entry, peer = stored.record, stored.association.sender.peer
        study = self._by_generation.get(entry.generation)
        if study is None:
            self.rulebook.passed(peer, stored.arrived)
            return None
        if study.phase == OPEN:
            self._empty.pop(study.generation, None)
            self.rulebook.stored(study.generation, peer, stored.arrived)
        elif study.phase == SEALED:
            self.rulebook.passed(peer, stored.arrived)
        else:
            # A worker lost its lock on the way (a lease of a network file system).
            log.warning("study %s was complete when %s came", study.uid, entry.name)
            return None
        study.objects.append(stored)
        stored.association.needs += 1
        return study

    def settled_command(self, study: Study) -> None:
        """Note that the command of one of its objects has run."""
        study.commands_left -= 1
        if study.phase == SEALED and not study.commands_left:
            self._ready.append(study)

    def somebody_left(self, now: float) -> None:
        """Look at once at those that are due and had a worker at them."""
        for generation in self._held:
            self.rulebook.touch(generation, now)
        self._held.clear()

    def seal_due(self, now: float, look: Callable[[], None]) -> None:
        """Seal what is due and has nobody at it; `look` reads what workers have written meanwhile."""
        due = {item.study: item.by_next for item in self.rulebook.due(now)}
        empty = [generation for generation, time in self._empty.items() if time <= now]
        due.update(dict.fromkeys(empty, True))
        generations = list(due)
        for begin in range(0, len(generations), _MOST_SEALED_AT_ONCE):
            part = generations[begin : begin + _MOST_SEALED_AT_ONCE]
            self._seal({str(generation): due[generation] for generation in part}, now, look)

    def _seal(self, due: dict[str, bool], now: float, look: Callable[[], None]) -> None:
        seals: dict[str, Seal] = {}
        try:
            for generation, by_next in due.items():
                seal = self._locked(generation, now, by_next=by_next)
                if seal is not None:
                    seals[generation] = seal
            if seals:
                look()  # with the locks ours nobody adds to them: what was added until now is seen
            for generation, seal in seals.items():
                self._seal_one(self._by_generation[generation], seal, now, holds=due[generation])
        finally:
            for seal in seals.values():
                seal.let_go()

    def _locked(self, generation: str, now: float, *, by_next: bool) -> Seal | None:
        """Lock a study, if nobody is at it."""
        study = self._by_generation[generation]
        try:
            seal = Seal(self._lockdir, study.key)
        except OSError:
            self._vanished(study)
            return None
        if seal.try_locks(hold_too=by_next):
            return seal
        seal.let_go()
        self._held.add(generation)
        if generation in self._empty:
            self._empty[generation] = now + _RETRY_SECONDS
        return None

    def _seal_one(self, study: Study, seal: Seal, now: float, *, holds: bool) -> None:
        verdict = self.rulebook.judge(study.generation, now)
        if study.objects and (verdict is None or (verdict.by_next and not holds)):
            return  # somebody has added to it, and it is not due any more
        if not seal.carry_out(study.generation):
            self._vanished(study)
            return
        self._close(study)
        if not study.objects:
            del self._by_generation[study.generation]
            self._remove(study)
            return
        log.info("study %s is complete: %d objects in %s", study.uid, len(study.objects), _directory(study))
        self._enter_sealed(study)

    def _close(self, study: Study) -> None:
        self.rulebook.close(study.generation)
        self._empty.pop(study.generation, None)
        self._held.discard(study.generation)

    def _vanished(self, study: Study) -> None:
        """The state is not there: another keeper, to whom our lock was lost, has sealed it, or somebody removed it."""
        self._close(study)
        if read_sealed(self._lockdir, study.name) is not None:
            self._enter_sealed(study)
            return
        log.warning("the state of study %s has vanished from the lock directory", study.uid)
        self._forget(study)

    def advance(self, now: float) -> None:
        """Do the steps that can be done."""
        for _ in range(len(self._ready)):
            study = self._ready.popleft()
            if study.generation not in self._by_generation:
                continue
            if now < study.tried_again:
                self._ready.append(study)
                continue
            try:
                self._step(study)
            except OSError as error:
                log.error("cannot complete study %s: %s", study.uid, error)
                study.tried_again = now + _RETRY_SECONDS
                self._ready.append(study)

    def next_time(self) -> float | None:
        """Give the time at which something is to be done that nobody will wake us for."""
        times = [study.tried_again for study in self._ready]
        times += self._empty.values()
        rules = self.rulebook.next_time()
        if rules is not None:
            times.append(rules)
        return min(times, default=None)

    def _step(self, study: Study) -> None:
        if study.phase == SEALED:
            waiting = self._sealed[study.key]
            if study.commands_left or waiting[0] is not study:
                return  # comes again when these are done
            self._plan(study)
        if study.phase == PLANNED:
            for _ in self._renaming(study):
                pass
            self._renamed(study)

    def _plan(self, study: Study) -> None:
        sealed = Sealed(self._lockdir, study.name, fsync=self._fsync)
        try:
            plan = sealed.read_plan()
            if plan is None and study.objects:
                plan = sealed.write_plan(self._new_plan(study))
        finally:
            sealed.close()
        if plan is None:
            log.warning("nothing is known of the objects of study %s", study.uid)
            self._sealed_no_more(study)
            self.finish(study)
            return
        study.plan, study.phase = plan, PLANNED

    def _new_plan(self, study: Study) -> Plan:
        objects = [(stored.association.sender, stored.record) for stored in study.objects]
        directory = _directory(study)
        present, settled = None, {}
        if study.rules.renames:
            with (
                suppress(FileNotFoundError),
                self._study_directory(directory) as there,
            ):  # gone: nothing to rename
                present, settled = there.names(), there.settle(rivals(objects))
        return make_plan(study.uid, directory, objects, present, settled)

    def _renaming(self, study: Study) -> Iterator[object]:
        plan = study.plan
        if plan is None or not plan.moves:
            return
        try:
            directory = self._study_directory(plan.directory)
        except FileNotFoundError:
            log.warning("cannot rename the files of study %s: %s is gone", study.uid, plan.directory)
            return
        with directory:
            yield from directory.carry_out(plan.moves)

    def _study_directory(self, name: str) -> StudyDirectory:
        return StudyDirectory(self._lockdir, self._output_directory, name, fsync=self._fsync)

    def _renamed(self, study: Study) -> None:
        study.phase = RENAMED
        self._sealed_no_more(study)
        if study.rules.runs:
            self._on_renamed(study)
        else:
            self.finish(study)

    def _sealed_no_more(self, study: Study) -> None:
        """Let the next generation have its turn."""
        waiting = self._sealed[study.key]
        waiting.remove(study)
        if waiting:
            self._ready.append(waiting[0])
        else:
            del self._sealed[study.key]

    def finish(self, study: Study) -> None:
        """Nothing is left to do for a study; raises nothing, what cannot be removed is found at the next start."""
        self._forget(study)
        self._remove(study)

    def _forget(self, study: Study) -> None:
        self._by_generation.pop(study.generation, None)
        for stored in study.objects:
            self._ledger.release(stored.association)

    def _remove(self, study: Study) -> None:
        with suppress(OSError):
            sealed = Sealed(self._lockdir, study.name, fsync=self._fsync)
            try:
                sealed.remove()
            finally:
                sealed.close()

    def are_renaming(self, peer: tuple[str, str] | None) -> bool:
        """Tell whether a sealed study is not renamed yet, of a peer or of any."""
        return any(_is_of(study, peer) for waiting in self._sealed.values() for study in waiting)

    def are_completing(self, peer: tuple[str, str] | None) -> bool:
        """Tell whether a sealed study is not done yet, of a peer or of any."""
        return any(study.phase != OPEN and _is_of(study, peer) for study in self._by_generation.values())


def _is_of(study: Study, peer: tuple[str, str] | None) -> bool:
    return peer is None or not study.objects or study.objects[-1].association.sender.peer == peer


def _directory(study: Study) -> str:
    """Give the name of a study's directory: all of its objects have the same."""
    return study.objects[-1].record.directory
