"""Section 3, line 1: the stars of libwrap, in time that does not grow with their number."""

from __future__ import annotations

import re
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scpd.access.wildcards import Wildcard


@pytest.mark.parametrize(
    ("pattern", "text", "is_match"),
    [
        ("*", "10.1.2.3", True),
        ("*", "", True),
        ("10.1.*", "10.1.2.3", True),
        ("10.?.2.3", "10.1.2.3", True),
        ("10.?.2.3", "10.12.2.3", False),
        ("10*3", "10.1.2.3", True),
        ("10.1.2.3*", "10.1.2.3", True),
        ("10.1.2.3**", "10.1.2.3", False),
        ("10.1.2.3**", "10.1.2.30", True),
        ("10.1.2.3***", "10.1.2.3", False),
        ("**3", "10.1.2.3", True),
        ("**", "", False),
        ("**", "x", True),
        ("10.1.2.3?", "10.1.2.3", False),
        ("????????", "storescp", True),
        ("a*b*c", "abc", True),
        ("a*b*c", "acb", False),
        ("*a*a", "a", False),
        ("*ab*ab", "abab", True),
        ("*ab*ab", "ab", False),
        ("a?*?b", "axyb", True),
        ("a?*?b", "axb", False),
        ("[a]*", "a", False),
        ("*.*", "a\nb.c", True),
    ],
)
def test_each_line_of_the_table(pattern: str, text: str, is_match: bool) -> None:
    assert Wildcard(pattern).matches(text) is is_match


@given(st.text("ab?*", max_size=12), st.text("ab", max_size=12))
def test_it_is_what_a_search_that_goes_back_finds(pattern: str, text: str) -> None:
    least = re.sub(r"\*\*+$", "?*", pattern)
    expected = re.fullmatch("".join({"*": ".*", "?": "."}.get(each, each) for each in least), text)
    assert Wildcard(pattern).matches(text) is bool(expected)


def test_many_stars_and_marks_take_no_longer_than_few() -> None:
    started = process_time()
    for pattern in ("*a" * 1000, "*?a" * 600, "*a?" * 600 + "b", "?*" * 1000):
        Wildcard(pattern).matches("a" * 20_000 + "b")
    assert process_time() - started < 2
