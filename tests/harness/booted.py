"""A machine booted by systemd, for tests of what only a real process 1 can show (root only).

It sees the files of this one and changes none: what it writes lies in memory (an overlay).  It has the users of this
one, no network but its loopback, and no unit but systemd's own.

    machine = BootedMachine(folder)          # skips where that cannot be
    machine.check("systemctl", "start", "scpd.socket")
    with machine.network():
        peer = RawPeer(104)
    machine.stop()

It ends with the process that made it, however that ends: each of those between the two is killed with its parent, and
process 1 of a namespace takes with it all that is there, mounts too.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.harness.clients import run
from tests.harness.processes import children_of, command_line, is_running
from tests.harness.programs import real_program
from tests.harness.waiting import wait_until
from tests.harness.wrapped import require_root

if TYPE_CHECKING:
    from collections.abc import Iterator

BOOT_SECONDS = 60.0
END_SECONDS = 30.0
CLONE_NEWNET = 0x40000000
# Of the hierarchies that there may be: the one of systemd alone, or the old one with the new one beside it.
CGROUPS = [Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/systemd"), Path("/sys/fs/cgroup/unified")]
CGROUP_PREFIX = "scpd-booted-"
# A cgroup of its own, since two machines in one would end each other's services (0 is who writes it); then the files
# of the machine, which go with the last process; /run in memory, as systemd-nspawn wants it.
_PREPARE = """\
prepare() {
    for hierarchy in /sys/fs/cgroup /sys/fs/cgroup/systemd /sys/fs/cgroup/unified; do
        if [ -f "$hierarchy/cgroup.procs" ]; then
            mkdir "$hierarchy/$2" && echo 0 > "$hierarchy/$2/cgroup.procs" || return
        fi
    done
    mount -t tmpfs -o mode=755 tmpfs "$1" && cd "$1" && mkdir upper work root || return
    mount -t overlay overlay -o lowerdir=/,upperdir=upper,workdir=work root || return
    rm -rf root/etc/systemd/system/* root/etc/rc?.d/* && echo "$3" > root/etc/machine-id || return
    mount -t tmpfs -o mode=755 tmpfs /run
}
prepare "$1" "$2" "$3" || exit 77
shift 3
exec "$@"
"""


class BootedMachine:
    """It runs when the constructor returns; `leader` is its process 1 and `root` its /, as this process sees them."""

    def __init__(self, folder: Path) -> None:
        require_root()
        remove_cgroups_of_the_dead()
        self._cgroup = f"{CGROUP_PREFIX}{os.getpid()}"
        self._log = folder / "booted.log"
        place = folder / "booted"
        place.mkdir()
        apart = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
        words = ["sh", "-c", _PREPARE, "sh", str(place), self._cgroup, os.urandom(16).hex(), *_nspawn(place)]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [real_program("setpriv"), "--pdeathsig", "KILL", *apart, *words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            self.leader = wait_until(self._first_process, BOOT_SECONDS, "process 1 of the machine")
            self.root = Path(f"/proc/{self.leader}/root")
            wait_until(self._has_booted, BOOT_SECONDS, "systemd")
        except BaseException:
            self.stop()
            raise

    def run(self, *words: str, timeout: float = 60.0) -> subprocess.CompletedProcess[str]:
        """Run a command there, as root."""
        inside = [real_program("nsenter"), "--target", str(self.leader), "--all"]
        return run([*inside, *words], timeout, {"LC_ALL": "C"})

    def check(self, *words: str, timeout: float = 60.0) -> str:
        """Run a command that has to succeed; give its output."""
        ended = self.run(*words, timeout=timeout)
        assert ended.returncode == 0, f"{words}: {ended.stdout}{ended.stderr}"
        return ended.stdout.strip()

    def path(self, path: str) -> Path:
        """Give a path of its files as this process sees it."""
        return self.root / path.lstrip("/")

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """Let it have this file."""
        self.path(path).parent.mkdir(parents=True, exist_ok=True)
        self.path(path).write_text(text)
        self.path(path).chmod(mode)

    @contextmanager
    def network(self) -> Iterator[None]:
        """Be in its network until the end of the block; a socket stays where it was made."""
        with (
            open("/proc/thread-self/ns/net", "rb") as ours,
            open(f"/proc/{self.leader}/ns/net", "rb") as its,
        ):
            _enter_network(its.fileno())
            try:
                yield
            finally:
                _enter_network(ours.fileno())

    def stop(self) -> None:
        """End it, at once: nothing there is worth a shutdown."""
        for child in children_of(self._process.pid):  # process 1 of the outer namespace
            with suppress(ProcessLookupError):
                os.kill(child.pid, 9)
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(END_SECONDS)
        _remove_cgroups(self._cgroup)

    def _first_process(self) -> int | None:
        if self._process.poll() is not None:
            pytest.skip(f"systemd cannot be booted here: {self._log.read_text(errors='replace')[-500:]}")
        for shell in children_of(self._process.pid):
            for child in children_of(shell.pid):
                if "/lib/systemd/systemd" in command_line(child.pid).split(" ")[0]:
                    return child.pid
        return None

    def _has_booted(self) -> bool:
        assert is_running(self.leader), self._log.read_text(errors="replace")[-3000:]
        # Degraded: a unit of systemd's own wants more than a container has.
        return self.run("systemctl", "is-system-running").stdout.strip() in {"running", "degraded"}


def _nspawn(place: Path) -> list[str]:
    return [
        "env",
        "UNIFIED_CGROUP_HIERARCHY=1",  # as Debian has it, whatever this machine has
        real_program("systemd-nspawn"),
        "--quiet",
        f"--machine={CGROUP_PREFIX}{os.getpid()}",
        f"--directory={place}/root",
        "--private-network",
        "--console=pipe",
        "--link-journal=no",
        "--register=no",  # with a machined that need not be there
        "--keep-unit",
        "--resolv-conf=off",  # nothing of ours is to be written through a mount
        "--timezone=off",
        # For IPAddressDeny=, which is a program in the kernel, and for what the 252 of nspawn does not count in.
        "--system-call-filter=bpf landlock_create_ruleset landlock_add_rule landlock_restrict_self",
        "--capability=CAP_BPF",
        "/lib/systemd/systemd",
        "--system",
        "--show-status=no",
    ]


def _enter_network(descriptor: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def remove_cgroups_of_the_dead() -> None:
    """Remove what machines have left whose makers were killed."""
    for hierarchy in CGROUPS:
        for path in hierarchy.glob(f"{CGROUP_PREFIX}*"):
            if not is_running(int(path.name.removeprefix(CGROUP_PREFIX))):
                _remove_cgroups(path.name)


def _remove_cgroups(name: str) -> None:
    for hierarchy in CGROUPS:
        for folder, _, _ in os.walk(hierarchy / name, topdown=False):
            with suppress(OSError):  # a process is still about to go; the next machine removes it
                os.rmdir(folder)
