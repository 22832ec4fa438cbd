"""Pages that fork(2) copies at once, since each child would come to copy them one by one.

A child shares the memory of its parent until one of both writes to a page: then the kernel interrupts the one who does,
and copies.  CPython writes wherever it works, were it only to count references: a worker copies 500 pages in its life,
and the master 200 after each fork.  To be interrupted takes as long as the copy.  But a page that is pinned, so that a
device may write to it at any time, is never shared in this way: fork copies it, and whoever has pinned it keeps it to
himself.  So these pages are pinned, as buffers of an io_uring(7) that is never asked for anything (`python -m bench
--only associations`: with this and `master.standbys` 1.1 times storescp's instead of 0.87; io_uring_register(2),
mm/memory.c of Linux since 5.10).

Which they are shows when a child has played its part once, and still lives: what it has a copy of is ours alone again
(bit 56 of /proc/PID/pagemap, proc(5)).

Nothing hangs on it: where there is no io_uring or no page map, or RLIMIT_MEMLOCK allows less, children copy page by
page.
"""

from __future__ import annotations

import ctypes
import gc
import os
import select
import signal
from array import array
from contextlib import suppress
from mmap import PAGESIZE
from struct import pack

from scpd.process import exitcodes
from scpd.process.fork import spawn
from scpd.process.syscalls import ask

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from scpd.process.signals import Wakeup

# linux/io_uring.h
_SETUP, _REGISTER = 425, 427
_REGISTER_BUFFERS = 0
_PARAMETERS_BYTES = 120
_MOST_BUFFERS = 1024  # before Linux 5.13
# An entry of a page map.
_ENTRY_BYTES = 8
_PRESENT, _OWN = 1 << 63, 1 << 56
_PATIENCE_MILLISECONDS = 10_000
_PLAYED = b"!"


class Region:
    """Memory that a child has a copy of when it writes to it: addresses from `start` to `end`."""

    __slots__ = ("end", "is_of_file", "start")

    def __init__(self, start: int, end: int, *, is_of_file: bool) -> None:
        self.start = start
        self.end = end
        self.is_of_file = is_of_file


def open_page_map() -> int | None:
    """Open the page map of this process while it may, which is not for long; `None` if it may not."""
    with suppress(OSError):
        return os.open("/proc/self/pagemap", os.O_RDONLY | os.O_CLOEXEC)
    return None


def pin_what_is_copied(
    page_map: int, play: Callable[[], None], wakeup: Wakeup, kept: tuple[int, ...]
) -> int | None:
    """Pin the pages that a child writes to that plays `play()`; `None` if that cannot be.

    Nobody else may share our memory: what three have is nobody's alone when one copies.  `wakeup` and `kept` are what a
    child has (`fork.spawn`).  Gives the descriptor by which they are pinned.
    """
    with suppress(OSError):
        regions = list(_regions())
        return _pin(_survey(page_map, play, regions, wakeup, kept), regions)
    return None


def _regions() -> Iterator[Region]:
    """Give what this process may write to, and shares with nobody.

    Not where there are huge pages: of such a page all would be pinned, and copied.
    """
    with open("/proc/self/smaps", encoding="utf-8", errors="replace") as file:
        lines = [line.split() for line in file]
    addresses, rights, inode = "", "", ""
    for name, *fields in lines:
        if not name.endswith(":"):  # a new region; what follows are its properties
            addresses, rights, _, _, inode, *_ = name, *fields
        elif name == "AnonHugePages:" and fields[0] == "0" and rights == "rw-p":
            start, end = (int(text, 16) for text in addresses.split("-"))
            yield Region(start, end, is_of_file=inode != "0")


def _survey(
    page_map: int,
    play: Callable[[], None],
    regions: Iterable[Region],
    wakeup: Wakeup,
    kept: tuple[int, ...],
) -> list[int]:
    """Have a child play, and give the addresses of the pages in these regions that it has a copy of."""
    reader, writer = os.pipe2(os.O_CLOEXEC)

    def life() -> int:
        gc.disable()  # which looks at everything
        play()
        with suppress(BrokenPipeError):  # whoever asked was killed
            os.write(writer, _PLAYED)
            _await(writer, 0)  # until nobody asks any more
        return exitcodes.OK

    try:
        try:
            child = spawn(life, wakeup, (writer, *kept))
        finally:
            os.close(writer)
        try:
            has_played = _await(reader, select.POLLIN) and os.read(reader, len(_PLAYED))
            return list(_own_pages(page_map, regions)) if has_played else []
        finally:
            os.kill(child, signal.SIGKILL)  # it has done what it was for
            os.waitpid(child, 0)
    finally:
        os.close(reader)


def _await(descriptor: int, event: int) -> bool:
    """Wait for an event, or until the other end is closed, but not for ever."""
    poll = select.poll()
    poll.register(descriptor, event)
    return bool(poll.poll(_PATIENCE_MILLISECONDS))


def _own_pages(page_map: int, regions: Iterable[Region]) -> Iterator[int]:
    for region in regions:
        size = (region.end - region.start) // PAGESIZE * _ENTRY_BYTES
        entries = array("Q", os.pread(page_map, size, region.start // PAGESIZE * _ENTRY_BYTES))
        for number, entry in enumerate(entries):
            if entry & _PRESENT and entry & _OWN:
                yield region.start + number * PAGESIZE


def _pin(addresses: list[int], regions: Iterable[Region]) -> int | None:
    """Pin the pages at these addresses; `None` if none can be."""
    ring = ask(_SETUP, 1, ctypes.create_string_buffer(_PARAMETERS_BYTES))
    # Before Linux 6.5 nothing may be a buffer that was a file.
    files = [region for region in regions if region.is_of_file]
    of_no_file = [page for page in addresses if not any(file.start <= page < file.end for file in files)]
    for pages in (addresses, of_no_file):
        with suppress(OSError):
            buffers = [pack("PN", start, end - start) for start, end in _runs(pages)][:_MOST_BUFFERS]
            ask(_REGISTER, ring, _REGISTER_BUFFERS, b"".join(buffers), len(buffers))
            return ring
    os.close(ring)
    return None


def _runs(addresses: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Put pages that follow each other together: where they start, and where they end."""
    start = end = 0
    for address in addresses:
        if address != end:
            if end:
                yield start, end
            start = address
        end = address + PAGESIZE
    if end:
        yield start, end
