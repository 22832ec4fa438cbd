"""Expected data sets are written down by hand, as trees; what turns these into bytes knows nothing of the recoder."""

from __future__ import annotations

import mmap
import os
import random
import struct
import tracemalloc
import zlib
from typing import TYPE_CHECKING, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scpd.dataset.encoding import CREATE, REMOVE, Encoding
from scpd.dataset.recode import Source, recode
from scpd.errors import Refused
from scpd.tables.transfer_syntaxes import (
    DEFLATED,
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    JPEG_BASELINE,
)
from tests.harness.corpus import TAGS, TEXT, oddities, random_value, us
from tests.harness.hostile import Sent, chances, encodings, right, spoilt
from tests.harness.recoding import (
    AS_RECEIVED,
    DICTIONARY,
    ENCODINGS,
    PLAIN_SYNTAXES,
    Memory,
    recoded,
    scan,
)
from tests.harness.trees import (
    EXPLICIT,
    SWAP_UNITS,
    UNDEFINED,
    Bytes,
    Element,
    Fragments,
    GroupLength,
    Item,
    Node,
    Sequence,
    data_set,
    encoded,
    encoding_of,
    header,
    marker,
    padded,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

REFERENCES, CONTENT = 0x00081140, 0x0040A730
PIXEL_REPRESENTATION, SMALLEST = 0x00280103, 0x00280106  # the second one is US or SS
PADDING = 0xFFFCFFFC
NAME = Element(0x00100010, "PN", b"Doe^Jane")
ROWS = us(0x00280010, 512)
ITEM_END, SEQUENCE_END = (struct.pack("<HHI", 0xFFFE, tag, 0) for tag in (0xE00D, 0xE0DD))
EXAMPLES = settings(max_examples=200)


class Case(NamedTuple):
    """A data set, what it becomes with some options, and the transfer syntaxes in which it may come."""

    name: str
    came: tuple[Node, ...]
    option: str
    written: tuple[Node, ...]
    syntaxes: tuple[str, ...] = PLAIN_SYNTAXES


def sequence(
    *items: Iterable[Node] | Item, undefined: bool = False, tag: int = REFERENCES, vr: str = "SQ"
) -> Sequence:
    """Give a sequence whose items are all like it: of defined length or not."""
    made = (each if isinstance(each, Item) else Item(tuple(each), undefined) for each in items)
    return Sequence(tag, tuple(made), undefined, vr)


def zeros(length: int) -> Element:
    return Element(PADDING, "OB", bytes(length))


def written(nodes: Iterable[Node], syntax: str, option: str) -> bytes:
    return encoded(nodes, encoding_of(ENCODINGS[option].written(syntax)))


EXPLICIT_ONLY = (EXPLICIT_LITTLE, EXPLICIT_BIG)
ONLY_LITTLE = (IMPLICIT_LITTLE, EXPLICIT_LITTLE)

TEXT_CASES = [
    Case(f"text {came!r}", (Element(0x00100020, "LO", came),), "", (Element(0x00100020, "LO", stays),))
    for came, stays in (
        (b"A^B     ", b"A^B "),
        (b"A^B ", b"A^B "),
        (b"    ", b""),
        (b" A  B   ", b" A  B "),
        (b"AB\0\0", b"AB\0\0"),
        (b"A \0\0", b"A \0\0"),
        (b"A\0  ", b"A\0"),
        (b"A\tB\r\n ", b"A\tB\r\n "),
        (b"abc", b"abc "),
        (b"ab ", b"ab"),
        (b"a\0 ", b"a "),
        (b" ", b""),
        (b"", b""),
    )
]
UID_CASES = [
    Case(f"UID {came!r}", (Element(0x0020000D, "UI", came),), "", (Element(0x0020000D, "UI", stays),))
    for came, stays in (
        (b"1.2", b"1.2\0"),
        (b"1.2 ", b"1.2\0"),
        (b"1.2\0\0\0", b"1.2\0"),
        (b" 1 .\t2\n", b"1.2\0"),
        (b"1.2\0\\3.4\0", b"1.2\0\\3.4"),
        (b"  ", b""),
        (b"", b""),
    )
]
ODD_CASES = [
    Case(
        f"odd {vr}",
        (Element(TAGS[vr][0], vr, b"\1\2\3"),),
        "",
        (Element(TAGS[vr][0], vr, b"\1\2\3\0"),),
        ONLY_LITTLE,
    )
    for vr in TAGS
    if vr not in TEXT and vr != "UI"
]
STRUCTURE_CASES = [
    Case("defined lengths", (sequence((NAME,), (), undefined=True), ROWS), "", (sequence((NAME,), ()), ROWS)),
    Case(
        "undefined lengths",
        (sequence((NAME,), ()), ROWS),
        "-e",
        (sequence((NAME,), (), undefined=True), ROWS),
    ),
    Case("empty sequence", (sequence(undefined=True),), "", (sequence(),)),
    Case("empty sequence, undefined", (sequence(),), "-e", (sequence(undefined=True),)),
    Case(
        "nested, lengths mixed",
        (Sequence(REFERENCES, (Item((sequence((NAME,), tag=CONTENT),), undefined=True),)),),
        "",
        (sequence((sequence((NAME,), tag=CONTENT),)),),
    ),
    Case(
        "needless delimiters",
        (sequence(Item((NAME, Bytes(ITEM_END)))), sequence((NAME,), Item((), False), tag=CONTENT)),
        "",
        (sequence((NAME,)), sequence((NAME,), (), tag=CONTENT)),
        ONLY_LITTLE,
    ),
    Case(
        "needless delimiter of a sequence",
        (Sequence(REFERENCES, (Item((NAME,)), Bytes(SEQUENCE_END))),),
        "",
        (sequence((NAME,)),),
        ONLY_LITTLE,
    ),
    Case(
        "delimiters with lengths",
        (
            Sequence(
                REFERENCES,
                (
                    Item((NAME, Bytes(ITEM_END[:4] + b"\4\0\0\0")), length=UNDEFINED),
                    Bytes(SEQUENCE_END[:4] + b"\5\0\0\0"),
                ),
                length=UNDEFINED,
            ),
        ),
        "-e",
        (sequence((NAME,), undefined=True),),
        ONLY_LITTLE,
    ),
    Case(
        "UN of undefined length",
        (sequence((NAME, ROWS), undefined=True, vr="UN"),),
        "",
        (sequence((NAME, ROWS)),),
        EXPLICIT_ONLY,
    ),
    Case(
        "an unknown VR of undefined length",
        (sequence((NAME, ROWS), undefined=True, vr="ZZ"),),
        "+tb",
        (sequence((NAME, ROWS)),),
        EXPLICIT_ONLY,
    ),
    Case("UN with a length is no sequence", (sequence((NAME,), vr="UN"),), "+p", (), ()),
]
ORDER_CASES = [
    Case("order", (ROWS, NAME), "", (NAME, ROWS)),
    Case("order in an item", (sequence((ROWS, NAME)),), "", (sequence((NAME, ROWS)),)),
    Case(
        "order, undefined",
        (sequence((ROWS, NAME), undefined=True), NAME),
        "-e",
        (sequence((NAME, ROWS), undefined=True), NAME),
    ),
    Case("duplicates", (NAME, Element(0x00100010, "PN", b"Other^A "), ROWS), "", (NAME, ROWS)),
    Case("duplicates apart", (NAME, ROWS, Element(0x00100010, "PN", b"")), "", (NAME, ROWS)),
    Case(
        "duplicate sequences",
        (sequence((NAME,)), sequence((ROWS,), (), undefined=True), NAME),
        "",
        (sequence((NAME,)), NAME),
    ),
    Case(
        "items keep their order",
        (sequence((ROWS,), (NAME,), (ROWS,)),),
        "-e",
        (sequence((ROWS,), (NAME,), (ROWS,), undefined=True),),
    ),
    Case(
        "low groups",
        (us(0x00060010, 1), us(0x00040010, 1)),
        "",
        (us(0x00040010, 1), us(0x00060010, 1)),
        EXPLICIT_ONLY,
    ),
]
GROUP_CASES = [
    Case(
        "right group lengths",
        (GroupLength(8), us(0x00080040, 1), GroupLength(0x10), NAME),
        "",
        (GroupLength(8), us(0x00080040, 1), GroupLength(0x10), NAME),
    ),
    Case(
        "wrong ones",
        (GroupLength(8, 4), us(0x00080040, 1), GroupLength(0x10, -2), NAME),
        "",
        (GroupLength(8), us(0x00080040, 1), GroupLength(0x10), NAME),
    ),
    Case("of nothing else", (NAME, GroupLength(0x12, 40), ROWS), "", (NAME, GroupLength(0x12), ROWS)),
    Case(
        "some only",
        (us(0x00080040, 1), GroupLength(0x10, 8), NAME, ROWS),
        "",
        (us(0x00080040, 1), GroupLength(0x10), NAME, ROWS),
    ),
    Case(
        "in an item",
        (sequence((GroupLength(0x10, 4), NAME), undefined=True),),
        "",
        (sequence((GroupLength(0x10), NAME)),),
    ),
    Case(
        "across a sequence",
        (GroupLength(8), sequence((NAME,)), NAME),
        "-e",
        (GroupLength(8), sequence((NAME,), undefined=True), NAME),
    ),
    Case("of another VR", (GroupLength(0x10, 0, "OB"), NAME), "", (GroupLength(0x10), NAME), EXPLICIT_ONLY),
    Case("of two numbers", (Element(0x00100000, "UL", bytes(8)), NAME), "", (GroupLength(0x10), NAME)),
    Case("out of order", (NAME, GroupLength(0x10, 6)), "", (GroupLength(0x10), NAME)),
    Case("twice", (GroupLength(0x10), GroupLength(0x10), NAME), "", (GroupLength(0x10), NAME)),
    Case(
        "removed",
        (GroupLength(8), sequence((GroupLength(0x10), NAME)), GroupLength(0x10), NAME),
        "-g",
        (sequence((NAME,)), NAME),
    ),
    Case("removed, and nothing left", (sequence((GroupLength(0x10),)),), "-g", (sequence(()),)),
    Case(
        "created",
        (
            sequence((NAME, ROWS), ()),
            NAME,
            Element(0x00110010, "LO", b"ME"),
            Element(0x7FE00010, "OW", b"abcd"),
        ),
        "+g",
        (
            GroupLength(8),
            sequence((GroupLength(0x10), NAME, GroupLength(0x28), ROWS), ()),
            *(GroupLength(0x10), NAME, GroupLength(0x11), Element(0x00110010, "LO", b"ME")),
            *(GroupLength(0x7FE0), Element(0x7FE00010, "OW", b"abcd")),
        ),
    ),
    Case(
        "created, undefined lengths",
        (sequence((NAME, ROWS)),),
        "-e +g",
        (GroupLength(8), sequence((GroupLength(0x10), NAME, GroupLength(0x28), ROWS), undefined=True)),
    ),
    Case(
        "created in place of others",
        (GroupLength(8), NAME, GroupLength(0x12), ROWS),
        "+g",
        (GroupLength(0x10), NAME, GroupLength(0x28), ROWS),
    ),
    Case(
        "created out of order",
        (ROWS, NAME, us(0x00280002, 1)),
        "+g",
        (GroupLength(0x10), NAME, GroupLength(0x28), us(0x00280002, 1), ROWS),
    ),
    Case(
        "trimmed before",
        (GroupLength(0x10), Element(0x00100010, "PN", b"A     ")),
        "",
        (GroupLength(0x10), Element(0x00100010, "PN", b"A ")),
    ),
    Case("big endian", (GroupLength(0x10, 4), NAME), "+tb", (GroupLength(0x10), NAME)),
    Case(
        "implicit",
        (GroupLength(0x10), Element(0x00100218, "UT", b"ab")),
        "+ti",
        (GroupLength(0x10), Element(0x00100218, "UT", b"ab")),
    ),
    Case(
        "explicit",
        (GroupLength(0x10), Element(0x00100218, "UT", b"ab")),
        "+te",
        (GroupLength(0x10), Element(0x00100218, "UT", b"ab")),
    ),
]
PADDING_CASES = [
    Case("removed", (NAME, zeros(10)), "", (NAME,)),
    Case("removed in an item", (sequence((NAME, zeros(0)), (zeros(2),)),), "", (sequence((NAME,), ()),)),
    Case("removed with its group length", (NAME, GroupLength(0xFFFC), zeros(4)), "-g", (NAME,)),
    Case("group length stays", (NAME, GroupLength(0xFFFC), zeros(4)), "", (NAME, GroupLength(0xFFFC))),
]
VR_CASES = [
    *(
        Case(
            f"{vr} is none",
            (Element(0x00091001, vr, b"ab"),),
            "",
            (Element(0x00091001, "UN", b"ab"),),
            EXPLICIT_ONLY,
        )
        for vr in ("ZZ", "??", "xx", "  ", "\0\0", "A1", "OX")
    ),
    *(
        Case(
            f"{vr} stands for {known}",
            (Element(0x00091001, vr, b"ab"),),
            "",
            (Element(0x00091001, known, b"ab"),),
            (EXPLICIT_LITTLE,),
        )
        for vr, known in (("ox", "OB"), ("px", "OW"), ("lt", "OW"), ("xs", "US"), ("up", "UL"))
    ),
    *(
        Case(
            f"{vr} for pixel data",
            (Element(tag, vr, b"ab"),),
            "",
            (Element(tag, "OW", b"ab"),),
            (EXPLICIT_LITTLE,),
        )
        for vr, tag in (("ox", 0x7FE00010), ("OX", 0x7FE00010), ("ox", 0x60023000))
    ),
    *(
        Case(
            f"{vr} is too young",
            (Element(0x00091001, vr, b"abcdefgh"),),
            "-u",
            (Element(0x00091001, "OB", b"abcdefgh"),),
            (EXPLICIT_LITTLE,),
        )
        for vr in ("UN", "UT", "UC", "UR", "OF", "OD", "OL", "OV", "SV", "UV", "ZZ")
    ),
    *(
        Case(
            f"{vr} is old enough",
            (Element(0x00091001, vr, b"abcdefgh"),),
            "-u",
            (Element(0x00091001, vr, b"abcdefgh"),),
            EXPLICIT_ONLY,
        )
        for vr in ("OB", "OW", "LT", "FD", "US", "UI")
    ),
    Case(
        "trimmed before",
        (Element(0x00100218, "UT", b"a   "),),
        "-u",
        (Element(0x00100218, "OB", b"a "),),
        EXPLICIT_ONLY,
    ),
    Case(
        "a young sequence",
        (sequence((NAME,), undefined=True, vr="UN"),),
        "-u",
        (sequence((NAME,)),),
        EXPLICIT_ONLY,
    ),
    Case(
        "public",
        (Element(0x00100010, "UN", b"ab  "),),
        "+uc",
        (Element(0x00100010, "PN", b"ab"),),
        EXPLICIT_ONLY,
    ),
    Case("a number", (Element(0x00280010, "UN", b"\1\2"),), "+uc", (us(0x00280010, 0x0201),), EXPLICIT_ONLY),
    Case(
        "a number as it is",
        (Element(0x00280010, "UN", b"\1\2"),),
        "+tb",
        (Element(0x00280010, "UN", b"\1\2"),),
        EXPLICIT_ONLY,
    ),
    Case(
        "unknown",
        (Element(0x0018FFF0, "UN", b"ab"),),
        "+uc",
        (Element(0x0018FFF0, "UN", b"ab"),),
        EXPLICIT_ONLY,
    ),
    Case(
        "private",
        (Element(0x00090010, "LO", b"GEMS_IDEN_01"), Element(0x0009101A, "UN", b"\1\2")),
        "+uc",
        (Element(0x00090010, "LO", b"GEMS_IDEN_01"), us(0x0009101A, 0x0201)),
        EXPLICIT_ONLY,
    ),
    Case(
        "private of another block",
        (Element(0x00090010, "LO", b"GEMS_IDEN_01"), Element(0x0009111A, "UN", b"\1\2")),
        "+uc",
        (Element(0x00090010, "LO", b"GEMS_IDEN_01"), Element(0x0009111A, "UN", b"\1\2")),
        EXPLICIT_ONLY,
    ),
    Case(
        "private of another item",
        (
            Element(0x00090010, "LO", b"GEMS_IDEN_01"),
            sequence((Element(0x0009101A, "UN", b"\1\2"),), tag=CONTENT),
        ),
        "+uc",
        (
            Element(0x00090010, "LO", b"GEMS_IDEN_01"),
            sequence((Element(0x0009101A, "UN", b"\1\2"),), tag=CONTENT),
        ),
        EXPLICIT_ONLY,
    ),
    Case(
        "private, before its creator",
        (Element(0x0009101A, "UN", b"\1\2"), Element(0x00090010, "LO", b"GEMS_IDEN_01")),
        "+uc",
        (Element(0x00090010, "LO", b"GEMS_IDEN_01"), Element(0x0009101A, "UN", b"\1\2")),
        EXPLICIT_ONLY,
    ),
    Case("a sequence", (sequence((NAME, ROWS), vr="UN"),), "+uc", (sequence((NAME, ROWS)),), EXPLICIT_ONLY),
    Case(
        "signed by pixel representation",
        (us(PIXEL_REPRESENTATION, 1), Element(SMALLEST, "UN", b"\1\2")),
        "+uc",
        (us(PIXEL_REPRESENTATION, 1), Element(SMALLEST, "SS", b"\1\2")),
        EXPLICIT_ONLY,
    ),
]
RESERVED_CASES = [
    Case(
        f"reserved bytes of {vr}",
        (
            Bytes(
                Element(0x00420011, vr, value)
                .encode(EXPLICIT)
                .replace(vr.encode() + bytes(2), vr.encode() + b"\1\2")
            ),
        ),
        "",
        (Element(0x00420011, vr, value),),
        (EXPLICIT_LITTLE,),
    )
    for vr, value in (("OB", b"ab"), ("UT", b"ab"), ("SQ", b""), ("UN", b"ab"), ("OL", b"abcd"))
]
FRAGMENT_CASES = [
    Case(
        "fragments",
        (NAME, Fragments((b"", b"abc", b"ab", b"")), zeros(2)),
        "",
        (NAME, Fragments((b"", b"abc\0", b"ab", b""))),
        (JPEG_BASELINE,),
    ),
    Case(
        "fragments of words",
        (Fragments((b"", b"ab"), vr="OW"),),
        "",
        (Fragments((b"", b"ab")),),
        (JPEG_BASELINE,),
    ),
    Case("no fragments", (Fragments(()),), "-e", (Fragments(()),), (JPEG_BASELINE,)),
    Case(
        "fragments in an item",
        (sequence((Fragments((b"a",)),), tag=0x00880200), ROWS),
        "+g",
        (GroupLength(0x88), sequence((GroupLength(0x7FE0), Fragments((b"a\0",))), tag=0x00880200)),
        (),
    ),
]
CASES = [
    *TEXT_CASES,
    *UID_CASES,
    *ODD_CASES,
    *STRUCTURE_CASES,
    *ORDER_CASES,
    *GROUP_CASES,
    *PADDING_CASES,
    *VR_CASES,
    *RESERVED_CASES,
    *FRAGMENT_CASES,
]


@pytest.mark.parametrize(
    ("case", "syntax"),
    [
        pytest.param(case, syntax, id=f"{case.option or 'default'}, {case.name}, {syntax[14:] or 'implicit'}")
        for case in CASES
        for syntax in case.syntaxes
    ],
)
def test_a_data_set_is_written_as_the_options_ask(case: Case, syntax: str) -> None:
    data = data_set(case.came, syntax)
    assert scan(data, syntax, ENCODINGS[case.option]).is_understood
    assert recoded(data, syntax, ENCODINGS[case.option]) == written(case.written, syntax, case.option)


def test_headers_are_written_as_the_standard_has_them() -> None:
    data = bytes.fromhex("0800 0500 4353 0200 4100 1000 1802 5554 0000 0300 0000 616263".replace(" ", ""))
    implicit = "08000500 02000000 4100  10001802 04000000 61626320"
    big = "00080005 4353 0002 4100  00100218 5554 0000 00000004 61626320"
    for option, expected in (("+ti", implicit), ("+tb", big)):
        assert recoded(data, EXPLICIT_LITTLE, ENCODINGS[option]).hex() == expected.replace(" ", "")


# Byte order.

VALUE = bytes(range(1, 25))


@pytest.mark.parametrize("vr", [vr for vr in TAGS if vr not in TEXT and vr not in ("UI", "UN")])
@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 6, 7, 8, 9, 16, 23, 24])
@pytest.mark.parametrize(
    ("source", "option"), [(EXPLICIT_LITTLE, "+tb"), (EXPLICIT_BIG, "+te"), (EXPLICIT_BIG, "+ti")]
)
def test_values_are_swapped_with_their_padding_but_for_a_rest(
    vr: str, size: int, source: str, option: str
) -> None:
    came = Element(TAGS[vr][0], vr, VALUE[:size])
    expected = Element(TAGS[vr][0], vr, VALUE[:size] + b"\0" * (size % 2))
    data = encoded((came,), encoding_of(source))
    if source == EXPLICIT_BIG and size % SWAP_UNITS.get(vr, 1):
        # The sender padded nothing: what it swapped are the whole units, and the padding joins the rest.
        value = data[len(data) - size :] + b"\0" * (size % 2)
        expected = Element(
            came.tag, vr, encoded((Element(came.tag, vr, value),), encoding_of(EXPLICIT_BIG))[-len(value) :]
        )
    assert recoded(data, source, ENCODINGS[option]) == written((expected,), source, option)


@pytest.mark.parametrize("vr", ["UN", "UT", "OB", "LO", "UI"])
def test_bytes_and_texts_are_not_swapped(vr: str) -> None:
    nodes = (Element(0x00091001, vr, b"1234567812"),)
    assert recoded(data_set(nodes, EXPLICIT_LITTLE), EXPLICIT_LITTLE, ENCODINGS["+tb"]) == written(
        nodes, EXPLICIT_LITTLE, "+tb"
    )


@pytest.mark.parametrize("vr", ["OF", "OD", "OL", "OV", "SV", "UV"])
def test_what_loses_its_vr_is_little_endian(vr: str) -> None:
    nodes = (Element(0x00091001, vr, bytes(range(16))),)
    expected = header(0x00091001, "OB", 16, encoding_of(EXPLICIT_BIG)) + bytes(range(16))
    option = Encoding(transfer_syntax=EXPLICIT_BIG, young_vrs=False)
    for source in (EXPLICIT_LITTLE, EXPLICIT_BIG):
        assert recoded(data_set(nodes, source), source, option) == expected


# Long values.


@pytest.mark.parametrize("option", ["+te", "+tb", "+tb -u +uc"])
@pytest.mark.parametrize("size", [65534, 65535, 65536, 70001])
@pytest.mark.parametrize("vr", ["LT", "US", "FD", "UI", "DS"])
def test_a_value_that_is_too_long_for_its_vr_becomes_un(vr: str, size: int, option: str) -> None:
    value = (b"1234567." * 9000)[:size]
    data = encoded(
        (Element(TAGS[vr][-1], vr, value), Element(0x7FE0FFF0, "UN", b"ab")), encoding_of(IMPLICIT_LITTLE)
    )
    even = value + (b" " if vr in TEXT else b"\0") * (size % 2)
    encoding = encoding_of(ENCODINGS[option].written(""))
    if len(even) <= 0xFFFF:
        first = Element(TAGS[vr][-1], vr, even).encode(encoding)
    else:
        first = header(TAGS[vr][-1], "OB" if "-u" in option else "UN", len(even), encoding) + even
    rest = Element(0x7FE0FFF0, "OB" if "-u" in option else "UN", b"ab").encode(encoding)
    assert recoded(data, IMPLICIT_LITTLE, ENCODINGS[option]) == first + rest


def test_a_text_may_become_short_enough() -> None:
    nodes = (Element(0x00104000, "LT", b"ab" + b" " * 70000),)
    expected = Element(0x00104000, "LT", b"ab").encode(EXPLICIT)
    assert recoded(data_set(nodes, IMPLICIT_LITTLE), IMPLICIT_LITTLE, ENCODINGS["+te"]) == expected


@pytest.mark.parametrize("vr", ["OW", "OB", "OL", "UT"])
@pytest.mark.parametrize("option", ["+tb", "+ti", "-e"])
def test_a_value_of_any_length_is_written_whole(vr: str, option: str) -> None:
    nodes = (NAME, Element(TAGS[vr][-1], vr, random.Random(vr).randbytes(1_000_002).replace(b" ", b"x")))
    data = data_set(nodes, EXPLICIT_LITTLE)
    assert recoded(data, EXPLICIT_LITTLE, ENCODINGS[option]) == written(nodes, EXPLICIT_LITTLE, option)


# VRs that depend on others.

NUMBER = b"\1\2"


def resolved(nodes: tuple[Node, ...], option: str = "+te") -> bytes:
    return recoded(data_set(nodes, IMPLICIT_LITTLE), IMPLICIT_LITTLE, ENCODINGS[option])


@pytest.mark.parametrize("option", ["+te", "+tb"])
@pytest.mark.parametrize(("signed", "vr"), [(1, "SS"), (0, "US"), (2, "US"), (None, "US")])
@pytest.mark.parametrize("is_before", [True, False])
def test_a_number_is_signed_as_the_pixels_are(
    signed: int | None, vr: str, is_before: bool, option: str
) -> None:
    tag = SMALLEST if is_before else 0x00189810
    pixels = () if signed is None else (us(PIXEL_REPRESENTATION, signed),)
    number = Element(tag, vr, NUMBER)
    nodes = (*pixels, number) if is_before else (number, *pixels)
    assert resolved(nodes, option) == encoded(nodes, encoding_of(ENCODINGS[option].written("")))


@pytest.mark.parametrize("inner", [0, 1, None])
@pytest.mark.parametrize("outer", [0, 1, None])
@pytest.mark.parametrize("undefined", [True, False])
@pytest.mark.parametrize("is_unordered", [True, False])
def test_the_nearest_pixel_representation_counts(
    inner: int | None, outer: int | None, undefined: bool, is_unordered: bool
) -> None:
    """Its place does not matter: (0028,0103) comes behind the first sequence, and last where nothing is in order."""
    vr = "SS" if (inner if inner is not None else outer) == 1 else "US"
    around = () if outer is None else (us(PIXEL_REPRESENTATION, outer),)
    within = () if inner is None else (us(PIXEL_REPRESENTATION, inner),)
    other = sequence((us(PIXEL_REPRESENTATION, 1),), undefined=undefined, tag=0x00081115)
    number = Element(SMALLEST, vr, NUMBER)
    item = (number, NAME, *within) if is_unordered else (NAME, *within, number)
    nodes = (
        other,
        sequence(((sequence(item, undefined=undefined, tag=0x00081199)),), undefined=undefined),
        *around,
    )
    expected = (
        sequence((us(PIXEL_REPRESENTATION, 1),), tag=0x00081115),
        sequence((sequence((NAME, *within, number), tag=0x00081199),)),
        *around,
    )
    assert resolved(nodes) == encoded(expected, EXPLICIT)


def test_a_pixel_representation_in_a_sequence_is_nobody_elses() -> None:
    nodes = (sequence((us(PIXEL_REPRESENTATION, 1),)), Element(SMALLEST, "US", NUMBER))
    assert resolved(nodes) == encoded(nodes, EXPLICIT)


def test_of_two_pixel_representations_the_first_counts() -> None:
    nodes = (us(PIXEL_REPRESENTATION, 1), us(PIXEL_REPRESENTATION, 0), Element(SMALLEST, "SS", NUMBER))
    assert resolved(nodes) == encoded((nodes[0], nodes[2]), EXPLICIT)


@pytest.mark.parametrize(("bits", "vr"), [(8, "OB"), (16, "OW"), (None, "OB")])
@pytest.mark.parametrize("option", ["+te", "+tb"])
def test_waveforms_are_words_unless_they_have_8_bits(bits: int | None, vr: str, option: str) -> None:
    allocated = () if bits is None else (us(0x54001004, bits),)
    waveform = (Element(0x54000110, vr, NUMBER), *allocated, Element(0x54001010, vr, b"abcd"))
    nodes = (sequence(waveform, tag=0x54000100),)
    assert resolved(nodes, option) == encoded(nodes, encoding_of(ENCODINGS[option].written("")))


@pytest.mark.parametrize(
    ("tag", "vr"),
    [
        (0x7FE00010, "OW"),
        (0x60003000, "OW"),
        (0x601E3000, "OW"),
        (0x00283006, "OW"),
        (0x00281200, "OW"),
        (0x50003000, "OB"),
        (0x0018FFF0, "UN"),
        (0x00041200, "UL"),
        (0x00100000, "UL"),
        (0x00090010, "LO"),
        (0x00091001, "UN"),
        (0x60013000, "UN"),
        (0x00203100, "CS"),
        (0x00203101, "UN"),
    ],
)
def test_an_element_without_a_vr_gets_that_of_the_dictionary(tag: int, vr: str) -> None:
    encoding = Encoding(transfer_syntax=EXPLICIT_LITTLE, group_lengths=REMOVE if tag & 0xFFFF else CREATE)
    came = (Element(tag, vr, b"abcd"), *(() if tag & 0xFFFF else (NAME,)))
    expected = came if tag & 0xFFFF else (GroupLength(0x10), NAME)
    assert recoded(data_set(came, IMPLICIT_LITTLE), IMPLICIT_LITTLE, encoding) == encoded(expected, EXPLICIT)


# Padding.


@pytest.mark.parametrize("source", PLAIN_SYNTAXES)
@pytest.mark.parametrize("target", [IMPLICIT_LITTLE, EXPLICIT_LITTLE])
@pytest.mark.parametrize("multiple", [2, 8, 14, 64, 1000])
@pytest.mark.parametrize("before", [0, 132, 330])
def test_a_file_is_padded_to_a_multiple(source: str, target: str, multiple: int, before: int) -> None:
    least = 8 if target == IMPLICIT_LITTLE else 12
    for size in range(0, 34, 2):
        nodes = (NAME, Element(0x00100218, "UT", b"x" * size))
        encoding = Encoding(transfer_syntax=target, padding=(multiple, 0))
        content = encoded(nodes, encoding_of(target))
        data = recoded(data_set(nodes, source), source, encoding, before=before)
        added = len(data) - len(content)
        assert data.startswith(content)
        assert (before + len(data)) % multiple == 0
        assert added == 0 or least <= added < least + multiple
        assert added == 0 or data[len(content) :] == zeros(added - least).encode(encoding_of(target))


@pytest.mark.parametrize("option", ["+p", "-e +p"])
@pytest.mark.parametrize("size", range(0, 40, 2))
def test_an_item_is_padded_to_a_multiple_but_not_an_empty_one(size: int, option: str) -> None:
    file_multiple, multiple = ENCODINGS[option].padding
    text = Element(0x00100218, "UT", b"x" * size)
    length = -(12 + size) % multiple
    length += multiple if 0 < length < 12 else 0
    item = (text, zeros(length - 12)) if length else (text,)
    undefined = "-e" in option
    inner = sequence((sequence(item, (), undefined=undefined, tag=CONTENT),), undefined=undefined)
    outer_length = len(inner.items[0].encode(EXPLICIT)) - 8 - 8 * undefined
    missing = -outer_length % multiple
    missing += multiple if 0 < missing < 12 else 0
    padding = (zeros(missing - 12),) if missing else ()
    expected = encoded((sequence((*inner.items[0].nodes, *padding), undefined=undefined),), EXPLICIT)
    data = recoded(
        encoded((sequence((sequence((text,), (), tag=CONTENT),)),), EXPLICIT),
        EXPLICIT_LITTLE,
        ENCODINGS[option],
    )
    assert data.startswith(expected)
    assert not file_multiple or len(data) % file_multiple == 0
    assert file_multiple or data == expected


def test_padding_counts_for_a_group_length_that_came_and_gets_none_that_is_created() -> None:
    came = (NAME, GroupLength(0xFFFC), zeros(2))
    expected = (NAME, GroupLength(0xFFFC), zeros(128 - 16 - 12 - 12))
    assert recoded(encoded(came, EXPLICIT), EXPLICIT_LITTLE, Encoding(padding=(128, 0))) == encoded(
        expected, EXPLICIT
    )
    created = (GroupLength(0x10), NAME, zeros(128 - 12 - 16 - 12))
    encoding = Encoding(padding=(128, 0), group_lengths=CREATE)
    assert recoded(encoded(came, EXPLICIT), EXPLICIT_LITTLE, encoding) == encoded(created, EXPLICIT)


# Any data set.


@given(st.one_of(right(), spoilt()), encodings())
@EXAMPLES
def test_any_data_set_that_is_understood_can_be_written(sent: Sent, name: str) -> None:
    encoding = ENCODINGS[name]
    found = scan(sent.data, sent.transfer_syntax, encoding)
    if found.is_understood and not (
        found.has_fragments and encoding.written(sent.transfer_syntax) != sent.transfer_syntax
    ):
        recoded(sent.data, sent.transfer_syntax, encoding, unordered=found.unordered)


def is_stable(nodes_have_known_creators: bool, syntax: str, encoding: Encoding) -> bool:
    """Tell whether what is written keeps its VRs: they are not given up, and not found by what has been sorted."""
    is_explicit = encoding_of(syntax).is_explicit
    if encoding.convert_un or (is_explicit and not encoding_of(encoding.written(syntax)).is_explicit):
        return False
    return is_explicit or nodes_have_known_creators


@given(right(), encodings())
@EXAMPLES
def test_what_was_written_anew_stays_as_it_is(sent: Sent, name: str) -> None:
    data, syntax = sent
    encoding = ENCODINGS[name]
    found = scan(data, syntax, encoding)
    target = encoding.written(syntax)
    if not is_stable(not found.unordered, syntax, encoding) or (found.has_fragments and target != syntax):
        return
    anew = recoded(data, syntax, encoding, unordered=found.unordered)
    if target == DEFLATED:
        target = EXPLICIT_LITTLE  # `recoded` deflates nothing
    again = scan(anew, target, encoding)
    assert again.is_understood
    assert not again.unordered
    assert again.changes == encoding.changes_all(target)
    assert recoded(anew, target, encoding) == anew


def known_values(chance: random.Random, depth: int = 0) -> tuple[Node, ...]:
    """Give elements whose VR any dictionary knows, in order, padded."""
    nodes: list[Node] = [
        Element(chance.choice(TAGS[vr]), vr, random_value(chance, vr)) for vr in chance.sample(list(TAGS), 8)
    ]
    if depth < 3 and chance.random() < 0.7:
        nodes.append(sequence(*(known_values(chance, depth + 1) for _ in range(chance.randrange(3)))))
    tags = {node.tag: node for node in nodes if isinstance(node, Element | Sequence)}
    return padded(tags[tag] for tag in sorted(tags))


@given(chances(), st.sampled_from(["+te", "+tb"]))
@EXAMPLES
def test_any_known_element_comes_back_from_implicit_vr(chance: random.Random, option: str) -> None:
    nodes = known_values(chance)
    source = ENCODINGS[option].written("")
    data = recoded(data_set(nodes, source), source)
    implicit = recoded(data, source, ENCODINGS["+ti"])
    assert recoded(implicit, IMPLICIT_LITTLE, ENCODINGS[option]) == data


@given(right())
@EXAMPLES
def test_any_data_set_comes_back_from_the_other_byte_order(sent: Sent) -> None:
    if sent.transfer_syntax not in (EXPLICIT_LITTLE, EXPLICIT_BIG):
        return
    there, back = (EXPLICIT_LITTLE, EXPLICIT_BIG)[:: 1 if sent.transfer_syntax == EXPLICIT_BIG else -1]
    data = recoded(sent.data, sent.transfer_syntax)
    swapped = recoded(data, back, Encoding(transfer_syntax=there))
    assert recoded(swapped, there, Encoding(transfer_syntax=back)) == data


@pytest.mark.parametrize("option", ENCODINGS)
def test_a_deflated_data_set_is_written_as_one_that_is_not(option: str) -> None:
    encoding = ENCODINGS[option]
    for tree in oddities():
        if DEFLATED in tree.syntaxes and EXPLICIT_LITTLE in tree.syntaxes:
            stream = data_set(tree.nodes, DEFLATED)
            plain = zlib.decompress(stream, wbits=-zlib.MAX_WBITS)
            assert recoded(stream, DEFLATED, encoding) == recoded(plain, EXPLICIT_LITTLE, encoding), tree.name


# What it costs.


class Counted(Memory):
    """A target that keeps nothing."""

    def write(self, pieces: list[bytes | memoryview]) -> None:  # type: ignore[override]
        self.most_pieces = max(self.most_pieces, len(pieces))
        self.most_bytes = max(self.most_bytes, sum(map(len, pieces)))

    def patch(self, offset: int, data: bytes) -> None:
        pass


def cost(data: bytes, syntax: str, option: str) -> tuple[int, Counted]:
    """Give how much memory it takes to write a data set anew, and the target."""
    found = scan(data, syntax, ENCODINGS[option])
    assert found.is_understood
    target = Counted()
    source = Source(memoryview(data), syntax, set(found.unordered))
    tracemalloc.start()
    try:
        recode(source, ENCODINGS[option], DICTIONARY, target)
        return tracemalloc.get_traced_memory()[1], target
    finally:
        tracemalloc.stop()


EMPTY_ITEMS = (
    header(REFERENCES, "SQ", UNDEFINED, EXPLICIT) + marker(0xFFFEE000, 0, EXPLICIT) * 6_000 + SEQUENCE_END
)
MANY: dict[str, bytes] = {
    "empty items": EMPTY_ITEMS,
    "items of undefined length": EMPTY_ITEMS[:12]
    + (marker(0xFFFEE000, UNDEFINED, EXPLICIT) + ITEM_END) * 6_000
    + SEQUENCE_END,
    "empty sequences": b"".join(header(0x00091000 + number, "SQ", 0, EXPLICIT) for number in range(6_000)),
    "short elements": b"".join(
        Element(0x00091000 + number, "LO", b"ab").encode(EXPLICIT) for number in range(6_000)
    ),
    "odd elements": b"".join(
        Element(0x00091000 + number, "LO", b"a").encode(EXPLICIT) for number in range(6_000)
    ),
    "long texts": b"".join(
        Element(0x00091000 + number, "LT", b"a" * 60_000).encode(EXPLICIT) for number in range(100)
    ),
    "a long text": Element(0x00091000, "UT", b"a" * 2_000_001).encode(EXPLICIT),
    "long numbers": Element(0x00091000, "OL", b"1234" * 500_000).encode(EXPLICIT),
    "group lengths": b"".join(GroupLength(number).encode(EXPLICIT) for number in range(8, 3_000)),
}


@pytest.mark.parametrize("option", ["", "-e", "+ti", "+tb", "+g", "+p", "+uc"])
@pytest.mark.parametrize("name", MANY)
def test_what_is_gathered_is_bounded_however_long_a_data_set_is(name: str, option: str) -> None:
    held, target = cost(MANY[name], EXPLICIT_LITTLE, option)
    assert held < 1_000_000
    assert target.most_pieces <= 2000


class Apart:
    """A target that keeps pieces as they are: so it may be given gigabytes that lie somewhere else."""

    def __init__(self) -> None:
        self.size = 0
        self._pieces: dict[int, bytes | memoryview] = {}

    def write(self, pieces: list[bytes | memoryview]) -> None:
        for piece in pieces:
            self._pieces[self.size] = piece
            self.size += len(piece)

    def patch(self, offset: int, data: bytes) -> None:
        begin = max(place for place in self._pieces if place <= offset)
        piece = bytearray(self._pieces[begin])
        piece[offset - begin : offset - begin + len(data)] = data
        self._pieces[begin] = bytes(piece)

    def restart(self) -> None:
        self._pieces.clear()
        self.size = 0

    def read(self, begin: int, size: int) -> bytes:
        """Give what stands at a place."""
        found = b""
        for place, piece in sorted(self._pieces.items()):
            if place < begin + size and place + len(piece) > begin:
                found += piece[max(begin - place, 0) : begin + size - place]
        return found


HALF = 0x90000000  # bytes; two of them are longer than any length says


HEADERS = [header(tag, "OB", HALF, EXPLICIT) for tag in (0x00091001, 0x00091002)]


def huge(path: Path, begin: bytes, end: bytes) -> memoryview:
    """Give two elements of gigabytes, which are a hole in a file, between other bytes."""
    with path.open("w+b") as file:
        file.write(begin)
        for head in HEADERS:
            file.write(head)
            file.seek(HALF, os.SEEK_CUR)
        file.write(end)
        file.flush()
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def see(target: Apart, begin: bytes, end: bytes) -> None:
    """Compare all but the gigabytes."""
    place = 0
    for part, behind in ((begin + HEADERS[0], HALF), (HEADERS[1], HALF), (end, 0)):
        assert target.read(place, len(part)) == part
        place += len(part) + behind
    assert target.size == place


@pytest.fixture
def _sparse(tmp_path: Path) -> None:
    probe = tmp_path / "probe"
    with probe.open("wb") as file:
        file.truncate(1 << 33)
    if probe.stat().st_blocks:
        pytest.skip("the file system has no holes")
    probe.unlink()


@pytest.mark.usefixtures("_sparse")
def test_an_item_that_is_too_long_for_a_length_has_delimiters(tmp_path: Path) -> None:
    begin = header(REFERENCES, "SQ", UNDEFINED, EXPLICIT) + marker(0xFFFEE000, UNDEFINED, EXPLICIT)
    end = ITEM_END + SEQUENCE_END + NAME.encode(EXPLICIT)
    target = Apart()
    recode(
        Source(huge(tmp_path / "huge", begin, end), EXPLICIT_LITTLE, set()), AS_RECEIVED, DICTIONARY, target
    )
    see(target, begin, end)


@pytest.mark.usefixtures("_sparse")
def test_a_group_that_is_too_long_for_a_length_has_none(tmp_path: Path) -> None:
    data = huge(tmp_path / "huge", us(0x00080040, 1).encode(EXPLICIT), NAME.encode(EXPLICIT))
    target = Apart()
    recode(Source(data, EXPLICIT_LITTLE, set()), ENCODINGS["+g"], DICTIONARY, target)
    begin = encoded((GroupLength(8), us(0x00080040, 1)), EXPLICIT)
    see(target, begin, encoded((GroupLength(0x10), NAME), EXPLICIT))


def test_more_elements_out_of_order_than_memory_is_for_are_refused() -> None:
    tags = [0x00290001 + 2 * number for number in range(1 << 15)] + [0x00270001]
    data = b"".join(struct.pack("<HHI", tag >> 16, tag & 0xFFFF, 0) for tag in tags)
    with pytest.raises(Refused, match="out of order"):
        recoded(data, IMPLICIT_LITTLE, unordered={0})
