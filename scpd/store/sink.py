"""Where an object becomes a file: temporary name, scattered writes, flush, rename, flush of the directory.

An object is written to `.scpd/tmp` of the output directory, under a name that nobody else uses and an exclusive
flock that says that its maker lives.  `publish` makes it visible under its final name by one rename: before it there
is nothing, after it the whole object; an earlier file of that name is replaced by the rename and by nothing else.

A crash leaves: before the rename a temporary file, which `keeper.sweep` removes; after it the object.  With
`fsync` the rename is also durable when `publish` returns; a flush that failed is never tried again, since the kernel
may have dropped the pages (fsync(2), notes on errors).

Every function raises `OSError` and nothing else; `discard` raises nothing.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_STATE_DIRECTORY = ".scpd"
_TEMPORARY = "tmp"

_DIRECTORY_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_CREATE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC

# Buffers that one writev takes (IOV_MAX of Linux).
_IOV_MAX = 1024


class DirectoryFlushError(OSError):
    """The object stands whole under its final name, but its directory could not be flushed."""


class OutputDirectory:
    """The directory that receives objects, held open; everything below works relative to it."""

    __slots__ = ("_directory", "_fsync", "_serial", "_temporary", "_unique")

    def __init__(self, path: str, *, fsync: bool) -> None:
        self._fsync = fsync
        self._directory = os.open(path, _DIRECTORY_FLAGS)
        try:
            self._temporary = open_temporary(self._directory, make=True)
        except OSError:
            os.close(self._directory)
            raise
        # A process id comes back, and other hosts or containers may share the directory.
        self._unique = f"{os.getpid()}.{os.urandom(6).hex()}"
        self._serial = 0

    def close(self) -> None:
        """Let the directory go."""
        os.close(self._temporary)
        os.close(self._directory)

    def exists(self, name: str) -> bool:
        """Tell whether an object of this name is there now; for the log, nothing may depend on it."""
        return os.access(name, os.F_OK, dir_fd=self._directory, follow_symlinks=False)

    def create(self) -> Incoming:
        """Begin a new object."""
        while True:
            self._serial += 1
            name = f"{self._unique}.{self._serial}"
            descriptor = os.open(name, _CREATE_FLAGS, 0o666, dir_fd=self._temporary)
            incoming = Incoming(self, name, descriptor)
            try:
                if _is_ours(descriptor):
                    return incoming
            except OSError:
                incoming.discard()  # without locks no sweeper could ever remove it
                raise
            os.close(descriptor)

    def publish(self, temporary_name: str, descriptor: int, name: str) -> None:
        """Make a written temporary file the object `name`; closes `descriptor`, also on failure.

        `DirectoryFlushError` if only the last step failed and the object is there.
        """
        try:
            if self._fsync:
                os.fsync(descriptor)
            # Closing reports errors too (close(2): EIO, EDQUOT on network file systems).  The duplicate keeps the
            # lock, which is the descriptions', until the rename is done.
            lock = os.dup(descriptor)
        except OSError:
            os.close(descriptor)
            raise
        try:
            os.close(descriptor)
            os.rename(temporary_name, name, src_dir_fd=self._temporary, dst_dir_fd=self._directory)
        finally:
            with suppress(OSError):  # it has no more to report, and may not refuse an object that is visible
                os.close(lock)
        if self._fsync:
            self._flush_directory()

    def remove_temporary(self, name: str) -> None:
        """Remove a temporary file; one that is gone already is fine, one that cannot be removed is the sweeper's."""
        with suppress(OSError):
            os.unlink(name, dir_fd=self._temporary)

    def _flush_directory(self) -> None:
        try:
            os.fsync(self._directory)
        except OSError as error:
            raise DirectoryFlushError(error.errno, error.strerror) from error


class Incoming:
    """An object being written; ends by `publish` or `discard`."""

    __slots__ = ("_descriptor", "_name", "_output")

    def __init__(self, output: OutputDirectory, name: str, descriptor: int) -> None:
        self._output = output
        self._name = name
        self._descriptor = descriptor

    def write(self, pieces: Sequence[bytes | memoryview]) -> None:
        """Append these pieces, without joining them."""
        index = 0
        while index < len(pieces):
            written = os.writev(self._descriptor, pieces[index : index + _IOV_MAX])
            while index < len(pieces) and written >= len(pieces[index]):
                written -= len(pieces[index])
                index += 1
            if written:
                pieces = [memoryview(pieces[index])[written:], *pieces[index + 1 :]]
                index = 0

    def publish(self, name: str) -> None:
        """Make this the object `name`; see `OutputDirectory.publish`."""
        descriptor, self._descriptor = self._descriptor, -1
        self._output.publish(self._name, descriptor, name)

    def discard(self) -> None:
        """Leave nothing behind of it, however far it came; raises nothing, since something else is being told."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor != -1:
            with suppress(OSError):  # close(2): what could not be written is not wanted
                os.close(descriptor)
        self._output.remove_temporary(self._name)


def open_temporary(directory: int, *, make: bool) -> int:
    """Open the directory of temporary files below the output directory, without following a link; make it if told."""
    state = _open_below(directory, _STATE_DIRECTORY, make=make)
    try:
        return _open_below(state, _TEMPORARY, make=make)
    finally:
        os.close(state)


def _open_below(parent: int, name: str, *, make: bool) -> int:
    flags = _DIRECTORY_FLAGS | os.O_NOFOLLOW
    try:
        return os.open(name, flags, dir_fd=parent)
    except FileNotFoundError:
        if not make:
            raise
    with suppress(FileExistsError):  # another worker was faster
        os.mkdir(name, dir_fd=parent)
    return os.open(name, flags, dir_fd=parent)


def _is_ours(descriptor: int) -> bool:
    """Lock a file just made; `False` if a sweeper found it before it was locked, and took it for a dead one's."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return os.fstat(descriptor).st_nlink > 0
