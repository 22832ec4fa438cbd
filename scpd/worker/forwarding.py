"""An object that is written anew while it arrives, into the file that will be published (`dataset.forward`).

Begins as soon as all up to the pixel data is in memory, even if all behind it is too: it need not be copied then, and
headers that were written before are not written again (`dataset.template`).  What came is not kept as it came, but can
be had back if it turns out to be odd in the end: `restored`.  Raises `OSError`; `EndOfData` and `Refused` if it turns
out not to be understood.
"""

from __future__ import annotations

import os

from scpd.dataset.elements import CANNOT_UNDERSTAND
from scpd.dataset.forward import LONGEST, Forward, original
from scpd.dataset.recode import Source
from scpd.errors import Refused
from scpd.store.scratch import DeflatedBehind, FileBehind, Scratch, memory
from scpd.tables.transfer_syntaxes import DEFLATED_DATA_SETS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from scpd.dataset.encoding import Encoding
    from scpd.dataset.scan import Scan
    from scpd.store.sink import Incoming, OutputDirectory
    from scpd.worker.rewrite import Form

_PIECE = 1 << 18  # bytes, whole units of any swapped value
_TOP = 0  # where the level of the data set itself begins


def can_forward(scan: Scan, size: int, transfer_syntax: str) -> bool:
    """Tell whether a data set of which `size` bytes have come can be written anew while the rest arrives, if any."""
    _, value, end = scan.pixel_data
    return value <= size and end - value <= LONGEST and transfer_syntax not in DEFLATED_DATA_SETS


class Forwarding:
    """One object."""

    __slots__ = (
        "_begin",
        "_file",
        "_file_meta",
        "_forward",
        "_left",
        "_output",
        "_pixel_data_end",
        "_rest",
        "_target",
        "_transfer_syntax",
        "_written_meta",
    )

    def __init__(
        self,
        output: OutputDirectory,
        form: Form,
        scan: Scan,
        begin: bytes,
        transfer_syntax: str,
        file_metas: tuple[bytes, bytes],
    ) -> None:
        """Write `begin`, all before the value of the pixel data; that and what follows is to be written then.

        `file_metas` are that of what is received and that of what is written.
        """
        self._output = output
        self._transfer_syntax = transfer_syntax
        self._file_meta, self._written_meta = file_metas
        header, value, self._pixel_data_end = scan.pixel_data
        self._begin = begin
        self._rest: Scratch | None = None
        self._left = self._pixel_data_end - value  # bytes of the value to come
        self._file = output.create()
        self._target = self._behind_meta(form.encoding, transfer_syntax)
        try:
            self._forward = Forward(
                Source(memoryview(begin), transfer_syntax, scan.unordered, scan.same_headers()),
                header,
                form.encoding,
                form.dictionary,
                self._target,
                len(self._written_meta),
            )
            self._check_lengths()
        except BaseException:
            self._file.discard()
            raise

    def _check_lengths(self) -> None:
        """Refuse what would have to be overwritten when it has been deflated."""
        if isinstance(self._target, DeflatedBehind) and self._forward.awaits_length():
            raise Refused(CANNOT_UNDERSTAND, "a length that comes too late for the deflated data set")

    def _behind_meta(self, encoding: Encoding, transfer_syntax: str) -> FileBehind:
        if encoding.written(transfer_syntax) not in DEFLATED_DATA_SETS:
            return FileBehind(self._file, self._written_meta)
        from scpd.dataset.inflate import Deflater  # who deflates nothing need not load it

        return DeflatedBehind(self._file, self._written_meta, Deflater(encoding.compression_level))

    def write(self, pieces: Sequence[bytes | memoryview]) -> None:
        """Take the next pieces."""
        size = sum(map(len, pieces))
        if size < self._left:
            self._left -= size
            self._forward.take(pieces)
            return
        of_value, behind = _split(pieces, self._left)
        if self._left:
            self._left = 0
            self._forward.take(of_value)
            self._forward.end_value()
        if not behind:
            return
        if self._rest is None:
            self._rest = Scratch(self._output, memory())
        self._rest.write(behind)

    def is_in_order(self, unordered: set[int]) -> bool:
        """Tell whether elements that have been written are in their places still; `unordered` is as for `finish`."""
        return _TOP not in unordered

    def finish(self, unordered: set[int]) -> Incoming:
        """Give the file, with what came behind the pixel data; `unordered` as of the scan of all of it."""
        begin = self._pixel_data_end
        rest = memoryview(b"") if self._rest is None else self._rest.view()
        places = {place - begin for place in unordered if place >= begin}
        self._forward.finish(Source(rest, self._transfer_syntax, places))
        if isinstance(self._target, DeflatedBehind):
            self._target.end()
        self._forget_rest()
        return self._file

    def restored(self) -> Scratch:
        """Give what was received as it was received; this ends."""
        received = Scratch(self._output, None, self._file_meta)
        try:
            received.write((self._begin,))
            self._restore_value(received)
            if self._rest is not None:
                received.write((self._rest.view(),))
        except BaseException:
            received.discard()
            raise
        finally:
            self.discard()
        return received

    def _restore_value(self, received: Scratch) -> None:
        """Write to `received` what there is of the value."""
        value = self._forward.value
        if self._left:
            self._forward.end_value()
        left, skipped, carried = value.length - self._left, value.begin, b""
        for piece in self._written_data():
            begin = min(skipped, len(piece))
            skipped -= begin
            part = carried + piece[begin : begin + left]
            left -= len(part) - len(carried)
            whole = len(part) // value.unit * value.unit
            received.write((original(part[:whole], value.unit),))
            carried = part[whole:]

    def _written_data(self) -> Iterator[bytes]:
        """Give what was written of the data set."""
        if not isinstance(self._target, DeflatedBehind):
            yield from self._written()
            return
        from scpd.dataset.inflate import Inflater  # as above

        self._target.end()
        inflater = Inflater()
        for piece in self._written():
            yield from inflater.inflate(piece)

    def _written(self) -> Iterator[bytes]:
        """Give what was written behind the file meta."""
        descriptor = self._file.open_written()
        try:
            offset = len(self._written_meta)
            while piece := os.pread(descriptor, _PIECE, offset):
                offset += len(piece)
                yield piece
        finally:
            os.close(descriptor)

    def discard(self) -> None:
        """Leave nothing behind."""
        self._forget_rest()
        self._file.discard()

    def _forget_rest(self) -> None:
        if self._rest is not None:
            self._rest.release()
            self._rest.discard()
            self._rest = None


def _split(
    pieces: Sequence[bytes | memoryview], size: int
) -> tuple[list[bytes | memoryview], list[bytes | memoryview]]:
    """Split pieces behind their first `size` bytes."""
    before: list[bytes | memoryview] = []
    behind: list[bytes | memoryview] = []
    for piece in pieces:
        taken = min(size, len(piece))
        if taken:
            before.append(piece[:taken])
        if taken < len(piece):
            behind.append(piece[taken:])
        size -= taken
    return before, behind
