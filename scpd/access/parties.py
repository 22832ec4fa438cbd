"""Who asks for what: the client, and the service that it has reached.  Names are asked for when a rule needs one.

Texts are compared in lower case, ASCII letters only; an IPv4 client of an IPv6 socket (`::ffff:10.1.2.3`) is an IPv4
client everywhere.
"""

from __future__ import annotations

from ipaddress import IPv4Address

from scpd.access.nets import address_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

UNKNOWN = "unknown"
PARANOID = "paranoid"  # there is a name, but it is not that of this address


def folded(text: str) -> str:
    """Give the text as it is compared: a character for each of its bytes, ASCII letters small."""
    return text.encode("utf-8", "surrogateescape").lower().decode("latin-1")


class Host:
    """An address and its name; `name` may be a callable, which is asked at most once, and only if a rule needs it."""

    __slots__ = ("_ask", "_name", "address", "family", "number")

    def __init__(self, address: str = UNKNOWN, name: str | Callable[[], str] = UNKNOWN) -> None:
        self.address = folded(address)
        self.family, self.number = address_number(address) or (0, 0)
        if self.family == 4 and ":" in address:
            self.address = str(IPv4Address(self.number))
        self._ask = None if isinstance(name, str) else name
        self._name = folded(name) if isinstance(name, str) else ""

    @property
    def name(self) -> str:
        """The name, asked for if need be: `unknown` if there is none, `paranoid` if it is a false one."""
        if self._ask is not None:
            self._name, self._ask = folded(self._ask()), None
        return self._name

    @property
    def has_name(self) -> bool:
        """Whether there is a true name; asks for it."""
        return self.name not in {UNKNOWN, PARANOID}

    @property
    def is_asked(self) -> bool:
        """Whether the name has been asked for, or was given."""
        return self._ask is None


class Service:
    """What was reached: the names that a daemon list may call it by, the first one being its own; port and host.

    All of `names` mean the one service: `ALL EXCEPT storescp` does not mean it if `storescp` is one of them, whatever
    the others are.  Without a `port` no rule for a port matches.
    """

    __slots__ = ("host", "names", "port")

    def __init__(self, names: tuple[str, ...], port: int = 0, host: Host | None = None) -> None:
        self.names = tuple(map(folded, names))
        self.port = port
        self.host = host if host is not None else Host()


class Client:
    """Who asks: host, port, and user, whom nobody knows."""

    __slots__ = ("host", "port", "user")

    def __init__(self, host: Host, port: int = 0, user: str = UNKNOWN) -> None:
        self.host = host
        self.port = port
        self.user = folded(user)
