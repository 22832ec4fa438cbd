"""A file of lines (`lockdir.records`) to which one process appends.

A line that a full disk has torn ends before the next one, as no line: that one is whole if there is room again.
"""

from __future__ import annotations

import errno
import os

# Written with the next line, since a full disk takes no byte more.  The tab is for a line that lacks but its newline.
_END_OF_TORN_LINE = b"\t\n"


class Appending:
    """An open file, which whoever opened it closes."""

    __slots__ = ("_is_torn", "descriptor")

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._is_torn = False

    def write(self, line: bytes) -> None:
        """Append a line; raises `OSError`."""
        if self._is_torn:
            line = _END_OF_TORN_LINE + line
        self._is_torn = os.write(self.descriptor, line) < len(line)
        if self._is_torn:
            raise OSError(errno.ENOSPC, "no room for a line")
