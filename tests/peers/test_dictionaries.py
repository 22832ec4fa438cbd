"""DCMTK's dictionary files: the same complaints as storescp's, and the VRs that dcmdump finds by the same files."""

from __future__ import annotations

import logging
import os
import random
import re
import subprocess
from struct import pack
from typing import TYPE_CHECKING

import pytest
from pydicom.datadict import DicomDictionary

from scpd.dataset.dictionary import ODD, Dictionary, Entry, Span, builtin
from scpd.dataset.dictpath import load
from scpd.tables.vrs import RANGES
from tests.harness.dictionaries import (
    DEBIANS,
    Differences,
    Element,
    debians_entries,
    expected_vrs,
    one_of_each,
    private_elements,
    send,
)
from tests.harness.programs import real_program

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.harness.raw_peer import RawPeer
    from tests.harness.servers import ServerFactory

LETTERS = {logging.DEBUG: "D", logging.WARNING: "W", logging.ERROR: "E"}
# What the original says besides; the range is refused here too, by the complaint about its field.
RESTRICTOR = "E: DcmDataDictionary: Unknown range restrictor: "
CREATORS = "(0009-o-FFFF,0010-u-00FF)\tLO\tCreator\n"
DUMPED = re.compile(r"\(([0-9a-f]{4}),([0-9a-f]{4})\) (\S\S)")

with_debians_dictionaries = pytest.mark.skipif(
    not DEBIANS.is_dir(), reason="Debian's dictionaries are not installed (libdcmtk17)"
)

# Lines that say nothing, lines that are read, lines that are not: in one file, which shows that each is judged alone.
LINES = [
    *("", "   ", "# comment", "  # comment", "\r", "x"),
    *("(0008,0010)\tUL\tName", "(0008,0010)\tUL\tName\r", "(0008,0010)\tUL\tName\t1\tv", "(0008,0010)\tUL"),
    *("(0008,0010)\tUL\tName\t1\tv\tx", "(0008,0010)\tUL\tName\t1\tv\t\t", "(0008,0010)\t\tName\t1"),
    *("(0008,0010)\t\tUL\tName\t1\tv", "\tUL\tName", "(0008,0010)  UL  Name", "(0008,0010)\tUL\tName\t\tv"),
    *(
        f"{tag}\tUL\tName"
        for tag in (
            *(
                "0008,0010",
                "(0008,0010",
                "0008,0010)",
                "(0008-0010)",
                "(0008)",
                "()",
                "(,)",
                "(,0010)",
                "(0008,)",
            ),
            *(
                "(xx,0010)",
                "(60xx,0010)",
                "(0008,001g)",
                "(0008zz,0010)",
                "(8,10)",
                "(0x8,0x10)",
                "(123456,0010)",
            ),
            *(
                " ( 0008 , 0010 ) ",
                "(0008,0010)x",
                "x(0008,0010)",
                "((0008,0010)",
                "(0008;0010)",
                "(0008,0010,0012)",
            ),
            *(
                "(0008,0010-0020)",
                "(0008,0010-o-0020)",
                "(0008,0010-x-0020)",
                "(0008,0010-2-0020)",
                "(0008,0010-)",
            ),
            *(
                "(0008-x-0010,0010)",
                "(0008,0020-0010)",
                "(0008,0010-u)",
                "(0008,0010-0020-0030)",
                "(0008-,0010)",
            ),
            *(
                '(0009,"X",10)',
                '(0009,"X",1010)',
                '(0009,"",10)',
                "(0009,X,10)",
                '(0009,"X,10)',
                '(0009,"X"10)',
            ),
            *('(0009,"X",)', '(0009,"X",g)', '(0009,"X")', '("X",10)', '(0009"X",10)', '(0009, "X Y" , 10)'),
            *(
                '(0009,"X)Y,",10)',
                '(0009-o-0011,"X",10-u-20)',
                '(0008,"X",10)',
                '(0009,""X",10)',
                '(0009,"X"Y",10)',
            ),
        )
    ),
    *(
        f"(0008,0010)\t{vr}\tName"
        for vr in (
            "ZZ",
            "OX",
            "ZZTOP",
            " Z Z ",
            "ul",
            "ULX",
            "U",
            "Z",
            "??",
            "12",
            "zz",
            "ox",
            "px",
            "lt",
            "na",
            "OV",
        )
    ),
    *(
        f"(0008,0010)\tUL\tName\t{vm}"
        for vm in (
            *(
                "n",
                "3",
                "1-3",
                "1-n",
                "2-2n",
                "2n",
                "0",
                "3-1",
                "-1",
                "2-3n",
                "n-n",
                " 1",
                "1 ",
                "1N",
                "1 - 2",
                "nn",
            ),
            *(
                "x",
                "1-",
                "1-x",
                "1-2-3",
                "3x",
                "1,2",
                "-",
                "99999999999",
                "0x3",
                "1.5",
                "-n",
                "+n",
                "1-2x",
                "1-1-1n",
            ),
        )
    ),
    *("0008,0010\tZZ\tName\tx", "(0008,0010)\tZZ\tName\tx", "0008,0010\tZZ\tName", "0008\tUL\tName\tx\tv\tx"),
]


def storescp_says(path: str, folder: Path) -> list[str]:
    """What it logs about dictionaries at its start, which the missing output directory ends."""
    command = [real_program("storescp"), "-d", "-od", str(folder / "missing"), "11112"]
    environment = {**os.environ, "DCMDICTPATH": path}
    run = subprocess.run(command, env=environment, cwd=folder, capture_output=True, timeout=30, check=False)
    lines = run.stderr.decode("latin-1").splitlines()
    assert lines[-1].startswith("F: specified output directory does not exist")
    return [
        line.removesuffix(": ") if "too many fields" in line else line
        for line in lines[:-1]
        if "ictionary" in line and not line.startswith(RESTRICTOR)
    ]


def scpd_says(path: str) -> list[str]:
    return [f"{LETTERS[message.level]}: {message.text}" for message in load({"DCMDICTPATH": path})[1]]


def test_each_line_is_judged_as_storescp_judges_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lines").write_text("\n".join(LINES), encoding="latin-1", newline="")
    theirs = storescp_says("lines", tmp_path)
    assert len(theirs) > 50
    assert scpd_says("lines") == theirs


@pytest.mark.parametrize(
    "path",
    [
        *(
            ":",
            "good",
            "good:",
            "::good",
            "none",
            "folder",
            "/dev/null",
            "good:none",
            "none:good",
            "none:folder",
        ),
        *("good:bad", "bad:good", "bad:none", "good:bad:none", "bad:/dev/null", " ", " good"),
    ],
)
def test_files_are_found_and_missed_as_by_storescp(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "good").write_text("(0008,0010)\tUL\tName\n")
    (tmp_path / "bad").write_text("bad\n(0008,0010)\tUL\tName\n")
    (tmp_path / "folder").mkdir()
    assert scpd_says(path) == storescp_says(path, tmp_path)


def dumped(dictionary: Path, tags: list[tuple[int, int, bytes]]) -> dict[tuple[int, int], str]:
    """The VRs that dcmdump finds for the elements of an implicit VR data set; what it does not know is `??`."""
    data = dictionary.with_suffix(".data")
    data.write_bytes(
        b"".join(pack("<HHI", group, element, len(value)) + value for group, element, value in tags)
    )
    run = subprocess.run(
        [real_program("dcmdump"), "-f", "-ti", str(data)],
        env={**os.environ, "DCMDICTPATH": str(dictionary)},
        capture_output=True,
        timeout=30,
        check=True,
    )
    found = (DUMPED.match(line) for line in run.stdout.decode("latin-1").splitlines())
    return {(int(match[1], 16), int(match[2], 16)): match[3] for match in found if match}


def found_here(
    dictionary: Dictionary, tags: list[tuple[int, int, bytes]]
) -> dict[tuple[int, int], str | None]:
    creators: dict[tuple[int, int], str] = {}
    for group, element, value in tags:
        if group & 1 and 0x10 <= element <= 0xFF:
            creators[group, element] = value.decode("latin-1").rstrip(" \0")
    return {
        (group, element): dictionary.vr(group, element, creators.get((group, element >> 8)))
        for group, element, _ in tags
    }


def a_span(chance: random.Random, numbers: list[int], digits: str) -> str:
    low, high = sorted(chance.choices(numbers, k=2))
    kind = chance.choice(["", "", "-", "-e-", "-o-", "-u-", "-u-"])
    return f"{low:{digits}}{kind}{high:{digits}}" if kind else f"{low:{digits}}"


def a_line(chance: random.Random) -> str:
    """A line whose tags are close to those of the others."""
    vr = chance.choice(["UL", "US", "SL", "SS", "FL", "AT", "OB"])
    if chance.random() < 0.5:
        group = a_span(chance, list(range(0x10, 0x16)), "04x")
        return f"({group},{a_span(chance, list(range(0x1010, 0x1018)), '04x')})\t{vr}\tName\n"
    group = a_span(chance, [0x11, 0x12, 0x13, 0x15], "04x")
    numbers, digits = chance.choice([(list(range(0x10, 0x18)), "02x"), (list(range(0x1010, 0x1018)), "04x")])
    creator = chance.choice(["A", "B c"])
    return f'({group},"{creator}",{a_span(chance, numbers, digits)})\t{vr}\tName\n'


@pytest.mark.parametrize("seed", range(12))
def test_vrs_are_those_that_dcmdump_finds_by_the_same_file(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    path = tmp_path / "dictionary"
    path.write_text(CREATORS + "".join(a_line(chance) for _ in range(40)))
    tags = []
    for group in range(0x10, 0x16):
        if group & 1:
            tags += [(group, 0x10, b"A "), (group, 0x11, b"B c "), (group, 0x12, b"Z ")]
        tags += [
            (group, block << 8 | element, bytes(8))
            for block in (0x10, 0x11, 0x12)
            for element in range(0x10, 0x18)
        ]
    theirs = dumped(path, tags)
    assert len(theirs) == len(tags)
    dictionary, messages = load({"DCMDICTPATH": str(path)})
    assert len(messages) == 1
    ours = found_here(dictionary, tags)
    assert {tag: vr or "??" for tag, vr in ours.items()} == theirs


@with_debians_dictionaries
def test_debians_dictionaries_load_and_contradict_the_built_in_one_nowhere() -> None:
    paths = ":".join(str(DEBIANS / name) for name in ("dicom.dic", "private.dic", "diconde.dic"))
    dictionary, messages = load({"DCMDICTPATH": paths})
    assert [message.text for message in messages if message.level > logging.DEBUG] == []
    assert dictionary.vr(0x7FE1, 0x1060, "GEMS_Ultrasound_MovieGroup_001") == "px"
    assert dictionary.vr(0x0009, 0x1102, "ACUSON") == "UN"
    own = builtin()
    tags = [(tag >> 16, tag & 0xFFFF) for tag in DicomDictionary]
    tags += [(row[group], row[element]) for row in RANGES for group in (0, 1) for element in (2, 3)]
    tags += [(0x60FE, 0x3000), (0x0008, 0x0000), (0x0009, 0x0000), (0x0009, 0x0010), (0x0009, 0x00FF)]
    known = {
        tag: (ours, theirs) for tag in tags if (ours := own.vr(*tag)) and (theirs := dictionary.vr(*tag))
    }
    assert len(known) > 4800
    # Offsets within a DICOMDIR: an `up` is a UL.
    differing = {tag: vrs for tag, vrs in known.items() if vrs[0] != vrs[1] and vrs != ("UL", "up")}
    assert differing == {}


def test_a_creator_that_no_file_lists_is_unknown_to_both(tmp_path: Path) -> None:
    path = tmp_path / "dictionary"
    path.write_text('(0009,"X",10)\tUL\tName\n')
    assert dumped(path, [(9, 0x10, b"X "), (9, 0x1010, bytes(4))])[9, 0x10] == "??"
    assert load({"DCMDICTPATH": str(path)})[0].vr(9, 0x10) is None
    assert Dictionary([Entry(Span(1, 0xFFFF, ODD), Span(0x10, 0xFF), "LO")]).vr(9, 0x10) == "LO"


NAMES = ("xs", "lt", "ox", "px", "up", "OB", "OW", "UN", "US", "AT", "UT", "OV", "??")
IDENTIFICATION = b"GEMS_IDEN_01"  # (0009,xx02) and (0009,xx04) are SH
BOTH = f"{DEBIANS / 'dicom.dic'}:{DEBIANS / 'private.dic'}"


@with_debians_dictionaries
@pytest.mark.parametrize(
    "path",
    [
        "",
        BOTH,
        str(DEBIANS / "dicom.dic"),
        ":".join(str(DEBIANS / f"{name}.dic") for name in ("private", "diconde", "dicom")),
    ],
)
def test_storescp_writes_the_vrs_that_the_same_files_give_here(
    path: str, storescp: ServerFactory, raw_peer: Callable[..., RawPeer]
) -> None:
    elements = one_of_each()
    assert len(elements) > 16000
    server = storescp("+te", "+xi", env={"DCMDICTPATH": path} if path else {})
    status, written = send(server, raw_peer(server), elements)
    assert status == 0
    dictionary, messages = load({"DCMDICTPATH": path or BOTH})
    assert [message for message in messages if message.level > logging.DEBUG] == []
    assert expected_vrs(dictionary, elements) == written


@with_debians_dictionaries
def test_creators_without_an_entry_are_none_to_storescp_either(
    tmp_path: Path, storescp: ServerFactory, raw_peer: Callable[..., RawPeer]
) -> None:
    lines = (DEBIANS / "dicom.dic").read_text(encoding="latin-1").splitlines()
    path = tmp_path / "public.dic"
    path.write_text("\n".join(line for line in lines if not line.endswith(("PRIVATE", "ILLEGAL", "GENERIC"))))
    paths = f"{path}:{DEBIANS / 'private.dic'}"
    elements = one_of_each()
    server = storescp("+te", "+xi", env={"DCMDICTPATH": paths})
    status, written = send(server, raw_peer(server), elements)
    assert status == 0
    assert {vr for (group, element), vr in written.items() if group & 1 and element} == {"UN"}
    assert expected_vrs(load({"DCMDICTPATH": paths})[0], elements) == written


@with_debians_dictionaries
def test_names_in_small_letters_mean_the_same_whatever_tag_has_them(
    tmp_path: Path, storescp: ServerFactory, raw_peer: Callable[..., RawPeer]
) -> None:
    path = tmp_path / "names.dic"
    tags = (
        "(0018,7F{0:02X})",
        "(6000-60FF,7F{0:02X})",
        "(0019,30{0:02X})",
        '(0019,"X",{0:02X})',
        '(0019,"X",12{0:02X})',
    )
    lines = [f"{tag.format(number * 2)}\t{name}\tName\n" for tag in tags for number, name in enumerate(NAMES)]
    path.write_text("".join(lines))
    paths = f"{BOTH}:{path}"
    numbers = range(0, 2 * len(NAMES), 2)
    elements = [
        *(Element(0x0018, 0x7F00 | number, bytes(8)) for number in numbers),
        *(Element(0x0019, 0x0010 + block, b"X ") for block in range(3)),
        *(
            Element(0x0019, block << 8 | number, bytes(8))
            for block in (0x10, 0x11, 0x12, 0x30)
            for number in numbers
        ),
        *(Element(group, 0x7F00 | number, bytes(8)) for group in (0x6000, 0x6002) for number in numbers),
    ]
    server = storescp("+te", "+xi", env={"DCMDICTPATH": paths})
    status, written = send(server, raw_peer(server), elements)
    assert status == 0
    expected = expected_vrs(load({"DCMDICTPATH": paths})[0], elements)
    assert {tag: written[tag] for tag in expected} == expected
    assert len(set(expected.values())) > 7


def private(*values: bytes) -> list[Element]:
    """Blocks 10 and so on with these creators, and two elements in each."""
    blocks = range(0x10, 0x10 + len(values))
    creators = [Element(9, block, value) for block, value in zip(blocks, values, strict=True)]
    return creators + [Element(9, block << 8 | number) for block in blocks for number in (2, 4)]


@with_debians_dictionaries
@pytest.mark.parametrize(
    "elements",
    [
        private(IDENTIFICATION, IDENTIFICATION + b"  ", b"  ", b"", b"nobody"),
        private(
            IDENTIFICATION + b"\0\0",
            IDENTIFICATION + b" \0",
            IDENTIFICATION + b"\0 ",
            IDENTIFICATION + b"\0X",
        ),
        private(b" GEMS_IDEN_01 ", b"gems_iden_01", b"GEMS_IDEN_01\\X", b"GEMS_IDEN_01\\ "),
        private(IDENTIFICATION + b"\0", b"GEMS_IDEN_01\t"),
        # Between the creator and its element others may be out of order, but not the creator itself.
        [Element(9, 0x10, IDENTIFICATION), Element(0x11, 0x10), Element(9, 0x1004), Element(9, 0x1002)],
        [Element(0x11, 0x10), Element(9, 0x10, IDENTIFICATION), Element(9, 0x1002)],
        [Element(0x11, 0x10), Element(9, 0x10, b"x "), Element(9, 0x11, IDENTIFICATION), Element(9, 0x1102)],
        [Element(9, 0x1002), Element(9, 0x10, IDENTIFICATION), Element(9, 0x1004)],
        [Element(9, 0x10, IDENTIFICATION), Element(9, 0x10, b"nobody"), Element(9, 0x1002)],
        [Element(9, 0x10, b"nobody"), Element(9, 0x10, IDENTIFICATION), Element(9, 0x1002)],
        # No block: below 10, and of a creator element of another number.
        [
            Element(9, 1, IDENTIFICATION),
            Element(9, 0x0102),
            Element(9, 0x0F02),
            Element(9, 0x0FFF),
            Element(9, 0x1002),
        ],
        [Element(9, 0xFF, IDENTIFICATION), Element(9, 0x1002), Element(9, 0xFF02), Element(0x11, 0xFF02)],
        [
            Element(group, number)
            for group in (1, 3, 5, 7, 9, 0xFFFF)
            for number in (0, 1, 0xF, 0x10, 0xFF, 0x100)
        ],
    ],
)
def test_storescp_finds_creators_as_we_do(
    elements: list[Element], storescp: ServerFactory, raw_peer: Callable[..., RawPeer]
) -> None:
    server = storescp("+te", "+xi")
    status, written = send(server, raw_peer(server), elements)
    assert status == 0
    expected = expected_vrs(Dictionary(debians_entries()), elements)
    assert {tag: written[tag] for tag in expected} == expected


@with_debians_dictionaries
def test_of_two_dictionaries_one_may_lack_a_public_tag_but_none_has_another_vr() -> None:
    differing = Differences().public()
    assert 100 < len(differing) < 2000
    assert [vrs for vrs in differing.values() if "UN" not in vrs] == []
    # (0006,0001), and what pydicom has as masks that are no ranges: (0028,04x0), (0028,08x0), (1000,xxx0).
    missing = {group for (group, _), (_, ours) in differing.items() if ours == "UN"}
    assert missing <= {0x0006, 0x0028, 0x1000}


@with_debians_dictionaries
def test_differences_are_told_one_by_one() -> None:
    differences = Differences()
    assert differences.at(0x0010, 0x0010) is None
    assert differences.at(0x0006, 0x0001) == ("SQ", "UN")
    assert differences.at(0x0009, 0x1002, "GEMS_IDEN_01") is None
    assert differences.at(0x0019, 0x1002, "TOSHIBA_MEC_MR3^10") == ("UN", "SL")
    private = differences.private()
    assert len(private) < len(private_elements())
    assert all(
        differences.at(group, element, creator) == vrs for (creator, group, element), vrs in private.items()
    )
