"""The recipe for one object: from C-STORE-RQ to final name (PS3.4 annex B, PS3.7 9.1.1).

    data set looked at while it arrives -> temporary file (file meta and fragments, straight from the
    receive buffer) -> written anew if the options ask for another form -> flush -> study's directory, line of record
    (`worker.filing`, where there is one) -> final name -> directory flushed

With --bit-preserving nobody looks at the data set.  A data set that storescp would change without a word, since it
does not understand it, is stored as it came, with a warning.

A crash or a refusal anywhere before the final name leaves an earlier object of that name as it was.  Raises `Refused`
with the status for the response; what the peer does wrong on the way (`PeerError`) passes through.  In every case
but success nothing is left on disk, except after `DirectoryFlushError`, where the object stands and its sender
is told to send it again.
"""

from __future__ import annotations

import logging
from functools import partial

from scpd.dataset.identity import study_uid
from scpd.dimse import messages, status
from scpd.errors import Refused
from scpd.store.filemeta import FileMeta
from scpd.store.names import TIME
from scpd.store.sink import DirectoryFlushError, OutputDirectory
from scpd.worker import naming
from scpd.worker.form import Announced, FormingStore
from scpd.worker.lacking import lack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from scpd.process.signals import Wakeup
    from scpd.store.sink import Incoming
    from scpd.ul.connection import DataSet
    from scpd.ul.negotiation import Context
    from scpd.worker.filing import Filing
    from scpd.worker.form import Saw
    from scpd.worker.progress import Progress
    from scpd.worker.rewrite import Form

log = logging.getLogger("dcmtk.apps.storescp")


class StorePolicy:
    """How objects are stored: where, under which names, in which form.

    `naming` is one of `store.names`, `duplicates` of `store.duplicates.POLICIES`; a time that is taken gets a
    serial number, whatever `duplicates` says.  `form` is `None` with --bit-preserving.
    """

    __slots__ = (
        "duplicates",
        "extension",
        "form",
        "fsync",
        "naming",
        "output_directory",
        "with_file_meta",
    )

    def __init__(  # noqa: PLR0913 - as many as there are options
        self,
        *,
        output_directory: str,
        extension: str,
        naming: str,
        duplicates: str,
        form: Form | None,
        with_file_meta: bool,
        fsync: bool,
    ) -> None:
        self.output_directory = output_directory
        self.extension = extension
        self.naming = naming
        self.duplicates = duplicates
        self.form = form
        self.with_file_meta = with_file_meta
        self.fsync = fsync


class ObjectStore:
    """One association's way to the output directory; opened at its first object."""

    __slots__ = (
        "_called",
        "_calling",
        "_filing",
        "_folder",
        "_forming",
        "_is_sorted",
        "_metas",
        "_names",
        "_objects",
        "_output",
        "_policy",
        "_publication",
        "_saw",
        "_tells_names",
        "settles",
    )

    def __init__(
        self,
        policy: StorePolicy,
        calling_ae_title: bytes,
        called_ae_title: bytes,
        filing: Filing | None = None,
        tell_study: Callable[[str], None] | None = None,
    ) -> None:
        """Without `filing` objects lie in the output directory itself, and nothing is recorded.

        `tell_study` is told the Study Instance UID of each data set that is looked at, as soon as it is known.
        """
        self._policy = policy
        self._filing = filing
        self._is_sorted = filing is not None and filing.is_sorted
        # Whether there may be something to wait for after a response.
        self.settles = filing is not None and filing.settles
        self._saw = _who_sees(filing, tell_study)
        self._folder = ""  # the name of the directory that the object goes to
        self._names = naming.ObjectNames(policy.naming, policy.extension)
        self._publication = naming.publication(
            policy.naming, policy.duplicates, is_bit_preserving=policy.form is None
        )
        # storescp says nothing in bit preserving mode.
        self._tells_names = policy.form is not None and log.isEnabledFor(logging.INFO)
        self._calling = calling_ae_title
        self._called = called_ae_title
        self._output: OutputDirectory | None = None
        self._forming: FormingStore | None = None  # as long as there is an output directory
        self._metas: dict[str, FileMeta] = {}
        self._objects = 0

    def store(self, request: messages.Request, context: Context, data: DataSet, progress: Progress) -> None:
        """Store the data set of a checked request.

        `Refused` may be raised before the data set has ended: the rest of `data` is the caller's to read.
        """
        name = self._names.of(request)
        try:
            self._receive(request, context, data, name, progress)
        except DirectoryFlushError as error:
            detail = f"{self._path(error.filename)} is stored, but its directory could not be flushed: {error.strerror}"
            raise Refused(
                status.OUT_OF_RESOURCES, f"directory not flushed: {error.strerror}", detail
            ) from None
        except OSError as error:
            # Look for the directory anew at the next object: it may have been replaced, or its disk mounted again.
            self.close()
            detail = f"cannot write DICOM file: {self._path(name)}: {error.strerror}"
            raise Refused(
                status.OUT_OF_RESOURCES,
                f"cannot write: {error.strerror}",
                detail,
                lack=lack(error, self._policy.output_directory),
            ) from None
        except MemoryError:  # what was half made is gone already, and its memory with it
            self.close()
            raise Refused(
                status.OUT_OF_RESOURCES,
                "out of memory",
                f"{self._path(name)}: out of memory",
                lack="out of memory",
            ) from None
        finally:
            self._folder = ""
            if self._filing is not None:
                self._filing.ended()

    def settle(self, wakeup: Wakeup) -> None:
        """After the response: wait for what the options want to be done before the next request."""
        if self._filing is not None:
            self._filing.settle(wakeup)

    def rest(self) -> None:
        """The peer pauses: do what was put off until the next object comes."""
        if self._filing is not None:
            self._filing.rest()

    def prepare(self) -> bool:
        """Make ready for the next object while its sender is busy; tell whether its begin is worth a look of its own.

        Who has sent two objects will send a third; for the others nothing is made that nobody needs.
        """
        self._objects += 1
        if self._output is not None and self._objects > 1:
            self._output.prepare()
            if self._forming is not None:
                return self._forming.prepare()
        return False

    def leave(self) -> None:
        """Leave nothing behind; nothing but `close` may follow."""
        if self._filing is not None:
            self._filing.leave()
        if self._output is not None:
            self._output.close()
            self._output = None

    def close(self) -> None:
        """Leave nothing behind, and wake the keeper."""
        self.leave()
        if self._filing is not None:
            self._filing.close()

    def _receive(
        self,
        request: messages.Request,
        context: Context,
        data: DataSet,
        name: str,
        progress: Progress,
    ) -> None:
        """Write, flush, rename; raises `OSError` when the disk does not allow it, with nothing left behind."""
        if self._policy.form is None:
            syntax = context.transfer_syntax
            incoming = self._as_it_comes(request, context, data, progress)
        else:
            incoming, syntax = self._in_form(request, context, data, name, progress)
        try:
            self._publish(incoming, name, request, syntax)
        except BaseException:
            incoming.discard()
            raise

    def _as_it_comes(
        self, request: messages.Request, context: Context, data: DataSet, progress: Progress
    ) -> Incoming:
        """Write what arrives, whatever it is."""
        if self._filing is not None and self._saw is not None:
            data = self._filing.glanced(data, context.transfer_syntax, self._saw)
        incoming = self._opened().create()
        try:
            file_meta = memoryview(self._file_meta(request, context.transfer_syntax))
            for pieces, fragments, is_last in data:
                progress.add(sum(map(len, pieces)), fragments, is_last=is_last)
                if file_meta:  # written together with what comes first
                    pieces.insert(0, file_meta)
                    file_meta = file_meta[:0]
                incoming.write(pieces)
        except BaseException:
            incoming.discard()
            raise
        return incoming

    def _in_form(
        self, request: messages.Request, context: Context, data: DataSet, name: str, progress: Progress
    ) -> tuple[Incoming, str]:
        """Write the announced object in the form that is asked for; give its transfer syntax too."""
        announced = Announced(
            request.affected_sop_class_uid,
            request.affected_sop_instance_uid,
            context.transfer_syntax,
            partial(self._file_meta, request),
            # Which directory it goes to is not known yet.
            name if self._is_sorted else self._path(name),
        )
        if self._output is None:
            self._opened()
        assert self._forming is not None  # noqa: S101 - there is a form
        return self._forming.receive(announced, data, progress, self._saw), announced.stored_syntax

    def _publish(self, incoming: Incoming, name: str, request: messages.Request, syntax: str) -> None:
        """Give it its name, with filing in the study's directory, and with a line of record."""
        filing = self._filing
        if filing is not None and self._is_sorted:
            assert self._output is not None  # noqa: S101 - the object lies there
            self._folder = filing.enter(self._output.subdirectory)
        # Else it is known when it is taken.
        tells_before = self._tells_names and self._policy.naming != TIME
        if tells_before:
            self._tell_name(name)
        try:
            if filing is None:
                stored, remark = self._publication(incoming, name)
            else:
                stored, remark = filing.publish(self._publication, request, syntax, incoming, name)
        except FileExistsError:
            detail = f"DICOM file already exists: {self._path(name)}"
            raise Refused(status.DUPLICATE_SOP_INSTANCE, "SOP Instance is stored already", detail) from None
        if self._tells_names and not tells_before:
            self._tell_name(stored)
        if remark:
            log.warning("%s: %s", remark, self._path(stored))

    def _tell_name(self, name: str) -> None:
        log.info("storing DICOM file: %s", self._path(name))

    def _opened(self) -> OutputDirectory:
        if self._output is None:
            self._output = OutputDirectory(self._policy.output_directory, fsync=self._policy.fsync)
            if self._policy.form is not None:
                self._forming = FormingStore(self._policy.form, self._output)
        return self._output

    def _path(self, name: str) -> str:
        directory = self._policy.output_directory
        return f"{directory}/{self._folder}/{name}" if self._folder else f"{directory}/{name}"

    def _file_meta(self, request: messages.Request, transfer_syntax: str) -> bytes:
        if not self._policy.with_file_meta:
            return b""
        meta = self._metas.get(transfer_syntax)
        if meta is None:
            meta = FileMeta(transfer_syntax, self._calling, self._called)
            self._metas[transfer_syntax] = meta
        return meta.for_object(request.affected_sop_class_uid, request.affected_sop_instance_uid)


def _who_sees(filing: Filing | None, tell_study: Callable[[str], None] | None) -> Saw | None:
    """Give what is told what a data set says of its study; `None` if nobody wants to know."""
    if tell_study is None:
        return None if filing is None else filing.saw

    def saw(found: Mapping[int, bytes]) -> None:
        tell_study(study_uid(found))
        if filing is not None:
            filing.saw(found)

    return saw
