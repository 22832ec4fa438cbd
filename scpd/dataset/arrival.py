"""Bytes as they arrive, for somebody who walks through them: waits for more, goes past what need not be seen.

Knows nothing of what the bytes mean.  Keeps those that are wanted together with bytes still to come, and no others.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from scpd.dataset.elements import Data

    # Yields when more bytes are wanted: those from a place on, up to another.
    Wanted = tuple[int, int]
    Steps = Generator[Wanted, None, None]
    Asking = Generator[Wanted, None, bool]

BEYOND = 1 << 62  # behind all data


class Arrival:
    """Bytes on their way to a walker, which is a class of its own: `_go_on` is called when what it wants is there.

    `data` are the bytes at hand, which begin at `base` of all; `position` is the walker's place in them and may lie
    behind them; `arrived` counts all that came.
    """

    __slots__ = ("_held", "_wanted", "arrived", "base", "data", "is_ended", "position")

    def __init__(self) -> None:
        self.data: Data = b""
        self.base = self.position = self.arrived = 0
        self.is_ended = False
        self._held: list[bytes] = []
        self._wanted = 0, 0

    def start(self, position: int, wanted: int, arrived: int) -> None:
        """Let the walker begin at a position, with so many bytes; `arrived` have come before those that are fed."""
        self.position, self.arrived = position, arrived
        self._wanted = position, position + wanted

    def feed(self, pieces: Sequence[Data], size: int) -> None:
        """Take the next `size` bytes, in pieces that are not kept."""
        if self.arrived + size <= self._wanted[0]:
            self.arrived += size
            return
        for piece in pieces:
            self._take(piece)

    def end(self) -> None:
        """Let the walker go on with what there is: no more will come."""
        self.is_ended = True
        self._resume(b"".join(self._held), self._wanted[0])

    def at(self) -> int:
        """Give the walker's place in all."""
        return self.base + self.position

    def need(self, count: int) -> Asking:
        """Wait for so many bytes; `False` if there are not so many."""
        while len(self.data) - self.position < count:
            if self.is_ended:
                return False
            yield self.at(), self.at() + count
        return True

    def _go_on(self) -> Wanted:
        raise NotImplementedError

    def _take(self, piece: Data) -> None:
        begin, end = self.arrived, self.arrived + len(piece)
        self.arrived = end
        wanted_from, wanted_to = self._wanted
        if end < wanted_to:
            if end > wanted_from:
                self._held.append(bytes(piece[max(wanted_from - begin, 0) :]))
            return
        if self._held:
            piece = b"".join((*self._held, piece))
            begin = wanted_from
            self._held.clear()
        self._resume(piece, begin)

    def _resume(self, data: Data, base: int) -> None:
        """Let the walker go on with bytes that begin at `base`, and keep those that it will want: they may be gone."""
        self.position += self.base - base
        self.data, self.base = data, base
        self._wanted = self._go_on()
        kept = max(self._wanted[0] - base, 0)
        if kept < len(data):
            self._held.append(bytes(data[kept:]))
        self.data = b""
