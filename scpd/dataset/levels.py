"""One level of a data set: the elements of the data set itself or of an item, and what is known of them so far.

A level tells the VR of its elements where the encoding leaves it out: from the dictionary, and for private elements
from the creators that this level has named so far (PS3.5 7.8.1).  As in DCMTK a creator counts from where it stands if
no element before it had a higher tag; else from where it is there a second time.
"""

from __future__ import annotations

from scpd.dataset.dictionary import creator_name
from scpd.dataset.representations import REPRESENTATIONS, UN, Representation

TYPE_CHECKING = False
if TYPE_CHECKING:
    from scpd.dataset.dictionary import Dictionary
    from scpd.dataset.elements import Syntax

_FIRST_CREATOR, _LAST_CREATOR = 0x10, 0xFF
LONGEST_CREATOR = 64  # bytes, as many as LO has characters: no longer one is in a dictionary
_MOST_CREATORS = 1024  # of one level

# Names of the dictionary that are no VRs: as far as lengths and text are concerned.
_CONTEXT_DEPENDENT = {
    "ox": REPRESENTATIONS[b"OB"],
    "px": REPRESENTATIONS[b"OW"],
    "lt": REPRESENTATIONS[b"OW"],
    "xs": REPRESENTATIONS[b"US"],
    "up": REPRESENTATIONS[b"UL"],
}
BY_NAME: dict[str, Representation] = _CONTEXT_DEPENDENT | {
    vr.decode(): representation for vr, representation in REPRESENTATIONS.items()
}


# Tags below are those of commands, file meta and DICOMDIRs; from END_OF_TAGS on there are padding and delimiters.
FIRST_TAG, END_OF_TAGS = 0x00080000, 0xFFFA0000


class Level:
    """Where a data set or item begins and ends, how it is encoded, how deep it lies, who reserved what in it."""

    __slots__ = (
        "creators",
        "depth",
        "end",
        "found",
        "group",
        "group_end",
        "is_ordered",
        "last",
        "late_creators",
        "limit",
        "low",
        "nested",
        "start",
        "syntax",
        "upper",
    )

    def __init__(
        self,
        syntax: Syntax,
        start: int,
        end: int | None,
        found: dict[int, bytes],
        nested: dict[int, bytes],
        depth: int = 0,
    ) -> None:
        self.syntax = syntax
        self.start = start
        self.end = end  # None: at a delimiter, or with the data
        self.depth = depth
        self.found = found  # attributes taken down
        self.nested = nested  # those of the items in it
        self.last = FIRST_TAG - 1  # the highest tag so far
        self.is_ordered = True
        self.low = -1  # the highest so far below FIRST_TAG
        self.limit = END_OF_TAGS  # tag from which on nothing is plain
        self.upper = END_OF_TAGS  # the same, or where a group with a length ends
        self.group = -1  # of the last group length
        self.group_end = -1  # where that says that the group ends; -1: nothing is said of this group
        self.creators: dict[int, str] = {}  # by group and block
        self.late_creators: dict[int, str] = {}  # that came out of order, and once

    def follows(self, tag: int) -> bool:
        """Tell whether an element is in order, and take it for the last one then."""
        if tag > self.last:
            self.last = tag
            return True
        if self.low < tag < FIRST_TAG and self.last < FIRST_TAG:
            self.low = tag
            return True
        return False

    def begin_group(self, group: int, group_end: int) -> None:
        """Take note of what a group length says."""
        self.group, self.group_end = group, group_end
        self.upper = min((group + 1) << 16, self.limit)

    def ends_group_wrongly(self, group: int, position: int) -> bool:
        """Tell whether another group (-1: none) begins here, at another place than was said."""
        if self.group_end == -1 or group == self.group:
            return False
        is_wrong = self.group_end != position
        self.group_end = -1
        self.upper = self.limit
        return is_wrong

    def reserve(self, tag: int, value: bytes, *, in_order: bool) -> None:
        """Take note of a private creator."""
        block = _block(tag >> 16, tag & 0xFFFF)
        if len(self.creators) + len(self.late_creators) >= _MOST_CREATORS:
            return
        if in_order:
            self.creators[block] = creator_name(value)
        elif block in self.late_creators:
            self.creators.setdefault(block, self.late_creators[block])
        else:
            self.late_creators[block] = creator_name(value)

    def name(self, tag: int, dictionary: Dictionary) -> str:
        """Give the dictionary's VR of a tag, or its name for one that depends on the context; `UN` if it has none."""
        found = dictionary.public.get(tag)
        if found is None:
            group, element = tag >> 16, tag & 0xFFFF
            found = dictionary.vr(group, element, self.creators.get(_block(group, element >> 8)))
        return found or "UN"

    def representation(self, tag: int, dictionary: Dictionary) -> Representation:
        """Give what an element without a VR is, of those that depend on the context any that is like it."""
        return BY_NAME.get(self.name(tag, dictionary), UN)


def is_creator(tag: int) -> bool:
    """Tell whether an element of this tag reserves a block of private elements."""
    return bool(tag >> 16 & 1) and _FIRST_CREATOR <= tag & 0xFFFF <= _LAST_CREATOR


def _block(group: int, block: int) -> int:
    return group << 16 | block
