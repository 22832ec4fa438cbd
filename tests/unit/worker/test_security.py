"""The begin of a TLS connection: the peer has said all that it will say before, and is told apart by it."""

from __future__ import annotations

import os
import random
import socket
import struct
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from time import monotonic
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from OpenSSL import SSL
from OpenSSL._util import lib

from scpd.errors import Gone, Insecure, PeerError, Reject, Silent, Stopped
from scpd.worker.peer import Peer
from scpd.worker.security import Security, _version, preparation
from tests.harness import wire
from tests.harness.handshakes import Client, load
from tests.harness.raw_peer import CONTEXTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from scpd.tls.endpoint import Tls
    from tests.harness.certificates import Infrastructure, Pair

REQUEST = wire.associate_request(CONTEXTS, called="STORESCP", calling="CT_1")
UNKNOWN_CA = b"\x15\x03\x03\x00\x02\x02\x30"  # a fatal alert (RFC 8446 6)
CLOSE_NOTIFY = b"\x15\x03\x03\x00\x02\x01\x00"
INTERNAL_ERROR = b"\x15\x03\x03\x00\x02\x02\x50"
PEER = Peer(("192.0.2.1", 4711))


class Wakeup:
    """Signals that never come, or came before."""

    cause = "stopped by the administrator"

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()
        self.signalled = False

    def fileno(self) -> int:
        return self._reader

    def signal(self) -> None:
        self.signalled = True
        os.write(self._writer, b"\x0f")

    def close(self) -> None:
        os.close(self._reader)
        os.close(self._writer)


@pytest.fixture
def wakeup() -> Iterator[Wakeup]:
    wakeup = Wakeup()
    yield wakeup
    wakeup.close()


@pytest.fixture(scope="module")
def tls(certificates: Infrastructure) -> Tls:
    pki = certificates
    return load("+tls", pki.server.key, pki.server.crt, "+cf", pki.ca.crt)[0]


def hello(client: Client) -> bytes:
    """Give the first thing that a client says."""
    connection = SSL.Connection(client.context, None)
    connection.set_connect_state()
    with pytest.raises(SSL.WantReadError):
        connection.do_handshake()
    return connection.bio_read(65536)


def outcome(tls: Tls, wakeup: Wakeup, said: bytes, *, leaves: bool, seconds: float = 10.0) -> PeerError:
    """Let a peer say this, and close if it `leaves`; give what that comes to."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        peer = socket.create_connection(listener.getsockname())
        ours, _ = listener.accept()
    with peer, ours:
        peer.sendall(said)
        if leaves:
            peer.shutdown(socket.SHUT_WR)
        with pytest.raises(PeerError) as caught:
            Security(ours, tls).establish(wakeup, monotonic() + seconds)
        return caught.value


@pytest.mark.parametrize(
    ("said", "name"),
    [
        (REQUEST, "DICOM without TLS"),
        (REQUEST[:1], "DICOM without TLS"),
        (b"GET / HTTP/1.1\r\n\r\n", "an HTTP request"),
        (b"\x16\x02\x00", "an unknown protocol (begins with 16 02 00)"),
        (b"SSH-2.0-x\r\n", "an SSH client"),
    ],
)
def test_what_is_not_tls_is_named(tls: Tls, wakeup: Wakeup, said: bytes, name: str) -> None:
    error = outcome(tls, wakeup, said, leaves=False)
    assert isinstance(error, Insecure)
    assert str(error) == name


def test_who_closes_without_a_byte_is_no_failure(tls: Tls, wakeup: Wakeup) -> None:
    assert isinstance(outcome(tls, wakeup, b"", leaves=True), Silent)


def test_who_closes_in_the_middle_is_gone(tls: Tls, wakeup: Wakeup) -> None:
    error = outcome(tls, wakeup, hello(Client())[:50], leaves=True)
    assert type(error) is Gone
    assert str(error) == "connection closed by the peer within the TLS handshake"


@pytest.mark.parametrize("length", [0, 1, 50], ids=["nothing", "a byte", "half a hello"])
def test_whoever_says_no_more_has_until_the_deadline(tls: Tls, wakeup: Wakeup, length: int) -> None:
    begin = monotonic()
    error = outcome(tls, wakeup, hello(Client())[:length], leaves=False, seconds=0.2)
    assert type(error) is Gone
    assert str(error) == "no TLS handshake in time"
    assert 0.2 <= monotonic() - begin < 5


def test_who_says_that_he_closes_is_gone_too(tls: Tls, wakeup: Wakeup) -> None:
    error = outcome(tls, wakeup, hello(Client()) + CLOSE_NOTIFY, leaves=False)
    assert type(error) is Gone
    assert str(error) == "connection closed by the peer within the TLS handshake"


def test_who_resets_the_connection_is_gone_too(tls: Tls, wakeup: Wakeup) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        peer = socket.create_connection(listener.getsockname())
        ours, _ = listener.accept()
    with ours:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.close()
        security = Security(ours, tls)
        with pytest.raises(Silent):  # nothing had come
            security.establish(wakeup, monotonic() + 10)


def test_bytes_that_are_always_there_do_not_prolong_it(tls: Tls, wakeup: Wakeup) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"\x16\x03\x01\x02\x00\x01")  # the begin of a hello
        with pytest.raises(Gone) as caught:
            Security(ours, tls).establish(wakeup, monotonic() - 1)
        assert ours.recv(1)  # it is there still
    assert str(caught.value) == "no TLS handshake in time"


def test_however_long_the_deadline_is_it_is_waited_for(tls: Tls, wakeup: Wakeup) -> None:
    wakeup.signal()
    ours, theirs = socket.socketpair()
    with ours, theirs, pytest.raises(Stopped):
        Security(ours, tls).establish(wakeup, 1e15)


def test_a_peer_that_takes_our_answer_late_gets_it(
    certificates: Infrastructure, tls: Tls, wakeup: Wakeup
) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, ThreadPoolExecutor(1) as pool:
        ours.setblocking(False)
        filled = 0
        with suppress(BlockingIOError):
            while True:
                filled += ours.send(bytes(1000))
        ours.setblocking(True)
        done = pool.submit(
            late_handshake, SSL.Connection(Client(certificates.good).context, None), theirs, filled
        )
        security = Security(ours, tls)
        security.establish(wakeup, monotonic() + 10)
        ours.shutdown(socket.SHUT_RDWR)
        done.result()
        assert security.subject() == certificates.good.subject


def late_handshake(client: SSL.Connection, sock: socket.socket, before: int) -> None:
    """Say hello, take what lies there before the answer, then go on."""
    client.set_connect_state()
    with suppress(SSL.WantReadError):
        client.do_handshake()
    sock.sendall(client.bio_read(65536))
    while before:
        before -= len(sock.recv(min(before, 65536)))
    while came := sock.recv(65536):
        client.bio_write(came)
        with suppress(SSL.WantReadError):
            client.do_handshake()
        with suppress(SSL.WantReadError):
            sock.sendall(client.bio_read(65536))


def test_a_certificate_that_is_refused_is_named(
    certificates: Infrastructure, tls: Tls, wakeup: Wakeup
) -> None:
    assert failure(tls, wakeup, Client(certificates.expired).old()) == (
        f"certificate has expired: {certificates.expired.subject}, issued by {certificates.ca.subject}"
    )


def test_who_has_not_said_his_version_yet_has_none_of_ours() -> None:
    assert _version(b"\x16\x03\x01") == "none of ours"


def test_a_signal_ends_the_wait(tls: Tls, wakeup: Wakeup) -> None:
    wakeup.signal()
    assert isinstance(outcome(tls, wakeup, hello(Client())[:50], leaves=False), Stopped)


@pytest.mark.parametrize(
    ("version", "offered"), [(SSL.TLS1_VERSION, "TLS 1.0"), (SSL.TLS1_1_VERSION, "TLS 1.1")]
)
def test_an_old_version_is_named(tls: Tls, wakeup: Wakeup, version: int, offered: str) -> None:
    error = outcome(tls, wakeup, hello(Client().versions(version, version)), leaves=False)
    assert str(error) == f"no version in common, the peer offers {offered}"


def test_ssl_3_is_named(tls: Tls, wakeup: Wakeup) -> None:
    said = hello(Client().old())
    ssl_3 = said[:1] + b"\x03\x00" + said[3:9] + b"\x03\x00" + said[11:]
    error = outcome(tls, wakeup, ssl_3, leaves=False)
    assert str(error) == "no version in common, the peer offers SSL 3.0"


def test_who_has_newer_versions_only_is_told_apart_from_who_has_older_ones(
    certificates: Infrastructure, wakeup: Wakeup
) -> None:
    server = certificates.server
    old, _ = load("+tls", server.key, server.crt, "-ic", "+pa")
    error = outcome(
        old, wakeup, hello(Client().versions(SSL.TLS1_3_VERSION, SSL.TLS1_3_VERSION)), leaves=False
    )
    assert str(error) == "no version in common, the peer offers TLS 1.3"


def test_no_common_signature_is_named(certificates: Infrastructure, tls: Tls, wakeup: Wakeup) -> None:
    client = Client(certificates.good).versions(SSL.TLS1_3_VERSION, SSL.TLS1_3_VERSION)
    assert lib.SSL_CTX_set1_sigalgs_list(client.context._context, b"ed25519")
    error = outcome(tls, wakeup, hello(client), leaves=False)
    assert str(error) == "no signature algorithm in common"


def test_an_ec_key_of_a_group_that_is_not_ours_is_named(
    certificates: Infrastructure, tls: Tls, wakeup: Wakeup
) -> None:
    client = Client(certificates.small_curve).old()
    assert failure(tls, wakeup, client) == "the peer's certificate has an EC key of another group than ours"


def failure(tls: Tls, wakeup: Wakeup, client: Client) -> str:
    """Give what a whole handshake of a client comes to."""
    ours, theirs = socket.socketpair()
    connection = SSL.Connection(client.context, None)
    connection.set_connect_state()
    with ours, theirs:
        security = Security(ours, tls)
        with suppress(SSL.WantReadError):
            connection.do_handshake()
        theirs.sendall(connection.bio_read(65536))
        security.channel.shake(security.channel.arrive() or b"")
        connection.bio_write(theirs.recv(65536))
        with suppress(SSL.WantReadError):
            connection.do_handshake()
        theirs.sendall(connection.bio_read(65536))
        with pytest.raises(Insecure) as caught:
            security.establish(wakeup, monotonic() + 10)
    return str(caught.value)


def test_no_common_suite_is_named(tls: Tls, wakeup: Wakeup) -> None:
    error = outcome(tls, wakeup, hello(Client().old().suites("AES128-SHA")), leaves=False)
    assert str(error) == "no cipher suite in common"


@pytest.mark.parametrize(
    ("alert", "text"),
    [
        (UNKNOWN_CA, "the peer does not accept our certificate (unknown ca)"),
        (UNKNOWN_CA[:-1] + b"\x2d", "the peer does not accept our certificate (certificate expired)"),
        (UNKNOWN_CA[:-1] + b"\x2a", "the peer does not accept our certificate (bad certificate)"),
        (INTERNAL_ERROR, "the peer gives up (internal error)"),
    ],
)
def test_an_alert_of_the_peer_is_told(tls: Tls, wakeup: Wakeup, alert: bytes, text: str) -> None:
    error = outcome(tls, wakeup, hello(Client().old()) + alert, leaves=False)
    assert isinstance(error, Insecure)
    assert str(error) == text


def test_a_damaged_hello_is_no_tls_connection(tls: Tls, wakeup: Wakeup) -> None:
    said = bytearray(hello(Client()))
    said[5] = 0x77  # no handshake message
    assert isinstance(outcome(tls, wakeup, bytes(said), leaves=False), Insecure)


def test_a_worker_that_stands_by_has_a_connection_ready_which_nobody_has_touched(
    certificates: Infrastructure, tls: Tls
) -> None:
    policy = SimpleNamespace(spare=None)
    prepare = preparation(policy, tls)  # type: ignore[arg-type]
    prepare()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        security = Security(ours, tls, policy.spare)
        assert security.channel._tls is policy.spare
        shake(security, theirs, certificates.good)
        assert security.names() == (certificates.good.subject, certificates.ca.subject)


def shake(security: Security, theirs: socket.socket, pair: Pair | None) -> None:
    """Do a handshake as a client with this pair."""
    client = SSL.Connection(Client(pair).context, None)
    client.set_connect_state()
    is_done = False
    while not is_done:
        with suppress(SSL.WantReadError):
            client.do_handshake()
        theirs.sendall(client.bio_read(65536))
        is_done = security.channel.shake(security.channel.arrive() or b"")
        if not is_done:
            client.bio_write(theirs.recv(65536))


@pytest.mark.parametrize("version", [SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION])
def test_a_handshake_with_any_bytes_changed_is_done_or_a_failure_of_the_peer(
    certificates: Infrastructure, tls: Tls, wakeup: Wakeup, version: int, is_long: bool
) -> None:
    chance, failed = random.Random(version), 0
    context = Client(certificates.good).versions(version, version).context
    for _ in range(3000 if is_long else 100):
        ours, theirs = socket.socketpair()
        with ours, theirs, ThreadPoolExecutor(1) as pool:
            pool.submit(damaged_handshake, SSL.Connection(context, None), theirs, chance)
            try:
                Security(ours, tls).establish(wakeup, monotonic() + 10)
            except (Insecure, Gone):
                failed += 1
            ours.shutdown(socket.SHUT_RDWR)
    assert failed > 20


def damaged_handshake(client: SSL.Connection, sock: socket.socket, chance: random.Random) -> None:
    """Do a handshake as a client that sends some bytes otherwise, and leave."""
    client.set_connect_state()
    sock.settimeout(0.2)  # a length that was changed has the server wait for more
    with suppress(OSError, SSL.Error):
        for _ in range(3):
            with suppress(SSL.WantReadError):
                client.do_handshake()
            said = bytearray(client.bio_read(65536))
            for _ in range(chance.choice((0, 1, 1, 2, 5))):
                said[chance.randrange(len(said))] = chance.choice(
                    (0, 1, 0x16, 0x7F, 0xFF, chance.randrange(256))
                )
            sock.sendall(said)
            client.bio_write(sock.recv(65536))
    with suppress(OSError):
        sock.shutdown(socket.SHUT_WR)
        while sock.recv(65536):
            pass


@pytest.fixture
def established(
    certificates: Infrastructure,
) -> Iterator[Callable[[Pair | None, str], Security]]:
    """Gives a handshake that is done, with a client's pair and options of ours."""
    sockets: list[socket.socket] = []

    def establish(pair: Pair | None, *options: str) -> Security:
        pki = certificates
        tls, _ = load("+tls", pki.server.key, pki.server.crt, "+cf", pki.ca.crt, *options)
        ours, theirs = socket.socketpair()
        sockets.extend((ours, theirs))
        security = Security(ours, tls)
        shake(security, theirs, pair)
        return security

    yield establish
    for sock in sockets:
        sock.close()


def test_who_comes_is_known_by_subject_and_issuer(
    certificates: Infrastructure,
    established: Callable[..., Security],
    caplog: pytest.LogCaptureFixture,
) -> None:
    security = established(certificates.good)
    assert security.names() == (certificates.good.subject, certificates.ca.subject)
    caplog.set_level("INFO")
    security.tell(PEER)
    serial = f"{certificates.good.certificate.serial_number:X}"
    assert caplog.messages == [
        (
            f"TLS TLSv1.3, TLS_AES_256_GCM_SHA384, peer {certificates.good.subject}, "
            f"issued by {certificates.ca.subject}, serial {serial} (192.0.2.1:4711)"
        )
    ]


def test_who_shows_no_certificate_is_nobody(
    established: Callable[..., Security], caplog: pytest.LogCaptureFixture
) -> None:
    security = established(None, "-vc")
    assert security.names() == ("", "")
    caplog.set_level("INFO")
    security.tell(PEER)
    assert caplog.messages[0].endswith(", no peer certificate (192.0.2.1:4711)")


@pytest.mark.parametrize("pattern", ["good", "*.hospital.example"], ids=["common name", "DNS name"])
def test_whose_name_is_allowed_may_come(
    certificates: Infrastructure, established: Callable[..., Security], pattern: str
) -> None:
    established(certificates.good, "--allow-peer-cn", "other", "--allow-peer-cn", pattern).check()


@pytest.mark.parametrize("pattern", ["*O=Hospital*", "CN=good*", "DE"])
def test_a_common_name_or_dns_name_is_all_that_counts(
    certificates: Infrastructure, established: Callable[..., Security], pattern: str
) -> None:
    with pytest.raises(Reject):
        established(certificates.good, "--allow-peer-cn", pattern).check()


@pytest.mark.parametrize("options", [("--allow-peer-cn", "other"), ("--allow-peer-cn", "other", "-vc")])
def test_any_other_is_rejected_by_name(
    certificates: Infrastructure, established: Callable[..., Security], options: tuple[str, ...]
) -> None:
    security = established(None if "-vc" in options else certificates.good, *options)
    with pytest.raises(Reject) as caught:
        security.check()
    assert (caught.value.result, caught.value.source, caught.value.reason) == (1, 1, 3)
    assert ("no certificate" if "-vc" in options else certificates.good.subject) in str(caught.value)
