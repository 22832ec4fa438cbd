"""scpd as systemd starts it: with sockets that somebody else opened, and somebody to tell how it is."""

from __future__ import annotations

import socket
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from tests.harness.ports import ReservedPort
from tests.harness.processes import end_session
from tests.harness.programs import real_program
from tests.harness.servers import REPOSITORY, Server, _environment
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SCPD = (sys.executable, "-m", "scpd")
# Gives the sockets of its first word the numbers from 3 on, says for whom they are, and becomes the program.
_LAUNCHER = """
import fcntl, os, sys
numbers = [fcntl.fcntl(int(word), fcntl.F_DUPFD, 100) for word in sys.argv[1].split(",")]
for place, number in enumerate(numbers, 3):
    os.dup2(number, place)
os.closerange(3 + len(numbers), 1000)
os.environ["LISTEN_PID"] = str(os.getpid())
os.environ["LISTEN_FDS"] = str(len(numbers))
os.execv(sys.argv[2], sys.argv[2:])
"""


class Place(NamedTuple):
    """Where clients find one of several sockets."""

    host: str
    port: int


@contextmanager
def started_with(
    sockets: tuple[socket.socket, ...], names: str, *words: str
) -> Iterator[subprocess.Popen[str]]:
    """Start scpd with these sockets, whatever they are, as a service manager does; what it says is in a pipe."""
    numbers = [sock.fileno() for sock in sockets]
    process = subprocess.Popen(
        [sys.executable, "-c", _LAUNCHER, ",".join(map(str, numbers)), *SCPD, *words],
        env={**_environment(), "PYTHONPATH": str(REPOSITORY), "LISTEN_FDNAMES": names},
        pass_fds=numbers,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()
        end_session(process.pid)


class Activator:
    """Starts scpd by systemd-socket-activate(1), which becomes it at the first connection, and ends it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._servers: list[Server] = []
        self._ports: list[ReservedPort] = []

    def __call__(
        self,
        *words: str,
        names: tuple[str, ...] = ("dicom",),
        prefix: tuple[str, ...] = (),
        env: dict[str, str] | None = None,
        program: tuple[str, ...] = SCPD,
        inbox: Path | None = None,
    ) -> list[tuple[Server, Place]]:
        """Listen on a free port for each name; `prefix` is what runs the program; gives the server with each place."""
        ports = [ReservedPort() for _ in names]
        self._ports += ports[1:]
        inbox = inbox or self._folder / "inbox"
        inbox.mkdir(exist_ok=True)
        variables = {"PYTHONPATH": str(REPOSITORY), "PYTHONDONTWRITEBYTECODE": "1", **(env or {})}
        command = [
            real_program("systemd-socket-activate"),
            *(word for port in ports for word in ("-l", f"127.0.0.1:{port.number}")),
            f"--fdname={':'.join(names)}",
            *(word for name, value in variables.items() for word in ("-E", f"{name}={value}")),
            *prefix,
            *program,
            *words,
            "-od",
            str(inbox),
        ]
        log = self._folder / f"activated-{len(self._servers) + 1}.log"
        server = Server(command, ports[0], inbox, log, host="127.0.0.1", env=_environment(), cwd=self._folder)
        self._servers.append(server)
        server.wait_until_listening()
        return [(server, Place("127.0.0.1", port.number)) for port in ports]

    def finish(self) -> None:
        """End them all; AssertionError if one left processes behind."""
        survivors = [found for server in self._servers for found in server.end_for_good()]
        for port in self._ports:
            port.release()
        if survivors:
            raise AssertionError(f"left behind: {survivors}")


class NotifySocket:
    """What a service manager listens on: `NOTIFY_SOCKET=` its `address`."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self._socket.setblocking(False)
        self._heard: list[str] = []

    def heard(self) -> list[str]:
        """Give each line that came, in order."""
        while True:
            try:
                self._heard += self._socket.recv(4096).decode().splitlines()
            except BlockingIOError:
                return self._heard

    def wait_for(self, line: str) -> None:
        """Wait until this line has come."""
        wait_until(lambda: line in self.heard(), what=f"{line} among {self._heard}")

    def close(self) -> None:
        """Listen no more."""
        self._socket.close()
