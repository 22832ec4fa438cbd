"""Data sets of every kind that a sender may think of, right and odd, for comparing what two programs make of them.

`oddities` are trees made by hand, each for one thing; `random_tree` mixes those things by a seed.  All of them parse,
name the SOP class and instance of `stored`, and come out alike from scpd and storescp 3.6.7.  What storescp does wrong
is not in here, nor are tags of which only one dictionary knows (`tests/peers/test_encodings.py` has a list of both).
"""

from __future__ import annotations

import random
import struct
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from tests.harness import wire
from tests.harness.objects import StorableObject
from tests.harness.trees import (
    IMPLICIT,
    PIXEL_DATA,
    Bytes,
    Element,
    Fragments,
    GroupLength,
    Item,
    Sequence,
    data_set,
    encoded,
    encoding_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hypothesis.strategies import SearchStrategy

    from tests.harness.trees import Node

JPEG_BASELINE = "1.2.840.10008.1.2.4.50"
UNCOMPRESSED = (wire.IMPLICIT_LITTLE, wire.EXPLICIT_LITTLE, wire.EXPLICIT_BIG, wire.DEFLATED)
IMPLICIT_ONLY = (wire.IMPLICIT_LITTLE,)
EXPLICIT_ONLY = (wire.EXPLICIT_LITTLE, wire.EXPLICIT_BIG, wire.DEFLATED)
COMPRESSED = (JPEG_BASELINE,)
EVERYWHERE = (*UNCOMPRESSED, *COMPRESSED)
SOP_CLASS_UID, SOP_INSTANCE_UID = 0x00080016, 0x00080018
PADDING = 0xFFFCFFFC
PIXEL_REPRESENTATION = 0x00280103


# Tags that the dictionaries of DCMTK 3.6.7 and pydicom 3 both know, with the same VR.
TAGS: dict[str, tuple[int, ...]] = {
    "AE": (0x00080054, 0x00400241),
    "AS": (0x00101010, 0x0072005F),
    "AT": (0x00209165, 0x00280009, 0x00720026),
    "CS": (0x00080060, 0x00180015, 0x00280004),
    "DA": (0x00080012, 0x00080020, 0x3010004C),
    "DS": (0x00101020, 0x00181111, 0x00280030),
    "DT": (0x0008002A, 0x00181078, 0x40101041),
    "FD": (0x00081163, 0x00189717, 0x00720074),
    "FL": (0x00089459, 0x00221644, 0x00720076),
    "IS": (0x00081160, 0x00200013, 0x300C0104),
    "LO": (0x00080070, 0x00100020, 0x00720066),
    "LT": (0x00080108, 0x00104000, 0x00720068),
    "OB": (0x00282000, 0x00420011, 0x00720065),
    "OD": (0x00660022, 0x00701A07, 0x00720073),
    "OF": (0x00181638, 0x00221531, 0x56000020),
    "OL": (0x00660040, 0x00720075),
    "OV": (0x00720081, 0x7FE00001),
    "OW": (0x00281201, 0x00281204, 0x00720069),
    "PN": (0x00080090, 0x00100010, 0x300E0008),
    "SH": (0x00080050, 0x00080094, 0x0072006C),
    "SL": (0x00186020, 0x00700053, 0x0072007C),
    "SS": (0x00189219, 0x00281041, 0x300A0306),
    "ST": (0x00080081, 0x00080092, 0x3010005C),
    "SV": (0x00720082,),
    "TM": (0x00080013, 0x00080030, 0x300E0005),
    "UC": (0x00080119, 0x0072006F),
    "UI": (0x00080014, 0x0020000D, 0x0020000E),
    "UL": (0x0018601C, 0x00720078, 0x00820006),
    "UN": (0x0072006D,),
    "UR": (0x0040E010, 0x00720071),
    "US": (0x00280002, 0x00280010, 0x0072007A),
    "UT": (0x00100218, 0x0040A160, 0x00720070),
    "UV": (0x00720083,),
}
SEQUENCES = (0x00081115, 0x00081140, 0x00400275, 0x00540016, 0x00880200, 0x52009229, 0xFFFAFFFA)
# A creator and elements (in its block, VR) that both dictionaries know alike.
PRIVATE_BLOCKS: tuple[tuple[int, bytes, tuple[tuple[int, str], ...]], ...] = (
    (0x0009, b"GEMS_IDEN_01", ((0x02, "SH"), (0x1A, "US"), (0x27, "SL"), (0xE3, "UI"), (0xE7, "UL"))),
    (0x0029, b"SIEMENS MEDCOM HEADER ", ((0x08, "CS"), (0x10, "OB"), (0x32, "UL"), (0x71, "AT"))),
    (0x0031, b"NOBODY KNOWS ME ", ((0x01, "LO"), (0x10, "FD"), (0xFF, "US"))),
)
# Tags of no dictionary.
UNKNOWN_TAGS = (0x0018FFF0, 0x0021FFFE, 0x00610001, 0x60001FFE, 0x7FE0FFF0)
# VR fields that PS3.5 does not know (DCMTK's own names among them).
ODD_VRS = ("ZZ", "??", "xx", "  ", "\0\0", "ox", "xs", "up", "px", "lt", "OX", "Ob", "12", "A1")


class Tree(NamedTuple):
    """A data set without its SOP UIDs, and the transfer syntaxes that can say what it is for."""

    name: str
    nodes: tuple[Node, ...]
    syntaxes: tuple[str, ...] = UNCOMPRESSED


def stored(tree: Tree, transfer_syntax: str, sop_instance_uid: str) -> StorableObject:
    """Give a tree as a CT image of that name; if its length is odd, a private element of one byte makes it even."""
    nodes = identified(tree.nodes, wire.CT_IMAGE_STORAGE, sop_instance_uid)
    if len(encoded(nodes, encoding_of(transfer_syntax))) % 2:
        _insert(nodes, Element(0xFFF11011, "UN", b"\1"))
    return StorableObject(
        wire.CT_IMAGE_STORAGE, sop_instance_uid, transfer_syntax, data_set(nodes, transfer_syntax)
    )


def identified(nodes: Iterable[Node], sop_class_uid: str, sop_instance_uid: str) -> list[Node]:
    """Add the SOP UIDs where they belong: in front of the first node of a higher tag, whatever comes later."""
    found = list(nodes)
    _insert(found, uid(SOP_INSTANCE_UID, sop_instance_uid))
    _insert(found, uid(SOP_CLASS_UID, sop_class_uid))
    return found


def _insert(nodes: list[Node], new: Element) -> None:
    place = next((index for index, node in enumerate(nodes) if _tag(node) > new.tag), len(nodes))
    nodes.insert(place, new)


def uid(tag: int, value: str) -> Element:
    """Give a UI of even length."""
    text = value.encode("ascii")
    return Element(tag, "UI", text + b"\0" * (len(text) % 2))


def us(tag: int, *values: int) -> Element:
    """Give a US."""
    return Element(tag, "US", struct.pack(f"<{len(values)}H", *values))


def data_sets() -> SearchStrategy[tuple[Node, ...]]:
    """Give random trees to hypothesis, which can make a failing one smaller."""
    import hypothesis.strategies as st  # who only sends a corpus need not wait for it

    return st.randoms(use_true_random=False).map(random_nodes)


def random_tree(seed: int) -> Tree:
    """Give the tree of a seed."""
    return Tree(f"random {seed}", random_nodes(random.Random(seed)), EVERYWHERE)


def series(seed: int, count: int = 8) -> list[Tree]:
    """Give trees that are alike, as the images of a series are, each with one change or more.

    The first is a random one, or one with nothing to change, from which each of the others differs in one thing.
    """
    chance = random.Random(f"series {seed}")
    is_tidy = seed % 3 > 0
    nodes = tidy_nodes() if is_tidy else random_nodes(chance)
    trees = []
    for number in range(count):
        trees.append(Tree(f"series {seed} {number}", nodes, EVERYWHERE))
        if not is_tidy:
            nodes = _changed(nodes, chance)
        else:
            nodes = tidy_nodes() if number % 2 else _with_another_text(tidy_nodes(), chance)
    return trees


def tidy_nodes() -> tuple[Node, ...]:
    """Give nodes that need no change, up to pixel data: in order, of even length, no space too many."""
    elements = [Element(tags[0], vr, b"1.2\0" if vr == "UI" else b"1 ab2 ab") for vr, tags in TAGS.items()]
    sequence = Sequence(
        SEQUENCES[1], (Item((Element(0x00081150, "UI", b"1.2\0"), Element(0x00100020, "LO", b"4711"))),)
    )
    return tuple(sorted([*elements, sequence, Element(PIXEL_DATA, "OW", bytes(range(16)))], key=_tag))


def _with_another_text(nodes: tuple[Node, ...], chance: random.Random) -> tuple[Node, ...]:
    """Give one text another end, or one UID white space: nothing in a header tells."""
    wanted = {"UI"} if chance.random() < 0.3 else TEXT - {"UI"}
    places = [place for place, node in enumerate(nodes) if isinstance(node, Element) and node.vr in wanted]
    place = chance.choice(places)
    node = nodes[place]
    assert isinstance(node, Element)
    ends = (
        [b"1.2 ", b" 1.2", b"1 .2"]
        if node.vr == "UI"
        else [b"1 ab2   ", b"        ", b"1 ab2 a ", b"1 ab  a   "]
    )
    return (*nodes[:place], replace(node, value=chance.choice(ends)), *nodes[place + 1 :])


def _changed(nodes: tuple[Node, ...], chance: random.Random) -> tuple[Node, ...]:
    """Change one node somewhere: its value, VR or length form, or leave it out, or move it to the end."""
    if not nodes:
        return (Element(0x00100020, "LO", b"4711"),)
    place = chance.randrange(len(nodes))
    node, rest = nodes[place], (nodes[:place], nodes[place + 1 :])
    if isinstance(node, Element) and chance.random() < 0.8:
        value = random_value(chance, node.vr if node.vr in TAGS else "LO")
        # Even, for in implicit VR it is a value of the VR that the tag has (storescp pads text wrongly).
        new: Node = replace(node, value=value + b"\0" * (len(value) % 2))
    elif isinstance(node, Element) and chance.random() < 0.5 and len(node.value) % 2 == 0:
        new = replace(node, vr="UN")
    elif isinstance(node, Sequence) and node.items and chance.random() < 0.8:
        item = node.items[-1]
        changed = replace(item, nodes=_changed(item.nodes, chance)) if isinstance(item, Item) else item
        new = replace(node, items=(*node.items[:-1], changed))
    else:
        return (*rest[0], *rest[1]) if chance.random() < 0.5 else (*rest[0], *rest[1], node)
    return (*rest[0], new, *rest[1])


def random_nodes(chance: random.Random, depth: int = 0) -> tuple[Node, ...]:
    """Give the nodes of a data set, or at a `depth` those of an item: mostly in order, text of even length."""
    nodes: list[Node] = [_random_element(chance, depth) for _ in range(chance.randint(0 if depth else 3, 9))]
    for makers, odds in ((_random_block, 0.3), (_random_overlay, 0.2), (_random_curve, 0.1)):
        if chance.random() < odds:
            nodes += makers(chance)
    if chance.random() < 0.2:
        nodes.append(Element(PADDING, "OB", bytes(chance.randrange(0, 40))))
    if chance.random() < 0.8:
        nodes.sort(key=_tag)
    if nodes and chance.random() < 0.2:
        nodes.insert(chance.randint(0, len(nodes)), chance.choice(nodes))
    if chance.random() < 0.3:
        nodes = _with_group_lengths(nodes, chance)
    return tuple(nodes)


def _random_element(chance: random.Random, depth: int) -> Node:
    kind = chance.random()
    if kind < 0.2 and depth < 4:
        return _random_sequence(chance, depth)
    if kind < 0.26:
        return Element(
            chance.choice(UNKNOWN_TAGS), chance.choice(("UN", "LO", "US", "OB")), _even(chance, 20)
        )
    if kind < 0.32:  # UN instead of what it is (PS3.5 6.2.2 note 2)
        return Element(
            chance.choice(TAGS[chance.choice(("LO", "US", "FD", "OB", "UI"))]), "UN", _even(chance, 24)
        )
    vr = chance.choice(sorted(TAGS))
    return Element(chance.choice(TAGS[vr]), vr, random_value(chance, vr))


def _random_sequence(chance: random.Random, depth: int) -> Sequence:
    items = [
        Item(random_nodes(chance, depth + 1) if chance.random() < 0.85 else (), chance.random() < 0.5)
        for _ in range(chance.choice((0, 1, 1, 2, 3)))
    ]
    undefined = chance.random() < 0.5
    vr = "UN" if undefined and chance.random() < 0.15 else "SQ"
    tag = chance.choice((*SEQUENCES, 0x00291140)) if vr == "SQ" else chance.choice((*SEQUENCES, 0x00111010))
    return Sequence(tag, tuple(items), undefined or tag not in SEQUENCES, vr)


def _random_block(chance: random.Random) -> list[Node]:
    group, creator, members = chance.choice(PRIVATE_BLOCKS)
    block = chance.choice((0x10, 0x11, 0xFE))
    nodes: list[Node] = [Element(group << 16 | block, "LO", creator)] if chance.random() < 0.9 else []
    for number, vr in chance.sample(members, chance.randint(1, len(members))):
        nodes.append(Element(group << 16 | block << 8 | number, vr, random_value(chance, vr)))
    return nodes


def _random_overlay(chance: random.Random) -> list[Node]:
    group = chance.choice((0x6000, 0x6002, 0x601E)) << 16
    vr = chance.choice(("OB", "OW"))
    return [us(group | 0x0010, 4), us(group | 0x0011, 4), Element(group | 0x3000, vr, _even(chance, 16))]


def _random_curve(chance: random.Random) -> list[Node]:
    group = chance.choice((0x5000, 0x501E)) << 16
    return [us(group | 0x0005, 1), us(group | 0x0010, 2), Element(group | 0x3000, "OB", _even(chance, 16))]


def random_value(chance: random.Random, vr: str) -> bytes:
    """Give a value for a VR, which need not be one that it allows; text of even length (storescp pads it wrongly)."""
    if vr == "UI":
        parts = chance.sample(("1.2.840.10008.1.2", "1.2.3 ", " 1.2", "1.2\t.3", "1.2.3\0", "\0", ""), 3)
        return "\\".join(parts[: chance.randint(1, 3)]).encode("ascii")
    if vr in TEXT:
        text = "".join(chance.choices(TEXT_PIECES, k=chance.randint(0, 6))).encode("latin-1")
        return text + b" " * (len(text) % 2)
    if vr == "OW":
        return _even(chance, 40)
    return chance.randbytes(chance.choice((0, 1, 2, 3, 4, 6, 8, 8, 16, 24, 31, 32)))


TEXT = frozenset(
    ["AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UR", "UT"]
)
TEXT_PIECES = ("A", "b^", "  ", " ", "\\", "1.5", "\xfc", "\x1b$B", "\0", "\r\n", "2024")


def _even(chance: random.Random, most: int) -> bytes:
    return chance.randbytes(chance.randrange(0, most + 1, 2))


def _with_group_lengths(nodes: list[Node], chance: random.Random) -> list[Node]:
    result: list[Node] = []
    groups: set[int] = set()
    for node in nodes:
        if node.group not in groups and node.group != 0xFFFC and chance.random() < 0.7:
            result.append(GroupLength(node.group, chance.choice((0, 0, 2, 1000, -4))))
        groups.add(node.group)
        result.append(node)
    if chance.random() < 0.2:
        result.append(GroupLength(0x7FE4))
    return result


def _tag(node: Node) -> int:
    tag: int = getattr(node, "tag", node.group << 16)
    return tag


def oddities() -> list[Tree]:
    """Give the trees made by hand."""
    makers = (_values, _structures, _group_lengths, _orders, _unknowns, _pixels, _ambiguities, _sizes)
    return [tree for make in makers for tree in make()]


def _values() -> list[Tree]:
    chance = random.Random(5)
    every = [Element(tags[0], vr, random_value(chance, vr)) for vr, tags in TAGS.items()]
    empty = [Element(tags[-1], vr) for vr, tags in TAGS.items()]
    numbers = [Element(TAGS[vr][0], vr, bytes(range(1, 25))) for vr in TAGS if vr not in TEXT and vr != "UI"]
    left_over = [Element(TAGS[vr][0], vr, bytes(range(1, 12)) + b"x") for vr in TAGS if vr not in TEXT]
    texts = [
        Element(tag, vr, value)
        for vr in TAGS
        if vr in TEXT
        for tag, value in zip(TAGS[vr], TEXT_VALUES[len(vr) % 2 :], strict=False)
    ]
    return [
        Tree("every VR", tuple(sorted(every, key=_tag)), EVERYWHERE),
        Tree("every VR empty", tuple(sorted(empty, key=_tag)), EVERYWHERE),
        Tree("numbers", tuple(sorted(numbers, key=_tag))),
        Tree("numbers with a rest", tuple(sorted(left_over, key=_tag))),
        Tree("text with spaces", tuple(sorted(texts, key=_tag))),
        *(
            Tree(f"text {value!r}", (Element(0x00080070, "LO", value),), EXPLICIT_TO_SEE)
            for value in TEXT_VALUES
        ),
        *(
            Tree(f"UID {value!r}", (Element(0x0020000D, "UI", value),), EXPLICIT_TO_SEE)
            for value in UID_VALUES
        ),
        *(
            Tree(f"odd {vr}", (Element(TAGS[vr][0], vr, bytes(range(1, 14))),))
            for vr in (
                "AT",
                "FD",
                "FL",
                "OB",
                "OD",
                "OF",
                "OL",
                "OV",
                "SL",
                "SS",
                "SV",
                "UL",
                "UN",
                "US",
                "UV",
            )
        ),
    ]


EXPLICIT_TO_SEE = (wire.IMPLICIT_LITTLE, wire.EXPLICIT_LITTLE)
TEXT_VALUES = (
    *(b"A^B     ", b"A^B ", b"    ", b"  ", b" A", b" A  B   ", b"A \\ B ", b"A\0", b"A\0\0\0", b"A \0\0"),
    *(b"A\0  ", b"\0 ", b"\\\\", b"\\\\  ", b"A\t", b"A\r\n ", b"\xe4\xf6"),
)
UID_VALUES = (
    *(b"1.2.3", b"1.2.3 ", b"1.2.3\0", b"1.2.3\0\0\0", b" 1.2.3", b"1. 2.3", b"1\t.\n2\v.\f3\r", b"    "),
    *(b"1.2\0\\1.3\0", b"1.2 \\ 1.3", b"\0\0", b"1.2.3\0 ", b"1.2.3\0 \0", b"x", b"1.2\\"),
)


def _structures() -> list[Tree]:
    name = Element(0x00081150, "UI", b"1.2.3\0")
    forms = [(sequence, item) for sequence in (False, True) for item in (False, True)]
    return [
        *(
            Tree(
                f"nested, undefined {outer} {inner}",
                (
                    Sequence(
                        0x00081140,
                        (Item((name, Sequence(0x00400275, (Item((name,), inner[1]),), inner[0])), outer[1]),),
                        outer[0],
                    ),
                    Element(0x00100010, "PN", b"A^B   "),
                ),
                EVERYWHERE,
            )
            for outer in forms
            for inner in forms
        ),
        *(
            Tree(
                f"{len(items)} empty items, undefined {undefined}", (Sequence(0x00081140, items, undefined),)
            )
            for undefined in (False, True)
            for items in ((), (Item(),), (Item((), True),), (Item(), Item((), True), Item((name,))))
        ),
        *(
            Tree(f"padding at all levels, undefined {undefined}", _padded_levels(undefined), EVERYWHERE)
            for undefined in (False, True)
        ),
        Tree("deep", (_nested(8, False),), (wire.EXPLICIT_LITTLE, wire.IMPLICIT_LITTLE)),
        Tree("deep and undefined", (_nested(8, True),), (wire.EXPLICIT_LITTLE, wire.EXPLICIT_BIG)),
        Tree(
            "superfluous delimiters in defined lengths",
            (Sequence(0x00081140, (Item((name, Bytes(_DELIMITER_OF_ITEM))), Bytes(_DELIMITER_OF_SEQUENCE))),),
            EXPLICIT_TO_SEE,
        ),
        Tree(
            "delimiters with lengths",
            (
                Sequence(
                    0x00081140,
                    (
                        Item((name, Bytes(_DELIMITER_OF_ITEM[:4] + b"\4\0\0\0")), length=0xFFFFFFFF),
                        Bytes(_DELIMITER_OF_SEQUENCE[:4] + b"\7\0\0\0"),
                    ),
                    length=0xFFFFFFFF,
                ),
            ),
            EXPLICIT_TO_SEE,
        ),
    ]


_DELIMITER_OF_ITEM = bytes.fromhex("feff0de000000000")
_DELIMITER_OF_SEQUENCE = bytes.fromhex("feffdde000000000")


def _nested(depth: int, undefined: bool) -> Sequence:
    sequence = Sequence(0x00081140, (Item((us(0x00280010, 7),), undefined),), undefined)
    for _ in range(depth - 1):
        sequence = Sequence(0x00081140, (Item((sequence,), undefined),), undefined)
    return sequence


def _padded_levels(undefined: bool) -> tuple[Node, ...]:
    padding = Element(PADDING, "OB", bytes(20))
    inner = Sequence(0x00400275, (Item((us(0x00280010, 7), padding)), Item((padding,), undefined)), undefined)
    return (Sequence(0x00081140, (Item((inner, padding), undefined),), undefined), padding)


def _group_lengths() -> list[Tree]:
    def nodes(error: int) -> tuple[Node, ...]:
        inner = (
            GroupLength(8, error),
            uid(0x00081150, "1.2.3"),
            GroupLength(0x20, error),
            uid(0x0020000D, "1.2"),
        )
        return (
            GroupLength(8, error),
            Sequence(0x00081140, (Item(inner), Item(inner, True)), bool(error)),
            GroupLength(0x10, error),
            Element(0x00100010, "PN", b"A^B     "),
            Element(0x00110010, "LO", b"private "),
            GroupLength(0x12, error),
        )

    return [
        Tree("right group lengths", nodes(0), EVERYWHERE),
        Tree("wrong group lengths", nodes(6), EVERYWHERE),
        Tree(
            "group length of another VR",
            (GroupLength(0x10, 2, "US"), Element(0x00100020, "LO", b"ab")),
            EXPLICIT_ONLY,
        ),
        Tree(
            "group lengths of private groups",
            (GroupLength(9), Element(0x00090010, "LO", b"ME"), GroupLength(0x7FE0)),
        ),
        Tree("empty group length", (Element(0x00100000, "UL"), Element(0x00100020, "LO", b"ab"))),
        Tree(
            "group length of padding in items",
            (
                Sequence(
                    0x00400275,
                    (Item((us(0x00280010, 1), GroupLength(0xFFFC), Element(PADDING, "OB", bytes(30)))),),
                ),
            ),
        ),
    ]


def _orders() -> list[Tree]:
    name, patient = Element(0x00100010, "PN", b"A^B "), Element(0x00100020, "LO", b"4711")
    sequence = Sequence(0x00081140, (Item((patient, name)), Item((patient, name), True)))
    return [
        Tree("out of order", (patient, name, sequence, us(0x00280010, 4), uid(0x0020000D, "1.2"))),
        Tree("out of order in items", (sequence,), EVERYWHERE),
        Tree("duplicates", (name, Element(0x00100010, "PN", b"C^D^E   "), patient, name)),
        Tree("duplicates in items", (Sequence(0x00081140, (Item((name, patient, name)),)), patient)),
        Tree(
            "duplicate sequences",
            (Sequence(0x00081140, (Item((name,)),)), Sequence(0x00081140, (Item(), Item()))),
        ),
        Tree("pixel data first", (Element(0x7FE00010, "OW", bytes(8)), us(0x00280010, 2), name)),
        Tree(
            "elements after pixel data",
            (Element(0x7FE00010, "OW", bytes(8)), Element(0x7FE10010, "LO", b"ME")),
        ),
        Tree(
            "creator after its elements",
            (Element(0x00091002, "SH", b"ab"), Element(0x00090010, "LO", b"GEMS_IDEN_01")),
        ),
        Tree(
            "creators, one after the other",
            (
                Element(0x00090011, "LO", b"NOBODY"),
                Element(0x00090012, "LO", b"GEMS_IDEN_01"),
                Element(0x0009121A, "US", b"\1\0"),
                Element(0x0009111A, "US", b"\1\0"),
            ),
        ),
        Tree(
            "creator outside the item",
            (
                Element(0x00090010, "LO", b"GEMS_IDEN_01"),
                Sequence(0x00400275, (Item((Element(0x0009101A, "US", b"\1\0"),)),)),
            ),
        ),
    ]


def _unknowns() -> list[Tree]:
    name = Element(0x00100010, "PN", b"A^B   ")
    items = (Item((name, us(0x00280010, 7))), Item((Sequence(0x00081140, (Item((name,)),), True),), True))
    return [
        *(
            Tree(
                f"VR {vr!r} in {place}",
                (element,) if place == "data set" else (Sequence(0x00400275, (Item((element,), True),)),),
                EXPLICIT_ONLY,
            )
            for vr in ODD_VRS
            for place in ("data set", "item")
            for element in (Element(0x00281052 if vr != "OX" else 0x7FE00010, vr, b"\1\2\3\4"),)
        ),
        *(
            Tree(f"UN of undefined length in {tag:08X}", (Sequence(tag, items, True, "UN"),), EXPLICIT_ONLY)
            for tag in (0x00081140, 0x00091010, 0x0018FFF0)
        ),
        Tree("unknown tag of undefined length", (Sequence(0x0018FFF0, items, True),), IMPLICIT_ONLY),
        Tree(
            "UN of everything",
            tuple(Element(tags[-1], "UN", b"\1\2\3\4\5\6\7 ") for tags in sorted(TAGS.values())),
            EXPLICIT_ONLY,
        ),
        Tree(
            "UN with a sequence in it",
            (Element(0x00081140, "UN", Item((name,)).encode(IMPLICIT)),),
            EXPLICIT_ONLY,
        ),
        Tree(
            "UN of known private elements",
            (Element(0x00090010, "LO", b"GEMS_IDEN_01"), Element(0x0009101A, "UN", b"\1\2")),
            EXPLICIT_ONLY,
        ),
        Tree(
            "a VR other than the dictionary's",
            (Element(0x00100010, "LO", b"a   "), Element(0x00280010, "UL", b"abcd")),
            EXPLICIT_ONLY,
        ),
        Tree("unknown tags", tuple(Element(tag, "LO", b"ab  ") for tag in UNKNOWN_TAGS)),
    ]


def _pixels() -> list[Tree]:
    icon = (us(0x00280010, 2), us(0x00280011, 2), us(0x00280100, 8), Element(0x7FE00010, "OB", b"\1\2\3\4"))
    frame = b"\xff\xd8\xff\xd9"
    return [
        *(
            Tree(
                f"pixel data {vr} of {bits} bits",
                (us(0x00280100, bits), Element(0x7FE00010, vr, bytes(range(16)))),
            )
            for vr in ("OB", "OW")
            for bits in (1, 8, 16)
        ),
        Tree("icon", (Sequence(0x00880200, (Item(icon),)), Element(0x7FE00010, "OW", bytes(range(16))))),
        Tree(
            "native icon beside frames",
            (Sequence(0x00880200, (Item(icon),)), Fragments((b"", frame))),
            COMPRESSED,
        ),
        Tree("encapsulated icon", (Sequence(0x00880200, (Item((Fragments((b"", frame)),)),)),), COMPRESSED),
        Tree("offset table", (Fragments((struct.pack("<II", 0, 12), frame, frame)),), COMPRESSED),
        Tree("no offset table", (Fragments(()),), COMPRESSED),
        Tree("empty fragments", (Fragments((b"", b"", frame, b"")),), COMPRESSED),
        Tree("odd fragments", (Fragments((b"", frame + b"x", b"y", frame)),), COMPRESSED),
        Tree("fragments as OW", (Fragments((b"", frame), vr="OW"),), COMPRESSED),
        Tree(
            "elements behind fragments",
            (Fragments((b"", frame)), Element(PADDING, "OB", bytes(10))),
            COMPRESSED,
        ),
        Tree("no pixel data", (us(0x00280010, 2), Element(0x00100010, "PN", b"A^B   ")), COMPRESSED),
        *(
            Tree(
                f"overlay {group:04X} {vr}",
                (us(group << 16 | 0x10, 4), Element(group << 16 | 0x3000, vr, b"\1\2\3\4")),
            )
            for group in (0x6000, 0x60FE, 0x6001)
            for vr in ("OB", "OW")
        ),
        Tree(
            "curves",
            (us(0x50000103, 1), Element(0x50003000, "OB", b"\1\2\3\4"), Element(0x5002200C, "OB", b"abcd")),
        ),
        Tree(
            "variable pixel data",
            (Element(0x7F000010, "OB", b"\1\2\3\4"), Element(0x7F020010, "OW", b"abcd")),
        ),
    ]


def _ambiguities() -> list[Tree]:
    def descriptors(vr: str) -> tuple[Node, ...]:
        tags = (0x00280106, 0x00280107, 0x00280120, 0x00280121)
        return tuple(Element(tag, vr, b"\0\x80") for tag in tags)

    lut = (Element(0x00283002, "US", bytes(6)), Element(0x00283006, "OW", bytes(range(8))))
    channel = (Element(0x54000110, "OB", b"ab"), Element(0x54000112, "OB", b"cd"))
    return [
        *(
            Tree(
                f"pixel representation {signed}",
                (us(0x00280100, 16), us(PIXEL_REPRESENTATION, signed), *descriptors(vr)),
                EVERYWHERE,
            )
            for signed, vr in ((0, "US"), (1, "SS"))
        ),
        Tree("no pixel representation", descriptors("US")),
        Tree(
            "palette",
            (
                us(PIXEL_REPRESENTATION, 0),
                *(us(tag, 256, 0, 16) for tag in (0x00281101, 0x00281102)),
                Element(0x00281201, "OW", b"abcd"),
            ),
        ),
        Tree(
            "LUT",
            (
                us(PIXEL_REPRESENTATION, 0),
                Sequence(0x00283000, (Item(lut),)),
                Sequence(0x00283010, (Item(lut, True),)),
            ),
        ),
        Tree(
            "LUT data as US",
            (Sequence(0x00283000, (Item((lut[0], us(0x00283006, 1, 2, 3))),)),),
            EXPLICIT_ONLY,
        ),
        *(
            Tree(
                f"waveform of {bits} bits",
                (
                    Sequence(
                        0x54000100,
                        (
                            Item(
                                (
                                    us(0x54001004, bits),
                                    Element(0x5400100A, vr, b"ab"),
                                    Element(0x54001010, vr, b"abcdef"),
                                )
                            ),
                        ),
                    ),
                ),
            )
            for bits, vr in ((8, "OB"), (16, "OW"))
        ),
        Tree(
            "waveform of 8 bits with limits",
            (
                Sequence(
                    0x54000100,
                    (
                        Item(
                            (
                                Sequence(0x003A0200, (Item(channel),)),
                                us(0x54001004, 8),
                                Element(0x54001010, "OB", b"abcdef"),
                            )
                        ),
                    ),
                ),
            ),
        ),
    ]


def _sizes() -> list[Tree]:
    return [
        *(
            Tree(
                f"{vr} of {size} bytes",
                (Element(TAGS[vr][-1], vr, filler * (size // len(filler))), us(0x54001004, 8)),
                syntaxes,
            )
            for vr, filler in (
                ("LT", b"ab"),
                ("US", b"\1\2"),
                ("UI", b"1."),
                ("UT", b"ab"),
                ("DS", b"1\\"),
                ("OB", b"ab"),
            )
            for size, syntaxes in (
                (65534, (wire.EXPLICIT_LITTLE, wire.EXPLICIT_BIG)),
                (65536, IMPLICIT_ONLY),
                (70002, IMPLICIT_ONLY),
            )
        ),
        Tree(
            "spaces that bring it below the limit",
            (Element(0x00104000, "LT", b"ab" + b" " * 70000),),
            IMPLICIT_ONLY,
        ),
        Tree("only spaces", (Element(0x00104000, "LT", b" " * 70000),), IMPLICIT_ONLY),
        Tree(
            "FD of 80000 bytes in an item",
            (Sequence(0x00081140, (Item((Element(0x00081163, "FD", bytes(range(250)) * 320),)),)),),
            IMPLICIT_ONLY,
        ),
    ]
