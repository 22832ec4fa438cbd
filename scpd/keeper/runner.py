"""A command's runner: a small process that starts one command, waits for it, and outlives the keeper.

    keeper
      runner                 session of its own; reads the command's stderr, knows when its time is over
        /bin/sh -c COMMAND   session and process group of its own

The command has the daemon's working directory and stdout; nothing comes in by its stdin; its stderr is a pipe, from
which the runner passes everything on to the daemon's.  It has no other descriptor, and the signals of a program that
was just started.

The runner's part of scpd_studies(7), running 3 to 4:

1. The command's process writes JOB.run, and becomes the command.  (Killed before: no JOB.run, and nothing was run.)
   If JOB.run is there already, the job is run by somebody else, and this one leaves.
2. It ends, or gets SIGTERM when its time is over, and SIGKILL 5 s later, both with its whole process group.
3. The runner writes JOB.end and wakes the keeper.  (Killed before: the keeper sees what became of the process that
   JOB.run names; nobody knows how that ended, so the job is run again.)  As long as there is no room for that file it
   tries again: a command whose end is not on record would be run again.
4. The runner reads on until nobody has that pipe any more: what a command leaves in the background must not die of it.

SIGTERM does not end a runner: a command is not interrupted because the daemon is.
"""

from __future__ import annotations

import errno
import logging
import os
import select
import signal
from contextlib import suppress
from time import monotonic, sleep

from scpd.keeper import runfiles
from scpd.keeper.runfiles import End, StrangeFileError, Trace
from scpd.process import exitcodes, proc, signals
from scpd.process.fork import spawn
from scpd.process.streams import Stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from scpd.process.signals import Wakeup

# In the environment of each command: the name of its job.
JOB_VARIABLE = "SCPD_JOB"
KILL_SECONDS = 5.0

_SHELL = "/bin/sh"
_STDIN, _STDERR = 0, 2
_PIECE = 1 << 16
_MOST_PIECES = 16  # at one go: more than fits into a pipe
_RETRY_SECONDS = 1.0
_GROUP_SECONDS = 0.05
_LONGEST_POLL = 1 << 30  # milliseconds; poll(2) takes an int
# What passes when somebody makes room.
_FULL = frozenset((errno.ENOSPC, errno.EDQUOT))
_NOT_RUN = 126  # the exit code of a shell that cannot run a program

log = logging.getLogger("dcmtk.apps.storescp")


class Launcher:
    """What all commands of a keeper have in common.

    `directory` is `running/`, `wake` a descriptor that does not block and wakes the keeper, `show` sets the title of a
    process, and `timeout_seconds` is how long a command may run; `kill_seconds` later it is killed.
    """

    __slots__ = ("_show", "_wakeup", "directory", "kill_seconds", "timeout_seconds", "wake")

    def __init__(
        self,
        directory: int,
        wake: int,
        wakeup: Wakeup,
        show: Callable[[str], None],
        timeout_seconds: float | None = None,
        kill_seconds: float = KILL_SECONDS,
    ) -> None:
        self.kill_seconds = kill_seconds
        self.directory = directory
        self.wake = wake
        self.timeout_seconds = timeout_seconds
        self._wakeup = wakeup
        self._show = show

    def launch(self, job: str, command: str, environment: dict[str, str]) -> int:
        """Start a runner for a command, and give its process id; raises `OSError` if there can be no process."""
        # Encoded here: what cannot be is the caller's affair, not that of a process nobody sees.
        arguments = [_SHELL.encode(), b"-c", _encoded(command)]
        variables = {_encoded(name): _encoded(value) for name, value in environment.items()}

        def execute() -> None:
            os.execve(_SHELL, arguments, variables)  # noqa: S606 - it is the shell

        def become_command(stderr: int, trace: Trace) -> int:
            return _become(self.directory, job, trace, stderr, execute)

        def run() -> int:
            os.setsid()
            self._show(f"runner of {job}")
            signals.let_in((signal.SIGCHLD,))
            reader, writer = os.pipe()
            trace = _trace_of_runner()
            pid = spawn(lambda: become_command(writer, trace), self._wakeup, (self.directory, writer))
            os.close(writer)
            return _Watch(self, job, pid, reader, self._wakeup).run()

        return spawn(run, self._wakeup, (self.directory, self.wake))


def _encoded(text: str) -> bytes:
    try:
        return os.fsencode(text)
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace")


def _trace_of_runner() -> Trace:
    pid = os.getpid()
    found = proc.look_up(pid)
    start = found.start_time if found else 0
    return Trace(0, 0, pid, start, int(monotonic() * 1000))


def _become(directory: int, job: str, trace: Trace, stderr: int, execute: Callable[[], None]) -> int:
    """The life of the command's process until it becomes the command."""
    os.setsid()
    os.dup2(os.open(os.devnull, os.O_RDONLY), _STDIN)
    os.dup2(stderr, _STDERR)
    trace.pid = os.getpid()
    found = proc.look_up(trace.pid)
    trace.start = found.start_time if found else 0
    data = trace.encode(proc.boot_id())
    while True:
        try:
            runfiles.write_trace(directory, job, data)
            break
        except FileExistsError:
            return exitcodes.OK  # somebody else runs it
        except OSError as error:
            if error.errno not in _FULL:
                log.error("cannot run command %s: %s", job, error)
                return _NOT_RUN
            sleep(_RETRY_SECONDS)
    signals.reset()
    try:
        execute()
    except OSError as error:
        os.write(_STDERR, f"cannot run {_SHELL}: {error.strerror}\n".encode())
    return _NOT_RUN


class _Watch:
    """The runner's loop, from the command's start to the end of its stderr."""

    __slots__ = (
        "_begin",
        "_end",
        "_is_told",
        "_job",
        "_kill_at",
        "_launcher",
        "_poll",
        "_reader",
        "_status",
        "_stream",
        "_tail",
        "_wakeup",
    )

    def __init__(self, launcher: Launcher, job: str, pid: int, reader: int, wakeup: Wakeup) -> None:
        self._launcher = launcher
        self._job = job
        found = proc.look_up(pid, even_dead=True)
        self._end = End(pid, found.start_time if found else 0)
        self._begin = monotonic()
        self._kill_at: float | None = None  # once its time is over and as long as its group is there
        self._status: int | None = None
        self._is_told = False
        self._stream = Stream(_STDERR)
        self._tail = b""
        self._reader = reader
        os.set_blocking(reader, False)
        self._wakeup = wakeup
        self._poll = select.poll()
        self._poll.register(reader, select.POLLIN)
        self._poll.register(wakeup, select.POLLIN)

    def run(self) -> int:
        """Live to the end; give the exit code."""
        while not self._is_told or self._reader >= 0:
            self._poll.poll(self._milliseconds())
            self._wakeup.take()
            if self._status is None:
                self._ask()
            self._pass_on()
            now = monotonic()
            self._enforce(now)
            if not self._is_told and self._status is not None and self._kill_at is None:
                self._tell()
        return exitcodes.OK

    def _milliseconds(self) -> int | None:
        """How long there is nothing to do unless somebody wakes us."""
        if self._is_told:
            return None
        if self._status is not None:
            return int((_GROUP_SECONDS if self._kill_at is not None else _RETRY_SECONDS) * 1000)
        due = self._kill_at
        if due is None and not self._end.timed_out and self._launcher.timeout_seconds is not None:
            due = self._begin + self._launcher.timeout_seconds
        return None if due is None else max(0, min(int((due - monotonic()) * 1000) + 1, _LONGEST_POLL))

    def _ask(self) -> None:
        """See whether the command has ended."""
        pid, status = os.waitpid(self._end.pid, os.WNOHANG)
        if pid:
            self._status = status
            self._end.code = os.waitstatus_to_exitcode(status)
            self._end.milliseconds = int((monotonic() - self._begin) * 1000)

    def _pass_on(self) -> None:
        """Pass on what there is of the command's stderr."""
        for _ in range(_MOST_PIECES if self._reader >= 0 else 0):
            try:
                data = os.read(self._reader, _PIECE)
            except BlockingIOError:
                return
            if not data:
                self._poll.unregister(self._reader)
                os.close(self._reader)
                self._reader = -1
                return
            self._stream.write(data)
            self._tail = (self._tail + data)[-runfiles.STDERR_KEPT :]

    def _enforce(self, now: float) -> None:
        """End the command and its group when its time is over."""
        timeout = self._launcher.timeout_seconds
        if self._kill_at is None:
            is_over = timeout is not None and now >= self._begin + timeout
            if is_over and self._status is None and not self._end.timed_out:
                self._end.timed_out = True
                self._kill_at = now + self._launcher.kill_seconds
                self._signal_group(signal.SIGTERM)
        elif now >= self._kill_at:
            self._signal_group(signal.SIGKILL)
            self._kill_at = None
        elif self._status is not None and not self._signal_group(0):
            self._kill_at = None

    def _signal_group(self, number: int) -> bool:
        """Signal the command's group; `False` if nobody is left there.

        Nobody else gets its number while somebody is left; and when its last one has gone, we see that before the
        numbers have gone round.
        """
        try:
            os.killpg(self._end.pid, number)
        except ProcessLookupError:
            return False
        except PermissionError:
            return number == 0  # only those are left that have become somebody else
        return True

    def _tell(self) -> None:
        """Write how it ended, and wake the keeper; to be repeated until it is told."""
        directory = self._launcher.directory
        self._end.stderr = self._tail.decode("utf-8", "backslashreplace")
        try:
            trace = runfiles.read_trace(directory, self._job)
            # Otherwise it never began, or the job has passed to others meanwhile.
            if trace is not None and (trace.pid, trace.start) == (self._end.pid, self._end.start):
                runfiles.write_end(directory, self._job, self._end.encode())
        except StrangeFileError:
            log.error("the file of the running command %s was changed", self._job)
        except OSError as error:
            if error.errno in _FULL:
                return
            log.error("cannot write how command %s ended: %s", self._job, error)
        self._is_told = True
        with suppress(OSError):  # full: the keeper has enough to wake for
            os.write(self._launcher.wake, b"\n")
        os.close(self._launcher.wake)
        os.close(directory)
