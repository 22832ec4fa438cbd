"""The fast way from one encoding to another is no other way than the slow one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings

from scpd.dataset.convert import Converter
from scpd.dataset.elements import syntax_of
from scpd.dataset.encoding import Encoding
from scpd.dataset.levels import Level
from scpd.tables.transfer_syntaxes import EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE
from tests.harness.corpus import TAGS, us
from tests.harness.hostile import Sent, chances, right
from tests.harness.recoding import DICTIONARY, PLAIN_SYNTAXES, recoded
from tests.harness.trees import (
    LONG_VRS,
    SWAP_UNITS,
    Bytes,
    Element,
    GroupLength,
    Node,
    Sequence,
    data_set,
    encoded,
    encoding_of,
)

if TYPE_CHECKING:
    import random

PAIRS = [(source, target) for source in PLAIN_SYNTAXES for target in PLAIN_SYNTAXES if source != target]
BEFORE, ROWS = (us(0x00080040, 1), Element(0x00080060, "CS", b"CT")), us(0x00280010, 512)
SHORT = [vr for vr in TAGS if vr not in LONG_VRS]


def converted(data: bytes, source: str, target: str, limit: int | None = None) -> tuple[int, bytes]:
    """Convert what is plain, as often as it goes on; give the position of what is not, and the bytes."""
    level = Level(syntax_of(source), 0, None, {}, {})
    converter = Converter(level.syntax, syntax_of(target), DICTIONARY.public)
    position, written = 0, b""
    while True:
        pieces: list[bytes | memoryview] = []
        end = len(data) if limit is None else limit
        position = converter.convert(memoryview(data), position, end, level, pieces)
        if not pieces:
            return position, written
        written += b"".join(pieces)


@pytest.mark.parametrize(("source", "target"), PAIRS)
@pytest.mark.parametrize("vr", SHORT)
def test_an_element_of_the_short_form_is_converted(vr: str, source: str, target: str) -> None:
    unit = SWAP_UNITS.get(vr, 1)
    for size in (0, unit, 2 * unit, 24):
        nodes = (Element(TAGS[vr][0], vr, b"123456789.12345678901234"[: size + size % 2]),)
        data = data_set(nodes, source)
        assert converted(data, source, target) == (len(data), data_set(nodes, target))


OTHERS: dict[str, Node] = {
    "an odd text": Element(0x00100010, "PN", b"abc"),
    "spaces": Element(0x00100010, "PN", b"ab  "),
    "an odd number": Element(0x00280010, "US", b"abc"),
    "a UID with spaces": Element(0x0020000D, "UI", b"1. 2"),
    "a UID with NULs": Element(0x0020000D, "UI", b"1.20\0\0"),
    "a duplicate": BEFORE[1],
    "a lower tag": us(0x00080001, 1),
    "a group length": GroupLength(0x10),
    "padding": Element(0xFFFCFFFC, "OB", b"ab"),
    "a sequence": Sequence(0x00081140, ()),
    "bytes": Element(0x00420011, "OB", b"ab"),
    "what depends on others": Element(0x7FE00010, "OW", b"ab"),
    "a value that is cut off": Element(0x00100010, "PN", b"abcd", 6),
    "a header that is cut off": Bytes(b"\x10\x00\x10\x00PN\x00"),
}


@pytest.mark.parametrize(
    ("source", "target"), [(EXPLICIT_LITTLE, IMPLICIT_LITTLE), (IMPLICIT_LITTLE, EXPLICIT_BIG)]
)
@pytest.mark.parametrize("name", OTHERS)
def test_whatever_else_there_is_stops_it_right_before(name: str, source: str, target: str) -> None:
    data = data_set((*BEFORE, OTHERS[name]), source)
    assert converted(data, source, target) == (len(data_set(BEFORE, source)), data_set(BEFORE, target))


@pytest.mark.parametrize("tag", [0x00280106, 0x54001010, 0x00283006, 0x00041200, 0x00091001, 0x0018FFF0])
def test_what_has_no_vr_of_its_own_stops_it(tag: int) -> None:
    data = data_set(
        (us(0x00020040, 1) if tag < 0x80000 else BEFORE[0], Element(tag, "UN", b"abcd")), IMPLICIT_LITTLE
    )
    position, _ = converted(data, IMPLICIT_LITTLE, EXPLICIT_LITTLE)
    assert position <= len(data) - 12


@pytest.mark.parametrize("target", [EXPLICIT_LITTLE, EXPLICIT_BIG])
@pytest.mark.parametrize("vr", ["LT", "US", "UI"])
def test_a_value_too_long_for_its_vr_stops_it(vr: str, target: str) -> None:
    for size, is_passed in ((65534, True), (65536, False)):
        nodes = (Element(TAGS[vr][0], vr, b"1" * size),)
        position, _ = converted(data_set(nodes, IMPLICIT_LITTLE), IMPLICIT_LITTLE, target)
        assert bool(position) == (is_passed and vr != "UI")


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_it_stops_before_what_is_not_whole_before_the_limit(source: str, target: str) -> None:
    nodes = (*BEFORE, Element(0x00100010, "PN", b"Doe^Jane"), ROWS)
    data = data_set(nodes, source)
    ends = [len(data_set(nodes[:number], source)) for number in range(len(nodes) + 1)]
    for limit in range(len(data) + 1):
        number = max(number for number, end in enumerate(ends) if end <= limit)
        assert converted(data, source, target, limit) == (ends[number], data_set(nodes[:number], target))


@pytest.mark.parametrize(("source", "target"), PAIRS)
@given(chance=chances())
@settings(max_examples=20)
def test_any_plain_elements_become_what_the_slow_way_makes_of_them(
    source: str, target: str, chance: random.Random
) -> None:
    tags = {chance.choice(TAGS[vr]): vr for vr in chance.sample(SHORT, 10)}
    values = (bytes(chance.choices(b"12.", k=2 * chance.randrange(20))) for _ in tags)
    nodes = [Element(tag, tags[tag], value) for tag, value in zip(sorted(tags), values, strict=True)]
    data = encoded(nodes, encoding_of(source))
    position, written = converted(data, source, target)
    assert position == len(data)
    # A group length in front makes the recoder look at each element by itself.
    slow = recoded(data, source, Encoding(transfer_syntax=target, padding=(2, 0), group_lengths="create"))
    without = recoded(slow, target, Encoding(group_lengths="remove"))
    assert written == without == recoded(data, source, Encoding(transfer_syntax=target))


@given(right())
@settings(max_examples=100)
def test_whatever_is_converted_is_what_the_slow_way_makes_of_it(sent: Sent) -> None:
    for target in PLAIN_SYNTAXES:
        if sent.transfer_syntax in PLAIN_SYNTAXES and target != sent.transfer_syntax:
            position, written = converted(sent.data, sent.transfer_syntax, target)
            encoding = Encoding(transfer_syntax=target)
            assert recoded(sent.data[:position], sent.transfer_syntax, encoding) == written
