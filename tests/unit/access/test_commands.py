"""What a command finds, how long it may take, and that nothing of it is left."""

from __future__ import annotations

import os
import signal
import socket
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING

import pytest

from scpd.access.commands import Commands
from scpd.access.verdict import Action
from tests.harness.processes import children_of, is_running, wait_for_orphans
from tests.harness.waiting import wait_until
from tests.unit.access.test_lookup import Unsignalled, open_descriptors, work_as_worker

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from scpd.process import signals


class Renewed(Unsignalled):
    """One that a child has anew, as the real one: it waits with it."""

    cause = "stopped by the administrator"

    def renew(self) -> None:
        self._ends = socket.socketpair()


@pytest.fixture
def commands() -> Iterator[Commands]:
    wakeup = Renewed()
    yield Commands(wakeup)  # type: ignore[arg-type]
    wakeup.close()


@pytest.fixture
def hasty() -> Iterator[Commands]:
    wakeup = Renewed()
    yield Commands(wakeup, seconds=0.3)  # type: ignore[arg-type]
    wakeup.close()


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("true", True),
        ("exit 0", True),
        ("false", False),
        ("exit 125", False),
        ("/nonexistent/command", None),
        ("/etc/hostname", None),
        ("exit 126", None),
        ("kill -9 $$", None),
        ("x" * 300_000, None),
        ("a\0b", None),
    ],
)
def test_the_status_answers(commands: Commands, command: str, answer: bool | None) -> None:
    assert commands.aclexec(command) is answer


def test_a_command_has_nothing_of_ours(commands: Commands, tmp_path: Path) -> None:
    ours, theirs = os.pipe()
    os.set_inheritable(theirs, True)
    script = f"ls -l /proc/self/fd >{tmp_path}/fds; cat; ps -o sid=,pgid=,pid= -p $$ >{tmp_path}/ids"
    assert commands.aclexec(script) is True
    listed = [line.split(" -> ") for line in (tmp_path / "fds").read_text().splitlines() if " -> " in line]
    targets = {line[0].split()[-1]: line[1] for line in listed}
    assert targets.pop("0") == targets.pop("2") == "/dev/null"
    assert targets.pop("1") == f"{tmp_path}/fds"
    assert [target for target in targets.values() if "pipe" in target or "socket" in target] == []
    assert len(set((tmp_path / "ids").read_text().split())) == 1
    os.close(ours)
    os.close(theirs)


def test_it_has_the_environment_umask_and_niceness_of_its_rule(commands: Commands, tmp_path: Path) -> None:
    before = [
        Action("setenv", ("CLIENT", "ct1;x")),
        Action("umask", 0o27),
        Action("nice", 3),
        Action("keepalive", None),
    ]
    out = tmp_path / "out"
    script = f'(echo "$CLIENT"; umask; nice; echo "$HOME") >{out}'
    niceness, home = os.nice(0), os.environ.get("HOME", "")
    assert commands.spawn(script, before) is True
    assert out.read_text().splitlines() == ["ct1;x", "0027", str(min(niceness + 3, 19)), home]
    assert "CLIENT" not in os.environ


def test_signals_mean_to_it_what_they_mean_to_any_program(commands: Commands, tmp_path: Path) -> None:
    assert commands.aclexec(f"grep -E '^Sig(Blk|Ign)' /proc/self/status >{tmp_path}/signals") is True
    values = [int(line.split()[1], 16) for line in (tmp_path / "signals").read_text().splitlines()]
    # Those two that the C library keeps to itself no program can set, nor undo what it was started with.
    own = sum(1 << number - 1 for number in signal.valid_signals())
    assert [value & own for value in values] == [0, 0]


def test_one_that_takes_too_long_is_ended_with_its_group(hasty: Commands, tmp_path: Path) -> None:
    started = monotonic()
    assert hasty.aclexec(f"sleep 60 & echo $! >{tmp_path}/pid; sleep 61") is None
    assert 0.3 <= monotonic() - started < 5
    wait_until(lambda: not is_running(int((tmp_path / "pid").read_text())))
    wait_for_orphans()


def test_one_that_takes_too_long_was_run_all_the_same(hasty: Commands) -> None:
    assert hasty.spawn("sleep 60") is True
    wait_for_orphans()  # the shell has a child, which dies with the group, but a moment later


def test_one_that_ignores_every_signal_is_ended_too(hasty: Commands) -> None:
    started = monotonic()
    assert hasty.aclexec("trap '' TERM INT HUP; while :; do sleep 1; done") is None
    assert monotonic() - started < 5
    wait_for_orphans()  # as above


def test_what_the_shell_leaves_behind_is_ended_with_it(commands: Commands, tmp_path: Path) -> None:
    assert commands.aclexec(f"sleep 60 & echo $! >{tmp_path}/pid") is True
    wait_until(lambda: not is_running(int((tmp_path / "pid").read_text())))


class TestInTheBackground:
    def test_one_that_ends_in_an_ampersand_is_not_waited_for(
        self, commands: Commands, tmp_path: Path
    ) -> None:
        fifo = tmp_path / "fifo"
        os.mkfifo(fifo)
        assert commands.spawn(f"read line <{fifo}; echo $line >{tmp_path}/out & ") is True
        assert not (tmp_path / "out").exists()
        signal.alarm(10)
        fifo.write_text("done\n")
        signal.alarm(0)
        wait_until(lambda: (tmp_path / "out").exists() and (tmp_path / "out").read_text() == "done\n")
        self.wait_for_watchers()

    def test_it_is_ended_when_its_time_is_up(self, hasty: Commands, tmp_path: Path) -> None:
        assert hasty.spawn(f"echo $$ >{tmp_path}/pid; sleep 60 &") is True
        wait_until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text() != "")
        wait_until(lambda: not is_running(int((tmp_path / "pid").read_text())))
        self.wait_for_watchers()

    def wait_for_watchers(self) -> None:
        """This process is the subreaper: who watched over the command is its child by now."""

        def all_reaped() -> bool:
            for child in children_of(os.getpid()):
                os.waitpid(child.pid, os.WNOHANG)
            return children_of(os.getpid()) == []

        wait_until(all_reaped)

    def test_two_ampersands_are_the_shells_business(self, commands: Commands) -> None:
        assert commands.spawn("true &&") is True


def test_no_process_and_no_descriptor_is_left(commands: Commands) -> None:
    before = open_descriptors(), children_of(os.getpid())
    for command in ("true", "false", "kill -9 $$", "/nonexistent"):
        commands.aclexec(command)
    assert (open_descriptors(), children_of(os.getpid())) == before


def test_a_signal_to_the_worker_ends_what_it_waits_for() -> None:
    def work(wakeup: signals.Wakeup) -> object:
        signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGTERM))
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        started = monotonic()
        answer = Commands(wakeup, 20.0).aclexec("sleep 30")
        return [answer, monotonic() - started < 10, signal.SIGTERM in wakeup.take(), children_of(os.getpid())]

    assert work_as_worker(work) == [None, True, True, []]


def test_where_no_process_can_be_nobody_agrees() -> None:
    import resource

    def work(wakeup: signals.Wakeup) -> object:
        if os.geteuid() == 0:
            os.setuid(65534)
        resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
        return [
            Commands(wakeup).aclexec("true"),
            Commands(wakeup).spawn("true"),
            Commands(wakeup).spawn("true &"),
        ]

    assert work_as_worker(work) == [None, False, False]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become a user who has no other process")
@pytest.mark.parametrize(("processes", "answer"), [(1, False), (2, False), (9, True)])
def test_one_in_the_background_says_if_there_can_be_nobody_to_watch_over_it(
    processes: int, answer: bool
) -> None:
    import resource

    def work(wakeup: signals.Wakeup) -> object:
        os.setuid(2_000_000 + os.getpid())
        resource.setrlimit(resource.RLIMIT_NPROC, (processes, processes))
        return Commands(wakeup).spawn("true &")

    assert work_as_worker(work) is answer
    wait_for_orphans()  # who watches over it has become our child


@pytest.mark.skipif(
    os.geteuid() != 0, reason="only root can become somebody who may not end root's processes"
)
@pytest.mark.parametrize(
    ("command", "answer"), [("exec true", True), ("exec false", False), ("exec sleep 6", None)]
)
def test_who_has_become_somebody_else_is_not_ended_and_not_waited_for(command: str, answer: object) -> None:
    def work(wakeup: signals.Wakeup) -> object:
        class Lesser:
            """Has us become nobody once the command, which is root's, was started: so one by sudo(8) looks to us."""

            @property
            def signalled(self) -> bool:
                os.setuid(65534)
                return wakeup.signalled

            fileno, renew = wakeup.fileno, wakeup.renew

        started = monotonic()
        found = [Commands(Lesser(), 0.3).aclexec(command), monotonic() - started < 6]  # type: ignore[arg-type]
        with suppress(ChildProcessError):
            os.waitpid(-1, 0)  # what goes on is not to outlive the test
        return found

    assert work_as_worker(work) == [answer, True]
