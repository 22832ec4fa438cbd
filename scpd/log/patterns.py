"""The conversion pattern of a PatternLayout: `%5p - %m%n` becomes a list of literals and conversions.

A conversion is `%[-][min][.max]C`: the letter C, a width up to which it is filled on the left (with `-` on the right),
and a length above which its front is cut off.  Behind `c`, `d`, `D` and `X` an option may stand in braces.  What cannot
be read stays as it is, and is complained about in log4cplus' words; positions count from 1.
"""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Complain = Callable[[str, str], None]

LETTERS = frozenset("mnpPcdDritThHFbLlMxX")
_WITH_OPTION = frozenset("cdDX")
_CONVERSION = re.compile(r"%(?P<left>-*)(?P<min>[0-9]*)(?P<dot>\.(?P<max>[0-9]*))?(?P<letter>.?)", re.DOTALL)
# Nobody has lines like that, and a slip of the finger shall not cost the memory of the machine.
_WIDEST = 1 << 12


class Conversion:
    """One conversion: its letter, its option, how wide it is at least and at most (`None`: any length)."""

    __slots__ = ("is_left", "letter", "most", "option", "width")

    def __init__(
        self, letter: str, width: int = 0, most: int | None = None, *, is_left: bool = False
    ) -> None:
        self.letter = letter
        self.option = ""
        self.width = width
        self.most = most
        self.is_left = is_left

    def fit(self, text: str) -> str:
        """Give the text as wide as it shall be."""
        if self.most is not None and len(text) > self.most:
            return text[len(text) - self.most :]
        return text.ljust(self.width) if self.is_left else text.rjust(self.width)


def parse(pattern: str, complain: Complain) -> list[str | Conversion]:
    """Take a pattern apart; `complain(severity, text)` hears of what cannot be read."""
    parts: list[str | Conversion] = []
    position = 0
    while position < len(pattern):
        begin = pattern.find("%", position)
        if begin < 0:
            begin = len(pattern)
        if begin > position:
            parts.append(pattern[position:begin])
        match = _CONVERSION.match(pattern, begin)
        if match is None:
            break
        part = _conversion(match, complain)
        parts.append(part)
        position = match.end()
        if isinstance(part, Conversion) and part.letter in _WITH_OPTION and pattern.startswith("{", position):
            end = pattern.find("}", position)
            if end < 0:
                complain("ERROR", f"No matching '}}' found in conversion pattern string \"{pattern}\"")
                break
            part.option = pattern[position + 1 : end]
            position = end + 1
    return parts


def _conversion(match: re.Match[str], complain: Complain) -> str | Conversion:
    """Give the conversion that was found, or the text that stands for itself."""
    text, letter = match.group(), match["letter"]
    if text == "%%":
        return "%"
    if not letter:
        return text
    if match["dot"] and not match["max"]:
        complain(
            "ERROR",
            f'Error occurred in position {match.end()}. Was expecting digit, instead got char "{letter}".',
        )
        return text
    if letter not in LETTERS:
        complain("ERROR", f"Unexpected char [{letter}] at position {match.end()} in conversion pattern.")
        return text
    most = _number(match["max"]) if match["max"] else None
    return Conversion(letter, _number(match["min"]), most, is_left=bool(match["left"]))


def _number(digits: str) -> int:
    # Before int(), which refuses thousands of digits.
    return min(int(digits[:9] or "0"), _WIDEST) if len(digits.lstrip("0")) < 9 else _WIDEST
