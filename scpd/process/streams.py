"""Standard output and standard error, which nobody may be reading.

A pipe whose reader has stopped takes what fits into it, and the next write to it never returns: a service would be as
dead as its log collector, deaf even to SIGTERM.  So what is no regular file is asked first (poll(2)), and written to
in pieces that a writable pipe takes whole (PIPE_BUF, pipe(7)).  What cannot be written in a moment is lost; once that
has happened nothing waits, until somebody reads again.
"""

from __future__ import annotations

import os
import select
import stat

_PIECE = select.PIPE_BUF
_PATIENCE_MILLISECONDS = 1000


class Stream:
    """A descriptor to write to; `lost` counts the texts that nobody took since the last one that somebody did."""

    __slots__ = ("_descriptor", "_poll", "lost")

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._poll: select.poll | None = None
        self.lost = 0
        if _may_block(descriptor):
            self._poll = select.poll()
            self._poll.register(descriptor, select.POLLOUT)

    def write(self, data: bytes) -> bool:
        """Write it all, as one write where that cannot block; `False` if it is lost.  Raises nothing."""
        try:
            if self._poll is None:
                os.write(self._descriptor, data)
                return True
            return self._write_in_pieces(self._poll, data)
        except OSError:
            # Closed, or full: that must not end a service, and there is nowhere to say so.
            return False

    def _write_in_pieces(self, poll: select.poll, data: bytes) -> bool:
        for begin in range(0, len(data), _PIECE):
            if not poll.poll(0 if self.lost else _PATIENCE_MILLISECONDS):
                self.lost += 1
                return False
            os.write(self._descriptor, data[begin : begin + _PIECE])
        self.lost = 0
        return True


def _may_block(descriptor: int) -> bool:
    try:
        return not stat.S_ISREG(os.fstat(descriptor).st_mode)
    except OSError:
        return False
