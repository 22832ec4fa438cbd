"""The driver of an association: its socket, its deadlines, and nothing else that does I/O in the upper layer.

`Connection` fills an `Acceptor` from a socket, sends what it leaves, and keeps the three clocks:

- ACSE (`-ta`, the ARTIM timer of PS3.8 9.1.5): one deadline for the whole A-ASSOCIATE-RQ, however its bytes drip;
- idle (`-ts`): the longest silence of the peer, and the longest time that it takes nothing from us;
- DIMSE (`-td`): the longest time without a further whole fragment of a data set that has begun.

Raises `Abort` when a clock within the association expires, `Gone` when the peer leaves or says nothing,
`Stopped` after a signal, and whatever `Acceptor` raises.  `end()` answers it, `close()` follows.
"""

from __future__ import annotations

import select
from contextlib import suppress
from os import sched_yield
from socket import (
    IPPROTO_TCP,
    MSG_DONTWAIT,
    MSG_MORE,
    SHUT_WR,
    SO_RCVTIMEO,
    SOL_SOCKET,
    TCP_QUICKACK,
)
from struct import Struct
from time import monotonic

from scpd.errors import Abort, Insecure, PeerError, Stopped
from scpd.ul import machine
from scpd.ul.stream import PROVIDER

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator

    from scpd.process.signals import Wakeup
    from scpd.tls.channel import Channel
    from scpd.ul.acceptor import Acceptor
    from scpd.ul.pdus import AssociateRequest
    from scpd.ul.stream import PDV

    # Pieces of a data set, how many fragments end with them, and whether it has ended.
    DataSet = Iterator[tuple[list[memoryview], int, bool]]

# As numbers: an enumeration's member makes another one for each operation, in the room that does TLS.
_AT_ONCE = int(MSG_DONTWAIT)
_BEFORE_THE_END = int(MSG_DONTWAIT | MSG_MORE)

# How long a peer may take to close after our last PDU (ARTIM in Sta13).  Closing at once while it still sends would
# make the kernel throw that PDU away (RFC 9293 3.6.1: reset on unread data).
LINGER_SECONDS = 2.0

# Bytes that are written together; measured.
_WORTH_WRITING = 1 << 17
# So many bytes are received first of a message that is there when we look, if the begin of its data set is to be given
# by itself: its command, and what a data set tells before its pixels.  Who reads that finds his own code in the caches
# of the processor, out of which half a megabyte would have driven it, and the rest arrives meanwhile (`python -m bench
# --only sorted`: 1.57 to 1.69 of storescp's rate, 1.46 to 1.55 without).  With TLS it is what has come.
BEGIN = 1 << 14
# What comes more slowly than that is not held back for so long, in seconds.
_SLOW_SECONDS = 1.0
# How long a call may block for a peer that is about to send, as a timeval: 50 ms.  A signal waits no longer than that.
# Set when the first call is to block: peers with one object seldom make us wait, and Python tries bytes for a number
# first, which costs a fresh worker a dozen pages.
_A_MOMENT = Struct("ll").pack(0, 50_000)
# Looks at a socket before sleeping, some 50 microseconds in all; after each, others may have the processor.  Measured
# on objects of 4 kB: a quarter more of them than with one look, a tenth more than with half as many; twice as many gain
# nothing.  Whoever made us wait for the last request longer than it takes to be woken a few times will not be caught:
# one look.
_LOOKS = 64
_PROMPT_SECONDS = 0.00015
# Of TCP over IPv4 or IPv6, jumbograms apart.
_LONGEST_SEGMENT = 65536
# poll(2) takes an int; a day is as good as any longer time.
_LONGEST_POLL = 86_400_000


class Timeouts:
    """Seconds; `None` is for ever."""

    __slots__ = ("acse", "dimse", "idle")

    def __init__(self, acse: float, idle: float | None, dimse: float | None) -> None:
        self.acse = acse
        self.idle = idle
        self.dimse = dimse


class Connection:
    """One accepted TCP connection, or TLS on it, and the association on that.

    `on_pause` is called whenever the peer makes us wait for more than a moment; `on_rest` then, too, and whenever no
    request comes right after our answer, the peer does not take that, or a data set is slow to come, or long.
    With `gives_begin` what has come of a data set with its request is given before more is received, unless it is much.
    """

    __slots__ = (
        "_acceptor",
        "_blocks_for_a_moment",
        "_is_prompt",
        "_lingers",
        "_on_pause",
        "_readable",
        "_socket",
        "_timeouts",
        "_wakeup",
        "gives_begin",
        "on_rest",
    )

    def __init__(
        self,
        sock: socket.socket | Channel,
        acceptor: Acceptor,
        timeouts: Timeouts,
        wakeup: Wakeup,
        on_pause: Callable[[], None],
    ) -> None:
        self._on_pause = on_pause
        self.on_rest: Callable[[], None] = _nothing
        self.gives_begin = False
        self._lingers = False  # our last PDU is on its way, and must not be lost by closing
        sock.settimeout(None)
        self._blocks_for_a_moment = False
        self._is_prompt = True  # the peer sends its next request right after our answer
        self._socket = sock
        self._acceptor = acceptor
        self._timeouts = timeouts
        self._wakeup = wakeup
        self._readable = select.poll()  # kept, since to make one costs as much as to ask it
        self._readable.register(sock, select.POLLIN)

    def request(self, deadline: float) -> AssociateRequest:
        """Wait for the A-ASSOCIATE-RQ until `deadline` (monotonic seconds); `Gone` when it passes."""
        while (event := self._acceptor.next_event()) is None:
            if not self._fill(deadline):
                raise self._acceptor.timer_expired("no A-ASSOCIATE-RQ in time")
        assert not isinstance(event, tuple), "a PDV before the request is refused by the machine"  # noqa: S101
        return event

    def accept(self, answer: bytes, peer_max_pdu: int) -> None:
        """Send the A-ASSOCIATE-AC."""
        self._acceptor.accept(answer, peer_max_pdu)
        self._flush(self._timeouts.idle)

    def respond(self, context_id: int, command: bytes) -> None:
        """Send a response's command set."""
        self._acceptor.send_command(context_id, command)
        self._flush(self._timeouts.idle)

    def next_pdv(self) -> PDV:
        """Wait for a PDV outside a data set; its fragment is valid until the next call."""
        acceptor = self._acceptor
        # A peer that awaits our answer has sent nothing more, and holds nothing back.
        is_awaited = acceptor.stream.is_empty() and not self._look()
        begin = 0.0
        while (event := acceptor.next_event()) is None:
            begin = begin or monotonic()
            self.on_rest()
            acceptor.stream.make_room()
            if not self._fill(self._idle_deadline(), may_be_held_back=not is_awaited):
                raise Abort(PROVIDER, 0, f"idle for {self._timeouts.idle} s")
            is_awaited = False
        self._is_prompt = not begin or monotonic() - begin < _PROMPT_SECONDS
        assert isinstance(event, tuple), "a second request is refused by the machine"  # noqa: S101
        return event

    def data(self, context_id: int, worth_giving: int = _WORTH_WRITING) -> DataSet:
        """Give the data set on this context, piece by piece, until it has ended.

        Pieces are slices of the receive buffer, valid until the next ones are asked for: `worth_giving` bytes and
        not many more at a time, so that they are written while the peer sends the next ones.  A peer that pauses, or is
        slow, has fewer given: what has come may tell to which study the rest belongs.  One that has arrived whole is
        taken at once.
        """
        whole = self._acceptor.stream.take_whole(context_id)
        if whole is not None:
            return iter((([whole], 1, True),))
        return self._arriving(context_id, worth_giving)

    def _arriving(self, context_id: int, worth_giving: int) -> DataSet:
        """Give what of a data set has not arrived yet when it does."""
        acceptor, stream = self._acceptor, self._acceptor.stream
        pieces: list[memoryview] = []
        given = fragments = stream.fragments
        is_first = self.gives_begin
        fragment_deadline = self._dimse_deadline()
        rested = late = monotonic() + _SLOW_SECONDS
        while not acceptor.take_data(context_id, pieces):
            if is_first and pieces:
                is_first = False
                if stream.used() <= BEGIN:
                    yield pieces, stream.fragments - given, False
                    given, pieces = stream.fragments, []
                    fragment_deadline = self._dimse_deadline()
                    late = monotonic() + _SLOW_SECONDS
            if stream.fragments != fragments:
                fragments, fragment_deadline = stream.fragments, self._dimse_deadline()
            if stream.used() >= worth_giving and pieces:
                yield pieces, stream.fragments - given, False
                given = stream.fragments
                pieces = []
                stream.make_room()
                # What the writing took is not the peer's time.
                fragment_deadline = self._dimse_deadline()
                late = monotonic() + _SLOW_SECONDS
                if late - rested > _SLOW_SECONDS:  # a long one, that comes without a pause
                    self.on_rest()
                    rested = late
            elif stream.is_full():
                stream.make_room()
            if self._fill_data(fragment_deadline, is_patient=not pieces) and monotonic() < late:
                continue
            self.on_rest()
            if pieces:
                yield pieces, stream.fragments - given, False
                given = stream.fragments
                pieces = []
            late = monotonic() + _SLOW_SECONDS
        yield pieces, stream.fragments - given, True

    def end(self, error: PeerError) -> None:
        """Answer what ended the association as its error asks; nothing can be said after that."""
        if self._wakeup.signalled:
            self._wakeup.take()  # a SIGTERM has done its work; only another one cuts the farewell short
        try:
            self._acceptor.end_with(error)
            is_last = self._acceptor.state == machine.STA13 or isinstance(error, Insecure)
            # Our last words and the end of the stream go out as one segment, and wake the peer once.
            self._flush(LINGER_SECONDS, _BEFORE_THE_END if is_last else _AT_ONCE)
            if is_last:
                self._socket.shutdown(SHUT_WR)
                self._lingers = True
        except (PeerError, OSError):
            return  # whoever does not want to hear it, or is gone, needs no further handling

    def close(self) -> None:
        """Throw away what comes until the peer closes or ARTIM expires (Sta13, AA-6), then close; raises nothing."""
        deadline = monotonic() + LINGER_SECONDS
        try:
            while self._lingers and self._wait(select.POLLIN, deadline):
                self._receive(_AT_ONCE)
                self._acceptor.stream.discard()
        except (PeerError, OSError):
            self._lingers = False
        with suppress(OSError):  # what close(2) reports is nobody's concern any more
            self._socket.close()

    def _idle_deadline(self) -> float | None:
        return None if self._timeouts.idle is None else monotonic() + self._timeouts.idle

    def _dimse_deadline(self) -> float | None:
        return None if self._timeouts.dimse is None else monotonic() + self._timeouts.dimse

    def _fill_data(self, fragment_deadline: float | None, *, is_patient: bool) -> bool:
        """Receive within a data set: whichever clock expires first ends the association.

        `False`, if we are not patient, when the peer makes us wait for more than a moment.
        """
        # Nagle's algorithm holds back no more than a segment, and that only at the end of what the peer has to send.
        may_be_held_back = self._acceptor.stream.missing() < _LONGEST_SEGMENT
        idle_deadline = self._idle_deadline()
        deadline = _earlier(fragment_deadline, idle_deadline)
        if self._fill(deadline, may_be_held_back=may_be_held_back, is_patient=is_patient):
            return True
        if not is_patient and (deadline is None or monotonic() < deadline):
            return False
        if deadline == fragment_deadline:
            raise Abort(PROVIDER, 0, f"no further data set fragment within {self._timeouts.dimse} s")
        raise Abort(PROVIDER, 0, f"the data set stalled for {self._timeouts.idle} s")

    def _fill(
        self, deadline: float | None, *, may_be_held_back: bool = True, is_patient: bool = True
    ) -> bool:
        """Receive what there is, or what comes first; `False` if nothing comes until `deadline`, or in a moment.

        The usual peer sends in a moment, and costs one call.  Only a pause is waited for with a poll.
        """
        if may_be_held_back:
            if self._receive(_AT_ONCE):
                return True
            # Acknowledge now what came so far: a peer with Nagle's algorithm on (DCMTK's, unless told otherwise)
            # holds the rest of its command back until then, and a delayed acknowledgement takes 40 ms.
            self._socket.setsockopt(IPPROTO_TCP, TCP_QUICKACK, 1)
        # Bytes may drip faster than the moment that we wait for them.
        if deadline is not None and monotonic() >= deadline:
            return False
        if not self._blocks_for_a_moment:
            self._socket.setsockopt(SOL_SOCKET, SO_RCVTIMEO, _A_MOMENT)
            self._blocks_for_a_moment = True
        if self._receive(0):
            return True
        self.on_rest()
        self._on_pause()
        if not is_patient:
            return False
        while self._wait(select.POLLIN, deadline):
            if self._receive(_AT_ONCE):
                return True
        return False

    def _look(self) -> bool:
        """Look for what a peer sends right after our answer: cheaper than to sleep and be woken, if it comes.

        By poll: a receive that finds nothing makes an error with a text, four times as long as the look takes.
        """
        self._acceptor.stream.discard()  # it is empty: to its begin
        is_readable = self._readable.poll
        for _ in range(_LOOKS if self._is_prompt else 1):
            if is_readable(0):
                return self._receive(_AT_ONCE, BEGIN if self.gives_begin else 0)
            sched_yield()
        return False

    def _receive(self, flags: int, most: int = 0) -> bool:
        """Receive at once, or in a moment (flags 0), `most` bytes if it is given; `False` if nothing came."""
        if self._wakeup.signalled:
            raise Stopped(self._wakeup.cause)
        stream = self._acceptor.stream
        try:
            count = self._socket.recv_into(stream.room(), most, flags)
        except BlockingIOError:
            return False
        except OSError as error:
            raise self._acceptor.transport_closed(error) from None
        if count == 0:
            raise self._acceptor.transport_closed()
        stream.filled(count)
        return True

    def _flush(self, patience: float | None, flags: int = _AT_ONCE) -> None:
        """Send what the acceptor has to say, as one write; `Abort` if the peer has not taken it in so many seconds."""
        outgoing = self._acceptor.outgoing
        left = outgoing[0] if len(outgoing) == 1 else b"".join(outgoing)
        outgoing.clear()
        deadline = None  # asked for when it is not taken at once
        while left:
            try:
                left = left[self._socket.send(left, flags) :]
            except BlockingIOError:
                self.on_rest()
                if deadline is None and patience is not None:
                    deadline = monotonic() + patience
                if not self._wait(select.POLLOUT, deadline):
                    raise Abort(PROVIDER, 0, "the peer takes no answer") from None
                if self._wakeup.signalled:
                    raise Stopped(self._wakeup.cause) from None
            except OSError:
                raise self._acceptor.transport_closed() from None

    def _wait(self, event: int, deadline: float | None) -> bool:
        """Wait for the socket or a signal; `False` if the deadline passes first."""
        poll = select.poll()
        poll.register(self._socket, event)
        poll.register(self._wakeup, select.POLLIN)
        if deadline is None:
            return bool(poll.poll())
        milliseconds = (deadline - monotonic()) * 1000
        return milliseconds > 0 and bool(poll.poll(min(milliseconds + 1, _LONGEST_POLL)))


def _nothing() -> None:
    """Do nothing."""


def _earlier(one: float | None, other: float | None) -> float | None:
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)
