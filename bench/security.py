"""TLS for a run: an authority, a key and certificate for the servers, another pair for the sender.

Sender and servers agree on TLS 1.3, AES-256-GCM and P-256, which all of them have; the sender shows its certificate.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import ssl
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from bench.wire import LoadError

if TYPE_CHECKING:
    import socket
    from pathlib import Path

    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import rsa

_DAY = dt.timedelta(days=1)
_BITS = 2048


@dataclass(eq=False)
class Security:
    """What servers are told (`options`), and how a sender connects: with `resumes` it goes on with its session."""

    options: tuple[str, ...]
    context: ssl.SSLContext
    resumes: bool = False
    session: ssl.SSLSession | None = None

    def connect(self, sock: socket.socket) -> ssl.SSLSocket:
        """Do the handshake; raises LoadError if a session did not go on."""
        peer = self.context.wrap_socket(sock, server_hostname="localhost", session=self.session)
        if self.session is not None and not peer.session_reused:
            raise LoadError("the server did not go on with the session")
        return peer

    def keep(self, peer: socket.socket) -> None:
        """Note the session of a connection, when data has come by it."""
        if self.resumes and isinstance(peer, ssl.SSLSocket):
            self.session = peer.session


@cache
def security(directory: Path, *, resumes: bool = False) -> Security:
    """Make keys and certificates in a directory, once for a run."""
    key, certificate, trusted = _material(directory)
    context = ssl.create_default_context(cafile=trusted)
    context.load_cert_chain(certificate, key)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.set_ecdh_curve("prime256v1")
    return Security(("+tls", key, certificate, "+cf", trusted), context, resumes)


@cache
def _material(directory: Path) -> tuple[str, str, str]:
    """Make an authority and a pair that serves both ends; give the paths of key, certificate and authority."""
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    ca_key, key = (rsa.generate_private_key(65537, _BITS) for _ in range(2))
    ca = _certificate("bench CA", None, ca_key, ca_key, x509.BasicConstraints(ca=True, path_length=None))
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    own = _certificate("localhost", ca, key, ca_key, x509.SubjectAlternativeName(names))
    paths = tuple(directory / f"bench-tls.{suffix}" for suffix in ("key", "crt", "ca"))
    contents = (
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        own.public_bytes(Encoding.PEM),
        ca.public_bytes(Encoding.PEM),
    )
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    return str(paths[0]), str(paths[1]), str(paths[2])


def _certificate(
    name: str,
    issuer: x509.Certificate | None,
    key: rsa.RSAPrivateKey,
    signer: rsa.RSAPrivateKey,
    extension: x509.ExtensionType,
) -> x509.Certificate:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.x509.oid import NameOID

    now = dt.datetime.now(dt.UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if issuer is None else issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _DAY)
        .not_valid_after(now + _DAY * 60)
        .add_extension(extension, critical=issuer is None)
        .sign(signer, hashes.SHA256())
    )
