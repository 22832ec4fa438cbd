"""scpctl access: would a client be let in, and by which line; what is wrong with the tables.

First by the host rules, then, if a table of peers is named, by its titles too: both must let him in.

The lines are those of tcpdmatch(8).  No command of a rule is run: aclexec is taken as agreeing.  The exit code is that
of a question: success for granted.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from scpd.access import names, tables
from scpd.access.options import ACLEXEC
from scpd.access.parties import UNKNOWN, Client, Host, Service
from scpd.access.verdict import decide
from scpd.ctl.callers import run_callers
from scpd.ctl.exitcodes import FAILURE, SUCCESS, USAGE
from scpd.ctl.listing import say
from scpd.log.escape import escape

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator, Sequence

    from scpd.access.verdict import Action, Verdict

OWN_NAMES = ("storescp", "scpd")


def run_access(options: Namespace) -> int:
    """Tell what the host rules say of a client, or what is wrong with them."""
    service = _service(options)
    if options.check:
        return _check(options, service)
    if options.address is None:
        _complain("access: which ADDRESS? or --check")
        return USAGE
    titles = options.calling, options.called
    if (None in titles) if options.peers else titles != (None, None):
        _complain("access: --peers, --calling and --called belong together")
        return USAGE
    code = _decide(options, service)
    if options.peers:
        code = max(code, run_callers(options.peers, options.called, options.calling, options.address))
    return code


def _service(options: Namespace) -> Service:
    host = Host(options.server, lambda: _name_of(options.server)) if options.server else Host()
    return Service(tuple(options.daemons or OWN_NAMES), options.port or 0, host)


def _check(options: Namespace, service: Service) -> int:
    book = tables.Tables(options.hosts_allow, options.hosts_deny).look()
    refusing, odd = tables.faults(book, service, names.is_known)
    for line in refusing:
        _complain(line)
    for line in odd:
        _complain(f"warning: {line}")
    return FAILURE if refusing else SUCCESS


def _decide(options: Namespace, service: Service) -> int:
    address, name = options.address, options.name
    host = Host(address, name) if name is not None else Host(address, lambda: _name_of(address))
    client = Client(host)
    asked = _Asked()
    book = tables.Tables(options.hosts_allow, options.hosts_deny).look()
    verdict = decide(book, service, client, asked.aclexec, names.in_netgroup)
    for fault in verdict.faults:
        _complain(str(fault))
    if verdict.reason:
        _complain(f"{verdict.table}:{verdict.line}: {verdict.reason}")
    say("".join(f"{escape(line)}\n" for line in _lines(client, service, verdict, asked)))
    return SUCCESS if verdict.granted else FAILURE


def _lines(client: Client, service: Service, verdict: Verdict, asked: _Asked) -> Iterator[str]:
    if client.host.is_asked and client.host.name != UNKNOWN:
        yield f"client:   hostname {client.host.name}"
    yield f"client:   address  {client.host.address}"
    if service.host.is_asked and service.host.name != UNKNOWN:
        yield f"server:   hostname {service.host.name}"
    if service.host.address != UNKNOWN:
        yield f"server:   address  {service.host.address}"
    yield f"server:   process  {' '.join(service.names)}"
    if verdict.table:
        yield f"matched:  {verdict.table} line {verdict.line}"
    for option in asked.among(verdict.actions):
        yield f"option:   {option}"
    yield f"access:   {'granted' if verdict.granted else 'denied'}"


class _Asked:
    """The commands that would have been asked, and where they stand among the actions of the rule."""

    def __init__(self) -> None:
        self._commands: list[tuple[int, str]] = []

    def aclexec(self, command: str, before: Sequence[Action]) -> bool:
        """Agree without asking."""
        self._commands.append((len(before), command))
        return True

    def among(self, actions: Sequence[Action]) -> list[str]:
        """Give a line for each option, in their order."""
        lines = [_option(action) for action in actions]
        for number, (place, command) in enumerate(self._commands):
            lines.insert(place + number, f"{ACLEXEC} {command}")
        return lines


def _option(action: Action) -> str:
    if isinstance(action.value, tuple):
        return f"{action.keyword} {' '.join(action.value)}".rstrip()
    if action.keyword == "umask" and isinstance(action.value, int):
        return f"umask {action.value:03o}"
    return action.keyword if action.value is None else f"{action.keyword} {action.value}"


def _name_of(address: str) -> str:
    try:
        return names.verify(address)
    except OSError:
        return UNKNOWN


def _complain(text: str) -> None:
    print(f"scpctl: {escape(text)}", file=sys.stderr)
