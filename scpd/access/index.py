"""Which rules of a table a client can match at all: found by address and name, not by trying one after the other.

A rule is filed under what each pattern of its first part (before any EXCEPT) asks for at least: a text, its beginning
or end, a net.  A rule with a pattern that asks for nothing in particular is always tried.  Rules come out in the order
of the table, and a name is asked for when the first one comes up that could need it: so what is found is what trying
all of them would find, and so are the questions.
"""

from __future__ import annotations

from bisect import bisect_left
from heapq import merge

from scpd.access.parties import UNKNOWN
from scpd.access.texts import EXACT, NAMED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from scpd.access.match import Key
    from scpd.access.parties import Client, Host, Service
    from scpd.access.syntax import Rule


class Index:
    """The rules of one table that may mean one service."""

    __slots__ = (
        "_always",
        "_always_named",
        "_ends",
        "_exact",
        "_first_named",
        "_named",
        "_nets",
        "_rules",
        "_with_user",
    )

    def __init__(self, rules: Sequence[Rule], service: Service) -> None:
        self._rules: list[tuple[Rule, bool]] = []
        self._exact: dict[str, list[int]] = {}
        self._ends: dict[tuple[int, int], dict[tuple[str, str], list[int]]] = {}
        self._nets: dict[tuple[int, int], dict[int, list[int]]] = {}
        self._named: dict[str, list[int]] = {}
        self._with_user: list[int] = []
        always: list[int] = []
        named: list[int] = []
        for rule in rules:
            may, must = rule.daemons.reach(service)
            if may:
                self._file(rule, must, always, named)
        self._first_named = named[0] if named else len(self._rules)
        split = bisect_left(always, self._first_named)
        self._always, self._always_named = always[:split], always[split:]

    def _file(self, rule: Rule, must: bool, always: list[int], named: list[int]) -> None:
        number = len(self._rules)
        self._rules.append((rule, must))
        if all(each.needs_user for each in rule.clients.parts[0]):
            self._with_user.append(number)
            return
        hosts = [each.host for each in rule.clients.parts[0]]
        keys = [host.key for host in hosts if host.key is not None]
        needs_name = any(host.needs_name for host in hosts)
        # Where it was reached may be no business of the rule: then nobody shall be asked for the client's name.
        if len(keys) < len(hosts) or (needs_name and not must):
            always.append(number)
            return
        if needs_name:
            named.append(number)
        for key in keys:
            self._file_under(key, number)

    def _file_under(self, key: Key, number: int) -> None:
        if isinstance(key, tuple):
            family, network, mask = key
            self._nets.setdefault((family, mask), {}).setdefault(network, []).append(number)
        elif key.kind == NAMED:
            self._named.setdefault(key.head, []).append(number)
        elif key.kind == EXACT:
            self._exact.setdefault(key.head, []).append(number)
        else:
            place = self._ends.setdefault((len(key.head), len(key.tail)), {})
            place.setdefault((key.head, key.tail), []).append(number)

    def candidates(self, client: Client) -> Iterator[tuple[Rule, bool]]:
        """Give the rules that may match, in order; each with whether its daemon list is known to match."""
        host = client.host
        by_address = sorted({*self._by_text(host.address), *self._by_number(host), *self._by_user(client)})
        split = bisect_left(by_address, self._first_named)
        yield from self._in_order(self._always, by_address[:split])
        if self._first_named == len(self._rules):
            return
        rest = set(by_address[split:])
        known: set[int] = set()
        if self._first_named in rest:  # its address may do, so it is tried before the name is asked for
            yield self._rules[self._first_named]
            known.add(self._first_named)
        yield from self._in_order(self._always_named, sorted({*rest, *self._by_name(host)} - known))

    def _in_order(self, always: list[int], found: list[int]) -> Iterator[tuple[Rule, bool]]:
        before = -1
        for number in merge(always, found):
            if number != before:
                yield self._rules[number]
            before = number

    def _by_user(self, client: Client) -> list[int]:
        return [] if client.user == UNKNOWN else self._with_user

    def _by_name(self, host: Host) -> set[int]:
        found = self._by_text(host.name)
        if host.has_name:
            found.update(self._named.get("known", ()))
            if "." not in host.name:
                found.update(self._named.get("local", ()))
        return found

    def _by_text(self, text: str) -> set[int]:
        found = set(self._exact.get(text, ()))
        absolute = f"{text}."
        length = len(text)
        for (head, tail), ends in self._ends.items():
            if tail <= length:
                found.update(ends.get((absolute[:head], text[length - tail :]), ()))
        return found

    def _by_number(self, host: Host) -> set[int]:
        found: set[int] = set()
        for (family, mask), nets in self._nets.items():
            if family == host.family:
                found.update(nets.get(host.number & mask, ()))
        return found
