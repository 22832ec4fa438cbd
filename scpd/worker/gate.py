"""The gate: the rules of hosts.allow and hosts.deny, asked before a byte of the peer is read (hosts_access(5)).

The library `scpd.access` decides; what a rule's options ask for is done here, in the worker and for this connection
only.  Names are asked for when a rule needs one, by a child that has two seconds; with --disable-host-lookup there are
none.  The tables are those of the moment: what the master has read of them is used as long as they have not changed.

Raises `Denied`, with the line that decides, also where a table cannot be understood.
"""

from __future__ import annotations

import logging
import os
import socket
from contextlib import suppress
from struct import Struct

from scpd.access import options
from scpd.access.commands import Commands
from scpd.access.names import Names
from scpd.access.parties import Client, Host, Service
from scpd.access.verdict import decide
from scpd.errors import Denied

TYPE_CHECKING = False
if TYPE_CHECKING:
    from scpd.access.tables import Tables
    from scpd.access.verdict import Action, Verdict
    from scpd.worker.peer import Peer
    from scpd.worker.service import Surroundings

log = logging.getLogger("dcmtk.apps.storescp")

_MAPPED_IPV4 = "::ffff:"
_LINGER = Struct("ii")
_NAMES_SECONDS = 2.0
_COMMAND_SECONDS = 10.0
# The levels of syslog(3), which rules name, as ours.
_LEVELS = {
    "emerg": logging.CRITICAL,
    "alert": logging.CRITICAL,
    "crit": logging.CRITICAL,
    "err": logging.ERROR,
    "warning": logging.WARNING,
    "notice": logging.INFO,
    "info": logging.INFO,
    "debug": logging.DEBUG,
}


class Gate:
    """Who may connect; `names` are those that the rules may call us by, `port` is where we listen.

    Port 0 is the one by which a connection comes: a service manager may listen for us on several.
    """

    __slots__ = ("_asks_names", "_names", "_port", "_tables")

    def __init__(self, tables: Tables, names: tuple[str, ...], port: int, *, asks_names: bool) -> None:
        self._tables = tables
        self._names = names
        self._port = port
        self._asks_names = asks_names

    def prepare(self) -> None:
        """Read the tables in the master, and tell what is wrong with them; a connection tells it again."""
        service = Service(self._names, self._port)
        book = self._tables.prepare(service)
        for finding in book.faults(service):
            log.error("host access control: %s", finding)
        for finding in book.warnings(service):
            log.warning("host access control: %s", finding)

    def refresh(self) -> None:
        """Read in the master what has changed, so that not every worker has to; nothing is told a second time."""
        self._tables.prepare(Service(self._names, self._port))

    def let_in(self, sock: socket.socket, peer: Peer, around: Surroundings) -> bool:
        """Let a peer in, or raise `Denied`; the options of the rule that decides are obeyed in either case.

        Tells whether its name may still be asked for: not of a resolver that took all the time and did not answer.
        """
        kept = around.logs.descriptors()
        names = Names(around.wakeup, _NAMES_SECONDS, kept)
        commands = Commands(around.wakeup, _COMMAND_SECONDS, kept)
        verdict, text = self._decide(sock, peer, names, commands)
        denied = None if verdict.granted else _denied(text, verdict.actions, around)
        level = _obey(verdict.actions, sock, commands)
        if denied is not None:
            raise denied
        log.log(logging.DEBUG if level is None else level, "%s: %s", peer, text)
        return not names.is_out_of_time

    def judge(self, sock: socket.socket, peer: Peer, around: Surroundings, seconds: float) -> None:
        """Raise `Denied` for a peer that is not let in, within about so many seconds, and do nothing else."""
        kept = around.logs.descriptors()
        names, commands = Names(around.wakeup, seconds / 2, kept), Commands(around.wakeup, seconds / 2, kept)
        verdict, text = self._decide(sock, peer, names, commands)
        if not verdict.granted:
            raise _denied(text, verdict.actions, around)

    def _decide(
        self, sock: socket.socket, peer: Peer, names: Names, commands: Commands
    ) -> tuple[Verdict, str]:
        """Give the verdict, and what the log says of it."""

        def host(address: str) -> Host:
            return Host(address, lambda: names.of(address)) if self._asks_names else Host(address)

        address = sock.getsockname()
        server = str(address[0]).removeprefix(_MAPPED_IPV4)
        client = Client(host(peer.host), peer.port)
        verdict = decide(
            self._tables.look(),
            Service(self._names, self._port or address[1], host(server)),
            client,
            commands.aclexec,
            names.in_netgroup,
        )
        asked = self._asks_names and client.host.is_asked
        return verdict, f"{verdict}, host name {client.host.name}" if asked else str(verdict)


def _denied(text: str, actions: tuple[Action, ...], around: Surroundings) -> Denied:
    """Give what is to be raised; a signal ends all questions, and no rule is to be blamed for what has no answer."""
    if around.wakeup.signalled:
        return Denied(f"{around.wakeup.cause} before the host rules had decided", logging.WARNING)
    level = _level(actions)
    return Denied(text, logging.ERROR if level is None else level)


def _level(actions: tuple[Action, ...]) -> int | None:
    """Give the level that a rule wants for the log, by its last word on it."""
    level = None
    for action in actions:
        if action.keyword == options.SEVERITY:
            level = _LEVELS[str(action.value).rpartition(".")[2].lower()]
    return level


def _obey(actions: tuple[Action, ...], sock: socket.socket, commands: Commands) -> int | None:
    """Do what the options of a rule ask for, in their order; give the level that they want for the log."""
    variables: list[Action] = []
    for action in actions:
        value = action.value
        if action.keyword == options.SPAWN:
            # Its umask and niceness are ours by now; the latter would be added a second time.
            if not commands.spawn(str(value), variables):
                log.warning("host access control: not run, as there can be no process for it: %s", value)
        elif action.keyword == options.SETENV:
            variables.append(action)
        elif action.keyword == options.UMASK and isinstance(value, int):
            os.umask(value)
        elif action.keyword == options.NICE and isinstance(value, int):
            with suppress(OSError):  # less nice than we are: as libwrap, go on
                os.nice(value)
        else:
            _tune(sock, action)
    return _level(actions)


def _tune(sock: socket.socket, action: Action) -> None:
    """Set a socket's option (socket(7))."""
    if action.keyword == options.KEEPALIVE:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    elif action.keyword == options.LINGER and isinstance(action.value, int):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER.pack(1, action.value))
