"""C-STORE as SCU: files go to a storage service as they are, undecoded (PS3.4 annex B, PS3.7 9.1.1).

`find_objects` looks at files and folders, `send` transfers what it found and yields one `Outcome` for each
object, in the order in which they are settled.  The class, instance and transfer syntax come from the file meta
information (PS3.10 7.1).  A transfer never changes a data set, so the peer must accept the transfer syntax that the
file has.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from scpd.requestor.association import AssociationError, open_association

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pydicom.dataset import FileMetaDataset

    from scpd.requestor.association import OpenAssociation, Peer

MAXIMUM_CONTEXTS = 128  # context IDs are the odd numbers of a byte (PS3.8 9.3.2.2)
MESSAGE_IDS = 65535
BROKEN_ASSOCIATIONS_BORNE = 2
DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2.1.99"
MEDIA_STORAGE_DIRECTORY = "1.2.840.10008.1.3.10"
# PS3.7 annex C, PS3.4 B.2.3: the first entry whose mask fits says what a status means.
STATUS_MEANINGS = (
    (0xFFFF, 0x0122, "SOP class not supported"),
    (0xFFFF, 0x0124, "not authorized"),
    (0xFFFF, 0x0117, "invalid object instance"),
    (0xFFFF, 0x0210, "duplicate invocation"),
    (0xFFFF, 0x0211, "unrecognized operation"),
    (0xFFFF, 0x0212, "mistyped argument"),
    (0xFF00, 0xA700, "refused: out of resources"),
    (0xFF00, 0xA900, "data set does not match SOP class"),
    (0xF000, 0xC000, "cannot understand"),
    (0xFFFF, 0xB000, "coercion of data elements"),
    (0xFFFF, 0xB006, "elements discarded"),
    (0xFFFF, 0xB007, "data set does not match SOP class"),
)


@dataclass(frozen=True)
class StorableFile:
    """A DICOM file and what its meta information says about it."""

    path: Path
    sop_class_uid: str
    transfer_syntax_uid: str

    @property
    def context(self) -> tuple[str, str]:
        """The presentation context that it needs."""
        return self.sop_class_uid, self.transfer_syntax_uid


@dataclass(frozen=True)
class UnsendableFile:
    """A file that is no storable object; `is_named` if the user asked for this very file."""

    path: Path
    reason: str
    is_named: bool


@dataclass(frozen=True)
class Outcome:
    """How it went with one file: stored if the status is 0000H or a warning, else `text` says why not."""

    path: Path
    is_stored: bool
    text: str = ""


def find_objects(paths: Iterable[Path]) -> Iterator[StorableFile | UnsendableFile]:
    """Look at every file that is named, and at those in named folders, at any depth and in order of name."""
    for path in paths:
        if not path.is_dir():
            yield _look_at(path, is_named=True)
            continue
        for folder, subfolders, names in os.walk(path):
            subfolders.sort()
            for name in sorted(names):
                yield _look_at(Path(folder, name), is_named=False)


def send(peer: Peer, files: Iterable[StorableFile]) -> Iterator[Outcome]:
    """Store these files, with one association for each 128 different presentation contexts.

    When an association breaks, the file under way has failed and the next ones get a new association; when two
    in a row break at their first request, the rest of the batch has failed too.
    """
    for batch in _by_contexts(files):
        waiting: Sequence[StorableFile] = batch
        broken_at_once = 0
        while waiting:
            outcomes = []
            for outcome in _send_on_one_association(peer, waiting):
                yield outcome
                outcomes.append(outcome)
            waiting = waiting[len(outcomes) :]
            broken_at_once = broken_at_once + 1 if len(outcomes) == 1 else 0
            if broken_at_once == BROKEN_ASSOCIATIONS_BORNE:
                yield from (Outcome(file.path, is_stored=False, text=outcomes[0].text) for file in waiting)
                break


def meaning_of(status: int) -> str:
    """Put a C-STORE status into words: `A700H (refused: out of resources)`."""
    for mask, value, words in STATUS_MEANINGS:
        if status & mask == value:
            return f"{status:04X}H ({words})"
    return f"{status:04X}H"


def is_warning(status: int) -> bool:
    """Say whether the object is stored, but the peer has a remark (PS3.7 C.3)."""
    return status & 0xF000 == 0xB000 or status in {0x0001, 0x0107, 0x0116}


def _look_at(path: Path, *, is_named: bool) -> StorableFile | UnsendableFile:
    from pydicom.errors import InvalidDicomError
    from pydicom.filereader import read_file_meta_info

    try:
        # Opening a FIFO that somebody left in a folder would wait for a writer.
        if path.exists() and not path.is_file():
            return UnsendableFile(path, "not a regular file", is_named)
        return _storable(path, read_file_meta_info(path))
    except OSError as error:
        reason = error.strerror or str(error)
    except InvalidDicomError:
        reason = "not a DICOM file"
    except _Unstorable as unstorable:
        reason = str(unstorable)
    except (ValueError, KeyError, AttributeError, TypeError, EOFError, NotImplementedError):
        reason = "file meta information cannot be read"
    return UnsendableFile(path, reason, is_named)


class _Unstorable(Exception):
    """A DICOM file that C-STORE has no use for."""


def _storable(path: Path, meta: FileMetaDataset) -> StorableFile:
    sop_class, syntax = (
        str(meta.get(name) or "") for name in ("MediaStorageSOPClassUID", "TransferSyntaxUID")
    )
    if not (sop_class and syntax and meta.get("MediaStorageSOPInstanceUID")):
        raise _Unstorable("file meta information lacks a UID")
    if sop_class == MEDIA_STORAGE_DIRECTORY:
        raise _Unstorable("a DICOMDIR is not sent")
    return StorableFile(path, sop_class, syntax)


def _by_contexts(files: Iterable[StorableFile]) -> list[list[StorableFile]]:
    """Split the files into batches, none of which needs more contexts than one association has."""
    number_of: dict[tuple[str, str], int] = {}
    batches: dict[int, list[StorableFile]] = {}
    for file in files:
        number = number_of.setdefault(file.context, len(number_of))
        batches.setdefault(number // MAXIMUM_CONTEXTS, []).append(file)
    return list(batches.values())


def _send_on_one_association(peer: Peer, files: Sequence[StorableFile]) -> Iterator[Outcome]:
    """Outcomes from the first file on; fewer than files when the association broke on the way."""
    contexts = dict.fromkeys(file.context for file in files)
    try:
        association = open_association(peer, [(sop_class, [syntax]) for sop_class, syntax in contexts])
    except (AssociationError, ValueError) as failure:
        yield from (Outcome(file.path, is_stored=False, text=str(failure)) for file in files)
        return
    for index, file in enumerate(files):
        try:
            yield _store(association, file, index % MESSAGE_IDS + 1)
        except AssociationError as failure:
            yield Outcome(file.path, is_stored=False, text=str(failure))
            return
    association.release()


def _store(association: OpenAssociation, file: StorableFile, message_id: int) -> Outcome:
    refusal = association.refusal(*file.context)
    if refusal:
        return Outcome(file.path, is_stored=False, text=f"{_context_name(file)} not accepted: {refusal}")
    try:
        with _even(file) as path:
            status, comment = association.store(path, message_id)
    except OSError as error:
        return Outcome(file.path, is_stored=False, text=error.strerror or str(error))
    except (ValueError, AttributeError) as error:
        return Outcome(file.path, is_stored=False, text=str(error).partition("\n")[0])
    if status == 0:
        return Outcome(file.path, is_stored=True)
    text = f"status {meaning_of(status)}" + (f": {comment}" if comment else "")
    return Outcome(file.path, is_stored=is_warning(status), text=text)


def _context_name(file: StorableFile) -> str:
    from pydicom.uid import UID

    return f"{UID(file.sop_class_uid).name} in {UID(file.transfer_syntax_uid).name}"


@contextmanager
def _even(file: StorableFile) -> Iterator[Path]:
    """Give the file itself, or a copy with the NUL that a deflated stream of odd length lacks.

    Fragments have an even length (PS3.8 annex E.1) and a deflated stream gets a NUL for that (PS3.5 A.5), but
    not every writer adds it.  The file's length tells, since preamble and meta information are even.
    """
    if file.transfer_syntax_uid != DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN or file.path.stat().st_size % 2 == 0:
        yield file.path
        return
    with tempfile.NamedTemporaryFile(prefix="scpctl-") as copy:
        with file.path.open("rb") as original:
            shutil.copyfileobj(original, copy)
        copy.write(b"\0")
        copy.flush()
        yield Path(copy.name)
