"""What a lock directory says at this moment: read, and never changed, whoever runs or has been killed.

It is read by the keeper's own rooms (`keeper.ledger`, `keeper.accounts`, `study.rules`), of which none moves anything
for who is not the keeper; it may be a moment behind it.  What cannot be read is passed by: the keeper will report it.

Raises `OSError` if it is no lock directory, or one that we must not read.
"""

from __future__ import annotations

import os
from time import monotonic

from scpd.keeper.accounts import read_accounts, read_failed
from scpd.keeper.generations import make_study
from scpd.keeper.ledger import Ledger
from scpd.keeper.places import Places
from scpd.lockdir import layout, records
from scpd.lockdir.layout import LockDirectory
from scpd.process.proc import boot_id
from scpd.study.rules import Rulebook
from scpd.study.states import DIRECTORY, STUDY, About

TYPE_CHECKING = False  # a daemon that tells how it is looks here, too, and has no use for typing
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self

    from scpd.keeper import generations
    from scpd.keeper.ledger import Association, News, Stored


class Study:
    """A study that is open, or sealed and being completed; `deadline` is when it ends by itself, if that is known."""

    __slots__ = ("deadline", "directory", "generation", "holders", "is_open")

    def __init__(self, generation: generations.Study, directory: str, *, is_open: bool) -> None:
        self.generation = generation
        self.directory = directory
        self.is_open = is_open
        self.deadline: float | None = None
        self.holders: list[Association] = []

    @property
    def objects(self) -> list[Stored]:
        """Give its objects, in order of arrival."""
        return self.generation.objects


class _Anywhere(Places):
    """Whatever records say: who only looks, and does not know the options, believes them."""

    def __contains__(self, place: str) -> bool:
        return not place or place.startswith("/")

    def __getitem__(self, place: str) -> str:
        return place or super().__getitem__(place)


class Survey:
    """A lock directory, held open; a context manager."""

    def __init__(self, path: str, output_directory: str) -> None:
        self.lockdir = LockDirectory(path)
        self._ledger = Ledger(self.lockdir, _Anywhere(output_directory), boot_id(), lambda: False)
        self._news: News | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._ledger.close()
        self.lockdir.close()

    def objects(self) -> list[Stored]:
        """Give all objects that the journals still tell of, in order of arrival; they are read once."""
        if self._news is None:
            self._news = self._ledger.look_back(monotonic())
        return self._news.stored

    def studies(self) -> list[Study]:
        """Give all studies that are not complete in every respect; those that opened first come first."""
        studies = {study.generation.generation: study for study in self._states()}
        rulebook = Rulebook()
        for name, study in studies.items():
            rulebook.open(name, study.generation.rules, 0)
        for stored in self.objects():
            name = stored.record.generation
            if name in studies:
                studies[name].objects.append(stored)
                rulebook.stored(name, stored.association.sender.peer, stored.arrived)
        for association in self._ledger:
            held = studies.get(association.at_generation)
            if association.is_alive and held is not None and held.is_open:
                held.holders.append(association)
        for name, study in studies.items():
            if study.is_open and all(map(arrived, study.objects)):
                study.deadline = rulebook.deadline(name)
        return sorted(studies.values(), key=_age)

    def _states(self) -> Iterator[Study]:
        # A study is moved from the first to the second meanwhile: in this order none is missed.
        for part in (layout.OPEN, layout.SEALED):
            names = os.listdir(self.lockdir.opened(part))
            found = [self._read_state(name, part) for name in names if name[0] != "."]
            yield from (study for study in found if study is not None)

    def _read_state(self, name: str, part: str) -> Study | None:
        parent, is_open = self.lockdir.opened(part), part == layout.OPEN
        about = About.decode(_read(f"{name}/{STUDY}", parent))
        key = name if about is None or is_open else name.removesuffix(f".{about.generation}")
        found = make_study(key, about)
        if found is None:
            return None
        fields = records.decode(_read(f"{name}/{DIRECTORY}", parent).rstrip(b"\n"))
        return Study(found, fields[0] if fields else "", is_open=is_open)

    def accounts(self) -> tuple[set[str], dict[str, int]]:
        """Give the jobs that need not run any more, and how often others have failed."""
        return read_accounts(self.lockdir, lambda *_: None)

    def running(self) -> set[str]:
        """Give the jobs whose command runs, or has just ended."""
        names = os.listdir(self.lockdir.opened(layout.RUNNING))
        return {job for name in names if name[0] != "." and (job := name.removesuffix(".run")) != name}

    def failed(self) -> dict[str, dict[str, str]]:
        """Give what is known of each command that was set aside."""
        names = os.listdir(self.lockdir.opened(layout.FAILED))
        found = {name: read_failed(self.lockdir, name) for name in sorted(names) if name[0] != "."}
        return {name: values for name, values in found.items() if values is not None}


def _read(path: str, directory: int) -> bytes:
    """Read a file; nothing if it is not there, or nobody can read it."""
    try:
        return layout.read_small(path, directory)
    except OSError:
        return b""


def arrived(stored: Stored) -> float | None:
    """Tell when an object came, in seconds of the monotonic clock; `None` if the machine has been started since."""
    is_of_this_boot, _ = stored.order
    return stored.arrived if is_of_this_boot else None


def _age(study: Study) -> tuple[float, str]:
    first = arrived(study.objects[0]) if study.objects else None
    return (0.0 if first is None else first, study.generation.uid)
