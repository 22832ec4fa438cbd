"""Succession: a program that executes itself in place hands on what it has, and what runs next takes it over.

Process id, children, working directory and every descriptor that is meant to be inherited stay; all else is told in an
*estate*, in a file without a name.  The environment says where:

    SCPD_SUCCESSION=PID:DESCRIPTOR    for the process of this id; another one that sees the variable has nothing of it

An estate is a dictionary of what Python's literals can say, and written as one: that needs no module, and a master that
has given up its rights, or whose libraries are just being replaced, may not find another one.

The program that is to succeed is asked before, by a child, whether it could (--check-config): that one reads an estate
too, for what cannot change while associations run.  A successor that fails all the same, since something has changed in
between, has what it needs to try again; told to end meanwhile, to end well (`master.surrender`).  A service manager
hears why it waits, and that it lives.

What a crash leaves: until the kernel has been asked all is as before, and after that there is no way back.
"""

from __future__ import annotations

import os
import signal
import sys
from time import monotonic

from scpd.errors import StartError
from scpd.process import notify

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import MutableMapping
    from typing import Any

    from scpd.process.notify import Manager

    Estate = dict[str, Any]

VARIABLE = "SCPD_SUCCESSION"
# Of an estate: the numbers of all descriptors that go along.
DESCRIPTORS = "descriptors"

# Of what this module adds to one.
_UMASK, _IS_QUESTION, _COMMAND_FILES = "umask", "is_question", "command_files"

_AGAIN_SECONDS = 1.0
_CHECK = "--check-config"
# Whoever waits to try again is still asked to end by these.
_ENDS = (signal.SIGTERM, signal.SIGINT)


class Program:
    """This program, as it was started: it can be started again, by itself.

    `estate` is what the one before it in this process has left, `None` if there was none, or all of it is ours by now.
    `umask` is that of the first start, whatever those in between have made of it.  `command_files` has the texts of the
    files that the words name, for a successor that may not read them; whoever reads them changes it.  `failure` is why
    we cannot take over, as far as somebody has noted it.
    """

    __slots__ = ("_environment", "_words", "command_files", "estate", "failure", "umask")

    def __init__(
        self, environment: MutableMapping[str, str], pid: int, passing: tuple[str, ...] = ()
    ) -> None:
        """Take what was handed on to the process of this id; raises `StartError` if that cannot be read.

        Whoever succeeds gets this environment without the variables `passing`, which were meant for this start.
        """
        self.estate = _take(environment, pid)
        self.failure = ""
        self.umask = _umask() if self.estate is None else self.estate[_UMASK]
        before = {} if self.estate is None else self.estate.get(_COMMAND_FILES, {})
        self.command_files: dict[str, str] = {**before}
        self._words = (sys.executable, *sys.orig_argv[1:])
        self._environment = {name: value for name, value in environment.items() if name not in passing}

    def check(self, estate: Estate) -> None:
        """Be the program that tells whether it could succeed us; returns only by raising `OSError`.

        For a forked child: its standard error says what is wrong, its exit code is 0 if nothing is.
        """
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        self._execute({**estate, _IS_QUESTION: True}, (*self._words, _CHECK))

    def execute(self, estate: Estate) -> None:
        """Be the program that is there now; returns only by raising `OSError`.

        The caller holds back all signals that it hears: they reach the successor when it lets them in.
        """
        self._execute({**estate, _IS_QUESTION: False}, self._words)

    def is_asked(self) -> bool:
        """Tell whether we are asked whether we could succeed: then the last word is no word of a daemon."""
        return self.estate is not None and bool(self.estate[_IS_QUESTION])

    def has_to_succeed(self) -> bool:
        """Tell whether something would be lost if we ended now."""
        return self.estate is not None and not self.is_asked()

    def has_succeeded(self) -> None:
        """Note that all is taken over: it is not to be taken over anew."""
        self.estate = None

    def try_again(self) -> None:
        """Take over anew in a moment, as often as that may need; returns if we are told to end meanwhile."""
        manager = self.manager()
        while self.estate is not None and self._rest(manager):
            try:
                self.execute(self.estate)
            except OSError as error:  # the program is not there, for now
                self.failure = f"cannot execute the program: {error.strerror}"

    def manager(self) -> Manager | None:
        """Give the service manager that hears of this process; whoever takes over has one of his own."""
        return notify.take({**self._environment}, os.getpid())

    def _rest(self, manager: Manager | None) -> bool:
        """Wait a moment, and tell the service manager that we do and why; `False` if we are told to end meanwhile."""
        until, step = monotonic() + _AGAIN_SECONDS, _AGAIN_SECONDS
        if manager is not None:
            manager.tell(notify.status(f"cannot take over, trying again: {self.failure}"))
            step = manager.seconds_of_silence(step)
        while (left := until - monotonic()) > 0:
            if manager is not None:
                manager.tell(notify.WATCHDOG)
            if signal.sigtimedwait(_ENDS, min(step, left)) is not None:
                return False
        return True

    def _execute(self, estate: Estate, words: tuple[str, ...]) -> None:
        will = os.memfd_create("scpd-estate", os.MFD_CLOEXEC)
        handed = (will, *estate[DESCRIPTORS])
        try:
            with open(will, "wb", closefd=False) as file:
                own = {_UMASK: self.umask, _COMMAND_FILES: self.command_files}
                file.write(repr({**estate, **own}).encode())
            for number in handed:
                os.set_inheritable(number, True)
            os.execve(words[0], words, {**self._environment, VARIABLE: f"{os.getpid()}:{will}"})  # noqa: S606 - us
        finally:  # we are still there, and what our children execute shall not have all this
            for number in handed:
                os.set_inheritable(number, False)
            os.close(will)


def _take(environment: MutableMapping[str, str], pid: int) -> Estate | None:
    whose, _, number = environment.pop(VARIABLE, "").partition(":")
    if whose != str(pid):
        return None
    from ast import literal_eval  # who succeeds nobody has no use for it

    try:
        with open(int(number), "rb") as file:
            file.seek(0)
            estate: Estate = literal_eval(file.read().decode())
        for descriptor in estate[DESCRIPTORS]:
            os.set_inheritable(descriptor, False)
    except (OSError, ValueError, SyntaxError, LookupError, TypeError) as error:
        raise StartError(f"cannot take over what the program before it had: {error}") from None
    return estate


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask
