"""Where a worker waits for the keeper (--exec-sync, --single-process): a FIFO of its own, with numbers coming in.

    replies/MAKER    NUMBER NEWLINE for each object of MAKER's journal that the keeper is through with

The worker makes it before its journal appears, so the keeper finds it whenever there is something to answer.  Numbers
rise; one stands for all before it.  A worker waits as long as there is a keeper that may answer, and some seconds more:
a keeper that has just been restarted answers too.  Who is told to stop stops waiting.

A crash leaves the FIFO, which the keeper removes with the journal.  Raises `OSError`.
"""

from __future__ import annotations

import os
import select
from contextlib import suppress
from time import monotonic

from scpd.errors import Stopped
from scpd.lockdir import layout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from scpd.lockdir.layout import LockDirectory
    from scpd.process.signals import Wakeup

PATIENCE_SECONDS = 5.0  # without any keeper
_LOOK_SECONDS = 0.5  # from one look at the keeper's lock to the next
_FLAGS = os.O_RDWR | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
_MOST = 1 << 12


class Replies:
    """What comes in for one worker."""

    __slots__ = ("_descriptor", "_lockdir", "_maker", "_rest", "answered", "patience_seconds")

    def __init__(
        self, lockdir: LockDirectory, maker: str, patience_seconds: float = PATIENCE_SECONDS
    ) -> None:
        self._lockdir = lockdir
        self._maker = maker
        self._rest = b""
        self.answered = -1  # the highest number that came
        self.patience_seconds = patience_seconds
        directory = lockdir.opened(layout.REPLIES)
        os.mkfifo(maker, 0o666, dir_fd=directory)
        try:
            # Read-write: it never ends, however often its writer comes and goes.
            self._descriptor = os.open(maker, _FLAGS, dir_fd=directory)
        except OSError:
            os.unlink(maker, dir_fd=directory)
            raise

    def wait_for(self, number: int, wakeup: Wakeup) -> bool:
        """Wait for this number; `False` if there is no keeper that could send it.  Raises `Stopped`."""
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN)
        poll.register(wakeup, select.POLLIN)
        last_seen = monotonic()
        while not self._has_come(number):
            if wakeup.signalled:
                raise Stopped(wakeup.cause)
            if not poll.poll(_LOOK_SECONDS * 1000):
                if self._lockdir.has_keeper():
                    last_seen = monotonic()
                elif monotonic() - last_seen >= self.patience_seconds:
                    return False
        return True

    def _has_come(self, number: int) -> bool:
        if self.answered < number:
            with suppress(BlockingIOError):
                *whole, self._rest = (self._rest + os.read(self._descriptor, _MOST)).split(b"\n")
                self.answered = max(self.answered, *(int(line) for line in whole if line.isdigit()), -1)
                self._rest = self._rest[-_MOST:]
        return self.answered >= number

    def close(self) -> None:
        """Remove it; raises nothing."""
        with suppress(OSError):
            os.close(self._descriptor)
        with suppress(OSError):
            os.unlink(self._maker, dir_fd=self._lockdir.opened(layout.REPLIES))
