"""A refuser: one connection beyond what its host may have, answered by an A-ASSOCIATE-RJ that says so.

Its request is read first, for that PDU answers a request and nothing else (PS3.8 9.2).  Result 2 (rejected-transient),
source 3 (service-provider, presentation related), reason 1 (temporary-congestion), PS3.8 9.3.4: a sender that knows
its trade comes again.  Whoever says nothing, or anything but a request, is dealt with as by a worker.

Whom the host rules do not let in gets no answer, as from a worker; a rule's commands are asked, but none is spawned for
what comes in a flood.

All in all it takes less than five seconds, the peer's time to close included.
"""

from __future__ import annotations

import logging
from time import monotonic

from scpd.errors import Denied, PeerError, Reject
from scpd.log.complaints import and_more
from scpd.ul.acceptor import Acceptor
from scpd.ul.connection import LINGER_SECONDS, Connection
from scpd.ul.negotiation import SERVICE_PROVIDER_PRESENTATION, TEMPORARY_CONGESTION, TRANSIENT
from scpd.worker.confinement import enter
from scpd.worker.endings import WAITING, alike, ending
from scpd.worker.peer import readable
from scpd.worker.serve import begin_tls

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket

    from scpd.process.confine import Confinement
    from scpd.tls.endpoint import Tls
    from scpd.ul.connection import Timeouts
    from scpd.worker.gate import Gate
    from scpd.worker.peer import Peer
    from scpd.worker.service import Surroundings

log = logging.getLogger("dcmtk.apps.storescp")

# From its connection on the peer has five; half a second the master has waited for another to end.
_REQUEST_SECONDS = 5.0 - 0.5 - LINGER_SECONDS
# Of these, for the host rules.
_RULES_SECONDS = 1.0


class RefusalPolicy:
    """What a refuser is told: how to read a request, and how many connections a host may have."""

    __slots__ = ("confinement", "gate", "max_pdu", "most", "timeouts", "tls")

    def __init__(
        self,
        max_pdu: int,
        timeouts: Timeouts,
        most: int,
        gate: Gate | None = None,
        tls: Tls | None = None,
        confinement: Confinement | None = None,
    ) -> None:
        self.confinement = confinement
        self.gate = gate
        self.tls = tls
        self.max_pdu = max_pdu
        self.timeouts = timeouts
        self.most = most


def refuse(sock: socket.socket, peer: Peer, count: int, policy: RefusalPolicy, around: Surroundings) -> int:
    """Refuse one accepted connection of a host that has `count` others; give the exit code.

    Raises nothing that a peer can cause.
    """
    deadline = monotonic() + min(policy.timeouts.acse, _REQUEST_SECONDS)
    around.title.show(f"refusing {peer}, one too many of its host")
    around.logs.association.begin(str(peer))
    security = begin_tls(sock, policy.tls)
    line = sock if security is None else security.channel
    connection = Connection(line, Acceptor(policy.max_pdu), policy.timeouts, around.wakeup, _be_patient)
    refusal = _Refusal(peer, around, f"has {count} already, --max-associations-per-host {policy.most}")
    try:
        if policy.gate is not None:
            policy.gate.judge(sock, peer, around, _RULES_SECONDS)
        if policy.confinement is not None:
            enter(policy.confinement)
        if security is not None:
            security.establish(around.wakeup, deadline)
            around.logs.association.secure(security.subject)
        refusal.read_request(connection, deadline)
    except PeerError as error:
        connection.end(error)
        code = refusal.ended(error)
        connection.close()
    return code


class _Refusal:
    """What is to be said about it."""

    __slots__ = ("_around", "_name", "_peer", "_why")

    def __init__(self, peer: Peer, around: Surroundings, why: str) -> None:
        self._peer = peer
        self._around = around
        self._why = why
        self._name = str(peer)

    def read_request(self, connection: Connection, deadline: float) -> None:
        """Wait for the request and refuse it; always raises a `PeerError`."""
        request = connection.request(deadline)
        association = self._around.logs.association
        association.calling_aet = readable(request.calling_ae_title)
        association.called_aet = readable(request.called_ae_title)
        self._name = f"{association.calling_aet}@{self._peer.host} -> {association.called_aet}"
        raise Reject(
            TRANSIENT,
            SERVICE_PROVIDER_PRESENTATION,
            TEMPORARY_CONGESTION,
            "too many connections of this host",
        )

    def ended(self, error: PeerError) -> int:
        """Log how it ended, an error once a minute for each host; give the exit code that says so."""
        row = ending(error, WAITING)
        level = error.level if isinstance(error, Denied) else row.level
        text, held_back = f"{row.text}: {error}", 0
        if level >= logging.ERROR:
            kind, source = alike(error, text, self._peer.host)
            admitted = self._around.logs.complaints.admit(kind, source, monotonic())
            level, held_back = (logging.DEBUG, 0) if admitted is None else (level, admitted)
        log.log(level, "%s (%s, %s)%s", text, self._name, self._why, and_more(held_back))
        return row.exit_code


def _be_patient() -> None:
    """Do nothing while the peer makes us wait."""
