"""What a master is told: how many may be served and for how long, and what its children do.

Nothing but values; `master_policies` fills them in.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from scpd.log.setup import Logging
    from scpd.master.tellers import Tell
    from scpd.master.turnstile import Refuse
    from scpd.master.upkeep import Heartbeat
    from scpd.process.score import Score
    from scpd.process.signals import Wakeup
    from scpd.process.standby import Assignment

# The sweeper looks again after this long, unless told otherwise, and at once when a worker did not end by its own will.
_SWEEP_SECONDS = 300.0


class Limits:
    """`workers` at a time, connections `per_host` (`None`: no limit); `acse_timeout` and `grace` in seconds."""

    __slots__ = ("acse_timeout", "grace", "per_host", "workers")

    def __init__(
        self, workers: int | None, acse_timeout: float, grace: float, per_host: int | None = None
    ) -> None:
        self.workers = workers
        self.per_host = per_host
        self.acse_timeout = acse_timeout
        self.grace = grace


class Roles:
    """What children do: `serve(assignment, wakeup, score)`, `sweep()`, `keep(wakeup, heartbeat)`; exit codes are given.

    `refuse(sock, peer, count, wakeup)` is for connections beyond `Limits.per_host`, `count` being what the host has.
    `keep` is `None` if no keeper is wanted, `refuse` if there is no such limit.  `logs` are the log files and what else
    logging holds open: every child keeps it, and the descriptors `kept`.  `prepare()` is called by a worker that stands
    by, to make ready what it can; `rehearse()` plays all that a worker does then.  `refresh()` reads anew what children
    find read, if it has changed; it is the master's, and called as often as it sweeps.  `tell(question, facts)` makes
    an answer for scpctl of what the master knows.  `respite` is for how many seconds nobody is forked once a worker has
    begun to serve, if that can wait.
    """

    __slots__ = (
        "keep",
        "kept",
        "logs",
        "prepare",
        "refresh",
        "refuse",
        "rehearse",
        "respite",
        "serve",
        "sweep",
        "sweep_seconds",
        "tell",
    )

    def __init__(  # noqa: PLR0913, PLR0917 - as many as there are children, and what they need
        self,
        serve: Callable[[Assignment, Wakeup, Score], int],
        sweep: Callable[[], int],
        keep: Callable[[Wakeup, Heartbeat], int] | None,
        logs: Logging,
        sweep_seconds: float = _SWEEP_SECONDS,
        refuse: Refuse | None = None,
        refresh: Callable[[], None] | None = None,
        tell: Tell | None = None,
        prepare: Callable[[], None] | None = None,
        rehearse: Callable[[], None] | None = None,
        kept: tuple[int, ...] = (),
        respite: float = 0.0,
    ) -> None:
        self.kept = kept
        self.respite = respite
        self.prepare = prepare
        self.rehearse = rehearse
        self.tell = tell
        self.refresh = refresh
        self.serve = serve
        self.keep = keep
        self.sweep = sweep
        self.logs = logs
        self.sweep_seconds = sweep_seconds
        self.refuse = refuse
