"""Conversion patterns taken apart, and what storescp says about those that cannot be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scpd.log.patterns import Conversion, parse
from tests.harness.log_records import complaints


def parts(pattern: str) -> list[object]:
    return [
        each
        if isinstance(each, str)
        else (each.letter, each.option, each.width, each.most, "left" if each.is_left else "right")
        for each in parse(pattern, lambda severity, text: None)
    ]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("", []),
        ("text", ["text"]),
        ("a%mb%n", ["a", ("m", "", 0, None, "right"), "b", ("n", "", 0, None, "right")]),
        ("%%m", ["%", "m"]),
        ("%5p", [("p", "", 5, None, "right")]),
        ("%-5p", [("p", "", 5, None, "left")]),
        ("%--05p", [("p", "", 5, None, "left")]),
        ("%.3p", [("p", "", 0, 3, "right")]),
        ("%-7.0m", [("m", "", 7, 0, "left")]),
        ("%c{2}x", [("c", "2", 0, None, "right"), "x"]),
        ("%d{}%D{%H:%M}", [("d", "", 0, None, "right"), ("D", "%H:%M", 0, None, "right")]),
        ("%m{2}", [("m", "", 0, None, "right"), "{2}"]),
        ("%D {x}", [("D", "", 0, None, "right"), " {x}"]),
        ("end%", ["end", "%"]),
        ("end%-5", ["end", "%-5"]),
        ("end%5.", ["end", "%5."]),
        ("%99999999999999999999p", [("p", "", 4096, None, "right")]),
    ],
)
def test_a_pattern_is_literals_and_conversions(pattern: str, expected: list[object]) -> None:
    assert parts(pattern) == expected


@pytest.mark.parametrize(
    ("pattern", "said", "rest"),
    [
        ("ab%z%m", "Unexpected char [z] at position 4 in conversion pattern.", ["ab", "%z", "m"]),
        ("%5-p", "Unexpected char [-] at position 3 in conversion pattern.", ["%5-", "p"]),
        ("%.3.2p", "Unexpected char [.] at position 4 in conversion pattern.", ["%.3.", "2p"]),
        ("%5%", "Unexpected char [%] at position 3 in conversion pattern.", ["%5%"]),
        ("%.x", 'Error occurred in position 3. Was expecting digit, instead got char "x".', ["%.x"]),
        ("a%c{1|%m", "No matching '}' found in conversion pattern string \"a%c{1|%m\"", ["a", "c"]),
    ],
)
def test_what_cannot_be_read_stays_and_is_complained_about(pattern: str, said: str, rest: list[str]) -> None:
    found, complain = complaints()

    result = parse(pattern, complain)

    assert found == [("ERROR", said)]
    assert [each.letter if isinstance(each, Conversion) else each for each in result] == rest


@pytest.mark.parametrize(
    ("conversion", "text", "expected"),
    [
        (Conversion("m", 5), "abc", "  abc"),
        (Conversion("m", 5, is_left=True), "abc", "abc  "),
        (Conversion("m", 0, 2), "abc", "bc"),
        (Conversion("m", 5, 2), "abc", "bc"),
        (Conversion("m", 5, 2), "a", "    a"),
        (Conversion("m", 0, 0), "abc", ""),
    ],
)
def test_what_is_too_long_loses_its_front(conversion: Conversion, text: str, expected: str) -> None:
    assert conversion.fit(text) == expected


@given(st.one_of(st.text(), st.text("%mzcD{}.-0159")))
def test_any_text_is_a_pattern(pattern: str) -> None:
    found, complain = complaints()
    result = parse(pattern, complain)
    if not found and not any(isinstance(each, Conversion) for each in result):
        assert "".join(map(str, result)) == pattern.replace("%%", "%")
