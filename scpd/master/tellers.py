"""Tellers: children that answer what scpctl(8) asks, since that may block: a disk, a lock directory, the client.

A teller has the client's connection, and the master as it was at the fork: what it says is of one moment.  Memory that
the workers go on writing to is copied before.  It has ten seconds; there are few of them at a time.
"""

from __future__ import annotations

import signal
from functools import partial

from scpd.master.children import TELLER, Child
from scpd.master.plainjson import encode
from scpd.process import exitcodes
from scpd.process.fork import spawn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from scpd.master.children import Children
    from scpd.master.control import Client
    from scpd.process.scoreboard import Copy, Scoreboard
    from scpd.process.signals import Wakeup

    Facts = dict[str, Any]
    Tell = Callable[[str, Facts], Mapping[str, Any]]

STATUS, READY = "status", "ready"
QUESTIONS = (STATUS, READY)
MOST = 8
SECONDS = 10


class Tellers:
    """Forks them; `facts(copy)` is what the master knows, `tell(question, facts)` makes the answer of it."""

    __slots__ = ("_children", "_facts", "_kept", "_scoreboard", "_tell", "_wakeup")

    def __init__(
        self,
        tell: Tell,
        facts: Callable[[Copy], Facts],
        scoreboard: Scoreboard,
        children: Children,
        wakeup: Wakeup,
        kept: tuple[int, ...],
    ) -> None:
        self._tell = tell
        self._facts = facts
        self._scoreboard = scoreboard
        self._children = children
        self._wakeup = wakeup
        self._kept = kept

    def begin(self, question: str, client: Client) -> None:
        """Have a question answered."""
        if self._children.count(TELLER) >= MOST:
            client.answer({"error": "too many ask at a time"})
            return
        life = partial(self._live, question, client, self._scoreboard.copy())
        try:
            pid = spawn(life, self._wakeup, (client.fileno(), *self._kept))
        except OSError as error:
            client.answer({"error": f"cannot fork: {error.strerror}"})
            return
        client.close()
        self._children.add(Child(pid, TELLER))

    def _live(self, question: str, client: Client, copy: Copy) -> int:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(SECONDS)
        document = encode(self._tell(question, self._facts(copy)))
        client.sock.settimeout(SECONDS)
        try:
            client.sock.sendall(document.encode("ascii") + b"\n")
        except OSError:  # has not waited
            return exitcodes.LOST
        return exitcodes.OK
