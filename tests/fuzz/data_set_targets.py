"""What stands in a data set: a look at it, writing it anew, and what was learnt from the one before.

An input begins with a byte for the transfer syntax and one for the output options; the rest is the data set.
"""

from __future__ import annotations

import zlib
from functools import cache
from random import Random
from typing import TYPE_CHECKING

from scpd.dataset.elements import EndOfData
from scpd.dataset.lengths import GroupTooLongError
from scpd.dataset.likeness import Likeness
from scpd.dataset.plain import SOP_CLASS_UID, SOP_INSTANCE_UID
from scpd.errors import Refused
from scpd.tables.transfer_syntaxes import DEFLATED, EXPLICIT_LITTLE, IMPLICIT_LITTLE
from tests.fuzz.target import Target, demand
from tests.harness.corpus import oddities
from tests.harness.hostile import cut, image_data_set, mutated, right_data_set
from tests.harness.objects import pydicom_test_files
from tests.harness.recoding import ENCODINGS, PLAIN_SYNTAXES, SYNTAXES, Found, forwarded, recoded, scan
from tests.harness.trees import data_set

if TYPE_CHECKING:
    from scpd.dataset.encoding import Encoding

_LARGEST_FILE = 6000  # bytes of pydicom's test files: longer ones are long for their pixels
_RANDOM = 150  # data sets made up


@cache
def data_sets() -> tuple[bytes, ...]:
    """Give pydicom's test data sets, the oddities of our own corpus, and some made up, each behind its two bytes."""
    found = []
    for file in pydicom_test_files():
        data, syntax = file.object.data_set, file.object.transfer_syntax_uid
        if syntax in SYNTAXES and len(data) <= _LARGEST_FILE:
            found.append(bytes([SYNTAXES.index(syntax), 0]) + data)
    for tree in oddities():
        for syntax in tree.syntaxes:
            if len(data := data_set(tree.nodes, syntax)) <= _LARGEST_FILE and syntax in SYNTAXES:
                found.append(bytes([SYNTAXES.index(syntax), len(found) & 0xFF]) + data)
    for seed in range(_RANDOM):
        number = seed % len(SYNTAXES)
        found.append(bytes([number, seed]) + right_data_set(seed, SYNTAXES[number]))
    return tuple(found)


@cache
def images() -> tuple[bytes, ...]:
    """Give data sets with pixel data, made up, as above."""
    found = []
    for seed in range(_RANDOM):
        number = seed % len(PLAIN_SYNTAXES)
        head = bytes([SYNTAXES.index(PLAIN_SYNTAXES[number]), seed])
        found.append(head + image_data_set(Random(seed), PLAIN_SYNTAXES[number], _LARGEST_FILE))
    return tuple(found)


def _parts(data: bytes) -> tuple[bytes, str, Encoding]:
    head = data[:2].ljust(2, b"\0")
    encodings = list(ENCODINGS.values())
    return data[2:], SYNTAXES[head[0] % len(SYNTAXES)], encodings[head[1] % len(encodings)]


def _mutate(data: bytes, chance: Random) -> bytes:
    head = bytearray(data[:2])
    if chance.random() < 0.3:
        head[1:2] = chance.randbytes(1)
    if chance.random() < 0.02:
        head[:1] = chance.randbytes(1)
    rest, syntax, _ = _parts(data)
    if syntax == DEFLATED and chance.random() < 0.8:  # else hardly anything gets past the inflater
        return bytes(head) + zlib.compress(mutated(inflated(rest), chance), wbits=-zlib.MAX_WBITS)
    return bytes(head) + mutated(rest, chance)


def inflated(stream: bytes) -> bytes:
    """Give as much of a deflate stream as there is."""
    try:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(stream, 1 << 16)
    except zlib.error:
        return b""


def _size(data: bytes) -> int:
    """Count what has to be looked at: of a deflated data set more than its bytes."""
    rest, syntax, _ = _parts(data)
    if syntax != DEFLATED:
        return len(rest)
    inflater, size = zlib.decompressobj(-zlib.MAX_WBITS), 0
    try:
        while piece := inflater.decompress(rest, 1 << 16):
            size, rest = size + len(piece), inflater.unconsumed_tail
    except zlib.error:
        pass
    return max(size, len(data))


def _can_be_inflated(stream: bytes) -> bool:
    try:
        zlib.decompressobj(-zlib.MAX_WBITS).decompress(stream)
    except zlib.error:
        return False
    return True


def _kind(found: Found) -> str:
    if found.refused:
        return f"{found.refused:04X}"
    told = len(found.found), found.changes, bool(found.unordered), found.has_fragments
    return f"{found.oddity} {told}"


def _scan(data: bytes) -> str:
    """See that it is judged alike however it is cut."""
    rest, syntax, encoding = _parts(data)
    whole = scan(rest, syntax, encoding)
    # Of a broken deflate stream it depends on the cuts how much is inflated before that is noticed.
    if syntax != DEFLATED or _can_be_inflated(rest):
        parts = scan(cut(rest, Random(data)), syntax, encoding)
        demand(parts == whole, f"cut {parts}, but whole {whole}")
    return _kind(whole)


def _recode(data: bytes) -> str:
    """See that what is understood can be written, and is understood then."""
    rest, syntax, encoding = _parts(data)
    found = scan(rest, syntax, encoding)
    target = encoding.written(syntax)
    if not found.is_understood or (found.has_fragments and target != syntax):
        return _kind(found)
    try:
        anew = recoded(rest, syntax, encoding, unordered=found.unordered)
    except Refused as refusal:
        return str(refusal)
    again = scan(anew, EXPLICIT_LITTLE if target == DEFLATED else target)
    # Implicit VR has no place for a label that the dictionary contradicts: what is in it may be read as something else.
    keeps_labels = target != IMPLICIT_LITTLE or syntax == IMPLICIT_LITTLE
    demand(again.is_understood or not keeps_labels, f"understood {found}, and written {again}")
    # Padding comes last, though there be an element FFFF,FFFF.
    demand(not again.unordered or any(encoding.padding), "written out of order")
    return f"{_kind(found)} written"


def _forward(data: bytes) -> str:
    """See that what is written anew while its pixel data arrive becomes what it becomes when all is there."""
    rest, syntax, encoding = _parts(data)
    if syntax not in PLAIN_SYNTAXES:
        return "cannot be forwarded"
    try:
        anew = forwarded(rest, syntax, encoding, cut(rest, Random(data)))
    except (EndOfData, GroupTooLongError, Refused) as error:
        return type(error).__name__
    if anew is None:
        return "not forwarded"
    demand(anew == recoded(rest, syntax, encoding), "other than at once")
    return f"{_kind(scan(rest, syntax, encoding))} forwarded"


def _likeness(data: bytes) -> str:
    """See that a look that remembers others sees what one sees that does not."""
    rest, syntax, encoding = _parts(data)
    likeness, chance = Likeness(), Random(data)
    followers = [rest, rest, mutated(rest, chance), rest, mutated(rest, chance)]
    kinds = set()
    for follower in followers:
        alone = _asked(scan(follower, syntax, encoding))
        demand(_asked(scan(follower, syntax, encoding, likeness=likeness)) == alone, "other than alone")
        kinds.add(_kind(alone))
    return " ".join(sorted(kinds))


def _asked(found: Found) -> Found:
    """Leave out what items are called where both UIDs are known: nobody asks for it then."""
    known = {tag for tag, _ in found.found}
    return found._replace(nested=()) if known >= {SOP_CLASS_UID, SOP_INSTANCE_UID} else found


TARGETS = (
    Target(
        "scan",
        "any bytes are a data set or refused, alike however they are cut",
        data_sets,
        _scan,
        _mutate,
        _size,
        weight=3,
    ),
    Target(
        "recode",
        "any data set that is understood can be written with any output options and is understood then",
        data_sets,
        _recode,
        _mutate,
        _size,
        milliseconds_per_kb=20.0,
        weight=3,
    ),
    Target(
        "forward",
        "any image is written anew while it arrives as it is when all of it is there",
        images,
        _forward,
        _mutate,
        _size,
        milliseconds_per_kb=30.0,
        weight=2,
    ),
    Target(
        "likeness",
        "any data set is judged as if none like it had come before",
        data_sets,
        _likeness,
        _mutate,
        _size,
        milliseconds_per_kb=50.0,
        weight=1,
    ),
)
