"""The open studies of a lock directory, as the keeper sees them: whose objects they have, and when they are sealed.

A study is entered when a worker is at it, gets objects as journals tell of them, and is tried when the rules say so
(`study.rules`): who gets its locks seals it (scpd_studies(7), sealing 1 to 4).  Before that all journals are read once
more, so that no object is missed that somebody has stored; while one cannot be read, or an object is on its way,
nothing is sealed.  What is sealed is handed on (`keeper.endings`).  A study without objects is removed as soon as
nobody is at it.

A worker that is killed before it has told of the study that it has opened leaves one of which no journal speaks:
therefore open/ is read at the keeper's start, and each ten seconds.  What cannot be a study there is set aside.
Sealing that fails is tried again.  Raises `OSError` if it cannot be read which study is open: who goes on without would
forget objects, who begins anew does not.
"""

from __future__ import annotations

import errno
import logging
import os
from contextlib import suppress
from itertools import islice

from scpd.keeper.generations import OPEN, PLANNED, RENAMED, is_in_place, make_study
from scpd.lockdir import layout
from scpd.log.counted import counted
from scpd.study.rules import Rulebook
from scpd.study.states import Seal, has_lost_study, is_key, read_sealed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from scpd.keeper.endings import Endings
    from scpd.keeper.generations import Study
    from scpd.keeper.ledger import Ledger, Stored
    from scpd.keeper.places import Places
    from scpd.lockdir.layout import LockDirectory

log = logging.getLogger("dcmtk.apps.storescp")

_MOST_SEALED_AT_ONCE = 64  # descriptors
_RETRY_SECONDS = 5.0  # after a step that failed
LOOK_SECONDS = 10.0  # between two looks for studies that nobody tells of
_NOT_FOR_US = frozenset((errno.EACCES, errno.EPERM))


class Studies:
    """Those that are open; what is sealed goes to `endings`."""

    def __init__(self, lockdir: LockDirectory, ledger: Ledger, endings: Endings, places: Places) -> None:
        self._lockdir = lockdir
        self._ledger = ledger
        self._places = places
        self._passed_by: set[str] = set()  # generations in a place that is none
        self._endings = endings
        self.rulebook = Rulebook()
        self._open: dict[str, Study] = {}  # by generation
        self._empty: dict[str, float] = {}  # those without an object, and when to look at them
        self._held: set[str] = set()  # due, but a worker was at them
        self._unreadable: set[str] = set()  # keys that were complained of
        self._look_at = 0.0

    def __iter__(self) -> Iterator[Study]:
        return iter(self._open.values())

    def __len__(self) -> int:
        """How many have an object."""
        return len(self._open) - len(self._empty)

    def find(self, generation: str) -> Study | None:
        """Give a study that is not yet done, open or not."""
        return self._open.get(generation) or self._endings.find(generation)

    def look_around(self, now: float) -> None:
        """Enter those that lie there and of which nobody has told, if the last look was long enough ago."""
        if now < self._look_at:
            return
        self._look_at = now + LOOK_SECONDS
        keys = os.listdir(self._lockdir.opened(layout.OPEN))
        self._unreadable.intersection_update(keys)
        known = {study.key for study in self._open.values()}
        for key in keys:
            if key[0] == "." or key in known:
                continue
            if has_lost_study(self._lockdir, key):
                self._lockdir.set_aside(key, layout.OPEN)
            else:
                self._enter(key, now)

    def opened(self, key: str, generation: str, now: float) -> None:
        """Note that a worker is at a study."""
        if self.find(generation) is None and is_key(key):
            self._enter(key, now)

    def _enter(self, key: str, now: float) -> None:
        """Enter an open study, of the generation that its state says."""
        try:
            seal = Seal(self._lockdir, key)
        except FileNotFoundError:
            return  # sealed already, or not yet whole
        except OSError as error:
            self._cannot_enter(key, error)
            return
        seal.let_go()
        study = make_study(key, seal.about)
        if study is None:
            self._lockdir.set_aside(key, layout.OPEN)
        elif self._is_new(study):
            self._open[study.generation] = study
            self._empty[study.generation] = now
            self.rulebook.open(study.generation, study.rules, now)

    def _is_new(self, study: Study) -> bool:
        if self.find(study.generation) is not None or study.generation in self._passed_by:
            return False
        if is_in_place(study, self._places):
            return True
        self._passed_by.add(study.generation)
        return False

    def _cannot_enter(self, key: str, error: OSError) -> None:
        if layout.is_strange(error):
            self._lockdir.set_aside(key, layout.OPEN)
        elif error.errno in _NOT_FOR_US:  # who writes here may forbid it for ever
            if key not in self._unreadable:
                self._unreadable.add(key)
                log.error("cannot read the state of open study %s: %s", key, error.strerror)
        else:
            raise error

    def stored(self, stored: Stored) -> Study | None:
        """Add an object to its study; `None` if that is done, or not known."""
        entry, peer = stored.record, stored.association.sender.peer
        study = self._study_of(stored)
        if study is not None and study.phase == OPEN:
            self._empty.pop(study.generation, None)
            self.rulebook.stored(study.generation, peer, stored.arrived)
        else:
            self.rulebook.passed(peer, stored.arrived)
        if study is None:
            return None
        if study.phase in {PLANNED, RENAMED}:
            # A worker lost its lock on the way (a lease of a network file system).
            log.warning("study %s was complete when %s came", study.uid, entry.name)
            return None
        study.objects.append(stored)
        self._ledger.need(stored.association)
        return study

    def _study_of(self, stored: Stored) -> Study | None:
        """Give the study of an object, if both lie in one place: else who wrote that down is none of us."""
        study = self.find(stored.record.generation)
        return study if study is not None and study.place == stored.association.sender.place else None

    def somebody_left(self, now: float) -> None:
        """Look at once at those that are due and had a worker at them."""
        for generation in self._held:
            self.rulebook.touch(generation, now)
        self._held.clear()

    def seal_due(self, now: float, look: Callable[[], bool]) -> None:
        """Seal what is due and has nobody at it.

        `look` reads what workers have written meanwhile, and tells whether we are the keeper still.  After that no
        other can have put journals aside that it did not see; and with the locks ours nothing is added to the studies,
        however long we are stopped before we seal them.
        """
        due = {str(item.study): item.by_next for item in self.rulebook.due(now)}
        due.update({generation: True for generation, time in self._empty.items() if time <= now})
        waiting = iter(due.items())
        while part := dict(islice(waiting, _MOST_SEALED_AT_ONCE)):
            self._seal(part, now, look)

    def _seal(self, due: dict[str, bool], now: float, look: Callable[[], bool]) -> None:
        seals: dict[str, Seal] = {}
        try:
            for generation, by_next in due.items():
                seal = self._locked(self._open[generation], now, by_next=by_next)
                if seal is not None:
                    seals[generation] = seal
            if seals and not look():
                return
            for generation, seal in seals.items():
                if self._may_be_sealed(self._open[generation], now, has_hold=due[generation]):
                    self._seal_one(self._open[generation], seal, now)
        finally:
            for seal in seals.values():
                seal.let_go()

    def _locked(self, study: Study, now: float, *, by_next: bool) -> Seal | None:
        """Lock a study, if nobody is at it."""
        generation = study.generation
        try:
            seal = Seal(self._lockdir, study.key)
        except OSError as error:
            if isinstance(error, FileNotFoundError) or layout.is_strange(error):
                self._vanished(study)
            else:
                self._cannot_seal(study, now, error)
            return None
        if seal.try_locks(hold_too=by_next):
            return seal
        seal.let_go()
        self._held.add(generation)
        if generation in self._empty:
            self._empty[generation] = now + _RETRY_SECONDS
        return None

    def _cannot_seal(self, study: Study, now: float, error: OSError) -> None:
        log.error("cannot seal study %s: %s", study.uid, error.strerror)
        if study.generation in self._empty:
            self._empty[study.generation] = now + _RETRY_SECONDS

    def _may_be_sealed(self, study: Study, now: float, *, has_hold: bool) -> bool:
        """Tell whether a study is still due, now that it is locked and all journals were read."""
        generation = study.generation
        if self._ledger.has_missed or self._ledger.is_pending(generation):
            # Somebody's lock was dropped before his journal's: he is about to die, or has lost a lease.
            self._held.add(generation)
            return False
        if not study.objects:
            return True
        verdict = self.rulebook.judge(generation, now)
        return verdict is not None and (has_hold or not verdict.by_next)

    def _seal_one(self, study: Study, seal: Seal, now: float) -> None:
        try:
            is_sealed = seal.carry_out(study.generation)
        except OSError as error:
            self._cannot_seal(study, now, error)
            return
        if not is_sealed:
            self._vanished(study)
            return
        self._close(study)
        if study.objects:
            log.info(
                "study %s is complete: %s in %s",
                study.uid,
                counted(len(study.objects), "object"),
                study.directory,
            )
            self._endings.enter(study)
        else:
            self._endings.remove(study.name)

    def _close(self, study: Study) -> None:
        generation = study.generation
        del self._open[generation]
        self.rulebook.close(generation)
        self._empty.pop(generation, None)
        self._held.discard(generation)

    def _vanished(self, study: Study) -> None:
        """The state is not there: another keeper, to whom our lock was lost, has sealed it, or somebody removed it."""
        self._close(study)
        found = None
        with suppress(OSError):
            found = read_sealed(self._lockdir, study.name)
        if found is not None:
            self._endings.enter(study)
            return
        log.warning("the state of study %s has vanished from the lock directory", study.uid)
        for stored in study.objects:
            self._ledger.release(stored.association)

    def next_time(self) -> float | None:
        """Give the time at which something is to be done that nobody will wake us for."""
        times = list(self._empty.values())
        rules = self.rulebook.next_time()
        if rules is not None:
            times.append(rules)
        return min(times, default=None)
