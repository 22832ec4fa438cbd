"""The end of a study, step by step; every step may be done twice, by whoever comes next (scpd_studies(7)).

    1  sealed/KEY.GENERATION/ is there: no worker comes to it any more
    2  sealed/KEY.GENERATION/plan is written, once: who finds one takes that
    3  each file of the plan is renamed, if it is the one that was planned and the new name is free
    4  the command has run
    5  sealed/KEY.GENERATION/ is removed

A crash between any two leaves what the next keeper goes on with: before 2 the objects are in the journals, and nothing
has been renamed; from 2 on the plan says all, and a file that has its new name already is passed by.

The plan comes from a directory in which others may write: a name is used only if it is one below the study directory,
and that is opened without following a link.  Raises `OSError`.
"""

from __future__ import annotations

import errno
import logging
import os
import stat
from contextlib import suppress
from time import monotonic

from scpd.lockdir import layout
from scpd.process.locks import release, wait_to_lock
from scpd.store.rename import rename_to_free_name
from scpd.study.plan import Plan
from scpd.study.states import PLAN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Self

    from scpd.lockdir.layout import LockDirectory
    from scpd.study.plan import Move

# How long workers may have to wait that publish into the directory.
_LONGEST_SECONDS = 0.05
_MOST_OF_A_PLAN = 1 << 28  # bytes

_DIRECTORY_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_CREATE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC

log = logging.getLogger("dcmtk.apps.storescp")


def is_plain_name(name: str) -> bool:
    """Tell whether this can be the name of something in a directory, and not hidden there."""
    return 0 < len(name) < 256 and name[0] != "." and "/" not in name and name.isprintable()


class Sealed:
    """A sealed study on disk."""

    __slots__ = ("_directory", "_fsync", "_lockdir", "name")

    def __init__(self, lockdir: LockDirectory, name: str, *, fsync: bool) -> None:
        self._lockdir = lockdir
        self._fsync = fsync
        self.name = name
        self._directory = os.open(name, _DIRECTORY_FLAGS, dir_fd=lockdir.opened(layout.SEALED))

    def close(self) -> None:
        """Let it go."""
        os.close(self._directory)

    def read_plan(self) -> Plan | None:
        """Give the plan, `None` if there is none yet; `OSError` (EINVAL) if nobody can have written it."""
        try:
            descriptor = layout.open_to_read(PLAN, self._directory)
        except FileNotFoundError:
            return None
        with open(descriptor, "rb") as file:
            plan = Plan.decode(file.read(_MOST_OF_A_PLAN))
        if plan is None:
            raise OSError(errno.EINVAL, "corrupt plan", self.name)
        return plan

    def write_plan(self, plan: Plan) -> Plan:
        """Make this the plan unless there is one; give the one that is."""
        temporary = f".{PLAN}.{os.getpid()}.{os.urandom(4).hex()}"
        descriptor = os.open(temporary, _CREATE_FLAGS, 0o666, dir_fd=self._directory)
        with open(descriptor, "wb") as file:
            file.write(plan.encode())
            file.flush()
            if self._fsync:
                os.fsync(descriptor)
        try:
            rename_to_free_name(temporary, self._directory, PLAN, self._directory)
        except FileExistsError:
            os.unlink(temporary, dir_fd=self._directory)
            return self.read_plan() or plan
        if self._fsync:
            os.fsync(self._directory)
        return plan

    def remove(self) -> None:
        """Remove it: nothing is left to do."""
        for name in os.listdir(self._directory):
            os.unlink(name, dir_fd=self._directory)
        with suppress(FileNotFoundError):
            os.rmdir(self.name, dir_fd=self._lockdir.opened(layout.SEALED))


class StudyDirectory:
    """The directory with a study's objects, as the keeper has it."""

    __slots__ = ("_descriptor", "_fsync", "_lock", "_path")

    def __init__(self, lockdir: LockDirectory, output_directory: str, name: str, *, fsync: bool) -> None:
        """Open it below the output directory; `OSError` if there is no such directory, or no such name can be."""
        if not is_plain_name(name):
            raise OSError(errno.EINVAL, "no name of a study directory", name)
        self._path = name
        self._fsync = fsync
        self._descriptor = os.open(f"{output_directory}/{name}", _DIRECTORY_FLAGS)
        try:
            self._lock = lockdir.open_publish_lock(name)
        except OSError:
            os.close(self._descriptor)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._lock)
        os.close(self._descriptor)

    def names(self) -> list[str]:
        """Give all that is in it."""
        return os.listdir(self._descriptor)

    def settle(self, rivals: Mapping[str, set[int]]) -> dict[str, int]:
        """Give for each name the one of its files that has it; what none of them has is left out."""
        found = {}
        for name, inodes in rivals.items():
            with suppress(OSError):
                inode = os.stat(name, dir_fd=self._descriptor, follow_symlinks=False).st_ino
                if inode in inodes:
                    found[name] = inode
        return found

    def carry_out(self, moves: Sequence[Move]) -> Iterator[Move]:
        """Rename, and give each move behind it; workers come in between."""
        waiting = iter(moves)
        move = next(waiting, None)
        while move is not None:
            wait_to_lock(self._lock, 0)
            try:
                deadline = monotonic() + _LONGEST_SECONDS
                while move is not None and monotonic() < deadline:
                    self._move(move)
                    yield move
                    move = next(waiting, None)
            finally:
                release(self._lock, 0)
        if moves and self._fsync:
            os.fsync(self._descriptor)

    def _move(self, move: Move) -> None:
        if not is_plain_name(move.name) or not is_plain_name(move.new_name):
            log.warning("not renamed, since it is no file's name: %r, %r", move.name, move.new_name)
            return
        if not self._is_there(move.name, move.inode):
            if not self._is_there(move.new_name, move.inode):  # else an earlier keeper has done it
                log.warning("cannot rename %s/%s: it is not there any more", self._path, move.name)
            return
        try:
            rename_to_free_name(move.name, self._descriptor, move.new_name, self._descriptor)
        except FileExistsError:
            log.warning("%s/%s keeps its name, for %s is taken", self._path, move.name, move.new_name)

    def _is_there(self, name: str, inode: int) -> bool:
        try:
            there = os.stat(name, dir_fd=self._descriptor, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return there.st_ino == inode and stat.S_ISREG(there.st_mode)
