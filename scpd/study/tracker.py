"""The worker's side of studies and commands: one tracker for an association, opened at its first object.

    began          1  busy with the object's study, as soon as its UID is known
    place          2  the study is open still; its directory
    publishing     4  the line of record, flushed: the object's rename follows
    stored, failed 6  the note behind it: what became of the rename
    ended          7  hold goes to this study if the object was stored; busy with it no more
    rest              no object follows at once: what was put off until one does is done now
    settle         8  wait for the keeper, where the options ask for it

The numbers are those of scpd_studies(7), publishing 1 to 8, which says what a crash between any two leaves.  Step 3,
the lock of the directory, is `publishing`'s too.

An object that is refused before `publishing` leaves no line; one without a study (no sorting, or nothing hangs on the
end of a study) goes without `began` and `place`.  The keeper looks at deadlines by itself: it is woken only when it
could not know, so that one object more of a study costs it nothing.

The objects of a study come one right after the other.  So who has stored one more stays busy with the study until the
next has come, and notes it together with that one's line: `stored` puts off 6 and 7, and `ended` does nothing then.
Whose sender pauses catches up, and so does, at the end of an object, who has put off anything for long.

A crash leaves the journal, which says all, and locks that the kernel drops.  Raises `OSError`, after which the caller
closes the tracker, and may open another: what has a line but no note is then judged by the keeper.
"""

from __future__ import annotations

import os
from contextlib import suppress
from time import monotonic, monotonic_ns

from scpd.lockdir import journal, layout
from scpd.lockdir.layout import LockDirectory
from scpd.process.locks import release, wait_to_share
from scpd.study import record, states
from scpd.study.replies import Replies

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from scpd.process.signals import Wakeup

_PUBLISHING = 0  # the byte of a publish lock
# A lock is a lease on a network file system, but none is lost within a second: who became busy less than that ago need
# not look again.
_LEASE_SECONDS = 1.0
# Objects may follow each other without a pause for hours.  For some time in between a study is free from one object to
# the next, since somebody may want it to end, and the keeper tries once a second; more often where its rules may.
_LONGEST_SECONDS = 1.0
_LONGEST_WHERE_DUE = 0.1
_FREE_SECONDS = 0.025
# What the keeper hears of when the association ends is no reason to wake it twice, if that is about to end.  But the
# later it is woken in a long one, the more has it to read beside who receives.
_WAKE_SECONDS = 0.002


class TrackerPolicy:
    """What is tracked, and where.

    `rules` are those of `study.rules`, encoded; empty: nothing hangs on the end of a study.  `renames`: they rename.
    `hook` is `record.ON_RECEPTION` if a command runs for each object, `waits` one of `record.WAITS_...` or empty,
    `boot` what `process.proc.boot_id` gives.  `place` is the output directory if it is not the daemon's, else empty.
    `ends_meanwhile`: by the rules a study may have to end though one object follows the other.
    """

    __slots__ = (
        "boot",
        "ends_meanwhile",
        "fsync",
        "hook",
        "lock_directory",
        "place",
        "renames",
        "rules",
        "waits",
    )

    def __init__(  # noqa: PLR0913 - as many as there are options
        self,
        *,
        lock_directory: str,
        rules: str,
        renames: bool,
        hook: str,
        waits: str,
        boot: str,
        fsync: bool,
        place: str = "",
        ends_meanwhile: bool = False,
    ) -> None:
        self.lock_directory = lock_directory
        self.rules = rules
        self.renames = renames
        self.hook = hook
        self.waits = waits
        self.boot = boot
        self.place = place
        self.fsync = fsync
        self.ends_meanwhile = ends_meanwhile


class Tracker:
    """What one association keeps in the lock directory."""

    __slots__ = (
        "_awaited",
        "_begun",
        "_current",
        "_free_until",
        "_has_left",
        "_held",
        "_is_opened",
        "_is_stored",
        "_journal",
        "_lines",
        "_lingers",
        "_lockdir",
        "_longest",
        "_may_put_off",
        "_named",
        "_number",
        "_opened",
        "_policy",
        "_publish_lock",
        "_put_off_at",
        "_replies",
        "_unnoted",
        "_wakes",
    )

    def __init__(self, policy: TrackerPolicy, sender: record.Sender) -> None:
        self._policy = policy
        self._number = 0  # objects with a line
        self._lines = record.ObjectLines()
        self._named = ("", 0)  # name and inode of the last one
        self._unnoted = 0  # its number, if it is stored and no line says so yet
        self._current: states.OpenStudy | None = None  # we are busy with it
        self._held: states.OpenStudy | None = None  # we hold it
        self._opened = ""  # the generation of which the journal says that we are at it
        self._is_opened = False  # it says so since this object
        self._is_stored = False  # this object is
        self._begun = 0.0  # when we became busy
        self._awaited: int | None = None  # the object for which the keeper shall answer
        # Nobody waits for what may be put off: no command is to run for an object, no renaming to be let go on.
        self._may_put_off = not (policy.hook or policy.waits or policy.renames)
        self._longest = _LONGEST_WHERE_DUE if policy.ends_meanwhile else _LONGEST_SECONDS
        self._put_off_at = 0.0  # since when something is; 0.0: nothing is
        self._free_until = 0.0  # so long we do not linger
        self._has_left = False
        self._lingers = False  # we are busy with the study that we hold, for the sake of the next object
        self._wakes = False  # the keeper is to be woken
        self._publish_lock = _PublishLock()
        self._replies: Replies | None = None
        self._lockdir = LockDirectory(policy.lock_directory)
        try:
            maker = journal.new_maker()
            if policy.waits:
                self._replies = Replies(self._lockdir, maker)
            self._journal = journal.Journal(self._lockdir, sender.encode(), fsync=policy.fsync, maker=maker)
        except OSError:
            self._close_replies()
            self._lockdir.close()
            raise

    def began(self, study_instance_uid: str) -> None:
        """Become busy with the open study of this UID; `Refused` if it can be none."""
        held = self._held
        is_held = held is not None and held.about.study_instance_uid == study_instance_uid
        if self._lingers:
            if is_held:
                self._lingers, self._current = False, held
                return
            self.rest()
        self._begun = monotonic()
        if held is not None and is_held:
            if held.begin():
                self._be_at(held)
                return
            held.let_go()  # it was sealed meanwhile
            self._held = None
        self._open(study_instance_uid)

    def _open(self, study_instance_uid: str) -> None:
        policy = self._policy
        self._be_at(
            states.open_study(
                self._lockdir, study_instance_uid, policy.rules, policy.place, flush=policy.fsync
            )
        )

    def _be_at(self, study: states.OpenStudy) -> None:
        """Note in the journal, if that is news, which study we are busy with (scpd_studies(7), opening 6)."""
        self._current = study
        if study.about.generation != self._opened:
            self._is_opened = True
            self._write(record.encode_opened(study.key, study.about.generation))
            self._opened = study.about.generation

    def place(self) -> str:
        """Give the name of the study's directory, as far as we know it: empty, then `find_place` has to be asked."""
        study = self._busy()
        if monotonic() - self._begun > _LEASE_SECONDS and not study.is_current():
            self._catch_up()
            self._current = None
            self._give_back(study)
            self._open(study.about.study_instance_uid)
            study = self._busy()
        return study.directory

    def find_place(self, choose: Callable[[], str]) -> str:
        """Give the name of the study's directory; if it has none yet, the one that `choose` makes and returns."""
        return self._busy().find_directory(choose, flush=self._policy.fsync)

    def _busy(self) -> states.OpenStudy:
        assert self._current is not None  # noqa: S101 - `began` was called before
        return self._current

    def publishing(self, of: record.ObjectRecord) -> int:
        """Write the object's line, completed by what is known here; give its number.  Its rename may follow."""
        study, policy = self._current, self._policy
        if study is None:
            self.rest()
        if policy.renames:
            self._publish_lock.share(self._lockdir, of.directory)
        self._number += 1
        self._named = of.name, of.inode
        of.number = self._number
        of.at = monotonic_ns()
        of.generation = study.about.generation if study is not None else ""
        of.hook = policy.hook
        of.stored, self._unnoted = self._unnoted, 0
        self._journal.write(self._lines.encode(of))
        self._journal.flush()
        return of.number

    def _write(self, line: bytes) -> None:
        """Append any other line to the journal."""
        self._catch_up()
        self._journal.write(line)

    def _catch_up(self) -> None:
        """Note what was put off."""
        number, self._unnoted = self._unnoted, 0
        if number:
            self._journal.write(record.encode_stored(number, *self._named))

    def stored(self, number: int, name: str, inode: int) -> None:
        """Note that the object is there, and what stands for it under which name."""
        # One more of the study that we hold is no news for the keeper.  If we are killed it finds the object by its
        # line, and another object is noted already: the study's end has its command, whatever becomes of this file.
        if (
            self._may_put_off
            and self._current is self._held is not None
            and not self._is_opened
            and (name, inode) == self._named
            and (now := monotonic()) >= self._free_until
        ):
            self._unnoted = number
            self._current, self._lingers = None, True
            self._put_off(now)
            return
        self._is_stored = True
        self._write(record.encode_stored(number, name, inode))
        self._publish_lock.release()

    def failed(self, number: int) -> None:
        """Note that there is no such object."""
        self._write(record.encode_failed(number))
        self._publish_lock.release()

    def ended(self) -> None:
        """Be busy no more: the object is stored, or refused; wake the keeper if it could not know what is due."""
        if self._lingers:
            return
        self._catch_up()  # before anybody may seal the study
        study, self._current = self._current, None
        is_stored, self._is_stored = self._is_stored, False
        is_opened, self._is_opened = self._is_opened, False
        is_another = is_stored and study not in (None, self._held)
        if study is not None:
            if is_stored:
                self._go_on_to(study)
            else:
                self._give_back(study)
        is_awaited = is_stored and self._awaits(is_another=is_another)
        self._awaited = self._number if is_awaited else None
        if is_awaited:
            self._write(record.encode_waits(self._number))
        if is_awaited or is_another or is_opened or (is_stored and self._policy.hook):
            self._wakes = True
        if not self._wakes:
            self._put_off_at = 0.0
        elif self._may_put_off:
            self._put_off(monotonic())
        else:
            self.rest()

    def _put_off(self, now: float) -> None:
        """Put off what there is to do, unless something is for too long already."""
        if not self._put_off_at:
            self._put_off_at = now
            return
        seconds = now - self._put_off_at
        if seconds > self._longest:
            self.rest()
            self._free_until = now + _FREE_SECONDS
        elif self._wakes and seconds > _WAKE_SECONDS:
            self._wake()

    def rest(self) -> None:
        """Do what was put off: no further object comes at once."""
        if self._has_left or not (self._put_off_at or self._wakes):
            return
        self._put_off_at = 0.0
        self._catch_up()
        if self._lingers and self._held is not None:
            self._lingers = False
            self._held.end()
        if self._wakes:
            self._wake()

    def _wake(self) -> None:
        """Have the keeper look at what it could not know."""
        self._wakes = False
        self._lockdir.wake()

    def _go_on_to(self, study: states.OpenStudy) -> None:
        """Hold it instead of another one: at no moment does nobody hold the study of our last object.

        scpd_studies(7), publishing 7.
        """
        held = self._held
        if study is held:
            study.end()
            return
        self._held = study
        try:
            study.hold()
            study.end()
        finally:
            if held is not None:
                held.let_go()

    def _give_back(self, study: states.OpenStudy) -> None:
        """Be busy with it no more, and hold it only if we did before."""
        if study is self._held:
            study.end()
        else:
            study.let_go()

    def _awaits(self, *, is_another: bool) -> bool:
        """Tell whether the keeper has something to do for a stored object that we have to wait for."""
        if self._replies is None:
            return False
        return is_another or (self._policy.waits == record.WAITS_FOR_COMMANDS and bool(self._policy.hook))

    def settle(self, wakeup: Wakeup) -> bool:
        """Wait until the keeper is through with the last object, if the options ask for it.

        `False`, once, if there is no keeper: from then on nothing is waited for.  Raises `Stopped`.
        """
        number, self._awaited = self._awaited, None
        if number is None or self._replies is None or self._replies.wait_for(number, wakeup):
            return True
        self._close_replies()
        return False

    def leave(self) -> None:
        """End the journal and let all studies go; nothing but `close` may follow.  Raises nothing."""
        if self._has_left:
            return
        self._has_left = True
        with suppress(OSError):
            self._catch_up()
        self._journal.close()
        for study in {self._current, self._held}:
            if study is not None:
                study.let_go()
        self._current = self._held = None
        self._publish_lock.close()
        self._close_replies()

    def close(self) -> None:
        """Leave, and have the keeper look at once what that brings; raises nothing."""
        self.leave()
        with suppress(OSError):
            self._lockdir.wake()
        self._lockdir.close()

    def _close_replies(self) -> None:
        replies, self._replies = self._replies, None
        if replies is not None:
            replies.close()


class _PublishLock:
    """The lock of the study directory in which objects are published: while we share it nobody renames there."""

    __slots__ = ("_descriptor", "_directory")

    def __init__(self) -> None:
        self._descriptor = -1
        self._directory = ""

    def share(self, lockdir: layout.LockDirectory, directory: str) -> None:
        """Share the lock of a directory; the one of the last is kept open for the next object."""
        if directory != self._directory:
            self.close()
            self._descriptor = lockdir.open_publish_lock(directory)
            self._directory = directory
        wait_to_share(self._descriptor, _PUBLISHING)

    def release(self) -> None:
        """Share it no more."""
        if self._descriptor >= 0:
            release(self._descriptor, _PUBLISHING)

    def close(self) -> None:
        """Let it go; raises nothing."""
        descriptor, self._descriptor, self._directory = self._descriptor, -1, ""
        if descriptor >= 0:
            with suppress(OSError):
                os.close(descriptor)
