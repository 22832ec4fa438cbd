"""What the program says about itself."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from scpd import __version__
from scpd.cli import options, usage

if TYPE_CHECKING:
    from scpd.cli.options import Option


def test_an_error_has_the_four_lines_of_storescp() -> None:
    assert usage.error_text("storescp", "Missing parameter port") == (
        f"$scpd: storescp v{__version__} $\n"
        "\n"
        "storescp: DICOM storage (C-STORE) SCP\n"
        "error: Missing parameter port\n"
    )


@pytest.mark.parametrize("option", options.OPTIONS, ids=lambda option: option.long)
def test_help_shows_every_option_in_its_columns(option: Option) -> None:
    lines = usage.usage("scpd").splitlines()
    (number,) = [number for number, line in enumerate(lines) if option.long in line[:40].split()]
    line = lines[number]
    assert line.index(option.long) == 10
    assert line[:10].strip() == option.short
    if len(option.long) > 21:  # the text begins below
        assert line.endswith(option.long)
        line = lines[number + 1]
        assert not line[:31].strip()
    assert line[31:33] == "  "
    assert line[33] != " "


def test_help_is_readable_on_80_columns() -> None:
    # Headings apart: they are storescp's.
    lines = usage.usage("storescp").splitlines()
    assert max(len(line) for line in lines if not line.endswith(":")) < 80


@pytest.mark.parametrize(
    "lines",
    [
        "usage: scpd [options] [port]\n\nparameters:\n  port                           tcp port",
        "general options:\n  -h      --help                 ",
        "\n          --single-process       serve one association at a time (default)\n",
        "\n  other network options:\n    -id   --inetd                serve one connection",
        "\n    -ts   --socket-timeout       [s]econds: integer (default: 60)\n",
        "\n    -pdu  --max-pdu              [n]umber of bytes: integer (4096..131072)\n",
        "\n                                 largest PDU to receive (default: 16384)\n",
        '\n    -od   --output-directory     [d]irectory: string (default: ".")\n',
        "\n  -ll     --log-level            [l]evel: string constant\n",
        "\nscpd options:\n          --bind                 [a]ddress: string\n",
    ],
)
def test_help_has_the_layout_of_storescp(lines: str) -> None:
    assert lines in usage.usage("scpd")


def test_help_names_each_group_once() -> None:
    groups = re.findall(r"^(\S.*):$", usage.usage("scpd"), re.MULTILINE)
    assert len(groups) == len(set(groups))


def test_version_names_host_interpreter_and_libraries() -> None:
    lines = usage.version("scpd").splitlines()
    assert lines[:3] == [f"$scpd: scpd v{__version__} $", "", "scpd: DICOM storage (C-STORE) SCP"]
    assert [line.partition(":")[0] for line in lines[4:6]] == ["Host type", "Character encoding"]
    libraries = lines[lines.index("External libraries used:") + 1 :]
    names = [line.split()[1] for line in libraries]
    assert {"Python", "pydicom", "pynetdicom", "setproctitle"} <= set(names)
    assert all(re.fullmatch(r"- \S+ [0-9][0-9.]*\S*", line) for line in libraries)
