"""The fast way stops where somebody must look, never behind it, and is no other way than the slow one."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from scpd.dataset.elements import syntax_of
from scpd.dataset.levels import Level
from scpd.dataset.plain import LONGEST_NOTED, PATIENT_NAME, run
from scpd.tables.transfer_syntaxes import EXPLICIT_LITTLE, IMPLICIT_LITTLE, JPEG_BASELINE
from tests.harness.corpus import us
from tests.harness.hostile import Sent, right
from tests.harness.recoding import DICTIONARY, PLAIN_SYNTAXES, recoded, scan
from tests.harness.trees import (
    Bytes,
    Element,
    GroupLength,
    Item,
    Node,
    Sequence,
    data_set,
    encoded,
    encoding_of,
)

BEFORE = (us(0x00080040, 1), Element(0x00080060, "CS", b"CT"))
NAME, ROWS = Element(PATIENT_NAME, "PN", b"Doe^Jane"), us(0x00280010, 512)
REFERENCES = 0x00081140


def passed(
    nodes: tuple[Node, ...], syntax: str, limit: int | None = None, *, with_sequences: bool = True
) -> tuple[int, Level]:
    data = memoryview(data_set(nodes, syntax))
    level = Level(syntax_of(syntax), 0, None, {}, {})
    end = len(data) if limit is None else limit
    return run(data, 0, end, level, DICTIONARY.public, with_sequences=with_sequences), level


PLAIN_ONES: dict[str, tuple[Node, ...]] = {
    "nothing": (),
    "elements": (NAME, ROWS),
    "empty values": (Element(PATIENT_NAME, "PN", b""), Element(0x0020000D, "UI", b"")),
    "one space": (Element(PATIENT_NAME, "PN", b"A "), Element(0x00100020, "LO", b"abc ")),
    "a UID with a NUL": (Element(0x0020000D, "UI", b"1.2\0"),),
    "a sequence": (Sequence(REFERENCES, (Item((NAME, ROWS)), Item())), ROWS),
    "nested sequences": (Sequence(REFERENCES, (Item((Sequence(0x00081199, (Item((NAME,)),)), NAME)),)), NAME),
}
OTHERS: dict[str, Node] = {
    "an odd text": Element(PATIENT_NAME, "PN", b"abc"),
    "spaces": Element(0x00100020, "LO", b"ab  "),
    "only spaces": Element(0x00100020, "LO", b"  "),
    "an odd number": Element(0x00280010, "US", b"abc"),
    "a UID with spaces": Element(0x0020000D, "UI", b"1. 2"),
    "a UID with NULs": Element(0x0020000D, "UI", b"1.20\0\0"),
    "a duplicate": BEFORE[1],
    "a lower tag": us(0x00080001, 1),
    "a group length": GroupLength(0x10),
    "padding": Element(0xFFFCFFFC, "OB", b"ab"),
    "an item": Bytes(bytes.fromhex("feff00e000000000")),
    "an item delimiter": Bytes(bytes.fromhex("feff0de000000000")),
    "a sequence of undefined length": Sequence(REFERENCES, (), undefined=True),
    "an item of undefined length": Sequence(REFERENCES, (Item((), undefined=True),)),
    "an odd text in an item": Sequence(REFERENCES, (Item((Element(PATIENT_NAME, "PN", b"abc"),)),)),
    "order in an item": Sequence(REFERENCES, (Item((ROWS, NAME)),)),
    "a group length in an item": Sequence(REFERENCES, (Item((GroupLength(8),)),)),
    "an item that is too long": Sequence(REFERENCES, (Item((NAME,), length=40),)),
    "no item": Sequence(REFERENCES, (Bytes(encoded((NAME,), encoding_of(IMPLICIT_LITTLE))),)),
    "a value that is cut off": Element(PATIENT_NAME, "PN", b"abcd", 6),
    "a header that is cut off": Bytes(b"\x10\x00\x10\x00PN\x00"),
    "an undefined length": Element(0x00100020, "LO", b"", 0xFFFFFFFF),
}


@pytest.mark.parametrize("syntax", PLAIN_SYNTAXES)
@pytest.mark.parametrize("name", PLAIN_ONES)
def test_what_is_plain_is_passed_over(name: str, syntax: str) -> None:
    nodes = (*BEFORE, *PLAIN_ONES[name])
    position, level = passed(nodes, syntax)
    assert position == len(data_set(nodes, syntax))
    assert level.last == getattr(nodes[-1], "tag", 0)


@pytest.mark.parametrize("syntax", [IMPLICIT_LITTLE, EXPLICIT_LITTLE])
@pytest.mark.parametrize("name", OTHERS)
def test_whatever_else_there_is_stops_it_right_before(name: str, syntax: str) -> None:
    position, level = passed((*BEFORE, OTHERS[name]), syntax)
    assert position == len(data_set(BEFORE, syntax))
    assert level.last == BEFORE[-1].tag


@pytest.mark.parametrize("behind", [Sequence(REFERENCES, ()), us(0x00081139, 1), us(REFERENCES, 1)])
def test_what_is_out_of_order_behind_a_sequence_stops_it(behind: Node) -> None:
    nodes = (*BEFORE, Sequence(REFERENCES, (Item((NAME,)),)))
    position, level = passed((*nodes, behind), EXPLICIT_LITTLE)
    assert position == len(data_set(nodes, EXPLICIT_LITTLE))
    assert level.last == REFERENCES


@pytest.mark.parametrize("vr", ["OB", "UN", "UT", "OW", "ZZ", "??", "\0\0", "xs"])
def test_a_vr_of_the_long_form_or_none_stops_it(vr: str) -> None:
    position, _ = passed((*BEFORE, Element(0x00091001, vr, b"ab"), ROWS), EXPLICIT_LITTLE)
    assert position == len(data_set(BEFORE, EXPLICIT_LITTLE))


def test_reserved_bytes_that_are_not_zero_stop_it() -> None:
    data = data_set((*BEFORE, Sequence(REFERENCES, (Item(),))), EXPLICIT_LITTLE).replace(b"SQ\0\0", b"SQ\0\1")
    position, _ = passed((Bytes(data),), EXPLICIT_LITTLE)
    assert position == len(data_set(BEFORE, EXPLICIT_LITTLE))


@pytest.mark.parametrize("tag", [0x00091001, 0x00090010, 0x0018FFF0, 0x60003000])
def test_what_the_dictionary_does_not_have_by_its_tag_stops_it(tag: int) -> None:
    position, _ = passed((*BEFORE, Element(tag, "UN", b"ab"), ROWS), IMPLICIT_LITTLE)
    assert position == len(data_set(BEFORE, IMPLICIT_LITTLE))


@pytest.mark.parametrize("syntax", PLAIN_SYNTAXES)
def test_sequences_stop_it_where_they_may_not_stay(syntax: str) -> None:
    position, _ = passed((*BEFORE, Sequence(REFERENCES, ()), ROWS), syntax, with_sequences=False)
    assert position == len(data_set(BEFORE, syntax))


@pytest.mark.parametrize("syntax", PLAIN_SYNTAXES)
def test_it_stops_before_what_is_not_whole_before_the_limit(syntax: str) -> None:
    nodes = (*BEFORE, NAME, Sequence(0x00101002, (Item((NAME,)),)), ROWS)
    data = data_set(nodes, syntax)
    ends = [len(data_set(nodes[:number], syntax)) for number in range(len(nodes) + 1)]
    for limit in range(len(data) + 1):
        position, _ = passed(nodes, syntax, limit)
        assert position == max(end for end in ends if end <= limit)


def test_values_are_taken_down_the_first_time_and_by_level() -> None:
    inner = Element(PATIENT_NAME, "PN", b"A^B ")
    _, level = passed((*BEFORE, Sequence(REFERENCES, (Item((inner,)), Item((NAME,)))), NAME), EXPLICIT_LITTLE)
    assert level.found == {PATIENT_NAME: b"Doe^Jane"}
    assert level.nested == {PATIENT_NAME: b"A^B "}


def test_what_is_too_long_is_not_taken_down() -> None:
    _, level = passed((Element(PATIENT_NAME, "PN", b"a" * (LONGEST_NOTED + 2)),), IMPLICIT_LITTLE)
    assert not level.found


@given(right())
@settings(max_examples=100)
def test_whatever_is_passed_over_neither_changes_nor_is_refused(sent: Sent) -> None:
    if sent.transfer_syntax not in (*PLAIN_SYNTAXES, JPEG_BASELINE):
        return
    position, _ = passed((Bytes(sent.data),), sent.transfer_syntax)
    data = sent.data[:position]
    found = scan(data, sent.transfer_syntax)
    assert found.is_understood
    assert not found.changes
    assert recoded(data, sent.transfer_syntax) == data
