"""What lies where in the lock directory, and who writes it (scpd_studies(7)).

    rules                   the options on which all must agree; locked by everybody who uses the directory
    keeper                  the lock of the one keeper
    wake                    a FIFO: a byte in it tells the keeper to look
    journals/MAKER          what one worker, named MAKER, has received; while it writes its name begins with a dot
    journals/dead/MAKER     the same, its worker gone
    replies/MAKER           a FIFO on which a worker waits for the keeper
    open/KEY/               an open study
    sealed/KEY.GENERATION/  a study that is being completed
    keepers/NAME            what one keeper has done
    running/, failed/       commands
    requests/NAME           what an administrator asks of the keeper
    publish/NN              locks of the study directories
    slots/NAME              the locks of associations that are counted
    strange/                what nobody here could have written, set aside

Directories and names only: what the files say is written and read by the rooms that they belong to.  Nothing follows
a link below the lock directory, and nothing waits for who has put a FIFO in the place of a file.  What stands where a
lock file should be is set aside, and so is, by the keeper (`mend`), what stands where a directory or the FIFO should
be.  Raises `OSError`.
"""

from __future__ import annotations

import errno
import logging
import os
import stat
from binascii import crc32
from contextlib import suppress

from scpd.process.locks import is_taken
from scpd.store.directory import open_directory

RULES, KEEPER, WAKE = "rules", "keeper", "wake"
KEEPER_LOCK = 0  # the byte of `keeper` that the keeper has locked
JOURNALS, DEAD, REPLIES = "journals", "journals/dead", "replies"
OPEN, SEALED = "open", "sealed"
KEEPERS, RUNNING, FAILED, REQUESTS = "keepers", "running", "failed", "requests"
PUBLISH, SLOTS, STRANGE = "publish", "slots", "strange"

_DIRECTORIES = (
    JOURNALS, DEAD, REPLIES, OPEN, SEALED, KEEPERS, RUNNING, FAILED, REQUESTS, PUBLISH, SLOTS, STRANGE,
)  # fmt: skip
_PUBLISH_LOCKS = 64
_MOST_STAYING = 1000
_LONGEST_OLD_NAME = 200  # bytes: in strange/ there is something behind it

_LOCK_FLAGS = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
_WRITE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_READ_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_FIFO_FLAGS = os.O_RDWR | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
# What says that something is none of ours: a link, a directory, a FIFO, a device.  All else, such as too many open
# files, says nothing of it.
_NOT_OURS = frozenset(
    (
        errno.ELOOP,
        errno.ENOTDIR,
        errno.EISDIR,
        errno.EINVAL,
        errno.ENXIO,
        errno.ENODEV,
        errno.ENAMETOOLONG,
        errno.ESPIPE,
    )
)

log = logging.getLogger("dcmtk.apps.storescp")


def make(path: str) -> None:
    """Make the lock directory with all that is always there; what is there already is fine, if it is what it should."""
    _make_directory(path)
    lockdir = LockDirectory(path)
    try:
        for part in _DIRECTORIES:
            parent, _, name = part.rpartition("/")
            _make_directory(name, lockdir.opened(parent) if parent else lockdir.descriptor)
            lockdir.opened(part)  # raises for a link, or a file
        _make_fifo(WAKE, lockdir.descriptor)
    finally:
        lockdir.close()


def mend(lockdir: LockDirectory) -> None:
    """Set aside what stands in the place of a directory, and make that anew: for the keeper's start."""
    for part in (STRANGE, *_DIRECTORIES):
        parent, _, name = part.rpartition("/")
        try:
            lockdir.opened(part)
        except OSError as error:
            if not is_strange(error) and error.errno != errno.ENOENT:
                raise
            lockdir.set_aside(name, parent)
            _make_directory(name, lockdir.opened(parent) if parent else lockdir.descriptor)


def _make_directory(name: str, parent: int | None = None) -> None:
    with suppress(FileExistsError):
        os.mkdir(name, 0o777, dir_fd=parent)


def _make_fifo(name: str, directory: int) -> None:
    with suppress(FileExistsError):
        os.mkfifo(name, 0o666, dir_fd=directory)
    if not stat.S_ISFIFO(os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode):
        raise FileExistsError(errno.EEXIST, "not a FIFO", name)


def _open_fifo(name: str, directory: int) -> int:
    descriptor = os.open(name, _FIFO_FLAGS, dir_fd=directory)
    if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise OSError(errno.EINVAL, "not a FIFO", name)


class LockDirectory:
    """The lock directory, held open; `descriptor` is its own, `opened` gives those of its parts."""

    __slots__ = ("_parts", "_staying", "descriptor")

    def __init__(self, path: str) -> None:
        self._parts: dict[str, int] = {}
        self._staying: set[str] = set()  # of what could not be set aside that was said
        self.descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def opened(self, part: str) -> int:
        """Give the descriptor of a part (a constant of this module), opened when it is first asked for."""
        descriptor = self._parts.get(part)
        if descriptor is None:
            descriptor = self._parts[part] = self._open(part)
        return descriptor

    def _open(self, part: str) -> int:
        parent, _, name = part.rpartition("/")
        return open_directory(name, self.opened(parent) if parent else self.descriptor)

    def close(self) -> None:
        """Let it go; raises nothing."""
        for descriptor in (self.descriptor, *self._parts.values()):
            with suppress(OSError):
                os.close(descriptor)
        self._parts.clear()
        self.descriptor = -1  # closed again, it closes nobody else's

    def open_lock_file(self, name: str, part: str = "") -> int:
        """Open a file that is there to be locked; make it if it is not there."""
        directory = self.opened(part) if part else self.descriptor
        try:
            return _open_regular(name, _LOCK_FLAGS, directory)
        except OSError as error:
            if not is_strange(error):
                raise
        self.set_aside(name, part)
        return _open_regular(name, _LOCK_FLAGS, directory)

    def has_keeper(self) -> bool:
        """Tell whether somebody is the keeper; nobody's election is disturbed by it."""
        try:
            descriptor = open_to_read(KEEPER, self.descriptor)
        except OSError as error:
            if error.errno == errno.ENOENT or is_strange(error):
                return False
            raise
        try:
            return is_taken(descriptor, KEEPER_LOCK)
        finally:
            os.close(descriptor)

    def open_wake(self) -> int:
        """Open the FIFO, as the keeper does: it never ends, however often its writers come and go."""
        try:
            return _open_fifo(WAKE, self.descriptor)
        except OSError as error:
            if not is_strange(error) and error.errno != errno.ENOENT:
                raise
        self.set_aside(WAKE, "")
        _make_fifo(WAKE, self.descriptor)
        return _open_fifo(WAKE, self.descriptor)

    def open_publish_lock(self, directory_name: str) -> int:
        """Open the lock of a study directory, which shares it with others of other names."""
        return self.open_lock_file(f"{crc32(os.fsencode(directory_name)) % _PUBLISH_LOCKS:02}", PUBLISH)

    def set_aside(self, name: str, part: str) -> None:
        """Move to `strange/` what nobody can have written; say so.  What cannot be moved stays, which is said once."""
        old_name = _begin_of(f"{part.replace('/', '-')}-{name}", _LONGEST_OLD_NAME)
        strange = f"{old_name}.{os.urandom(4).hex()}"
        try:
            self._move(name, part, strange)
        except FileNotFoundError:
            pass  # somebody was faster
        except OSError as error:
            if f"{part}/{name}" not in self._staying and len(self._staying) < _MOST_STAYING:
                self._staying.add(f"{part}/{name}")
                log.warning(
                    "%s/%s in the lock directory is not ours, and stays: %s", part, name, error.strerror
                )
        else:
            log.warning("%s/%s in the lock directory is not ours, moved to strange/%s", part, name, strange)

    def _move(self, name: str, part: str, strange: str) -> None:
        if "/" in name:
            raise OSError(errno.EINVAL, "no name", name)  # it would be a path that leads elsewhere
        where = self.opened(part) if part else self.descriptor
        # In the place of strange/ itself nothing can be moved below it.
        there = where if name == STRANGE and not part else self.opened(STRANGE)
        os.rename(name, strange, src_dir_fd=where, dst_dir_fd=there)

    def wake(self) -> bool:
        """Tell the keeper to look; `False` if there is none."""
        try:
            fifo = os.open(
                WAKE, os.O_WRONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self.descriptor
            )
        except OSError:
            return False
        try:
            os.write(fifo, b"\n")
        except BlockingIOError:
            pass  # full: it has been told
        except BrokenPipeError:
            return False  # it has gone since
        finally:
            os.close(fifo)
        return True


def _begin_of(name: str, most: int) -> str:
    """Give as many characters as fit into so many bytes."""
    begin = name[:most]
    while len(os.fsencode(begin)) > most:
        begin = begin[:-1]
    return begin


def open_to_read(name: str, directory: int) -> int:
    """Open a file of which nobody knows what it is: no link, no waiting for anybody, and nothing but a file."""
    return _open_regular(name, _READ_FLAGS, directory)


def _open_regular(name: str, flags: int, directory: int) -> int:
    descriptor = os.open(name, flags, 0o666, dir_fd=directory)
    found = os.fstat(descriptor)
    # A lock file is ours to truncate; under a second name it may be somebody's who has no other way to reach it.
    is_another = found.st_nlink > 1 and flags & os.O_RDWR
    if stat.S_ISREG(found.st_mode) and not is_another:
        return descriptor
    os.close(descriptor)
    raise OSError(errno.EINVAL, "not a file", name)


def is_strange(error: OSError) -> bool:
    """Tell whether an error says that something is none of ours, not only that it cannot be read (now)."""
    return error.errno in _NOT_OURS


def read_small(name: str, directory: int, most: int = 1 << 16) -> bytes:
    """Read a file; what is longer than `most` bytes is cut off there.  `FileNotFoundError` if it is not there."""
    descriptor = open_to_read(name, directory)
    try:
        return os.read(descriptor, most)
    finally:
        os.close(descriptor)


def write_whole(name: str, data: bytes, directory: int, *, flush: bool) -> None:
    """Write a file that is there whole or not at all, in place of an older one.

    A crash leaves a file `.NAME.PID`.
    """
    temporary = f".{name}.{os.getpid()}"
    try:
        _write(temporary, data, directory, flush=flush)
        os.rename(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)
    except OSError:
        with suppress(OSError):
            os.unlink(temporary, dir_fd=directory)
        raise
    if flush:
        os.fsync(directory)


def _write(name: str, data: bytes, directory: int, *, flush: bool) -> None:
    # A crash has left it, or it was put there to be written to: a FIFO keeps us waiting, a hard link is another's file.
    with suppress(FileNotFoundError):
        os.unlink(name, dir_fd=directory)
    descriptor = os.open(name, _WRITE_FLAGS, 0o666, dir_fd=directory)
    try:
        while data:
            data = data[os.write(descriptor, data) :]
        if flush:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
