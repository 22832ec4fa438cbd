"""Processes as /proc shows them (proc_pid_stat(5)), and how to leave none behind."""

from __future__ import annotations

import ctypes
import os
import signal
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

PR_SET_CHILD_SUBREAPER = 36
ROUNDS = 20


class Process(NamedTuple):
    """One line of /proc/PID/stat."""

    pid: int
    name: str
    state: str
    parent: int
    group: int
    session: int

    @property
    def is_running(self) -> bool:
        """False for a zombie."""
        return self.state not in {"Z", "X"}


def process(pid: int) -> Process | None:
    """Look one up; None if there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            text = file.read()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name may hold anything, parentheses and spaces too.
    front, _, back = text.rpartition(")")
    state, parent, group, session = back.split()[:4]
    return Process(pid, front.partition("(")[2], state, int(parent), int(group), int(session))


def processes() -> Iterator[Process]:
    """Every process of the machine."""
    for name in os.listdir("/proc"):
        if name.isdigit() and (found := process(int(name))):
            yield found


def children_of(pid: int) -> list[Process]:
    """The children of a process, zombies too, youngest last."""
    if pid == os.getpid() and not _has_children():
        return []
    return sorted(found for found in processes() if found.parent == pid)


def is_running(pid: int) -> bool:
    """True while the process exists and is no zombie: who reaps it is not the point."""
    found = process(pid)
    return found is not None and found.is_running


def command_line(pid: int) -> str:
    """What ps shows; empty for a process that is gone."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read().replace(b"\0", b" ").decode(errors="replace").strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


# Words that run a program which may write core files as large as the machine allows: pytest itself may not.
MAY_DUMP = ("sh", "-c", 'ulimit -S -c "$(ulimit -H -c)"; exec "$@"', "sh")


def core_limit(pid: int) -> str:
    """Give how large a core file may be; skips the test where nobody may write one."""
    with open(f"/proc/{pid}/limits", encoding="ascii") as file:
        soft, hard = next(line.split()[4:6] for line in file if line.startswith("Max core file size"))
    if hard == "0":
        pytest.skip("nobody may write a core file here")
    return soft


def become_subreaper() -> None:
    """Orphans of the tests become children of this process, where the leak check finds them (prctl(2))."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def wait_for_orphans() -> None:
    """Wait until whatever has become our child by the death of its parent has ended, too."""
    wait_until(
        lambda: not any(child.is_running for child in children_of(os.getpid())), what="the end of orphans"
    )


def end_session(leader: int) -> list[Process]:
    """Kill and reap every process of a session whose leader has ended; gives those that were alive.

    Where there is a leader it is another session: while many tests fork, process ids come round within a minute, and
    that of a session is free when its last process has ended.
    """

    def members() -> list[Process]:
        found = [each for each in processes() if each.session == leader]
        return [] if any(each.pid == leader and each.is_running for each in found) else found

    return _end_while_there_are(members)


def end_children(spared: Iterable[int]) -> list[Process]:
    """Kill and reap our children but the spared ones, their orphans too; gives those that were alive."""
    pids = set(spared)
    return _end_while_there_are(
        lambda: (child for child in children_of(os.getpid()) if child.pid not in pids)
    )


def reap(pid: int) -> None:
    """Take the exit status of a child that has ended, if it is one."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return


def _has_children() -> bool:
    # Asked before and after each of thousands of tests, nearly always in vain: /proc costs 2 ms, this call nothing.
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def _end_while_there_are(find: Callable[[], Iterable[Process]]) -> list[Process]:
    # Again and again, since the children of what was killed come to light only then.
    ended: list[Process] = []
    for _ in range(ROUNDS):
        victims = list(find())
        if not victims:
            break
        ended += [victim for victim in victims if victim.is_running]
        for victim in victims:
            _end(victim.pid)
    return ended


def _end(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    wait_until(lambda: not is_running(pid), what=f"the end of process {pid}")
    reap(pid)
