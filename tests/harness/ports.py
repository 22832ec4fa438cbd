"""TCP ports for servers that take a number only, and a look at who listens (proc_pid_net(5))."""

from __future__ import annotations

import errno
import os
import random
import socket

# Below the ports that the kernel gives to outgoing connections (net.ipv4.ip_local_port_range).
FIRST_PORT, LAST_PORT = 20000, 31999
STATE_LISTEN = "0A"


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
    """Say whether any socket of this network namespace listens there; nothing is sent, nobody notices."""
    ending = f":{port:04X}"
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            with open(table, encoding="ascii") as lines:
                rows = [line.split()[1:4:2] for line in lines]
        except FileNotFoundError:
            continue
        if any(address.endswith(ending) and state == STATE_LISTEN for address, state in rows[1:]):
            return True
    return False


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
