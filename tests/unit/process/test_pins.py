"""Pages that are pinned: fork copies them at once, and no others.  What a child has of its own the kernel says."""

from __future__ import annotations

import ctypes
import gc
import os
from array import array
from mmap import MAP_ANONYMOUS, MAP_PRIVATE, PAGESIZE, mmap
from resource import RLIMIT_MEMLOCK, getrlimit, setrlimit
from typing import TYPE_CHECKING

import pytest

from scpd.process import pins, prctl
from scpd.process.signals import Wakeup
from tests.harness.forked import in_child
from tests.harness.pages import require_io_uring
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

PAGES = 32
WRITTEN = {3, 4, 11}
NOBODY = 65534


class Memory:
    """Pages in a row, all of which this process has."""

    def __init__(self) -> None:
        self._memory = mmap(-1, PAGES * PAGESIZE, MAP_PRIVATE | MAP_ANONYMOUS)
        for page in range(PAGES):
            self.write(page)
        self.start = ctypes.addressof(ctypes.c_char.from_buffer(self._memory))

    def write(self, page: int) -> None:
        self._memory[page * PAGESIZE] = 1

    def region(self) -> pins.Region:
        return pins.Region(self.start, self.start + PAGES * PAGESIZE, is_of_file=False)

    def own_pages(self, found: int) -> set[int]:
        """Number the pages that the process of this page map shares with nobody."""
        return {(each - self.start) // PAGESIZE for each in pins._own_pages(found, [self.region()])}


def page_map() -> int:
    found = pins.open_page_map()
    assert found is not None
    return found


def own_while_a_child_lives(memory: Memory, found: int) -> list[int]:
    """Number the pages that this process shares with nobody, not even with a child that has done nothing."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.close(writer)
        os.read(reader, 1)
        os._exit(0)
    own = sorted(memory.own_pages(found))
    os.close(writer)
    os.waitpid(child, 0)
    return own


def seen(work: Callable[[Memory, Wakeup], object]) -> object:
    """Do it in a process of its own, which keeps what it pins until it has gone."""

    def life() -> object:
        gc.disable()
        return work(Memory(), Wakeup())

    return in_child(life)


def pinned(memory: Memory, wakeup: Wakeup) -> int | None:
    def play() -> None:
        for page in WRITTEN:
            memory.write(page)

    return pins.pin_what_is_copied(page_map(), play, wakeup, ())


def copied_at_once(memory: Memory) -> list[int]:
    """Give the pages that a child has of its own before it has done anything."""
    return in_child(lambda: sorted(memory.own_pages(page_map())))


def test_a_child_shares_all_pages_until_it_writes() -> None:
    assert seen(lambda memory, _: copied_at_once(memory)) == []  # so that the next ones can fail


def test_what_a_child_will_write_to_is_copied_at_once_and_nothing_else() -> None:
    require_io_uring()

    def work(memory: Memory, wakeup: Wakeup) -> object:
        assert pinned(memory, wakeup) is not None
        return copied_at_once(memory)

    assert seen(work) == sorted(WRITTEN)


def test_whoever_has_pinned_a_page_keeps_it() -> None:
    """The other half of the gain: the master writes to it without a copy while a child lives."""
    require_io_uring()

    def work(memory: Memory, wakeup: Wakeup) -> object:
        assert pinned(memory, wakeup) is not None
        return own_while_a_child_lives(memory, page_map())

    assert seen(work) == sorted(WRITTEN)


def test_without_the_descriptor_they_are_shared_again() -> None:
    require_io_uring()

    def work(memory: Memory, wakeup: Wakeup) -> object:
        ring = pinned(memory, wakeup)
        assert ring is not None
        os.close(ring)  # which the kernel takes down after a while
        wait_until(lambda: copied_at_once(memory) == [], what="pages that are shared again")
        return "shared"

    assert seen(work) == "shared"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be without rights")
def test_a_process_that_nobody_may_look_into_looks_by_what_it_has_opened_before() -> None:
    require_io_uring()

    def work(memory: Memory, wakeup: Wakeup) -> object:
        found = page_map()
        os.setresuid(NOBODY, NOBODY, NOBODY)
        prctl.forbid_dumps()
        assert pins.open_page_map() is None
        assert pins.pin_what_is_copied(found, lambda: memory.write(5), wakeup, ()) is not None
        return own_while_a_child_lives(memory, found)

    assert seen(work) == [5]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be without rights")
def test_where_little_may_be_locked_nothing_is_pinned_and_nothing_left_open() -> None:
    def work(memory: Memory, wakeup: Wakeup) -> object:
        setrlimit(RLIMIT_MEMLOCK, (PAGESIZE, getrlimit(RLIMIT_MEMLOCK)[1]))
        found = page_map()
        os.setresuid(NOBODY, NOBODY, NOBODY)
        before = len(os.listdir("/dev/fd"))
        ring = pins.pin_what_is_copied(found, lambda: memory.write(5), wakeup, ())
        return ring, len(os.listdir("/dev/fd")) - before

    assert seen(work) == [None, 0]


def test_a_play_that_fails_pins_nothing() -> None:
    def work(memory: Memory, wakeup: Wakeup) -> object:
        def play() -> None:
            memory.write(1)
            raise LookupError

        return pins.pin_what_is_copied(page_map(), play, wakeup, ()), copied_at_once(memory)

    assert seen(work) == [None, []]


def test_a_play_without_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pins, "_PATIENCE_MILLISECONDS", 100)

    def work(_: Memory, wakeup: Wakeup) -> object:
        reader, _writer = os.pipe()
        found = pins.pin_what_is_copied(
            page_map(), lambda: void(os.read(reader, 1)), wakeup, (reader, _writer)
        )
        with pytest.raises(ChildProcessError):
            os.waitpid(-1, os.WNOHANG)
        return found

    assert seen(work) is None


def void(_: object) -> None:
    """Forget it."""


def test_pages_in_a_row_are_one_buffer() -> None:
    pages = [PAGESIZE * number for number in (1, 2, 3, 7, 9, 10)]
    assert list(pins._runs(pages)) == [
        (PAGESIZE, 4 * PAGESIZE),
        (7 * PAGESIZE, 8 * PAGESIZE),
        (9 * PAGESIZE, 11 * PAGESIZE),
    ]
    assert list(pins._runs([])) == []


def test_what_is_shared_with_others_or_only_read_is_no_region() -> None:
    memory = Memory()
    shared = mmap(-1, PAGESIZE)
    there = ctypes.addressof(ctypes.c_char.from_buffer(shared))
    regions = list(pins._regions())
    assert any(each.start <= memory.start < each.end and not each.is_of_file for each in regions)
    assert not any(each.start <= there < each.end for each in regions)
    assert any(each.is_of_file for each in regions)  # what the libraries write to


def test_a_page_map_is_read_as_the_kernel_writes_it() -> None:
    assert array("Q").itemsize == pins._ENTRY_BYTES
