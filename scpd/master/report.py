"""How the master is, shown in `ps`, told to the service manager that started it (READY, STATUS, STOPPING, WATCHDOG).

The manager hears of figures at most once a second, however many associations come and go (of objects when their
association has ended), and a sign of life twice in the time that it waits for one.  What it must hear is told again
until it went out.  Without a manager only the title is left, and costs what it did.
"""

from __future__ import annotations

from time import monotonic_ns

from scpd.log.counted import counted
from scpd.process import notify

TYPE_CHECKING = False
if TYPE_CHECKING:
    from scpd.process.notify import Manager
    from scpd.process.titles import Title

_STATUS_SECONDS = 1.0


class Report:
    """What is said of the master on these `ports`, a text; `manager` is `None` if nobody but ps(1) asks."""

    __slots__ = (
        "_manager",
        "_must_be_told",
        "_next_sign",
        "_next_status",
        "_ports",
        "_told",
        "_words",
        "title",
    )

    def __init__(self, title: Title, ports: str, manager: Manager | None) -> None:
        self.title = title
        self._ports = ports
        self._manager = manager
        self._words = ""
        self._told = ""
        self._must_be_told: tuple[str, ...] = (notify.READY,)
        self._next_status = self._next_sign = 0.0

    def show(self, associations: int, stored: int = 0, *, is_ending: bool) -> None:
        """Show so many associations, and to the manager how many objects earlier ones have stored."""
        words = f"{'draining, ' if is_ending else ''}{counted(associations, 'association')} on {self._ports}"
        self._words = f"{words}, {counted(stored, 'object')} stored" if stored else words
        self.title.show(f"master, {words}")

    def reloading(self) -> None:
        """Say that a reload begins, now."""
        if self._manager is not None:
            self._manager.tell(*notify.reloading(monotonic_ns()))

    def reloaded(self) -> None:
        """Say that a reload has ended, as soon as time is kept."""
        self._must_be_told = (notify.READY,)

    def stopping(self) -> None:
        """Say that it ends, as soon as time is kept."""
        self._must_be_told = (notify.STOPPING,)
        self._next_status = 0.0

    def keep_time(self, now: float) -> None:
        """Tell the manager what is new, and that we live."""
        manager = self._manager
        if manager is None:
            return
        if self._is_new() and now >= self._next_status:
            self._tell(manager, now)
        if manager.watchdog_seconds is not None and now >= self._next_sign:
            manager.tell(notify.WATCHDOG)
            self._next_sign = now + manager.watchdog_seconds / 2

    def _is_new(self) -> bool:
        return bool(self._must_be_told) or self._words != self._told

    def _tell(self, manager: Manager, now: float) -> None:
        words = self._words
        if manager.tell(*self._must_be_told, notify.status(words)):
            self._must_be_told = ()
            self._told = words
        self._next_status = now + _STATUS_SECONDS

    def next_time(self) -> float | None:
        """Give the time (monotonic seconds) at which something is to be told, if any."""
        if self._manager is None:
            return None
        times = [self._next_status] if self._is_new() else []
        if self._manager.watchdog_seconds is not None:
            times.append(self._next_sign)
        return min(times, default=None)
