"""`*` and `?`, matched from left to right without going back: the time does not grow with the number of stars.

`?` is one character, `*` any run of them, dots and colons too.  As in libwrap two or more stars at the end of a pattern
need at least one character.
"""

from __future__ import annotations

import re

_ENDING_STARS = re.compile(r"\*{2,}$")
_RUN_OF_STARS = re.compile(r"\*+")


class Wildcard:
    """One pattern, compiled: the pieces between its stars."""

    __slots__ = ("_first", "_last", "_middle", "_shortest", "head", "tail")

    def __init__(self, pattern: str) -> None:
        pieces = _RUN_OF_STARS.split(_ENDING_STARS.sub("?*", pattern))
        self._first = _Piece(pieces[0])
        self._last = _Piece(pieces[-1]) if len(pieces) > 1 else None
        self._middle = [_Piece(piece) for piece in pieces[1:-1]]
        self._shortest = sum(map(len, pieces))
        # What every text that matches begins and ends with.
        self.head = pieces[0].partition("?")[0]
        self.tail = pieces[-1].rpartition("?")[2]

    def matches(self, text: str) -> bool:
        """Match the whole text."""
        if self._last is None:
            return len(text) == self._shortest and self._first.is_at(text, 0)
        if len(text) < self._shortest or not self._first.is_at(text, 0):
            return False
        position, end = self._first.length, len(text) - self._last.length
        for piece in self._middle:  # the leftmost place is the best: what comes after has the most room
            position = piece.find(text, position, end)
            if position < 0:
                return False
            position += piece.length
        return self._last.is_at(text, end)


class _Piece:
    """Characters and question marks, no stars."""

    __slots__ = ("_expression", "_text", "length")

    def __init__(self, text: str) -> None:
        self.length = len(text)
        self._text = text
        self._expression = None
        if "?" in text:
            self._expression = re.compile(re.escape(text).replace(r"\?", "."), re.DOTALL)

    def is_at(self, text: str, position: int) -> bool:
        if self._expression is not None:
            return self._expression.match(text, position) is not None
        return text.startswith(self._text, position)

    def find(self, text: str, begin: int, end: int) -> int:
        if self._expression is None:
            return text.find(self._text, begin, end)
        found = self._expression.search(text, begin, end)
        return found.start() if found else -1
