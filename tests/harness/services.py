"""The services of systemd/ on a booted machine, installed by the commands that scpd(8) gives.

services = Services(machine)             # once for each machine
services.begin_anew("--fork -v -od /srv/dicom/incoming")
services.drop_in("scpd.service", "[Service]\\nWatchdogSec=1\\n")
"""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING, TypeVar

from tests.harness import manual_texts
from tests.harness.installing import make
from tests.harness.raw_peer import RawPeer
from tests.harness.scripts import visible
from tests.harness.servers import REPOSITORY
from tests.harness.storing import store
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.harness.booted import BootedMachine
    from tests.harness.objects import StorableObject

Value = TypeVar("Value")
RECEIVER, KEEPER, SOCKET = "scpd.service", "scpd-keeper.service", "scpd.socket"
UNITS = (SOCKET, "scpd-inetd.socket", RECEIVER, "scpd-inetd@*.service", KEEPER)
INBOX = "/srv/dicom/incoming"
COMMAND_FILE = "/etc/scpd/scpd.conf"
PORT = 104
SECONDS = 60.0


def commands_of_the_manual() -> str:
    """Give the example of scpd(8) that installs the services, without the look at the log that it ends with."""
    text = (REPOSITORY / "man" / "scpd.8").read_text(encoding="utf-8")
    (found,) = [each for each in manual_texts.examples(text) if "systemd-sysusers" in each]
    commands, _, rest = found.partition("journalctl")
    assert rest.count("\n") == 1
    return commands


class Services:
    """What an administrator does with them, and sees of them."""

    def __init__(self, machine: BootedMachine) -> None:
        self.machine = machine
        # From here, since the machine has no network to fetch libraries by, and may not write to the checkout.
        install, _, rest = commands_of_the_manual().partition("\n")
        make(*shlex.split(install)[1:], f"DESTDIR={machine.root}")
        machine.check("sh", "-ec", rest)
        self._turns = 0

    def begin_anew(self, options: str) -> None:
        """Be as installed, with nothing stored and nothing running, and these options in the command file."""
        machine, units = self.machine, shlex.join(UNITS)
        machine.check(
            "sh",
            "-ec",
            # Killed, since a command of the test before may be in no hurry.
            f"systemctl stop --no-block {units}\nsystemctl kill --signal KILL {units} || :\nsystemctl stop {units}\n"
            "rm -rf /etc/systemd/system/scpd* /srv/dicom\n"
            "systemd-tmpfiles --create scpd.conf\n"
            "systemctl daemon-reload\n"
            "systemctl reset-failed",
        )
        self.configure(options)
        self._turns += 1

    def configure(self, options: str) -> None:
        """Write the command file."""
        self.machine.write(COMMAND_FILE, options + "\n")

    def drop_in(self, unit: str, text: str) -> None:
        """Install a drop-in, for the next start."""
        self.machine.write(f"/etc/systemd/system/{unit}.d/local.conf", text)
        self.machine.check("systemctl", "daemon-reload")

    def example(self, name: str) -> None:
        """Install a drop-in of systemd/scpd.service.d."""
        text = (REPOSITORY / "systemd" / "scpd.service.d" / f"{name}.conf.example").read_text()
        self.drop_in(RECEIVER, text)

    def systemctl(self, *words: str) -> str:
        """Run it, to its success."""
        return self.machine.check("systemctl", *words)

    def show(self, unit: str, name: str) -> str:
        """Give a property of a unit, as systemctl(1) shows it."""
        return self.machine.check("systemctl", "show", "-P", name, unit)

    def main_pid(self, unit: str = RECEIVER) -> int:
        """Give the main process of a service, by its number there; 0 if there is none."""
        return int(self.show(unit, "MainPID"))

    def children(self, pid: int) -> list[int]:
        """Give the children of a process, by their numbers there."""
        text = self.machine.run("pgrep", "--parent", str(pid)).stdout
        return [int(word) for word in text.split()]

    def status_of(self, pid: int) -> dict[str, str]:
        """Give /proc/PID/status of a process."""
        lines = self.machine.path(f"/proc/{pid}/status").read_text().splitlines()
        return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}

    def journal(self, unit: str = RECEIVER, *words: str) -> list[str]:
        """Give what the service has logged since its last start; with `-p warning`, say, that alone."""
        invocation = self.show(unit, "InvocationID")
        return self.machine.check(
            "journalctl", "--no-pager", "-q", "-o", "cat", *words, f"_SYSTEMD_INVOCATION_ID={invocation}"
        ).splitlines()

    def wait_for(self, predicate: Callable[[], Value], what: str = "") -> Value:
        """As `wait_until`; a failure shows the journal."""
        try:
            return wait_until(predicate, SECONDS, what)
        except AssertionError as failure:
            said = self.machine.run("journalctl", "--no-pager", "-n", "60", "-u", "scpd*").stdout
            raise AssertionError(f"{failure}; the journal says: {said}") from None

    def wait_for_state(self, unit: str, state: str) -> None:
        """Wait until it is active, inactive, failed."""
        self.wait_for(lambda: self.show(unit, "ActiveState") == state, f"{unit} {state}")

    def wait_for_log(self, text: str, unit: str = RECEIVER) -> None:
        """Wait until a line of its journal has this text."""
        self.wait_for(lambda: any(text in line for line in self.journal(unit)), f"{text!r} of {unit}")

    def connect(self, timeout: float = SECONDS, source: str = "127.0.0.1") -> RawPeer:
        """Connect to port 104, from an address there; whoever connects closes."""
        with self.machine.network():
            return RawPeer(PORT, timeout=timeout, source=source)

    def store(self, image: StorableObject, **fields: str) -> None:
        """Store an object by an association of its own."""
        with self.connect(timeout=SECONDS) as peer:
            peer.associate(**fields)
            assert store(peer, image).status == 0
            peer.release()

    def files(self, pattern: str = "*") -> list[Path]:
        """Give the visible files in the inbox whose names match."""
        found = visible(self.machine.path(INBOX))
        return sorted(path for path in found if path.match(pattern) and path.is_file())

    def wait_for_file(self, name: str) -> str:
        """Wait until a file of this name is there, with content; give that."""

        def find() -> str:
            return next((path.read_text() for path in self.files(name)), "")

        return self.wait_for(find, f"a file {name}")

    def user_of(self, path: Path) -> str:
        """Give owner, group and mode of a file, by their names there."""
        inside = "/" + os.path.relpath(path, self.machine.root)
        return self.machine.check("stat", "--format=%U:%G %a", inside)
