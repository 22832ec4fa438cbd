"""The requests of a series: C-STORE-RQs that are like the one before but for Message ID and SOP Instance UID.

Such a request is compared instead of being read, and needs no check, since one like it had all that it needs; where the
answer is success that one is put together from parts (`python -m bench --only small`: 5 % more objects).  Any other
request is read by `dimse.messages`; it means the same either way.

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

TYPE_CHECKING = False
if TYPE_CHECKING:
    from scpd.ul.negotiation import Context

# Requests from which is learnt how the next ones look; who sends others all the time has them read.
_MOST_LESSONS = 16


class Series:
    """What one association's requests have been like."""

    __slots__ = (
        "_answer",
        "_answer_begin",
        "_answer_middle",
        "_answer_uid_size",
        "_context_id",
        "_instance",
        "_last",
        "_lessons",
        "_others",
        "_same",
        "_size",
        "_sop_class_uid",
        "_those",
    )

    def __init__(self) -> None:
        self._lessons = 0
        self._size = self._context_id = -1  # of the requests that can be compared
        # Of their parts: those that are the same in all, what they are, and the others.
        self._same = self._others = Struct("")
        self._those: tuple[bytes, ...] = ()
        self._sop_class_uid = ""
        self._answer = Struct("")
        self._answer_begin = self._answer_middle = b""
        self._answer_uid_size = 0
        self._last: Request | None = None  # that was compared,
        self._instance = b""  # and its SOP Instance UID, padded

    def request(self, command: bytes, context_id: int) -> Request | None:
        """Give the request of a command set that is like the one before, on its context; `None` for any other."""
        if len(command) != self._size or context_id != self._context_id:
            return None
        if self._same.unpack(command) != self._those:
            return None
        message_id, instance = self._others.unpack(command)
        instance = instance.translate(None, WHITE_SPACE).rstrip(b"\0")
        if not instance:
            return None
        request = Request(C_STORE_RQ, message_id, True)
        request.has_sop_class_uid = request.has_sop_instance_uid = request.is_checked = True
        request.affected_sop_class_uid = self._sop_class_uid
        request.affected_sop_instance_uid = instance.decode("latin-1")
        self._instance = instance + b"\0" if len(instance) & 1 else instance
        self._last = request
        return request

    def learn(self, command: bytes, request: Request, context: Context) -> None:
        """Take a command set that was read, and its request, as an example of those to come on its context."""
        if self._lessons == _MOST_LESSONS or not _is_usual(request, context):
            return
        self._lessons += 1
        message_id, uid = place_of(MESSAGE_ID, command), place_of(AFFECTED_SOP_INSTANCE_UID, command)
        # One that is longer than a UID may be, but for white space, leaves room for others that are.
        if message_id.start > uid.start or uid.stop - uid.start > LONGEST_UID:
            return
        self._size, self._context_id = len(command), context.context_id
        begin, middle, end = message_id.start, uid.start - message_id.stop, self._size - uid.stop
        instance_size = uid.stop - uid.start
        self._same = Struct(f"<{begin}s2x{middle}s{instance_size}x{end}s")
        self._others = Struct(f"<{begin}xH{middle}x{instance_size}s{end}x")
        self._those = self._same.unpack(command)
        self._sop_class_uid = request.affected_sop_class_uid
        self._prepare_answer(response(request, SUCCESS))

    def _prepare_answer(self, answer: bytes) -> None:
        message_id = place_of(MESSAGE_ID_BEING_RESPONDED_TO, answer)
        uid = place_of(AFFECTED_SOP_INSTANCE_UID, answer)
        self._answer_begin = answer[: message_id.start]
        self._answer_middle = answer[message_id.stop : uid.start]
        self._answer_uid_size = uid.stop - uid.start
        middle = len(self._answer_middle)
        self._answer = Struct(f"<{message_id.start}sH{middle}s{self._answer_uid_size}s")

    def success(self, request: Request) -> bytes:
        """Give the command set that answers a request by success."""
        if request is not self._last or len(self._instance) != self._answer_uid_size:
            return response(request, SUCCESS)
        return self._answer.pack(self._answer_begin, request.message_id, self._answer_middle, self._instance)


def _is_usual(request: Request, context: Context) -> bool:
    """Tell whether it is a C-STORE-RQ with all that it must have there, and that an answer repeats."""
    return (
        request.command_field == C_STORE_RQ
        and request.has_data_set
        and request.has_sop_class_uid
        and request.has_sop_instance_uid
        and len(request.affected_sop_class_uid) <= LONGEST_UID
        and request.affected_sop_class_uid == context.abstract_syntax
        and len(request.affected_sop_instance_uid) <= LONGEST_UID
    )
