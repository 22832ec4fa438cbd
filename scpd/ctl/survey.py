"""What a lock directory says at this moment: read, and never changed, whoever runs or has been killed.

The keeper knows it better; this reads the same files as it (scpd_studies(7)) and may be a moment behind.  An object
counts once its worker has said that it was stored.  What cannot be read is passed by: the keeper will report it.

Raises `OSError` if it is no lock directory, or one that we must not read.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from scpd.keeper.accounts import read_failed
from scpd.lockdir import layout, records
from scpd.lockdir.journal import JournalReader
from scpd.lockdir.layout import LockDirectory
from scpd.process.proc import boot_id
from scpd.study import record
from scpd.study.record import ObjectRecord, Sender
from scpd.study.rules import NEXT, Rules
from scpd.study.states import DIRECTORY, STUDY, About

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Self

_NANOSECONDS = 1e9
_MOST_OF_ACCOUNTS = 1 << 30  # bytes
_DIGITS = 20
ON_END_OF_STUDY = "xcs"


@dataclass
class Association:
    """One worker's journal: who sent, what was stored, and the generation of the study that the worker is at."""

    maker: str
    sender: Sender
    is_alive: bool
    stored: list[ObjectRecord] = field(default_factory=list)
    at_generation: str = ""


@dataclass
class Stored:
    """An object; `arrived` in seconds of the monotonic clock, `None` if that was before the machine was started."""

    maker: str
    sender: Sender
    record: ObjectRecord
    arrived: float | None


@dataclass
class Study:
    """A study that is open, or sealed and being completed."""

    key: str
    about: About
    rules: Rules
    directory: str
    is_open: bool
    objects: list[Stored] = field(default_factory=list)
    holders: list[Association] = field(default_factory=list)

    def deadline(self) -> float | None:
        """Give the time at which it ends by itself, `None` if it does not, or nobody here can tell."""
        times = [stored.arrived for stored in self.objects]
        if not self.is_open or not times or times[0] is None or times[-1] is None:
            return None
        ends = []
        if self.rules.timeout is not None and self.rules.by != NEXT:
            ends.append(times[-1] + self.rules.timeout)
        if self.rules.max_age is not None:
            ends.append(times[0] + self.rules.max_age)
        return min(ends, default=None)


class Survey:
    """A lock directory, held open; a context manager."""

    def __init__(self, path: str) -> None:
        self._lockdir = LockDirectory(path)
        self._boot = boot_id()
        self._associations: list[Association] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._lockdir.close()

    @property
    def lockdir(self) -> LockDirectory:
        """Give the directory itself."""
        return self._lockdir

    def associations(self) -> list[Association]:
        """Read all journals, once."""
        if self._associations is None:
            found: dict[str, Association] = {}
            # A journal is moved from the first to the second: in this order none is missed.
            for part in (layout.JOURNALS, layout.DEAD):
                found.update((each.maker, each) for each in self._journals(part))
            self._associations = list(found.values())
        return self._associations

    def _journals(self, part: str) -> Iterator[Association]:
        directory = self._lockdir.opened(part)
        for name in os.listdir(directory):
            if name[0] == "." or f"{part}/{name}" == layout.DEAD:
                continue
            with suppress(OSError):
                association = _read_journal(name, directory)
                if association is not None:
                    yield association

    def objects(self) -> list[Stored]:
        """Give all objects that the journals still tell of, in order of arrival."""
        found = [
            Stored(each.maker, each.sender, entry, self._arrived(each, entry))
            for each in self.associations()
            for entry in each.stored
        ]
        return sorted(found, key=lambda stored: (stored.arrived is not None, stored.record.at))

    def _arrived(self, association: Association, entry: ObjectRecord) -> float | None:
        return entry.at / _NANOSECONDS if association.sender.boot == self._boot else None

    def studies(self) -> list[Study]:
        """Give all studies that are not complete in every respect; those that opened first come first."""
        studies = {study.about.generation: study for study in self._states()}
        for stored in self.objects():
            study = studies.get(stored.record.generation)
            if study is not None:
                study.objects.append(stored)
        for association in self.associations():
            held = studies.get(association.at_generation)
            if association.is_alive and held is not None and held.is_open:
                held.holders.append(association)
        return sorted(studies.values(), key=_age)

    def _states(self) -> Iterator[Study]:
        # A study is moved from the first to the second, too.
        for part in (layout.OPEN, layout.SEALED):
            for name in os.listdir(self._lockdir.opened(part)):
                if name[0] != ".":
                    with suppress(OSError):
                        study = self._read_state(name, part)
                        if study is not None:
                            yield study

    def _read_state(self, name: str, part: str) -> Study | None:
        parent = self._lockdir.opened(part)
        about = About.decode(layout.read_small(f"{name}/{STUDY}", parent))
        rules = Rules.decode(about.rules) if about else None
        if about is None or rules is None:
            return None
        directory = ""
        with suppress(FileNotFoundError):
            fields = records.decode(layout.read_small(f"{name}/{DIRECTORY}", parent).rstrip(b"\n"))
            directory = fields[0] if fields else ""
        is_open = part == layout.OPEN
        key = name if is_open else name.removesuffix(f".{about.generation}")
        return Study(key, about, rules, directory, is_open)

    def accounts(self) -> tuple[set[str], dict[str, int]]:
        """Give the jobs that need not run any more, and how often others have failed."""
        settled: set[str] = set()
        tried: dict[str, int] = {}
        for fields in self._account_lines():
            match fields:
                case ["settled", job]:
                    settled.add(job)
                case ["tried", job, times] if _is_number(times):
                    tried[job] = max(tried.get(job, 0), int(times))
        return settled, tried

    def _account_lines(self) -> Iterator[list[str]]:
        directory = self._lockdir.opened(layout.KEEPERS)
        for name in os.listdir(directory):
            with suppress(OSError), open(layout.open_to_read(name, directory), "rb") as file:
                yield from records.decode_all(file.read(_MOST_OF_ACCOUNTS).splitlines())

    def running(self) -> set[str]:
        """Give the jobs whose command runs, or has just ended."""
        names = os.listdir(self._lockdir.opened(layout.RUNNING))
        return {job for name in names if name[0] != "." and (job := name.removesuffix(".run")) != name}

    def failed(self) -> dict[str, dict[str, str]]:
        """Give what is known of each command that was set aside."""
        names = os.listdir(self._lockdir.opened(layout.FAILED))
        found = {name: read_failed(self._lockdir, name) for name in sorted(names) if name[0] != "."}
        return {name: values for name, values in found.items() if values is not None}


def _read_journal(name: str, directory: int) -> Association | None:
    reader = JournalReader(name, directory)
    try:
        head = reader.read_head()
        sender = Sender.decode(head) if head else None
        if sender is None:
            return None
        lines = reader.read()
        association = Association(name, sender, is_alive=not reader.is_ended)
    finally:
        reader.close()
    _take(association, lines)
    return association


def _take(association: Association, lines: Sequence[list[str]]) -> None:
    pending: dict[str, ObjectRecord] = {}
    for fields in lines:
        match fields:
            case [record.OBJECT, number, *_] if _is_number(number):
                entry = ObjectRecord.decode(fields)
                if entry is not None:
                    pending[number] = entry
            case [record.STORED, number, name, _] if number in pending:
                pending[number].name = name
                association.stored.append(pending.pop(number))
            case [record.OPENED, _, generation]:
                association.at_generation = generation


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < _DIGITS


def _age(study: Study) -> tuple[float, str]:
    first = study.objects[0].arrived if study.objects else None
    return (0.0 if first is None else first, study.about.study_instance_uid)
