"""A glance finds what a scan finds, however the data set comes, and keeps little."""

from __future__ import annotations

import sys
import tracemalloc
import zlib
from typing import TYPE_CHECKING

import pydicom
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from scpd.dataset.elements import MAX_DEPTH, UNDEFINED_LENGTH
from scpd.dataset.glance import STUDY, STUDY_AND_PATIENT, Glance
from scpd.dataset.plain import LONGEST_NOTED, PATIENT_NAME, SPECIFIC_CHARACTER_SET, STUDY_INSTANCE_UID
from scpd.tables.transfer_syntaxes import DEFLATED, EXPLICIT_LITTLE, IMPLICIT_LITTLE, JPEG_BASELINE
from tests.harness.corpus import oddities, uid, us
from tests.harness.hostile import Sent, chances, cut, right, spoilt
from tests.harness.objects import pydicom_test_files
from tests.harness.recoding import PLAIN_SYNTAXES, SYNTAXES, in_pieces, scan
from tests.harness.trees import (
    PIXEL_DATA,
    SEQUENCE_DELIMITATION,
    UNDEFINED,
    Bytes,
    Element,
    Fragments,
    Item,
    Node,
    Sequence,
    data_set,
    encoding_of,
    header,
    marker,
)

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable

UID = uid(STUDY_INSTANCE_UID, "1.2.3")
NAME = Element(PATIENT_NAME, "PN", b"Doe^Jane")
CHARSET = Element(SPECIFIC_CHARACTER_SET, "CS", b"ISO_IR 100")
ALL = {STUDY_INSTANCE_UID: b"1.2.3\0", PATIENT_NAME: b"Doe^Jane", SPECIFIC_CHARACTER_SET: b"ISO_IR 100"}
REFERENCES, ROWS = 0x00081140, us(0x00280010, 512)
EXAMPLES = settings(max_examples=200)


def glance(
    pieces: bytes | Iterable[bytes | list[bytes]], syntax: str, wanted: frozenset[int] = STUDY_AND_PATIENT
) -> dict[int, bytes]:
    looking = Glance(syntax, wanted)
    for piece in (pieces,) if isinstance(pieces, bytes) else pieces:
        at_once = piece if isinstance(piece, list) else [piece]
        looking.feed([memoryview(each) for each in at_once], sum(map(len, at_once)))
    looking.finish()
    assert looking.is_past_study
    return looking.found


def seen(nodes: tuple[Node, ...], syntax: str = EXPLICIT_LITTLE) -> dict[int, bytes]:
    """Glance at a data set in one piece, and see that single bytes give the same."""
    data = data_set(nodes, syntax)
    found = glance(data, syntax)
    assert glance(in_pieces(data, 1), syntax) == found
    return found


def agrees_with_the_scan(data: bytes, syntax: str) -> None:
    scanned = scan(data, syntax)
    expected = {tag: value for tag, value in scanned.found if tag in STUDY_AND_PATIENT}
    found = glance(data, syntax)
    assert expected.items() <= found.items()
    assert found == expected or not scanned.is_understood
    assert glance(data, syntax, STUDY).items() <= found.items()


def can_be_inflated(stream: bytes) -> bool:
    """Tell whether nothing in it is wrong: else it depends on the cuts how much is inflated before that is noticed."""
    try:
        zlib.decompressobj(-zlib.MAX_WBITS).decompress(stream)
    except zlib.error:
        return False
    return True


# However it comes.


@given(st.one_of(right(), spoilt()), chances())
@EXAMPLES
def test_any_bytes_show_the_same_however_they_are_cut(sent: Sent, chance: random.Random) -> None:
    assume(sent.transfer_syntax != DEFLATED or can_be_inflated(sent.data))
    whole = glance(sent.data, sent.transfer_syntax)
    assert glance(cut(sent.data, chance), sent.transfer_syntax) == whole
    assert glance([in_pieces(sent.data, 16)], sent.transfer_syntax) == whole
    if len(sent.data) < 2000:
        assert glance(in_pieces(sent.data, 1), sent.transfer_syntax) == whole


@given(
    st.lists(st.sampled_from([UID, NAME, CHARSET, ROWS, us(0x00080100, 1)]), max_size=6),
    st.sampled_from(SYNTAXES),
    chances(),
)
@EXAMPLES
def test_any_order_shows_the_first_of_each(nodes: list[Node], syntax: str, chance: random.Random) -> None:
    data = data_set(nodes, syntax)
    present = {node.tag: node.value for node in (UID, NAME, CHARSET) if node in nodes}
    assert glance(cut(data, chance), syntax) == present


# Together with the scan, and with pydicom.


@given(st.one_of(right(), spoilt()))
@settings(max_examples=400)
def test_any_data_set_that_is_understood_shows_what_the_scan_found(sent: Sent) -> None:
    agrees_with_the_scan(sent.data, sent.transfer_syntax)


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_every_oddity_with_study_and_patient_shows_what_the_scan_found(syntax: str) -> None:
    for tree in oddities():
        if syntax in tree.syntaxes:
            agrees_with_the_scan(data_set(tree.nodes, syntax), syntax)
            agrees_with_the_scan(data_set((CHARSET, *tree.nodes, NAME, UID), syntax), syntax)


def test_pydicoms_files_show_what_pydicom_reads() -> None:
    files = pydicom_test_files()
    assert len(files) > 50
    for path, sent in files:
        data = sent.data_set
        found = glance(in_pieces(data, 1000), sent.transfer_syntax_uid)
        expected = pydicom.dcmread(path)
        assert found.get(STUDY_INSTANCE_UID, b"").rstrip(b"\0 ").decode() == str(
            expected.get("StudyInstanceUID", "")
        ), path
        agrees_with_the_scan(data, sent.transfer_syntax_uid)


# What is looked for.


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_the_study_is_known_with_the_piece_that_completes_its_uid(syntax: str) -> None:
    data = data_set((CHARSET, NAME, UID, ROWS, Element(PIXEL_DATA, "OW", bytes(1000))), syntax)
    looking, came = Glance(syntax), 0
    while not looking.is_past_study:
        looking.feed((data[came : came + 1],), 1)
        came += 1
    assert looking.found == ALL
    plain = data_set((CHARSET, NAME, UID), syntax)
    assert came == len(plain) if syntax != DEFLATED else came <= len(data)


def test_without_a_study_that_is_known_at_the_end_only() -> None:
    data = data_set((CHARSET, NAME, ROWS), EXPLICIT_LITTLE)
    looking = Glance(EXPLICIT_LITTLE)
    looking.feed((data,), len(data))
    assert not looking.is_past_study
    looking.feed((data_set((UID,), EXPLICIT_LITTLE),), 14)
    assert looking.found == ALL


@pytest.mark.parametrize("syntax", PLAIN_SYNTAXES)
def test_those_of_items_do_not_count(syntax: str) -> None:
    inner = (Element(PATIENT_NAME, "PN", b"In"), uid(STUDY_INSTANCE_UID, "9.9"))
    for is_item, is_sequence in ((False, False), (True, False), (False, True), (True, True)):
        items = (
            Item((Sequence(REFERENCES, (Item(inner, is_item),), is_sequence), *inner), is_item),
            Item(inner),
        )
        sequence = Sequence(REFERENCES, items, is_sequence)
        assert seen((CHARSET, sequence, NAME, UID), syntax) == ALL
        assert seen((sequence, ROWS), syntax) == {}


def test_private_and_unknown_elements_of_undefined_length_are_passed() -> None:
    unknown = Sequence(
        0x00091010, (Item((us(0x00280010, 1), uid(STUDY_INSTANCE_UID, "9")), True),), True, vr="UN"
    )
    assert seen((CHARSET, unknown, NAME, UID)) == ALL


def test_pixel_data_in_fragments_are_passed() -> None:
    """The length of the last one looks like a VR: DA."""
    like_elements = b"\x20\0\x0d\0UI\4\x001.2\0" * 3
    like_a_delimiter = marker(SEQUENCE_DELIMITATION, 0, encoding_of(JPEG_BASELINE)) * 2089
    tree = (CHARSET, Fragments((b"", like_elements, like_a_delimiter[:0x4144])), NAME, UID)
    assert seen(tree, JPEG_BASELINE) == ALL


@pytest.mark.parametrize("vr", ["UN", "LO", "UI", "SH"])
def test_a_vr_that_can_hold_the_text_is_good_enough(vr: str) -> None:
    assert seen((Element(STUDY_INSTANCE_UID, vr, b"1.2.3\0"),)) == {STUDY_INSTANCE_UID: b"1.2.3\0"}


@pytest.mark.parametrize("vr", ["US", "OB", "FD", "na", "SQ"])
def test_a_vr_that_cannot_is_passed(vr: str) -> None:
    assert seen((Element(STUDY_INSTANCE_UID, vr, b"\1\2\3\4"), ROWS)) == {}
    assert seen((Element(STUDY_INSTANCE_UID, vr, b"\1\2\3\4"), UID)) == {STUDY_INSTANCE_UID: b"1.2.3\0"}


# What cannot be followed.


@pytest.mark.parametrize("syntax", PLAIN_SYNTAXES)
@pytest.mark.parametrize("tag", [0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD])
def test_what_stands_before_a_stray_delimiter_stays(syntax: str, tag: int) -> None:
    stray = Bytes(marker(tag, 0, encoding_of(syntax)))
    assert seen((CHARSET, NAME, stray, UID), syntax) == {
        tag: ALL[tag] for tag in ALL if tag != STUDY_INSTANCE_UID
    }


def test_behind_a_stray_delimiter_no_study_is_waited_for() -> None:
    data = data_set((CHARSET, Bytes(marker(0xFFFEE000, 0, encoding_of(EXPLICIT_LITTLE)))), EXPLICIT_LITTLE)
    looking = Glance(EXPLICIT_LITTLE)
    looking.feed((data[:-1],), len(data) - 1)
    assert not looking.is_past_study
    looking.feed((data[-1:],), 1)
    assert looking.is_past_study


def test_a_broken_deflate_stream_ends_the_look() -> None:
    data = data_set((CHARSET, NAME, UID), EXPLICIT_LITTLE)
    assert glance(data, DEFLATED) == {}
    whole = data_set((CHARSET, NAME, UID, Element(PIXEL_DATA, "OW", bytes(10**6))), DEFLATED)
    assert glance(whole[:-100] + b"\xff" * 100, DEFLATED) == ALL
    assert glance(whole[:20], DEFLATED).items() < ALL.items()


@pytest.mark.parametrize("syntax", PLAIN_SYNTAXES)
def test_a_value_that_is_cut_off_does_not_count(syntax: str) -> None:
    data = data_set((CHARSET, NAME, UID), syntax)
    assert STUDY_INSTANCE_UID not in glance(data[:-1], syntax)
    assert glance(data, syntax) == ALL


@pytest.mark.parametrize("undefined", [False, True])
def test_sequences_are_followed_as_deep_as_the_scan_follows_them(undefined: bool) -> None:
    node: Node = ROWS
    for _ in range(MAX_DEPTH):
        node = Sequence(REFERENCES, (Item((node,), undefined),), undefined)
    assert seen((node, NAME, UID)).keys() == {PATIENT_NAME, STUDY_INSTANCE_UID}
    endless = header(REFERENCES, "SQ", UNDEFINED, encoding_of(EXPLICIT_LITTLE)) + marker(
        0xFFFEE000, UNDEFINED_LENGTH, encoding_of(EXPLICIT_LITTLE)
    )
    assert glance(endless * 5000, EXPLICIT_LITTLE) == {}


# What it costs.


@pytest.mark.parametrize("syntax", [IMPLICIT_LITTLE, EXPLICIT_LITTLE])
def test_no_more_than_64_kilobytes_are_kept_whatever_comes(syntax: str) -> None:
    vr, length = ("UN", 60000)
    values = [
        Element(tag, vr, bytes(length)) for tag in (SPECIFIC_CHARACTER_SET, PATIENT_NAME, STUDY_INSTANCE_UID)
    ]
    data = memoryview(data_set(values, syntax) + data_set([Element(0x00280010, "OB", bytes(10**7))], syntax))
    looking = Glance(syntax)
    tracemalloc.start()
    try:
        for begin in range(0, len(data), 997):
            looking.feed((data[begin : begin + 997],), len(data[begin : begin + 997]))
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    looking.finish()
    assert sum(map(len, looking.found.values())) <= LONGEST_NOTED
    assert most < 2.5 * LONGEST_NOTED  # a value is joined from what was held of it


def test_a_deflated_data_set_is_not_inflated_once_all_is_found() -> None:
    """A hundred megabytes of zeros in a hundred kilobytes."""
    begin = data_set((CHARSET, NAME, UID), EXPLICIT_LITTLE)
    engine = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    stream = engine.compress(begin + bytes(10**8)) + engine.flush()
    calls = 0

    def count(frame: object, event: str, argument: object) -> None:
        nonlocal calls
        calls += event == "c_call" and getattr(argument, "__name__", "") == "decompress"

    sys.setprofile(count)
    try:
        assert glance(in_pieces(stream, 16000), DEFLATED) == ALL
    finally:
        sys.setprofile(None)
    assert calls == 1
