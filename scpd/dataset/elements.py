"""Headers of data elements in the three encodings of PS3.5 chapter 7, and how to get past a value.

    implicit VR (7.1.3)       group 2, element 2, length 4
    explicit VR (7.1.2)       group 2, element 2, VR 2, length 2
    explicit VR, long form    group 2, element 2, VR 2, reserved 2, length 4
    item and delimiters (7.5) group FFFEH 2, element 2, length 4, in every encoding

A reader is a function (data, position) > (tag, VR, length, position of the value); the VR is empty where the
encoding has none.  Readers look at no value and copy nothing.  They raise `EndOfData` where the bytes end
within a header: whether more would follow is the caller's knowledge.  What no encoding allows is `Refused`
with C000H.  Positions only grow, by 8 at least with each header, and nesting is followed to `MAX_DEPTH`:
hostile bytes cost time in proportion to their number, and no more stack than that.
"""

from __future__ import annotations

from struct import Struct
from struct import error as StructError  # noqa: N812 - it is a class, whatever its name

from scpd.errors import Refused
from scpd.tables.transfer_syntaxes import EXPLICIT_BIG, IMPLICIT_LITTLE

TYPE_CHECKING = False  # what typing calls so, without importing it: a worker pays for each import
if TYPE_CHECKING:
    from collections.abc import Callable

    Data = bytes | memoryview
    Header = tuple[int, bytes, int, int]
    Reader = Callable[[Data, int], Header]

CANNOT_UNDERSTAND = 0xC000  # PS3.4 B.2.3; `dimse.status` has all of them, but that room lies above this one
UNDEFINED_LENGTH = 0xFFFFFFFF
MAX_DEPTH = 64  # sequences in sequences; a document that means it stays below ten

ITEM = 0xFFFEE000
ITEM_DELIMITER = 0xFFFEE00D
SEQUENCE_DELIMITER = 0xFFFEE0DD
_ITEM_GROUP = 0xFFFE

# PS3.5 tables 7.1-2 and 7.1-1.  VRs yet to come have the long form (7.1.2).
_SHORT_FORM = frozenset(b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split())
_LONG_FORM = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
# PS3.5 7.1.2 and A.4.  A VR that we do not know is taken for UN.
_NEVER_UNDEFINED = _LONG_FORM - {b"OB", b"OW", b"SQ", b"UN"}
_SAME_ENCODING_WITHIN = frozenset((b"", b"OB", b"OW", b"SQ"))


class EndOfData(Exception):
    """The bytes end within an element."""


_IMPLICIT = Struct("<HHI")


def _implicit_reader(data: Data, position: int) -> Header:
    try:
        group, element, length = _IMPLICIT.unpack_from(data, position)
    except StructError:
        raise EndOfData from None
    return group << 16 | element, b"", length, position + 8


def _explicit_reader(byte_order: str) -> Reader:
    """Make the reader for explicit VR in a byte order of `struct`."""
    unpack_short = Struct(byte_order + "HH2sH").unpack_from
    unpack_long = Struct(byte_order + "I").unpack_from

    def read(data: Data, position: int) -> Header:
        try:
            group, element, vr, length = unpack_short(data, position)
            if group == _ITEM_GROUP:  # first of all: its length may look like a VR
                return group << 16 | element, b"", unpack_long(data, position + 4)[0], position + 8
            if vr in _SHORT_FORM:
                return group << 16 | element, vr, length, position + 8
            # Two bytes that are no capitals: a short header and an odd VR, as DCMTK reads them.
            if vr in _LONG_FORM or (vr.isalpha() and vr.isupper()):
                return group << 16 | element, vr, unpack_long(data, position + 8)[0], position + 12
        except StructError:
            raise EndOfData from None
        return group << 16 | element, vr, length, position + 8

    return read


_READERS: dict[str, Reader] = {IMPLICIT_LITTLE: _implicit_reader, EXPLICIT_BIG: _explicit_reader(">")}
_EXPLICIT_LITTLE = _explicit_reader("<")


def header_reader(transfer_syntax_uid: str) -> Reader:
    """Return the reader of a transfer syntax: explicit little endian if it is compressed or unknown."""
    return _READERS.get(transfer_syntax_uid, _EXPLICIT_LITTLE)


def skip_undefined(data: Data, position: int, vr: bytes, read: Reader, depth: int = 1) -> int:
    """Return the position behind a value of undefined length that begins at `position`.

    It holds items and ends with a sequence delimiter (PS3.5 7.5.2), fragments of pixel data too (A.4).
    Within UN all is implicit VR little endian, whatever the data set is (6.2.2).  Raises `EndOfData` or
    `Refused`.
    """
    if vr in _NEVER_UNDEFINED:
        raise Refused(CANNOT_UNDERSTAND, f"undefined length of an element with VR {vr.decode()}")
    if depth > MAX_DEPTH:
        raise Refused(CANNOT_UNDERSTAND, f"sequences nested deeper than {MAX_DEPTH}")
    within = read if vr in _SAME_ENCODING_WITHIN else _implicit_reader
    while True:
        tag, _, length, position = within(data, position)
        if tag == SEQUENCE_DELIMITER:
            return position
        if tag != ITEM:
            raise Refused(CANNOT_UNDERSTAND, "something else than an item in a sequence")
        position = (
            _skip_item(data, position, within, depth) if length == UNDEFINED_LENGTH else position + length
        )


def _skip_item(data: Data, position: int, read: Reader, depth: int) -> int:
    """Return the position behind the delimiter of an item of undefined length."""
    while True:
        tag, vr, length, position = read(data, position)
        if tag == ITEM_DELIMITER:
            return position
        if tag >> 16 == _ITEM_GROUP:
            raise Refused(CANNOT_UNDERSTAND, "item without an item delimiter")
        if length == UNDEFINED_LENGTH:
            position = skip_undefined(data, position, vr, read, depth + 1)
        else:
            position += length
