"""A command gets what it was promised and nothing else, and its runner tells how it ended, whatever that was."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

import pytest

from scpd.keeper.runfiles import STDERR_KEPT
from tests.harness.commands import JOB, KILL_SECONDS, let_go
from tests.harness.descriptors import descriptors
from tests.harness.processes import is_running, process
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from scpd.keeper.running import Ended
    from tests.harness.commands import Commands


@pytest.mark.parametrize("code", [0, 1, 3, 126, 127, 255])
def test_an_exit_code_is_told(commands: Commands, code: int) -> None:
    end = commands.run(JOB, f"exit {code}")
    assert (end.code, end.timed_out, end.stderr) == (code, False, "")


@pytest.mark.parametrize("name", ["TERM", "KILL", "SEGV", "HUP", "INT", "USR1", "PIPE"])
def test_a_signal_that_ends_a_command_is_told(commands: Commands, name: str) -> None:
    end = commands.run(JOB, f"kill -{name} $$")
    assert end.code == -getattr(signal, f"SIG{name}")


def test_how_long_it_ran_is_told(commands: Commands) -> None:
    end = commands.run(JOB, "sleep 0.3")
    assert 0.3 <= end.seconds < 5


def test_it_is_a_shells(commands: Commands, tmp_path: Path) -> None:
    commands.run(JOB, f'a=\'x y\'; echo "$0" $# "$a" | tr x z >{tmp_path}/out && echo $PPID >>{tmp_path}/out')
    first, second = (tmp_path / "out").read_text(encoding="ascii").splitlines()
    assert first == "/bin/sh 0 z y"
    assert int(second) != os.getpid()


def test_it_has_the_daemons_working_directory_and_stdout(
    commands: Commands, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    commands.run(JOB, "pwd; ./nothing 2>/dev/null || echo gone on")
    assert capfd.readouterr().out == f"{tmp_path}\ngone on\n"


def test_it_has_the_environment_that_it_is_given_and_its_jobs_name(
    commands: Commands, tmp_path: Path
) -> None:
    commands.run(JOB, f"env -0 >{tmp_path}/out", SCPD_FILE="a \n'\"ü", RAW="\udcff", ODD="\ud800")
    data = (tmp_path / "out").read_bytes().split(b"\0")
    assert b"SCPD_FILE=a \n'\"\xc3\xbc" in data
    assert b"RAW=\xff" in data
    assert b"ODD=?" in data
    assert b"SCPD_JOB=" + JOB.encode() in data


def test_it_has_three_descriptors_and_no_others(commands: Commands) -> None:
    inheritable, stdin = os.open("/dev/zero", os.O_RDONLY), os.dup(0)
    os.set_inheritable(inheritable, True)
    os.dup2(inheritable, 0)
    try:
        commands.start(JOB, "kill -STOP $$")
    finally:
        os.dup2(stdin, 0)
        os.close(inheritable)
        os.close(stdin)
    pid, _ = commands.pids(JOB)
    wait_until(lambda: (found := process(pid)) and found.state == "T", what="a stopped command")
    found = descriptors(pid)
    os.kill(pid, signal.SIGCONT)
    assert found.keys() == {0, 1, 2}
    assert found[0] == "/dev/null"
    assert found[1] == descriptors(os.getpid())[1]
    assert found[2].startswith("pipe:[")
    commands.ended()


def test_its_signals_are_those_of_a_program_just_started(commands: Commands, tmp_path: Path) -> None:
    old = signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
    try:
        commands.run(JOB, f"exec cat /proc/self/status >{tmp_path}/out")
    finally:
        signal.signal(signal.SIGUSR1, old)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGUSR2])
    lines = dict(
        line.split(":\t", 1) for line in (tmp_path / "out").read_text().splitlines() if ":\t" in line
    )
    # But for signals 32 and 33, which are the C library's own: whoever started us may have left them ignored.
    found = [int(lines[name], 16) & ~(3 << 31) for name in ("SigBlk", "SigIgn", "SigCgt")]
    assert found == [0, 0, 0]


def test_it_leads_a_session_and_a_group_of_its_own(commands: Commands, tmp_path: Path) -> None:
    commands.start(JOB, f"read line <{tmp_path}/wait")
    os.mkfifo(tmp_path / "wait")
    pid, runner = commands.pids(JOB)
    for each in (pid, runner):
        found = process(each)
        assert found is not None
        assert found.group == found.session == each
    let_go(tmp_path / "wait")
    commands.ended()


def test_its_stderr_comes_out_by_the_daemons_as_it_is_written(
    commands: Commands, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    os.mkfifo(tmp_path / "wait")
    commands.start(JOB, f"echo early 1>&2; read line <{tmp_path}/wait; echo late 1>&2")
    said = ""

    def has_come() -> bool:
        nonlocal said
        said += capfd.readouterr().err
        return said == "early\n"

    wait_until(has_come, what="the first line")
    let_go(tmp_path / "wait")
    (end,) = commands.ended()
    assert end.stderr == "early\nlate\n"
    assert said + capfd.readouterr().err == "early\nlate\n"


def test_the_last_4_kb_of_stderr_are_kept(commands: Commands, capfd: pytest.CaptureFixture[str]) -> None:
    end = commands.run(JOB, "seq 100000 1>&2; printf '\\377\\t%%\\n' 1>&2")
    whole = "".join(f"{number}\n" for number in range(1, 100001))
    assert end.stderr == whole[-STDERR_KEPT + 4 :] + "\\xff\t%\n"
    assert len(capfd.readouterr().err) >= len(whole)


def test_a_stderr_that_nobody_reads_holds_up_nobody(commands: Commands) -> None:
    reader, writer = os.pipe()
    kept = os.dup(2)
    os.dup2(writer, 2)
    try:
        end = commands.run(JOB, "seq 40000 1>&2; exit 5")
    finally:
        os.dup2(kept, 2)
        for descriptor in (reader, writer, kept):
            os.close(descriptor)
    assert end.code == 5
    assert end.stderr.endswith("39999\n40000\n")


def test_what_is_left_in_the_background_keeps_its_stderr(
    commands: Commands, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    os.mkfifo(tmp_path / "wait")
    background = f"(read line; echo still here 1>&2; echo alive >{tmp_path}/out) <{tmp_path}/wait"
    end = commands.run(JOB, f"{background} & exit 4")
    assert (end.code, end.stderr) == (4, "")
    commands.running.forget(JOB)
    let_go(tmp_path / "wait")
    wait_until((tmp_path / "out").exists, what="the end of what is in the background")
    assert (tmp_path / "out").read_text(encoding="ascii") == "alive\n"
    wait_until(lambda: _nothing_is_left(commands), what="the end of the runner")
    assert capfd.readouterr().err == "still here\n"


def test_the_keeper_is_woken_when_one_has_ended(commands: Commands) -> None:
    commands.start(JOB, "exit 2")
    wait_until(lambda: _byte(commands.wake), what="a byte that wakes the keeper")
    (end,) = commands.running.ended(time.monotonic())
    assert end.code == 2


def test_a_runner_that_is_told_to_end_goes_on(commands: Commands, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "wait")
    commands.start(JOB, f"read line <{tmp_path}/wait; exit 7")
    pid, runner = commands.pids(JOB)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
        os.kill(runner, number)
    wait_until(lambda: _handled(runner, signal.SIGTERM))
    assert is_running(runner)
    assert is_running(pid)
    let_go(tmp_path / "wait")
    (end,) = commands.ended()
    assert end.code == 7


def test_one_that_takes_too_long_is_ended_with_all_that_it_started(
    new_commands: Callable[..., Commands], tmp_path: Path
) -> None:
    commands = new_commands(0.5)
    command = f"sleep 60 & echo $! >{tmp_path}/pid; sleep 61; echo not so"
    end = _run_out_of_time(commands, command, tmp_path / "pid")
    assert (end.code, end.timed_out) == (-signal.SIGTERM, True)
    assert 0.5 <= end.seconds < 5
    assert not is_running(int((tmp_path / "pid").read_text(encoding="ascii")))


def test_one_that_does_not_hear_sigterm_is_killed(
    new_commands: Callable[..., Commands], tmp_path: Path
) -> None:
    commands = new_commands(0.3)
    deaf = f"trap '' TERM; sleep 60 & echo $! >{tmp_path}/pid; while :; do sleep 1; done"
    end = _run_out_of_time(commands, deaf, tmp_path / "pid")
    assert (end.code, end.timed_out) == (-signal.SIGKILL, True)
    assert 0.3 + KILL_SECONDS <= end.seconds < 5
    wait_until(lambda: not is_running(int((tmp_path / "pid").read_text(encoding="ascii"))))


def test_what_a_command_leaves_deaf_when_its_time_is_over_is_killed_too(
    new_commands: Callable[..., Commands], tmp_path: Path
) -> None:
    commands = new_commands(0.3)
    child = f'trap "" TERM; echo $$ >{tmp_path}/pid; while :; do sleep 1; done'
    end = _run_out_of_time(commands, f"sh -c '{child}' & wait", tmp_path / "pid")
    assert (end.code, end.timed_out) == (-signal.SIGTERM, True)
    wait_until(lambda: not is_running(int((tmp_path / "pid").read_text(encoding="ascii"))))


def test_one_that_ends_well_when_its_time_is_over_was_timed_out_all_the_same(
    new_commands: Callable[..., Commands], tmp_path: Path
) -> None:
    command = f"trap 'exit 0' TERM; echo ready >{tmp_path}/sign; while :; do sleep 0.05; done"
    end = _run_out_of_time(new_commands(0.3), command, tmp_path / "sign")
    assert (end.code, end.timed_out) == (0, True)


def test_a_command_may_have_years(new_commands: Callable[..., Commands]) -> None:
    assert new_commands(1e9).run(JOB, "exit 3").code == 3


def test_a_command_that_is_too_long_fails_and_says_so(commands: Commands) -> None:
    end = commands.run(JOB, f": {'x' * 200_000}")
    assert end.code == 126
    assert "cannot run /bin/sh" in end.stderr


def _byte(fifo: int) -> bytes:
    try:
        return os.read(fifo, 99)
    except BlockingIOError:
        return b""


def _run_out_of_time(commands: Commands, command: str, sign: Path) -> Ended:
    """Run a command that gives a sign when it is ready; its runner sleeps till then, so that its time is not over."""
    commands.start(JOB, command)
    _, runner = commands.pids(JOB)
    os.kill(runner, signal.SIGSTOP)
    wait_until(lambda: sign.exists() and sign.read_text(encoding="ascii"), what="a command that is ready")
    os.kill(runner, signal.SIGCONT)
    (end,) = commands.ended()
    return end


def _nothing_is_left(commands: Commands) -> bool:
    commands.running.ended(time.monotonic())
    return not list(commands.running.descriptors())


def _handled(pid: int, number: int) -> bool:
    """Whether no such signal is pending."""
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        pending = next(int(line.split()[1], 16) for line in file if line.startswith("ShdPnd"))
    return not pending & 1 << (number - 1)
