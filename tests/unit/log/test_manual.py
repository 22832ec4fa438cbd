"""scpd_log(5) has every appender, layout, filter, conversion, property, variable and complaint that the code knows."""

from __future__ import annotations

import json
import logging
import re

import pytest

from scpd.cli.mdoc import MANUALS
from scpd.log import log4cplus, patterns
from scpd.log.association import FIELDS, Association
from scpd.log.configfile import _predefined
from scpd.log.filters import KINDS
from scpd.log.frames import FACILITIES
from scpd.log.jsonlines import JsonLayout
from scpd.log.levels import LEVELS
from scpd.log.properties import Variables
from scpd.log.schedules import SCHEDULES
from tests.harness.manual_texts import examples, plain, sayings, section, subsection

TEXT = (MANUALS / "scpd_log.5").read_text(encoding="utf-8")
PACKAGE = MANUALS.parent / "scpd"
SOURCES = sorted((PACKAGE / "log").glob("*.py"))
CONFIGURATIONS = [example for example in examples(TEXT) if "log4cplus.rootLogger" in example]
# What an exception is told by.
OTHER = ("Traceback (most recent call last):", "which led to:")


def items(name: str) -> str:
    """The heads of the items of a subsection, as words."""
    lines = re.findall(r"^\.It (.*)$", subsection(TEXT, name), re.MULTILINE)
    return " ".join(lines).replace(" Ns ", "")


def properties() -> set[str]:
    """Every key below an appender that the code asks for."""
    asked = re.compile(
        r"""(?:properties|settings)(?:\.get\(|\[)"([\w.]+)"|"([\w.]+)" (?:not )?in (?:properties|settings)"""
    )
    return {
        key
        for path in SOURCES
        for pair in asked.findall(path.read_text(encoding="utf-8"))
        for key in pair
        if key
    }


def loggers() -> set[str]:
    """Every logger that a module asks for by its name."""
    found = re.compile(r'getLogger\("([\w.]+)"\)')
    rooms = [path for path in PACKAGE.rglob("*.py") if path.parent.name not in {"requestor", "ctl"}]
    return {name for path in rooms for name in found.findall(path.read_text(encoding="utf-8"))}


def complaints() -> set[str]:
    return {
        text
        for text in sayings(path for path in SOURCES if path.name not in {"complaints.py", "frames.py"})
        if text not in OTHER
    }


@pytest.mark.parametrize("kind", log4cplus._CHECKS)
def test_every_appender_has_its_item(kind: str) -> None:
    assert f"\n.It Cm {kind}\n" in subsection(TEXT, "Appenders")


@pytest.mark.parametrize("kind", sorted(log4cplus._LAYOUTS))
def test_every_layout_has_its_item(kind: str) -> None:
    assert re.search(rf"Cm (log4cplus|scpd)::{kind}\b", items("Layouts"))


@pytest.mark.parametrize("kind", KINDS)
def test_every_filter_has_its_item(kind: str) -> None:
    assert f"log4cplus::spi::{kind}" in items("Filters")


@pytest.mark.parametrize("letter", sorted(patterns.LETTERS))
def test_every_conversion_has_its_item(letter: str) -> None:
    assert re.search(rf"%{letter}\b", items("Patterns"))


def test_no_conversion_has_an_item_that_is_none() -> None:
    told = set(re.findall(r"%(\w)", items("Patterns")))
    assert told == patterns.LETTERS


def test_the_properties_are_found() -> None:
    assert {"File", "Schedule", "AcceptOnMatch", "ConversionPattern", "quietMode"} <= properties()
    assert len(properties()) > 20


@pytest.mark.parametrize(
    "key", sorted(properties() - {"rootLogger", "layout.Pattern", "layout.ConversionPattern"})
)
def test_every_property_is_told(key: str) -> None:
    assert re.search(rf"\b{re.escape(key)}\b", plain(TEXT))


@pytest.mark.parametrize("other", log4cplus._OTHER_SPELLINGS)
def test_other_spellings_are_told(other: str) -> None:
    caveats = section(TEXT, "CAVEATS")
    assert other in caveats or (other[0].islower() and "begin with a small letter" in caveats)


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_schedule_has_its_item(name: str) -> None:
    assert f"\n.It Cm {name}\n" in subsection(TEXT, "Appenders")


@pytest.mark.parametrize(("name", "schedule"), SCHEDULES.items())
def test_the_name_of_an_old_file_is_the_one_that_is_shown(name: str, schedule: object) -> None:
    (shown,) = re.findall(
        rf"^\.It Cm {name}\n\.Ar File Ns \.(\S+)", subsection(TEXT, "Appenders"), re.MULTILINE
    )
    moment = 1795940100.0  # a Sunday in November 2026, 08:15 in UTC
    ending = schedule.ending(moment)  # type: ignore[attr-defined]
    assert re.sub(r"\d", "0", shown) == re.sub(r"\d", "0", ending)


@pytest.mark.parametrize("facility", [name for name in FACILITIES if not name.startswith("local")])
def test_every_facility_is_told(facility: str) -> None:
    assert re.search(rf"\b{facility}\b", subsection(TEXT, "Appenders"))


@pytest.mark.parametrize("level", LEVELS)
def test_every_level_has_its_item(level: str) -> None:
    assert re.search(rf"\b{level.upper()}\b", items("Levels"))


@pytest.mark.parametrize("field", [*FIELDS, "association"])
def test_every_field_of_an_association_is_told(field: str) -> None:
    assert re.search(rf"^\.Cm {field}\b", subsection(TEXT, "Patterns"), re.MULTILINE)


def test_every_member_of_a_json_line_has_its_item() -> None:
    record = logging.LogRecord("x", logging.INFO, "", 0, "", None, None)
    members = json.loads(JsonLayout(Association()).format(record))
    told = items("JSON").replace("Li ", "").replace(" ,", "").split()
    assert told == list(members)


@pytest.mark.parametrize("name", _predefined("scpd"))
def test_every_predefined_variable_is_told(name: str) -> None:
    assert re.search(rf"^\.Cm {name}\b", subsection(TEXT, "The file"), re.MULTILINE)


@pytest.mark.parametrize("name", sorted(loggers()))
def test_every_logger_has_its_item(name: str) -> None:
    assert f"\n.It Cm {name}\n" in subsection(TEXT, "Loggers")


def test_the_complaints_are_found() -> None:
    assert len(complaints()) > 30


@pytest.mark.parametrize("text", sorted(complaints()))
def test_every_complaint_has_its_line(text: str) -> None:
    assert text in section(TEXT, "DIAGNOSTICS")


@pytest.mark.parametrize("text", CONFIGURATIONS)
def test_its_examples_are_sound(text: str) -> None:
    configuration = log4cplus.read(text, Variables({}, {}), "scpd")
    assert configuration.complaints == []
    assert configuration.progress_level == "warn"
    known = {key for key in properties() if "." not in key}
    used = {key for each in configuration.appenders.values() for key in each.properties if "." not in key}
    assert used - known - {"layout"} == set()


def test_there_are_three_examples() -> None:
    assert len(CONFIGURATIONS) == 3
