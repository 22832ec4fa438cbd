"""scpd_studies(7) has every file, record, lock, option and log line that there is, and the steps that code cites."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

import pytest

from scpd import filing_policies
from scpd.cli.mdoc import MANUALS
from scpd.cli.parser import parse
from scpd.cli.settings import Settings
from scpd.keeper import accounts, endings, hooks, keeper, leftovers, requests, service
from scpd.keeper.runfiles import END, RUN, End, Trace
from scpd.lockdir import layout, records
from scpd.process import locks
from scpd.study import completion, record, rules, states, tracker
from scpd.study.plan import Move, Plan
from scpd.study.record import ObjectRecord, Sender
from scpd.study.states import About
from tests.harness.manuals import complaints

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PAGE = MANUALS / "scpd_studies.7"
TEXT = PAGE.read_text(encoding="utf-8")
SOURCES = sorted((MANUALS.parent / "scpd").rglob("*.py"))
TREE = TEXT.partition(".Ss The lock directory\n")[2].partition(".Bd")[2].partition(".Ed")[0]

OBJECT = ObjectRecord(
    number=2,
    at=2,
    generation="g",
    directory="d",
    name="n",
    inode=3,
    size=4,
    sop_class_uid="1",
    sop_instance_uid="2",
    study_instance_uid="3",
    transfer_syntax_uid="4",
    hook="xcr",
    stored=1,
)
PLAN = Plan(
    study_instance_uid="1",
    directory="d",
    calling="A",
    called="B",
    host="h",
    peer_name="p",
    transfer_syntax_uid="2",
    objects=1,
    moves=[Move("a", 1, "b")],
    subject="s",
    issuer="i",
)
LINES = [
    *Sender("boot", "A", "B", "h", "p", "xs", "/place", "s", "i").encode().splitlines(keepends=True),
    OBJECT.encode(),
    record.encode_opened("KEY", "g"),
    record.encode_stored(1, "n", 2),
    record.encode_failed(1),
    record.encode_waits(1),
    About("g", "1.2", "rules", "/place").encode(),
    *PLAN.encode().splitlines(keepends=True),
    records.encode((accounts._SETTLED, "job")),
    records.encode((accounts._TRIED, "job", "1")),
    Trace(1, 2, 3, 4, 5).encode("boot"),
    End(1, 2).encode(),
    *(records.encode((verb, "subject")) for verb in (requests.COMPLETE, requests.RETRY, requests.DROP)),
]
KINDS = [(fields[0], len(fields) - 1) for line in LINES if (fields := records.decode(line[:-1])) is not None]

# The rooms whose lines of the log are about studies and commands.
ROOMS = ("keeper/", "study/", "lockdir/", "master/upkeep.py", "worker/filing.py", "worker/placing.py")
OTHER_ROOMS = ("keeper/sweep.py",)


def section(name: str) -> str:
    return re.split(rf"^\.Sh {name}$", TEXT, flags=re.MULTILINE)[1].partition("\n.Sh ")[0]


def log_formats(path: Path) -> Iterator[str]:
    """The texts that a module logs; not those that it gets from elsewhere."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name("log"), attr=name), args=[*arguments]):
                text = arguments[1 if name == "log" else 0]
                assert isinstance(text, ast.Constant), f"{path}:{node.lineno}"
                if text.value != "%s":
                    yield str(text.value)


def formats() -> list[str]:
    package = MANUALS.parent / "scpd"
    paths = [path for path in SOURCES if str(path.relative_to(package)).startswith(ROOMS)]
    return sorted(
        text
        for path in paths
        if str(path.relative_to(package)) not in OTHER_ROOMS
        for text in log_formats(path)
    )


def citations() -> set[tuple[str, int]]:
    """Each step that a comment or docstring names, as in "scpd_studies(7), publishing 4"."""
    found = re.compile(r"scpd_studies\(7\),\s+((?:\w+ \d+(?: to \d+)?(?:,\s+|\s+and\s+)?)+)")
    return {
        (what, int(number))
        for path in SOURCES
        for step in found.findall(path.read_text(encoding="utf-8"))
        for what, numbers in re.findall(r"(\w+) (\d+(?: to \d+)?)", step)
        for number in re.findall(r"\d+", numbers)
    }


def steps() -> dict[str, int]:
    """How many steps each procedure has, by the first word of its heading."""
    parts = re.split(r"^\.Ss ", section("STEPS"), flags=re.MULTILINE)[1:]
    return {
        part.split()[0].lower(): len(re.findall(r"^\.It$", part.partition(".El")[0], re.MULTILINE))
        for part in parts
    }


def test_mandoc_has_nothing_to_complain_about() -> None:
    assert complaints(PAGE) == []


@pytest.mark.parametrize(("kind", "fields"), KINDS)
def test_every_record_has_its_line_with_all_its_fields(kind: str, fields: int) -> None:
    shown = re.findall(rf"^\.(?:It )?Li {kind} Ar ([\w -]+?)(?: [,.:;])?$", section("FILES"), re.MULTILINE)
    assert fields in [len(names.replace(" Op Ar", "").split()) for names in shown]


def test_the_line_that_is_shown_is_whole() -> None:
    (line,) = re.findall(r"^stored\t.*$", TEXT, re.MULTILINE)
    assert records.decode(line.encode()) == ["stored", "1", "CT.1.2.3", "9437246"]


@pytest.mark.parametrize("part", [*layout._DIRECTORIES, layout.RULES, layout.KEEPER, layout.WAKE])
def test_every_part_of_the_lock_directory_is_in_the_tree(part: str) -> None:
    assert re.search(rf"^{part}(/| )", TREE, re.MULTILINE)


@pytest.mark.parametrize(
    "name",
    [
        *(f"open/KEY/{states.STUDY}", f"open/KEY/{states.DIRECTORY}", f"sealed/KEY.GENERATION/{states.PLAN}"),
        *(f"running/JOB{RUN}", f"running/JOB{END}"),
    ],
)
def test_every_file_of_a_study_or_command_is_in_the_tree(name: str) -> None:
    assert re.search(rf"^{name}( |$)", TREE, re.MULTILINE)


@pytest.mark.parametrize("place", [states.BUSY, states.HOLD, states.NAMING])
def test_every_lock_of_a_study_has_its_byte(place: int) -> None:
    assert f".It Pa open/KEY/study No byte {place}\n" in TEXT


def test_every_word_of_a_studys_rules_is_told() -> None:
    told = section("FILES").partition(".It Pa study\n")[2].partition(".It")[0].replace(",", " ").split()
    words = {*rules.BY, *rules._EACH_OR_ANY, *rules._NONE_OR_RENAME, *rules._NONE_OR_RUN}
    assert words <= set(told)


def test_every_option_on_which_daemons_agree_is_named() -> None:
    settings = parse("scpd", ["11112"])
    assert isinstance(settings, Settings)
    told = TEXT.partition(".Ss Several daemons")[2].partition(".Ss")[0]
    for name, _ in filing_policies.agreed_options(settings):
        assert re.search(rf"^\.Fl {name[1:]}( |$)", told, re.MULTILINE), name


@pytest.mark.parametrize("name", ["job", hooks._PLACE, *hooks._KEPT, "objects", "status", "stderr", "time"])
def test_every_value_of_a_command_that_was_set_aside_is_named(name: str) -> None:
    told = TEXT.partition(".It Pa failed/JOB\n")[2].partition(".It")[0]
    assert re.search(rf"\b{name}\b", told)


def test_the_lines_of_the_log_are_found() -> None:
    found = formats()
    assert "study %s is complete: %s in %s" in found
    assert "no keeper is running, going on without waiting for it" in found
    assert len(found) > 25


@pytest.mark.parametrize("text", formats())
def test_every_line_of_the_log_is_explained(text: str) -> None:
    pieces = map(re.escape, re.split(r"%[.\d]*[srdgf]", text))
    line = re.compile(".+".join(pieces))
    items = re.findall(r"^\.It (.*)$", section("DIAGNOSTICS"), re.MULTILINE)
    assert [item for item in items if line.fullmatch(item)] != []


def test_the_code_cites_every_procedure_and_no_step_that_is_none() -> None:
    known, cited = steps(), citations()
    assert [step for step in cited if not 1 <= step[1] <= known.get(step[0], 0)] == []
    assert {what for what, _ in cited} == set(known)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (locks.PATIENCE_SECONDS, "5 seconds at most"),
        (tracker._LEASE_SECONDS, "more than a second"),
        (tracker._LONGEST_SECONDS, "put off for more than a second"),
        (tracker._LONGEST_WHERE_DUE, "for more than 0.1 seconds where"),
        (tracker._WAKE_SECONDS, "0.002 seconds after"),
        (tracker._FREE_SECONDS, "for the next 0.025 seconds"),
        (rules.RETRY_SECONDS, "once more each second"),
        (completion._LONGEST_SECONDS, "at most 50 ms"),
        (keeper._LONGEST_SLEEP, "every 10 seconds at least"),
        (service._ELECTION_SECONDS, "once a second"),
        (endings._RETRY_SECONDS, "tried again after 5 seconds"),
        (leftovers.LOOK_SECONDS, "10 seconds later"),
        (layout._PUBLISH_LOCKS, "modulo 64"),
    ],
)
def test_the_numbers_are_those_of_the_code(value: float, text: str) -> None:
    assert text in TEXT
    numbers = {"50 ms": 0.05, "a second": 1.0, "each second": 1.0}
    told = [number for word, number in numbers.items() if word in text]
    assert value == (told[0] if told else float(re.findall(r"[\d.]*\d", text)[0]))


def test_each_source_line_ends_its_sentence() -> None:
    prose = [line for line in TEXT.splitlines() if not line.startswith((".", "("))]
    assert [line for line in prose if re.search(r"[a-z]\. +[A-Z]", line)] == []
