"""What rules need that a service may be forbidden."""

from __future__ import annotations

import pytest

from scpd.access.book import Book
from scpd.access.demands import of_network
from scpd.access.parties import Service
from scpd.access.syntax import Table

US = Service(("storescp", "scpd"), 104)


def found(allow: str, deny: str = "") -> list[tuple[str, int]]:
    book = Book(Table("allow", allow.encode()), Table("deny", deny.encode()), {})
    return [(each.table, each.line) for each in of_network(book, US)]


@pytest.mark.parametrize(
    "clients", ["ct1.example", ".example", "ct*", "LOCAL", "@scanners", "10. EXCEPT ct1.example"]
)
def test_a_rule_with_names_needs_a_network(clients: str) -> None:
    assert found(f"ALL: 10.0.0.1\nscpd: {clients}\n") == [("allow", 2)]
    assert found("", f"scpd@ct1.example: 10.\nscpd: {clients}\n") == [("deny", 1), ("deny", 2)]


@pytest.mark.parametrize("clients", ["ALL", "10.", "10.0.0.0/8", "[::1]", "ALL EXCEPT 10.0.0.1"])
def test_a_rule_with_addresses_needs_none(clients: str) -> None:
    assert found(f"scpd: {clients}: severity info\n", "ALL: ALL\n") == []


@pytest.mark.parametrize("keyword", ["spawn", "aclexec"])
def test_a_rule_with_a_command_may_need_one(keyword: str) -> None:
    assert found(f"scpd: ALL: {keyword} /usr/bin/tell %a\n") == [("allow", 1)]


def test_a_rule_for_another_service_is_no_business_of_ours() -> None:
    assert found("sshd: ct1.example: spawn /usr/bin/tell\n11112: .example\n") == []
