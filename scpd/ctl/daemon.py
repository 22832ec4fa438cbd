"""A running daemon, asked by its control socket: where that is, one word, one answer.

The socket is the one that is named, or that of a lock directory, or else the only one in /run/scpd at which a daemon
listens.
"""

from __future__ import annotations

import glob
import json
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from scpd.ctl.lockdir import complain
from scpd.log.escape import escape
from scpd.master.door import ENDING, PREFIX, RUNTIME_DIRECTORY
from scpd.process import unixsocket

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
    if options.socket is not None:
        return str(options.socket)
    if options.lock_directory is not None:
        return _only(options.lock_directory, PREFIX)
    if options.output_directory is not None:
        return _only(os.path.join(options.output_directory, ".scpd"), PREFIX)
    return _only(RUNTIME_DIRECTORY, "")


def _only(directory: str, prefix: str) -> str:
    if not os.path.isdir(directory):
        raise NoAnswer(
            f"no daemon listens in {directory}, which is no directory: name its --socket, or by -od where it stores"
        )
    if not os.access(directory, os.R_OK | os.X_OK, effective_ids=True):
        raise NoAnswer(f"cannot look into {directory}: Permission denied")
    pattern = os.path.join(glob.escape(directory), f"{prefix}*{ENDING}")
    listening = [path for path in sorted(glob.glob(pattern)) if _may_listen(path)]
    if len(listening) == 1:
        return listening[0]
    if listening:
        raise NoAnswer(f"several daemons: say which by --socket: {', '.join(listening)}")
    raise NoAnswer(f"no daemon listens in {directory}")


def _may_listen(path: str) -> bool:
    """Tell whether a socket is not just left over; one that we may not use is somebody's."""
    try:
        unixsocket.connect(path, _CONNECT_SECONDS).close()
    except (FileNotFoundError, ConnectionRefusedError):
        return False
    except OSError:
        return True
    return True
