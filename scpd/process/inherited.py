"""The standard streams as a super-server gives them: each of the three is the peer's socket.

inetd, xinetd and systemd's `Accept=yes` start a program with the connection as descriptor 0, and mostly as 1 and 2 too:
whatever it prints is sent to the peer.  So the socket is moved away before the command line is read, and what is
printed goes to a file that only we can read, `/tmp/storescp_XXXXXX` as with storescp, removed at the end if it is
empty.  A stream that is something else than the socket, such as a wrapper's log or the journal, stays, and is taken for
the other one too.

A TCP socket as standard input is always taken for a peer, whatever the command line says; any other one, such as ssh's,
if the command line, or a command file that it names, has `--inetd`.
"""

from __future__ import annotations

import fcntl
import os
import socket
import stat
from contextlib import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_STDIN, _STDOUT, _STDERR = 0, 1, 2
_FIRST_OF_OURS = 3
_PREFIX = "/tmp/storescp_"  # noqa: S108 - made by O_EXCL, with a random name
_LETTERS = "abcdefghijklmnopqrstuvwxyz012345"  # 32: every value of five bits
_ATTEMPTS = 100
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
_NAMES = frozenset(("-id", "--inetd"))


class Output:
    """Where standard output and standard error go: a file of our own, or what was there (no path)."""

    __slots__ = ("_path",)

    def __init__(self, path: str = "") -> None:
        self._path = path

    def finish(self) -> None:
        """Remove the file if nothing was written; raises nothing."""
        with suppress(OSError):
            if self._path and not os.fstat(_STDERR).st_size:
                os.unlink(self._path)


class Inherited:
    """The peer's socket, and where output goes instead."""

    __slots__ = ("output", "sock")

    def __init__(self, sock: socket.socket, output: Output) -> None:
        self.sock = sock
        self.output = output


def take_over(words: Sequence[str]) -> Inherited | None:
    """Move the socket on standard input away from the standard streams; `None` if nobody there is a peer."""
    sock = socket.socket(fileno=fcntl.fcntl(_STDIN, fcntl.F_DUPFD_CLOEXEC, _FIRST_OF_OURS))
    if sock.family not in (socket.AF_INET, socket.AF_INET6) and not _asks_for_inetd(words):
        sock.close()
        return None
    others = [number for number in (_STDERR, _STDOUT) if not _is_same(number, sock.fileno())]
    output = Output()
    if not others:
        output = to_own_file()
    elif len(others) == 1:
        os.dup2(others[0], _STDOUT + _STDERR - others[0])
    _replace(_STDIN, os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC))
    return Inherited(sock, output)


def to_own_file() -> Output:
    """Let standard output and standard error be a new file, or nothing where none can be made."""
    path = ""
    try:
        descriptor, path = _make_file()
    except OSError:
        descriptor = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    # A new file gets the number of a stream that was closed.
    moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, _FIRST_OF_OURS)
    os.close(descriptor)
    os.dup2(moved, _STDOUT)
    _replace(_STDERR, moved)
    return Output(path)


def own_file() -> str:
    """Give the path of the file that `to_own_file` has made for standard error; empty if that is something else."""
    with suppress(OSError):
        path = os.readlink(f"/proc/self/fd/{_STDERR}")
        if path.startswith(_PREFIX):
            return path
    return ""


def is_log_file() -> bool:
    """Tell whether standard error is a file, which any process may hold for as long as it likes."""
    return stat.S_ISREG(os.fstat(_STDERR).st_mode)


def _is_same(descriptor: int, sock: int) -> bool:
    """Tell whether a standard stream is the peer's socket; one that is closed is as useless."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.fstat(sock))
    except OSError:
        return True


def _replace(number: int, descriptor: int) -> None:
    """Let a standard stream be what `descriptor` is, which is closed."""
    os.dup2(descriptor, number)
    os.close(descriptor)


def _make_file() -> tuple[int, str]:
    for _ in range(_ATTEMPTS):
        path = _PREFIX + "".join(_LETTERS[value % len(_LETTERS)] for value in os.urandom(6))
        with suppress(FileExistsError):
            return os.open(path, _FLAGS, 0o600), path
    raise FileExistsError(_PREFIX)


def _asks_for_inetd(words: Iterable[str]) -> bool:
    given = set(words)
    for word in words:
        if word[:1] == "@":
            given.update(_words_of_file(word[1:]))
    return not _NAMES.isdisjoint(given)


def _words_of_file(path: str) -> Sequence[str]:
    from scpd.cli import commandfile

    try:
        with open(path, "rb") as file:
            return commandfile.words(os.fsdecode(file.read()))
    except (OSError, ValueError):
        return ()  # the parser says what is wrong
