"""What one sender, or the disk, is allowed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from scpd.errors import Abort, Refused, Reject
from scpd.worker.bounds import Bounds

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    Piece = tuple[list[memoryview], int, bool]

MORE_THAN_ANY_DISK = 1 << 62


class Clock:
    """A clock that goes on when a data set is waited for."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def pieces(*sizes: int, clock: Clock | None = None, seconds: float = 0.0) -> Iterator[Piece]:
    """Give a data set in pieces of these sizes, each of which takes so long."""
    for number, size in enumerate(sizes, 1):
        if clock is not None:
            clock.now += seconds
        yield [memoryview(bytes(size // 2)), memoryview(bytes(size - size // 2))], 1, number == len(sizes)


def sizes(data: Iterator[Piece]) -> list[int]:
    return [sum(map(len, each)) for each, _, _ in data]


def test_within_the_bounds_all_is_given_as_it_is(tmp_path: Path) -> None:
    bounds = Bounds(least_free=1, most_bytes=60, least_rate=1)
    given = [*bounds.during(pieces(10, 20, 30), str(tmp_path))]
    assert [(fragments, is_last) for _, fragments, is_last in given] == [(1, False), (1, False), (1, True)]
    assert sizes(iter(given)) == [10, 20, 30]


def test_one_byte_too_many_is_refused_and_the_rest_can_be_read() -> None:
    data = Bounds(most_bytes=29).during(pieces(10, 20, 30, 40), None)
    assert sum(map(len, next(data)[0])) == 10
    with pytest.raises(Refused, match="longer than 29 bytes") as refused:
        next(data)
    assert refused.value.status == 0xA700
    assert sizes(data) == [30, 40]


def test_an_object_is_refused_while_there_is_too_little_room(tmp_path: Path) -> None:
    data = Bounds(least_free=MORE_THAN_ANY_DISK).during(pieces(10, 20), str(tmp_path))
    with pytest.raises(Refused) as refused:
        next(data)
    assert refused.value.status == 0xA700
    assert str(tmp_path) not in refused.value.comment
    assert str(tmp_path) in refused.value.detail
    assert sizes(data) == [20]


def test_room_is_looked_for_on_the_way_too(tmp_path: Path) -> None:
    bounds, looks = Bounds(least_free=1), []

    class Looking(Bounds):
        def want_of_room(self, path: str | None) -> str:
            looks.append(path)
            return "" if len(looks) < 3 else "no room"

    bounds = Looking(least_free=1)
    data = bounds.during(pieces(*[4 << 20] * 10), str(tmp_path))
    with pytest.raises(Refused):
        sizes(data)
    assert len(looks) == 3  # at 4, 12 and 20 MiB


def test_an_association_is_rejected_for_now(tmp_path: Path) -> None:
    with pytest.raises(Reject) as rejected:
        Bounds(least_free=MORE_THAN_ANY_DISK).check_association(str(tmp_path))
    assert (rejected.value.result, rejected.value.source, rejected.value.reason) == (2, 3, 2)
    Bounds(least_free=1).check_association(str(tmp_path))


def test_where_nothing_is_stored_or_seen_room_is_no_matter(tmp_path: Path) -> None:
    bounds = Bounds(least_free=MORE_THAN_ANY_DISK)
    bounds.check_association(None)
    bounds.check_association(str(tmp_path / "missing"))
    assert sizes(bounds.during(pieces(10), None)) == [10]


def test_a_sender_that_drips_is_aborted_when_ten_seconds_are_over() -> None:
    clock = Clock()
    data = Bounds(least_rate=100).during(pieces(*[50] * 20, clock=clock, seconds=1.0), None, clock=clock)
    begin = clock.now
    with pytest.raises(Abort, match="50 bytes/s are less than --min-rate 100"):
        sizes(data)
    assert clock.now - begin == 10.0


def test_a_sender_that_is_just_fast_enough_goes_on() -> None:
    clock = Clock()
    data = Bounds(least_rate=100).during(pieces(*[100] * 50, clock=clock, seconds=1.0), None, clock=clock)
    assert len(sizes(data)) == 50


def test_who_began_fast_must_not_drip_later() -> None:
    clock = Clock()
    data = Bounds(least_rate=100).during(
        pieces(100_000, *[1] * 50, clock=clock, seconds=1.0), None, clock=clock
    )
    with pytest.raises(Abort):
        sizes(data)


def test_what_storing_takes_is_not_the_senders_time() -> None:
    clock = Clock()
    data = Bounds(least_rate=100).during(pieces(*[100] * 50, clock=clock, seconds=0.5), None, clock=clock)
    for _ in data:
        clock.now += 60  # a slow disk


def test_the_clock_is_not_asked_for_who_has_no_least_rate() -> None:
    assert os.path.exists("/")  # whatever the clock says
    data = Bounds(most_bytes=1 << 30).during(pieces(1, 1), None, clock=lambda: 0.0)
    assert sizes(data) == [1, 1]
