"""A machine for one script: root of a namespace that sees its own /etc, /srv, /run and network, and leaves nothing.

    machine = FreshMachine(folder)           # skips where that cannot be
    machine.write("/etc/scpd/scpd.conf", text)
    said = machine.run("useradd --system scpd\n")

`scpd` and `scpctl` are on its PATH, and every user reaches them; it has the addresses `ADDRESSES`.  When the script
ends all its processes do.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.harness.programs import real_program
from tests.harness.servers import REPOSITORY
from tests.harness.wrapped import require_root

if TYPE_CHECKING:
    from pathlib import Path

ADDRESSES = ("192.0.2.9", "198.51.100.7")  # of documents, and of nobody (RFC 5737)
OWN = ("/etc/", "/usr/local/bin/", "/srv/", "/run/")  # all else is everybody's
_CANNOT = 77
# What is below an overlay is seen, and never changed.  The one on /root is for its mode: Python may lie there.
_PREPARE = f"""\
prepare() {{
    mount -t tmpfs none /mnt && cd /mnt || return
    for place in etc root usr/local/bin; do
        mkdir -p "up/$place" "work/$place" && chmod 755 "up/$place" || return
        mount -t overlay overlay -o "lowerdir=/$place,upperdir=up/$place,workdir=work/$place" "/$place" || return
    done
    for place in /srv /run; do mount -t tmpfs -o mode=755 none "$place" || return; done
    cp -r "$1"/. / && ip link set lo up || return
    for address in {" ".join(ADDRESSES)}; do ip addr add "$address/32" dev lo || return; done
    setpriv --reuid 4711 --regid 4711 --clear-groups scpd --version > /dev/null
}}
prepare "$1" || exit {_CANNOT}
until_so() {{
    turns=0
    until "$@" > /dev/null 2>&1; do
        turns=$((turns + 1))
        [ $turns -lt 400 ] || {{ echo "never: $*" >&2; exit 1; }}
        sleep 0.05
    done
}}
cd /srv
set -e
"""


class FreshMachine:
    """Files that it will have, and what runs there."""

    def __init__(self, folder: Path) -> None:
        require_root()
        for name in ("unshare", "setpriv", "ip", "useradd"):
            real_program(name)
        self._files = folder / "machine"
        for name, module in (("scpd", "scpd"), ("scpctl", "scpd.ctl.main")):
            words = shlex.join([sys.executable, "-m", module])
            run = f'#!/bin/sh\nPYTHONPATH={shlex.quote(str(REPOSITORY))} exec {words} "$@"\n'
            self.write(f"/usr/local/bin/{name}", run, mode=0o755)

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """Let it have this file."""
        file = self._place(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(mode)

    def copy(self, folder: Path, path: str) -> None:
        """Let it have a copy of this folder."""
        shutil.copytree(folder, self._place(path))

    def _place(self, path: str) -> Path:
        assert path.startswith(OWN), f"{path} is not only this machine's"
        return self._files / path.lstrip("/")

    def run(self, script: str) -> str:
        """Run a script of the shell there, to its end or its first failure; give what it says."""
        apart = ["unshare", "--mount", "--net", "--pid", "--fork", "--mount-proc", "--kill-child"]
        ended = subprocess.run(
            [*apart, "sh", "-c", _PREPARE + script, "sh", str(self._files)],
            env={**os.environ, "PATH": "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        if ended.returncode == _CANNOT:
            pytest.skip(f"no namespace for a machine of its own: {ended.stderr.strip()[:200]}")
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout
