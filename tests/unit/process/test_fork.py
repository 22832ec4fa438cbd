"""A forked child leaves by one door only, with the code of its role, its own signals, and no descriptor too many."""

from __future__ import annotations

import logging
import os
import resource
import signal
import sys
from typing import TYPE_CHECKING

import pytest

from scpd.process import exitcodes, signals
from scpd.process.fork import spawn
from scpd.process.signals import Wakeup
from tests.harness.forked import exit_code, in_child

if TYPE_CHECKING:
    from collections.abc import Callable


class Quiet:
    """A wakeup that leaves the signals of the test's own process alone."""

    def renew(self) -> None:
        pass


def ended_by(role: Callable[[], int], keep: tuple[int, ...] = ()) -> int:
    return exit_code(spawn(role, Quiet(), keep))  # type: ignore[arg-type]


def raises(error: BaseException) -> Callable[[], int]:
    def role() -> int:
        raise error

    return role


@pytest.mark.parametrize("code", [exitcodes.OK, exitcodes.STOPPED, exitcodes.LOST])
def test_a_child_ends_with_the_code_of_its_role(code: int) -> None:
    assert ended_by(lambda: code) == code


@pytest.mark.parametrize(
    "error", [RuntimeError("a defect"), OSError(5, "I/O"), SystemExit(0), KeyboardInterrupt()]
)
def test_whatever_a_role_raises_is_a_crash(error: BaseException) -> None:
    assert ended_by(raises(error)) == exitcodes.CRASHED


def test_what_raises_before_the_role_is_a_crash_too() -> None:
    class Broken:
        def renew(self) -> None:
            raise OSError(24, "Too many open files")

    assert exit_code(spawn(lambda: 0, Broken(), ())) == exitcodes.CRASHED  # type: ignore[arg-type]


def test_a_crash_leaves_its_traceback_in_the_log() -> None:
    def crash() -> list[object]:
        class Handler(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                os.write(writer, self.format(record).encode())

        reader, writer = os.pipe()
        logging.getLogger().handlers[:] = [Handler()]
        child = spawn(raises(RuntimeError("the defect")), Quiet(), (writer,))  # type: ignore[arg-type]
        os.close(writer)
        with open(reader, encoding="utf-8") as file:
            text = file.read()
        return [exit_code(child), text, f"process {child} failed"]

    code, text, begin = in_child(crash)
    assert code == exitcodes.CRASHED
    assert text.startswith(begin)
    assert "Traceback" in text
    assert "RuntimeError: the defect" in text


def test_who_has_no_memory_says_so_in_one_line_and_is_no_defect() -> None:
    def run_out() -> list[object]:
        class Handler(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                os.write(writer, self.format(record).encode())

        reader, writer = os.pipe()
        logging.getLogger().handlers[:] = [Handler()]
        child = spawn(raises(MemoryError()), Quiet(), (writer,))  # type: ignore[arg-type]
        os.close(writer)
        with open(reader, encoding="utf-8") as file:
            return [exit_code(child), file.read() == f"process {child} is out of memory"]

    assert in_child(run_out) == [exitcodes.FAILED, True]


def test_nothing_of_the_parents_stack_is_unwound_in_the_child() -> None:
    reader, writer = os.pipe()
    try:
        exit_code(spawn(raises(SystemExit(0)), Quiet(), (writer,)))  # type: ignore[arg-type]
    finally:
        os.write(writer, b"once")

    assert os.read(reader, 99) == b"once"
    os.close(reader)
    os.close(writer)


def test_the_parents_unwritten_output_is_not_written_by_the_child(capfd: pytest.CaptureFixture[str]) -> None:
    with open(os.dup(1), "w", encoding="ascii", buffering=1000) as file:
        file.write("once")
        assert ended_by(lambda: 0, (file.fileno(),)) == 0

    assert capfd.readouterr().out == "once"


def test_a_child_has_the_descriptors_that_it_is_to_keep_and_no_others() -> None:
    def work() -> list[list[int]]:
        kept = [os.open("/dev/null", os.O_RDONLY) for _ in range(9)][1::3]
        reader, writer = os.pipe()

        def role() -> int:
            found = [number for number in range(4096) if os.path.exists(f"/proc/self/fd/{number}")]
            os.write(writer, " ".join(map(str, found)).encode("ascii"))
            return 0

        assert exit_code(spawn(role, Quiet(), (*reversed(kept), writer))) == 0  # type: ignore[arg-type]
        return [[int(number) for number in os.read(reader, 9999).split()], sorted([0, 1, 2, *kept, writer])]

    found, expected = in_child(work)
    assert found == expected


def test_a_child_hears_sigterm_only_and_the_others_do_not_end_it() -> None:
    def work() -> int:
        wakeup = Wakeup()

        def role() -> int:
            assert not wakeup.signalled
            for number in (signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
                os.kill(os.getpid(), number)
            assert not wakeup.signalled
            assert list(wakeup.take()) == []
            os.kill(os.getpid(), signal.SIGTERM)
            assert wakeup.signalled
            return 40 + (list(wakeup.take()) == [signal.SIGTERM])

        return exit_code(spawn(role, wakeup, ()))

    assert in_child(work) == 41


def test_a_signal_that_comes_while_the_child_begins_is_the_childs() -> None:
    # With the parent's pipe it would wake the parent; before the child has its own it would be lost.
    def work() -> list[object]:
        class Early(Wakeup):
            def renew(self) -> None:
                os.kill(os.getpid(), signal.SIGTERM)
                super().renew()

        signals.hold()
        wakeup = Early()
        signals.let_in(signals.MASTER)
        own = list(wakeup.take())
        code = exit_code(spawn(lambda: list(wakeup.take()) == [signal.SIGTERM], wakeup, ()))
        return [own, code, list(wakeup.take())]

    assert in_child(work) == [[signal.SIGTERM], 1, [signal.SIGCHLD]]


def test_the_parent_is_as_it_was() -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, []), signal.getsignal(signal.SIGTERM)

    ended_by(lambda: 0)

    assert (signal.pthread_sigmask(signal.SIG_BLOCK, []), signal.getsignal(signal.SIGTERM)) == before


def test_if_there_can_be_no_process_the_parent_is_told_and_its_signals_are_let_in_again() -> None:
    def without_processes() -> str:
        if os.geteuid() == 0:
            os.setuid(65534)
        resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
        try:
            spawn(lambda: 0, Quiet(), ())  # type: ignore[arg-type]
        except OSError as error:
            assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == set()
            return type(error).__name__
        return "it was forked"

    assert in_child(without_processes) == "BlockingIOError"


def test_signals_that_were_blocked_before_stay_blocked() -> None:
    # A worker, which forks too, hears SIGTERM only.
    def work() -> bool:
        signal.pthread_sigmask(signal.SIG_SETMASK, [signal.SIGHUP, signal.SIGCHLD, signal.SIGUSR1])
        before = signal.pthread_sigmask(signal.SIG_BLOCK, [])
        ended_by(lambda: 0)
        return signal.pthread_sigmask(signal.SIG_BLOCK, []) == before

    assert in_child(work)


def test_forking_needs_no_module_that_is_not_loaded_yet() -> None:
    ended_by(lambda: 0)
    before = set(sys.modules)

    assert ended_by(lambda: set(sys.modules) != before) == 0
