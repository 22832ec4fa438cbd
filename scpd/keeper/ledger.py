"""All journals together: what the workers have stored, in order of arrival.

A `look` reads what has come since the last one.  An object counts when its journal says that it was stored; where the
worker died before it could say so, the file decides: what has the inode in the directory was stored, under whatever
name.  A journal whose worker is gone is put aside (journals/dead), and removed when nobody needs it any more: what it
says of studies has been done, and so have its commands.

Objects are ordered by the monotonic clock that all processes of a boot share; what was received before that boot comes
first.  What nobody here can have written is moved to `strange/`.  Raises `OSError`.
"""

from __future__ import annotations

import logging
import os
from contextlib import suppress

from scpd.lockdir import layout
from scpd.lockdir.journal import JournalReader
from scpd.study import record
from scpd.study.completion import is_plain_name
from scpd.study.record import ObjectRecord, Sender

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from scpd.lockdir.layout import LockDirectory

log = logging.getLogger("dcmtk.apps.storescp")

_DIRECTORY_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NANOSECONDS = 1e9


class Association:
    """One worker's journal, as far as it was read; `needs` counts what is still to be done with what it says."""

    __slots__ = (
        "is_alive",
        "last_generation",
        "last_number",
        "maker",
        "needs",
        "pending",
        "reader",
        "sender",
        "waiting_for",
    )

    def __init__(self, maker: str, sender: Sender, reader: JournalReader) -> None:
        self.maker = maker
        self.sender = sender
        self.reader = reader
        self.is_alive = True
        self.pending: dict[
            int, ObjectRecord
        ] = {}  # written down, but it is not said whether they were stored
        self.last_generation = ""  # the study of the last object stored
        self.last_number = 0
        self.waiting_for = 0  # the number of an object, if the worker waits for what it brings
        self.needs = 0


class Stored:
    """An object that was stored; `arrived` in seconds of the keeper's clock."""

    __slots__ = ("arrived", "association", "record")

    def __init__(self, association: Association, record: ObjectRecord, arrived: float) -> None:
        self.association = association
        self.record = record
        self.arrived = arrived


class News:
    """What a look has found: objects in order of arrival, studies (key, generation) in use, workers that are gone."""

    __slots__ = ("ended", "opened", "stored")

    def __init__(self) -> None:
        self.stored: list[Stored] = []
        self.opened: list[tuple[str, str]] = []
        self.ended: list[Association] = []


class Ledger:
    """All journals of a lock directory."""

    __slots__ = ("_associations", "_boot", "_lockdir", "_output_directory")

    def __init__(self, lockdir: LockDirectory, output_directory: str, boot: str) -> None:
        self._lockdir = lockdir
        self._output_directory = output_directory
        self._boot = boot
        self._associations: dict[str, Association] = {}

    def __iter__(self) -> Iterator[Association]:
        return iter(self._associations.values())

    def find(self, maker: str) -> Association | None:
        """Give the association of this name, if it is known."""
        return self._associations.get(maker)

    def look(self, now: float) -> News:
        """Read what has come."""
        news = News()
        self._find_new(layout.JOURNALS)
        for association in [found for found in self._associations.values() if found.is_alive]:
            self._read(association, news, now)
        news.stored.sort(key=self._order)
        return news

    def look_back(self, now: float) -> News:
        """Read everything: at the keeper's start."""
        self._find_new(layout.DEAD)
        return self.look(now)

    def _find_new(self, part: str) -> None:
        directory = self._lockdir.opened(part)
        for name in os.listdir(directory):
            if name not in self._associations and name[0] != "." and f"{part}/{name}" != layout.DEAD:
                self._begin(name, part)

    def _begin(self, name: str, part: str) -> None:
        """Open a journal that was not there before; nobody sees one before it has its first line."""
        try:
            reader = JournalReader(name, self._lockdir.opened(part))
        except FileNotFoundError:
            return
        except OSError:
            self._lockdir.set_aside(name, part)
            return
        head = reader.read_head()
        sender = Sender.decode(head) if head else None
        if sender is None:
            reader.close()
            self._lockdir.set_aside(name, part)
            return
        self._associations[name] = Association(name, sender, reader)

    def _read(self, association: Association, news: News, now: float) -> None:
        for fields in association.reader.read():
            self._take(association, fields, news, now)
        if not association.reader.is_ended:
            return
        self._settle(association, news, now)
        association.is_alive = False
        association.reader.close()
        if association.reader.skipped:
            log.warning(
                "%d lines of journal %s cannot be read", association.reader.skipped, association.maker
            )
        self._put_aside(association)
        news.ended.append(association)

    def _take(self, association: Association, fields: list[str], news: News, now: float) -> None:
        match fields:
            case [record.OBJECT, *_]:
                entry = ObjectRecord.decode(fields)
                if entry is not None and _is_possible(entry):
                    association.pending[entry.number] = entry
            case [record.STORED, number, name, inode] if number.isdecimal() and inode.isdecimal():
                found = association.pending.pop(int(number), None)
                if found is not None and (not name or is_plain_name(name)):
                    self._stored(association, found, name, int(inode), news, now)
            case [record.FAILED, number] if number.isdecimal():
                association.pending.pop(int(number), None)
            case [record.WAITS, number] if number.isdecimal():
                association.waiting_for = int(number)
            case [record.OPENED, key, generation]:
                news.opened.append((key, generation))

    def _stored(
        self, association: Association, entry: ObjectRecord, name: str, inode: int, news: News, now: float
    ) -> None:
        entry.name, entry.inode = name, inode
        association.last_number = entry.number
        association.last_generation = entry.generation
        # Of another boot, or from a machine with another clock: it came when we heard of it.
        is_of_this_boot = association.sender.boot == self._boot
        arrived = min(entry.at / _NANOSECONDS, now) if is_of_this_boot else now
        news.stored.append(Stored(association, entry, arrived))

    def _settle(self, association: Association, news: News, now: float) -> None:
        """Find out what became of objects of which a worker that is gone has not said it."""
        for entry in association.pending.values():
            name = entry.name and self._find_file(entry)
            if name or not entry.name:
                self._stored(association, entry, name, entry.inode, news, now)
        association.pending.clear()

    def _find_file(self, entry: ObjectRecord) -> str:
        """Give the name of the file with an object's inode, "" if there is none."""
        path = f"{self._output_directory}/{entry.directory}" if entry.directory else self._output_directory
        try:
            directory = os.open(path, _DIRECTORY_FLAGS)
        except OSError:
            return ""
        try:
            with os.scandir(directory) as files:
                return next((file.name for file in files if file.inode() == entry.inode), "")
        finally:
            os.close(directory)

    def _order(self, stored: Stored) -> tuple[bool, int]:
        return stored.association.sender.boot == self._boot, stored.record.at

    def release(self, association: Association) -> None:
        """Note that one thing less is to be done with what a journal says."""
        association.needs -= 1
        self.forget_if_done(association)

    def forget_if_done(self, association: Association) -> None:
        """Remove a journal that nobody needs."""
        if association.is_alive or association.needs > 0:
            return
        self._associations.pop(association.maker, None)
        with suppress(FileNotFoundError):
            os.unlink(association.maker, dir_fd=self._lockdir.opened(layout.DEAD))

    def _put_aside(self, association: Association) -> None:
        """Let the next look not find it any more; it may be there already."""
        with suppress(FileNotFoundError):
            os.rename(
                association.maker,
                association.maker,
                src_dir_fd=self._lockdir.opened(layout.JOURNALS),
                dst_dir_fd=self._lockdir.opened(layout.DEAD),
            )

    def close(self) -> None:
        """Let all go."""
        for association in self._associations.values():
            if association.is_alive:
                association.reader.close()


def _is_possible(entry: ObjectRecord) -> bool:
    """Tell whether names are names: somebody else may write in the lock directory."""
    return all(not name or is_plain_name(name) for name in (entry.name, entry.directory))
