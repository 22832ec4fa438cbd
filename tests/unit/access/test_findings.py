"""A file that is no table: its faults are told up to a number, and refuse everybody."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from scpd.access.findings import AND_MORE, MOST_FAULTS
from scpd.access.pattern_files import PatternFile
from scpd.access.syntax import Table
from tests.unit.access.conftest import verdict

if TYPE_CHECKING:
    from collections.abc import Callable

MANY = 10 * MOST_FAULTS


@pytest.mark.parametrize(
    "read",
    [
        pytest.param(lambda: Table("t", b"x\n" * MANY + b"ALL: ALL\n"), id="no colon"),
        pytest.param(lambda: Table("t", b"\0\n" * MANY + b"ALL: ALL\n"), id="NUL"),
        pytest.param(lambda: PatternFile("t", b"# " * MANY), id="pattern file"),
    ],
)
def test_nothing_is_looked_at_behind_too_many_faults(read: Callable[[], Table | PatternFile]) -> None:
    findings = read().findings
    assert len(findings) == MOST_FAULTS + 1
    assert findings[-1].remedy == AND_MORE
    assert findings[-1].is_fault
    assert findings[-1].daemons is None


def test_faults_in_rules_of_other_daemons_are_not_too_many() -> None:
    assert verdict(
        "ftpd: ALL: twist x\nftpd: 10.1\\2\n" * MANY + "storescp: 10.1.2.3\n", "ALL: ALL\n"
    ).granted
