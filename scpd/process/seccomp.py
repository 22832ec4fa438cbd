"""The system calls that a process may still make: a filter in the kernel, for good (seccomp(2)).

What is not on the list fails with EPERM: a call that was forgotten is an error in a log, and no death.  The list is
kept as a set of bits, a word for each 32 numbers, which is short: the kernel compiles the program anew in each process
(some 40 microseconds).  What each object needs stands before it, call by call: where nothing but comparisons of the
number permits a call, the kernel knows that once and for all, and runs no program for it (Linux 5.11,
`seccomp_is_const_allow`).  Three calls are on the list for some of their purposes only.  Calls of another architecture
fail, and so do those of x32, whose numbers are large.

    prepare   the program, made once, before the forks
    enter     one system call; the process must have given up new privileges (no_new_privs) before

What the numbers mean is in each architecture's unistd.h.  Raises `OSError`.
"""

from __future__ import annotations

import ctypes
import errno
import os
from struct import pack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    Instruction = tuple[int, int, str, str]  # code, constant, where to go if true, where if false (empty: on)

# linux/prctl.h, linux/seccomp.h, linux/audit.h
_SET_SECCOMP, _MODE_FILTER = 22, 2
_FAIL = 0x00050000 | errno.EPERM
_PERMIT = 0x7FFF0000
# Machine (uname(2)): what the kernel calls it, and its column in the tables below.
_MACHINES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}
# struct seccomp_data: number, architecture, the lower halves of the arguments (of little endian machines).
_NUMBER, _ARCHITECTURE, _ARGUMENTS, _ARGUMENT_BYTES = 0, 4, 16, 8
# linux/bpf_common.h
_LOAD, _LOAD_CONSTANT, _AND, _SHIFT_BY_X, _TO_X = 0x20, 0x00, 0x54, 0x6C, 0x07
_IF_EQUAL, _IF_NOT_LESS, _IF_ANY_BIT_OF_X, _RETURN = 0x15, 0x35, 0x4D, 0x06
_WORD = 32

# Numbers on x86_64 and on aarch64, None where there is no such call.
CALLS: dict[str, tuple[int | None, int | None]] = {
    # descriptors
    "read": (0, 63),
    "write": (1, 64),
    "close": (3, 57),
    "lseek": (8, 62),
    "pread64": (17, 67),
    "pwrite64": (18, 68),
    "readv": (19, 65),
    "writev": (20, 66),
    "dup": (32, 23),
    "dup2": (33, None),
    "dup3": (292, 24),
    "pipe2": (293, 59),
    "poll": (7, None),
    "ppoll": (271, 73),
    "select": (23, None),
    "pselect6": (270, 72),
    # files
    "open": (2, None),
    "openat": (257, 56),
    "stat": (4, None),
    "fstat": (5, 80),
    "lstat": (6, None),
    "newfstatat": (262, 79),
    "statx": (332, 291),
    "statfs": (137, 43),
    "fstatfs": (138, 44),
    "access": (21, None),
    "faccessat": (269, 48),
    "faccessat2": (439, 439),
    "readlink": (89, None),
    "readlinkat": (267, 78),
    "getcwd": (79, 17),
    "getdents64": (217, 61),
    "fadvise64": (221, 223),
    "fallocate": (285, 47),
    "ftruncate": (77, 46),
    "fsync": (74, 82),
    "fdatasync": (75, 83),
    "flock": (73, 32),
    "rename": (82, None),
    "renameat": (264, 38),
    "renameat2": (316, 276),
    "link": (86, None),
    "linkat": (265, 37),
    "unlink": (87, None),
    "unlinkat": (263, 35),
    "mkdir": (83, None),
    "mkdirat": (258, 34),
    "rmdir": (84, None),
    "mknodat": (259, 33),  # FIFOs: devices are root's, and Landlock's
    # the connection, and sockets that were there before
    "recvfrom": (45, 207),
    "sendto": (44, 206),
    "shutdown": (48, 210),
    "getsockname": (51, 204),
    "getpeername": (52, 205),
    "getsockopt": (55, 209),
    "setsockopt": (54, 208),
    # memory
    "brk": (12, 214),
    "mmap": (9, 222),
    "mprotect": (10, 226),
    "mremap": (25, 216),
    "munmap": (11, 215),
    "madvise": (28, 233),
    "futex": (202, 98),
    # time
    "clock_gettime": (228, 113),
    "clock_getres": (229, 114),
    "clock_nanosleep": (230, 115),
    "gettimeofday": (96, 169),
    "nanosleep": (35, 101),
    "sched_yield": (24, 124),
    "setitimer": (38, 103),
    # signals that come, and the end
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "restart_syscall": (219, 128),
    "wait4": (61, 260),
    "exit": (60, 93),
    "exit_group": (231, 94),
    # what we are
    "getpid": (39, 172),
    "getppid": (110, 173),
    "gettid": (186, 178),
    "getuid": (102, 174),
    "geteuid": (107, 175),
    "getgid": (104, 176),
    "getegid": (108, 177),
    "getrandom": (318, 278),
    "uname": (63, 160),
}

# What is called for each object.
_OFTEN = (
    "write",
    "writev",
    "close",
    "poll",
    "recvfrom",
    "sendto",
    "openat",
    "statx",
    "renameat2",
    "fallocate",
    "sched_yield",
)

# Only for some purposes: numbers, which argument says for what, and what it may be.
_FOR_SOME: dict[str, tuple[tuple[int, int], int, tuple[int, ...]]] = {
    # F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_GETLK, F_SETLK, F_SETLKW, F_OFD_*, F_DUPFD_CLOEXEC; not F_SETOWN
    # and F_SETSIG, by which any signal can be had sent to any process of this user.
    "fcntl": ((72, 25), 1, (0, 1, 2, 3, 4, 5, 6, 7, 36, 37, 38, 1030)),
    # FIOCLEX, FIONCLEX, FIONBIO, FIONREAD, TCGETS; not TIOCSTI, which types at a terminal.
    "ioctl": ((16, 29), 1, (0x5451, 0x5450, 0x5421, 0x541B, 0x5401)),
    # PR_SET_NAME, for ps.
    "prctl": ((157, 167), 0, (15,)),
}

# What some options need besides: see `prepare`.
OTHERS = {
    "connect": (42, 203),
    "fchmod": (91, 52),
    "sendmsg": (46, 211),
}


class Filter:
    """A program as the kernel takes it, ready to be put in force."""

    __slots__ = ("_arguments", "_kept", "_prctl")

    def __init__(self, code: bytes) -> None:
        program = ctypes.create_string_buffer(code, len(code))
        header = ctypes.create_string_buffer(pack("HxxxxxxQ", len(code) // 8, ctypes.addressof(program)))
        self._kept = program, header
        # Without errno, and with arguments that are made: what a forked child does for the first time costs it pages.
        self._prctl = ctypes.CDLL(None).prctl
        numbers = _MODE_FILTER, ctypes.addressof(header), 0, 0
        self._arguments = ctypes.c_int(_SET_SECCOMP), *map(ctypes.c_ulong, numbers)

    def enter(self) -> None:
        """Put it in force, for this process and its children, for good."""
        if self._prctl(*self._arguments):
            raise OSError(errno.EPERM, "the kernel refuses a system call filter")


def prepare(also: Iterable[str] = ()) -> Filter:
    """Give the filter of this machine, with calls of `OTHERS`; raises `OSError` where there can be none."""
    ask = ctypes.CDLL(None, use_errno=True).prctl
    # A filter at the address 0: where there is none at all, the answer is EINVAL.
    ask(_SET_SECCOMP, _MODE_FILTER, 0, 0, 0)
    code = ctypes.get_errno()
    if code != errno.EFAULT:
        raise OSError(code, os.strerror(code))
    return Filter(program(os.uname().machine, also))


def program(machine: str, also: Iterable[str] = ()) -> bytes:
    """Give the BPF program for a machine, 8 bytes for each instruction; `OSError` if we do not know its numbers."""
    if machine not in _MACHINES:
        raise OSError(errno.ENOSYS, f"its system calls on {machine} are not known")
    architecture, column = _MACHINES[machine]
    rows = [*CALLS.values(), *(OTHERS[name] for name in also)]
    numbers = {row[column] for row in rows} - {None}
    words = [0] * (max(number or 0 for number in numbers) // _WORD + 1)
    for number in numbers:
        words[(number or 0) // _WORD] |= 1 << (number or 0) % _WORD
    return _assembled(_instructions(architecture, column, words))


def _instructions(architecture: int, column: int, words: list[int]) -> Iterator[Instruction | str]:
    """Give the program; a text is a label."""
    yield _LOAD, _ARCHITECTURE, "", ""
    yield _IF_EQUAL, architecture, "", "fail"
    yield _LOAD, _NUMBER, "", ""
    for name in _OFTEN:
        number = CALLS[name][column]
        if number is not None:
            yield _IF_EQUAL, number, "permit", ""
    yield _IF_NOT_LESS, len(words) * _WORD, "others", ""
    # X becomes the bit of the number within its word.
    yield _AND, _WORD - 1, "", ""
    yield _TO_X, 0, "", ""
    yield _LOAD_CONSTANT, 1, "", ""
    yield _SHIFT_BY_X, 0, "", ""
    yield _TO_X, 0, "", ""
    yield _LOAD, _NUMBER, "", ""
    yield from _choice(words, 0, len(words))
    yield "others"
    yield _LOAD, _NUMBER, "", ""
    for name, (numbers, argument, values) in _FOR_SOME.items():
        yield _IF_EQUAL, numbers[column], "", f"not {name}"
        yield _LOAD, _ARGUMENTS + _ARGUMENT_BYTES * argument, "", ""
        for value in values[:-1]:
            yield _IF_EQUAL, value, "permit", ""
        yield _IF_EQUAL, values[-1], "permit", "fail"
        yield f"not {name}"
    yield "fail"
    yield _RETURN, _FAIL, "", ""
    yield "permit"
    yield _RETURN, _PERMIT, "", ""


def _choice(words: list[int], first: int, end: int) -> Iterator[Instruction | str]:
    """Choose among words by halves, then ask for the bit."""
    if end - first == 1:
        yield _LOAD_CONSTANT, words[first], "", ""
        yield _IF_ANY_BIT_OF_X, 0, "permit", "others"
        return
    middle = (first + end) // 2
    yield _IF_NOT_LESS, middle * _WORD, f"from {middle}", ""
    yield from _choice(words, first, middle)
    yield f"from {middle}"
    yield from _choice(words, middle, end)


def _assembled(parts: Iterable[Instruction | str]) -> bytes:
    """Give the bytes (struct sock_filter): code, how far to jump if true, how far if false, constant."""
    places: dict[str, int] = {}
    instructions: list[Instruction] = []
    for part in parts:
        if isinstance(part, str):
            places[part] = len(instructions)
        else:
            instructions.append(part)
    lines = enumerate(instructions, 1)
    return b"".join(
        pack("HBBI", code, *(places[each] - at if each else 0 for each in (yes, no)), constant)
        for at, (code, constant, yes, no) in lines
    )
