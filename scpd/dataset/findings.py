"""What is found out about a data set while it arrives."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from scpd.dataset.elements import Syntax


class Findings:
    """What is known of one data set so far.

    `changes`     it has to be written anew
    `oddity`      why it is kept as it came; empty: it is not odd
    `unordered`   where levels begin whose elements are out of order or there twice
    `pixel_data`  where its pixel data begin: header, value, end; all 0: it has none at its top level with a length of
                  their own, or they are nothing to rely on
    `has_fragments`  it has pixel data in fragments
    `changes_before_pixel_data`  what `changes` was there
    `found`       values of `plain.NOTED`
    `nested`      those of its items, unless both UIDs are among the former
    """

    __slots__ = (
        "changes",
        "changes_before_pixel_data",
        "found",
        "has_fragments",
        "nested",
        "oddity",
        "pixel_data",
        "unordered",
    )

    changes: bool
    changes_before_pixel_data: bool
    oddity: str
    unordered: set[int]
    pixel_data: tuple[int, int, int]
    has_fragments: bool
    found: dict[int, bytes]
    nested: dict[int, bytes]

    def note_pixel_data(self, syntax: Syntax, value: int, length: int) -> None:
        """Take note of native pixel data at the top level."""
        self.pixel_data = (value - syntax.long_header, value, value + length)  # OB and OW have the long form
        self.changes_before_pixel_data = self.changes
