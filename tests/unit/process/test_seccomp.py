"""The filter of system calls: which there are, by a machine of its own that runs its program."""

from __future__ import annotations

import errno
import os
import re
import struct
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from scpd.process import prctl, seccomp
from tests.harness.forked import in_child

if TYPE_CHECKING:
    from collections.abc import Sequence

MACHINES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}
I386 = 0x40000003
X32 = 0x40000000
PERMITTED, REFUSED = 0x7FFF0000, 0x00050000 | errno.EPERM
HEADERS = {
    0: Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
    1: Path("/usr/include/asm-generic/unistd.h"),
}
MORE_THAN_ALL = 700
FCNTL, IOCTL, PRCTL = "fcntl", "ioctl", "prctl"
PARTLY = {FCNTL: (72, 25), IOCTL: (16, 29), PRCTL: (157, 167)}


def run(program: bytes, architecture: int, number: int, arguments: Sequence[int] = ()) -> int:
    """Run a program of BPF as the kernel does, as far as ours goes (linux/filter.h)."""
    data = struct.pack("<IIQ6Q", number, architecture, 0, *(*arguments, 0, 0, 0, 0, 0, 0)[:6])
    lines = list(struct.iter_unpack("HBBI", program))
    a = x = at = 0
    while True:
        code, yes, no, k = lines[at]
        at += 1
        if code == 0x20:
            (a,) = struct.unpack_from("<I", data, k)
        elif code == 0x00:
            a = k
        elif code == 0x54:
            a &= k
        elif code == 0x07:
            x = a
        elif code == 0x6C:
            a = a << x & 0xFFFFFFFF
        elif code == 0x15:
            at += yes if a == k else no
        elif code == 0x35:
            at += yes if a >= k else no
        elif code == 0x4D:
            at += yes if a & x else no
        else:
            assert code == 0x06
            return k


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("also", [[], ["connect", "fchmod"]], ids=["usual", "with others"])
def test_what_is_on_the_list_is_permitted_and_nothing_else(machine: str, also: list[str]) -> None:
    architecture, column = MACHINES[machine]
    program = seccomp.program(machine, also)
    rows = [*seccomp.CALLS.values(), *(seccomp.OTHERS[name] for name in also)]
    answers = {number: run(program, architecture, number) for number in range(MORE_THAN_ALL)}
    # F_DUPFD is 0.
    permitted = {row[column] for row in rows} - {None} | {PARTLY[FCNTL][column]}
    assert {number for number, answer in answers.items() if answer == PERMITTED} == permitted
    assert set(answers.values()) == {PERMITTED, REFUSED}


def is_known_beforehand(program: bytes, architecture: int, number: int) -> bool:
    """Whether the kernel sees without running the program that it permits a call (kernel/seccomp.c)."""
    known = {0: number, 4: architecture}
    lines = list(struct.iter_unpack("HBBI", program))
    a = at = 0
    while True:
        code, yes, no, k = lines[at]
        at += 1
        if code == 0x20 and k in known:
            a = known[k]
        elif code == 0x15:
            at += yes if a == k else no
        elif code == 0x35:
            at += yes if a >= k else no
        else:
            return code == 0x06 and k == PERMITTED


@pytest.mark.parametrize("machine", MACHINES)
def test_for_what_each_object_needs_the_kernel_runs_no_program(machine: str) -> None:
    architecture, column = MACHINES[machine]
    program = seccomp.program(machine)
    needed = [
        "writev",
        "write",
        "statx",
        "renameat2",
        "sendto",
        "close",
        "openat",
        "fallocate",
        "recvfrom",
        "sched_yield",
    ]
    numbers = {seccomp.CALLS[name][column] for name in needed}
    assert {
        number for number in numbers if is_known_beforehand(program, architecture, number or 0)
    } == numbers
    assert not any(is_known_beforehand(program, I386, number or 0) for number in numbers)
    assert not is_known_beforehand(program, architecture, PARTLY[FCNTL][column])


@pytest.mark.parametrize("machine", MACHINES)
def test_the_numbers_of_another_architecture_are_refused(machine: str) -> None:
    program = seccomp.program(machine)
    assert {run(program, I386, number) for number in range(MORE_THAN_ALL)} == {REFUSED}
    architecture, _ = MACHINES[machine]
    assert {run(program, architecture, X32 | number) for number in range(MORE_THAN_ALL)} == {REFUSED}
    assert run(program, architecture, 0xFFFFFFFF) == REFUSED


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        (FCNTL, (3, 4), PERMITTED),
        (FCNTL, (3, 1030), PERMITTED),
        (FCNTL, (3, 8), REFUSED),  # F_SETOWN
        (FCNTL, (3, 10), REFUSED),  # F_SETSIG
        (FCNTL, (3, 1024), REFUSED),  # F_SETLEASE
        (IOCTL, (3, 0x5451), PERMITTED),
        (IOCTL, (3, 0x1_0000_5451), PERMITTED),  # the kernel takes the lower half
        (IOCTL, (3, 0x5412), REFUSED),  # TIOCSTI
        (PRCTL, (15,), PERMITTED),
        (PRCTL, (22, 2), REFUSED),
    ],
)
@pytest.mark.parametrize("machine", MACHINES)
def test_some_calls_are_for_some_purposes(
    machine: str, name: str, arguments: Sequence[int], expected: int
) -> None:
    architecture, column = MACHINES[machine]
    assert run(seccomp.program(machine), architecture, PARTLY[name][column], arguments) == expected


@pytest.mark.parametrize("column", HEADERS)
def test_the_numbers_are_those_of_the_headers(column: int) -> None:
    if not HEADERS[column].exists():
        pytest.skip("no headers of the kernel here")
    lines = re.findall(r"^#define __NR(?:3264)?_(\w+)\s+(\d+)$", HEADERS[column].read_text(), re.MULTILINE)
    theirs = {name: int(number) for name, number in lines}
    theirs.setdefault("newfstatat", theirs.get("fstatat", -1))  # aarch64 has the old name
    ours = {**seccomp.CALLS, **seccomp.OTHERS, **PARTLY}
    assert {name: row[column] for name, row in ours.items()} == {name: theirs.get(name) for name in ours}


def test_a_machine_whose_numbers_are_not_known_has_no_filter() -> None:
    with pytest.raises(OSError, match="riscv64"):
        seccomp.program("riscv64")


def test_a_call_that_is_not_on_the_list_is_an_error_and_no_death() -> None:
    filtering = seccomp.prepare()

    def life() -> list[object]:
        prctl.forbid_new_privileges()
        filtering.enter()
        try:
            os.chmod("/", 0o755)
        except OSError as error:
            return [error.errno, os.getpid() > 0]
        return []

    assert in_child(life) == [errno.EPERM, True]


def test_a_filter_cannot_be_taken_off() -> None:
    filtering = seccomp.prepare()

    def life() -> str:
        prctl.forbid_new_privileges()
        filtering.enter()
        try:
            filtering.enter()
        except OSError as error:
            return str(error.strerror)
        return ""

    assert in_child(life) == "the kernel refuses a system call filter"
