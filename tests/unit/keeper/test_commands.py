"""Commands: run at least once, retried, set aside, dropped; on full disks too."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from scpd.jobs.queue import Queue
from scpd.jobs.values import Values
from scpd.keeper.accounts import Accounts, read_failed, write_failed
from scpd.keeper.commands import Commands
from scpd.keeper.hooks import Hooks
from scpd.keeper.runfiles import End
from scpd.keeper.running import Ended
from scpd.lockdir import layout

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from scpd.lockdir.layout import LockDirectory

JOB = "m.1.xcr"


class Runs:
    """In place of `running.Running`: what is started runs until the test ends it."""

    def __init__(self) -> None:
        self.started: list[tuple[str, str]] = []
        self.running: list[str] = []
        self.forgotten: list[str] = []
        self.is_broken = False
        self._ended: list[Ended] = []

    def __len__(self) -> int:
        return len(self.running)

    def adopt(self) -> list[str]:
        return list(self.running)

    def start(self, job: str, command: str, environment: dict[str, str]) -> None:
        if self.is_broken:
            raise OSError(11, "no more processes")
        self.started.append((job, command))
        self.running.append(job)

    def end(self, job: str, code: int | None = 0, *, timed_out: bool = False) -> None:
        self.running.remove(job)
        end = None
        if code is not None:
            end = End(1, 1)
            end.code, end.stderr, end.timed_out = code, "stderr", timed_out
        self._ended.append(Ended(job, end))

    def ended(self, _: float) -> list[Ended]:
        ended, self._ended = self._ended, []
        return ended

    def forget(self, job: str) -> None:
        self.forgotten.append(job)


class Keeper:
    """What stands around the commands."""

    def __init__(
        self, lockdir: LockDirectory, runs: Runs, *, retries: int = 0, jobs: int = 2, hook: bool = True
    ) -> None:
        self.settled: list[str] = []
        self.accounts = Accounts(lockdir)
        self.accounts.renew(lambda _: True, 0)
        hooks = Hooks(on_reception="run #f" if hook else None, on_end_of_study="end", output_directory="/out")
        self.commands = Commands(
            lockdir,
            self.accounts,
            hooks,
            Queue(jobs, retries),
            runs,  # type: ignore[arg-type]
            {},
            self.settled.append,
        )

    def __del__(self) -> None:
        self.accounts.close()

    def add(self, job: str = JOB) -> bool:
        def values() -> Values:
            made = Values("/out")
            made.file = "CT.1"
            return made

        return self.commands.add(job, values)


@pytest.fixture
def runs() -> Runs:
    return Runs()


@pytest.fixture
def keeper(lockdir: LockDirectory, runs: Runs) -> Keeper:
    return Keeper(lockdir, runs)


def test_a_command_that_arrives_runs_once_and_is_settled(keeper: Keeper, runs: Runs) -> None:
    assert keeper.add()
    assert not keeper.add()
    keeper.commands.start(0)
    keeper.commands.start(0)
    assert runs.started == [(JOB, "run CT.1")]
    assert not keeper.commands.is_settled(JOB)
    runs.end(JOB)
    keeper.commands.end(1)
    assert (keeper.settled, keeper.commands.is_settled(JOB), keeper.commands.count) == ([JOB], True, 0)
    assert runs.forgotten == [JOB]
    assert not keeper.add()


def test_the_next_keeper_does_not_run_it_again(lockdir: LockDirectory, keeper: Keeper, runs: Runs) -> None:
    keeper.add()
    keeper.commands.start(0)
    runs.end(JOB)
    keeper.commands.end(1)
    assert not Keeper(lockdir, runs).add()


def test_the_next_keeper_goes_on_with_what_runs(lockdir: LockDirectory, keeper: Keeper, runs: Runs) -> None:
    for number in range(3):
        keeper.add(f"m.{number}.xcr")
    keeper.commands.start(0)
    runs.running.append("m.99.xcr")
    successor = Keeper(lockdir, runs)
    for number in range(3):
        successor.add(f"m.{number}.xcr")
    successor.commands.adopt()
    successor.commands.start(0)
    assert len(runs.started) == 2
    assert runs.forgotten == ["m.99.xcr"]  # of which nothing is known
    runs.end("m.0.xcr")
    successor.commands.end(1)
    successor.commands.start(1)
    assert len(runs.started) == 3


def test_one_that_fails_is_retried_then_set_aside(lockdir: LockDirectory, runs: Runs) -> None:
    keeper = Keeper(lockdir, runs, retries=2)
    keeper.add()
    now = 0.0
    for _ in range(3):
        keeper.commands.start(now)
        runs.end(JOB, 3)
        keeper.commands.end(now)
        now += 1000
    assert len(runs.started) == 3
    assert keeper.settled == [JOB]
    failed = read_failed(lockdir, JOB)
    assert failed is not None
    assert (failed["status"], failed["stderr"], failed["file"]) == (
        "failed with exit status 3",
        "stderr",
        "CT.1",
    )
    assert not keeper.add()


def test_how_often_it_failed_is_known_to_the_next_keeper(lockdir: LockDirectory, runs: Runs) -> None:
    for _ in range(3):
        keeper = Keeper(lockdir, runs, retries=2)
        keeper.add()
        keeper.commands.start(0)
        runs.end(JOB, 1)
        keeper.commands.end(0)
    assert read_failed(lockdir, JOB) is not None


def test_one_that_is_gone_runs_again_which_is_no_retry(
    lockdir: LockDirectory, keeper: Keeper, runs: Runs
) -> None:
    keeper.add()
    keeper.commands.start(0)
    runs.end(JOB, None)
    keeper.commands.end(0)
    keeper.commands.start(0)
    assert len(runs.started) == 2
    assert not keeper.settled


@pytest.mark.parametrize("code", [None, 0, 1])
def test_one_that_is_dropped_while_it_runs_is_settled_however_it_ends(
    lockdir: LockDirectory, keeper: Keeper, runs: Runs, code: int | None
) -> None:
    keeper.add()
    keeper.commands.start(0)
    assert keeper.commands.drop(JOB)
    assert not keeper.settled
    runs.end(JOB, code)
    keeper.commands.end(0)
    assert keeper.settled == [JOB]
    assert keeper.commands.is_settled(JOB)
    assert read_failed(lockdir, JOB) is None
    assert not Keeper(lockdir, runs).add()


def test_one_that_waits_can_be_dropped(keeper: Keeper, runs: Runs) -> None:
    keeper.add()
    assert keeper.commands.drop(JOB)
    keeper.commands.start(0)
    assert (runs.started, keeper.settled) == ([], [JOB])
    assert not keeper.commands.drop(JOB)


def test_one_that_was_set_aside_runs_again_when_asked_for_and_then_is_there_no_more(
    lockdir: LockDirectory, keeper: Keeper, runs: Runs
) -> None:
    keeper.add()
    keeper.commands.start(0)
    runs.end(JOB, 1)
    keeper.commands.end(0)
    successor = Keeper(lockdir, runs)
    assert successor.commands.retry(JOB)
    successor.commands.start(0)
    assert runs.started == [(JOB, "run CT.1")] * 2
    runs.end(JOB)
    successor.commands.end(0)
    assert read_failed(lockdir, JOB) is None
    assert not successor.commands.retry(JOB)


def test_one_that_was_set_aside_can_be_dropped(lockdir: LockDirectory, keeper: Keeper, runs: Runs) -> None:
    keeper.add()
    keeper.commands.start(0)
    runs.end(JOB, 1)
    keeper.commands.end(0)
    assert keeper.commands.drop(JOB)
    assert read_failed(lockdir, JOB) is None
    assert not keeper.commands.drop(JOB)


def test_without_a_command_for_its_hook_it_is_set_aside(lockdir: LockDirectory, runs: Runs) -> None:
    keeper = Keeper(lockdir, runs, hook=False)
    keeper.add()
    keeper.commands.start(0)
    failed = read_failed(lockdir, JOB)
    assert failed is not None
    assert failed["status"] == "no command is configured"
    assert keeper.settled == [JOB]


def test_what_cannot_be_started_is_tried_again(keeper: Keeper, runs: Runs) -> None:
    keeper.add()
    keeper.add("m.2.xcr")
    runs.is_broken = True
    keeper.commands.start(0)
    runs.is_broken = False
    keeper.commands.start(10)
    assert sorted(job for job, _ in runs.started) == [JOB, "m.2.xcr"]


@pytest.fixture
def full_failed(lockdir: LockDirectory, output: Path) -> Iterator[Path]:
    """Nothing can be written into failed/."""
    lockdir.opened(layout.FAILED)
    path = output / ".scpd/failed"
    elsewhere = output / ".scpd/elsewhere"
    path.rename(elsewhere)
    elsewhere.rmdir()
    return path


def test_one_that_cannot_be_set_aside_is_not_settled_until_it_can(
    lockdir: LockDirectory, keeper: Keeper, runs: Runs, full_failed: Path, output: Path
) -> None:
    keeper.add()
    keeper.commands.start(0)
    runs.end(JOB, 1)
    keeper.commands.end(0)
    keeper.commands.end(1)
    keeper.commands.start(1)
    assert (keeper.settled, runs.forgotten, len(runs.started)) == ([], [], 1)
    next_time = keeper.commands.next_time(stopping=False)
    assert next_time is not None
    full_failed.mkdir()
    os.close(lockdir.opened(layout.FAILED))
    lockdir._parts[layout.FAILED] = os.open(full_failed, os.O_RDONLY)
    keeper.commands.end(next_time)
    assert (keeper.settled, runs.forgotten) == ([JOB], [JOB])
    assert read_failed(lockdir, JOB) is not None
    assert keeper.commands.next_time(stopping=False) is None


def test_a_keeper_that_stops_is_not_woken_for_what_it_will_not_start(keeper: Keeper, runs: Runs) -> None:
    keeper.add()
    keeper.commands.start(0)
    runs.end(JOB, None)
    keeper.commands.end(0)
    assert keeper.commands.next_time(stopping=False) is not None
    assert keeper.commands.next_time(stopping=True) is None


@pytest.mark.parametrize("job", ["../../x", "a\0b", "", "x" * 500])
def test_nobody_gets_at_a_file_by_a_jobs_name(keeper: Keeper, output: Path, job: str) -> None:
    (output / "x").write_text("x")
    assert not keeper.commands.retry(job)
    assert not keeper.commands.drop(job)
    assert (output / "x").exists()


@pytest.mark.parametrize(("place", "runs_again"), [("", True), ("/etc", False)])
def test_one_that_was_set_aside_in_a_directory_that_no_option_allows_stays_so(
    lockdir: LockDirectory, keeper: Keeper, place: str, runs_again: bool
) -> None:
    write_failed(lockdir, JOB, {"job": JOB, "place": place, "file": "CT.1"})
    assert keeper.commands.retry(JOB) is runs_again
    assert keeper.commands.count == runs_again
    assert read_failed(lockdir, JOB) is not None
