"""The pid file: who runs here, for scripts; and that nobody runs twice, by a lock on it.

The lock is the kernel's (`process.locks`), not the file's existence: what a killed daemon left is no obstacle to the
next one.  The file is opened, locked and emptied while we may write there still, and written when the number is known;
at the end, also of a start that fails, it is removed if it is still ours, or emptied where we may not remove it.

It may be root who opens it where others may write: so nothing is opened but a file, and none that has a second name,
which could be the first one of a file that is worth more.

A crash leaves the file with a number that is nobody's, unlocked.  Raises `StartError`.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress

from scpd.errors import StartError
from scpd.process.locks import is_at, lock

_FLAGS = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_LONGEST = 20
_HELD = 0  # the byte that is locked
_MOST_TRIES = 20


class PidFile:
    """A pid file that is ours."""

    __slots__ = ("_descriptor", "_directory", "_name", "_path")

    def __init__(self, path: str, held: tuple[int, int] | None = None) -> None:
        """Open and lock it; the path counts from where we are now.

        What the program before us `held` is what it gave as its `descriptors`.
        """
        folder, self._name = os.path.split(path)
        self._path = path
        if held is not None:
            self._descriptor, self._directory = held
            return
        try:
            self._directory = os.open(folder or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            self._descriptor = self._locked(path)
        except OSError as error:
            raise StartError(f"cannot write pid file: {path}: {error.strerror}") from None

    def _locked(self, path: str) -> int:
        for _ in range(_MOST_TRIES):
            descriptor = os.open(self._name, _FLAGS, 0o644, dir_fd=self._directory)
            try:
                self._take(descriptor)
                if is_at(descriptor, self._name, self._directory):
                    os.ftruncate(descriptor, 0)
                    return descriptor
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)  # its holder removed it between our two steps
        raise StartError(f"cannot write pid file: {path}: it vanishes whenever it is made")

    def _take(self, descriptor: int) -> None:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
            raise StartError(f"cannot write pid file: {self._path}: it is no file, or one with several names")
        if not lock(descriptor, _HELD):
            holder = os.pread(descriptor, _LONGEST, 0).strip().decode("ascii", "replace")
            raise StartError(
                f"another process runs already: {self._path} is held by "
                f"{holder if holder.isdigit() else 'one that is just starting'}"
            )

    def descriptors(self) -> tuple[int, ...]:
        """Give what must stay open."""
        return self._descriptor, self._directory

    def write(self) -> None:
        """Write the number of this process."""
        try:
            os.pwrite(self._descriptor, b"%d\n" % os.getpid(), 0)
        except OSError as error:
            raise StartError(f"cannot write pid file: {self._path}: {error.strerror}") from None

    def remove(self) -> None:
        """Remove it, or empty it, unless it names another process, or somebody has put another one there.

        Raises nothing.
        """
        with suppress(OSError):
            if os.pread(self._descriptor, _LONGEST, 0) not in (b"", b"%d\n" % os.getpid()):
                return
            os.ftruncate(self._descriptor, 0)
            if is_at(self._descriptor, self._name, self._directory):
                os.unlink(self._name, dir_fd=self._directory)
