"""Handshakes in memory: our context on one side, any client on the other, no socket."""

from __future__ import annotations

from typing import TYPE_CHECKING

from OpenSSL import SSL

from scpd import tls_policies
from scpd.cli.parser import parse
from scpd.cli.settings import Settings
from scpd.errors import PeerError

if TYPE_CHECKING:
    from collections.abc import Callable

    from scpd.tls.endpoint import Tls
    from tests.harness.certificates import Pair


def settings_of(*words: str) -> Settings:
    """Read a command line."""
    settings = parse("scpd", [*words, "11112"])
    assert isinstance(settings, Settings)
    return settings


def load(*words: str, former: dict[str, object] | None = None) -> tuple[Tls, list[str]]:
    """Read keys and certificates as a start does; give what is odd too."""
    return tls_policies.load(settings_of(*words), former)


class Client:
    """The client of a handshake; `pair` is its key and certificate."""

    def __init__(self, pair: Pair | None = None) -> None:
        self.context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        self.context.set_cipher_list(b"ALL:COMPLEMENTOFALL:@SECLEVEL=0")
        self.versions(SSL.TLS1_VERSION, SSL.TLS1_3_VERSION)
        if pair is not None:
            self.context.use_privatekey(pair.private)
            self.context.use_certificate(pair.certificate)
            for each in pair.chain:
                self.context.add_extra_chain_cert(each)
        self.server_name = b""
        self.session: SSL.Session | None = None

    def versions(self, lowest: int, highest: int) -> Client:
        """Allow these versions of TLS."""
        self.context.set_min_proto_version(lowest)
        self.context.set_max_proto_version(highest)
        return self

    def old(self) -> Client:
        """Allow TLS 1.2 only: refusals come within the handshake."""
        return self.versions(SSL.TLS1_2_VERSION, SSL.TLS1_2_VERSION)

    def suites(self, names: str) -> Client:
        """Offer these suites, as OpenSSL names them."""
        self.context.set_cipher_list(f"{names}:@SECLEVEL=0".encode())
        return self


class Outcome:
    """How a handshake ended: our error, what the callbacks noted, the client's error, and both ends."""

    def __init__(self, server: SSL.Connection, client: SSL.Connection) -> None:
        self.server, self.client = server, client
        self.error = ""
        self.alert = ""
        self.findings: list[str] = []

    @property
    def suite(self) -> str:
        return str(self.server.get_cipher_name())


def shake(tls: Tls, client: Client) -> Outcome:
    """Play a handshake, and one byte after it: in TLS 1.3 a client hears of its refusal then."""
    server = SSL.Connection(tls.context(), None)
    peer = SSL.Connection(client.context, None)
    server.set_accept_state()
    peer.set_connect_state()
    if client.server_name:
        peer.set_tlsext_host_name(client.server_name)
    if client.session is not None:
        peer.set_session(client.session)
    outcome = Outcome(server, peer)
    server.set_app_data(outcome.findings)
    for _ in range(6):
        outcome.alert = outcome.alert or _step(peer, peer.do_handshake)
        _pump(peer, server)
        outcome.error = outcome.error or _step(server, server.do_handshake)
        _pump(server, peer)
    outcome.alert = outcome.alert or _step(peer, lambda: peer.recv(1))
    return outcome


def _step(connection: SSL.Connection, act: Callable[[], object]) -> str:
    try:
        act()
    except SSL.WantReadError:
        return ""
    except SSL.Error as error:
        return str(error.args[0][-1][-1]) if error.args and error.args[0] else type(error).__name__
    except PeerError as error:  # what a callback of ours raised
        return f"{type(error).__name__}: {error}"
    return ""


def _pump(source: SSL.Connection, sink: SSL.Connection) -> None:
    while True:
        try:
            sink.bio_write(source.bio_read(65536))
        except SSL.WantReadError:
            return
