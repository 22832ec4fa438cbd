"""A data set that is written anew while it arrives must become what it becomes when all of it is there."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scpd.dataset.forward import original
from scpd.tables.transfer_syntaxes import EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE
from tests.harness.corpus import us
from tests.harness.hostile import NAME, SIGNATURES, SMALLEST, chances, cut, encodings, image_data_set, mutated
from tests.harness.recoding import ENCODINGS, PLAIN_SYNTAXES, forwarded, recoded
from tests.harness.trees import PIXEL_DATA, Element, Item, Sequence, data_set, swapped

EXAMPLES = settings(max_examples=200)


def image(seed: int, syntax: str) -> bytes:
    """Give a data set with pixel data, now and then a spoilt one."""
    chance = random.Random(seed)
    data = image_data_set(chance, syntax, 70_000)
    return mutated(data, chance) if chance.random() < 0.2 else data


def agree(seed: int, syntax: str, name: str, chance: random.Random) -> bool:
    """See that both ways give the same bytes; tell whether there were two ways."""
    data, encoding = image(seed, syntax), ENCODINGS[name]
    before = chance.choice((0, 132, 330))
    anew = forwarded(data, syntax, encoding, cut(data, chance), before)
    if anew is not None:
        assert anew == recoded(data, syntax, encoding, before=before)
    return anew is not None


@given(st.integers(0, 1 << 32), st.sampled_from(PLAIN_SYNTAXES), encodings(), chances())
@EXAMPLES
def test_any_image_becomes_what_it_becomes_at_once(
    seed: int, syntax: str, name: str, chance: random.Random
) -> None:
    agree(seed, syntax, name, chance)


def test_many_images_become_what_they_become_at_once(is_long: bool) -> None:
    there_were = 0
    for seed in range(12_000 if is_long else 400):
        name = list(ENCODINGS)[seed % len(ENCODINGS)]
        syntax = PLAIN_SYNTAXES[seed % len(PLAIN_SYNTAXES)]
        try:
            there_were += agree(seed, syntax, name, random.Random(seed))
        except Exception as error:
            error.add_note(f"agree({seed}, {syntax!r}, {name!r}, random.Random({seed}))")
            raise
    assert there_were > 50


@pytest.mark.parametrize(
    ("source", "option"), [(EXPLICIT_LITTLE, "+tb"), (EXPLICIT_BIG, "+te"), (EXPLICIT_BIG, "+ti")]
)
@pytest.mark.parametrize("sizes", [[1] * 12, [3] * 4, [5, 1, 6], [2, 2, 7, 1], [0, 12, 0], [11, 1]])
def test_words_are_swapped_however_their_bytes_come(source: str, option: str, sizes: list[int]) -> None:
    data = data_set((NAME, Element(PIXEL_DATA, "OW", b"abcdefghijkl")), source)
    begin = len(data) - 12
    places = [begin, *(begin + sum(sizes[:number]) for number in range(1, len(sizes))), len(data)]
    pieces = [data[:begin], *(data[place:end] for place, end in pairwise(places))]
    assert forwarded(data, source, ENCODINGS[option], pieces) == recoded(data, source, ENCODINGS[option])


@pytest.mark.parametrize("signed", [0, 1])
@pytest.mark.parametrize("undefined", [True, False])
def test_what_is_known_of_pixels_is_known_behind_them(signed: int, undefined: bool) -> None:
    number = Element(SMALLEST, "SS" if signed else "US", b"\1\2")
    signatures = Sequence(SIGNATURES, (Item((number,), undefined),), undefined)
    before, pixels = (us(0x00280103, signed), NAME), Element(PIXEL_DATA, "OW", b"abcd")
    data = data_set((*before[::-1], pixels, signatures), IMPLICIT_LITTLE)
    place = data.index(b"abcd")
    anew = forwarded(data, IMPLICIT_LITTLE, ENCODINGS["+te"], [data[:place], data[place:]])
    expected = Sequence(SIGNATURES, (Item((number,)),))
    assert anew == data_set((*before[::-1], pixels, expected), EXPLICIT_LITTLE)


def test_a_creator_counts_behind_the_pixel_data_too() -> None:
    nodes = (
        Element(PIXEL_DATA, "OW", b"abcd"),
        Element(0x7FE10010, "LO", b"GEMS_IDEN_01"),
        Element(0x7FE1101A, "US", b"ab"),
    )
    data = data_set(nodes, IMPLICIT_LITTLE)
    place = data.index(b"abcd")
    anew = forwarded(data, IMPLICIT_LITTLE, ENCODINGS["+te"], [data[:place], data[place:]])
    assert anew == recoded(data, IMPLICIT_LITTLE, ENCODINGS["+te"])


@pytest.mark.parametrize("unit", [1, 2, 4, 8])
def test_what_was_swapped_can_be_had_back(unit: int) -> None:
    vr = {1: "OB", 2: "OW", 4: "OL", 8: "OV"}[unit]
    value = bytes(range(64))
    assert original(swapped(value, vr), unit) == value
