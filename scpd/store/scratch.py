"""A data set on its way: in memory as long as it is short, in a temporary file of the output directory when it is not.

Received ones lie here until it is known in which form they are written, and what is to be deflated until its lengths
are known.  What lies here has a place for each byte, so that lengths can be filled in.

    memory    one buffer, allocated once and used for one data set after the other
    file      an `Incoming` of the sink, so that a received data set that stays as it is can be published as it lies

Every function raises `OSError` and nothing else; `discard` raises nothing.
"""

from __future__ import annotations

import os
from contextlib import suppress
from mmap import MAP_ANONYMOUS, MAP_PRIVATE, PROT_READ, mmap

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from scpd.dataset.inflate import Deflater
    from scpd.store.sink import Incoming, OutputDirectory

MOST_IN_MEMORY = 1 << 22  # bytes


def memory() -> mmap:
    """Give room for one data set in memory; pages of it that nobody needs are never touched."""
    return mmap(-1, MOST_IN_MEMORY, flags=MAP_PRIVATE | MAP_ANONYMOUS)


class Scratch:
    """One data set; `prefix` is what stands before it in a file."""

    __slots__ = ("_file", "_map", "_memory", "_output", "_prefix", "_view", "size")

    def __init__(self, output: OutputDirectory, room: mmap | None, prefix: bytes = b"") -> None:
        self._output = output
        self._memory = room  # None: not in memory, or not any more
        self._prefix = prefix
        self._file: Incoming | None = None
        self._map: mmap | None = None
        self._view: memoryview | None = None
        self.size = 0

    @classmethod
    def of_file(cls, output: OutputDirectory, file: Incoming, prefix: bytes) -> Scratch:
        """Give what a file holds behind its prefix."""
        scratch = cls(output, None, prefix)
        scratch._file = file
        scratch.size = file.size - len(prefix)
        return scratch

    def write(self, pieces: Sequence[bytes | memoryview]) -> None:
        """Append these pieces."""
        size = sum(map(len, pieces))
        if self._memory is not None and self.size + size <= len(self._memory):
            begin = self.size
            for piece in pieces:
                self._memory[begin : begin + len(piece)] = piece
                begin += len(piece)
        elif self._file is None and self._memory is None:
            self._file = self._output.create()
            self._file.write((self._prefix, *pieces))
        else:
            self.file().write(pieces)
        self.size += size

    def patch(self, offset: int, data: bytes) -> None:
        """Overwrite what was written."""
        if self._memory is not None:
            self._memory[offset : offset + len(data)] = data
        else:
            self.file().patch(len(self._prefix) + offset, data)

    def restart(self) -> None:
        """Forget all that was written."""
        if self._file is not None:
            self._file.truncate(len(self._prefix))
        self.size = 0

    def file(self) -> Incoming:
        """Give the file that holds it behind its prefix; from now on it is there and not in memory."""
        if self._file is None:
            self._file = self._output.create()
            memory, self._memory = self._memory, None
            pieces: list[bytes | memoryview] = [self._prefix]
            if memory is not None:
                pieces.append(memoryview(memory)[: self.size])
            self._file.write(pieces)
        return self._file

    def view(self) -> memoryview:
        """Give its bytes, valid until `release`; nothing may be written meanwhile."""
        if self._memory is not None:
            self._view = memoryview(self._memory)[: self.size]
        elif not self.size:
            self._view = memoryview(b"")
        else:
            self._view = self._mapped()
        return self._view

    def _mapped(self) -> memoryview:
        descriptor = self.file().open_written()
        try:
            self._map = mmap(descriptor, len(self._prefix) + self.size, prot=PROT_READ)
        finally:
            os.close(descriptor)
        return memoryview(self._map)[len(self._prefix) :]

    def release(self) -> None:
        """End what `view` began; where the traceback of an error still holds pieces of it, they end with that."""
        view, self._view = self._view, None
        mapping, self._map = self._map, None
        with suppress(BufferError):
            if view is not None:
                view.release()
            if mapping is not None:
                mapping.close()

    def discard(self) -> None:
        """Leave nothing behind."""
        if self._file is not None:
            self._file.discard()


class FileBehind:
    """The place behind the file meta in a new file; that is written together with what comes first."""

    __slots__ = ("_incoming", "_is_begun", "_prefix")

    def __init__(self, incoming: Incoming, prefix: bytes) -> None:
        self._incoming = incoming
        self._prefix = prefix
        self._is_begun = False

    def write(self, pieces: Sequence[bytes | memoryview]) -> None:
        """Append these."""
        self._incoming.write(pieces if self._is_begun else (self._prefix, *pieces))
        self._is_begun = True

    def patch(self, offset: int, data: bytes) -> None:
        """Overwrite what was written."""
        self._incoming.patch(len(self._prefix) + offset, data)

    def restart(self) -> None:
        """Forget all."""
        self._incoming.truncate(0)
        self._is_begun = False


class DeflatedBehind(FileBehind):
    """The same, for what is deflated on its way: nothing of it can be overwritten."""

    __slots__ = ("_deflater", "_is_ended")

    def __init__(self, incoming: Incoming, prefix: bytes, deflater: Deflater) -> None:
        super().__init__(incoming, prefix)
        self._deflater = deflater
        self._is_ended = False

    def write(self, pieces: Sequence[bytes | memoryview]) -> None:
        """Append these."""
        super().write([self._deflater.deflate(piece) for piece in pieces])

    def end(self) -> None:
        """Write the end of the stream; done once."""
        if not self._is_ended:
            self._is_ended = True
            super().write([self._deflater.end()])
