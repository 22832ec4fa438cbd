"""The keeper's turns: who waits is answered when all is done, what crashes leave is taken up, and it ends in time."""

from __future__ import annotations

import os
import signal
from time import monotonic
from typing import TYPE_CHECKING

import pytest

from scpd.keeper.election import Election
from scpd.keeper.hooks import Hooks
from scpd.keeper.keeper import Keeper, KeeperPolicy
from scpd.keeper.service import Surroundings, run, run_while_needed
from scpd.lockdir.layout import LockDirectory
from scpd.process import exitcodes
from scpd.process.fork import spawn
from scpd.study.rules import Rules
from tests.harness.commands import ForkedWakeup
from tests.harness.journals import THIS_BOOT, JournalFile
from tests.harness.keeping import Site
from tests.harness.processes import wait_for_orphans
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from scpd.keeper.ledger import News
    from scpd.process.signals import Wakeup
    from tests.harness.keeping import Worker

RULES = Rules(timeout=100, renames=True, runs=True)


def answers(site: Site, worker: Worker) -> list[int]:
    replies = worker._tracker._replies
    assert replies is not None
    try:
        return [int(line) for line in os.read(replies._descriptor, 1000).splitlines()]
    except BlockingIOError:
        return []


def store(worker: Worker, study: str, instance: str) -> None:
    worker.begin(study, instance)
    worker.finish()


class TestAnswers:
    @pytest.fixture
    def site(self, tmp_path: Path) -> Iterator[Site]:
        made = Site(tmp_path, RULES, on_reception=True)
        yield made
        made.close()

    @pytest.fixture
    def keeper(self, site: Site) -> Iterator[Keeper]:
        made = site.keeper(monotonic())
        yield made
        made.close()

    def test_who_waits_for_commands_is_answered_after_them(self, site: Site, keeper: Keeper) -> None:
        worker = site.worker("ONE", "xs")
        store(worker, "1.1", "1")
        now = monotonic()
        keeper.turn(now)
        assert [job.endswith(".1.xcr") for job, _, _ in site.commands.started] == [True]
        assert not answers(site, worker)
        keeper.turn(now)
        assert answers(site, worker) == [1]
        store(worker, "1.2", "2")
        for _ in range(5):
            before = len(site.commands.started)
            keeper.turn(now)
            if answers(site, worker):
                break
            assert len(site.commands.started) > before or before == 3
        else:
            pytest.fail("no answer")
        assert [job.rpartition(".")[2] for job, _, _ in site.commands.started] == ["xcr", "xcr", "xcs"]
        worker.release()

    def test_who_waits_for_renaming_is_answered_after_it(self, tmp_path: Path) -> None:
        (tmp_path / "single").mkdir()
        site = Site(tmp_path / "single", Rules(timeout=None, any_peer=True, renames=True))
        keeper = site.keeper(monotonic())
        worker = site.worker("ONE", "single")
        store(worker, "1.1", "1")
        keeper.turn(monotonic())
        assert answers(site, worker) == [1]
        store(worker, "1.2", "2")
        keeper.turn(monotonic())
        assert answers(site, worker) == [2]
        assert os.listdir(site.output / "study_1.1") == ["CT000001"]
        worker.release()
        keeper.close()
        site.close()

    def test_who_begins_to_wait_while_others_are_sealed_is_not_answered_too_early(
        self, site: Site, keeper: Keeper, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        other, worker = site.worker("TWO"), site.worker("ONE", "xs")
        store(other, "1.9", "9")
        store(worker, "1.1", "1")
        now = monotonic()
        for _ in range(3):
            keeper.turn(now)
        answers(site, worker)
        look, looks = keeper._ledger.look, []

        def late_look(at: float) -> News:
            looks.append(at)
            if len(looks) == 2:  # the one under the locks
                store(worker, "1.2", "2")
            return look(at)

        monkeypatch.setattr(type(keeper._ledger), "look", lambda _, at: late_look(at))
        other.release()
        keeper.turn(now + 101)  # seals 1.9, and 1.1 by its time, too
        assert not answers(site, worker)
        for _ in range(6):
            keeper.turn(now + 101)
        assert answers(site, worker) == [2]
        assert sum(job.endswith("xcs") for job, _, _ in site.commands.started) == 2
        worker.release()

    def test_the_next_keeper_answers_whom_the_last_one_has_not(self, site: Site, keeper: Keeper) -> None:
        worker = site.worker("ONE", "xs")
        store(worker, "1.1", "1")
        keeper.turn(monotonic())
        keeper.close()
        successor = site.keeper(monotonic())
        successor.turn(monotonic())
        assert answers(site, worker) == [1]
        successor.close()
        worker.release()

    def test_without_descriptors_the_answer_comes_later(
        self, site: Site, keeper: Keeper, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        worker = site.worker("ONE", "xs")
        store(worker, "1.1", "1")
        real_open = os.open

        def open_nothing_to_write(name: str, flags: int, *rest: int, dir_fd: int | None = None) -> int:
            if name == worker._tracker._journal.maker and flags & os.O_WRONLY:
                raise OSError(24, "Too many open files")
            return real_open(name, flags, *rest, dir_fd=dir_fd)

        with monkeypatch.context() as patch:
            patch.setattr(os, "open", open_nothing_to_write)
            keeper.turn(monotonic())
            keeper.turn(monotonic())
        assert not answers(site, worker)
        keeper.turn(monotonic())
        assert answers(site, worker) == [1]
        worker.release()

    def test_a_killed_workers_fifo_goes_with_its_journal(self, site: Site, keeper: Keeper) -> None:
        lockdir = LockDirectory(str(site.lock_directory))
        worker = JournalFile(lockdir, "killed", waits="xs")
        os.mkfifo(site.lock_directory / "replies/killed")
        worker.die()
        keeper.turn(monotonic())
        assert not os.listdir(site.lock_directory / "replies")
        assert os.listdir(site.lock_directory / "journals") == ["dead"]
        assert not os.listdir(site.lock_directory / "journals/dead")
        lockdir.close()


class TestTheProcess:
    """`run`, in a process of its own."""

    @pytest.fixture
    def lock_directory(self, output: Path) -> str:
        return str(output / ".scpd")

    @pytest.fixture
    def start(self, output: Path, lock_directory: str) -> Iterator[Callable[..., int]]:
        wakeup: Wakeup = ForkedWakeup()  # type: ignore[assignment]
        started: list[int] = []

        def start(command: str = "true", grace: float = 30, linger: float | None = None) -> int:
            policy = KeeperPolicy(
                lock_directory=lock_directory,
                output_directory=str(output),
                hooks=Hooks(on_reception=command, on_end_of_study=None, output_directory=str(output)),
                boot=THIS_BOOT,
                jobs=2,
                retries=0,
                exec_timeout=None,
                grace=grace,
                fsync=False,
                environment=dict(os.environ),
            )

            def life() -> int:
                around = Surroundings(wakeup, lambda _: None, lambda: None, linger=linger)
                if linger is None:
                    return run(policy, around)
                return run_while_needed(policy, around, lambda: None)

            started.append(spawn(life, wakeup, (0, 1, 2)))
            return started[-1]

        yield start
        for pid in started:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        wait_for_orphans()  # a runner, who leaves when its command has ended

    def is_keeper(self, lockdir: LockDirectory) -> bool:
        # Only asked for: one that is to be the keeper if there is no other would find it taken, by us, and go.
        return lockdir.has_keeper()

    def has_ended(self, pid: int) -> bool:
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def cpu_seconds(self, pid: int) -> float:
        from pathlib import Path

        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def test_told_to_end_it_lets_a_command_finish_and_starts_no_other(
        self, start: Callable[..., int], lockdir: LockDirectory, output: Path
    ) -> None:
        waiting = f"until test -e {output}/go; do sleep 0.1; done"
        pid = start(f"echo >> {output}/begun; {waiting}; echo >> {output}/done")
        worker = JournalFile(lockdir, "m")
        for number in range(3):
            worker.store(number + 1, hook="xcr")
        lockdir.wake()

        def count(name: str) -> int:
            return len((output / name).read_text()) if (output / name).exists() else 0

        wait_until(lambda: lockdir.wake() and count("begun") == 2, 30)
        os.kill(pid, signal.SIGTERM)
        os.kill(pid, signal.SIGTERM)
        before = self.cpu_seconds(pid)
        begin = monotonic()
        wait_until(lambda: monotonic() - begin > 1, 30)
        os.kill(pid, signal.SIGTERM)
        assert self.cpu_seconds(pid) - before < 0.5  # told twice it does not spin
        assert not self.has_ended(pid)
        (output / "go").touch()
        wait_until(lambda: self.has_ended(pid), 30)
        assert (count("begun"), count("done")) == (2, 2)
        worker.die()

    def test_it_leaves_when_its_lock_was_replaced(
        self, start: Callable[..., int], lockdir: LockDirectory, output: Path
    ) -> None:
        pid = start()
        lock_file = output / ".scpd/keeper"
        # It has the lock a moment before it has seen that the file is still there; its id it writes after that.
        wait_until(lambda: lock_file.exists() and lock_file.read_text() == f"{pid}\n", 30)
        lock_file.unlink()
        lockdir.wake()
        wait_until(lambda: self.has_ended(pid), 30)

    @pytest.mark.parametrize("kind", ["nothing", "a file", "a directory"])
    def test_it_is_woken_though_somebody_has_replaced_the_fifo(
        self, start: Callable[..., int], lockdir: LockDirectory, output: Path, kind: str
    ) -> None:
        pid = start()
        wait_until(lambda: self.is_keeper(lockdir), 30)
        wake = output / ".scpd/wake"
        old = os.open(wake, os.O_RDWR | os.O_NONBLOCK)
        wake.unlink()
        if kind != "nothing":
            wake.touch() if kind == "a file" else wake.mkdir()
        os.write(old, b"\n")
        os.close(old)
        wait_until(lambda: wake.is_fifo() and lockdir.wake(), 30)
        worker = JournalFile(lockdir, "m")
        worker.die()
        assert lockdir.wake()
        wait_until(lambda: os.listdir(output / ".scpd/journals") == ["dead"], 5)  # it sleeps for ten
        assert not self.has_ended(pid)

    def test_what_the_machine_does_not_allow_ends_it_with_a_code(
        self, start: Callable[..., int], lockdir: LockDirectory, output: Path
    ) -> None:
        (output / ".scpd").rename(output / "elsewhere")
        pid = start()
        wait_until(lambda: self.has_ended(pid), 30)
        ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        assert ended is not None
        assert ended.si_status == exitcodes.FAILED

    def test_the_second_waits_for_its_turn_and_ends_when_told_to(
        self, start: Callable[..., int], lockdir: LockDirectory
    ) -> None:
        first = start()
        wait_until(lambda: self.is_keeper(lockdir), 30)
        second = start()
        os.kill(second, signal.SIGTERM)
        wait_until(lambda: self.has_ended(second), 30)
        third = start()
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: self.has_ended(first), 30)
        wait_until(lambda: self.is_keeper(lockdir) and lockdir.wake(), 30)
        assert not self.has_ended(third)

    def test_one_that_is_needed_for_a_while_goes_when_all_is_done(
        self, start: Callable[..., int], lockdir: LockDirectory, output: Path
    ) -> None:
        worker = JournalFile(lockdir, "m")
        worker.store(1, hook="xcr")
        worker.die()
        pid = start(f"until test -e {output}/go; do sleep 0.1; done", linger=0.1)
        wait_until(lambda: self.is_keeper(lockdir), 30)
        begin = monotonic()
        wait_until(lambda: monotonic() - begin > 1, 30)
        assert not self.has_ended(pid)  # a command runs
        (output / "go").touch()
        wait_until(lambda: self.has_ended(pid), 30)
        assert not self.is_keeper(lockdir)

    def test_one_that_is_needed_for_a_while_waits_for_no_turn(
        self, start: Callable[..., int], lockdir: LockDirectory
    ) -> None:
        start()
        wait_until(lambda: self.is_keeper(lockdir), 30)
        second = start(linger=100)
        wait_until(lambda: self.has_ended(second), 30)
        ended = os.waitid(os.P_PID, second, os.WEXITED | os.WNOWAIT)
        assert ended is not None
        assert ended.si_status == exitcodes.OK

    @pytest.mark.parametrize("when", ["before the lock is released", "behind it"])
    def test_what_comes_at_the_moment_of_leaving_is_done(
        self,
        start: Callable[..., int],
        output: Path,
        monkeypatch: pytest.MonkeyPatch,
        when: str,
    ) -> None:
        class Meeting(Election):
            """A worker records its object when the keeper has had its last turn, and sees whether there is one."""

            has_come = False

            def resign(self) -> None:
                if when == "behind it":
                    super().resign()
                if not Meeting.has_come:
                    Meeting.has_come = True
                    theirs = LockDirectory(str(output / ".scpd"))
                    JournalFile(theirs, "m").store(1, hook="xcr")
                    assert theirs.wake()
                    (output / f"keeper {theirs.has_keeper()}").touch()
                super().resign()

        monkeypatch.setattr("scpd.keeper.service.Election", Meeting)
        pid = start(f"echo >> {output}/done", linger=0.0)
        wait_until(lambda: self.has_ended(pid), 30)

        # With a keeper the worker has started none.  Without one it starts the next; this one looks nevertheless.
        assert (output / f"keeper {when != 'behind it'}").exists()
        assert (output / "done").exists()
