"""Who may call whom: the decision on an association by its titles and the peer's address (PS3.8 9.3.4).

A table is a list of permissions, each for a called title, or a pattern of titles, with those who may call it.  The
first one that fits counts, and brings what the association gets.  If none has the called title, that is not
recognized; if some have it, but none of them this caller, the calling title is not.

Titles are compared without the blanks around them, which are not significant, and in their case (PS3.5 6.2, AE).
Pure: where a table comes from is the business of `peers` and of the options.  Raises `Reject`.
"""

from __future__ import annotations

from socket import AF_INET, AF_INET6, inet_pton

from scpd.errors import Reject
from scpd.ul.escape import printable
from scpd.ul.negotiation import (
    CALLED_AE_TITLE_NOT_RECOGNIZED,
    CALLING_AE_TITLE_NOT_RECOGNIZED,
    PERMANENT,
    SERVICE_USER,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from scpd.cli.callers import Net

ANY, STAR = -1, -2  # of the tokens of a pattern; all others are bytes
_MOST_PLACES_SAID = 5


class Pattern:
    """A title, or a pattern of titles: `tokens` are its bytes, `ANY` for any one, `STAR` for any number of any."""

    __slots__ = ("_tokens", "literal")

    def __init__(self, tokens: Sequence[int]) -> None:
        is_literal = min(tokens, default=0) >= 0
        self.literal = bytes(tokens) if is_literal else None  # the title, if it is one and no pattern
        self._tokens = tuple(tokens)

    @classmethod
    def of(cls, title: str) -> Pattern:
        """Give the pattern of one title, whatever its characters."""
        return cls(title.encode("ascii"))

    def matches(self, title: bytes) -> bool:
        """Tell whether a title without blanks around it is one of these."""
        if self.literal is not None:
            return title == self.literal
        return _matches(self._tokens, title)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Pattern) and self._tokens == other._tokens

    def __hash__(self) -> int:
        return hash(self._tokens)

    def __str__(self) -> str:
        return "".join({ANY: "?", STAR: "*"}.get(token) or chr(token) for token in self._tokens)


def _matches(tokens: Sequence[int], title: bytes) -> bool:
    """Match as shells do; what stands behind a star is only ever moved on, so that no pattern takes long."""
    place = token = 0
    star, begin = -1, 0  # the last star, and where in the title what is behind it was tried
    while place < len(title):
        if token < len(tokens) and tokens[token] in {ANY, title[place]}:
            place, token = place + 1, token + 1
        elif token < len(tokens) and tokens[token] == STAR:
            star, begin, token = token, place, token + 1
        elif star >= 0:
            begin += 1
            place, token = begin, star + 1
        else:
            return False
    return all(left == STAR for left in tokens[token:])


class Caller:
    """Somebody who may call: titles, and from where; `net` is `None` for anywhere."""

    __slots__ = ("net", "title")

    def __init__(self, title: Pattern, net: Net | None = None) -> None:
        self.title = title
        self.net = net

    def is_at(self, version: int, number: int) -> bool:
        """Tell whether he may call from an address."""
        return self.net is None or (self.net[0] == version and number & self.net[1] == self.net[2])


class Permission:
    """One entry of a table: `where` it stands, the called titles, who may call them, and what they get.

    `directory` is empty, `profile` (the path of its file, or empty, and a name) `None`, and `limit` 0 where the
    options of the daemon say it.
    """

    __slots__ = ("called", "callers", "directory", "limit", "profile", "where")

    def __init__(
        self,
        where: str,
        called: Pattern,
        callers: Sequence[Caller],
        *,
        directory: str = "",
        profile: tuple[str, str] | None = None,
        limit: int = 0,
    ) -> None:
        self.where = where
        self.called = called
        self.callers = callers
        self.directory = directory
        self.profile = profile
        self.limit = limit


class Callers:
    """A table; `has_none` says of a called title that no entry has it."""

    __slots__ = ("_has_none", "_of_patterns", "_of_titles", "permissions")

    def __init__(self, permissions: Sequence[Permission], has_none: str) -> None:
        self.permissions = permissions
        self._has_none = has_none
        # With their places.  A forked worker that looked at all of a large table would copy it.
        self._of_titles: dict[bytes, list[tuple[int, Permission]]] = {}
        self._of_patterns: list[tuple[int, Permission]] = []
        for place, entry in enumerate(permissions):
            title = entry.called.literal
            known = self._of_patterns if title is None else self._of_titles.setdefault(title, [])
            known.append((place, entry))

    def _for(self, called: bytes) -> list[Permission]:
        """Give the entries that are for a called title, in their order."""
        found = [*self._of_titles.get(called, ())]
        found += [(place, entry) for place, entry in self._of_patterns if entry.called.matches(called)]
        return [entry for _, entry in sorted(found, key=_place)]

    def permission(self, called: bytes, calling: bytes, host: str) -> Permission:
        """Give the first entry that lets a peer at this numeric address call; `Reject` if there is none."""
        called, calling = called.strip(b" "), calling.strip(b" ")
        version, number = address(host)
        for_it = self._for(called)
        elsewhere: list[Permission] = []  # those that know the calling title, but not at this address
        for entry in for_it:
            for caller in entry.callers:
                if caller.title.matches(calling):
                    if caller.is_at(version, number):
                        return entry
                    elsewhere.append(entry)
        if not for_it:
            raise self._called_not_recognized(called, calling, host)
        raise _calling_not_recognized(called, calling, host, for_it, elsewhere)

    def _called_not_recognized(self, called: bytes, calling: bytes, host: str) -> Reject:
        text = (
            f"called AE title {printable(called)} not recognized, {printable(calling)} calls it from {host}: "
            f"{self._has_none}"
        )
        return Reject(PERMANENT, SERVICE_USER, CALLED_AE_TITLE_NOT_RECOGNIZED, text)


def _place(item: tuple[int, Permission]) -> int:
    return item[0]


def _calling_not_recognized(
    called: bytes, calling: bytes, host: str, entries: Sequence[Permission], elsewhere: Sequence[Permission]
) -> Reject:
    why = "not allowed to call {} from there" if elsewhere else "not among those who may call {}"
    text = (
        f"calling AE title {printable(calling)} at {host} not recognized: {why.format(printable(called))} "
        f"({_listed(elsewhere or entries)})"
    )
    return Reject(PERMANENT, SERVICE_USER, CALLING_AE_TITLE_NOT_RECOGNIZED, text)


def _listed(entries: Sequence[Permission]) -> str:
    places = list(dict.fromkeys(entry.where for entry in entries))
    return ", ".join([*places[:_MOST_PLACES_SAID], *(["..."] if len(places) > _MOST_PLACES_SAID else [])])


def address(host: str) -> tuple[int, int]:
    """Give IP version and number of a numeric address, mapped IPv4 as IPv4; version 0 for what is none."""
    try:
        if ":" not in host:
            return 4, int.from_bytes(inet_pton(AF_INET, host), "big")
        number = int.from_bytes(inet_pton(AF_INET6, host.partition("%")[0]), "big")
    except (OSError, ValueError):  # ValueError: no text that the system takes
        return 0, 0
    return (4, number & 0xFFFFFFFF) if number >> 32 == 0xFFFF else (6, number)
