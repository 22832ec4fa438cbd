"""A lock directory with workers and a keeper in this process: what they do, step by step, and where they may crash.

The workers are real trackers, the keeper is the real one; only the commands do not run: it is noted which would.  OFD
locks belong to open files, not to processes, so several of each can live here.  A crash closes descriptors, as the
kernel would, and does nothing else.
"""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from scpd.keeper.hooks import Hooks
from scpd.keeper.keeper import Keeper, KeeperPolicy
from scpd.keeper.runfiles import End
from scpd.keeper.running import Ended
from scpd.lockdir import layout
from scpd.lockdir.layout import LockDirectory
from scpd.study.record import ObjectRecord, Sender
from scpd.study.tracker import Tracker, TrackerPolicy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from scpd.study.rules import Rules

OTHER_BOOT = "a boot before"  # of the senders: the keeper then takes the time at which it hears of an object


class Crash(BaseException):
    """The process ends here."""


class _CrashPoints:
    """Does something before the so many-th step at which this process changes the file system, or locks."""

    EVENTS = frozenset(
        ("open", "os.rename", "os.remove", "os.rmdir", "os.mkdir", "ctypes.set_errno", "fcntl.fcntl")
    )

    def __init__(self) -> None:
        self.left = -1
        self.action: Callable[[], None] = _crash
        sys.addaudithook(self._hook)

    def _hook(self, event: str, _: tuple[Any, ...]) -> None:
        if self.left > 0 and event in self.EVENTS:
            self.left -= 1
            if not self.left:
                self.action()


def _crash() -> None:
    raise Crash


_points: list[_CrashPoints] = []


@contextmanager
def crash_at(step: int) -> Iterator[None]:
    """Let what is done here crash before its so many-th step, if it has so many; swallows the crash."""
    with suppress(Crash), interrupted_at(step, _crash):
        yield


@contextmanager
def interrupted_at(step: int, action: Callable[[], None]) -> Iterator[None]:
    """Let somebody else act before the so many-th step of what is done here, if it has so many."""
    if not _points:
        _points.append(_CrashPoints())  # an audit hook stays for ever
    _points[0].action, _points[0].left = action, step
    try:
        yield
    finally:
        _points[0].left = -1


class InstantCommands:
    """In place of `keeper.running.Running`, for one keeper: each command ends at the next look.

    What was started is told to the site, which also knows what runs there though its keeper has crashed.
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        self._running: list[str] = []

    def __len__(self) -> int:
        return len(self._running)

    def adopt(self) -> list[str]:
        self._running = list(self._site.running)
        return list(self._running)

    def start(self, job: str, command: str, environment: dict[str, str]) -> None:
        self._site.commands.started.append((job, command, environment))
        self._site.on_start(job, environment)
        self._site.running[job] = None
        self._running.append(job)

    def ended(self, _: float) -> list[Ended]:
        jobs, self._running = self._running, []
        self._site.ended.update(jobs)
        return [Ended(job, End(1, 1)) for job in jobs]

    def forget(self, job: str) -> None:
        self._site.running.pop(job, None)

    def descriptors(self) -> Iterator[int]:
        return iter(())

    def next_time(self, _: float) -> float | None:
        return None


class Started:
    """What was started at a site, by whichever keeper: job, command, environment."""

    def __init__(self) -> None:
        self.started: list[tuple[str, str, dict[str, str]]] = []


class Site:
    """An output directory and its lock directory."""

    def __init__(
        self, directory: Path, rules: Rules, *, on_reception: bool = False, places: tuple[Path, ...] = ()
    ) -> None:
        self.output = directory / "inbox"
        self.output.mkdir()
        self.lock_directory = self.output / ".scpd"
        layout.make(str(self.lock_directory))
        self.places = tuple(map(str, places))
        self.rules = rules
        self.on_reception = on_reception
        self.commands = Started()
        self.running: dict[str, None] = {}  # jobs, in order
        self.ended: set[str] = set()  # jobs
        self.elections = 0
        self._lockdirs: list[LockDirectory] = []
        self.generations: dict[str, str] = {}  # of the objects that were stored, by instance
        self.on_start: Callable[[str, dict[str, str]], None] = lambda *_: None
        self.studies = 0  # directories made

    def keeper(self, now: float) -> Keeper:
        """Give a keeper that has taken over what it found."""
        hooks = Hooks(
            on_reception="xcr #p/#f" if self.on_reception else None,
            on_end_of_study="xcs #p" if self.rules.runs else None,
            output_directory=str(self.output),
            places=self.places,
        )
        policy = KeeperPolicy(
            lock_directory=str(self.lock_directory),
            output_directory=str(self.output),
            hooks=hooks,
            boot="this boot",
            jobs=2,
            retries=0,
            exec_timeout=None,
            grace=1,
            fsync=False,
            environment={},
            places=self.places,
        )
        self.elections += 1
        election = self.elections
        self._lockdirs.append(LockDirectory(str(self.lock_directory)))
        keeper = Keeper(
            policy,
            self._lockdirs[-1],
            InstantCommands(self),  # type: ignore[arg-type]
            lambda: election == self.elections,
        )
        keeper.recover(now, lambda: None)
        return keeper

    def close(self) -> None:
        """Close what its keepers had open; not for one whose crashed keepers' descriptors were closed."""
        for lockdir in self._lockdirs:
            lockdir.close()

    def worker(self, peer: str, waits: str = "", place: Path | None = None) -> Worker:
        """Give a worker that serves an association of a peer; `place` is an output directory of its own."""
        return Worker(self, peer, waits, place)


class Worker:
    """A worker: takes objects through the steps of the recipe; dies where it is told to."""

    def __init__(self, site: Site, peer: str, waits: str, place: Path | None = None) -> None:
        self._site = site
        self.peer = peer
        policy = TrackerPolicy(
            lock_directory=str(site.lock_directory),
            rules=site.rules.encode(),
            renames=site.rules.renames,
            hook="xcr" if site.on_reception else "",
            waits=waits,
            boot=OTHER_BOOT,
            fsync=False,
            place=str(place or ""),
        )
        self._output = place or site.output
        sender = Sender(OTHER_BOOT, peer, "CALLED", "127.0.0.1", "localhost", waits, policy.place)
        self._tracker = Tracker(policy, sender)
        self._steps: Iterator[str] | None = None
        self.at = ""  # the object that it is at
        self.is_prompt = False  # its peer sends one object right after the other
        self.is_written_down = False  # its line is

    @property
    def is_busy(self) -> bool:
        """Tell whether it is at an object."""
        return self._steps is not None

    def begin(self, study: str, instance: str) -> None:
        """Begin with an object of a study; `go_on` does the rest, a step at a time."""
        self.at = instance
        self.is_written_down = False
        self._steps = self._store(study, instance)
        self.go_on()

    def go_on(self) -> str:
        """Do the next step; give its name, "" at the end of the object."""
        assert self._steps is not None
        step = next(self._steps, "")
        if not step:
            self._steps = None
        return step

    def finish(self) -> None:
        """Do all steps of the object."""
        while self.go_on():
            pass

    def _store(self, study: str, instance: str) -> Iterator[str]:
        tracker = self._tracker
        tracker.began(study)
        yield "began"
        directory = tracker.place() or tracker.find_place(lambda: self._make_directory(study))
        yield "placed"
        temporary, name = self._output / f".tmp.{instance}", f"CT.{instance}"
        temporary.write_text(instance)
        number = tracker.publishing(
            ObjectRecord(
                number=0,
                at=0,
                generation="",
                directory=directory,
                name=name,
                inode=temporary.stat().st_ino,
                size=len(instance),
                sop_class_uid="1.2",
                sop_instance_uid=instance,
                study_instance_uid=study,
                transfer_syntax_uid="1.2.840.10008.1.2",
                hook="",
            )
        )
        self.is_written_down = True
        yield "written down"
        inode = temporary.stat().st_ino
        temporary.rename(self._output / directory / name)
        self._site.generations[instance] = tracker._busy().about.generation
        yield "renamed"
        tracker.stored(number, name, inode)
        yield "stored"
        tracker.ended()
        if not self.is_prompt:
            tracker.rest()

    def is_out_of_place(self, *, by_hold: bool) -> bool:
        """Tell whether a study was sealed that it is busy with, or holds if that counts."""
        tracker = self._tracker
        studies = [tracker._current, tracker._held if by_hold or tracker._lingers else None]
        return any(study is not None and not study.is_current() for study in studies)

    def refuse(self) -> None:
        """Give up the object that it is at, before its line is written."""
        self._steps = None
        self._tracker.ended()
        if not self.is_prompt:
            self._tracker.rest()

    def rest(self) -> None:
        """Have no object that comes at once; in the middle of one, too."""
        self._tracker.rest()

    def _make_directory(self, study: str) -> str:
        """As --sort-on-study-uid does."""
        name = f"study_{study}"
        (self._output / name).mkdir(exist_ok=True)
        self._site.studies += 1
        return name

    def release(self) -> None:
        """End the association."""
        self._tracker.close()

    def die(self) -> None:
        """Be killed: its descriptors are closed, nothing else happens."""
        self._steps = None
        self._tracker._unnoted = 0
        self._tracker.close()


class Descriptors:
    """Those that one keeper has opened: a crash closes them, whatever it was about."""

    def __init__(self) -> None:
        self._opened: set[int] = set()

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Note what is opened here and not closed; numbers that are closed may become somebody else's."""
        before = _open_descriptors()
        try:
            yield
        finally:
            after = _open_descriptors()
            self._opened = (self._opened & after) | (after - before)

    def leave_to(self, other: Descriptors) -> None:
        """Forget those that are another one's, opened while this one was watched."""
        self._opened -= other._opened

    def close(self) -> None:
        """Close them all."""
        for descriptor in self._opened & _open_descriptors():
            os.close(descriptor)
        self._opened.clear()


def _open_descriptors() -> set[int]:
    return {number for number in map(int, os.listdir("/proc/self/fd")) if _is_open(number)}


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True
