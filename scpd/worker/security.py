"""TLS before the first byte of DICOM: the handshake, and who the peer is by its certificate.

It is the worker's, and has the time that the request has: one deadline, however the bytes drip.  What comes to nothing
becomes one line of the log that says why, with the certificate that was offered: `Insecure`, for which OpenSSL has
sent the alert.  Whoever closes without a byte is `Silent`, as without TLS.

A certificate that is good, but of nobody whom --allow-peer-cn has, is answered by an A-ASSOCIATE-RJ: senders show that
to whoever operates them, while they show of an alert that "TLS failed".
"""

from __future__ import annotations

import logging
import re
import select
from time import monotonic

from OpenSSL import SSL

from scpd.errors import Gone, Insecure, Reject, Silent, Stopped
from scpd.tls.channel import Channel, begin, reason
from scpd.tls.names import Identity, is_allowed, parsed
from scpd.ul import noise
from scpd.ul.negotiation import CALLING_AE_TITLE_NOT_RECOGNIZED, PERMANENT, SERVICE_USER

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from scpd.process.signals import Wakeup
    from scpd.tls.endpoint import Tls
    from scpd.worker.peer import Peer
    from scpd.worker.service import ServicePolicy

log = logging.getLogger("dcmtk.apps.storescp")

_HANDSHAKE = 0x16  # the type of a record (RFC 8446 5.1)
_MAJOR = 0x03  # the first byte of its version, whichever that is
# Every profile has TLS 1.2: who says so and is refused for his version has later ones only (RFC 8446 4.2.1).
_VERSIONS = {0: "SSL 3.0", 1: "TLS 1.0", 2: "TLS 1.1", 3: "TLS 1.3"}
_CLIENT_VERSION = 10  # where the second byte of what a hello offers stands, unless it is cut before
_LONGEST_POLL = 86_400_000  # milliseconds; poll(2) takes an int
_CLOSED = "connection closed by the peer within the TLS handshake"

# OpenSSL's words > ours.
_REASONS = {
    "peer did not return a certificate": "the peer has no certificate",
    "no shared cipher": "no cipher suite in common",
    "no suitable key share": "no group in common for the key exchange",
    "no suitable signature algorithm": "no signature algorithm in common",
    "no shared signature algorithms": "no signature algorithm in common",
    "wrong curve": "the peer's certificate has an EC key of another group than ours",
    "version too low": "no version in common, the peer offers {version}",
    "unsupported protocol": "no version in common, the peer offers {version}",
    "wrong version number": "damaged, or not TLS",
}
_ALERT = re.compile(r"\balert (.+)$")
_ABOUT_OUR_CERTIFICATE = ("ca", "certificate")


class Security:
    """TLS of one connection; `channel` is what to use in place of its socket."""

    __slots__ = ("_endpoint", "_identity", "channel")

    def __init__(self, sock: socket.socket, endpoint: Tls, spare: SSL.Connection | None = None) -> None:
        """`spare` is a connection that was made ready before (`tls.channel.begin`)."""
        self._endpoint = endpoint
        self._identity: Identity | None = None
        self.channel = Channel(sock, spare or begin(endpoint.context()))

    def establish(self, wakeup: Wakeup, deadline: float) -> None:
        """Do the handshake until `deadline` (monotonic seconds); raises a `PeerError` if there will be no TLS."""
        hello = self._await(wakeup, deadline)
        if not hello:
            raise Silent("closed without a byte")
        if what := _not_tls(hello):
            raise Insecure(what)
        try:
            is_done = self.channel.shake(hello)
            while not is_done:
                came = self._await(wakeup, deadline)
                if not came:
                    raise Gone(_CLOSED)
                is_done = self.channel.shake(came)
        except SSL.ZeroReturnError:  # with a word (close_notify)
            raise Gone(_CLOSED) from None
        except SSL.Error as error:
            raise Insecure(self._explained(reason(error), hello)) from None

    def _await(self, wakeup: Wakeup, deadline: float) -> bytes:
        """Wait for bytes of the peer, and give them: none at their end."""
        channel = self.channel
        poll: select.poll | None = None  # the first ones are there before we are
        while (left := deadline - monotonic()) > 0:
            try:
                came = channel.arrive()
            except OSError:
                return b""
            if came is not None:
                return came
            if poll is None:
                poll = select.poll()
                poll.register(wakeup, select.POLLIN)
            poll.register(channel, select.POLLIN | (select.POLLOUT if channel.has_unsent() else 0))
            poll.poll(min(left * 1000 + 1, _LONGEST_POLL))
            if wakeup.signalled:
                raise Stopped(wakeup.cause)
        raise Gone("no TLS handshake in time")

    def _explained(self, text: str, hello: bytes) -> str:
        """Say what went wrong; our own callbacks know best."""
        if self.channel.findings:
            return "; ".join(self.channel.findings)
        if alert := _ALERT.search(text):
            what = alert[1]
            if what.endswith(_ABOUT_OUR_CERTIFICATE) or "certificate " in what:
                return f"the peer does not accept our certificate ({what})"
            return f"the peer gives up ({what})"
        return _REASONS.get(text, text).format(version=_version(hello))

    def identity(self) -> Identity | None:
        """Say who the peer is; `None` without a certificate."""
        if self._identity is None:
            certificate = self.channel.peer_certificate()
            self._identity = None if certificate is None else Identity(parsed(certificate))
        return self._identity

    def names(self) -> tuple[str, str]:
        """Give subject and issuer of the peer's certificate; empty without one."""
        identity = self.identity()
        return ("", "") if identity is None else (identity.subject, identity.issuer)

    def subject(self) -> str:
        """Give the subject of the peer's certificate; empty without one."""
        return self.names()[0]

    def tell(self, peer: Peer) -> None:
        """Log what has come about."""
        if not log.isEnabledFor(logging.INFO):
            return
        identity, channel = self.identity(), self.channel
        whose = (
            "no peer certificate"
            if identity is None
            else f"peer {identity.subject}, issued by {identity.issuer}, serial {identity.serial}"
        )
        resumed = ", resumed" if channel.is_resumed() else ""
        log.info("TLS %s, %s%s, %s (%s)", channel.version(), channel.suite(), resumed, whose, peer)

    def check(self) -> None:
        """Raise `Reject` for a peer whose names --allow-peer-cn does not have."""
        patterns = self._endpoint.allowed_names
        if not patterns:
            return
        identity = self.identity()
        if identity is None:
            text = "--allow-peer-cn: the peer has shown no certificate"
        elif is_allowed(patterns, identity.names):
            return
        else:
            text = f"--allow-peer-cn has no pattern for the certificate of {identity.subject}"
        raise Reject(PERMANENT, SERVICE_USER, CALLING_AE_TITLE_NOT_RECOGNIZED, text)


def preparation(policy: ServicePolicy, tls: Tls) -> Callable[[], None]:
    """Give what a worker does while it stands by, since it has the time: it makes a connection ready."""

    def prepare() -> None:
        policy.spare = begin(tls.context())

    return prepare


def _not_tls(first: bytes) -> str:
    """Say what begins with these bytes, if it cannot be TLS."""
    if first[0] == _HANDSHAKE and first[1:2] in (b"", bytes((_MAJOR,))):
        return ""
    return noise.recognize(first[: noise.ENOUGH]) or "DICOM without TLS"


def _version(hello: bytes) -> str:
    """Say up to which version a client hello goes."""
    offered = hello[_CLIENT_VERSION] if len(hello) > _CLIENT_VERSION else None
    return "none of ours" if offered is None else _VERSIONS.get(offered, "none of ours")
