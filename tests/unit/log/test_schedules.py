"""When a period ends, and what its file is called."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from scpd.log.schedules import SCHEDULES

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _in_germany(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
        time.tzset()
        yield
    time.tzset()


def at(text: str) -> float:
    """A local time as seconds since 1970."""
    return time.mktime(time.strptime(text, "%Y-%m-%d %H:%M:%S"))


@pytest.mark.parametrize(
    ("schedule", "last", "first", "ending"),
    [
        ("MONTHLY", "2026-11-30 23:59:59", "2026-12-01 00:00:00", "2026-11"),
        ("WEEKLY", "2026-11-28 23:59:59", "2026-11-29 00:00:00", "2026-46"),
        ("WEEKLY", "2027-01-02 23:59:59", "2027-01-03 00:00:00", "2026-51"),
        ("DAILY", "2026-11-30 23:59:59", "2026-12-01 00:00:00", "2026-11-30"),
        ("TWICE_DAILY", "2026-11-30 11:59:59", "2026-11-30 12:00:00", "2026-11-30-AM"),
        ("TWICE_DAILY", "2026-11-30 23:59:59", "2026-12-01 00:00:00", "2026-11-30-PM"),
        ("HOURLY", "2026-11-30 09:59:59", "2026-11-30 10:00:00", "2026-11-30-09"),
        ("MINUTELY", "2026-12-31 23:59:59", "2027-01-01 00:00:00", "2026-12-31-23-59"),
        ("DAILY", "2026-03-29 23:59:59", "2026-03-30 00:00:00", "2026-03-29"),
        ("HOURLY", "2026-03-29 01:59:59", "2026-03-29 03:00:00", "2026-03-29-01"),
    ],
)
def test_a_period_ends_and_its_file_has_its_name(schedule: str, last: str, first: str, ending: str) -> None:
    found = SCHEDULES[schedule]
    assert found.period(at(last) - 1) == found.period(at(last)) < found.period(at(first))
    assert found.period(at(first)) == found.period(at(first) + 1)
    assert found.ending(at(last)) == ending


def test_the_hour_that_comes_twice_is_one_period() -> None:
    before = at("2026-10-25 01:59:59")
    hours = [SCHEDULES["HOURLY"].period(before + 1 + 1800 * half) for half in range(6)]
    assert [hour[3] for hour in hours] == [2, 2, 2, 2, 3, 3]


def test_a_day_of_25_hours_is_one_period() -> None:
    midnight = at("2026-10-25 00:00:00")
    days = [SCHEDULES["DAILY"].period(midnight + 3600 * hour) for hour in range(26)]
    assert len(set(days[:25])) == 1
    assert days[25] > days[24]


def test_every_schedule_begins_at_a_full_minute() -> None:
    for schedule in SCHEDULES.values():
        for minute in range(0, 60 * 24 * 40, 7):
            begin = at("2026-10-20 00:00:00") + minute * 60
            assert schedule.period(begin) == schedule.period(begin + 59.9)
