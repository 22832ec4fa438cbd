"""A look that remembers the data sets before must see what one sees that does not."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scpd.dataset.likeness import Likeness, _Segment
from scpd.dataset.plain import PATIENT_NAME, SOP_CLASS_UID, SOP_INSTANCE_UID
from scpd.tables.transfer_syntaxes import (
    DEFLATED,
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    JPEG_BASELINE,
)
from tests.harness.corpus import TAGS, TEXT, random_nodes, random_value, uid, us
from tests.harness.hostile import chances, cut, encodings, mutated
from tests.harness.recoding import AS_RECEIVED, ENCODINGS, SYNTAXES, Found, in_pieces, scan
from tests.harness.trees import (
    PIXEL_DATA,
    Bytes,
    Element,
    Fragments,
    GroupLength,
    Item,
    Node,
    Sequence,
    data_set,
    padded,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from scpd.dataset.encoding import Encoding

UIDS = (uid(SOP_CLASS_UID, "1.2.3"), uid(SOP_INSTANCE_UID, "1.2.4"))
NAME = Element(PATIENT_NAME, "PN", b"Doe^Jane")
PIXELS = Element(PIXEL_DATA, "OW", b"abcdefgh")
REFERENCES = 0x00081140
EXAMPLES = settings(max_examples=150)


class Counting(Likeness):
    """A likeness that counts what it does."""

    def __init__(self) -> None:
        super().__init__()
        self.passed = self.asked = 0

    def pass_over(self, *arguments: object, **names: object) -> int:
        end = super().pass_over(*arguments, **names)  # type: ignore[arg-type]
        self.asked += 1
        self.passed += bool(end)
        return end


def see(
    series: Iterable[bytes],
    syntax: str = EXPLICIT_LITTLE,
    encoding: Encoding = AS_RECEIVED,
    pieces: Callable[[bytes], list[bytes | list[bytes]]] = lambda data: [data],
) -> Counting:
    """See that one data set after the other is judged as if it were alone."""
    likeness = Counting()
    for number, data in enumerate(series):
        expected = _without_needless(scan(data, syntax, encoding))
        found = scan(pieces(data), syntax, encoding, likeness=likeness)
        assert _without_needless(found) == expected, number
    return likeness


def _without_needless(found: Found) -> Found:
    """Leave out what items are called where both UIDs are known: nobody asks for it, and it need not be looked for."""
    return (
        found._replace(nested=())
        if {tag for tag, _ in found.found} >= {SOP_CLASS_UID, SOP_INSTANCE_UID}
        else found
    )


def sets(*series: tuple[Node, ...], syntax: str = EXPLICIT_LITTLE) -> list[bytes]:
    return [data_set(nodes, syntax) for nodes in series]


# Any series.


def varied(node: Node, chance: random.Random) -> Node:
    """Give a node with another value, of the same length or another one."""
    if isinstance(node, Sequence):
        return replace(node, items=tuple(_varied_item(item, chance) for item in node.items))
    if not isinstance(node, Element) or chance.random() < 0.7:
        return node
    if node.vr not in TEXT and node.vr != "UI":
        return replace(node, value=chance.randbytes(len(node.value)))
    if chance.random() < 0.1:
        return replace(node, value=random_value(chance, node.vr))
    length = chance.choice((len(node.value), len(node.value), chance.randrange(0, 64, 2)))
    return replace(node, value=bytes(chance.choices(b"12345.", k=length)))


def _varied_item(item: Item | Bytes, chance: random.Random) -> Item | Bytes:
    if not isinstance(item, Item) or chance.random() < 0.5:
        return item
    return replace(item, nodes=tuple(varied(each, chance) for each in item.nodes))


def template(chance: random.Random) -> tuple[Node, ...]:
    """Give the nodes of an image before its pixel data: most of them plain, some of any kind."""
    if chance.random() < 0.1:
        nodes = random_nodes(chance)
    else:
        vrs = chance.sample(list(TAGS), 8)
        nodes = padded(
            Element(chance.choice(TAGS[vr]), vr, bytes(chance.choices(b"123.", k=10))) for vr in vrs
        )
        if chance.random() < 0.5:
            item = Item(padded(Element(TAGS[vr][0], vr, b"1.2.3\0") for vr in chance.sample(vrs, 2)))
            undefined = chance.random() < 0.3
            nodes += (Sequence(REFERENCES, (item, Item((), undefined))[: chance.randrange(3)], undefined),)
        nodes = tuple({node.tag: node for node in nodes if isinstance(node, Element | Sequence)}.values())
    nodes = tuple(node for node in nodes if getattr(node, "tag", 0) not in {each.tag for each in UIDS})
    return tuple(sorted((*UIDS, *nodes), key=lambda node: getattr(node, "tag", node.group << 16)))


def made_from(seed: int, syntax: str) -> list[bytes]:
    """Give a series of data sets, each made from one template, or from the one before."""
    chance = random.Random(seed)
    nodes = template(chance)
    series = []
    for _ in range(chance.randrange(3, 9)):
        if chance.random() < 0.7:
            nodes = tuple(varied(node, chance) for node in nodes)
        if chance.random() < 0.05:
            nodes = template(chance)
        length = 8 if chance.random() < 0.9 else chance.choice((0, 3, 600))
        pixels: Node = replace(PIXELS, value=chance.randbytes(length))
        if syntax == JPEG_BASELINE:
            pixels = Fragments((b"", chance.randbytes(10)))
        behind = (Element(0xFFFCFFFC, "OB", bytes(4)),) if chance.random() < 0.1 else ()
        data = data_set((*nodes, pixels, *behind), syntax)
        is_spoilt = chance.random() < 0.1 and syntax != DEFLATED  # what is not inflated is not looked at
        series.append(mutated(data, chance) if is_spoilt else data)
    return series


@given(st.integers(0, 1 << 32), st.sampled_from(SYNTAXES), encodings())
@EXAMPLES
def test_any_series_is_judged_as_if_each_came_alone(seed: int, syntax: str, name: str) -> None:
    see(made_from(seed, syntax), syntax, ENCODINGS[name])


@given(st.integers(0, 1 << 32), st.sampled_from(SYNTAXES), encodings(), chances())
@EXAMPLES
def test_any_series_is_judged_alike_however_it_is_cut(
    seed: int, syntax: str, name: str, chance: random.Random
) -> None:
    see(made_from(seed, syntax), syntax, ENCODINGS[name], lambda data: cut(data, chance))


def test_many_series_are_judged_as_if_each_came_alone(is_long: bool) -> None:
    passed = 0
    for seed in range(20_000 if is_long else 600):
        syntax = SYNTAXES[seed % len(SYNTAXES)]
        try:
            passed += see(
                made_from(seed, syntax), syntax, list(ENCODINGS.values())[seed % len(ENCODINGS)]
            ).passed
        except AssertionError as error:
            error.add_note(f"made_from({seed}, {syntax!r}), {list(ENCODINGS)[seed % len(ENCODINGS)]!r}")
            raise
    assert passed > 100


# What is passed over.


@pytest.mark.parametrize("syntax", [IMPLICIT_LITTLE, EXPLICIT_LITTLE, EXPLICIT_BIG])
def test_data_sets_like_the_first_are_passed_over(syntax: str) -> None:
    private = (Element(0x00090010, "LO", b"GEMS_IDEN_01"), Element(0x00091002, "SH", b"abcd"))
    items = Sequence(REFERENCES, (Item((NAME,)), Item((), undefined=True)), undefined=True)
    for nodes in ((*UIDS, NAME), (*UIDS, *private, NAME), (*UIDS, items, NAME)):
        series = sets(*[(*nodes, us(0x00280010, rows), PIXELS) for rows in range(5)], syntax=syntax)
        assert see(series, syntax).passed == 4


def test_a_value_that_differs_once_is_compared_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    differing: list[int] = []
    let_differ = _Segment.let_differ

    def counted(segment: _Segment, data: bytes, position: int) -> None:
        differing.append(position)
        let_differ(segment, data, position)

    monkeypatch.setattr(_Segment, "let_differ", counted)
    rows = [1, 1, 2, 1, 3, 3, 3, 4]
    names = [b"A^B^", b"A^B^", b"A^B^", b"A^B^", b"C^D^", b"A^B^", b"A^B^", b"E^F^"]
    nodes = [
        (*UIDS, replace(NAME, value=name), us(0x00280010, each), PIXELS)
        for each, name in zip(rows, names, strict=True)
    ]
    assert see(sets(*nodes)).passed == len(rows) - 1
    assert len(differing) == 2  # rows, then the name


@pytest.mark.parametrize("syntax", [IMPLICIT_LITTLE, EXPLICIT_LITTLE, EXPLICIT_BIG])
def test_texts_may_have_any_length_when_two_had_different_ones(syntax: str) -> None:
    names = [b"Doe^Jane", b"Doe^John^X", b"A^B ", b"", b"Doe^Jane", b"x" * 200, b"A^"]
    series = sets(*[(*UIDS, replace(NAME, value=name), PIXELS) for name in names], syntax=syntax)
    assert see(series, syntax).passed == 5


def test_uids_may_have_any_length_when_two_had_different_ones() -> None:
    uids = [b"1.2.4\0", b"1.2.33", b"1.2.4567", b"1.2\0", b"1.2.4\0"]
    series = sets(*[(UIDS[0], replace(UIDS[1], value=value), PIXELS) for value in uids])
    assert see(series).passed >= 3


@pytest.mark.parametrize("value", [b"A^B   ", b"A^B\0", b"      ", b"abc", b"ab  "])
@pytest.mark.parametrize("does_vary", [True, False])
def test_a_text_that_needs_a_look_gets_one(value: bytes, does_vary: bool) -> None:
    before = [replace(NAME, value=b"Doe^Jane"), replace(NAME, value=b"A^" if does_vary else b"Doe^Jane")]
    names = [*before, *before, replace(NAME, value=value), *before, replace(NAME, value=value.ljust(8, b"x"))]
    see(sets(*[(*UIDS, name, PIXELS) for name in names]))


@pytest.mark.parametrize("value", [b"1.2\0\0\0", b"1.2 34", b"1.2.3 ", b"1.2.3", b"", b"\0\0\0\0\0\0"])
@pytest.mark.parametrize("does_vary", [True, False])
@pytest.mark.parametrize("which", [0, 1])
def test_a_uid_that_needs_a_look_gets_one(value: bytes, does_vary: bool, which: int) -> None:
    before = [b"1.2.4\0", b"1.2.45.6" if does_vary else b"1.2.45"]
    uids = [
        [*UIDS[:which], replace(UIDS[which], value=each), *UIDS[which + 1 :]]
        for each in (*before, *before, value)
    ]
    see(sets(*[(*each, PIXELS) for each in [*uids, *uids]]))


@pytest.mark.parametrize("values", [(b"abcd", b"ab  "), (b"ab  ", b"abcd"), (b"abcd", b"abcd")])
@pytest.mark.parametrize("creators", [(b"GEMS_IDEN_01", b"GEMS_IDEN_0?"), (b"GEMS_IDEN_0?", b"GEMS_IDEN_01")])
@pytest.mark.parametrize("is_nested", [True, False])
@pytest.mark.parametrize("has_another", [True, False])
def test_whose_a_private_element_is_matters_each_time(
    values: tuple[bytes, bytes], creators: tuple[bytes, bytes], is_nested: bool, has_another: bool
) -> None:
    series = []
    for creator in (creators[0], creators[0], creators[1], creators[0], creators[1]):
        for value in (*values, *values):
            private: tuple[Node, ...] = (Element(0x00090010, "LO", creator), Element(0x00091002, "SH", value))
            if is_nested:
                private = (Sequence(REFERENCES, (Item(private),)),)
                private += (Element(0x00090010, "LO", creators[0]),) if has_another else ()
            series.append((*UIDS, *private, PIXELS))
    see(sets(*series, syntax=IMPLICIT_LITTLE), IMPLICIT_LITTLE)
    see(sets(*series[:3], *series[6:9], syntax=IMPLICIT_LITTLE), IMPLICIT_LITTLE)


@pytest.mark.parametrize("option", ["", "-g"])
def test_group_lengths_are_judged_each_time(option: str) -> None:
    series = [(*UIDS, GroupLength(0x10, error), NAME, PIXELS) for error in (0, 0, 2, 0, 2, 2, 0)]
    see(sets(*series), encoding=ENCODINGS[option])


@pytest.mark.parametrize("first", [b"ab  ", b"    "])
def test_what_changes_one_by_its_values_does_not_change_the_next(first: bytes) -> None:
    names = [replace(NAME, value=value) for value in (first, b"abcd", b"abcd", first, b"abc ")]
    see(sets(*[(*UIDS, name, PIXELS) for name in names]))


@pytest.mark.parametrize(
    "behind",
    [Element(0xFFFCFFFC, "OB", bytes(2)), NAME, GroupLength(0x7FE2, 4), Element(0x7FE10010, "LO", b"ab  ")],
)
def test_what_stands_behind_the_pixel_data_does_not_change_the_next(behind: Node) -> None:
    series = sets((*UIDS, NAME, PIXELS, behind), *[(*UIDS, NAME, PIXELS)] * 2, (*UIDS, NAME, PIXELS, behind))
    see(series)
    see(series, pieces=lambda data: in_pieces(data, len(data) - 10))


LAST: dict[str, tuple[Node, ...]] = {
    "a sequence": (
        Sequence(REFERENCES, (Item((uid(0x0020000D, "1.2"),)),)),
        Element(0x00091001, "UN", b"ab"),
    ),
    "an empty item": (Sequence(REFERENCES, (Item(),)), Element(0x00091001, "UN", b"ab")),
    "items of undefined length": (Sequence(REFERENCES, (Item((NAME,), True), Item((), True)), True), NAME),
    "a sequence in UN": (Sequence(REFERENCES, (Item((NAME,), True),), True, "UN"), NAME),
    "private elements": (
        Element(0x00090010, "LO", b"GEMS_IDEN_01"),
        Element(0x00091002, "SH", b"ab  "),
        NAME,
    ),
    "private elements in items": (
        Sequence(REFERENCES, (Item((Element(0x00090010, "LO", b"ME"), Element(0x00091002, "SH", b"ab  "))),)),
        NAME,
    ),
    "a group length": (GroupLength(8), Element(0x00080060, "CS", b"CT"), NAME),
    "young VRs": (Element(0x00100218, "UT", b"abc "), Element(0x00420011, "OB", b"ab")),
    "odd VRs": (Element(0x00100218, "ZZ", b"abc "), Element(0x00420011, "??", b"ab")),
    "nothing": (),
}


@pytest.mark.parametrize("option", ENCODINGS)
@pytest.mark.parametrize("name", LAST)
@pytest.mark.parametrize("syntax", [IMPLICIT_LITTLE, EXPLICIT_LITTLE])
def test_a_series_with_anything_in_it_is_judged_as_if_each_came_alone(
    name: str, option: str, syntax: str
) -> None:
    behind = (*LAST[name], PIXELS)
    nodes = tuple(sorted((*UIDS, *behind), key=lambda node: getattr(node, "tag", node.group << 16)))
    other = tuple(
        replace(node, value=b"??") if node in LAST[name] and hasattr(node, "value") else node
        for node in nodes
    )
    see(sets(nodes, nodes, nodes, other, nodes, other, syntax=syntax), syntax, ENCODINGS[option])


@pytest.mark.parametrize("vr", ["OB", "OW", "UN", "UT", "ZZ", "ox", "OX", "US"])
@pytest.mark.parametrize("option", ["", "-u", "+uc"])
def test_pixel_data_are_judged_by_their_vr_each_time(vr: str, option: str) -> None:
    see(sets(*[(*UIDS, NAME, replace(PIXELS, vr=vr))] * 4), encoding=ENCODINGS[option])


@pytest.mark.parametrize("length", [0, 3, 7, 8, 9, 100, 0xFFFFFFFE])
def test_pixel_data_are_judged_by_their_length_each_time(length: int) -> None:
    usual = (*UIDS, NAME, PIXELS)
    see(sets(usual, usual, (*UIDS, NAME, replace(PIXELS, length=length)), usual))


@pytest.mark.parametrize("syntax", [IMPLICIT_LITTLE, EXPLICIT_LITTLE])
def test_a_data_set_that_is_cut_off_anywhere_is_judged_as_if_it_came_alone(syntax: str) -> None:
    (data,) = sets((*UIDS, NAME, Sequence(REFERENCES, (Item((NAME,)),)), PIXELS), syntax=syntax)
    see([data, data, *(data[:end] for end in range(len(data)))], syntax)


def test_what_follows_behind_a_header_may_come_later() -> None:
    series = sets(*[(*UIDS, NAME, PIXELS)] * 4)
    begin = series[0].index(b"OW") + 8
    for place in (begin - 1, begin, begin + 1, 20):
        see(series, pieces=lambda data, place=place: [data[:place], data[place:]])  # type: ignore[misc]


@pytest.mark.parametrize("name", [b"Doe^Jane", b"x" * 70000])
def test_a_value_too_long_to_be_noted_is_not(name: bytes) -> None:
    names = [replace(NAME, value=value) for value in (b"A^B ", b"A^", name, b"A^B ", name)]
    see(sets(*[(*UIDS, each, PIXELS) for each in names], syntax=IMPLICIT_LITTLE), IMPLICIT_LITTLE)


# Nothing is learnt in vain.


def test_learning_ends_where_nothing_is_alike() -> None:
    unlike = [
        (*UIDS, *(us(0x00280010 + number, 1) for number in range(1, count)), PIXELS) for count in range(1, 31)
    ]
    likeness = see(sets(*unlike))
    before = likeness._fields
    assert likeness.passed == 0
    see_again = [scan(data, EXPLICIT_LITTLE, likeness=likeness) for data in sets(*unlike[:3])]
    assert all(found.is_understood for found in see_again)
    assert likeness._fields is before


def test_learning_goes_on_where_some_are_unlike() -> None:
    usual, other = (*UIDS, NAME, PIXELS), (*UIDS, PIXELS)
    likeness = see(sets(*[usual, usual, usual, usual, other, other, other] * 10))
    assert likeness.passed >= 40


def test_nothing_is_learnt_from_what_has_no_uids() -> None:
    assert see(sets(*[(NAME, PIXELS)] * 4)).passed == 0
