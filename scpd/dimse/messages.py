"""Requests and responses (PS3.7 9.3 and 10.3): what a command set asks, and the command set that answers it.

A command that cannot be answered, for lack of a readable Command Field, Message ID or Data Set Type, is
`Abort` by the service user, and so is a response: we are no requestor.  Any other command becomes a
`Request`, of operations that we do not know too; what is wrong with a C-STORE is `Refused`, and the
association goes on.
"""

from __future__ import annotations

from struct import Struct

from scpd.dataset.values import uid_text
from scpd.dimse.status import CANNOT_UNDERSTAND, INVALID_ATTRIBUTE_VALUE, MISSING_ATTRIBUTE
from scpd.errors import Abort, Refused

# Command Field (PS3.7 annex E.1)
C_STORE_RQ = 0x0001
C_ECHO_RQ = 0x0030
C_CANCEL_RQ = 0x0FFF
_N_EVENT_REPORT_RQ, _N_GET_RQ, _N_SET_RQ = 0x0100, 0x0110, 0x0120
_N_ACTION_RQ, _N_CREATE_RQ, _N_DELETE_RQ = 0x0130, 0x0140, 0x0150
_RESPONSE_BIT = 0x8000

# Elements of group 0000H (PS3.7 annex E.1)
_AFFECTED_SOP_CLASS_UID = 0x0002
_REQUESTED_SOP_CLASS_UID = 0x0003
_COMMAND_FIELD = 0x0100
MESSAGE_ID = 0x0110
MESSAGE_ID_BEING_RESPONDED_TO = 0x0120
_DATA_SET_TYPE = 0x0800
AFFECTED_SOP_INSTANCE_UID = 0x1000
_REQUESTED_SOP_INSTANCE_UID = 0x1001
_NONE = -1
_NO_DATA_SET = 0x0101

# Where a request names class and instance; those not listed name a class at most.
_AFFECTED = (_AFFECTED_SOP_CLASS_UID, AFFECTED_SOP_INSTANCE_UID)
_REQUESTED = (_REQUESTED_SOP_CLASS_UID, _REQUESTED_SOP_INSTANCE_UID)
_CLASS_ONLY = (_AFFECTED_SOP_CLASS_UID, _NONE)
_UID_ELEMENTS = {
    C_STORE_RQ: _AFFECTED,
    _N_EVENT_REPORT_RQ: _AFFECTED,
    _N_GET_RQ: _REQUESTED,
    _N_SET_RQ: _REQUESTED,
    _N_ACTION_RQ: _REQUESTED,
    _N_CREATE_RQ: _AFFECTED,
    _N_DELETE_RQ: _REQUESTED,
}

LONGEST_UID = 64  # PS3.5 9.1
_MAX_COMMENT = 64  # VR LO
# A backslash would end the value, control characters are not allowed in LO (PS3.5 6.2).
_COMMENT_CHARACTERS = bytes(code if 32 <= code < 127 and code != 92 else 63 for code in range(256))

_US_VALUE = Struct("<H")
_ELEMENT = Struct("<HHI")
_GROUP_LENGTH = Struct("<HHII")
_FROM_COMMAND_TO_STATUS = Struct("<HHIH HHIH HHIH HHIH")


class Request:
    """One request: its numbers, and the object that it is about.

    `affected_sop_class_uid` and `affected_sop_instance_uid` are empty if their elements are empty or absent;
    which, `has_sop_class_uid` and `has_sop_instance_uid` tell.  For operations on a Requested SOP Instance
    they hold that.  The message_id of a C-CANCEL is that of the request to be cancelled: it has none of its
    own, nor a response.  `is_checked` says that a C-STORE-RQ is known to have all that it needs to have.
    """

    __slots__ = (
        "affected_sop_class_uid",
        "affected_sop_instance_uid",
        "command_field",
        "has_data_set",
        "has_sop_class_uid",
        "has_sop_instance_uid",
        "is_checked",
        "message_id",
    )

    def __init__(self, command_field: int, message_id: int, has_data_set: bool) -> None:
        self.command_field = command_field
        self.message_id = message_id
        self.has_data_set = has_data_set
        self.affected_sop_class_uid = ""
        self.affected_sop_instance_uid = ""
        self.has_sop_class_uid = False
        self.has_sop_instance_uid = False
        self.is_checked = False


def parse_request(elements: dict[int, bytes]) -> Request:
    """Return the request in the elements of a command set; raises `Abort`."""
    command_field = _number(elements, _COMMAND_FIELD)
    if command_field & _RESPONSE_BIT:
        raise Abort(0, 0, f"response {command_field:04X}H to a request that we never sent")
    id_element = MESSAGE_ID_BEING_RESPONDED_TO if command_field == C_CANCEL_RQ else MESSAGE_ID
    request = Request(
        command_field, _number(elements, id_element), _number(elements, _DATA_SET_TYPE) != _NO_DATA_SET
    )
    class_element, instance_element = _UID_ELEMENTS.get(command_field, _CLASS_ONLY)
    if class_element in elements:
        request.has_sop_class_uid = True
        request.affected_sop_class_uid = uid_text(elements[class_element])
    if instance_element in elements:
        request.has_sop_instance_uid = True
        request.affected_sop_instance_uid = uid_text(elements[instance_element])
    return request


def _number(elements: dict[int, bytes], element: int) -> int:
    """Return the value of an element of VR US that has to be there."""
    value = elements.get(element, b"")
    if len(value) != 2:
        what = f"of {len(value)} bytes" if element in elements else "missing"
        raise Abort(0, 0, f"command set with (0000,{element:04X}) {what}")
    return int.from_bytes(value, "little")


def check_store(request: Request) -> None:
    """Raise `Refused` if a C-STORE-RQ lacks what PS3.7 9.3.1.1 requires of it.

    An empty SOP Class UID passes: no object's data set can match it.
    """
    if not request.has_sop_class_uid:
        raise Refused(MISSING_ATTRIBUTE, "Affected SOP Class UID (0000,0002) missing")
    if not request.has_sop_instance_uid:
        raise Refused(MISSING_ATTRIBUTE, "Affected SOP Instance UID (0000,1000) missing")
    if not request.affected_sop_instance_uid:
        raise Refused(INVALID_ATTRIBUTE_VALUE, "Affected SOP Instance UID (0000,1000) empty")
    if len(request.affected_sop_class_uid) > LONGEST_UID:
        raise Refused(INVALID_ATTRIBUTE_VALUE, f"Affected SOP Class UID longer than {LONGEST_UID}")
    if len(request.affected_sop_instance_uid) > LONGEST_UID:
        raise Refused(INVALID_ATTRIBUTE_VALUE, f"Affected SOP Instance UID longer than {LONGEST_UID}")
    if not request.has_data_set:
        raise Refused(CANNOT_UNDERSTAND, "C-STORE without a data set")


def response(request: Request, status: int, comment: str = "") -> bytes:
    """Return the command set that answers a request (PS3.7 9.3 and 10.3), without a data set.

    UIDs come back as they were understood: clean, and padded with a NUL.  Those that no element may hold, for
    their length, are left out.  Error Comment (0000,0902): its first 64 characters, ASCII; what LO forbids
    becomes `?`.
    """
    sop_class = _uid_element(
        _AFFECTED_SOP_CLASS_UID, request.has_sop_class_uid, request.affected_sop_class_uid
    )
    sop_instance = _uid_element(
        AFFECTED_SOP_INSTANCE_UID, request.has_sop_instance_uid, request.affected_sop_instance_uid
    )
    # fmt: off
    numbers = _FROM_COMMAND_TO_STATUS.pack(
        0, 0x0100, 2, request.command_field | _RESPONSE_BIT,
        0, 0x0120, 2, request.message_id,
        0, 0x0800, 2, _NO_DATA_SET,
        0, 0x0900, 2, status,
    )
    # fmt: on
    error_comment = _comment_element(comment) if comment else b""
    length = len(sop_class) + len(numbers) + len(error_comment) + len(sop_instance)
    return b"".join((_GROUP_LENGTH.pack(0, 0, 4, length), sop_class, numbers, error_comment, sop_instance))


def _uid_element(element: int, present: bool, uid: str) -> bytes:
    if not present or len(uid) > LONGEST_UID:
        return b""
    value = uid.encode("latin-1")
    if len(value) & 1:
        value += b"\0"
    return _ELEMENT.pack(0, element, len(value)) + value


def _comment_element(comment: str) -> bytes:
    value = comment[:_MAX_COMMENT].encode("ascii", "replace").translate(_COMMENT_CHARACTERS)
    if len(value) & 1:
        value += b" "
    return _ELEMENT.pack(0, 0x0902, len(value)) + value
