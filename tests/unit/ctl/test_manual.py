"""scpctl(8) has every subcommand, option and exit code, and is proper mdoc."""

from __future__ import annotations

import argparse
import json
import re
from typing import TYPE_CHECKING

import pytest

from scpd.cli.mdoc import MANUALS
from scpd.ctl import exitcodes
from scpd.ctl.main import main, parser
from tests.harness.manuals import complaints

if TYPE_CHECKING:
    from tests.unit.ctl.conftest import Place

PAGE = MANUALS / "scpctl.8"
TEXT = PAGE.read_text(encoding="utf-8")


def subcommands() -> dict[str, argparse.ArgumentParser]:
    (choices,) = (
        action.choices for action in parser()._actions if isinstance(action, argparse._SubParsersAction)
    )
    return dict(choices)


def test_mandoc_has_nothing_to_complain_about() -> None:
    assert complaints(PAGE) == []


@pytest.mark.parametrize("name", subcommands())
def test_every_subcommand_has_its_synopsis_and_its_item(name: str) -> None:
    assert f".Nm\n.Cm {name}\n" in TEXT.partition(".Sh DESCRIPTION")[0]
    assert re.search(rf"^\.It Cm {name}\b", TEXT, re.MULTILINE)


def test_no_item_is_of_a_subcommand_that_is_none() -> None:
    assert set(re.findall(r"^\.It Cm (\w+)", TEXT, re.MULTILINE)) == set(subcommands())


@pytest.mark.parametrize("name", subcommands())
def test_every_option_has_its_item(name: str) -> None:
    listed = " ".join(re.findall(r"^\.It (Fl .*)$", TEXT, re.MULTILINE))
    for action in subcommands()[name]._actions:
        if not isinstance(action, argparse._HelpAction):
            for option in action.option_strings:
                assert f"Fl {option[1:]} " in f"{listed} "


@pytest.mark.parametrize("command", ["studies", "jobs"])
def test_every_member_of_the_json_is_named(
    place: Place, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    place.open("1.2.3")
    place.set_aside("a.1.xcr", status="failed")
    assert main([command, "--json", "-od", str(place.folder)]) == 0
    (facts,) = json.loads(capsys.readouterr().out)
    told = re.findall(r"\w+", TEXT.partition(".It Fl -json\n")[2].partition(".El")[0])
    assert [member for member in facts if member not in told] == []


def test_every_exit_code_has_its_line() -> None:
    known = {value for name, value in vars(exitcodes).items() if name.isupper()}
    section = TEXT.partition(".Sh EXIT STATUS")[2].partition(".Sh ")[0]
    assert {int(code) for code in re.findall(r"^\.It (\d+)$", section, re.MULTILINE)} == known
