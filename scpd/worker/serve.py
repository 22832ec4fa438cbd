"""A worker: one connection from its first byte to its end.

Wait for the request, negotiate, then answer C-ECHO and C-STORE until the peer releases, leaves, breaks the rules or
the administrator stops us.  Whatever ends the association arrives here as a `PeerError`, is answered once, logged
once, and becomes the exit code.
"""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from time import monotonic

from scpd.access.lookup import Question
from scpd.dimse import messages, status
from scpd.dimse.assembler import CommandAssembler, whole_command
from scpd.dimse.commands import decode_command
from scpd.dimse.series import Series
from scpd.errors import Abort, Denied, PeerError, Refused, Released
from scpd.process import exitcodes
from scpd.store.filemeta import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from scpd.tables.sop_classes import FILE_PREFIXES
from scpd.ul import negotiation, pdus
from scpd.ul.acceptor import Acceptor
from scpd.ul.connection import Connection
from scpd.ul.items import UserInformation
from scpd.worker.announcement import check_command
from scpd.worker.confinement import enter
from scpd.worker.endings import ASSOCIATED, STORING, WAITING, alike, ending
from scpd.worker.ignoring import IgnoredObjects
from scpd.worker.peer import readable
from scpd.worker.progress import Progress

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from OpenSSL import SSL

    from scpd.tls.endpoint import Tls
    from scpd.ul.connection import DataSet
    from scpd.ul.negotiation import Context
    from scpd.ul.stream import PDV
    from scpd.worker.admission import Admission
    from scpd.worker.peer import Peer
    from scpd.worker.security import Security
    from scpd.worker.service import ServicePolicy, Surroundings
    from scpd.worker.store import ObjectStore

log = logging.getLogger("dcmtk.apps.storescp")

_LONGEST_UID = 128  # characters in a log: twice what a UID may have (PS3.5 9.1)


def serve(
    sock: socket.socket, peer: Peer, policy: ServicePolicy, around: Surroundings, deadline: float
) -> int:
    """Serve one accepted connection until it ends; `deadline` (monotonic seconds) is for its request.

    Gives the exit code.  Raises nothing that a peer can cause.
    """
    progress = Progress(around.title, str(peer), around.score, is_watched=policy.verbosity.is_watched)
    progress.show()
    around.logs.association.begin(str(peer))
    security = begin_tls(sock, policy.tls, policy.spare)
    line = sock if security is None else security.channel
    connection = Connection(line, Acceptor(policy.max_pdu), policy.timeouts, around.wakeup, progress.show)
    worker = _Worker(connection, peer, policy, around, progress, security)
    try:
        if policy.gate is not None:  # of whom the host rules do not let in not a byte is read
            worker.asks_name = policy.gate.let_in(sock, peer, around)
        worker.ask_name()
        if policy.confinement is not None:
            enter(policy.confinement)
        if security is not None:
            security.establish(around.wakeup, deadline)
            around.logs.association.secure(security.subject)
            security.tell(peer)
        worker.run(deadline)
    except PeerError as error:
        worker.leave()
        connection.end(error)
        worker.close()
        code = worker.ended(error)
        connection.close()
    return code


def begin_tls(sock: socket.socket, tls: Tls | None, spare: SSL.Connection | None = None) -> Security | None:
    """Give what makes a connection a secure one; `None` where nobody asks for that."""
    if tls is None:
        return None
    from scpd.worker.security import Security  # whoever made the policy has it already

    return Security(sock, tls, spare)


class _Worker:
    """The association of this process."""

    __slots__ = (
        "_around",
        "_association",
        "_connection",
        "_contexts",
        "_has_read",
        "_host_name",
        "_informs",
        "_name",
        "_peer",
        "_phase",
        "_policy",
        "_progress",
        "_question",
        "_security",
        "_series",
        "_slot",
        "_store",
        "asks_name",
    )

    def __init__(
        self,
        connection: Connection,
        peer: Peer,
        policy: ServicePolicy,
        around: Surroundings,
        progress: Progress,
        security: Security | None = None,
    ) -> None:
        self._security = security
        self._connection = connection
        self._peer = peer
        self._policy = policy
        self._around = around
        self._association = around.logs.association
        self._name = str(peer)
        self._phase = WAITING
        self._informs = log.isEnabledFor(logging.INFO)  # asked once: each call costs, though nothing is said
        self._progress = progress
        # Who has sent two requests will send a third: for others there is nothing to learn.
        self._has_read = False
        self._series: Series | None = None
        self._contexts: dict[int, Context] = {}
        self._host_name = peer.host  # or what its address was looked up for
        self.asks_name = True  # unless nobody answers
        self._question: Question | None = None
        self._store: ObjectStore | IgnoredObjects | None = None
        self._slot = -1  # the descriptor that counts this association, if a limit does

    def ask_name(self) -> None:
        """Have the peer's name looked up, if it is to be told: by a process, which we can have none of later."""
        if self._policy.verbosity.host_lookup and self.asks_name:
            self._question = Question(self._peer.host, self._around.wakeup, self._around.logs.descriptors())

    def run(self, deadline: float) -> None:
        """Negotiate and serve; ends by a `PeerError`."""
        self._associate(self._connection.request(deadline))
        while True:
            self._phase = ASSOCIATED
            request, context = self._next_request()
            _HANDLERS.get(request.command_field, _Worker._refuse)(self, request, context)

    def ended(self, error: PeerError) -> int:
        """Log how the association ends; give the exit code that says so."""
        row = ending(error, self._phase)
        self._progress.ended(error)
        level = error.level if isinstance(error, Denied) else row.level
        if log.isEnabledFor(level):
            detail = "" if isinstance(error, Released) and row.exit_code == exitcodes.OK else f": {error}"
            text = f"{row.text}{detail}"
            self._complain(level, text, self._progress.summary(), error)
        return row.exit_code

    def leave(self) -> None:
        """Leave nothing behind, before the peer hears of the end; raises nothing."""
        if self._store is not None:
            self._store.leave()
        if self._slot >= 0:
            with suppress(OSError):
                os.close(self._slot)

    def close(self) -> None:
        """Tell others that it is over, who might take the processor from the answer; raises nothing."""
        if self._store is not None:
            self._store.close()

    def _complain(self, level: int, text: str, more: str, error: PeerError | Refused) -> None:
        """Log `text`; an error like one of the last minute is less than one.

        It is information if there was an association, of which it may be the sum, else a detail.
        """
        if level >= logging.ERROR:
            kind, source = alike(error, text, self._peer.host)
            earlier = self._around.logs.complaints.admit(kind, source, monotonic())
            if earlier is None:
                level = logging.DEBUG if self._phase == WAITING else logging.INFO
            elif earlier:
                more += f", {earlier} more like it in the last minute"
        log.log(level, "%s (%s%s)", text, self._name, more)

    def _associate(self, request: pdus.AssociateRequest) -> None:
        calling, called, policy = request.calling_ae_title, request.called_ae_title, self._policy.negotiation
        self._introduce(readable(calling), readable(called))
        user = UserInformation(
            max_length=self._policy.max_pdu,
            implementation_class_uid=IMPLEMENTATION_CLASS_UID,
            implementation_version_name=IMPLEMENTATION_VERSION_NAME,
        )
        dumps = self._policy.verbosity.dumps
        if dumps is not None:
            dumps.request(request, user)
        negotiation.check_request(request, policy)
        if self._security is not None:
            self._security.check()
        if self._policy.admission is not None:
            policy = self._admit(self._policy.admission, called, calling)
        bounds = self._policy.bounds
        if bounds is not None and bounds.least_free:
            self._policy.complete()  # where it stores is asked now
            bounds.check_association(self._place())
        answer = negotiation.negotiate(request.contexts, policy, request.user.roles)
        self._contexts, user.roles, user.extended = answer.accepted, answer.roles, answer.extended
        peer_max_pdu = negotiation.peer_max_pdu(request)
        self._progress.associated(self._name)
        accept = pdus.encode_associate_accept(called, calling, answer.contexts, user)
        self._connection.accept(accept, peer_max_pdu)
        self._store = self._new_store(calling, called)
        if self._store is not None:
            self._connection.on_rest = self._store.rest
        if self._informs:
            log.info("Association Acknowledged (Max Send PDV: %d)", max(peer_max_pdu - 12, 0))
            if not self._contexts:
                log.info("    (but no valid presentation contexts)")
        if dumps is not None:
            dumps.answer(request, answer, user, policy)

    def _admit(self, admission: Admission, called: bytes, calling: bytes) -> negotiation.Policy:
        """Go on as the table of callers says, or not at all; give what is negotiated then."""
        service, self._slot = admission.admit(called, calling, self._peer.host)
        if service is not None:
            self._policy = service
        return self._policy.negotiation

    def _new_store(self, calling: bytes, called: bytes) -> ObjectStore | IgnoredObjects | None:
        """Give what takes the objects of this association; `None` if nobody has to."""
        self._policy.complete()
        store, filing = self._policy.store, None
        if self._policy.filing is not None:
            titles = readable(calling), readable(called)
            certificate = ("", "") if self._security is None else self._security.names()
            filing = self._policy.filing.begin(*titles, self._peer.host, self._host_name, certificate)
        if store is not None:
            from scpd.worker.store import ObjectStore  # whoever made the policy has it already

            tell_study = self._tell_study if self._policy.verbosity.tells_study else None
            return ObjectStore(store, calling, called, filing, tell_study)
        return None if filing is None else IgnoredObjects(filing)

    def _tell_study(self, study_instance_uid: str) -> None:
        self._association.study = study_instance_uid[:_LONGEST_UID]

    def _introduce(self, calling: str, called: str) -> None:
        """Say who has come."""
        verbosity, association = self._policy.verbosity, self._association
        host, name = self._peer.host, ""
        if self._question is not None:
            name = self._question.answer(self._around.wakeup) or ""
            self._host_name = name or host
            host = f"{name} [{host}]" if name else host
        self._name = f"{calling}@{host} -> {called}"
        self._progress.introduce(str(self._peer), calling, called, name)
        association.calling_aet, association.called_aet = calling, called
        if self._informs:
            child = f" in child process (pid: {os.getpid()})" if verbosity.is_child else ""
            log.info("Association Received%s (%s, port %d)", child, self._name, self._peer.port)

    def _next_request(self) -> tuple[messages.Request, Context]:
        """Wait for a command set; `Abort` for one that is not a request on an accepted context."""
        pdv = self._connection.next_pdv()
        context_id, command = pdv[0], whole_command(pdv) or self._assembled(pdv)
        context = self._contexts.get(context_id)
        if context is None:
            raise Abort(0, 0, f"a command on presentation context {context_id}, which was not accepted")
        request = None if self._series is None else self._series.request(command, context_id)
        return request or self._read(command, context), context

    def _assembled(self, pdv: PDV) -> bytes:
        """Give the command set that begins with a fragment, all of it on one presentation context."""
        assembler = CommandAssembler()
        while (command := assembler.add(pdv)) is None:
            pdv = self._connection.next_pdv()
        return command

    def _read(self, command: bytes, context: Context) -> messages.Request:
        """Read a command set that is not like the one before; all of them where they are shown."""
        elements = decode_command(command)
        dumps = self._policy.verbosity.dumps
        if dumps is not None:
            dumps.command(elements, context.context_id)
        request = messages.parse_request(elements)
        if self._has_read and dumps is None:
            self._series = self._series or Series()
            self._series.learn(command, request, context)
        self._has_read = True
        return request

    def _data(self, request: messages.Request, context: Context) -> DataSet:
        return self._connection.data(context.context_id) if request.has_data_set else iter(())

    def _echo(self, request: messages.Request, context: Context) -> None:
        self._rest()
        log.info("Received Echo Request (MsgID %d)", request.message_id)
        _discard(self._data(request, context))
        self._connection.respond(context.context_id, messages.response(request, status.SUCCESS))

    def _store_object(self, request: messages.Request, context: Context) -> None:
        self._association.status = ""
        if self._informs:
            prefix = FILE_PREFIXES.get(request.affected_sop_class_uid, "OT")
            log.info("Received Store Request (MsgID %d, %s)", request.message_id, prefix)
        self._phase = STORING
        self._progress.begin()
        data = self._object(request, context)
        answer, comment = status.SUCCESS, ""
        try:
            if not request.is_checked:
                check_command(request, context)
            if self._store is not None:
                self._store.store(request, context, data, self._progress)
            else:
                self._pass_over(data)
        except Refused as refusal:
            answer, comment = refusal.status, refusal.comment
            self._complain_of_object(refusal)
            self._rest()
            self._pass_over(data)  # what is left of it
        self._association.status = status.text(answer)
        self._progress.end(answer)
        if answer == status.SUCCESS and self._series is not None:
            response = self._series.success(request)
        else:
            response = messages.response(request, answer, comment)
        self._connection.respond(context.context_id, response)
        if self._store is not None:
            self._connection.gives_begin = self._store.prepare()
            if self._store.settles:
                self._store.settle(self._around.wakeup)
        self._association.study = ""  # it is at hand no more
        if self._policy.faults is not None:
            self._rest()
            self._policy.faults.after(self._around.wakeup)

    def _rest(self) -> None:
        """Do what was put off until the next object comes: something else does."""
        if self._store is not None:
            self._store.rest()

    def _pass_over(self, data: DataSet) -> None:
        """Read to its end what nobody stores."""
        for pieces, fragments, is_last in data:
            self._progress.add(sum(map(len, pieces)), fragments, is_last=is_last)

    def _object(self, request: messages.Request, context: Context) -> DataSet:
        faults, bounds = self._policy.faults, self._policy.bounds
        if not request.has_data_set:
            return iter(())
        if faults is None:
            data = self._connection.data(context.context_id)
        else:
            data = self._connection.data(context.context_id, worth_giving=1)
            data = faults.during(data, self._around.wakeup)
        return data if bounds is None else bounds.during(data, self._place())

    def _place(self) -> str | None:
        """Give where objects are stored, if they are."""
        store = self._policy.store
        return None if store is None else store.output_directory

    def _complain_of_object(self, refusal: Refused) -> None:
        """Log why an object is refused."""
        self._association.status = status.text(refusal.status)
        text = f"Store SCP Failed: {refusal.detail}"
        self._complain(logging.ERROR, text, f", status {refusal.status:04X}H", refusal)

    def _refuse(self, request: messages.Request, context: Context) -> None:
        """Answer an operation that is not ours; PS3.7 C.5.5 has a status for it, so the association goes on."""
        self._rest()
        _discard(self._data(request, context))
        operation = request.command_field
        text = f"Expected C-ECHO or C-STORE request but received DIMSE command 0x{operation:04x}"
        refusal = Refused(status.UNRECOGNIZED_OPERATION, "only C-ECHO and C-STORE are served")
        self._complain(logging.ERROR, text, "", refusal)
        answer = messages.response(request, refusal.status, refusal.comment)
        self._connection.respond(context.context_id, answer)

    def _cancel(self, request: messages.Request, context: Context) -> None:
        """C-CANCEL has no response, and nothing that we do can be cancelled (PS3.7 9.3.2.3)."""
        self._rest()
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
