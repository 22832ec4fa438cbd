"""A program under the restrictions of systemd/scpd.service, as far as they can be had without systemd.

    python -m tests.harness.restricted INBOX PROGRAM...    (as root)

New network, IPC and mount namespaces (PrivateNetwork=, PrivateIPC=), everything read-only but INBOX, /dev and /run
(ProtectSystem=strict), no socket but AF_UNIX ones (RestrictAddressFamilies=), no new privileges, no memory that is
written and then run (MemoryDenyWriteExecute=, where the kernel has PR_SET_MDWE).  It becomes PROGRAM: same process.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
import subprocess
import sys

CLONE_NEWNS, CLONE_NEWIPC, CLONE_NEWNET = 0x20000, 0x8000000, 0x40000000
PR_SET_SECCOMP, SECCOMP_MODE_FILTER, PR_SET_NO_NEW_PRIVS, PR_SET_MDWE = 22, 2, 38, 65
# BPF: load a word of seccomp_data, jump if equal, return.
LOAD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06
NUMBER, FIRST_ARGUMENT = 0, 16  # offsets in seccomp_data, little endian
ALLOW, FAIL = 0x7FFF0000, 0x00050000
AF_UNIX = 1
SOCKET_CALL = {"x86_64": 41, "aarch64": 198}

libc = ctypes.CDLL(None, use_errno=True)


def prctl(*arguments: int) -> None:
    """Raise OSError if it fails."""
    if libc.prctl(*(ctypes.c_ulong(each) for each in (*arguments, 0, 0, 0, 0)[:5])) != 0:
        raise OSError(ctypes.get_errno(), f"prctl{arguments}")


def is_possible() -> bool:
    """Tell whether this process may do all that."""
    return os.geteuid() == 0 and platform.machine() in SOCKET_CALL and _ends_well(_enter_namespaces)


def _ends_well(step: object) -> bool:
    pid = os.fork()
    if pid == 0:
        try:
            step()  # type: ignore[operator]
        except BaseException:  # noqa: BLE001  (nothing of the parent's stack may be unwound here)
            os._exit(1)
        os._exit(0)
    return os.waitpid(pid, 0)[1] == 0


def _enter_namespaces() -> None:
    if libc.unshare(CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    _mount("--make-rprivate", "/")


def _mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True)


def _protect(inbox: str) -> None:
    _mount("--bind", inbox, inbox)
    with open("/proc/self/mounts", encoding="utf-8") as file:
        points = {line.split()[1] for line in file}
    for point in points:
        if point != inbox and not point.startswith(("/dev", "/proc", "/run")):
            _mount("-o", "remount,bind,ro", point)


def forbid_sockets() -> None:
    """Let socket(2) fail with EAFNOSUPPORT for every family but AF_UNIX, in this process from now on."""
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    code = [
        (LOAD, 0, 0, NUMBER),
        (JUMP_IF_EQUAL, 0, 3, SOCKET_CALL[platform.machine()]),
        (LOAD, 0, 0, FIRST_ARGUMENT),
        (JUMP_IF_EQUAL, 1, 0, AF_UNIX),
        (RETURN, 0, 0, FAIL | errno.EAFNOSUPPORT),
        (RETURN, 0, 0, ALLOW),
    ]
    program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *each) for each in code))
    header = struct.pack("HxxxxxxQ", len(code), ctypes.addressof(program))
    buffer = ctypes.create_string_buffer(header)
    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.addressof(buffer))


def main(inbox: str, *program: str) -> None:
    """Become the program."""
    _enter_namespaces()
    _protect(os.path.realpath(inbox))
    forbid_sockets()
    try:
        prctl(PR_SET_MDWE, 1)
    except OSError as error:
        if error.errno != errno.EINVAL:  # a kernel before 6.3
            raise
    os.execvp(program[0], program)


if __name__ == "__main__":
    main(*sys.argv[1:])
