"""How a master renews itself (SIGHUP, SIGUSR2): it asks whether that would work, then executes itself in place.

A reload and an upgrade are the same: program and configuration that are on disk now begin to be in force, in the same
process, on the same sockets.  What runs goes on untouched: workers are children before and after, and nobody who is
waiting is sent away.  So a start and a renewal cannot differ, and no process is half of one program, half of another.

Whether it would work is for the new program to say, in a child (--check-config), which may take its time while we go
on.  If it finds anything wrong all stays as it is, and what it says is in the log.  Asked again meanwhile, it looks
once more, since the files may have changed after it had read them; but requests that do not end postpone nothing for
ever: the fourth check in a row that finds nothing wrong is the last one, whoever asks.
"""

from __future__ import annotations

import logging
import os
import signal
from time import time

from scpd import __version__
from scpd.master.children import CHECKER, Child
from scpd.process import exitcodes, signals
from scpd.process.fork import spawn
from scpd.process.succession import DESCRIPTORS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from scpd.master.books import Books
    from scpd.master.control import Answer, Document
    from scpd.master.door import Door
    from scpd.master.report import Report
    from scpd.process.signals import Wakeup
    from scpd.process.succession import Estate, Program

log = logging.getLogger("dcmtk.apps.storescp")

# Of an estate: descriptors of the listeners, of the pid file and its directory; connections that wait; children.
LISTENERS, PID_FILE, WAITING, CHILDREN = "listeners", "pid_file", "waiting", "children"
# And the grace period, in seconds, of who is told to end before it could read its own.
GRACE = "grace"
_VERSION = "version"  # of the program that leaves it

# Why nobody gives way to a successor, where that is so.
ENDING = "the master is ending"

_CHECK_SECONDS = 60.0
# In a row, while requests come faster than they can be checked.
_MOST_CHECKS = 4
# Of what a check says; a longer list of complaints is cut.
_MOST_TEXT = 16384
_MOST_SAID = 1 << 20  # before it can write no more
_STDERR = 2
_WARNING = "warning: "
_REFUSAL = "not reloaded: %s"


class Heirloom:
    """What a master has from its start, and hands on as it is: `program` is what may succeed it.

    `question` is the estate for a check, with the descriptors that it needs; `estate` has what else a successor needs.
    The books go on for ever; by the door, if there is one, scpctl comes.
    """

    __slots__ = ("books", "door", "estate", "program", "question")

    def __init__(
        self,
        program: Program,
        question: Estate,
        estate: Estate,
        books: Books | None = None,
        door: Door | None = None,
    ) -> None:
        self.books = books
        self.door = door
        self.program = program
        self.question = question
        self.estate = estate


class Renewal:
    """Asks the new program, one check at a time, and gives way to it.

    `give_up()` lets go of what cannot be handed on and gives the estate, without the heirloom, or raises `OSError`; it
    is called last.  That is when time is kept: no signal that came with the end of the check is forgotten.  `add` is
    told of the check, a child that somebody has to reap.  `verdict` is that of the last renewal, if there was one.
    """

    __slots__ = (
        "_add",
        "_answer",
        "_asked_again",
        "_askers",
        "_checks_left",
        "_give_up",
        "_heirloom",
        "_is_granted",
        "_pid",
        "_report",
        "_until",
        "_wakeup",
        "verdict",
    )

    def __init__(
        self,
        heirloom: Heirloom,
        give_up: Callable[[], Estate],
        add: Callable[[Child], None],
        wakeup: Wakeup,
        report: Report,
    ) -> None:
        self._heirloom = heirloom
        self._give_up = give_up
        self._add = add
        self._wakeup = wakeup
        self._report = report
        self._pid = 0  # of the check, if one runs
        self._answer = -1  # the file that it writes to
        self._until: float | None = None  # monotonic seconds
        self._asked_again = False
        self._checks_left = 0
        self._is_granted = False
        self._askers: list[Answer] = []
        self.verdict: Document | None = None

    def take_over(self, estate: Estate) -> None:
        """Say that we have succeeded."""
        before = estate[_VERSION]
        done = "reloaded"
        if before != __version__:
            done = f"upgraded from version {before} to version {__version__}"
        log.info("%s", done)
        self.verdict = _verdict(done, is_done=True)

    def begin(self, now: float, answer: Answer | None = None) -> None:
        """Begin to ask, or ask once more when the answer is there; `answer` hears the verdict, if we stay."""
        if answer is not None:
            self._askers.append(answer)
        if self._pid:
            self._asked_again = True
        elif not self._is_granted:
            self._checks_left = _MOST_CHECKS
            self._begin(now)
        elif self._checks_left:  # what was found before may be no longer so
            self._is_granted = False
            self._begin(now)

    def _begin(self, now: float) -> None:
        self._checks_left = max(self._checks_left - 1, 0)
        self._report.reloading()
        try:
            self._ask(now)
        except OSError as error:
            self._stay(f"cannot check the configuration: {error.strerror}")

    def _ask(self, now: float) -> None:
        self._asked_again = False
        self._answer = os.memfd_create("scpd-check", os.MFD_CLOEXEC)
        kept = (self._answer, *self._heirloom.question[DESCRIPTORS])
        try:
            self._pid = spawn(self._check, self._wakeup, tuple(sorted(kept)))
        except OSError:
            self._forget()
            raise
        self._until = now + _CHECK_SECONDS
        self._add(Child(self._pid, CHECKER))

    def _check(self) -> int:
        """Be the program that checks, in a forked child; one that talks without end fills no memory."""
        from resource import RLIMIT_FSIZE, getrlimit, setrlimit  # the start has it already

        most = getrlimit(RLIMIT_FSIZE)[1]
        setrlimit(RLIMIT_FSIZE, (_MOST_SAID if most < 0 else min(_MOST_SAID, most), most))
        os.dup2(self._answer, _STDERR)
        try:
            self._heirloom.program.check(self._heirloom.question)
        except Exception as error:  # noqa: BLE001 - the top of a process, whose log is closed
            text = (
                f"scpd: cannot execute the program: {error}"  # as the program says it, with a name in front
            )
            os.write(_STDERR, text.encode("utf-8", "backslashreplace"))
        return exitcodes.START_FAILED

    def next_time(self) -> float | None:
        """Give the time (monotonic seconds) at which something is to be done, if any."""
        return 0.0 if self._is_granted else self._until

    def keep_time(self, now: float) -> None:
        """Give way, and do not return, if that has been granted; end a check that takes too long."""
        if self._is_granted:
            self._is_granted = False
            self._give_way()
        if self._until is not None and now >= self._until:
            self._until = None
            os.kill(self._pid, signal.SIGKILL)

    def stop(self) -> None:
        """Ask no more, and give way to nobody: the master ends."""
        if self._pid:
            os.kill(self._pid, signal.SIGKILL)
        self._forget()
        self._asked_again = self._is_granted = False
        self._answer_all(_verdict(ENDING, is_done=False))

    def reaped(self, child: Child, now: float) -> None:
        """Hear what the check says, if it is that which has ended."""
        if child.pid != self._pid:
            return
        complaints = self._complaints(child.exit_code)
        self._forget()
        if complaints:
            self._refuse(complaints)
        if self._asked_again and (complaints or self._checks_left):
            self._begin(now)
        elif complaints:
            self._report.reloaded()
        else:
            self._is_granted = True

    def _stay(self, why: str) -> None:
        """Go on as before, for this reason."""
        self._refuse([why])
        self._report.reloaded()

    def _refuse(self, complaints: list[str]) -> None:
        """Say what is wrong, to whoever reads the log and to those who have asked."""
        for complaint in complaints:
            log.error(_REFUSAL, complaint)
        self.verdict = _verdict(*complaints, is_done=False)
        self._answer_all(self.verdict)

    def _answer_all(self, verdict: Document) -> None:
        for answer in self._askers:
            answer(verdict)
        self._askers.clear()

    def _give_way(self) -> None:
        """Be the new program, which hears the signals that come from now on."""
        heirloom = self._heirloom
        try:
            estate = self._give_up()
        except OSError as error:
            self._stay(f"cannot hand on what there is: {error.strerror}")
            return
        estate = {**heirloom.estate, **estate, _VERSION: __version__}
        estate[DESCRIPTORS] = [*heirloom.estate[DESCRIPTORS], *estate[DESCRIPTORS]]
        mask = signals.hold()
        for number in {
            *self._wakeup.take()
        }:  # heard, and not taken yet: the successor's, as those that are held
            os.kill(os.getpid(), number)
        try:
            heirloom.program.execute(estate)
        except OSError as error:
            signals.restore(mask)
            self._stay(f"cannot execute the program: {error.strerror}")

    def _complaints(self, exit_code: int) -> list[str]:
        """Say what the check found; its warnings are logged."""
        text = os.pread(self._answer, _MOST_TEXT, 0).decode("utf-8", "backslashreplace")
        found = []
        for line in text.splitlines():
            said = line.partition(": ")[2] or line  # without the name of the program
            if said.startswith(_WARNING):
                log.warning("%s", said.removeprefix(_WARNING))
            elif said:
                found.append(said)
        if exit_code == exitcodes.OK:
            return []
        if exit_code < 0:
            found.append(f"the check was killed by signal {-exit_code}")
        return found or [f"the check ended with exit code {exit_code}"]

    def _forget(self) -> None:
        if self._answer >= 0:
            os.close(self._answer)
        self._pid, self._answer, self._until = 0, -1, None


def _verdict(*lines: str, is_done: bool) -> Document:
    return {"ok": is_done, "time": int(time()), "lines": lines}
