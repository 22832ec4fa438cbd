"""The journal as standard error."""

from __future__ import annotations

import os

import pytest

from scpd.log.journal import for_stderr, is_journal, prefixed, same_stream


def test_only_the_stream_that_systemd_names_is_the_journal() -> None:
    reader, writer = os.pipe()
    status = os.fstat(writer)
    environ = {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}
    try:
        assert is_journal(writer, environ)
        assert not is_journal(2, environ)
        assert not is_journal(writer, {})
        assert not is_journal(writer, {"JOURNAL_STREAM": "x:1"})
        assert same_stream(writer, writer)
        assert not same_stream(writer, 2)
    finally:
        os.close(reader)
        os.close(writer)
    assert not is_journal(writer, environ)
    assert not same_stream(writer, writer)


@pytest.mark.parametrize(
    ("text", "expected"), [("a\nb\n", "<3>a\n<3>b\n"), ("a", "<3>a"), ("a\nb", "<3>a\n<3>b"), ("", "<3>")]
)
def test_every_line_has_its_priority(text: str, expected: str) -> None:
    assert prefixed(text, 40) == expected


def test_what_goes_to_standard_error_has_priorities_only_if_that_is_the_journal() -> None:
    status = os.fstat(2)
    environ = {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}
    assert for_stderr("a\n", 50, environ) == "<2>a\n"
    assert for_stderr("a\n", 50, {}) == "a\n"
