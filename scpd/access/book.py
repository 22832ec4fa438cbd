"""Both tables and the pattern files that they name, as they were read at one moment.

For each service that asks, the faults that concern it and the index of the rules that may mean it are worked out once.
"""

from __future__ import annotations

from scpd.access.findings import Finding, Whom
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
    return finding.daemons is None or finding.daemons.may_mean(service)


def _of_files(tables: tuple[Table, Table], files: Mapping[str, PatternFile | str]) -> Iterator[Finding]:
    """Give what is wrong with pattern files: where a rule names one in vain, and what each has inside."""
    whom: dict[str, Whom] = {}
    for table in tables:
        for line, path, daemons in table.mentions:
            file = files.get(path, "not read")
            if isinstance(file, str):
                yield Finding(table.name, line, path, file, daemons=daemons)
            else:
                whom.setdefault(path, Whom()).add(daemons)
    for path, concerned in whom.items():
        yield from _inside(path, files, concerned, (), set())


def _inside(
    path: str, files: Mapping[str, PatternFile | str], whom: Whom, within: tuple[str, ...], done: set[str]
) -> Iterator[Finding]:
    """Give what is wrong with one file and with those that it names, each once."""
    file = files[path]
    if isinstance(file, str) or path in done:
        return
    done.add(path)
    for each in file.findings:
        yield Finding(each.table, each.line, each.text, each.remedy, each.is_fault, whom)
    for named, line in file.mentions.items():
        problem = files.get(named, "not read")
        if named in (*within, path):
            problem = "a pattern file that names itself"
        elif len(within) >= _DEEPEST:
            problem = f"pattern files nested more than {_DEEPEST} deep"
        if isinstance(problem, str):
            yield Finding(path, line, named, problem, daemons=whom)
        else:
            yield from _inside(named, files, whom, (*within, path), done)
