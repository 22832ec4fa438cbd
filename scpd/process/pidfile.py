"""The pid file: who runs here, for scripts; and that nobody runs twice, by a lock on it.

The lock is the kernel's (`process.locks`), not the file's existence: what a killed daemon left is no obstacle to the
next one.  The file is opened and locked while we may write there still, and written when the number is known; at the
end it is removed, or emptied where we may not do that any more.

A crash leaves the file with a number that is nobody's, unlocked.  Raises `StartError`.
"""

from __future__ import annotations

import os
from contextlib import suppress

from scpd.errors import StartError
from scpd.process.locks import is_at, lock

_FLAGS = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
_HELD = 0  # the byte that is locked
_MOST_TRIES = 20


class PidFile:
    """A pid file that is ours."""

    __slots__ = ("_descriptor", "_directory", "_name", "_owner")

    def __init__(self, path: str) -> None:
        """Open and lock it; the path counts from where we are now."""
        folder, self._name = os.path.split(path)
        self._owner = -1  # whoever wrote it removes it, and no child of his
        try:
            self._directory = os.open(folder or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            self._descriptor = self._locked(path)
        except OSError as error:
            raise StartError(f"cannot write pid file: {path}: {error.strerror}") from None

    def _locked(self, path: str) -> int:
        for _ in range(_MOST_TRIES):
            descriptor = os.open(self._name, _FLAGS, 0o644, dir_fd=self._directory)
            if not lock(descriptor, _HELD):
                holder = os.pread(descriptor, 20, 0).strip().decode("ascii", "replace")
                os.close(descriptor)
                raise StartError(f"another process runs already: {path} is held by {holder or 'it'}")
            if is_at(descriptor, self._name, self._directory):
                return descriptor
            os.close(descriptor)  # its holder removed it between our two steps
        raise StartError(f"cannot write pid file: {path}: it vanishes whenever it is made")

    def descriptors(self) -> tuple[int, ...]:
        """Give what must stay open."""
        return self._descriptor, self._directory

    def write(self) -> None:
        """Write the number of this process."""
        self._owner = os.getpid()
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{self._owner}\n".encode(), 0)

    def remove(self) -> None:
        """Remove it, or empty it; raises nothing."""
        if self._owner != os.getpid():
            return
        with suppress(OSError):
            os.ftruncate(self._descriptor, 0)
        with suppress(OSError):
            os.unlink(self._name, dir_fd=self._directory)
