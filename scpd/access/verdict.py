"""Rules and client to a verdict: granted or denied, by which line, and what is to be done.

hosts.allow first, then hosts.deny, the first rule that matches; nothing matches: granted.  A fault that concerns the
service refuses everybody.  `aclexec` is asked at once; all other options become actions, in their order, for whoever
serves the client.  Raises nothing of its own, and keeps nothing from one decision to the next.
"""

from __future__ import annotations

from scpd.access.expansion import Facts, Template
from scpd.access.findings import Fault
from scpd.access.match import Surroundings, no_netgroups
from scpd.access.options import ACLEXEC, ALLOW, DENY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from scpd.access.book import Book
    from scpd.access.findings import Finding
    from scpd.access.index import Index
    from scpd.access.parties import Client, Service
    from scpd.access.syntax import Rule, Table

    AclExec = Callable[[str, tuple["Action", ...]], bool | None]


class Action:
    """One option that is to be carried out: `spawn` with the command, `setenv` with name and value, and so on.

    Texts are as `os.fsdecode` makes them of the bytes of the table.
    """

    __slots__ = ("keyword", "value")

    def __init__(self, keyword: str, value: str | int | tuple[str, str] | None) -> None:
        self.keyword = keyword
        self.value = value


class Verdict:
    """What was decided; `line` 0 of no `table`: no rule matched.

    `reason` is empty where the rule itself says so; `faults` are those of broken tables, the first is the one to log.
    """

    __slots__ = ("actions", "faults", "granted", "line", "reason", "rule", "table")

    def __init__(
        self,
        granted: bool,
        table: str = "",
        rule: Rule | None = None,
        reason: str = "",
        actions: tuple[Action, ...] = (),
    ) -> None:
        self.granted = granted
        self.table = table
        self.rule = rule
        self.line = rule.line if rule is not None else 0
        self.reason = reason
        self.actions = actions
        self.faults: tuple[Finding, ...] = ()

    def __str__(self) -> str:
        said = "granted" if self.granted else "denied"
        if self.faults:
            more = f" (and {len(self.faults) - 1} more)" if len(self.faults) > 1 else ""
            return f"{said}: {self.faults[0]}{more}"
        place = f" by {self.table}:{self.line}" if self.table else ": no rule matches"
        return f"{said}{place}{self.reason and ': '}{self.reason}"


def never(command: str, before: tuple[Action, ...]) -> bool | None:
    """Ask no command: as if it had failed."""
    del command, before
    return None


def decide(
    book: Book,
    service: Service,
    client: Client,
    aclexec: AclExec = never,
    in_netgroup: Callable[[str, str], bool] = no_netgroups,
) -> Verdict:
    """Decide about one client.

    `aclexec(command, actions so far)` tells whether a command agrees (exit status 0) or not; `None` is that it could
    not say.  `in_netgroup(group, name)` raises `Fault` if it cannot say.
    """
    faults = book.faults(service)
    if faults:
        verdict = Verdict(False)
        verdict.faults = faults
        return verdict
    search = _Search(service, client, Surroundings(book.files, in_netgroup), aclexec)
    indexes = book.indexes(service)
    found = search.table(book.allow, indexes[0], grants=True) or search.table(
        book.deny, indexes[1], grants=False
    )
    return found or Verdict(True)


class _Search:
    """One search through the tables."""

    __slots__ = ("_aclexec", "_around", "_client", "_service")

    def __init__(self, service: Service, client: Client, around: Surroundings, aclexec: AclExec) -> None:
        self._service = service
        self._client = client
        self._around = around
        self._aclexec = aclexec

    def table(self, table: Table, index: Index, *, grants: bool) -> Verdict | None:
        """Give what the first rule says that matches; `None` if there is none."""
        for rule, is_meant in index.candidates(self._client):
            try:
                if not is_meant and not rule.daemons.matches(self._service, self._around):
                    continue
                if not rule.clients.matches(self._client, self._around):
                    continue
                verdict = self._obey(table, rule, grants=grants)
            except Fault as fault:
                return Verdict(False, table.name, rule, str(fault))
            if verdict is not None:
                return verdict
        return None

    def _obey(self, table: Table, rule: Rule, *, grants: bool) -> Verdict | None:
        """Go through the options of the rule that matches; `None` if it is as if it did not match."""
        said = rule.options[-1].keyword if rule.options else ""
        grants = said == ALLOW or (grants and said != DENY)
        facts = Facts(self._service, self._client)
        actions: list[Action] = []
        for option in rule.options:
            if option.keyword == ACLEXEC and isinstance(option.value, Template):
                answer = self._aclexec(_native(option.value.expand(facts)), tuple(actions))
                if answer:
                    continue
                if answer is None or grants or said == DENY:
                    return Verdict(False, table.name, rule, "aclexec did not agree", tuple(actions))
                return None
            if option.keyword not in {ALLOW, DENY}:
                actions.append(Action(option.keyword, _expanded(option.value, facts)))
        return Verdict(grants, table.name, rule, "", tuple(actions))


def _expanded(value: object, facts: Facts) -> str | int | tuple[str, str] | None:
    if isinstance(value, Template):
        return _native(value.expand(facts))
    if isinstance(value, tuple):
        return _native(value[0]), _native(value[1].expand(facts))
    return value if isinstance(value, str | int) else None


def _native(text: str) -> str:
    """Give the bytes of a table as the operating system's functions take them."""
    return text.encode("latin-1").decode("utf-8", "surrogateescape")
