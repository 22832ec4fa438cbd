"""The bytes of a table to its rules: `daemons : clients [: option [: option ...]]` (hosts_access(5), hosts_options(5)).

Every line is read, and everything that is wrong is noted with its line, also in options that libwrap looks at only when
their rule matches.  A line with a fault makes no rule.  Raises nothing, whatever the bytes.
"""

from __future__ import annotations

import re

from scpd.access import options
from scpd.access.findings import AND_MORE, MOST_FAULTS, Fault, Finding
from scpd.access.lines import Lines
from scpd.access.match import Clients, Daemons, InFile
from scpd.access.nets import address_number
from scpd.access.patterns import client_pattern, daemon_pattern

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from scpd.access.match import ClientPattern, DaemonPattern
    from scpd.access.options import Option
    from scpd.access.patterns import Warn

    Pattern = TypeVar("Pattern", ClientPattern, DaemonPattern)

_SEPARATORS = re.compile(r"[ ,\t\r]+")
_BLANKS = " \t\r"
_MAY_MATCH = re.compile(r"^[@/\[0-9]|[*?]")  # in a remark it may still be meant as a pattern
_BARE_IPV6 = re.compile(
    r"(?<![\w:.\[/])(?=[0-9a-f:]*:[0-9a-f:]*:)([0-9a-f:][0-9a-f:.]*)(/[0-9]+)?", re.IGNORECASE
)


class Rule:
    """One rule, as it is compiled; `line` is where it ends in its table."""

    __slots__ = ("clients", "daemons", "line", "options")

    def __init__(self, line: int, daemons: Daemons, clients: Clients, chosen: tuple[Option, ...]) -> None:
        self.line = line
        self.daemons = daemons
        self.clients = clients
        self.options = chosen


class Table:
    """What a table says: its rules in order, findings, and `mentions`, the pattern files with line and daemons."""

    __slots__ = ("findings", "mentions", "name", "rules")

    def __init__(self, name: str, data: bytes = b"") -> None:
        self.name = name
        lines = Lines(name, data)
        self.findings = lines.findings
        self.mentions: list[tuple[int, str, Daemons]] = []
        self.rules: list[Rule] = []
        faults_for_all = 0
        for number, text in lines.lines:
            if faults_for_all >= MOST_FAULTS:
                self.findings.append(Finding(name, number, "", AND_MORE))
                break
            faults_for_all += self._read(number, text.decode("latin-1"))
        self.findings.sort(key=lambda finding: finding.line)

    @classmethod
    def unreadable(cls, name: str, reason: str) -> Table:
        """Give the table that cannot be read, which is a fault."""
        table = cls(name)
        table.findings.append(Finding(name, 0, "", reason))
        return table

    def _read(self, number: int, text: str) -> bool:
        """Read one line; tell whether it has a fault that concerns every daemon."""
        line = _Line(self.name, number)
        rule = line.read(text)
        if line.has_fault and (bare := _bare_ipv6(text)):
            # One that begins the line belongs to the daemons, and then nobody knows whom they mean.
            is_client = text.find(":") < text.find(bare.text)
            daemons = line.daemons if is_client else None
            line.findings = [Finding(self.name, number, bare.text, bare.remedy, daemons=daemons)]
        self.findings += line.findings
        if rule is not None and not line.has_fault:
            self.rules.append(rule)
        if line.daemons is not None:
            self.mentions += [(number, path, line.daemons) for path in sorted(line.paths)]
        return line.has_fault and line.daemons is None


class _Line:
    """One logical line while it is read."""

    __slots__ = ("_number", "_table", "daemons", "findings", "paths")

    def __init__(self, table: str, number: int) -> None:
        self._table = table
        self._number = number
        self.findings: list[Finding] = []
        self.daemons: Daemons | None = None
        self.paths: set[str] = set()

    @property
    def has_fault(self) -> bool:
        return any(finding.is_fault for finding in self.findings)

    def read(self, text: str) -> Rule | None:
        """Give the rule, which counts only if there is no fault among the findings."""
        first, rest = _split_field(text)
        if text.lstrip(_BLANKS).startswith("#"):
            self._blame(
                Fault(text.strip(_BLANKS), "an indented # begins a rule: put it into the first column")
            )
            return None
        if rest is None:
            remedy = "no colon between daemons and clients" + (" outside brackets" if ":" in text else "")
            self._blame(Fault(text.strip(_BLANKS), remedy))
            return None
        parts = self._list("daemon", first, daemon_pattern)
        if self.has_fault:
            return None
        self.daemons = Daemons(parts)
        for finding in self.findings:  # warnings, so far
            finding.daemons = self.daemons
        second, behind = _split_field(rest)
        clients = self._list("client", second, client_pattern)
        chosen = options.parse(behind, self._blame, self._warn) if behind is not None else ()
        hosts = [each.host for part in clients for each in part]
        places = [each.host for part in parts for each in part]
        self.paths = {host.path for host in (*hosts, *places) if isinstance(host, InFile)}
        return Rule(self._number, self.daemons, Clients(clients), chosen)

    def _list(self, which: str, field: str, read: Callable[[str, Warn], Pattern]) -> list[list[Pattern]]:
        """Give the parts of a list, those between EXCEPT."""
        parts: list[list[Pattern]] = [[]]
        sizes, is_remark = [0], False
        for word in filter(None, _SEPARATORS.split(field)):
            if word.lower() == "except":
                parts.append([])
                sizes.append(0)
                continue
            sizes[-1] += 1
            is_remark = is_remark or self._begins_remark(which, word)
            try:
                parts[-1].append(read(word, self._warn))
            except Fault as fault:
                if not is_remark or _MAY_MATCH.search(word):
                    self._blame(fault)
        if not all(sizes):
            remedy = f"the {which} list is empty, or has nothing before or behind an EXCEPT"
            self._blame(Fault(field.strip(_BLANKS), remedy))
        return parts

    def _begins_remark(self, which: str, word: str) -> bool:
        if which != "client" or not word.startswith("#"):
            return False
        self._warn(Fault(word, "begins no comment here: the words behind it are patterns"))
        return True

    def _blame(self, fault: Fault) -> None:
        self._note(fault, is_fault=True)

    def _warn(self, fault: Fault) -> None:
        self._note(fault, is_fault=False)

    def _note(self, fault: Fault, *, is_fault: bool) -> None:
        finding = Finding(
            self._table, self._number, fault.text, fault.remedy, is_fault, self.daemons, fault.ours_only
        )
        self.findings.append(finding)


def _split_field(text: str) -> tuple[str, str | None]:
    """Split at the first colon outside brackets; a bracket that closes none hides colons, too."""
    depth = 0
    for position, character in enumerate(text):
        if character == "[":
            depth += 1
        elif character == "]":
            depth -= 1
        elif character == ":" and not depth:
            return text[:position], text[position + 1 :]
    return text, None


def _bare_ipv6(text: str) -> Fault | None:
    """Find an IPv6 address without brackets, whose colons end the field."""
    for found in _BARE_IPV6.finditer(text):
        length = found.group(2) or ""
        # The colon that ends a field may stand right behind it.
        for address in (found.group(1), found.group(1).removesuffix(":")):
            if address_number(address) is not None:
                return Fault(address + length, f"write [{address}]{length}")
    return None
