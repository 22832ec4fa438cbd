"""Numbers of things, as people say them: `1 association`, `2 associations`."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """Give a number with its noun, whose plural is regular."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
