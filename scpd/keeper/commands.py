"""The commands of a site: waiting, running, retried, set aside; every one runs at least once (--exec-*).

scpd_studies(7), running 1 and running 5 to 7; 2 to 4 are `keeper.runner`.

What has ended is written into the accounts first, and then the files of the run are removed: a crash between leaves a
command that has run on record.  One that is set aside is written down in failed/ first of all; where there is no room
for that it counts as running on disk, and not as settled, until there is.  Raises `OSError` only where a directory
cannot be read.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from time import time

from scpd.jobs.environment import environment
from scpd.jobs.placeholders import expand
from scpd.keeper.accounts import read_failed, remove_failed, write_failed
from scpd.keeper.hooks import kept

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from scpd.jobs.queue import Queue
    from scpd.jobs.values import Values
    from scpd.keeper.accounts import Accounts
    from scpd.keeper.hooks import Hooks
    from scpd.keeper.running import Ended, Running
    from scpd.lockdir.layout import LockDirectory

log = logging.getLogger("dcmtk.apps.storescp")

_RETRY_SECONDS = 5.0  # after what could not be written


class Commands:
    """All commands that have not been settled; `on_settled` is told of each job that is."""

    __slots__ = (
        "_accounts",
        "_environment",
        "_hooks",
        "_lockdir",
        "_on_settled",
        "_retry_at",
        "_running",
        "_unwritten",
        "_values",
        "queue",
    )

    def __init__(  # noqa: PLR0913, PLR0917 - each has its part in the life of a command
        self,
        lockdir: LockDirectory,
        accounts: Accounts,
        hooks: Hooks,
        queue: Queue,
        running: Running,
        daemon_environment: Mapping[str, str],
        on_settled: Callable[[str], None],
    ) -> None:
        self._lockdir = lockdir
        self._accounts = accounts
        self._hooks = hooks
        self.queue = queue
        self._running = running
        self._environment = daemon_environment
        self._on_settled = on_settled
        self._values: dict[str, Callable[[], Values]] = {}  # of the jobs that have not been settled
        self._unwritten: dict[str, dict[str, str]] = {}  # those to be set aside, and why
        self._retry_at = 0.0  # not before this time for those

    def add(self, job: str, values: Callable[[], Values], after: Iterable[str] = ()) -> bool:
        """Let a command arrive; `False` if it is settled already, as an earlier keeper wrote down, or here."""
        if self._accounts.is_settled(job) or job in self._values:
            return False
        self._values[job] = values
        self.queue.add(job, after, self._accounts.tried(job))
        return True

    def adopt(self) -> None:
        """Go on with the commands that an earlier keeper has started; all have arrived that are known."""
        for job in self._running.adopt():
            if job in self._values:
                self.queue.started(job)
            else:
                log.warning("nothing is known of the running command %s", job)
                self._running.forget(job)

    def end(self, now: float) -> None:
        """See which commands have ended."""
        for ended in self._running.ended(now):
            if ended.job in self._values:
                self._ended(ended, now)
            if ended.job not in self._unwritten:
                self._running.forget(ended.job)
        if self._unwritten and now >= self._retry_at:
            for job in list(self._unwritten):
                self._set_aside(job, now)

    def _ended(self, ended: Ended, now: float) -> None:
        job = ended.job
        if ended.code is None and not ended.timed_out:
            self._lost(job, now)
            return
        how = _how(ended)
        is_ok = ended.code == 0 and not ended.timed_out
        text = f": {ended.stderr}" if ended.stderr else ""
        log.log(
            logging.INFO if is_ok else logging.ERROR,
            "command of %s %s after %.1f s%s",
            job,
            how,
            ended.seconds,
            text,
        )
        if not self.queue.ended(job, now, ok=is_ok):
            self._accounts.fail(job, self._accounts.tried(job) + 1)
        elif self.queue.is_set_aside(job):
            self._unwritten[job] = {"status": how, "stderr": ended.stderr}
            self._set_aside(job, now)
        else:
            with suppress(OSError):  # of an earlier time, if it was retried
                remove_failed(self._lockdir, job)
            self._settle(job)

    def _lost(self, job: str, now: float) -> None:
        self.queue.lost(job, now)
        if self.queue.state(job):
            log.warning("the command of %s is gone, nobody knows how it ended: it will run again", job)
        else:
            self._settle(job)  # it was dropped meanwhile

    def _set_aside(self, job: str, now: float) -> None:
        """Write down what could not be done, where an administrator finds it; or try that again later."""
        values = kept(self._values[job]())
        try:
            write_failed(
                self._lockdir, job, {"job": job, **values, **self._unwritten[job], "time": f"{time():.0f}"}
            )
        except OSError as error:
            self._retry_at = now + _RETRY_SECONDS
            log.error("cannot set the command of %s aside: %s", job, error.strerror)
            return
        del self._unwritten[job]
        log.error("command of %s set aside: see scpctl(8), jobs", job)
        self._settle(job)
        self._running.forget(job)

    def _settle(self, job: str) -> None:
        self._accounts.settle(job)
        del self._values[job]
        self.queue.drop(job)
        self._on_settled(job)

    def start(self, now: float) -> None:
        """Start what may run."""
        while (job := self.queue.startable(now)) is not None:
            command = self._hooks.command(job)
            if command is None:
                self._run_nothing(job, now)
            elif not self._start(job, command, now):
                return  # nor could another one be

    def _run_nothing(self, job: str, now: float) -> None:
        """Set a job aside that was left by a daemon with other options."""
        self.queue.drop(job)
        self._unwritten[job] = {"status": "no command is configured"}
        self._set_aside(job, now)

    def _start(self, job: str, command: str, now: float) -> bool:
        values = self._values[job]()
        is_started = True
        try:
            self._running.start(job, expand(command, values), environment(values, self._environment))
        except OSError as error:
            log.error("cannot start the command of %s: %s", job, error.strerror)
            is_started = False
        self.queue.started(job)
        if not is_started:
            self.queue.lost(job, now)
        return is_started

    def next_time(self, *, stopping: bool) -> float | None:
        """Give the time at which something is to be done that nobody will wake us for."""
        times = [] if stopping else [self.queue.next_time()]
        times.append(self._retry_at if self._unwritten else None)
        return min((time for time in times if time is not None), default=None)

    def is_settled(self, job: str) -> bool:
        """Tell whether nobody need wait for a command any more."""
        return job not in self._values

    @property
    def count(self) -> int:
        """Count those that wait or run."""
        return len(self._values)

    @property
    def running_count(self) -> int:
        """Count those that run."""
        return len(self._running)

    def retry(self, job: str) -> bool:
        """Run a command again that was set aside, or at once one that waits to be retried; `False` if there is none."""
        if job in self._values:
            self._unwritten.pop(job, None)
            return self.queue.retry(job)
        failed = read_failed(self._lockdir, job)
        if failed is None or not self._hooks.allows(failed):
            return False
        self._accounts.unsettle(job)
        return self.add(job, lambda: self._hooks.of_failed(failed))

    def drop(self, job: str) -> bool:
        """Forget a command that waits or was set aside; one that runs is not run again.  `False` if there is none."""
        was_failed = read_failed(self._lockdir, job) is not None
        if was_failed:
            with suppress(OSError):
                remove_failed(self._lockdir, job)
        if job not in self._values:
            return was_failed
        if self.queue.is_running(job):
            return self.queue.drop(job)
        self._unwritten.pop(job, None)
        self._settle(job)
        return True


def _how(ended: Ended) -> str:
    if ended.timed_out:
        return "was ended by --exec-timeout"
    code = ended.code or 0
    if code < 0:
        return f"was killed by signal {-code}"
    return "ended" if not code else f"failed with exit status {code}"
