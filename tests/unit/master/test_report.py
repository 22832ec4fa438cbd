"""How the master is, as ps(1) and a service manager learn it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from scpd.master.report import Report

if TYPE_CHECKING:
    from scpd.process.notify import Manager
    from scpd.process.titles import Title


class Shown:
    """In place of the title of this process."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def show(self, text: str) -> None:
        self.texts.append(text)


class Listening:
    """A service manager that notes what it hears, while it is there."""

    def __init__(self, watchdog_seconds: float | None = None) -> None:
        self.watchdog_seconds = watchdog_seconds
        self.is_there = True
        self.heard: list[tuple[str, ...]] = []

    def tell(self, *lines: str) -> bool:
        if self.is_there:
            self.heard.append(lines)
        return self.is_there


def report(manager: Listening | None, title: Shown | None = None) -> Report:
    shown: Title = title or Shown()  # type: ignore[assignment]
    told: Manager | None = manager  # type: ignore[assignment]
    made = Report(shown, "104 and 11112", told)
    made.show(0, is_ending=False)
    return made


@pytest.mark.parametrize(
    ("associations", "is_ending", "text"),
    [
        (0, False, "master, 0 associations on 104 and 11112"),
        (1, False, "master, 1 association on 104 and 11112"),
        (2, True, "master, draining, 2 associations on 104 and 11112"),
    ],
)
def test_the_title_has_the_figures(associations: int, is_ending: bool, text: str) -> None:
    title = Shown()
    report(None, title).show(associations, is_ending=is_ending)
    assert title.texts[-1] == text


def test_the_manager_hears_what_earlier_associations_have_stored_and_the_title_does_not() -> None:
    manager, title = Listening(), Shown()
    made = report(manager, title)
    made.show(2, 1, is_ending=False)
    made.keep_time(1.0)
    made.show(2, 12, is_ending=False)
    made.keep_time(2.0)
    assert [lines[-1] for lines in manager.heard] == [
        "STATUS=2 associations on 104 and 11112, 1 object stored",
        "STATUS=2 associations on 104 and 11112, 12 objects stored",
    ]
    assert title.texts[-1] == "master, 2 associations on 104 and 11112"


def test_without_a_manager_nothing_is_due() -> None:
    made = report(None)
    made.keep_time(1.0)
    made.stopping()
    assert made.next_time() is None


def test_it_is_ready_when_time_is_first_kept() -> None:
    manager = Listening()
    made = report(manager)
    assert made.next_time() == 0.0
    made.keep_time(100.0)
    assert manager.heard == [("READY=1", "STATUS=0 associations on 104 and 11112")]
    assert made.next_time() is None


def test_figures_are_told_once_a_second_and_the_last_ones_are() -> None:
    manager = Listening()
    made = report(manager)
    for step in range(1000):
        made.show(step, is_ending=False)
        made.keep_time(100.0 + step / 100)
    assert [lines[-1] for lines in manager.heard] == [
        f"STATUS={count * 100} association{'' if count * 100 == 1 else 's'} on 104 and 11112"
        for count in range(10)
    ]
    assert made.next_time() == 110.0
    made.keep_time(110.0)
    assert manager.heard[-1] == ("STATUS=999 associations on 104 and 11112",)


def test_what_is_the_same_again_is_not_told() -> None:
    manager = Listening()
    made = report(manager)
    made.keep_time(100.0)
    made.show(1, is_ending=False)
    made.show(0, is_ending=False)
    made.keep_time(200.0)
    assert len(manager.heard) == 1


def test_the_end_is_told_at_once() -> None:
    manager = Listening()
    made = report(manager)
    made.keep_time(100.0)
    made.stopping()
    made.show(1, is_ending=True)
    made.keep_time(100.0)
    assert manager.heard[1:] == [("STOPPING=1", "STATUS=draining, 1 association on 104 and 11112")]


def test_that_it_is_ready_is_told_until_it_went_out() -> None:
    manager = Listening()
    manager.is_there = False
    made = report(manager)
    made.keep_time(100.0)
    assert made.next_time() == 101.0
    manager.is_there = True
    made.keep_time(101.0)
    assert manager.heard == [("READY=1", "STATUS=0 associations on 104 and 11112")]


def test_a_sign_of_life_is_given_twice_in_the_time_that_is_waited_for_it() -> None:
    manager = Listening(watchdog_seconds=30.0)
    made = report(manager)
    for second in range(100, 160):
        made.keep_time(float(second))
    assert [lines for lines in manager.heard if lines == ("WATCHDOG=1",)] == [("WATCHDOG=1",)] * 4
    assert made.next_time() == 160.0
