"""The keeper: the one process of a lock directory that decides which studies are complete, and runs the commands.

Workers write journals and, when something new may be due, a byte into the FIFO `wake`.  The keeper reads what has come,
seals what is due, renames, starts commands, answers workers that wait for it, and sleeps until the next deadline or
byte.  It never spends more than about a fifth of its time looking, however often it is woken.

It is elected by a lock; who loses waits for its turn.  All that it knows it can read again: a keeper may be killed
between any two steps (scpd_studies(7)).  Told to end (SIGTERM), it lets running commands finish within the grace
period and starts no other; those that still run then are left to the next keeper.
"""

from __future__ import annotations

import errno
import logging
import os
import select
from contextlib import suppress
from time import monotonic

from scpd.jobs.queue import Queue
from scpd.keeper import jobnames
from scpd.keeper.accounts import Accounts
from scpd.keeper.commands import Commands
from scpd.keeper.election import Election
from scpd.keeper.endings import Endings
from scpd.keeper.generations import RENAMED
from scpd.keeper.jobnames import generation_of, maker_of
from scpd.keeper.ledger import Ledger
from scpd.keeper.leftovers import Leftovers
from scpd.keeper.requests import Requests
from scpd.keeper.runner import Launcher
from scpd.keeper.running import Running
from scpd.keeper.studies import Studies
from scpd.lockdir import layout
from scpd.lockdir.layout import LockDirectory
from scpd.process import exitcodes
from scpd.study.record import WAITS_FOR_COMMANDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from scpd.keeper.generations import Study
    from scpd.keeper.hooks import Hooks
    from scpd.keeper.ledger import Association, News, Stored
    from scpd.process.signals import Wakeup

log = logging.getLogger("dcmtk.apps.storescp")

_ELECTION_SECONDS = 0.5  # between two attempts to be the keeper
_LONGEST_SLEEP = 10.0  # a sign of life at least this often
_SHARE_OF_TIME = 4.0  # so many times as long as a look took there is none
_LONGEST_REST = 0.5
_REPLY_FLAGS = os.O_WRONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
_NOBODY_THERE = frozenset((errno.ENOENT, errno.ENXIO))
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
        self._hooks = policy.hooks
        self._lockdir = lockdir
        self._running = running
        self._accounts = Accounts(lockdir)
        self._ledger = Ledger(lockdir, policy.output_directory, policy.boot)
        self._endings = Endings(
            lockdir, self._ledger, policy.output_directory, self._run_for_study, fsync=policy.fsync
        )
        self._studies = Studies(lockdir, self._ledger, self._endings)
        queue = Queue(policy.jobs, policy.retries)
        self.commands = Commands(
            lockdir, self._accounts, policy.hooks, queue, running, policy.environment, self._settled
        )
        self._requests = Requests(lockdir, self._studies, self.commands)
        self._leftovers = Leftovers(lockdir)
        self._objects: dict[str, Stored] = {}  # by the job of their command

    def recover(self, now: float) -> None:
        """Take over what an earlier keeper has left."""
        self._endings.recover()
        self._studies.recover(now)
        self._apply(self._ledger.look_back(now), now)
        self._ledger.forget_all_done()
        self._endings.advance(now)
        self.commands.adopt()
        self._accounts.renew(self._matters, now)

    def _matters(self, job: str) -> bool:
        """Tell whether it could be asked again whether a command has run."""
        return (
            self._ledger.find(maker_of(job)) is not None or self._studies.find(generation_of(job)) is not None
        )

    def turn(self, now: float, *, stopping: bool = False) -> None:
        """Do all that can be done now."""
        self._look(now)
        # Who waits from now on has it done in the next turn: he wakes us once more.
        waiting = self._ledger.waiting()
        self._requests.take(now)
        self._studies.somebody_left(now)
        self._studies.seal_due(now, lambda: self._look(now))
        self.commands.end(now)
        self._endings.advance(now)
        if not stopping:
            self.commands.start(now)
        self._answer(waiting)
        self._accounts.keep_up(self._matters, now)
        self._leftovers.sweep(now)

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
        job = jobnames.of_object(stored.association.maker, stored.record.number)
        if not self.commands.add(job, lambda: self._hooks.of_object(stored)):
            return
        self._objects[job] = stored
        self._ledger.need(stored.association)
        if study is not None:
            study.commands_left += 1

    def _run_for_study(self, study: Study) -> None:
        """Let the command of a study run whose files have their names."""
        plan = study.plan
        if plan is None or not self.commands.add(
            jobnames.of_study(study.name), lambda: self._hooks.of_study(plan)
        ):
            self._endings.finish(study)

    def _settled(self, job: str) -> None:
        """Go on with what has waited for a command."""
        stored = self._objects.pop(job, None)
        if stored is None:
            study = self._endings.find(generation_of(job))
            if study is not None and study.phase == RENAMED:
                self._endings.finish(study)
            return
        study = self._studies.find(stored.record.generation)
        if study is not None:
            self._endings.settled_command(study)
        self._ledger.release(stored.association)

    def _answer(self, waiting: list[Association]) -> None:
        """Tell workers that wait what is done."""
        for association in waiting:
            if (
                association.is_alive
                and not self._is_busy_for(association)
                and _reply(self._lockdir, association.maker, association.waiting_for)
            ):
                self._ledger.answered(association)

    def _is_busy_for(self, association: Association) -> bool:
        sender = association.sender
        if sender.waits != WAITS_FOR_COMMANDS:
            return self._endings.are_renaming()
        job = jobnames.of_object(association.maker, association.waiting_for)
        return not self.commands.is_settled(job) or self._endings.are_completing(sender.peer)

    def next_time(self, now: float, *, stopping: bool = False) -> float:
        """Give the time at which something is to be done though nobody wakes us."""
        times = (
            now + _LONGEST_SLEEP,
            self._studies.next_time(),
            self._endings.next_time(),
            self.commands.next_time(stopping=stopping),
            self._running.next_time(now),
        )
        return min(time for time in times if time is not None)

    def descriptors(self) -> list[int]:
        """Give what else to wait for."""
        return list(self._running.descriptors())

    def __str__(self) -> str:
        return f"{len(self._studies)} open studies, {self.commands.count} commands"

    def close(self) -> None:
        """Let all go; commands that run go on."""
        self._ledger.close()
        self._accounts.close()


def _reply(lockdir: LockDirectory, maker: str, number: int) -> bool:
    """Answer a worker, one that is gone needs no answer; `False` if it is to be told later."""
    try:
        fifo = os.open(maker, _REPLY_FLAGS, dir_fd=lockdir.opened(layout.REPLIES))
    except OSError as error:
        return error.errno in _NOBODY_THERE or layout.is_strange(error)
    try:
        os.write(fifo, b"%d\n" % number)
    except BrokenPipeError:
        return True
    except OSError:  # full: it has other things to read
        return False
    finally:
        os.close(fifo)
    return True


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
    while not (wakeup.signalled or election.is_won()):
        beat()
        show("keeper, waiting for its turn")
        _wait([wakeup.fileno()], _ELECTION_SECONDS)
    if not wakeup.signalled:
        _keep(policy, lockdir, election, wakeup, show, beat)
    election.resign()
    lockdir.close()
    return exitcodes.OK


def _keep(
    policy: KeeperPolicy,
    lockdir: LockDirectory,
    election: Election,
    wakeup: Wakeup,
    show: Callable[[str], None],
    beat: Callable[[], None],
) -> None:
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
    os.close(wake)


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
        self._ends_at: float | None = None  # set when it has been told to end

    def goes_on(self) -> bool:
        """Tell whether there is another turn."""
        if self._wakeup.signalled:
            self._wakeup.take()  # said again it is no news, but would wake us for ever
            if self._ends_at is None:
                self._ends_at = monotonic() + self._grace
        if self._is_over():
            return False
        if self._election.is_won():
            return True
        log.warning("somebody has replaced the keeper's lock: leaving the lock directory to another keeper")
        return False

    def _is_over(self) -> bool:
        """Tell whether it has been told to end, and no command runs any more, or it has had its time."""
        if self._ends_at is None:
            return False
        return monotonic() >= self._ends_at or not self._keeper.commands.running_count

    def turn(self) -> None:
        """Do what can be done, and sleep."""
        begin = monotonic()
        with suppress(BlockingIOError):
            while len(os.read(self._wake, 1 << 16)) == 1 << 16:
                pass
        self._keeper.turn(begin, stopping=self._ends_at is not None)
        if self._is_over():
            return
        end = monotonic()
        self._sleep(end + min((end - begin) * _SHARE_OF_TIME, _LONGEST_REST))

    def _sleep(self, rests_until: float) -> None:
        """Sleep until something has happened, and in any case for a moment."""
        waited = self._keeper.descriptors()
        now = monotonic()
        wanted = self._keeper.next_time(now, stopping=self._ends_at is not None)
        if self._ends_at is not None:
            wanted = min(wanted, self._ends_at)
        _wait([self._wakeup.fileno(), self._wake, *waited], wanted - now)
        _wait([self._wakeup.fileno()], rests_until - monotonic())
