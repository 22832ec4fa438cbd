"""Signals as the loops of scpd's processes see them: numbers that make a poll return.

Python's C handler writes the signal's number into a pipe (`signal.set_wakeup_fd`), which the process polls beside
its sockets; no decision is ever made inside a handler.  A child hears SIGTERM only: a terminal or systemd sends SIGINT
and SIGHUP to the whole group, and a worker finishes its association all the same.  Source: signal-safety(7).
"""

from __future__ import annotations

import signal
from os import O_CLOEXEC, O_NONBLOCK, pipe2, read
from signal import set_wakeup_fd

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from signal import SIG_BLOCK, SIG_SETMASK, SIG_UNBLOCK, pthread_sigmask
    from types import FrameType
else:
    # `signal` itself makes an enumeration member of each signal in the mask that was: three times a fork, some 20
    # pages that a fresh worker copies.
    from _signal import SIG_BLOCK, SIG_SETMASK, SIG_UNBLOCK, pthread_sigmask

_PIPE = O_NONBLOCK | O_CLOEXEC

# Whom which signal wakes.  A child keeps the others blocked, and so never hears them.
MASTER = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD, signal.SIGUSR1)
CHILD = (signal.SIGTERM,)


class Wakeup:
    """A pollable object that becomes readable when a heard signal arrives; `signalled` says so without a call."""

    __slots__ = ("_reader", "_writer", "signalled")

    def __init__(self) -> None:
        self._reader = self._writer = -1
        self.renew()
        for number in MASTER:
            if not _is_ignored_by_inheritance(number):
                signal.signal(number, self._heard)

    def renew(self) -> None:
        """Forget what came and take a new pipe: in a forked child, whose old one was closed and is its parent's."""
        self.signalled = False
        self._reader, self._writer = pipe2(_PIPE)
        set_wakeup_fd(self._writer, warn_on_full_buffer=False)

    def fileno(self) -> int:
        """Give the descriptor to poll for reading."""
        return self._reader

    def take(self) -> Iterable[int]:
        """Give the numbers of the signals that came since the last call, in order, and forget them."""
        # Cleared first: a signal that comes while these are handled makes the next poll return.
        self.signalled = False
        try:
            return read(self._reader, 4096)
        except BlockingIOError:
            return ()

    def _heard(self, number: int, frame: FrameType | None) -> None:
        """Handler: note it, nothing else; the number is in the pipe already."""
        del number, frame
        self.signalled = True


def _is_ignored_by_inheritance(number: int) -> bool:
    """Tell whether nohup(1), or the shell of a background job, asked for this signal to pass unheard."""
    return number in (signal.SIGHUP, signal.SIGINT) and signal.getsignal(number) == signal.SIG_IGN


def hold() -> set[int]:
    """Block every signal that a master hears: around a fork, so that none meant for the child reaches our pipe.

    Gives the mask that was, for `restore`.
    """
    return pthread_sigmask(SIG_BLOCK, MASTER)


def restore(mask: set[int]) -> None:
    """Undo `hold`: what was blocked before it stays so, as in a worker that forks; what was held back arrives now."""
    pthread_sigmask(SIG_SETMASK, mask)


def let_in(numbers: tuple[int, ...]) -> None:
    """Unblock these signals, as a child does that was forked while all were held; what was held back arrives now."""
    pthread_sigmask(SIG_UNBLOCK, numbers)


def reset() -> None:
    """Leave nothing of ours to a program that is run: every signal has its default effect, and none is blocked."""
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_DFL)
    pthread_sigmask(SIG_SETMASK, ())
