"""DCMTK's dictionary files: what each line means, and what is said about those that mean nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scpd.dataset.dictfile import parse
from scpd.dataset.dictionary import Dictionary, Entry

VRS = (
    "AE AS AT CS DA DS DT FD FL IS LO LT OB OD OF OL OV OW PN SH SL SQ SS ST SV TM UC UI UL UN UR US UT UV "
    "ox px xs lt na up"
)


def read(text: str) -> tuple[list[Entry], list[str]]:
    entries, complaints = parse(text)
    return entries, list(map(str, complaints))


def tags_of(field: str, among: range = range(0x20), group: int = 8) -> list[int]:
    entries, complaints = read(f"{field}\tUL\tName\n")
    assert complaints == []
    dictionary = Dictionary(entries)
    return [element for element in among if dictionary.vr(group, element) == "UL"]


@pytest.mark.parametrize(
    "text", ["", "\n", "# (0008,0010)\n", "  # x\n", "\t# x\n", "   \n", "\r\n", "\t\t \n"]
)
def test_comments_and_empty_lines_say_nothing(text: str) -> None:
    assert read(text) == ([], [])


@pytest.mark.parametrize(
    "line",
    [
        "(0008,0010)\tUL\tName",
        "(0008,0010)\tUL\tName\t1",
        "(0008,0010)\tUL\tName\t1\tDICOM",
        "(0008,0010)\tUL\tA name of words\t1-n\tDICOM/retired",
        "(0008,0010)\tUL\tName\t1\tDICOM\t\t ",
        "(0008,0010)\tUL\tName\r",
        "(0008,0010)\tUL\t\t1",
        " ( 8 , 10 ) \t U L \tName\t 1 - 2 ",
        "(0x0008,0X10)\tULX\tName",
        "(0008zz,0010)\tUL\tName",
        "(0008,0010)\tUL\tName" + "x" * 5000,
    ],
)
def test_three_to_five_fields_are_an_entry_in_any_of_these_forms(line: str) -> None:
    for end in ("\n", ""):
        (entry,), complaints = read(line + end)
        assert complaints == []
        assert Dictionary([entry]).vr(8, 0x10) == "UL"


@pytest.mark.parametrize(
    ("field", "elements"),
    [
        ("(0008,0010)", [0x10]),
        ("(0008,0010-0014)", [0x10, 0x12, 0x14]),
        ("(0008,0011-0015)", [0x12, 0x14]),
        ("(0008,0010-e-0014)", [0x10, 0x12, 0x14]),
        ("(0008,0010-E-0014)", [0x10, 0x12, 0x14]),
        ("(0008,0010-o-0014)", [0x11, 0x13]),
        ("(0008,0010-u-0014)", [0x10, 0x11, 0x12, 0x13, 0x14]),
        ("(0008, 0010 - u - 0012 )", [0x10, 0x11, 0x12]),
        ("(0000-u-FFFF,0010)", [0x10]),
        ("(0008,0014-0010)", []),
        ("(0008,0010-)", [0x10]),
        ("(0008,0010-u)", [0x10]),
        ("(0008,0010-0012-0014)", [0x10, 0x12]),
        ("(0008,001g)", [0x01]),
        ("(10008,0010)", [0x10]),
    ],
)
def test_a_number_or_a_range_of_even_odd_or_all(field: str, elements: list[int]) -> None:
    assert tags_of(field) == elements


def test_60xx_is_no_wildcard() -> None:
    assert tags_of("(60xx,0010)", group=0x60) == [0x10]
    assert tags_of("(60xx,0010)", group=0x6000) == []


@pytest.mark.parametrize(
    ("field", "creator", "found"),
    [
        ('(0009,"X",10)', "X", [0x1010, 0x1110]),
        ('(0009,"X",010)', "X", [0x1010, 0x1110]),
        ('(0009,"X",1110)', "X", [0x1110]),
        ('(0009-o-0011,"X Y, Z) 1.0",10-u-11)', "X Y, Z) 1.0", [0x1010, 0x1011, 0x1110, 0x1111]),
        ('( 0009 , " X" , 10 )', " X", [0x1010, 0x1110]),
        ('(0009,"\xe4",10)', "\xe4", [0x1010, 0x1110]),
        ('(0009-0011,"X",10)', "X", []),
    ],
)
def test_a_creator_stands_in_quotes_between_group_and_element(
    field: str, creator: str, found: list[int]
) -> None:
    entries, complaints = read(f"{field}\tUL\tName\n")
    assert complaints == []
    dictionary = Dictionary(entries)
    tags = [0x1010, 0x1011, 0x1110, 0x1111]
    assert [tag for tag in tags if dictionary.vr(9, tag, creator) == "UL"] == found
    assert [tag for tag in tags if dictionary.vr(9, tag, creator.swapcase() + "?")] == []


@pytest.mark.parametrize(
    ("field", "vr"),
    [
        *((name, name) for name in VRS.split()),
        ("", "UN"),
        ("U", "UN"),
        ("ul", "UN"),
        ("??", "UN"),
        ("12", "UN"),
        ("\xc4\xd6", "UN"),
    ],
)
def test_vrs_are_those_of_the_standard_and_of_dcmtk_and_anything_odd_is_un(field: str, vr: str) -> None:
    (entry,), _ = read(f"(0008,0010)\t{field}\tName\n")
    assert entry.vr == vr


@pytest.mark.parametrize(
    "vm", ["n", "3", "1-3", "1-n", "2-2n", "2n", "2-n", "1N", "0", "-1", " 1", "1 - 2", "n-n", "99999999999"]
)
def test_multiplicities(vm: str) -> None:
    assert read(f"(0008,0010)\tUL\tName\t{vm}\tDICOM\n")[1] == []


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("x", "too few fields (line 1)"),
        ("(0008,0010)\tUL", "too few fields (line 1)"),
        ("(0008,0010)  UL  Name", "too few fields (line 1)"),
        ("(0008,0010)\tUL\tName\t1\tv\tx", "too many fields (line 1)"),
        ("(0008,0010)\t\tUL\tName\t1\tv", "too many fields (line 1)"),
        ("0008,0010\tUL\tName", "bad Tag field (line 1): 0008,0010"),
        ("(0008,0010\tUL\tName", "bad Tag field (line 1): (0008,0010"),
        ("(0008,0010)x\tUL\tName", "bad Tag field (line 1): (0008,0010)x"),
        ("(00080010)\tUL\tName", "bad Tag field (line 1): (00080010)"),
        ("(,0010)\tUL\tName", "bad Tag field (line 1): (,0010)"),
        ("(0008,)\tUL\tName", "bad Tag field (line 1): (0008,)"),
        ("(0008,0010-x-0012)\tUL\tName", "bad Tag field (line 1): (0008,0010-x-0012)"),
        ("(0008,0010-2-0012)\tUL\tName", "bad Tag field (line 1): (0008,0010-2-0012)"),
        ("(0009,X,10)\tUL\tName", "bad Tag field (line 1): (0009,X,10)"),
        ('(0009,"X,10)\tUL\tName', 'bad Tag field (line 1): (0009,"X,10)'),
        ('(0009,"X",)\tUL\tName', 'bad Tag field (line 1): (0009,"X",)'),
        ('(0009,"X"Y",10)\tUL\tName', 'bad Tag field (line 1): (0009,"X"Y",10)'),
        ("\tUL\tName", "bad Tag field (line 1): "),
        ("(0008,0010)\tZZ\tName", "bad VR field (line 1): ZZ"),
        ("(0008,0010)\t ZZTOP \tName", "bad VR field (line 1): ZZTOP"),
        ("(0008,0010)\tOX\tName", "bad VR field (line 1): OX"),
        *(
            (f"(0008,0010)\tUL\tName\t{vm}\tDICOM", f"bad VM field (line 1): {vm}")
            for vm in ("x", "1-", "1-x", "1-2-3", "3x", "1,2", "-", "0x3", "1.5", "+n", "1-1-1n", "")
        ),
    ],
)
def test_a_line_that_cannot_be_read_is_named_and_skipped(line: str, complaint: str) -> None:
    entries, complaints = read(f"{line}\n(0008,0012)\tUS\tName\n")
    assert complaints == [complaint]
    assert [entry.vr for entry in entries] == ["US"]


def test_of_several_faults_of_a_line_those_are_named_that_storescp_names() -> None:
    _, complaints = read("0008,0010\tZZ\tName\tx\n(0008,0010)\tZZ\tName\tx\n0008\tZZ\tName\n")
    assert complaints == [
        "bad VM field (line 1): x",
        "bad Tag field (line 1): 0008,0010",
        "bad VM field (line 2): x",
        "bad Tag field (line 3): 0008",
    ]


def test_lines_are_counted_as_they_stand() -> None:
    _, complaints = read("\n# x\nbad\r\n" + "#" * 5000 + "\n\nbad")
    assert complaints == ["too few fields (line 3)", "too few fields (line 6)"]


def test_what_is_quoted_from_a_file_cannot_forge_a_line_of_the_log() -> None:
    _, complaints = read("(\x1b[2J\xe4\x00\x85\tUL\tName\n")
    assert complaints == ["bad Tag field (line 1): (\\x1b[2J\xe4\\x00\\x85"]


@given(st.text(alphabet=st.characters(max_codepoint=255)))
def test_any_text_is_entries_and_complaints(text: str) -> None:
    entries, complaints = parse(text)
    assert len(entries) + len({complaint.line for complaint in complaints}) <= text.count("\n") + 1
    Dictionary(entries)


@given(st.text(alphabet='(),"-0189afxoeu \t\nUL#n', max_size=80))
def test_any_text_of_the_grammars_characters_too(text: str) -> None:
    entries, complaints = parse(text)
    assert all(str(complaint).isprintable() for complaint in complaints)
    Dictionary(entries).vr(8, 0x10, "a")
