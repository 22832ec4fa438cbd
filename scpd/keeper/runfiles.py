"""The two files of a command in the directory `running/` of the lock directory (scpd_studies(7)).

    JOB.run    who runs it: written by the command's own process, before it becomes the command
    JOB.end    how it ended: written by its runner

Each is one line of `lockdir.records`:

    run TAB process id TAB its start TAB process id of the runner TAB its start TAB boot id TAB milliseconds
    end TAB process id TAB its start TAB status TAB 1 if it was timed out, or 0 TAB milliseconds TAB stderr

A start is field 22 of /proc/PID/stat; the milliseconds are those of the monotonic clock at the command's start, and how
long it ran; the status is an exit code, or the negative number of a signal.

Both are written under another name and moved: they are there whole, or not at all.  Nothing is flushed: after a power
cut there is no process any more, and a command whose end is not on record runs again.

Readers take them as hostile: they follow no link, wait for nobody, read no more than one of ours is long, and believe
no number that could not be.  What is no file of ours is a `StrangeFileError`; `OSError` is for what says nothing of the
file, such as too many open ones.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress

from scpd.keeper.jobnames import is_job
from scpd.lockdir import records
from scpd.store.rename import rename_to_free_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

RUN, END = ".run", ".end"
STDERR_KEPT = 4096  # bytes

_TEMPORARY = ".tmp."
# Each byte of stderr may need three, a lone one that is no UTF-8 is shown by four.
_LARGEST_FILE = 16 * STDERR_KEPT
_LARGEST_PID = 1 << 22  # PID_MAX_LIMIT of proc_sys_kernel(5)
_MOST_DIGITS = 18
_MOST_STATUS = 255
# A link, a socket, a device without driver, and what others made for themselves.
_NOT_OURS = frozenset((errno.ELOOP, errno.ENXIO, errno.ENODEV, errno.EACCES, errno.EPERM))
_READ_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_WRITE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class StrangeFileError(Exception):
    """A file that nobody of ours has written, or that is not whole."""


class Trace:
    """JOB.run: the command's process and its runner's."""

    __slots__ = ("boot_id", "milliseconds", "pid", "runner", "runner_start", "start")

    def __init__(self, pid: int, start: int, runner: int, runner_start: int, milliseconds: int) -> None:
        self.pid = pid
        self.start = start
        self.runner = runner
        self.runner_start = runner_start
        self.milliseconds = milliseconds
        self.boot_id = ""

    def encode(self, boot_id: str) -> bytes:
        """Give the file's content."""
        numbers = [str(each) for each in (self.pid, self.start, self.runner, self.runner_start)]
        return records.encode(["run", *numbers, boot_id, str(self.milliseconds)])


class End:
    """JOB.end: how the command ended that was this process."""

    __slots__ = ("code", "milliseconds", "pid", "start", "stderr", "timed_out")

    def __init__(self, pid: int, start: int) -> None:
        self.pid = pid
        self.start = start
        self.code = 0
        self.timed_out = False
        self.milliseconds = 0
        self.stderr = ""

    def encode(self) -> bytes:
        """Give the file's content."""
        numbers = (self.pid, self.start, self.code, int(self.timed_out), self.milliseconds)
        return records.encode(["end", *map(str, numbers), self.stderr])


def temporary_of(name: str) -> tuple[str, int] | None:
    """Give job and process of a file that is just being written; `None` if it is none."""
    job, sign, pid = name.rpartition(_TEMPORARY)
    if not sign or not is_job(job):
        return None
    try:
        return job, _number(pid, _LARGEST_PID)
    except StrangeFileError:
        return None


def read_trace(directory: int, job: str) -> Trace | None:
    """Read JOB.run; `None` if there is none; raises `StrangeFileError` and `OSError`."""
    fields = _read(directory, job + RUN, "run", 7)
    if fields is None:
        return None
    pid, runner = (_number(fields[index], _LARGEST_PID) for index in (1, 3))
    trace = Trace(pid, _number(fields[2]), runner, _number(fields[4]), _number(fields[6]))
    trace.boot_id = fields[5]
    if min(pid, runner) <= 1:
        raise StrangeFileError
    return trace


def read_end(directory: int, job: str) -> End | None:
    """Read JOB.end; `None` if there is none; raises `StrangeFileError` and `OSError`."""
    fields = _read(directory, job + END, "end", 7)
    if fields is None:
        return None
    end = End(_number(fields[1], _LARGEST_PID), _number(fields[2]))
    sign = -1 if fields[3].startswith("-") else 1
    end.code = sign * _number(fields[3].removeprefix("-"), _MOST_STATUS)
    end.timed_out = bool(_number(fields[4], 1))
    end.milliseconds = _number(fields[5])
    end.stderr = fields[6]
    return end


def _number(text: str, most: int = 1 << 62) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS) or int(text) > most:
        raise StrangeFileError
    return int(text)


def _read(directory: int, name: str, kind: str, count: int) -> list[str] | None:
    try:
        descriptor = os.open(name, _READ_FLAGS, dir_fd=directory)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno in _NOT_OURS:
            raise StrangeFileError from error
        raise
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise StrangeFileError
        data = os.read(descriptor, _LARGEST_FILE)
    finally:
        os.close(descriptor)
    fields = records.decode(data[:-1]) if data.endswith(b"\n") else None
    if fields is None or len(fields) < count or fields[0] != kind:
        raise StrangeFileError
    return fields


def write_trace(directory: int, job: str, data: bytes) -> None:
    """Write JOB.run; raises `OSError`, of which `FileExistsError` says that somebody runs this job already."""
    _write(directory, job, job + RUN, data, rename_to_free_name)


def write_end(directory: int, job: str, data: bytes) -> None:
    """Write JOB.end, in place of an older one; raises `OSError`."""
    _write(directory, job, job + END, data, _rename)


def _rename(name: str, directory: int, new_name: str, new_directory: int) -> None:
    os.rename(name, new_name, src_dir_fd=directory, dst_dir_fd=new_directory)


def _write(
    directory: int, job: str, name: str, data: bytes, publish: Callable[[str, int, str, int], None]
) -> None:
    temporary = f"{job}{_TEMPORARY}{os.getpid()}"
    remove(directory, temporary)  # of a process that had our id before us
    try:
        descriptor = os.open(temporary, _WRITE_FLAGS, 0o666, dir_fd=directory)
        try:
            if os.write(descriptor, data) < len(data):
                raise OSError(errno.ENOSPC, "no room for a file of a command", name)
        finally:
            os.close(descriptor)
        publish(temporary, directory, name, directory)
    except OSError:
        remove(directory, temporary)
        raise


def remove(directory: int, name: str) -> None:
    """Remove a file that need not be there; raises nothing."""
    with suppress(OSError):
        os.unlink(name, dir_fd=directory)
