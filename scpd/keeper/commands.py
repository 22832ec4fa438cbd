"""The commands of a site: waiting, running, retried, set aside; every one runs at least once (--exec-*).

    MAKER.NUMBER.xcr            for an object, by its worker's journal
    KEY.GENERATION.xcs          for a study, by the name under which it is sealed

What has ended is written into the accounts first, and then the files of the run are removed: a crash between leaves a
command that has run on record.  Raises `OSError`.
"""

from __future__ import annotations

import logging
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


class Commands:
    """All commands that have not been settled; `on_settled` is told of each job that is."""

    __slots__ = (
        "_accounts",
        "_environment",
        "_hooks",
        "_lockdir",
        "_on_settled",
        "_running",
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
        self._values: dict[str, Callable[[], Values]] = {}  # of the jobs that are in the queue

    def add(self, job: str, values: Callable[[], Values], after: Iterable[str] = ()) -> bool:
        """Let a command arrive; `False` if it is settled already, as an earlier keeper wrote down."""
        if self._accounts.is_settled(job):
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
                self._end(ended, now)
            self._running.forget(ended.job)

    def _end(self, ended: Ended, now: float) -> None:
        job = ended.job
        if ended.code is None and not ended.timed_out:
            log.warning("the command of %s is gone, nobody knows how it ended: it will run again", job)
            self.queue.lost(job, now)
            return
        how = _how(ended)
        is_ok = ended.code == 0 and not ended.timed_out
        text = f"command of {job} {how} after {ended.seconds:.1f} s" + (
            f": {ended.stderr}" if ended.stderr else ""
        )
        log.log(logging.INFO if is_ok else logging.ERROR, "%s", text)
        if not self.queue.ended(job, now, ok=is_ok):
            self._accounts.fail(job, self._accounts.tried(job) + 1)
            return
        if self.queue.is_set_aside(job):
            self._set_aside(job, {"status": how, "stderr": ended.stderr})
        else:
            remove_failed(self._lockdir, job)
        self._settle(job)

    def _set_aside(self, job: str, why: Mapping[str, str]) -> None:
        values = kept(self._values[job]())
        write_failed(self._lockdir, job, {"job": job, **values, **why, "time": f"{time():.0f}"})
        log.error("command of %s set aside: see scpctl(8), jobs", job)

    def _settle(self, job: str) -> None:
        self._accounts.settle(job)
        del self._values[job]
        self.queue.drop(job)
        self._on_settled(job)

    def start(self, now: float, *, stopping: bool) -> None:
        """Start what may run."""
        while not stopping and (job := self.queue.startable(now)) is not None:
            command = self._hooks.command(job)
            if command is None:
                self._set_aside(job, {"status": "no command is configured"})
                self._settle(job)
                continue
            values = self._values[job]()
            try:
                self._running.start(job, expand(command, values), environment(values, self._environment))
            except OSError as error:
                log.error("cannot start the command of %s: %s", job, error.strerror)
                self.queue.started(job)
                self.queue.lost(job, now)
                return
            self.queue.started(job)

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
            return self.queue.retry(job)
        failed = read_failed(self._lockdir, job)
        if failed is None:
            return False
        self._accounts.unsettle(job)
        return self.add(job, lambda: self._hooks.of_failed(failed))

    def drop(self, job: str) -> bool:
        """Forget a command that waits or was set aside; `False` if there is none."""
        was_failed = read_failed(self._lockdir, job) is not None
        remove_failed(self._lockdir, job)
        if job not in self._values:
            return was_failed
        if self.queue.state(job) == "running":
            return self.queue.drop(job)
        self._settle(job)
        return True


def _how(ended: Ended) -> str:
    if ended.timed_out:
        return "was ended by --exec-timeout"
    code = ended.code or 0
    if code < 0:
        return f"was killed by signal {-code}"
    return "ended" if not code else f"failed with exit status {code}"
