"""Each command's end is told once, whoever started it and whoever was killed meanwhile; forgers gain nothing."""

from __future__ import annotations

import os
import resource
import select
import signal
import stat
import subprocess
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from scpd.keeper import runfiles
from scpd.keeper.runfiles import End, Trace
from scpd.process import proc
from tests.harness.commands import JOB, KILL_SECONDS, let_go, start_by_a_keeper_that_dies
from tests.harness.processes import children_of, is_running, reap
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.harness.commands import Commands

OTHER = "1.2.840.1.1.xcs"


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    """What a command waits at: `read line <FIFO`."""
    path = tmp_path / "wait"
    os.mkfifo(path)
    return path


@pytest.fixture
def stranger(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process in a session of its own that is no command of ours."""
    process = subprocess.Popen(["sleep", "60"], start_new_session=True)
    yield process
    process.kill()
    process.wait()


def forge(commands: Commands, pid: int, runner: int = 0, job: str = JOB, seconds_ago: float = 0) -> None:
    """Write a .run that names this living process as the command."""
    found = proc.look_up(pid)
    assert found is not None
    runner_found = proc.look_up(runner or pid)
    since = int((time.monotonic() - seconds_ago) * 1000)
    start = runner_found.start_time if runner_found and runner else 1
    trace = Trace(pid, found.start_time, runner or pid, start, since)
    (commands.folder / f"{job}.run").write_bytes(trace.encode(proc.boot_id()))


def test_an_end_is_told_once_and_its_files_stay_until_they_are_forgotten(commands: Commands) -> None:
    commands.run(JOB, "exit 3")
    assert len(commands.running) == 0
    assert commands.running.ended(time.monotonic()) == []
    assert commands.files() == [f"{JOB}.end", f"{JOB}.run"]
    commands.running.forget(JOB)
    assert commands.files() == []


def test_a_job_that_runs_is_not_started_again(commands: Commands, fifo: Path, tmp_path: Path) -> None:
    for _ in range(3):
        commands.start(JOB, f"echo once >>{tmp_path}/out; read line <{fifo}")
    assert commands.running.jobs() == [JOB]
    assert len(list(commands.running.descriptors())) == 1
    let_go(fifo)
    commands.ended()
    assert (tmp_path / "out").read_text(encoding="ascii") == "once\n"


def test_a_job_can_be_run_again_and_again(commands: Commands) -> None:
    assert [commands.run(JOB, f"exit {code}").code for code in (1, 2, 0)] == [1, 2, 0]


def test_several_run_at_once(commands: Commands, fifo: Path) -> None:
    commands.start(JOB, f"read line <{fifo}; exit 1")
    commands.start(OTHER, "exit 2")
    assert [(end.job, end.code) for end in commands.ended()] == [(OTHER, 2)]
    assert len(commands.running) == 1
    let_go(fifo)
    assert [(end.job, end.code) for end in commands.ended()] == [(JOB, 1)]


def test_a_runner_that_ends_is_told_by_a_descriptor(commands: Commands) -> None:
    commands.start(JOB, ":")
    poll = select.poll()
    for descriptor in commands.running.descriptors():
        poll.register(descriptor, select.POLLIN)
    assert poll.poll(10_000)
    assert [end.code for end in commands.running.ended(time.monotonic())] == [0]
    assert list(commands.running.descriptors()) == []
    assert commands.running.next_time(0) is None


def test_300_commands_leave_no_zombie_and_no_descriptor(commands: Commands, tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    jobs = [f"7-a.{number:03}.xcr" for number in range(300)]
    codes: dict[str, int | None] = {}
    for job in jobs:
        commands.start(job, f"echo >{tmp_path}/{job}; exit {int(job[4:7]) % 200}")
        while len(commands.running) >= 8:
            codes.update((end.job, end.code) for end in commands.ended())
    codes.update((end.job, end.code) for end in commands.ended(len(commands.running)))
    assert codes == {job: int(job[4:7]) % 200 for job in jobs}
    assert all((tmp_path / job).exists() for job in jobs)
    wait_until(lambda: not commands.running.ended(0) and not list(commands.running.descriptors()))
    assert [child for child in children_of(os.getpid()) if not child.is_running] == []
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("job", ["", ".hidden", "a/b", "..", "a b", "a\n", "ü", "x" * 221])
def test_what_cannot_be_a_job_is_refused(commands: Commands, job: str) -> None:
    with pytest.raises(OSError, match="no name of a job"):
        commands.start(job, ":")
    assert len(commands.running) == 0


# A runner or keeper that is gone.


def test_a_command_that_outlives_its_runner_runs_until_it_is_gone(commands: Commands, fifo: Path) -> None:
    commands.start(JOB, f"read line <{fifo}; exit 3")
    pid, runner = commands.pids(JOB)
    os.kill(runner, signal.SIGKILL)
    wait_until(lambda: not is_running(runner))
    assert commands.running.ended(time.monotonic()) == []
    assert commands.running.jobs() == [JOB]
    assert len(list(commands.running.descriptors())) == 1
    commands.start(JOB, "echo twice")  # nothing happens
    let_go(fifo)
    (end,) = commands.ended()
    assert (end.code, end.timed_out) == (None, False)
    assert not is_running(pid)
    reap(pid)
    assert commands.run(JOB, "exit 5").code == 5


def test_a_command_that_was_killed_with_its_runner_is_to_be_run_again(commands: Commands, fifo: Path) -> None:
    commands.start(JOB, f"read line <{fifo}")
    pid, runner = commands.pids(JOB)
    for each in (runner, pid):
        os.kill(each, signal.SIGKILL)
    (end,) = commands.ended()
    assert (end.job, end.code) == (JOB, None)
    reap(pid)


def test_a_running_command_is_adopted_with_its_runner(
    new_commands: Callable[..., Commands], tmp_path: Path, fifo: Path
) -> None:
    start_by_a_keeper_that_dies(tmp_path, JOB, f"read line <{fifo}; echo said 1>&2; exit 6")
    commands = new_commands()
    assert commands.running.adopt() == [JOB]
    assert commands.running.ended(time.monotonic()) == []
    assert len(commands.running) == 1
    assert len(list(commands.running.descriptors())) == 1
    commands.start(JOB, "echo twice")
    let_go(fifo)
    (end,) = commands.ended()
    assert (end.job, end.code, end.stderr) == (JOB, 6, "said\n")


def test_an_adopted_command_that_loses_its_runner_runs_on(
    new_commands: Callable[..., Commands], tmp_path: Path, fifo: Path
) -> None:
    start_by_a_keeper_that_dies(tmp_path, JOB, f"read line <{fifo}")
    commands = new_commands()
    pid, runner = commands.pids(JOB)
    assert commands.running.adopt() == [JOB]
    os.kill(runner, signal.SIGKILL)
    wait_until(lambda: not is_running(runner))
    assert commands.running.ended(time.monotonic()) == []
    let_go(fifo)
    (end,) = commands.ended()
    assert end.code is None
    assert not is_running(pid)


def test_a_command_that_ended_without_a_keeper_is_told_to_the_next_one(
    new_commands: Callable[..., Commands], tmp_path: Path
) -> None:
    start_by_a_keeper_that_dies(tmp_path, JOB, "exit 9")
    wait_until((tmp_path / "running" / f"{JOB}.end").exists)
    for _ in range(2):  # as long as it is not forgotten, to each
        commands = new_commands()
        assert commands.running.adopt() == [JOB]
        (end,) = commands.ended()
        assert end.code == 9
    commands.running.forget(JOB)
    assert new_commands().running.adopt() == []


def test_a_command_of_another_boot_is_to_be_run_again(
    commands: Commands, stranger: subprocess.Popen[bytes]
) -> None:
    forge(commands, stranger.pid, os.getpid())
    path = commands.folder / f"{JOB}.run"
    trace = runfiles.read_trace(commands.directory, JOB)
    assert trace is not None
    path.write_bytes(trace.encode("another boot"))
    assert commands.running.adopt() == [JOB]
    (end,) = commands.ended()
    assert end.code is None
    assert is_running(stranger.pid)


def test_a_process_id_that_came_back_is_not_the_command(commands: Commands) -> None:
    me = proc.look_up(os.getpid())
    assert me is not None
    trace = Trace(os.getpid(), me.start_time - 1, os.getpid(), me.start_time - 1, 0)
    (commands.folder / f"{JOB}.run").write_bytes(trace.encode(proc.boot_id()))
    commands.running.adopt()
    assert [end.code for end in commands.ended()] == [None]


def test_of_two_who_start_a_job_one_runs_it(
    new_commands: Callable[..., Commands], tmp_path: Path, fifo: Path
) -> None:
    # As if the first one's process had not written its file yet when the second keeper looked.
    command = f"echo once >>{tmp_path}/out; read line <{fifo}; exit 8"
    start_by_a_keeper_that_dies(tmp_path, JOB, command)
    commands = new_commands()
    launcher = commands.running._launcher
    runner = launcher.launch(JOB, command, {})
    wait_until(lambda: not is_running(runner))
    reap(runner)
    commands.running.adopt()
    let_go(fifo)
    (end,) = commands.ended()
    assert end.code == 8
    assert (tmp_path / "out").read_text(encoding="ascii") == "once\n"


def test_one_who_loses_the_race_waits_for_the_others_end(
    new_commands: Callable[..., Commands], tmp_path: Path, fifo: Path
) -> None:
    commands = new_commands(1)
    command = f"echo once >>{tmp_path}/out; read line <{fifo}; exit 8"
    launcher = commands.running._launcher

    def launch_second(job: str, *words: object) -> int:
        start_by_a_keeper_that_dies(tmp_path, JOB, command)
        return launcher.launch(job, *words)  # type: ignore[arg-type]

    commands.running._launcher = SimpleNamespace(  # type: ignore[assignment]
        launch=launch_second, timeout_seconds=1, kill_seconds=1
    )
    commands.start(JOB, command)
    (runner,) = commands.running._children
    wait_until(lambda: not is_running(runner))
    # Its time is over, but that is its runner's business, who was told otherwise.
    for seconds in range(0, 100, 10):
        assert commands.running.ended(time.monotonic() + seconds) == []
    let_go(fifo)
    (end,) = commands.ended()
    assert end.code == 8
    assert (tmp_path / "out").read_text(encoding="ascii") == "once\n"


def test_a_job_that_an_earlier_keeper_runs_still_is_not_started_but_adopted(
    new_commands: Callable[..., Commands], tmp_path: Path, fifo: Path
) -> None:
    command = f"echo once >>{tmp_path}/out; read line <{fifo}; exit 8"
    start_by_a_keeper_that_dies(tmp_path, JOB, command)
    commands = new_commands()
    commands.start(JOB, command)
    assert commands.running.jobs() == [JOB]
    let_go(fifo)
    (end,) = commands.ended()
    assert end.code == 8
    assert (tmp_path / "out").read_text(encoding="ascii") == "once\n"


# A keeper with too many open files.


@pytest.fixture
def exhausted() -> Iterator[Callable[[], None]]:
    """`exhausted()`: from now on this process can open nothing; a second call ends that."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)

    def switch() -> None:
        if resource.getrlimit(resource.RLIMIT_NOFILE) != limits:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
            return
        free = os.open("/dev/null", os.O_RDONLY)
        os.close(free)
        resource.setrlimit(resource.RLIMIT_NOFILE, (free, limits[1]))

    yield switch
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_a_keeper_that_can_open_nothing_takes_no_command_for_gone(
    commands: Commands, fifo: Path, exhausted: Callable[[], None]
) -> None:
    commands.start(JOB, f"read line <{fifo}; exit 3")
    pid, runner = commands.pids(JOB)
    os.kill(runner, signal.SIGKILL)
    wait_until(lambda: not is_running(runner))
    exhausted()
    found = commands.running.ended(time.monotonic()), commands.running.next_time(7)
    exhausted()
    assert found == ([], 8)
    assert commands.strange == []
    assert commands.running.ended(time.monotonic()) == []
    assert commands.running.next_time(7) is None
    let_go(fifo)
    assert [end.code for end in commands.ended()] == [None]
    reap(pid)


def test_what_no_descriptor_tells_of_is_looked_for(
    commands: Commands, fifo: Path, exhausted: Callable[[], None]
) -> None:
    launcher = commands.running._launcher

    def launch(*words: object) -> int:
        runner = launcher.launch(*words)  # type: ignore[arg-type]
        exhausted()
        return runner

    commands.running._launcher = SimpleNamespace(launch=launch, timeout_seconds=None)  # type: ignore[assignment]
    commands.start(JOB, f"read line <{fifo}; exit 3")
    exhausted()
    assert list(commands.running.descriptors()) == []
    assert commands.running.next_time(7) == 8
    let_go(fifo)
    assert [end.code for end in commands.ended()] == [3]


# Time.


def test_a_command_without_a_runner_is_ended_by_the_keeper_with_its_group(
    new_commands: Callable[..., Commands], tmp_path: Path
) -> None:
    commands = new_commands(2)
    begin = time.monotonic()
    commands.start(JOB, f"trap '' TERM; sleep 60 & echo $! >{tmp_path}/pid; while :; do sleep 0.1; done")
    pid, runner = commands.pids(JOB)
    wait_until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text(encoding="ascii"))
    os.kill(runner, signal.SIGKILL)
    wait_until(lambda: not is_running(runner))
    assert commands.running.ended(time.monotonic()) == []
    due = commands.running.next_time(time.monotonic())
    assert due == pytest.approx(begin + 2, abs=1)
    (end,) = commands.ended()
    assert (end.code, end.timed_out) == (None, True)
    assert time.monotonic() >= begin + 1.9 + KILL_SECONDS
    wait_until(lambda: not is_running(int((tmp_path / "pid").read_text(encoding="ascii"))))
    reap(pid)


# Forgers.


def test_a_forged_file_gets_no_signal_sent_to_a_stranger(
    new_commands: Callable[..., Commands], stranger: subprocess.Popen[bytes]
) -> None:
    commands = new_commands(1)
    forge(commands, stranger.pid, seconds_ago=100)
    commands.running.adopt()
    now = time.monotonic()
    for seconds in range(0, 100, 2):
        assert commands.running.ended(now + seconds) == []
    assert stranger.poll() is None
    stranger.kill()
    stranger.wait()
    assert [end.code for end in commands.ended()] == [None]


@pytest.mark.parametrize("is_leader", [True, False])
def test_another_jobs_command_and_one_that_leads_no_group_get_no_signal(
    new_commands: Callable[..., Commands], is_leader: bool
) -> None:
    commands = new_commands(1)
    name = OTHER if is_leader else JOB
    process = subprocess.Popen(
        ["sleep", "60"], start_new_session=is_leader, env={"SCPD_JOB": name, "X": f"SCPD_JOB={JOB}"}
    )
    forge(commands, process.pid, seconds_ago=100)
    commands.running.adopt()
    for seconds in range(0, 100, 2):
        assert commands.running.ended(time.monotonic() + seconds) == []
    assert process.poll() is None
    process.kill()
    process.wait()


def test_a_command_with_a_runner_gets_no_signal_from_the_keeper(
    new_commands: Callable[..., Commands],
) -> None:
    commands = new_commands(1)
    process = subprocess.Popen(["sleep", "60"], start_new_session=True, env={"SCPD_JOB": JOB})
    forge(commands, process.pid, os.getpid(), seconds_ago=100)
    commands.running.adopt()
    for seconds in range(0, 100, 20):
        assert commands.running.ended(time.monotonic() + seconds) == []
        # Even if what the runner will write cannot be waited for.
        (commands.folder / f"{JOB}.end").write_bytes(b"forged\n")
    assert process.poll() is None
    process.kill()
    process.wait()


def test_the_same_without_a_runner_gets_one(new_commands: Callable[..., Commands]) -> None:
    commands = new_commands(1)
    process = subprocess.Popen(["sleep", "60"], start_new_session=True, env={"SCPD_JOB": JOB})
    wait_until(lambda: proc.has_in_environment(process.pid, "SCPD_JOB", JOB))
    forge(commands, process.pid, seconds_ago=100)
    commands.running.adopt()
    commands.running.ended(time.monotonic())
    assert process.wait(10) == -signal.SIGTERM


def _link(path: Path) -> None:
    path.symlink_to("/etc/passwd")


def _directory(path: Path) -> None:
    path.mkdir()
    (path / "x").touch()


def _fifo(path: Path) -> None:
    os.mkfifo(path)


def _socket(path: Path) -> None:
    os.mknod(path, stat.S_IFSOCK | 0o666)


def _huge(path: Path) -> None:
    path.touch()
    os.truncate(path, 1 << 40)


def _content(data: bytes) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        path.write_bytes(data)

    write.__name__ = repr(data[:20])
    return write


GOOD_END = End(7, 8).encode()
GOOD_TRACE = Trace(7, 8, 9, 10, 11).encode("boot")
STRANGE = [
    _link,
    _directory,
    _fifo,
    _socket,
    _huge,
    _content(b""),
    _content(b"\0" * 100),
    _content(GOOD_END[:-1]),
    _content(GOOD_END[:-9]),
    _content(GOOD_END + GOOD_END),
    _content(GOOD_TRACE.replace(b"7", b"6", 1)),
    _content(runfiles.records.encode(["run", "1", "1", "1", "1", "boot", "0"])),
    _content(runfiles.records.encode(["run", "0", "1", "5", "1", "boot", "0"])),
    _content(runfiles.records.encode(["run", "-5", "1", "5", "1", "boot", "0"])),
    _content(runfiles.records.encode(["run", "5", "1", "99999999", "1", "boot", "0"])),
    _content(runfiles.records.encode(["run", "5", "1", "5", "1", "boot", "nan"])),
    _content(runfiles.records.encode(["run", "5", "1", "5", "1", "boot", "9" * 5000])),
    _content(runfiles.records.encode(["run", "5", "1", "5", "1", "boot"])),
    _content(runfiles.records.encode(["end", "5", "1", "256", "0", "0", ""])),
    _content(runfiles.records.encode(["end", "5", "1", "--1", "0", "0", ""])),
    _content(runfiles.records.encode(["end", "5", "1", "0", "2", "0", ""])),
    _content(runfiles.records.encode(["end", "5", "1", "\N{SUPERSCRIPT TWO}", "0", "0", ""])),
]


@pytest.mark.parametrize("suffix", [".run", ".end"])
@pytest.mark.parametrize("make", STRANGE, ids=lambda make: make.__name__)
def test_a_strange_file_is_set_aside_and_the_job_is_to_be_run_again(
    commands: Commands, make: Callable[[Path], None], suffix: str
) -> None:
    make(commands.folder / f"{JOB}{suffix}")
    commands.running.adopt()
    (end,) = commands.ended()
    assert (end.job, end.code) == (JOB, None)
    assert commands.strange == [f"{JOB}{suffix}"]
    assert commands.run(JOB, "exit 3").code == 3


@pytest.mark.parametrize(
    "name", ["notes", "x.run.bak", ".run", ".end", "a b.run", "..end", "%.tmp.x", "\udcff.end"]
)
def test_a_foreign_file_is_set_aside(commands: Commands, name: str) -> None:
    (commands.folder / name).touch()
    assert commands.running.adopt() == []
    assert commands.strange == [name]
    assert commands.files() == []


def test_what_a_dead_process_was_writing_is_removed(commands: Commands) -> None:
    dead = subprocess.Popen(["true"])
    dead.wait()
    for pid in (dead.pid, os.getpid()):
        (commands.folder / f"{JOB}.tmp.{pid}").touch()
    assert commands.running.adopt() == []
    assert commands.strange == []
    assert commands.files() == [f"{JOB}.tmp.{os.getpid()}"]


def test_an_end_that_was_changed_while_the_command_runs_does_not_end_it(
    commands: Commands, fifo: Path
) -> None:
    commands.start(JOB, f"read line <{fifo}; exit 3")
    commands.pids(JOB)
    (commands.folder / f"{JOB}.end").write_bytes(b"forged\n")
    assert commands.running.ended(time.monotonic()) == []
    (commands.folder / f"{JOB}.end").write_bytes(GOOD_END)  # of another process
    assert commands.running.ended(time.monotonic()) == []
    let_go(fifo)
    assert [end.code for end in commands.ended()] == [3]
    assert commands.strange == [f"{JOB}.end"]


def test_a_runner_that_passes_on_stderr_still_is_not_taken_for_that_of_the_next_try(
    commands: Commands, fifo: Path
) -> None:
    commands.start(JOB, f"(read line <{fifo}) & exit 1")
    wait_until((commands.folder / f"{JOB}.end").exists)
    (commands.folder / f"{JOB}.end").write_bytes(b"forged\n")
    assert [end.code for end in commands.ended()] == [None]
    assert commands.run(JOB, "exit 2").code == 2
    let_go(fifo)
    wait_until(lambda: not commands.running.ended(0) and not list(commands.running.descriptors()))
