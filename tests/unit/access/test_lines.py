"""Section 2 of the language: logical lines, their numbers and limits, comments, damage."""

from __future__ import annotations

import pytest

from scpd.access.lines import LONGEST_LINE, Lines


def read(data: bytes) -> tuple[list[tuple[int, bytes]], list[tuple[int, str]]]:
    lines = Lines("t", data)
    return lines.lines, [(finding.line, finding.remedy) for finding in lines.findings]


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"", []),
        (b"a: b\n", [(1, b"a: b")]),
        (b"# one\n\n \t\r\na: b\n", [(4, b"a: b")]),
        (b"a: b\r\n", [(1, b"a: b\r")]),
        (b"a: b \\\n c\n", [(2, b"a: b  c")]),
        (b"sto\\\nre: 10.\\\n1.\n", [(3, b"store: 10.1.")]),
        (b"a: b\\\\\nc\n", [(2, b"a: b\\c")]),
        (b"a: b\\ \nc: d\n", [(1, b"a: b\\ "), (2, b"c: d")]),
        (b"a: b\\\r\nc: d\n", [(1, b"a: b\\\r"), (2, b"c: d")]),
        (b" # a: b\n", [(1, b" # a: b")]),
        (b"a: b # c\n", [(1, b"a: b # c")]),
        (b"a:\rb\n", [(1, b"a:\rb")]),
        (b"a: b\x0b\x0c\x1c\x85\n", [(1, b"a: b\x0b\x0c\x1c\x85")]),
        (b"x" * (LONGEST_LINE - 1) + b"\n", [(1, b"x" * (LONGEST_LINE - 1))]),
        (b"x" * 1000 + b"\\\n" + b"y" * 1046 + b"\n", [(2, b"x" * 1000 + b"y" * 1046)]),
    ],
)
def test_logical_lines_have_the_number_of_their_last_physical_one(
    data: bytes, lines: list[tuple[int, bytes]]
) -> None:
    assert read(data) == (lines, [])


@pytest.mark.parametrize(
    ("data", "lines", "line", "remedy"),
    [
        (b"a: b", [], 1, "no newline"),
        (b"a: b\nc: d", [(1, b"a: b")], 2, "no newline"),
        (b"# end", [], 1, "no newline"),
        (b"   ", [], 1, "no newline"),
        (b"a: b\rc: d\r", [], 1, "no newline"),
        (b"\\\n", [], 1, "within a continued line"),
        (b"a: b\\\n", [], 1, "within a continued line"),
        (b"a: b\n" + b"x" * LONGEST_LINE + b"\nc: d\n", [(1, b"a: b")], 2, "longer than 2047"),
        (b"#" + b"-" * LONGEST_LINE + b"\n", [], 1, "longer than 2047"),
        (b"x" * 1000 + b"\\\n" + b"y" * 1047 + b"\n", [], 2, "longer than 2047"),
        # a line that is continued has to fit with its backslash and newline
        (b"x" * (LONGEST_LINE - 1) + b"\\\n\n", [], 1, "longer than 2047"),
        (b"# a \\\nb: c\n", [], 2, "swallows the next line"),
        (b"a: \0b\n", [], 1, "NUL"),
        (b"# \0\n", [], 1, "NUL"),
        (b"\xef\xbb\xbfa: b\n", [(1, b"\xef\xbb\xbfa: b")], 1, "byte order mark"),
        (b"\xef\xbb\xbf# a\n", [(1, b"\xef\xbb\xbf# a")], 1, "byte order mark"),
    ],
)
def test_what_is_damaged_is_told_with_its_line(
    data: bytes, lines: list[tuple[int, bytes]], line: int, remedy: str
) -> None:
    found, findings = read(data)
    assert found == lines
    assert findings[0][0] == line
    assert remedy in findings[0][1]


def test_nothing_counts_behind_a_damaged_line() -> None:
    assert read(b"a: b\n" + b"x" * 3000 + b"\nc: d\n# e \\\nf: g")[0] == [(1, b"a: b")]
    assert len(read(b"x" * 3000 + b"\nc: d\n# e \\\nf: g")[1]) == 1
