"""Levels know their order and who reserved which block; the rest is seen where they are used."""

from __future__ import annotations

import pytest

from scpd.dataset.elements import EXPLICIT, IMPLICIT
from scpd.dataset.levels import END_OF_TAGS, LONGEST_CREATOR, Level, is_creator
from scpd.dataset.representations import OB, OW, REPRESENTATIONS, UL, UN, US
from tests.harness.recoding import DICTIONARY

GEMS, SIEMENS = b"GEMS_IDEN_01", b"SIEMENS MEDCOM HEADER "


def level() -> Level:
    return Level(IMPLICIT, 0, None, {}, {})


@pytest.mark.parametrize(
    ("tags", "in_order"),
    [
        ([0x00080005, 0x00080016, 0x00100010], [True, True, True]),
        ([0x00080016, 0x00080005, 0x00080018], [True, False, True]),
        ([0x00080005, 0x00080005], [True, False]),
        ([0x00040010, 0x00060010, 0x00080005], [True, True, True]),
        ([0x00060010, 0x00040010, 0x00060010, 0x00080005], [True, False, False, True]),
        ([0x00080005, 0x00060010, 0x00080006], [True, False, True]),
        ([0x00000000, 0x00000000], [True, False]),
        ([0xFFFFFFFF, 0xFFFFFFFE], [True, False]),
    ],
)
def test_elements_follow_in_order_of_their_tags(tags: list[int], in_order: list[bool]) -> None:
    one = level()
    assert [one.follows(tag) for tag in tags] == in_order


@pytest.mark.parametrize(
    ("tag", "reserves"),
    [
        *((tag, True) for tag in (0x00090010, 0x000900FF, 0x7FE10042, 0x00010010)),
        *((tag, False) for tag in (0x0009000F, 0x00090100, 0x00091001, 0x00080010, 0x00090000, 0x7FE00010)),
    ],
)
def test_creators_are_the_elements_10_to_ff_of_odd_groups(tag: int, reserves: bool) -> None:
    assert is_creator(tag) == reserves


def test_a_creator_counts_for_its_group_and_block() -> None:
    one = level()
    one.reserve(0x00090010, GEMS, in_order=True)
    assert one.name(0x0009101A, DICTIONARY) == "US"
    assert one.name(0x0009111A, DICTIONARY) == "UN"
    assert one.name(0x0011101A, DICTIONARY) == "UN"
    assert level().name(0x0009101A, DICTIONARY) == "UN"


def test_a_later_creator_in_order_takes_the_block() -> None:
    one = level()
    one.reserve(0x00290010, b"SOMEBODY", in_order=True)
    one.reserve(0x00290010, SIEMENS, in_order=True)
    assert one.name(0x00291008, DICTIONARY) == "CS"


def test_a_creator_out_of_order_counts_from_the_second_time_on() -> None:
    one = level()
    one.reserve(0x00090010, GEMS, in_order=False)
    assert one.name(0x0009101A, DICTIONARY) == "UN"
    one.reserve(0x00090010, b"SOMEBODY", in_order=False)
    assert one.name(0x0009101A, DICTIONARY) == "US"


def test_a_creator_out_of_order_takes_no_block_from_one_in_order() -> None:
    one = level()
    one.reserve(0x00090010, GEMS, in_order=True)
    one.reserve(0x00090010, SIEMENS, in_order=False)
    one.reserve(0x00090010, SIEMENS, in_order=False)
    assert one.name(0x0009101A, DICTIONARY) == "US"


def test_creators_without_end_are_not_all_remembered() -> None:
    one = level()
    for number in range(100_000):
        tag = (0x0009 + 2 * (number // 0xF0)) << 16 | 0x10 + number % 0xF0
        one.reserve(tag, b"A" * LONGEST_CREATOR, in_order=bool(number % 3))
    assert len(one.creators) + len(one.late_creators) < 5000


@pytest.mark.parametrize(
    ("tag", "like"),
    [
        (0x00080018, REPRESENTATIONS[b"UI"]),
        (0x00280106, US),
        (0x7FE00010, OW),
        (0x54001010, OB),
        (0x00283006, OW),
        (0x00041200, UL),
        (0x00080000, UL),
        (0x0018FFF0, UN),
        (0x00091001, UN),
        (0xFFFEE000, UN),
    ],
)
def test_an_element_is_like_what_the_dictionary_says(tag: int, like: object) -> None:
    assert level().representation(tag, DICTIONARY) is like


def test_a_group_ends_where_its_length_says_or_wrongly() -> None:
    one = level()
    assert not one.ends_group_wrongly(0x10, 100)
    one.begin_group(0x08, 120)
    assert one.upper == 0x00090000
    assert not one.ends_group_wrongly(0x08, 110)
    assert not one.ends_group_wrongly(0x10, 120)
    assert one.upper == END_OF_TAGS
    assert not one.ends_group_wrongly(0x12, 130)
    one.begin_group(0x12, 130)
    assert one.ends_group_wrongly(-1, 132)


def test_a_limit_holds_through_group_lengths() -> None:
    one = Level(EXPLICIT, 0, None, {}, {})
    one.limit = one.upper = 0x7FE00010
    one.begin_group(0x7FE0, 120)
    assert one.upper == 0x7FE00010
    one.ends_group_wrongly(0x7FE1, 120)
    assert one.upper == 0x7FE00010
