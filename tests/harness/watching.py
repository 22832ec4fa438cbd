"""What a program that watches a directory is told (inotify(7)), by ctypes: inotifywait need not be installed."""

from __future__ import annotations

import ctypes
import os
import struct
import time
from typing import TYPE_CHECKING, Self

from tests.harness.waiting import PATIENCE_SECONDS, is_readable

if TYPE_CHECKING:
    from pathlib import Path

IN_CLOSE_WRITE, IN_MOVED_TO, IN_CREATE = 0x08, 0x80, 0x100
EVENTS = {IN_CLOSE_WRITE: "CLOSE_WRITE", IN_MOVED_TO: "MOVED_TO", IN_CREATE: "CREATE"}
HEADER = struct.Struct("iIII")


class Watcher:
    """Watches a directory from here to the end of the block; hidden names apart."""

    def __init__(self, directory: Path) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        mask = ctypes.c_uint32(IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE)
        if self._descriptor < 0 or libc.inotify_add_watch(self._descriptor, bytes(directory), mask) < 0:
            raise OSError(ctypes.get_errno(), "inotify")
        self._events: list[tuple[str, str]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)

    def wait_for(self, count: int, timeout: float = PATIENCE_SECONDS) -> list[tuple[str, str]]:
        """Give the events so far, (kind, name), once there are so many."""
        deadline = time.monotonic() + timeout
        while len(self._events) < count:
            left = deadline - time.monotonic()
            if left <= 0 or not is_readable(self._descriptor, left):
                raise AssertionError(f"{count} events awaited, {self._events} came")
            self._take(os.read(self._descriptor, 65536))
        return self._events

    def _take(self, data: bytes) -> None:
        position = 0
        while position < len(data):
            _, mask, _, length = HEADER.unpack_from(data, position)
            position += HEADER.size
            name = data[position : position + length].rstrip(b"\0").decode()
            position += length
            if not name.startswith("."):
                self._events.append((EVENTS[mask & 0xFFF], name))
