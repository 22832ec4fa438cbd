r"""Command files of storescp(1): `@name` in a command line stands for the words of that file.

Space, tab, CR and LF separate words.  `"` or `'` begins a quoted part, in which white space and the other quote
are plain; the closing quote ends the word, so that `ab"c d"ef` is the words `abc d` and `ef`, and `""` is an empty
one.  The end of the file closes what is open; a quote that is its last character is nothing.  There are no
escapes or command files within command files: `\` and `@` are letters like any other.

Ours alone, since a file for a service wants them: a line whose first character but blanks is `#` is a comment, unless
it stands in quotes.  Anywhere else `#` is a letter, as it is everywhere for storescp.  scpd.conf(5) is the manual.

This module takes text; `parser` reads the file, and refuses one with a NUL: no argument can contain it, and
storescp cuts some words there and others not.
"""

from __future__ import annotations

_BLANKS = " \t"
_LINE_ENDS = "\r\n"
_SEPARATORS = _BLANKS + _LINE_ENDS
_QUOTES = ('"', "'")


def words(text: str) -> list[str]:
    """Split the text of a command file."""
    found: list[str] = []
    place = 0
    while True:
        place = _next(text, place)
        if text[place:] in ("", *_QUOTES):
            return found
        word, place = _word(text, place)
        found.append(word)


def _next(text: str, place: int) -> int:
    """Give where the next word begins, behind separators and comments."""
    is_at_begin = place == 0
    while place < len(text):
        if text[place] in _LINE_ENDS:
            is_at_begin = True
        elif text[place] == "#" and is_at_begin:
            place = _line_end(text, place) - 1
        elif text[place] not in _BLANKS:
            break
        place += 1
    return place


def _line_end(text: str, place: int) -> int:
    """Give where the line ends that `place` is in."""
    while place < len(text) and text[place] not in _LINE_ENDS:
        place += 1
    return place


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
