"""The exceptions of scpd: who is to blame is the class, and each carries the answer.

The administrator gets `UsageError` (a bad command line) or `StartError` (a start that the machine forbids): one
line on stderr and an exit code.  The peer gets `Reject` or `Abort`: the fields of the PDU that answers it
(PS3.8 9.3.4 and 9.3.8).  The object gets `Refused`: the status and Error Comment of its C-STORE-RSP (PS3.7 annex C).
They are raised where the reason is known, answered in one place and logged once.
"""

from __future__ import annotations


class UsageError(Exception):
    """A command line that cannot be followed; `str()` is the text behind `error: `.

    `quiet` is true when the line itself asked for silence (-q) before the check that failed.
    """

    def __init__(self, text: str, *, quiet: bool = False) -> None:
        super().__init__(text)
        self.quiet = quiet


class StartError(Exception):
    """The machine does not allow what the options ask: one line, exit code 1."""


class PeerError(Exception):
    """What a peer did ends its association; its text is for the log."""


class Reject(PeerError):
    """The association is refused by an A-ASSOCIATE-RJ of these fields (PS3.8 9.3.4).

    `lack` is as in `Refused`.
    """

    def __init__(self, result: int, source: int, reason: int, text: str, *, lack: str = "") -> None:
        super().__init__(text)
        self.lack = lack
        self.result = result
        self.source = source
        self.reason = reason


class Abort(PeerError):
    """The association ends by an A-ABORT of these fields (PS3.8 9.3.8)."""

    def __init__(self, source: int, reason: int, text: str) -> None:
        super().__init__(text)
        self.source = source
        self.reason = reason


class Refused(Exception):
    """One request is answered by this status; the association goes on (PS3.7 annex C, PS3.4 B.2.3).

    `comment` is for the peer, `detail` for our log, where it may name files; without it the comment serves both.
    `lack` says what the machine lacks, if that is why: then others are refused for the same, and it is told once.
    """

    def __init__(self, status: int, comment: str, detail: str = "", *, lack: str = "") -> None:
        super().__init__(comment)
        self.status = status
        self.comment = comment
        self.detail = detail or comment
        self.lack = lack


class Stopped(Abort):
    """A signal ends the association: A-ABORT, source service-user; `cause` is who sent it (`process.signals`)."""

    def __init__(self, cause: str) -> None:
        super().__init__(0, 0, cause)


class Gone(PeerError):
    """The peer has left, or said nothing in time: the connection is closed without a PDU."""


class Denied(Gone):
    """The host rules do not let the peer in: the connection is closed without a PDU; `level` is of logging."""

    def __init__(self, text: str, level: int) -> None:
        super().__init__(text)
        self.level = level


class Silent(Gone):
    """The peer closed the connection without a byte, as a load balancer's health check does."""


class Insecure(Gone):
    """No TLS connection came about; if the peer speaks TLS an alert has told it, which it must get before we close."""


class NotDicom(Gone):
    """The peer speaks another protocol; the text names it."""


class Released(PeerError):
    """The peer asked for release, in turn or between a command and its data set: A-RELEASE-RP."""

    def __str__(self) -> str:
        return "released by the peer"
