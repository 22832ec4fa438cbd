"""A running daemon, asked by its control socket: where that is, one word, one answer.

The socket is the one that is named, or that of a lock directory, or else the only one in the runtime directory at which
a daemon listens: that of the unit that runs us, or /run/scpd.  Of several a port or a pid file says which.
"""

from __future__ import annotations

import glob
import json
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from scpd.ctl.lockdir import complain
from scpd.log.escape import escape
from scpd.master.door import ENDING, PREFIX
from scpd.process import unixsocket
from scpd.status_policies import runtime_directory

if TYPE_CHECKING:
    import socket
    from argparse import Namespace

_MOST_BYTES = 1 << 26
_PIECE = 1 << 16
_CONNECT_SECONDS = 5.0


class NoAnswer(Exception):
    """Why there is none, in one line."""


def ask(options: Namespace, word: str, timeout: float) -> dict[str, Any] | None:
    """Give the answer of the daemon that the options name; `None`, and a line on standard error, if there is none."""
    try:
        return _ask(_find(options), word, timeout)
    except NoAnswer as error:
        complain(escape(str(error)))
        return None


def _ask(path: str, word: str, timeout: float) -> dict[str, Any]:
    try:
        sock = unixsocket.connect(path, _CONNECT_SECONDS)
    except (FileNotFoundError, ConnectionRefusedError):
        raise NoAnswer(f"no daemon listens at {path}") from None
    except OSError as error:
        raise NoAnswer(f"cannot ask the daemon at {path}: {error.strerror or error}") from None
    with sock:
        sock.settimeout(timeout)
        try:
            said = _say_and_hear(sock, word)
        except OSError as error:
            raise NoAnswer(f"no answer from the daemon at {path}: {error.strerror or error}") from None
    return _understood(said, path)


def _say_and_hear(sock: socket.socket, word: str) -> bytes:
    # Whoever may not ask is answered before he has said anything.
    with suppress(BrokenPipeError):
        sock.sendall(f"{word}\n".encode("ascii"))
    said = bytearray()
    with suppress(ConnectionResetError):
        while len(said) < _MOST_BYTES and (piece := sock.recv(_PIECE)):
            said += piece
    return bytes(said)


def _understood(said: bytes, path: str) -> dict[str, Any]:
    try:
        answer = json.loads(said)
    except ValueError:
        raise NoAnswer(f"no answer from the daemon at {path}") from None
    if not isinstance(answer, dict):
        raise NoAnswer(f"no answer from the daemon at {path}")
    if "error" in answer:
        raise NoAnswer(f"the daemon at {path} says: {answer['error']}")
    return answer


def _find(options: Namespace) -> str:
    """Give the path of the one socket that is meant."""
    which = _Wanted.of(options)
    if options.socket is not None:
        return str(options.socket) if which is None else _only([options.socket], "at that socket", which)
    directory, prefix = _directory(options)
    return _only(_sockets(directory, prefix), f"in {directory}", which)


class _Wanted:
    """Of several daemons the one of a port, or of a process id; `words` say which."""

    def __init__(self, words: str, port: int | None, pid: int | None) -> None:
        self.words = words
        self._port = port
        self._pid = pid

    @classmethod
    def of(cls, options: Namespace) -> _Wanted | None:
        if options.port is not None:
            return cls(f"with port {options.port}", options.port, None)
        if options.pidfile is not None:
            pid = _pid_in(options.pidfile)
            return cls(f"with process id {pid}", None, pid)
        return None

    def is_it(self, path: str, pid: int) -> bool:
        """Tell whether the daemon of this process id, which listens at this path, is meant."""
        if self._port is None:
            return pid == self._pid
        stem = os.path.basename(path).removeprefix(PREFIX).removesuffix(ENDING)
        return stem.partition("-")[0] == str(self._port)


def _pid_in(path: str) -> int:
    try:
        with open(path, "rb") as file:
            return int(file.read(32))
    except OSError as error:
        raise NoAnswer(f"cannot read {path}: {error.strerror}") from None
    except ValueError:
        raise NoAnswer(f"{path} has no process id") from None


def _directory(options: Namespace) -> tuple[str, str]:
    """Give the directory of the sockets, and how their names begin there."""
    if options.lock_directory is not None:
        return options.lock_directory, PREFIX
    if options.output_directory is not None:
        return os.path.join(options.output_directory, ".scpd"), PREFIX
    return runtime_directory(os.environ), ""


def _sockets(directory: str, prefix: str) -> list[str]:
    if not os.path.isdir(directory):
        raise NoAnswer(
            f"no daemon listens in {directory}, which is no directory: name its --socket, or by -od where it stores"
        )
    if not os.access(directory, os.R_OK | os.X_OK, effective_ids=True):
        raise NoAnswer(f"cannot look into {directory}: Permission denied")
    return sorted(glob.glob(os.path.join(glob.escape(directory), f"{prefix}*{ENDING}")))


def _only(paths: list[str], where: str, which: _Wanted | None) -> str:
    """Give the one of these sockets at which the daemon that is meant listens."""
    listening = {path: pid for path in paths if (pid := _listener(path)) is not None}
    meant = [path for path, pid in listening.items() if which is None or which.is_it(path, pid)]
    if len(meant) == 1:
        return meant[0]
    there = ", ".join(f"{path} (pid {listening[path] or 'unknown'})" for path in meant or listening)
    if meant:
        raise NoAnswer(f"several daemons listen {where}, say which by --port, --pidfile or --socket: {there}")
    none = f"no daemon {which.words} listens {where}" if which is not None else f"no daemon listens {where}"
    raise NoAnswer(f"{none}, but {there}" if there else none)


def _listener(path: str) -> int | None:
    """Give the process id of who listens at a socket, `None` if it is just left over.

    One that we may not use is somebody's, of whom nothing is known: 0.
    """
    try:
        with unixsocket.connect(path, _CONNECT_SECONDS) as sock:
            return unixsocket.credentials(sock)[0]
    except (FileNotFoundError, ConnectionRefusedError):
        return None
    except OSError:
        return 0
