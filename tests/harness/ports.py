"""TCP ports for servers that take a number only, and a look at who listens (sock_diag(7))."""

from __future__ import annotations

import errno
import os
import random
import socket
import struct

# Below the ports that the kernel gives to outgoing connections (net.ipv4.ip_local_port_range).
FIRST_PORT, LAST_PORT = 20000, 31999
NETLINK_SOCK_DIAG, SOCK_DIAG_BY_FAMILY = 4, 20
NLM_F_REQUEST, NLM_F_DUMP = 0x01, 0x300
# Of struct inet_diag_req_v2 what is asked for: family, protocol, states, source port; 44 bytes follow that may be zero.
LISTENING = 1 << 10


class ReservedPort:
    """A port that no other user of this class gets: a UDP socket of the same number is the lock."""

    def __init__(self) -> None:
        candidates = random.Random(os.urandom(8))
        for _ in range(1000):
            number = candidates.randint(FIRST_PORT, LAST_PORT)
            lock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            try:
                lock.bind(("127.0.0.1", number))
            except OSError:
                lock.close()
                continue
            if _is_free(number):
                self.number = number
                self._lock = lock
                return
            lock.close()
        raise AssertionError("no free port")

    def release(self) -> None:
        """Others may have it."""
        self._lock.close()


def is_listening(port: int) -> bool:
    """Say whether any socket of this network namespace listens there; nothing is sent, nobody notices.

    Asked again and again while a server starts: /proc/net/tcp shows the same, for 400 times as much processor time.
    """
    return any(_listens(family, port) for family in (socket.AF_INET, socket.AF_INET6))


def _listens(family: int, port: int) -> bool:
    request = struct.pack("=BBxxIH", family, socket.IPPROTO_TCP, LISTENING, socket.htons(port)).ljust(
        56, b"\0"
    )
    header = struct.pack("=IHHII", 16 + len(request), SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST | NLM_F_DUMP, 1, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG) as kernel:
        kernel.send(header + request)
        answer = kernel.recv(65536)
    # A socket is answered by a message of its own type, their end (or that there is none) by NLMSG_DONE.
    return struct.unpack_from("=IH", answer)[1] == SOCK_DIAG_BY_FAMILY


def has_ipv6() -> bool:
    """Say whether ::1 can be used on this machine."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def _is_free(number: int) -> bool:
    for family, address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
        try:
            with socket.socket(family, socket.SOCK_STREAM) as probe:
                # As servers do: an old connection in TIME_WAIT is no obstacle.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((address, number))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
    return True
