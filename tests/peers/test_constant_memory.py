"""A worker that encodes an object anew needs little memory, however large the object is and whatever it is made of.

The objects are made while they are sent: one giant value, a text of nothing but spaces, hundreds of thousands of
items or fragments, pixels that come before all else, a deflated stream.  They have 2 GB with --long.  What is
measured is private memory as `bench.memory` defines it: pages of the stored file, mapped or cached, are not
the worker's own.  The ceiling is lower for small objects, so that what grows with them shows.
"""

from __future__ import annotations

import struct
import time
import zlib
from typing import TYPE_CHECKING, NamedTuple

import pytest

from bench.memory import Watch
from tests.harness import wire
from tests.harness.objects import new_uid
from tests.harness.raw_peer import STORE_CONTEXT
from tests.harness.waiting import is_readable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.harness.raw_peer import RawPeer
    from tests.harness.servers import Server, ServerFactory

MB = 10**6
FULL_SIZE = 2000 * MB
CEILING, CEILING_SHORT = 40 * MB, 16 * MB
CHUNK = 1 << 20
CHUNKS_PER_SAMPLE = 8
HEAD_BYTES = 4096
PATIENCE_SECONDS = 60
PATIENCE_SECONDS_LONG = 1500

JPEG_BASELINE = "1.2.840.10008.1.2.4.50"
UNDEFINED = 0xFFFFFFFF
LONG_VRS = {b"OB", b"OW", b"SQ", b"UT"}
SOP_INSTANCE_UID = new_uid()

# Two bytes of a pixel, that look different when they are swapped.
PIXEL, SWAPPED = b"\1\2", b"\2\1"


def header(tag: int, vr: bytes, length: int) -> bytes:
    """Begin an element in explicit VR little endian."""
    layout = "<HH2s2xI" if vr in LONG_VRS else "<HH2sH"
    return struct.pack(layout, tag >> 16, tag & 0xFFFF, vr, length)


def element(tag: int, vr: bytes, value: bytes) -> bytes:
    value += b"\0" * (len(value) % 2)
    return header(tag, vr, len(value)) + value


def item(content: bytes) -> bytes:
    return struct.pack("<HHI", 0xFFFE, 0xE000, len(content)) + content


UNDEFINED_ITEM, ITEM_DELIMITER, SEQUENCE_DELIMITER = (
    struct.pack("<HHI", 0xFFFE, *rest) for rest in ((0xE000, UNDEFINED), (0xE00D, 0), (0xE0DD, 0))
)
REFERENCE = element(0x00081150, b"UI", wire.CT_IMAGE_STORAGE.encode()) + element(
    0x00081155, b"UI", SOP_INSTANCE_UID.encode()
)
UIDS = element(0x00080016, b"UI", wire.CT_IMAGE_STORAGE.encode()) + element(
    0x00080018, b"UI", SOP_INSTANCE_UID.encode()
)
SEQUENCE = element(0x00081140, b"SQ", item(REFERENCE))
SEQUENCE_UNDEFINED = b"".join(
    (header(0x00081140, b"SQ", UNDEFINED), UNDEFINED_ITEM, REFERENCE, ITEM_DELIMITER, SEQUENCE_DELIMITER)
)
# With all around it, where lengths are undefined, an item is 250 bytes.
ITEM = REFERENCE + element(0x00420011, b"OB", bytes(250 - 28 - len(REFERENCE)))
FRAGMENT = item(bytes(1000 - 8))
PER_FRAME = 0x52009230


def filled(size: int, pattern: bytes) -> Iterator[bytes]:
    """Give so many bytes of a pattern, in pieces."""
    piece = pattern * (CHUNK // len(pattern))
    whole, rest = divmod(size, len(piece))
    for _ in range(whole):
        yield piece
    yield piece[:rest]


def pixels(size: int) -> Iterator[bytes]:
    """A sequence of defined length, and one giant element."""
    yield UIDS + SEQUENCE + header(0x7FE00010, b"OW", size)
    yield from filled(size, PIXEL)


def pixels_first(size: int) -> Iterator[bytes]:
    """Nothing is known about the object until all of it has come."""
    yield header(0x7FE00010, b"OW", size)
    yield from filled(size, PIXEL)
    yield UIDS


def odd_pixels(size: int) -> Iterator[bytes]:
    """A giant element that needs one byte more, and an odd padding so that the fragments are even."""
    yield UIDS + header(0x7FE00010, b"OW", size - 1)
    yield from filled(size - 2, PIXEL)
    yield PIXEL[:1] + header(0xFFFCFFFC, b"OB", 1) + b"\0"


def text(size: int) -> Iterator[bytes]:
    """The length of what is stored is known only when the last letter was found, far from the end."""
    yield UIDS + header(0x0040A160, b"UT", size)
    yield from filled(size // 2, b"text")
    yield from filled(size // 2, b"    ")


def uids(size: int) -> Iterator[bytes]:
    """In implicit VR a UI may be as long, and white space goes wherever it stands."""
    for tag, value in ((0x0016, wire.CT_IMAGE_STORAGE), (0x0018, SOP_INSTANCE_UID)):
        padded = value.encode() + b"\0" * (len(value) % 2)
        yield struct.pack("<HHI", 0x0008, tag, len(padded)) + padded
    yield struct.pack("<HHI", 0x0008, 0x3010, size)
    yield from filled(size, b" 1")


def items(size: int) -> Iterator[bytes]:
    """No length of so many items, nor of their sequence, is known before its end."""
    yield UIDS + header(PER_FRAME, b"SQ", UNDEFINED)
    yield from filled(size, UNDEFINED_ITEM + ITEM + ITEM_DELIMITER)
    yield SEQUENCE_DELIMITER


def fragments(size: int) -> Iterator[bytes]:
    """Compressed pixel data in small fragments, behind a sequence that is to be changed."""
    yield UIDS + SEQUENCE_UNDEFINED + header(0x7FE00010, b"OB", UNDEFINED) + item(b"")
    yield from filled(size, FRAGMENT)
    yield SEQUENCE_DELIMITER


def deflated(size: int) -> Iterator[bytes]:
    """A thousandth of what it becomes; a fragment has an even length (PS3.8 annex E)."""
    compressor = zlib.compressobj(wbits=-15)
    stream = b""
    for piece in pixels(size):
        stream += compressor.compress(piece)
        even = len(stream) & ~1
        yield stream[:even]
        stream = stream[even:]
    stream += compressor.flush()
    yield stream + b"\0" * (len(stream) % 2)


def item_count(size: int) -> int:
    return size // len(UNDEFINED_ITEM + ITEM + ITEM_DELIMITER)


class Case(NamedTuple):
    """An object, the options to store it with, and what then stands in the beginning of its file, and at its end.

    `short` is its size in MB without --long; a `mark` may depend on the size.
    """

    source: Callable[[int], Iterator[bytes]]
    options: tuple[str, ...]
    short: int
    mark: Callable[[int], bytes]
    end: bytes = b""
    transfer_syntax: str = wire.EXPLICIT_LITTLE


CASES = {
    "swapped pixels": Case(
        pixels, ("+tb",), 200, lambda size: struct.pack(">HH2s2xI", 0x7FE0, 0x0010, b"OW", size), SWAPPED
    ),
    "odd pixels": Case(
        odd_pixels,
        ("+tb",),
        100,
        lambda size: struct.pack(">HH2s2xI", 0x7FE0, 0x0010, b"OW", size),
        b"\0" + PIXEL[:1],
    ),
    "undefined lengths": Case(pixels, ("-e",), 200, lambda size: SEQUENCE_UNDEFINED, PIXEL),
    "group lengths": Case(
        pixels,
        ("+g",),
        200,
        lambda size: element(0x7FE00000, b"UL", struct.pack("<I", size + 12)),
        PIXEL,
    ),
    "implicit": Case(pixels, ("+ti",), 100, lambda size: struct.pack("<HHI", 0x7FE0, 0x0010, size), PIXEL),
    "deflating": Case(pixels, ("+td", "+cl", "1"), 100, lambda size: wire.DEFLATED.encode()),
    "inflating": Case(
        deflated, ("+xd", "+te"), 100, lambda size: header(0x7FE00010, b"OW", size), PIXEL, wire.DEFLATED
    ),
    "pixels first": Case(pixels_first, (), 100, lambda size: UIDS + header(0x7FE00010, b"OW", size), PIXEL),
    "text": Case(text, (), 100, lambda size: header(0x0040A160, b"UT", size // 2), b"text"),
    "UIDs": Case(uids, ("+xi", "+g"), 20, lambda size: b"\x08\x00\x10\x30", b"1", wire.IMPLICIT_LITTLE),
    "items": Case(
        items,
        (),
        20,
        lambda size: header(PER_FRAME, b"SQ", item_count(size) * len(item(ITEM))),
        ITEM[-100:],
    ),
    "items with group lengths": Case(
        items,
        ("+g",),
        20,
        lambda size: header(PER_FRAME, b"SQ", item_count(size) * (24 + len(item(ITEM)))),
        ITEM[-100:],
    ),
    "fragments": Case(fragments, ("+xy",), 20, lambda size: SEQUENCE, SEQUENCE_DELIMITER, JPEG_BASELINE),
}


def send(peer: RawPeer, case: Case, size: int, sample: Callable[[], None]) -> None:
    """Send the object, with a look at the worker now and then."""
    peer.send_command(STORE_CONTEXT, wire.c_store_request(wire.CT_IMAGE_STORAGE, SOP_INSTANCE_UID))
    waiting = b""
    for number, piece in enumerate(filter(None, case.source(size))):
        if waiting:
            peer.send_data(STORE_CONTEXT, waiting, is_last=False)
        if number % CHUNKS_PER_SAMPLE == 0:
            sample()
        waiting = piece
    # Only now it is known to be the last one.
    peer.send_data(STORE_CONTEXT, waiting)


def wait_for_answer(peer: RawPeer, seconds: float, sample: Callable[[], None]) -> int:
    """Look at the worker until it answers; gives the status."""
    deadline = time.monotonic() + seconds
    while not is_readable(peer.socket, 0.01):
        sample()
        assert time.monotonic() < deadline, "no answer"
    return peer.receive_response().status


def check_file(server: Server, case: Case, size: int) -> None:
    with open(server.inbox / f"CT.{SOP_INSTANCE_UID}", "rb") as file:
        assert case.mark(size) in file.read(HEAD_BYTES)
        file.seek(-len(case.end), 2)
        assert file.read() == case.end


@pytest.mark.timeout(2 * PATIENCE_SECONDS_LONG)
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_memory_does_not_grow_with_an_object_that_is_encoded_anew(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer], case: Case, is_long: bool
) -> None:
    # Always a multiple of the length of an item, a fragment, and a word.
    size = FULL_SIZE if is_long else case.short * MB
    server = scpd("--fork", "--no-fsync", "-pdu", "131072", *case.options)
    watch = Watch(server.pid)
    peer = raw_peer(server)
    peer.associate([(STORE_CONTEXT, wire.CT_IMAGE_STORAGE, [case.transfer_syntax])])
    try:
        send(peer, case, size, watch.sample)
        patience = PATIENCE_SECONDS_LONG if is_long else PATIENCE_SECONDS
        assert wait_for_answer(peer, patience, watch.sample) == 0, server.stderr
        watch.sample()
        check_file(server, case, size)
    finally:
        # pytest keeps what tests leave behind.
        for path in server.inbox.glob("CT.*"):
            path.unlink()
    assert watch.peak_bytes < (CEILING if is_long else CEILING_SHORT)
