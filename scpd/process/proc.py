"""Processes that are not our children, as proc(5) shows them.

A process id comes back; together with the time its process was started, and the boot id of the system, it does not.
What cannot be read since there is no such process, or it is not ours, is not there.  Whatever else keeps it from being
read, such as too many open files, says nothing of the process: `OSError`.
"""

from __future__ import annotations

import os

_GONE = frozenset((b"Z", b"X"))
_STOPPED = frozenset((b"T", b"t"))  # by a signal, by a debugger
_LARGEST_ENVIRONMENT = 1 << 22


class Process:
    """One line of /proc/PID/stat: process group, session, and start in clock ticks since boot."""

    __slots__ = ("group", "session", "start_time")

    def __init__(self, group: int, session: int, start_time: int) -> None:
        self.group = group
        self.session = session
        self.start_time = start_time


def look_up(pid: int, *, even_dead: bool = False) -> Process | None:
    """Give a process; `None` if there is none, or only the status that its parent has not asked for."""
    fields = _fields(pid)
    if len(fields) < 20 or (fields[0] in _GONE and not even_dead):
        return None
    return Process(int(fields[2]), int(fields[3]), int(fields[19]))


def lives(pid: int, start_time: int) -> bool:
    """Tell whether the process that was started then still runs."""
    found = look_up(pid)
    return found is not None and found.start_time == start_time


def is_stopped(pid: int) -> bool:
    """Tell whether a process does nothing until somebody lets it go on (SIGSTOP); `False` too if there is none."""
    return not _STOPPED.isdisjoint(_fields(pid)[:1])


def has_in_environment(pid: int, name: str, value: str) -> bool:
    """Tell whether a program was started with this variable; `False` too if that is not for us to know."""
    return f"{name}={value}".encode() in _read(f"/proc/{pid}/environ", _LARGEST_ENVIRONMENT).split(b"\0")


def boot_id() -> str:
    """Give what no other run of this or another system has."""
    return _read("/proc/sys/kernel/random/boot_id", 64).decode("ascii", "replace").strip()


def open_watch(pid: int) -> int:
    """Give a descriptor that becomes readable when the process ends (pidfd_open(2), Linux 5.3); -1 if there is none."""
    try:
        return os.pidfd_open(pid)
    except OSError:
        return -1


def _fields(pid: int) -> list[bytes]:
    """Give what /proc/PID/stat has from the state on; nothing without such a process."""
    # The name in parentheses may hold anything, parentheses and spaces too.
    return _read(f"/proc/{pid}/stat", 4096).rpartition(b")")[2].split()


def _read(path: str, most: int) -> bytes:
    data = b""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            # A read may give less than there is.
            while len(data) < most and (piece := os.read(descriptor, most - len(data))):
                data += piece
        finally:
            os.close(descriptor)
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return b""
    return data
