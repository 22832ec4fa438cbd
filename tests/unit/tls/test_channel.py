"""TLS on a socket: OpenSSL's own client, as Python's ssl has it, at the other end, and bytes cut at will between."""

from __future__ import annotations

import socket
import ssl
import struct
from contextlib import suppress
from socket import MSG_DONTWAIT, SHUT_WR
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from OpenSSL import SSL

from scpd.tls import channel as channel_module
from scpd.tls.channel import Channel, begin, reason
from tests.harness.waiting import is_readable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.harness.certificates import Infrastructure

VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
SECONDS = 10.0


class Client:
    """A TLS client whose bytes go where the test sends them."""

    def __init__(self, context: ssl.SSLContext, sock: socket.socket) -> None:
        self.sock = sock
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname="localhost")

    def shake(self) -> bytes:
        """Go on with the handshake; give what it sends."""
        self.hear()
        with suppress(ssl.SSLWantReadError):
            self.tls.do_handshake()
        return self.outgoing.read()

    def hear(self) -> None:
        """Take in what has come, or lies in the socket by now."""
        with suppress(BlockingIOError):
            while data := self.sock.recv(65536, MSG_DONTWAIT):
                self.incoming.write(data)
            self.incoming.write_eof()

    def seal(self, data: bytes) -> bytes:
        """Give what this data is on the line."""
        self.tls.write(data)
        return self.outgoing.read()

    def read(self, least: int = 1) -> bytes:
        """Give so much data, or more if more has come; `EOFError` for close_notify, `SSLError` without it."""
        found = b""
        while True:
            with suppress(ssl.SSLWantReadError):
                while data := self.tls.read(65536):
                    found += data
                raise EOFError
            if len(found) >= least:
                return found
            assert is_readable(self.sock, SECONDS), "nothing comes"
            self.hear()


class Scene:
    """A channel, the client at its other end, and the socket between."""

    def __init__(self, context: SSL.Context, trust: ssl.SSLContext) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.theirs = socket.create_connection(listener.getsockname())
            self.ours, _ = listener.accept()
        self.theirs.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 0, 50_000))
        self.channel = Channel(self.ours, begin(context))
        self.client = Client(trust, self.theirs)
        self.room = memoryview(bytearray(1 << 20))

    def deliver(self, data: bytes) -> None:
        """Have bytes lie in the socket of our end, and not on their way."""
        self.theirs.sendall(data)
        assert is_readable(self.ours, SECONDS)

    def shake(self, cuts: Iterable[int] = ()) -> None:
        """Do the handshake, the client's bytes in pieces of these lengths, then the rest."""
        sizes = iter(cuts)
        is_done = False
        while not is_done:
            said = self.client.shake()
            assert said, "the handshake goes on for ever"
            for piece in pieces(said, sizes):
                self.deliver(piece)
                came = self.channel.arrive()
                assert came == piece
                is_done = self.channel.shake(came)
        self.client.shake()

    def receive(self, flags: int = MSG_DONTWAIT) -> bytes:
        """Give what one call receives."""
        return bytes(self.room[: self.channel.recv_into(self.room, 0, flags)])

    def receive_all(self) -> bytes:
        """Give what calls receive until there is nothing."""
        found = b""
        with suppress(BlockingIOError):
            while data := self.receive():
                found += data
        return found

    def close(self) -> None:
        self.theirs.close()
        self.ours.close()


def pieces(data: bytes, sizes: Iterator[int]) -> Iterator[bytes]:
    while data:
        size = next(sizes, len(data))
        yield data[:size]
        data = data[size:]


@pytest.fixture(scope="module")
def server_context(certificates: Infrastructure) -> SSL.Context:
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.use_certificate_chain_file(certificates.server.crt)
    context.use_privatekey_file(certificates.server.key)
    context.set_session_id(b"test")
    return context


@pytest.fixture(scope="module", params=VERSIONS)
def trust(request: pytest.FixtureRequest, certificates: Infrastructure) -> ssl.SSLContext:
    """A client's context, of each version."""
    context = ssl.create_default_context(cafile=certificates.ca.crt)
    context.minimum_version = context.maximum_version = VERSIONS[request.param]
    return context


@pytest.fixture
def scene(server_context: SSL.Context, trust: ssl.SSLContext) -> Iterator[Scene]:
    scene = Scene(server_context, trust)
    yield scene
    scene.close()


@settings(max_examples=30)
@given(
    handshake=st.lists(st.integers(1, 300)),
    lengths=st.lists(st.integers(1, 40_000), min_size=1, max_size=4),
    cuts=st.lists(st.integers(1, 20_000)),
)
def test_any_fragmentation_gives_the_same_data(
    server_context: SSL.Context,
    trust: ssl.SSLContext,
    handshake: list[int],
    lengths: list[int],
    cuts: list[int],
) -> None:
    scene = Scene(server_context, trust)
    try:
        scene.shake(handshake)
        sent, received, sizes = b"", b"", iter(cuts)
        for number, length in enumerate(lengths):
            data = bytes((number + 1,)) * length
            sent += data
            for piece in pieces(scene.client.seal(data), sizes):
                scene.deliver(piece)
                received += scene.receive_all()
        assert received == sent
    finally:
        scene.close()


def test_one_byte_at_a_time_is_enough(scene: Scene) -> None:
    scene.shake([1] * 10_000)
    received = b""
    for byte in scene.client.seal(b"an A-ASSOCIATE-RQ"):
        scene.deliver(bytes((byte,)))
        received += scene.receive_all()
    assert received == b"an A-ASSOCIATE-RQ"


def test_half_a_record_is_nothing_yet(scene: Scene) -> None:
    scene.shake()
    sealed = scene.client.seal(b"data")
    scene.deliver(sealed[:-1])
    with pytest.raises(BlockingIOError):
        scene.receive()
    with pytest.raises(BlockingIOError):
        scene.receive(flags=0)
    scene.deliver(sealed[-1:])
    assert scene.receive() == b"data"


def test_a_waiting_call_goes_on_when_half_a_record_comes(scene: Scene) -> None:
    # Else a data set that comes in small segments would look like one that pauses.
    scene.shake()
    sealed = scene.client.seal(b"data")
    real, parts = scene.ours, [sealed[:9], sealed[9:]]

    class Slow(socket.socket):
        def recv_into(self, buffer: memoryview, *_: int) -> int:  # type: ignore[override]
            part = parts.pop(0)
            buffer[: len(part)] = part
            return len(part)

    with Slow(fileno=socket.dup(real.fileno())) as slow:
        scene.channel._sock = slow
        assert scene.receive(flags=0) == b"data"
        scene.channel._sock = real


def test_a_waiting_call_does_not_wait_for_ever_for_a_record_that_drips(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The limits of whoever receives (--dimse-timeout, --min-rate) are looked at between calls.
    scene.shake()
    parts = [bytes((byte,)) for byte in scene.client.seal(bytes(1000))]
    whole, real = len(parts), scene.ours
    clock = iter(range(10_000))
    monkeypatch.setattr(channel_module, "monotonic", lambda: next(clock) / 100)  # a byte in 10 ms

    class Dripping(socket.socket):
        def recv_into(self, buffer: memoryview, *_: int) -> int:  # type: ignore[override]
            buffer[:1] = parts.pop(0)
            return 1

    with Dripping(fileno=socket.dup(real.fileno())) as dripping:
        scene.channel._sock = dripping
        with pytest.raises(BlockingIOError):
            scene.receive(flags=0)
        scene.channel._sock = real
    assert whole - 20 < len(parts) < whole


def test_all_that_has_come_is_given_at_once(scene: Scene) -> None:
    scene.shake()
    data = bytes(range(256)) * 400  # seven records
    for _ in range(3):
        scene.client.tls.write(data[:100])
    sealed = scene.client.outgoing.read() + scene.client.seal(data)
    scene.theirs.sendall(sealed)
    assert scene.ours.recv(len(sealed), socket.MSG_PEEK | socket.MSG_WAITALL) == sealed
    assert scene.receive() == data[:100] * 3 + data


def test_what_has_no_room_comes_with_the_next_call_and_without_the_socket(scene: Scene) -> None:
    scene.shake()
    scene.deliver(scene.client.seal(b"0123456789"))
    scene.room = scene.room[:4]
    assert [scene.receive(), scene.receive(), scene.receive()] == [b"0123", b"4567", b"89"]
    with pytest.raises(BlockingIOError):
        scene.receive()


def test_the_peers_close_notify_is_the_end_behind_the_data(scene: Scene) -> None:
    scene.shake()
    sealed = scene.client.seal(b"last words")
    with suppress(ssl.SSLWantReadError):
        scene.client.tls.unwrap()
    scene.deliver(sealed + scene.client.outgoing.read())
    assert [scene.receive(), scene.receive(), scene.receive()] == [b"last words", b"", b""]


@pytest.mark.parametrize("rest", [b"", b"\x17\x03\x03\x01"], ids=["between records", "within a record"])
def test_a_peer_that_closes_without_a_word_is_at_its_end(scene: Scene, rest: bytes) -> None:
    scene.shake()
    scene.deliver(scene.client.seal(b"data") + rest)
    scene.theirs.shutdown(SHUT_WR)
    assert scene.receive() == b"data"
    assert scene.receive(flags=0) == b""


def test_a_record_that_is_damaged_breaks_the_connection_behind_the_data(scene: Scene) -> None:
    scene.shake()
    good, bad = scene.client.seal(b"good"), bytearray(scene.client.seal(b"bad"))
    bad[-1] ^= 1
    scene.deliver(good + bad)
    assert scene.receive() == b"good"
    for _ in range(2):
        with pytest.raises(OSError, match=r"^TLS: .*bad record mac") as caught:
            scene.receive()
        assert caught.value.errno is None
    with pytest.raises(ssl.SSLError, match=r"(?i)bad.record.mac"):
        scene.client.read()


def test_a_peer_that_sends_no_tls_any_more_breaks_the_connection(scene: Scene) -> None:
    scene.shake()
    scene.deliver(b"\x05\0\0\0\0\4\0\0\0\0")
    with pytest.raises(OSError, match=r"^TLS: (wrong version number|bad record type)"):
        scene.receive()


def test_what_is_sent_arrives(scene: Scene) -> None:
    scene.shake()
    data = b"answer" * 30_000
    assert scene.channel.send(data, MSG_DONTWAIT) == len(data)
    assert scene.client.read(len(data)) == data


def test_a_peer_that_takes_nothing_is_waited_for_and_gets_it_once(scene: Scene) -> None:
    scene.shake()
    received, waited = b"", 0
    data = [bytes((number,)) * 500_000 for number in range(20)]
    for each in data:
        while True:
            try:
                assert scene.channel.send(each, MSG_DONTWAIT) == len(each)
                break
            except BlockingIOError:
                waited += 1
                received += scene.client.read()
    assert waited
    whole = b"".join(data)
    assert received + scene.client.read(len(whole) - len(received)) == whole


def test_the_same_data_is_sent_as_often_as_it_is_asked_for(scene: Scene) -> None:
    scene.shake()
    data = b"the same object"
    for _ in range(2):
        scene.channel.send(data)
    assert scene.client.read(2 * len(data)) == data * 2


def test_what_openssl_says_is_told_in_words() -> None:
    assert reason(SSL.Error()) == reason(SSL.Error([])) == "no reason given"
    assert reason(SSL.Error([("asn1 routines", "", "wrong tag"), ("SSL routines", "", "bad")])) == "bad"
    assert reason(SSL.Error([("asn1 routines", "", "a"), ("x509 routines", "", "b")])) == "a, b"
    assert reason(SSL.SysCallError(104, "ECONNRESET")) == "(104, 'ECONNRESET')"


def test_to_send_behind_the_end_is_an_error_of_the_system(scene: Scene) -> None:
    scene.shake()
    scene.channel.shutdown(SHUT_WR)
    with pytest.raises(OSError, match=r"^TLS: "):
        scene.channel.send(b"more")


def test_to_shut_down_is_a_close_notify_and_leaves_the_other_direction_open(scene: Scene) -> None:
    scene.shake()
    scene.channel.shutdown(SHUT_WR)
    sealed = scene.client.seal(b"more")
    with pytest.raises(EOFError):
        scene.client.read()
    scene.deliver(sealed)
    assert scene.receive() == b"more"


def test_to_close_is_a_close_notify(scene: Scene) -> None:
    scene.shake()
    scene.channel.close()
    scene.channel.close()
    with pytest.raises(EOFError):
        scene.client.read()


def test_a_socket_that_takes_little_at_a_time_gets_the_whole_handshake(
    server_context: SSL.Context, trust: ssl.SSLContext
) -> None:
    scene = Scene(server_context, trust)
    ours = scene.ours

    class Narrow(socket.socket):
        takes = 100

        def send(self, data: bytes, *_: int) -> int:  # type: ignore[override]
            if not self.takes:
                raise BlockingIOError
            self.takes = 0
            return ours.send(data[:100])

    try:
        with Narrow(fileno=socket.dup(ours.fileno())) as narrow:
            scene.channel._sock = narrow
            scene.deliver(scene.client.shake())
            assert not scene.channel.shake(scene.channel.arrive() or b"")
            rounds = 0
            while scene.channel.has_unsent():
                rounds += 1
                narrow.takes = 100
                assert scene.channel.arrive() is None
            assert rounds > 10
            scene.channel._sock = ours
        said = scene.client.shake()
        scene.deliver(said)
        assert scene.channel.shake(scene.channel.arrive() or b"")
    finally:
        scene.close()


def test_a_handshake_that_fails_sends_an_alert_and_what_comes_then_is_of_no_use(
    server_context: SSL.Context, trust: ssl.SSLContext
) -> None:
    scene = Scene(server_context, trust)
    try:
        scene.deliver(b"\x16\x03\x01\x00\x05hello")
        with pytest.raises(SSL.Error) as caught:
            scene.channel.shake(scene.channel.arrive() or b"")
        assert reason(caught.value)
        assert scene.theirs.recv(100)[:1] == b"\x15"  # alert (RFC 8446 5.1)
        scene.deliver(b"whatever")
        assert len(scene.receive()) == len(b"whatever")
        scene.theirs.shutdown(SHUT_WR)
        assert scene.receive(flags=0) == b""
    finally:
        scene.close()


def test_a_session_goes_on_and_says_so(server_context: SSL.Context, trust: ssl.SSLContext) -> None:
    session = None
    for is_resumed in (False, True):
        scene = Scene(server_context, trust)
        try:
            if session is not None:
                scene.client.tls.session = session
            scene.shake()
            scene.channel.send(b"data", 0)
            assert scene.client.read() == b"data"
            session = scene.client.tls.session
            assert scene.channel.is_resumed() == is_resumed
            assert scene.channel.version() == scene.client.tls.version()
            assert scene.channel.suite() == (scene.client.tls.cipher() or [""])[0]
        finally:
            scene.close()


class TestTickets:
    """With TLS 1.3 the handshake ends with what the client says; tickets come when we like."""

    @pytest.fixture
    def scene(self, server_context: SSL.Context, certificates: Infrastructure) -> Iterator[Scene]:
        """A scene whose handshake is done."""
        context = ssl.create_default_context(cafile=certificates.ca.crt)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        scene = Scene(server_context, context)
        scene.shake()
        yield scene
        scene.close()

    def test_they_go_with_what_is_sent_first(self, scene: Scene) -> None:
        assert not is_readable(scene.theirs, 0)
        scene.channel.send(b"data", 0)
        assert scene.client.read() == b"data"
        assert scene.client.tls.session.has_ticket

    def test_a_look_does_not_bring_them_out(self, scene: Scene) -> None:
        with pytest.raises(BlockingIOError):
            scene.receive()
        assert not is_readable(scene.theirs, 0)

    def test_nor_do_data_that_are_there(self, scene: Scene) -> None:
        scene.deliver(scene.client.seal(b"data"))
        assert scene.receive(flags=0) == b"data"
        assert not is_readable(scene.theirs, 0)

    def test_who_waits_in_vain_sends_them(self, scene: Scene) -> None:
        with pytest.raises(BlockingIOError):
            scene.receive(flags=0)
        assert is_readable(scene.theirs, SECONDS)
        scene.client.hear()
        with pytest.raises(ssl.SSLWantReadError):
            scene.client.tls.read(1)
        assert scene.client.tls.session.has_ticket
