"""How a worker without a master gets a keeper: it starts one, detached, unless there is one.

The keeper has a session of its own, the working directory `/` where all its paths are absolute, and none of the
worker's descriptors but files of the log; it goes when nothing is left to do (`keeper.service`).

    worker   line of record > byte in the FIFO > is the keeper's lock taken?
    keeper   a turn > nothing left > lock released > a byte in the FIFO?

In whatever order these steps meet, either the worker finds no lock and starts the next keeper, or this one finds the
byte and has another look.  A keeper that is being started reads everything when it has been elected, so nobody starts
another one meanwhile; of two at once one goes.

Its modules are imported when it is started, all at once: before that, few associations need them.
"""

from __future__ import annotations

import logging
import os
import select

from scpd.keeper.vacancy import is_vacant
from scpd.lockdir.layout import LockDirectory
from scpd.process.fork import spawn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from scpd.process.delegate import Delegate
    from scpd.process.signals import Wakeup

    # What the new process does, given what is to be called when it has been elected.
    Life = Callable[[Callable[[], None]], int]

ELECTION_SECONDS = 10.0

log = logging.getLogger("dcmtk.apps.storescp")


class Starter:
    """Starts the keeper of a lock directory; `kept` are the descriptors that it needs.  Raises nothing."""

    __slots__ = ("_delegate", "_elected", "_kept", "_life", "_path", "_wakeup")

    def __init__(self, path: str, life: Life, wakeup: Wakeup, kept: tuple[int, ...]) -> None:
        self._path = path
        self._life = life
        self._wakeup = wakeup
        self._kept = kept
        self._delegate: Delegate | None = None
        self._elected = -1  # readable as soon as the one that we have started is the keeper, or has gone

    def stand_by(self) -> None:
        """Have a process ready that starts a keeper: this one will be confined, and then it can start none."""
        from scpd.process.delegate import Delegate  # whoever is not confined needs none

        try:
            self._delegate = Delegate(self._be, self._wakeup, self._kept)
        except OSError as error:
            self._complain(error)

    def look(self) -> None:
        """An object is recorded: start a keeper if there is none."""
        try:
            if not self._is_starting(0) and not _is_kept(self._path):
                self._start()
        except OSError as error:
            self._complain(error)

    def finish(self) -> None:
        """All is recorded, and nobody waits for us: let there be a keeper if there is anything to do."""
        try:
            self._is_starting(ELECTION_SECONDS)
            if is_vacant(self._path):
                self._start()
        except OSError as error:
            self._complain(error)

    def _complain(self, error: OSError) -> None:
        log.error("cannot start a keeper for %s: %s", self._path, error.strerror)

    def _is_starting(self, seconds: float) -> bool:
        """Tell whether ours is still being started, after so many seconds at most."""
        if self._elected < 0:
            return False
        poll = select.poll()
        poll.register(self._elected, select.POLLIN)
        if not poll.poll(seconds * 1000):
            return True
        os.close(self._elected)
        self._elected = -1
        return False

    def _start(self) -> None:
        self._elected, writer = os.pipe()
        try:
            if self._delegate is None:
                spawn(lambda: self._be(writer), self._wakeup, (*self._kept, writer))
            else:
                self._delegate.ask(writer)
        finally:
            os.close(writer)

    def _be(self, writer: int) -> int:
        os.setsid()
        return self._life(lambda: os.close(writer))


class Absence:
    """What is done instead where none is to be started (--no-keeper): at the end it is said that there is none."""

    __slots__ = ("_path",)

    def __init__(self, path: str) -> None:
        self._path = path

    def stand_by(self) -> None:
        """Nobody will be started."""

    def look(self) -> None:
        """An object is recorded; somebody else will be the keeper."""

    def finish(self) -> None:
        """All is recorded."""
        try:
            vacant = is_vacant(self._path)
        except OSError as error:
            log.warning("cannot look for the keeper of %s: %s", self._path, error.strerror)
            return
        if vacant:
            log.warning("studies or commands wait in %s, and nobody is its keeper", self._path)


def _is_kept(path: str) -> bool:
    lockdir = LockDirectory(path)
    try:
        return lockdir.has_keeper()
    finally:
        lockdir.close()
