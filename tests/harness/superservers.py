"""Real super-servers: each starts a program for every connection, which is its standard input.

They follow the examples in `inetd/`, but start a script of the test: inetd.conf knows no quotes, and inetd clears the
environment.
"""

from __future__ import annotations

import getpass
import grp
import os
import re
import shlex
import sys
from typing import TYPE_CHECKING

from tests.harness.ports import ReservedPort
from tests.harness.processes import children_of
from tests.harness.programs import real_program
from tests.harness.servers import REPOSITORY, Server
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

XINETD, INETD, SYSTEMD = "xinetd", "inetd", "systemd-socket-activate"
KINDS = (XINETD, INETD, SYSTEMD)
SCRIPT = """#!/bin/sh
PYTHONPATH={repository} EFFECTS={folder}/effects PATH={folder}/bin:$PATH
export PYTHONPATH EFFECTS PATH
cd {folder}
{line}
"""
XINETD_EXAMPLE = REPOSITORY / "inetd" / "scpd.xinetd"
INETD_EXAMPLE = REPOSITORY / "inetd" / "inetd.conf"


class SuperServers:
    """Starts super-servers in a folder of the test, and ends them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.inbox = folder / "inbox"
        self.inbox.mkdir()
        (folder / "bin").mkdir()
        _write_program(
            folder / "bin" / "storescp", f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m scpd "$@"\n'
        )
        self._servers: list[Server] = []
        self._before = {child.pid for child in children_of(os.getpid())}

    def start(self, kind: str, line: str) -> Server:
        """Start one that runs a line of shell for each connection; {port} in it is its port."""
        port, number = ReservedPort(), len(self._servers)
        script = self.folder / f"service-{number}"
        line = line.replace("{port}", str(port.number))
        _write_program(script, SCRIPT.format(repository=REPOSITORY, folder=self.folder, line=line))
        configuration = self.folder / f"{kind}-{number}.conf"
        command = _COMMANDS[kind](port.number, script, configuration)
        server = Server(
            [real_program(kind), *command],
            port,
            self.inbox,
            self.folder / f"{kind}-{number}.log",
            host="127.0.0.1",
            env={**os.environ, "TCP_NODELAY": "1"},
            cwd=self.folder,
        )
        self._servers.append(server)
        server.wait_until_listening()
        return server

    def finish(self) -> None:
        """End all of them, and let the programs end that they have started: those are our children then."""
        for server in self._servers:
            server.end_for_good()
        wait_until(lambda: not self._orphans(), what="the end of the programs started")

    def _orphans(self) -> list[int]:
        children = [child.pid for child in children_of(os.getpid()) if child.is_running]
        return [pid for pid in children if pid not in self._before]


def _xinetd(port: int, script: Path, configuration: Path) -> list[str]:
    text = XINETD_EXAMPLE.read_text(encoding="ascii").replace("#bind ", "bind  ")
    values = {
        "port": port,
        "user": getpass.getuser(),
        "group": grp.getgrgid(os.getgid()).gr_name,
        "server": script,
        "server_args": "",
        "instances": "UNLIMITED",
        "per_source": "UNLIMITED",
        "cps": "1000 1",
    }
    for name, value in values.items():
        text, count = re.subn(rf"(?m)^( *{name} *=).*$", rf"\1 {value}" if value else "", text)
        assert count == 1, name
    configuration.write_text(text, encoding="ascii")
    files = ("-pidfile", f"{configuration}.pid", "-filelog", f"{configuration}.log")
    return ["-f", str(configuration), "-dontfork", *files]


def _inetd(port: int, script: Path, configuration: Path) -> list[str]:
    (example,) = [
        line for line in INETD_EXAMPLE.read_text(encoding="ascii").splitlines() if line[:1] not in {"", "#"}
    ]
    _, kind, protocol, wait, _, _, name, *_ = example.split()
    words = [f"127.0.0.1:{port}", kind, protocol, wait, getpass.getuser(), str(script), name]
    configuration.write_text(f"{' '.join(words)}\n", encoding="ascii")
    return ["-i", str(configuration)]


def _systemd(port: int, script: Path, configuration: Path) -> list[str]:
    del configuration
    return ["--listen", f"127.0.0.1:{port}", "--accept", "--inetd", str(script)]


_COMMANDS = {XINETD: _xinetd, INETD: _inetd, SYSTEMD: _systemd}


def _write_program(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)
