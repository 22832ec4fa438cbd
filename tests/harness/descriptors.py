"""What a process holds open, as /proc shows it (proc_pid_fd(5), proc_pid_net(5))."""

from __future__ import annotations

import os
from typing import NamedTuple

STATE_LISTEN = "0A"
SOCKET = "socket:["


class TcpSocket(NamedTuple):
    """One TCP socket of a process: its ports and whether it listens."""

    local_port: int
    remote_port: int
    is_listening: bool


def descriptors(pid: int) -> dict[int, str]:
    """Give what each descriptor of a process leads to; nothing for a process that is gone."""
    folder = f"/proc/{pid}/fd"
    found = {}
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return {}
    for name in names:
        try:
            found[int(name)] = os.readlink(f"{folder}/{name}")
        except FileNotFoundError:
            continue
    return found


def sockets(pid: int) -> set[str]:
    """Give the inodes of all its sockets, of any kind."""
    targets = descriptors(pid).values()
    return {target.removeprefix(SOCKET).rstrip("]") for target in targets if target.startswith(SOCKET)}


def tcp_sockets(pid: int) -> list[TcpSocket]:
    """Give its TCP sockets."""
    known = _tcp_table()
    return [known[inode] for inode in sorted(sockets(pid)) if inode in known]


def _tcp_table() -> dict[str, TcpSocket]:
    found = {}
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            with open(table, encoding="ascii") as lines:
                rows = [line.split() for line in lines][1:]
        except FileNotFoundError:
            continue
        for row in rows:
            ports = [int(address.rpartition(":")[2], 16) for address in row[1:3]]
            found[row[9]] = TcpSocket(*ports, row[3] == STATE_LISTEN)
    return found
