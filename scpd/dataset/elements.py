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

from struct import Struct, pack
from struct import error as StructError  # noqa: N812 - it is a class, whatever its name

from scpd.dataset.representations import has_long_form
from scpd.errors import Refused
from scpd.tables.transfer_syntaxes import EXPLICIT_BIG, IMPLICIT_LITTLE

TYPE_CHECKING = False  # what typing calls so, without importing it: a worker pays for each import
if TYPE_CHECKING:
    from collections.abc import Callable

    from scpd.dataset.representations import Representation

    Data = bytes | memoryview
    Header = tuple[int, bytes, int, int]
    Reader = Callable[[Data, int], Header]

CANNOT_UNDERSTAND = 0xC000  # PS3.4 B.2.3; `dimse.status` has all of them, but that room lies above this one
UNDEFINED_LENGTH = 0xFFFFFFFF
MAX_DEPTH = 64  # sequences in sequences; a document that means it stays below ten

ITEM = 0xFFFEE000
ITEM_DELIMITER = 0xFFFEE00D
SEQUENCE_DELIMITER = 0xFFFEE0DD
SHORT_HEADER, LONG_HEADER = 8, 12  # bytes
DELIMITERS = (ITEM_DELIMITER, SEQUENCE_DELIMITER)
ITEM_GROUP = 0xFFFE

# PS3.5 7.1.2 and A.4.  A VR that we do not know is taken for UN.
_NEVER_UNDEFINED = frozenset(b"OD OF OL OV SV UC UR UT UV".split())
_SAME_ENCODING_WITHIN = frozenset((b"", b"OB", b"OW", b"SQ"))


class EndOfData(Exception):
    """The bytes end within an element."""


class Syntax:
    """How the elements of a data set are encoded: with their VR or without, and in which byte order."""

    __slots__ = (
        "byte_order",
        "is_explicit",
        "long_header",
        "read",
        "unpack_header",
        "unpack_item",
        "unpack_long",
        "unpack_numbers",
    )

    def __init__(self, byte_order: str, *, is_explicit: bool) -> None:
        self.byte_order = byte_order  # of `struct`
        self.is_explicit = is_explicit
        self.long_header = LONG_HEADER if is_explicit else SHORT_HEADER  # bytes of the longest header
        # The first eight bytes: group, element, VR and 16-bit length, or the 32-bit length.
        self.unpack_header = Struct(byte_order + ("HH2sH" if is_explicit else "HHI")).unpack_from
        self.unpack_numbers = Struct(byte_order + "HHHH").unpack_from  # the same with the VR as a number
        self.unpack_item = Struct(byte_order + "HHI").unpack_from
        self.unpack_long = Struct(byte_order + "I").unpack_from
        self.read: Reader = self._read_explicit if is_explicit else self._read_implicit

    def header(self, tag: int, representation: Representation | None, length: int) -> bytes:
        """Encode a header; items and delimiters have no VR."""
        order, group, number = self.byte_order, tag >> 16, tag & 0xFFFF
        if representation is None or not self.is_explicit:
            return pack(order + "HHI", group, number, length)
        if representation.is_long:
            return pack(order + "HH2sHI", group, number, representation.vr, 0, length)
        return pack(order + "HH2sH", group, number, representation.vr, length)

    def length(self, length: int) -> bytes:
        """Encode a length of 32 bits."""
        return pack(self.byte_order + "I", length)

    def _read_implicit(self, data: Data, position: int) -> Header:
        try:
            group, element, length = self.unpack_header(data, position)
        except StructError:
            raise EndOfData from None
        return group << 16 | element, b"", length, position + 8

    def _read_explicit(self, data: Data, position: int) -> Header:
        try:
            group, element, vr, length = self.unpack_header(data, position)
            if group == ITEM_GROUP:  # first of all: its length may look like a VR
                return group << 16 | element, b"", self.unpack_long(data, position + 4)[0], position + 8
            # Two bytes that are no capitals: a short header and an odd VR, as DCMTK reads them.
            if has_long_form(vr):
                return group << 16 | element, vr, self.unpack_long(data, position + 8)[0], position + 12
        except StructError:
            raise EndOfData from None
        return group << 16 | element, vr, length, position + 8


IMPLICIT = Syntax("<", is_explicit=False)
EXPLICIT = Syntax("<", is_explicit=True)
BIG = Syntax(">", is_explicit=True)
_SYNTAXES = {IMPLICIT_LITTLE: IMPLICIT, EXPLICIT_BIG: BIG}


def syntax_of(transfer_syntax_uid: str) -> Syntax:
    """Return how a transfer syntax encodes elements: explicit little endian if it is compressed or unknown."""
    return _SYNTAXES.get(transfer_syntax_uid, EXPLICIT)


def reserved(data: Data, value: int) -> Data:
    """Return the reserved bytes of a long header, whose value begins at `value`; they ought to be 0."""
    return data[value - 6 : value - 4]


def skip_undefined(data: Data, position: int, vr: bytes, syntax: Syntax, depth: int = 1) -> int:
    """Return the position behind a value of undefined length that begins at `position`.

    It holds items and ends with a sequence delimiter (PS3.5 7.5.2), fragments of pixel data too (A.4).
    Within UN all is implicit VR little endian, whatever the data set is (6.2.2).  Raises `EndOfData` or
    `Refused`.
    """
    if vr in _NEVER_UNDEFINED:
        raise Refused(CANNOT_UNDERSTAND, f"undefined length of an element with VR {vr.decode()}")
    if depth > MAX_DEPTH:
        raise Refused(CANNOT_UNDERSTAND, f"sequences nested deeper than {MAX_DEPTH}")
    within = syntax if vr in _SAME_ENCODING_WITHIN else IMPLICIT
    while True:
        tag, _, length, position = within.read(data, position)
        if tag == SEQUENCE_DELIMITER:
            return position
        if tag != ITEM:
            raise Refused(CANNOT_UNDERSTAND, "something else than an item in a sequence")
        position = (
            _skip_item(data, position, within, depth) if length == UNDEFINED_LENGTH else position + length
        )


def _skip_item(data: Data, position: int, syntax: Syntax, depth: int) -> int:
    """Return the position behind the delimiter of an item of undefined length."""
    while True:
        tag, vr, length, position = syntax.read(data, position)
        if tag == ITEM_DELIMITER:
            return position
        if tag >> 16 == ITEM_GROUP:
            raise Refused(CANNOT_UNDERSTAND, "item without an item delimiter")
        if length == UNDEFINED_LENGTH:
            position = skip_undefined(data, position, vr, syntax, depth + 1)
        else:
            position += length
