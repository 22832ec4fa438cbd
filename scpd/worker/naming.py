"""How an object comes to its file name: by `store.names` and `store.duplicates`; and what is said of it."""

from __future__ import annotations

import logging
from time import time

from scpd.store import duplicates
from scpd.store.names import TIME, UID, file_name, prefix_of, sanitised, time_file_name, unique_file_name
from scpd.worker.peer import readable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from scpd.dimse.messages import Request

log = logging.getLogger("dcmtk.apps.storescp")


class ObjectNames:
    """The names of one association's objects; nearly all are of the class of the one before."""

    __slots__ = ("_extension", "_naming", "_prefix", "_sop_class_uid")

    def __init__(self, naming: str, extension: str) -> None:
        self._naming = naming
        self._extension = extension
        self._sop_class_uid: str | None = None  # of the last one,
        self._prefix = ""  # and how its name began

    def of(self, request: Request) -> str:
        """Give the name of the object that a C-STORE-RQ announces; warn if it is not what the UID says."""
        sop_class, sop_instance = request.affected_sop_class_uid, request.affected_sop_instance_uid
        if self._naming != UID:
            if self._naming == TIME:
                return time_file_name(sop_class, self._extension, time())
            return unique_file_name(sop_class, self._extension)
        if sop_class != self._sop_class_uid:
            self._sop_class_uid, self._prefix = sop_class, prefix_of(sop_class)
        name = file_name(self._prefix, sop_instance, self._extension)
        if sop_instance not in name:
            log.warning(
                'Sanitized unusual characters in SOP Instance UID, converted from "%s" to "%s".',
                readable(sop_instance.encode("latin-1", "replace")),
                sanitised(sop_instance),
            )
        return name


def publication(naming: str, if_taken: str, *, is_bit_preserving: bool) -> duplicates.Policy:
    """Give what gives objects their names; a time that is taken gets a serial number, whatever else is asked for."""
    if naming == TIME:
        return duplicates.serial
    if is_bit_preserving and if_taken == "replace":
        return duplicates.silent
    return duplicates.POLICIES[if_taken]
