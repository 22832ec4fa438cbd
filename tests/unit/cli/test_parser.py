"""The grammar, and the order in which mistakes are found."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scpd.cli import options
from scpd.cli.parser import parse
from scpd.cli.settings import Settings
from scpd.cli.usage import usage, version
from scpd.errors import UsageError


def settings(*words: str) -> Settings:
    answer = parse("scpd", list(words))
    assert isinstance(answer, Settings)
    return answer


def error(*words: str) -> UsageError:
    with pytest.raises(UsageError) as caught:
        parse("scpd", list(words))
    return caught.value


def test_a_port_alone_gives_the_defaults_of_storescp() -> None:
    given_port = settings("11112")
    assert {name: getattr(given_port, name) for name in Settings.__slots__} == {
        "program_name": "scpd",
        "port": 11112,
        "log_level": "warn",
        "fork": False,
        "max_associations": None,
        "ip_protocol": "ipv4",
        "bind": (),
        "socket_timeout": 60,
        "acse_timeout": 30,
        "dimse_timeout": None,
        "ae_title": "STORESCP",
        "max_pdu": 16384,
        "transfer_syntaxes": "prefer-uncompr",
        "promiscuous": False,
        "ignore": False,
        "output_directory": ".",
        "bit_preserving": False,
        "write_dataset": False,
        "unique_filenames": False,
        "filename_extension": "",
        "fsync": True,
        "grace": 30,
        "warnings": (),
    }


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("--fork", {"fork": True}),
        ("--fork --single-process", {"fork": False}),
        ("--fork --max-associations 8", {"fork": True, "max_associations": 8}),
        ("-q", {"log_level": "fatal"}),
        ("-v", {"log_level": "info"}),
        ("-d", {"log_level": "debug"}),
        ("-q -v", {"log_level": "info"}),
        ("-v -d -q", {"log_level": "fatal"}),
        ("-q -v -q -d", {"log_level": "debug"}),
        ("-ll TRACE", {"log_level": "trace"}),
        ("-ll nonsense -ll Off", {"log_level": "off"}),
        ("-i6", {"ip_protocol": "ipv6"}),
        ("-i0", {"ip_protocol": "auto"}),
        ("-i6 -i4", {"ip_protocol": "ipv4"}),
        ("--bind ::1 --bind 127.0.0.1", {"bind": ("::1", "127.0.0.1")}),
        ("-ts 0 -ta 010 -td 0x10", {"socket_timeout": None, "acse_timeout": 8, "dimse_timeout": 16}),
        ("-ta abc -ta 5", {"acse_timeout": 5}),
        ("-aet -q", {"ae_title": "-q", "log_level": "warn"}),
        ("-aet @list", {"ae_title": "@list"}),
        ("-fe +x -od -v", {"filename_extension": "+x", "output_directory": "-v", "log_level": "warn"}),
        ("-pdu 131072", {"max_pdu": 131072, "warnings": ()}),
        ("-pdu 4097", {"max_pdu": 4096, "warnings": ("ASSOC: PDV receive length 4097 is odd (using 4096)",)}),
        ("+xa +xe +x=", {"transfer_syntaxes": "prefer-uncompr"}),
        ("+x= +xi", {"transfer_syntaxes": "implicit"}),
        ("+xb", {"transfer_syntaxes": "prefer-big"}),
        ("+xe +xa", {"transfer_syntaxes": "accept-all"}),
        ("--prefer-little", {"transfer_syntaxes": "prefer-little"}),
        ("-pm --ignore", {"promiscuous": True, "ignore": True}),
        ("-od in/ -od out/", {"output_directory": "out"}),
        ("+B", {"bit_preserving": True}),
        ("+B -B", {"bit_preserving": False}),
        ("-F", {"write_dataset": True}),
        ("-F +F", {"write_dataset": False}),
        ("+uf", {"unique_filenames": True}),
        ("+uf -uf", {"unique_filenames": False}),
        ("--no-fsync", {"fsync": False}),
        ("--no-fsync --fsync", {"fsync": True}),
        ("--grace 0", {"grace": 0}),
    ],
)
def test_a_line_asks_for_what_it_says_and_for_nothing_else(line: str, expected: dict[str, Any]) -> None:
    asked, plain = settings(*line.split(), "11112"), settings("11112")
    changed = {name for name in Settings.__slots__ if getattr(asked, name) != getattr(plain, name)}
    assert {name: getattr(asked, name) for name in expected} == expected
    assert changed <= set(expected)


def test_options_may_stand_on_either_side_of_the_port() -> None:
    asked = settings("-v", "11112", "-od", "in")
    assert (asked.port, asked.log_level, asked.output_directory) == (11112, "info", "in")


@pytest.mark.parametrize("port", ["+11112", " 11112", "011112"])
def test_a_port_may_be_written_oddly(port: str) -> None:
    assert settings(port).port == 11112


@pytest.mark.parametrize("words", [["-h"], ["--help"], ["-h", "1", "2"], ["--version", "-h", "-ta", "x"], []])
def test_help_is_what_an_empty_line_and_the_option_ask_for(words: list[str]) -> None:
    assert parse("storescp", words) == usage("storescp")


def test_version_ignores_what_is_wrong_elsewhere() -> None:
    assert parse("scpd", ["-ta", "x", "--version", "1", "2"]) == version("scpd")


@pytest.mark.parametrize(
    ("line", "text"),
    [
        # found from left to right, before everything else
        ("-h -x", "Unknown option -x"),
        ("-x -pdu", "Unknown option -x"),
        ("-h -pdu", "Missing value for option --max-pdu"),
        ("--aetitle=X 1", "Unknown option --aetitle=X"),
        ("-od/tmp 1", "Unknown option -od/tmp"),
        ("-vd 1", "Unknown option -vd"),
        ("--verb 1", "Unknown option --verb"),
        ("-V 1", "Unknown option -V"),
        ("-- 1", "Unknown option --"),
        # options of storescp that have no row yet
        ("-tls 1", "Unknown option -tls"),
        ("+te 1", "Unknown option +te"),
        # then parameters, processes, port, logging, network, output, our own
        ("1 2 -ta 0", "Too many parameters"),
        ("-5 @x", "Too many parameters"),
        ("--max-associations x", "--max-associations only allowed with --fork"),
        ("--fork --single-process --max-associations 2 1", "--max-associations only allowed with --fork"),
        ("--fork --max-associations 0", "Invalid value for option --max-associations (underflow: 0)"),
        ("-ll x", "Missing parameter port"),
        ("@x -ll x", "Invalid parameter value @x"),
        ("5x", "Invalid parameter value 5x"),
        ("70000 -ll x", "Invalid parameter value 70000 (overflow)"),
        ("1 -ll x -v -ta 0", "--log-level not allowed with --verbose, --debug or --quiet"),
        ("1 -ll x -ta 0", "Invalid log level for --log-level option"),
        ("1 -pdu 1 -td x -ta y", "Invalid value for option --acse-timeout (y)"),
        ("1 --bind x --grace x -pdu 1", "Invalid value for option --max-pdu (underflow: 1)"),
        ("1 --grace x --bind x", "Invalid value for option --bind (x)"),
        ("1 --bind x --bind ::1", "Invalid value for option --bind (x)"),
    ],
)
def test_of_several_mistakes_the_first_in_the_order_of_checks_is_named(line: str, text: str) -> None:
    assert str(error(*line.split())) == text


@pytest.mark.parametrize(
    ("line", "quiet"),
    [
        ("-q -x", False),
        ("-q 1 2", False),
        ("-q 70000", False),
        ("-q -ll info 1", False),
        ("-q -ta 0 1", True),
        ("-v -q -ta 0 1", True),
        ("-q -v -ta 0 1", False),
        ("-ll fatal -ta 0 1", True),
        ("-ll OFF -ta 0 1", True),
        ("-ll error -ta 0 1", False),
        ("-q --bind x 1", True),
    ],
)
def test_quiet_mode_hides_only_what_is_checked_after_it_is_known(line: str, quiet: bool) -> None:
    assert error(*line.split()).quiet is quiet


WORDS = st.sampled_from(sorted(options.BY_NAME)) | st.sampled_from(
    ["5", "11112", "info", "::1", "/tmp", "-1", "@x"]
)


@given(st.lists(WORDS | st.text(alphabet=st.characters(codec=None)), max_size=12))
def test_any_list_of_words_gives_settings_a_text_or_a_usage_error(words: list[str]) -> None:
    try:
        answer = parse("scpd", words)
    except UsageError:
        return
    assert isinstance(answer, Settings | str)
    if isinstance(answer, Settings):
        assert 1 <= answer.port <= 65535
        assert answer.max_pdu % 2 == 0


def test_the_parser_brings_in_nothing_but_itself() -> None:
    script = (
        "import sys; before = set(sys.modules);"
        "from scpd.cli.parser import parse; parse('scpd', ['--fork', '1']);"
        "print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    foreign = {name for name in done.stdout.split() if name.partition(".")[0] != "scpd"} - {"__future__"}
    assert foreign == set()
    assert "scpd.cli.usage" not in done.stdout.split()
