"""DCMDICTPATH: which files make the dictionary, and what is said at the start."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

import pytest

from scpd.dataset.dictpath import is_set, load

if TYPE_CHECKING:
    from pathlib import Path

NOTHING_LOADED = "W no data dictionary loaded, check environment variable: DCMDICTPATH"


@pytest.fixture
def _files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "good").write_text("(0009,1010)\tUL\tName\n(0009,1012)\tUS\tName\n")
    (tmp_path / "other").write_text("(0009,1010)\tSL\tName\n")
    (tmp_path / "bad").write_text("# one line of two\nbad\n(0009,1014)\tAT\tName\n")
    (tmp_path / "empty").write_text("")
    (tmp_path / "folder").mkdir()


def said(path: str) -> list[str]:
    return [
        f"{logging.getLevelName(message.level)[0]} {message.text}"
        for message in load({"DCMDICTPATH": path})[1]
    ]


@pytest.mark.parametrize("environment", [{}, {"DCMDICTPATH": ""}])
def test_unset_or_empty_it_is_the_built_in_one(environment: dict[str, str]) -> None:
    dictionary, messages = load(environment)
    assert not is_set(environment)
    assert messages == []
    assert dictionary.vr(0x10, 0x10) == "PN"


@pytest.mark.usefixtures("_files")
def test_files_take_the_place_of_the_built_in_one_and_later_ones_override() -> None:
    dictionary, _ = load({"DCMDICTPATH": "good:other"})
    assert [dictionary.vr(9, 0x1010), dictionary.vr(9, 0x1012), dictionary.vr(0x10, 0x10)] == [
        "SL",
        "US",
        None,
    ]
    dictionary, _ = load({"DCMDICTPATH": "other:good"})
    assert dictionary.vr(9, 0x1010) == "UL"


@pytest.mark.usefixtures("_files")
def test_the_rest_of_a_bad_file_counts() -> None:
    assert load({"DCMDICTPATH": "bad"})[0].vr(9, 0x1014) == "AT"


@pytest.mark.usefixtures("_files")
@pytest.mark.parametrize(
    ("path", "messages"),
    [
        (":", []),
        ("::", []),
        ("good", ["D DcmDataDictionary: Loading file: good"]),
        (":good:", ["D DcmDataDictionary: Loading file: good"]),
        ("empty", ["D DcmDataDictionary: Loading file: empty"]),
        ("none", ["E DcmDataDictionary: Cannot open file: none", NOTHING_LOADED]),
        ("folder", ["E DcmDataDictionary: Cannot open file: folder", NOTHING_LOADED]),
        (
            "good:none",
            ["D DcmDataDictionary: Loading file: good", "E DcmDataDictionary: Cannot open file: none"],
        ),
        (
            "none:good",
            ["E DcmDataDictionary: Cannot open file: none", "D DcmDataDictionary: Loading file: good"],
        ),
        (
            "good:bad",
            [
                "D DcmDataDictionary: Loading file: good",
                "D DcmDataDictionary: Loading file: bad",
                "E DcmDataDictionary: bad: too few fields (line 2)",
                NOTHING_LOADED,
            ],
        ),
        (
            "bad:good",
            [
                "D DcmDataDictionary: Loading file: bad",
                "E DcmDataDictionary: bad: too few fields (line 2)",
                "D DcmDataDictionary: Loading file: good",
            ],
        ),
        (
            "bad:none",
            [
                "D DcmDataDictionary: Loading file: bad",
                "E DcmDataDictionary: bad: too few fields (line 2)",
                "E DcmDataDictionary: Cannot open file: none",
                NOTHING_LOADED,
            ],
        ),
    ],
)
def test_what_is_said(path: str, messages: list[str]) -> None:
    assert said(path) == messages


@pytest.mark.usefixtures("_files")
def test_a_check_of_the_configuration_gets_file_line_and_reason() -> None:
    messages = load({"DCMDICTPATH": "bad:none"})[1]
    places = [(message.path, message.line, message.reason) for message in messages if message.reason]
    assert places == [("bad", 2, "too few fields"), ("none", 0, "No such file or directory")]


def test_bytes_of_any_file_and_any_name_of_it_are_taken(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/\xff\n"
    with open(path, "wb") as file:
        file.write(b'(0009,"\xe4\xff",10)\tUL\tName\r\n\x00\xfe\n')
    dictionary, messages = load({"DCMDICTPATH": os.fsdecode(path)})
    assert dictionary.vr(9, 0x1010, "\xe4\xff") == "UL"
    assert messages[1].text.endswith("/\\udcff\\x0a: too few fields (line 2)")
