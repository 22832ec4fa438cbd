"""Servers that see other files than everybody else: bind mounts in a mount namespace of their own (root only).

    factory = mounted(storescp_factory(folder), folder, {"/etc/hosts.deny": "ALL: ALL\n"})

What lies under a mounted path may be changed by `replace`; nobody else sees any of it.
"""

from __future__ import annotations

import os
import random
import socket
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.harness.programs import real_program
from tests.harness.servers import ServerFactory
from tests.harness.waiting import PATIENCE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_MOUNT = 'while [ "$1" != -- ]; do mount --bind "$1" "$2" || exit 99; shift 2; done; shift; exec "$@"'
_DNS_PORT = 53


def mounted(plain: ServerFactory, folder: Path, files: Mapping[str, str]) -> ServerFactory:
    """Start servers as `plain` would, but with these texts at these paths, each of which must exist."""
    words = mounting(folder, files)
    return ServerFactory(
        [*words, *plain._command], folder, plain._inbox, plain._environment, may_leave=plain._may_leave
    )


def mounting(folder: Path, files: Mapping[str, str]) -> list[str]:
    """Give the words that run a command which sees these files; skips the test where that cannot be."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to mount")
    pairs = []
    for path, text in files.items():
        if not os.path.isfile(path):
            pytest.skip(f"there is no {path} to mount upon")
        place_of(folder, path).write_text(text)
        pairs += [str(place_of(folder, path)), path]
    words = [real_program("unshare"), "--mount", "sh", "-c", _MOUNT, "sh", *pairs, "--"]
    probe = subprocess.run(
        [*words, "true"], capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
    )
    if probe.returncode != 0:
        pytest.skip(f"cannot mount here: {probe.stderr.strip()[:200]}")
    return words


def place_of(folder: Path, path: str) -> Path:
    """Give where a mounted file really lies; written in place its change is seen."""
    return folder / f"mounted{path.replace('/', '-')}"


class MuteNameServer:
    """A name server on a loopback address of its own that takes every question and answers none."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        numbers = random.Random(os.urandom(8))
        self.address = f"127.53.{numbers.randint(1, 254)}.{numbers.randint(1, 254)}"
        try:
            self.socket.bind((self.address, _DNS_PORT))
        except OSError as error:
            self.socket.close()
            pytest.skip(f"cannot be a name server here: {error.strerror}")

    def files(self, options: str = "timeout:30") -> dict[str, str]:
        """Give what is to be mounted for those who shall ask it; only localhost is known without it."""
        return {
            "/etc/resolv.conf": f"nameserver {self.address}\noptions {options}\n",
            "/etc/nsswitch.conf": "hosts: files dns\n",
            "/etc/hosts": "127.0.0.1 localhost\n",
        }

    def wait_for_question(self, seconds: float = PATIENCE_SECONDS) -> None:
        """Wait for the next question."""
        self.socket.settimeout(seconds)
        self.socket.recv(512)

    def questions(self) -> int:
        """Give how many have come that were not waited for."""
        self.socket.setblocking(False)
        count = 0
        try:
            while self.socket.recv(512):
                count += 1
        except BlockingIOError:
            return count
        return count
