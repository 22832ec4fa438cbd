"""The keeper: the one process of a lock directory that decides which studies are complete, and runs the commands.

Workers write journals and, when something new may be due, a byte into the FIFO `wake`.  The keeper reads what has come,
seals what is due, renames, starts commands, answers workers that wait for it, and sleeps until the next deadline or
byte.  It never spends more than about a fifth of its time looking, however often it is woken.

It is elected by a lock; who loses waits for its turn.  All that it knows it can read again: a keeper may be killed
between any two steps (scpd_studies(7)).  Told to end (SIGTERM), it lets running commands finish within the grace
period and starts no other; those that still run then are left to the next keeper.
"""

from __future__ import annotations

import logging
import os
import select
from contextlib import suppress
from time import monotonic

from scpd.jobs.queue import Queue
from scpd.keeper.accounts import Accounts
from scpd.keeper.commands import Commands
from scpd.keeper.election import Election
from scpd.keeper.hooks import ON_RECEPTION
from scpd.keeper.ledger import Ledger
from scpd.keeper.requests import Requests
from scpd.keeper.runner import Launcher
from scpd.keeper.running import Running
from scpd.keeper.studies import RENAMED, Studies
from scpd.lockdir import layout
from scpd.lockdir.layout import LockDirectory
from scpd.process import exitcodes
from scpd.study.record import WAITS_FOR_COMMANDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from scpd.keeper.hooks import Hooks
    from scpd.keeper.ledger import Association, News, Stored
    from scpd.keeper.studies import Study
    from scpd.process.signals import Wakeup

log = logging.getLogger("dcmtk.apps.storescp")

_ELECTION_SECONDS = 1.0  # between two attempts to be the keeper
_LONGEST_SLEEP = 10.0  # a sign of life at least this often
_SHARE_OF_TIME = 4.0  # so many times as long as a look took there is none
_LONGEST_REST = 0.5
_WAKE_FLAGS = os.O_RDWR | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC


class KeeperPolicy:
    """What a keeper is told; `jobs` commands at a time, `grace` and `exec_timeout` in seconds."""

    __slots__ = ("boot", "environment", "exec_timeout", "fsync", "grace", "hooks", "jobs", "lock_directory",
                 "output_directory", "retries")  # fmt: skip

    def __init__(  # noqa: PLR0913 - as many as there are options
        self,
        *,
        lock_directory: str,
        output_directory: str,
        hooks: Hooks,
        boot: str,
        jobs: int,
        retries: int,
        exec_timeout: float | None,
        grace: float,
        fsync: bool,
        environment: Mapping[str, str],
    ) -> None:
        self.lock_directory = lock_directory
        self.output_directory = output_directory
        self.hooks = hooks
        self.boot = boot
        self.jobs = jobs
        self.retries = retries
        self.exec_timeout = exec_timeout
        self.grace = grace
        self.fsync = fsync
        self.environment = environment


class Keeper:
    """A keeper that has won its election: all that it knows, and what it does in one turn."""

    def __init__(self, policy: KeeperPolicy, lockdir: LockDirectory, running: Running) -> None:
        self._policy = policy
        self._lockdir = lockdir
        self._accounts = Accounts(lockdir)
        self._ledger = Ledger(lockdir, policy.output_directory, policy.boot)
        self._studies = Studies(
            lockdir, self._ledger, policy.output_directory, self._run_for_study, fsync=policy.fsync
        )
        self._running = running
        queue = Queue(policy.jobs, policy.retries)
        self.commands = Commands(
            lockdir, self._accounts, policy.hooks, queue, self._running, policy.environment, self._settled
        )
        self._requests = Requests(lockdir, self._studies, self.commands)
        self._objects: dict[str, Stored] = {}  # by the job of their command

    def recover(self, now: float) -> None:
        """Take over what an earlier keeper has left."""
        self._studies.recover(now)
        self._apply(self._ledger.look_back(now), now)
        for association in list(self._ledger):
            self._ledger.forget_if_done(association)
        self._studies.advance(now)
        self.commands.adopt()
        self._accounts.renew(self._matters)

    def _matters(self, job: str) -> bool:
        """Tell whether it could be asked again whether a command has run."""
        maker, _, _ = job.removesuffix(f".{ON_RECEPTION}").rpartition(".")
        generation = job.removesuffix(".xcs").rpartition(".")[2]
        return self._ledger.find(maker) is not None or self._studies.find(generation) is not None

    def turn(self, now: float, *, stopping: bool = False) -> None:
        """Do all that can be done now."""
        self._look(now)
        self._requests.take(now)
        self._studies.somebody_left(now)
        self._studies.seal_due(now, lambda: self._look(now))
        self.commands.end(now)
        self._studies.advance(now)
        self.commands.start(now, stopping=stopping)
        self._answer()
        if self._accounts.is_long():
            self._accounts.renew(self._matters)

    def _look(self, now: float) -> None:
        self._apply(self._ledger.look(now), now)

    def _apply(self, news: News, now: float) -> None:
        for key, generation in news.opened:
            self._studies.opened(key, generation, now)
        for stored in news.stored:
            study = self._studies.stored(stored)
            if stored.record.hook:
                self._run_for_object(stored, study)
        for association in news.ended:
            self._ledger.forget_if_done(association)

    def _run_for_object(self, stored: Stored, study: Study | None) -> None:
        job = f"{stored.association.maker}.{stored.record.number}.{ON_RECEPTION}"
        if not self.commands.add(job, lambda: self._policy.hooks.of_object(stored)):
            return
        self._objects[job] = stored
        stored.association.needs += 1
        if study is not None:
            study.commands_left += 1

    def _run_for_study(self, study: Study) -> None:
        """Let the command of a study run whose files have their names."""
        plan = study.plan
        if plan is None or not self.commands.add(
            f"{study.name}.xcs", lambda: self._policy.hooks.of_study(plan)
        ):
            self._studies.finish(study)

    def _settled(self, job: str) -> None:
        """Go on with what has waited for a command."""
        stored = self._objects.pop(job, None)
        if stored is None:
            study = self._studies.find(job.removesuffix(".xcs").rpartition(".")[2])
            if study is not None and study.phase == RENAMED:
                self._studies.finish(study)
            return
        study = self._studies.find(stored.record.generation)
        if study is not None:
            self._studies.settled_command(study)
        self._ledger.release(stored.association)

    def _answer(self) -> None:
        """Tell workers that wait what is done."""
        for association in self._ledger:
            number = association.waiting_for
            if number and association.is_alive and not self._is_busy_for(association):
                association.waiting_for = 0
                _reply(self._lockdir, association.maker, number)

    def _is_busy_for(self, association: Association) -> bool:
        sender = association.sender
        if sender.waits != WAITS_FOR_COMMANDS:
            return self._studies.are_renaming(None)
        job = f"{association.maker}.{association.waiting_for}.{ON_RECEPTION}"
        return not self.commands.is_settled(job) or self._studies.are_completing(sender.peer)

    def next_time(self, now: float) -> float:
        """Give the time at which something is to be done though nobody wakes us."""
        times = (
            now + _LONGEST_SLEEP,
            self._studies.next_time(),
            self.commands.queue.next_time(),
            self._running.next_time(now),
        )
        return min(time for time in times if time is not None)

    def descriptors(self) -> list[int]:
        """Give what else to wait for."""
        return list(self._running.descriptors())

    def __str__(self) -> str:
        return f"{self._studies.open_count} open studies, {self.commands.count} commands"

    def close(self) -> None:
        """Let all go; commands that run go on."""
        self._ledger.close()
        self._accounts.close()


def _reply(lockdir: LockDirectory, maker: str, number: int) -> None:
    """Answer a worker; one that is gone needs none."""
    with suppress(OSError):
        flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
        fifo = os.open(maker, flags, dir_fd=lockdir.opened(layout.REPLIES))
        try:
            os.write(fifo, b"%d\n" % number)
        finally:
            os.close(fifo)


def run(
    policy: KeeperPolicy,
    wakeup: Wakeup,
    show: Callable[[str], None],
    beat: Callable[[], None],
) -> int:
    """Be the keeper, as a process of its own, as soon as there is no other; give the exit code.

    `show` shows a title, `beat` gives a sign of life.
    """
    lockdir = LockDirectory(policy.lock_directory)
    election = Election(lockdir)
    show("keeper, waiting for its turn")
    while not wakeup.signalled:
        beat()
        if election.is_won():
            break
        _wait([wakeup.fileno()], _ELECTION_SECONDS)
    if wakeup.signalled:
        return exitcodes.OK
    wake = os.open(layout.WAKE, _WAKE_FLAGS, dir_fd=lockdir.descriptor)
    launcher = Launcher(lockdir.opened(layout.RUNNING), wake, wakeup, show, policy.exec_timeout)
    running = Running(launcher, lambda name: lockdir.set_aside(name, layout.RUNNING))
    keeper = Keeper(policy, lockdir, running)
    keeper.recover(monotonic())
    loop = _Loop(keeper, election, wake, wakeup, policy.grace)
    while loop.goes_on():
        beat()
        loop.turn()
        show(f"keeper, {keeper}")
    keeper.close()
    return exitcodes.OK


def _wait(descriptors: list[int], seconds: float) -> None:
    """Wait until one of them can be read, at most so long."""
    poll = select.poll()
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN)
    poll.poll(max(seconds, 0) * 1000)


class _Loop:
    """The keeper's turns, in time."""

    def __init__(self, keeper: Keeper, election: Election, wake: int, wakeup: Wakeup, grace: float) -> None:
        self._keeper = keeper
        self._election = election
        self._wake = wake
        self._wakeup = wakeup
        self._grace = grace
        self._ends_at: float | None = None

    def goes_on(self) -> bool:
        """Tell whether there is another turn."""
        if self._wakeup.signalled and self._ends_at is None:
            self._wakeup.take()
            self._ends_at = monotonic() + self._grace
        if self._ends_at is not None and (
            monotonic() >= self._ends_at or not self._keeper.commands.running_count
        ):
            return False
        if self._election.is_won():
            return True
        log.warning("somebody has replaced the keeper's lock: leaving the lock directory to another keeper")
        return False

    def turn(self) -> None:
        """Do what can be done, and sleep."""
        begin = monotonic()
        with suppress(BlockingIOError):
            while len(os.read(self._wake, 1 << 16)) == 1 << 16:
                pass
        self._keeper.turn(begin, stopping=self._ends_at is not None)
        end = monotonic()
        self._sleep(end + min((end - begin) * _SHARE_OF_TIME, _LONGEST_REST))

    def _sleep(self, rests_until: float) -> None:
        """Sleep until something has happened, and in any case for a moment."""
        waited = self._keeper.descriptors()
        now = monotonic()
        wanted = self._keeper.next_time(now)
        if self._ends_at is not None:
            wanted = min(wanted, self._ends_at)
        _wait([self._wakeup.fileno(), self._wake, *waited], wanted - now)
        _wait([self._wakeup.fileno()], rests_until - monotonic())
