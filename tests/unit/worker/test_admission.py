"""Who is let in, by which entry, and what that brings."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from scpd.errors import Reject
from scpd.lockdir import layout
from scpd.lockdir.slots import Slots
from scpd.ul.callers import Callers
from scpd.ul.peers import parse
from scpd.worker.admission import Admission

if TYPE_CHECKING:
    from pathlib import Path

    from scpd.worker.service import ServicePolicy

TEXT = "STORE CT1@127.0.0.1\nSTORE CT2 limit=1\nOTHER *\n"


@pytest.fixture
def lock_directory(tmp_path: Path) -> str:
    path = str(tmp_path / "lock")
    layout.make(path)
    return path


def admission(lock_directory: str, service: object = None) -> Admission:
    entries, faults = parse(TEXT, "t")
    assert not faults
    services: dict[object, object] = {entries[2]: service}
    return Admission(
        Callers(entries, "no entry"),
        services,  # type: ignore[arg-type]
        {entries[1]: Slots(lock_directory, "STORE", entries[1].limit)},
    )


def test_an_entry_without_options_brings_nothing(lock_directory: str) -> None:
    assert admission(lock_directory).admit(b"STORE", b"CT1", "127.0.0.1") == (None, -1)


def test_an_entry_brings_its_service(lock_directory: str) -> None:
    service: ServicePolicy = object()  # type: ignore[assignment]
    assert admission(lock_directory, service).admit(b"OTHER", b"X", "::1") == (service, -1)


def test_who_is_not_in_the_table_is_rejected(lock_directory: str) -> None:
    with pytest.raises(Reject) as caught:
        admission(lock_directory).admit(b"STORE", b"CT1", "127.0.0.2")
    assert (caught.value.result, caught.value.source, caught.value.reason) == (1, 1, 3)


def test_beyond_a_limit_the_reject_is_transient(lock_directory: str) -> None:
    table = admission(lock_directory)
    _, descriptor = table.admit(b"STORE", b"CT2", "127.0.0.1")
    with pytest.raises(Reject) as caught:
        table.admit(b"STORE", b"CT2 ", "127.0.0.2")
    error = caught.value
    assert (error.result, error.source, error.reason) == (2, 3, 1)
    assert str(error) == "limit of 1 association reached (CT2 at 127.0.0.2, t:2)"
    os.close(descriptor)
    _, again = table.admit(b"STORE", b"CT2", "127.0.0.1")
    os.close(again)


def test_where_nobody_can_be_counted_nobody_is_let_in(tmp_path: Path) -> None:
    with pytest.raises(Reject) as caught:
        admission(str(tmp_path / "none")).admit(b"STORE", b"CT2", "127.0.0.1")
    error = caught.value
    assert (error.result, error.source, error.reason) == (2, 3, 1)
    assert "cannot be counted: No such file or directory" in str(error)
