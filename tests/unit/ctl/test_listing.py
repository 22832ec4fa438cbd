"""Columns and spans of time."""

from __future__ import annotations

import pytest

from scpd.ctl.listing import as_json, span, table


def test_columns_are_as_wide_as_what_stands_in_them() -> None:
    assert table(("A", "LONG"), [("abc", "d"), ("", "e\n")]) == "A    LONG\nabc  d\n-    e\\x0a\n"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "-"),
        (0.4, "0 s"),
        (119, "119 s"),
        (120, "2 min"),
        (7199, "120 min"),
        (7200, "2 h"),
        (172800, "2 d"),
        (-200, "-3 min"),
    ],
)
def test_a_span_has_its_largest_unit_that_counts_twice(seconds: float | None, text: str) -> None:
    assert span(seconds) == text


def test_json_has_an_object_on_each_line() -> None:
    assert as_json([]) == "[\n]\n"
    assert as_json([{"a": 1}, {"a": "\x1b"}]) == '[\n{"a": 1},\n{"a": "\\u001b"}\n]\n'
