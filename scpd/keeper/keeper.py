"""The keeper: the one process of a lock directory that decides which studies are complete, and runs the commands.

Here is what it does in one turn: it reads what has come, seals what is due, renames, starts commands, answers workers
that wait for it.  When it has its turns, and how it comes to be the keeper, is said in `keeper.service`.  All that it
knows it can read again: a keeper may be killed between any two steps (scpd_studies(7)).
"""

from __future__ import annotations

import errno
import os

from scpd.jobs.queue import Queue
from scpd.keeper import jobnames
from scpd.keeper.accounts import Accounts
from scpd.keeper.commands import Commands
from scpd.keeper.endings import Endings
from scpd.keeper.generations import RENAMED
from scpd.keeper.jobnames import generation_of, maker_of
from scpd.keeper.ledger import Ledger
from scpd.keeper.leftovers import Leftovers
from scpd.keeper.places import Places
from scpd.keeper.requests import Requests
from scpd.keeper.studies import Studies
from scpd.lockdir import layout
from scpd.log.counted import counted
from scpd.study.record import WAITS_FOR_COMMANDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from scpd.keeper.generations import Study
    from scpd.keeper.hooks import Hooks
    from scpd.keeper.ledger import Association, News, Stored
    from scpd.keeper.running import Running
    from scpd.lockdir.layout import LockDirectory

_LONGEST_SLEEP = 10.0  # a sign of life at least this often
_REPLY_FLAGS = os.O_WRONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
_NOBODY_THERE = frozenset((errno.ENOENT, errno.ENXIO))


class KeeperPolicy:
    """What a keeper is told; `jobs` commands at a time, `grace` and `exec_timeout` in seconds.

    `places` are output directories beside `output_directory`.
    """

    __slots__ = ("boot", "environment", "exec_timeout", "fsync", "grace", "hooks", "jobs", "lock_directory",
                 "output_directory", "places", "retries")  # fmt: skip

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
        places: tuple[str, ...] = (),
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
        self.places = places


class Keeper:
    """A keeper that has won its election: all that it knows, and what it does in one turn."""

    def __init__(
        self, policy: KeeperPolicy, lockdir: LockDirectory, running: Running, is_elected: Callable[[], bool]
    ) -> None:
        self._is_elected = is_elected
        self._hooks = policy.hooks
        self._lockdir = lockdir
        self._running = running
        self._accounts = Accounts(lockdir)
        places = Places(policy.output_directory, policy.places)
        self._ledger = Ledger(lockdir, places, policy.boot, is_elected)
        self._endings = Endings(
            lockdir,
            self._ledger,
            places,
            self._let_commands_go_first,
            self._run_for_study,
            is_elected,
            fsync=policy.fsync,
        )
        self._studies = Studies(lockdir, self._ledger, self._endings, places)
        queue = Queue(policy.jobs, policy.retries)
        self.commands = Commands(
            lockdir, self._accounts, policy.hooks, queue, running, policy.environment, self._settled
        )
        self._requests = Requests(lockdir, self._studies, self.commands)
        self._leftovers = Leftovers(lockdir)
        self._objects: dict[str, Stored] = {}  # by the job of their command
        self._awaited: dict[str, list[Study]] = {}  # jobs that a worker waits for; other studies that do

    def recover(self, now: float, beat: Callable[[], None]) -> None:
        """Take over what an earlier keeper has left; `beat` gives a sign of life, since that may be much."""
        self._endings.recover()
        self._studies.look_around(now)
        self._apply(self._ledger.look_back(now, beat), now)
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
        self._studies.seal_due(now, lambda: self._look_again(now))
        self.commands.end(now)
        self._endings.advance(now)
        if not stopping:
            self.commands.start(now)
        self._answer(waiting)
        if self._is_elected():  # else what the other one has written would be removed
            self._accounts.keep_up(self._matters, now)
            self._leftovers.sweep(now)
            self._studies.look_around(now)

    def _look(self, now: float) -> None:
        self._apply(self._ledger.look(now), now)

    def _look_again(self, now: float) -> bool:
        self._look(now)
        return self._is_elected()

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
        if stored.association.sender.waits == WAITS_FOR_COMMANDS:
            self._awaited[job] = []
        self._ledger.need(stored.association)
        if study is not None:
            study.commands_left += 1

    def _let_commands_go_first(self, study: Study) -> None:
        """Have a study that an object has ended wait for that object's command, if somebody else does.

        Then (--exec-sync) one runs after the other, in storescp's order.
        """
        for job, followers in self._awaited.items():
            stored = self._objects[job]
            if stored.record.generation != study.generation and study.is_of(stored.association.sender.peer):
                followers.append(study)
                study.commands_left += 1

    def _run_for_study(self, study: Study) -> None:
        """Let the command of a study run whose files have their names."""
        plan = study.plan
        if plan is None or not self.commands.add(
            jobnames.of_study(study.name), lambda: self._hooks.of_study(plan, study.place)
        ):
            self._endings.finish(study)

    def _settled(self, job: str) -> None:
        """Go on with what has waited for a command."""
        for follower in self._awaited.pop(job, ()):
            self._endings.settled_command(follower)
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

    def is_idle(self) -> bool:
        """Tell whether nothing is under way, and nothing comes by itself: no command, no completion, no deadline."""
        times = self._studies.next_time(), self._endings.next_time()
        return not self.commands.count and not self._endings.count and times == (None, None)

    def descriptors(self) -> list[int]:
        """Give what else to wait for."""
        return list(self._running.descriptors())

    def __str__(self) -> str:
        studies = counted(len(self._studies), "open study", "open studies")
        return f"{studies}, {counted(self.commands.count, 'command')}"

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
