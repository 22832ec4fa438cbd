"""The file of --peers, and how its faults are told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from scpd.errors import Reject, StartError
from scpd.ul.peers_file import load_peers, read_peers

if TYPE_CHECKING:
    from pathlib import Path


def test_a_table_is_loaded_and_named_in_its_refusals(tmp_path: Path) -> None:
    path = tmp_path / "peers"
    path.write_text("# ours\nSTORE CT1\n\nSTORE MR1\n")
    table = load_peers(str(path))
    assert table.permission(b"STORE", b"MR1", "::1").where == f"{path}:4"
    with pytest.raises(Reject) as caught:
        table.permission(b"OTHER", b"MR1", "::1")
    assert str(caught.value).endswith(f"no entry is for it ({path}, lines 2 to 4)")


def test_the_first_fault_ends_the_start_and_the_others_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "peers"
    path.write_text("STORE CT1\nSTORE\nSTORE X limit=x\n")
    with pytest.raises(StartError) as caught:
        load_peers(str(path))
    assert str(caught.value) == (
        f"{path}: line 2: STORE: nobody may call it; name who may, or write * for anybody (and 1 more)"
    )


def test_all_faults_are_told_to_who_asks(tmp_path: Path) -> None:
    path = tmp_path / "peers"
    path.write_text("A\nB\n")
    assert [fault.partition(": ")[2].partition(":")[0] for fault in read_peers(str(path))[1]] == [
        "line 1",
        "line 2",
    ]


@pytest.mark.parametrize(
    ("name", "why"),
    [("missing", "No such file or directory"), (".", "Is a directory"), ("a\nb", "No such file")],
)
def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path, name: str, why: str) -> None:
    with pytest.raises(StartError, match=why) as caught:
        load_peers(f"{tmp_path}/{name}")
    assert "\n" not in str(caught.value)


def test_an_empty_table_is_a_fault_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "peers"
    path.write_bytes(b"")
    with pytest.raises(StartError) as caught:
        load_peers(str(path))
    assert str(caught.value).startswith(f"{path}: no entry: nobody could send; ")
