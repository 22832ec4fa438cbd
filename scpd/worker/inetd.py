"""A worker that a super-server has started: one connection, which it inherits, served like any other.

inetd, xinetd or systemd (`Accept=yes`) accepts the connection and starts a process for it (`nowait`); the socket is its
standard input (`process.inherited`).  Here is no master: what one does once is done for each connection, so nothing is
imported that this one does not need, and the exit code says only whether it could be served.
"""

from __future__ import annotations

import gc
import socket

from scpd.errors import StartError
from scpd.process import exitcodes
from scpd.process.signals import CHILD, Wakeup, hold, let_in
from scpd.worker.peer import Peer, tune
from scpd.worker.serve import serve

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from scpd.worker.service import ServicePolicy, Surroundings

_FAMILIES = (socket.AF_INET, socket.AF_INET6)
_USE = "--inetd is for inetd(8), xinetd(8) and systemd's Accept=yes"


class Connection:
    """An inherited connection: its socket, who is at the other end, and our own port."""

    __slots__ = ("peer", "port", "sock")

    def __init__(self, sock: socket.socket, peer: Peer, port: int) -> None:
        self.sock = sock
        self.peer = peer
        self.port = port


def find_connection(sock: socket.socket | None) -> Connection | None:
    """Say what standard input was; `None` if the peer has gone already, `StartError` if it is no connection."""
    if sock is None:
        raise StartError(f"standard input is no socket: {_USE}")
    if sock.family not in _FAMILIES or sock.type != socket.SOCK_STREAM:
        raise StartError(f"standard input is no TCP socket: {_USE}")
    if sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        raise StartError("standard input is a listening socket: tell the super-server nowait, not wait")
    try:
        return Connection(sock, Peer(sock.getpeername()), sock.getsockname()[1])
    except OSError:
        return None


def hear_signals() -> Wakeup:
    """Hear what a worker hears, SIGTERM, and be deaf to the rest."""
    hold()
    wakeup = Wakeup()
    let_in(CHILD)
    return wakeup


def serve_inherited(
    connection: Connection,
    policy: ServicePolicy,
    around: Surroundings,
    deadline: float,
    environment: Mapping[str, str],
) -> int:
    """Serve it; give the exit code: an association that fails is no failure of the service."""
    gc.enable()  # a start has none
    tune(connection.sock, environment)
    serve(connection.sock, connection.peer, policy, around, deadline)
    return exitcodes.OK
