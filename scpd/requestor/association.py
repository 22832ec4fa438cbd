"""An association that we request: opened, watched and ended by way of pynetdicom (PS3.8 7.1 to 7.4).

`open_association` gives an `OpenAssociation` or raises `AssociationError`, whose text says in one line what the
peer, the network or the clock did.  The timeout bounds every silence: the connection attempt, the wait for each
answer and each write that the peer does not take.  A long transfer is not limited as long as its bytes flow.

pynetdicom costs 0.17 s and 30 MB to import, hence only inside the functions that need it.
"""

from __future__ import annotations

import fcntl
import logging
import queue
import socket
import sys
import termios
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from pynetdicom.association import Association

REJECT_RESULTS = {1: "permanently", 2: "for now"}
# PS3.8 9.3.4: the meaning of a reason depends on who gives it.
REJECT_REASONS = {
    (1, 1): "the service user gives no reason",
    (1, 2): "application context name not supported",
    (1, 3): "calling AE title not recognized",
    (1, 7): "called AE title not recognized",
    (2, 1): "the service provider (ACSE) gives no reason",
    (2, 2): "protocol version not supported",
    (3, 1): "temporary congestion",
    (3, 2): "local limit exceeded",
}
# PS3.8 9.3.8; a service user gives no reason.
ABORT_REASONS = {
    0: "no reason given",
    1: "unrecognized PDU",
    2: "unexpected PDU",
    4: "unrecognized PDU parameter",
    5: "unexpected PDU parameter",
    6: "invalid PDU parameter value",
}
# PS3.8 9.3.3.2
CONTEXT_RESULTS = {
    1: "user rejection",
    2: "no reason given",
    3: "abstract syntax not supported",
    4: "transfer syntax not supported",
}
A_ASSOCIATE_RJ, A_ABORT = b"\3", b"\7"  # PDU types (PS3.8 9.3.1)
PDUS_AHEAD = 64
LOOK_AGAIN_SECONDS = 0.2


@dataclass(frozen=True)
class Peer:
    """Whom to call and under which names; `timeout_seconds` is the longest silence that is borne."""

    host: str
    port: int
    calling_ae_title: str = "SCPCTL"
    called_ae_title: str = "ANY-SCP"
    timeout_seconds: float = 30.0

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


class AssociationError(Exception):
    """No association, or no longer one; `str()` is one line for the user."""


class OpenAssociation:
    """An established association, or one on which the peer accepted no context (then it is already over)."""

    def __init__(self, association: Association, witness: _Witness) -> None:
        self._association = association
        self._witness = witness

    @property
    def is_alive(self) -> bool:
        """True while requests can be sent."""
        return bool(self._association.is_established)

    def refusal(self, abstract_syntax: str, transfer_syntax: str) -> str | None:
        """Why the peer refused this context, None if it accepted it (PS3.8 9.3.3.2)."""
        for context in self._association.accepted_contexts:
            if context.abstract_syntax == abstract_syntax and transfer_syntax in context.transfer_syntax:
                return None
        # A refused context carries any transfer syntax in the answer: only the class is compared.
        for context in self._association.rejected_contexts:
            if context.abstract_syntax == abstract_syntax:
                return CONTEXT_RESULTS.get(context.result or 0, f"result {context.result}")
        return "not answered"

    def echo(self) -> int:
        """Send a C-ECHO, give its status (PS3.7 9.1.5); raises `AssociationError` if no valid response comes."""
        self._check_alive()
        return self._status(self._association.send_c_echo())[0]

    def store(self, path: Path, message_id: int) -> tuple[int, str]:
        """Send this file's data set byte for byte, give status and Error Comment (PS3.7 9.1.1).

        Raises `AssociationError` if no valid response comes, OSError if the file cannot be read, ValueError
        or AttributeError if pynetdicom cannot make a request of it.
        """
        self._check_alive()
        return self._status(self._association.send_c_store(str(path), msg_id=message_id))

    def release(self) -> None:
        """A-RELEASE if there is still something to release; failures no longer matter to anybody."""
        if self.is_alive:
            self._association.release()

    def _check_alive(self) -> None:
        if not self.is_alive:
            raise AssociationError(self._witness.cause())

    def _status(self, response: Any) -> tuple[int, str]:
        if "Status" not in response:
            raise AssociationError(self._witness.cause())
        return int(response.Status), str(response.get("ErrorComment", ""))


def open_association(peer: Peer, contexts: Iterable[tuple[str, list[str]]]) -> OpenAssociation:
    """Associate with these presentation contexts (abstract syntax, transfer syntaxes), at most 128.

    Raises `AssociationError` if the name has no address, nobody listens, or the peer rejects, aborts, closes
    or stays silent; ValueError for titles, ports or UIDs that cannot stand in a request.
    """
    from pynetdicom import AE, _config, build_context

    _config.STORE_SEND_CHUNKED_DATASET = True  # files go out as they are, in pieces, undecoded
    application = AE(ae_title=peer.calling_ae_title)
    application.connection_timeout = peer.timeout_seconds
    application.acse_timeout = peer.timeout_seconds
    application.dimse_timeout = peer.timeout_seconds
    application.network_timeout = peer.timeout_seconds
    witness = _Witness(peer)
    with witness.listening_to_the_log():
        try:
            association = application.associate(
                peer.host,
                peer.port,
                contexts=[build_context(abstract, list(transfers)) for abstract, transfers in contexts],
                ae_title=peer.called_ae_title,
                evt_handlers=witness.handlers(),
            )
        except OSError as error:
            raise AssociationError(f"cannot reach {peer}: {error.strerror or error}") from error
    if not association.is_established and not association.rejected_contexts:
        raise AssociationError(witness.cause())
    witness.attend(association)
    return OpenAssociation(association, witness)


class _Witness:
    """What went over the connection, as far as it explains an end; filled in by pynetdicom's threads."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self._bytes_sent = 0
        self._connection: socket.socket | None = None
        self._last_sign = time.monotonic()
        self._last_pdu = b""  # that came after the last one sent
        self._connect_error = ""

    def handlers(self) -> list[Any]:
        """Give the handlers that keep this up to date, for `AE.associate`."""
        from pynetdicom import evt

        return [
            (evt.EVT_CONN_OPEN, self._on_connected),
            (evt.EVT_DATA_SENT, self._on_sent),
            (evt.EVT_DATA_RECV, self._on_received),
        ]

    def bytes_taken(self) -> int:
        """Count what the peer's machine has acknowledged; the rest still lies in our kernel (tcp(7), SIOCOUTQ)."""
        if not self._connection:
            return self._bytes_sent
        try:
            waiting = fcntl.ioctl(self._connection, termios.TIOCOUTQ, bytes(4))
        except (OSError, ValueError):  # pynetdicom's thread has closed it
            return self._bytes_sent
        return self._bytes_sent - int.from_bytes(waiting, sys.byteorder)

    def note_progress(self) -> None:
        """Note a sign of life that no event tells."""
        self._last_sign = time.monotonic()

    def attend(self, association: Association) -> None:
        """Replace the queues of an association by such as know its pace."""
        association.dimse.msg_queue = _PatientQueue(self)
        association.dul.to_provider_queue = _ShortQueue(association)

    def listening_to_the_log(self) -> _LogEar:
        """While entered, pynetdicom's log tells why a connection failed: it says so nowhere else."""
        return _LogEar(self)

    def note_connect_error(self, text: str) -> None:
        """Keep the words of the system: `[Errno 111] Connection refused` becomes `Connection refused`."""
        self._connect_error = text.rpartition("] ")[2]

    def cause(self) -> str:
        """Say in one line why the association is not, or no longer, there."""
        if not self._connection:
            return f"cannot connect to {self.peer}: {self._connect_error or 'no connection'}"
        kind = self._last_pdu[:1]
        if kind == A_ASSOCIATE_RJ:
            return f"{self.peer} rejected the association {_rejection(self._last_pdu)}"
        if kind == A_ABORT:
            return f"{self.peer} aborted the association: {_abortion(self._last_pdu)}"
        # 0.1 s: a wait may end a little before its time by another clock.
        if time.monotonic() - self._last_sign > self.peer.timeout_seconds - 0.1:
            return f"{self.peer} did not answer within {self.peer.timeout_seconds:g} s (timed out)"
        if kind:
            return f"{self.peer} gave an answer that makes no sense here"
        return f"{self.peer} closed the connection"

    def _on_connected(self, event: Any) -> None:
        self._last_sign = time.monotonic()
        self._connection = connection = event.assoc.dul.socket.socket
        # pynetdicom reads and writes without limit: half a PDU would hold it, and us, for ever.
        connection.settimeout(self.peer.timeout_seconds)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def _on_sent(self, event: Any) -> None:
        if event.data[:1] == A_ABORT:
            return  # ours, at the end of our patience: no sign of life
        self._bytes_sent += len(event.data)
        self._last_sign = time.monotonic()
        self._last_pdu = b""

    def _on_received(self, event: Any) -> None:
        self._last_sign = time.monotonic()
        self._last_pdu = event.data


def _rejection(pdu: bytes) -> str:
    """Put an A-ASSOCIATE-RJ into words: type, reserved, length (4), reserved, result, source, reason."""
    result, source, reason = pdu[7:10].ljust(3, b"\0")
    words = REJECT_REASONS.get((source, reason), f"source {source}, reason {reason}")
    return f"{REJECT_RESULTS.get(result, f'(result {result})')}: {words}"


def _abortion(pdu: bytes) -> str:
    """Put an A-ABORT into words: type, reserved, length (4), reserved (2), source, reason."""
    source, reason = pdu[8:10].ljust(2, b"\0")
    if source == 0:
        return "by its service user"
    return f"by its service provider, {ABORT_REASONS.get(reason, f'reason {reason}')}"


class _LogEar(logging.Handler):
    """Listens to pynetdicom's errors for as long as it is entered."""

    def __init__(self, witness: _Witness) -> None:
        super().__init__(logging.ERROR)
        self._witness = witness

    def __enter__(self) -> None:
        logging.getLogger("pynetdicom").addHandler(self)

    def __exit__(self, *_: object) -> None:
        logging.getLogger("pynetdicom").removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the one message that names the error of connect()."""
        label, _, text = record.getMessage().partition("TCP Initialisation Error: ")
        if not label and text:
            self._witness.note_connect_error(text)


class _PatientQueue(queue.Queue[Any]):
    """Responses of the peer; the wait for one begins anew as long as it takes parts of the request."""

    def __init__(self, witness: _Witness) -> None:
        super().__init__()
        self._witness = witness

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        """As `Queue.get`; `timeout` counts from the last byte taken, and up to twice as long."""
        if not block:
            # pynetdicom's reactor looks for requests of the peer here, and is not always paused in time: then it
            # takes the response that we wait for.
            raise queue.Empty
        while True:
            taken_before = self._witness.bytes_taken()
            try:
                return super().get(timeout=timeout)
            except queue.Empty:
                if self._witness.bytes_taken() == taken_before:
                    raise
                self._witness.note_progress()


class _ShortQueue(queue.Queue[Any]):
    """PDUs on their way to pynetdicom's thread: few, or a large file would lie in memory as a whole."""

    def __init__(self, association: Association) -> None:
        super().__init__(PDUS_AHEAD)
        self._association = association

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:  # noqa: ARG002 (Queue's)
        """Wait for room; what nobody will send any more is dropped."""
        while self._association.dul.is_alive():
            try:
                return super().put(item, block, LOOK_AGAIN_SECONDS)
            except queue.Full:
                continue
        return None
