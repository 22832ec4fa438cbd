"""The worker that stands by: forked ahead, so that no peer waits for a fork.

There is one: what a fork has copied is still in the processor's cache when it is used (`python -m bench --only
associations`: with three 8 % fewer).
"""

from __future__ import annotations

from functools import partial

from scpd.master.children import STANDBY, Child
from scpd.process import signals, standby
from scpd.process.fork import spawn

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from scpd.process.score import Score
    from scpd.process.scoreboard import Scoreboard


class Standby:
    """A worker that waits to be handed a connection, if there is one, and the channel to it.

    `stand_by(worker_end, score)` is a worker's life, and gives its exit code; `kept` are the descriptors that it has of
    its master's.
    """

    __slots__ = ("_channel", "_child", "_kept", "_scoreboard", "_stand_by", "_wakeup")

    def __init__(
        self,
        stand_by: Callable[[socket.socket, Score], int],
        wakeup: signals.Wakeup,
        kept: tuple[int, ...],
        scoreboard: Scoreboard,
    ) -> None:
        self._scoreboard = scoreboard
        self._kept = kept
        self._stand_by = stand_by
        self._wakeup = wakeup
        self._child: Child | None = None
        self._channel: socket.socket | None = None

    def __bool__(self) -> bool:
        return self._child is not None

    def fork(self) -> Child:
        """Fork one where there is none; raises `OSError` if there can be no further process or descriptor."""
        mine, theirs = standby.channel()
        slot = self._scoreboard.take()
        life = partial(self._stand_by, theirs, self._scoreboard.score(slot))
        try:
            pid = spawn(life, self._wakeup, (theirs.fileno(), *self._kept))
        except OSError:
            mine.close()
            self._scoreboard.take_back(slot)
            raise
        finally:
            theirs.close()
        self._channel = mine
        self._child = Child(pid, STANDBY, slot=slot)
        return self._child

    def hand_over(self, assignment: standby.Assignment) -> Child | None:
        """Hand a connection to the one there is; `None` if that one has died."""
        child, channel = self._child, self._channel
        assert child is not None and channel is not None, "one was forked"  # noqa: S101, PT018
        self._child = self._channel = None
        try:
            standby.assign(channel, assignment)
        except OSError:
            return None
        finally:
            channel.close()
        return child

    def forget(self, child: Child) -> None:
        """Note that a child has ended; it need not be this one."""
        if child is self._child:
            self.dismiss()

    def dismiss(self) -> None:
        """Close the channel, and the worker leaves."""
        if self._channel is not None:
            self._channel.close()
        self._child = self._channel = None
