"""The journal of one worker: written by it alone as long as it lives, read by the keeper.

A journal is locked by its writer; if nobody has it locked, the writer is gone and nothing more will come.  It is
made under a name that begins with a dot and gets its own when it is locked and has its first line.  Its lines are those
of `lockdir.records`; what they mean is the room's that writes them.

What is written when says scpd_studies(7), publishing 4 to 7.

A crash leaves: a file with a dot, which the keeper removes after a while; a torn last line, which nobody reads.

Raises `OSError`.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress

from scpd.lockdir import layout, records
from scpd.lockdir.appending import Appending
from scpd.process.locks import is_taken, lock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from scpd.lockdir.layout import LockDirectory

_ALIVE = 0  # the byte that the writer has locked
_CREATE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
_PIECE = 1 << 18
_LONGEST = 1 << 32  # bytes: ten million objects; a sparse file has room for more than anybody can read
_MOST_TRIES = 20
_LONGEST_MAKER = 64
_MAKER_CHARACTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._")


def new_maker() -> str:
    """Give a name that no other worker has."""
    return f"{os.getpid()}-{os.urandom(6).hex()}"


def is_maker(name: str) -> bool:
    """Tell whether this can be a worker's name; it becomes part of the names of jobs and files."""
    return 0 < len(name) <= _LONGEST_MAKER and name[0] not in "-." and _MAKER_CHARACTERS.issuperset(name)


class Journal:
    """A journal being written."""

    __slots__ = ("_descriptor", "_fsync", "maker", "write")

    def __init__(self, lockdir: LockDirectory, first_line: bytes, *, fsync: bool, maker: str = "") -> None:
        self._fsync = fsync
        self.write: Callable[[bytes], None]  # appends a line
        self.maker = maker or new_maker()
        for _ in range(_MOST_TRIES):
            if self._begin(lockdir.opened(layout.JOURNALS), first_line):
                return
        raise FileNotFoundError(errno.ENOENT, "a new journal vanishes whenever it is made")

    def _begin(self, directory: int, first_line: bytes) -> bool:
        """Make it; `False` if the keeper took it meanwhile for what a crash has left."""
        unready = f".{self.maker}"
        self._descriptor = os.open(unready, _CREATE_FLAGS, 0o666, dir_fd=directory)
        try:
            lock(self._descriptor, _ALIVE)
            self.write = Appending(self._descriptor).write
            self.write(first_line)
            os.rename(unready, self.maker, src_dir_fd=directory, dst_dir_fd=directory)
            if self._fsync:
                os.fsync(directory)
        except OSError as error:
            os.close(self._descriptor)
            with suppress(OSError):
                os.unlink(unready, dir_fd=directory)
            if isinstance(error, FileNotFoundError):
                return False
            raise
        return True

    def flush(self) -> None:
        """Bring all lines to stable storage, if that is asked for."""
        if self._fsync:
            os.fdatasync(self._descriptor)

    def close(self) -> None:
        """End it; raises nothing."""
        with suppress(OSError):
            os.close(self._descriptor)


class JournalReader:
    """A journal being read, while it is written or after."""

    __slots__ = ("_descriptor", "_offset", "_rest", "is_ended", "skipped")

    def __init__(self, name: str, directory: int) -> None:
        self._descriptor = layout.open_to_read(name, directory)
        self._offset = 0
        self._rest = b""
        self.is_ended = False  # the writer is gone, and all that it wrote was read
        self.skipped = 0  # lines that were not whole

    def read_head(self) -> list[str] | None:
        """Give the fields of the first line, to be called first; `None` if there is no such line."""
        head, newline, _ = os.pread(self._descriptor, records.LONGEST, 0).partition(b"\n")
        self._offset = len(head) + len(newline)
        return records.decode(head) if newline else None

    def read(self) -> list[list[str]]:
        """Give the fields of the lines that have come since the last call, and see whether they were the last ones."""
        is_ended = not self.has_writer()  # asked first: what was written until then is read
        lines = self._new_lines()
        self.is_ended = is_ended
        return lines

    def _new_lines(self) -> list[list[str]]:
        lines: list[list[str]] = []
        while self._offset < _LONGEST and (piece := os.pread(self._descriptor, _PIECE, self._offset)):
            self._offset += len(piece)
            *whole, self._rest = (self._rest + piece).split(b"\n")
            self._rest = self._rest[: records.LONGEST + 1]  # nobody writes longer ones
            for line in whole:
                fields = records.decode(line) if len(line) <= records.LONGEST else None
                if fields is None:
                    self.skipped += bool(line)
                else:
                    lines.append(fields)
        return lines

    def has_writer(self) -> bool:
        """Tell whether the writer lives; once it does not, all is written that ever will be."""
        return is_taken(self._descriptor, _ALIVE)

    def close(self) -> None:
        """Let it go."""
        os.close(self._descriptor)
