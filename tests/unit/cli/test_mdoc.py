"""The manual page is what the table and the frame give, says something about everything, and is proper mdoc."""

from __future__ import annotations

import re
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from scpd.cli import mdoc, options
from scpd.cli.rows import OUTPUT, Argument, Option, Section
from scpd.dimse import status
from scpd.process import activation, exitcodes, notify, signals
from tests.harness.manuals import complaints
from tests.harness.programs import real_program

if TYPE_CHECKING:
    from pathlib import Path

PAGE = mdoc.PAGE.read_text(encoding="utf-8")


def section(name: str) -> str:
    """The source of a section, subsections included."""
    return re.split(rf"^\.Sh {name}$", PAGE, flags=re.MULTILINE)[1].partition("\n.Sh ")[0]


def items(name: str) -> list[str]:
    return re.findall(r"^\.It (.*)$", section(name), re.MULTILINE)


def text_of(option: Option, **columns: object) -> str:
    for name, value in columns.items():
        setattr(option, name, value)
    return mdoc.options_text([Section("group", "", OUTPUT, (option,))])


def test_the_committed_page_is_what_table_and_frame_give() -> None:
    assert mdoc.page(mdoc.FRAME.read_text(encoding="utf-8")) == PAGE, "run python -m scpd.cli.mdoc"


def test_mandoc_has_nothing_to_complain_about() -> None:
    assert complaints(mdoc.PAGE) == []


def test_mandoc_would_complain(tmp_path: Path) -> None:
    path = tmp_path / "scpd.8"
    path.write_text(PAGE.replace(".El\n", "", 1))
    assert complaints(path) != []


@pytest.mark.parametrize("option", options.OPTIONS, ids=lambda option: option.long)
def test_every_option_has_its_item_as_a_reader_sees_it(option: Option, rendered: str) -> None:
    names = ", ".join(name for name in (option.short, option.long) if name)
    arguments = "".join(f" {argument.name.replace(' ', '-')}" for argument in option.arguments)
    assert re.search(rf"^ +{re.escape(names + arguments)}(\s|$)", rendered, re.MULTILINE)


@pytest.fixture(scope="module")
def rendered() -> str:
    run = subprocess.run(
        [real_program("mandoc"), "-Tascii", "-Owidth=200", str(mdoc.PAGE)], capture_output=True, check=True
    )
    return re.sub(".\b", "", run.stdout.decode())


def test_the_options_come_in_the_order_of_help() -> None:
    found = [re.findall(r"Fl (-\S+)", item)[0] for item in items("OPTIONS")]
    assert [f"-{name}" for name in found] == [option.long for option in options.OPTIONS]


def test_every_signal_of_the_master_has_its_line() -> None:
    lines = " ".join(items("SIGNALS"))
    assert [number.name for number in map(signal.Signals, signals.MASTER) if number.name not in lines] == []


def test_every_exit_status_has_its_line() -> None:
    known = {exitcodes.OK, exitcodes.START_FAILED, *exitcodes.MEANINGS, exitcodes.REJECTED}
    assert {int(item) for item in items("EXIT STATUS")} == known


def test_every_status_of_a_response_has_its_line() -> None:
    known = {value for name, value in vars(status).items() if name.isupper() and isinstance(value, int)}
    found = {int(item[:4], 16) for item in items("DIAGNOSTICS") if re.fullmatch("[0-9A-F]{4}H", item)}
    # Refused for a taken name: one that came with --duplicates.
    assert known - found == set()
    assert found - known <= {0x0111}


@pytest.mark.parametrize(
    "name",
    [
        *("DCMDICTPATH", "TCP_NODELAY", "TCP_BUFFER_LENGTH", "TZ", "JOURNAL_STREAM", "INVOCATION_ID"),
        *(name for name in activation.VARIABLES if name != "LISTEN_PIDFDID"),
        *notify.VARIABLES,
    ],
)
def test_every_variable_has_its_line(name: str) -> None:
    lines = [item.removeprefix("Ev ").split(" , ") for item in items("ENVIRONMENT")]
    assert any(name in names for names in lines)


VALUES = (
    "CALLING_AET",
    "CALLED_AET",
    "PEER",
    "TLS_SUBJECT",
    "TLS_ISSUER",
    "FILE",
    "DIRECTORY",
    "SOP_CLASS_UID",
    "SOP_INSTANCE_UID",
    "STUDY_INSTANCE_UID",
    "TRANSFER_SYNTAX_UID",
    "OBJECTS",
    "JOB",
)


def test_every_value_that_a_command_gets_has_its_line() -> None:
    words = " ".join(items("ENVIRONMENT")).split()
    assert sorted(word for word in words if word.startswith("SCPD_")) == sorted(
        f"SCPD_{name}" for name in VALUES
    )


@pytest.mark.parametrize("placeholder", ["#p", "#f", "#a", "#c", "#r"])
def test_every_placeholder_has_its_line(placeholder: str) -> None:
    lines = [item for item in items("DESCRIPTION") if item.startswith("Li #")]
    assert placeholder in " ".join(lines).replace(",", "").split()


@pytest.mark.parametrize(
    "path",
    [
        *(".scpd/tmp", ".scpd/tmp/lock", ".scpd", ".scpd/failed", ".scpd/strange"),
        *("etc/storescp.cfg", "etc/logger.cfg"),
    ],
)
def test_every_file_has_its_line(path: str) -> None:
    assert f"Pa {path}" in items("FILES")


def test_the_sections_are_there_in_their_order() -> None:
    assert re.findall(r"^\.Sh (.*)$", PAGE, re.MULTILINE) == [
        "NAME",
        "SYNOPSIS",
        "DESCRIPTION",
        "OPTIONS",
        "ENVIRONMENT",
        "FILES",
        "SIGNALS",
        "EXIT STATUS",
        "EXAMPLES",
        "DIAGNOSTICS",
        "DIFFERENCES TO STORESCP",
        "SEE ALSO",
        "STANDARDS",
        "CAVEATS",
        "SECURITY CONSIDERATIONS",
    ]


def test_each_source_line_ends_its_sentence() -> None:
    prose = [line for line in PAGE.splitlines() if not line.startswith((".", "(", "\t"))]
    assert [line for line in prose if re.search(r"[a-z]\. +[A-Z]", line)] == []


def test_names_arguments_and_help_become_an_item() -> None:
    option = Option(
        "--pad",
        "+p",
        "pad",
        "pad to f\nand i bytes",
        arguments=(Argument("f", "uint"), Argument("i n", "uint")),
    )
    assert text_of(option).splitlines()[2:-1] == [".It Cm +p , Fl -pad Ar f Ar i-n", "Pad to f and i bytes."]


@pytest.mark.parametrize(
    ("columns", "lines"),
    [
        ({"help": "(a, b)\nchoose one"}, ["Choose one (a, b)."]),
        ({"help": "with a dot", "default_text": '"."'}, ["With a dot.", 'The default is ".".']),
        ({"by_default": True}, ["Text.", "This is the default."]),
        ({"by_default": True, "help": "text (default)"}, ["Text (default)."]),
        ({"adds_up": True}, ["Text.", "May be repeated."]),
        ({"adds_up": True, "help": "may be repeated"}, ["May be repeated."]),
        ({"arguments": (Argument("n", "uint", 0, 9),)}, ["Text.", "From 0 to 9."]),
        ({"arguments": (Argument("n", "uint", 1),)}, ["Text.", "At least 1."]),
        ({"arguments": (Argument("n", "timeout", -1),)}, ["Text."]),
        ({"needs": (("--a",),), "help": "text\n(only with --a)"}, ["Text.", "Only with", ".Fl -a ."]),
        ({"conflicts": (("--a",),)}, ["Text.", "Not with", ".Fl -a ."]),
        ({"conflicts": (("--a", "+b", "-c"),)}, ["Text.", "Not with", ".Fl -a ,", ".Cm +b", "or", ".Fl c ."]),
        (
            {"needs": (("--a", "--b"), ("verbose mode",))},
            [
                "Text.",
                "Only with",
                ".Fl -a",
                "or",
                ".Fl -b .",
                "Only with",
                ".No verbose mode .",
            ],
        ),
        ({"help": "not with --fork, -v or a-b"}, [r"Not with \-\-fork, \-v or a-b."]),
        ({"help": ".dcm \\n"}, [r"\&.dcm \en."]),
        ({"help": "'quoted'"}, [r"\&'quoted'."]),
    ],
)
def test_columns_become_sentences(columns: dict[str, object], lines: list[str]) -> None:
    option = Option("--option", "", "option", "text")
    assert text_of(option, **columns).splitlines()[3:-1] == lines


def test_choices_are_told() -> None:
    class WithChoices(Argument):
        """Takes any column."""

    class Extended(Option):
        """Takes any column."""

    argument = WithChoices("mode", "choice")
    argument.choices = ("a", "b", "c")
    option = Extended("--option", "", "option", "text", arguments=(argument,))
    assert text_of(option).splitlines()[3:-1] == [
        "Text.",
        "One of a, b and c.",
    ]


@pytest.mark.parametrize("name", ["Ar", "Fl", "No", "%A", "Ns", "."])
def test_a_word_that_is_a_macro_is_none_in_an_item(name: str) -> None:
    option = Option(f"--x {name} y", "", "option", "text", arguments=(Argument(name, "string"),))
    assert text_of(option).splitlines()[2] == rf".It Fl -x \&{name} y Ar \&{name}"


def test_a_group_has_one_heading_and_each_part_a_line() -> None:
    option = Option("--option", "", "option", "text")
    parts = [Section("group", part, OUTPUT, (option,)) for part in ("", "first part", "second")]
    text = mdoc.options_text([*parts, Section("other", "its part", OUTPUT, (option,))])
    assert [line for line in text.splitlines() if not line.startswith((".It", "Text", ".Bl", ".El"))] == [
        ".Ss group",
        ".Pp",
        "First part:",
        ".Pp",
        "Second:",
        ".Ss other",
        "Its part:",
    ]


@pytest.mark.parametrize("frame", ["", "@OPTIONS@", mdoc.MARK * 2])
def test_a_frame_without_its_mark_or_with_two_is_none(frame: str) -> None:
    with pytest.raises(ValueError, match="@OPTIONS@"):
        mdoc.page(frame)


def test_it_writes_the_page(tmp_path: Path) -> None:
    frame, page = tmp_path / "frame", tmp_path / "page"
    frame.write_text(f"before\n{mdoc.MARK}behind\n")
    assert mdoc.main(frame, page) == 0
    text = page.read_text()
    assert text.startswith("before\n.Ss ")
    assert text.endswith(".El\nbehind\n")
    frame.unlink()
    assert mdoc.main(frame, page) == 1
