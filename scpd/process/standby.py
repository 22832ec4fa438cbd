"""A worker forked ahead: a process that waits to be handed a connection, and the channel to it.

Forking costs a peer a millisecond or two before its first answer; a worker that stands by has that behind it.  The
channel is a pair of Unix sockets that keeps messages apart; a connection goes through it as a descriptor (SCM_RIGHTS,
unix(7)) with its address and the deadline of its request.  When the master closes its end, or dies, the worker that
stands by leaves.
"""

from __future__ import annotations

import select
import socket
from struct import Struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from scpd.process.signals import Wakeup

    Address = tuple[str, int]

# Deadline (monotonic seconds, the same clock in every process), address family, port; the address follows as text.
_HEADER = Struct("dii")
_LONGEST_MESSAGE = 256
_DESCRIPTOR = Struct("i")


class Assignment:
    """A connection to serve: socket, peer's address, deadline (monotonic seconds) of its request."""

    __slots__ = ("address", "deadline", "sock")

    def __init__(self, sock: socket.socket, address: Address, deadline: float) -> None:
        self.sock = sock
        self.address = address
        self.deadline = deadline


def channel() -> tuple[socket.socket, socket.socket]:
    """Make a channel: the master's end and the worker's."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def assign(master_end: socket.socket, work: Assignment) -> None:
    """Hand a connection over; raises `OSError` if nobody is there to take it.  The caller closes its own copy."""
    host, port = work.address[:2]
    message = _HEADER.pack(work.deadline, work.sock.family, port) + host.encode("ascii")
    descriptor = _DESCRIPTOR.pack(work.sock.fileno())
    master_end.sendmsg([message], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptor)])


def await_assignment(worker_end: socket.socket, wakeup: Wakeup) -> Assignment | None:
    """Wait to be handed a connection; `None` if there will be none: the channel is closed, or a signal came."""
    poll = select.poll()
    poll.register(worker_end, select.POLLIN)
    poll.register(wakeup, select.POLLIN)
    poll.poll()
    if wakeup.signalled:
        return None
    # What comes by SCM_RIGHTS would pass to programs that are run, unless told otherwise.
    space, flags = socket.CMSG_SPACE(_DESCRIPTOR.size), socket.MSG_CMSG_CLOEXEC
    message, ancillary, _, _ = worker_end.recvmsg(_LONGEST_MESSAGE, space, flags)
    worker_end.close()
    if not ancillary:
        return None
    deadline, family, port = _HEADER.unpack_from(message)
    descriptor: int = _DESCRIPTOR.unpack_from(ancillary[0][2])[0]
    sock = socket.socket(family, socket.SOCK_STREAM, 0, descriptor)
    return Assignment(sock, (message[_HEADER.size :].decode("ascii"), port), deadline)
