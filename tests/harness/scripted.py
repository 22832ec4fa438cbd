"""A server that answers by script, for our requestor to meet: rejections, aborts, silence."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from tests.harness import wire
from tests.harness.waiting import PATIENCE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self


class ScriptedServer:
    """Runs `script(connection)` for each connection, one at a time; entered, it listens on 127.0.0.1 at `port`.

    Whatever the script raises because its peer has gone is over with that connection.  `receive_buffer` in bytes
    limits what the kernel takes while the script does not read.
    """

    def __init__(self, script: Callable[[socket.socket], None], receive_buffer: int | None = None) -> None:
        self._script = script
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        if receive_buffer:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self._open: socket.socket | None = None
        self._thread = threading.Thread(target=self._serve)
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # shutdown wakes a thread that waits in accept or recv; close alone does not.
        self._listener.shutdown(socket.SHUT_RDWR)
        if self._open:
            with suppress(OSError):  # the peer, or the script, was first
                self._open.shutdown(socket.SHUT_RDWR)
        self._thread.join(PATIENCE_SECONDS)
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                self._open, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            try:
                with self._open:
                    self._script(self._open)
            except OSError:
                continue


def read_pdu(connection: socket.socket) -> wire.Pdu | None:
    """Give the next PDU that the peer sends, None at its end."""
    with connection.makefile("rb", buffering=0) as stream:
        header = _exactly(stream.read, 6)
        length = int.from_bytes(header[2:6], "big")
        body = _exactly(stream.read, length)
    return wire.Pdu(header[0], body) if len(header) == 6 and len(body) == length else None


def accept_all(connection: socket.socket, maximum_length: int = 16384) -> None:
    """Take an A-ASSOCIATE-RQ and accept every context with its first transfer syntax."""
    request = read_pdu(connection)
    if request is None:
        return
    answer = request.body[:68] + wire.item(0x10, wire.APPLICATION_CONTEXT)
    for kind, data in wire.items(request.body[68:]):
        if kind == 0x20:
            syntax = next(value for sub, value in wire.items(data[4:]) if sub == 0x40)
            answer += wire.item(0x21, bytes([data[0], 0, 0, 0]) + wire.item(0x40, syntax))
    connection.sendall(wire.pdu(wire.ASSOCIATE_AC, answer + wire.user_information(maximum_length)))


def read_message(
    connection: socket.socket, before_each_pdu: Callable[[], object] = bool
) -> tuple[int, dict[int, bytes], bytes] | None:
    """Give the next command with its context and data set; None if something else comes."""
    command, data, context_id = b"", bytearray(), 0
    while True:
        before_each_pdu()
        pdu = read_pdu(connection)
        if pdu is None or pdu.type != wire.P_DATA_TF:
            return None
        for pdv in wire.parse_pdvs(pdu.body):
            context_id = pdv.context_id
            if pdv.control & wire.COMMAND:
                command += pdv.data
            else:
                data += pdv.data
            if not pdv.control & wire.LAST:
                continue
            elements = wire.parse_command(command)
            awaits_data = wire.number(elements[wire.COMMAND_DATA_SET_TYPE]) != wire.NO_DATA_SET
            if not (pdv.control & wire.COMMAND and awaits_data):
                return context_id, elements, bytes(data)


def answer_with(
    connection: socket.socket, context_id: int, request: dict[int, bytes], status: int, comment: str = ""
) -> None:
    """Send the response to a C-STORE or C-ECHO request."""
    elements: dict[int, int | str | bytes] = {
        wire.AFFECTED_SOP_CLASS_UID: request[wire.AFFECTED_SOP_CLASS_UID],
        wire.COMMAND_FIELD: wire.number(request[wire.COMMAND_FIELD]) | 0x8000,
        wire.MESSAGE_ID_BEING_RESPONDED_TO: wire.number(request[wire.MESSAGE_ID]),
        wire.COMMAND_DATA_SET_TYPE: wire.NO_DATA_SET,
        wire.STATUS: status,
    }
    if comment:
        elements[wire.ERROR_COMMENT] = comment + " " * (len(comment) % 2)
    if wire.AFFECTED_SOP_INSTANCE_UID in request:
        elements[wire.AFFECTED_SOP_INSTANCE_UID] = request[wire.AFFECTED_SOP_INSTANCE_UID]
    pdv = wire.pdv(context_id, wire.COMMAND | wire.LAST, wire.command_set(elements))
    connection.sendall(wire.p_data(pdv))


def _exactly(read: Callable[[int], bytes | None], length: int) -> bytes:
    data = b""
    while len(data) < length:
        piece = read(length - len(data))
        if not piece:
            break
        data += piece
    return data
