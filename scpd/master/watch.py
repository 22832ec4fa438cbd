"""Descriptors that are watched for something to read, each with what is to be done then.

poll(2) with a dictionary beside it.  `selectors` does the same through an object, a tuple of names and an iterator for
each event: a dozen pages more that a master copies after each fork.
"""

from __future__ import annotations

import select
from select import POLLIN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol, TypeVar

    class Pollable(Protocol):
        """What has a descriptor: -1 once it is closed."""

        def fileno(self) -> int:
            """Give it."""

    Source = TypeVar("Source", bound=Pollable)


class Watch:
    """The watched ones; who closes one takes it out before."""

    __slots__ = ("_poll", "_tasks")

    def __init__(self) -> None:
        self._poll = select.poll()
        self._tasks: dict[int, tuple[Callable[[Pollable], None], Pollable]] = {}

    def add(self, source: Source, task: Callable[[Source], None], events: int = POLLIN) -> None:
        """Do `task(source)` whenever there is something to read from it, or it is at its end.

        `events` may name others (poll(2)).
        """
        descriptor = source.fileno()
        self._poll.register(descriptor, events)
        self._tasks[descriptor] = (task, source)  # type: ignore[assignment]  # it gets no other source

    def remove(self, source: Pollable) -> None:
        """Watch this one no more."""
        descriptor = source.fileno()
        self._poll.unregister(descriptor)
        del self._tasks[descriptor]

    def wait(self, seconds: float) -> None:
        """Wait until something is to be done, but not for longer than these seconds, and do it."""
        ready = []  # no comprehension: it would be a function made for each turn
        for descriptor, _ in self._poll.poll(seconds * 1000):
            ready.append(self._tasks[descriptor])
        for task, source in ready:
            if source.fileno() != -1:  # not closed by an earlier task of this turn
                task(source)
