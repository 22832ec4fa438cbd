"""Signals as the loops of scpd's processes see them: numbers that make a poll return.

Python's C handler writes the signal's number into a pipe (`signal.set_wakeup_fd`), which the process polls beside
its sockets; no decision is ever made inside a handler.  The tables below say which signals a kind of process hears
and which it ignores: a terminal or systemd sends SIGINT and SIGHUP to the whole group, and a worker finishes
its association all the same.  Source: signal-safety(7).
"""

from __future__ import annotations

import os
import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import FrameType

    Disposition = Callable[[int, FrameType | None], None] | signal.Handlers


class SignalTable:
    """Which signals a kind of process is woken by, and which it ignores; every other has its default action."""

    __slots__ = ("heard", "ignored")

    def __init__(self, heard: tuple[int, ...], ignored: tuple[int, ...]) -> None:
        self.heard = heard
        self.ignored = ignored


MASTER = SignalTable((signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD), ())
WORKER = SignalTable((signal.SIGTERM,), (signal.SIGINT, signal.SIGHUP))
SWEEPER = SignalTable((signal.SIGTERM,), (signal.SIGINT, signal.SIGHUP))

_ALL = frozenset(MASTER.heard + MASTER.ignored + WORKER.heard + WORKER.ignored)


class Wakeup:
    """A pollable object that becomes readable when a heard signal arrives; `signalled` says so without a call."""

    __slots__ = ("_reader", "_writer", "signalled")

    def __init__(self, table: SignalTable) -> None:
        self.signalled = False
        self._reader, self._writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        for number in _ALL:
            signal.signal(number, self._disposition(number, table))

    def fileno(self) -> int:
        """Give the descriptor to poll for reading."""
        return self._reader

    def take(self) -> Iterable[int]:
        """Give the numbers of the signals that came since the last call, in order, and forget them."""
        # Cleared first: a signal that comes while these are handled makes the next poll return.
        self.signalled = False
        try:
            return os.read(self._reader, 4096)
        except BlockingIOError:
            return ()

    def close(self) -> None:
        """Give the pipe back, in a forked child that makes a `Wakeup` of its own."""
        signal.set_wakeup_fd(-1)
        os.close(self._reader)
        os.close(self._writer)

    def _disposition(self, number: int, table: SignalTable) -> Disposition:
        if number in table.heard and not _is_ignored_by_inheritance(number):
            return self._heard
        is_ignored = number in table.ignored or _is_ignored_by_inheritance(number)
        return signal.SIG_IGN if is_ignored else signal.SIG_DFL

    def _heard(self, number: int, frame: FrameType | None) -> None:
        """Handler: note it, nothing else; the number is in the pipe already."""
        del number, frame
        self.signalled = True


def _is_ignored_by_inheritance(number: int) -> bool:
    """Tell whether nohup(1), or the shell of a background job, asked for this signal to pass unheard."""
    return number in (signal.SIGHUP, signal.SIGINT) and signal.getsignal(number) == signal.SIG_IGN


def hold() -> None:
    """Block every signal of the tables: around a fork, so that none meant for the child reaches our pipe."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _ALL)


def let_go() -> None:
    """Undo `hold`; what was held back arrives now."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _ALL)
