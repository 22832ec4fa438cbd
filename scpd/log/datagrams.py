"""Records as datagrams, to the local syslog or by UDP.

A socket keeps its descriptor for life: it is connected again when the other end has gone, as when a syslog daemon is
restarted.  Sending waits half a second at most; after a failure records are lost for a second, then it is tried again.
A host name is looked up once, at the start.
"""

from __future__ import annotations

import socket

from scpd.log.handlers import Appender, encoded

TYPE_CHECKING = False
if TYPE_CHECKING:
    import logging

    from scpd.log.frames import Frame

    Address = tuple[int, str | tuple[str, int]]

LOCAL_SYSLOG = "/dev/log"

_WAIT_SECONDS = 0.5
_REST_SECONDS = 1.0


class DatagramAppender(Appender):
    """Sends each record to one address, in a frame."""

    def __init__(self, address: Address, frame: Frame) -> None:
        super().__init__()
        family, self._address = address
        self._frame = frame
        self._rest_until = 0.0
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        self._socket.settimeout(_WAIT_SECONDS)
        self._try(b"")

    def descriptors(self) -> tuple[int, ...]:
        """Give the socket's."""
        return (self._socket.fileno(),)

    def connects(self) -> bool:
        """Tell whether the other end has to be found anew: by UDP nobody notices a restart."""
        return self._socket.family == socket.AF_UNIX

    def emit(self, record: logging.LogRecord) -> None:
        """Send the record."""
        now = record.created
        if now < self._rest_until <= now + _REST_SECONDS:
            return
        datagram = encoded(self._frame(record, self.format(record)))
        try:
            self._socket.send(datagram)
        except OSError:
            if not self._try(datagram):
                self._rest_until = now + _REST_SECONDS

    def _try(self, datagram: bytes) -> bool:
        """Connect again and send, unless there is nothing to send; say whether it could be done."""
        try:
            self._socket.connect(self._address)
            if datagram:
                self._socket.send(datagram)
        except OSError:
            return False
        return True


def udp_address(host: str, port: int) -> Address:
    """Look up where datagrams go; raises `OSError`."""
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
    return family, (str(address[0]), int(address[1]))


def local_address(path: str = LOCAL_SYSLOG) -> Address:
    """Give the address of the local syslog."""
    return socket.AF_UNIX, path
