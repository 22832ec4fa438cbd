"""One pattern against one text: daemon names, users, host names and addresses are all compared so.

The first of these that applies decides: wildcards (the whole text), `.suffix` (with something before it), ALL, KNOWN
(all but `unknown`), `prefix.`, the text itself.  Patterns and texts are in small letters (`parties.folded`).
"""

from __future__ import annotations

from scpd.access.parties import UNKNOWN
from scpd.access.wildcards import Wildcard

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

EXACT, ENDS, NAMED = "exact", "ends", "named"


class TextKey:
    """What a text must be, or begin and end with; or that there must be a true name."""

    __slots__ = ("head", "kind", "tail")

    def __init__(self, kind: str, head: str, tail: str = "") -> None:
        self.kind = kind
        self.head = head
        self.tail = tail


class Text:
    """A pattern for texts: wildcards, `.suffix`, ALL, KNOWN, `prefix.`, or the text itself."""

    __slots__ = ("key", "test")

    def __init__(self, pattern: str) -> None:
        self.key: TextKey | None = None
        self.test: Callable[[str], bool]
        if "*" in pattern or "?" in pattern:
            wildcard = Wildcard(pattern)
            self.test = wildcard.matches
            if wildcard.head or wildcard.tail:
                self.key = TextKey(ENDS, wildcard.head, wildcard.tail)
        elif pattern.startswith("."):
            self.key = TextKey(ENDS, "", pattern)
            self.test = lambda text: text.endswith(pattern) and len(text) > len(pattern)
        elif pattern == "all":
            self.test = lambda _: True
        elif pattern == "known":
            self.test = lambda text: text != UNKNOWN
        elif pattern.endswith("."):
            self.key = TextKey(ENDS, pattern)
            self.test = lambda text: text.startswith(pattern)
        else:
            self.key = TextKey(EXACT, pattern)
            self.test = lambda text: text == pattern
