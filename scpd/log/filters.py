"""The filters of an appender: each says accept, deny or nothing, and the first that says something decides.

If none does, the record is accepted.  `AcceptOnMatch` is false unless given: a filter that matches then denies.
"""

from __future__ import annotations

import logging

from scpd.log.levels import LEVELS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    # True: accept, False: deny, None: ask the next.
    Verdict = bool | None
    Judge = Callable[[logging.LogRecord], Verdict]
    # Kind and properties.
    Description = tuple[str, Mapping[str, str]]


class Chain(logging.Filter):
    """The filters of one appender, in their order."""

    def __init__(self, descriptions: Iterable[Description]) -> None:
        super().__init__()
        self._judges = [KINDS[kind](properties) for kind, properties in descriptions]

    def filter(self, record: logging.LogRecord) -> bool:
        """Say whether the record passes."""
        for judge in self._judges:
            verdict = judge(record)
            if verdict is not None:
                return verdict
        return True


def _deny_all(_properties: Mapping[str, str]) -> Judge:
    return lambda _record: False


def _level_match(properties: Mapping[str, str]) -> Judge:
    level = level_of(properties.get("LogLevelToMatch", ""))
    verdict = is_true(properties.get("AcceptOnMatch", ""))
    return lambda record: verdict if record.levelno == level else None


def _level_range(properties: Mapping[str, str]) -> Judge:
    lowest = level_of(properties.get("LogLevelMin", ""))
    highest = level_of(properties.get("LogLevelMax", "")) or LEVELS["off"]
    inside = True if is_true(properties.get("AcceptOnMatch", "")) else None
    return lambda record: inside if lowest <= record.levelno <= highest else False


def _string_match(properties: Mapping[str, str]) -> Judge:
    wanted = properties.get("StringToMatch", "")
    verdict = is_true(properties.get("AcceptOnMatch", ""))
    return lambda record: verdict if wanted and wanted in record.getMessage() else None


KINDS: dict[str, Callable[[Mapping[str, str]], Judge]] = {
    "DenyAllFilter": _deny_all,
    "LogLevelMatchFilter": _level_match,
    "LogLevelRangeFilter": _level_range,
    "StringMatchFilter": _string_match,
}


def level_of(word: str) -> int:
    """Give the number of a level by its word in any case; 0, which is below all of them, for any other word."""
    return LEVELS.get(word.lower(), 0)


def is_true(word: str, *, default: bool = False) -> bool:
    """Read a boolean: `true`, `false` in any case, or an integer; anything else is the default."""
    if word.lower() in ("true", "false"):
        return word.lower() == "true"
    return integer(word, default) != 0


def integer(word: str, default: int) -> int:
    """Read a number of at most nine digits; anything else is the default."""
    digits = word[1:] if word[:1] in ("+", "-") else word
    return int(word) if digits.isascii() and digits.isdigit() and len(digits) <= 9 else default
