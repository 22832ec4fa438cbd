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

EXACT, HEAD, TAIL = "exact", "head", "tail"


class TextKey:
    """What a text must be, begin with, or end with."""

    __slots__ = ("kind", "text")

    def __init__(self, kind: str, text: str) -> None:
        self.kind = kind
        self.text = text


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
                by_head = len(wildcard.head) >= len(wildcard.tail)
                self.key = TextKey(HEAD, wildcard.head) if by_head else TextKey(TAIL, wildcard.tail)
        elif pattern.startswith("."):
            self.key = TextKey(TAIL, pattern)
            self.test = lambda text: text.endswith(pattern) and len(text) > len(pattern)
        elif pattern == "all":
            self.test = lambda _: True
        elif pattern == "known":
            self.test = lambda text: text != UNKNOWN
        elif pattern.endswith("."):
            self.key = TextKey(HEAD, pattern)
            self.test = lambda text: text.startswith(pattern)
        else:
            self.key = TextKey(EXACT, pattern)
            self.test = lambda text: text == pattern
