"""The receive buffer cut into PDUs and PDVs: lengths that may be and that may not, room, the hot path."""

from __future__ import annotations

import errno
import struct
import tracemalloc

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from scpd.errors import Abort
from scpd.ul import stream as stream_module
from scpd.ul.stream import PDUStream

MAX_PDU = 4096
BUFFER = 8192
RQ, AC, RJ, P_DATA, RELEASE_RQ, RELEASE_RP, ABORT = range(1, 8)
DATA, COMMAND, LAST = 0, 1, 2


def pdu(kind: int, body: bytes) -> bytes:
    return struct.pack(">BxI", kind, len(body)) + body


def pdv(context_id: int, control: int, fragment: bytes) -> bytes:
    return struct.pack(">IBB", len(fragment) + 2, context_id, control) + fragment


def p_data(*pdvs: bytes) -> bytes:
    return pdu(P_DATA, b"".join(pdvs))


def filled_with(data: bytes, max_pdu: int = MAX_PDU, buffer_size: int = BUFFER) -> PDUStream:
    stream = PDUStream(max_pdu, buffer_size)
    fill(stream, data)
    return stream


def fill(stream: PDUStream, data: bytes) -> None:
    stream.room()[: len(data)] = data
    stream.filled(len(data))


def refusal(stream: PDUStream) -> tuple[int, int]:
    """Source and reason of the abort that the PDU at hand deserves."""
    try:
        header = stream.next_header()
        assert header is not None
        stream.enter_p_data(header[1])
    except Abort as error:
        return error.source, error.reason
    pytest.fail("it was not refused")


def pdvs_of(stream: PDUStream) -> list[tuple[int, int, bytes]]:
    """The PDVs of the entered PDU."""
    found = []
    while stream.inside_p_data():
        context_id, control, fragment = stream.next_pdv()
        found.append((context_id, control, bytes(fragment)))
    return found


class TestHeaders:
    @pytest.mark.parametrize("count", range(6))
    def test_a_header_is_told_only_when_it_is_whole(self, count: int) -> None:
        assert filled_with(pdu(RELEASE_RQ, bytes(4))[:count]).next_header() is None

    @pytest.mark.parametrize("kind", range(1, 8))
    def test_type_and_length_of_every_pdu_are_told_before_its_body_arrives(self, kind: int) -> None:
        assert filled_with(pdu(kind, bytes(100))[:6]).next_header() == (kind, 100)

    def test_the_reserved_byte_is_not_looked_at(self) -> None:
        assert filled_with(b"\x05\xff\0\0\0\x04").next_header() == (RELEASE_RQ, 4)

    @pytest.mark.parametrize("kind", [0, 8, 0x16, 0x47, 0xFF])
    def test_an_unknown_type_is_an_unrecognized_pdu(self, kind: int) -> None:
        assert refusal(filled_with(pdu(kind, bytes(4)))) == (2, 1)

    @pytest.mark.parametrize(
        ("kind", "limit"),
        [
            (RQ, BUFFER - 6),
            (AC, 128),
            (RJ, 128),
            (P_DATA, MAX_PDU),
            (RELEASE_RQ, 128),
            (RELEASE_RP, 128),
            (ABORT, 128),
        ],
    )
    def test_a_length_over_the_limit_of_its_type_is_refused_at_the_header(
        self, kind: int, limit: int
    ) -> None:
        assert filled_with(struct.pack(">BxI", kind, limit)).next_header() == (kind, limit)
        assert refusal(filled_with(struct.pack(">BxI", kind, limit + 1))) == (2, 6)
        assert refusal(filled_with(struct.pack(">BxI", kind, 0xFFFFFFFF))) == (2, 6)

    def test_the_longest_request_fits_into_the_buffer(self) -> None:
        stream = PDUStream(MAX_PDU, BUFFER)
        fill(stream, pdu(RQ, b"x" * (BUFFER - 6)))
        assert len(stream.room()) == 0

        assert stream.take_body(BUFFER - 6) == b"x" * (BUFFER - 6)

    def test_the_longest_pdu_of_every_option_fits_several_times(self) -> None:
        largest_pdu_option = 131072
        assert 3 * (largest_pdu_option + 6) < stream_module.BUFFER_SIZE


class TestBodies:
    def test_a_body_is_taken_only_when_it_is_whole(self) -> None:
        stream = filled_with(pdu(ABORT, b"abcd")[:-1])
        assert stream.take_body(4) is None
        assert stream.next_header() == (ABORT, 4)

        fill(stream, b"d")

        assert stream.take_body(4) == b"abcd"
        assert stream.is_empty()

    def test_what_follows_stays(self) -> None:
        stream = filled_with(pdu(RELEASE_RQ, bytes(4)) + b"\x07\0\0")
        stream.take_body(4)

        assert not stream.is_empty()
        assert stream.peek(16) == b"\x07\0\0"

    def test_a_body_may_be_empty(self) -> None:
        assert filled_with(pdu(RELEASE_RQ, b"")).take_body(0) == b""

    def test_peek_gives_what_there_is_and_takes_nothing(self) -> None:
        stream = filled_with(b"abc")

        assert (stream.peek(2), stream.peek(2), stream.peek(9)) == (b"ab", b"ab", b"abc")

    def test_the_first_byte_tells_as_what_the_rest_begins(self) -> None:
        stream = filled_with(pdu(RELEASE_RQ, bytes(4)) + b"\x01")

        assert (stream.begins_with(RELEASE_RQ), stream.begins_with(RQ)) == (True, False)
        stream.take_body(4)
        assert (stream.begins_with(RELEASE_RQ), stream.begins_with(RQ)) == (False, True)
        stream.discard()
        assert not stream.begins_with(RQ)

    def test_discard_throws_everything_away_also_within_a_pdu(self) -> None:
        stream = filled_with(p_data(pdv(1, DATA, b"ab"), pdv(1, DATA, b"cd")))
        stream.enter_p_data(16)
        stream.next_pdv()

        stream.discard()

        assert stream.is_empty()
        assert not stream.inside_p_data()
        assert len(stream.room()) == BUFFER
        assert stream.next_header() is None


class TestPData:
    def test_a_pdu_is_entered_only_when_it_is_whole(self) -> None:
        data = p_data(pdv(3, COMMAND, b"abcd"))
        stream = filled_with(data[:-1])
        assert not stream.enter_p_data(len(data) - 6)
        assert not stream.inside_p_data()

        fill(stream, data[-1:])

        assert stream.enter_p_data(len(data) - 6)
        assert pdvs_of(stream) == [(3, COMMAND, b"abcd")]

    def test_pdvs_of_any_length_and_parity_come_out_in_order(self) -> None:
        fragments = [b"", b"a", b"bc", b"", b"def" * 100, b"g"]
        data = p_data(*(pdv(2 * number + 1, number % 4, text) for number, text in enumerate(fragments)))
        stream = filled_with(data)
        stream.enter_p_data(len(data) - 6)

        assert pdvs_of(stream) == [
            (2 * number + 1, number % 4, text) for number, text in enumerate(fragments)
        ]
        assert stream.is_empty()

    @pytest.mark.parametrize(
        "body",
        [
            pytest.param(b"", id="no PDV"),
            pytest.param(b"\0", id="one byte"),
            pytest.param(b"\0\0\0", id="three bytes of a length"),
            pytest.param(b"\0\0\0\0", id="length 0"),
            pytest.param(b"\0\0\0\1\1", id="length 1"),
            pytest.param(b"\0\0\0\2\1", id="PDV one byte short"),
            pytest.param(b"\0\0\0\3\1\0", id="PDV one byte longer than its PDU"),
            pytest.param(b"\xff\xff\xff\xff\1\0", id="PDV of 4 GiB"),
            pytest.param(b"\xff\xff\xff\xfc\1\0", id="PDV that would end where it begins in 32 bits"),
            pytest.param(pdv(1, 0, b"ab") + b"\0", id="a stray byte"),
            pytest.param(pdv(1, 0, b"ab") + b"\0\0\0", id="three stray bytes"),
            pytest.param(pdv(1, 0, b"ab") + b"\0\0\0\1\1", id="a second PDV of length 1"),
            pytest.param(pdv(1, 0, b"ab") + b"\0\0\0\4\1\0", id="a second PDV that is too long"),
        ],
    )
    def test_pdvs_that_do_not_fill_their_pdu_exactly_are_refused_whole(self, body: bytes) -> None:
        assert refusal(filled_with(pdu(P_DATA, body) + bytes(16))) == (2, 6)

    @given(st.binary(max_size=64))
    @example(pdv(1, 0, b""))
    def test_any_body_is_refused_or_its_pdvs_account_for_every_byte(self, body: bytes) -> None:
        stream = filled_with(pdu(P_DATA, body) + b"\x05")
        try:
            stream.enter_p_data(len(body))
        except Abort:
            return

        pdvs = pdvs_of(stream)

        assert b"".join(pdv(*found) for found in pdvs) == body
        assert stream.peek(2) == b"\x05"

    def test_fragments_are_slices_of_the_buffer(self) -> None:
        stream = filled_with(p_data(pdv(1, DATA, b"abcd")))
        stream.enter_p_data(10)
        _, _, fragment = stream.next_pdv()

        assert fragment.obj is stream.room().obj


class TestRoom:
    def test_making_room_keeps_what_was_not_taken(self) -> None:
        stream = filled_with(pdu(RELEASE_RQ, bytes(4)) + pdu(ABORT, b"abcd")[:8])
        stream.take_body(4)

        stream.make_room()

        assert len(stream.room()) == BUFFER - 8
        fill(stream, b"cd")
        assert stream.next_header() == (ABORT, 4)
        assert stream.take_body(4) == b"abcd"

    def test_making_room_within_a_pdu_keeps_its_pdvs(self) -> None:
        stream = filled_with(p_data(pdv(1, COMMAND | LAST, b"ab"), pdv(1, DATA, b"cd"), pdv(1, LAST, b"ef")))
        stream.enter_p_data(24)
        stream.next_pdv()

        stream.make_room()

        assert pdvs_of(stream) == [(1, DATA, b"cd"), (1, LAST, b"ef")]
        assert stream.is_empty()

    def test_after_a_pdu_was_taken_making_room_does_not_pretend_to_be_inside_it(self) -> None:
        stream = filled_with(p_data(pdv(1, DATA, b"ab")) + b"\x04")
        stream.enter_p_data(8)
        stream.next_pdv()

        stream.make_room()
        fill(stream, bytes(100))

        assert not stream.inside_p_data()

    def test_making_room_twice_changes_nothing(self) -> None:
        stream = filled_with(b"abc")
        stream.make_room()
        stream.make_room()

        assert stream.peek(9) == b"abc"
        assert len(stream.room()) == BUFFER - 3

    def test_it_tells_what_is_used_and_when_no_room_is_left(self) -> None:
        stream = PDUStream(MAX_PDU, BUFFER)
        assert (stream.used(), stream.is_full()) == (0, False)
        stream.filled(BUFFER - 1)
        assert (stream.used(), stream.is_full()) == (BUFFER - 1, False)
        stream.filled(1)
        assert (stream.used(), stream.is_full()) == (BUFFER, True)

        stream.discard()

        assert (stream.used(), stream.is_full()) == (0, False)

    def test_the_buffer_never_grows(self) -> None:
        stream = PDUStream(MAX_PDU, BUFFER)
        tracemalloc.start()
        try:
            for _ in range(1000):
                fill(stream, p_data(pdv(1, DATA, bytes(4000))))
                stream.take_data(1, [])
                stream.make_room()
            assert tracemalloc.get_traced_memory()[1] < 100_000
        finally:
            tracemalloc.stop()


class TestWholePDV:
    """`take_pdv`: a P-DATA-TF PDU that has arrived whole and holds one PDV."""

    @pytest.mark.parametrize("control", [0, 1, 2, 3, 0xFF])
    @pytest.mark.parametrize("size", [0, 1, 2, MAX_PDU - 6])
    def test_it_is_taken_whatever_it_holds(self, control: int, size: int) -> None:
        stream = filled_with(p_data(pdv(7, control, b"x" * size)) + b"\4")

        taken = stream.take_pdv()

        assert taken is not None
        assert (taken[0], taken[1], bytes(taken[2])) == (7, control, b"x" * size)
        assert stream.peek(9) == b"\4"

    @given(st.binary(max_size=40))
    @example(p_data(pdv(1, 0, b"")))
    def test_any_bytes_are_taken_as_by_the_slow_path_or_left(self, data: bytes) -> None:
        stream, slow = filled_with(data), filled_with(data)

        taken = stream.take_pdv()

        if taken is None:
            assert stream.peek(99) == data
            return
        header = slow.next_header()
        assert header is not None
        assert slow.enter_p_data(header[1])
        context_id, control, fragment = slow.next_pdv()
        assert (context_id, control, bytes(fragment)) == (taken[0], taken[1], bytes(taken[2]))
        assert not slow.inside_p_data()


NOT_FOR_THE_HOT_PATH = [
    pytest.param(p_data(pdv(1, COMMAND, b"ab")), id="a command"),
    pytest.param(p_data(pdv(1, COMMAND | LAST, b"ab")), id="a whole command"),
    pytest.param(p_data(pdv(3, DATA, b"ab")), id="another context"),
    pytest.param(p_data(pdv(1, DATA, b"ab"), pdv(1, LAST, b"cd")), id="two PDVs"),
    pytest.param(p_data(pdv(1, DATA, b"")), id="an empty fragment"),
    pytest.param(p_data(pdv(1, DATA, b"ab"))[:11], id="half a PDV header"),
    pytest.param(p_data(pdv(1, DATA, b"ab"))[:5], id="half a PDU header"),
    pytest.param(p_data(pdv(1, DATA, bytes(MAX_PDU - 5))), id="too long a PDU"),
    pytest.param(pdu(RELEASE_RQ, b"\0\0\0\4\1\0ab"), id="no P-DATA-TF, though it looks like one"),
    pytest.param(pdu(P_DATA, b"\0\0\0\0\1\0"), id="a PDV that does not fill its PDU"),
    pytest.param(pdu(P_DATA, b"\0\0\0\5\1\0ab"), id="a PDV longer than its PDU"),
    pytest.param(pdu(P_DATA, b"\0\0\0\1\1") + bytes(12), id="a PDV without a control header"),
    pytest.param(pdu(P_DATA, b"") + pdu(P_DATA, b""), id="no PDV"),
    pytest.param(b"\x04\0\xff\xff\xff\xff\xff\xff\xff\xfb\1\0", id="4 GiB"),
    pytest.param(b"\x04\0\0\0\0\3\xff\xff\xff\xff\1\0", id="a PDV length that wraps round"),
]


class TestHotPath:
    """`take_data`: P-DATA-TF PDUs with a single data PDV of the context, as far as they have come, and nothing else."""

    def taken(self, stream: PDUStream, context_id: int = 1) -> tuple[bool, bytes, int]:
        """Whether the data set has ended, its bytes, and the fragments that ended."""
        pieces: list[memoryview] = []
        before = stream.fragments
        last = stream.take_data(context_id, pieces)
        return last, b"".join(pieces), stream.fragments - before

    def test_all_that_has_arrived_is_taken_at_once(self) -> None:
        fragments = [bytes([number]) * number for number in range(1, 10)]
        stream = filled_with(b"".join(p_data(pdv(1, DATA, fragment)) for fragment in fragments))

        assert self.taken(stream) == (False, b"".join(fragments), 9)
        assert stream.is_empty()

    def test_it_stops_behind_the_last_fragment(self) -> None:
        following = p_data(pdv(1, DATA, b"not of this data set"))
        stream = filled_with(p_data(pdv(1, DATA, b"ab")) + p_data(pdv(1, LAST, b"cd")) + following)

        assert self.taken(stream) == (True, b"abcd", 2)
        assert stream.peek(100) == following

    def test_the_begin_of_a_fragment_is_taken_before_its_end(self) -> None:
        data = p_data(pdv(1, LAST, b"abcdef"))
        stream = filled_with(data[:-4])

        assert self.taken(stream) == (False, b"ab", 0)
        assert stream.is_empty()
        assert self.taken(stream) == (False, b"", 0)
        fill(stream, b"cd")
        assert self.taken(stream) == (False, b"cd", 0)
        stream.make_room()
        fill(stream, b"ef" + data)
        assert self.taken(stream) == (True, b"ef", 1)
        assert self.taken(stream) == (True, b"abcdef", 1)

    def test_a_header_alone_begins_a_fragment(self) -> None:
        stream = filled_with(p_data(pdv(1, DATA, b"ab"))[:12])

        assert self.taken(stream) == (False, b"", 0)
        # Whatever comes now is data, whatever it looks like.
        fill(stream, b"\7\0" + p_data(pdv(1, LAST, b"cd")))
        assert self.taken(stream) == (True, b"\7\0cd", 2)

    def test_a_fragment_may_be_longer_than_the_buffer_has_room(self) -> None:
        content = bytes(range(256)) * 12
        data = p_data(pdv(1, LAST, content))
        stream, taken = filled_with(data[:500], buffer_size=500), b""
        for start in range(500, len(data) + 500, 500):
            is_last, piece, _ = self.taken(stream)
            taken += piece
            stream.make_room()
            fill(stream, data[start : start + 500])

        assert taken == content
        assert is_last

    @pytest.mark.parametrize("control", [0x80, 0xFC, 0x04])
    def test_only_two_bits_of_the_message_control_header_count(self, control: int) -> None:
        stream = filled_with(p_data(pdv(1, control, b"ab")) + p_data(pdv(1, control | LAST, b"cd")))

        assert self.taken(stream) == (True, b"abcd", 2)

    @pytest.mark.parametrize("other", NOT_FOR_THE_HOT_PATH)
    def test_whatever_else_comes_is_left_untouched(self, other: bytes) -> None:
        stream = filled_with(p_data(pdv(1, DATA, b"data")) + other, buffer_size=2 * BUFFER)

        assert self.taken(stream) == (False, b"data", 1)
        assert stream.peek(len(other) + 1) == other

    def test_the_longest_pdu_is_taken(self) -> None:
        stream = filled_with(p_data(pdv(1, LAST, bytes(MAX_PDU - 6))))

        assert self.taken(stream) == (True, bytes(MAX_PDU - 6), 1)

    @given(
        data=st.binary(max_size=60),
        fragments=st.lists(st.binary(min_size=1, max_size=20), max_size=5),
        cuts=st.lists(st.integers(1, 30), min_size=1),
    )
    def test_any_bytes_are_taken_or_left_in_the_same_way_however_they_are_cut(
        self, data: bytes, fragments: list[bytes], cuts: list[int]
    ) -> None:
        whole = b"".join(p_data(pdv(1, DATA, fragment)) for fragment in fragments) + data
        at_once = filled_with(whole)
        expected = self.taken(at_once)
        stream, taken, ended, count = PDUStream(MAX_PDU, BUFFER), b"", False, 0
        for start, stop in zip((0, *cumulated(cuts)), (*cumulated(cuts), len(whole)), strict=True):
            fill(stream, whole[start:stop])
            if not ended:
                ended, piece, fragment_count = self.taken(stream)
                taken += piece
                count += fragment_count
                stream.make_room()

        assert (ended, taken, count) == expected
        assert stream.peek(99) == at_once.peek(99)


class TestWholeDataSet:
    """`take_whole`: a data set in one fragment of one PDU, all of which has come."""

    def test_it_is_taken_and_what_follows_stays(self) -> None:
        following = p_data(pdv(1, LAST, b"the next one"))
        stream = filled_with(p_data(pdv(1, LAST, b"ab")) + following)

        assert stream.take_whole(1) == b"ab"
        assert stream.fragments == 1
        assert stream.peek(100) == following

    def test_the_longest_pdu_is_taken(self) -> None:
        assert filled_with(p_data(pdv(1, LAST, bytes(MAX_PDU - 6)))).take_whole(1) == bytes(MAX_PDU - 6)

    @pytest.mark.parametrize(
        "other",
        [
            *NOT_FOR_THE_HOT_PATH,
            pytest.param(b"", id="nothing"),
            pytest.param(p_data(pdv(1, LAST, b"abcd"))[:-1], id="all but a byte"),
            pytest.param(p_data(pdv(1, LAST, b"abcd"))[:12], id="a header"),
            pytest.param(p_data(pdv(1, DATA, b"abcd")), id="not the last fragment"),
            pytest.param(p_data(pdv(3, LAST, b"abcd")), id="a last one of another context"),
            pytest.param(p_data(pdv(1, LAST, b"")), id="an empty last one"),
            pytest.param(p_data(pdv(1, LAST, bytes(MAX_PDU - 5))), id="a last one in too long a PDU"),
        ],
    )
    def test_any_other_is_left_untouched(self, other: bytes) -> None:
        stream = filled_with(other, buffer_size=2 * BUFFER)

        assert stream.take_whole(1) is None
        assert stream.fragments == 0
        assert stream.peek(len(other) + 1) == other

    @given(
        st.lists(
            st.builds(
                lambda control, fragment: p_data(pdv(1, control, fragment)),
                st.sampled_from([DATA, LAST, COMMAND, 0x80 | LAST]),
                st.binary(max_size=5),
            )
            | st.binary(max_size=20),
            max_size=3,
        ).map(b"".join)
    )
    def test_it_is_what_the_hot_path_takes(self, data: bytes) -> None:
        stream, other = filled_with(data), filled_with(data)
        pieces: list[memoryview] = []
        is_whole = other.take_data(1, pieces) and len(pieces) == 1

        taken = stream.take_whole(1)

        if taken is not None:
            assert is_whole
            assert [taken] == pieces
            assert stream.peek(99) == other.peek(99)
            assert stream.fragments == other.fragments


class Memory:
    """What notes which of it is populated, or cannot."""

    def __init__(self, error: OSError | None = None) -> None:
        self.error = error
        self.populated: list[tuple[int, ...]] = []

    def madvise(self, *arguments: int) -> None:
        self.populated.append(arguments)
        if self.error is not None:
            raise self.error


@pytest.mark.parametrize("error", [None, OSError(errno.EINVAL, "Invalid argument")])
def test_memory_for_large_objects_is_populated_once(error: OSError | None) -> None:
    stream = PDUStream(1 << 20)
    stream._memory = memory = Memory(error)  # type: ignore[assignment]
    large = p_data(pdv(1, DATA, bytes(200_000)))
    fill(stream, large[:65_535])  # an announcement alone is worth nothing
    assert not stream.take_data(1, [])
    assert memory.populated == []
    fill(stream, large[65_535:65_536])
    assert not stream.take_data(1, [])
    assert memory.populated == [(stream_module._POPULATE_WRITE, 0, stream_module.BUFFER_SIZE // 2)]
    fill(stream, large[65_536:100_000])
    assert not stream.take_data(1, [])
    assert len(memory.populated) == 1


def test_populated_memory_is_there() -> None:
    stream = PDUStream(1 << 20)
    fill(stream, p_data(pdv(1, DATA, bytes(200_000)))[:65_536])
    before = private_memory()
    stream.take_data(1, [])
    assert private_memory() - before >= 400  # kB


def private_memory() -> int:
    with open("/proc/self/smaps_rollup", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("Anonymous:"))


def cumulated(cuts: list[int]) -> list[int]:
    return [sum(cuts[: number + 1]) for number in range(len(cuts))]
