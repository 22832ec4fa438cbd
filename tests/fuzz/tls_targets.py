"""What a peer sends by TLS: a first flight, records behind a handshake, a certificate.

Keys are made anew for each run, and each handshake has its own: an input says how records are changed, not what they
are, so a finding here is tried again by its input, with other bytes on the line.
"""

from __future__ import annotations

import os
import tempfile
from collections import deque
from contextlib import suppress
from functools import cache
from pathlib import Path
from time import monotonic
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from OpenSSL import SSL
from OpenSSL.crypto import FILETYPE_ASN1, X509, Error, load_certificate

from scpd.errors import Gone, Insecure, Silent
from scpd.tls.channel import reason
from scpd.tls.names import Identity, described, is_allowed, parsed
from scpd.worker.security import Security
from tests.fuzz.target import Target, demand
from tests.fuzz.wire_targets import sessions, without_numbers
from tests.harness.certificates import Infrastructure
from tests.harness.handshakes import Client, load

if TYPE_CHECKING:
    from collections.abc import Iterable

    from scpd.tls.endpoint import Tls

_NAMES = ("www.example.org", "*.example.org", "xn--bcher-kva.example", "ct1.hospital.example")
_LARGEST = 1 << 16
_ROOM = 1 << 20


class _Ends:
    """Our end of TLS and a client's, with all that they need on disk.

    What the library thinks of certificates is not shown, as in a daemon (`tls_policies.load`).
    """

    def __init__(self) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="scpd-fuzz-")
        self.pki = pki = Infrastructure(Path(self._directory.name))
        self.tls: Tls = load("+tls", pki.server.key, pki.server.crt, "+cf", pki.ca.crt, "+py")[0]
        self.client = Client(pki.good)
        # Always readable: a line that has nothing more to say is at its end.
        self.readable = os.eventfd(1)
        reader, _ = os.pipe()
        self.wakeup: Any = SimpleNamespace(fileno=lambda: reader, signalled=False, cause="")


@cache
def _ends() -> _Ends:
    return _Ends()


class _Line:
    """What stands for the socket: these portions come, then the end; `said` is what was sent."""

    def __init__(self, portions: Iterable[bytes]) -> None:
        self._portions = deque(portions)
        self.said = b""

    def say(self, data: bytes) -> None:
        self._portions.append(data)

    def fileno(self) -> int:
        return _ends().readable

    def recv_into(self, room: memoryview, nbytes: int = 0, flags: int = 0) -> int:
        del nbytes, flags
        if not self._portions:
            return 0
        portion = self._portions.popleft()
        count = min(len(portion), len(room))
        room[:count] = portion[:count]
        if count < len(portion):
            self._portions.appendleft(portion[count:])
        return count

    def send(self, data: bytes, flags: int = 0) -> int:
        del flags
        self.said += data
        return len(data)

    def close(self) -> None:
        """Take no notice."""


def _first(client: Client) -> bytes:
    connection = SSL.Connection(client.context, None)
    connection.set_tlsext_host_name(b"localhost")
    connection.set_connect_state()
    with suppress(SSL.WantReadError):
        connection.do_handshake()
    return connection.bio_read(_LARGEST)


def _hellos() -> list[bytes]:
    """Give what clients of several versions say first, and what is no TLS."""
    versions = (SSL.TLS1_VERSION, SSL.TLS1_1_VERSION, SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION)
    hellos = [_first(Client().versions(version, version)) for version in versions]
    return [*hellos, _first(Client()), sessions()[0][:300], b"\x15\x03\x03\x00\x02\x02\x30"]


def _hello(data: bytes) -> str:
    """See that it ends as a connection does that comes to nothing: nobody can finish a handshake blindly."""
    line = _Line([data] if data else [])
    try:
        Security(line, _ends().tls).establish(_ends().wakeup, monotonic() + 60)  # type: ignore[arg-type]
    except (Insecure, Gone, Silent) as error:
        text = str(error)
        demand(text.isprintable() and len(text) < 500, f"no line of a log: {text!r}")
        return without_numbers(f"{type(error).__name__} {text.partition(' (')[0]} {line.said[:1].hex()}")
    demand(False, "a handshake without a client")
    return ""


def _scripts() -> list[bytes]:
    """Give ways to change a client: triples of how far on, what to do, and with which byte."""
    return [bytes(3), b"\x01\x00\x00" * 3, bytes(range(1, 31)), b"\x20\x01\xff\x40\x02\x10\x05\x03\x00", b""]


def _changed(data: bytes, script: bytes) -> bytes:
    """Change a flight as the script says."""
    changed, position = bytearray(data), 0
    for step, what, value in zip(script[::3], script[1::3], script[2::3], strict=False):
        position = (position + step * (1 + what // 4)) % max(len(changed), 1)
        if what % 4 == 0:
            changed[position : position + 1] = bytes([value])
        elif what % 4 == 1:
            del changed[position : position + 1 + value % 40]
        elif what % 4 == 2:
            changed[position:position] = bytes([value]) * (1 + value % 40)
        else:
            changed[position : position + 5] = bytes((20 + value % 5, 3, 3, 0, value))
    return bytes(changed)


def _records(data: bytes) -> str:
    """See that whatever becomes of the records of a client ends as an association does, and is told in a line."""
    ends = _ends()
    which, script = data[:1], data[1:]
    spoils = which[0] % 4 if which else 0  # which flight is changed: the last one is DICOM
    client = SSL.Connection(ends.client.context, None)
    client.set_connect_state()
    line = _Line([])
    security = Security(line, ends.tls)  # type: ignore[arg-type]
    flight, is_done = 0, False
    try:
        while not is_done:
            demand(flight < 6, "a handshake without end")
            with suppress(SSL.WantReadError, SSL.Error):
                client.do_handshake()
            said = _said(client)
            came = _changed(said, script) if flight == spoils else said
            flight += 1
            if not came:
                return "nothing more to say"
            is_done = security.channel.shake(came)
            client.bio_write(line.said)
            line.said = b""
    except SSL.Error as error:
        return f"refused {reason(error)}"
    demand(security.names()[1] == ends.pki.ca.subject, "somebody else's certificate")
    return f"done {_data(security, client, line, script if spoils >= flight else b'')}"


def _said(client: SSL.Connection) -> bytes:
    with suppress(SSL.WantReadError):
        return client.bio_read(_LARGEST)
    return b""


def _data(security: Security, client: SSL.Connection, line: _Line, script: bytes) -> str:
    """Have data come over a handshake that is done: what arrives is the begin of what was said, or nothing."""
    text = sessions()[0]
    with suppress(SSL.WantReadError, SSL.Error):
        client.do_handshake()
        client.send(text)
    line.say(_changed(_said(client), script))
    room, got = memoryview(bytearray(_ROOM)), b""
    try:
        while count := security.channel.recv_into(room):
            got += room[:count]
    except OSError as error:
        demand(error.errno is None and str(error).isprintable(), f"an error of the machine: {error!r}")
        demand(text.startswith(got), "data that nobody has sent")
        return without_numbers(str(error))
    demand(text.startswith(got), "data that nobody has sent")
    return "whole" if got == text else "cut off"


def _certificates() -> list[bytes]:
    """Give certificates, DER: of ours, with names of many kinds."""
    pki = _ends().pki
    named = pki.issue("fuzz-names", pki.ca, names=_NAMES, common_name="CT 1, Hôpital=a+b")
    return [Path(each.crt_der).read_bytes() for each in (pki.good, pki.server, pki.ca, named)]


def _certificate(data: bytes) -> str:
    """See that whatever OpenSSL takes for a certificate is an identity, if one that cannot be read."""
    try:
        certificate: X509 = load_certificate(FILETYPE_ASN1, data)
    except Error as error:
        return f"none {reason(error)}"  # type: ignore[arg-type]  # of the same form
    found = parsed(certificate)
    identity = Identity(found)
    is_allowed(("*.example.org", "[a-"), identity.names)
    demand(identity.subject in described(found), "two names for one")
    return "unreadable" if found is None else without_numbers(identity.subject[:20])


TARGETS = (
    Target(
        "hello",
        "any first flight of a peer is a handshake that comes to nothing, told in a line",
        _hellos,
        _hello,
        weight=2,
    ),
    Target(
        "tls",
        "whatever becomes of a client's records, nobody is taken for somebody else, and no data is made up",
        _scripts,
        _records,
        milliseconds=100.0,
    ),
    Target(
        "certificate",
        "whatever OpenSSL takes for a certificate is an identity or none",
        _certificates,
        _certificate,
        weight=2,
    ),
)
