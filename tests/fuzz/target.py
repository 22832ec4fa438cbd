"""What is fuzzed: something that reads bytes, and the sentence that must be true of any."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.fuzz.mutations import spoilt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.fuzz.mutations import Mutate


@dataclass(frozen=True)
class Target:
    """`run` gives a word for what happened, as one would sort it, and raises only where the promise is broken.

    An input of N kB (of what `size` counts) may take `milliseconds` + N x `milliseconds_per_kb` of processor time.
    `weight` is its share among others: how many inputs are worth it.  `pdus` counts those of an input, if it has any.
    """

    name: str
    promise: str
    seeds: Callable[[], Iterable[bytes]]
    run: Callable[[bytes], str]
    mutate: Mutate = spoilt
    size: Callable[[bytes], int] = len
    milliseconds: float = 20.0
    milliseconds_per_kb: float = 10.0
    weight: int = 1
    pdus: Callable[[bytes], int] | None = None


class BrokenPromiseError(AssertionError):
    """What must be true of any input is not true of this one."""


def demand(is_true: object, text: str) -> None:
    """Raise unless it is true; an assert would be left out with -O."""
    if not is_true:
        raise BrokenPromiseError(text)
