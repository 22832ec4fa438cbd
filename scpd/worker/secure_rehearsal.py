"""The rehearsal of `worker.rehearsal` once more, by TLS: the peer is OpenSSL's client, in this process, with no socket.

OpenSSL learns too: it looks for each algorithm the first time that one is used, and keeps it.  A worker inherits that
with the rest; without it a resumed session costs half as much again.  Key and certificate are made for the rehearsal:
what blinds the use of a key (RFC 8017 B, timing attacks) must not be the same in all workers, so the real one is left
alone.
"""

from __future__ import annotations

import datetime as dt
from contextlib import suppress

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from OpenSSL import SSL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_BITS = 1024  # of a key that protects nothing: made in a hundredth of a second
_DAY = dt.timedelta(days=1)
_RECORDS = 1 << 16


class Stage:
    """What stands for the TLS of the options, and the clients that connect to it."""

    __slots__ = ("_client", "_context", "allowed_names")

    def __init__(self) -> None:
        key = rsa.generate_private_key(65537, _BITS)
        certificate = _certificate(key)
        self.allowed_names: tuple[str, ...] = ()
        self._context = SSL.Context(SSL.TLS_SERVER_METHOD)
        self._client = SSL.Context(SSL.TLS_CLIENT_METHOD)
        for context in (self._context, self._client):
            context.set_cipher_list(b"DEFAULT:@SECLEVEL=0")
            context.use_certificate(certificate)
            context.use_privatekey(key)
        self._context.set_verify(SSL.VERIFY_PEER, lambda *_: True)
        self._context.set_session_id(b"rehearsal")

    def context(self) -> SSL.Context:
        """Give what connections are made of."""
        return self._context

    def partner(self, script: Iterable[bytes], readable: int) -> Partner:
        """Give a client that says this after its handshake, as the socket by which it is reached.

        It is polled by the descriptor `readable`, which always is.
        """
        client = SSL.Connection(self._client, None)
        client.set_connect_state()
        return Partner(client, script, readable)


class Partner:
    """A client behind the calls of a socket: it answers when it is listened to."""

    __slots__ = ("_client", "_readable", "_script")

    def __init__(self, client: SSL.Connection, script: Iterable[bytes], readable: int) -> None:
        self._client = client
        self._script = iter(script)
        self._readable = readable

    def fileno(self) -> int:
        """Give what is polled for it."""
        return self._readable

    def recv_into(self, room: memoryview, *_: int) -> int:
        """Give what the client says next; nothing when it has said all."""
        try:
            self._client.do_handshake()
        except SSL.WantReadError:
            return self._sealed(room)
        with suppress(SSL.WantReadError):  # of the handshake's end something may be left to be said
            return self._put(self._client.bio_read(_RECORDS), room)
        portion = next(self._script, b"")
        if not portion:
            return 0
        self._client.send(portion)
        return self._sealed(room)

    def _sealed(self, room: memoryview) -> int:
        return self._put(self._client.bio_read(_RECORDS), room)

    @staticmethod
    def _put(data: bytes, room: memoryview) -> int:
        room[: len(data)] = data
        return len(data)

    def send(self, data: bytes, *_: int) -> int:
        """Hear what the worker says."""
        self._client.bio_write(data)
        return len(data)

    def settimeout(self, seconds: float | None) -> None:
        """Have no time limit."""

    def setsockopt(self, *_: object) -> None:
        """Have no options."""

    def shutdown(self, how: int) -> None:
        """Take no notice."""

    def close(self) -> None:
        """Take no notice."""


def _certificate(key: rsa.RSAPrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "rehearsal")])
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - _DAY)
        .not_valid_after(now + _DAY)
        .sign(key, hashes.SHA256())
    )
