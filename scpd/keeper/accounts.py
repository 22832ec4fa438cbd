"""What keepers have done with commands, so that the next keeper does not do it again.

scpd_studies(7), accounting 1 to 3:

    keepers/NAME      what one keeper has written, and nobody else:
        settled JOB           the command has run, or was set aside or dropped
        tried   JOB TIMES     it has failed so often
    failed/JOB        a command that was set aside, as lines of name and value

At its start a keeper reads what the ones before it wrote, writes what of it still matters into a file of its own, and
removes theirs; it does so again whenever its own has become long.  Nothing is flushed but that: after a power cut a
command may run once more.  So it may after a crash on a full disk: what could not be written is known in memory only,
until there is room for a new file.

`Accounts` raises `OSError` at its start only; the functions for failed/ do.
"""

from __future__ import annotations

import logging
import os
from contextlib import suppress

from scpd.keeper.jobnames import is_job
from scpd.lockdir import layout, records
from scpd.lockdir.appending import Appending
from scpd.lockdir.journal import new_maker
from scpd.study.record import is_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from scpd.lockdir.layout import LockDirectory

log = logging.getLogger("dcmtk.apps.storescp")

_SETTLED, _TRIED = "settled", "tried"
_APPEND_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
_LONG = 1 << 22  # bytes
_RETRY_SECONDS = 10.0


class Accounts:
    """The accounts of all keepers up to now, and this one's file."""

    __slots__ = (
        "_is_behind",
        "_lines",
        "_lockdir",
        "_long",
        "_name",
        "_retry_at",
        "_settled",
        "_size",
        "_tried",
    )

    def __init__(self, lockdir: LockDirectory) -> None:
        self._lockdir = lockdir
        self._settled, self._tried = read_accounts(lockdir, self._cannot_read)
        self._lines = Appending(-1)  # our file
        self._name = ""  # of our file
        self._size = 0  # of our file
        self._long = _LONG  # from this size on it is renewed
        self._is_behind = False  # our file lacks something
        self._retry_at = 0.0

    def _others(self) -> list[str]:
        names = os.listdir(self._lockdir.opened(layout.KEEPERS))
        return [name for name in names if name != self._name]

    def _cannot_read(self, name: str, error: OSError) -> None:
        if not layout.is_strange(error):
            raise error
        self._lockdir.set_aside(name, layout.KEEPERS)

    def is_settled(self, job: str) -> bool:
        """Tell whether a command need not run any more."""
        return job in self._settled

    def tried(self, job: str) -> int:
        """Tell how often a command has failed."""
        return self._tried.get(job, 0)

    def keep_up(self, matters: Callable[[str], bool], now: float) -> None:
        """Renew the file when it has become long, or lacks something and there may be room again."""
        if self._size > self._long or (self._is_behind and now >= self._retry_at):
            self.renew(matters, now)

    def renew(self, matters: Callable[[str], bool], now: float) -> None:
        """Begin a new file with what still matters, and remove all others; without room for it they stay."""
        self._settled = {job for job in self._settled if matters(job)}
        self._tried = {job: times for job, times in self._tried.items() if matters(job)}
        lines = [records.encode((_SETTLED, job)) for job in self._settled]
        lines += [records.encode((_TRIED, job, str(times))) for job, times in self._tried.items()]
        data = b"".join(lines)
        try:
            self._begin(new_maker(), data)
        except OSError as error:
            self._retry_at = now + _RETRY_SECONDS
            self._fall_behind(error.strerror)
            return
        self._is_behind = False
        self._size = len(data)
        self._long = 2 * len(data) + _LONG  # in the long run each line is written so often
        for name in self._others():
            with suppress(OSError):
                os.unlink(name, dir_fd=self._lockdir.opened(layout.KEEPERS))

    def _begin(self, name: str, data: bytes) -> None:
        """Write a new file, and let the one go that we had."""
        directory = self._lockdir.opened(layout.KEEPERS)
        descriptor = os.open(name, _APPEND_FLAGS, 0o666, dir_fd=directory)
        try:
            while data:
                data = data[os.write(descriptor, data) :]
            os.fsync(descriptor)
        except OSError:
            os.close(descriptor)
            with suppress(OSError):
                os.unlink(name, dir_fd=directory)
            raise
        self.close()
        self._lines, self._name = Appending(descriptor), name

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

    def _write(self, line: bytes) -> None:
        self._size += len(line)
        try:
            self._lines.write(line)
        except OSError as error:
            self._fall_behind(error.strerror)

    def _fall_behind(self, why: str | None) -> None:
        if not self._is_behind:
            log.error("cannot write down which commands have run: %s", why)
        self._is_behind = True

    def close(self) -> None:
        """Let it go."""
        descriptor = self._lines.descriptor
        self._lines = Appending(-1)
        if descriptor != -1:
            os.close(descriptor)


def read_accounts(
    lockdir: LockDirectory, cannot_read: Callable[[str, OSError], None]
) -> tuple[set[str], dict[str, int]]:
    """Give the jobs that need not run any more, and how often others have failed, by all keepers up to now.

    `cannot_read` is told of each file that cannot be.
    """
    settled: set[str] = set()
    tried: dict[str, int] = {}
    directory = lockdir.opened(layout.KEEPERS)
    for name in os.listdir(directory):
        try:
            descriptor = layout.open_to_read(name, directory)
        except FileNotFoundError:
            continue
        except OSError as error:
            cannot_read(name, error)
            continue
        for fields in records.decode_all(_lines(descriptor)):
            match fields:
                case ["settled", job, *_]:
                    settled.add(job)
                case ["tried", job, times, *_] if is_number(times):
                    tried[job] = max(tried.get(job, 0), int(times))
    return settled, tried


def _lines(descriptor: int) -> Iterator[bytes]:
    """Give the lines of a file, or pieces of what is too long for one."""
    with open(descriptor, "rb") as file:
        while line := file.readline(records.LONGEST + 1):
            yield line.rstrip(b"\n")


def write_failed(lockdir: LockDirectory, job: str, values: Mapping[str, str]) -> None:
    """Set a command aside where an administrator finds it."""
    data = b"".join(records.encode(pair) for pair in values.items())
    directory = lockdir.opened(layout.FAILED)
    try:
        layout.write_whole(job, data, directory, flush=True)
    except IsADirectoryError:
        lockdir.set_aside(job, layout.FAILED)
        layout.write_whole(job, data, directory, flush=True)


def read_failed(lockdir: LockDirectory, job: str) -> dict[str, str] | None:
    """Read what was set aside; `None` if there is nothing of that name, or nothing to read."""
    if not is_job(job):  # a request says the name
        return None
    try:
        data = layout.read_small(job, lockdir.opened(layout.FAILED))
    except OSError:
        return None
    lines = records.decode_all(data.splitlines())
    return {fields[0]: fields[1] for fields in lines if len(fields) >= 2} or None


def remove_failed(lockdir: LockDirectory, job: str) -> None:
    """Forget what was set aside."""
    if is_job(job):
        with suppress(FileNotFoundError, IsADirectoryError):
            os.unlink(job, dir_fd=lockdir.opened(layout.FAILED))
