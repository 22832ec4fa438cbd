"""scpd_access(5) has every option, expansion and diagnostic, its examples are sound, and it is proper mdoc."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

import pytest

from scpd.access import options
from scpd.access.expansion import LETTERS
from scpd.cli.mdoc import MANUALS
from tests.harness.manuals import complaints
from tests.unit.access.conftest import faults, verdict, warnings

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = MANUALS / "scpd_access.5"
TEXT = PAGE.read_text(encoding="utf-8")
SOURCES = sorted((MANUALS.parent / "scpd" / "access").glob("*.py"))
EXAMPLE = MANUALS.parent / "etc" / "hosts.allow.example"


def section(name: str) -> str:
    return TEXT.partition(f".Sh {name}\n")[2].partition("\n.Sh ")[0]


def diagnostics() -> Iterator[str]:
    """Give what the code may say of a table: of a text with insertions its longest part."""
    for source in SOURCES:
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            name = getattr(node, "func", None)
            called = getattr(name, "id", getattr(name, "attr", ""))
            if (
                isinstance(node, ast.Call)
                and called in {"Fault", "Finding", "_note", "unreadable"}
                and len(node.args) > 1
            ):
                said = node.args[{"Fault": 1, "Finding": 3}.get(called, -1)]
                parts = [each.value for each in ast.walk(said) if isinstance(each, ast.Constant)]
                texts = [part for part in parts if isinstance(part, str) and " " in part.strip()]
                if texts:
                    yield max(texts, key=len).strip()


def test_mandoc_has_nothing_to_complain_about() -> None:
    assert complaints(PAGE) == []


def test_there_are_diagnostics() -> None:
    assert len(set(diagnostics())) > 30


@pytest.mark.parametrize("text", sorted(set(diagnostics())))
def test_every_diagnostic_has_its_line(text: str) -> None:
    assert text in section("DIAGNOSTICS")


@pytest.mark.parametrize("keyword", [*options._READERS, *options._UNSUPPORTED])
def test_every_option_is_named(keyword: str) -> None:
    assert re.search(rf"^\.(It )?Cm .*\b{keyword}\b", section("OPTIONS"), re.MULTILINE)


@pytest.mark.parametrize("letter", LETTERS)
def test_every_expansion_is_named(letter: str) -> None:
    assert re.search(rf"^\.It Cm .*%{letter}", section("OPTIONS"), re.MULTILINE)


def test_its_examples_are_sound() -> None:
    for example in re.findall(
        r"^\.Bd -literal -offset indent\n(.*?)^\.Ed", section("EXAMPLES"), re.DOTALL | re.MULTILINE
    ):
        assert faults(example) == []
        assert warnings(example) == []


class TestTheExampleFile:
    RULES = EXAMPLE.read_text(encoding="ascii")

    def test_there_is_nothing_to_say_about_it(self) -> None:
        assert faults(self.RULES) == []
        assert warnings(self.RULES) == []

    @pytest.mark.parametrize(
        ("address", "name", "granted"),
        [
            ("10.20.30.99", "unknown", True),
            ("::ffff:10.20.31.8", "unknown", True),
            ("10.20.31.9", "unknown", False),
            ("2001:db8:20:1::5", "unknown", True),
            ("10.30.1.1", "ct1.rad.hospital.example", True),
            ("10.30.1.1", "t1.terminals.rad.hospital.example", False),
            ("10.30.1.1", "paranoid", False),
            ("198.51.100.17", "unknown", False),
            ("::1", "unknown", True),
            ("10.99.1.1", "unknown", True),
        ],
    )
    def test_it_does_what_it_says(self, address: str, name: str, granted: bool) -> None:
        assert verdict(self.RULES, "storescp: ALL\n", address, name).granted is granted
