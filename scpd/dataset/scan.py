"""A look at a data set while it arrives: must it be written anew, which object is it, can it be understood?

Fed with the bytes as they come, whatever their borders, or with what they are when they are inflated.  Reads headers,
and of values what has to be known; goes past pixel data without a look.  Keeps no more than one value of
`plain.LONGEST_NOTED` bytes, the levels it is in, and where levels begin whose elements are not in order.

Most data sets are plain up to their pixel data, or like the one before (see `plain`, `likeness`): then that is seen at
the first look.  How all else is judged is said in `walk`.  Never raises anything but `Refused`.
"""

from __future__ import annotations

from scpd.dataset.findings import Findings
from scpd.dataset.levels import Level
from scpd.dataset.plain import pixel_data_at, run
from scpd.dataset.representations import PIXEL_DATA
from scpd.dataset.walk import Walk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from scpd.dataset.dictionary import Dictionary
    from scpd.dataset.elements import Data
    from scpd.dataset.encoding import Arriving, Encoding
    from scpd.dataset.likeness import Likeness


class Scan(Findings):
    """The look at one data set, and what it finds."""

    __slots__ = (
        "_arrived",
        "_arriving",
        "_dictionary",
        "_encoding",
        "_inflater",
        "_likeness",
        "_seen",
        "_top",
        "_walk",
        "is_like",
    )

    def __init__(
        self,
        transfer_syntax_uid: str,
        encoding: Encoding,
        dictionary: Dictionary,
        likeness: Likeness | None = None,
    ) -> None:
        self._arriving: Arriving = encoding.arriving(transfer_syntax_uid)
        # What is found, nothing so far; here, since each function costs a fresh worker pages of its own.
        self.changes = self.changes_before_pixel_data = self._arriving.changes_all
        self.oddity = ""
        self.unordered = set()
        self.pixel_data = 0, 0, 0
        self.has_fragments = False
        self.found, self.nested = {}, {}
        self._encoding = encoding
        self._dictionary = dictionary
        # Likeness to the data sets before; what UN becomes depends on more than headers.
        self._likeness = None if encoding.convert_un else likeness
        self.is_like = False  # to those before, up to its pixel data
        self._arrived = self._seen = 0  # bytes that came, and up to where they are understood
        self._top: Level | None = None
        self._walk: Walk | None = None  # none as long as there is nothing else to look at
        self._inflater = None
        if self._arriving.is_deflated:
            from scpd.dataset.inflate import Inflater  # deflated data sets are rare: nobody else pays for it

            self._inflater = Inflater()

    def same_headers(self) -> Likeness | None:
        """Give the likeness to data sets before its pixel data, if these had the same headers there."""
        likeness = self._likeness
        return likeness if self.is_like and likeness is not None and likeness.is_exact else None

    def feed(self, pieces: Sequence[Data], size: int) -> None:
        """Take the next `size` bytes, in pieces that are looked at now and not kept."""
        if self._inflater is None:
            self._feed(pieces, size)
            return
        for piece in pieces:
            for inflated in self._inflater.inflate(piece):
                self._feed((inflated,), len(inflated))

    def finish(self) -> None:
        """Judge it now that no more will come."""
        if self._inflater is not None and not self._inflater.is_whole():
            self.oddity = self.oddity or "the deflate stream is cut off"
            return
        if self._walk is None:
            if self._arrived and self._arrived == self._seen:
                return
            self._walk = self._begun(self._arrived)
        self._walk.end()

    def _feed(self, pieces: Sequence[Data], size: int) -> None:
        if self._walk is not None:
            self._walk.feed(pieces, size)
            return
        before = self._arrived
        self._arrived += size
        if not before and size:
            self._look_at_begin(pieces[0])
        if self._arrived <= self._seen:
            return
        self._walk = self._begun(before)
        self._walk.feed(pieces, size)
        if not before and not self.is_like:
            self._learn(pieces[0])

    def _look_at_begin(self, data: Data) -> None:
        """See at once what is plain, or like what was before."""
        likeness, arriving = self._likeness, self._arriving
        if likeness is not None:
            value = likeness.pass_over(data, arriving.syntax, self.found)
            if value:
                self.is_like = True
                self.changes = likeness.changes
                self.note_pixel_data(arriving.syntax, value, likeness.pixel_data_length)
                self._seen = value + likeness.pixel_data_length
                return
        if not arriving.allows_fast_loops:
            return
        names, top = self._dictionary.public, self._new_top()
        self._seen = run(data, 0, len(data), top, names, with_sequences=arriving.keeps_sequences)
        self._top = top
        if arriving.is_compressed:
            return
        value, length = pixel_data_at(data, self._seen, top, names)
        if value:
            top.last = PIXEL_DATA
            self.note_pixel_data(arriving.syntax, value, length)
            self._seen = value + length
            if likeness is not None:
                self._learn(data)

    def _new_top(self) -> Level:
        top = Level(self._arriving.syntax, 0, None, self.found, self.nested)
        top.limit = top.upper = PIXEL_DATA  # they need a second look, whatever their VR
        return top

    def _begun(self, arrived: int) -> Walk:
        """Begin the walk behind what has been seen; so many bytes have come before those that it will be fed."""
        top = self._top or self._new_top()
        if self.is_like and self._likeness is not None:
            self._likeness.tell(top)
        walk = Walk(top, self._encoding, self._dictionary, self, is_compressed=self._arriving.is_compressed)
        _, value, _ = self.pixel_data
        walk.begin(self._seen, value, arrived)
        return walk

    def _learn(self, first: Data) -> None:
        """Learn what this data set is like, if all before its pixel data is in its first piece."""
        header, value, _ = self.pixel_data
        if self._likeness is None or self._top is None or not 0 < value <= len(first):
            return
        if self.unordered or self.oddity:
            return
        likeness, self._likeness = self._likeness, None
        changes = self.changes_before_pixel_data
        likeness.learn(first, header, value, self._top, self._dictionary, changes=changes)
