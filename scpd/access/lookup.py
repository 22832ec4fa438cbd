"""The name of a peer's address, by a child of the worker that is ended when it takes too long.

getnameinfo(3) waits 10 s for a name server that does not answer, and no signal interrupts it.  So a child asks, and
the worker waits for its answer on a pipe, for at most `seconds`; then the child is killed.  In every case it is reaped
and its pipe is closed; of the worker's descriptors it keeps none but the pipe and the log's, and should the worker
itself be killed meanwhile, an alarm ends it.

A worker that is confined has no children and kills nobody.  So it asks before (`Question`), and takes the answer later,
if ever: that child ends by its alarm, or with the worker.

The name is what whoever runs that part of the DNS says: not verified, but of safe characters only.  To be called by
workers, never by the master.
"""

from __future__ import annotations

import os
import select
import signal
import socket
from contextlib import suppress
from functools import partial
from time import monotonic

from scpd.process import exitcodes
from scpd.process.fork import spawn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from scpd.process.signals import Wakeup

_LONGEST_NAME = 255  # RFC 1035 2.3.4
SAFE = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_")
_SANITISED = bytes(code if code in SAFE else 0x5F for code in range(256))


def resolve(address: str) -> str:
    """Ask the system for the name of a numeric address; raises `OSError` if it has none, and may take its time."""
    return socket.getnameinfo((address, 0), socket.NI_NAMEREQD)[0]


def host_name(
    address: str,
    wakeup: Wakeup,
    seconds: float = 2.0,
    ask: Callable[[str], str] = resolve,
    kept: tuple[int, ...] = (),
) -> str | None:
    """Give the name of a numeric address; `None` if there is none, none in time, no process, or a signal came.

    `ask` runs in the child, which keeps the descriptors `kept`, the log's.
    Raises nothing; signals stay blocked and unblocked as they were.
    """
    if wakeup.signalled:
        return None
    deadline = monotonic() + seconds
    try:
        reader, writer = os.pipe2(os.O_CLOEXEC)
    except OSError:
        return None
    try:
        child = _spawn(lambda: _answer(writer, address, ask, seconds), wakeup, writer, kept)
        if child is None:
            return None
        try:
            answer = _wait(reader, wakeup, deadline)
        finally:
            os.kill(child, signal.SIGKILL)  # it is ours until it is reaped, so the number is nobody else's
            os.waitpid(child, 0)
    finally:
        os.close(reader)
    return _sanitised(answer) or None


class Question:
    """What an address is called, asked at once of a child that has `seconds`; raises nothing."""

    __slots__ = ("_child", "_deadline", "_reader")

    def __init__(
        self,
        address: str,
        wakeup: Wakeup,
        kept: tuple[int, ...] = (),
        seconds: float = 2.0,
        ask: Callable[[str], str] = resolve,
    ) -> None:
        self._deadline = monotonic() + seconds
        self._child: int | None = None
        try:
            self._reader, writer = os.pipe2(os.O_CLOEXEC)
        except OSError:
            return
        worker = os.getpid()
        life = partial(_answer_in_time, worker, writer, address, ask, seconds)
        self._child = _spawn(life, wakeup, writer, kept)
        if self._child is None:
            os.close(self._reader)

    def answer(self, wakeup: Wakeup) -> str | None:
        """Give the name; `None` if there is none, none in time, no process, or a signal came.  To be called once."""
        child, self._child = self._child, None
        if child is None:
            return None
        try:
            answer = _wait(self._reader, wakeup, self._deadline)
        finally:
            os.close(self._reader)
            # Who has answered leaves at once; another one has an alarm, and is init's if we are gone by then.
            os.waitpid(child, 0 if answer else os.WNOHANG)
        return _sanitised(answer) or None


def _answer_in_time(worker: int, writer: int, address: str, ask: Callable[[str], str], seconds: float) -> int:
    """Be the child of a worker that cannot end us: it has done so by ending."""
    from scpd.process import prctl  # which whoever is confined has

    prctl.signal_at_death_of_parent(signal.SIGKILL)
    if os.getppid() != worker:  # it had ended before
        return exitcodes.OK
    return _answer(writer, address, ask, seconds)


def _spawn(role: Callable[[], int], wakeup: Wakeup, writer: int, kept: tuple[int, ...]) -> int | None:
    """Fork the child that is to write; close our copy of `writer` in any case."""
    try:
        return spawn(role, wakeup, (writer, *kept))
    except OSError:
        return None
    finally:
        os.close(writer)


def _answer(writer: int, address: str, ask: Callable[[str], str], seconds: float) -> int:
    """Be the child: ask, write the name, if there is one, and leave."""
    # Unhandled, so that the kernel ends us within getnameinfo too, if our worker is not there to do it.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    # ValueError: bytes that are no text, an address that is none.  Who says nothing says that there is no name.
    with suppress(OSError, ValueError):
        os.write(writer, ask(address).encode("utf-8", "replace")[:_LONGEST_NAME])
    return exitcodes.OK


def _wait(reader: int, wakeup: Wakeup, deadline: float) -> bytes:
    """Give what the child wrote; nothing if it wrote nothing, or not before `deadline`, or if a signal came first."""
    poll = select.poll()
    poll.register(reader, select.POLLIN)
    poll.register(wakeup, select.POLLIN)
    ready = poll.poll(max(deadline - monotonic(), 0.0) * 1000)
    if wakeup.signalled or not any(descriptor == reader for descriptor, _ in ready):
        return b""
    # One write of fewer bytes than PIPE_BUF: all of it, or the end of the file.
    return os.read(reader, _LONGEST_NAME)


def _sanitised(name: bytes) -> str:
    """Give the name in safe characters; no option of a command could begin as it does."""
    text = name.translate(_SANITISED).decode("ascii")
    return "_" + text[1:] if text.startswith("-") else text
