"""The periods of a DailyRollingFileAppender, in local time, and what a file of a past period is called.

A period is a tuple that grows with time; two moments are of one period if their tuples are equal.  When clocks are set
back in autumn an hour has one period twice, and its file two hours.
"""

from __future__ import annotations

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Period = tuple[int, ...]

_NOON = 12


class Schedule:
    """How long a file is written to."""

    __slots__ = ("_begin", "_format")

    def __init__(self, begin: Callable[[time.struct_time], Period], name_format: str) -> None:
        self._begin = begin
        self._format = name_format

    def period(self, moment: float) -> Period:
        """Give the period of a moment (seconds since 1970)."""
        return self._begin(time.localtime(moment))

    def ending(self, moment: float) -> str:
        """Give what is put behind the name of a file that was written to in this period."""
        begin = time.localtime(moment)
        if self._begin is _week:
            begin = _sunday(begin)
        return time.strftime(self._format, begin)


def _month(when: time.struct_time) -> Period:
    return when.tm_year, when.tm_mon


def _sunday(when: time.struct_time) -> time.struct_time:
    """Give noon of the Sunday that began this week: noon is never skipped or doubled."""
    days = (when.tm_wday + 1) % 7
    noon = (when.tm_year, when.tm_mon, when.tm_mday - days, _NOON, 0, 0, 0, 0, -1)
    return time.localtime(time.mktime(noon))


def _week(when: time.struct_time) -> Period:
    return _day(_sunday(when))


def _day(when: time.struct_time) -> Period:
    return when.tm_year, when.tm_mon, when.tm_mday


def _half_day(when: time.struct_time) -> Period:
    return (*_day(when), when.tm_hour // _NOON)


def _hour(when: time.struct_time) -> Period:
    return (*_day(when), when.tm_hour)


def _minute(when: time.struct_time) -> Period:
    return (*_hour(when), when.tm_min)


DEFAULT = "DAILY"
SCHEDULES = {
    "MONTHLY": Schedule(_month, "%Y-%m"),
    "WEEKLY": Schedule(_week, "%Y-%W"),
    "DAILY": Schedule(_day, "%Y-%m-%d"),
    "TWICE_DAILY": Schedule(_half_day, "%Y-%m-%d-%p"),
    "HOURLY": Schedule(_hour, "%Y-%m-%d-%H"),
    "MINUTELY": Schedule(_minute, "%Y-%m-%d-%H-%M"),
}
