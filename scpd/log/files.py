"""Log files that many processes write to at once: master, workers and whatever else has the same configuration.

A record is one write at the end of the file (O_APPEND), so that no line is torn.  Who moves the file away holds a lock
(flock(2), on the file itself, by a description of his own, since those that are inherited are shared) and has looked,
under the lock, that the path still names the file which he has open.  The others notice once a second at most that it
does not, and open the new one.  Nobody waits for a lock: whoever does not get it writes on, the file is being moved.
What was written to a file that had no name any more is written once more.

The descriptor keeps its number for life, so that a forked process can be told what to keep; it is /dev/null while
there is no file.  No failure is raised: records are lost while the file cannot be opened or has no room, and that is
tried again each second.
"""

from __future__ import annotations

import fcntl
import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from scpd.log.schedules import Schedule

    Tell = Callable[[str], None]

# Opening must not wait for the reader of a named pipe.
_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK
_ALL = 0o666  # less what the umask forbids
_LOOK_SECONDS = 1.0
# The clock of file systems runs up to some milliseconds late: a file just made is not of the period before.
_CLOCK_SECONDS = 1.0


class LogFile:
    """One file, opened for appending; `tell(text)` hears of what goes wrong.  Times are seconds since 1970."""

    def __init__(self, path: str, tell: Tell, now: float, *, empty: bool) -> None:
        self.path = os.path.abspath(path)
        self.descriptor = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
        self._tell = tell
        self._is_sick = False
        self._looked_at = now
        self._rest_until = 0.0
        self.reopen(now, os.O_TRUNC if empty else 0)

    def reopen(self, now: float, flags: int = 0) -> bool:
        """Open what the path names now; if that fails the old file stays."""
        self._looked_at = now
        try:
            descriptor = os.open(self.path, _FLAGS | flags, _ALL)
        except (OSError, ValueError):  # a name may contain NUL
            self._is_sick = True
            self._tell(f"Unable to open file: {self.path}")
            return False
        # A pipe stays as it is: who does not read it must not hold up a master.
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.set_blocking(descriptor, True)
        os.dup2(descriptor, self.descriptor, inheritable=False)
        os.close(descriptor)
        self._is_sick = False
        self._opened(now)
        return True

    def write(self, record: bytes, now: float) -> None:
        """Append a record made `now`."""
        if not 0 <= now - self._looked_at < _LOOK_SECONDS:
            self._look(now)
        self._before(now)
        status = self._append(record)
        if status is not None and status.st_nlink == 0 and self._has_another(status, now):
            status = self._append(record)
        if status is not None:
            self._after(status, now)

    def _has_another(self, unlinked: os.stat_result, now: float) -> bool:
        """Open the path anew, whose file was removed; `False` if that is the same file: it never had a name."""
        return self.reopen(now) and not os.path.samestat(unlinked, os.fstat(self.descriptor))

    def _append(self, record: bytes) -> os.stat_result | None:
        try:
            written = os.write(self.descriptor, record)
            if written < len(record):
                os.write(self.descriptor, record[written:])
            return os.fstat(self.descriptor)
        except OSError as error:
            self._is_sick = True
            self._tell(f"cannot write {self.path}: {error.strerror}")
            return None

    def _look(self, now: float) -> None:
        """Open the file that the path names if it is not the one that is open."""
        self._looked_at = now
        if self._is_sick or not self._is_current(self.descriptor):
            self.reopen(now)

    def _is_current(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(os.stat(self.path), os.fstat(descriptor))
        except (OSError, ValueError):
            return False

    def _roll(self, move: Callable[[], None], now: float) -> bool:
        """Move the file away by `move()`, or see that another process has; `False` if it is to be tried again."""
        if now < self._rest_until <= now + _LOOK_SECONDS:
            return False
        try:
            lock = os.open(self.path, os.O_WRONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError:
            return self.reopen(now)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if self._is_current(lock) and self._is_current(self.descriptor):
                move()
        except BlockingIOError:
            return False
        except OSError as error:
            self._tell(f"cannot move {self.path} away: {error.strerror}")
            self._rest_until = now + _LOOK_SECONDS
            return False
        finally:
            os.close(lock)
        return self.reopen(now)

    def _opened(self, now: float) -> None:
        """Another file is open."""

    def _before(self, now: float) -> None:
        """A record is about to be written."""

    def _after(self, status: os.stat_result, now: float) -> None:
        """A record was written, and this is the state of the file."""


class RollingFile(LogFile):
    """A file that becomes `F.1` when a record has made it larger than `limit`, `F.1` becomes `F.2`, up to `copies`."""

    def __init__(self, path: str, tell: Tell, now: float, *, empty: bool, limit: int, copies: int) -> None:
        self._limit = limit
        self._copies = copies
        super().__init__(path, tell, now, empty=empty)

    def _after(self, status: os.stat_result, now: float) -> None:
        # If another one is at it, or it cannot be done: a file that is a little larger does no harm.
        if status.st_size > self._limit:
            self._roll(self._move, now)

    def _move(self) -> None:
        make_room(self.path, self._copies)
        os.rename(self.path, f"{self.path}.1")


class DailyFile(LogFile):
    """A file that gets the name of its period at the first record after it; `copies` are kept of the same period.

    A file's period is that of its last record, which another process may have written, or an earlier start.
    """

    def __init__(
        self, path: str, tell: Tell, now: float, *, empty: bool, schedule: Schedule, copies: int
    ) -> None:
        self._schedule = schedule
        self._copies = copies
        self._since = now
        self._minute = -1.0
        super().__init__(path, tell, now, empty=empty)

    def _opened(self, now: float) -> None:
        status = os.fstat(self.descriptor)
        is_used = status.st_size > 0 and stat.S_ISREG(status.st_mode)
        self._since = status.st_mtime if is_used and status.st_mtime + _CLOCK_SECONDS < now else now
        self._minute = -1.0

    def _before(self, now: float) -> None:
        # Periods begin at a full minute: their reckoning is not for every record.
        minute = now // 60
        if minute == self._minute:
            return
        if self._schedule.period(now) > self._schedule.period(self._since):
            self._roll(self._move, now)  # the next record looks whether it could be done
        else:
            self._minute = minute

    def _move(self) -> None:
        if not stat.S_ISREG(os.fstat(self.descriptor).st_mode):
            return
        target = f"{self.path}.{self._schedule.ending(self._since)}"
        if os.path.lexists(target):
            make_room(target, self._copies)
            os.rename(target, f"{target}.1")
        os.rename(self.path, target)


def make_room(path: str, copies: int) -> None:
    """Make `path.1` free: it becomes `path.2` and so on; the one beyond `copies` is lost."""
    last = 1
    while last < copies and os.path.lexists(f"{path}.{last}"):
        last += 1
    for number in range(last - 1, 0, -1):
        os.rename(f"{path}.{number}", f"{path}.{number + 1}")
