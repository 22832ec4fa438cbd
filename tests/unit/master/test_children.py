"""The master's table of children, with real ones that do next to nothing."""

from __future__ import annotations

import logging
import os
import signal
from ast import literal_eval
from typing import TYPE_CHECKING

import pytest

from scpd.master.children import CHECKER, KEEPER, STANDBY, SWEEPER, WORKER, Child, Children
from scpd.process import exitcodes
from scpd.worker.peer import Peer
from tests.harness.forked import ended, forked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PEER = Peer(("192.0.2.1", 1234))


def for_ever() -> int:
    signal.pause()
    return 0


def killed_by(number: int) -> Callable[[], int]:
    def life() -> int:
        signal.signal(number, signal.SIG_DFL) if number != signal.SIGKILL else None
        os.kill(os.getpid(), number)
        return 0

    return life


@pytest.fixture
def children(caplog: pytest.LogCaptureFixture) -> Iterator[Children]:
    caplog.set_level(logging.DEBUG)
    children = Children()
    yield children
    children.send(signal.SIGKILL)
    for pid in [*children._by_pid]:
        os.waitpid(pid, 0)


def test_nobody_has_ended_while_all_live(children: Children) -> None:
    assert not children
    children.add(Child(forked(for_ever), WORKER, PEER))
    children.add(Child(forked(for_ever), SWEEPER))

    assert children
    assert children.reap() == []
    assert children.workers == 1


def test_without_children_reaping_does_not_wait(children: Children) -> None:
    assert children.reap() == []


def test_only_workers_count_as_workers(children: Children) -> None:
    for kind in (WORKER, SWEEPER, WORKER):
        children.add(Child(ended(lambda: 0), kind))
    assert children.workers == 2
    assert children.has(SWEEPER)

    assert len(children.reap()) == 3

    assert children.workers == 0
    assert not children.has(SWEEPER)
    assert not children.has(WORKER)
    assert not children


def test_all_that_have_ended_are_reaped_at_once_and_the_living_stay(children: Children) -> None:
    living = Child(forked(for_ever), WORKER, PEER)
    children.add(living)
    dead = [Child(ended(lambda: 0), WORKER, PEER) for _ in range(5)]
    for child in dead:
        children.add(child)

    reaped = children.reap()

    assert {child.pid for child, _ in reaped} == {child.pid for child in dead}
    assert children.workers == 1
    assert children.has(WORKER)


@pytest.mark.parametrize(
    ("code", "level", "text", "by_its_own_will"),
    [
        (exitcodes.OK, "DEBUG", "ended", True),
        (exitcodes.REJECTED, "DEBUG", "rejected the association", True),
        (exitcodes.ABORTED, "DEBUG", "aborted the association", True),
        (exitcodes.LOST, "DEBUG", "lost its peer", True),
        (exitcodes.NOT_DICOM, "DEBUG", "met a peer that does not speak DICOM", True),
        (exitcodes.STOPPED, "INFO", "was stopped", True),
        (exitcodes.CRASHED, "ERROR", "failed: a defect of scpd, see the lines above", False),
        (99, "ERROR", "ended with exit code 99", True),
    ],
)
def test_every_exit_code_has_its_line(
    children: Children,
    caplog: pytest.LogCaptureFixture,
    code: int,
    level: str,
    text: str,
    by_its_own_will: bool,
) -> None:
    child = Child(ended(lambda: code), WORKER, PEER)
    children.add(child)

    assert children.reap() == [(child, by_its_own_will)]
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        (level, f"worker {child.pid} ({PEER}) {text}")
    ]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
def test_a_killed_child_is_named_with_its_signal_and_its_peer(
    children: Children, caplog: pytest.LogCaptureFixture, number: signal.Signals
) -> None:
    child = Child(ended(killed_by(number)), WORKER, PEER)
    children.add(child)

    assert children.reap() == [(child, False)]
    (record,) = caplog.records
    assert record.levelname == "ERROR"
    text = f"worker {child.pid} ({PEER}) was killed by signal {number.value} ({signal.strsignal(number)})"
    assert record.getMessage() == text


def test_a_child_without_a_peer_is_named_by_its_kind(
    children: Children, caplog: pytest.LogCaptureFixture
) -> None:
    child = Child(ended(lambda: 0), SWEEPER)
    children.add(child)
    children.reap()

    assert caplog.messages == [f"sweeper {child.pid} ended"]


def test_a_child_that_is_not_in_the_table_is_passed_over(children: Children) -> None:
    known, unknown = ended(lambda: 0), ended(lambda: 0)
    children.add(Child(known, WORKER, PEER))
    children.add(Child(forked(for_ever), WORKER, PEER))

    assert [child.pid for child, _ in children.reap()] == [known]
    with pytest.raises(ChildProcessError):
        os.waitpid(unknown, os.WNOHANG)


def test_a_signal_reaches_every_child_the_dead_ones_too(children: Children) -> None:
    for life in (for_ever, for_ever):
        children.add(Child(forked(life), WORKER, PEER))
    children.add(Child(ended(lambda: 0), WORKER, PEER))

    children.send(signal.SIGKILL)

    for pid in [*children._by_pid]:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert len(children.reap()) == 3


def test_a_successor_has_the_same_children(children: Children, caplog: pytest.LogCaptureFixture) -> None:
    children.add(Child(ended(lambda: 0), WORKER, Peer(("2001:db8::1", 4711))))
    children.add(Child(ended(lambda: 0), STANDBY))
    children.add(Child(forked(for_ever), KEEPER))
    rows = literal_eval(repr(children.estate()))
    successor = Children()

    taken = successor.take_over(rows)

    assert [(child.kind, str(child.peer or "")) for child in taken] == [
        (WORKER, "[2001:db8::1]:4711"),
        (STANDBY, ""),
        (KEEPER, ""),
    ]
    assert successor.workers == 1
    assert {child.pid for child, _ in successor.reap()} == {child.pid for child in taken[:2]}
    assert f"worker {taken[0].pid} ([2001:db8::1]:4711) ended" in caplog.messages
    assert successor.workers == 0
    assert successor.has(KEEPER)
    children._by_pid = successor._by_pid


def test_what_a_check_found_is_not_for_the_table_to_say(
    children: Children, caplog: pytest.LogCaptureFixture
) -> None:
    for life in (lambda: 1, killed_by(signal.SIGKILL)):
        child = Child(ended(life), CHECKER)
        children.add(child)
        assert children.reap() == [(child, True)]
    assert caplog.records == []


def test_they_are_counted_by_their_kind(children: Children) -> None:
    for kind in (WORKER, SWEEPER, WORKER):
        children.add(Child(forked(for_ever), kind))
    assert [children.count(kind) for kind in (WORKER, SWEEPER, KEEPER)] == [2, 1, 0]
    assert children.has_others_than(WORKER)
    assert not children.has_others_than(WORKER, SWEEPER)
    assert len([*children]) == 3


def test_how_a_child_ended_is_known_when_it_was_reaped(children: Children) -> None:
    killed, ended_well = Child(ended(killed_by(signal.SIGKILL)), WORKER), Child(ended(lambda: 12), WORKER)
    for child in (killed, ended_well):
        children.add(child)
    children.reap()
    assert (killed.exit_code, ended_well.exit_code) == (-signal.SIGKILL, 12)
