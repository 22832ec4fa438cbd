"""In which form data sets are written: what the output options ask, whatever arrives.

Made once from the command line.  The questions that it answers are about a transfer syntax, never about one object.
"""

from __future__ import annotations

from scpd.dataset.elements import syntax_of
from scpd.tables.transfer_syntaxes import (
    DEFLATED,
    DEFLATED_DATA_SETS,
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from scpd.dataset.elements import Syntax

RECALCULATE, CREATE, REMOVE = "recalc", "create", "remove"  # group lengths
_DEFAULT_LEVEL = 6

# Those that any other can be rewritten to; all else holds compressed pixel data, which stays as it is.
_UNCOMPRESSED = frozenset((IMPLICIT_LITTLE, EXPLICIT_LITTLE, EXPLICIT_BIG, DEFLATED))


class Arriving:
    """What an encoding has to say about the data sets of one transfer syntax, asked once and kept for the next."""

    __slots__ = (
        "allows_fast_loops",
        "changes_all",
        "is_compressed",
        "is_deflated",
        "keeps_sequences",
        "syntax",
    )

    def __init__(self, encoding: Encoding, transfer_syntax: str) -> None:
        self.syntax = syntax_of(transfer_syntax)
        self.changes_all = encoding.changes_all(transfer_syntax)
        self.is_compressed = not encoding.is_uncompressed(transfer_syntax)
        self.is_deflated = transfer_syntax in DEFLATED_DATA_SETS
        self.allows_fast_loops = encoding.allows_fast_loops(self.syntax)
        self.keeps_sequences = encoding.keeps_sequences()


class Encoding:
    """The form of what is written; attributes are the options'."""

    __slots__ = (
        "_arriving",
        "compression_level",
        "convert_un",
        "explicit_lengths",
        "group_lengths",
        "is_recompressed",
        "padding",
        "transfer_syntax",
        "young_vrs",
    )

    def __init__(  # noqa: PLR0913 - as many as there are options
        self,
        *,
        transfer_syntax: str = "",
        group_lengths: str = RECALCULATE,
        explicit_lengths: bool = True,
        padding: tuple[int, int] = (0, 0),
        young_vrs: bool = True,
        convert_un: bool = False,
        compression_level: int | None = None,
    ) -> None:
        self.transfer_syntax = transfer_syntax  # UID; empty: as received
        self.group_lengths = group_lengths
        self.explicit_lengths = explicit_lengths
        self.padding = padding  # bytes of which files and items are to be a multiple; 0: none are added
        self.young_vrs = young_vrs
        self.convert_un = convert_un
        self.compression_level = _DEFAULT_LEVEL if compression_level is None else compression_level
        self.is_recompressed = compression_level is not None
        self._arriving: dict[str, Arriving] = {}

    def arriving(self, received: str) -> Arriving:
        """Give all that is said below of a transfer syntax; only those that are negotiated are asked for."""
        found = self._arriving.get(received)
        if found is None:
            found = self._arriving[received] = Arriving(self, received)
        return found

    def allows_fast_loops(self, received: Syntax) -> bool:
        """Tell whether loops may be used that do not look for private creators where there are VRs (`plain`)."""
        return not (self.convert_un and received.is_explicit)

    def keeps_sequences(self) -> bool:
        """Tell whether sequences and items of defined length stay as they are if what they hold does."""
        return self.explicit_lengths and self.group_lengths != CREATE and not self.padding[1]

    def written(self, received: str) -> str:
        """Give the UID of the transfer syntax that is written for one received."""
        return self.transfer_syntax or received

    def is_uncompressed(self, received: str) -> bool:
        """Tell whether a transfer syntax can be turned into another one: its pixel data are never in fragments."""
        return received in _UNCOMPRESSED

    def changes_all(self, received: str) -> bool:
        """Tell whether every data set that came in this transfer syntax has to be written anew."""
        if self.group_lengths == CREATE or any(self.padding):
            return True
        if self.is_recompressed and received in DEFLATED_DATA_SETS:
            return True
        return self.written(received) != received
