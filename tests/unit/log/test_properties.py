"""Lines of a property file, and the variables in them."""

from __future__ import annotations

import pytest

from scpd.errors import UsageError
from scpd.log.properties import Variables, expanded, parse


def values(text: str) -> dict[str, tuple[str, int]]:
    return {key: (each.value, each.line) for key, each in parse(text).items()}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        ("a=b", {"a": ("b", 1)}),
        ("\n  a \t=\t b c \t\r\n", {"a": ("b c", 2)}),
        ("a=b=c", {"a": ("b=c", 1)}),
        ("a=b # no comment", {"a": ("b # no comment", 1)}),
        ("# a=b\n \t#c=d\n", {}),
        ("no setting\na:b\n", {}),
        ("a=1\nA=2\na=3", {"a": ("3", 3), "A": ("2", 2)}),
        ("a=b\\\nc=d", {"a": ("b\\", 1), "c": ("d", 2)}),
        ("=b", {"": ("b", 1)}),
        ("a=", {"a": ("", 1)}),
        ("a=x\u2028y\x1cz", {"a": ("x\u2028y\x1cz", 1)}),
    ],
)
def test_a_line_is_key_and_value(text: str, expected: dict[str, tuple[str, int]]) -> None:
    assert values(text) == expected


PREDEFINED = {"appname": "scpd", "pid": "7"}
ENVIRON = {"HOME": "/home/u", "EMPTY": "", "a": "environment", "appname": "environment"}


def expand(text: str) -> tuple[dict[str, str], list[tuple[str, str, int]]]:
    complaints: list[tuple[str, str, int]] = []
    result = expanded(
        parse(text), Variables(PREDEFINED, ENVIRON), lambda *complaint: complaints.append(complaint)
    )
    return {key: each.value for key, each in result.items()}, complaints


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("k=${HOME}/f", "k", "/home/u/f"),
        ("k=${appname}.log", "k", "scpd.log"),
        ("appname=file\nk=${appname}", "k", "scpd"),
        ("a=file\nk=${a}", "k", "file"),
        ("a=\nk=${a}", "k", "environment"),
        ("k=${NOPE}", "k", "${NOPE}"),
        ("k=${EMPTY}x", "k", "${EMPTY}x"),
        ("k=${}x${HOME}", "k", "${}x/home/u"),
        ("a=${b}\nb=${pid}\nk=${a}${a}", "k", "77"),
        ("n=HO\nk=${${n}ME}", "k", "${${n}ME}"),
        ("n=key\n${n}=v", "key", "v"),
        ("k=$HOME {HOME} }", "k", "$HOME {HOME} }"),
    ],
)
def test_a_variable_is_replaced(text: str, key: str, value: str) -> None:
    found, complaints = expand(text)
    assert found[key] == value
    assert not complaints


def test_a_brace_that_is_not_closed_leaves_the_value_alone() -> None:
    found, complaints = expand("x=1\nk=${HOME}${a")

    assert found["k"] == "${HOME}${a"
    assert complaints == [("ERROR", '"/home/u${a" has no closing brace. Opening brace at position 7.', 2)]


@pytest.mark.parametrize("text", ["x=${x}", "x=${y}\ny=a${x}", "x=${x}${x}", "${x}=1\nx=${x}"])
def test_a_variable_that_refers_to_itself_is_an_error(text: str) -> None:
    with pytest.raises(UsageError, match=r"refers to itself: \$\{[xy]\} \(line [12]\)"):
        expand(text)


def test_what_grows_without_measure_is_an_error() -> None:
    steps = "\n".join(f"v{number}=" + f"${{v{number + 1}}}" * 10 for number in range(10))
    with pytest.raises(UsageError, match="refers to itself"):
        expand(f"{steps}\nv10={'x' * 100}")
