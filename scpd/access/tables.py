"""The only module that touches files: reads both tables, and the pattern files, when they have changed.

A table that is not there (ENOENT) is empty, which is odd only of one with a name of its own; whatever else keeps
it from being read is a fault.  Only regular files of bounded size are read, and a FIFO never waited for.  What was
read is kept, and compared with the files at each look: device, inode, size and times.  A file that had changed
only just before it was read is read again next time, and compared with what it was, since its times may hide
another change.
"""

from __future__ import annotations

import os
import stat
from time import time_ns

from scpd.access.book import Book
from scpd.access.findings import Finding
from scpd.access.pattern_files import PatternFile
from scpd.access.syntax import Table
from scpd.access.unfound import unfound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from scpd.access.parties import Service
    from scpd.access.unfound import IsKnown

    Stamp = tuple[int, ...] | None

HOSTS_ALLOW, HOSTS_DENY = "/etc/hosts.allow", "/etc/hosts.deny"
LARGEST_BYTES = 4 << 20
_MOST_FILES = 1000
_TRIES = 3
_SETTLED_NANOSECONDS = 2_000_000_000  # the coarsest times that file systems have


class Tables:
    """hosts.allow and hosts.deny of the moment."""

    __slots__ = ("_allow", "_book", "_deny", "_stamps", "_young")

    def __init__(self, allow: str = HOSTS_ALLOW, deny: str = HOSTS_DENY) -> None:
        self._allow = allow
        self._deny = deny
        self._book: Book | None = None
        self._stamps: dict[str, Stamp] = {}
        # What those said whose times may hide a change.  A master reads only at its start, often right after an edit:
        # its workers find it cheaper to compare than to understand the table anew, each of them.
        self._young: dict[str, bytes] = {}

    def look(self) -> Book:
        """Give what the tables say now; reads them only if they, or a file that they name, have changed."""
        if self._book is None or any(self._has_changed(path, kept) for path, kept in self._stamps.items()):
            self._stamps = {}
            self._young = {}
            self._book = self._read()
        return self._book

    def _has_changed(self, path: str, kept: Stamp) -> bool:
        if _stamp(path) != kept:
            return True
        young = self._young.get(path)
        try:
            return young is not None and _read(path) != (kept, young)
        except OSError:
            return True

    def prepare(self, service: Service) -> Book:
        """Read what has changed, and work out everything that the next decision about this service will need."""
        book = self.look()
        book.faults(service)
        book.indexes(service)
        return book

    def _read(self) -> Book:
        tables = self._table(self._allow), self._table(self._deny)
        files: dict[str, PatternFile | str] = {}
        waiting = [path for table in tables for _, path, _ in table.mentions]
        while waiting:
            path = waiting.pop()
            if path not in files:
                file = self._pattern_file(path) if len(files) < _MOST_FILES else "too many pattern files"
                files[path] = file
                waiting += () if isinstance(file, str) else file.mentions
        return Book(*tables, files)

    def _table(self, path: str) -> Table:
        try:
            data, mode = self._bytes(path)
        except FileNotFoundError:
            return _absent(path)
        except OSError as error:
            return Table.unreadable(path, f"cannot be read: {error.strerror}")
        table = Table(path, data)
        table.findings += _of_mode(path, mode)
        return table

    def _pattern_file(self, path: str) -> PatternFile | str:
        # Its path came from a table, a character for each byte.
        native = os.fsdecode(path.encode("latin-1"))
        try:
            data, mode = self._bytes(native)
        except OSError as error:
            return f"the pattern file cannot be read: {error.strerror}"
        except ValueError:
            return "no path of a file"
        file = PatternFile(path, data)
        file.findings += _of_mode(path, mode)
        return file

    def _bytes(self, path: str) -> tuple[bytes, int]:
        """Read a file, give its mode too, and remember its stamp, also if it cannot be read."""
        for _ in range(_TRIES):
            self._stamps[path] = _stamp(path)
            stamp, data = _read(path)
            # The same before and after: nobody wrote meanwhile.
            if stamp == self._stamps[path] == _stamp(path):
                if time_ns() - stamp[-1] < _SETTLED_NANOSECONDS:
                    self._young[path] = data
                return data, stamp[0]
        raise OSError(0, "it is being changed all the time: write a new file and rename it")


def _absent(path: str) -> Table:
    """Give an empty table; who named it misses it, since without a hosts.deny everybody is let in."""
    table = Table(path)
    if path not in {HOSTS_ALLOW, HOSTS_DENY}:
        table.findings.append(
            Finding(
                path,
                0,
                "",
                "does not exist, and counts as empty: make it, or correct its name",
                is_fault=False,
            )
        )
    return table


def _stamp(path: str) -> Stamp:
    try:
        return _identity(os.stat(path))
    except (OSError, ValueError):
        return None


def _identity(status: os.stat_result) -> tuple[int, ...]:
    latest = max(status.st_mtime_ns, status.st_ctime_ns)
    return (
        status.st_mode,
        status.st_dev,
        status.st_ino,
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
        latest,
    )


def _read(path: str) -> tuple[tuple[int, ...], bytes]:
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        before = os.fstat(descriptor)
        if not stat.S_ISREG(before.st_mode):
            raise OSError(0, "not a regular file")
        parts, left = [], LARGEST_BYTES + 1
        while left and (part := os.read(descriptor, left)):
            parts.append(part)
            left -= len(part)
        if not left:
            raise OSError(0, f"larger than {LARGEST_BYTES} bytes")
        return _identity(os.fstat(descriptor)), b"".join(parts)
    finally:
        os.close(descriptor)


def _of_mode(path: str, mode: int) -> list[Finding]:
    if not mode & stat.S_IWOTH:
        return []
    return [
        Finding(path, 0, "", "everybody may write to it, and so let himself in: chmod o-w", is_fault=False)
    ]


def faults(book: Book, service: Service, is_known: IsKnown | None = None) -> tuple[list[str], list[str]]:
    """Give the lines about what refuses everybody who asks for the service, and about what is only odd.

    The latter with names that nobody has, if `is_known` can tell.
    """
    odd = [*book.warnings(service), *(unfound(book, is_known) if is_known is not None else ())]
    return _lines(book.faults(service)), _lines(odd)


def _lines(findings: Iterable[object]) -> list[str]:
    return list(dict.fromkeys(map(str, findings)))
