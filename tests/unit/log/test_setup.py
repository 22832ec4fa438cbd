"""Log lines in storescp's shape, each in one write."""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from scpd.log.setup import LEVELS, TRACE, Logging, LogPolicy, announce, configure
from tests.harness.forked import in_child

if TYPE_CHECKING:
    from collections.abc import Callable


def written(
    work: Callable[[logging.Logger, Logging], object],
    level: str = "trace",
    log_format: str = "text",
    *,
    to_journal: bool = False,
) -> list[str]:
    """Every write to standard error while `work` logs in a process configured like this."""

    def life() -> list[str]:
        reader, writer = os.pipe2(os.O_DIRECT)  # keeps the writes apart (pipe(2))
        os.dup2(writer, 2)
        os.set_blocking(reader, False)
        logging.getLogger().handlers.clear()
        settings = configure(LogPolicy(level, None, log_format, to_journal=to_journal))
        work(logging.getLogger("dcmtk.apps.storescp"), settings)
        writes = []
        while True:
            try:
                writes.append(os.read(reader, 65536).decode())
            except BlockingIOError:
                return writes

    answer: list[str] = in_child(life)
    return answer


def one_of_each(log: logging.Logger, settings: Logging) -> None:
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
    assert written(lambda log, _: log.error("one\ntwo\n\nfour")) == ["E: one\nE: two\nE: \nE: four\n"]


def test_a_traceback_stands_behind_letters_too() -> None:
    def work(log: logging.Logger, settings: Logging) -> None:
        try:
            int("no number")
        except ValueError:
            log.exception("failed")

    (text,) = written(work)

    assert text.startswith("E: failed\nE: Traceback")
    assert text.endswith("E: ValueError: invalid literal for int() with base 10: 'no number'\n")
    assert all(line.startswith("E: ") for line in text.splitlines())


def test_what_cannot_be_encoded_does_not_disturb() -> None:
    assert written(lambda log, _: log.info("file %s", "name\udcff")) == ["I: file name\\udcff\n"]


def test_other_levels_have_the_letter_of_trace() -> None:
    assert written(lambda log, _: log.log(17, "text")) == ["T: text\n"]


def test_a_closed_standard_error_ends_nothing() -> None:
    def life() -> str:
        configure(LogPolicy("info"))
        os.close(2)
        logging.getLogger("dcmtk").error("nobody hears")
        return "alive"

    assert in_child(life) == "alive"


def test_lines_of_an_association_have_its_id_behind_the_letter() -> None:
    def work(log: logging.Logger, settings: Logging) -> None:
        settings.association.begin("192.0.2.1:4711")
        log.info("one\ntwo")
        settings.association.end()
        log.info("three")

    lines, last = written(work)

    assert re.fullmatch(r"I: \[([0-9a-f]{6})\] one\nI: \[\1\] two\n", lines)
    assert last == "I: three\n"


def test_in_the_journal_every_line_has_its_priority() -> None:
    writes = written(one_of_each, to_journal=True)

    assert "".join(writes) == "<2>F: text\n<3>E: text\n<4>W: text\n<6>I: text\n<7>D: text\n<7>T: text\n"


def test_what_a_peer_says_cannot_make_a_line_of_its_own() -> None:
    def work(log: logging.Logger, settings: Logging) -> None:
        log.info("title %s", "A\nE: forged\x1b[2J")
        log.info("sorry: %s", ValueError("B\u2028\u202e"))

    assert written(work) == ["I: title A\\x0aE: forged\\x1b[2J\n", "I: sorry: B\\u2028\\u202e\n"]


def test_a_json_log_has_one_object_a_line_also_for_many_lines() -> None:
    def work(log: logging.Logger, settings: Logging) -> None:
        log.warning("one\ntwo %s", "\u00e9\x7f")

    (line,) = written(work, log_format="json")

    assert line.endswith("}\n")
    assert line.count("\n") == 1
    found = json.loads(line)
    assert (found["level"], found["message"], found["association"]) == ("warn", "one\ntwo \u00e9\\x7f", None)


@pytest.mark.parametrize("level", ["off", "fatal", "warn", "info"])
def test_an_announcement_is_heard_whatever_the_level(level: str) -> None:
    assert written(lambda log, _: announce("called with '100%s'\n"), level) == [
        "I: called with '100%s'\nI: \n"
    ]


def test_what_must_be_kept_is_told() -> None:
    def life() -> list[int]:
        return list(configure(LogPolicy("info")).descriptors())

    (memory,) = in_child(life)
    assert memory > 2


def test_a_plain_log_imports_nothing_for_other_ones() -> None:
    code = (
        "import sys; import logging; from scpd.log.setup import *; before = set(sys.modules);"
        "logging.getLogger().handlers.clear(); configure(LogPolicy('info')); logging.error('x %s', 'y');"
        "print(*{'json', 'socket', 'scpd.log.log4cplus', 'scpd.log.files', 'mmap'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert (run.stdout.strip(), run.stderr) == ("", "E: x y\n")
