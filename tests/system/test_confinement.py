"""Hostile code in a worker's place: what it cannot do once the worker is confined."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import platform
import re
import signal
import socket
import struct
import subprocess
import sys
from mmap import PROT_EXEC, PROT_READ, PROT_WRITE, mmap
from typing import TYPE_CHECKING

import pytest

from scpd.cli.parser import parse
from scpd.cli.settings import Settings
from scpd.confinement_policies import of_master
from scpd.log.association import Association
from scpd.log.complaints import Complaints
from scpd.log.setup import Logging
from tests.harness.forked import exit_code, forked, in_child
from tests.harness.objects import ct_image
from tests.harness.processes import children_of, command_line
from tests.harness.servers import REPOSITORY
from tests.harness.storing import assert_serves, store, worker_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from scpd.process.confine import Confinement
    from tests.harness.raw_peer import RawPeer
    from tests.harness.servers import Server, ServerFactory

if platform.machine() != "x86_64":
    pytest.skip("the calls of hostile code are those of x86_64", allow_module_level=True)

PAGE = 4096
REFUSED = {errno.EPERM, errno.EACCES, errno.EXDEV}
LIBC = ctypes.CDLL(None, use_errno=True)
# Numbers of x86_64.
PTRACE, MOUNT, UNSHARE, BPF, IO_URING_SETUP, PERF, KEYCTL, SETUID, SETNS = (
    101,
    165,
    272,
    321,
    425,
    298,
    250,
    105,
    308,
)
PROCESS_VM_READV, PIDFD_OPEN, PIDFD_SEND_SIGNAL, PIDFD_GETFD, OPEN_BY_HANDLE = 310, 434, 424, 438, 304
TGKILL, TKILL, RT_SIGQUEUE, CLONE, FORK, VFORK, CLONE3, EXECVEAT, CHROOT, PIVOT = (
    234,
    200,
    129,
    56,
    57,
    58,
    435,
    322,
    161,
    155,
)
USERFAULTFD, PRLIMIT, SOCKETPAIR, BIND, LISTEN, ACCEPT, LANDLOCK_ADD_RULE, SECCOMP = (
    323,
    302,
    53,
    49,
    50,
    43,
    445,
    317,
)
SYMLINKAT, LIBC_AT_FDCWD = 266, ctypes.c_long(-100)
F_SETOWN, F_SETSIG, PTRACE_ATTACH, CLONE_NEWUSER, TIOCSTI = 8, 10, 16, 0x10000000, 0x5412


def call(number: int, *arguments: object) -> None:
    """Make a system call; `OSError` if it fails."""
    if LIBC.syscall(ctypes.c_long(number), *arguments) < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def own(number: int, *arguments: object) -> Callable[[Path], None]:
    return lambda _: call(number, *arguments)


def redirect_the_connection(_: Path) -> None:
    """Let a socket that is there go, and be another one's."""
    INHERITED.connect(("127.0.0.1", 9))


def kill_by_the_number_of_i386() -> int:
    """Give what int 0x80 answers to kill(master, 0), whose number is 37 there; 0 or the negative errno."""
    code = (
        b"\x53\xb8\x25\x00\x00\x00\xbb"
        + struct.pack("<I", os.getppid())
        + b"\x31\xc9\xcd\x80\x48\x98\x5b\xc3"
    )
    page = mmap(-1, PAGE, prot=PROT_READ | PROT_WRITE | PROT_EXEC)
    page.write(code)
    return CODE(ctypes.addressof(ctypes.c_char.from_buffer(page)))()


CODE = ctypes.CFUNCTYPE(ctypes.c_long)
INHERITED = socket.socket()

ATTACKS: dict[str, Callable[[Path], object]] = {
    "read /etc/passwd": lambda _: os.open("/etc/passwd", os.O_RDONLY),
    "read /etc/shadow": lambda _: os.open("/etc/shadow", os.O_RDONLY),
    "read memory of the master": lambda _: os.open(f"/proc/{os.getppid()}/mem", os.O_RDONLY),
    "read its own maps": lambda _: os.open("/proc/self/maps", os.O_RDONLY),
    "list the root": lambda _: os.listdir("/"),
    "list processes": lambda _: os.listdir("/proc"),
    "write to /tmp": lambda _: os.open("/tmp/hostile", os.O_WRONLY | os.O_CREAT),
    "write to shared memory": lambda _: os.open("/dev/shm/hostile", os.O_WRONLY | os.O_CREAT),
    "write to the home": lambda _: os.open(os.path.expanduser("~/hostile"), os.O_WRONLY | os.O_CREAT),
    "write beside the output directory": lambda inbox: os.open(
        f"{inbox}/../hostile", os.O_WRONLY | os.O_CREAT
    ),
    "write by a link": lambda inbox: os.open(f"{inbox}/way-out/hostile", os.O_WRONLY | os.O_CREAT),
    "make a link": lambda inbox: os.symlink("/etc", f"{inbox}/link"),
    "make a hard link to what is outside": lambda inbox: os.link(f"{inbox}/../victim", f"{inbox}/link"),
    "move out": lambda inbox: os.rename(f"{inbox}/image", f"{inbox}/../image"),
    "move in": lambda inbox: os.rename(f"{inbox}/../victim", f"{inbox}/victim"),
    "remove outside": lambda inbox: os.unlink(f"{inbox}/../victim"),
    "remove a directory outside": lambda inbox: os.rmdir(f"{inbox}/../empty"),
    "make a directory outside": lambda inbox: os.mkdir(f"{inbox}/../directory"),
    "truncate outside": lambda inbox: os.truncate(f"{inbox}/../victim", 0),
    "make a FIFO in the output directory": lambda inbox: os.mkfifo(f"{inbox}/fifo"),
    "make a device": lambda inbox: os.mknod(f"{inbox}/null", 0o20666, os.makedev(1, 3)),
    "chmod": lambda inbox: os.chmod(f"{inbox}/image", 0o4755),
    "fchmod": lambda inbox: os.fchmod(os.open(f"{inbox}/image", os.O_RDWR), 0o4755),
    "chown": lambda inbox: os.chown(f"{inbox}/image", 1, 1),
    "set an attribute": lambda inbox: os.setxattr(f"{inbox}/image", "user.x", b"x"),
    "execute a shell": lambda _: os.execve("/bin/sh", ["sh", "-c", "exit 0"], {}),
    "execute by descriptor": own(EXECVEAT, 0, b"", None, None, 0x1000),
    "fork": lambda _: os.fork(),
    "fork by name": own(FORK),
    "vfork": own(VFORK),
    "clone": own(CLONE, signal.SIGCHLD, 0, 0, 0, 0),
    "clone3": own(CLONE3, None, 0),
    "a TCP socket": lambda _: socket.socket(),
    "a UDP socket": lambda _: socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
    "a raw socket": lambda _: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1),
    "a Unix socket": lambda _: socket.socket(socket.AF_UNIX),
    "a netlink socket": lambda _: socket.socket(socket.AF_NETLINK),
    "a pair of sockets": own(SOCKETPAIR, 1, 1, 0, None),
    "connect a socket that is there": redirect_the_connection,
    "bind": own(BIND, 0, None, 0),
    "listen": own(LISTEN, 0, 1),
    "accept": own(ACCEPT, 0, None, None),
    "ptrace the master": lambda _: call(PTRACE, PTRACE_ATTACH, os.getppid(), 0, 0),
    "read the memory of the master": lambda _: call(PROCESS_VM_READV, os.getppid(), None, 0, None, 0, 0),
    "kill the master": lambda _: os.kill(os.getppid(), 0),
    "kill all": lambda _: os.kill(-1, 0),
    "kill its group": lambda _: os.killpg(0, 0),
    "kill a thread of the master": lambda _: call(TGKILL, os.getppid(), os.getppid(), 0),
    "tkill": lambda _: call(TKILL, os.getppid(), 0),
    "queue a signal": lambda _: call(RT_SIGQUEUE, os.getppid(), 0, None),
    "open the master": lambda _: call(PIDFD_OPEN, os.getppid(), 0),
    "signal by descriptor": own(PIDFD_SEND_SIGNAL, 0, 0, None, 0),
    "take a descriptor of the master": own(PIDFD_GETFD, 0, 0, 0),
    "have signals sent to the master": lambda _: fcntl.fcntl(0, F_SETOWN, os.getppid()),
    "choose the signal": lambda _: fcntl.fcntl(0, F_SETSIG, signal.SIGKILL),
    "limit the master": lambda _: call(PRLIMIT, os.getppid(), 7, None, None),
    "type at the terminal": lambda _: fcntl.ioctl(0, TIOCSTI, b"x"),
    "mount": own(MOUNT, b"none", b"/mnt", b"tmpfs", 0, None),
    "pivot the root": own(PIVOT, b".", b"."),
    "chroot": own(CHROOT, b"."),
    "unshare": own(UNSHARE, CLONE_NEWUSER),
    "enter a namespace": own(SETNS, 0, 0),
    "setuid": own(SETUID, 0),
    "bpf": own(BPF, 0, None, 0),
    "perf": own(PERF, None, 0, 0, 0, 0),
    "keys": own(KEYCTL, 0, 0, 0, 0, 0),
    "io_uring": own(IO_URING_SETUP, 1, None),
    "userfaultfd": own(USERFAULTFD, 0),
    "open by handle": own(OPEN_BY_HANDLE, 0, None, 0),
    "add a rule": own(LANDLOCK_ADD_RULE, 0, 1, None, 0),
    "another filter": own(SECCOMP, 1, 0, None),
    "x32": own(0x40000000 | 39),
}


def confinement(inbox: Path, *words: str) -> Confinement:
    settings = parse("scpd", ["-od", str(inbox), *words, "11112"])
    assert isinstance(settings, Settings)
    made = of_master(settings, Logging(Association(), Complaints(), []), None)
    assert made is not None
    return made


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    """An output directory with an object in it, a link out of it, and things of others beside it."""
    place = tmp_path / "inbox"
    place.mkdir()
    (place / "image").write_text("image")
    (tmp_path / "victim").write_text("precious")
    (tmp_path / "empty").mkdir()
    (place / "way-out").symlink_to(tmp_path)
    return place


@pytest.mark.parametrize("name", ATTACKS)
def test_hostile_code_in_a_confined_worker_is_refused_to(name: str, inbox: Path) -> None:
    prison, before = confinement(inbox), tree(inbox.parent)

    def attack() -> int:
        prison.enter()
        try:
            ATTACKS[name](inbox)
        except OSError as error:
            return error.errno or -1
        return 0

    # Without errno: the kernel's answer to a descriptor or an address that is none would do as well.
    assert in_child(attack) in REFUSED
    assert tree(inbox.parent) == before


# What a rule for the lock directory grants besides; it is for moving aside what lies there, and no more comes of it.
IN_LOCK_DIRECTORY: dict[str, Callable[[Path], object]] = {
    "make a link": lambda inbox: os.symlink("/etc", f"{inbox}/.scpd/link"),
    "make a link in another way": lambda inbox: call(
        SYMLINKAT, b"/etc", LIBC_AT_FDCWD, f"{inbox}/.scpd/link".encode()
    ),
    "read by a link that is there": lambda inbox: os.open(f"{inbox}/.scpd/way-out/victim", os.O_RDONLY),
    "make a link of a file outside": lambda inbox: os.link(f"{inbox}/../victim", f"{inbox}/.scpd/link"),
    "make a socket": lambda inbox: os.mknod(f"{inbox}/.scpd/socket", 0o140666),
    "make a device": lambda inbox: os.mknod(f"{inbox}/.scpd/null", 0o20666, os.makedev(1, 3)),
}


@pytest.mark.parametrize("name", IN_LOCK_DIRECTORY)
def test_hostile_code_with_a_lock_directory_is_refused_to(name: str, inbox: Path) -> None:
    (inbox / ".scpd").mkdir()
    (inbox / ".scpd" / "way-out").symlink_to(inbox.parent)
    prison, before = confinement(inbox, "-xcr", "true"), tree(inbox.parent)

    def attack() -> int:
        prison.enter()
        try:
            IN_LOCK_DIRECTORY[name](inbox)
        except OSError as error:
            return error.errno or -1
        return 0

    assert in_child(attack) in REFUSED
    assert tree(inbox.parent) == before


def tree(place: Path) -> dict[str, tuple[int, int, bytes]]:
    found = {}
    for path in sorted(place.rglob("*")):
        status = path.lstat()
        content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        found[str(path)] = status.st_mode, status.st_ino, content
    return found


def test_calls_by_the_numbers_of_another_architecture_are_refused(inbox: Path) -> None:
    prison = confinement(inbox)

    def attack() -> int:
        prison.enter()
        return kill_by_the_number_of_i386()

    pid = forked(lambda: -attack())
    assert exit_code(pid) in {errno.EPERM, -signal.SIGSEGV}  # a kernel that does not know them


def what_is_in_force(pid: int) -> tuple[str, str]:
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        status = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
    return status["NoNewPrivs"], status["Seccomp"]


def idle(server: Server) -> list[int]:
    return [child.pid for child in children_of(server.pid) if child.is_running]


CONFINED, FREE = ("1", "2"), ("0", "0")


@pytest.mark.parametrize("options", [[], ["-v"], ["--access-control"]], ids=["plain", "names", "host rules"])
def test_workers_are_confined_and_nobody_else_is(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer], options: list[str]
) -> None:
    server = scpd("-su", "st", "-xcs", "true", "--fork", *options)
    peer = raw_peer(server)
    peer.associate(calling="CONFINED")
    worker = worker_of(server, "CONFINED")
    assert what_is_in_force(worker) == CONFINED
    keeper = server.wait_for(lambda: [pid for pid in idle(server) if "keeper" in command_line(pid)])
    assert {what_is_in_force(pid) for pid in (server.pid, *keeper)} == {FREE}
    assert store(peer, ct_image()).status == 0
    peer.release()


def test_workers_are_not_confined_if_that_is_asked_for(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer]
) -> None:
    server = scpd("--no-confine", "-v")
    raw_peer(server).associate(calling="FREE")
    assert what_is_in_force(worker_of(server, "FREE")) == FREE
    assert "confined" not in server.stderr


def test_the_log_says_what_is_in_force(scpd: ServerFactory) -> None:
    server = scpd("-v")
    assert re.search(
        r"^I: workers are confined by seccomp and Landlock \(ABI \d+\)$", server.stderr, re.MULTILINE
    )


def test_an_output_directory_that_was_replaced_is_stored_in(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer]
) -> None:
    server = scpd()
    server.inbox.rename(server.inbox.with_name("old"))
    server.inbox.mkdir()
    assert_serves(server, raw_peer)


def test_a_worker_of_inetd_is_confined(raw_peer: Callable[..., RawPeer], tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        peer = raw_peer(listener.getsockname()[1])
        ours, _ = listener.accept()
    words = [sys.executable, "-m", "scpd", "-id", "-od", str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(words, stdin=ours, stdout=log, stderr=log, env=environment)
    ours.close()
    peer.associate()
    assert what_is_in_force(process.pid) == CONFINED
    assert store(peer, ct_image()).status == 0
    peer.release()
    assert process.wait(30) == 0
    peer.close()
