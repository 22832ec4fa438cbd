"""Bytes to logical lines, as hosts_access(5) has them.

A backslash right before a newline joins two lines, anywhere.  A logical line is of at most 2047 bytes with its newline,
and the last one has a newline too: a table that breaks this is damaged, and nothing of it counts from there on.  The
number of a logical line is that of its last physical line.
"""

from __future__ import annotations

from scpd.access.findings import AND_MORE, MOST_FAULTS, Finding

LONGEST_LINE = 2047
_BYTE_ORDER_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
_BLANKS = b" \t\r"


class Lines:
    """The rules of a table as lines: `lines` holds number and text of each, `findings` what is wrong with the rest."""

    __slots__ = ("_table", "findings", "lines")

    def __init__(self, table: str, data: bytes) -> None:
        self._table = table
        self.lines: list[tuple[int, bytes]] = []
        self.findings: list[Finding] = []
        for mark in _BYTE_ORDER_MARKS:
            if data.startswith(mark):
                self._note(1, "", "begins with a byte order mark: save it as plain ASCII, without one")
        self._split(data)

    def _split(self, data: bytes) -> None:
        number, room, parts = 0, LONGEST_LINE, list[bytes]()
        for line in _physical(data):
            number += 1
            if len(self.findings) >= MOST_FAULTS:
                self._note(number, "", AND_MORE)
                return
            if not line.endswith(b"\n"):
                self._note(number, line[:40].decode("latin-1"), "no newline at the end of the file: add one")
                return
            if len(line) > room:
                remedy = f"longer than {LONGEST_LINE} bytes with its continuations: make several rules of it"
                self._note(number, line[:40].decode("latin-1"), remedy)
                return
            if b"\0" in line:
                self._note(number, "", "holds a NUL byte: remove it")
            if line.endswith(b"\\\n"):
                room -= len(line) - 2
                parts.append(line[:-2])
                continue
            self._add(number, b"".join((*parts, line[:-1])), is_continued=bool(parts))
            room, parts = LONGEST_LINE, []
        if parts:
            self._note(number, "\\", "the file ends within a continued line: remove the last backslash")

    def _add(self, number: int, text: bytes, *, is_continued: bool) -> None:
        if text.startswith(b"#"):
            if is_continued:
                remedy = "a comment that ends in a backslash swallows the next line: remove the backslash"
                self._note(number, text.decode("latin-1"), remedy)
        elif text.strip(_BLANKS) and b"\0" not in text:
            self.lines.append((number, text))

    def _note(self, line: int, text: str, remedy: str) -> None:
        self.findings.append(Finding(self._table, line, text, remedy))


def _physical(data: bytes) -> list[bytes]:
    """Split at newlines and nowhere else: `splitlines` takes a carriage return for one."""
    *lines, last = data.split(b"\n")
    whole = [line + b"\n" for line in lines]
    return [*whole, last] if last else whole
