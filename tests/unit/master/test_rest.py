"""What a master does while the machine lacks something; the clock is the real one, and asked about other times."""

from __future__ import annotations

import logging
from time import monotonic

import pytest

from scpd.master.rest import Rest


@pytest.fixture(autouse=True)
def _logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)


def test_there_is_none_before_something_is_missing() -> None:
    rest = Rest()
    assert rest.until is None
    assert rest.is_over(0.0)


def test_it_takes_half_a_second() -> None:
    rest = Rest()
    before = monotonic()
    rest.begin("cannot fork")
    assert rest.until is not None
    assert before + 0.5 <= rest.until <= monotonic() + 0.5
    assert not rest.is_over(before + 0.4)
    assert rest.is_over(rest.until)
    assert rest.until is None


def test_what_is_missing_is_said_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    rest = Rest()
    rest.begin("cannot fork")
    rest.begin("cannot fork")
    rest.complain("cannot accept")
    assert caplog.messages == ["cannot fork; trying again every 0.5 s"]
    assert caplog.records[0].levelno == logging.ERROR
