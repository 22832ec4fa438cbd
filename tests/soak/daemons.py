"""The daemons of a run: a plain master and one with TLS, on one output and lock directory, and their peers' ways in."""

from __future__ import annotations

import ssl
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from tests.harness.raw_peer import RawPeer
from tests.harness.tls_clients import credentials

if TYPE_CHECKING:
    from tests.harness.certificates import Infrastructure, Pair
    from tests.harness.servers import Server, ServerFactory

_OPTIONS = ("--fork", "-v", "+xa", "-pm", "+B", "-su", "S", "-tos", "2", "-xcs", "true")
_HOST = "localhost"
_PEER_SECONDS = 30.0
_RELOADED = "I: reloaded"


class Keys:
    """Key and certificate of a daemon, which may be renewed, and what its peers need to come in."""

    def __init__(self, certificates: Infrastructure) -> None:
        self.certificates = certificates
        self.renewals = -1
        self.renew()

    def renew(self) -> None:
        """Make another key and certificate in the place of the last ones."""
        self.pair: Pair = self.certificates.issue("renewed", self.certificates.ca, names=(_HOST, "127.0.0.1"))
        self.renewals += 1

    @property
    def options(self) -> tuple[str, ...]:
        """What the daemon is told."""
        return ("+tls", self.pair.key, self.pair.crt, "+cf", self.certificates.ca.crt)

    def context(self) -> ssl.SSLContext:
        """What a peer of Python's connects by."""
        context = ssl.create_default_context(cafile=self.certificates.ca.crt)
        context.load_cert_chain(self.certificates.good.crt, self.certificates.good.key)
        return context


class Daemon(NamedTuple):
    """A master; `keys` if it speaks TLS."""

    name: str
    server: Server
    keys: Keys | None = None

    def reloads(self) -> int:
        """Give how often it has reloaded."""
        return self.server.stderr.count(_RELOADED)

    def shows_its_last_certificate(self) -> bool:
        """Tell whether who comes now is shown the certificate that was made last."""
        if self.keys is None:
            return True
        with Door(self).connect() as peer:
            assert isinstance(peer.socket, ssl.SSLSocket)
            shown = peer.socket.getpeercert(binary_form=True)
        return shown == ssl.PEM_cert_to_DER_cert(_first_certificate(self.keys.pair))


def start(scpd: ServerFactory, certificates: Infrastructure) -> list[Daemon]:
    """Start them."""
    plain = scpd(*_OPTIONS)
    keys = Keys(certificates)
    secure = scpd(*_OPTIONS, *keys.options, inbox=plain.inbox)
    return [Daemon("plain", plain), Daemon("TLS", secure, keys)]


class Door:
    """How one peer comes in to a daemon; by TLS it goes on with the session that it had last."""

    def __init__(self, daemon: Daemon) -> None:
        self.name = daemon.name
        self.server = daemon.server
        self.resumed = 0
        self._keys = daemon.keys
        self._session: ssl.SSLSession | None = None

    @property
    def is_secure(self) -> bool:
        """Tell whether TLS is spoken here."""
        return self._keys is not None

    @property
    def dcmtk_options(self) -> list[str]:
        """What a client of DCMTK is told."""
        return credentials(self._keys.certificates, self._keys.certificates.good) if self._keys else []

    @property
    def tls_args(self) -> tuple[ssl.SSLContext, str] | None:
        """What pynetdicom is told."""
        return (self._context, _HOST) if self.is_secure else None

    def connect(self) -> RawPeer:
        """Come in as a raw peer."""
        peer = RawPeer(self.server.port, timeout=_PEER_SECONDS)
        if self.is_secure:
            secure = self._context.wrap_socket(peer.socket, server_hostname=_HOST, session=self._session)
            self.resumed += bool(secure.session_reused)
            peer.socket = secure
        return peer

    def keep_session(self, peer: RawPeer) -> None:
        """Note the session of a peer that was answered, for the next one."""
        if isinstance(peer.socket, ssl.SSLSocket):
            self._session = peer.socket.session

    @cached_property
    def _context(self) -> ssl.SSLContext:
        assert self._keys is not None
        return self._keys.context()


def _first_certificate(pair: Pair) -> str:
    with open(pair.crt, encoding="ascii") as file:
        text = file.read()
    return text[: text.index(ssl.PEM_FOOTER)] + ssl.PEM_FOOTER + "\n"
