"""Which object is this data set?  Its SOP Class and Instance UID, and whether the command named the same.

Looks at the first bytes only, at their top level, and no further than both UIDs: the rest of a data set may
be anything.  Never reads a file, never inflates more than `HEAD_SIZE` bytes, never raises anything but
`Refused` (PS3.4 B.2.3): A900H if the object is not the one that the command announced, C000H if that cannot
be known.

More tolerant than the standard: the two UIDs may come in any order and among other elements of group 0008H,
and their VR is not looked at (PS3.5 6.2.2 allows UN for any element).  Of two with one tag the first counts.
White space never does, in the command's UIDs neither (`values.uid_text`), as in today's storescp: nothing is left
that --uid-padding could allow.
"""

from __future__ import annotations

from scpd.dataset.elements import (
    CANNOT_UNDERSTAND,
    UNDEFINED_LENGTH,
    EndOfData,
    header_reader,
    skip_undefined,
)
from scpd.dataset.values import uid_text
from scpd.errors import Refused
from scpd.tables.transfer_syntaxes import DEFLATED_DATA_SETS

TYPE_CHECKING = False  # what typing calls so, without importing it: a worker pays for each import
if TYPE_CHECKING:
    from scpd.dataset.elements import Data, Reader

HEAD_SIZE = 65536  # bytes of a data set that are looked at

_DATA_SET_MISMATCH = 0xA900  # PS3.4 B.2.3
_SOP_CLASS_UID = 0x00080016
_SOP_INSTANCE_UID = 0x00080018
_LAST_OF_GROUP_8 = 0x0008FFFF


def check_identity(
    head: Data, transfer_syntax_uid: str, complete: bool, sop_class_uid: str, sop_instance_uid: str
) -> None:
    """Raise `Refused` unless the data set is the object that the command announced.

    `head` and `complete` are as for `sop_uids`; the UIDs are the command's, as `dimse.messages` gives them.
    """
    found_class, found_instance = sop_uids(head, transfer_syntax_uid, complete)
    if found_class != sop_class_uid:
        raise Refused(_DATA_SET_MISMATCH, "SOP Class UID of the data set is not the command's")
    if found_instance != sop_instance_uid:
        raise Refused(_DATA_SET_MISMATCH, "SOP Instance UID of the data set is not the command's")


def sop_uids(head: Data, transfer_syntax_uid: str, complete: bool) -> tuple[str, str]:
    """Return (0008,0016) and (0008,0018) of a data set, empty if they are there without a value.

    `head` is the whole data set (`complete`) or its first `HEAD_SIZE` bytes, as they came over the network.
    """
    if complete and not head:
        raise Refused(CANNOT_UNDERSTAND, "empty data set")
    if transfer_syntax_uid in DEFLATED_DATA_SETS:
        head, complete = _inflate(head, complete)
    try:
        return _find(head, header_reader(transfer_syntax_uid))
    except EndOfData:
        where = "the whole data set" if complete else f"the first {HEAD_SIZE} bytes"
        raise Refused(CANNOT_UNDERSTAND, f"no SOP Class and Instance UID in {where}") from None


def _inflate(head: Data, complete: bool) -> tuple[bytes, bool]:
    """Return the first `HEAD_SIZE` bytes in a raw deflate stream (PS3.5 A.5), and if that is all there is."""
    import zlib  # deflated data sets are rare: nobody else pays for it

    try:
        inflated = zlib.decompressobj(-zlib.MAX_WBITS).decompress(head, HEAD_SIZE)
    except zlib.error:
        raise Refused(CANNOT_UNDERSTAND, "data set is not a deflate stream") from None
    return inflated, complete and len(inflated) < HEAD_SIZE


def _find(data: Data, read: Reader) -> tuple[str, str]:
    """Return the two UIDs, or raise `EndOfData` or `Refused`."""
    found: dict[int, str] = {}
    position = 0
    while len(found) < 2:
        tag, vr, length, value = read(data, position)
        if tag > _LAST_OF_GROUP_8:
            missing = "Instance" if _SOP_CLASS_UID in found else "Class"
            raise Refused(CANNOT_UNDERSTAND, f"no SOP {missing} UID in the data set")
        if length == UNDEFINED_LENGTH:
            position = skip_undefined(data, value, vr, read)
            continue
        position = value + length
        if tag in (_SOP_CLASS_UID, _SOP_INSTANCE_UID) and tag not in found:
            if position > len(data):
                raise EndOfData
            found[tag] = uid_text(bytes(data[value:position]))
    return found[_SOP_CLASS_UID], found[_SOP_INSTANCE_UID]
