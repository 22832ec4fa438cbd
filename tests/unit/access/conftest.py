"""Tables as texts: what most tests of the language are asked with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scpd.access.book import Book
from scpd.access.parties import Client, Host, Service
from scpd.access.pattern_files import PatternFile
from scpd.access.syntax import Table
from scpd.access.verdict import Verdict, decide, never

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from scpd.access.verdict import AclExec

SERVICE = Service(("storescp",))


def book(allow: str = "", deny: str = "", files: Mapping[str, str] | None = None) -> Book:
    """Give the book of two tables, whose characters are bytes, and of pattern files by their paths."""
    read = {path: PatternFile(path, text.encode("latin-1")) for path, text in (files or {}).items()}
    return Book(Table("allow", allow.encode("latin-1")), Table("deny", deny.encode("latin-1")), read)


def verdict(  # noqa: PLR0917
    allow: str = "",
    deny: str = "",
    address: str = "10.1.2.3",
    name: str | Callable[[], str] = "unknown",
    service: Service = SERVICE,
    files: Mapping[str, str] | None = None,
    user: str = "unknown",
    aclexec: AclExec = never,
) -> Verdict:
    """Decide about one client."""
    client = Client(Host(address, name), 4711, user)
    return decide(book(allow, deny, files), service, client, aclexec, lambda *_: False)


def matches(pattern: str, address: str = "10.1.2.3", name: str = "unknown", **more: object) -> bool:
    """Tell whether a client list matches; it has to be sound."""
    found = verdict(f"ALL: {pattern}\n", "ALL: ALL\n", address, name, **more)  # type: ignore[arg-type]
    assert not found.faults, str(found)
    return found.granted


def faults(
    allow: str = "", deny: str = "", files: Mapping[str, str] | None = None, service: Service = SERVICE
) -> list[str]:
    """Give the lines about what refuses everybody."""
    return [str(fault) for fault in book(allow, deny, files).faults(service)]


def warnings(
    allow: str = "", deny: str = "", files: Mapping[str, str] | None = None, service: Service = SERVICE
) -> list[str]:
    """Give the lines about what is odd."""
    return [str(warning) for warning in book(allow, deny, files).warnings(service)]
