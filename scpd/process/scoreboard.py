"""Who does what, and has done: memory that a master shares with its workers, a slot (`process.score`) for each.

A file in memory (memfd_create(2)) of fixed size, mapped once: a fork copies none of it, a worker touches the one page
that its slot is on, and what a worker wrote is there after it was killed.  The master alone says who has which slot.
A master that executes a new program in its own place leaves the file to that by its descriptor (close-on-exec until
then: nobody else is to inherit it) and the numbers of the slots that are taken.  Where no such file can be, since a
file may not be so large (RLIMIT_FSIZE), the memory has no descriptor, and is left to nobody.

A worker that does not find a free slot goes without: more than that serve at a time on no machine.
"""

from __future__ import annotations

import os
from mmap import mmap

from scpd.errors import StartError
from scpd.process import score
from scpd.process.score import LAYOUT, SIZE, TEXT, Score

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

MOST = 4096
NOWHERE = -1
_WORDS = TEXT // 8
_BLANK = bytes(SIZE)


class Reading:
    """What one slot said at a moment; all is zero if there was nothing to read."""

    __slots__ = ("_text", "_words")

    def __init__(self, memory: bytes | memoryview = _BLANK) -> None:
        view = memoryview(memory)
        words = view[:TEXT].cast("Q").tolist()
        is_known = words[score.VERSION] == LAYOUT
        self._words = words if is_known else [0] * _WORDS
        self._text = bytes(view[TEXT:]) if is_known else b""

    @property
    def pid(self) -> int:
        """Give the process id, 0 if nobody has begun."""
        return self._words[score.PID]

    @property
    def phase(self) -> int:
        """Give how far it is: a constant of `process.score`, or what nobody here can have written."""
        return self._words[score.PHASE]

    @property
    def begun(self) -> float:
        """Give since when (monotonic seconds) it has its connection."""
        return self._words[score.BEGUN] / 1e9

    @property
    def heard(self) -> float:
        """Give when (monotonic seconds) the peer was last found to send, or to pause."""
        return self._words[score.HEARD] / 1e9

    @property
    def bytes(self) -> int:
        """Give how many bytes of data sets have come."""
        return self._words[score.BYTES]

    @property
    def objects(self) -> dict[str, int]:
        """Give how many objects had which status, in hexadecimal digits, or "other"; only those that there were."""
        names = (*(f"{code:04X}" for code in score.STATUSES), "other")
        return {name: count for name, count in zip(names, self._words[score.OBJECTS], strict=True) if count}

    @property
    def stored(self) -> int:
        """Give how many objects were stored."""
        return self._words[score.STORED]

    @property
    def why(self) -> tuple[int, int, int, int]:
        """Give why it ended, a constant of `process.score` or 0, and the three fields of the PDU."""
        word = self._words[score.WHY]
        return word >> 24, word >> 16 & 0xFF, word >> 8 & 0xFF, word & 0xFF

    @property
    def peer(self) -> tuple[str, str, str, str]:
        """Give peer, calling and called AE title, and name of the host; empty is what nobody knows (yet)."""
        length = int.from_bytes(self._text[:8], "little") if self._text else 0
        fields = self._text[8 : 8 + min(length, score.MOST_TEXT)].decode("utf-8", "replace").split("\0")
        peer, calling, called, name = (*fields, "", "", "", "")[:4]
        return peer, calling, called, name


class Copy:
    """The scoreboard of a moment."""

    __slots__ = ("_memory",)

    def __init__(self, memory: bytes) -> None:
        self._memory = memory

    def read(self, slot: int) -> Reading:
        """Give what a slot said; nothing if there was none."""
        begin = slot * SIZE
        if slot < 0 or begin >= len(self._memory):
            return Reading()
        return Reading(memoryview(self._memory)[begin : begin + SIZE])


class Scoreboard:
    """The slots; `descriptor` is that of an earlier program, whose workers have those that are `taken`.

    Raises `StartError` where there can be none.
    """

    __slots__ = ("_end", "_file", "_free", "_memory")

    def __init__(self, descriptor: int | None = None, taken: Iterable[int] = ()) -> None:
        self._file = _new_file() if descriptor is None else descriptor
        try:
            if self._file != NOWHERE:
                os.set_inheritable(self._file, False)
            self._memory = memoryview(mmap(self._file, MOST * SIZE))
        except (OSError, ValueError) as error:  # ValueError: a file that is too short
            raise StartError(f"cannot share memory with the workers: {error}") from None
        kept = {slot for slot in taken if 0 <= slot < MOST}
        self._end = max(kept, default=NOWHERE) + 1  # no slot from there on was ever taken
        self._free = [slot for slot in range(self._end) if slot not in kept]

    def fileno(self) -> int:
        """Give the descriptor of the file, for the program that comes after us; -1 if there is none."""
        return self._file

    def take(self) -> int:
        """Give a free slot, the one that was given back last; `NOWHERE` if there is none."""
        if self._free:
            return self._free.pop()
        if self._end >= MOST:
            return NOWHERE
        self._end += 1
        return self._end - 1

    def score(self, slot: int) -> Score:
        """Give what the worker writes that has this slot."""
        return Score() if slot == NOWHERE else Score(self._part(slot))

    def take_back(self, slot: int) -> Reading:
        """Give what a worker wrote that has ended, and free its slot."""
        if slot == NOWHERE:
            return Reading()
        part = self._part(slot)
        reading = Reading(part)
        part[:] = _BLANK
        self._free.append(slot)
        return reading

    def copy(self) -> Copy:
        """Give all that is in it now, in one piece."""
        return Copy(bytes(self._memory[: self._end * SIZE]))

    def close(self) -> None:
        """Let it go."""
        if self._file != NOWHERE:
            os.close(self._file)

    def _part(self, slot: int) -> memoryview:
        return self._memory[slot * SIZE : slot * SIZE + SIZE]


def _new_file() -> int:
    """Make the file; `NOWHERE` if there can be none."""
    try:
        file = os.memfd_create("scpd-scoreboard")
    except OSError:
        return NOWHERE
    try:
        os.ftruncate(file, MOST * SIZE)
    except OSError:
        os.close(file)
        return NOWHERE
    return file
