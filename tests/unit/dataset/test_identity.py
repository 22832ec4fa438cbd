"""Data sets are built here element by element, in each encoding, or are pydicom's own test files."""

from __future__ import annotations

import zlib
from pathlib import Path
from struct import pack

import pydicom
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from scpd.dataset import identity
from scpd.dataset.elements import MAX_DEPTH, UNDEFINED_LENGTH, header_reader
from scpd.dataset.identity import HEAD_SIZE, check_identity, sop_uids
from scpd.errors import Refused
from scpd.tables.transfer_syntaxes import (
    DEFLATED,
    DEFLATED_DATA_SETS,
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    JPEG_BASELINE,
)

CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
INSTANCE = "1.2.826.0.1.3680043.8.498.1234"
BOTH = (CT_IMAGE, INSTANCE)
ENCODINGS = [IMPLICIT_LITTLE, EXPLICIT_LITTLE, EXPLICIT_BIG]
SYNTAXES = [*ENCODINGS, *sorted(DEFLATED_DATA_SETS), JPEG_BASELINE, "1.2.3.4"]
LONG_FORM = {"OB", "OW", "SQ", "UN", "UT"}


def element(syntax: str, tag: int, vr: str, value: bytes, length: int | None = None) -> bytes:
    """Encode an element; its length is that of its value unless another is given."""
    order = ">" if syntax == EXPLICIT_BIG else "<"
    length = len(value) if length is None else length
    tag_bytes = pack(order + "HH", tag >> 16, tag & 0xFFFF)
    if syntax == IMPLICIT_LITTLE or tag >> 16 == 0xFFFE:
        return tag_bytes + pack(order + "I", length) + value
    if vr in LONG_FORM:
        return tag_bytes + vr.encode() + bytes(2) + pack(order + "I", length) + value
    return tag_bytes + vr.encode() + pack(order + "H", length) + value


def uid(syntax: str, tag: int, text: str) -> bytes:
    value = text.encode()
    return element(syntax, tag, "UI", value + b"\0" * (len(value) % 2))


def sop_class(syntax: str, text: str = CT_IMAGE) -> bytes:
    return uid(syntax, 0x00080016, text)


def sop_instance(syntax: str, text: str = INSTANCE) -> bytes:
    return uid(syntax, 0x00080018, text)


def item(syntax: str, content: bytes, *, defined: bool) -> bytes:
    if defined:
        return element(syntax, 0xFFFEE000, "", content)
    return element(syntax, 0xFFFEE000, "", content, UNDEFINED_LENGTH) + element(syntax, 0xFFFEE00D, "", b"")


def sequence(syntax: str, tag: int, content: bytes, *, defined: bool = False, vr: str = "SQ") -> bytes:
    if defined:
        return element(syntax, tag, vr, content)
    within = IMPLICIT_LITTLE if vr == "UN" else syntax
    return element(syntax, tag, vr, content, UNDEFINED_LENGTH) + element(within, 0xFFFEE0DD, "", b"")


def nested(syntax: str, depth: int) -> bytes:
    content = b""
    for _ in range(depth):
        content = sequence(syntax, 0x00080006, item(syntax, content, defined=False))
    return content


def as_sent(syntax: str, data: bytes) -> bytes:
    if syntax not in DEFLATED_DATA_SETS:
        return data
    compressor = zlib.compressobj(wbits=-15)
    return compressor.compress(data) + compressor.flush()


def refusal(head: bytes, syntax: str, *, complete: bool = True) -> Refused:
    with pytest.raises(Refused) as caught:
        sop_uids(head, syntax, complete)
    return caught.value


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_a_usual_data_set_is_identified(syntax: str) -> None:
    data = (
        element(syntax, 0x00080005, "CS", b"ISO_IR 100")
        + element(syntax, 0x00080008, "CS", b"ORIGINAL\\PRIMARY\\AXIAL ")
        + sop_class(syntax)
        + sop_instance(syntax)
        + element(syntax, 0x00080060, "CS", b"CT")
        + element(syntax, 0x7FE00010, "OW", bytes(2000))
    )
    assert sop_uids(as_sent(syntax, data), syntax, True) == BOTH
    assert sop_uids(memoryview(as_sent(syntax, data)), syntax, True) == BOTH


@pytest.mark.parametrize("syntax", ENCODINGS)
def test_what_comes_behind_both_uids_is_not_looked_at(syntax: str) -> None:
    assert sop_uids(sop_class(syntax) + sop_instance(syntax) + b"\xff" * 7, syntax, True) == BOTH


@pytest.mark.parametrize("syntax", ENCODINGS)
@pytest.mark.parametrize("complete", [True, False])
def test_the_order_within_group_8_does_not_matter(syntax: str, complete: bool) -> None:
    date = element(syntax, 0x00080020, "DA", b"20200101")
    assert sop_uids(sop_instance(syntax) + sop_class(syntax), syntax, complete) == BOTH
    assert sop_uids(date + sop_instance(syntax) + date + sop_class(syntax), syntax, complete) == BOTH


@pytest.mark.parametrize("syntax", ENCODINGS)
def test_elements_of_lower_groups_are_skipped(syntax: str) -> None:
    meta = uid(syntax, 0x00020002, "1.2.3")
    assert sop_uids(meta + sop_class(syntax) + sop_instance(syntax), syntax, True) == BOTH


@pytest.mark.parametrize("syntax", ENCODINGS)
def test_of_two_elements_with_one_tag_the_first_counts(syntax: str) -> None:
    data = (
        sop_class(syntax) + sop_class(syntax, "1.2.3") + sop_instance(syntax) + sop_instance(syntax, "4.5.6")
    )
    assert sop_uids(data, syntax, True) == BOTH


@pytest.mark.parametrize("vr", ["UI", "UN", "OB", "LO", "UT"])
def test_the_vr_of_a_uid_does_not_matter(vr: str) -> None:
    data = element(EXPLICIT_LITTLE, 0x00080016, vr, b"1.2\0") + element(
        EXPLICIT_LITTLE, 0x00080018, vr, b"3.4 "
    )
    assert sop_uids(data, EXPLICIT_LITTLE, True) == ("1.2", "3.4")


@pytest.mark.parametrize("syntax", ENCODINGS)
@pytest.mark.parametrize("defined_sequence", [True, False])
@pytest.mark.parametrize("defined_item", [True, False])
@pytest.mark.parametrize("items", [0, 1, 3])
def test_sequences_before_the_uids_are_skipped_with_the_uids_in_them(
    syntax: str, defined_sequence: bool, defined_item: bool, items: int
) -> None:
    content = (
        sop_class(syntax, "9.9") + sop_instance(syntax, "9.9") + element(syntax, 0x00080060, "CS", b"CT")
    )
    one = item(syntax, content, defined=defined_item)
    data = sequence(syntax, 0x00080006, one * items, defined=defined_sequence)
    assert sop_uids(data + sop_class(syntax) + sop_instance(syntax), syntax, True) == BOTH


@pytest.mark.parametrize("syntax", [EXPLICIT_LITTLE, EXPLICIT_BIG])
def test_a_sequence_sent_as_un_is_skipped_in_implicit_little_endian(syntax: str) -> None:
    content = item(
        IMPLICIT_LITTLE, sop_class(IMPLICIT_LITTLE, "9.9") + nested(IMPLICIT_LITTLE, 3), defined=False
    )
    data = sequence(syntax, 0x00080006, content, vr="UN") + sop_class(syntax) + sop_instance(syntax)
    assert sop_uids(data, syntax, True) == BOTH


@pytest.mark.parametrize("syntax", ENCODINGS)
def test_nesting_is_followed_to_its_limit_and_refused_beyond(syntax: str) -> None:
    uids = sop_class(syntax) + sop_instance(syntax)
    assert sop_uids(nested(syntax, MAX_DEPTH) + uids, syntax, True) == BOTH
    refused = refusal(nested(syntax, MAX_DEPTH + 1) + uids, syntax)
    assert refused.status == 0xC000
    assert "64" in refused.comment


@pytest.mark.parametrize("syntax", ENCODINGS)
def test_thousands_of_levels_do_not_exhaust_the_stack(syntax: str) -> None:
    header = element(syntax, 0x00080006, "SQ", b"", UNDEFINED_LENGTH)
    level = header + element(syntax, 0xFFFEE000, "", b"", UNDEFINED_LENGTH)
    assert refusal(level * (HEAD_SIZE // len(level)), syntax, complete=False).status == 0xC000


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_an_empty_data_set_cannot_be_understood(syntax: str) -> None:
    refused = refusal(b"", syntax)
    assert refused.status == 0xC000
    assert "empty" in refused.comment


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("present", ["class", "instance", "none"])
@pytest.mark.parametrize("goes_on", [True, False])
def test_a_data_set_without_its_uids_cannot_be_understood(syntax: str, present: str, goes_on: bool) -> None:
    data = {"class": sop_class(syntax), "instance": sop_instance(syntax), "none": b""}[present]
    data += element(syntax, 0x00080060, "CS", b"CT")
    if goes_on:
        data += element(syntax, 0x00100010, "PN", b"A^B ") + sop_class(syntax) + sop_instance(syntax)
    refused = refusal(as_sent(syntax, data), syntax)
    assert refused.status == 0xC000
    assert "SOP" in refused.comment
    if goes_on:
        assert ("Instance" if present == "class" else "Class") in refused.comment


@pytest.mark.parametrize("syntax", ENCODINGS)
def test_uids_in_items_only_are_not_the_data_sets(syntax: str) -> None:
    content = item(syntax, sop_class(syntax) + sop_instance(syntax), defined=False)
    assert refusal(sequence(syntax, 0x00081115, content), syntax).status == 0xC000


@pytest.mark.parametrize("syntax", ENCODINGS)
def test_a_data_set_cut_off_anywhere_before_its_uids_cannot_be_understood(syntax: str) -> None:
    content = item(syntax, element(syntax, 0x00080060, "CS", b"CT"), defined=False)
    data = sequence(syntax, 0x00080006, content) + sop_class(syntax) + sop_instance(syntax)
    assert sop_uids(data, syntax, True) == BOTH
    for end in range(len(data)):
        for complete in (True, False):
            assert refusal(data[:end], syntax, complete=complete).status == 0xC000


@pytest.mark.parametrize("syntax", ENCODINGS)
def test_uids_behind_the_first_64_kilobytes_are_not_sought(syntax: str) -> None:
    data = element(syntax, 0x00080001, "UT", bytes(HEAD_SIZE)) + sop_class(syntax) + sop_instance(syntax)
    assert sop_uids(data, syntax, True) == BOTH
    refused = refusal(data[:HEAD_SIZE], syntax, complete=False)
    assert refused.status == 0xC000
    assert str(HEAD_SIZE) in refused.comment


def test_a_deflated_data_set_is_inflated_no_further_than_64_kilobytes() -> None:
    uids = sop_class(DEFLATED) + sop_instance(DEFLATED)
    padding = element(DEFLATED, 0x00080001, "UT", bytes(5_000_000))
    refused = refusal(as_sent(DEFLATED, padding + uids), DEFLATED)
    assert refused.status == 0xC000
    assert str(HEAD_SIZE) in refused.comment
    assert sop_uids(as_sent(DEFLATED, uids + padding), DEFLATED, True) == BOTH


def test_the_head_of_a_long_deflate_stream_is_enough() -> None:
    uids = sop_class(DEFLATED) + sop_instance(DEFLATED)
    stream = as_sent(
        DEFLATED, uids + b"".join(pack("<I", number * 2654435761 % 2**32) for number in range(30000))
    )
    assert len(stream) > HEAD_SIZE
    assert sop_uids(stream[:HEAD_SIZE], DEFLATED, False) == BOTH


@pytest.mark.parametrize("spoil", [zlib.compress, lambda data: b"\xff" * 20 + data, lambda data: data])
def test_what_is_not_a_deflate_stream_cannot_be_understood(spoil) -> None:  # type: ignore[no-untyped-def]
    data = spoil(sop_class(DEFLATED) + sop_instance(DEFLATED))
    assert refusal(data, DEFLATED).status == 0xC000


def test_a_uid_of_undefined_length_is_none() -> None:
    data = sequence(EXPLICIT_LITTLE, 0x00080016, b"", vr="UN") + sop_instance(EXPLICIT_LITTLE)
    assert refusal(data, EXPLICIT_LITTLE).status == 0xC000


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        bytes(1000),
        b"\xff" * 1000,
        element(IMPLICIT_LITTLE, 0xFFFEE00D, "", b""),
        element(IMPLICIT_LITTLE, 0xFFFEE000, "", b""),
        sop_class(IMPLICIT_LITTLE)[:-2],
    ],
)
@pytest.mark.parametrize("syntax", SYNTAXES)
def test_garbage_cannot_be_understood(syntax: str, data: bytes) -> None:
    assert refusal(data, syntax).status == 0xC000


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_the_object_that_was_announced_passes(syntax: str) -> None:
    data = sop_class(syntax, CT_IMAGE + " ") + sop_instance(syntax, " " + INSTANCE)
    check_identity(as_sent(syntax, data), syntax, True, CT_IMAGE, INSTANCE)


@pytest.mark.parametrize(
    ("class_uid", "instance_uid", "which"),
    [
        ("1.2.840.10008.5.1.4.1.1.4", INSTANCE, "Class"),
        (CT_IMAGE, INSTANCE + "5", "Instance"),
        (CT_IMAGE, "", "Instance"),
        ("", INSTANCE, "Class"),
        (CT_IMAGE, INSTANCE + "\\1.2", "Instance"),
    ],
)
def test_another_object_than_announced_is_refused(class_uid: str, instance_uid: str, which: str) -> None:
    data = sop_class(EXPLICIT_LITTLE, class_uid) + sop_instance(EXPLICIT_LITTLE, instance_uid)
    with pytest.raises(Refused, match=which) as caught:
        check_identity(data, EXPLICIT_LITTLE, True, *BOTH)
    assert caught.value.status == 0xA900
    assert len(caught.value.comment) <= 64


def test_every_comment_fits_into_an_error_comment() -> None:
    assert len(refusal(b"\1", EXPLICIT_LITTLE, complete=False).comment) <= 64
    assert len(refusal(b"\1", EXPLICIT_LITTLE).comment) <= 64


FILES = sorted((Path(pydicom.__file__).parent / "data" / "test_files").rglob("*.dcm"))


def data_set_of(path: Path) -> tuple[str, bytes] | None:
    """Return transfer syntax and data set of a file, None if it has no usable file meta information."""
    data = path.read_bytes()
    if data[128:140] != b"DICM\2\0\0\0UL\4\0":
        return None
    meta = pydicom.filereader.read_file_meta_info(path)
    start = 144 + int.from_bytes(data[140:144], "little")
    return (str(meta.TransferSyntaxUID), data[start:]) if "TransferSyntaxUID" in meta else None


# Implicit VR under the name of a compressed syntax: pydicom guesses, whom it was sent to must not.
MISLABELLED = "SC_rgb_jpeg.dcm"
USABLE = [(path, *found) for path in FILES if path.name != MISLABELLED and (found := data_set_of(path))]


@pytest.mark.parametrize(("path", "syntax", "data"), USABLE, ids=[path.name for path, _, _ in USABLE])
def test_pydicoms_own_files_are_read_as_pydicom_reads_them(path: Path, syntax: str, data: bytes) -> None:
    theirs = pydicom.dcmread(path, stop_before_pixels=True)
    head, complete = data[:HEAD_SIZE], len(data) <= HEAD_SIZE
    if "SOPClassUID" in theirs and "SOPInstanceUID" in theirs:
        assert sop_uids(head, syntax, complete) == (theirs.SOPClassUID, theirs.SOPInstanceUID)
    else:
        assert refusal(head, syntax, complete=complete).status == 0xC000


def test_a_data_set_in_another_encoding_than_negotiated_cannot_be_understood() -> None:
    (path,) = [path for path in FILES if path.name == MISLABELLED]
    found = data_set_of(path)
    assert found
    assert refusal(found[1][:HEAD_SIZE], found[0], complete=False).status == 0xC000
    assert sop_uids(found[1][:HEAD_SIZE], IMPLICIT_LITTLE, False)[0].startswith("1.2.840.10008.5.1.4")


def test_pydicoms_files_are_there_in_all_encodings() -> None:
    assert len(USABLE) > 50
    assert {*ENCODINGS, DEFLATED, JPEG_BASELINE} <= {syntax for _, syntax, _ in USABLE}


@st.composite
def hostile_data_sets(draw: st.DrawFn) -> bytes:
    """Elements that are nearly right: true headers with lengths, VRs and delimiters at random."""
    syntax = draw(st.sampled_from(ENCODINGS))
    tags = st.sampled_from(
        [0x00080006, 0x00080016, 0x00080018, 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD, 0x00080060]
    )
    lengths = st.one_of(st.none(), st.just(UNDEFINED_LENGTH), st.integers(0, 40))
    parts = draw(
        st.lists(
            st.tuples(
                tags, st.sampled_from(["UI", "SQ", "UN", "OB", "UT", "CS"]), st.binary(max_size=12), lengths
            ),
            max_size=30,
        )
    )
    return b"".join(
        element(
            syntax,
            tag,
            vr,
            value,
            length if length is None or vr in LONG_FORM else length & 0xFFFF,
        )
        for tag, vr, value, length in parts
    )


@given(st.one_of(st.binary(max_size=400), hostile_data_sets()), st.sampled_from(SYNTAXES), st.booleans())
@example(bytes(HEAD_SIZE), IMPLICIT_LITTLE, False)
@settings(max_examples=300)
def test_any_bytes_give_two_uids_or_a_refusal(data: bytes, syntax: str, complete: bool) -> None:
    try:
        found = sop_uids(data, syntax, complete)
    except Refused as refused:
        found = None
        status, comment = refused.status, refused.comment
    if found is None:
        assert status == 0xC000
        assert len(comment) <= 64
        assert comment.isascii()


@pytest.mark.parametrize("syntax", ENCODINGS)
@pytest.mark.parametrize(
    "part",
    [
        lambda syntax: element(syntax, 0x00080001, "CS", b""),
        lambda syntax: nested(syntax, MAX_DEPTH),
        lambda syntax: sequence(syntax, 0x00080006, item(syntax, b"", defined=True) * 100),
        lambda syntax: sequence(syntax, 0x00080006, item(syntax, b"", defined=False) * 100),
    ],
)
def test_no_header_is_read_twice(syntax: str, part) -> None:  # type: ignore[no-untyped-def]
    one = part(syntax)
    data = one * (HEAD_SIZE // len(one))
    positions: list[int] = []

    def counting(data: bytes | memoryview, position: int) -> tuple[int, bytes, int, int]:
        positions.append(position)
        return header_reader(syntax)(data, position)

    with pytest.raises(identity.EndOfData):
        identity._find(data, counting)
    assert len(positions) == len(set(positions)) > 4000
