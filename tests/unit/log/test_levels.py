"""Words, numbers and priorities of levels."""

from __future__ import annotations

from scpd.log.levels import LEVELS, name_of, priority_of, word_of


def test_every_word_comes_back_from_its_number() -> None:
    assert [word_of(number) for word, number in LEVELS.items() if word != "all"] == list(LEVELS)[:-1]
    assert word_of(LEVELS["all"]) == "trace"


def test_names_and_priorities() -> None:
    numbers = list(LEVELS.values())[1:-1]
    assert [name_of(number) for number in numbers] == ["FATAL", "ERROR", "WARN", "INFO", "DEBUG", "TRACE"]
    assert [priority_of(number) for number in numbers] == [2, 3, 4, 6, 7, 7]
