"""A Debian of its own, booted by systemd in namespaces, which forgets all that was done to it.

It is made from a folder of debootstrap's (`make test-root`), which is never written to: changes are in memory
(systemd-nspawn(1), --volatile=overlay).  It has no network but its loopback.
"""

from __future__ import annotations

import os
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.harness.clients import run
from tests.harness.processes import children_of, is_running
from tests.harness.programs import real_program
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

BOOT_SECONDS = 60.0
END_SECONDS = 30.0
ROOT = os.environ.get("SCPD_TEST_ROOT", "")
SHARED = "/mnt"
# nspawn keeps a folder in /run which has to be in memory; where no systemd runs it may be on disk.
_START = 'mount -t tmpfs tmpfs /run && exec "$@"'


class Container:
    """A machine that runs; `shared` is its /mnt, read-only.  Its log lies beside that folder."""

    def __init__(self, shared: Path) -> None:
        if os.geteuid() != 0 or not os.path.isdir(ROOT):
            pytest.skip("needs root, and SCPD_TEST_ROOT, which make test-root makes: run make test-deb")
        command = [
            real_program("systemd-nspawn"),
            "--quiet",
            "--boot",
            f"--machine=scpd-{os.getpid()}",
            f"--directory={ROOT}",
            "--volatile=overlay",
            f"--bind-ro={shared}:{SHARED}",
            "--private-network",
            "--console=pipe",
            "--link-journal=no",
            "--register=no",  # with a machined that need not be there
            "--keep-unit",
        ]
        self._log = shared.with_suffix(".log")
        with self._log.open("wb") as log:
            self._nspawn = subprocess.Popen(
                [real_program("unshare"), "--mount", "sh", "-c", _START, "sh", *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._init = 0  # its process 1, as we see it
        try:
            wait_until(self._has_booted, BOOT_SECONDS, "systemd in the container")
        except AssertionError as failure:
            self.stop()
            raise AssertionError(f"{failure}: {self._log.read_text(errors='replace')[-3000:]}") from None

    def run(self, *words: str, timeout: float = 60.0) -> subprocess.CompletedProcess[str]:
        """Run a command in it, as its root."""
        command = ["nsenter", "--target", str(self._init), "--all", *words]
        return run(command, timeout, {"LC_ALL": "C"})

    def check(self, *words: str, timeout: float = 60.0) -> str:
        """Run a command that has to succeed; give its output."""
        ended = self.run(*words, timeout=timeout)
        assert ended.returncode == 0, f"{words}: {ended.stdout}{ended.stderr}"
        return ended.stdout

    def stop(self) -> None:
        """Switch it off."""
        if self._nspawn.poll() is None:
            self._nspawn.terminate()  # which asks its systemd to power off
            try:
                self._nspawn.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                self._nspawn.kill()
                self._nspawn.wait()
        if self._init and is_running(self._init):  # all others end with it
            os.kill(self._init, signal.SIGKILL)

    def _has_booted(self) -> bool:
        if self._nspawn.poll() is not None:
            pytest.skip(f"systemd-nspawn cannot work here: {self._log.read_text(errors='replace')[-500:]}")
        if not self._init:
            # On the way nspawn has other children.
            found = [child.pid for child in children_of(self._nspawn.pid) if child.name == "systemd"]
            self._init = found[0] if found else 0
            return False
        # Degraded: a unit that wants more than a container has.
        return self.run("systemctl", "is-system-running").stdout.strip() in {"running", "degraded"}
