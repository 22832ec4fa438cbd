"""The one bounded wait of the tests, for what tells nobody that it happened."""

from __future__ import annotations

import select
import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

Value = TypeVar("Value")
PAUSE_SECONDS = 0.005
# What takes a moment may take so long on a machine that is busy with other tests, too.
PATIENCE_SECONDS = 30.0


def wait_until(predicate: Callable[[], Value], timeout: float = PATIENCE_SECONDS, what: str = "") -> Value:
    """Give the first true value of `predicate()`; AssertionError if none comes within `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout:g} s in vain for {what or predicate}")
        time.sleep(PAUSE_SECONDS)


def is_readable(source: int | socket.socket, seconds: float) -> bool:
    """Tell whether there is something to read within so many seconds; of any descriptor, select(2) has 1024."""
    poll = select.poll()
    poll.register(source, select.POLLIN)
    return bool(poll.poll(seconds * 1000))
