"""The workers that stand by: forked ahead, so that no peer waits for a fork.

A few are forked at a time: after each fork the master copies every page that it writes to, and one fork for two
workers halves that (`python -m bench --only associations`: with three 3 % more than with one).
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

MOST = 3
# Forked again as soon as fewer than this are left.
_FEW = 2


class Standbys:
    """Up to `most` workers that wait to be handed a connection, and the channels to them.

    `stand_by(worker_end, score)` is a worker's life, and gives its exit code; `kept` are the descriptors that it has of
    its master's.
    """

    __slots__ = ("_channels", "_kept", "_most", "_scoreboard", "_stand_by", "_wakeup")

    def __init__(
        self,
        most: int,
        stand_by: Callable[[socket.socket, Score], int],
        wakeup: signals.Wakeup,
        kept: tuple[int, ...],
        scoreboard: Scoreboard,
    ) -> None:
        self._scoreboard = scoreboard
        self._kept = kept
        self._most = most
        self._stand_by = stand_by
        self._wakeup = wakeup
        self._channels: dict[Child, socket.socket] = {}

    def __bool__(self) -> bool:
        return bool(self._channels)

    def are_few(self) -> bool:
        """Tell whether it is time to fork more."""
        return len(self._channels) < min(_FEW, self._most)

    def are_enough(self) -> bool:
        """Tell whether no more are to be forked."""
        return len(self._channels) >= self._most

    def fork(self) -> Child:
        """Fork one more; raises `OSError` if there can be no further process or descriptor."""
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
        child = Child(pid, STANDBY, slot=slot)
        self._channels[child] = mine
        return child

    def hand_over(self, assignment: standby.Assignment) -> Child | None:
        """Hand a connection to the one that has waited longest; `None` if that one has died."""
        child = next(iter(self._channels))
        channel = self._channels.pop(child)
        try:
            standby.assign(channel, assignment)
        except OSError:
            return None
        finally:
            channel.close()
        return child

    def forget(self, child: Child) -> None:
        """Note that a child has ended; it need not be one of these."""
        channel = self._channels.pop(child, None)
        if channel is not None:
            channel.close()

    def dismiss(self) -> None:
        """Close the channels, and the workers leave."""
        for channel in self._channels.values():
            channel.close()
        self._channels.clear()
