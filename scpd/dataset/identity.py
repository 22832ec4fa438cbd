"""Which object is this data set, and of which study?  Whether its SOP Class and Instance UID are the command's.

Never raises anything but `Refused` (PS3.4 B.2.3): A900H if the object is not the one that the command announced, C000H
if that cannot be known.

More tolerant than the standard: at the top level of the data set the VR of the two does not matter (PS3.5 6.2.2 allows
UN for any element); where they are missing there, those of an item stand for them, as in storescp.  Of two with
one tag the first counts.  White space never does, in the command's UIDs neither (`values.uid_text`), as in today's
storescp: nothing is left that --uid-padding could allow.
"""

from __future__ import annotations

from scpd.dataset.elements import CANNOT_UNDERSTAND
from scpd.dataset.plain import SOP_CLASS_UID, SOP_INSTANCE_UID, STUDY_INSTANCE_UID
from scpd.dataset.values import uid_text
from scpd.errors import Refused

TYPE_CHECKING = False  # what typing calls so, without importing it: a worker pays for each import
if TYPE_CHECKING:
    from collections.abc import Mapping

_DATA_SET_MISMATCH = 0xA900  # PS3.4 B.2.3
_NONE = b" "  # as no announced one looks: they have no white space


def is_known(found: Mapping[int, bytes]) -> bool:
    """Tell whether these attributes say which object it is."""
    return SOP_CLASS_UID in found and SOP_INSTANCE_UID in found


def study_uid(found: Mapping[int, bytes]) -> str:
    """Give the Study Instance UID, the first if there are several; empty if there is none.

    While a data set arrives it is known as soon as `STUDY_INSTANCE_UID` is among what is found; that there is none is
    known at its end only, since elements may be out of order.
    """
    return uid_text(found.get(STUDY_INSTANCE_UID, b"")).partition("\\")[0]


def check_identity(
    found: Mapping[int, bytes], nested: Mapping[int, bytes], sop_class_uid: str, sop_instance_uid: str
) -> None:
    """Raise `Refused` unless the attributes of a data set, or of its items, name the object that was announced.

    The UIDs are the command's, as `dimse.messages` gives them.
    """
    # The usual look of the two is looked at first: what white space would make of others need not be known then.
    if found.get(SOP_INSTANCE_UID, _NONE).rstrip(b"\0") == sop_instance_uid.encode(
        "latin-1", "replace"
    ) and found.get(SOP_CLASS_UID, _NONE).rstrip(b"\0") == sop_class_uid.encode("latin-1", "replace"):
        return
    for tag, announced, name in (
        (SOP_CLASS_UID, sop_class_uid, "Class"),
        (SOP_INSTANCE_UID, sop_instance_uid, "Instance"),
    ):
        value = found.get(tag)
        if value is None and (value := nested.get(tag)) is None:
            raise Refused(CANNOT_UNDERSTAND, f"no SOP {name} UID in the data set")
        if uid_text(value) != announced:
            raise Refused(_DATA_SET_MISMATCH, f"SOP {name} UID of the data set is not the command's")
