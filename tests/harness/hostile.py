"""Data sets for hypothesis: any that a sender may think of, and what may become of them on the way."""

from __future__ import annotations

import random
from typing import NamedTuple

from hypothesis import strategies as st

from tests.harness.corpus import JPEG_BASELINE, identified, random_nodes, us
from tests.harness.recoding import ENCODINGS, SYNTAXES
from tests.harness.trees import (
    PIXEL_DATA,
    Element,
    Fragments,
    GroupLength,
    Item,
    Node,
    Sequence,
    data_set,
    padded,
)

SIGNATURES = 0xFFFAFFFA  # a sequence that comes behind pixel data
NAME = Element(0x00100010, "PN", b"Doe^Jane")
SIGNED, SMALLEST = us(0x00280103, 1), 0x00280106  # US or SS
BEHIND = Element(0x7FE10010, "LO", b"ME")
SOP_CLASS, SOP_INSTANCE = "1.2.840.10008.5.1.4.1.1.2", "1.2.3.4.5"
# What hurts most where it stands by chance: delimiters, items, lengths.
_BARBS = (
    *(
        b"\xff" * 4,
        bytes(4),
        b"\xfe\xff\x0d\xe0",
        b"\xfe\xff\x00\xe0",
        b"\xfe\xff\xdd\xe0",
        b"SQ\0\0",
        b"UN\0\0",
    ),
    *(b"\xfe\xff\x0d\xe0\0\0\0\0", b"\xfe\xff\x00\xe0\xff\xff\xff\xff", b"\xfe\xff\xdd\xe0\0\0\0\0"),
    *(
        b"\xfe\xff\x00\xe0\x08\0\0\0",
        b"\xff\xfe\xe0\x0d\0\0\0\0",
        b"\xff\xfe\xe0\0\xff\xff\xff\xff",
        bytes(12),
    ),
)


class Sent(NamedTuple):
    """The bytes of a data set and their transfer syntax."""

    data: bytes
    transfer_syntax: str


def image_data_set(chance: random.Random, transfer_syntax: str, most_pixels: int) -> bytes:
    """Give a data set with pixel data of so many bytes at most, perhaps with something behind them."""
    nodes = (
        [node for node in random_nodes(chance) if node.group < 0x7FE0]
        if chance.random() < 0.5
        else [NAME, SIGNED]
    )
    lengths = [length for length in (2, 300, 3001, 70_000) if length <= most_pixels]
    pixels = Element(PIXEL_DATA, chance.choice(("OB", "OW")), chance.randbytes(chance.choice(lengths)))
    item = Item((Element(SMALLEST, "US", b"ab"), *random_nodes(chance)))
    behind: list[Node] = [BEHIND, Sequence(SIGNATURES, (item,), chance.random() < 0.5)]
    groups: list[Node] = [GroupLength(0x7FE0, chance.choice((0, 2)))] if chance.random() < 0.3 else []
    return data_set((*nodes, *groups, pixels, *behind[: chance.randrange(3)]), transfer_syntax)


def right_data_set(seed: int, transfer_syntax: str) -> bytes:
    """Give a data set that parses, of any length."""
    chance = random.Random(seed)
    nodes = random_nodes(chance)
    if chance.random() < 0.4:
        nodes += (_pixel_data(chance, transfer_syntax),)
    if chance.random() < 0.7:
        nodes = tuple(identified(nodes, SOP_CLASS, SOP_INSTANCE))
    return data_set(padded(nodes) if chance.random() < 0.5 else nodes, transfer_syntax)


def _pixel_data(chance: random.Random, transfer_syntax: str) -> Element | Fragments:
    values = [chance.randbytes(chance.choice((0, 2, 8, 300))) for _ in range(3)]
    if transfer_syntax == JPEG_BASELINE:
        return Fragments(tuple(values))
    return Element(PIXEL_DATA, chance.choice(("OB", "OW")), values[0])


def mutated(data: bytes, chance: random.Random) -> bytes:
    """Give a data set that is nearly this one: bytes lost, doubled, changed, or delimiters among them."""
    spoilt = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 4))):
        at = chance.randrange(len(spoilt) + 1)
        size = chance.choice((1, 2, 4, 8, 12, 16, 32))
        kind = chance.randrange(7)
        if kind == 0:
            spoilt[at : at + 1] = chance.randbytes(1)
        elif kind == 1:
            del spoilt[at : at + size]
        elif kind == 2:
            begin = chance.randrange(len(spoilt) + 1)
            spoilt[at:at] = spoilt[begin : begin + size]
        elif kind == 3:
            del spoilt[at:]
        elif kind == 4:
            barb = chance.choice(_BARBS)
            spoilt[at : at + len(barb)] = barb
        elif kind == 5:
            spoilt[at:at] = chance.choice(_BARBS)
        else:
            spoilt[at : at + 1] = bytes(
                (each + chance.choice((-8, -2, -1, 1, 2, 8))) & 0xFF for each in spoilt[at : at + 1]
            )
    return bytes(spoilt)


def nearly_right(seed: int) -> Sent:
    """Give a data set that may parse, by a seed."""
    chance = random.Random(seed)
    transfer_syntax = chance.choice(SYNTAXES)
    return Sent(mutated(right_data_set(seed, transfer_syntax), chance), transfer_syntax)


def right() -> st.SearchStrategy[Sent]:
    """Give data sets that parse."""
    return st.builds(
        lambda seed, syntax: Sent(right_data_set(seed, syntax), syntax),
        st.integers(0, 1 << 32),
        st.sampled_from(SYNTAXES),
    )


def spoilt() -> st.SearchStrategy[Sent]:
    """Give data sets that may parse, and some that never do."""
    garbage = st.builds(Sent, st.binary(max_size=300), st.sampled_from(SYNTAXES))
    return st.one_of(st.integers(0, 1 << 32).map(nearly_right), garbage)


def cut(data: bytes, chance: random.Random) -> list[bytes | list[bytes]]:
    """Cut a data set anywhere; some of the pieces come at once."""
    places = sorted(
        chance.choices(range(len(data) + 1), k=chance.choice((1, 3, 30, min(len(data) // 4 + 1, 500))))
    )
    pieces = [data[begin:end] for begin, end in zip([0, *places], [*places, len(data)], strict=True)]
    together: list[bytes | list[bytes]] = []
    while pieces:
        count = chance.choice((1, 1, 2, 5))
        together.append(pieces[:count] if count > 1 else pieces[0])
        del pieces[:count]
    return together


def chances() -> st.SearchStrategy[random.Random]:
    """Give generators by their seed: data sets are too large for each of their numbers to be hypothesis's."""
    return st.integers(0, 1 << 32).map(random.Random)


def encodings() -> st.SearchStrategy[str]:
    """Give names of encodings."""
    return st.sampled_from(list(ENCODINGS))
