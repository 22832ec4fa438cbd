"""From a data set that was received to the file in which it is written anew (PS3.5 annex A).

    received, perhaps inflated  ->  recoded  ->  perhaps deflated  ->  temporary file

Whatever goes wrong leaves what was received as it was, and nothing of the new file.  Raises `OSError`; `EndOfData` and
`Refused` if the data set turns out not to be understood.
"""

from __future__ import annotations

from scpd.dataset.recode import Source, recode
from scpd.store.scratch import FileBehind, Scratch, memory
from scpd.tables.transfer_syntaxes import DEFLATED_DATA_SETS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mmap import mmap
    from typing import Self

    from scpd.dataset.dictionary import Dictionary
    from scpd.dataset.encoding import Encoding
    from scpd.dataset.scan import Scan
    from scpd.store.sink import Incoming, OutputDirectory


class Form:
    """What the administrator asks: an encoding, whose dictionary tells VRs, and whether odd objects are refused."""

    __slots__ = ("dictionary", "encoding", "rejects_odd")

    def __init__(self, encoding: Encoding, dictionary: Dictionary, *, rejects_odd: bool) -> None:
        self.encoding = encoding
        self.dictionary = dictionary
        self.rejects_odd = rejects_odd


class Rewriter:
    """Writes the objects of one association anew; the memory that one took is there for the next."""

    __slots__ = ("_dictionary", "_encoding", "_memories", "_output")

    def __init__(self, output: OutputDirectory, form: Form) -> None:
        self._output = output
        self._encoding = form.encoding
        self._dictionary = form.dictionary
        self._memories: list[mmap] = []  # that are free

    def rewritten(self, received: memoryview, transfer_syntax: str, scan: Scan, file_meta: bytes) -> Incoming:
        """Give a file with the data set in the form that is asked for, behind its file meta."""
        if transfer_syntax not in DEFLATED_DATA_SETS:
            return self._written(Source(received, transfer_syntax, scan.unordered), file_meta)
        from scpd.dataset.inflate import inflated  # deflated data sets are rare: nobody else pays for it

        with _Room(self._output, self._memories) as room:
            for piece in inflated(received):
                room.write((piece,))
            return self._written(Source(room.view(), transfer_syntax, scan.unordered), file_meta)

    def _written(self, source: Source, file_meta: bytes) -> Incoming:
        incoming = self._output.create()
        try:
            target = FileBehind(incoming, file_meta)
            if self._encoding.written(source.transfer_syntax) in DEFLATED_DATA_SETS:
                self._deflate(source, target, len(file_meta))
            else:
                recode(source, self._encoding, self._dictionary, target, len(file_meta))
        except BaseException:
            incoming.discard()
            raise
        return incoming

    def _deflate(self, source: Source, target: FileBehind, before: int) -> None:
        """Write the data set anew and deflate it, since lengths in it are known when it is written only."""
        from scpd.dataset.inflate import deflated  # as above

        with _Room(self._output, self._memories) as room:
            recode(source, self._encoding, self._dictionary, room, before)
            for piece in deflated(room.view(), self._encoding.compression_level):
                target.write((piece,))


class _Room(Scratch):
    """A scratch for the time of a `with`, in one of these memories."""

    __slots__ = ("_memories", "_taken")

    def __init__(self, output: OutputDirectory, memories: list[mmap]) -> None:
        self._memories = memories
        self._taken = memories.pop() if memories else memory()
        super().__init__(output, self._taken)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
        self.discard()
        self._memories.append(self._taken)
