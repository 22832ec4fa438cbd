"""The table: what every row must keep so that parser, --help and Settings can rely on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from scpd.cli import checks, options
from scpd.cli.settings import Settings

if TYPE_CHECKING:
    from scpd.cli.options import Option

# Attributes that no option sets.
NOT_FROM_OPTIONS = {"program_name", "port", "warnings"}


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

    def test_the_options_that_it_names_exist(self, option: Option) -> None:
        for others in (*option.conflicts, *option.needs):
            assert all(options.BY_NAME[other].long == other for other in others)

    def test_its_default_is_said_as_it_is(self, option: Option) -> None:
        if option.default_text:
            said = {"unlimited": None, '"."': "."}.get(option.default_text, option.default_text)
            default = options.DEFAULTS[option.destination]
            assert said == (str(default) if isinstance(default, int) else default)


def test_each_block_has_one_destination_and_places_of_its_own() -> None:
    for block in options.alternatives(options.START, options.END):
        assert len({option.destination for option in block}) == 1
        assert len({option.block for option in block}) == len(block)
        assert sum(option.by_default for option in block) <= 1


def test_every_option_is_checked_once_but_those_that_only_say_something() -> None:
    parts = [(options.START, options.PORT), (options.PORT, options.NETWORK), (options.NETWORK, options.END)]
    tested = [option for part in parts for block in options.alternatives(*part) for option in block]
    assert len(tested) == len(set(tested))
    assert set(tested) == set(options.OPTIONS) - set(options.EXCLUSIVE)


def test_members_of_a_block_are_tested_by_place_not_by_their_order_in_help() -> None:
    verbosity = options.alternatives(options.LOGGING, options.NETWORK)[0]
    assert [option.long for option in verbosity] == ["--debug", "--verbose", "--quiet"]
