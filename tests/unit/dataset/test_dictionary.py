"""The VR of a tag: exact tags before ranges, narrow ranges before wide ones, private blocks before public tags."""

from __future__ import annotations

import os
import subprocess
import sys
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom._private_dict import private_dictionaries
from pydicom.datadict import DicomDictionary

from scpd.dataset.dictionary import (
    ALL,
    CONTEXT_DEPENDENT,
    EVEN,
    ODD,
    Dictionary,
    Entry,
    Span,
    builtin,
    creator_name,
)

BUILTIN = builtin()
NUMBERS = st.integers(0, 0xFFFF)


def span(low: int, high: int | None = None, parity: str = EVEN) -> Span:
    return Span(low, low) if high is None else Span(low, high, parity)


def entry(vr: str, group: Span | int, element: Span | int, creator: str = "") -> Entry:
    group, element = (part if isinstance(part, Span) else span(part) for part in (group, element))
    return Entry(group, element, vr, creator)


def vrs(dictionary: Dictionary, *tags: tuple[int, int], creator: str | None = None) -> list[str | None]:
    return [dictionary.vr(group, element, creator) for group, element in tags]


@pytest.mark.parametrize(
    ("parity", "found"),
    [(EVEN, [0x10, 0x12, 0x14]), (ODD, [0x11, 0x13]), (ALL, [0x10, 0x11, 0x12, 0x13, 0x14])],
)
def test_a_range_is_of_even_odd_or_all_numbers_with_its_bounds(parity: str, found: list[int]) -> None:
    dictionary = Dictionary([entry("UL", 8, span(0x10, 0x14, parity))])
    assert [number for number in range(0x20) if dictionary.vr(8, number) == "UL"] == found


def test_a_range_that_ends_before_it_begins_is_empty() -> None:
    dictionary = Dictionary([entry("UL", 8, span(0x14, 0x10, ALL))])
    assert vrs(dictionary, *((8, number) for number in range(0x20))) == [None] * 0x20


def test_a_tag_is_found_before_any_range_and_the_later_one_counts() -> None:
    exact, wide = entry("US", 8, 0x10), entry("UL", 8, span(0x10, 0x14))
    for entries in ([exact, wide], [wide, exact], [entry("SS", 8, 0x10), wide, exact]):
        assert vrs(Dictionary(entries), (8, 0x10), (8, 0x12)) == ["US", "UL"]


def test_a_range_of_one_tag_is_that_tag_whatever_its_parity() -> None:
    assert vrs(Dictionary([entry("UL", span(9, 9, EVEN), 0x1010)]), (9, 0x1010)) == ["UL"]


def test_a_narrower_range_is_found_first_whichever_came_first() -> None:
    narrow, wide = entry("US", 8, span(0x10, 0x14)), entry("UL", 8, span(0x10, 0x20))
    for entries in ([narrow, wide], [wide, narrow]):
        assert vrs(Dictionary(entries), (8, 0x10), (8, 0x14), (8, 0x16)) == ["US", "US", "UL"]


def test_of_ranges_that_overlap_the_first_counts() -> None:
    low, high = entry("US", 8, span(0x10, 0x14)), entry("UL", 8, span(0x12, 0x16))
    assert vrs(Dictionary([low, high]), (8, 0x12), (8, 0x16)) == ["US", "UL"]
    assert vrs(Dictionary([high, low]), (8, 0x12), (8, 0x10)) == ["UL", "US"]


def test_an_equal_range_replaces_the_earlier_one_and_one_of_other_parity_only_goes_before_it() -> None:
    even, odd = entry("US", 8, span(0x10, 0x14)), entry("UL", 8, span(0x10, 0x14, ODD))
    assert vrs(Dictionary([even, entry("SS", 8, span(0x10, 0x14))]), (8, 0x10)) == ["SS"]
    assert vrs(Dictionary([even, odd]), (8, 0x10), (8, 0x11)) == ["US", "UL"]
    assert vrs(Dictionary([odd, entry("SS", 8, span(0x10, 0x14, ALL))]), (8, 0x10), (8, 0x11)) == ["SS", "SS"]


def test_two_digits_of_a_creator_hold_in_every_block_and_four_in_theirs() -> None:
    two, four = entry("US", 9, 0x10, "X"), entry("UL", 9, 0x1110, "X")
    tags = (9, 0x1010), (9, 0x1110), (9, 0xFF10), (9, 0x1011), (0x11, 0x1010)
    assert vrs(Dictionary([two, four]), *tags, creator="X") == ["US", "UL", "US", None, None]
    assert vrs(Dictionary([four]), *tags, creator="X") == [None, "UL", None, None, None]


def test_a_private_element_needs_its_creator_and_nothing_but_it() -> None:
    dictionary = Dictionary([entry("US", 9, 0x10, "X")])
    for creator in (None, "", "x", "X ", " X", "Y"):
        assert dictionary.vr(9, 0x1010, creator) is None, creator


def test_ranges_of_a_creator_are_its_own() -> None:
    dictionary = Dictionary(
        [
            entry("US", span(9, 0x13, ODD), span(0x10, 0x12, ALL), "X"),
            entry("UL", span(9, 0x13, ODD), span(0x10, 0x12, ALL), "Y"),
        ]
    )
    assert vrs(dictionary, (9, 0x1011), (0x13, 0x2012), (0x15, 0x1010), creator="X") == ["US", "US", None]


def test_an_entry_without_creator_is_the_last_resort_for_a_private_element() -> None:
    dictionary = Dictionary([entry("UL", 9, 0x1010), entry("US", 9, 0x10, "X")])
    assert [dictionary.vr(9, 0x1010, creator) for creator in ("X", "Y", None)] == ["US", "UL", "UL"]


def test_creators_do_not_matter_in_public_groups_and_for_the_reserving_elements() -> None:
    dictionary = Dictionary([entry("US", span(8, 9, ALL), 0x10, "X")])
    assert vrs(dictionary, (8, 0x1010), (9, 0x10), (9, 0x0F10), (9, 0x1010), creator="X") == [
        None,
        None,
        None,
        "US",
    ]


@pytest.mark.parametrize(
    ("tag", "vr"),
    [
        ((0x0008, 0x0018), "UI"),
        ((0x0010, 0x0010), "PN"),
        ((0x0000, 0x0100), "US"),
        ((0x6002, 0x3000), "ox"),
        ((0x6001, 0x3000), None),
        ((0x60FE, 0x0010), "US"),
        ((0x6000, 0x0011), "US"),
        ((0x7F00, 0x0011), "US"),
        ((0x50FE, 0x1001), "CS"),
        ((0x7FE0, 0x0010), "px"),
        ((0x0028, 0x0106), "xs"),
        ((0x0028, 0x3006), "lt"),
        ((0x5400, 0x1010), "ox"),
        ((0xFFFE, 0xE000), "na"),
        ((0x0020, 0x3102), "CS"),
        ((0x0020, 0x3101), None),
        ((0x0009, 0x0010), "LO"),
        ((0x0009, 0x00FF), "LO"),
        ((0x0009, 0x000F), None),
        ((0x0009, 0x1001), None),
        ((0x0008, 0x0000), "UL"),
        ((0x0009, 0x0000), "UL"),
        ((0x1010, 0x0000), "UL"),
        ((0x1010, 0x0004), "US"),
        ((0x7FE1, 0x0010), "LO"),
    ],
)
def test_the_built_in_one_knows_the_standard(tag: tuple[int, int], vr: str | None) -> None:
    assert BUILTIN.vr(*tag) == vr


def test_the_built_in_one_has_pydicoms_vr_for_every_tag() -> None:
    names = {
        "xs": "US or SS",
        "ox": "OB or OW",
        "px": "OB or OW",
        "na": "NONE",
    }
    differing = {}
    for tag, (vr, *_) in DicomDictionary.items():
        found = BUILTIN.vr(tag >> 16, tag & 0xFFFF) or ""
        if found == "lt":
            assert vr in ("US or OW", "US or SS or OW")
        elif names.get(found, found) != vr:
            differing[f"{tag:08X}"] = (found, vr)
    assert differing == {}


def test_the_built_in_one_has_pydicoms_vr_for_every_private_element_in_whatever_block() -> None:
    dictionary = builtin()
    differing = []
    for creator, entries in private_dictionaries.items():
        for mask, (vr, *_) in entries.items():
            group = int(mask[:4].replace("x", "0"), 16) | 1
            numbers = [int(mask[4:].replace("xx", block), 16) for block in ("10", "FF")]
            if "x" in mask[6:] or mask[:4] == "0032":
                continue
            if "x" not in mask and numbers[0] <= 0xFF:
                numbers = [0x1000 | numbers[0], 0xFF00 | numbers[0]]
            found = {dictionary.vr(group, number, creator) for number in numbers}
            # Of a creator's elements with and without a block, the one that names it counts.
            named = {
                entries[key][0]
                for key in (f"{group:04X}{number:04X}" for number in numbers)
                if key in entries
            }
            if found - {vr, {"US or SS": "xs", "OB_OW": "ox"}.get(vr)} - named:
                differing.append((creator, mask, vr, found))
    assert differing == []


@pytest.mark.parametrize(
    ("tag", "creator", "vr"),
    [
        ((0x0019, 0x1010), "GEMS_ACQU_01", None),
        ((0x0019, 0x1002), "GEMS_ACQU_01", "SL"),
        ((0x0019, 0x2702), "GEMS_ACQU_01", "SL"),
        ((0x0019, 0x1002), "GEMS_ACQU_02", None),
        ((0x0019, 0x1002), "GEMS_ACQU_01 ", None),
        ((0x0019, 0x1002), None, None),
        ((0x0019, 0x0002), "GEMS_ACQU_01", None),
        ((0x0019, 0x0010), "GEMS_ACQU_01", "LO"),
        ((0x0018, 0x1002), "GEMS_ACQU_01", "UI"),
        ((0x01F1, 0x1026), "ELSCINT1", "FD"),
        ((0x01F1, 0x1126), "ELSCINT1", "DS"),
        ((0x7001, 0x1004), "DLX_ANNOT_01", "ST"),
        ((0x70FF, 0x2204), "DLX_ANNOT_01", "ST"),
        ((0x7002, 0x1004), "DLX_ANNOT_01", None),
        ((0x7101, 0x1004), "DLX_ANNOT_01", None),
        ((0x0019, 0x1101), "TOSHIBA_MEC_MR3^10", "UL"),
        ((0x0027, 0x10A3), "FDMS 1.0", "xs"),
        ((0x7019, 0x1080), "TOSHIBA_MEC_OT3", "ox"),
    ],
)
def test_the_built_in_one_knows_private_elements_by_their_creator(
    tag: tuple[int, int], creator: str | None, vr: str | None
) -> None:
    assert BUILTIN.vr(*tag, creator) == vr


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (b"ACME 1.0", "ACME 1.0"),
        (b"ACME 1.0  ", "ACME 1.0"),
        (b" ACME", " ACME"),
        (b"ACME\0", "ACME"),
        (b"ACME\0\0", "ACME"),
        (b"ACME\0  ", "ACME"),
        (b"ACME\0X", "ACME"),
        (b"ACME \0", "ACME "),
        (b"ACME\\X", "ACME\\X"),
        (b"ACME\t", "ACME\t"),
        (b"\xc4CME", "\xc4CME"),
        (b"  ", ""),
        (b"", ""),
    ],
)
def test_a_creators_name_is_its_value_without_what_pads_it(value: bytes, name: str) -> None:
    assert creator_name(value) == name


def test_a_creator_costs_memory_when_it_is_asked_for_and_a_name_that_nobody_knows_costs_none() -> None:
    dictionary = builtin()
    tracemalloc.start()
    try:
        for number in range(2000):
            dictionary.vr(0x0019, 0x1002, f"nobody {number}")
        for_nobody = tracemalloc.get_traced_memory()[0]
        dictionary.vr(0x0019, 0x1002, "GEMS_ACQU_01")
        for_one = tracemalloc.get_traced_memory()[0] - for_nobody
    finally:
        tracemalloc.stop()
    assert for_nobody < 4096
    assert 4096 < for_one < 65536


def test_entries_of_a_creator_are_added_to_what_its_text_says() -> None:
    dictionary = Dictionary([entry("US", 9, 0x10, "X")], {"X": "UL 0009xx10 0009xx11\nSL 00091112"})
    tags = (9, 0x1010), (9, 0x1011), (9, 0x1112), (9, 0x1012)
    assert vrs(dictionary, *tags, creator="X") == ["US", "UL", "SL", None]


def test_public_holds_the_single_tags_of_even_groups() -> None:
    entries = [
        entry("UL", 8, 0x10),
        entry("US", 9, 0x10),
        entry("SS", 8, span(0x10, 0x20)),
        entry("AT", 9, 0x10, "X"),
    ]
    assert Dictionary(entries).public == {0x00080010: "UL"}
    assert BUILTIN.public[0x00080018] == "UI"
    assert all(BUILTIN.vr(tag >> 16, tag & 0xFFFF) == vr for tag, vr in BUILTIN.public.items())
    assert len(BUILTIN.public) > 5000


@st.composite
def public_ranges(draw: st.DrawFn) -> Entry:
    """Entries about few groups and elements, so that they overlap."""
    bounds = [sorted(draw(st.lists(st.integers(8, 12), min_size=2, max_size=2))) for _ in range(2)]
    spans = [Span(low, high, draw(st.sampled_from((ALL, EVEN, ODD)))) for low, high in bounds]
    return Entry(*spans, draw(st.sampled_from(("UL", "US", "SL", "SS", "FL"))))


@given(st.lists(public_ranges(), max_size=12))
def test_ranges_are_found_as_in_one_list_of_them(entries: list[Entry]) -> None:
    # A creator has few, and keeps them in one list.
    creators = [Entry(entry.group, entry.element, entry.vr, "X") for entry in entries]
    public, private = Dictionary(entries), Dictionary(creators)
    for group in range(9, 12, 2):
        for element in range(7, 14):
            in_block = 0x1000 | element
            assert public.vr(group, element) == private.vr(group, in_block, "X")


@given(NUMBERS, NUMBERS, st.none() | st.text(max_size=9))
def test_any_tag_has_a_vr_a_name_or_none(group: int, element: int, creator: str | None) -> None:
    found = BUILTIN.vr(group, element, creator)
    assert found is None or found in CONTEXT_DEPENDENT or (len(found) == 2 and found.isupper())


def test_the_table_is_imported_by_whom_it_serves_only() -> None:
    code = (
        "import sys, scpd.dataset.dictionary as d, scpd.dataset.dictpath as p\n"
        "print('scpd.tables.vrs' in sys.modules, 'pydicom' in sys.modules)\n"
        "p.load({})\n"
        "print('scpd.tables.vrs' in sys.modules, 'pydicom' in sys.modules)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, env=environment
    ).stdout
    assert output.split() == [b"False", b"False", b"True", b"False"]
