"""The master: accepts connections, forks a worker for each that has something to say, reaps, and answers signals.

It never reads a byte from a peer, looks up no name and does nothing that may block.  A worker's crash is a line in
its log.  When descriptors or processes run out it leaves new connections in the kernel's backlog for a moment.
"""

from __future__ import annotations

import errno
import gc
import logging
import os
import signal
from functools import partial
from time import monotonic

from scpd.log.counted import counted
from scpd.master import standbys
from scpd.master.books import SCOREBOARD, Books
from scpd.master.children import KEEPER, STANDBY, SWEEPER, TELLER, Child, Children
from scpd.master.condition import Condition
from scpd.master.control import ASKERS, DOOR, Control
from scpd.master.drain import Drain
from scpd.master.entrance import Entrance
from scpd.master.listeners import names
from scpd.master.renewal import CHILDREN, ENDING, LISTENERS, WAITING, Renewal
from scpd.master.rest import Rest
from scpd.master.tellers import QUESTIONS, Tellers
from scpd.master.turnstile import Turnstile
from scpd.master.upkeep import Upkeep
from scpd.master.waiting import Waiting
from scpd.master.watch import Watch
from scpd.process import exitcodes, pins, signals, slices
from scpd.process.fork import spawn
from scpd.process.standby import Assignment, await_assignment
from scpd.process.succession import DESCRIPTORS
from scpd.worker.peer import Peer

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from scpd.master.control import Answer
    from scpd.master.door import Door
    from scpd.master.renewal import Heirloom
    from scpd.master.report import Report
    from scpd.master.roles import Limits, Roles
    from scpd.master.tellers import Tell
    from scpd.master.waiting import Arrival
    from scpd.process.score import Score
    from scpd.process.succession import Estate

log = logging.getLogger("dcmtk.apps.storescp")

# Reload and upgrade, which are the same (`master.renewal`).
_RENEW = (signal.SIGHUP, signal.SIGUSR2)
# What a check and a successor open until the latter accepts connections itself, and more.
_SPARE_DESCRIPTORS = 24
# poll(2) takes an int of milliseconds.
_LONGEST_WAIT = 3600.0


class Supervisor:
    """The master's loop over the listeners given to it, which it owns from now on.

    `heirloom` is what a successor gets from our start, `page_map` that of this process, if it may look into that.
    """

    def __init__(
        self,
        listeners: list[socket.socket],
        limits: Limits,
        roles: Roles,
        report: Report,
        heirloom: Heirloom,
        page_map: int | None = None,
    ) -> None:
        self._books = books = heirloom.books or Books()
        self._page_map = page_map
        self._limits = limits
        self._roles = roles
        self._report = report
        self._children = Children()
        self._watch = Watch()
        self._rest = Rest()
        self._wakeup = signals.Wakeup(limits.grace)
        most = standbys.MOST if limits.workers is None else min(standbys.MOST, limits.workers)
        self._kept = (*roles.logs.descriptors(), *roles.kept)
        self._standbys = standbys.Standbys(
            most, self._stand_by, self._wakeup, self._kept, books.scoreboard, roles.respite
        )
        self._upkeep = Upkeep(roles.keep, self._children, self._wakeup, self._kept)
        self._turnstile = None
        if limits.per_host is not None and roles.refuse is not None:
            self._turnstile = Turnstile(
                limits.per_host, roles.refuse, self._children, self._wakeup, self._kept, books.tally
            )
        waiting = Waiting(limits.acse_timeout)
        self._entrance = Entrance(
            listeners, waiting, self._watch, self._rest, self._is_full, self._turnstile, books.tally
        )
        self._renewal = Renewal(heirloom, self._give_up, self._children.add, self._wakeup, report)
        self._drain: Drain | None = None
        self._next_sweep = 0.0
        self.condition = Condition(
            pid=os.getpid(),
            addresses=names(listeners),
            most=limits.workers,
            children=self._children,
            books=books,
            entrance=self._entrance,
            upkeep=self._upkeep,
            renewal=self._renewal,
        )
        self._control: Control | None = None
        if heirloom.door is not None and roles.tell is not None:
            self._control = self._open_control(heirloom.door, roles.tell)

    def _open_control(self, door: Door, tell: Tell) -> Control:
        facts, board = self.condition.facts, self._books.scoreboard
        tellers = Tellers(tell, facts, board, self._children, self._wakeup, self._kept)
        questions = {word: partial(tellers.begin, word) for word in QUESTIONS}
        orders = {"drain": self._accept_no_more, "reload": self._reload, "reopen": self._reopen}
        return Control(door, self._watch, orders, questions)

    def take_over(self, estate: Estate) -> None:
        """Go on with what the master before us has left."""
        for child in self._children.take_over(estate[CHILDREN]):
            if child.kind == KEEPER:
                self._upkeep.take_over(child.pid, monotonic())
            if self._turnstile is not None:
                self._turnstile.take_over(child)
        self._entrance.take_over(estate[WAITING])
        self._reap()  # whose end went unheard
        self._renewal.take_over(estate)
        if self._control is not None and self._renewal.verdict is not None:
            self._control.take_over(estate[ASKERS], self._renewal.verdict)

    def _give_up(self) -> Estate:
        """Let go of what no successor can use, and give what there is for it; `OSError` if it could not start."""
        self._standbys.dismiss()
        if not self._entrance.keep_free(_SPARE_DESCRIPTORS):
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        listeners, waiting = self._entrance.estate()
        books = self._books.estate()
        control: Estate = {} if self._control is None else self._control.estate()
        return {
            **control,
            LISTENERS: listeners,
            WAITING: waiting,
            CHILDREN: self._children.estate(),
            **books,
            DESCRIPTORS: [
                books[SCOREBOARD],
                *listeners,
                *(row[0] for row in waiting),
                *control.get(DOOR, ())[:1],
                *control.get(ASKERS, ()),
            ],
        }

    def run(self) -> int:
        """Serve until a signal ends it and the last child has gone; give the exit code."""
        self._watch.add(self._wakeup, self._signalled)
        signals.let_in(signals.MASTER)  # whatever the program before us, or who started us, held back
        self._show()
        # Whatever exists now is shared with every worker and lives for ever: no collection need touch its pages.
        gc.freeze()
        self._rehearse_once()
        while not self._is_over():
            self._turn(monotonic())
        self._report.keep_time(monotonic())  # whoever had nobody to wait for has not said yet that it ends
        log.info("ended")
        return exitcodes.OK

    def _is_over(self) -> bool:
        """Tell whether we are to end, and nobody is left who has to be waited for."""
        return self._drain is not None and not self._children and self._entrance.is_empty()

    def _turn(self, now: float) -> None:
        """Do what the time demands, wait, do what has happened."""
        self._keep_time(now)
        if self._is_over():  # time has closed the last connection, and nothing else would wake us
            return
        self._entrance.open_or_shut(now)
        self._wait(now)
        self._serve_ready()

    def _wait(self, now: float) -> None:
        """Wait until there is something to do, in a respite for nothing that may wait until that is over."""
        seconds, respite = self._seconds_to_wait(now), self._standbys.respite_left(now)
        if not respite or self._drain is not None:  # who ends forks nobody, and waits for its children
            self._watch.wait(seconds)
            return
        mask = signals.hold((signal.SIGCHLD,))
        try:
            self._watch.wait(min(seconds, respite))
        finally:
            signals.restore(mask)

    def _keep_time(self, now: float) -> None:
        self._entrance.keep_time(now)
        self._report.keep_time(now)
        if self._control is not None:
            self._control.keep_time(now)
        if self._drain is not None:
            self._go_on_ending(self._drain, now)
            return
        self._renewal.keep_time(now)
        self._upkeep.keep(now)
        if now >= self._next_sweep and not self._children.has(SWEEPER):
            self._sweep(now)

    def _go_on_ending(self, drain: Drain, now: float) -> None:
        """Insist where that is due; the keeper ends when all others have, whom it may serve until then."""
        number = drain.due(now)
        if number is not None:
            self._entrance.close()
            self._children.send(number)
        if self._children.has_others_than(KEEPER, TELLER) or not self._entrance.is_empty():
            self._upkeep.keep(now)
        else:
            self._upkeep.end(now, drain.next_deadline())

    def _seconds_to_wait(self, now: float) -> float:
        wake = now + _LONGEST_WAIT
        deadline = self._next_sweep if self._drain is None else self._drain.next_deadline()
        entrance = self._entrance.next_times()
        control = None if self._control is None else self._control.next_time()
        is_forking = self._drain is None and self._rest.until is None
        standby = self._standbys.next_time() if is_forking else None
        others = self._report.next_time(), self._renewal.next_time(), self._upkeep.next_time(), control
        for time in (*entrance, self._rest.until, deadline, standby, *others):
            if time is not None and time < wake:
                wake = time
        return max(wake - now, 0.0)

    def _is_full(self) -> bool:
        limit = self._limits.workers
        return limit is not None and self._children.workers >= limit

    def _serve_ready(self) -> None:
        """Give workers to the connections that have spoken, as many as may be, then fork others ahead."""
        entrance = self._entrance
        while (arrival := entrance.first()) is not None and not self._is_full():
            if not self._standbys and not self._fork_ahead():
                break
            if self._hand_over(arrival):
                entrance.let_go()
        while self._drain is None and self._standbys.are_wanted(monotonic()) and self._fork_ahead():
            continue

    def _fork_ahead(self) -> bool:
        """Fork one more worker to stand by, unless the machine does not allow it for now."""
        now = monotonic()
        if not self._rest.is_over(now):
            return False
        try:
            self._children.add(self._standbys.fork())
        except OSError as error:
            if not self._standbys:
                self._rest.begin(f"cannot fork a worker: {error.strerror}")
            self._standbys.put_off(now)
            return False
        return True

    def _stand_by(self, worker_end: socket.socket, score: Score) -> int:
        """Wait in a forked worker for a connection and serve it; give the exit code."""
        self._begin_to_stand_by("standby worker")
        assignment = await_assignment(worker_end, self._wakeup)
        return exitcodes.OK if assignment is None else self._roles.serve(assignment, self._wakeup, score)

    def _rehearse_once(self) -> None:
        """Have a child play a worker's part, before there are others, so that fork copies what it writes to."""
        page_map, self._page_map = self._page_map, None
        if page_map is None:
            return
        if self._roles.rehearse is not None:
            play = partial(self._rehearse, self._roles.rehearse)
            pins.pin_what_is_copied(page_map, play, self._wakeup, self._kept)
        os.close(page_map)

    def _rehearse(self, play: Callable[[], None]) -> None:
        """Play the part of a worker, in a child."""
        self._begin_to_stand_by("rehearsal")
        play()

    def _begin_to_stand_by(self, title: str) -> None:
        self._report.title.show(title)
        if self._roles.prepare is not None:
            self._roles.prepare()
        slices.take(slices.PROMPT)

    def _hand_over(self, arrival: Arrival) -> bool:
        """Hand a connection to a worker that stands by; `False` if that one has died."""
        now = monotonic()
        deadline = min(arrival.since, now) + self._limits.acse_timeout
        child = self._standbys.hand_over(Assignment(arrival.sock, arrival.address, deadline), now)
        if child is None:
            return False
        self._children.employ(child, Peer(arrival.address))
        self._show()
        return True

    def _sweep(self, now: float) -> None:
        self._next_sweep = now + self._roles.sweep_seconds
        if self._roles.refresh is not None:
            self._roles.refresh()
        try:
            pid = spawn(self._roles.sweep, self._wakeup, self._kept)
        except OSError as error:
            log.warning("cannot look for temporary files of dead workers: %s", error.strerror)
            return
        self._children.add(Child(pid, SWEEPER))

    def _signalled(self, wakeup: signals.Wakeup) -> None:
        for number in wakeup.take():
            if number == signal.SIGCHLD:
                self._reap()
            elif number == signal.SIGUSR1:
                self._reopen_logs()
            elif number in _RENEW:
                self._renew(number)
            else:
                self._end(number)

    def _reap(self) -> None:
        now = monotonic()
        for child, by_its_own_will in self._children.reap():
            if not by_its_own_will and child.kind != TELLER:
                self._next_sweep = 0.0
            self._books.reaped(child)
            self._standbys.forget(child)
            if self._turnstile is not None:
                self._turnstile.reaped(child)
            self._upkeep.reaped(child.pid, now)
            self._renewal.reaped(child, now)
            if child.kind == STANDBY and not by_its_own_will:
                self._rest.begin("a worker failed before it had a connection")
        self._show()

    def _renew(self, number: int) -> None:
        """Take a request to reload, or to be upgraded."""
        name = signal.Signals(number).name
        if self._drain is not None:
            log.warning("%s: not reloaded, since the master is ending", name)
            return
        log.info("%s: checking program and configuration", name)
        self._entrance.keep_free(_SPARE_DESCRIPTORS)
        self._renewal.begin(monotonic())

    def _reopen_logs(self) -> list[str]:
        """Open the log files anew, after logrotate(8) moved them, and say which cannot be opened.

        Workers see for themselves that theirs have moved.
        """
        faults = [f"cannot open {path}: what was open is written to" for path in self._roles.logs.reopen()]
        for fault in faults:
            log.error("%s", fault)
        if not faults:
            log.info("log files reopened")
        return faults

    def _reload(self, answer: Answer) -> None:
        """Take scpctl's request to reload; it hears the verdict, of us or of our successor."""
        if self._drain is None:
            self._renewal.begin(monotonic(), answer)
        else:
            answer({"ok": False, "lines": [ENDING]})

    def _reopen(self, answer: Answer) -> None:
        faults = self._reopen_logs()
        answer({"ok": not faults, "lines": faults})

    def _accept_no_more(self, answer: Answer) -> None:
        """Take scpctl's request to end: let those inside finish, however long that takes."""
        if self._drain is None:
            log.info("draining: %s may finish", counted(self._children.workers, "association"))
            self._begin_to_end(Drain(monotonic(), None))
        answer({"ok": True, "associations": self._children.workers})

    def _end(self, number: int) -> None:
        """Take a request to end: close the door at once, let those inside finish within the grace period."""
        now = monotonic()
        if self._drain is not None and self._drain.is_limited:
            log.warning(
                "%s again: aborting %s",
                signal.strsignal(number),
                counted(self._children.workers, "association"),
            )
            self._drain.hurry(now)
            return
        log.info(
            "%s: %s may finish within %g s",
            signal.strsignal(number),
            counted(self._children.workers, "association"),
            self._limits.grace,
        )
        self._report.stopping()
        if self._drain is None:
            self._begin_to_end(Drain(now, self._limits.grace))
        else:
            self._drain.limit(now, self._limits.grace)

    def _begin_to_end(self, drain: Drain) -> None:
        self._drain = drain
        self._renewal.stop()
        self._entrance.shut()
        self._standbys.dismiss()
        self._show()

    def _show(self) -> None:
        stored = self._books.tally.stored
        self._report.show(self._children.workers, stored, is_ending=self._drain is not None)
