"""A peer that sends what a test wants, byte by byte if need be, and reads what comes (PS3.8 9.3)."""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from tests.harness import wire
from tests.harness.waiting import PATIENCE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from types import TracebackType

    from tests.harness.wire import Accepted, Pdu

STORE_CONTEXT, ECHO_CONTEXT = 1, 3
CONTEXTS: list[tuple[int, str, list[str]] | bytes] = [
    (STORE_CONTEXT, wire.CT_IMAGE_STORAGE, [wire.EXPLICIT_LITTLE]),
    (ECHO_CONTEXT, wire.VERIFICATION, [wire.IMPLICIT_LITTLE]),
]


class Response(NamedTuple):
    """A command that came back: its context and its elements, raw."""

    context_id: int
    elements: dict[int, bytes]

    @property
    def status(self) -> int:
        """(0000,0900)."""
        return wire.number(self.elements[wire.STATUS])

    @property
    def command(self) -> int:
        """(0000,0100)."""
        return wire.number(self.elements[wire.COMMAND_FIELD])

    @property
    def message_id(self) -> int:
        """(0000,0120), the request that this answers."""
        return wire.number(self.elements[wire.MESSAGE_ID_BEING_RESPONDED_TO])

    @property
    def comment(self) -> str:
        """(0000,0902), empty if absent."""
        return self.elements.get(wire.ERROR_COMMENT, b"").decode("ascii").rstrip()


class RawPeer:
    """A TCP connection to a server; `timeout` in seconds bounds each wait (TimeoutError).

    `source` is the address that it comes from, by default what the system takes.

    The peer's end of the connection is None from `receive`, whether it closed or reset; `was_reset` tells.
    """

    def __init__(
        self, port: int, host: str = "127.0.0.1", timeout: float = PATIENCE_SECONDS, source: str = ""
    ) -> None:
        self.was_reset = False
        self.peer_maximum_length = 0
        self._buffer = b""
        self.socket = socket.create_connection((host, port), timeout, source_address=(source, 0))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # Bytes

    def send(self, data: bytes, chunk: int | None = None) -> None:
        """Send bytes, in writes of `chunk` bytes if given; a peer that closed meanwhile only sets `was_reset`."""
        step = chunk or max(len(data), 1)
        try:
            for position in range(0, len(data), step):
                self.socket.sendall(data[position : position + step])
        except (BrokenPipeError, ConnectionResetError):
            self.was_reset = True

    def receive(self, timeout: float | None = None) -> Pdu | None:
        """Give the next PDU, None at the end of the connection; TimeoutError if neither comes.

        `timeout` is for this one alone.
        """
        if timeout is None:
            return self._receive()
        usual = self.socket.gettimeout()
        self.socket.settimeout(timeout)
        try:
            return self._receive()
        finally:
            self.socket.settimeout(usual)

    def _receive(self) -> Pdu | None:
        header = self._read(6)
        if header is None:
            return None
        kind, length = struct.unpack(">BxI", header)
        body = self._read(length)
        return None if body is None else wire.Pdu(kind, body)

    def receive_until_closed(self, timeout: float | None = None) -> list[Pdu]:
        """Read until the peer closes; the PDUs that came before."""
        found = []
        while pdu := self.receive(timeout):
            found.append(pdu)
        return found

    def half_close(self) -> None:
        """Say that nothing more will be sent; receiving goes on."""
        self.socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Close the connection in the ordinary way, without a word; a second time does nothing."""
        self.socket.close()

    def reset(self) -> None:
        """Close it by a TCP reset, as a machine that vanished does."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    # Association

    def request_association(self, contexts: Sequence[Any] = CONTEXTS, **fields: Any) -> Pdu | None:
        """Send an A-ASSOCIATE-RQ (fields as of `wire.associate_request`), give the answer."""
        self.send(wire.associate_request(list(contexts), **fields))
        return self.receive()

    def associate(self, contexts: Sequence[Any] = CONTEXTS, **fields: Any) -> Accepted:
        """Associate; AssertionError unless an A-ASSOCIATE-AC answers."""
        answer = self.request_association(contexts, **fields)
        if answer is None or answer.type != wire.ASSOCIATE_AC:
            raise AssertionError(f"no association: {answer}")
        accepted = wire.parse_accept(answer.body)
        self.peer_maximum_length = accepted.maximum_length
        return accepted

    def release(self) -> None:
        """Release and close; AssertionError unless the answer is an A-RELEASE-RP.

        Who closes first is not looked at: storescp leaves that to its peer.
        """
        self.send(wire.release_request())
        answer = self.receive()
        if answer is None or answer.type != wire.RELEASE_RP:
            raise AssertionError(f"no release: {answer}")
        self.close()

    def abort(self, source: int = 0, reason: int = 0) -> None:
        """Send an A-ABORT and close."""
        self.send(wire.abort(source, reason))
        self.close()

    # Messages

    def send_command(self, context_id: int, command: bytes, fragments: Iterable[int] | None = None) -> None:
        """Send a command set, by default in one PDV."""
        self._send_message_part(context_id, wire.COMMAND, command, fragments, is_last=True)

    def send_data(
        self, context_id: int, data: bytes, fragments: Iterable[int] | None = None, *, is_last: bool = True
    ) -> None:
        """Send data set bytes, each fragment as one PDV in one P-DATA-TF.

        `fragments` are their lengths, the rest follows in pieces as large as the peer allows.  Without `is_last` no
        fragment is marked as the last one: more is to come, or the test breaks off here.
        """
        self._send_message_part(context_id, wire.DATA, data, fragments, is_last=is_last)

    def receive_response(self) -> Response:
        """Give the next response; AssertionError if something else comes or the association ends."""
        command = b""
        while True:
            pdu = self.receive()
            if pdu is None or pdu.type != wire.P_DATA_TF:
                raise AssertionError(f"no response: {pdu}")
            for pdv in wire.parse_pdvs(pdu.body):
                command += pdv.data
                if pdv.control == wire.COMMAND | wire.LAST:
                    return Response(pdv.context_id, wire.parse_command(command))

    def store(
        self,
        sop_class: str,
        sop_instance: str,
        data: bytes,
        *,
        context_id: int = STORE_CONTEXT,
        message_id: int = 1,
        fragments: Iterable[int] | None = None,
    ) -> int:
        """Send one object, give the status of the answer."""
        self.send_command(context_id, wire.c_store_request(sop_class, sop_instance, message_id))
        self.send_data(context_id, data, fragments)
        response = self.receive_response()
        if (response.command, response.message_id) != (wire.C_STORE_RSP, message_id):
            raise AssertionError(f"not the response to it: {response}")
        return response.status

    def echo(self, context_id: int = ECHO_CONTEXT, message_id: int = 1) -> int:
        """Send a C-ECHO, give the status of the answer."""
        self.send_command(context_id, wire.c_echo_request(message_id))
        return self.receive_response().status

    def _send_message_part(
        self, context_id: int, kind: int, data: bytes, fragments: Iterable[int] | None, *, is_last: bool
    ) -> None:
        pieces = self._cut(data, fragments)
        for index, piece in enumerate(pieces):
            last = wire.LAST if is_last and index == len(pieces) - 1 else 0
            self.send(wire.p_data(wire.pdv(context_id, kind | last, piece)))

    def _cut(self, data: bytes, fragments: Iterable[int] | None) -> list[bytes]:
        pieces = []
        position = 0
        for length in fragments or ():
            pieces.append(data[position : position + length])
            position += length
        # 6 bytes of header stand in front of a fragment; 0 means that the peer sets no limit.
        largest = max((self.peer_maximum_length or 131072) - 6, 1) & ~1 or 1
        while position < len(data) or not pieces:
            pieces.append(data[position : position + largest])
            position += largest
        return pieces

    def _read(self, length: int) -> bytes | None:
        while len(self._buffer) < length:
            try:
                data = self.socket.recv(65536)
            except ConnectionResetError:
                self.was_reset = True
                return None
            if not data:
                return None
            self._buffer += data
        wanted, self._buffer = self._buffer[:length], self._buffer[length:]
        return wanted
