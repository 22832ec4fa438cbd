"""scpd.conf(5): its table of words is what the code makes of them, its examples are command lines."""

from __future__ import annotations

import re

import pytest

from scpd.cli import options
from scpd.cli.commandfile import words
from scpd.cli.mdoc import MANUALS
from scpd.cli.parser import parse
from scpd.cli.settings import Settings
from tests.harness.manual_texts import examples, plain, section

TEXT = (MANUALS / "scpd.conf.5").read_text(encoding="utf-8")
ROWS = re.findall(r"^\.It Li (.*) Ta (.*)$", TEXT, re.MULTILINE)
FILES = [example for example in examples(TEXT) if example.startswith(("# Receive", "104\n"))]


@pytest.mark.parametrize(("written", "expected"), [(plain(row[0]), plain(row[1])) for row in ROWS])
def test_the_words_are_those_of_the_code(written: str, expected: str) -> None:
    if expected == "the empty word":
        expected = ""
    if expected.endswith(", two words"):
        assert words(written) == expected.removesuffix(", two words").split(" and ")
    else:
        assert words(written) == [expected]


def test_there_are_rows_and_files() -> None:
    assert len(ROWS) == 5
    assert len(FILES) == 2


@pytest.mark.parametrize("text", FILES)
def test_each_file_in_it_is_a_command_line(text: str) -> None:
    assert isinstance(parse("scpd", words(text)), Settings)


def test_a_comment_behind_a_value_is_none_as_it_says() -> None:
    (text,) = [example for example in examples(TEXT) if "This is none" in example]
    assert words(text) == ["--grace", "60", "#", "This", "is", "none,", "but", "four", "more", "words."]


@pytest.mark.parametrize("option", [option for option in options.OPTIONS if option.adds_up])
def test_every_option_that_adds_up_is_named(option: options.Option) -> None:
    told = TEXT.partition("These add up")[2].partition(".Pp")[0]
    assert re.search(rf"^\.Fl {option.long[1:]}( [,.])?$", told, re.MULTILINE)


def test_no_other_option_is_said_to_add_up() -> None:
    told = TEXT.partition("These add up")[2].partition(".Pp")[0]
    assert len(re.findall(r"^\.Fl", told, re.MULTILINE)) == sum(option.adds_up for option in options.OPTIONS)


@pytest.mark.parametrize(
    "text", ["Cannot open command file '", "' is not a text file", "Too many parameters", "Unknown option "]
)
def test_the_faults_are_those_of_the_code(text: str) -> None:
    source = (MANUALS.parent / "scpd" / "cli" / "parser.py").read_text(encoding="utf-8")
    assert text in source
    assert text in section(TEXT, "DIAGNOSTICS")
