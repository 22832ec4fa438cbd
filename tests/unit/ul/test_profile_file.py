from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from scpd.errors import StartError
from scpd.ul.profile_file import check_profile, load_profile
from tests.cases.profile_texts import BAD_CASES, GOOD, STRICTER_CASES

if TYPE_CHECKING:
    from pathlib import Path


def failure(path: Path, name: str = "D") -> str:
    with pytest.raises(StartError) as caught:
        load_profile(str(path), name)
    return str(caught.value)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "storescp.cfg"


def test_a_good_file_gives_the_profile(file: Path) -> None:
    file.write_text(GOOD)
    assert list(load_profile(str(file), "d").transfer_syntaxes) == ["1.2.840.10008.1.1"]
    assert check_profile(str(file), "d") == []


def test_bytes_that_are_no_utf_8_do_no_harm(file: Path) -> None:
    file.write_bytes(b"# M\xfcller\n" + GOOD.encode())
    assert check_profile(str(file), "D") == []


def test_the_first_fault_is_told_with_file_and_line(file: Path) -> None:
    file.write_text(STRICTER_CASES["a gap"].text)
    fault = f"{file}:4: entry TRANSFERSYNTAX3 is never read, since section [U] has no TRANSFERSYNTAX2"
    assert failure(file) == f"cannot read config file: {fault}"
    assert check_profile(str(file), "D") == [fault]


def test_a_check_tells_every_fault_in_the_order_of_the_file(file: Path) -> None:
    file.write_text(BAD_CASES["many faults"].text + "junk\n")
    assert failure(file).endswith(" (and 4 more)")
    lines = [line.removeprefix(f"{file}:").partition(":")[0] for line in check_profile(str(file), "D")]
    assert lines == ["3", "6", "9", "10", "14"]


def test_a_fault_of_the_whole_file_has_no_line(file: Path) -> None:
    file.write_text("")
    assert failure(file) == (
        f"cannot read config file: {file}: cannot find section [[TRANSFERSYNTAXES]] in config file (and 2 more)"
    )


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    for path, reason in ((tmp_path / "none", "No such file or directory"), (tmp_path, "Is a directory")):
        text = f"unable to open configuration file: {path} ({reason})"
        assert failure(path) == f"cannot read config file: {text}"
        assert check_profile(str(path), "D") == [text]


def test_a_profile_that_cannot_be_used_is_told_in_storescps_words(file: Path) -> None:
    file.write_text(GOOD)
    assert failure(file, "no") == "unknown configuration profile name: NO"
    assert check_profile(str(file), "no") == [f"{file}: unknown configuration profile name: NO"]
    file.write_text(GOOD.replace("[[Prof", "PresentationContext2 = 1.2.840.10008.1.1\\U\n[[Prof"))
    text = "profile 'D' is not valid for SCP use, duplicate abstract syntaxes found"
    assert failure(file) == text
    assert check_profile(str(file), "D") == [f"{file}:9: {text}"]
