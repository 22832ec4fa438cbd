"""The end of a study, step by step; every step may be done twice, by whoever comes next.

scpd_studies(7), completing 1 to 5:

    1  sealed/KEY.GENERATION/ is there: no worker comes to it any more
    2  sealed/KEY.GENERATION/plan is written, once: who finds one takes that
    3  each file of the plan is renamed, if it is the one that was planned and the new name is free
    4  the command has run
    5  sealed/KEY.GENERATION/ is removed: renamed to sealed/.KEY.GENERATION/ first, and what has that name is nothing

A crash between any two leaves what the next keeper goes on with: before 2 the objects are in the journals, and nothing
has been renamed; from 2 on the plan says all, and a file that has its new name already is passed by.

The plan comes from a directory in which others may write: a name is used only if it is one below the study directory,
and that is opened without following a link.  A plan that cannot be one is set aside; the next one is made of what is
there then, so nothing gets a new name twice.  Raises `OSError`.
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
from scpd.store.directory import open_directory
from scpd.store.names import is_plain_name
from scpd.store.rename import rename_to_free_name
from scpd.study.plan import Plan
from scpd.study.states import PLAN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Self

    from scpd.lockdir.layout import LockDirectory
    from scpd.study.plan import Move

# How long workers may have to wait that publish into the directory, and how long we wait for them: others wait for us.
_LONGEST_SECONDS = 0.05
_PATIENCE_SECONDS = 0.5
_MOST_OF_A_PLAN = 1 << 28  # bytes

_CREATE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC

# What says that there is no such directory: something else has its name, or nothing can have it.
_NO_DIRECTORY = frozenset((errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG))

log = logging.getLogger("dcmtk.apps.storescp")


class Sealed:
    """A sealed study on disk."""

    __slots__ = ("_descriptor", "_fsync", "_lockdir", "name")

    def __init__(self, lockdir: LockDirectory, name: str, *, fsync: bool) -> None:
        self._lockdir = lockdir
        self._fsync = fsync
        self.name = name
        self._descriptor = open_directory(name, lockdir.opened(layout.SEALED))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)

    def read_plan(self) -> Plan | None:
        """Give the plan, `None` if there is none yet; what nobody can have written is set aside."""
        try:
            descriptor = layout.open_to_read(PLAN, self._descriptor)
        except FileNotFoundError:
            return None
        except OSError as error:
            if not layout.is_strange(error):
                raise
            plan = None
        else:
            with open(descriptor, "rb") as file:
                plan = Plan.decode(file.read(_MOST_OF_A_PLAN))
        if plan is None or (plan.directory and not is_plain_name(plan.directory)):
            self._set_plan_aside()
            return None
        return plan

    def _set_plan_aside(self) -> None:
        strange = f"plan-{self.name}.{os.urandom(4).hex()}"
        log.warning(
            "the plan of sealed/%s in the lock directory is not ours, moved to strange/%s", self.name, strange
        )
        os.rename(PLAN, strange, src_dir_fd=self._descriptor, dst_dir_fd=self._lockdir.opened(layout.STRANGE))

    def write_plan(self, plan: Plan) -> Plan:
        """Make this the plan unless there is one; give the one that is."""
        if self._fsync:
            # The seal first: an open study must never be found with a plan.
            os.fsync(self._lockdir.opened(layout.SEALED))
            os.fsync(self._lockdir.opened(layout.OPEN))
        temporary = f".{PLAN}.{os.getpid()}.{os.urandom(4).hex()}"
        try:
            self._write(temporary, plan.encode())
            rename_to_free_name(temporary, self._descriptor, PLAN, self._descriptor)
        except OSError as error:
            with suppress(FileNotFoundError):
                os.unlink(temporary, dir_fd=self._descriptor)
            if isinstance(error, FileExistsError) and (other := self.read_plan()) is not None:
                return other
            raise
        if self._fsync:
            os.fsync(self._descriptor)
        return plan

    def _write(self, name: str, data: bytes) -> None:
        descriptor = os.open(name, _CREATE_FLAGS, 0o666, dir_fd=self._descriptor)
        with open(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            if self._fsync:
                os.fsync(descriptor)

    def remove(self) -> None:
        """Remove it: nothing is left to do."""
        sealed = self._lockdir.opened(layout.SEALED)
        hidden = self.name if self.name.startswith(".") else f".{self.name}"
        os.rename(self.name, hidden, src_dir_fd=sealed, dst_dir_fd=sealed)
        for name in os.listdir(self._descriptor):
            os.unlink(name, dir_fd=self._descriptor)
        os.rmdir(hidden, dir_fd=sealed)


def open_study_directory(output_directory: str, name: str) -> int:
    """Open the directory of a study; `FileNotFoundError` if it is not there, nor could be."""
    if is_plain_name(name):
        try:
            return open_directory(f"{output_directory}/{name}")
        except OSError as error:
            if error.errno not in _NO_DIRECTORY:
                raise
    raise FileNotFoundError(errno.ENOENT, "no directory of a study", name)


class StudyDirectory:
    """The directory with a study's objects, as the keeper has it."""

    __slots__ = ("_descriptor", "_fsync", "_lock", "_path")

    def __init__(self, lockdir: LockDirectory, output_directory: str, name: str, *, fsync: bool) -> None:
        """Open it below the output directory; `FileNotFoundError` if it is not there, nor could be."""
        self._path = name
        self._fsync = fsync
        self._descriptor = open_study_directory(output_directory, name)
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

    def carry_out(self, moves: Sequence[Move], begin: int) -> int:
        """Rename from this move on, as long as workers can wait; give the first one that is left."""
        wait_to_lock(self._lock, 0, _PATIENCE_SECONDS)
        try:
            deadline = monotonic() + _LONGEST_SECONDS
            done = begin
            while done < len(moves) and (done == begin or monotonic() < deadline):
                self._move(moves[done])
                done += 1
        finally:
            release(self._lock, 0)
        if self._fsync:
            os.fsync(self._descriptor)
        return done

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
