"""Log lines in storescp's shape, each in one write."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

import pytest

from scpd.log.setup import LEVELS, TRACE, configure
from tests.harness.forked import in_child

if TYPE_CHECKING:
    from collections.abc import Callable


def written(work: Callable[[logging.Logger], object], level: str = "trace") -> list[str]:
    """Every write to standard error while `work` logs in a process configured for this level."""

    def life() -> list[str]:
        reader, writer = os.pipe2(os.O_DIRECT)  # keeps the writes apart (pipe(2))
        os.dup2(writer, 2)
        os.set_blocking(reader, False)
        logging.getLogger().handlers.clear()
        configure(level)
        work(logging.getLogger("dcmtk.apps.storescp"))
        writes = []
        while True:
            try:
                writes.append(os.read(reader, 65536).decode())
            except BlockingIOError:
                return writes

    answer: list[str] = in_child(life)
    return answer


def one_of_each(log: logging.Logger) -> None:
    for number in (logging.CRITICAL, logging.ERROR, logging.WARNING, logging.INFO, logging.DEBUG, TRACE):
        log.log(number, "text")


@pytest.mark.parametrize(
    ("level", "letters"),
    [
        ("off", ""),
        ("fatal", "F"),
        ("error", "FE"),
        ("warn", "FEW"),
        ("info", "FEWI"),
        ("debug", "FEWID"),
        ("trace", "FEWIDT"),
        ("all", "FEWIDT"),
    ],
)
def test_a_level_lets_through_what_is_above_it(level: str, letters: str) -> None:
    assert written(one_of_each, level) == [f"{letter}: text\n" for letter in letters]


def test_there_is_a_level_for_every_word_of_the_command_line() -> None:
    assert set(LEVELS) == {"off", "fatal", "error", "warn", "info", "debug", "trace", "all"}


def test_a_record_of_many_lines_is_one_write_with_a_letter_before_each() -> None:
    assert written(lambda log: log.error("one\ntwo\n\nfour")) == ["E: one\nE: two\nE: \nE: four\n"]


def test_a_traceback_stands_behind_letters_too() -> None:
    def work(log: logging.Logger) -> None:
        try:
            int("no number")
        except ValueError:
            log.exception("failed")

    (text,) = written(work)

    assert text.startswith("E: failed\nE: Traceback")
    assert text.endswith("E: ValueError: invalid literal for int() with base 10: 'no number'\n")
    assert all(line.startswith("E: ") for line in text.splitlines())


def test_what_cannot_be_encoded_does_not_disturb() -> None:
    assert written(lambda log: log.info("file %s", "name\udcff")) == ["I: file name\\udcff\n"]


def test_other_levels_have_the_letter_of_trace() -> None:
    assert written(lambda log: log.log(17, "text")) == ["T: text\n"]


def test_a_closed_standard_error_ends_nothing() -> None:
    def life() -> str:
        configure("info")
        os.close(2)
        logging.getLogger("dcmtk").error("nobody hears")
        return "alive"

    assert in_child(life) == "alive"
