"""Pages that fork(2) copies at once, since each child would come to copy them one by one.

A child shares the memory of its parent until one of both writes to a page: then the kernel interrupts the one who does,
and copies.  CPython writes wherever it works, were it only to count references: a worker copies 500 pages in its life,
and the master 200 after each fork.  To be interrupted takes as long as the copy.  But a page that is pinned, so that a
device may write to it at any time, is never shared in this way: fork copies it, and whoever has pinned it keeps it to
himself.  So these pages are pinned, as buffers of an io_uring(7) that is never asked for anything (`python -m bench
--only associations`: one sixth more of them; io_uring_register(2), mm/memory.c of Linux since 5.10).

Which they are is asked of a child that plays its part once: those that are its own by then (bit 56 of
/proc/PID/pagemap, proc(5)).

Nothing hangs on it: where there is no io_uring, or RLIMIT_MEMLOCK allows less, children copy page by page.
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

from scpd.process import exitcodes, prctl
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
_PATIENCE_SECONDS = 10.0
_READ_BYTES = 1 << 16


class Region:
    """Memory that a child has a copy of when it writes to it: addresses from `start` to `end`."""

    __slots__ = ("end", "is_of_file", "start")

    def __init__(self, start: int, end: int, *, is_of_file: bool) -> None:
        self.start = start
        self.end = end
        self.is_of_file = is_of_file


def pin_what_is_copied(play: Callable[[], None], wakeup: Wakeup, kept: tuple[int, ...]) -> int | None:
    """Pin the pages that a child writes to that plays `play()`; `None` if that cannot be.

    `wakeup` and `kept` are what a child has (`fork.spawn`).  Gives the descriptor by which they are pinned.
    """
    with suppress(OSError):
        regions = list(_regions())
        return _pin(_survey(play, regions, wakeup, kept), regions)
    return None


def _regions() -> Iterator[Region]:
    """Give what this process may write to, and shares with nobody."""
    with open("/proc/self/maps", encoding="utf-8", errors="replace") as lines:
        for line in lines:
            addresses, rights, _, _, inode, *_ = line.split(maxsplit=5)
            if rights == "rw-p":
                start, end = (int(text, 16) for text in addresses.split("-"))
                yield Region(start, end, is_of_file=inode != "0")


def _survey(
    play: Callable[[], None], regions: Iterable[Region], wakeup: Wakeup, kept: tuple[int, ...]
) -> list[int]:
    """Have a child play, and give the addresses of the pages in these regions that are its own then."""
    reader, writer = os.pipe2(os.O_CLOEXEC)

    def life() -> int:
        gc.disable()  # which looks at everything
        page_map = _own_page_map()
        play()
        with suppress(BrokenPipeError), os.fdopen(writer, "wb") as told:  # which nobody reads who was killed
            array("Q", _own_pages(page_map, regions)).tofile(told)
        return exitcodes.OK

    with os.fdopen(reader, "rb", buffering=0) as answer:
        try:
            child = spawn(life, wakeup, (writer, *kept))
        finally:
            os.close(writer)
        try:
            told = b"".join(iter(lambda: _read_in_time(answer.fileno()), b""))
        finally:
            os.kill(child, signal.SIGKILL)  # what it had to say has been said
            os.waitpid(child, 0)
    return array("Q", told).tolist()


def _read_in_time(descriptor: int) -> bytes:
    """Read what there is; nothing at the end, nor when the child takes too long."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return os.read(descriptor, _READ_BYTES) if poll.poll(_PATIENCE_SECONDS * 1000) else b""


def _own_page_map() -> int:
    """Open the page map of this process, which is root's if nobody may look into it."""
    try:
        return os.open("/proc/self/pagemap", os.O_RDONLY | os.O_CLOEXEC)
    except PermissionError:
        prctl.allow_dumps()
        try:
            return os.open("/proc/self/pagemap", os.O_RDONLY | os.O_CLOEXEC)
        finally:
            prctl.forbid_dumps()


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
