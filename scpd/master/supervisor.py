"""The master: accepts connections, forks a worker for each that has something to say, reaps, and answers signals.

It never reads a byte from a peer, looks up no name and does nothing that may block.  A worker's crash is a line in
its log.  When descriptors or processes run out it leaves new connections in the kernel's backlog for a moment.
"""

from __future__ import annotations

import errno
import gc
import logging
import signal
from time import monotonic

from scpd.master import standbys
from scpd.master.children import KEEPER, STANDBY, SWEEPER, Child, Children
from scpd.master.drain import Drain
from scpd.master.listeners import close_all
from scpd.master.upkeep import Upkeep
from scpd.master.waiting import Arrival, Waiting
from scpd.master.watch import Watch
from scpd.process import exitcodes, signals
from scpd.process.fork import spawn
from scpd.process.standby import Assignment, await_assignment
from scpd.worker.peer import Peer

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from scpd.log.setup import Logging
    from scpd.master.upkeep import Heartbeat
    from scpd.process.titles import Title

log = logging.getLogger("dcmtk.apps.storescp")

# How long the listeners rest when the machine is out of descriptors, processes or memory.
_REST_SECONDS = 0.5
_COMPLAINT_SECONDS = 60.0
# The sweeper looks again after this long, unless told otherwise, and at once when a worker did not end by its own will.
_SWEEP_SECONDS = 300.0
# poll(2) takes an int of milliseconds.
_LONGEST_WAIT = 3600.0


class Limits:
    """`workers` at a time (`None`: no limit); `acse_timeout` and `grace` in seconds."""

    __slots__ = ("acse_timeout", "grace", "workers")

    def __init__(self, workers: int | None, acse_timeout: float, grace: float) -> None:
        self.workers = workers
        self.acse_timeout = acse_timeout
        self.grace = grace


class Roles:
    """What children do: `serve(assignment, wakeup)`, `sweep()`, `keep(wakeup, heartbeat)`, each giving an exit code.

    `keep` is `None` if no keeper is wanted.  `logs` are the log files and what else logging holds open: every child
    keeps it.
    """

    __slots__ = ("keep", "logs", "serve", "sweep", "sweep_seconds")

    def __init__(
        self,
        serve: Callable[[Assignment, signals.Wakeup], int],
        sweep: Callable[[], int],
        keep: Callable[[signals.Wakeup, Heartbeat], int] | None,
        logs: Logging,
        sweep_seconds: float = _SWEEP_SECONDS,
    ) -> None:
        self.serve = serve
        self.keep = keep
        self.sweep = sweep
        self.logs = logs
        self.sweep_seconds = sweep_seconds


class Supervisor:
    """The master's loop over the listeners given to it, which it owns from now on."""

    def __init__(
        self, listeners: list[socket.socket], limits: Limits, roles: Roles, title: Title, port: int
    ) -> None:
        self._listeners = listeners
        self._limits = limits
        self._roles = roles
        self._title = title
        self._port = port
        self._waiting = Waiting(limits.acse_timeout)
        self._children = Children()
        self._watch = Watch()
        self._wakeup = signals.Wakeup()
        most = standbys.MOST if limits.workers is None else min(standbys.MOST, limits.workers)
        self._kept = roles.logs.descriptors()
        self._standbys = standbys.Standbys(most, self._stand_by, self._wakeup, self._kept)
        self._upkeep = Upkeep(roles.keep, self._children, self._wakeup, self._kept)
        self._drain: Drain | None = None
        self._accepting = False
        self._resting_until: float | None = None
        self._next_sweep = 0.0
        self._next_complaint = 0.0

    def run(self) -> int:
        """Serve until a signal ends it and the last child has gone; give the exit code."""
        self._watch.add(self._wakeup, self._signalled)
        # Whatever exists now is shared with every worker and lives for ever: no collection need touch its pages.
        gc.freeze()
        self._show()
        while self._drain is None or self._children:
            self._turn(monotonic())
        log.info("ended")
        return exitcodes.OK

    def _turn(self, now: float) -> None:
        """Do what the time demands, wait, do what has happened."""
        self._keep_time(now)
        self._accept_or_not(now)
        self._watch.wait(self._seconds_to_wait(now))
        self._serve_ready()

    def _keep_time(self, now: float) -> None:
        while (expiry := self._waiting.next_expiry()) is not None and expiry <= now:
            self._drop_oldest("said nothing")
        if self._drain is not None:
            self._go_on_ending(self._drain, now)
            return
        self._upkeep.keep(now)
        if now >= self._next_sweep and not self._children.has(SWEEPER):
            self._sweep(now)

    def _go_on_ending(self, drain: Drain, now: float) -> None:
        """Insist where that is due; the keeper ends when all others have."""
        number = drain.due(now)
        if number is not None:
            self._children.send(number)
        if not self._children.has_others_than(KEEPER):
            self._upkeep.end(now, drain.next_deadline())

    def _seconds_to_wait(self, now: float) -> float:
        wake = now + _LONGEST_WAIT
        deadline = self._next_sweep if self._drain is None else self._drain.next_deadline()
        for time in (self._waiting.next_expiry(), self._resting_until, deadline, self._upkeep.next_time()):
            if time is not None and time < wake:
                wake = time
        return max(wake - now, 0.0)

    def _accept_or_not(self, now: float) -> None:
        """Poll the listeners or leave new connections in the backlog: at the limit, while resting, at the end."""
        if self._resting_until is not None and now >= self._resting_until:
            self._resting_until = None
        wanted = self._drain is None and self._resting_until is None and not self._is_full()
        if wanted == self._accepting:
            return
        self._accepting = wanted
        for listener in self._listeners:
            if wanted:
                self._watch.add(listener, self._accept)
            else:
                self._watch.remove(listener)

    def _is_full(self) -> bool:
        limit = self._limits.workers
        return limit is not None and self._children.workers >= limit

    def _accept(self, listener: socket.socket) -> None:
        """Accept one connection; if there are more, the next poll says so."""
        try:
            sock, address = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError as error:
            self._no_more_connections(error)
            return
        if self._waiting.is_full():
            self._drop_oldest("made room for a newer connection")
        arrival = Arrival(sock, address, monotonic())
        self._waiting.add(arrival)
        if arrival.has_spoken():
            self._spoke(arrival)
        else:
            self._watch.add(arrival, self._readable)

    def _no_more_connections(self, error: OSError) -> None:
        """Make room if a silent connection holds the descriptor that is missing, else rest."""
        if error.errno in (errno.EMFILE, errno.ENFILE) and self._waiting.oldest() is not None:
            self._complain(
                f"{error.strerror}: the connections that have been silent longest make room for newer ones"
            )
            self._drop_oldest("made room for a newer connection")
            return
        self._rest(f"cannot accept a connection: {error.strerror}")

    def _rest(self, why: str) -> None:
        """Leave the listeners alone for a moment."""
        self._complain(f"{why}; trying again every {_REST_SECONDS} s")
        self._resting_until = monotonic() + _REST_SECONDS

    def _complain(self, text: str) -> None:
        """Say what the machine lacks, once a minute."""
        now = monotonic()
        if now >= self._next_complaint:
            log.error("%s", text)
            self._next_complaint = now + _COMPLAINT_SECONDS

    def _drop_oldest(self, why: str) -> None:
        arrival = self._waiting.oldest()
        if arrival is None:
            return
        log.info("connection from %s closed, it %s", Peer(arrival.address), why)
        self._forget(arrival)

    def _forget(self, arrival: Arrival) -> None:
        self._waiting.remove(arrival)
        self._watch.remove(arrival)
        arrival.sock.close()

    def _readable(self, arrival: Arrival) -> None:
        """Take a silent connection that is silent no more: it has spoken, or it has gone without a word."""
        if not arrival.has_spoken():
            log.debug("connection from %s closed without a byte", Peer(arrival.address))
            self._forget(arrival)
            return
        self._watch.remove(arrival)
        self._spoke(arrival)

    def _spoke(self, arrival: Arrival) -> None:
        """Put a connection among those that need a worker."""
        self._waiting.spoke(arrival)
        if self._is_full():
            arrival.since = float("inf")  # it did its part; its time begins when a worker has its

    def _serve_ready(self) -> None:
        """Give workers to the connections that have spoken, as many as may be, then fork more ahead."""
        ready = self._waiting.ready
        while ready and not self._is_full() and (self._standbys or self._fork_ahead()):
            arrival = ready.popleft()
            if not self._hand_over(arrival):
                ready.appendleft(arrival)
        if self._drain is None and self._standbys.are_few():
            while not self._standbys.are_enough() and self._fork_ahead():
                continue

    def _fork_ahead(self) -> bool:
        """Fork one more worker to stand by, unless the machine does not allow it for now."""
        if self._resting_until is not None and monotonic() < self._resting_until:
            return False
        try:
            self._children.add(self._standbys.fork())
        except OSError as error:
            self._no_more_workers(f"cannot fork a worker: {error.strerror}")
            return False
        return True

    def _no_more_workers(self, why: str) -> None:
        """Go on with the workers that stand by, if there are any, else rest."""
        if self._standbys:
            self._complain(why)
        else:
            self._rest(why)

    def _stand_by(self, worker_end: socket.socket) -> int:
        """Wait in a forked worker for a connection and serve it; give the exit code."""
        self._title.show("standby worker")
        assignment = await_assignment(worker_end, self._wakeup)
        return exitcodes.OK if assignment is None else self._roles.serve(assignment, self._wakeup)

    def _hand_over(self, arrival: Arrival) -> bool:
        """Hand a connection to a worker that stands by; `False` if that one has died."""
        deadline = min(arrival.since, monotonic()) + self._limits.acse_timeout
        child = self._standbys.hand_over(Assignment(arrival.sock, arrival.address, deadline))
        if child is None:
            return False
        self._children.employ(child, str(Peer(arrival.address)))
        arrival.sock.close()
        self._show()
        return True

    def _sweep(self, now: float) -> None:
        self._next_sweep = now + self._roles.sweep_seconds
        try:
            pid = spawn(self._roles.sweep, self._wakeup, self._kept)
        except OSError as error:
            log.warning("cannot look for temporary files of dead workers: %s", error.strerror)
            return
        self._children.add(Child(pid, SWEEPER, ""))

    def _signalled(self, wakeup: signals.Wakeup) -> None:
        for number in wakeup.take():
            if number == signal.SIGCHLD:
                self._reap()
            elif number == signal.SIGUSR1:
                self._reopen_logs()
            else:
                self._end(number)

    def _reap(self) -> None:
        for child, by_its_own_will in self._children.reap():
            if not by_its_own_will:
                self._next_sweep = 0.0
            self._standbys.forget(child)
            self._upkeep.reaped(child.pid, monotonic())
            if child.kind == STANDBY and not by_its_own_will:
                self._rest("a worker failed before it had a connection")
        self._show()

    def _reopen_logs(self) -> None:
        """Open the log files anew, after logrotate(8) moved them; workers see for themselves that theirs have moved."""
        self._roles.logs.reopen()
        log.info("log files reopened")

    def _end(self, number: int) -> None:
        """Take a request to end: close the door at once, let those inside finish."""
        now = monotonic()
        if self._drain is not None:
            log.warning(
                "%s again: aborting %d associations", signal.strsignal(number), self._children.workers
            )
            self._drain.hurry(now)
            return
        log.info(
            "%s: %d associations have %g s to finish",
            signal.strsignal(number),
            self._children.workers,
            self._limits.grace,
        )
        self._drain = Drain(now, self._limits.grace)
        self._accept_or_not(now)
        close_all(self._listeners)
        self._standbys.dismiss()
        while (arrival := self._waiting.oldest()) is not None:
            self._forget(arrival)
        self._waiting.close_all()
        self._show()

    def _show(self) -> None:
        count = self._children.workers
        associations = f"{count} association{'' if count == 1 else 's'}"
        self._title.show(f"master, {'draining, ' if self._drain else ''}{associations} on {self._port}")
