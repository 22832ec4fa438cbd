"""The file of association profiles, as text: [[supersections]], [sections] and `key = value` (--config-file).

    # a comment
    [[TransferSyntaxes]]
    [Uncompressed]
    TransferSyntax1 = LittleEndianExplicit

`scan` gives sections and entries with their lines, and never raises: what cannot be understood is a `Fault`.  It
reads whatever storescp reads and means the same by it:

- Of names and keys only letters, digits, `-` and `_` count, in any case: `[ [ Pro files ] ]` is [[PROFILES]].
- A line that begins with a blank continues the value before it, joined by a line feed.
- More than two brackets are two; what follows the last bracket is read like a line of its own.

Where storescp would read on in silence and lose something, this is stricter: an entry or a section where none can be,
a supersection given twice, and a line that is nothing of all this are faults.  Where storescp would spoil a value,
this is more liberal: comments and entries may be indented, and blanks at the end of a value do not count.

What sections mean is the business of `profiles`.
"""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_BLANKS = " \t\v\f"
_BRACKETS = re.compile(r"[\[ \t\v\f]*")
_SPACE = re.compile(r"[ \t\v\f]*")
_NOT_OF_A_NAME = re.compile(r"[^A-Z0-9_-]+")
_SMALL_LETTERS = {ord("a") + place: ord("A") + place for place in range(26)}
_BYTE_ORDER_MARKS = ("\ufeff", "\xef\xbb\xbf")  # decoded, and read as Latin-1


class Fault:
    """Something wrong with a file: which line (from 1; 0 is the file as a whole), and one line of text."""

    __slots__ = ("line", "text")

    def __init__(self, line: int, text: str) -> None:
        self.line = line
        self.text = text

    def __repr__(self) -> str:
        return f"Fault({self.line}, {self.text!r})"


class Entry:
    """A key in capital letters, its value (each line of it without blanks around it), and the line of the key."""

    __slots__ = ("key", "line", "parts")

    def __init__(self, key: str, value: str, line: int) -> None:
        self.key = key
        self.parts = [value] if value else []
        self.line = line

    @property
    def value(self) -> str:
        """The value, its lines joined by line feeds."""
        return "\n".join(self.parts)


class Section:
    """A section: its name in capital letters, its entries in the order of the file, its line."""

    __slots__ = ("entries", "line", "name")

    def __init__(self, name: str, line: int) -> None:
        self.name = name
        self.line = line
        self.entries: list[Entry] = []


def scan(text: str) -> tuple[dict[str, list[Section]], list[Fault]]:
    """Give the sections of each supersection by its name, and what is wrong with the text."""
    scanner = _Scanner()
    for number, line in enumerate(_lines(text), 1):
        scanner.read(line, number)
    return scanner.supersections, scanner.faults


def capitals(text: str) -> str:
    """Give the text in capital letters, ASCII ones only: no other letter becomes another or two."""
    return text.translate(_SMALL_LETTERS)


def _name(text: str) -> str:
    return _NOT_OF_A_NAME.sub("", capitals(text))


def _end(pattern: re.Pattern[str], text: str, position: int) -> int:
    """Give where a pattern that matches anything ends."""
    match = pattern.match(text, position)
    return match.end() if match else position


def _lines(text: str) -> Iterator[str]:
    for mark in _BYTE_ORDER_MARKS:
        text = text.removeprefix(mark)
    yield from text.replace("\0", " ").replace("\r\n", "\n").replace("\r", "\n").split("\n")


class _Scanner:
    """What has been read so far, and where the next line belongs."""

    __slots__ = ("_entry", "_section", "_sections", "faults", "supersections")

    def __init__(self) -> None:
        self.supersections: dict[str, list[Section]] = {}
        self.faults: list[Fault] = []
        self._sections: list[Section] | None = None
        self._section: Section | None = None
        self._entry: Entry | None = None

    def read(self, line: str, number: int) -> None:
        """Read one line, which may be several headers and an entry."""
        text = line.strip(_BLANKS)
        position = 0
        while text.startswith("[", position):
            position = self._header(text, position, number)
        text = text[position:].lstrip(_BLANKS)
        if not text or text.startswith("#"):
            return
        key, sign, value = text.partition("=")
        if line[0] in _BLANKS and self._entry is not None and not (sign and _name(key)):
            self._entry.parts.append(text)
        elif sign:
            self._begin(_name(key), value.lstrip(_BLANKS), number)
        else:
            self._fault(number, "syntax error: neither a section nor an entry of key and value")

    def _header(self, text: str, position: int, number: int) -> int:
        """Read the section header at `position`; give where the next thing of the line begins."""
        self._entry = None
        start = _end(_BRACKETS, text, position)
        level = text.count("[", position, start)
        end = 0
        for _ in range(level):
            end = text.find("]", end or start) + 1
            if not end:
                self._fault(number, "syntax error: missing ']' in section header")
                self._section = Section("", number)  # nobody will ask for it
                return len(text)
        name = _name(text[start : text.index("]", start)])
        if level > 1:
            self._open_supersection(name, number)
        else:
            self._open_section(name, number)
        return _end(_SPACE, text, end)

    def _open_supersection(self, name: str, number: int) -> None:
        if name in self.supersections:
            self._fault(number, f"section [[{name}]] given twice")
        self._sections, self._section = [], None
        self.supersections.setdefault(name, self._sections)

    def _open_section(self, name: str, number: int) -> None:
        self._section = Section(name, number)
        if self._sections is None:
            self._fault(number, f"section [{name}] stands in no [[section]]")
        else:
            self._sections.append(self._section)

    def _begin(self, key: str, value: str, number: int) -> None:
        self._entry = Entry(key, value, number)
        if not key:
            self._fault(number, "syntax error: no key in front of '='")
        elif self._section is None:
            self._fault(number, f"entry {key} stands in no [section]")
        else:
            self._section.entries.append(self._entry)

    def _fault(self, line: int, text: str) -> None:
        self.faults.append(Fault(line, text))
