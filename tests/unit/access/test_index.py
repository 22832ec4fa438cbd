"""What the index finds is what trying one rule after the other finds."""

from __future__ import annotations

import pytest

from scpd.access.index import Index
from scpd.access.match import Surroundings
from scpd.access.parties import Client, Host, Service
from tests.harness.access_tables import well_formed
from tests.unit.access.conftest import book


@pytest.mark.parametrize("start", range(0, 1000, 250))
def test_in_generated_tables_it_finds_the_rules_that_match(start: int) -> None:
    lines, files = [], {}
    for seed in range(start, start + 250):
        case = well_formed(seed, f"/{seed}")
        lines += case.allow + case.deny
        files |= {f"/{seed}/{name}": text for name, text in case.files.items()}
    tables = book("".join(lines), "", files)
    for seed in range(start, start + 250, 2):
        case = well_formed(seed, "")
        service = Service(
            (case.daemon, "scpd"), case.server_port, Host(case.server_address, case.server_name)
        )
        client = Client(Host(case.client_address, case.client_name), user=case.user)
        around = Surroundings(tables.files, lambda *_: False)
        found = [
            rule.line
            for rule, is_meant in Index(tables.allow.rules, service).candidates(client)
            if (is_meant or rule.daemons.matches(service, around)) and rule.clients.matches(client, around)
        ]
        tried = [
            rule.line
            for rule in tables.allow.rules
            if rule.daemons.matches(service, around) and rule.clients.matches(client, around)
        ]
        assert found == tried


def test_rules_that_cannot_match_are_not_tried() -> None:
    lines = [
        f"storescp: 10.{i >> 8}.{i & 255}.1\nstorescp: 10.{i >> 8}.{i & 255}.0/24 EXCEPT 10.9.\n"
        for i in range(2000)
    ]
    more = [f"storescp: .h{i}.example m{i}.*\nsshd: ALL\n" for i in range(2000)]
    index = Index(book("".join(lines + more)).allow.rules, Service(("storescp",)))
    client = Client(Host("10.3.4.1", "ct1.h7.example"))
    assert [rule.line for rule, _ in index.candidates(client)] == [2 * 772 + 1, 2 * 772 + 2, 4000 + 15]
