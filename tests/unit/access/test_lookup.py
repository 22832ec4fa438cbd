"""A name in time, or none; whatever the resolver does, no process and no descriptor is left, and no signal changed."""

from __future__ import annotations

import gc
import os
import resource
import signal
import socket
from time import monotonic
from typing import TYPE_CHECKING

import pytest

from scpd.access.lookup import Question, host_name, resolve
from scpd.process import signals
from scpd.process.fork import spawn
from tests.harness.forked import exit_code, in_child
from tests.harness.ports import has_ipv6
from tests.harness.processes import children_of, is_running, wait_for_orphans
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

ADDRESS = "192.0.2.1"
HELD_BY_WORKERS = {signal.SIGINT, signal.SIGHUP, signal.SIGCHLD}


class Unsignalled:
    """A wakeup that leaves the signals of the test's own process alone."""

    signalled = False

    def __init__(self) -> None:
        self._ends = socket.socketpair()

    def fileno(self) -> int:
        return self._ends[0].fileno()

    def renew(self) -> None:
        pass

    def close(self) -> None:
        for end in self._ends:
            end.close()


def hang(_address: str) -> str:
    """Wait for ever in a system call, as for a name server that does not answer."""
    reader, _writer = os.pipe()
    return os.read(reader, 1).decode()


def fail(_address: str) -> str:
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


def exit_silently(_address: str) -> str:
    os._exit(0)


def look_up(ask: Callable[[str], str], seconds: float = 10.0) -> str | None:
    wakeup = Unsignalled()
    try:
        return host_name(ADDRESS, wakeup, seconds, ask)  # type: ignore[arg-type]
    finally:
        wakeup.close()


def open_descriptors() -> list[str]:
    # What earlier tests have dropped may hold descriptors until it is collected: now, not in the middle.
    gc.collect()
    return sorted(os.listdir("/proc/self/fd"))


def lowest_free_descriptor() -> int:
    number = os.dup(0)
    os.close(number)
    return number


def work_as_worker(work: Callable[[signals.Wakeup], object]) -> object:
    """Give what `work(wakeup)` gives in a forked child that hears SIGTERM only."""

    def life() -> object:
        wakeup = signals.Wakeup()
        signal.pthread_sigmask(signal.SIG_BLOCK, HELD_BY_WORKERS)
        return work(wakeup)

    return in_child(life)


@pytest.mark.parametrize(
    "address", ["127.0.0.1", pytest.param("::1", marks=pytest.mark.skipif(not has_ipv6(), reason="no IPv6"))]
)
def test_the_name_of_this_host_is_the_systems(address: str) -> None:
    wakeup = Unsignalled()
    try:
        expected: str | None = resolve(address)
    except socket.gaierror:
        expected = None
    assert host_name(address, wakeup) == expected  # type: ignore[arg-type]
    wakeup.close()


@pytest.mark.parametrize("address", ["", "no address", "127.0.0.1x", "a" * 70000, "127.0.0.1\0"])
def test_what_is_no_address_has_no_name(address: str) -> None:
    wakeup = Unsignalled()
    assert host_name(address, wakeup) is None  # type: ignore[arg-type]
    wakeup.close()


def test_the_child_is_asked_for_the_address() -> None:
    assert look_up(lambda address: f"{address}-{os.getpid() != os.getppid()}") == f"{ADDRESS}-True"


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        ("ct1.hospital.example", "ct1.hospital.example"),
        ("CT_1-a.example.", "CT_1-a.example."),
        ("ct;rm -rf `x`$(y)\n\x1b[2J/../\\\"'", "ct_rm_-rf__x___y____2J_..____"),
        ("-rf", "_rf"),
        ("b\xfccher.example", "b__cher.example"),
        ("a\udce4b", "a_b"),
        ("", None),
        ("x" * 255, "x" * 255),
        ("x" * 256, "x" * 255),
        ("x" * 100_000, "x" * 255),
    ],
)
def test_a_name_is_of_safe_characters_and_no_longer_than_names_may_be(answer: str, name: str | None) -> None:
    assert look_up(lambda _: answer) == name


@pytest.mark.parametrize("ask", [fail, exit_silently, lambda _: b"\xff".decode()])
def test_whatever_fails_is_no_name(ask: Callable[[str], str]) -> None:
    assert look_up(ask) is None


def test_a_resolver_that_does_not_answer_is_left_after_the_time_that_it_has() -> None:
    started = monotonic()
    assert look_up(hang, seconds=0.2) is None
    assert 0.2 <= monotonic() - started < 5


@pytest.mark.parametrize("ask", [hang, fail, lambda _: "name"])
def test_no_process_and_no_descriptor_is_left(ask: Callable[[str], str]) -> None:
    before = open_descriptors(), children_of(os.getpid())
    look_up(ask, seconds=0.1)
    assert (open_descriptors(), children_of(os.getpid())) == before


def test_the_child_holds_no_socket_of_its_worker() -> None:
    # Or the peer would see its association end only when the resolver does.
    ours, theirs = socket.socketpair()
    number = ours.fileno()
    assert look_up(lambda _: f"found-{os.path.exists(f'/proc/self/fd/{number}')}") == "found-False"
    ours.close()
    theirs.close()


def test_a_signal_ends_the_wait_at_once() -> None:
    def work(wakeup: signals.Wakeup) -> object:
        signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGTERM))
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        started = monotonic()
        name = host_name(ADDRESS, wakeup, 20.0, hang)
        return [name, monotonic() - started < 10, signal.SIGTERM in wakeup.take(), children_of(os.getpid())]

    assert work_as_worker(work) == [None, True, True, []]


def test_a_signal_that_has_come_before_is_obeyed_without_a_fork() -> None:
    def work(wakeup: signals.Wakeup) -> object:
        forks: list[int] = []
        os.register_at_fork(before=lambda: forks.append(1))
        os.kill(os.getpid(), signal.SIGTERM)
        return [host_name(ADDRESS, wakeup, 20.0, lambda _: "name"), signal.SIGTERM in wakeup.take(), forks]

    assert work_as_worker(work) == [None, True, []]


def test_a_worker_goes_on_hearing_what_it_heard() -> None:
    def work(wakeup: signals.Wakeup) -> object:
        before = signal.pthread_sigmask(signal.SIG_BLOCK, [])
        name = host_name(ADDRESS, wakeup, 20.0, lambda _: "name")
        after = signal.pthread_sigmask(signal.SIG_BLOCK, [])
        os.kill(os.getpid(), signal.SIGHUP)
        heard_nothing = list(wakeup.take()) == []
        os.kill(os.getpid(), signal.SIGTERM)
        return [name, before == after, heard_nothing, list(wakeup.take())]

    assert work_as_worker(work) == ["name", True, True, [signal.SIGTERM]]


def test_where_no_process_can_be_there_is_no_name_and_no_descriptor_is_lost() -> None:
    def work(wakeup: signals.Wakeup) -> object:
        if os.geteuid() == 0:
            os.setuid(65534)
        resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
        before = open_descriptors()
        return [host_name(ADDRESS, wakeup, 20.0, lambda _: "name"), open_descriptors() == before]

    assert work_as_worker(work) == [None, True]


def test_where_no_descriptor_is_left_there_is_no_name() -> None:
    def work(wakeup: signals.Wakeup) -> object:
        # Not as many as are open: those of a test run have gaps between them.
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free_descriptor(), 4096))
        return host_name(ADDRESS, wakeup, 20.0, lambda _: "name")

    assert work_as_worker(work) is None


def test_a_child_whose_worker_was_killed_ends_itself() -> None:
    def kill_and_hang(address: str) -> str:
        os.kill(os.getppid(), signal.SIGKILL)
        return hang(address)

    def worker() -> int:
        wakeup = Unsignalled()
        host_name(ADDRESS, wakeup, 0.3, kill_and_hang)  # type: ignore[arg-type]
        return 0

    wakeup = Unsignalled()
    before = {child.pid for child in children_of(os.getpid())}
    pid = spawn(worker, wakeup, ())  # type: ignore[arg-type]
    assert exit_code(pid) == -signal.SIGKILL
    # This process is the subreaper: the orphan is a child of ours now.
    orphans = [child.pid for child in children_of(os.getpid()) if child.pid not in before]
    for orphan in orphans:
        wait_until(lambda orphan=orphan: not is_running(orphan))
        assert exit_code(orphan) == -signal.SIGALRM
    assert len(orphans) == 1
    wakeup.close()


def test_a_question_is_answered_later_and_nothing_is_left() -> None:
    def work(wakeup: signals.Wakeup) -> list[object]:
        before = open_descriptors()
        question = Question(ADDRESS, wakeup, ask=lambda _: "a name")
        return [
            question.answer(wakeup),
            question.answer(wakeup),
            open_descriptors() == before,
            len(children_of(os.getpid())),
        ]

    assert work_as_worker(work) == ["a_name", None, True, 0]


@pytest.mark.parametrize("ask", [fail, exit_silently, hang])
def test_a_question_without_an_answer_has_none_in_time(ask: Callable[[str], str]) -> None:
    def work(wakeup: signals.Wakeup) -> list[object]:
        begin = monotonic()
        answer = Question(ADDRESS, wakeup, (), 0.3, ask).answer(wakeup)
        return [answer, monotonic() - begin < 5]

    assert work_as_worker(work) == [None, True]
    wait_for_orphans()


def test_a_signal_ends_the_wait_for_an_answer() -> None:
    def work(wakeup: signals.Wakeup) -> object:
        question = Question(ADDRESS, wakeup, (), 20.0, hang)
        os.kill(os.getpid(), signal.SIGTERM)
        return question.answer(wakeup)

    assert work_as_worker(work) is None
    wait_for_orphans()


def test_a_question_that_nobody_awaits_ends_with_its_worker() -> None:
    before = {child.pid for child in children_of(os.getpid())}

    def work(wakeup: signals.Wakeup) -> bool:
        reader, writer = os.pipe()

        def tell_and_hang(address: str) -> str:
            os.write(writer, b".")
            return hang(address)

        Question(ADDRESS, wakeup, (writer,), 20.0, tell_and_hang)
        return os.read(reader, 1) == b"."

    assert work_as_worker(work) is True
    for orphan in [child.pid for child in children_of(os.getpid()) if child.pid not in before]:
        wait_until(lambda orphan=orphan: not is_running(orphan))
        assert exit_code(orphan) == -signal.SIGKILL
