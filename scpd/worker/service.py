"""What a worker is told, and what its process has: the same for every connection, made by the master.

Nothing but values; `policies` fills them in.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from OpenSSL import SSL

    from scpd.log.setup import Logging
    from scpd.process.confine import Confinement
    from scpd.process.score import Score
    from scpd.process.signals import Wakeup
    from scpd.process.titles import Title
    from scpd.tls.endpoint import Tls
    from scpd.ul import negotiation
    from scpd.ul.connection import Timeouts
    from scpd.worker.admission import Admission
    from scpd.worker.bounds import Bounds
    from scpd.worker.dumps import Dumps
    from scpd.worker.faults import Faults
    from scpd.worker.filing import FilingPolicy
    from scpd.worker.gate import Gate
    from scpd.worker.store import StorePolicy


class Verbosity:
    """What is told of an association: the peer's name, dumps of what it says (`None`: none), that we are a child.

    `tells_study` is for a log that can show the Study Instance UID of the object at hand, `is_watched` for a
    standard output that shows dots to somebody as they come.
    """

    __slots__ = ("dumps", "host_lookup", "is_child", "is_watched", "tells_study")

    def __init__(
        self,
        *,
        dumps: Dumps | None = None,
        host_lookup: bool = False,
        is_child: bool = True,
        tells_study: bool = False,
        is_watched: bool = True,
    ) -> None:
        self.dumps = dumps
        self.host_lookup = host_lookup
        self.is_child = is_child
        self.tells_study = tells_study
        self.is_watched = is_watched


class ServicePolicy:
    """What a worker is told: how to negotiate, how long to wait, what to store where, what to say of it.

    `store` is `None` with --ignore; `faults` is `None` unless some are to be simulated, `filing` with neither sorting
    nor commands, `admission` if everybody may send, `gate` if every host may connect, `bounds` without limits, `tls`
    without TLS, `confinement` with --no-confine.  `late` makes up `store` and `filing` when they are first asked for:
    an inetd start has answered its peer by then.  `spare` is a TLS connection that a worker has made ready while it
    stood by.
    """

    __slots__ = (
        "admission",
        "bounds",
        "confinement",
        "faults",
        "filing",
        "gate",
        "late",
        "max_pdu",
        "negotiation",
        "spare",
        "store",
        "timeouts",
        "tls",
        "verbosity",
    )

    def __init__(  # noqa: PLR0913, PLR0917 - as many as there are rooms to tell
        self,
        negotiation: negotiation.Policy,
        max_pdu: int,
        timeouts: Timeouts,
        store: StorePolicy | None,
        faults: Faults | None,
        verbosity: Verbosity,
        filing: FilingPolicy | None = None,
        admission: Admission | None = None,
        gate: Gate | None = None,
        bounds: Bounds | None = None,
        late: Callable[[], tuple[StorePolicy | None, FilingPolicy | None]] | None = None,
        tls: Tls | None = None,
        spare: SSL.Connection | None = None,
        confinement: Confinement | None = None,
    ) -> None:
        self.negotiation = negotiation
        self.max_pdu = max_pdu
        self.timeouts = timeouts
        self.store = store
        self.faults = faults
        self.verbosity = verbosity
        self.filing = filing
        self.admission = admission
        self.gate = gate
        self.bounds = bounds
        self.late = late
        self.tls = tls
        self.spare = spare
        self.confinement = confinement

    def complete(self) -> None:
        """Make up what was left out."""
        late, self.late = self.late, None
        if late is not None:
            self.store, self.filing = late()


class Surroundings:
    """What the process that serves has: its title, its wakeup, its logs; `score` is where others see what it does."""

    __slots__ = ("logs", "score", "title", "wakeup")

    def __init__(self, title: Title, wakeup: Wakeup, logs: Logging, score: Score | None = None) -> None:
        self.title = title
        self.wakeup = wakeup
        self.logs = logs
        self.score = score
