"""The manual pages are proper mdoc, know each other, and name every file of etc/ and every exit code there is."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from scpd.cli.mdoc import MANUALS
from scpd.process import exitcodes, signals
from tests.harness.manuals import complaints

if TYPE_CHECKING:
    from pathlib import Path

HOME = MANUALS.parent
PAGES = {path.name: path for path in sorted(MANUALS.glob("*.[1-9]"))}
TEXTS = {name: path.read_text(encoding="utf-8") for name, path in PAGES.items()}
README = (HOME / "README.md").read_text(encoding="utf-8")
EXAMPLES = sorted(path.name for path in (HOME / "etc").iterdir())


def section(page: str, name: str) -> str:
    return TEXTS[page].partition(f"\n.Sh {name}\n")[2].partition("\n.Sh ")[0]


def see_also(page: str) -> set[str]:
    """The pages of ours that a page sends its reader to at its end."""
    found = re.findall(r"^\.Xr (\S+) (\d)", section(page, "SEE ALSO"), re.MULTILINE)
    return {f"{name}.{number}" for name, number in found} & set(PAGES)


def test_there_are_the_pages_that_there_should_be() -> None:
    formats = ("scpd.conf", "scpd_access", "scpd_log", "scpd_peers", "scpd_profiles")
    assert set(PAGES) == {f"{name}.5" for name in formats} | {"scpd_studies.7", "scpctl.8", "scpd.8"}


@pytest.mark.parametrize("path", PAGES.values(), ids=PAGES)
def test_mandoc_has_nothing_to_complain_about(path: Path) -> None:
    assert complaints(path) == []


@pytest.mark.parametrize("name", PAGES)
def test_no_quote_is_lost_in_a_command_line(name: str) -> None:
    # mdoc takes plain ones for itself, and shows a command of several words as several parameters.
    assert [line for line in re.findall(r"^\.D[1l] .*$", TEXTS[name], re.MULTILINE) if '"' in line] == []


@pytest.mark.parametrize("name", PAGES)
def test_an_option_with_a_plus_has_no_minus(name: str) -> None:
    assert re.findall(r"^\.(?:\w+ )*Fl \+.*$", TEXTS[name], re.MULTILINE) == []


@pytest.mark.parametrize("name", PAGES)
def test_scpd_and_the_readme_name_every_page(name: str) -> None:
    assert name == "scpd.8" or name in see_also("scpd.8")
    assert f"man/{name}`" in README


@pytest.mark.parametrize("name", PAGES)
def test_who_is_sent_to_a_page_is_sent_back(name: str) -> None:
    assert [other for other in see_also(name) if name not in see_also(other)] == []


@pytest.mark.parametrize("name", PAGES)
def test_every_page_of_ours_that_is_named_is_there(name: str) -> None:
    named = re.findall(r"^\.Xr (scp(?:d|ctl)\S*) (\d)", TEXTS[name], re.MULTILINE)
    assert [reference for reference in named if ".".join(reference) not in PAGES] == []


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_is_a_file_of_scpd_and_of_the_page_about_its_format(name: str) -> None:
    about = [page for page in PAGES if re.search(rf"\betc/{re.escape(name)}\b", section(page, "FILES"))]
    assert "scpd.8" in about
    assert len(about) > 1


def test_the_manual_shows_the_example_for_logrotate() -> None:
    lines = (HOME / "etc/logrotate").read_text(encoding="utf-8").splitlines()
    said = [line for line in lines if line and not line.strip().startswith("#")]
    assert "\n".join(said) in TEXTS["scpd_log.5"]


def test_every_exit_code_of_a_process_is_told() -> None:
    told = {int(item) for item in re.findall(r"^\.It (\d+)$", section("scpd.8", "EXIT STATUS"), re.MULTILINE)}
    known = {value for name, value in vars(exitcodes).items() if name.isupper() and isinstance(value, int)}
    assert known - told == set()


def test_every_signal_is_told() -> None:
    text = section("scpd.8", "SIGNALS")
    assert [number.name for number in {*signals.MASTER, *signals.CHILD} if number.name not in text] == []


@pytest.mark.parametrize("name", ["scpd.conf.5", "scpd_log.5", "scpd_profiles.5"])
def test_each_source_line_ends_its_sentence(name: str) -> None:
    prose = [line for line in TEXTS[name].splitlines() if not line.startswith((".", "(", "#"))]
    assert [line for line in prose if re.search(r"[a-z]\. +[A-Z]", line)] == []
