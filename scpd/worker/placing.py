"""Into which directory an object goes: made when the first object of it is there to be published, never before.

Two studies share no directory whose name is a time: where that is taken, by whomever, the next millisecond is.  The
log tells of each directory that an association comes to, in storescp's words.

Raises `Refused`: C000H where a name is to blame, A700H where the machine does not allow it.
"""

from __future__ import annotations

import errno
import logging
from time import time

from scpd.dimse import status
from scpd.errors import Refused
from scpd.store.folders import PATIENT_NAME_AND_TIME, STUDY_UID, folder_name, later_name
from scpd.worker.lacking import lack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from scpd.store.folders import Sorting
    from scpd.store.subdirectory import Subdirectory

log = logging.getLogger("dcmtk.apps.storescp")

_CANNOT_UNDERSTAND = 0xC000  # PS3.4 B.2.3
# What says that the name is to blame; all else is the machine's, and another object of that name may be stored later.
_BAD_NAME = frozenset((errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ))


class Placing:
    """One association's way to study directories; `output_directory` is for the log."""

    __slots__ = ("_is_made", "_output_directory", "_sorting", "_study", "_study_name", "is_by_patient")

    def __init__(self, sorting: Sorting, output_directory: str) -> None:
        self._sorting = sorting
        self._output_directory = output_directory
        self._is_made = False  # we have made a directory for this object
        self._study = self._study_name = ""  # the last one named by its UID, and its name
        self.is_by_patient = sorting.kind == PATIENT_NAME_AND_TIME

    def name(self, study: str, found: Mapping[int, bytes]) -> str:
        """Give the name for an object of this study; `found` is what its data set says."""
        if study and study == self._study and self._sorting.kind == STUDY_UID:
            return self._study_name
        name, warning = folder_name(self._sorting, found, time())
        if warning:
            log.warning("%s", warning)
        self._study, self._study_name = study, name
        return name

    def make(self, place: Subdirectory, name: str) -> str:
        """Make a directory of this name, or of a later time; give its name."""
        try:
            while not place.make_new(name):
                if self._sorting.kind == STUDY_UID:  # a study's own, whoever has made it
                    return name
                name = later_name(name)
        except OSError as error:
            raise self._refusal(name, error) from None
        self._is_made = True
        return name

    def enter(self, place: Subdirectory, name: str, *, is_durable: bool) -> None:
        """Let the object get its name there; the directory is made if nobody has, or if it has been moved away."""
        before = place.name
        try:
            is_made = place.enter(name, is_durable=is_durable) or self._is_made
        except OSError as error:
            raise self._refusal(name, error) from None
        self._is_made = False
        if is_made:
            log.info("created new subdirectory for study: %s", self._path(name))
        elif name != before:
            log.info("using existing subdirectory for study: %s", self._path(name))

    def _refusal(self, name: str, error: OSError) -> Refused:
        code = _CANNOT_UNDERSTAND if error.errno in _BAD_NAME else status.OUT_OF_RESOURCES
        detail = f"could not create subdirectory for study: {self._path(name)}: {error.strerror}"
        comment = f"no directory for the study: {error.strerror}"
        return Refused(code, comment, detail, lack=lack(error, self._output_directory))

    def _path(self, name: str) -> str:
        return f"{self._output_directory}/{name}"
