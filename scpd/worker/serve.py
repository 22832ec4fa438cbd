"""A worker: one connection from its first byte to its end.

Wait for the request, negotiate, then answer C-ECHO and C-STORE until the peer releases, leaves, breaks the rules or
the administrator stops us.  Whatever ends the association arrives here as a `PeerError`, is answered once, logged
once, and becomes the exit code.
"""

from __future__ import annotations

import logging
import os

from scpd.dimse import messages, status
from scpd.dimse.assembler import CommandAssembler
from scpd.dimse.commands import decode_command
from scpd.errors import Abort, Gone, NotDicom, PeerError, Refused, Reject, Released, Silent, Stopped
from scpd.process import exitcodes
from scpd.store.filemeta import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from scpd.tables.sop_classes import FILE_PREFIXES
from scpd.ul import negotiation, pdus
from scpd.ul.acceptor import Acceptor
from scpd.ul.connection import Connection
from scpd.ul.items import UserInformation
from scpd.worker.peer import readable
from scpd.worker.progress import Progress
from scpd.worker.store import ObjectStore, check_command

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from scpd.process.signals import Wakeup
    from scpd.process.titles import Title
    from scpd.ul.connection import DataSet, Timeouts
    from scpd.ul.negotiation import Context
    from scpd.worker.faults import Faults
    from scpd.worker.peer import Peer
    from scpd.worker.store import StorePolicy

log = logging.getLogger("dcmtk.apps.storescp")


class ServicePolicy:
    """What a worker is told: how to negotiate, how long to wait, what to store where, what to do wrong."""

    __slots__ = ("faults", "ignore", "max_pdu", "negotiation", "store", "timeouts")

    def __init__(
        self,
        negotiation: negotiation.Policy,
        max_pdu: int,
        timeouts: Timeouts,
        store: StorePolicy,
        *,
        ignore: bool,
        faults: Faults | None = None,
    ) -> None:
        self.negotiation = negotiation
        self.max_pdu = max_pdu
        self.timeouts = timeouts
        self.store = store
        self.ignore = ignore
        self.faults = faults


# How far a worker has come, as far as the end of its association depends on it.
_WAITING, _ASSOCIATED, _STORING = "waiting", "associated", "storing"
_ANY = (_WAITING, _ASSOCIATED, _STORING)

# What ends an association: its class, in which phases, exit code, level and begin of the one log line.  The first
# row that fits counts.
_ENDINGS: tuple[tuple[type[PeerError], tuple[str, ...], int, int, str], ...] = (
    (Released, (_STORING,), exitcodes.LOST, logging.ERROR, "Store SCP Failed"),
    (Released, _ANY, exitcodes.OK, logging.INFO, "Association Release"),
    (Stopped, _ANY, exitcodes.STOPPED, logging.WARNING, "Association Aborted"),
    (Silent, _ANY, exitcodes.OK, logging.DEBUG, "No association"),
    (NotDicom, _ANY, exitcodes.NOT_DICOM, logging.ERROR, "Receiving Association failed: not DICOM"),
    (Reject, _ANY, exitcodes.REJECTED, logging.ERROR, "Association Rejected"),
    (Abort, (_WAITING,), exitcodes.ABORTED, logging.ERROR, "Receiving Association failed"),
    (Abort, (_STORING,), exitcodes.ABORTED, logging.ERROR, "Store SCP Failed (aborting association)"),
    (Abort, _ANY, exitcodes.ABORTED, logging.ERROR, "DIMSE failure (aborting association)"),
    (Gone, (_WAITING,), exitcodes.LOST, logging.ERROR, "Receiving Association failed"),
    (Gone, (_STORING,), exitcodes.LOST, logging.ERROR, "Store SCP Failed"),
    (PeerError, _ANY, exitcodes.LOST, logging.INFO, "Association Aborted"),
)


def serve(
    sock: socket.socket, peer: Peer, policy: ServicePolicy, title: Title, wakeup: Wakeup, deadline: float
) -> int:
    """Serve one accepted connection until it ends; `deadline` (monotonic seconds) is for its request.

    Gives the exit code.  Raises nothing that a peer can cause.
    """
    progress = Progress(title, str(peer))
    progress.show()
    connection = Connection(sock, Acceptor(policy.max_pdu), policy.timeouts, wakeup, progress.show)
    worker = _Worker(connection, peer, policy, progress, wakeup)
    try:
        worker.run(deadline)
    except PeerError as error:
        worker.close()
        connection.end(error)
        code = worker.ended(error)
        connection.close()
    return code


class _Worker:
    """The association of this process."""

    __slots__ = (
        "_connection",
        "_contexts",
        "_name",
        "_peer",
        "_phase",
        "_policy",
        "_progress",
        "_store",
        "_wakeup",
    )

    def __init__(
        self, connection: Connection, peer: Peer, policy: ServicePolicy, progress: Progress, wakeup: Wakeup
    ) -> None:
        self._connection = connection
        self._peer = peer
        self._policy = policy
        self._name = str(peer)
        self._phase = _WAITING
        self._progress = progress
        self._wakeup = wakeup
        self._contexts: dict[int, Context] = {}
        self._store: ObjectStore

    def run(self, deadline: float) -> None:
        """Negotiate and serve; ends by a `PeerError`."""
        self._associate(self._connection.request(deadline))
        while True:
            self._phase = _ASSOCIATED
            request, context = self._next_request()
            _HANDLERS.get(request.command_field, _Worker._refuse)(self, request, context)

    def ended(self, error: PeerError) -> int:
        """Log how the association ends; give the exit code that says so."""
        code, level, text = next(
            row[2:] for row in _ENDINGS if isinstance(error, row[0]) and self._phase in row[1]
        )
        detail = "" if isinstance(error, Released) and code == exitcodes.OK else f": {error}"
        log.log(level, "%s%s (%s%s)", text, detail, self._name, self._progress.summary())
        return code

    def close(self) -> None:
        """Leave nothing behind."""
        if self._phase != _WAITING:  # before its first request there is nothing to leave
            self._store.close()

    def _associate(self, request: pdus.AssociateRequest) -> None:
        calling, called = request.calling_ae_title, request.called_ae_title
        self._name = f"{readable(calling)}@{self._peer.host} -> {readable(called)}"
        log.info("Association Received in process %d (%s, port %d)", os.getpid(), self._name, self._peer.port)
        policy = self._policy.negotiation
        negotiation.check_request(request, policy)
        answer = negotiation.negotiate(request.contexts, policy, request.user.roles)
        self._contexts = answer.accepted
        user = UserInformation(
            max_length=self._policy.max_pdu,
            implementation_class_uid=IMPLEMENTATION_CLASS_UID,
            implementation_version_name=IMPLEMENTATION_VERSION_NAME,
            roles=answer.roles,
            extended=answer.extended,
        )
        peer_max_pdu = negotiation.peer_max_pdu(request)
        self._store = ObjectStore(self._policy.store, calling, called)
        self._progress.associated(self._name)
        accept = pdus.encode_associate_accept(called, calling, answer.contexts, user)
        self._connection.accept(accept, peer_max_pdu)
        log.info("Association Acknowledged (Max Send PDV: %d)", max(peer_max_pdu - 12, 0))
        if not self._contexts:
            log.info("    (but no valid presentation contexts)")

    def _next_request(self) -> tuple[messages.Request, Context]:
        """Wait for a command set; `Abort` for one that is not a request on an accepted context."""
        assembler = CommandAssembler()
        while (command := assembler.add(self._connection.next_pdv())) is None:
            pass
        context = self._contexts.get(assembler.context_id)
        if context is None:
            raise Abort(
                0, 0, f"a command on presentation context {assembler.context_id}, which was not accepted"
            )
        return messages.parse_request(decode_command(command)), context

    def _data(self, request: messages.Request, context: Context) -> DataSet:
        return self._connection.data(context.context_id) if request.has_data_set else iter(())

    def _echo(self, request: messages.Request, context: Context) -> None:
        log.info("Received Echo Request (MsgID %d)", request.message_id)
        _discard(self._data(request, context))
        self._connection.respond(context.context_id, messages.response(request, status.SUCCESS))

    def _store_object(self, request: messages.Request, context: Context) -> None:
        prefix = FILE_PREFIXES.get(request.affected_sop_class_uid, "OT")
        log.info("Received Store Request (MsgID %d, %s)", request.message_id, prefix)
        self._phase = _STORING
        self._progress.begin()
        data = self._object(request, context)
        answer, comment = status.SUCCESS, ""
        try:
            check_command(request, context)
            if not self._policy.ignore:
                self._store.store(request, context, data, self._progress)
        except Refused as refusal:
            answer, comment = refusal.status, refusal.comment
            log.error("Store SCP Failed: %s (status %04XH, %s)", refusal.detail, answer, self._name)
        for pieces, fragments, is_last in data:  # what a refusal left, or all of it with --ignore
            self._progress.add(sum(map(len, pieces)), fragments, is_last=is_last)
        self._connection.respond(context.context_id, messages.response(request, answer, comment))
        self._progress.end(stored=answer == status.SUCCESS)
        self._store.prepare()
        if self._policy.faults:
            self._policy.faults.after(self._wakeup)

    def _object(self, request: messages.Request, context: Context) -> DataSet:
        faults = self._policy.faults
        if not faults or not request.has_data_set:
            return self._data(request, context)
        return faults.during(self._connection.data(context.context_id, worth_giving=1), self._wakeup)

    def _refuse(self, request: messages.Request, context: Context) -> None:
        """Answer an operation that is not ours; PS3.7 C.5.5 has a status for it, so the association goes on."""
        _discard(self._data(request, context))
        operation = request.command_field
        log.error(
            "Expected C-ECHO or C-STORE request but received DIMSE command 0x%04x (%s)", operation, self._name
        )
        answer = messages.response(
            request, status.UNRECOGNIZED_OPERATION, "only C-ECHO and C-STORE are served"
        )
        self._connection.respond(context.context_id, answer)

    def _cancel(self, request: messages.Request, context: Context) -> None:
        """C-CANCEL has no response, and nothing that we do can be cancelled (PS3.7 9.3.2.3)."""
        _discard(self._data(request, context))


def _discard(data: DataSet) -> None:
    """Read to its end a data set that nobody asked for."""
    for _ in data:
        pass


_HANDLERS: dict[int, Callable[[_Worker, messages.Request, Context], None]] = {
    messages.C_STORE_RQ: _Worker._store_object,  # noqa: SLF001  (the class's own table)
    messages.C_ECHO_RQ: _Worker._echo,  # noqa: SLF001
    messages.C_CANCEL_RQ: _Worker._cancel,  # noqa: SLF001
}
