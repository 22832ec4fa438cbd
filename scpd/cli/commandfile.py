r"""Command files of storescp(1): `@name` in a command line stands for the words of that file.

Space, tab, CR and LF separate words.  `"` or `'` begins a quoted part, in which white space and the other quote
are plain; the closing quote ends the word, so that `ab"c d"ef` is the words `abc d` and `ef`, and `""` is an empty
one.  The end of the file closes what is open; a quote that is its last character is nothing.  There are no
comments, escapes or command files within command files: `#`, `\` and `@` are letters like any other.

This module takes text; `parser` reads the file, and refuses one with a NUL: no argument can contain it, and
storescp cuts some words there and others not.
"""

from __future__ import annotations

_SEPARATORS = " \t\r\n"
_QUOTES = ('"', "'")


def words(text: str) -> list[str]:
    """Split the text of a command file."""
    found: list[str] = []
    place = 0
    while True:
        while place < len(text) and text[place] in _SEPARATORS:
            place += 1
        if text[place:] in ("", *_QUOTES):
            return found
        word, place = _word(text, place)
        found.append(word)


def _word(text: str, place: int) -> tuple[str, int]:
    """Read the word that begins here; give it and the place behind it."""
    start = place
    while place < len(text) and text[place] not in _SEPARATORS:
        if text[place] in _QUOTES:
            end = text.find(text[place], place + 1)
            end = len(text) if end < 0 else end
            return text[start:place] + text[place + 1 : end], min(end + 1, len(text))
        place += 1
    return text[start:place], place
