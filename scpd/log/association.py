"""Whose line is this: what the log says about the association that this process serves.

The master makes one such object and serves no association, so `id` is empty; a worker begins its own.  Handlers look
at it for each record.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_ID_BYTES = 3

# The fields that a log may show, as `%X{calling_aet}` or as a member of a JSON object; `association` is the id.
FIELDS = ("calling_aet", "called_aet", "peer", "tls_subject", "study", "status")
_LONGEST_SUBJECT = 256  # characters: a certificate may have thousands, and each line would


class Association:
    """The association of this process, as far as it is known; what is not known is empty.

    The fields hold what the peer said, unescaped: whoever writes them escapes them.
    """

    __slots__ = ("_ask_subject", "_id", "_subject", "called_aet", "calling_aet", "peer", "status", "study")

    def __init__(self) -> None:
        self._id = ""
        self.end()

    def begin(self, peer: str) -> None:
        """Begin anew, with an id of its own and nothing known but the peer."""
        self.end()
        self.peer = peer

    def end(self) -> None:
        """Serve nobody."""
        self._id = ""
        self._subject = ""
        self._ask_subject: Callable[[], str] | None = None
        self.calling_aet = ""
        self.called_aet = ""
        self.peer = ""
        self.study = ""
        self.status = ""

    @property
    def id(self) -> str:
        """Give the id, which is made when the first line wants it: most associations are logged nowhere."""
        if not self._id and self.peer:
            self._id = os.urandom(_ID_BYTES).hex()
        return self._id

    def secure(self, ask_subject: Callable[[], str]) -> None:
        """There is TLS; `ask_subject` gives the subject of the peer's certificate, empty if it has none."""
        self._ask_subject = ask_subject

    @property
    def tls_subject(self) -> str:
        """Give the subject of the peer's certificate; it is asked for once, when a line shows it."""
        if self._ask_subject is not None:
            self._subject, self._ask_subject = self._ask_subject()[:_LONGEST_SUBJECT], None
        return self._subject
