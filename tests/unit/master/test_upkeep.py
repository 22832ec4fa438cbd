"""One keeper is kept alive: forked again when it ends, later and later, and killed when it gives no sign of life.

Times are numbers, ahead of the clock by which a heartbeat is dated.
"""

from __future__ import annotations

import errno
import logging
import os
import signal
from time import monotonic
from typing import TYPE_CHECKING

import pytest

from scpd.master.children import KEEPER, Child, Children
from scpd.master.upkeep import Heartbeat, Upkeep
from tests.harness.commands import ForkedWakeup
from tests.harness.forked import forked
from tests.harness.processes import children_of, is_running
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SILENCE = 60.0
LONGEST_DELAY = 30.0


class Scene:
    """An upkeep whose keepers do nothing but wait to be killed."""

    def __init__(self, role: Callable[..., int] | None) -> None:
        self.children = Children()
        self.upkeep = Upkeep(role, self.children, ForkedWakeup(), ())  # type: ignore[arg-type]
        self.before = {child.pid for child in children_of(os.getpid())}

    def keepers(self) -> list[int]:
        return [it.pid for it in children_of(os.getpid()) if it.pid not in self.before and it.is_running]

    def keeper(self) -> int:
        (pid,) = self.keepers()
        return pid

    def reap(self, pid: int, now: float) -> None:
        wait_until(lambda: not is_running(pid), 30)
        (ended,) = self.children.reap()
        assert ended[0].pid == pid
        self.upkeep.reaped(pid, now)

    def end(self) -> None:
        for pid in self.keepers():
            os.kill(pid, signal.SIGKILL)
            self.reap(pid, 0)


def wait_for_ever(*_: object) -> int:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM,))
    while True:
        signal.pause()


@pytest.fixture
def scene() -> Iterator[Scene]:
    made = Scene(wait_for_ever)
    yield made
    made.end()


def test_there_is_one_keeper_however_often_one_looks(scene: Scene) -> None:
    now = monotonic()
    for _ in range(3):
        scene.upkeep.keep(now)
    assert scene.keeper()
    assert scene.children.has(KEEPER)


def test_without_a_role_there_is_none() -> None:
    scene = Scene(None)
    scene.upkeep.keep(monotonic())
    assert scene.keepers() == []
    assert scene.upkeep.next_time() is None
    scene.upkeep.end(monotonic(), None)


def test_a_keeper_that_ends_again_and_again_is_forked_later_and_later(scene: Scene) -> None:
    now, delays = monotonic(), []
    for _ in range(9):
        scene.upkeep.keep(now)
        pid = scene.keeper()
        os.kill(pid, signal.SIGKILL)
        scene.reap(pid, now)
        at = scene.upkeep.next_time()
        assert at is not None
        scene.upkeep.keep(at - 0.001)
        assert scene.keepers() == []
        delays.append(round(at - now, 3))
        now = at
    assert delays == [0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, LONGEST_DELAY, LONGEST_DELAY]


def test_that_no_keeper_can_be_forked_is_an_error_once_a_minute(
    scene: Scene, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> int:
        raise OSError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr("scpd.master.upkeep.spawn", fails)
    caplog.set_level(logging.INFO)
    begin = now = monotonic()
    while now < begin + 119:
        scene.upkeep.keep(now)
        due = scene.upkeep.next_time()
        assert due is not None
        now = due if due > now else now + 0.1
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert {record.getMessage() for record in caplog.records} == {
        "cannot fork a keeper: Resource temporarily unavailable"
    }
    assert len(errors) == 2
    assert len(caplog.records) > 8


def test_a_keeper_that_has_worked_for_a_while_is_replaced_at_once(scene: Scene) -> None:
    now = monotonic()
    for lasts in (1.0, 1.0, SILENCE + 1):
        scene.upkeep.keep(now)
        pid = scene.keeper()
        os.kill(pid, signal.SIGKILL)
        scene.reap(pid, now + lasts)
        at = scene.upkeep.next_time()
        assert at is not None
        delay, now = at - now - lasts, at
    assert delay == pytest.approx(0)


def test_a_keeper_that_gives_no_sign_of_life_for_a_minute_is_killed_once(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    now = monotonic()
    scene.upkeep.keep(now)
    pid = scene.keeper()
    os.kill(pid, signal.SIGSTOP)
    scene.upkeep.keep(now + SILENCE - 1)
    assert is_running(pid)
    due = scene.upkeep.next_time()
    assert due is not None
    assert now + SILENCE < due < now + SILENCE + 2
    scene.upkeep.keep(due)
    scene.upkeep.keep(due + 1)  # not reaped yet: no second shot, no second keeper
    scene.reap(pid, due + 2)
    assert len([it for it in caplog.messages if "no sign of life" in it]) == 1
    scene.upkeep.keep(due + 2)
    assert scene.keeper() != pid


def test_a_sign_of_life_comes_from_the_child() -> None:
    heartbeat = Heartbeat()
    assert heartbeat.last() == 0.0
    pid = os.fork()
    if not pid:
        heartbeat.beat()
        os._exit(0)
    os.waitpid(pid, 0)
    assert 0 < heartbeat.last() <= monotonic()


def test_at_the_end_a_keeper_has_at_least_ten_seconds(scene: Scene) -> None:
    now = monotonic()
    scene.upkeep.keep(now)
    pid = scene.keeper()
    os.kill(pid, signal.SIGSTOP)  # it does not even see that it is told to end
    scene.upkeep.end(now, now + 3)
    assert scene.upkeep.next_time() == now + 11  # one more, for it to end by itself
    scene.upkeep.end(now + 10.9, now + 3)
    assert is_running(pid)
    scene.upkeep.end(now + 11, now + 3)
    scene.reap(pid, now + 11)


def test_a_keeper_that_is_told_to_end_goes(scene: Scene) -> None:
    now = monotonic()
    scene.upkeep.keep(now)
    pid = scene.keeper()
    wait_until(lambda: _hears_sigterm(pid), 30)
    scene.upkeep.end(now, now + 30)
    scene.reap(pid, now)
    assert scene.keepers() == []


def _hears_sigterm(pid: int) -> bool:
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
        lines = dict(line.split(":", 1) for line in file)
    bit = 1 << (signal.SIGTERM - 1)
    return not any(int(lines[name], 16) & bit for name in ("SigBlk", "SigCgt", "SigIgn"))


def test_the_keeper_of_the_master_before_us_ends_before_there_is_another(scene: Scene) -> None:
    now = monotonic()
    pid = forked(wait_for_ever)
    scene.children.add(Child(pid, KEEPER))
    scene.upkeep.take_over(pid, now)
    scene.upkeep.keep(now + SILENCE - 1)
    assert scene.keepers() == [pid]
    os.kill(pid, signal.SIGKILL)
    scene.reap(pid, now + 1)
    assert scene.upkeep.next_time() == now + 1
    scene.upkeep.keep(now + 1)
    assert scene.keeper() != pid


def test_the_keeper_of_the_master_before_us_is_killed_if_it_does_not_end(scene: Scene) -> None:
    now = monotonic()
    pid = forked(wait_for_ever)
    scene.children.add(Child(pid, KEEPER))
    scene.upkeep.take_over(pid, now)
    scene.upkeep.keep(now + SILENCE + 1)
    scene.reap(pid, now + SILENCE + 1)


def test_one_that_was_told_to_end_has_no_successor(scene: Scene) -> None:
    now = monotonic()
    scene.upkeep.keep(now)
    pid = scene.keeper()
    wait_until(lambda: _hears_sigterm(pid), 30)
    scene.upkeep.end(now, None)
    scene.reap(pid, now)
    scene.upkeep.keep(now + 100)
    assert scene.keepers() == []


def test_what_is_told_of_it_is_who_it_is_and_how_long_it_has_been_silent(scene: Scene) -> None:
    now = monotonic()
    assert scene.upkeep.facts(now) == {"pid": None, "silence": None}
    scene.upkeep.keep(now)
    assert scene.upkeep.facts(now + 2.5) == {"pid": scene.keeper(), "silence": 2.5}
