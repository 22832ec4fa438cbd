"""What rules need that a service may be forbidden: a name server to ask, and commands that may reach somebody.

For an administrator who asks; whoever serves finds no name there, and goes on.
"""

from __future__ import annotations

from itertools import chain

from scpd.access.findings import Finding
from scpd.access.options import ACLEXEC, SPAWN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from scpd.access.book import Book
    from scpd.access.parties import Service
    from scpd.access.syntax import Rule

_NAMES = "it needs the name of a host, and no name server can be asked here"
_COMMANDS = "its command can reach nobody from here"


def of_network(book: Book, service: Service) -> Iterator[Finding]:
    """Give a warning for each rule that may mean the service and needs a network."""
    for table in (book.allow, book.deny):
        for rule in table.rules:
            if not rule.daemons.may_mean(service):
                continue
            if _needs_names(rule):
                yield Finding(table.name, rule.line, "", _NAMES, is_fault=False)
            if any(option.keyword in (SPAWN, ACLEXEC) for option in rule.options):
                yield Finding(table.name, rule.line, "", _COMMANDS, is_fault=False)


def _needs_names(rule: Rule) -> bool:
    reached = (pattern.host for pattern in chain.from_iterable(rule.daemons.parts))
    asking = (pattern.host for pattern in chain.from_iterable(rule.clients.parts))
    return any(host is not None and host.needs_name for host in chain(reached, asking))
