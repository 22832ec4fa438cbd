"""Names of study directories: storescp's, and never one that leads out of the output directory or hides in it."""

from __future__ import annotations

import os
import re
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scpd.cli.options import OPTIONS
from scpd.dataset.plain import PATIENT_NAME, SPECIFIC_CHARACTER_SET, STUDY_INSTANCE_UID
from scpd.errors import Refused
from scpd.store.folders import Sorting, folder_name, later_name, prepare
from tests.cases.study_folders import AS_STORESCP, CONC, NAME, OURS, TIME, UID, Case

if TYPE_CHECKING:
    from collections.abc import Iterator

KINDS = (CONC, UID, NAME)
NOW = 1709208306.0079  # 29 February 2024, 12:05:06 UTC
STAMP = "20240229_120506007"
SAFE = re.compile(r"[A-Za-z0-9 .:@_-]+")
STUDY = {STUDY_INSTANCE_UID: b"1.2.3\0"}


@pytest.fixture(autouse=True)
def _utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize("case", [*AS_STORESCP, *(each.case for each in OURS)], ids=lambda case: case.what)
def test_a_directory_has_the_name_of_the_table(case: Case) -> None:
    sorting = Sorting(*case.sorting)
    if case.directory:
        expected = case.directory.replace(TIME, STAMP), case.said
        assert folder_name(sorting, case.found, NOW) == expected
        return
    with pytest.raises(Refused) as caught:
        folder_name(sorting, case.found, NOW)
    assert (caught.value.status, caught.value.detail) == (0xC000, case.said)
    assert len(caught.value.comment) <= 64


# PS3.5: H.3.1, H.3.2, I.2, J.1, J.2, K.2, and what is left of some without their alphabetic group.
PS3_5 = [
    (
        b"\\ISO 2022 IR 87",
        b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B",
        "Yamada_Tarou",
    ),
    (
        b"\\ISO 2022 IR 87",
        b"=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B",
        "yamada_tarou",
    ),
    (
        b"ISO 2022 IR 13\\ISO 2022 IR 87",
        b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J=\x1b$B$d$^$@\x1b(J^\x1b$B$?$m$&\x1b(J",
        "yamada_tarou",
    ),
    (
        b"\\ISO 2022 IR 149",
        b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf",
        "Hong_Gildong",
    ),
    (
        b"\\ISO 2022 IR 149",
        b"=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf",
        "Hong_GilDong",
    ),
    (b"ISO_IR 192", "Wang^XiaoDong=\u738b^\u5c0f\u6771".encode(), "Wang_XiaoDong"),
    (b"ISO_IR 192", "=\u738b^\u5c0f\u6771=".encode(), "Wang_XiaoDong"),
    (b"GB18030", "Wang^XiaoDong=\u738b^\u5c0f\u4e1c".encode("gb18030"), "Wang_XiaoDong"),
    (
        b"\\ISO 2022 IR 58",
        b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab=",
        "Zhang_XiaoDong",
    ),
    (b"\\ISO 2022 IR 58", b"=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab=", "Zhang_XiaoDong"),
]


@pytest.mark.parametrize(
    ("charset", "name", "directory"),
    [
        *PS3_5,
        (b"ISO_IR 192", "M\u00fcller^J\u00f6rg \\A".encode(), "Mueller_Joerg"),
        (b"ISO_IR 192", "\u00fc  ".encode(), "ue"),
        (b"ISO 2022 IR 6\\ISO 2022 IR 100", b"Buc^J\x1b-A\xe9r\xf4me", "Buc_Jerome"),
        (b"ISO_IR 101", b"\xaf\xf3\xb3\xe6", "Zolc"),
        # A backslash, a caret, an equals sign as the second byte of a character.
        (b"GBK", b"\xd5\\\xd5^=x", "ChengXian"),
        (b"\\ISO 2022 IR 87", b"=\x1b$BE\\0f\x1b(B", "NuJing"),
        (b"ISO_IR 192", "\u200f".encode(), "_"),
        (b"ISO_IR 192", "\u738b".encode() * 200, ("Wang" * 200)[:236]),
    ],
)
def test_names_in_other_character_sets_are_written_in_ascii_letters(
    charset: bytes, name: bytes, directory: str
) -> None:
    found = {**STUDY, PATIENT_NAME: name, SPECIFIC_CHARACTER_SET: charset}
    assert folder_name(Sorting(NAME, ""), found, NOW) == (f"{directory}_{STAMP}", "")


@pytest.mark.parametrize(
    ("charset", "name", "directory"),
    [
        (b"ISO_IR 192", b"Jos\xe9^M\xc3\xbc", "Jos__Mue"),
        (b"ISO_IR 192", b"\xe9\xff", "__"),
        (b"ISO_IR 192", b"\xff=\xc3\xbc", "ue"),
        (b"\\ISO 2022 IR 87", b"Yamada=\x1b$B\xff\xff\x1b(B", "Yamada"),
        (b"hex\x1b", b"\xfc", "ue"),
    ],
)
def test_bytes_that_are_wrong_in_their_character_set_are_no_letters_and_a_warning(
    charset: bytes, name: bytes, directory: str
) -> None:
    found = {**STUDY, PATIENT_NAME: name, SPECIFIC_CHARACTER_SET: charset}
    shown = charset.decode().replace("\x1b", "?")
    warning = f"Patient name not in Latin-1 (charset: {shown}), ASCII dir name may be broken"
    assert folder_name(Sorting(NAME, ""), found, NOW) == (f"{directory}_{STAMP}", warning)


ATTRIBUTES = st.fixed_dictionaries(
    {},
    optional={
        STUDY_INSTANCE_UID: st.one_of(
            st.binary(max_size=300), st.sampled_from([b"..", b".", b"./", b"\0.."])
        ),
        PATIENT_NAME: st.binary(max_size=300),
        SPECIFIC_CHARACTER_SET: st.sampled_from([b"", b"ISO_IR 192", b"\\ISO 2022 IR 87", b"GB18030", b"x"]),
    },
)


@given(ATTRIBUTES, st.sampled_from(KINDS), st.sampled_from(["", "p"]))
def test_any_attributes_give_a_safe_name_or_are_refused(
    found: dict[int, bytes], kind: str, prefix: str
) -> None:
    try:
        name, warning = folder_name(Sorting(kind, prefix), found, NOW)
    except Refused:
        return
    assert SAFE.fullmatch(name)
    assert not name.startswith(".")
    assert len(name) <= 255
    assert warning.isascii()
    assert not warning or warning.isprintable()


def test_the_kinds_are_those_of_the_command_line() -> None:
    kinds = [option.value for option in OPTIONS if option.destination == "sorting"]
    assert kinds == [CONC, UID, (NAME, "")]


@pytest.mark.parametrize("prefix", ["", "p", "a b", "\u00e4", "-x"])
def test_a_prefix_may_be_what_stays_in_the_directory(prefix: str) -> None:
    name, _ = folder_name(Sorting(UID, prefix), STUDY, NOW)
    assert name == (f"{prefix}_1.2.3" if prefix else "1.2.3")
    assert os.path.basename(name) == name not in (".", "..")


@pytest.mark.parametrize(
    ("name", "later"),
    [
        ("p_20240229_120506007", "p_20240229_120506008"),
        ("20240229_120506099", "20240229_120506100"),
        ("20240229_120506999", "20240229_120507000"),
        ("A_B_20240229_235959999", "A_B_20240301_000000000"),
        ("_9_20231231_235959999", "_9_20240101_000000000"),
    ],
)
def test_a_later_name_is_that_of_the_next_millisecond(name: str, later: str) -> None:
    assert later_name(name) == later


@given(st.floats(min_value=0, max_value=4e9), st.sampled_from((CONC, NAME)))
def test_any_later_name_is_what_the_clock_gives_then(now: float, kind: str) -> None:
    milliseconds = int(now * 1000)
    sorting = Sorting(kind, "p")
    name, _ = folder_name(sorting, STUDY, (milliseconds + 0.5) / 1000)
    later, _ = folder_name(sorting, STUDY, (milliseconds + 1.5) / 1000)
    assert later_name(name) == later


def test_everything_is_loaded_for_names_that_need_it() -> None:
    for kind in KINDS:
        prepare(Sorting(kind, ""))
