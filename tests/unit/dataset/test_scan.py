"""What a look at a data set says must not depend on how it came, and must agree with what writing it anew does."""

from __future__ import annotations

import sys
import tracemalloc
import zlib
from pathlib import Path
from struct import pack
from typing import TYPE_CHECKING

import pydicom
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from scpd.dataset.elements import MAX_DEPTH, UNDEFINED_LENGTH
from scpd.dataset.encoding import REMOVE, Encoding
from scpd.dataset.plain import LONGEST_NOTED, PATIENT_NAME, SOP_CLASS_UID, SOP_INSTANCE_UID
from scpd.dataset.scan import Scan
from scpd.tables.transfer_syntaxes import (
    DEFLATED,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    JPEG_BASELINE,
)
from tests.harness.corpus import oddities, uid, us
from tests.harness.hostile import Sent, chances, cut, encodings, nearly_right, right, spoilt
from tests.harness.recoding import (
    AS_RECEIVED,
    DICTIONARY,
    ENCODINGS,
    PLAIN_SYNTAXES,
    SYNTAXES,
    Found,
    in_pieces,
    recoded,
    scan,
)
from tests.harness.trees import (
    ITEM,
    ITEM_DELIMITATION,
    SEQUENCE_DELIMITATION,
    UNDEFINED,
    Bytes,
    Element,
    Fragments,
    GroupLength,
    Item,
    Node,
    Sequence,
    data_set,
    deflated,
    encoded,
    encoding_of,
    header,
    marker,
)

if TYPE_CHECKING:
    import random

UIDS = (uid(SOP_CLASS_UID, "1.2.3"), uid(SOP_INSTANCE_UID, "1.2.4"))
REFERENCES, CONTENT = 0x00081140, 0x0040A730
YOUNG = {"UN", "UT", "UC", "UR", "OF", "OD", "OL", "OV", "SV", "UV"}
NAME = Element(PATIENT_NAME, "PN", b"Doe^Jane")
EXAMPLES = settings(max_examples=150)


def look(nodes: tuple[Node, ...], syntax: str = EXPLICIT_LITTLE, encoding: Encoding = AS_RECEIVED) -> Found:
    """Look at a data set in one piece, and see that single bytes are judged alike."""
    data = data_set(nodes, syntax)
    found = scan(data, syntax, encoding)
    assert scan(in_pieces(data, 1), syntax, encoding) == found
    return found


# However it comes.


@given(spoilt(), encodings(), chances())
@EXAMPLES
def test_any_bytes_are_judged_alike_however_they_are_cut(
    sent: Sent, name: str, chance: random.Random
) -> None:
    whole = scan(sent.data, sent.transfer_syntax, ENCODINGS[name])
    assert scan(cut(sent.data, chance), sent.transfer_syntax, ENCODINGS[name]) == whole
    assert scan([in_pieces(sent.data, 16)], sent.transfer_syntax, ENCODINGS[name]) == whole
    if len(sent.data) < 2000:
        assert scan(in_pieces(sent.data, 1), sent.transfer_syntax, ENCODINGS[name]) == whole


@given(right(), encodings(), chances())
@EXAMPLES
def test_any_right_data_set_is_judged_alike_however_it_is_cut(
    sent: Sent, name: str, chance: random.Random
) -> None:
    whole = scan(sent.data, sent.transfer_syntax, ENCODINGS[name])
    assert whole.is_understood
    assert scan(cut(sent.data, chance), sent.transfer_syntax, ENCODINGS[name]) == whole


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_every_oddity_is_judged_alike_whole_and_in_single_bytes(syntax: str) -> None:
    for tree in oddities():
        data = data_set(tree.nodes, syntax) if syntax in tree.syntaxes else b""
        if len(data) < 3000:
            assert scan(in_pieces(data, 1), syntax) == scan(data, syntax), tree.name


@pytest.mark.parametrize("syntax", [IMPLICIT_LITTLE, EXPLICIT_LITTLE])
def test_a_data_set_that_is_cut_off_anywhere_is_judged_alike(syntax: str) -> None:
    for tree in oddities():
        data = data_set(tree.nodes, syntax) if syntax in tree.syntaxes else b""
        for end in range(0, min(len(data), 3000), 1 + len(data) // 20):
            assert scan(in_pieces(data[:end], 1), syntax) == scan(data[:end], syntax), (tree.name, end)


# Together with the recoder.


def agrees_with_the_recoder(sent: Sent, encoding: Encoding) -> None:
    """See that `changes` says whether the recoder would write other bytes, and that it can."""
    data, syntax = sent
    found = scan(data, syntax, encoding)
    if not found.is_understood or (found.has_fragments and encoding.written(syntax) != syntax):
        return
    anew = recoded(data, syntax, encoding, unordered=found.unordered)
    came = zlib.decompress(data, wbits=-zlib.MAX_WBITS) if syntax == DEFLATED else data
    if not found.changes:
        assert anew == came
    elif not encoding.changes_all(syntax):
        assert anew != came


@given(st.one_of(right(), spoilt()), encodings())
@settings(max_examples=400)
@example(nearly_right(7493), "+tb -u +uc")
def test_any_data_set_changes_if_and_only_if_it_would_be_written_otherwise(sent: Sent, name: str) -> None:
    agrees_with_the_recoder(sent, ENCODINGS[name])


def test_every_oddity_changes_if_and_only_if_it_would_be_written_otherwise() -> None:
    for tree in oddities():
        for syntax in tree.syntaxes:
            for encoding in ENCODINGS.values():
                agrees_with_the_recoder(Sent(data_set(tree.nodes, syntax), syntax), encoding)


def test_many_spoilt_data_sets_are_refused_or_written_anew(is_long: bool) -> None:
    names = list(ENCODINGS)
    for seed in range(50_000 if is_long else 2000):
        sent = nearly_right(seed)
        try:
            agrees_with_the_recoder(sent, ENCODINGS[names[seed % len(names)]])
        except Exception as error:
            error.add_note(f"nearly_right({seed}), encoding {names[seed % len(names)]!r}")
            raise


# What changes.

PLAIN_SETS: dict[str, tuple[Node, ...]] = {
    "two elements": UIDS,
    "items of defined length": (*UIDS, Sequence(REFERENCES, (Item((us(0x00280010, 1),)), Item())), NAME),
    "a right group length": (GroupLength(0x10), NAME),
    "right group lengths of two groups": (GroupLength(8), *UIDS, GroupLength(0x10), NAME),
    "a group of nothing but its length": (GroupLength(8), NAME),
    "private elements": (Element(0x00090010, "LO", b"ME"), Element(0x00091001, "UN", b"ab"), NAME),
    "pixel data": (NAME, Element(0x7FE00010, "OW", b"abcd")),
    "one space": (Element(PATIENT_NAME, "PN", b"A^B "),),
    "NULs behind a text": (Element(PATIENT_NAME, "PN", b"AB\0\0"),),
    "a space behind NULs": (Element(PATIENT_NAME, "PN", b"AB\0 "),),
}
CHANGED_SETS: dict[str, tuple[Node, ...]] = {
    "a sequence of undefined length": (Sequence(REFERENCES, (Item(),), undefined=True),),
    "an item of undefined length": (Sequence(REFERENCES, (Item((NAME,), undefined=True),)),),
    "a wrong group length": (GroupLength(0x10, 2), NAME),
    "a wrong group length in the end": (NAME, GroupLength(0x12, 8)),
    "a wrong group length in an item": (Sequence(REFERENCES, (Item((GroupLength(0x10, -2), NAME)),)),),
    "a group length of 2 bytes": (Element(0x00100000, "UL", b"\0\0"), NAME),
    "order": (NAME, *UIDS),
    "order in an item": (Sequence(REFERENCES, (Item((NAME, us(0x00080040, 1))),)),),
    "a duplicate": (NAME, NAME),
    "an odd text": (Element(PATIENT_NAME, "PN", b"abc"),),
    "an odd number": (Element(0x00280010, "US", b"abc"),),
    "two spaces": (Element(PATIENT_NAME, "PN", b"ab  "),),
    "only spaces": (Element(PATIENT_NAME, "PN", b"  "),),
    "a UID with two NULs": (Element(SOP_CLASS_UID, "UI", b"1.23\0\0"),),
    "a UID with a space": (Element(SOP_CLASS_UID, "UI", b"1. 2"),),
    "trailing padding": (NAME, Element(0xFFFCFFFC, "OB", b"\0\0")),
    "trailing padding in an item": (Sequence(REFERENCES, (Item((Element(0xFFFCFFFC, "OB", b""),)),)),),
    "a delimiter with a length": (
        Sequence(
            REFERENCES,
            (Bytes(marker(SEQUENCE_DELIMITATION, 2, encoding_of(EXPLICIT_LITTLE))),),
            length=UNDEFINED,
        ),
    ),
}


@pytest.mark.parametrize("syntax", PLAIN_SYNTAXES)
@pytest.mark.parametrize("name", PLAIN_SETS)
def test_a_data_set_that_is_as_it_should_be_does_not_change(name: str, syntax: str) -> None:
    found = look(PLAIN_SETS[name], syntax)
    assert found.is_understood
    assert not found.changes
    assert not found.unordered


@pytest.mark.parametrize("syntax", [IMPLICIT_LITTLE, EXPLICIT_LITTLE])
@pytest.mark.parametrize("name", CHANGED_SETS)
def test_a_data_set_changes_for_one_thing(name: str, syntax: str) -> None:
    found = look(CHANGED_SETS[name], syntax)
    assert found.is_understood
    assert found.changes


@pytest.mark.parametrize(
    ("option", "nodes"),
    [
        ("-e", (Sequence(REFERENCES, ()),)),
        ("-e", (Sequence(REFERENCES, (Item(),), undefined=True),)),
        ("-g", (GroupLength(0x10), NAME)),
        ("-g", (Sequence(REFERENCES, (Item((GroupLength(0x10), NAME)),)),)),
        *(("-u", (Element(0x00420011, vr, b""),)) for vr in sorted(YOUNG)),
        ("+uc", (Element(PATIENT_NAME, "UN", b"ab"),)),
        ("+uc", (Element(0x00090010, "LO", b"GEMS_IDEN_01"), Element(0x00091002, "UN", b"ab"))),
    ],
)
def test_an_option_changes_what_stays_without_it(option: str, nodes: tuple[Node, ...]) -> None:
    assert look(nodes, encoding=ENCODINGS[option]).changes
    opposite = Encoding(explicit_lengths=option != "-e") if option != "-e" else AS_RECEIVED
    assert not look(
        tuple(node for node in nodes if not getattr(node, "undefined", False)), encoding=opposite
    ).changes


@pytest.mark.parametrize("option", ["-g", "-u", "+uc"])
@pytest.mark.parametrize(
    "name", [name for name in PLAIN_SETS if "group" not in name and name != "private elements"]
)
def test_an_option_changes_nothing_that_it_is_not_about(option: str, name: str) -> None:
    assert not look(PLAIN_SETS[name], encoding=ENCODINGS[option]).changes


@pytest.mark.parametrize("option", ["+g", "+p", "+ti", "+tb"])
def test_an_option_may_change_all(option: str) -> None:
    assert look(UIDS, encoding=ENCODINGS[option]).changes


@pytest.mark.parametrize("vr", ["ZZ", "??", "xs", "ox", "\0\0", "OX"])
def test_a_vr_that_is_none_changes(vr: str) -> None:
    assert look((Element(0x00280106, vr, b"ab"),)).changes


def test_un_of_undefined_length_becomes_a_sequence() -> None:
    found = look((Sequence(REFERENCES, (Item((NAME,)),), undefined=True, vr="UN"),), encoding=ENCODINGS["-e"])
    assert found.is_understood
    assert found.changes


ITEM_END, SEQUENCE_END = (pack("<HHI", 0xFFFE, number, 0) for number in (0xE00D, 0xE0DD))


@pytest.mark.parametrize(
    ("option", "node"),
    [
        ("", Sequence(REFERENCES, (Item((NAME, Bytes(ITEM_END))),))),
        ("", Sequence(REFERENCES, (Item((NAME,)), Bytes(SEQUENCE_END)))),
        (
            "-e",
            Sequence(
                REFERENCES,
                (Item((NAME,), undefined=True), Bytes(SEQUENCE_END[:-1] + b"\1")),
                length=UNDEFINED,
            ),
        ),
        (
            "-e",
            Sequence(
                REFERENCES, (Item((NAME, Bytes(ITEM_END[:-1] + b"\1")), length=UNDEFINED),), undefined=True
            ),
        ),
        ("-e", Sequence(REFERENCES, (Item((NAME,), undefined=True),), undefined=True, vr="ZZ")),
        ("-e", Sequence(REFERENCES, (Item((NAME,), undefined=True),), undefined=True, vr="UN")),
    ],
)
def test_a_needless_delimiter_its_length_and_a_sequence_in_un_change(option: str, node: Node) -> None:
    found = look((node,), encoding=ENCODINGS[option])
    assert found.is_understood
    assert found.changes


def test_where_levels_begin_that_are_out_of_order_is_told() -> None:
    item = Item((NAME, us(0x00080040, 1)))
    nodes = (Sequence(REFERENCES, (Item((NAME,)), item)), NAME, *UIDS)
    data = data_set(nodes, EXPLICIT_LITTLE)
    found = look(nodes)
    inner = data.index(b"PN", data.index(b"PN") + 1) - 4
    assert found.unordered == {0, inner}


# What is noted.


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_the_values_that_others_ask_for_are_noted(syntax: str) -> None:
    nodes = (
        Element(0x00080005, "CS", b"ISO_IR 100"),
        *UIDS,
        Sequence(REFERENCES, (Item((uid(SOP_INSTANCE_UID, "9.9"), uid(0x0020000D, "9.8"))),), undefined=True),
        NAME,
        uid(0x0020000D, "1.2.5"),
    )
    found = look(nodes, syntax)
    assert dict(found.found) == {
        0x00080005: b"ISO_IR 100",
        SOP_CLASS_UID: b"1.2.3\0",
        SOP_INSTANCE_UID: b"1.2.4\0",
        PATIENT_NAME: b"Doe^Jane",
        0x0020000D: b"1.2.5\0",
    }
    assert dict(found.nested) == {SOP_INSTANCE_UID: b"9.9\0", 0x0020000D: b"9.8\0"}


@pytest.mark.parametrize("first", [b"1.2.3\0", b""])
def test_of_two_elements_with_one_tag_the_first_is_noted(first: bytes) -> None:
    found = look((Element(SOP_CLASS_UID, "UI", first), Element(SOP_CLASS_UID, "UI", b"4.5\0")))
    assert dict(found.found) == {SOP_CLASS_UID: first}


@pytest.mark.parametrize("vr", ["LO", "UT"])
def test_a_uid_is_noted_though_it_is_called_a_text(vr: str) -> None:
    assert dict(look((Element(SOP_CLASS_UID, vr, b"1.2 "),)).found) == {SOP_CLASS_UID: b"1.2 "}


@pytest.mark.parametrize("syntax", PLAIN_SYNTAXES)
def test_a_value_that_is_too_long_is_not_noted(syntax: str) -> None:
    size = LONGEST_NOTED if syntax == IMPLICIT_LITTLE else 0xFFFE
    assert dict(look((Element(PATIENT_NAME, "PN", b"a" * size),), syntax).found) == {
        PATIENT_NAME: b"a" * size
    }
    if syntax == IMPLICIT_LITTLE:
        assert not look((Element(PATIENT_NAME, "PN", b"a" * (size + 2)),), syntax).found


FILES = sorted((Path(pydicom.__file__).parent / "data" / "test_files").rglob("*.dcm"))
# Implicit VR under the name of a compressed syntax: pydicom guesses, whom it was sent to must not.
MISLABELLED = "SC_rgb_jpeg.dcm"


def file_content(path: Path) -> tuple[str, bytes] | None:
    """Give transfer syntax and data set of a file, None if it has no usable file meta information."""
    data = path.read_bytes()
    if data[128:140] != b"DICM\2\0\0\0UL\4\0":
        return None
    meta = pydicom.filereader.read_file_meta_info(path)
    start = 144 + int.from_bytes(data[140:144], "little")
    return (str(meta.TransferSyntaxUID), data[start:]) if "TransferSyntaxUID" in meta else None


USABLE = [(path, *found) for path in FILES if path.name != MISLABELLED and (found := file_content(path))]


@pytest.mark.parametrize(("path", "syntax", "data"), USABLE, ids=[path.name for path, _, _ in USABLE])
def test_pydicoms_own_files_are_read_as_pydicom_reads_them(path: Path, syntax: str, data: bytes) -> None:
    theirs = pydicom.dcmread(path, stop_before_pixels=True)
    found = scan(in_pieces(data, 16382), syntax)
    values = {tag: value.decode("latin-1").rstrip(" \0") for tag, value in found.found}
    if not found.refused:
        assert values.get(SOP_CLASS_UID, "") == theirs.get("SOPClassUID", "")
        assert values.get(SOP_INSTANCE_UID, "") == theirs.get("SOPInstanceUID", "")


def test_pydicoms_files_are_there_in_all_encodings() -> None:
    assert len(USABLE) > 50
    assert set(SYNTAXES) <= {syntax for _, syntax, _ in USABLE}


# Cut off: storescp's rules.


def tokens(syntax: str, is_sequence_undefined: bool, is_item_undefined: bool) -> list[tuple[str, bytes]]:
    """Give a data set in parts, and of what each is the end: a header, a value, an element, or what is within one."""
    encoding = encoding_of(syntax)
    inner = (
        Element(0x00081150, "UI", b"1.2\0"),
        Element(0x00081155, "UI", b""),
        Sequence(0x00081199, ()),
        Element(0x00420011, "OB", b"abcd"),
    )
    item = Item(inner, is_item_undefined).encode(encoding)
    length = UNDEFINED if is_sequence_undefined else len(item)
    sequence = [
        ("header", header(REFERENCES, "SQ", length, encoding)),
        ("within", item[:8]),
        *(part for node in inner for part in _parts(node, syntax, "within")),
    ]
    if is_item_undefined:
        sequence.append(("within", marker(ITEM_DELIMITATION, 0, encoding)))
    if is_sequence_undefined:
        sequence.append(("within", marker(SEQUENCE_DELIMITATION, 0, encoding)))
    sequence[-1] = (sequence[-1][0].replace("within", "element"), sequence[-1][1])
    return [*_parts(UIDS[0], syntax, "element"), *sequence, *_parts(NAME, syntax, "element")]


def _parts(node: Element | Sequence, syntax: str, end: str) -> list[tuple[str, bytes]]:
    encoding = encoding_of(syntax)
    value = node.value if isinstance(node, Element) else b""
    begin = header(node.tag, node.vr, len(value), encoding)
    if not value:
        return [(end, begin)]
    return [("header", begin), (f"value, {end}", node.encode(encoding)[len(begin) :])]


@pytest.mark.parametrize("syntax", PLAIN_SYNTAXES)
@pytest.mark.parametrize("is_sequence_undefined", [True, False])
@pytest.mark.parametrize("is_item_undefined", [True, False])
def test_where_a_data_set_is_cut_off_decides_what_becomes_of_it(
    syntax: str, is_sequence_undefined: bool, is_item_undefined: bool
) -> None:
    """In a value, or behind what is whole within a sequence: refused; in or behind a header: odd."""
    data = b""
    for kind, part in tokens(syntax, is_sequence_undefined, is_item_undefined):
        is_value = kind.startswith("value")
        for end in range(1, len(part)):
            found = scan(data + part[:end], syntax)
            assert found.refused == (0xC000 if is_value else 0), (kind, data, end)
            assert bool(found.oddity) != is_value, (kind, data, end)
        data += part
        found = scan(data, syntax)
        assert found == scan(in_pieces(data, 1), syntax)
        assert found.refused == (0xC000 if kind.endswith("within") else 0), (kind, data)
        assert bool(found.oddity) == (kind == "header"), (kind, data)


def test_where_fragments_are_cut_off_decides_what_becomes_of_them() -> None:
    explicit = encoding_of(EXPLICIT_LITTLE)
    start = encoded(UIDS, explicit)
    data = start + Fragments((b"", b"abcdefgh")).encode(explicit)
    begun = {12: "header", 20: "header", 28: "header", 36: "whole"}
    for length in range(1, len(data) - len(start)):
        found = scan(data[: len(start) + length], JPEG_BASELINE)
        is_refused = begun.get(length) == "whole" or 28 < length < 36
        assert found.refused == (0xC000 if is_refused else 0), length
        assert bool(found.oddity) != is_refused
    assert scan(data, JPEG_BASELINE).is_understood


def test_a_deflate_stream_that_is_cut_off_is_odd() -> None:
    stream = deflated(encoded((*UIDS, NAME), encoding_of(EXPLICIT_LITTLE)))
    assert scan(stream, DEFLATED).is_understood
    for end in range(len(stream) - 2):
        assert scan(stream[:end], DEFLATED).oddity
        assert scan(in_pieces(stream[:end], 1), DEFLATED).oddity


@pytest.mark.parametrize("spoil", [zlib.compress, lambda data: b"\xff" * 20 + data])
def test_what_is_not_a_deflate_stream_is_refused(spoil) -> None:  # type: ignore[no-untyped-def]
    data = spoil(encoded(UIDS, encoding_of(EXPLICIT_LITTLE)))
    assert scan(data, DEFLATED).refused == scan(in_pieces(data, 1), DEFLATED).refused == 0xC000


# What is refused, what is odd.

REFUSED_SETS: dict[str, tuple[Node, ...]] = {
    "an item outside a sequence": (Bytes(pack("<HHI", 0xFFFE, 0xE000, 0)),),
    "a sequence delimiter outside a sequence": (Bytes(pack("<HHI", 0xFFFE, 0xE0DD, 0)),),
    "an element instead of an item": (
        Sequence(REFERENCES, (Bytes(encoded(UIDS, encoding_of(EXPLICIT_LITTLE))),)),
    ),
    "an item delimiter instead of an item": (
        Sequence(REFERENCES, (Bytes(pack("<HHI", 0xFFFE, 0xE00D, 0)),)),
    ),
    "an element longer than its item": (Sequence(REFERENCES, (Item((NAME,), length=12),), undefined=True),),
    "an item delimiter amid an item": (
        Sequence(REFERENCES, (Item((Bytes(pack("<HHI", 0xFFFE, 0xE00D, 0)), NAME)),)),
    ),
    "fragments where nothing is compressed": (Fragments((b"", b"ab")),),
    "a text of undefined length": (Element(CONTENT, "UT", b"", UNDEFINED),),
    "words of undefined length": (Element(0x00281201, "OW", b"", UNDEFINED),),
    "no VR": (Element(CONTENT, "na", b""),),
    "a lookup table of bytes": (Element(0x00283010, "OB", b"ab"),),
}
ODD_SETS: dict[str, tuple[Node, ...]] = {
    "an item delimiter outside an item": (*UIDS, Bytes(pack("<HHI", 0xFFFE, 0xE00D, 0)), NAME),
    "an element of the command set": (Element(0x00000002, "UI", b"1.2\0"), *UIDS),
    "an element of the file meta information": (Element(0x00020002, "UI", b"1.2\0"), *UIDS),
    "zeros in the end": (*UIDS, Bytes(bytes(8))),
    "a few bytes in the end": (*UIDS, Bytes(bytes(6))),
    "an item longer than its sequence": (Sequence(REFERENCES, (Item((NAME,)),), length=12), NAME),
    "an item of undefined length that is longer than its sequence": (
        Sequence(REFERENCES, (Item((NAME,), undefined=True),), length=12),
        NAME,
    ),
    "a sequence of undefined length that is longer than its item": (
        Sequence(
            REFERENCES,
            (Item((Sequence(CONTENT, (Item((NAME,)),), undefined=True),), length=24),),
            undefined=True,
        ),
        NAME,
    ),
}


@pytest.mark.parametrize("name", REFUSED_SETS)
def test_what_no_encoding_allows_is_refused(name: str) -> None:
    assert look(REFUSED_SETS[name]).refused == 0xC000


@pytest.mark.parametrize("name", ODD_SETS)
def test_what_storescp_would_alter_without_a_word_is_odd(name: str) -> None:
    found = look(ODD_SETS[name])
    assert not found.refused
    assert found.oddity


@pytest.mark.parametrize("nodes", [(Element(0x7FE00010, "OW", b"ab"),), (Element(0x7FE00010, "US", b"ab"),)])
def test_pixel_data_with_a_length_are_refused_where_they_should_be_compressed(
    nodes: tuple[Node, ...],
) -> None:
    assert look(nodes, JPEG_BASELINE).refused == 0xC000
    assert look((Sequence(0x00880200, (Item(nodes),)),), JPEG_BASELINE).is_understood


@pytest.mark.parametrize("syntax", PLAIN_SYNTAXES)
@pytest.mark.parametrize("is_undefined", [True, False])
def test_nesting_is_followed_to_its_limit_and_refused_beyond(syntax: str, is_undefined: bool) -> None:
    def nested(depth: int) -> tuple[Node, ...]:
        nodes: tuple[Node, ...] = ()
        for _ in range(depth):
            nodes = (Sequence(REFERENCES, (Item(nodes, is_undefined),), is_undefined),)
        return nodes

    assert look(nested(MAX_DEPTH), syntax).is_understood
    assert look(nested(MAX_DEPTH + 1), syntax).refused == 0xC000
    data = data_set(nested(MAX_DEPTH), syntax)
    assert recoded(data, syntax, ENCODINGS["-e" if is_undefined else ""]) == data


def test_thousands_of_levels_do_not_exhaust_the_stack() -> None:
    explicit = encoding_of(EXPLICIT_LITTLE)
    level = header(REFERENCES, "SQ", UNDEFINED_LENGTH, explicit) + marker(ITEM, UNDEFINED, explicit)
    assert scan(level * 50_000, EXPLICIT_LITTLE).refused == 0xC000


@given(spoilt(), encodings())
@EXAMPLES
def test_any_bytes_give_a_judgement_and_nothing_else(sent: Sent, name: str) -> None:
    assert scan(sent.data, sent.transfer_syntax, ENCODINGS[name]).refused in (0, 0xC000)


# What it costs.


def looking() -> Scan:
    return Scan(IMPLICIT_LITTLE, AS_RECEIVED, DICTIONARY)


def held_after(looking: Scan, pieces: list[bytes]) -> int:
    """Give how many bytes of memory a look holds at most while these pieces come and go."""
    tracemalloc.start()
    try:
        for piece in pieces:
            looking.feed([piece], len(piece))
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_no_more_is_held_than_one_value_that_is_noted() -> None:
    value = Element(PATIENT_NAME, "PN", b"a" * LONGEST_NOTED).encode(encoding_of(IMPLICIT_LITTLE))
    assert held_after(looking(), in_pieces(value, 4096)) < 5 * LONGEST_NOTED
    longer = Element(PATIENT_NAME, "PN", b"a" * (LONGEST_NOTED << 4)).encode(encoding_of(IMPLICIT_LITTLE))
    assert held_after(looking(), in_pieces(longer, 4096)) < LONGEST_NOTED


def test_long_values_are_not_held() -> None:
    element = Element(0x00104000, "LT", b"a" * 4_000_000).encode(encoding_of(IMPLICIT_LITTLE))
    assert held_after(looking(), in_pieces(element + element, 1 << 16)) < LONGEST_NOTED


def test_elements_in_order_are_not_remembered() -> None:
    data = b"".join(
        pack("<HHI", 0x0009 + 2 * (number >> 12), 0x1000 + (number & 0xFFF), 0) for number in range(60_000)
    )
    assert held_after(looking(), in_pieces(data, 4096)) < LONGEST_NOTED


def test_a_long_value_in_single_bytes_is_joined_but_a_few_times() -> None:
    data = Element(PATIENT_NAME, "PN", b"a" * LONGEST_NOTED).encode(encoding_of(IMPLICIT_LITTLE))
    joins = 0

    def count(frame: object, event: str, function: object) -> None:
        nonlocal joins
        joins += event == "c_call" and getattr(function, "__name__", "") == "join"

    looked_at, pieces = looking(), in_pieces(data, 1)
    sys.setprofile(count)
    try:
        for piece in pieces:
            looked_at.feed([piece], 1)
    finally:
        sys.setprofile(None)
    assert dict(looked_at.found) == {PATIENT_NAME: b"a" * LONGEST_NOTED}
    assert 1 <= joins < 10


@pytest.mark.parametrize("syntax", PLAIN_SYNTAXES)
def test_the_bytes_of_pixel_data_are_not_looked_at(syntax: str) -> None:
    class Unread(bytes):
        """Bytes that nobody may look into."""

        def __getitem__(self, key: object) -> bytes:
            raise AssertionError

    start = data_set((*UIDS, Element(0x7FE00010, "OW", b"", 3000)), syntax)
    looked_at = Scan(syntax, AS_RECEIVED, DICTIONARY)
    looked_at.feed([start], len(start))
    for _ in range(3):
        looked_at.feed([Unread(1000)], 1000)
    looked_at.finish()
    assert not looked_at.changes
    assert not looked_at.oddity


def test_lists_of_group_lengths_are_judged_once() -> None:
    assert look((GroupLength(8), *UIDS), encoding=Encoding(group_lengths=REMOVE)).changes
