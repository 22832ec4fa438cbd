"""Who is at the other end of the socket, and how the socket is set up for it.

`tune` reads the environment as storescp does (TCP_NODELAY, TCP_BUFFER_LENGTH), with one difference: without
TCP_NODELAY Nagle's algorithm is off here, which saves 40 ms for each object wherever the peer delays its
acknowledgements.
"""

from __future__ import annotations

import logging
import socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

log = logging.getLogger("dcmtk.dcmnet")

_MAPPED_IPV4 = "::ffff:"
_READABLE = bytes(code if 32 <= code < 127 else ord("?") for code in range(256))
_DEFAULT_BUFFER = 65536  # what storescp takes TCP_BUFFER_LENGTH=0 for
_LARGEST_BUFFER = 1 << 30  # the kernel gives far less, but takes no number beyond an int


class Peer:
    """A peer's numeric address."""

    __slots__ = ("host", "port")

    def __init__(self, address: tuple[str, int] | tuple[str, int, int, int]) -> None:
        self.host = address[0].removeprefix(_MAPPED_IPV4)
        self.port = address[1]

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def readable(ae_title: bytes) -> str:
    """Give an AE title as it may stand in logs and in `ps`: printable ASCII, whatever a peer sent."""
    return ae_title.translate(_READABLE).decode("ascii")


def tune(sock: socket.socket, environment: Mapping[str, str]) -> None:
    """Set Nagle's algorithm and buffer sizes as the environment says; without a word the kernel tunes the buffers."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, _number(environment, "TCP_NODELAY", 1) != 0)
    length = _number(environment, "TCP_BUFFER_LENGTH", -1)
    if length >= 0:
        length = min(length or _DEFAULT_BUFFER, _LARGEST_BUFFER)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, length)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, length)


def _number(environment: Mapping[str, str], name: str, default: int) -> int:
    value = environment.get(name)
    if value is None:
        return default
    try:
        return int(value)
    except ValueError:
        log.warning("DUL: cannot parse environment variable %s=%s", name, value)
        return default
