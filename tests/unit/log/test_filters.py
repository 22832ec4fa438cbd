"""The verdicts of an appender's filters."""

from __future__ import annotations

import logging

import pytest

from scpd.log.filters import Chain, integer, is_true, level_of
from tests.harness.log_records import a_record

ALL = "FEWIDT"
LEVELS = dict(zip(ALL, (50, 40, 30, 20, 10, 5), strict=True))
DENY = ("DenyAllFilter", {})


def passed(*chain: tuple[str, dict[str, str]]) -> str:
    found = Chain(chain)
    return "".join(
        letter for letter, level in LEVELS.items() if found.filter(a_record("Echo %s", "no", level=level))
    )


@pytest.mark.parametrize(
    ("chain", "letters"),
    [
        ([], ALL),
        ([DENY], ""),
        ([("LogLevelMatchFilter", {"LogLevelToMatch": "warn"})], "FEIDT"),
        ([("LogLevelMatchFilter", {"LogLevelToMatch": "warn", "AcceptOnMatch": "true"})], ALL),
        ([("LogLevelMatchFilter", {"LogLevelToMatch": "WARN", "AcceptOnMatch": "TRUE"}), DENY], "W"),
        ([("LogLevelMatchFilter", {"AcceptOnMatch": "true"}), DENY], ""),
        ([("LogLevelMatchFilter", {"LogLevelToMatch": "what"})], ALL),
        ([("LogLevelRangeFilter", {"LogLevelMin": "WARN", "LogLevelMax": "ERROR"})], "EW"),
        ([("LogLevelRangeFilter", {"LogLevelMin": "WARN"})], "FEW"),
        ([("LogLevelRangeFilter", {"LogLevelMax": "WARN"})], "WIDT"),
        ([("LogLevelRangeFilter", {"LogLevelMin": "WARN"}), DENY], ""),
        ([("LogLevelRangeFilter", {"LogLevelMin": "WARN", "AcceptOnMatch": "1"}), DENY], "FEW"),
        ([("StringMatchFilter", {"StringToMatch": "Echo no"})], ""),
        ([("StringMatchFilter", {"StringToMatch": "echo"})], ALL),
        ([("StringMatchFilter", {"StringToMatch": "no", "AcceptOnMatch": "true"}), DENY], ALL),
        ([("StringMatchFilter", {"StringToMatch": "", "AcceptOnMatch": "true"}), DENY], ""),
    ],
)
def test_the_first_that_says_something_decides(chain: list[tuple[str, dict[str, str]]], letters: str) -> None:
    assert passed(*chain) == letters


@pytest.mark.parametrize(
    ("word", "with_false", "with_true"),
    [
        ("true", True, True),
        ("TRUE", True, True),
        ("False", False, False),
        ("1", True, True),
        ("0", False, False),
        ("-1", True, True),
        ("yes", False, True),
        ("", False, True),
        ("1x", False, True),
        ("²", False, True),
    ],
)
def test_booleans(word: str, with_false: bool, with_true: bool) -> None:
    assert is_true(word) == with_false
    assert is_true(word, default=True) == with_true


@pytest.mark.parametrize(("word", "number"), [("12", 12), ("-3", -3), ("x", 7), ("", 7), ("9" * 5000, 7)])
def test_numbers(word: str, number: int) -> None:
    assert integer(word, 7) == number


def test_levels() -> None:
    assert [level_of(word) for word in ("Info", "ALL", "off", "INHERITED", "")] == [logging.INFO, 5, 60, 0, 0]
