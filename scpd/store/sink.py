"""Where an object becomes a file: temporary name, scattered writes, flush, rename, flush of the directory.

An object is written to `.scpd/tmp` of the output directory, under a name that nobody else uses.  One rename makes it
visible under its final name: before it there is nothing, after it the whole object.  `publish` takes a name that is
free and no other (`store.rename`), `replace` a name whoever has it: an earlier file is replaced by the rename and by
nothing else.  Which of the two, and what to do about a taken name, `store.duplicates` knows.

    .scpd/tmp/PID.MAKER.NUMBER    the temporary files of a maker (`store.makers`)

Objects get their names in the output directory itself, or in the subdirectory that was entered, a study's.

A crash leaves: before the rename a temporary file, which `keeper.sweep` removes; after it the object.  With
`fsync` the rename is also durable when `publish` returns; a flush that failed is never tried again, since the kernel
may have dropped the pages (fsync(2), notes on errors).

The file is closed after its rename: who watches the output directory (inotify(7)) sees first that a file was moved
there, then that it was closed after writing, both under its final name.

`prepare` does while the peer is busy what need not be done before the answer.  It closes the last object's file, unless
closing could report an error.  It makes the next temporary file, and reserves as much space for it as the last object
took: blocks that are there already are written a third faster (ext4, an object of 0.5 MB: 100 microseconds without, 67
with).

Every function raises `OSError` and nothing else; `discard` raises nothing.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress

from scpd.store.directory import open_directory
from scpd.store.inode import identity_of
from scpd.store.makers import new_maker
from scpd.store.rename import rename_to_free_name
from scpd.store.subdirectory import Subdirectory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_STATE_DIRECTORY = ".scpd"
_TEMPORARY = "tmp"

_CREATE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC

# Buffers that one writev takes (IOV_MAX of Linux).
_IOV_MAX = 1024

# Space is reserved in whole units, so that objects of about one length need not be cut to their size, and never more
# than this: on a full disk it is space that another worker lacks.
_RESERVED_UNIT = 1 << 16
_MOST_RESERVED = 1 << 22


# Of what stands in the output directory anything may be a link, a FIFO or a terminal.
_READ_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class DirectoryFlushError(OSError):
    """The object stands whole under its final name (`filename`), but its directory could not be flushed."""


class OutputDirectory:
    """The directory that receives objects, held open by one maker; everything below works relative to it."""

    __slots__ = (
        "_directory",
        "_fsync",
        "_lock",
        "_maker",
        "_may_be_remote",
        "_serial",
        "_spare",
        "asks_for_inodes",
        "can_reserve",
        "closes_later",
        "flushes",
        "last_size",
        "published",
        "subdirectory",
        "temporary",
    )

    def __init__(self, path: str, *, fsync: bool) -> None:
        self._fsync = fsync
        self._serial = 0
        self._spare: Incoming | None = None
        self.published: list[int] = []  # files that have their names, and are to be closed
        self.closes_later = False  # at the next `prepare`: there was one before
        self.asks_for_inodes = False  # somebody did, of the objects before
        self.last_size = 0
        self.can_reserve = False  # the file system has reserved space before
        self._directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        # What lies on a disk has the number of its driver; without one it may be another host's (or btrfs, or tmpfs).
        self._may_be_remote = os.major(os.fstat(self._directory).st_dev) == 0
        # Whether there is anything to do for `flush` and `flush_directory`.
        self.flushes = fsync or self._may_be_remote
        self.subdirectory = Subdirectory(self._directory, fsync=fsync)
        try:
            self.temporary = open_temporary(self._directory, make=True)
        except OSError:
            os.close(self._directory)
            raise
        try:
            maker, self._lock = new_maker(self.temporary)
        except OSError:
            os.close(self.temporary)
            os.close(self._directory)
            raise
        self._maker = f"{os.getpid()}.{maker}"

    def close(self) -> None:
        """Let the directory go, and what was prepared in it; raises nothing, since nothing is lost by it."""
        if self._spare is not None:
            self._spare.discard()
        self._close_published()
        self.subdirectory.leave()
        for descriptor in (self._lock, self.temporary, self._directory):
            try:
                os.close(descriptor)
            except OSError:
                continue

    def inode_of(self, name: str) -> int:
        """Give the inode of what has this name; 0 if nothing has it any more."""
        try:
            return os.stat(name, dir_fd=self.subdirectory.descriptor, follow_symlinks=False).st_ino
        except FileNotFoundError:
            return 0

    def prepare(self) -> None:
        """Make ready what the next `create` gives, with space for an object like the last one.

        What goes wrong here is no matter: `create` will say what is still wrong then.
        """
        self._close_published()
        # Where nothing is flushed closing can say nothing (close(2)), and waits for the peer's turn.
        self.closes_later = not self.flushes
        if self._spare is not None:
            return
        size = min(self.last_size, _MOST_RESERVED) // _RESERVED_UNIT * _RESERVED_UNIT
        spare = None
        try:
            spare = self._make()
            if size:
                spare.reserve(size)
            if self.asks_for_inodes:
                spare.inode()
        except OSError:
            if spare is not None:
                spare.discard()
            return
        self._spare = spare

    def _close_published(self) -> None:
        """Close the files that have their names; raises nothing, since nothing can be wrong with them any more."""
        while self.published:
            try:
                os.close(self.published.pop())
            except OSError:
                continue

    def create(self) -> Incoming:
        """Begin a new object."""
        spare, self._spare = self._spare, None
        return spare or self._make()

    def _make(self) -> Incoming:
        self._serial += 1
        name = f"{self._maker}.{self._serial}"
        return Incoming(self, name, os.open(name, _CREATE_FLAGS, 0o666, dir_fd=self.temporary))

    def open_object(self, name: str) -> int:
        """Open for reading what has this name; not through a link, and without waiting for anybody."""
        return os.open(name, _READ_FLAGS, dir_fd=self.subdirectory.descriptor)

    def open_temporary(self, name: str) -> int:
        """Open for reading what an `Incoming` has written."""
        return os.open(name, _READ_FLAGS, dir_fd=self.temporary)

    def flush(self, descriptor: int) -> None:
        """Bring a file to stable storage, if that is asked for; raise what could not be written before it is shown."""
        if self._fsync:
            os.fsync(descriptor)
        if self._may_be_remote:
            # Closing reports errors too (close(2): EIO, EDQUOT on network file systems), of any descriptor of the file.
            os.close(os.dup(descriptor))

    def flush_directory(self, name: str) -> None:
        """Make durable, if that is asked for, that an object has this name; `DirectoryFlushError` if it cannot."""
        if not self._fsync:
            return
        try:
            os.fsync(self.subdirectory.descriptor)
        except OSError as error:
            raise DirectoryFlushError(error.errno, error.strerror, name) from error

    def remove_temporary(self, name: str) -> None:
        """Remove a temporary file; one that is gone already is fine, one that cannot be removed is the sweeper's."""
        with suppress(OSError):
            os.unlink(name, dir_fd=self.temporary)


class Incoming:
    """An object being written; ends by `publish`, `replace`, `keep` or `discard`.

    After any error but that of a taken name, `discard` is all that may follow.
    """

    __slots__ = ("_descriptor", "_inode", "_is_flushed", "_name", "_output", "_reserved", "size")

    def __init__(self, output: OutputDirectory, name: str, descriptor: int) -> None:
        self._output = output
        self._name = name
        self._descriptor = descriptor
        self._inode = 0  # not known yet
        self._is_flushed = False
        self._reserved = 0
        self.size = 0  # bytes written

    def reserve(self, size: int) -> None:
        """Reserve space for the first `size` bytes if there is so much, and the file system can."""
        output = self._output
        # Where the file system cannot, the C library would write zeros, but not to a descriptor that appends.
        is_trial = not output.can_reserve
        if is_trial:
            fcntl.fcntl(self._descriptor, fcntl.F_SETFL, os.O_APPEND)
        try:
            os.posix_fallocate(self._descriptor, 0, size)
            self._reserved = size
            output.can_reserve = True
        except OSError:
            os.ftruncate(self._descriptor, 0)
        if is_trial:
            fcntl.fcntl(self._descriptor, fcntl.F_SETFL, 0)

    def write(self, pieces: Sequence[bytes | memoryview]) -> None:
        """Append these pieces, without joining them."""
        size = sum(map(len, pieces))
        self.size += size
        written = os.writev(self._descriptor, pieces[:_IOV_MAX])
        if written < size:
            self._write_rest(pieces, written)

    def _write_rest(self, pieces: Sequence[bytes | memoryview], written: int) -> None:
        """Append what is left of `pieces` behind their first `written` bytes."""
        index = 0
        while True:
            while index < len(pieces) and written >= len(pieces[index]):
                written -= len(pieces[index])
                index += 1
            if index == len(pieces):
                return
            begun = memoryview(pieces[index])[written:]
            written += os.writev(self._descriptor, [begun, *pieces[index + 1 : index + _IOV_MAX]])

    def patch(self, offset: int, data: bytes) -> None:
        """Overwrite what was written at an offset."""
        while data:
            written = os.pwrite(self._descriptor, data, offset)
            data, offset = data[written:], offset + written

    def truncate(self, size: int) -> None:
        """Forget what was written behind so many bytes."""
        os.ftruncate(self._descriptor, size)
        os.lseek(self._descriptor, size, os.SEEK_SET)
        self._reserved = 0
        self.size = size

    def flush(self) -> None:
        """End the writing; done once, by whatever needs it first."""
        if self._is_flushed:
            return
        if self.size < self._reserved:
            os.ftruncate(self._descriptor, self.size)
        if self._output.flushes:
            self._output.flush(self._descriptor)
        self._is_flushed = True

    def publish(self, name: str) -> None:
        """Make this the object `name`; `FileExistsError` if that is taken: then another name may be tried.

        `DirectoryFlushError` if only the last step failed and the object is there.
        """
        self.flush()
        output = self._output
        rename_to_free_name(self._name, output.temporary, name, output.subdirectory.descriptor)
        self._renamed(name)

    def replace(self, name: str) -> None:
        """Make this the object `name` in place of what has that name; errors as of `publish`."""
        self.flush()
        output = self._output
        os.rename(self._name, name, src_dir_fd=output.temporary, dst_dir_fd=output.subdirectory.descriptor)
        self._renamed(name)

    def _renamed(self, name: str) -> None:
        """Close the file and flush its directory."""
        output, descriptor = self._output, self._descriptor
        self._descriptor = -1
        output.last_size = self.size
        if output.closes_later:
            output.published.append(descriptor)
            return
        try:
            os.close(descriptor)
        except OSError as error:
            raise DirectoryFlushError(error.errno, error.strerror, name) from error
        if output.flushes:
            output.flush_directory(name)

    def inode(self) -> int:
        """Give the number by which the file can be told from others, whatever its name."""
        if not self._inode:
            self._inode, _, _ = identity_of(self._descriptor)
            self._output.asks_for_inodes = True
        return self._inode

    def inode_of(self, name: str) -> int:
        """Give the inode of the object that has a name, 0 if none has."""
        return self._output.inode_of(name)

    def open_written(self) -> int:
        """Open for reading what was written and flushed; the caller closes it."""
        return self._output.open_temporary(self._name)

    def open_object(self, name: str) -> int:
        """Open for reading what has the name that `publish` found taken; the caller closes it."""
        return self._output.open_object(name)

    def keep(self, descriptor: int, name: str) -> None:
        """Let the object `name`, open for reading, stand for this one: as durable as `publish` would have made it."""
        self._output.flush(descriptor)
        self._output.flush_directory(name)
        self.discard()

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
    try:
        return open_directory(name, parent)
    except FileNotFoundError:
        if not make:
            raise
    with suppress(FileExistsError):  # another worker was faster
        os.mkdir(name, dir_fd=parent)
    return open_directory(name, parent)
