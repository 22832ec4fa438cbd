"""Data sets looked at and written anew in memory, as the program does it with files (`scpd.dataset`)."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, NamedTuple

from scpd.dataset.dictionary import builtin
from scpd.dataset.encoding import CREATE, RECALCULATE, REMOVE, Encoding
from scpd.dataset.forward import Forward, original
from scpd.dataset.recode import Source, recode
from scpd.dataset.scan import Scan
from scpd.errors import Refused
from scpd.tables.transfer_syntaxes import (
    DEFLATED,
    DEFLATED_DATA_SETS,
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    JPEG_BASELINE,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from scpd.dataset.dictionary import Dictionary
    from scpd.dataset.likeness import Likeness

DICTIONARY = builtin()
AS_RECEIVED = Encoding()
PLAIN_SYNTAXES = (IMPLICIT_LITTLE, EXPLICIT_LITTLE, EXPLICIT_BIG)
SYNTAXES = (*PLAIN_SYNTAXES, DEFLATED, JPEG_BASELINE)

# Each output option alone, and some together.
ENCODINGS = {
    "": AS_RECEIVED,
    "-e": Encoding(explicit_lengths=False),
    "+g": Encoding(group_lengths=CREATE),
    "-g": Encoding(group_lengths=REMOVE),
    "-u": Encoding(young_vrs=False),
    "+uc": Encoding(convert_un=True),
    "+ti": Encoding(transfer_syntax=IMPLICIT_LITTLE),
    "+te": Encoding(transfer_syntax=EXPLICIT_LITTLE),
    "+tb": Encoding(transfer_syntax=EXPLICIT_BIG),
    "+p": Encoding(padding=(64, 32)),
    "-e +g": Encoding(explicit_lengths=False, group_lengths=CREATE),
    "-e -g": Encoding(explicit_lengths=False, group_lengths=REMOVE),
    "-u +uc": Encoding(young_vrs=False, convert_un=True),
    "+te +uc": Encoding(transfer_syntax=EXPLICIT_LITTLE, convert_un=True),
    "+tb +g": Encoding(transfer_syntax=EXPLICIT_BIG, group_lengths=CREATE),
    "+ti +p": Encoding(transfer_syntax=IMPLICIT_LITTLE, padding=(512, 16)),
    "+tb -u +uc": Encoding(transfer_syntax=EXPLICIT_BIG, young_vrs=False, convert_un=True),
    "-e +p": Encoding(explicit_lengths=False, padding=(0, 128), group_lengths=RECALCULATE),
}


class Found(NamedTuple):
    """What a look at a data set says; `refused` is the status of what cannot be understood, 0 if it can."""

    refused: int
    changes: bool = False
    oddity: str = ""
    unordered: frozenset[int] = frozenset()
    has_fragments: bool = False
    found: tuple[tuple[int, bytes], ...] = ()
    nested: tuple[tuple[int, bytes], ...] = ()
    pixel_data: tuple[int, int, int] = (0, 0, 0)

    @property
    def is_understood(self) -> bool:
        """Tell whether it may be written anew."""
        return not self.refused and not self.oddity


class Memory:
    """A target of a recoding; keeps the size of the largest batch that it was given, in bytes and in pieces."""

    def __init__(self) -> None:
        self.content = bytearray()
        self.most_bytes = self.most_pieces = 0

    def write(self, pieces: Sequence[bytes | memoryview]) -> None:
        """Append these."""
        before = len(self.content)
        for piece in pieces:
            self.content += piece
        self.most_bytes = max(self.most_bytes, len(self.content) - before)
        self.most_pieces = max(self.most_pieces, len(pieces))

    def patch(self, offset: int, data: bytes) -> None:
        """Overwrite what was written."""
        assert offset + len(data) <= len(self.content)
        self.content[offset : offset + len(data)] = data

    def restart(self) -> None:
        """Forget all."""
        self.content.clear()


def scan(
    pieces: bytes | Iterable[bytes | list[bytes]],
    transfer_syntax: str,
    encoding: Encoding = AS_RECEIVED,
    dictionary: Dictionary = DICTIONARY,
    likeness: Likeness | None = None,
) -> Found:
    """Look at a data set that comes whole, or in pieces, or in lists of pieces that come at once."""
    looking = Scan(transfer_syntax, encoding, dictionary, likeness)
    try:
        for piece in (pieces,) if isinstance(pieces, bytes) else pieces:
            at_once = piece if isinstance(piece, list) else [piece]
            looking.feed([memoryview(each) for each in at_once], sum(map(len, at_once)))
        looking.finish()
    except Refused as refused:
        return Found(refused.status)
    return Found(
        0,
        looking.changes,
        looking.oddity,
        frozenset(looking.unordered),
        looking.has_fragments,
        tuple(sorted(looking.found.items())),
        tuple(sorted(looking.nested.items())),
        looking.pixel_data,
    )


def recoded(
    data: bytes,
    transfer_syntax: str,
    encoding: Encoding = AS_RECEIVED,
    dictionary: Dictionary = DICTIONARY,
    before: int = 0,
    unordered: Iterable[int] | None = None,
) -> bytes:
    """Write a data set anew, not deflated, as a look at it demands."""
    if unordered is None:
        unordered = scan(data, transfer_syntax, encoding, dictionary).unordered
    if transfer_syntax in DEFLATED_DATA_SETS:
        data = zlib.decompress(data, wbits=-zlib.MAX_WBITS)
    target = Memory()
    recode(Source(memoryview(data), transfer_syntax, set(unordered)), encoding, dictionary, target, before)
    return bytes(target.content)


def forwarded(
    data: bytes, syntax: str, encoding: Encoding, pieces: Sequence[bytes | list[bytes]], before: int = 0
) -> bytes | None:
    """Write a data set anew as its pieces arrive; `None` if that cannot be done from its pixel data on."""
    found = scan(data, syntax, encoding)
    if found.refused:
        return None
    looking = Scan(syntax, encoding, DICTIONARY)
    at_hand = b""
    pieces = list(pieces)
    while pieces and not looking.pixel_data[1]:
        piece = pieces.pop(0)
        at_once = piece if isinstance(piece, list) else [piece]
        looking.feed(at_once, sum(map(len, at_once)))
        at_hand += b"".join(at_once)
    begin, value, end = looking.pixel_data
    if not 0 < value <= len(at_hand):
        return None
    target = Memory()
    source = Source(memoryview(at_hand[:value]), syntax, set(looking.unordered))
    forward = Forward(source, begin, encoding, DICTIONARY, target, before)
    left = end - value
    for piece in [at_hand[value:], *pieces]:
        of_value = (b"".join(piece) if isinstance(piece, list) else piece)[:left]
        left -= len(of_value)
        forward.take([bytearray(of_value)])
    forward.end_value()
    given_back = bytes(target.content[forward.value.begin : forward.value.begin + forward.value.length])
    if not left or forward.value.unit == 1:
        assert original(given_back, forward.value.unit) == data[value:end]
    if found.oddity or 0 in found.unordered:
        return None
    rest = Source(memoryview(data[end:]), syntax, {place - end for place in found.unordered if place >= end})
    forward.finish(rest)
    return bytes(target.content)


def in_pieces(data: bytes, size: int) -> list[bytes]:
    """Cut a data set into pieces of one size."""
    return [data[begin : begin + size] for begin in range(0, len(data), size)]
