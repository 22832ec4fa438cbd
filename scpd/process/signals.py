"""Signals as the loops of scpd's processes see them: numbers that make a poll return.

Python's C handler writes the signal's number into a pipe (`signal.set_wakeup_fd`), which the process polls beside
its sockets; no decision is ever made inside a handler.  A child hears SIGTERM only: a terminal or systemd sends SIGINT
and SIGHUP to the whole group, and a worker finishes its association all the same.  Source: signal-safety(7).

A master's children learn of his death by `ORPHANED`, which the kernel sends them: then they have a grace period to
finish what they do, after which it is as if SIGTERM had come, and what does not end then is killed.
"""

from __future__ import annotations

import signal
from os import O_CLOEXEC, O_NONBLOCK, getpid, getppid, kill, pipe2, read, write
from signal import set_wakeup_fd

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from signal import (
        ITIMER_REAL,
        SIG_BLOCK,
        SIG_DFL,
        SIG_SETMASK,
        SIG_UNBLOCK,
        SIGALRM,
        SIGRTMIN,
        pthread_sigmask,
        setitimer,
    )
    from signal import signal as handle
    from types import FrameType
else:
    # `signal` itself makes an enumeration member of each signal in the mask that was: three times a fork, some 20
    # pages that a fresh worker copies.
    from _signal import (
        ITIMER_REAL,
        SIG_BLOCK,
        SIG_DFL,
        SIG_SETMASK,
        SIG_UNBLOCK,
        SIGALRM,
        SIGRTMIN,
        pthread_sigmask,
        setitimer,
    )
    from _signal import signal as handle

_PIPE = O_NONBLOCK | O_CLOEXEC

# Whom which signal wakes.  A child keeps the others blocked, and so never hears them.
MASTER = (
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGHUP,
    signal.SIGCHLD,
    signal.SIGUSR1,
    signal.SIGUSR2,
)
CHILD = (signal.SIGTERM,)
# What nobody else sends.
ORPHANED = SIGRTMIN

# What a child without a master has to leave when its grace period is over, before it is killed.
_LEAVE_SECONDS = 3.0
_AT_ONCE = 0.001  # as a timer has it: 0 would be never

# Why a child has to end.
_STOPPED = "stopped by the administrator"
_OUTLIVED = "the master died and the grace period ended"


class Wakeup:
    """A pollable object that becomes readable when a heard signal arrives; `signalled` says so without a call.

    With `grace`, in seconds, the children of the process that makes it learn of its death and end so long after it.
    `cause` says which of the two it is, once a child is `signalled`.
    """

    __slots__ = (
        "_grace",
        "_master",
        "_reader",
        "_signal_at_death_of_parent",
        "_writer",
        "cause",
        "signalled",
    )

    def __init__(self, grace: float | None = None) -> None:
        self._reader = self._writer = -1
        self._grace, self._master = 0.0, 0
        self.cause = _STOPPED
        self.renew()
        if grace is not None:
            from scpd.process import prctl  # and with it ctypes, for which an inetd start has no time

            self._grace, self._master = grace, getpid()
            self._signal_at_death_of_parent = prctl.signal_at_death_of_parent
        for number in MASTER:
            if not _is_ignored_by_inheritance(number):
                signal.signal(number, self._heard)

    def renew(self) -> None:
        """Forget what came and take a new pipe: in a forked child, whose old one was closed and is its parent's."""
        self.signalled = False
        self._reader, self._writer = pipe2(_PIPE)
        set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        master = self._master
        if master:
            self._master = 0  # our own children are not his
            self._outlive(master)

    def _outlive(self, master: int) -> None:
        """Have the kernel tell us when the master has died; he may have by now."""
        handle(ORPHANED, self._orphaned)
        handle(SIGALRM, self._time_is_over)
        self._signal_at_death_of_parent(ORPHANED)
        if getppid() != master:
            kill(getpid(), ORPHANED)

    def _orphaned(self, number: int, frame: FrameType | None) -> None:
        """Handler: begin the grace period, and nobody is woken for that."""
        del frame
        setitimer(ITIMER_REAL, self._grace or _AT_ONCE)
        try:
            others = bytes(each for each in read(self._reader, 4096) if each != number)
            if others:
                write(self._writer, others)
        except BlockingIOError:
            return

    def _time_is_over(self, number: int, frame: FrameType | None) -> None:
        """Handler: the grace period is over; another signal of this kind is the end."""
        del number, frame
        handle(SIGALRM, SIG_DFL)
        setitimer(ITIMER_REAL, _LEAVE_SECONDS)
        self.cause = _OUTLIVED
        self.signalled = True

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


def hold(numbers: tuple[int, ...] = MASTER) -> set[int]:
    """Block these signals: around a fork all that a master hears, so that none meant for the child reaches our pipe.

    Gives the mask that was, for `restore`.
    """
    return pthread_sigmask(SIG_BLOCK, numbers)


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
