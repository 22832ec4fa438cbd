"""What comes from the network is shown, not obeyed."""

from __future__ import annotations

import logging
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scpd.log.escape import Trusted, escape, exception_text, make_record, text_of


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text, caf\xe9 \u65e5", "plain text, caf\xe9 \u65e5"),
        ("a\nb\r\t\0", "a\\x0ab\\x0d\\x09\\x00"),
        ("\x1b[31m\x7f\x9b", "\\x1b[31m\\x7f\\x9b"),
        ("\u2028\u2029\u202e\u2066", "\\u2028\\u2029\\u202e\\u2066"),
        ("\udcff\ud800", "\\udcff\\ud800"),
        ("\U000e0001", "\\U000e0001"),
    ],
)
def test_what_cannot_be_printed_is_escaped(text: str, shown: str) -> None:
    assert escape(text) == shown


@given(st.text(st.characters()))
def test_any_text_becomes_printable(text: str) -> None:
    assert escape(text).isprintable()


def text(message: object, *arguments: object) -> str:
    return text_of(make_record("name", logging.INFO, "", 0, message, arguments, None))


class _Peer:
    def __str__(self) -> str:
        return "peer\n"

    def __repr__(self) -> str:
        return "<peer\x1b>"


@pytest.mark.parametrize(
    ("message", "arguments", "shown"),
    [
        ("a\nb", (), "a\nb"),
        ("100%", (), "100%"),
        ("a\n%s", ("b\nc",), "a\nb\\x0ac"),
        ("%s", (Trusted("b\nc"),), "b\nc"),
        ("%d %04x %.1f %s", (7, 255, 1.55, None), "7 00ff 1.6 None"),
        ("%s %r", (_Peer(), _Peer()), "peer\\x0a <peer\\x1b>"),
        ("%r %s", ("x\n", b"\n"), "'x\\\\x0a' b'\\n'"),
        ("%(who)s", ({"who": "x\n"},), "x\\x0a"),
        ("%s", (OSError(2, "no\n"),), "[Errno 2] no\\x0a"),
        ("%s", (["\n"],), "['\\n']"),
    ],
)
def test_arguments_are_escaped_and_the_format_is_not(
    message: str, arguments: tuple[object, ...], shown: str
) -> None:
    assert text(message, *arguments) == shown


def fail(text: str) -> None:
    raise ValueError(text)


def test_no_line_of_a_traceback_is_the_peers() -> None:
    try:
        try:
            fail("no\nE: forged")
        except ValueError as first:
            raise KeyError("second\n") from first
    except KeyError as error:
        shown = exception_text(error)
        record = make_record("name", logging.ERROR, "", 0, "failed", (), sys.exc_info())

    assert shown.count("Traceback (most recent call last):\n") == 2
    assert "\nwhich led to:\n" in shown
    assert shown.endswith("KeyError: 'second\\n'")
    assert "\nE: forged" not in shown
    assert text_of(record) == f"failed\n{shown}"


def test_exceptions_that_led_to_each_other_end() -> None:
    one, two = ValueError("1"), ValueError("2")
    one.__cause__, two.__cause__ = two, one
    assert exception_text(one).count("ValueError") == 2
