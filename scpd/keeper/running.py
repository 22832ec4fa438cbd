"""The commands that run, as the keeper sees them: it starts them, learns how they end, and adopts an earlier keeper's.

    start      a runner is forked (`keeper.runner`), which runs the command
    ended      JOB.end tells how; or nobody does, since runner and command are gone without it: run it again
    forget     the end is on record elsewhere

A job runs as long as its runner lives and has not written JOB.end.  When the runner is gone first, it runs as long as
the command lives that JOB.run names; then it is the keeper that ends it when its time is over.

A crash of the keeper between any two steps leaves what `adopt` finds: files of commands that run, or have ended, or are
gone.  A command whose process has not written JOB.run when the next keeper looks is started twice, but only one of the
two becomes the command.  A job is run again if its runner is killed before it has told the end.

Whoever may write into the directory can have a command run again, or keep one from running.  He cannot say what is
run, and he gets no signal sent but to a process that

1. has the process id and the start that JOB.run names, in this run of the system, and leads its group and session,
2. was started with this very job's SCPD_JOB in its environment (proc_pid_environ(5)), which we may read only of
   processes that we might signal anyhow, and
3. has no runner any more.

What lies there and is not ours is handed to `set_aside`.
"""

from __future__ import annotations

import errno
import os
import signal
from contextlib import suppress

from scpd.keeper import runfiles
from scpd.keeper.jobnames import is_job
from scpd.keeper.runfiles import END, RUN, StrangeFileError
from scpd.keeper.runner import JOB_VARIABLE
from scpd.process import proc

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from scpd.keeper.runfiles import End, Trace
    from scpd.keeper.runner import Launcher

# How often to look for the end of a process that no descriptor tells of.
_LOOK_SECONDS = 1.0


class Ended:
    """How a command ended: `code` is its exit code, the negative number of a signal, or `None` if nobody knows.

    Then it is to be run again, unless it was `timed_out` (which is a failure in any case).
    """

    __slots__ = ("code", "job", "seconds", "stderr", "timed_out")

    def __init__(self, job: str, end: End | None, *, timed_out: bool = False) -> None:
        self.job = job
        self.code = end.code if end else None
        self.timed_out = end.timed_out if end else timed_out
        self.seconds = end.milliseconds / 1000 if end else 0.0
        self.stderr = end.stderr if end else ""  # the last 4 kB


class _Command:
    """A command that runs; `runner` is our child's process id, or 0 if an earlier keeper has started it."""

    __slots__ = ("deadline", "kill_at", "runner", "timed_out", "trace", "watch", "watched")

    def __init__(self, runner: int = 0, trace: Trace | None = None) -> None:
        self.runner = runner
        self.trace = trace  # once it was asked for
        self.watched = 0  # a process that is not our child,
        self.watch = -1  # and the descriptor that tells of its end
        self.deadline: float | None = None  # the keeper's to enforce, once the runner is gone
        self.kill_at: float | None = None
        self.timed_out = False


class Running:
    """All commands that run; `set_aside` is called with the name of a strange file, and raises nothing."""

    __slots__ = ("_boot_id", "_children", "_commands", "_directory", "_is_unsure", "_launcher", "_set_aside")

    def __init__(self, launcher: Launcher, set_aside: Callable[[str], None]) -> None:
        self._launcher = launcher
        self._directory = launcher.directory
        self._set_aside = set_aside
        self._boot_id = proc.boot_id()
        self._is_unsure = False  # of something at the last look
        self._commands: dict[str, _Command] = {}
        # Our runners that have not been reaped, each with what tells of its end; some pass on stderr for ever.
        self._children: dict[int, int] = {}

    def __len__(self) -> int:
        """How many run."""
        return len(self._commands)

    def jobs(self) -> list[str]:
        """Give the jobs of the commands that run."""
        return list(self._commands)

    def adopt(self) -> list[str]:
        """Take over what an earlier keeper has started; give the jobs, whose ends `ended` will tell.

        That is to be asked at once: what it sees alive it watches.  Raises `OSError` if the directory cannot be read.
        """
        jobs = set()
        for name in sorted(os.listdir(self._directory)):
            job = name.removesuffix(RUN if name.endswith(RUN) else END)
            if job != name and is_job(job):
                jobs.add(job)
            elif (temporary := runfiles.temporary_of(name)) is None:
                self._set_aside(name)
            elif proc.look_up(temporary[1]) is None:
                runfiles.remove(self._directory, name)
        for job in sorted(jobs - self._commands.keys()):
            self._commands[job] = _Command(trace=self._trace(job))
        return sorted(jobs)

    def start(self, job: str, command: str, environment: dict[str, str]) -> None:
        """Run a command, unless that job's runs already; raises `OSError` if it cannot be.

        `environment` gets the job's name besides.
        """
        if not is_job(job):
            raise OSError(errno.EINVAL, "no name of a job", job)
        if job in self._commands:
            return
        found = _Command(trace=self._trace(job))
        if self._end(job, found)[0] is None and (self._runner_lives(found) or self._command_lives(found)):
            self._commands[job] = found
            return
        self._unwatch(found)
        self.forget(job)
        runner = self._launcher.launch(job, command, {**environment, JOB_VARIABLE: job})
        self._children[runner] = proc.open_watch(runner)
        self._commands[job] = _Command(runner)

    def ended(self, now: float) -> list[Ended]:
        """Give the commands that have ended, each once; `now` is the monotonic clock's."""
        self._reap()
        self._is_unsure = False
        found = []
        for job, command in list(self._commands.items()):
            try:
                end = self._look(job, command, now)
            except OSError:
                # Nothing can be read now; a command that may run is not run again.
                self._is_unsure = True
                continue
            if end is not None:
                self._unwatch(command)
                del self._commands[job]
                found.append(end)
        return found

    def forget(self, job: str) -> None:
        """Remove the files of a command whose end is on record; raises nothing."""
        for suffix in (RUN, END):
            try:
                os.unlink(job + suffix, dir_fd=self._directory)
            except (FileNotFoundError, PermissionError):
                continue
            except OSError:  # a directory
                self._set_aside(job + suffix)

    def descriptors(self) -> Iterator[int]:
        """Give what becomes readable when `ended` should be asked; the runners wake the keeper besides."""
        yield from (watch for watch in self._children.values() if watch >= 0)
        yield from (command.watch for command in self._commands.values() if command.watch >= 0)

    def next_time(self, now: float) -> float | None:
        """Tell when `ended` is to be asked even if nothing happens before."""
        times = [
            time
            for command in self._commands.values()
            if (time := command.deadline if command.kill_at is None else command.kill_at) is not None
        ]
        blind = [command for command in self._commands.values() if command.watched and command.watch < 0]
        if blind or self._is_unsure or -1 in self._children.values():
            times.append(now + _LOOK_SECONDS)
        return min(times, default=None)

    def _look(self, job: str, command: _Command, now: float) -> Ended | None:
        """Give the end of a command, if it has one."""
        lived = self._runner_lives(command)
        if not lived and command.runner:
            # It may have left the job to somebody who runs it already.
            command.runner, command.trace = 0, self._trace(job)
            lived = self._runner_lives(command)
        end, is_strange = self._end(job, command)  # after we looked: it writes this before it leaves
        if end is not None:
            return Ended(job, end)
        if lived and not is_strange:
            return None
        command.trace = command.trace or self._trace(job)
        if self._command_lives(command):
            if not lived:
                self._enforce(job, command, now)
            return None
        # Else its runner, which may pass on stderr still, would count for that of the next try.
        self.forget(job)
        return Ended(job, None, timed_out=command.timed_out)

    def _runner_lives(self, command: _Command) -> bool:
        if command.runner:
            return command.runner in self._children
        trace = command.trace
        return self._lives(command, trace.runner, trace.runner_start) if trace else False

    def _command_lives(self, command: _Command) -> bool:
        trace = command.trace
        return self._lives(command, trace.pid, trace.start) if trace else False

    def _lives(self, command: _Command, pid: int, start: int) -> bool:
        """Tell whether a process lives that is not our child, and watch it if so."""
        if command.trace is None or command.trace.boot_id != self._boot_id or not proc.lives(pid, start):
            return False
        if command.watched == pid:
            return True
        self._unwatch(command)
        command.watched, command.watch = pid, proc.open_watch(pid)
        return proc.lives(pid, start)  # and so that is whom we watch

    def _unwatch(self, command: _Command) -> None:
        if command.watch >= 0:
            os.close(command.watch)
        command.watched, command.watch = 0, -1

    def _trace(self, job: str) -> Trace | None:
        try:
            return runfiles.read_trace(self._directory, job)
        except StrangeFileError:
            self._set_aside(job + RUN)
            return None

    def _end(self, job: str, command: _Command) -> tuple[End | None, bool]:
        """Give how a command ended, if that is written, and whether something strange is written there instead."""
        try:
            end = runfiles.read_end(self._directory, job)
        except StrangeFileError:
            self._set_aside(job + END)
            return None, True
        if end is None:
            return None, False
        command.trace = command.trace or self._trace(job)
        trace = command.trace
        if trace is None or (end.pid, end.start) == (trace.pid, trace.start):
            return end, False
        runfiles.remove(self._directory, job + END)  # of an earlier try
        return None, False

    def _enforce(self, job: str, command: _Command, now: float) -> None:
        """End a command that no runner watches any more when its time is over."""
        timeout, trace = self._launcher.timeout_seconds, command.trace
        if timeout is None or trace is None:
            return
        if command.deadline is None:
            command.deadline = min(now, trace.milliseconds / 1000) + timeout
        if command.kill_at is None and now >= command.deadline:
            command.timed_out = True
            command.kill_at = now + self._launcher.kill_seconds
            self._signal(job, trace, signal.SIGTERM)
        elif command.kill_at is not None and now >= command.kill_at:
            command.kill_at = now + self._launcher.kill_seconds
            self._signal(job, trace, signal.SIGKILL)

    def _signal(self, job: str, trace: Trace, number: int) -> None:
        """Signal the group of a command if it can be shown to be that job's."""
        found = proc.look_up(trace.pid)
        if found is None or not found.group == found.session == trace.pid:
            return
        # Whose it is, and then whether it is still the same.
        if not proc.has_in_environment(trace.pid, JOB_VARIABLE, job) or not proc.lives(
            trace.pid, trace.start
        ):
            return
        with suppress(OSError):
            os.killpg(trace.pid, number)

    def _reap(self) -> None:
        """Take the exit codes of our runners; what they mean was written."""
        for runner, watch in list(self._children.items()):
            try:
                is_gone = os.waitpid(runner, os.WNOHANG)[0] != 0
            except ChildProcessError:
                is_gone = True  # somebody else has taken it
            if is_gone:
                del self._children[runner]
                if watch >= 0:
                    os.close(watch)
