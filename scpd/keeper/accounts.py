"""What keepers have done with commands, so that the next keeper does not do it again.

    keepers/NAME      what one keeper has written, and nobody else:
        settled JOB           the command has run, or was set aside or dropped
        tried   JOB TIMES     it has failed so often
    failed/JOB        a command that was set aside, as lines of name and value

At its start a keeper reads what the ones before it wrote, writes what of it still matters into a file of its own, and
removes theirs.  Nothing is flushed: after a power cut a command may run once more.  Raises `OSError`.
"""

from __future__ import annotations

import os
from contextlib import suppress

from scpd.lockdir import layout, records
from scpd.lockdir.journal import new_maker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from scpd.lockdir.layout import LockDirectory

_SETTLED, _TRIED = "settled", "tried"
_APPEND_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
_MOST_READ = 1 << 30
_LONGEST_BEFORE_RENEWAL = 1 << 22  # bytes


class Accounts:
    """The accounts of all keepers up to now, and this one's file."""

    __slots__ = ("_descriptor", "_lockdir", "_name", "_settled", "_size", "_tried")

    def __init__(self, lockdir: LockDirectory) -> None:
        self._lockdir = lockdir
        self._settled: set[str] = set()
        self._tried: dict[str, int] = {}
        self._descriptor = -1
        self._name = ""
        self._size = 0
        for name in self._others():
            self._read(name)

    def _others(self) -> list[str]:
        names = os.listdir(self._lockdir.opened(layout.KEEPERS))
        return [name for name in names if name != self._name]

    def _read(self, name: str) -> None:
        try:
            descriptor = layout.open_to_read(name, self._lockdir.opened(layout.KEEPERS))
            with open(descriptor, "rb") as file:
                lines = records.decode_all(file.read(_MOST_READ).splitlines())
        except OSError:
            self._lockdir.set_aside(name, layout.KEEPERS)
            return
        for fields in lines:
            match fields:
                case ["settled", job]:
                    self._settled.add(job)
                case ["tried", job, times] if times.isdecimal():
                    self._tried[job] = max(self._tried.get(job, 0), int(times))

    def is_settled(self, job: str) -> bool:
        """Tell whether a command need not run any more."""
        return job in self._settled

    def tried(self, job: str) -> int:
        """Tell how often a command has failed."""
        return self._tried.get(job, 0)

    def renew(self, matters: Callable[[str], bool]) -> None:
        """Begin a new file with what still matters, and remove all others."""
        self._settled = {job for job in self._settled if matters(job)}
        self._tried = {job: times for job, times in self._tried.items() if matters(job)}
        if self._descriptor != -1:
            os.close(self._descriptor)
        directory = self._lockdir.opened(layout.KEEPERS)
        self._name = new_maker()
        self._descriptor = os.open(self._name, _APPEND_FLAGS, 0o666, dir_fd=directory)
        lines = [records.encode((_SETTLED, job)) for job in self._settled]
        lines += [records.encode((_TRIED, job, str(times))) for job, times in self._tried.items()]
        self._size = 0
        self._write(b"".join(lines))
        os.fsync(self._descriptor)
        for name in self._others():
            with suppress(OSError):
                os.unlink(name, dir_fd=directory)

    def is_long(self) -> bool:
        """Tell whether it is time to `renew`."""
        return self._size > _LONGEST_BEFORE_RENEWAL

    def settle(self, job: str) -> None:
        """Note that a command need not run any more."""
        self._settled.add(job)
        self._tried.pop(job, None)
        self._write(records.encode((_SETTLED, job)))

    def fail(self, job: str, times: int) -> None:
        """Note that a command has failed so often."""
        self._tried[job] = times
        self._write(records.encode((_TRIED, job, str(times))))

    def unsettle(self, job: str) -> None:
        """Forget that a command need not run: an administrator wants it again."""
        self._settled.discard(job)

    def _write(self, data: bytes) -> None:
        self._size += len(data)
        while data:
            data = data[os.write(self._descriptor, data) :]

    def close(self) -> None:
        """Let it go."""
        if self._descriptor != -1:
            os.close(self._descriptor)


def write_failed(lockdir: LockDirectory, job: str, values: Mapping[str, str]) -> None:
    """Set a command aside where an administrator finds it."""
    data = b"".join(records.encode(pair) for pair in values.items())
    layout.write_whole(job, data, lockdir.opened(layout.FAILED), flush=True)


def read_failed(lockdir: LockDirectory, job: str) -> dict[str, str] | None:
    """Read what was set aside; `None` if there is nothing of that name, or nothing to read."""
    try:
        data = layout.read_small(job, lockdir.opened(layout.FAILED))
    except OSError:
        return None
    lines = records.decode_all(data.splitlines())
    return {fields[0]: fields[1] for fields in lines if len(fields) == 2} or None


def remove_failed(lockdir: LockDirectory, job: str) -> None:
    """Forget what was set aside."""
    with suppress(FileNotFoundError):
        os.unlink(job, dir_fd=lockdir.opened(layout.FAILED))
