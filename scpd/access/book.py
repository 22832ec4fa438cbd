"""Both tables and the pattern files that they name, as they were read at one moment.

For each service that asks, the faults that concern it and the index of the rules that may mean it are worked out once.
"""

from __future__ import annotations

from scpd.access.findings import Finding
from scpd.access.index import Index

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from scpd.access.match import HostPattern
    from scpd.access.parties import Service
    from scpd.access.pattern_files import PatternFile
    from scpd.access.syntax import Table

_DEEPEST = 8  # files named by files


class Book:
    """Two tables; a pattern file that cannot be read is the reason for that instead of its patterns."""

    __slots__ = ("_faults", "_indexes", "allow", "deny", "files", "findings")

    def __init__(self, allow: Table, deny: Table, files: Mapping[str, PatternFile | str]) -> None:
        self.allow = allow
        self.deny = deny
        self.findings = [*allow.findings, *deny.findings, *_of_files((allow, deny), files)]
        self.files: dict[str, list[HostPattern]] = {
            path: file.patterns for path, file in files.items() if not isinstance(file, str)
        }
        self._faults: dict[object, tuple[Finding, ...]] = {}
        self._indexes: dict[object, tuple[Index, Index]] = {}

    def faults(self, service: Service) -> tuple[Finding, ...]:
        """Give what keeps these tables from deciding about the service."""
        key = service.names, service.port
        found = self._faults.get(key)
        if found is None:
            found = tuple(each for each in self.findings if each.is_fault and _concerns(each, service))
            self._faults[key] = found
        return found

    def warnings(self, service: Service) -> tuple[Finding, ...]:
        """Give what else there is to say."""
        return tuple(
            each
            for each in self.findings
            if not (each.is_fault if _concerns(each, service) else each.ours_only)
        )

    def indexes(self, service: Service) -> tuple[Index, Index]:
        """Give the rules of either table that may mean the service."""
        key = service.names, service.port
        found = self._indexes.get(key)
        if found is None:
            found = Index(self.allow.rules, service), Index(self.deny.rules, service)
            self._indexes[key] = found
        return found


def _concerns(finding: Finding, service: Service) -> bool:
    return finding.daemons is None or finding.daemons.reach(service)[0]


def _of_files(tables: tuple[Table, Table], files: Mapping[str, PatternFile | str]) -> Iterator[Finding]:
    """Give what is wrong with pattern files, once for each daemon list that depends on it."""
    for table in tables:
        for line, path, daemons in table.mentions:
            yield from _of_file(Finding(table.name, line, path, "", daemons=daemons), files, (), set())


def _of_file(
    mention: Finding, files: Mapping[str, PatternFile | str], within: tuple[str, ...], done: set[str]
) -> Iterator[Finding]:
    path, daemons = mention.text, mention.daemons
    file = files.get(path, "not read")
    if path in within:
        file = "a pattern file that names itself"
    elif len(within) >= _DEEPEST:
        file = f"pattern files nested more than {_DEEPEST} deep"
    elif path in done:
        return
    if isinstance(file, str):
        yield Finding(mention.table, mention.line, path, file, daemons=daemons)
        return
    done.add(path)
    for each in file.findings:
        yield Finding(each.table, each.line, each.text, each.remedy, each.is_fault, daemons)
    for line, named in file.mentions:
        inner = Finding(path, line, named, "", daemons=daemons)
        yield from _of_file(inner, files, (*within, path), done)
