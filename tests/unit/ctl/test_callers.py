"""What scpctl says of a table: which line decides, and what a caller gets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from scpd.ctl.callers import decide, run_callers
from scpd.ctl.exitcodes import FAILURE, SUCCESS, USAGE
from scpd.ul.callers import Callers
from scpd.ul.peers import parse

if TYPE_CHECKING:
    from pathlib import Path

TEXT = "# t\nSTORE CT1@192.0.2.0/24 directory=/srv/ct profile=/x:p limit=4\nSTORE MR\n"


def test_who_may_send_is_told_what_he_gets(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "peers"
    path.write_text(TEXT)
    assert run_callers(str(path), "STORE", "CT1", "192.0.2.9") == SUCCESS
    assert capsys.readouterr().out.splitlines() == [
        f"line:    {path}:2",
        "gets:    directory=/srv/ct",
        "gets:    profile=/x:P",
        "gets:    limit=4",
        "verdict: may send",
    ]


@pytest.mark.parametrize(
    ("called", "calling", "words"),
    [
        ("STORE", "CT1", ["1/1/3", "calling AE title not recognized", "t:2"]),
        ("OTHER", "CT1", ["1/1/7", "called AE title not recognized", "no entry"]),
        ("OTHER", "\u4e2d", ["1/1/7"]),
    ],
)
def test_who_may_not_is_told_why(called: str, calling: str, words: list[str]) -> None:
    is_allowed, text = decide(Callers(parse(TEXT, "t")[0], "no entry"), called, calling, "10.0.0.1")
    assert not is_allowed
    assert [word for word in words if word not in text] == []


def test_faults_of_the_table_are_all_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "peers"
    path.write_text("A\nB\n")
    assert run_callers(str(path), "A", "B", "::1") == FAILURE
    assert len(capsys.readouterr().err.splitlines()) == 2


@pytest.mark.parametrize("address", ["", "ct1.example.org", "10.0.0.0/8", "a\0b"])
def test_nobody_is_judged_by_what_is_no_address(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], address: str
) -> None:
    (tmp_path / "peers").write_text(TEXT)
    assert run_callers(str(tmp_path / "peers"), "STORE", "MR", address) == USAGE
    assert "not a numeric address" in capsys.readouterr().err
