"""Names in rules that nobody has."""

from __future__ import annotations

import pytest

from scpd.access.book import Book
from scpd.access.names import is_known
from scpd.access.syntax import Table
from scpd.access.unfound import unfound

HOSTS = "ct1.example gone.example @ct @gone 10.1.2.3 10. .example *.example gone* www. ALL LOCAL KNOWN"


def book(allow: str, deny: str = "") -> Book:
    return Book(Table("allow", allow.encode()), Table("deny", deny.encode()), {})


def test_names_that_nobody_has_are_told_with_their_lines() -> None:
    found = unfound(
        book(f"ALL: 10.1.2.3\nscpd: {HOSTS}\n", "ALL: gone.example\n"), lambda name: "gone" not in name
    )
    assert sorted((each.table, each.line, each.text, each.is_fault) for each in found) == [
        ("allow", 2, "@gone", False),
        ("allow", 2, "gone.example", False),
        ("deny", 1, "gone.example", False),
    ]


def test_each_name_is_asked_for_once_and_nothing_but_names() -> None:
    asked: list[str] = []
    list(unfound(book(f"ALL: {HOSTS}\nALL: {HOSTS}\n"), lambda name: asked.append(name) or True))  # type: ignore[func-returns-value]
    assert sorted(asked) == ["@ct", "@gone", "ct1.example", "gone.example"]


def test_where_nobody_can_be_asked_no_more_is_asked() -> None:
    asked: list[str] = []
    assert not list(unfound(book(f"ALL: {HOSTS}\n"), asked.append))
    assert len(asked) == 1


@pytest.mark.parametrize("name", ["localhost", "unknown", "paranoid"])
def test_names_that_are_known(name: str) -> None:
    assert is_known(name)


@pytest.mark.parametrize("name", ["@nobody-has-such-a-netgroup", "a..b", "x" * 300])
def test_names_that_cannot_be_known(name: str) -> None:
    assert is_known(name) is False
