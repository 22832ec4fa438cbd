"""The acceptor without a socket: any fragmentation of any stream, any garbage, every PDU in every state."""

from __future__ import annotations

import struct
from copy import deepcopy
from itertools import cycle

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from scpd.errors import Abort, Gone, NotDicom, PeerError, Reject, Released, Silent
from scpd.ul import machine
from scpd.ul.acceptor import Acceptor
from scpd.ul.items import ProposedContext, UserInformation
from scpd.ul.pdus import AssociateRequest, encode_associate_request
from scpd.ul.stream import BUFFER_SIZE, PDUStream

MAX_PDU = 4096
# Just over the longest PDU, so that nearly every one comes to lie across the end of the buffer.
SMALL_BUFFER = MAX_PDU + 6 + 10
DATA, COMMAND, LAST = 0, 1, 2

REQUEST = AssociateRequest(
    protocol_version=1,
    called_ae_title=b"STORESCP",
    calling_ae_title=b"CT_1",
    application_context_name="1.2.840.10008.3.1.1.1",
    contexts=(ProposedContext(1, "1.2.840.10008.1.1", ("1.2.840.10008.1.2",)),),
    user=UserInformation(max_length=16384),
)
REQUEST_PDU = encode_associate_request(REQUEST)
ACCEPT_PDU = b"\x02 whatever the negotiation answers"
RELEASE_RQ = b"\x05\0\0\0\0\4\0\0\0\0"
RELEASE_RP = b"\x06\0\0\0\0\4\0\0\0\0"


def pdv(context_id: int, control: int, fragment: bytes) -> bytes:
    return struct.pack(">IBB", len(fragment) + 2, context_id, control) + fragment


def pdu(kind: int, body: bytes) -> bytes:
    return struct.pack(">BxI", kind, len(body)) + body


def p_data(*pdvs: bytes) -> bytes:
    return pdu(4, b"".join(pdvs))


def abort_pdu(source: int, reason: int) -> bytes:
    return b"\x07\0\0\0\0\4\0\0" + bytes((source, reason))


class Message:
    """A command or a data set as it comes: its bytes so far, and how many fragments have ended."""

    def __init__(self, kind: str, context_id: int) -> None:
        self.kind = kind
        self.context_id = context_id
        self.data = b""
        self.fragments = 0
        self.is_complete = False

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Message) and vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Message({vars(self)})"

    def is_begin_of(self, other: object) -> bool:
        """Tell whether more bytes could make it the other one."""
        if not isinstance(other, Message) or (self.kind, self.context_id) != (other.kind, other.context_id):
            return False
        return self == other or (not self.is_complete and other.data.startswith(self.data))


class Driver:
    """What `connection` does, without a socket: feeds an acceptor and writes down what comes of it.

    `happened` has the request, the messages, and how the association ended.  With `hot_path` data sets are taken by
    `take_data`, otherwise PDV by PDV.
    """

    def __init__(self, *, hot_path: bool, buffer_size: int = SMALL_BUFFER) -> None:
        self.acceptor = Acceptor(MAX_PDU)
        self.acceptor.stream = PDUStream(MAX_PDU, buffer_size)
        self.happened: list[object] = []
        self.sent: list[bytes] = []
        self._hot_path = hot_path
        self._open: Message | None = None  # what is not complete yet
        self._data_of: int | None = None

    def feed(self, data: bytes, sizes: list[int]) -> Driver:
        """Receive `data` in pieces of these sizes, again and again, or of what the room allows."""
        size = cycle(sizes)
        while data:
            stream = self.acceptor.stream
            count = min(len(data), next(size), len(stream.room()))
            assert count > 0, "no room is left"
            stream.room()[:count] = data[:count]
            stream.filled(count)
            data = data[count:]
            if not self._turn():
                break
        return self

    def _turn(self) -> bool:
        """Use what has arrived; tell whether more may come."""
        over = self.acceptor.state == machine.STA13
        try:
            while self._step():
                pass
        except PeerError as error:
            self.happened.append((type(error), str(error)))
            self.acceptor.end_with(error)
            # Once it is over nothing is sent any more: the socket is shut down for writing, AA-7 is for the table.
            self.sent += [] if over else self.acceptor.outgoing
            self.acceptor.outgoing.clear()
            return self.acceptor.state != machine.STA1 and self._turn()
        self.sent += [] if over else self.acceptor.outgoing
        self.acceptor.outgoing.clear()
        self.acceptor.stream.make_room()
        return True

    def _step(self) -> bool:
        if self._hot_path and self._data_of is not None and self.acceptor.state == machine.STA6:
            return self._take_data(self._data_of)
        event = self.acceptor.next_event()
        if event is None:
            return False
        if isinstance(event, AssociateRequest):
            self.happened.append(event)
            self.acceptor.accept(ACCEPT_PDU, 16384)
        else:
            context_id, control, fragment = event
            if self._data_of is not None and (context_id != self._data_of or control & COMMAND):
                text = f"a data set on presentation context {self._data_of} is cut in by another message"
                raise Abort(0, 0, text)
            kind = "command" if control & COMMAND else "data"
            self._add(kind, context_id, bytes(fragment), 1, is_last=bool(control & LAST))
        return True

    def _take_data(self, context_id: int) -> bool:
        pieces: list[memoryview] = []
        stream = self.acceptor.stream
        before, complete = stream.fragments, False
        try:
            complete = self.acceptor.take_data(context_id, pieces)
        finally:
            if pieces:
                self._add("data", context_id, b"".join(pieces), stream.fragments - before, is_last=complete)
        return complete

    def _add(self, kind: str, context_id: int, data: bytes, fragments: int, *, is_last: bool) -> None:
        if self._open is None:
            self._open = Message(kind, context_id)
            self.happened.append(self._open)
        self._open.data += data
        self._open.fragments += fragments
        if is_last:
            # Messages on odd contexts have a data set here, those on even ones have none.
            self._data_of = context_id if kind == "command" and context_id % 2 else None
            self._open.is_complete = True
            self._open = None


FRAGMENTS = st.lists(st.binary(max_size=40) | st.binary(min_size=900, max_size=1500), min_size=1, max_size=5)
MESSAGES = st.lists(
    st.tuples(st.integers(0, 255), FRAGMENTS, FRAGMENTS).map(
        lambda message: (message[0], message[1], message[2] if message[0] % 2 else None)
    ),
    max_size=4,
)
SIZES = st.lists(st.integers(1, 30) | st.integers(1, 3 * MAX_PDU), min_size=1, max_size=8)
Sent = tuple[int, list[bytes], list[bytes] | None]


def pdvs_of(messages: list[Sent]) -> list[bytes]:
    pdvs = []
    for context_id, command, data in messages:
        for kind, fragments in ((COMMAND, command), (DATA, data or [])):
            ends = [DATA] * (len(fragments) - 1) + [LAST]
            pdvs += [pdv(context_id, kind | end, text) for end, text in zip(ends, fragments, strict=False)]
    return pdvs


def in_pdus(pdvs: list[bytes], together: list[bool]) -> bytes:
    """Put these PDVs into P-DATA-TF PDUs, several into one where `together` says so and the length allows."""
    pdus: list[list[bytes]] = []
    for each, joins in zip(pdvs, cycle(together), strict=False):
        if pdus and joins and sum(map(len, pdus[-1])) + len(each) <= MAX_PDU:
            pdus[-1].append(each)
        else:
            pdus.append([each])
    return b"".join(p_data(*each) for each in pdus)


def whole(kind: str, context_id: int, fragments: list[bytes]) -> Message:
    message = Message(kind, context_id)
    message.data = b"".join(fragments)
    message.fragments = len(fragments)
    message.is_complete = True
    return message


def expected_of(messages: list[Sent]) -> list[object]:
    happened: list[object] = [REQUEST]
    for context_id, command, data in messages:
        happened.append(whole("command", context_id, command))
        if data is not None:
            happened.append(whole("data", context_id, data))
    return happened


@st.composite
def streams(draw: st.DrawFn) -> tuple[bytes, list[object]]:
    """A whole association's bytes up to its release, and what happens in it."""
    messages = draw(MESSAGES)
    together = draw(st.lists(st.booleans(), min_size=1, max_size=6))
    data = REQUEST_PDU + in_pdus(pdvs_of(messages), together) + RELEASE_RQ
    return data, [*expected_of(messages), (Released, "released by the peer")]


ALL_TOGETHER = (
    REQUEST_PDU
    + in_pdus(pdvs_of([(1, [b"a", b"", b"bc"], [b"", b"d", b"ef"]), (2, [b"g"], None)]), [True])
    + RELEASE_RQ,
    [
        REQUEST,
        whole("command", 1, [b"a", b"", b"bc"]),
        whole("data", 1, [b"", b"d", b"ef"]),
        whole("command", 2, [b"g"]),
        (Released, "released by the peer"),
    ],
)


def assert_begin(early: list[object], late: list[object]) -> None:
    """See that what happened early is what happened late, as far as it went."""
    assert len(early) <= len(late)
    for number, (one, other) in enumerate(zip(early, late, strict=False), 1):
        is_open = number == len(early) or is_unfinished(one)
        assert one == other or (is_open and isinstance(one, Message) and one.is_begin_of(other))


def is_unfinished(event: object) -> bool:
    return isinstance(event, Message) and not event.is_complete


class TestFragmentation:
    @pytest.mark.parametrize("hot_path", [False, True])
    @settings(deadline=None)
    @given(stream=streams(), sizes=SIZES)
    @example(stream=ALL_TOGETHER, sizes=[1])
    @example(stream=ALL_TOGETHER, sizes=[1 << 20])
    def test_any_fragmentation_of_any_stream_gives_the_same_events(
        self, hot_path: bool, stream: tuple[bytes, list[object]], sizes: list[int]
    ) -> None:
        data, expected = stream

        driver = Driver(hot_path=hot_path).feed(data, sizes)

        assert driver.happened == expected
        assert driver.sent == [ACCEPT_PDU, RELEASE_RP]

    @pytest.mark.parametrize("hot_path", [False, True])
    @settings(deadline=None)
    @given(stream=streams(), data=st.data())
    def test_any_valid_prefix_gives_the_same_events_so_far(
        self, hot_path: bool, stream: tuple[bytes, list[object]], data: st.DataObject
    ) -> None:
        complete, expected = stream
        cut = data.draw(st.integers(0, len(complete)))
        driver = Driver(hot_path=hot_path).feed(complete[:cut], [1 << 20])
        so_far = deepcopy(driver.happened)

        driver.feed(complete[cut:], [1 << 20])

        assert driver.happened == expected
        assert_begin(so_far, expected)

    @settings(deadline=None)
    @given(messages=MESSAGES, together=st.lists(st.booleans(), min_size=1), sizes=SIZES, more=st.binary())
    def test_the_hot_path_sees_what_the_slow_one_sees_whatever_follows(
        self, messages: list[Sent], together: list[bool], sizes: list[int], more: bytes
    ) -> None:
        data = REQUEST_PDU + in_pdus(pdvs_of(messages), together) + more

        slow = Driver(hot_path=False).feed(data, sizes)
        hot = Driver(hot_path=True).feed(data, sizes)

        # The hot path gives what has come of a fragment, the slow one waits for its end.
        assert_begin(slow.happened, hot.happened)
        assert hot.sent == slow.sent

    @settings(deadline=None)
    @given(stream=streams(), data=st.data(), sizes=SIZES)
    def test_the_hot_path_sees_what_the_slow_one_sees_of_damaged_streams_too(
        self, stream: tuple[bytes, list[object]], data: st.DataObject, sizes: list[int]
    ) -> None:
        damaged = bytearray(stream[0])
        at = data.draw(st.integers(len(REQUEST_PDU), len(damaged) - 1))
        damaged[at] = data.draw(st.integers(0, 255))

        slow = Driver(hot_path=False).feed(bytes(damaged), sizes)
        hot = Driver(hot_path=True).feed(bytes(damaged), sizes)

        assert [event for event in slow.happened if not is_unfinished(event)] == [
            event for event in hot.happened if not is_unfinished(event)
        ]
        assert hot.sent == slow.sent

    def test_the_request_before_the_answer_is_kept(self) -> None:
        driver = Driver(hot_path=False)
        pipelined = in_pdus(pdvs_of([(2, [b"first"], None), (2, [b"second"], None)]), [False])

        driver.feed(REQUEST_PDU + pipelined, [len(REQUEST_PDU) + len(pipelined)])

        assert driver.happened == [REQUEST, whole("command", 2, [b"first"]), whole("command", 2, [b"second"])]


class TestGarbage:
    def check(self, driver: Driver) -> None:
        """The acceptor's word, if there was a request to accept, and one that ends it, if there is need for one."""
        assert driver.sent[:1] in ([], [ACCEPT_PDU], [abort_pdu(0, 0)])
        assert len(driver.sent) <= 2
        assert all(pdu_sent[0] in (6, 7) for pdu_sent in driver.sent[1:])

    @pytest.mark.parametrize("hot_path", [False, True])
    @settings(deadline=None)
    @given(st.binary(max_size=300), SIZES)
    @example(b"", [1])
    def test_any_bytes_instead_of_a_request_get_an_answer(
        self, hot_path: bool, data: bytes, sizes: list[int]
    ) -> None:
        self.check(Driver(hot_path=hot_path).feed(data, sizes))

    @pytest.mark.parametrize("hot_path", [False, True])
    @settings(max_examples=300, deadline=None)
    @given(stream=streams(), data=st.data())
    def test_any_bytes_behind_any_valid_prefix_get_an_answer(
        self, hot_path: bool, stream: tuple[bytes, list[object]], data: st.DataObject
    ) -> None:
        whole, _ = stream
        cut = data.draw(st.integers(0, len(whole)))
        garbage = data.draw(st.binary(max_size=100))

        self.check(Driver(hot_path=hot_path).feed(whole[:cut] + garbage, data.draw(SIZES)))

    @pytest.mark.parametrize("hot_path", [False, True])
    @settings(max_examples=300, deadline=None)
    @given(stream=streams(), data=st.data())
    def test_any_stream_with_wrong_bytes_gets_an_answer(
        self, hot_path: bool, stream: tuple[bytes, list[object]], data: st.DataObject
    ) -> None:
        damaged = bytearray(stream[0])
        for _ in range(data.draw(st.integers(1, 4))):
            damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))

        self.check(Driver(hot_path=hot_path).feed(bytes(damaged), data.draw(SIZES)))

    @settings(deadline=None)
    @given(
        kinds=st.lists(st.tuples(st.integers(0, 9), st.binary(max_size=140)), max_size=8),
        start=st.sampled_from([b"", REQUEST_PDU, REQUEST_PDU + RELEASE_RQ, REQUEST_PDU + b"\x09" + bytes(5)]),
        sizes=SIZES,
    )
    def test_any_pdus_in_any_state_get_an_answer(
        self, kinds: list[tuple[int, bytes]], start: bytes, sizes: list[int]
    ) -> None:
        data = start + b"".join(pdu(kind, body) for kind, body in kinds)

        self.check(Driver(hot_path=False).feed(data, sizes))


def at(state: int) -> Acceptor:
    """An acceptor that has come to this state."""
    acceptor = Acceptor(MAX_PDU)
    if state == machine.STA2:
        return acceptor
    receive(acceptor, REQUEST_PDU)
    assert acceptor.next_event() == REQUEST
    if state == machine.STA3:
        return acceptor
    acceptor.accept(ACCEPT_PDU, 16384)
    if state == machine.STA8:
        receive(acceptor, RELEASE_RQ)
        with pytest.raises(Released):
            acceptor.next_event()
    if state == machine.STA13:
        acceptor.abort(0, 0)
    acceptor.outgoing.clear()
    assert acceptor.state == state
    return acceptor


def receive(acceptor: Acceptor, data: bytes) -> None:
    acceptor.stream.room()[: len(data)] = data
    acceptor.stream.filled(len(data))


# What a PDU is answered by in each state: the exception, the PDU sent, the next state.  The PDUs by type, 8 for an
# unrecognized one, "long" for an invalid one (a length that cannot be).
GONE = (Gone, [], 1)
AA_1 = (Abort, [abort_pdu(0, 0)], 13)
AA_8 = (Abort, [abort_pdu(2, 2)], 13)
AA_6 = (None, [], 13)
ANSWERS = {
    (2, 2): AA_1,
    (2, 3): AA_1,
    (2, 4): AA_1,
    (2, 5): AA_1,
    (2, 6): AA_1,
    (2, 7): GONE,
    (2, 8): (NotDicom, [], 1),
    (2, "long"): AA_1,
    (3, 1): AA_8,
    (3, 2): AA_8,
    (3, 3): AA_8,
    (3, 4): AA_8,
    (3, 5): AA_8,
    (3, 6): AA_8,
    (3, 7): GONE,
    (3, 8): (Abort, [abort_pdu(2, 1)], 13),
    (3, "long"): (Abort, [abort_pdu(2, 6)], 13),
    (6, 1): AA_8,
    (6, 2): AA_8,
    (6, 3): AA_8,
    (6, 5): (Released, [], 8),
    (6, 6): AA_8,
    (6, 7): GONE,
    (6, 8): (Abort, [abort_pdu(2, 1)], 13),
    (6, "long"): (Abort, [abort_pdu(2, 6)], 13),
    (8, 1): AA_8,
    (8, 2): AA_8,
    (8, 3): AA_8,
    (8, 4): AA_8,
    (8, 5): AA_8,
    (8, 6): AA_8,
    (8, 7): GONE,
    (8, 8): (Abort, [abort_pdu(2, 1)], 13),
    (8, "long"): (Abort, [abort_pdu(2, 6)], 13),
    (13, 1): (None, [abort_pdu(2, 2)], 13),
    (13, 2): AA_6,
    (13, 3): AA_6,
    (13, 4): AA_6,
    (13, 5): AA_6,
    (13, 6): AA_6,
    (13, 7): GONE,
    (13, 8): (None, [abort_pdu(2, 1)], 13),
    (13, "long"): (None, [abort_pdu(2, 6)], 13),
}
BODIES: dict[int | str, bytes] = {
    1: REQUEST_PDU,
    2: pdu(2, bytes(100)),
    3: pdu(3, bytes(4)),
    4: p_data(pdv(1, COMMAND | LAST, b"ab")),
    5: RELEASE_RQ,
    6: RELEASE_RP,
    7: abort_pdu(2, 5),
    8: pdu(8, bytes(4)),
    "long": b"\x06\0\xff\xff\xff\xff",
}


class TestUnexpected:
    @pytest.mark.parametrize(("state", "kind"), ANSWERS)
    def test_every_pdu_in_every_state_gets_the_answer_of_the_table(self, state: int, kind: int | str) -> None:
        error, sent, next_state = ANSWERS[state, kind]
        acceptor = at(state)
        receive(acceptor, BODIES[kind])

        if error is None:
            assert acceptor.next_event() is None
            assert acceptor.stream.is_empty()
        else:
            with pytest.raises(error):
                acceptor.next_event()

        assert acceptor.outgoing == sent
        assert acceptor.state == next_state

    @pytest.mark.parametrize(
        ("state", "kind"),
        [
            (state, kind)
            for (state, kind), answer in ANSWERS.items()
            if answer in (AA_1, AA_8) and kind != "long"
        ],
    )
    def test_a_pdu_out_of_turn_is_answered_at_its_header(self, state: int, kind: int | str) -> None:
        acceptor = at(state)
        receive(acceptor, BODIES[kind][:6])

        with pytest.raises(Abort):
            acceptor.next_event()

        assert acceptor.outgoing == ANSWERS[state, kind][1]

    @pytest.mark.parametrize(
        "body",
        [b"", bytes(67), bytes(68) + b"\x10", bytes(68) + b"\x10\0\0\5", bytes(68) + b"\x20\0\0\0"],
    )
    def test_a_request_that_cannot_be_decoded_is_an_invalid_pdu(self, body: bytes) -> None:
        acceptor = at(machine.STA2)
        receive(acceptor, pdu(1, body))

        with pytest.raises(Abort):
            acceptor.next_event()

        assert acceptor.outgoing == [abort_pdu(0, 0)]
        assert acceptor.state == machine.STA13

    @pytest.mark.parametrize("body", [b"", b"\0\0\0\1\1", pdv(1, COMMAND, b"ab") + b"\0"])
    def test_a_p_data_pdu_that_its_pdvs_do_not_fill_is_an_invalid_parameter(self, body: bytes) -> None:
        acceptor = at(machine.STA6)
        receive(acceptor, pdu(4, body))

        with pytest.raises(Abort):
            acceptor.next_event()

        assert acceptor.outgoing == [abort_pdu(2, 6)]

    @pytest.mark.parametrize(
        ("kind", "longest"), [(1, BUFFER_SIZE - 6), (4, MAX_PDU), (5, 128), (7, 128)], ids=str
    )
    def test_nothing_is_received_of_a_pdu_longer_than_its_type_may_be(self, kind: int, longest: int) -> None:
        state = machine.STA2 if kind == 1 else machine.STA6
        fits, too_long = at(state), at(state)
        receive(fits, struct.pack(">BxI", kind, longest))
        receive(too_long, struct.pack(">BxI", kind, longest + 1))

        assert fits.next_event() is None
        with pytest.raises(Abort):
            too_long.next_event()

    @pytest.mark.parametrize(
        ("body", "text"),
        [
            (b"\0\0\2\5", "aborted by the peer (source 2, reason 5)"),
            (b"", "aborted by the peer (source 0, reason 0)"),
            (b"\0\0\1", "aborted by the peer (source 0, reason 0)"),
            (b"\0\0\1\1" + bytes(124), "aborted by the peer (source 1, reason 1)"),
        ],
    )
    def test_an_abort_says_why_whatever_its_length(self, body: bytes, text: str) -> None:
        acceptor = at(machine.STA6)
        receive(acceptor, pdu(7, body))

        with pytest.raises(Gone) as caught:
            acceptor.next_event()

        assert str(caught.value) == text

    def test_after_an_abort_everything_is_thrown_away_until_the_end(self) -> None:
        acceptor = at(machine.STA13)
        for _ in range(3):
            receive(acceptor, p_data(pdv(1, DATA, bytes(100))) * 20)
            assert acceptor.next_event() is None
            assert acceptor.stream.is_empty()

        assert isinstance(acceptor.transport_closed(), Gone)
        assert acceptor.state == machine.STA1


class TestTakeData:
    @pytest.mark.parametrize("alone", [True, False], ids=["in a PDU of its own", "in one PDU with data"])
    @pytest.mark.parametrize(
        "intruder",
        [
            pytest.param(pdv(1, COMMAND, b"ab"), id="command fragment"),
            pytest.param(pdv(1, COMMAND | LAST, b"ab"), id="command"),
            pytest.param(pdv(3, DATA, b"ab"), id="data of another context"),
            pytest.param(pdv(3, COMMAND | LAST, b"ab"), id="command on another context"),
        ],
    )
    def test_a_message_within_a_data_set_is_an_abort(self, intruder: bytes, alone: bool) -> None:
        acceptor = at(machine.STA6)
        data = pdv(1, DATA, b"data")
        receive(acceptor, p_data(data) + p_data(intruder) if alone else p_data(data, intruder))
        pieces: list[memoryview] = []

        with pytest.raises(Abort) as caught:
            acceptor.take_data(1, pieces)
        acceptor.end_with(caught.value)

        assert b"".join(pieces) == b"data"
        assert acceptor.outgoing == [abort_pdu(0, 0)]
        assert acceptor.state == machine.STA13

    def test_a_release_within_a_data_set_is_a_release(self) -> None:
        acceptor = at(machine.STA6)
        receive(acceptor, p_data(pdv(1, DATA, b"data")) + RELEASE_RQ)

        with pytest.raises(Released) as caught:
            acceptor.take_data(1, [])
        acceptor.end_with(caught.value)

        assert acceptor.outgoing == [RELEASE_RP]

    def test_nothing_yet_is_no_end(self) -> None:
        pieces: list[memoryview] = []

        assert at(machine.STA6).take_data(1, pieces) is False
        assert pieces == []


class TestSending:
    @settings(deadline=None)
    @given(st.binary(max_size=400), st.integers(8, 300))
    @example(bytes(16), 22)
    @example(bytes(17), 22)
    @example(b"", 8)
    def test_any_command_goes_out_in_pdus_that_the_peer_takes(self, command: bytes, longest: int) -> None:
        acceptor = at(machine.STA3)
        acceptor.accept(ACCEPT_PDU, longest)
        acceptor.outgoing.clear()

        acceptor.send_command(5, command)

        fragments, controls = [], []
        for each in acceptor.outgoing:
            kind, length, pdv_length, context_id, control = struct.unpack_from(">BxIIBB", each)
            assert (kind, length, pdv_length, context_id) == (4, len(each) - 6, len(each) - 10, 5)
            assert length <= longest
            fragments.append(each[12:])
            controls.append(control)
        assert b"".join(fragments) == command
        assert controls == [COMMAND] * (len(controls) - 1) + [COMMAND | LAST]
        assert all(len(fragment) % 2 == 0 and fragment for fragment in fragments[:-1])

    def test_a_command_that_fits_exactly_is_one_pdu(self) -> None:
        acceptor = at(machine.STA3)
        acceptor.accept(ACCEPT_PDU, 26)
        acceptor.outgoing.clear()

        acceptor.send_command(1, bytes(20))
        assert len(acceptor.outgoing) == 1

        acceptor.send_command(1, bytes(21))
        assert len(acceptor.outgoing) == 3

    def test_a_rejection_is_said_with_its_fields(self) -> None:
        acceptor = at(machine.STA3)
        acceptor.end_with(Reject(1, 2, 2, "protocol version"))

        assert acceptor.outgoing == [b"\x03\0\0\0\0\4\0\1\2\2"]
        assert acceptor.state == machine.STA13

    @pytest.mark.parametrize("state", [machine.STA2, machine.STA3, machine.STA6, machine.STA8])
    def test_an_abort_is_said_once(self, state: int) -> None:
        acceptor = at(state)
        acceptor.outgoing.clear()
        acceptor.abort(2, 6)
        acceptor.abort(0, 0)
        acceptor.end_with(Abort(0, 0, "again"))

        assert acceptor.outgoing == [abort_pdu(2, 6)]
        assert acceptor.state == machine.STA13

    def test_whoever_has_gone_gets_no_abort(self) -> None:
        acceptor = at(machine.STA6)
        gone = acceptor.transport_closed()
        acceptor.end_with(gone)
        acceptor.abort(0, 0)

        assert acceptor.outgoing == []
        assert acceptor.state == machine.STA1

    def test_a_violation_is_answered_when_it_is_found_and_not_once_more_at_the_end(self) -> None:
        acceptor = at(machine.STA6)
        receive(acceptor, REQUEST_PDU)
        with pytest.raises(Abort) as caught:
            acceptor.next_event()

        acceptor.end_with(caught.value)

        assert acceptor.outgoing == [abort_pdu(2, 2)]


class TestLeaving:
    def test_a_connection_without_a_byte_is_silent(self) -> None:
        assert isinstance(at(machine.STA2).transport_closed(), Silent)

    @pytest.mark.parametrize("data", [b"\1", REQUEST_PDU[:-1]])
    def test_half_a_request_is_not_silence(self, data: bytes) -> None:
        acceptor = at(machine.STA2)
        receive(acceptor, data)
        assert acceptor.next_event() is None

        assert type(acceptor.transport_closed()) is Gone

    @pytest.mark.parametrize(
        "state", [machine.STA3, machine.STA6, machine.STA8, machine.STA13], ids=lambda state: f"Sta{state}"
    )
    def test_a_closed_connection_ends_every_state_without_a_pdu(self, state: int) -> None:
        acceptor = at(state)
        acceptor.outgoing.clear()

        assert type(acceptor.transport_closed()) is Gone
        assert acceptor.state == machine.STA1
        assert acceptor.outgoing == []

    @pytest.mark.parametrize("state", [machine.STA2, machine.STA13])
    def test_artim_ends_it_without_a_pdu(self, state: int) -> None:
        acceptor = at(state)

        assert str(acceptor.timer_expired("late")) == "late"
        assert acceptor.state == machine.STA1
        assert acceptor.outgoing == []

    @pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\n", b"\x16\x03\x01\0\xa5", b"\0"])
    def test_another_protocol_is_named_and_gets_no_answer(self, data: bytes) -> None:
        acceptor = at(machine.STA2)
        receive(acceptor, data)

        with pytest.raises(NotDicom):
            acceptor.next_event()

        assert acceptor.outgoing == []
        assert acceptor.state == machine.STA1

    def test_another_protocol_is_looked_for_at_the_beginning_only(self) -> None:
        acceptor = at(machine.STA6)
        receive(acceptor, b"GET / HTTP/1.1\r\n")

        with pytest.raises(Abort):
            acceptor.next_event()
