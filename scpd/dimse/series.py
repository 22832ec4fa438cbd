"""The requests of a series: C-STORE-RQs that are like the one before but for Message ID and SOP Instance UID.

Such a request is compared instead of being read, and where the answer is success that one is put together from parts
(`python -m bench --only small`: 5 % more objects).  Any other request is read by `dimse.messages`; it means the same
either way.

    begin | Message ID, 2 bytes | middle | SOP Instance UID | end           of a request
    begin | Message ID, 2 bytes | middle | SOP Instance UID, padded         of its answer

Pure; raises nothing.
"""

from __future__ import annotations

from struct import Struct

from scpd.dataset.values import WHITE_SPACE
from scpd.dimse.commands import place_of
from scpd.dimse.messages import (
    AFFECTED_SOP_INSTANCE_UID,
    C_STORE_RQ,
    LONGEST_UID,
    MESSAGE_ID,
    MESSAGE_ID_BEING_RESPONDED_TO,
    Request,
    response,
)
from scpd.dimse.status import SUCCESS

# Requests from which is learnt how the next ones look; who sends others all the time has them read.
_MOST_LESSONS = 16


class Series:
    """What one association's requests have been like."""

    __slots__ = (
        "_answer_begin",
        "_answer_middle",
        "_answer_uid_size",
        "_begin",
        "_end",
        "_instance",
        "_last",
        "_lessons",
        "_middle",
        "_parts",
        "_size",
        "_sop_class_uid",
    )

    def __init__(self) -> None:
        self._lessons = 0
        self._size = -1  # of the requests that can be compared
        self._parts = Struct("")  # of them, as above
        self._begin = self._middle = self._end = b""
        self._sop_class_uid = ""
        self._answer_begin = self._answer_middle = b""
        self._answer_uid_size = 0
        self._last: Request | None = None  # that was compared,
        self._instance = b""  # and its SOP Instance UID, padded

    def request(self, command: bytes) -> Request | None:
        """Give the request of a command set that is like the one before; `None` for any other."""
        if len(command) != self._size:
            return None
        begin, message_id, middle, instance, end = self._parts.unpack(command)
        if middle != self._middle or begin != self._begin or end != self._end:
            return None
        instance = instance.translate(None, WHITE_SPACE).rstrip(b"\0")
        request = Request(C_STORE_RQ, message_id, True)
        request.has_sop_class_uid = request.has_sop_instance_uid = True
        request.affected_sop_class_uid = self._sop_class_uid
        request.affected_sop_instance_uid = instance.decode("latin-1")
        self._instance = instance + b"\0" if len(instance) & 1 else instance
        self._last = request
        return request

    def learn(self, command: bytes, request: Request) -> None:
        """Take a command set that was read, and its request, as an example of those to come."""
        if self._lessons == _MOST_LESSONS or not _is_usual(request):
            return
        self._lessons += 1
        message_id, uid = place_of(MESSAGE_ID, command), place_of(AFFECTED_SOP_INSTANCE_UID, command)
        if message_id.start > uid.start:
            return
        self._size = len(command)
        self._begin, self._middle = command[: message_id.start], command[message_id.stop : uid.start]
        self._end = command[uid.stop :]
        instance_size = uid.stop - uid.start
        self._parts = Struct(f"<{len(self._begin)}sH{len(self._middle)}s{instance_size}s{len(self._end)}s")
        self._sop_class_uid = request.affected_sop_class_uid
        self._prepare_answer(response(request, SUCCESS))

    def _prepare_answer(self, answer: bytes) -> None:
        message_id = place_of(MESSAGE_ID_BEING_RESPONDED_TO, answer)
        uid = place_of(AFFECTED_SOP_INSTANCE_UID, answer)
        self._answer_begin = answer[: message_id.start]
        self._answer_middle = answer[message_id.stop : uid.start]
        self._answer_uid_size = uid.stop - uid.start

    def success(self, request: Request) -> bytes:
        """Give the command set that answers a request by success."""
        if request is not self._last or len(self._instance) != self._answer_uid_size:
            return response(request, SUCCESS)
        message_id = request.message_id.to_bytes(2, "little")
        return b"".join((self._answer_begin, message_id, self._answer_middle, self._instance))


def _is_usual(request: Request) -> bool:
    """Tell whether it is a C-STORE-RQ with all that it must have, and that an answer repeats."""
    return (
        request.command_field == C_STORE_RQ
        and request.has_data_set
        and request.has_sop_class_uid
        and request.has_sop_instance_uid
        and len(request.affected_sop_class_uid) <= LONGEST_UID
        and len(request.affected_sop_instance_uid) <= LONGEST_UID
    )
