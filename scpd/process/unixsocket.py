"""Unix sockets by path, however long that is.

A socket's address has room for 107 bytes (unix(7)); a directory may lie deeper.  Then its open descriptor stands for
it: /proc/self/fd/N/NAME.
"""

from __future__ import annotations

import os
import socket
from struct import Struct

MOST_BYTES = 107
_TIME = Struct("ll")  # struct timeval
_CREDENTIALS = Struct("3i")  # struct ucred of unix(7)


def address(path: str, directory: int) -> str:
    """Give the address of a socket; `directory` is the open one in which it lies."""
    if len(os.fsencode(path)) <= MOST_BYTES:
        return path
    return f"/proc/self/fd/{directory}/{os.path.basename(path)}"


def open_directory_of(path: str) -> int:
    """Open the directory in which a socket lies; raises `OSError`."""
    return os.open(os.path.dirname(path) or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


def connect(path: str, timeout: float) -> socket.socket:
    """Connect to whoever listens there, if need be after so many seconds; raises `OSError`."""
    directory = open_directory_of(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if timeout:
            # With a timeout of Python's own it would not wait for a place in the queue (connect(2), EAGAIN).
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _TIME.pack(int(timeout), 0))
        else:
            sock.setblocking(False)
        sock.connect(address(path, directory))
    except OSError:
        sock.close()
        raise
    finally:
        os.close(directory)
    return sock


def credentials(sock: socket.socket) -> tuple[int, int, int]:
    """Give process, user and group id of who connected, or of who began to listen; raises `OSError`."""
    found = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    process, user, group = _CREDENTIALS.unpack(found)
    return process, user, group


def is_listening(path: str) -> bool:
    """Tell whether somebody takes connections there, or would if he were not so busy."""
    try:
        connect(path, 0.0).close()
    except BlockingIOError:
        return True
    except OSError:
        return False
    return True
