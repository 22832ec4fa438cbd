"""What a C-STORE command announces, and whether it may: before a byte of its data set is looked at."""

from __future__ import annotations

from scpd.dimse import messages, status
from scpd.errors import Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from scpd.ul.negotiation import Context


def check_command(request: messages.Request, context: Context) -> None:
    """Raise `Refused` unless the command may announce an object on this presentation context."""
    messages.check_store(request)
    if request.affected_sop_class_uid != context.abstract_syntax:
        comment = "SOP Class UID is not the presentation context's"
        raise Refused(status.SOP_CLASS_NOT_SUPPORTED, comment)
