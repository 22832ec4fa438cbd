"""The byte stream from a peer, cut into PDUs and PDVs without copying (PS3.8 9.3).

`PDUStream` owns one preallocated receive buffer.  The driver fills `room()`, tells `filled(count)`, and takes out
what has come: `next_header` and `take_body` for any PDU, `take_pdv`, `next_pdv`, `take_whole` and `take_data` for
P-DATA-TF.  Bodies and fragments are slices of the buffer, valid until the next `make_room` or `discard`.  The buffer
holds more than the longest PDU that we announce, so no length from the peer ever makes us allocate.

Raises `Abort` with the reason of PS3.8 9.3.8 for a length that cannot be; does no I/O, knows no state but the place
in the buffer.
"""

from __future__ import annotations

import mmap
from contextlib import suppress
from struct import Struct

from scpd.errors import Abort
from scpd.ul import pdus

TYPE_CHECKING = False
if TYPE_CHECKING:
    PDV = tuple[int, int, memoryview]  # context id, message control header, fragment

# An object of half a megabyte, as most are, arrives into it without a wrap; pages never written to cost nothing.
BUFFER_SIZE = 1 << 20
_PRIVATE = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS

# So many bytes that have come, and do not end a fragment, are of a large object; others like it will follow.
_WORTH_POPULATING = 1 << 16
_POPULATE_WRITE = 23  # linux/mman.h

PROVIDER = 2
UNRECOGNIZED_PDU = 1
INVALID_PARAMETER = 6

# Bodies of fixed size 4; other receivers let up to 128 bytes pass, and so do we.
_SHORT_PDU_LIMIT = 128

_PDU_HEADER = Struct(">BxI")
_PDU_HEADER_SIZE = 6
_PDV_HEADER = Struct(">IBB")
_PDV_HEADER_SIZE = 6
# A P-DATA-TF PDU up to its first fragment: type, PDU length, PDV length, context id, message control header.
_P_DATA_HEADER = Struct(">BxIIBB")
_P_DATA_HEADER_SIZE = 12

LAST_FRAGMENT = 2
COMMAND_FRAGMENT = 1


class PDUStream:
    """One peer's bytes: a receive buffer and the place reached in it; `max_pdu` is the longest P-DATA-TF length."""

    __slots__ = (
        "_buffer",
        "_end",
        "_fragment_left",
        "_is_last",
        "_is_populated",
        "_limits",
        "_max_pdu",
        "_memory",
        "_pdu_end",
        "_start",
        "fragments",
    )

    def __init__(self, max_pdu: int, buffer_size: int = BUFFER_SIZE) -> None:
        # Not a bytearray: that would write zeros into pages which a short association never needs.
        self._memory = mmap.mmap(-1, buffer_size, _PRIVATE)
        self._buffer = memoryview(self._memory)
        self._is_populated = False
        self._start = 0
        self._end = 0
        self._pdu_end = 0  # behind the P-DATA-TF PDU being taken apart; at or before _start: none is
        self._fragment_left = (
            0  # bytes of the fragment begun by take_data, and whether it is its data set's last
        )
        self._is_last = False
        self.fragments = 0
        self._max_pdu = max_pdu
        self._limits = {pdus.ASSOCIATE_RQ: buffer_size - 6, pdus.P_DATA_TF: max_pdu}

    def begins_with(self, pdu_type: int) -> bool:
        """Tell whether something has been received, and begins as a PDU of this type does."""
        return self._start < self._end and self._buffer[self._start] == pdu_type

    def room(self) -> memoryview:
        """Give the free end of the buffer, to receive into."""
        return self._buffer[self._end :]

    def filled(self, count: int) -> None:
        """Note that `count` bytes were received into `room()`."""
        self._end += count

    def is_full(self) -> bool:
        """Tell whether no room is left."""
        return self._end == len(self._buffer)

    def used(self) -> int:
        """Count the bytes from the begin of the buffer on that `make_room` would give back, or keep."""
        return self._end

    def make_room(self) -> None:
        """Move what was not taken yet to the front; slices given out before are invalid from here on."""
        left = self._end - self._start
        if left:
            self._buffer[:left] = self._buffer[self._start : self._end]
        self._pdu_end -= self._start
        self._start = 0
        self._end = left

    def is_empty(self) -> bool:
        """Tell whether every byte received was taken."""
        return self._start == self._end

    def peek(self, count: int) -> bytes:
        """Give up to `count` of the bytes that come next."""
        return bytes(self._buffer[self._start : min(self._start + count, self._end)])

    def discard(self) -> None:
        """Throw away everything received."""
        self._start = self._end = self._pdu_end = 0

    def next_header(self) -> tuple[int, int] | None:
        """Give type and length of the PDU that comes next, `None` if its six header bytes are not there yet.

        `Abort` for an unknown type (reason 1) and for a length over what its type may have (reason 6).
        """
        if self._end - self._start < _PDU_HEADER_SIZE:
            return None
        pdu_type: int
        length: int
        pdu_type, length = _PDU_HEADER.unpack_from(self._buffer, self._start)
        if not pdus.ASSOCIATE_RQ <= pdu_type <= pdus.ABORT:
            raise Abort(PROVIDER, UNRECOGNIZED_PDU, f"unrecognized PDU type {pdu_type:02X}H")
        limit = self._limits.get(pdu_type, _SHORT_PDU_LIMIT)
        if length > limit:
            text = f"PDU of type {pdu_type:02X}H is {length} bytes long, more than {limit}"
            raise Abort(PROVIDER, INVALID_PARAMETER, text)
        return pdu_type, length

    def take_body(self, length: int) -> memoryview | None:
        """Take the PDU of this body length out of the stream; `None` if it has not arrived whole."""
        body_start = self._start + _PDU_HEADER_SIZE
        if self._end - body_start < length:
            return None
        self._start = body_start + length
        return self._buffer[body_start : self._start]

    def enter_p_data(self, length: int) -> bool:
        """Begin to take a P-DATA-TF PDU apart by `next_pdv`; `False` if it has not arrived whole.

        `Abort` (reason 6) unless its PDVs, at least one of them, fill it exactly.
        """
        start = self._start + _PDU_HEADER_SIZE
        stop = start + length
        if stop > self._end:
            return False
        if length == 0:
            raise Abort(PROVIDER, INVALID_PARAMETER, "P-DATA-TF PDU without a PDV")
        while start < stop:
            pdv_length = int.from_bytes(self._buffer[start : min(start + 4, stop)], "big")
            start += 4 + pdv_length
            if pdv_length < 2 or start > stop:
                raise Abort(PROVIDER, INVALID_PARAMETER, "PDVs do not fill their P-DATA-TF PDU")
        self._start += _PDU_HEADER_SIZE
        self._pdu_end = stop
        return True

    def inside_p_data(self) -> bool:
        """Tell whether PDVs of an entered P-DATA-TF PDU are left."""
        return self._start < self._pdu_end

    def next_pdv(self) -> PDV:
        """Take the next PDV of the entered PDU: context id, message control header, fragment (PS3.8 9.3.5.1, E.2)."""
        length, context_id, control = _PDV_HEADER.unpack_from(self._buffer, self._start)
        begin = self._start + _PDV_HEADER_SIZE
        self._start += 4 + length
        return context_id, control, self._buffer[begin : self._start]

    def take_pdv(self) -> PDV | None:
        """Take the next PDV of the entered PDU, or the only one of a PDU that is here whole; else give `None`."""
        start = self._start
        if start < self._pdu_end:
            return self.next_pdv()
        if self._end - start < _P_DATA_HEADER_SIZE:
            return None
        pdu_type, length, pdv_length, context_id, control = _P_DATA_HEADER.unpack_from(self._buffer, start)
        stop = start + 6 + length
        if pdu_type != pdus.P_DATA_TF or pdv_length != length - 4 or not 6 <= length <= self._max_pdu:
            return None
        if stop > self._end:
            return None
        self._start = stop
        return context_id, control, self._buffer[start + 12 : stop]

    def take_whole(self, context_id: int) -> memoryview | None:
        """Take a data set that has arrived whole, in one fragment; of any other nothing is taken, and `None` given."""
        start, buffer = self._start, self._buffer
        if self._end - start <= _P_DATA_HEADER_SIZE:
            return None
        pdu_type, length, pdv_length, pdv_context, control = _P_DATA_HEADER.unpack_from(buffer, start)
        stop = start + 6 + length
        if (
            stop > self._end
            or control != LAST_FRAGMENT
            or pdv_context != context_id
            or pdv_length != length - 4
            or pdu_type != pdus.P_DATA_TF
            or not 6 < length <= self._max_pdu
        ):
            return None
        self._start = stop
        self.fragments += 1
        return buffer[start + _P_DATA_HEADER_SIZE : stop]

    def missing(self) -> int:
        """Count the bytes, still to come, of a fragment of which `take_data` has given out the begin."""
        return self._fragment_left

    def _populate(self) -> None:
        """Get pages for the first half of the buffer at once: the kernel would be interrupted for each (madvise(2)).

        Linux before 5.14 cannot; then it is.
        """
        self._is_populated = True
        with suppress(OSError):
            self._memory.madvise(_POPULATE_WRITE, 0, len(self._buffer) // 2)

    def take_data(self, context_id: int, pieces: list[memoryview]) -> bool:
        """Append what has arrived of a data set on this context; tell whether it has arrived to its end.

        This is the hot path.  It takes P-DATA-TF PDUs of a single data PDV, and gives what there is of a fragment
        without waiting for the rest.  Whatever is not such a PDU it does not touch: `next_header` is to look at that.
        `fragments` counts the fragments that are complete.
        """
        buffer, start, end = self._buffer, self._start, self._end
        unpack, max_pdu, left, is_last = (
            _P_DATA_HEADER.unpack_from,
            self._max_pdu,
            self._fragment_left,
            self._is_last,
        )
        while True:
            if not left:
                if is_last or end - start < _P_DATA_HEADER_SIZE:
                    break
                pdu_type, length, pdv_length, pdv_context, control = unpack(buffer, start)
                if (
                    pdv_length != length - 4
                    or pdu_type != pdus.P_DATA_TF
                    or pdv_context != context_id
                    or control & COMMAND_FRAGMENT
                    or not 6 < length <= max_pdu
                ):
                    break
                start += _P_DATA_HEADER_SIZE
                left = length - 6
                is_last = control & LAST_FRAGMENT != 0
            stop = start + left
            if stop > end:
                if start < end:
                    pieces.append(buffer[start:end])
                left, start = stop - end, end
                break
            pieces.append(buffer[start:stop])
            left, start = 0, stop
            self.fragments += 1
        if left and end >= _WORTH_POPULATING and not self._is_populated:
            self._populate()
        self._start, self._fragment_left = start, left
        is_complete = is_last and not left
        self._is_last = is_last and not is_complete
        return is_complete
