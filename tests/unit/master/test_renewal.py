"""How a master asks and gives way: checks are real processes, times are numbers, and the new program is a function."""

from __future__ import annotations

import logging
import os
import signal
from typing import TYPE_CHECKING, Any

import pytest

from scpd import __version__
from scpd.master.children import CHECKER, WORKER, Child, Children
from scpd.master.renewal import Heirloom, Renewal
from scpd.master.report import Report
from scpd.process.notify import Manager
from scpd.process.succession import DESCRIPTORS
from scpd.process.titles import Title
from tests.harness.activated import NotifySocket
from tests.harness.commands import ForkedWakeup
from tests.harness.forked import in_child
from tests.harness.processes import is_running
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Estate = dict[str, Any]

CHECK_SECONDS = 60.0
NOW = 1000.0


class NewProgram:
    """What a check does, a list of lives to be lived one after the other, and what is executed: which fails."""

    def __init__(self) -> None:
        self.checks: list[Callable[[Estate], None]] = []
        self.executed: list[Estate] = []

    def check(self, estate: Estate) -> None:
        self.checks[0](estate)

    def execute(self, estate: Estate) -> None:
        self.executed.append(estate)
        raise OSError(2, "No such file or directory")


class Scene:
    """A renewal, and a service manager that hears how it goes."""

    def __init__(self, manager: NotifySocket) -> None:
        self.manager = manager
        self.program = NewProgram()
        self.children = Children()
        self.has_no_room = False
        self.told_by = Manager(manager.address)
        self.report = Report(Title("pytest"), "1", self.told_by)
        self.reader, self.writer = os.pipe()
        self.wakeup = ForkedWakeup()
        self.wakeup.renew()
        heirloom = Heirloom(
            self.program,  # type: ignore[arg-type]
            {"asked": 1, DESCRIPTORS: [self.reader]},
            {"from the start": 2, DESCRIPTORS: [self.reader]},
        )
        self.renewal = Renewal(
            heirloom,
            self.give_up,
            self.children.add,
            self.wakeup,  # type: ignore[arg-type]
            self.report,
        )

    def give_up(self) -> Estate:
        if self.has_no_room:
            raise OSError(24, "Too many open files")
        return {"now": 3, DESCRIPTORS: [self.writer]}

    def checks_by(self, *lives: Callable[[Estate], None]) -> None:
        self.program.checks = [*lives]

    def check(self) -> int:
        """Give the check that runs."""
        (pid,) = [pid for pid, child in self.children._by_pid.items() if child.kind == CHECKER]
        return pid

    def ended(self, now: float = NOW) -> None:
        """Wait for the end of the check, and let it be heard of."""
        pid = self.check()
        wait_until(lambda: not is_running(pid))
        ((child, _),) = self.children.reap()
        self.program.checks.pop(0)
        self.renewal.reaped(child, now)

    def told(self) -> list[str]:
        """Give what the service manager has heard, but for figures."""
        self.report.keep_time(NOW * 10)
        return [line for line in self.manager.heard() if line.startswith(("READY", "RELOADING"))]

    def end(self) -> None:
        self.renewal.stop()
        for pid in self.children._by_pid:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        self.told_by.close()
        signal.set_wakeup_fd(-1)
        for number in (self.reader, self.writer, self.wakeup._own._reader, self.wakeup._own._writer):
            os.close(number)


@pytest.fixture
def scene(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Iterator[Scene]:
    caplog.set_level(logging.INFO)
    mask, handlers = (
        signal.pthread_sigmask(signal.SIG_BLOCK, ()),
        {number: signal.getsignal(number) for number in (1, 2, 10, 12, 15, signal.SIGCHLD)},
    )
    wakeup = signal.set_wakeup_fd(-1)
    manager = NotifySocket(str(tmp_path / "notify"))
    before = len(os.listdir("/proc/self/fd"))
    made = Scene(manager)
    yield made
    made.end()
    signal.set_wakeup_fd(wakeup)
    for number, handler in handlers.items():
        signal.signal(number, handler)
    assert signal.pthread_sigmask(signal.SIG_SETMASK, mask) == mask
    assert len(os.listdir("/proc/self/fd")) == before
    manager.close()


def finds_nothing(estate: Estate) -> None:
    del estate
    os._exit(0)


def finds(text: str, code: int = 1) -> Callable[[Estate], None]:
    def life(estate: Estate) -> None:
        del estate
        os.write(2, text.encode())
        os._exit(code)

    return life


def waits(estate: Estate) -> None:
    del estate
    while True:
        signal.pause()


def cannot_be(estate: Estate) -> None:
    del estate
    raise OSError(13, "Permission denied")


def test_a_check_that_finds_nothing_is_leave_to_go(scene: Scene) -> None:
    scene.checks_by(finds_nothing)
    scene.renewal.begin(NOW)
    assert scene.renewal.next_time() == NOW + CHECK_SECONDS
    scene.renewal.keep_time(NOW + 1)
    assert scene.program.executed == []
    scene.ended()
    assert scene.renewal.next_time() == 0.0
    scene.renewal.keep_time(NOW)
    assert scene.program.executed == [
        {
            "from the start": 2,
            "now": 3,
            "version": __version__,
            DESCRIPTORS: [scene.reader, scene.writer],
        }
    ]


def test_a_program_that_cannot_be_executed_leaves_the_master_as_it_was(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    scene.checks_by(finds_nothing)
    scene.renewal.begin(NOW)
    scene.ended()
    scene.renewal.keep_time(NOW)
    assert caplog.messages == ["not reloaded: cannot execute the program: No such file or directory"]
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == mask
    assert scene.renewal.next_time() is None
    assert scene.told() == ["RELOADING=1", "READY=1"]


def test_who_cannot_hand_on_what_there_is_stays(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    scene.has_no_room = True
    scene.checks_by(finds_nothing)
    scene.renewal.begin(NOW)
    scene.ended()
    scene.renewal.keep_time(NOW)
    assert caplog.messages == ["not reloaded: cannot hand on what there is: Too many open files"]
    assert scene.program.executed == []
    assert scene.told() == ["RELOADING=1", "READY=1"]


def test_what_came_before_the_change_is_heard_after_it(scene: Scene) -> None:
    scene.checks_by(finds_nothing)
    scene.renewal.begin(NOW)
    scene.ended()
    [*scene.wakeup.take()]
    os.kill(os.getpid(), signal.SIGUSR2)
    os.kill(os.getpid(), signal.SIGHUP)
    scene.renewal.keep_time(NOW)  # which fails: so they are ours
    assert {*scene.wakeup.take()} == {signal.SIGUSR2, signal.SIGHUP}


@pytest.mark.parametrize(
    ("life", "messages"),
    [
        (finds("scpd: no peers\nscpd: a file: line 3\n"), ["E no peers", "E a file: line 3"]),
        (finds("scpd: warning: odd\nscpd: bad\n"), ["W odd", "E bad"]),
        (finds("scpd: warning: odd\n"), ["W odd", "E the check ended with exit code 1"]),
        (finds("", 3), ["E the check ended with exit code 3"]),
        (finds("Traceback\n\n  File\n"), ["E Traceback", "E   File"]),
        (finds("\udcff".encode("utf-8", "surrogateescape").decode("latin-1")), ["E ÿ"]),
        (cannot_be, ["E cannot execute the program: [Errno 13] Permission denied"]),
    ],
)
def test_what_a_check_finds_is_in_the_log_and_all_stays(
    scene: Scene, caplog: pytest.LogCaptureFixture, life: Callable[[Estate], None], messages: list[str]
) -> None:
    scene.checks_by(life)
    scene.renewal.begin(NOW)
    scene.ended()
    said = [f"{record.levelname[0]} {record.getMessage()}" for record in caplog.records]
    assert [line.replace("not reloaded: ", "") for line in said] == messages
    assert all("not reloaded: " in line for line in said if line.startswith("E"))
    scene.renewal.keep_time(NOW)
    assert scene.program.executed == []
    assert scene.told() == ["RELOADING=1", "READY=1"]


def test_warnings_keep_nobody_from_going(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    scene.checks_by(finds("scpd: warning: odd\n", 0))
    scene.renewal.begin(NOW)
    scene.ended()
    assert caplog.messages == ["odd"]
    assert scene.renewal.next_time() == 0.0


def test_a_check_has_what_it_is_asked_about_and_nothing_else(scene: Scene) -> None:
    def life(estate: Estate) -> None:
        # Besides: standard streams, its answer (twice), its wakeup's pipe, and the directory that is read.
        numbers = {int(name) for name in os.listdir("/proc/self/fd")}
        os.write(
            2,
            f"{estate['asked']} {scene.reader in numbers} {scene.writer in numbers} {len(numbers)}".encode(),
        )
        os._exit(1)

    scene.checks_by(life)
    scene.renewal.begin(NOW)
    answer = scene.renewal._answer
    pid = scene.check()
    wait_until(lambda: not is_running(pid))
    assert os.pread(answer, 99, 0) == b"1 True False 8"
    scene.ended()


def test_a_check_that_says_very_much_is_cut(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    def life(estate: Estate) -> None:
        del estate
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # as Python has it
        while os.write(2, b"scpd: all is wrong\n" * 999):
            pass

    scene.checks_by(life)
    scene.renewal.begin(NOW)
    pid, answer = scene.check(), scene.renewal._answer
    wait_until(lambda: not is_running(pid))
    assert os.fstat(answer).st_size <= 1 << 20
    scene.ended()
    assert 100 < len(caplog.messages) < 1000


@pytest.mark.parametrize("is_stopped", [False, True])
def test_a_check_that_takes_too_long_is_killed(
    scene: Scene, caplog: pytest.LogCaptureFixture, is_stopped: bool
) -> None:
    scene.checks_by(waits)
    scene.renewal.begin(NOW)
    if is_stopped:
        os.kill(scene.check(), signal.SIGSTOP)
    scene.renewal.keep_time(NOW + CHECK_SECONDS - 0.1)
    assert is_running(scene.check())
    scene.renewal.keep_time(NOW + CHECK_SECONDS)
    assert scene.renewal.next_time() is None
    scene.renewal.keep_time(NOW + CHECK_SECONDS + 1)
    scene.ended()
    assert caplog.messages == ["not reloaded: the check was killed by signal 9"]


def test_asked_again_meanwhile_it_looks_once_more_and_once_only(scene: Scene) -> None:
    scene.checks_by(finds_nothing, finds_nothing)
    scene.renewal.begin(NOW)
    for _ in range(3):
        scene.renewal.begin(NOW)
    scene.ended()
    scene.renewal.keep_time(NOW)
    assert scene.program.executed == []
    scene.ended()
    assert scene.renewal.next_time() == 0.0
    assert not scene.children


@pytest.mark.parametrize("asks_when_granted", [False, True])
def test_requests_without_end_postpone_nothing_for_ever(scene: Scene, asks_when_granted: bool) -> None:
    scene.checks_by(*[finds_nothing] * 5)
    scene.renewal.begin(NOW)
    for _ in range(4):
        if not asks_when_granted:
            scene.renewal.begin(NOW)
        assert scene.program.executed == []
        scene.ended()
        if asks_when_granted:
            scene.renewal.begin(NOW)
    scene.renewal.keep_time(NOW)
    assert len(scene.program.executed) == 1
    assert not scene.children
    scene.renewal.begin(NOW)  # that failed, so it begins anew
    scene.renewal.begin(NOW)
    scene.ended()
    assert len(scene.children._by_pid) == 1


def test_of_requests_without_end_a_fault_is_no_answer_that_one_acts_on(scene: Scene) -> None:
    scene.checks_by(*[finds("scpd: bad\n")] * 6, finds_nothing)
    scene.renewal.begin(NOW)
    for _ in range(6):
        scene.renewal.begin(NOW)
        scene.ended()
        assert scene.renewal.next_time() == NOW + CHECK_SECONDS
    scene.renewal.begin(NOW)
    scene.ended()
    scene.renewal.keep_time(NOW)
    assert len(scene.program.executed) == 1


def test_a_fault_is_told_even_if_it_has_to_look_once_more(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    scene.checks_by(finds("scpd: bad\n"), finds_nothing)
    scene.renewal.begin(NOW)
    scene.renewal.begin(NOW)
    scene.ended()
    assert caplog.messages == ["not reloaded: bad"]
    assert "READY=1" not in scene.told()[1:-1]
    scene.ended()
    assert scene.renewal.next_time() == 0.0


def test_leave_to_go_is_withdrawn_when_somebody_asks_again(scene: Scene) -> None:
    scene.checks_by(finds_nothing, finds("scpd: bad\n"))
    scene.renewal.begin(NOW)
    scene.ended()
    scene.renewal.begin(NOW)
    scene.renewal.keep_time(NOW)
    assert scene.program.executed == []
    scene.ended()
    scene.renewal.keep_time(NOW)
    assert scene.program.executed == []


def test_at_the_end_nobody_waits_for_a_check(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    scene.checks_by(waits, waits)
    scene.renewal.begin(NOW)
    scene.renewal.begin(NOW)
    scene.told()
    scene.renewal.stop()
    scene.ended()
    assert scene.renewal.next_time() is None
    assert not scene.children
    assert caplog.messages == []


def test_at_the_end_leave_to_go_is_withdrawn(scene: Scene) -> None:
    scene.checks_by(finds_nothing)
    scene.renewal.begin(NOW)
    scene.ended()
    scene.renewal.stop()
    assert scene.renewal.next_time() is None
    scene.renewal.keep_time(NOW)
    assert scene.program.executed == []


def test_another_child_is_no_answer(scene: Scene) -> None:
    scene.checks_by(waits)
    scene.renewal.begin(NOW)
    scene.renewal.reaped(Child(1, WORKER), NOW)
    assert scene.renewal.next_time() == NOW + CHECK_SECONDS


def test_without_a_descriptor_or_a_process_all_stays(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    def work() -> list[str]:
        import resource

        resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))
        scene.renewal.begin(NOW)
        return caplog.messages

    assert in_child(work) == ["not reloaded: cannot check the configuration: Too many open files"]


def test_a_successor_says_what_it_is(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    scene.renewal.take_over({"version": __version__})
    scene.renewal.take_over({"version": "0.0.1"})
    assert caplog.messages == ["reloaded", f"upgraded from version 0.0.1 to version {__version__}"]
