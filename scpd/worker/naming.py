"""How an object comes to its file name: by `store.names` and `store.duplicates`; and what is said of it."""

from __future__ import annotations

import logging
from time import time

from scpd.store import duplicates
from scpd.store.names import NAMINGS, sanitised
from scpd.worker.peer import readable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from scpd.dimse.messages import Request

log = logging.getLogger("dcmtk.apps.storescp")

UID, TIME = "uid", "time"  # of store.names.NAMINGS


def object_name(naming: str, request: Request, extension: str) -> str:
    """Give the name of the object that a C-STORE-RQ announces; warn if it is not what the UID says."""
    sop_instance = request.affected_sop_instance_uid
    name = NAMINGS[naming](request.affected_sop_class_uid, sop_instance, extension, time())
    if naming == UID and sop_instance not in name:
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
