"""The keeper as a process: elected, woken, told to end.

Workers write journals and, when something new may be due, a byte into the FIFO `wake`; the keeper has a turn
(`keeper.keeper`) and sleeps until the next deadline or byte.  It never spends more than about a fifth of its time
looking, however often it is woken.

It is elected by a lock; who loses waits for its turn.  Told to end (SIGTERM), it lets running commands finish within
the grace period and starts no other; those that still run then are left to the next keeper.  A keeper whose master has
gone ends at once, and so does one whose lock somebody has replaced.  What the machine does not allow is said in one
line: whoever starts the next keeper lets it begin anew.

One that a worker without a master has started (`keeper.starting`) waits for no turn, and goes when it has had nothing
to do for some seconds: it releases the lock, and stays if it has been woken meanwhile.
"""

from __future__ import annotations

import logging
import os
import select
from contextlib import suppress
from time import monotonic

from scpd.keeper.election import Election
from scpd.keeper.keeper import Keeper
from scpd.keeper.runner import Launcher
from scpd.keeper.running import Running
from scpd.lockdir import layout
from scpd.lockdir.layout import LockDirectory
from scpd.process import exitcodes
from scpd.process.locks import is_at

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from scpd.keeper.keeper import KeeperPolicy
    from scpd.process.signals import Wakeup

log = logging.getLogger("dcmtk.apps.storescp")

_ELECTION_SECONDS = 1.0  # between two attempts to be the keeper
_SHARE_OF_TIME = 4.0  # so many times as long as a look took there is none
_LONGEST_REST = 0.5
_FIFO_SIZE = 1 << 20  # of the largest that an unprivileged process can make, pipe(7)


class Surroundings:
    """What the process has that is the keeper.

    `show` shows a title, `beat` gives a sign of life; `master` is a descriptor that can be read as soon as the master
    has gone, `None` for a keeper without one.  `linger` says for how many seconds one stays that has nothing to do,
    `None`: for ever.  `hear` is given the numbers of signals that came, between two turns, and tells whether they mean
    that the keeper is to end.
    """

    __slots__ = ("beat", "hear", "linger", "master", "show", "wakeup")

    def __init__(
        self,
        wakeup: Wakeup,
        show: Callable[[str], None],
        beat: Callable[[], None],
        master: int | None = None,
        linger: float | None = None,
        hear: Callable[[Iterable[int]], bool] = any,
    ) -> None:
        self.wakeup = wakeup
        self.hear = hear
        self.show = show
        self.beat = beat
        self.master = master
        self.linger = linger

    def is_told_to_end(self) -> bool:
        """Tell whether a signal has come that means so."""
        # Taken, since one that is said again is no news, but would wake us for ever.
        return self.wakeup.signalled and self.hear(self.wakeup.take())

    def tellers(self) -> list[int]:
        """Give the descriptors that can be read when it is to end."""
        return [self.wakeup.fileno(), *([] if self.master is None else [self.master])]


def run(policy: KeeperPolicy, around: Surroundings) -> int:
    """Be the keeper as soon as there is no other, and until told to end; give the exit code."""
    try:
        _run(policy, around)
    except OSError as error:
        return _failed(error)
    return exitcodes.OK


def run_while_needed(policy: KeeperPolicy, around: Surroundings, elected: Callable[[], None]) -> int:
    """Be the keeper if there is no other, as long as there is anything to do; give the exit code."""
    try:
        lockdir = LockDirectory(policy.lock_directory)
        election = Election(lockdir)
        if election.is_won():
            elected()
            has_news = True
            while has_news and election.is_won():
                has_news = _keep(policy, lockdir, election, around)
        election.resign()
        lockdir.close()
    except OSError as error:
        return _failed(error)
    return exitcodes.OK


def _failed(error: OSError) -> int:
    where = f"{error.filename}: " if error.filename else ""
    log.error("the keeper cannot go on: %s%s", where, error.strerror)
    return exitcodes.FAILED


def _run(policy: KeeperPolicy, around: Surroundings) -> None:
    lockdir = LockDirectory(policy.lock_directory)
    election = Election(lockdir)
    around.show("keeper, waiting for its turn")
    is_told_to_end = False
    while not is_told_to_end and not election.is_won():
        around.beat()
        ready = _wait(around.tellers(), _ELECTION_SECONDS)
        is_told_to_end = around.master in ready or around.is_told_to_end()
    if not is_told_to_end:
        _keep(policy, lockdir, election, around)
    election.resign()
    lockdir.close()


def _keep(policy: KeeperPolicy, lockdir: LockDirectory, election: Election, around: Surroundings) -> bool:
    """Be the elected keeper; `True` if there is something to do for the next one, of those that go."""
    layout.mend(lockdir)
    wake = _Wake(lockdir)
    directory = lockdir.opened(layout.RUNNING)
    launcher = Launcher(directory, wake.descriptor, around.wakeup, around.show, policy.exec_timeout)
    running = Running(launcher, lambda name: lockdir.set_aside(name, layout.RUNNING))
    keeper = Keeper(policy, lockdir, running, election.is_won)
    keeper.recover(monotonic(), around.beat)
    loop = _Loop(keeper, wake, around, policy.grace)
    has_news = False
    while not loop.is_over():
        if not election.is_won():
            log.warning(
                "somebody has replaced the keeper's lock: leaving the lock directory to another keeper"
            )
            break
        around.beat()
        loop.turn()
        if loop.has_lingered():
            election.resign()
            has_news = bool(_wait([wake.descriptor], 0))
            break
        around.show(f"keeper, {keeper}")
        loop.sleep()
    keeper.close()
    wake.close()
    return has_news


class _Wake:
    """The FIFO by which the keeper is woken; made anew if somebody has replaced it."""

    def __init__(self, lockdir: LockDirectory) -> None:
        self._lockdir = lockdir
        self.descriptor = lockdir.open_wake()

    def take(self) -> None:
        """Empty it, at most once: who writes faster than we read shall not keep us from our work."""
        with suppress(BlockingIOError):
            os.read(self.descriptor, _FIFO_SIZE)
        if is_at(self.descriptor, layout.WAKE, self._lockdir.descriptor):
            return
        log.warning("somebody has replaced the FIFO that wakes the keeper")
        descriptor = self._lockdir.open_wake()
        os.dup2(descriptor, self.descriptor, inheritable=False)  # the number is known to others
        os.close(descriptor)

    def close(self) -> None:
        """Let it go."""
        os.close(self.descriptor)


class _Loop:
    """The keeper's turns, in time."""

    def __init__(self, keeper: Keeper, wake: _Wake, around: Surroundings, grace: float) -> None:
        self._keeper = keeper
        self._wake = wake
        self._around = around
        self._grace = grace
        self._ends_at: float | None = None  # set when it has been told to end
        self._rests_until = 0.0
        self._leaves_at: float | None = None  # set when there is nothing to do

    def is_over(self) -> bool:
        """Tell whether it has been told to end, and no command runs any more or it has had its time."""
        if self._around.is_told_to_end() and self._ends_at is None:
            self._ends_at = monotonic() + self._grace
        if self._ends_at is None:
            return False
        return monotonic() >= self._ends_at or not self._keeper.commands.running_count

    def turn(self) -> None:
        """Do what can be done."""
        begin = monotonic()
        self._wake.take()
        self._keeper.turn(begin, stopping=self._ends_at is not None)
        end = monotonic()
        self._rests_until = end + min((end - begin) * _SHARE_OF_TIME, _LONGEST_REST)
        if self._around.linger is None or not self._keeper.is_idle():
            self._leaves_at = None
        elif self._leaves_at is None:
            self._leaves_at = end + self._around.linger

    def has_lingered(self) -> bool:
        """Tell whether there has been nothing to do for long enough."""
        return self._leaves_at is not None and monotonic() >= self._leaves_at

    def sleep(self) -> None:
        """Sleep until something has happened, and in any case for a moment; not when all is done."""
        if self.is_over():
            return
        now = monotonic()
        wanted = self._keeper.next_time(now, stopping=self._ends_at is not None)
        wanted = min(time for time in (wanted, self._ends_at, self._leaves_at) if time is not None)
        tellers = self._around.tellers()
        ready = _wait([*tellers, self._wake.descriptor, *self._keeper.descriptors()], wanted - now)
        if self._around.master in ready:
            log.info("the master has gone, leaving the lock directory to another keeper")
            self._ends_at = now
            return
        _wait(tellers, self._rests_until - monotonic())


def _wait(descriptors: list[int], seconds: float) -> list[int]:
    """Wait until one of them can be read, at most so long; give those that can."""
    poll = select.poll()
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN)
    return [descriptor for descriptor, _ in poll.poll(max(seconds, 0) * 1000)]
