"""The table: what every row must keep, and that it says what storescp's sheet of options says.

tests/cases/command_lines/options.tsv is that sheet: each option that storescp has had up to 3.7.0.
"""

from __future__ import annotations

import csv
import itertools
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from scpd.cli import checks, options, parser, rows
from scpd.cli.settings import Settings
from scpd.errors import UsageError

if TYPE_CHECKING:
    from scpd.cli.rows import Option

# Attributes that no option sets.
NOT_FROM_OPTIONS = {"program_name", "port", "warnings", "log_config_fault"}

SHEET = Path(__file__).parents[2] / "cases" / "command_lines" / "options.tsv"
with SHEET.open(encoding="utf-8", newline="") as file:
    ROWS = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
BY_LONG = {row["long"]: row for row in ROWS}

# Limitations of storescp that are none here: this option, with those.
SORTING = ("--sort-conc-studies", "--sort-on-study-uid", "--sort-on-patientname")
LIFTED = {
    *((option, "--bit-preserving") for option in SORTING),
    *itertools.product(("--exec-on-eostudy", "--rename-on-eostudy"), ("--fork", "--inetd")),
    ("--config-file", "--promiscuous"),
    # 3.6.7 refused both together, 3.6.8 let the rightmost win.
    ("--enable-crl-all", "--enable-crl-vfy"),
}
VERBOSITY = ("--verbose", "--debug", "--quiet")
GOOD_VALUES = {"string": "x", "enum": "info", "uint": "4096", "sint": "60"}


def given(long: str) -> list[str]:
    """Give an option with values that it takes."""
    arguments = [argument for argument in BY_LONG[long]["args"].split("; ") if argument]
    values = [GOOD_VALUES[re.split(r"[:\[(]", argument)[1]] for argument in arguments]
    return [long, *(["6"] if long == "--compression-level" else values)]


def prerequisites(long: str) -> list[str]:
    """Give what must stand in a line before this option may."""
    text = BY_LONG[long]["depends_on"]
    marks = {
        "--fork in force": ["--fork"],
        "--enable-tls in force": given("--enable-tls"),
        "then --seed": given("--seed"),
        "a sort option": given("--sort-on-patientname"),
        "enabled for INFO": ["--verbose"],
    }
    return [word for mark, words in marks.items() if mark in text for word in words]


class Levels:
    root_level = "warn"
    storescp_level = "info"


def judged(*words: str) -> checks.State:
    """Check a line completely."""
    line, state = parser._Line(words), checks.State()
    parser._test(line, state, rows.START, rows.NETWORK)
    parser._settle_logging(state, lambda path: Levels())
    parser._test(line, state, rows.NETWORK, rows.END)
    return state


def error(*words: str) -> str:
    with pytest.raises(UsageError) as caught:
        judged(*words)
    return str(caught.value)


def block_of(row: dict[str, str]) -> str:
    return row["block"].partition(":")[0]


def test_every_value_of_an_option_has_its_attribute_in_settings_and_the_other_way_round() -> None:
    assert set(options.DEFAULTS) == set(Settings.__slots__) - NOT_FROM_OPTIONS


def test_no_name_means_two_options() -> None:
    names = [name for option in options.OPTIONS for name in (option.long, option.short) if name]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("option", options.OPTIONS, ids=lambda option: option.long)
class TestEveryOption:
    def test_its_names_are_read_as_options(self, option: Option) -> None:
        assert option.long.startswith("--")
        for name in (option.long, option.short):
            assert not name or (name[0] in "+-" and len(name) > 1 and not name[1].isdigit())

    def test_the_kinds_of_its_values_can_be_read(self, option: Option) -> None:
        for argument in option.arguments:
            assert argument.kind in {*checks.NUMBERS, *checks.TEXTS}
            assert (argument.kind == "choice") is bool(argument.choices)

    def test_the_options_that_it_names_exist(self, option: Option) -> None:
        for others in (*option.conflicts, *option.needs):
            assert all(other == rows.VERBOSE_MODE or options.BY_NAME[other].long == other for other in others)

    def test_its_default_is_said_as_it_is(self, option: Option) -> None:
        if option.default_text:
            words = {"unlimited": None, '"."': ".", "6": None, "one for each CPU": None}
            said = words.get(option.default_text, option.default_text)
            default = options.DEFAULTS[option.destination]
            assert said == (str(default) if isinstance(default, int) else default)


def test_each_block_has_one_destination_and_places_of_its_own() -> None:
    for block in options.checked(rows.START, rows.END):
        assert len({option.destination for option in block}) == 1
        assert len({option.block for option in block}) == len(block)
        assert sum(option.by_default for option in block) <= 1


def test_every_option_is_checked_once_but_those_that_only_say_something() -> None:
    parts = [(rows.START, rows.PORT), (rows.PORT, rows.NETWORK), (rows.NETWORK, rows.END)]
    tested = [option for part in parts for block in options.checked(*part) for option in block]
    assert len(tested) == len(set(tested))
    assert set(tested) == set(options.OPTIONS) - set(options.EXCLUSIVE)


def test_members_of_a_block_are_tested_by_place_not_by_their_order_in_help() -> None:
    verbosity = next(
        block for block in options.checked(rows.LOGGING, rows.NETWORK) if block[0].block.startswith("verb")
    )
    assert [option.long for option in verbosity] == ["--debug", "--verbose", "--quiet"]


def test_the_table_is_the_sheet_in_its_order_and_then_our_own_options() -> None:
    ours = [
        (section.group, section.subgroup, option.long, option.short)
        for section in options.SECTIONS
        for option in section.options
    ]
    sheet = [
        # A limitation that is lifted is none of the heading.
        (
            row["group"],
            row["subgroup"].replace("subdirectories (not with --bit-preserving)", "subdirectories"),
            row["long"],
            row["short"],
        )
        for row in ROWS
    ]
    # The sheet is as 3.7.0 has it; there the TLS options stand between network and output options.
    assert sorted(ours[: len(sheet)]) == sorted(sheet)
    assert [row[2] for row in ours[: len(sheet)]] == [row[2] for row in sheet]
    assert {row[0] for row in ours[len(sheet) :]} == {"scpd options"}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["long"])
class TestEveryOptionOfStorescp:
    def test_both_names_mean_it(self, row: dict[str, str]) -> None:
        option = options.BY_NAME[row["long"]]
        assert option.long == row["long"]
        assert not row["short"] or options.BY_NAME[row["short"]] is option

    def test_it_takes_as_many_words_as_it_should(self, row: dict[str, str]) -> None:
        words = given(row["long"])
        assert len(words) == 1 + int(row["nargs"])
        assert parser._Line([*words, "-5"]).parameters == ["-5"]
        if len(words) > 1:
            with pytest.raises(UsageError) as caught:
                parser._Line(words[:-1])
            assert str(caught.value) == f"Missing value for option {row['long']}"

    def test_without_it_the_default_holds(self, row: dict[str, str]) -> None:
        option, default = options.BY_NAME[row["long"]], row["default"]
        in_force = default.startswith("yes") and "to 3.6.7" not in default
        assert option.by_default is in_force or row["long"] == "--no-sni"
        if not option.destination:
            return
        if not default or default in ("none", "unlimited"):
            assert (
                options.DEFAULTS[option.destination] in (None, False, (), "")
                or block_of(row)
                or option.value is False
            )
        elif row["long"] == "--compression-level":
            assert options.DEFAULTS[option.destination] is None  # given, it deflates anew what came deflated
        elif not default.startswith("yes"):
            assert judged(row["long"], default, "1").values == judged("1").values
        elif in_force:
            needed = prerequisites(row["long"])
            assert judged(*needed, row["long"], "1").values == judged(*needed, "1").values

    def test_what_it_conflicts_with_is_refused_in_either_order(self, row: dict[str, str]) -> None:
        long = row["long"]
        for entry in row["conflicts_with"].split():
            other = entry.partition("(")[0]
            if other.startswith("<"):
                assert long in BY_LONG[other[1:]]["conflicts_with"]
                continue
            named = "--verbose, --debug or --quiet" if other in VERBOSITY else other
            needed = [*prerequisites(long), *prerequisites(other)]
            for pair in ([*given(long), *given(other)], [*given(other), *given(long)]):
                if (long, other) in LIFTED:
                    judged(*needed, *pair, "1")
                else:
                    assert error(*needed, *pair, "1") == f"{long} not allowed with {named}"

    def test_it_is_refused_without_what_it_needs(self, row: dict[str, str]) -> None:
        if not row["depends_on"]:
            return
        long = row["long"]
        found = re.search(r'"(--.*)"', row["depends_on"])
        assert found
        text = f"{long} {found[1].partition(' ')[2]}"  # storescp confuses names at --profile-aes
        needed = given("--enable-tls") if long.startswith("--write-seed") else []
        if long == "--compression-level":
            needed = ["--write-xfer-big"]
        assert error(*needed, *given(long), "1") == text
        if long == "--compression-level":
            needed = ["--write-xfer-deflated"]
        judged(*needed, *prerequisites(long), *given(long), "1")

    def test_a_number_has_its_bounds(self, row: dict[str, str]) -> None:
        for place, argument in enumerate(row["args"].split("; "), 1):
            found = re.fullmatch(r".*:([us]int)\[(-?\d+)\.\.(\d*)\]", argument)
            if not found:
                continue
            kind, low, high = found[1], int(found[2]), found[3]
            words, needed = given(row["long"]), prerequisites(row["long"])

            def read(text: str, words: list[str] = words, place: int = place) -> list[str]:
                return [*words[:place], text, *words[place + 1 :], "1"]

            head = f"Invalid value for option {row['long']}"
            judged(*needed, *read(str(low)))
            below = f" (underflow: {low - 1})" if kind == "sint" or low else f" ({low - 1})"
            assert error(*needed, *read(str(low - 1))) == head + below
            assert error(*needed, *read("5x")) == head + " (5x)"
            assert error(*needed, *read("")) == head
            if high:
                judged(*needed, *read(high))
                over = int(high) + 1
                assert error(*needed, *read(str(over))) == f"{head} (overflow: {over})"

    def test_of_its_block_the_rightmost_wins(self, row: dict[str, str]) -> None:
        others = [other for other in ROWS if block_of(row) and block_of(other) == block_of(row)]
        needed = prerequisites(row["long"])
        mine = given(row["long"])
        alone = judged(*needed, *mine, "1")
        for other in others:
            if other is row:
                continue
            together = judged(*needed, *given(other["long"]), *mine, "1")
            assert together.values == alone.values
            assert together.in_force(row["long"])
            assert not together.in_force(other["long"])

    def test_it_is_followed_after_all_checks(self, row: dict[str, str]) -> None:
        option = options.BY_NAME[row["long"]]
        words = [*prerequisites(row["long"]), *given(row["long"]), "1"]
        answer = parser.parse("scpd", words, lambda path: Levels(), list_of=lambda long: f"{long}\n")
        assert isinstance(answer, Settings) is (option not in options.EXCLUSIVE)
