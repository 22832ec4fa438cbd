"""A process that starts others for a worker which cannot, since it is confined.

It is forked before, as the worker was, and does one thing: whenever it is asked, it forks a child that plays the role
that was agreed upon, with one descriptor that the worker hands over (SCM_RIGHTS, unix(7)).  One such child at a time:
who asks again waits until the last one has gone.  It ends when its worker does.

Raises `OSError`.
"""

from __future__ import annotations

import os
import socket
from struct import Struct

from scpd.process import exitcodes
from scpd.process.fork import spawn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from scpd.process.signals import Wakeup

_DESCRIPTOR = Struct("i")
_PLEASE = b"!"


class Delegate:
    """Has `role(descriptor)` played by a child of another process, which keeps the descriptors `kept`."""

    __slots__ = ("_sock",)

    def __init__(self, role: Callable[[int], int], wakeup: Wakeup, kept: tuple[int, ...]) -> None:
        self._sock, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            spawn(lambda: _obey(theirs, role, wakeup, kept), wakeup, (*kept, theirs.fileno()))
        finally:
            theirs.close()

    def ask(self, descriptor: int) -> None:
        """Ask for a child that has this descriptor; the caller closes its own copy."""
        self._sock.sendmsg([_PLEASE], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, _DESCRIPTOR.pack(descriptor))])


def _obey(sock: socket.socket, role: Callable[[int], int], wakeup: Wakeup, kept: tuple[int, ...]) -> int:
    """Be the process: wait to be asked, until nobody is there to ask."""
    space, flags = socket.CMSG_SPACE(_DESCRIPTOR.size), socket.MSG_CMSG_CLOEXEC
    while True:
        message, ancillary, _, _ = sock.recvmsg(len(_PLEASE), space, flags)
        if not message:
            return exitcodes.OK
        for _, _, data in ancillary:
            descriptor: int = _DESCRIPTOR.unpack_from(data)[0]
            try:
                child = spawn(lambda: role(descriptor), wakeup, (*kept, descriptor))  # noqa: B023 - called within
            finally:
                os.close(descriptor)
            os.waitpid(child, 0)
