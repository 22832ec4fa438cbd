"""The acceptor of an association without its socket: bytes in, events and bytes out (PS3.8 chapter 9).

The driver fills `stream.room()` and asks `next_event` for what the bytes mean; what must be sent lies in
`outgoing`.  Which PDU is legal when, and what answers the rest, is `machine.TABLE`; the methods named after actions
here carry out what that table says.

Raises, having put the answer into `outgoing`: `Abort` for what PS3.8 forbids, `Released` for an A-RELEASE-RQ,
`Gone` for the peer's A-ABORT or a closed connection, `NotDicom` for bytes of another protocol.
"""

from __future__ import annotations

from scpd.errors import Abort, Gone, NotDicom, Reject, Released, Silent
from scpd.ul import machine, noise, pdus
from scpd.ul.stream import COMMAND_FRAGMENT, LAST_FRAGMENT, PROVIDER, PDUStream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from scpd.errors import PeerError
    from scpd.ul.stream import PDV

    Event = pdus.AssociateRequest | PDV

UNEXPECTED_PDU = 2
# A PDV's own length, context id and message control header stand in front of its fragment (PS3.8 9.3.5.1, E.2).
_PDV_OVERHEAD = 6

_PDU_EVENTS = {
    pdus.ASSOCIATE_RQ: machine.EVT6,
    pdus.ASSOCIATE_AC: machine.EVT3,
    pdus.ASSOCIATE_RJ: machine.EVT4,
    pdus.P_DATA_TF: machine.EVT10,
    pdus.RELEASE_RQ: machine.EVT12,
    pdus.RELEASE_RP: machine.EVT13,
    pdus.ABORT: machine.EVT16,
}
# Actions that need no more of a PDU than its header.
_AT_HEADER = frozenset(("AA-1", "AA-6", "AA-7", "AA-8"))


class Acceptor:
    """One association, from the open transport connection (Sta2) to the closed one (Sta1)."""

    __slots__ = ("_peer_max_pdu", "outgoing", "state", "stream")

    def __init__(self, max_pdu: int) -> None:
        self.stream = PDUStream(max_pdu)
        self.outgoing: list[bytes] = []
        self.state = machine.STA1
        self._peer_max_pdu = 0
        self._step(machine.EVT5)

    def next_event(self) -> Event | None:
        """Give what the received bytes mean next: the request, or a PDV; `None` until more has arrived."""
        stream = self.stream
        # DT-2 changes no state: in Sta6 the usual PDU need not ask the table.
        if self.state == machine.STA6:
            return stream.take_pdv() or self._next_pdu()
        return stream.next_pdv() if stream.inside_p_data() else self._next_pdu()

    def _next_pdu(self) -> Event | None:
        """Do with the next PDU what the table says."""
        if self.state == machine.STA2 and not self.stream.begins_with(pdus.ASSOCIATE_RQ):
            self._refuse_noise()
        try:
            header = self.stream.next_header()
        except Abort as error:
            self._violation(machine.EVT19, error)
            return None
        if header is None:
            return None
        pdu_type, length = header
        event = _PDU_EVENTS[pdu_type]
        action, _ = machine.step(self.state, event)
        if action in _AT_HEADER:
            text = f"unexpected PDU of type {pdu_type:02X}H in Sta{self.state}"
            self._violation(event, Abort(PROVIDER, UNEXPECTED_PDU, text))
            return None
        if pdu_type == pdus.P_DATA_TF:
            return self._p_data(length)
        body = self.stream.take_body(length)
        return None if body is None else _INDICATIONS[pdu_type](self, body)

    def take_data(self, context_id: int, pieces: list[memoryview]) -> bool:
        """Append what has arrived of the data set; tell whether it has arrived to its end.

        `Abort` for a fragment of a command or of another presentation context (PS3.8 annex E.1).
        """
        stream = self.stream
        # The fast path takes no PDV for a PDU where it meets one: the first byte of its length is never 04H.
        while not stream.take_data(context_id, pieces):
            if stream.missing():
                return False
            pdv = self.next_event()
            if pdv is None:
                return False
            if isinstance(pdv, pdus.AssociateRequest) or pdv[0] != context_id or pdv[1] & COMMAND_FRAGMENT:
                raise Abort(
                    0, 0, f"a data set on presentation context {context_id} is cut in by another message"
                )
            pieces.append(pdv[2])
            stream.fragments += 1
            if pdv[1] & LAST_FRAGMENT:
                break
        return True

    def accept(self, answer: bytes, peer_max_pdu: int) -> None:
        """Send the A-ASSOCIATE-AC; `peer_max_pdu` is the longest P-DATA-TF length that the peer takes."""
        self._peer_max_pdu = peer_max_pdu
        self._step(machine.EVT7)
        self.outgoing.append(answer)

    def reject(self, result: int, source: int, reason: int) -> None:
        """Send an A-ASSOCIATE-RJ of these fields (PS3.8 9.3.4)."""
        self._step(machine.EVT8)
        self.outgoing.append(pdus.encode_associate_reject(result, source, reason))

    def send_command(self, context_id: int, command: bytes) -> None:
        """Send a command set, in as many P-DATA-TF PDUs as the peer's maximum length needs."""
        if self.state != machine.STA6:  # where DT-1 changes no state
            self._step(machine.EVT9)
        size = self._peer_max_pdu - _PDV_OVERHEAD
        if len(command) <= size:
            self.outgoing.append(pdus.encode_p_data(context_id, COMMAND_FRAGMENT | LAST_FRAGMENT, command))
            return
        size -= size % 2  # fragments have even length (PS3.8 9.3.5.1, as amended by PS3.7 6.3.1)
        for begin in range(0, len(command), size):
            control = COMMAND_FRAGMENT | (LAST_FRAGMENT if begin + size >= len(command) else 0)
            self.outgoing.append(pdus.encode_p_data(context_id, control, command[begin : begin + size]))

    def release(self) -> None:
        """Answer the peer's release request."""
        self._step(machine.EVT14)
        self.outgoing.append(pdus.encode_release_reply())

    def abort(self, source: int, reason: int) -> None:
        """Send an A-ABORT, unless the association has already ended."""
        if self.state in (machine.STA1, machine.STA13):
            return
        # Before the request PS3.8 has no A-ABORT primitive: ending there is what an invalid PDU does.
        self._step(machine.EVT19 if self.state == machine.STA2 else machine.EVT15)
        self.outgoing.append(pdus.encode_abort(source, reason))

    def end_with(self, error: PeerError) -> None:
        """Answer what ends the association: A-ASSOCIATE-RJ, A-ABORT, A-RELEASE-RP, or nothing."""
        if isinstance(error, Reject):
            self.reject(error.result, error.source, error.reason)
        elif isinstance(error, Abort):
            self.abort(error.source, error.reason)
        elif isinstance(error, Released):
            self.release()

    def transport_closed(self, error: OSError | None = None) -> Gone:
        """Note that the peer closed the connection; give the error to raise.

        `error` is what was met instead of its end: one without a number says more than that the peer has gone.
        """
        is_silent = self.state == machine.STA2 and self.stream.is_empty()
        self._step(machine.EVT17)
        if error is not None and error.errno is None and error.args:
            return Gone(str(error))
        return Silent("closed without a byte") if is_silent else Gone("connection closed by the peer")

    def timer_expired(self, text: str) -> Gone:
        """Note that ARTIM has expired in Sta2; give the error to raise."""
        self._step(machine.EVT18)
        return Gone(text)

    def _step(self, event: int) -> str:
        action, self.state = machine.step(self.state, event)
        return action

    def _refuse_noise(self) -> None:
        """Raise `NotDicom` if the first bytes belong to another protocol (no answer: it would not be understood)."""
        name = noise.recognize(self.stream.peek(noise.ENOUGH))
        if name:
            self._step(machine.EVT17)
            raise NotDicom(name)

    def _violation(self, event: int, error: Abort) -> None:
        """Carry out AA-1, AA-6, AA-7 or AA-8; raises what the association ends with unless it has ended before."""
        action = self._step(event)
        if action in ("AA-6", "AA-7"):
            self.stream.discard()
        if action == "AA-6":
            return
        if action == "AA-1":
            error = Abort(0, 0, str(error))
        self.outgoing.append(pdus.encode_abort(error.source, error.reason))
        if action != "AA-7":
            raise error

    def _p_data(self, length: int) -> PDV | None:
        """DT-2: take the PDU apart."""
        try:
            arrived = self.stream.enter_p_data(length)
        except Abort as error:
            self._violation(machine.EVT19, error)
            return None
        if not arrived:
            return None
        self._step(machine.EVT10)
        return self.stream.next_pdv()

    def _associate_request(self, body: memoryview) -> pdus.AssociateRequest:
        """AE-6; what cannot be decoded is an invalid PDU."""
        try:
            request = pdus.decode_associate_request(body)
        except Abort as error:
            self._violation(machine.EVT19, error)
            raise
        self._step(machine.EVT6)
        return request

    def _release_request(self, body: memoryview) -> None:
        """AR-2."""
        del body
        self._step(machine.EVT12)
        raise Released

    def _abort(self, body: memoryview) -> None:
        """AA-2 and AA-3."""
        self._step(machine.EVT16)
        source, reason = pdus.decode_abort(body)
        raise Gone(f"aborted by the peer (source {source}, reason {reason})")


_INDICATIONS: dict[int, Callable[[Acceptor, memoryview], pdus.AssociateRequest | None]] = {
    pdus.ASSOCIATE_RQ: Acceptor._associate_request,  # noqa: SLF001  (the class's own table)
    pdus.RELEASE_RQ: Acceptor._release_request,  # noqa: SLF001
    pdus.ABORT: Acceptor._abort,  # noqa: SLF001
}
