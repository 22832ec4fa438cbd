"""A process that starts others for one that cannot."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from scpd.process.delegate import Delegate
from scpd.process.signals import Wakeup
from tests.harness.forked import in_child
from tests.harness.processes import children_of, wait_for_orphans
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator


def say_who(descriptor: int) -> int:
    """Tell our pid, and our parent's."""
    os.write(descriptor, f"{os.getpid()} {os.getppid()}".encode())
    return 0


def answer(delegate: Delegate) -> list[int]:
    """Ask, give the two numbers that come; the end of the file proves that nobody else has the descriptor."""
    reader, writer = os.pipe()
    delegate.ask(writer)
    os.close(writer)
    with open(reader, encoding="ascii") as file:
        return [int(word) for word in file.read().split()]


@pytest.fixture(autouse=True)
def _helpers_have_time_to_end(_no_child_is_left_behind: None) -> Iterator[None]:
    """A helper ends a moment after whom it helped."""
    yield
    wait_for_orphans()


def test_it_starts_one_process_after_the_other_for_us() -> None:
    def work() -> bool:
        delegate = Delegate(say_who, Wakeup(), ())
        (helper,) = (child.pid for child in children_of(os.getpid()))
        first, second = answer(delegate), answer(delegate)
        return first[1] == second[1] == helper and len({first[0], second[0], helper, os.getpid()}) == 4

    assert in_child(work) is True


def test_who_asks_again_waits_until_the_last_one_has_gone() -> None:
    def work() -> list[object]:
        stop_reader, stop = os.pipe()
        told, tell = os.pipe()

        def role(descriptor: int) -> int:
            os.write(tell, b".")
            os.read(stop_reader, 1)
            return say_who(descriptor)

        delegate = Delegate(role, Wakeup(), (stop_reader, tell))
        pipes = [os.pipe(), os.pipe()]
        for _, writer in pipes:
            delegate.ask(writer)
            os.close(writer)
        begun = [os.read(told, 10)]
        os.write(stop, b".")
        begun.append(os.read(told, 10))
        os.write(stop, b".")
        answers = [os.read(reader, 99) for reader, _ in pipes]
        return [begun == [b".", b"."], all(answers), answers[0] != answers[1]]

    assert in_child(work) == [True, True, True]


def test_it_ends_with_the_process_that_it_serves() -> None:
    before = {child.pid for child in children_of(os.getpid())}

    def work() -> int:
        Delegate(say_who, Wakeup(), ())
        return len(children_of(os.getpid()))

    assert in_child(work) <= 1
    for orphan in [child.pid for child in children_of(os.getpid()) if child.pid not in before]:
        wait_until(lambda orphan=orphan: os.waitid(os.P_PID, orphan, os.WEXITED | os.WNOHANG) is not None)
