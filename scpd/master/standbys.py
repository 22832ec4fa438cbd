"""The workers that stand by: forked ahead, so that no peer waits for a fork.

While associations come one is forked for each: what the fork has copied is still in the processor's cache when it is
used, and of three a tenth fewer are served (`python -m bench --only associations`).  In a calm there are five: a sender
opens up to four at once, and to fork for the last of them, and then for the next one, would take a processor from those
that have begun (`python -m bench --only parallel`).

The master, woken for a connection, comes before whoever begins to stand by, and who stands by comes before all else
(`process.slices`; of four at once some hundredths more are served).

Where connections are secure the next worker is forked a millisecond after one was handed over, and until then nobody
asks who has ended.  At once there would be three at work besides the peer: who has just been handed a connection, the
one before, who is about to end, and the fork; and a peer that has to compute is back later than one that has not (two
processors, `python -m bench --only tls-resumed`: an eighth more; `--only associations`: a seventh less).  The fork then
gives way to those at work, too (one in twenty more).
"""

from __future__ import annotations

from functools import partial

from scpd.master.children import STANDBY, Child
from scpd.process import signals, slices, standby
from scpd.process.fork import spawn

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from scpd.process.score import Score
    from scpd.process.scoreboard import Scoreboard

MOST = 5
# What a worker that was handed a secure connection has of the processors before the next one is forked; measured.
SECURE_RESPITE_SECONDS = 0.001
# So long without a connection is a calm.
_CALM_SECONDS = 0.25
# When to try again to fork more, after that could not be.
_REST_SECONDS = 60.0


class Standbys:
    """Up to `most` workers that wait to be handed a connection, and the channels to them.

    `stand_by(worker_end, score)` is a worker's life, and gives its exit code; `kept` are the descriptors that it has of
    its master's.  `respite` is how long after a connection was handed over the last of them is replaced.  Times are
    monotonic seconds.
    """

    __slots__ = (
        "_calm_at",
        "_channels",
        "_due_at",
        "_kept",
        "_most",
        "_respite",
        "_scoreboard",
        "_stand_by",
        "_wakeup",
    )

    def __init__(
        self,
        most: int,
        stand_by: Callable[[socket.socket, Score], int],
        wakeup: signals.Wakeup,
        kept: tuple[int, ...],
        scoreboard: Scoreboard,
        respite: float = 0.0,
    ) -> None:
        self._respite = respite
        self._scoreboard = scoreboard
        self._kept = kept
        self._most = most
        self._stand_by = stand_by
        self._wakeup = wakeup
        self._channels: dict[Child, socket.socket] = {}
        self._calm_at = 0.0
        self._due_at = 0.0  # when the last one is to be replaced

    def __bool__(self) -> bool:
        return bool(self._channels)

    def are_wanted(self, now: float) -> bool:
        """Tell whether it is time to fork one more."""
        at = self.next_time()
        return at is not None and now >= at

    def respite_left(self, now: float) -> float:
        """Give the seconds for which those have the processors who have begun to serve."""
        return max(self._due_at - now, 0.0)

    def next_time(self) -> float | None:
        """Say when one more will be wanted without anything happening; `None`: never."""
        if not self._channels:
            return self._due_at
        return max(self._calm_at, self._due_at) if len(self._channels) < self._most else None

    def put_off(self, now: float) -> None:
        """Do with those that there are: no more can be forked."""
        self._calm_at = now + _REST_SECONDS

    def fork(self) -> Child:
        """Fork one more; raises `OSError` if there can be no further process or descriptor."""
        mine, theirs = standby.channel()
        slot = self._scoreboard.take()
        life = partial(self._stand_by, theirs, self._scoreboard.score(slot))
        if self._respite:
            slices.take(slices.PATIENT)
        try:
            pid = spawn(life, self._wakeup, (theirs.fileno(), *self._kept))
        except OSError:
            mine.close()
            self._scoreboard.take_back(slot)
            raise
        finally:
            slices.take(slices.PROMPT)
            theirs.close()
        child = Child(pid, STANDBY, slot=slot)
        self._channels[child] = mine
        return child

    def hand_over(self, assignment: standby.Assignment, now: float) -> Child | None:
        """Hand a connection to the one that has waited longest; `None` if that one has died."""
        child = next(iter(self._channels))
        channel = self._channels.pop(child)
        self._calm_at = max(self._calm_at, now + _CALM_SECONDS)
        self._due_at = now + self._respite
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
