"""A glance at a data set while it arrives: of which study and patient is it?  For who stores it as it comes.

Looks at the headers of the top level only, up to the last attribute that is wanted, and keeps their values: no more
than `plain.LONGEST_NOTED` bytes in all.  What it cannot follow it gives up, with what it found before; it refuses
nothing and never raises.

    the first piece of a CT image      15 microseconds, whatever its size
    all that follows                   none, once everything is found

However it is cut, a data set shows the same; only of a deflate stream that is broken more is seen in small pieces.  On
every data set that `scan` understands both find the same.
"""

from __future__ import annotations

from struct import error as StructError  # noqa: N812 - it is a class, whatever its name

from scpd.dataset.arrival import BEYOND, Arrival
from scpd.dataset.elements import (
    IMPLICIT,
    ITEM,
    ITEM_GROUP,
    LONG_HEADER,
    MAX_DEPTH,
    SHORT_HEADER,
    UNDEFINED_LENGTH,
    EndOfData,
    syntax_of,
)
from scpd.dataset.plain import (
    LONGEST_NOTED,
    PATIENT_NAME,
    SPECIFIC_CHARACTER_SET,
    STUDY_INSTANCE_UID,
    says_who,
)
from scpd.dataset.representations import SHORT, received
from scpd.errors import Refused
from scpd.tables.transfer_syntaxes import DEFLATED_DATA_SETS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from scpd.dataset.arrival import Wanted
    from scpd.dataset.elements import Data, Syntax

STUDY = frozenset((STUDY_INSTANCE_UID,))
STUDY_AND_PATIENT = STUDY | {PATIENT_NAME, SPECIFIC_CHARACTER_SET}

_MOST_LEVELS = 1 + 2 * MAX_DEPTH  # that of the data set, two for each sequence and its item
_SAME_ENCODING_WITHIN = frozenset((b"", b"OB", b"OW", b"SQ"))  # else implicit (PS3.5 6.2.2)


class Glance(Arrival):
    """The glance at one data set; `found` are the values of `wanted` attributes, as they stand in it."""

    __slots__ = ("_inflater", "_levels", "_missing", "_room", "found")

    def __init__(self, transfer_syntax_uid: str, wanted: frozenset[int] = STUDY_AND_PATIENT) -> None:
        super().__init__()
        self.found: dict[int, bytes] = {}
        self._missing = set(wanted)  # empty: nothing is looked for any more
        self._levels = [
            syntax_of(transfer_syntax_uid)
        ]  # of the data set, and of what has an undefined length
        self._room = LONGEST_NOTED - LONG_HEADER  # bytes that may be kept yet
        self._inflater = None
        if transfer_syntax_uid in DEFLATED_DATA_SETS:
            from scpd.dataset.inflate import Inflater  # as in `scan`

            self._inflater = Inflater()
        self.start(0, SHORT_HEADER, 0)

    @property
    def is_past_study(self) -> bool:
        """Tell whether the Study Instance UID is found, or will not be."""
        return STUDY_INSTANCE_UID in self.found or not self._missing or self.is_ended

    def feed(self, pieces: Sequence[Data], size: int) -> None:
        """Take the next `size` bytes, in pieces that are looked at now and not kept."""
        if self._inflater is None:
            super().feed(pieces, size)
            return
        try:
            for piece in pieces:
                self._inflate(piece)
        except Refused:  # it is not a deflate stream
            self._missing.clear()

    def finish(self) -> None:
        """No more will come."""
        self.end()

    def _inflate(self, piece: Data) -> None:
        if self._inflater is None or not self._missing:
            return
        for inflated in self._inflater.inflate(piece):
            super().feed((inflated,), len(inflated))
            if not self._missing:
                break

    def _go_on(self) -> Wanted:
        """Go from header to header as far as the bytes reach."""
        data, wanted = self.data, 0
        while self._missing and not wanted:
            self._pass(data, self._levels[-1])
            wanted = self._step(data, self._levels[-1])
        if not self._missing or self.is_ended:
            return BEYOND, BEYOND
        return self.at(), self.at() + wanted

    def _pass(self, data: Data, syntax: Syntax) -> None:
        """Go past elements of the usual form that nobody wants."""
        unpack, missing, position = syntax.unpack_header, self._missing, self.position
        try:
            if syntax.is_explicit:
                while True:
                    group, element, vr, length = unpack(data, position)
                    if vr not in SHORT or group == ITEM_GROUP or group << 16 | element in missing:
                        break
                    position += SHORT_HEADER + length
            else:
                while True:
                    group, element, length = unpack(data, position)
                    if length == UNDEFINED_LENGTH or group == ITEM_GROUP or group << 16 | element in missing:
                        break
                    position += SHORT_HEADER + length
        except StructError:
            pass
        self.position = position

    def _step(self, data: Data, syntax: Syntax) -> int:
        """Go past any one element; if it is not there yet, return how many bytes from its begin on are wanted."""
        begin = self.position
        try:
            tag, vr, length, value = syntax.read(data, begin)
        except EndOfData:
            return LONG_HEADER if len(data) - begin >= SHORT_HEADER else SHORT_HEADER
        if tag >> 16 == ITEM_GROUP:
            self._delimit(tag, syntax, length, value)
            return 0
        if length == UNDEFINED_LENGTH:
            self.position = value
            self._enter(syntax if vr in _SAME_ENCODING_WITHIN else IMPLICIT)
            return 0
        if tag in self._missing and len(self._levels) == 1 and length <= self._room and _says_who(vr, tag):
            if value + length > len(data):
                return value + length - begin
            self._note(tag, bytes(data[value : value + length]))
        self.position = value + length
        return 0

    def _note(self, tag: int, value: bytes) -> None:
        self._room -= len(value)
        self._missing.remove(tag)
        self.found[tag] = value

    def _delimit(self, tag: int, syntax: Syntax, length: int, value: int) -> None:
        """Go past an item, or into one of undefined length, or leave what a delimiter ends."""
        self.position = value
        if len(self._levels) == 1:  # nothing here has an end or items
            self._missing.clear()
        elif tag != ITEM:
            self._levels.pop()
        elif length == UNDEFINED_LENGTH:
            self._enter(syntax)
        else:
            self.position += length

    def _enter(self, syntax: Syntax) -> None:
        self._levels.append(syntax)
        if len(self._levels) > _MOST_LEVELS:
            self._missing.clear()


def _says_who(vr: bytes, tag: int) -> bool:
    if not vr:
        return True
    try:
        return says_who(received(vr, tag))
    except Refused:  # no element can have such a VR
        return False
