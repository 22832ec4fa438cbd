"""The driver on a real TCP connection, its input by script, its clock a number."""

from __future__ import annotations

import errno
import os
import select
import socket
import struct
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from scpd.errors import Abort, Gone, NotDicom, PeerError, Reject, Released, Silent, Stopped
from scpd.ul import connection as connection_module
from scpd.ul import machine
from scpd.ul.acceptor import Acceptor
from scpd.ul.connection import BEGIN, Connection, Timeouts
from scpd.ul.items import ProposedContext, UserInformation
from scpd.ul.pdus import AssociateRequest, encode_associate_request
from scpd.ul.stream import BUFFER_SIZE

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_PDU = 16384
DATA, COMMAND, LAST = 0, 1, 2
SECONDS = 10  # the most that anything here waits for the kernel

REQUEST = AssociateRequest(
    protocol_version=1,
    called_ae_title=b"STORESCP",
    calling_ae_title=b"CT_1",
    application_context_name="1.2.840.10008.3.1.1.1",
    contexts=(ProposedContext(1, "1.2.840.10008.1.1", ("1.2.840.10008.1.2",)),),
    user=UserInformation(max_length=16384),
)
REQUEST_PDU = encode_associate_request(REQUEST)
ACCEPT_PDU = b"\x02\0\0\0\0\4 yes"
RELEASE_RQ = b"\x05\0\0\0\0\4\0\0\0\0"
RELEASE_RP = b"\x06\0\0\0\0\4\0\0\0\0"
CLOSED = b""


def p_data(context_id: int, control: int, fragment: bytes) -> bytes:
    return struct.pack(">BxIIBB", 4, len(fragment) + 6, len(fragment) + 2, context_id, control) + fragment


def abort_pdu(source: int, reason: int) -> bytes:
    return b"\x07\0\0\0\0\4\0\0" + bytes((source, reason))


class Clock:
    """Monotonic seconds that pass when the script says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Late:
    """Bytes that come after a time shorter than the moment for which a receiving call waits."""

    def __init__(self, seconds: float, data: bytes) -> None:
        self.seconds = seconds
        self.data = data


Event = bytes | float | OSError | Late


class Line(socket.socket):
    """The worker's end of a TCP connection.  What it receives is `script`: bytes, in reads as they stand there;
    seconds of silence; bytes that come while one waits for them (`Late`); an error; `CLOSED`.  What it sends goes to
    the peer's end."""

    def attach(self, clock: Clock) -> None:
        self.clock = clock
        self.script: list[Event] = []
        self.looks = 0
        self.asked: set[int] = set()  # for how many bytes, 0: any number

    def recv_into(self, buffer: memoryview, most: int = 0, flags: int = 0) -> int:  # type: ignore[override]
        self.asked.add(most)
        if isinstance(self.script[0], float):
            self._be_silent(self.script[0], flags)
        if isinstance(self.script[0], Late):
            self._be_late(self.script[0], flags)
        event = self.script.pop(0)
        if isinstance(event, OSError):
            raise event
        assert isinstance(event, bytes)
        count = min(len(event), most or len(buffer))
        assert count <= len(buffer)
        assert count or event == CLOSED, "a read without room"
        buffer[:count] = event[:count]
        if event[count:]:
            self.script.insert(0, event[count:])
        return count

    def _be_late(self, late: Late, flags: int) -> None:
        """Have nothing for who does not wait."""
        if flags & socket.MSG_DONTWAIT:
            raise BlockingIOError
        self.clock.now += late.seconds
        self.script[0] = late.data

    def _be_silent(self, seconds: float, flags: int) -> None:
        """A first few looks do not take time, waiting and looking again does."""
        self.looks += 1
        if not flags & socket.MSG_DONTWAIT or self.looks > connection_module._LOOKS:
            self.looks = 0
            self.clock.now += seconds
            self.script.pop(0)
        raise BlockingIOError


class FakeWakeup:
    """What `process.signals.Wakeup` is to a connection, without signals."""

    cause = "stopped by the administrator"

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self.signalled = False

    def fileno(self) -> int:
        return self._reader

    def signal(self) -> None:
        self.signalled = True
        os.write(self._writer, b"\x0f")

    def take(self) -> bytes:
        self.signalled = False
        try:
            return os.read(self._reader, 4096)
        except BlockingIOError:
            return b""

    def close(self) -> None:
        os.close(self._reader)
        os.close(self._writer)


class Scene:
    """A connection, and the peer's end of it."""

    def __init__(self, line: Line, peer: socket.socket, wakeup: FakeWakeup) -> None:
        self.line = line
        self.peer = peer
        self.wakeup = wakeup
        self.acceptor = Acceptor(MAX_PDU)
        self.pauses = 0

    def pause(self) -> None:
        self.pauses += 1

    def connection(self, *script: Event, timeouts: Timeouts | None = None) -> Connection:
        """A connection that receives this."""
        self.line.script = list(script)
        limits = timeouts or Timeouts(30, 60, None)
        return Connection(self.line, self.acceptor, limits, self.wakeup, self.pause)  # type: ignore[arg-type]

    def associated(
        self, *script: Event, timeouts: Timeouts | None = None, peer_max_pdu: int = 16384
    ) -> Connection:
        """A connection with an association, which then receives this."""
        connection = self.connection(REQUEST_PDU, *script, timeouts=timeouts)
        assert connection.request(self.line.clock.now) == REQUEST
        connection.accept(ACCEPT_PDU, peer_max_pdu)
        assert self.received(len(ACCEPT_PDU)) == ACCEPT_PDU
        return connection

    def received(self, count: int) -> bytes:
        """So many bytes at the peer."""
        return self.peer.recv(count, socket.MSG_WAITALL)

    def received_to_the_end(self) -> bytes:
        """All that is left at the peer, up to the end of the connection."""
        data = b""
        while piece := self.peer.recv(65536):
            data += piece
        return data


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(connection_module, "monotonic", clock)
    return clock


@pytest.fixture
def scene(clock: Clock) -> Iterator[Scene]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        peer = socket.create_connection(listener.getsockname())
        accepted, _ = listener.accept()
    line = Line(fileno=accepted.detach())
    line.attach(clock)
    peer.settimeout(SECONDS)
    # Never read: it makes every poll return at once, so that only the script decides.
    peer.send(b"readable")
    poll = select.poll()
    poll.register(line, select.POLLIN)
    assert poll.poll(SECONDS * 1000)
    wakeup = FakeWakeup()
    yield Scene(line, peer, wakeup)
    peer.close()
    line.close()
    wakeup.close()


class TestRequest:
    def test_a_request_may_come_byte_by_byte_until_the_deadline(self, scene: Scene, clock: Clock) -> None:
        script: list[bytes | float] = []
        for byte in REQUEST_PDU[:-1]:
            script += [bytes([byte]), 0.1]

        connection = scene.connection(*script, REQUEST_PDU[-1:])

        assert connection.request(clock.now + 0.1 * len(REQUEST_PDU)) == REQUEST

    def test_bytes_that_drip_fast_do_not_prolong_the_deadline_either(
        self, scene: Scene, clock: Clock
    ) -> None:
        connection = scene.connection(*(Late(0.04, bytes([byte])) for byte in REQUEST_PDU))

        with pytest.raises(Gone, match="no A-ASSOCIATE-RQ in time"):
            connection.request(clock.now + 1)
        assert clock.now < 1001.1

    def test_dripping_bytes_do_not_prolong_the_deadline(self, scene: Scene, clock: Clock) -> None:
        script: list[bytes | float] = []
        for byte in REQUEST_PDU:
            script += [bytes([byte]), 1.0]
        connection = scene.connection(*script)

        with pytest.raises(Gone, match="no A-ASSOCIATE-RQ in time") as caught:
            connection.request(clock.now + 30)
        connection.end(caught.value)
        connection.close()

        assert clock.now == 1030
        assert scene.line.fileno() == -1

    def test_what_has_arrived_is_served_though_the_deadline_has_passed(
        self, scene: Scene, clock: Clock
    ) -> None:
        assert scene.connection(REQUEST_PDU).request(clock.now - 1) == REQUEST

    @pytest.mark.parametrize("said", [b"", b"\1", REQUEST_PDU[:40]], ids=len)
    def test_who_says_too_little_in_time_gets_no_answer(
        self, scene: Scene, clock: Clock, said: bytes
    ) -> None:
        connection = scene.connection(*[said] * bool(said), 0.0)

        with pytest.raises(Gone) as caught:
            connection.request(clock.now)
        scene.line.script = []
        connection.end(caught.value)
        connection.close()

        assert type(caught.value) is Gone
        # The first thing that it gets is the kernel's reset, for what was not read at the worker's end.
        with pytest.raises(ConnectionResetError):
            scene.peer.recv(1)

    def test_a_health_check_is_silent(self, scene: Scene, clock: Clock) -> None:
        with pytest.raises(Silent):
            scene.connection(CLOSED).request(clock.now)

    @pytest.mark.parametrize(
        "end", [CLOSED, ConnectionResetError(errno.ECONNRESET, "reset"), OSError(5, "I/O")]
    )
    def test_who_leaves_within_the_request_is_gone(
        self, scene: Scene, clock: Clock, end: bytes | OSError
    ) -> None:
        with pytest.raises(Gone) as caught:
            scene.connection(REQUEST_PDU[:40], end).request(clock.now)

        assert type(caught.value) is Gone
        assert scene.acceptor.state == machine.STA1

    def test_another_protocol_is_told_at_once(self, scene: Scene, clock: Clock) -> None:
        with pytest.raises(NotDicom, match="HTTP"):
            scene.connection(b"GET / HTTP/1.0\r\n\r\n").request(clock.now)

    def test_the_answer_is_one_write(self, scene: Scene) -> None:
        scene.associated()

    def test_a_rejection_is_sent_and_the_connection_closed(self, scene: Scene, clock: Clock) -> None:
        connection = scene.connection(REQUEST_PDU, CLOSED)
        connection.request(clock.now)

        connection.end(Reject(1, 1, 7, "called title"))
        connection.close()

        assert scene.received(10) == b"\x03\0\0\0\0\4\0\1\1\7"
        assert scene.line.fileno() == -1


class TestCommands:
    @pytest.mark.parametrize("size", [1, 7, 1000])
    def test_pdvs_arrive_however_they_are_cut(self, scene: Scene, size: int) -> None:
        stream = p_data(1, COMMAND, b"abc") + p_data(1, COMMAND | LAST, b"d") + p_data(3, COMMAND | LAST, b"")
        connection = scene.associated(
            *(stream[start : start + size] for start in range(0, len(stream), size))
        )

        pdvs = []
        for _ in range(3):
            context_id, control, fragment = connection.next_pdv()
            pdvs.append((context_id, control, bytes(fragment)))

        assert pdvs == [(1, COMMAND, b"abc"), (1, COMMAND | LAST, b"d"), (3, COMMAND | LAST, b"")]

    def test_an_idle_association_is_aborted(self, scene: Scene, clock: Clock) -> None:
        connection = scene.associated(59.0, b"\4", 59.0, b"\0", 60.0, CLOSED)

        with pytest.raises(Abort, match="idle for 60 s") as caught:
            connection.next_pdv()
        connection.end(caught.value)
        connection.close()

        assert clock.now == 1178
        assert scene.received(10) == abort_pdu(2, 0)

    def test_without_an_idle_limit_nobody_is_hurried(self, scene: Scene) -> None:
        connection = scene.associated(
            1e9, p_data(1, COMMAND | LAST, b"late"), timeouts=Timeouts(30, None, None)
        )

        assert connection.next_pdv()[2] == b"late"

    @pytest.mark.parametrize("peer_max_pdu", [16384, 20])
    def test_a_response_is_one_write_also_in_many_pdus(
        self, scene: Scene, peer_max_pdu: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        connection = scene.associated(peer_max_pdu=peer_max_pdu)
        writes: list[bytes] = []
        monkeypatch.setattr(Line, "send", lambda _, data, flags: writes.append(bytes(data)) or len(data))

        connection.respond(1, bytes(100))

        assert len(writes) == 1
        assert len(writes[0]) == (112 if peer_max_pdu == 16384 else 100 + 8 * 12)

    def test_a_write_that_the_kernel_cuts_short_is_finished(
        self, scene: Scene, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        connection = scene.associated()
        real_send = socket.socket.send
        monkeypatch.setattr(Line, "send", lambda line, data, flags: real_send(line, data[:7], flags))

        connection.respond(1, b"x" * 30)

        assert scene.received(42) == p_data(1, COMMAND | LAST, b"x" * 30)

    def test_a_peer_that_takes_nothing_is_given_up(
        self, scene: Scene, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        connection = scene.associated(timeouts=Timeouts(30, 0.05, None))
        monkeypatch.undo()  # the kernel's queues are real, so is the clock
        scene.line.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)

        with pytest.raises(Abort, match="the peer takes no answer") as caught:
            respond_for_ever(connection)
        connection.end(caught.value)
        connection.close()

        assert scene.line.fileno() == -1

    def test_a_peer_that_has_gone_is_found_out_when_it_is_answered(self, scene: Scene) -> None:
        connection = scene.associated()
        scene.peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        scene.peer.close()

        with pytest.raises(Gone):
            respond_for_ever(connection)

    def test_the_peers_abort_ends_it_without_an_answer(self, scene: Scene) -> None:
        connection = scene.associated(abort_pdu(0, 0))

        with pytest.raises(Gone, match="aborted by the peer") as caught:
            connection.next_pdv()
        connection.end(caught.value)
        connection.close()

        assert scene.line.fileno() == -1


def respond_for_ever(connection: Connection) -> None:
    """Answer until something gives way: the queues of the kernel hold a few megabytes."""
    for _ in range(1000):
        connection.respond(1, bytes(100_000))


def joined(connection: Connection, context_id: int = 1) -> tuple[bytes, int]:
    """The bytes of the data set that comes, and the number of its fragments."""
    data, fragments, ended = b"", 0, False
    for pieces, fragment_count, is_last in connection.data(context_id):
        assert not ended
        data += b"".join(pieces)
        fragments += fragment_count
        ended = is_last
    assert ended
    return data, fragments


def message(content: bytes, length: int = MAX_PDU - 6) -> bytes:
    """A command, and a data set in fragments of this length."""
    *fragments, last = (content[start : start + length] for start in range(0, len(content), length))
    pdus = [p_data(1, DATA, fragment) for fragment in fragments]
    return b"".join((p_data(1, COMMAND | LAST, b"store"), *pdus, p_data(1, LAST, last)))


def begun(scene: Scene, *script: Event, timeouts: Timeouts | None = None) -> Connection:
    """A connection that gives begins; its script's first request has been taken."""
    connection = scene.associated(*script, timeouts=timeouts)
    connection.gives_begin = True
    assert connection.next_pdv()[2] == b"store"
    return connection


class TestBegins:
    """Where the begin of a data set is to be given by itself."""

    def test_the_begin_is_given_before_more_is_received(self, scene: Scene) -> None:
        content = os.urandom(300_000)
        connection = begun(scene, message(content))
        data = connection.data(1)
        begin, fragments, is_last = next(data)
        given = b"".join(begin)

        assert content.startswith(given)
        assert BEGIN - 100 < len(given) < BEGIN
        assert (fragments, is_last) == (0, False)
        rest = [(b"".join(pieces), is_last) for pieces, _, is_last in data]
        assert given + b"".join(piece for piece, _ in rest) == content
        assert [is_last for _, is_last in rest] == [False] * (len(rest) - 1) + [True]
        assert len(rest) <= 2, "received in small portions to the end"

    def test_what_has_come_with_the_request_is_given_at_once_if_it_is_whole(self, scene: Scene) -> None:
        connection = begun(scene, message(b"short"))
        assert joined(connection) == (b"short", 1)

    def test_it_is_given_when_the_first_of_it_comes(self, scene: Scene) -> None:
        """Not before: nothing can be seen in nothing."""
        content = os.urandom(200_000)
        request, data_set = p_data(1, COMMAND | LAST, b"store"), message(content)[17:]
        connection = begun(scene, request, data_set[:5], data_set[5:50], data_set[50:])
        data = connection.data(1)
        assert b"".join(next(data)[0]) == content[: 50 - 12]
        assert b"".join(b"".join(pieces) for pieces, _, _ in data) == content[50 - 12 :]

    def test_it_is_given_once(self, scene: Scene) -> None:
        content = os.urandom(100_000)
        stream = message(content)
        connection = begun(scene, stream[:1000], stream[1000:2000], stream[2000:])
        begin, *rest = [b"".join(pieces) for pieces, _, _ in connection.data(1)]
        assert (len(begin), rest) == (1000 - 17 - 12, [content[len(begin) :]])

    def test_only_the_begin_is(self, scene: Scene) -> None:
        content = os.urandom(100_000)
        stream = message(content, 4000)
        portions = (stream[start : start + 25_000] for start in range(0, len(stream), 25_000))
        connection = begun(scene, *portions)
        given = [(b"".join(pieces), fragments) for pieces, fragments, _ in connection.data(1)]

        assert b"".join(piece for piece, _ in given) == content
        assert [fragments for _, fragments in given] == [4, 21]

    def test_what_was_waited_for_is_given_with_the_rest(self, scene: Scene) -> None:
        """It may be much, and would be written by itself."""
        content = os.urandom(100_000)
        stream = message(content)
        connection = begun(scene, Late(0.01, stream[:30_000]), stream[30_000:])
        assert [b"".join(pieces) for pieces, _, _ in connection.data(1)] == [content]

    def test_much_that_comes_behind_a_lone_request_is_given_with_the_rest(self, scene: Scene) -> None:
        content = os.urandom(100_000)
        stream = message(content)
        connection = begun(scene, stream[:17], stream[17:40_000], stream[40_000:])
        assert [b"".join(pieces) for pieces, _, _ in connection.data(1)] == [content]

    def test_looking_at_a_begin_for_long_is_no_rest(self, scene: Scene, clock: Clock) -> None:
        content = os.urandom(50_000)
        connection = begun(scene, message(content))
        rests: list[float] = []
        connection.on_rest = lambda: rests.append(clock.now)

        for _ in connection.data(1):
            clock.now += 5
        assert rests == []

    def test_a_pdu_longer_than_that_may_hold_the_command_too(self, scene: Scene) -> None:
        command = struct.pack(">IBB", 7, 1, COMMAND | LAST) + b"store"
        data = os.urandom(MAX_PDU - len(command) - 6)
        pdvs = command + struct.pack(">IBB", len(data) + 2, 1, DATA) + data
        connection = begun(scene, struct.pack(">BxI", 4, MAX_PDU) + pdvs + p_data(1, LAST, b"!"))
        assert joined(connection) == (data + b"!", 2)

    def test_without_it_is_given_with_the_rest(self, scene: Scene) -> None:
        content = os.urandom(100_000)
        stream = message(content)
        connection = scene.associated(stream[:10_000], stream[10_000:])

        assert connection.next_pdv()[2] == b"store"
        assert [b"".join(pieces) for pieces, _, _ in connection.data(1)] == [content]
        assert scene.line.asked == {0}

    def test_looking_at_a_begin_is_not_the_time_of_the_peer(self, scene: Scene, clock: Clock) -> None:
        content = os.urandom(100_000)
        stream = message(content)
        script = stream[:10_000], Late(0.01, stream[10_000:])
        connection = begun(scene, *script, timeouts=Timeouts(30, 60, 10))

        given = b""
        for pieces, _, _ in connection.data(1):
            given += b"".join(pieces)
            clock.now += 20
        assert given == content


class TestData:
    @pytest.mark.parametrize("size", [1, 7, 1000])
    @pytest.mark.parametrize("gives_begin", [False, True])
    def test_a_data_set_arrives_however_it_is_cut(self, scene: Scene, size: int, gives_begin: bool) -> None:
        stream = p_data(1, DATA, b"abc") + p_data(1, DATA, b"") + p_data(1, LAST, b"de")
        connection = scene.associated(
            *(stream[start : start + size] for start in range(0, len(stream), size))
        )
        connection.gives_begin = gives_begin

        assert joined(connection) == (b"abcde", 3)

    @pytest.mark.parametrize("size", [999, 100_000, BUFFER_SIZE])
    @pytest.mark.parametrize("gives_begin", [False, True])
    def test_a_large_data_set_comes_in_pieces_that_the_buffer_holds(
        self, scene: Scene, size: int, gives_begin: bool
    ) -> None:
        content = os.urandom(5 * BUFFER_SIZE // 2)
        length = MAX_PDU - 6
        fragments = [content[start : start + length] for start in range(0, len(content), length)]
        stream = b"".join(p_data(1, DATA, fragment) for fragment in fragments) + p_data(1, LAST, b"end")
        connection = scene.associated(
            *(stream[start : start + size] for start in range(0, len(stream), size))
        )
        connection.gives_begin = gives_begin

        lists = [b"".join(pieces) for pieces, _, _ in connection.data(1)]

        assert b"".join(lists) == content + b"end"
        assert len(lists) >= 3
        assert max(map(len, lists)) <= BUFFER_SIZE

    def test_the_next_request_is_left_for_later(self, scene: Scene) -> None:
        connection = scene.associated(
            p_data(1, DATA, b"first") + p_data(1, LAST, b"") + p_data(1, COMMAND | LAST, b"next"),
        )

        assert joined(connection) == (b"first", 2)
        assert connection.next_pdv()[2] == b"next"

    def test_a_data_set_of_the_smallest_fragments_ends_within_the_buffer(self, scene: Scene) -> None:
        stream = p_data(1, DATA, b"") * 100_000 + p_data(1, LAST, b"x")
        connection = scene.associated(stream)

        assert joined(connection) == (b"x", 100_001)

    def test_a_further_fragment_in_time_prolongs_the_dimse_timeout(self, scene: Scene, clock: Clock) -> None:
        whole = p_data(1, DATA, b"whole")
        connection = scene.associated(
            whole, 9.0, whole, 9.0, whole, 9.0, p_data(1, LAST, b"!"), timeouts=Timeouts(30, None, 10)
        )

        assert joined(connection) == (b"wholewholewhole!", 4)

    def test_bytes_that_drip_fast_do_not_prolong_the_dimse_timeout_either(
        self, scene: Scene, clock: Clock
    ) -> None:
        drops = (Late(0.04, bytes([byte])) for byte in p_data(1, LAST, bytes(300)))
        connection = scene.associated(p_data(1, DATA, b"ab"), *drops, timeouts=Timeouts(30, 60, 10))

        with pytest.raises(Abort, match="no further data set fragment within 10 s"):
            joined(connection)
        assert clock.now < 1011

    def test_dripping_bytes_do_not_prolong_the_dimse_timeout(self, scene: Scene, clock: Clock) -> None:
        drops = (event for byte in p_data(1, LAST, bytes(20)) for event in (bytes([byte]), 1.0))
        connection = scene.associated(p_data(1, DATA, b"ab"), *drops, timeouts=Timeouts(30, 60, 10))

        with pytest.raises(Abort, match="no further data set fragment within 10 s") as caught:
            joined(connection)

        assert (caught.value.source, caught.value.reason) == (2, 0)
        assert clock.now == 1010

    def test_the_time_that_our_disk_takes_is_not_the_peers(self, scene: Scene, clock: Clock) -> None:
        connection = scene.associated(
            p_data(1, DATA, bytes(MAX_PDU - 6)) * 20,
            5.0,
            p_data(1, LAST, b"!"),
            timeouts=Timeouts(30, 60, 10),
        )

        data = connection.data(1)
        assert not next(data)[2]
        clock.now += 100  # writing took so long
        pieces, _, is_last = next(data)

        assert is_last
        assert b"".join(pieces)[-1:] == b"!"

    def test_what_has_come_before_a_pause_is_given_in_the_pause(self, scene: Scene) -> None:
        connection = scene.associated(p_data(1, DATA, b"begin"), 20.0, p_data(1, LAST, b"end"))

        given = [(b"".join(pieces), fragments, is_last) for pieces, fragments, is_last in connection.data(1)]

        assert given == [(b"begin", 1, False), (b"end", 1, True)]

    def test_what_drips_without_a_pause_is_given_within_a_second(self, scene: Scene, clock: Clock) -> None:
        content = os.urandom(200)
        connection = scene.associated(*(Late(0.04, bytes([byte])) for byte in p_data(1, LAST, content)))

        given = [(b"".join(pieces), clock.now) for pieces, _, _ in connection.data(1)]

        assert b"".join(data for data, _ in given) == content
        times = [1000, *(now for _, now in given)]
        assert max(later - earlier for earlier, later in pairwise(times)) < 1.1

    def test_a_stalled_data_set_is_aborted(self, scene: Scene, clock: Clock) -> None:
        connection = scene.associated(p_data(1, DATA, b"ab"), 59.0, b"\4", 60.0, CLOSED)

        with pytest.raises(Abort, match="the data set stalled for 60 s") as caught:
            joined(connection)
        connection.end(caught.value)
        connection.close()

        assert clock.now == 1119
        assert scene.received(10) == abort_pdu(2, 0)

    @pytest.mark.parametrize(
        ("timeouts", "text"),
        [
            (Timeouts(30, 5, 10), "stalled for 5 s"),
            (Timeouts(30, 10, 5), "fragment within 5 s"),
            (Timeouts(30, None, 5), "fragment within 5 s"),
            (Timeouts(30, 5, None), "stalled for 5 s"),
        ],
    )
    def test_the_clock_that_expires_first_ends_it(
        self, scene: Scene, clock: Clock, timeouts: Timeouts, text: str
    ) -> None:
        connection = scene.associated(5.0, timeouts=timeouts)

        with pytest.raises(Abort, match=text):
            joined(connection)

        assert clock.now == 1005

    @pytest.mark.parametrize(
        ("event", "error"),
        [
            (CLOSED, Gone),
            (ConnectionResetError(errno.ECONNRESET, "reset"), Gone),
            (abort_pdu(0, 0), Gone),
            (RELEASE_RQ, Released),
            (p_data(3, LAST, b"another context"), Abort),
            (p_data(1, COMMAND | LAST, b"a command"), Abort),
            (b"\4\0\xff\xff\xff\xff", Abort),
            (b"\x99 garbage", Abort),
        ],
        ids=["closed", "reset", "abort", "release", "context", "command", "endless", "garbage"],
    )
    def test_whatever_ends_it_within_a_data_set_says_so(
        self, scene: Scene, event: bytes | OSError, error: type[PeerError]
    ) -> None:
        connection = scene.associated(p_data(1, DATA, b"ab"), event, CLOSED)

        with pytest.raises(error):
            joined(connection)

    @pytest.mark.parametrize(
        "event", [CLOSED, ConnectionResetError(errno.ECONNRESET, "reset")], ids=["closed", "reset"]
    )
    def test_who_leaves_within_a_fragment_is_gone(self, scene: Scene, event: bytes | OSError) -> None:
        connection = scene.associated(p_data(1, LAST, bytes(100))[:-1], event)

        with pytest.raises(Gone):
            joined(connection)

    def test_an_abort_within_a_fragment_is_said_and_the_rest_of_it_read(self, scene: Scene) -> None:
        connection = scene.associated(p_data(1, LAST, bytes(100))[:-50], bytes(50), CLOSED)
        data = connection.data(1)
        scene.wakeup.signal()
        with pytest.raises(Stopped) as caught:
            next(data)

        connection.end(caught.value)
        connection.close()

        assert scene.received(10) == abort_pdu(0, 0)
        assert scene.line.script == []


class TestStopping:
    def test_a_signal_stops_whoever_waits_for_a_request(self, scene: Scene, clock: Clock) -> None:
        connection = scene.connection(CLOSED)
        scene.wakeup.signal()

        with pytest.raises(Stopped) as caught:
            connection.request(clock.now + 30)
        connection.end(caught.value)
        connection.close()

        assert scene.received(10) == abort_pdu(0, 0)

    def test_a_signal_while_we_wait_is_heard(self, scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
        connection = scene.associated(CLOSED)

        def silence(line: Line, buffer: memoryview, *_: int) -> int:
            assert not scene.wakeup.signalled, "it waits, though it was told to stop"
            scene.wakeup.signal()
            raise BlockingIOError

        monkeypatch.setattr(Line, "recv_into", silence)

        with pytest.raises(Stopped):
            connection.next_pdv()

    def test_who_makes_us_wait_is_known_to_pause(self, scene: Scene) -> None:
        connection = scene.associated(p_data(1, COMMAND | LAST, b"at once"), 0.06, p_data(1, DATA, b"late"))
        scene.pauses = 0

        connection.next_pdv()
        assert scene.pauses == 0
        connection.next_pdv()
        assert scene.pauses == 1

    def test_who_sends_no_request_at_once_lets_us_rest(self, scene: Scene) -> None:
        at_once, late = p_data(1, COMMAND | LAST, b"at once"), p_data(1, COMMAND | LAST, b"late")
        connection = scene.associated(at_once, at_once, Late(0.001, late), late[:3], late[3:])
        rests: list[bool] = []
        connection.on_rest = lambda: rests.append(True)

        assert [len(rests) for _ in range(2) if connection.next_pdv()] == [0, 0]
        assert bytes(connection.next_pdv()[2]) == b"late"
        assert len(rests) == 1
        assert bytes(connection.next_pdv()[2]) == b"late"
        assert len(rests) == 2, "not all of it was there"

    @pytest.mark.parametrize("begin", [p_data(1, DATA, b"begin"), b"\4"])
    def test_who_pauses_in_a_data_set_lets_us_rest(self, scene: Scene, begin: bytes) -> None:
        connection = scene.associated(begin, 0.06, p_data(1, LAST, b"end")[begin == b"\4" :])
        rests: list[bool] = []
        connection.on_rest = lambda: rests.append(True)

        assert joined(connection)[0] in (b"beginend", b"end")
        assert rests

    def test_who_drips_a_data_set_lets_us_rest_once_a_second(self, scene: Scene, clock: Clock) -> None:
        connection = scene.associated(*(Late(0.04, bytes([byte])) for byte in p_data(1, LAST, bytes(100))))
        rests: list[float] = []
        connection.on_rest = lambda: rests.append(clock.now)

        joined(connection)
        assert 3 <= len(rests) <= 5

    def test_a_signal_stops_a_data_set_and_the_peer_hears_why(self, scene: Scene) -> None:
        connection = scene.associated(p_data(1, DATA, b"ab"), b"more of it", CLOSED)
        data = connection.data(1)
        scene.wakeup.signal()

        with pytest.raises(Stopped) as caught:
            next(data)
        connection.end(caught.value)
        connection.close()

        assert scene.received(10) == abort_pdu(0, 0)
        assert scene.line.script == [], (
            "what the peer still sent was not read before the connection was closed"
        )

    def test_a_second_signal_does_not_let_the_peer_finish(self, scene: Scene) -> None:
        connection = scene.associated(b"more")
        scene.wakeup.signal()
        with pytest.raises(Stopped) as caught:
            connection.next_pdv()
        real_take = scene.wakeup.take
        scene.wakeup.take = lambda: [real_take(), scene.wakeup.signal()]  # type: ignore[method-assign,assignment]

        connection.end(caught.value)
        connection.close()

        assert scene.line.script == [b"more"]
        assert scene.line.fileno() == -1

    def test_a_signal_while_the_peer_takes_no_answer_is_heard(self, scene: Scene) -> None:
        connection = scene.associated(timeouts=Timeouts(30, None, None))
        scene.line.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        scene.wakeup.signal()

        with pytest.raises(Stopped):
            respond_for_ever(connection)


class TestEnd:
    def test_a_release_is_answered_and_the_peer_may_close(self, scene: Scene) -> None:
        connection = scene.associated(RELEASE_RQ, 0.1, CLOSED)
        with pytest.raises(Released) as caught:
            connection.next_pdv()

        connection.end(caught.value)
        connection.close()

        assert scene.received(10) == RELEASE_RP
        assert scene.line.script == []
        assert scene.line.fileno() == -1

    def test_last_words_wait_for_the_end_of_the_stream(
        self, scene: Scene, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        connection = scene.associated(RELEASE_RQ, CLOSED)
        with pytest.raises(Released) as caught:
            connection.next_pdv()
        done, send, shutdown = [], scene.line.send, scene.line.shutdown

        def note_and_send(data: bytes, flags: int) -> int:
            done.append(flags)
            return send(data, flags)

        def note_and_shut_down(how: int) -> None:
            done.append(how)
            shutdown(how)

        monkeypatch.setattr(scene.line, "send", note_and_send)
        monkeypatch.setattr(scene.line, "shutdown", note_and_shut_down)
        connection.end(caught.value)
        assert done == [socket.MSG_DONTWAIT | socket.MSG_MORE, socket.SHUT_WR]

    def test_a_peer_that_does_not_close_is_waited_for_no_longer_than_two_seconds(
        self, scene: Scene, clock: Clock
    ) -> None:
        connection = scene.associated(RELEASE_RQ, 0.9, b"\0", 0.9, b"\0", 0.2)
        with pytest.raises(Released) as caught:
            connection.next_pdv()

        connection.end(caught.value)
        connection.close()

        assert clock.now == 1002
        assert scene.line.fileno() == -1

    def test_a_peer_that_never_stops_sending_is_left_after_two_seconds_too(
        self, scene: Scene, clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        connection = scene.associated()
        reads = 0

        def flood(line: Line, buffer: memoryview, *_: int) -> int:
            nonlocal reads
            reads += 1
            assert reads < 1000, "it reads for ever"
            clock.now += 0.1
            return len(buffer)

        monkeypatch.setattr(Line, "recv_into", flood)

        connection.end(Abort(0, 0, "enough"))
        connection.close()

        assert scene.received(10) == abort_pdu(0, 0)
        assert clock.now <= 1003

    def test_what_the_peer_still_sends_is_read_and_nothing_is_answered(self, scene: Scene) -> None:
        connection = scene.associated(
            p_data(1, DATA, bytes(1000)) * 100, REQUEST_PDU, b"garbage" * 100, RELEASE_RQ, CLOSED
        )

        connection.end(Abort(2, 2, "unexpected"))
        connection.close()

        assert scene.line.script == []
        assert scene.received_to_the_end() == abort_pdu(2, 2)

    def test_what_still_comes_is_thrown_away_whatever_it_looks_like(self, scene: Scene, clock: Clock) -> None:
        connection = scene.associated(abort_pdu(0, 0), b"\xff" * 100, CLOSED)

        connection.end(Abort(0, 0, "we too"))
        connection.close()

        assert clock.now == 1000
        assert scene.line.script == []
        assert scene.received_to_the_end() == abort_pdu(0, 0)

    def test_a_peer_that_has_gone_is_not_waited_for(self, scene: Scene) -> None:
        connection = scene.associated(CLOSED)
        with pytest.raises(Gone) as caught:
            connection.next_pdv()

        connection.end(caught.value)
        connection.close()

        assert scene.line.fileno() == -1

    def test_a_reset_within_the_farewell_does_not_disturb(self, scene: Scene) -> None:
        connection = scene.associated(ConnectionResetError(errno.ECONNRESET, "reset"))

        connection.end(Abort(0, 0, "no"))
        connection.close()

        assert scene.line.fileno() == -1
