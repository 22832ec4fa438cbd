"""Names in client lists that nobody has: told to an administrator who asks, by nobody who serves (tcpdchk(8)).

A rule for a host that does not exist matches nobody, and nothing else would ever say so.  `is_known` is asked for each
host and netgroup once; it tells what it does not know by `False`, and what it could not find out by `None`: then there
is nobody to ask, and no more is asked.
"""

from __future__ import annotations

from itertools import chain

from scpd.access.findings import Finding
from scpd.access.match import Netgroup, TextHost

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from scpd.access.book import Book

    IsKnown = Callable[[str], bool | None]

_REMEDY = "no such host or netgroup is known now: correct it, or remove it"


def unfound(book: Book, is_known: IsKnown) -> Iterator[Finding]:
    """Give a warning for each name that is not known; a netgroup begins with @."""
    answers: dict[str, bool] = {}
    for table, line, name in _names(book):
        if name not in answers:
            answer = is_known(name)
            if answer is None:
                return
            answers[name] = answer
        if not answers[name]:
            yield Finding(table, line, name, _REMEDY, is_fault=False)


def _names(book: Book) -> Iterator[tuple[str, int, str]]:
    """Give the names that stand in client lists, with table and line."""
    for table in (book.allow, book.deny):
        for rule in table.rules:
            for pattern in chain.from_iterable(rule.clients.parts):
                if isinstance(pattern.host, TextHost | Netgroup) and pattern.host.name:
                    yield table.name, rule.line, pattern.host.name
