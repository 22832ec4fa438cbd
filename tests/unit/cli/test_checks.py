"""Values and relations of single options, apart from any command line."""

from __future__ import annotations

from typing import Any

import pytest

from scpd.cli import options
from scpd.cli.checks import State, check_relations, read_value
from scpd.cli.rows import Argument, Option
from scpd.errors import UsageError


def read(name: str, text: str) -> object:
    option = options.BY_NAME[name]
    return read_value(option, option.arguments[0], text)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("-ll", "WARN", "warn"),
        ("-ll", "All", "all"),
        ("-ll", "off", "off"),
        ("-od", "", "."),
        ("-od", "/", "/"),
        ("-od", "//", "/"),
        ("-od", "/tmp/in//", "/tmp/in"),
        ("-od", "in box", "in box"),
        ("-ts", "-1", None),
        ("-ts", "0", None),
        ("-ts", "0x10", 16),
        ("-aet", "", ""),
        ("-aet", "  LONGER THAN SIXTEEN\\ ", "  LONGER THAN SIXTEEN\\ "),
        ("--bind", "127.0.0.1", "127.0.0.1"),
        ("--bind", "0:0::1", "::1"),
        ("--bind", "fe80::1%lo", "fe80::1%lo"),
        ("--grace", "0", 0),
        ("--min-free", "0", 0),
        ("--min-free", "+1000", 1000),
        ("--min-free", "7k", 7168),
        ("--min-free", "1T", 1 << 40),
        ("--called-aet", "  CT 1 ", "CT 1"),
        ("--called-aet", "a*b?@=#\"'", "a*b?@=#\"'"),
        ("--allow-calling-aet", " CT 1 ", ("CT 1", "")),
        ("--allow-calling-aet", "CT1@192.0.2.1", ("CT1", "192.0.2.1")),
        ("--allow-calling-aet", "CT1@2001:db8::/32", ("CT1", "2001:db8::/32")),
        ("--allow-calling-aet", "A@B@::1", ("A@B", "::1")),
    ],
)
def test_a_value_is_understood(name: str, text: str, value: object) -> None:
    assert read(name, text) == value


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("-ta", "5x", "Invalid value for option --acse-timeout (5x)"),
        ("-ta", "", "Invalid value for option --acse-timeout"),
        ("-ta", "0", "Invalid value for option --acse-timeout (underflow: 0)"),
        ("-ts", "-2", "Invalid value for option --socket-timeout (underflow: -2)"),
        ("-td", "08", "Invalid value for option --dimse-timeout (08)"),
        ("-pdu", "4095", "Invalid value for option --max-pdu (underflow: 4095)"),
        ("-pdu", "131073", "Invalid value for option --max-pdu (overflow: 131073)"),
        ("-pdu", "0x2000", "Invalid value for option --max-pdu (0x2000)"),
        ("--max-associations", "0", "Invalid value for option --max-associations (underflow: 0)"),
        (
            "--max-associations-per-host",
            "0",
            "Invalid value for option --max-associations-per-host (underflow: 0)",
        ),
        ("--grace", "-1", "Invalid value for option --grace (underflow: -1)"),
        ("--min-free", "", "Invalid value for option --min-free"),
        ("--min-free", "G", "Invalid value for option --min-free (G)"),
        ("--min-free", "1 G", "Invalid value for option --min-free (1 G)"),
        ("--min-free", "1.5G", "Invalid value for option --min-free (1.5G)"),
        ("--min-free", "1GB", "Invalid value for option --min-free (1GB)"),
        ("--min-free", "-1", "Invalid value for option --min-free (-1)"),
        ("--max-object-size", "0", "Invalid value for option --max-object-size (underflow: 0)"),
        ("-ll", "", "Invalid log level for --log-level option"),
        ("-ll", " info", "Invalid log level for --log-level option"),
        ("-ll", "\u017fo", "Invalid log level for --log-level option"),
        ("--bind", "", "Invalid value for option --bind"),
        ("--bind", "localhost", "Invalid value for option --bind (localhost)"),
        ("--bind", "[::1]", "Invalid value for option --bind ([::1])"),
        ("--bind", "1", "Invalid value for option --bind (1)"),
        ("--bind", "127.0.0.1:11112", "Invalid value for option --bind (127.0.0.1:11112)"),
        ("--called-aet", "", "Invalid value for option --called-aet"),
        ("--called-aet", "CT\\1", "Invalid value for option --called-aet (not an AE title: CT\\1)"),
        ("--called-aet", "CT\t1", "Invalid value for option --called-aet (not an AE title: CT\t1)"),
        (
            "--called-aet",
            "M\u00dcLLER",
            "Invalid value for option --called-aet (not an AE title: M\u00dcLLER)",
        ),
        ("--called-aet", "X" * 17, f"Invalid value for option --called-aet (too long: {'X' * 17})"),
        ("--allow-calling-aet", "CT@", "Invalid value for option --allow-calling-aet (not an address: CT@)"),
        (
            "--allow-calling-aet",
            "CT@ct1",
            "Invalid value for option --allow-calling-aet (not an address: CT@ct1)",
        ),
        ("--allow-calling-aet", "@::1", "Invalid value for option --allow-calling-aet (blank: @::1)"),
        (
            "--allow-calling-aet",
            "CT@10.0.0.1/8",
            "Invalid value for option --allow-calling-aet (host bits set: CT@10.0.0.1/8)",
        ),
        ("--bind", "10.0.0.0/8", "Invalid value for option --bind (10.0.0.0/8)"),
    ],
)
def test_a_bad_value_is_named_with_its_option(name: str, text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        read(name, text)
    assert str(caught.value) == message


def test_a_default_member_of_a_block_is_in_force_until_another_is_chosen() -> None:
    state = State()
    fork, single = options.BY_NAME["--fork"], options.BY_NAME["--single-process"]
    assert state.in_force("--single-process")
    state.choose([single, fork], {fork: [(0, [])]})
    assert state.in_force("--fork")
    assert not state.in_force("--single-process")
    assert state.values["fork"] is True


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"conflicts": (("--fork",), ("--single-process",))}, "--x not allowed with --single-process"),
        ({"conflicts": (("--fork", "--normal"),)}, "--x not allowed with --fork or --normal"),
        (
            {"conflicts": (("--fork", "--ipv6", "--normal"),)},
            "--x not allowed with --fork, --ipv6 or --normal",
        ),
        ({"needs": (("--normal",), ("--fork",))}, "--x only allowed with --fork"),
        (
            {"needs": (("--fork", "--ipv6", "--implicit"),)},
            "--x only allowed with --fork, --ipv6 or --implicit",
        ),
        ({"needs": (("--fork", "--ipv4"),)}, None),
        ({"conflicts": (("--fork", "--ipv6"),)}, None),
    ],
)
def test_relations_of_a_new_row_are_judged_by_what_is_in_force(
    columns: dict[str, Any], message: str | None
) -> None:
    option = Option("--x", "-x", "x", "", **columns)
    if message is None:
        check_relations(option, State())
        return
    with pytest.raises(UsageError) as caught:
        check_relations(option, State())
    assert str(caught.value) == message


def test_a_row_may_take_two_values_or_add_up() -> None:
    pair = Option(
        "--x", "", "x", "", arguments=(Argument("file pad", "uint", 0), Argument("item pad", "uint", 0))
    )
    state = State()
    state.choose([pair], {pair: [(0, ["x", "y"]), (3, ["1", "2"])]})
    assert state.values["x"] == (1, 2)
    many = Option("--y", "", "y", "", arguments=(Argument("file", "string"),), adds_up=True)
    state.choose([many], {many: [(0, ["b"]), (2, ["a"]), (4, ["b"])]})
    assert state.values["y"] == ("b", "a")


# Three alternatives, tested in this order; the second may not follow --fork.
FIRST = Option("--first", "", "choice", "", value=1, block="choice:1", by_default=True)
SECOND = Option(
    "--second", "", "choice", "", value=2, block="choice:2", conflicts=(("--fork", "--first-hand"),)
)
THIRD = Option(
    "--third",
    "",
    "choice",
    "",
    block="choice:3",
    arguments=(Argument("n", "uint", 3),),
    conflicts=(("--second",),),
)


def choose(line: str) -> State:
    """Put --fork in force, then test the three alternatives as they stand in `line`."""
    names = {option.long: option for option in (FIRST, SECOND, THIRD)}
    given = {
        names[word]: [(place, ["4"] if word == "--third" else [])] for place, word in enumerate(line.split())
    }
    state = State()
    fork = options.BY_NAME["--fork"]
    state.choose([fork], {fork: [(0, [])]})
    state.choose([FIRST, SECOND, THIRD], given)
    return state


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("--first", 1),
        ("--third", 4),
        ("--first --third", 4),
        ("--third --first", 1),
        ("--second --first", 1),
        ("--third --second --first", 1),
    ],
)
def test_a_member_left_of_one_found_before_is_not_even_checked(line: str, value: int) -> None:
    assert choose(line).values["choice"] == value


@pytest.mark.parametrize(
    "line", ["--second", "--first --second", "--first --second --third", "--second --third"]
)
def test_a_member_that_counts_on_the_way_is_checked_although_another_wins(line: str) -> None:
    with pytest.raises(UsageError, match="--second not allowed with --fork or --first-hand"):
        choose(line)
