"""All journals together: what the workers have stored, in order of arrival.

A `look` reads what has come since the last one.  An object counts when its journal says that it was stored; where the
worker died before it could say so, the file decides: what has the inode in the directory was stored, under whatever
name.  A journal whose worker is gone is put aside (journals/dead), and removed when nobody needs it any more: what it
says of studies has been done, and so have its commands.  Only journals of living workers are held open.

Objects are ordered by the monotonic clock that all processes of a boot share; what was received before that boot comes
first.  A journal whose objects lie in a directory that no option allows is passed by, and stays: with other options it
may count.  What nobody here can have written is moved to `strange/`.  What cannot be read now is tried again at the
next look, and `has_missed` something until then; that is said once.  Who is not the keeper (any more) moves and removes
nothing, since the one that is would not see it; so scpctl can look too.  Raises `OSError` if the directory itself
cannot be read.
"""

from __future__ import annotations

import errno
import logging
import os
from contextlib import suppress
from sys import intern

from scpd.lockdir import layout
from scpd.lockdir.journal import JournalReader, is_maker
from scpd.log.counted import counted
from scpd.store.names import is_plain_name
from scpd.study import record
from scpd.study.completion import open_study_directory
from scpd.study.record import ObjectRecord, Sender, is_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from scpd.keeper.places import Places
    from scpd.lockdir.layout import LockDirectory

log = logging.getLogger("dcmtk.apps.storescp")

_NANOSECONDS = 1e9
_MOST_PENDING = 64  # a worker has one at a time
_NOT_FOR_US = frozenset((errno.EACCES, errno.EPERM))


class Association:
    """One worker's journal, as far as it was read."""

    __slots__ = (
        "at_generation",
        "is_alive",
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
        self.at_generation = ""  # of the study that the worker has said to be at
        self.last_number = 0  # of the objects written down; they rise
        # What is written down, but of which it is not said whether it was stored.
        self.pending: dict[int, ObjectRecord] = {}
        self.waiting_for = 0  # the number of an object, if the worker waits for what it brings
        self.needs = 0  # so many things are still to be done with what it says


class Stored:
    """An object that was stored; `arrived` in seconds of the keeper's clock, `order` by which they are sorted."""

    __slots__ = ("arrived", "association", "order", "record")

    def __init__(
        self, association: Association, entry: ObjectRecord, now: float, *, is_of_this_boot: bool
    ) -> None:
        self.association = association
        self.record = entry
        self.order = is_of_this_boot, entry.at
        # Of another boot, or from a machine with another clock: it came when we heard of it.
        self.arrived = min(entry.at / _NANOSECONDS, now) if is_of_this_boot else now


class News:
    """What a look has found: objects in order of arrival, studies (key, generation) in use, workers that are gone."""

    __slots__ = ("ended", "now", "opened", "stored")

    def __init__(self, now: float) -> None:
        self.now = now
        self.stored: list[Stored] = []
        self.opened: list[tuple[str, str]] = []
        self.ended: list[Association] = []


class Ledger:
    """All journals of a lock directory."""

    __slots__ = (
        "_alive",
        "_boot",
        "_complained",
        "_dead",
        "_is_elected",
        "_lockdir",
        "_passed_by",
        "_places",
        "_waiting",
        "has_missed",
    )

    def __init__(
        self,
        lockdir: LockDirectory,
        places: Places,
        boot: str,
        is_elected: Callable[[], bool],
    ) -> None:
        self._lockdir = lockdir
        self._is_elected = is_elected
        self._places = places
        self._boot = boot
        self._alive: dict[str, Association] = {}
        self._dead: dict[str, Association] = {}  # but needed
        self._waiting: dict[str, Association] = {}  # for an answer
        self._complained: set[str] = set()  # journals that could not be read
        self._passed_by: set[str] = set()  # journals of a place that is none
        self.has_missed = False  # something, at the last look

    def __iter__(self) -> Iterator[Association]:
        """Give those whose journals are known: of workers that live, and of others while they are needed."""
        yield from self._alive.values()
        yield from self._dead.values()

    def find(self, maker: str) -> Association | None:
        """Give the association of this name, if it is known."""
        return self._alive.get(maker) or self._dead.get(maker)

    def look(self, now: float) -> News:
        """Read what has come."""
        news = News(now)
        self.has_missed = False
        self._look(news, layout.JOURNALS)
        return news

    def look_back(self, now: float, beat: Callable[[], None] | None = None) -> News:
        """Read everything, at the start; `beat`, if given, is called for each journal."""
        news = News(now)
        self.has_missed = False
        # A journal may be moved from the first to the second meanwhile: in this order none is missed.
        for part in (layout.JOURNALS, layout.DEAD):
            self._look(news, part, beat)
        return news

    def _look(self, news: News, part: str, beat: Callable[[], None] | None = None) -> None:
        for association in list(self._alive.values()):
            self._read(association, news)
        for name in os.listdir(self._lockdir.opened(part)):
            if beat is not None:
                beat()
            if name[0] == "." or f"{part}/{name}" == layout.DEAD or name in self._passed_by:
                continue
            if self.find(name) is None:
                self._begin(name, part, news)
        news.stored.sort(key=_order)

    def _begin(self, name: str, part: str, news: News) -> None:
        """Read a journal that was not there before; nobody sees one before it has its first line."""
        if not is_maker(name):
            self._set_aside(name, part)
            return
        try:
            reader = JournalReader(name, self._lockdir.opened(part))
        except FileNotFoundError:
            return
        except OSError as error:
            if layout.is_strange(error):
                self._set_aside(name, part)
            else:
                self._missed(name, error)
            return
        sender = _sender(reader)
        if sender is None:
            reader.close()
            self._set_aside(name, part)
            return
        if sender.place not in self._places:
            reader.close()
            self._pass_by(name, sender.place)
            return
        association = self._alive[name] = Association(name, sender, reader)
        self._read(association, news)

    def _pass_by(self, name: str, place: str) -> None:
        self._passed_by.add(name)
        log.error("journal %s is passed by: no option allows the output directory %r", name, place)

    def _set_aside(self, name: str, part: str) -> None:
        if self._is_elected():
            self._lockdir.set_aside(name, part)

    def _missed(self, name: str, error: OSError) -> None:
        # What is not for us to read is no reason to wait: who writes here may forbid it for ever.
        self.has_missed |= error.errno not in _NOT_FOR_US
        if name not in self._complained:
            self._complained.add(name)
            log.error("cannot read journal %s: %s", name, error.strerror)

    def _read(self, association: Association, news: News) -> None:
        reader = association.reader
        try:
            for fields in reader.read():
                self._take(association, fields, news)
            if not reader.is_ended:
                return
            self._settle(association, news)
        except OSError as error:
            self._missed(association.maker, error)
            return
        association.is_alive = False
        reader.close()
        if reader.skipped:
            log.warning("%s of journal %s cannot be read", counted(reader.skipped, "line"), association.maker)
        self._put_aside(association)
        news.ended.append(association)

    def _take(self, association: Association, fields: list[str], news: News) -> None:
        match fields:
            case [record.OBJECT, *_]:
                self._take_object(association, ObjectRecord.decode(fields), news)
            case [record.STORED, number, name, inode, *_] if is_number(number) and is_number(inode):
                found = association.pending.pop(int(number), None)
                if found is not None and (not name or is_plain_name(name)):
                    self._stored(association, found, name, int(inode), news)
            case [record.FAILED, number, *_] if is_number(number):
                association.pending.pop(int(number), None)
            case [record.WAITS, number, *_] if is_number(number):
                association.waiting_for = int(number)
                self._waiting[association.maker] = association
            case [record.CERTIFICATE, subject, issuer, *_]:
                association.sender.certify(subject, issuer)
            case [record.OPENED, key, generation, *_]:
                association.at_generation = generation
                news.opened.append((key, generation))

    def _take_object(self, association: Association, entry: ObjectRecord | None, news: News) -> None:
        """Note an object that is written down, unless a forger has done it, and that the one before is stored."""
        if entry is None or not _is_possible(entry) or entry.number <= association.last_number:
            return
        before = association.pending.pop(entry.stored, None)
        if before is not None:
            self._stored(association, before, before.name, before.inode, news)
        association.last_number = entry.number
        if len(association.pending) < _MOST_PENDING:
            association.pending[entry.number] = entry

    def _stored(
        self, association: Association, entry: ObjectRecord, name: str, inode: int, news: News
    ) -> None:
        entry.name, entry.inode = name, inode
        _share_texts(entry)
        is_of_this_boot = association.sender.boot == self._boot
        news.stored.append(Stored(association, entry, news.now, is_of_this_boot=is_of_this_boot))

    def _settle(self, association: Association, news: News) -> None:
        """Find out what became of objects of which a worker that is gone has not said it.

        It was killed behind scpd_studies(7), publishing 4, and before 6.
        """
        pending = association.pending
        while pending:
            number, entry = next(iter(pending.items()))
            name = self._find_file(association.sender.place, entry) if entry.name else ""
            del pending[number]
            if name or not entry.name:
                self._stored(association, entry, name, entry.inode, news)

    def _find_file(self, place: str, entry: ObjectRecord) -> str:
        """Give the name of the file with an object's inode, "" if there is none."""
        try:
            directory = _open_directory(self._places[place], entry.directory)
        except FileNotFoundError:
            return ""
        try:
            if _has_inode(entry.name, entry.inode, directory):
                return entry.name
            with os.scandir(directory) as files:
                return next((file.name for file in files if _is_file(file, entry.inode)), "")
        finally:
            os.close(directory)

    def is_pending(self, generation: str) -> bool:
        """Tell whether somebody may still be about to store an object of a study, or was when he died."""
        return any(
            entry.generation == generation
            for association in self._alive.values()
            for entry in association.pending.values()
        )

    def waiting(self) -> list[Association]:
        """Give those whose workers wait for an answer."""
        return list(self._waiting.values())

    def answered(self, association: Association) -> None:
        """Note that a worker has its answer."""
        association.waiting_for = 0
        self._waiting.pop(association.maker, None)

    def need(self, association: Association) -> None:
        """Note that one thing more is to be done with what a journal says."""
        association.needs += 1

    def release(self, association: Association) -> None:
        """Note that one thing less is."""
        association.needs -= 1
        self.forget_if_done(association)

    def forget_if_done(self, association: Association) -> None:
        """Remove a journal that nobody needs."""
        if association.is_alive or association.needs > 0:
            return
        self._dead.pop(association.maker, None)
        if not self._is_elected():
            return
        for part in (layout.DEAD, layout.JOURNALS):  # the latter if it could not be put aside
            with suppress(OSError):
                os.unlink(association.maker, dir_fd=self._lockdir.opened(part))

    def forget_all_done(self) -> None:
        """Remove all journals that nobody needs: when it is known of all what is to be done."""
        for association in list(self._dead.values()):
            self.forget_if_done(association)

    def _put_aside(self, association: Association) -> None:
        """Let the next look not find it any more; it may be there already."""
        maker = association.maker
        self._dead[maker] = self._alive.pop(maker)
        self._waiting.pop(maker, None)
        self._complained.discard(maker)
        if not self._is_elected():
            return
        journals, dead = self._lockdir.opened(layout.JOURNALS), self._lockdir.opened(layout.DEAD)
        with suppress(OSError):  # no room: it stays where it is
            os.rename(maker, maker, src_dir_fd=journals, dst_dir_fd=dead)
        with suppress(OSError):  # the worker, if it was killed, has left it
            os.unlink(maker, dir_fd=self._lockdir.opened(layout.REPLIES))

    def close(self) -> None:
        """Let all go."""
        for association in self._alive.values():
            association.reader.close()


def _order(stored: Stored) -> tuple[bool, int]:
    return stored.order


def _sender(reader: JournalReader) -> Sender | None:
    """Give the sender of a new journal; `None` if it has none, or cannot be read."""
    try:
        head = reader.read_head()
    except OSError:
        return None
    return Sender.decode(head) if head else None


def _share_texts(entry: ObjectRecord) -> None:
    """Keep once in memory what is the same for many objects."""
    entry.generation, entry.directory = intern(entry.generation), intern(entry.directory)
    entry.sop_class_uid, entry.transfer_syntax_uid = (
        intern(entry.sop_class_uid),
        intern(entry.transfer_syntax_uid),
    )
    entry.study_instance_uid = intern(entry.study_instance_uid)


def _open_directory(output_directory: str, name: str) -> int:
    if name:
        return open_study_directory(output_directory, name)
    # It may be a link: it is the administrator's.
    return os.open(output_directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


def _has_inode(name: str, inode: int, directory: int) -> bool:
    try:
        return os.stat(name, dir_fd=directory, follow_symlinks=False).st_ino == inode
    except OSError:
        return False


def _is_file(file: os.DirEntry[str], inode: int) -> bool:
    return file.inode() == inode and is_plain_name(file.name) and file.is_file(follow_symlinks=False)


def _is_possible(entry: ObjectRecord) -> bool:
    """Tell whether names are names: somebody else may write in the lock directory."""
    name, directory = entry.name, entry.directory
    return (not name or is_plain_name(name)) and (not directory or is_plain_name(directory))
