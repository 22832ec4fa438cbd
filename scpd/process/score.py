"""What one worker tells of itself, in memory that others can read: numbers, and who its peer is.

    bytes     64-bit words, the places named below
    0..511    which layout this is, process id, phase, times, bytes, objects by status, why it ended
    512..     a word with the length of the text, then the text: fields between NUL bytes (peer; then the calling and
              the called AE title, and the name of the host where it was looked up)

It has one writer.  To count is to assign an item of a memoryview: some 50 ns, no system call, no lock; what was counted
stays there when its writer is killed.  A reader may see a text half written, and numbers of two moments.

`process.scoreboard` has the memory of all workers of a master.  Without a master it is a worker's own, and nobody
reads it.
"""

from __future__ import annotations

from os import getpid
from time import monotonic_ns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

# A program that finds another number here does not know what the rest means: it was upgraded meanwhile.
LAYOUT = 1

# The words.  Times are of the monotonic clock, in nanoseconds.
(VERSION, PID, PHASE, BEGUN, HEARD, BYTES, WHY) = range(7)
_FIRST_STATUS = 8
# What a C-STORE is answered by (`dimse.status`); behind them is a place for whatever else.
STATUSES = (0x0000, 0x0106, 0x0111, 0x0120, 0x0122, 0xA700, 0xA900, 0xC000)
STORED = _FIRST_STATUS
OTHER = _FIRST_STATUS + len(STATUSES)
OBJECTS = slice(_FIRST_STATUS, OTHER + 1)
PLACES = {code: _FIRST_STATUS + number for number, code in enumerate(STATUSES)}

IDLE, WAITING, ASSOCIATED, STORING, ENDING = range(5)
PHASES = ("standing by", "waiting", "associated", "storing", "ending")

# Why it ended, where the exit code does not say it: one of these, and three fields of a PDU, each in a byte.
REJECTED, ABORTED, DENIED, SILENT = range(1, 5)

SIZE = 1024
TEXT = 512
_WORD = 8
MOST_TEXT = SIZE - TEXT - _WORD


class Score:
    """The memory of one worker, by default its own; `words` are written by whoever has something to count."""

    __slots__ = ("_length", "_text", "words")

    def __init__(self, memory: memoryview | None = None) -> None:
        if memory is None:
            memory = memoryview(bytearray(SIZE))
        self.words = memory[:TEXT].cast("Q")
        self._length = memory[TEXT : TEXT + _WORD].cast("Q")
        self._text = memory[TEXT + _WORD :]

    def begin(self, peer: str) -> None:
        """Begin, with this peer."""
        words = self.words
        words[PID] = getpid()
        words[BEGUN] = words[HEARD] = monotonic_ns()
        words[VERSION] = LAYOUT
        self.tell(peer)
        words[PHASE] = WAITING

    def tell(self, *fields: str) -> None:
        """Say who the peer is; what does not fit is cut off."""
        data = "\0".join(fields).encode("utf-8", "replace")[:MOST_TEXT]
        self._length[0] = 0  # of two texts nobody shall read half of each
        self._text[: len(data)] = data
        self._length[0] = len(data)

    def ended(self, why: int, fields: Sequence[int] = ()) -> None:
        """Say that the association is over, and why, where there is more to say than an exit code can."""
        for field in fields or (0, 0, 0):
            why = why << 8 | field & 0xFF
        self.words[WHY] = why
        self.words[PHASE] = ENDING
