"""The door for scpctl(8): a Unix socket that only the daemon's user and root can open.

    /run/scpd/PORT.sock                  where the service manager, or the administrator, has made that directory for us
    LOCK-DIRECTORY/control-PORT.sock     elsewhere

PORT is that of the first listener.  A socket that nobody listens at is left over, and replaced; where another daemon
does (of the same port at another address) the name is PORT-2 and so on.  The socket has mode 0600 from the moment on at
which it is there.  It is removed at the end, if it still is this one.

A program that takes the master's place has the descriptor and the path, and goes on.  Raises `OSError`.
"""

from __future__ import annotations

import errno
import os
import socket
import stat
from contextlib import suppress

from scpd.process import unixsocket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

RUNTIME_DIRECTORY = "/run/scpd"
ENDING = ".sock"
PREFIX = "control-"  # in a directory that is not only for this
_BACKLOG = 128
_MOST_OF_A_PORT = 9
_ALL_BUT_OURS = 0o177


class Door:
    """A socket that listens at a path."""

    __slots__ = ("_directory", "_inode", "path", "sock")

    def __init__(self, sock: socket.socket, path: str, directory: int) -> None:
        self.sock = sock
        self.path = path
        self._directory = directory
        self._inode = self._there()

    def fileno(self) -> int:
        """Give the descriptor of the socket."""
        return self.sock.fileno()

    def close(self) -> None:
        """Close it, and remove what is ours; raises nothing."""
        if self._inode is not None and self._there() == self._inode:
            with suppress(OSError):
                os.unlink(os.path.basename(self.path), dir_fd=self._directory)
        self.sock.close()
        with suppress(OSError):
            os.close(self._directory)

    def _there(self) -> tuple[int, int] | None:
        try:
            found = os.stat(os.path.basename(self.path), dir_fd=self._directory, follow_symlinks=False)
        except OSError:
            return None
        return found.st_dev, found.st_ino


def open_door(directory: str, stem: str) -> Door:
    """Listen in a directory, at `stem` with its ending or the next one that is free."""
    for number in range(1, _MOST_OF_A_PORT + 1):
        name = stem if number == 1 else f"{stem}-{number}"
        path = os.path.abspath(f"{directory}/{name}{ENDING}")
        parent = unixsocket.open_directory_of(path)
        try:
            if _is_free(path):
                return Door(_listen(unixsocket.address(path, parent)), path, parent)
        except BaseException:
            os.close(parent)
            raise
        os.close(parent)
    raise OSError(errno.EADDRINUSE, "others listen at all names for this port", directory)


def inherit_door(descriptor: int, path: str) -> Door:
    """Give the door that an earlier program of this process has opened; it can be had again if we fail."""
    sock = socket.socket(fileno=os.dup(descriptor))
    sock.setblocking(False)
    sock.set_inheritable(False)
    return Door(sock, path, unixsocket.open_directory_of(path))


def first_usable(directories: Sequence[str]) -> str:
    """Give the first of these directories in which we may make something, "" if there is none."""
    for each in directories:
        if os.path.isdir(each) and os.access(each, os.W_OK | os.X_OK, effective_ids=True):
            return each
    return ""


def _is_free(path: str) -> bool:
    """Tell whether nothing has this name, having removed a socket that nobody listens at."""
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return True
    if not stat.S_ISSOCK(mode) or unixsocket.is_listening(path):
        return False
    with suppress(FileNotFoundError):
        os.unlink(path)
    return True


def _listen(address: str) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    umask = os.umask(_ALL_BUT_OURS)
    try:
        sock.bind(address)
        sock.listen(_BACKLOG)
        sock.setblocking(False)
    except OSError:
        sock.close()
        raise
    finally:
        os.umask(umask)
    return sock
