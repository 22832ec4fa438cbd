"""An object takes its form: looked at while it arrives, kept as it came if that is the form, else written anew.

    received -> scanned -> is it the announced one? -> is it odd? -> rewritten or not

It is received into a file, or into memory while it is short and it is known already that it will be written anew.  A
data set of which storescp would leave something out, or add to it, without a word is kept as it came, with a warning,
or refused if the administrator wants that.  Raises `Refused`, `OSError`, and what the peer does wrong; nothing is left
then.
"""

from __future__ import annotations

import logging
from contextlib import suppress

from scpd.dataset.elements import CANNOT_UNDERSTAND, EndOfData
from scpd.dataset.identity import check_identity, is_known
from scpd.dataset.lengths import GroupTooLongError
from scpd.dataset.likeness import Likeness
from scpd.dataset.plain import STUDY_INSTANCE_UID
from scpd.dataset.scan import Scan
from scpd.errors import Refused
from scpd.store.scratch import Scratch, memory
from scpd.store.sink import Incoming
from scpd.ul.connection import BEGIN
from scpd.worker.forwarding import Forwarding, can_forward
from scpd.worker.rewrite import Form, Rewriter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from mmap import mmap

    from scpd.store.sink import OutputDirectory
    from scpd.ul.connection import DataSet
    from scpd.worker.progress import Progress

    Saw = Callable[[Mapping[int, bytes]], None]  # takes what a data set says

log = logging.getLogger("dcmtk.apps.storescp")

# After a data set of so many bytes, whose begin told all that there was to know, the begin of the next one is looked at
# by itself (`ul.connection.BEGIN`); its request arrives with it.
_LONG = 1 << 17
_ROOM_FOR_REQUEST = 1 << 10
# Begins that tell nothing, until none is looked at by itself any more: they are of another kind of object, which would
# be learnt if its headers came together.
_PATIENCE = 8

# What is raised where a data set was accepted, and turns out when it is written anew not to be what we took it for.
_NOT_UNDERSTOOD = (EndOfData, Refused, GroupTooLongError)
_OUT_OF_RESOURCES = 0xA700  # what storescp answers to what it cannot convert


class Announced:
    """The object that a C-STORE-RQ announces, as far as its form is concerned; `path` is for the log.

    `stored_syntax` is the transfer syntax of the file when it has its form.
    """

    __slots__ = (
        "file_meta",
        "path",
        "sop_class_uid",
        "sop_instance_uid",
        "stored_syntax",
        "transfer_syntax",
    )

    def __init__(
        self,
        sop_class_uid: str,
        sop_instance_uid: str,
        transfer_syntax: str,
        file_meta: Callable[[str], bytes],
        path: str,
    ) -> None:
        self.sop_class_uid = sop_class_uid
        self.sop_instance_uid = sop_instance_uid
        self.transfer_syntax = self.stored_syntax = transfer_syntax
        self.file_meta = file_meta  # that of a file in a transfer syntax
        self.path = path


class FormingStore:
    """One association's way from data sets to files in the form that is asked for."""

    __slots__ = (
        "_begin_tells",
        "_form",
        "_likenesses",
        "_memory",
        "_output",
        "_patience",
        "_ready",
        "_rewriter",
        "_syntax",
    )

    def __init__(self, form: Form, output: OutputDirectory) -> None:
        self._form = form
        self._output = output
        self._rewriter = Rewriter(output, form)
        self._likenesses: dict[str, Likeness | None] = {}  # by transfer syntax
        self._memory: mmap | None = None  # for objects on their way; made when the first one needs it
        self._syntax = ""  # of the last data set,
        self._ready: Scan | None = None  # and what looks at one more of it
        self._begin_tells = False  # and its begin alone is worth a look
        self._patience = _PATIENCE

    def receive(
        self, announced: Announced, data: DataSet, progress: Progress, saw: Saw | None = None
    ) -> Incoming:
        """Give a file with what arrives, in its form.

        `saw` is called once, when the study is known or will not be any more; what it raises refuses the object.
        """
        syntax = announced.transfer_syntax
        scan, self._ready = self._ready, None
        if scan is None or syntax != self._syntax:
            scan = self._new_scan(syntax)
            self._syntax = syntax
        self._begin_tells = False
        received = self._look_at(scan, announced, data, progress, saw)
        if scan.pixel_data[2] >= _LONG:
            self._begin_tells = self._patience > 0 and _told_early(scan)
        if isinstance(received, Incoming):
            if not scan.changes and not scan.oddity:
                return received
            received = Scratch.of_file(self._output, received, announced.file_meta(syntax))
        return self._formed(scan, announced, received)

    def prepare(self) -> bool:
        """Make ready for a data set like the last one; tell whether its begin is to be looked at by itself."""
        if self._ready is None:
            self._ready = self._new_scan(self._syntax)
        return self._begin_tells

    def _new_scan(self, transfer_syntax: str) -> Scan:
        form = self._form
        return Scan(transfer_syntax, form.encoding, form.dictionary, self._likeness(transfer_syntax))

    def _formed(self, scan: Scan, announced: Announced, received: Scratch | Forwarding) -> Incoming:
        """Give the file that is to be published for what was received."""
        try:
            self._judge(scan, announced)
            if isinstance(received, Forwarding):
                if not scan.oddity and received.is_in_order(scan.unordered):
                    with suppress(*_NOT_UNDERSTOOD):
                        file = received.finish(scan.unordered)
                        announced.stored_syntax = self._form.encoding.written(announced.transfer_syntax)
                        return file
                received = received.restored()
            if not scan.changes or scan.oddity:
                return received.file()
            return self._rewritten(scan, announced, received)
        except BaseException:
            received.discard()
            raise

    def _likeness(self, transfer_syntax: str) -> Likeness | None:
        """Give what objects are compared with; who has sent two will send a third, for the others nothing is learnt."""
        if transfer_syntax not in self._likenesses:
            self._likenesses[transfer_syntax] = None
            return None
        likeness = self._likenesses[transfer_syntax]
        if likeness is None:
            likeness = self._likenesses[transfer_syntax] = Likeness()
        return likeness

    def _look_at(
        self, scan: Scan, announced: Announced, data: DataSet, progress: Progress, saw: Saw | None
    ) -> Incoming | Scratch | Forwarding:
        """Take in all of `data`; into a file as it comes, unless it is known at once that it is written anew."""
        received: Incoming | Scratch | Forwarding | None = None
        is_checked = False
        begin: list[bytes | memoryview] = []  # which is not written yet
        try:
            for pieces, fragments, is_last in data:
                size = sum(map(len, pieces))
                progress.add(size, fragments, is_last=is_last)
                scan.feed(pieces, size)
                if not is_checked and is_known(scan.found):
                    _check_identity(scan, announced)
                    is_checked = True
                if saw is not None and STUDY_INSTANCE_UID in scan.found:
                    saw(scan.found)
                    saw = None
                is_first = received is None
                received = received or self._begun(scan, announced, pieces, size)
                if is_first and size <= BEGIN and not is_last:
                    begin.append(b"".join(pieces))
                    self._patience -= not scan.is_like
                    continue
                received.write([*begin, *pieces] if begin else pieces)
                begin.clear()
            scan.finish()
            if not is_checked:
                _check_identity(scan, announced)
            if saw is not None:
                saw(scan.found)
        except BaseException:
            if received is not None:
                received.discard()
            raise
        assert received is not None  # noqa: S101 - what is empty has no identity
        return received

    def _begun(
        self, scan: Scan, announced: Announced, pieces: list[memoryview], size: int
    ) -> Incoming | Scratch | Forwarding:
        """Give what takes the first pieces, of `size` bytes together, and all others."""
        if not scan.changes:
            pieces.insert(0, memoryview(announced.file_meta(announced.transfer_syntax)))
            return self._output.create()
        _, value, _ = scan.pixel_data
        if is_known(scan.found) and 0 < value <= len(pieces[0]):
            forwarding = self._forwarding(scan, announced, bytes(pieces[0][:value]), size)
            if forwarding is not None:
                pieces[0] = pieces[0][value:]
                return forwarding
        self._memory = self._memory or memory()
        return Scratch(self._output, self._memory, announced.file_meta(announced.transfer_syntax))

    def _forwarding(self, scan: Scan, announced: Announced, begin: bytes, size: int) -> Forwarding | None:
        """Begin to write it anew if that is possible while it arrives, of which `size` bytes have come."""
        syntax = announced.transfer_syntax
        written = self._form.encoding.written(syntax)
        if not can_forward(scan, size, syntax):
            return None
        metas = announced.file_meta(syntax), announced.file_meta(written)
        with suppress(*_NOT_UNDERSTOOD):
            return Forwarding(self._output, self._form, scan, begin, syntax, metas)
        return None

    def _judge(self, scan: Scan, announced: Announced) -> None:
        """Say what is odd about it; `Refused` if such objects are not wanted, or cannot have the form."""
        if scan.oddity:
            if self._form.rejects_odd:
                raise Refused(CANNOT_UNDERSTAND, scan.oddity)
            log.warning("%s, stored as received: %s", scan.oddity, announced.path)
        elif scan.has_fragments:
            written = self._form.encoding.written(announced.transfer_syntax)
            if written != announced.transfer_syntax:
                raise Refused(_OUT_OF_RESOURCES, "compressed pixel data cannot be written uncompressed")

    def _rewritten(self, scan: Scan, announced: Announced, received: Scratch) -> Incoming:
        """Give a new file in place of the one received, or that one where we turn out not to understand it."""
        syntax = announced.transfer_syntax
        written = self._form.encoding.written(syntax)
        file_meta = announced.file_meta(written)
        try:
            anew = self._rewriter.rewritten(received.view(), syntax, scan, file_meta)
        except _NOT_UNDERSTOOD as error:
            log.error("cannot be written in another form (%s), stored as received: %s", error, announced.path)
            received.release()
            return received.file()
        received.release()
        received.discard()
        announced.stored_syntax = written
        return anew


def _told_early(scan: Scan) -> bool:
    """Tell whether all that is known of a data set was known when its pixel data began, soon."""
    return (
        scan.is_like
        and scan.changes == scan.changes_before_pixel_data
        and scan.pixel_data[1] <= BEGIN - _ROOM_FOR_REQUEST
    )


def _check_identity(scan: Scan, announced: Announced) -> None:
    check_identity(scan.found, scan.nested, announced.sop_class_uid, announced.sop_instance_uid)
