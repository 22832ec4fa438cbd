"""How an object comes to its file name: by `store.names` and `store.duplicates`; and what is said of it."""

from __future__ import annotations

import logging
from time import time

from scpd.store import duplicates
from scpd.store.names import TIME, UNIQUE, file_name, sanitised, time_file_name, unique_file_name
from scpd.worker.peer import readable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from scpd.dimse.messages import Request

log = logging.getLogger("dcmtk.apps.storescp")


def object_name(naming: str, request: Request, extension: str) -> str:
    """Give the name of the object that a C-STORE-RQ announces; warn if it is not what the UID says."""
    sop_class, sop_instance = request.affected_sop_class_uid, request.affected_sop_instance_uid
    if naming == TIME:
        return time_file_name(sop_class, extension, time())
    if naming == UNIQUE:
        return unique_file_name(sop_class, extension)
    name = file_name(sop_class, sop_instance, extension)
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
