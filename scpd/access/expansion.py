"""The % expansions of spawn, aclexec and setenv (hosts_access(5)), of safe characters only.

`%a %A` address of client and server, `%n %N` their names, `%h %H` the name if there is one that is known already, else
the address, `%u` user, `%c` user@host or host, `%d` daemon, `%s` daemon@host or daemon, `%p` process id, `%r %R` ports,
`%%` a percent sign.  What is inserted has no character that means something to a shell.
"""

from __future__ import annotations

import os
import re

from scpd.access.findings import Fault
from scpd.access.parties import UNKNOWN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from scpd.access.parties import Client, Host, Service

LONGEST = 8192
_EXPANSION = re.compile("%(.?)", re.DOTALL)
_SAFE = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!@%-_=+:,./")


class Facts:
    """What can be inserted into the options of one rule; names are asked for only where they are inserted."""

    __slots__ = ("client", "daemon", "pid", "service")

    def __init__(self, service: Service, client: Client, pid: int = 0) -> None:
        self.service = service
        self.client = client
        self.daemon = service.names[0] if service.names else UNKNOWN
        self.pid = pid or os.getpid()


def _known(host: Host) -> str:
    """Give the name if it is known already, else the address."""
    return host.name if host.is_asked and host.has_name else host.address


def _of_client(facts: Facts) -> str:
    host, user = _known(facts.client.host), facts.client.user
    return host if user == UNKNOWN else f"{user}@{host}"


def _of_service(facts: Facts) -> str:
    host = _known(facts.service.host)
    return facts.daemon if host == UNKNOWN else f"{facts.daemon}@{host}"


LETTERS: dict[str, Callable[[Facts], str]] = {
    "a": lambda facts: facts.client.host.address,
    "A": lambda facts: facts.service.host.address,
    "n": lambda facts: facts.client.host.name,
    "N": lambda facts: facts.service.host.name,
    "h": lambda facts: _known(facts.client.host),
    "H": lambda facts: _known(facts.service.host),
    "u": lambda facts: facts.client.user,
    "c": _of_client,
    "d": lambda facts: facts.daemon,
    "s": _of_service,
    "p": lambda facts: str(facts.pid),
    "r": lambda facts: str(facts.client.port),
    "R": lambda facts: str(facts.service.port),
    "%": lambda _: "%",
}


class Template:
    """A value with expansions."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def unknown(self) -> list[str]:
        """Give the expansions that there are not."""
        return [f"%{letter}" for letter in _EXPANSION.findall(self.text) if letter not in LETTERS]

    def expand(self, facts: Facts) -> str:
        """Give the text with everything inserted; raises `Fault` if it is too long."""

        def inserted(found: re.Match[str]) -> str:
            value = LETTERS[found[1]](facts) if found[1] in LETTERS else ""
            return "".join(each if each in _SAFE else "_" for each in value)

        expanded = _EXPANSION.sub(inserted, self.text)
        if len(expanded) > LONGEST:
            raise Fault(self.text, f"longer than {LONGEST} bytes when expanded")
        return expanded
