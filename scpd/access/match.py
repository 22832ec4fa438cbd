"""What stands in a list, compiled: patterns for hosts, texts and daemons, and the lists with their EXCEPT.

Nothing here reads a file, or asks for a name that it does not need.  What a pattern may need beside the host comes in
`Surroundings`.  `key` is what a host must have to match at all, for `index`; `None` where that cannot be said.
"""

from __future__ import annotations

from scpd.access.findings import Fault
from scpd.access.parties import UNKNOWN
from scpd.access.texts import NAMED, Text, TextKey

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Protocol, TypeAlias

    from scpd.access.nets import Net
    from scpd.access.parties import Client, Host, Service

    Key: TypeAlias = Net | TextKey

    class HostPattern(Protocol):
        """One pattern for a host."""

        @property
        def key(self) -> Key | None:
            """What a host must have to match at all."""

        @property
        def needs_name(self) -> bool:
            """Whether the address alone may not decide."""

        def matches(self, host: Host, around: Surroundings) -> bool:
            """Tell whether it matches."""


NO_ANSWER = "no answer about the netgroup: name the hosts or nets instead"


def no_netgroups(group: str, name: str) -> bool:
    """Refuse to say who is in a netgroup: nobody may come in, or be let in, because of that."""
    del name
    raise Fault(f"@{group}", NO_ANSWER)


class Surroundings:
    """What one decision may need: the patterns of each pattern file, and who is in a netgroup."""

    __slots__ = ("_answers", "_files", "in_netgroup")

    def __init__(
        self,
        files: Mapping[str, Sequence[HostPattern]],
        in_netgroup: Callable[[str, str], bool] = no_netgroups,
    ) -> None:
        self._files = files
        self._answers: dict[tuple[str, Host], bool] = {}
        self.in_netgroup = in_netgroup

    def file_matches(self, path: str, host: Host) -> bool:
        """Tell whether a pattern of a file matches; each file is gone through once, however often it is named."""
        question = path, host
        if question not in self._answers:
            self._answers[question] = False
            self._answers[question] = any(each.matches(host, self) for each in self._files.get(path, ()))
        return self._answers[question]


class TextHost:
    """A text for the address and, if it could be one, for the name; `ct1.example.` means `ct1.example`, too.

    `name` is the host's if it is the name of one and no pattern for several.
    """

    __slots__ = ("_absolute", "_test", "key", "name", "needs_name")

    def __init__(self, pattern: str, *, needs_name: bool) -> None:
        is_one = needs_name and not pattern.startswith(".") and pattern[-1:] not in {".", ""}
        self.name = pattern if is_one and "*" not in pattern and "?" not in pattern else ""
        text = Text(pattern)
        self.key, self._test = text.key, text.test
        self.needs_name = needs_name
        self._absolute = pattern[:-1] if pattern.endswith(".") and "." in pattern[:-1] else None

    def matches(self, host: Host, around: Surroundings) -> bool:
        """Address first."""
        del around
        if self._test(host.address):
            return True
        return self.needs_name and (
            self._test(host.name) or (bool(self._absolute) and host.name == self._absolute)
        )


class Everyone:
    """ALL."""

    __slots__ = ()
    key = None
    needs_name = False

    def matches(self, host: Host, around: Surroundings) -> bool:
        """Yes."""
        del host, around
        return True


class Known:
    """KNOWN: a known address with a true name."""

    __slots__ = ()
    key = TextKey(NAMED, "known")
    needs_name = True

    def matches(self, host: Host, around: Surroundings) -> bool:
        """Address first."""
        del around
        return host.address != UNKNOWN and host.has_name


class Local:
    """LOCAL: a true name without a dot."""

    __slots__ = ()
    key = TextKey(NAMED, "local")
    needs_name = True

    def matches(self, host: Host, around: Surroundings) -> bool:
        """By the name alone."""
        del around
        return "." not in host.name and host.has_name


class InNet:
    """A net or an IPv6 address, by numbers."""

    __slots__ = ("_family", "_mask", "_network", "key")
    needs_name = False

    def __init__(self, net: Net) -> None:
        self._family, self._network, self._mask = net
        self.key = net

    def matches(self, host: Host, around: Surroundings) -> bool:
        """By the number of the address."""
        del around
        return host.family == self._family and host.number & self._mask == self._network


class Netgroup:
    """@group, which is its `name`."""

    __slots__ = ("_group", "name")
    key = None
    needs_name = True

    def __init__(self, group: str) -> None:
        self._group = group
        self.name = f"@{group}"

    def matches(self, host: Host, around: Surroundings) -> bool:
        """By the name; `unknown` can be one, as libwrap has it."""
        return around.in_netgroup(self._group, host.name)


class InFile:
    """/path: any pattern of that file."""

    __slots__ = ("path",)
    key = None
    needs_name = True

    def __init__(self, path: str) -> None:
        self.path = path

    def matches(self, host: Host, around: Surroundings) -> bool:
        """By the patterns of the file."""
        return around.file_matches(self.path, host)


class ClientPattern:
    """`host` or `user@host`; the user is looked at only if the host matches."""

    __slots__ = ("_user", "host")

    def __init__(self, host: HostPattern, user: Text | None = None) -> None:
        self.host = host
        self._user = user

    @property
    def needs_user(self) -> bool:
        """Whether an unknown user cannot match."""
        return self._user is not None and not self._user.test(UNKNOWN)

    def matches(self, client: Client, around: Surroundings) -> bool:
        """Tell whether both match."""
        return self.host.matches(client.host, around) and (self._user is None or self._user.test(client.user))


class DaemonPattern:
    """`daemon`, a port, or either `@host`, which is where the client has reached us."""

    __slots__ = ("_name", "_port", "host")

    def __init__(self, name: Text | None, port: int, host: HostPattern | None = None) -> None:
        self._name = name
        self._port = port
        self.host = host

    def names(self, service: Service) -> bool:
        """Tell whether it names the service, wherever that was reached."""
        if self._name is None:
            return service.port > 0 and service.port == self._port
        return any(map(self._name.test, service.names))

    def matches(self, service: Service, around: Surroundings) -> bool:
        """Tell whether it is meant."""
        return self.names(service) and (self.host is None or self.host.matches(service.host, around))


class Clients:
    """A client list: parts with EXCEPT between them, groups to the right."""

    __slots__ = ("parts",)

    def __init__(self, parts: Sequence[Sequence[ClientPattern]]) -> None:
        # What the address decides goes first, so that no name is asked for without need.
        self.parts = tuple(tuple(sorted(part, key=lambda each: each.host.needs_name)) for part in parts)

    def matches(self, client: Client, around: Surroundings) -> bool:
        """Tell whether the list matches."""
        for number, part in enumerate(self.parts):
            for each in part:
                if each.matches(client, around):
                    break
            else:
                return number % 2 == 1
        return len(self.parts) % 2 == 1


class Daemons:
    """A daemon list; the names of a service are names of one thing: an element matches if it matches any of them."""

    __slots__ = ("parts",)

    def __init__(self, parts: Sequence[Sequence[DaemonPattern]]) -> None:
        self.parts = tuple(map(tuple, parts))

    def matches(self, service: Service, around: Surroundings) -> bool:
        """Tell whether the list matches."""
        for number, part in enumerate(self.parts):
            if not any(each.matches(service, around) for each in part):
                return number % 2 == 1
        return len(self.parts) % 2 == 1

    def may_mean(self, service: Service) -> bool:
        """Tell whether the list may mean the service, wherever a client reaches it."""
        return self.reach(service)[0]

    def reach(self, service: Service) -> tuple[bool, bool]:
        """Tell whether the list may, and whether it must, mean the service, wherever a client reaches it."""
        may = must = False
        for part in reversed(self.parts):
            named = [each for each in part if each.names(service)]
            may, must = bool(named) and not must, any(each.host is None for each in named) and not may
        return may, must
