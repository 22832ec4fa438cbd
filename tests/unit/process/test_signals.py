"""Signals become readable numbers; each test is a child of its own, so that pytest keeps its handlers."""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import time
from typing import TYPE_CHECKING

import pytest

from scpd.process import signals
from scpd.process.fork import spawn
from scpd.process.signals import CHILD, MASTER, Wakeup
from tests.harness.forked import exit_code, forked, in_child
from tests.harness.processes import wait_for_orphans

if TYPE_CHECKING:
    from collections.abc import Callable

# Signals 32 and 33 are the C library's own: whoever started us may have left them ignored, and nobody can change that.
OF_THREADS = 3 << 31

PR_GET_PDEATHSIG = 2
TERM, INT, HUP, CHLD = signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD


def send(*numbers: int) -> None:
    for number in numbers:
        os.kill(os.getpid(), number)


def is_readable(wakeup: Wakeup) -> bool:
    poll = select.poll()
    poll.register(wakeup, select.POLLIN)
    return bool(poll.poll(0))


def test_the_tables_say_who_hears_what() -> None:
    assert set(MASTER) == {TERM, INT, HUP, CHLD, signal.SIGUSR1, signal.SIGUSR2}
    assert CHILD == (TERM,)


def test_a_heard_signal_makes_it_readable_until_it_is_taken() -> None:
    def work() -> list[object]:
        wakeup = Wakeup()
        before = [is_readable(wakeup), wakeup.signalled]
        send(TERM)
        during = [is_readable(wakeup), wakeup.signalled, list(wakeup.take())]
        return [before, during, is_readable(wakeup), wakeup.signalled, list(wakeup.take())]

    assert in_child(work) == [[False, False], [True, True, [TERM]], False, False, []]


def test_signals_are_taken_in_their_order_and_none_is_lost() -> None:
    def work() -> list[int]:
        wakeup = Wakeup()
        send(CHLD, TERM, CHLD, INT, HUP, TERM)
        return list(wakeup.take())

    assert in_child(work) == [CHLD, TERM, CHLD, INT, HUP, TERM]


@pytest.mark.parametrize("number", [INT, HUP])
def test_who_was_started_with_a_signal_ignored_goes_on_ignoring_it(number: signal.Signals) -> None:
    # nohup(1) for SIGHUP, the shell's background jobs for SIGINT.
    def work() -> list[int]:
        signal.signal(number, signal.SIG_IGN)
        wakeup = Wakeup()
        send(number)
        return list(wakeup.take())

    assert in_child(work) == []


@pytest.mark.parametrize("number", [TERM, CHLD])
def test_sigterm_and_sigchld_are_heard_whatever_was_inherited(number: signal.Signals) -> None:
    # A master started with SIGCHLD ignored would never reap (the kernel would, and waitpid fail).
    def work() -> list[int]:
        signal.signal(number, signal.SIG_IGN)
        wakeup = Wakeup()
        send(number)
        return list(wakeup.take())

    assert in_child(work) == [number]


def test_a_poll_that_waits_is_woken() -> None:
    def work() -> list[int]:
        wakeup = Wakeup()
        poll = select.poll()
        poll.register(wakeup, select.POLLIN)
        signal.signal(signal.SIGALRM, lambda *_: send(TERM))
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        started = time.monotonic()
        assert poll.poll(20_000)
        assert time.monotonic() - started < 10
        return [number for number in wakeup.take() if number != signal.SIGALRM]

    assert in_child(work) == [TERM]


def test_a_flood_of_signals_neither_blocks_nor_raises() -> None:
    def work() -> list[int]:
        wakeup = Wakeup()
        for _ in range(70_000):
            signal.raise_signal(CHLD)
        taken = len(list(wakeup.take()))
        return [taken, wakeup.signalled]

    assert in_child(work) == [4096, False]


def test_held_signals_arrive_when_they_are_let_go() -> None:
    def work() -> list[object]:
        wakeup = Wakeup()
        signals.hold()
        send(TERM, INT, HUP, CHLD)
        held = list(wakeup.take())
        signals.let_in(MASTER)
        return [held, sorted(wakeup.take())]

    assert in_child(work) == [[], sorted([TERM, INT, HUP, CHLD])]


def test_restored_signals_are_blocked_as_before_they_were_held() -> None:
    def work() -> list[object]:
        wakeup = Wakeup()
        signal.pthread_sigmask(signal.SIG_BLOCK, [HUP])
        mask = signals.hold()
        send(TERM, HUP)
        held = list(wakeup.take())
        signals.restore(mask)
        return [held, list(wakeup.take()), signal.pthread_sigmask(signal.SIG_BLOCK, []) == {HUP}]

    assert in_child(work) == [[], [TERM], True]


def test_what_a_child_does_not_hear_is_held_back_and_does_not_end_it() -> None:
    def work() -> list[int]:
        wakeup = Wakeup()
        signals.hold()
        signals.let_in(CHILD)
        send(INT, HUP, CHLD, TERM)
        return list(wakeup.take())

    assert in_child(work) == [TERM]


def test_renewed_it_has_forgotten_what_came_and_has_a_pipe_of_its_own() -> None:
    def work() -> list[object]:
        wakeup = Wakeup()
        send(TERM)
        before = wakeup.fileno()
        wakeup.renew()
        forgotten = [wakeup.signalled, list(wakeup.take()), wakeup.fileno() != before]
        send(TERM)
        return [forgotten, wakeup.signalled, list(wakeup.take()), len(os.read(before, 9))]

    assert in_child(work) == [[False, [], True], True, [TERM], 1]


def test_its_descriptors_do_not_pass_to_programs_that_are_run() -> None:
    def work() -> bool:
        return os.get_inheritable(Wakeup().fileno())

    assert in_child(work) is False


def test_it_costs_no_handler_that_decides() -> None:
    """Python's own handler only notes the signal: whatever it did could happen between any two lines."""

    def work() -> list[object]:
        wakeup = Wakeup()
        handler: Callable[..., object] = signal.getsignal(TERM)  # type: ignore[assignment]
        return [handler(TERM, None), wakeup.signalled]

    assert in_child(work) == [None, True]


def test_a_program_that_is_run_finds_nothing_of_ours() -> None:
    reader, writer = os.pipe()

    def life() -> int:
        Wakeup()
        signal.signal(signal.SIGUSR2, signal.SIG_IGN)
        signals.hold()
        signals.reset()
        os.dup2(writer, 1)
        os.execv("/bin/cat", ["cat", "/proc/self/status"])

    assert exit_code(forked(life)) == 0
    os.close(writer)
    with open(reader, encoding="utf-8") as file:
        lines = dict(line.split(":", 1) for line in file)
    assert [int(lines[name], 16) & ~OF_THREADS for name in ("SigBlk", "SigIgn", "SigCgt")] == [0, 0, 0]


# The death of the master


def orphan(
    role: Callable[[Wakeup], object], grace: float, held: tuple[int, ...] = ()
) -> tuple[object, float]:
    """Give what the child of a master says that has died, and the seconds from that death to the child's end.

    Signals `held` are blocked in it before that death.
    """
    reader, writer = os.pipe()

    def master() -> int:
        ready, told = os.pipe()
        wakeup = Wakeup(grace)

        def child() -> int:
            signal.pthread_sigmask(signal.SIG_BLOCK, held)
            os.write(told, b".")
            os.write(writer, json.dumps(role(wakeup)).encode())
            return 0

        spawn(child, wakeup, (told, writer))
        os.read(ready, 1)
        return 0

    assert exit_code(forked(master)) == 0
    os.close(writer)
    begin = time.monotonic()
    with open(reader, encoding="ascii") as file:
        text = file.read()
    seconds = time.monotonic() - begin
    wait_for_orphans()
    return json.loads(text or "null"), seconds


def pause(wakeup: Wakeup, seconds: float) -> None:
    poll = select.poll()
    poll.register(wakeup, select.POLLIN)
    end = time.monotonic() + seconds
    while not wakeup.signalled and (left := end - time.monotonic()) > 0:
        poll.poll(left * 1000)


def test_a_child_has_the_grace_period_when_its_master_has_died() -> None:
    def role(wakeup: Wakeup) -> list[object]:
        pause(wakeup, 20)
        return [wakeup.signalled, list(wakeup.take())]

    said, seconds = orphan(role, 0.5)
    assert said == [True, [signal.SIGALRM]]
    assert 0.3 < seconds < 10


def test_a_child_that_finishes_in_time_is_not_disturbed() -> None:
    def role(wakeup: Wakeup) -> list[object]:
        pause(wakeup, 0.3)
        return [wakeup.signalled, is_readable(wakeup)]

    assert orphan(role, 20)[0] == [False, False]


def test_no_grace_is_none() -> None:
    def role(wakeup: Wakeup) -> list[object]:
        pause(wakeup, 20)
        return [wakeup.signalled, wakeup.cause]

    said, seconds = orphan(role, 0)
    assert said == [True, "the master died and the grace period ended"]
    assert seconds < 10


def test_a_sigterm_that_comes_with_the_death_of_the_master_is_not_lost() -> None:
    both = (TERM, signals.ORPHANED)

    def role(wakeup: Wakeup) -> list[object]:
        while signals.ORPHANED not in signal.sigpending():
            time.sleep(0.01)
        send(TERM)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, both)
        return [wakeup.signalled, list(wakeup.take()), wakeup.cause]

    assert orphan(role, 20, both)[0] == [True, [TERM], "stopped by the administrator"]


def test_a_child_that_does_not_end_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signals, "_LEAVE_SECONDS", 0.2)

    def role(wakeup: Wakeup) -> None:
        for _ in range(100):
            time.sleep(0.2)

    said, seconds = orphan(role, 0.1)
    assert said is None
    assert seconds < 10


def test_a_child_that_is_born_when_its_master_is_dead_learns_of_it_too() -> None:
    class Late(Wakeup):
        def renew(self) -> None:
            if self._master:
                self._master = 1 << 30
            super().renew()

    def work() -> bool:
        wakeup = Late(0.0)

        def child() -> int:
            pause(wakeup, 20)
            return int(wakeup.signalled)

        return exit_code(spawn(child, wakeup, ())) == 1

    assert in_child(work)


def death_signal() -> int:
    number = ctypes.c_int()
    assert ctypes.CDLL(None).prctl(PR_GET_PDEATHSIG, ctypes.byref(number)) == 0
    return number.value


def test_only_the_own_children_of_a_master_wait_for_his_death() -> None:
    def work() -> list[int]:
        wakeup = Wakeup(20)
        return [
            exit_code(spawn(death_signal, wakeup, ())),
            exit_code(spawn(lambda: exit_code(spawn(death_signal, wakeup, ())), wakeup, ())),
            exit_code(spawn(death_signal, Wakeup(), ())),
        ]

    assert in_child(work) == [signals.ORPHANED, 0, 0]
