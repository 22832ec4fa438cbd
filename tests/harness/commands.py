"""A keeper's commands in a folder of the test: run, adopted, and waited for."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from scpd.keeper.runner import Launcher
from scpd.keeper.running import Running
from scpd.process.signals import Wakeup
from tests.harness.forked import exit_code, forked
from tests.harness.waiting import PATIENCE_SECONDS, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from scpd.keeper.running import Ended

JOB = "4711-a1.1.xcr"
KILL_SECONDS = 1.0
ENVIRONMENT = {"PATH": os.environ["PATH"], "LC_ALL": "C"}


class ForkedWakeup:
    """A wakeup that leaves the signals of the test's own process alone: only what is forked has one."""

    _own: Wakeup

    def renew(self) -> None:
        self._own = Wakeup()

    def fileno(self) -> int:
        return self._own.fileno()

    @property
    def signalled(self) -> bool:
        return self._own.signalled

    def take(self) -> Iterable[int]:
        return self._own.take()


class Commands:
    """What a keeper has: the directory, the FIFO that wakes it, and the running commands."""

    def __init__(self, folder: Path, timeout_seconds: float | None = None) -> None:
        self.folder = folder / "running"
        self.folder.mkdir(exist_ok=True)
        fifo = folder / "wake"
        if not fifo.exists():
            os.mkfifo(fifo)
        self.wake = os.open(fifo, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self.directory = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self.strange: list[str] = []
        launcher = Launcher(
            self.directory,
            self.wake,
            ForkedWakeup(),  # type: ignore[arg-type]
            lambda text: None,
            timeout_seconds,
            KILL_SECONDS,
        )
        self.running = Running(launcher, self._set_aside)

    def _set_aside(self, name: str) -> None:
        self.strange.append(name)
        strange = self.folder.parent / f"strange-{len(self.strange)}"
        (self.folder / name).rename(strange)

    def close(self) -> None:
        os.close(self.wake)
        os.close(self.directory)

    def start(self, job: str, command: str, **environment: str) -> None:
        """Run a command."""
        self.running.start(job, command, {**ENVIRONMENT, **environment})

    def ended(self, count: int = 1, timeout: float = PATIENCE_SECONDS) -> list[Ended]:
        """Wait until so many have ended, in whatever order; give them by name."""
        found: list[Ended] = []

        def have_ended() -> bool:
            found.extend(self.running.ended(time.monotonic()))
            return len(found) >= count

        wait_until(have_ended, timeout, f"the end of {self.running.jobs()}")
        return sorted(found, key=lambda end: end.job)

    def run(self, job: str, command: str, **environment: str) -> Ended:
        """Run a command to its end."""
        self.start(job, command, **environment)
        (end,) = self.ended()
        assert end.job == job
        return end

    def files(self) -> list[str]:
        """The names in the directory."""
        return sorted(path.name for path in self.folder.iterdir())

    def pids(self, job: str) -> tuple[int, int]:
        """Wait until a command has begun; give the process ids of it and of its runner."""
        path = self.folder / f"{job}.run"
        wait_until(path.exists, what=str(path))
        fields = path.read_text(encoding="ascii").split("\t")
        return int(fields[1]), int(fields[3])


def start_by_a_keeper_that_dies(folder: Path, job: str, command: str, **environment: str) -> None:
    """Let another process start a command and end; its runner becomes our child, of which nobody knows."""

    def life() -> int:
        commands = Commands(folder)
        commands.start(job, command, **environment)
        commands.pids(job)
        return 0

    assert exit_code(forked(life)) == 0


def let_go(fifo: Path) -> None:
    """Let a command go on that reads a line from this FIFO."""
    wait_until(lambda: _open_and_write(fifo), what=f"a reader of {fifo}")


def _open_and_write(fifo: Path) -> bool:
    try:
        descriptor = os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        return False
    os.write(descriptor, b"go\n")
    os.close(descriptor)
    return True
