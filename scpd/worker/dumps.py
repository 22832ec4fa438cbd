"""What a peer says and what it is answered, as text in the log: for +v and the debug level.

Imported by the master, and only if its log is to have dumps: the names of all UIDs come with it.
"""

from __future__ import annotations

import logging

from scpd.dimse.dump import command_text
from scpd.log.escape import Trusted
from scpd.ul.dump import accept_text, request_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from scpd.ul.items import UserInformation
    from scpd.ul.negotiation import Answer, Policy
    from scpd.ul.pdus import AssociateRequest

log = logging.getLogger("dcmtk.apps.storescp")


class Dumps:
    """Writes dumps: of associations at `level`, of commands at the debug level."""

    __slots__ = ("_level",)

    def __init__(self, level: int) -> None:
        self._level = level

    def request(self, request: AssociateRequest, own: UserInformation) -> None:
        """Dump an A-ASSOCIATE-RQ; `own` is what its acceptor will say of itself."""
        log.log(self._level, "Parameters:\n%s", Trusted(request_text(request, own)))

    def answer(self, request: AssociateRequest, answer: Answer, own: UserInformation, policy: Policy) -> None:
        """Dump the A-ASSOCIATE-AC."""
        log.log(self._level, "%s", Trusted(accept_text(request, answer, own, policy)))

    def command(self, elements: dict[int, bytes], context_id: int) -> None:
        """Dump a command set."""
        if log.isEnabledFor(logging.DEBUG):
            log.debug("%s", Trusted(command_text(elements, context_id)))
