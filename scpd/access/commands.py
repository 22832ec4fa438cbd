"""The commands of spawn and aclexec: /bin/sh -c, in a session of its own, with nothing of ours but the environment.

Its descriptors 0 to 2 are /dev/null: those of a worker may be the client's connection.  A command has `seconds`; then
it is ended, with all that is in its process group.  When the shell ends, what it has left in the group is ended too:
what is to go on while the client is served ends in `&`, and has `seconds` as well, by a process that watches over it
and is not the worker's child.  A signal to the worker ends what the worker waits for.

Values from the network are reduced to safe characters by `expansion`; this module takes commands as they are.  To be
used by workers, before they are confined.
"""

from __future__ import annotations

import os
import select
import signal
from contextlib import suppress
from time import monotonic

from scpd.access.options import NICE, SETENV, UMASK
from scpd.process import exitcodes, signals
from scpd.process.fork import spawn
from scpd.process.proc import open_watch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from scpd.access.verdict import Action
    from scpd.process.signals import Wakeup

_SHELL = "/bin/sh"
_NOT_RUN = 126  # by the shell: no such command, or one that cannot be run, from here on


class Commands:
    """Runs the commands of one verdict."""

    __slots__ = ("_environment", "_kept", "_seconds", "_wakeup")

    def __init__(
        self,
        wakeup: Wakeup,
        seconds: float = 10.0,
        kept: tuple[int, ...] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._wakeup = wakeup
        self._seconds = seconds
        self._kept = kept  # the log's, for a child that fails before it is the command
        self._environment = os.environ if environment is None else environment

    def aclexec(self, command: str, before: Iterable[Action] = ()) -> bool | None:
        """Run a command and wait; tell whether it ended with 0; `None` if it was not run, or did not end by itself.

        `before` are the actions of the rule that stand before it; its environment, umask and niceness are by them.
        """
        try:
            code = self._run(command, tuple(before))
        except OSError:
            return None
        return None if code is None or code < 0 or code >= _NOT_RUN else code == 0

    def spawn(self, command: str, before: Iterable[Action] = ()) -> bool:
        """Run a command, and wait for it unless it ends in `&`; `False` if there could be no process for it."""
        alone = command.rstrip()
        try:
            if alone.endswith("&") and not alone.endswith("&&"):
                return self._run_beside(alone[:-1], tuple(before))
            self._run(command, tuple(before))
        except OSError:
            return False
        return True

    def _run(self, command: str, before: tuple[Action, ...]) -> int | None:
        """Give the exit status of the shell, negative for a signal; `None` if it had to be ended.

        Raises `OSError` if there can be no process for it.
        """
        deadline = monotonic() + self._seconds
        pid = spawn(lambda: self._be(command, before), self._wakeup, self._kept)
        watch = open_watch(pid)
        try:
            has_ended = watch >= 0 and self._wait(watch, deadline)
        finally:
            status = os.waitpid(pid, 0 if _end(pid) else os.WNOHANG)[1]
            if watch >= 0:
                os.close(watch)
        return os.waitstatus_to_exitcode(status) if has_ended else None

    def _run_beside(self, command: str, before: tuple[Action, ...]) -> bool:
        """Have a process of its own wait for the command; the one between leaves at once, so that we need not.

        If the last of the three processes cannot be, the one that would wait for it ends by that, which is logged.
        """

        def watch_over() -> int:
            self._run(command, before)
            return exitcodes.OK

        def leave() -> int:
            try:
                spawn(watch_over, self._wakeup, self._kept)
            except OSError:
                return exitcodes.FAILED
            return exitcodes.OK

        pid = spawn(leave, self._wakeup, self._kept)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == exitcodes.OK

    def _wait(self, watch: int, deadline: float) -> bool:
        """Tell whether the process that is watched ends before `deadline`, and before a signal comes."""
        poll = select.poll()
        poll.register(watch, select.POLLIN)
        poll.register(self._wakeup, select.POLLIN)
        ready = [] if self._wakeup.signalled else poll.poll(max(deadline - monotonic(), 0.0) * 1000)
        return any(descriptor == watch for descriptor, _ in ready)

    def _be(self, command: str, before: tuple[Action, ...]) -> int:
        """Be the child: leave everything of the worker behind, and become the command."""
        os.setsid()
        environment = {**self._environment, **dict(_variables(before))}
        for action in before:
            if action.keyword == UMASK and isinstance(action.value, int):
                os.umask(action.value)
            elif action.keyword == NICE and isinstance(action.value, int):
                with suppress(OSError):  # less nice than we are: as libwrap, go on
                    os.nice(action.value)
        null = os.open(os.devnull, os.O_RDWR)
        for number in range(3):
            os.dup2(null, number)
        signals.reset()
        with suppress(OSError, ValueError):  # too long, or no shell; all descriptors of ours are closed by it
            os.execve(_SHELL, ("sh", "-c", command), environment)  # noqa: S606 - a shell is what the rule asks for
        return _NOT_RUN


def _variables(actions: Iterable[Action]) -> Iterable[tuple[str, str]]:
    for action in actions:
        if action.keyword == SETENV and isinstance(action.value, tuple):
            yield action.value


def _end(pid: int) -> bool:
    """End a child that was not reaped, so that the number is its own, and its group, if it has one already.

    `False` if that is not allowed, since it has become somebody else, by sudo(8) say: then it has ended or it goes on.
    """
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
    try:
        os.kill(pid, signal.SIGKILL)
    except PermissionError:
        return False
    return True
