"""Bytes on their way out: gathered and written in batches; lengths that are known later are filled in then.

A `Target` is where they go: a file, or memory.  What it raises passes through.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Protocol

    from scpd.dataset.elements import Data

    class Target(Protocol):
        """What takes the bytes, the first of them as its own first."""

        def write(self, pieces: Sequence[Data]) -> None:
            """Append these."""

        def patch(self, offset: int, data: bytes) -> None:
            """Overwrite what was written."""

        def restart(self) -> None:
            """Forget all."""


_BATCH_BYTES = 1 << 18
_BATCH_PIECES = 1000


class Field:
    """Bytes that were written without knowing what they will be."""

    __slots__ = ("content", "position")

    def __init__(self, content: bytearray, position: int) -> None:
        self.content = content
        self.position = position


class Writer:
    """The way to one target."""

    __slots__ = ("_copied", "_from", "_pieces", "_size", "_target", "_to", "_written")

    def __init__(self, target: Target) -> None:
        self._target = target
        self._pieces: list[Data] = []
        self._written = 0  # bytes that the target has
        self._size = 0  # with the gathered ones
        self._copied: Data = b""
        self._from = self._to = 0  # the stretch of `_copied` that comes next

    def position(self) -> int:
        """Give the number of bytes so far."""
        return self._size + self._to - self._from

    def gathered(self) -> bytes | None:
        """Give all that there is so far; `None` if the target has some of it."""
        self._end_copy()
        return None if self._written else b"".join(self._pieces)

    def add(self, data: Data) -> None:
        """Append bytes; they must not change before `flush`."""
        self._end_copy()
        self._append(data)

    def copy(self, data: Data, begin: int, end: int) -> None:
        """Append a stretch of data; stretches that meet become one."""
        if begin == self._to > self._from and data is self._copied:
            self._to = end
            return
        self._end_copy()
        self._copied, self._from, self._to = data, begin, end

    def add_field(self, content: bytearray) -> Field:
        """Append bytes that `fill` may change."""
        self._end_copy()
        field = Field(content, self._size)
        self._append(memoryview(content))
        return field

    def fill(self, field: Field, offset: int, data: bytes) -> None:
        """Say what bytes of a field are."""
        if field.position >= self._written:
            field.content[offset : offset + len(data)] = data
        else:
            self._target.patch(field.position + offset, data)

    def flush(self) -> None:
        """Hand over what was gathered."""
        self._end_copy()
        self._hand_over()

    def restart(self) -> None:
        """Begin anew."""
        self._target.restart()
        self._pieces = []
        self._written = self._size = self._from = self._to = 0

    def _end_copy(self) -> None:
        if self._to > self._from:
            begin, end = self._from, self._to
            self._from = self._to = 0
            self._append(self._copied[begin:end])

    def _append(self, data: Data) -> None:
        # Before it, so that a field is filled in here if that comes soon.
        if self._size - self._written >= _BATCH_BYTES or len(self._pieces) >= _BATCH_PIECES:
            self._hand_over()
        self._pieces.append(data)
        self._size += len(data)

    def _hand_over(self) -> None:
        if self._pieces:
            self._target.write(self._pieces)
            self._pieces = []
            self._written = self._size
