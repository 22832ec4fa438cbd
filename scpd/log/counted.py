"""Numbers of things, as people say them: `1 association`, `2 associations`."""

from __future__ import annotations


def counted(number: int, noun: str, plural: str = "") -> str:
    """Give a number with its noun; `plural` where it is not a mere `s` behind that."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"
