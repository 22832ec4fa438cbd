"""The name of a client as rules may trust it: looked up backward, verified forward (tcpd(8), hosts_access(5)).

    no name                                              unknown
    the name is a numeric address                        paranoid
    the name has no address in the client's family       paranoid
    it is an alias of another name (but localhost)       paranoid
    the client's address is not among its addresses      paranoid
    no answer in time                                    unknown

Whoever runs the reverse zone of an address may call it what he likes; only the zone of the name can confirm it.  All
that is asked for one client takes `seconds` at most, each question in a child (`lookup`).  To be used by workers, never
by the master.
"""

from __future__ import annotations

import socket
from time import monotonic

from scpd.access.findings import Fault
from scpd.access.lookup import SAFE, host_name, resolve
from scpd.access.match import NO_ANSWER
from scpd.access.nets import address_number
from scpd.access.parties import PARANOID, UNKNOWN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from scpd.process.signals import Wakeup

    Forward = Callable[[str, int], tuple[str, list[str]]]

_LOCALHOST = "localhost"
_FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}
_YES, _NO = "yes", "no"
_WORDS = frozenset((UNKNOWN, PARANOID))  # what stands for a name where there is none to be trusted
_NO_SUCH_NAME = frozenset((socket.EAI_NONAME, -5))  # and EAI_NODATA of glibc, which Python has no name for


def addresses(name: str, family: int) -> tuple[str, list[str]]:
    """Ask the system for the canonical name and the addresses of a name; raises `OSError` if there are none."""
    found = socket.getaddrinfo(name, None, family, socket.SOCK_STREAM, 0, socket.AI_CANONNAME)
    return found[0][3] or name, [str(each[4][0]) for each in found]


def verify(address: str, backward: Callable[[str], str] = resolve, forward: Forward = addresses) -> str:
    """Give the name of an address if it is true, else `paranoid`; raises `OSError` if there is none."""
    number = address_number(address)
    if number is None:
        return UNKNOWN
    # An IPv4 client of an IPv6 socket has its name, and its addresses, as an IPv4 client.
    name = backward(
        socket.inet_ntop(socket.AF_INET, number[1].to_bytes(4, "big")) if number[0] == 4 else address
    )
    if _is_numeric(name) or not SAFE.issuperset(name.encode("utf-8", "replace")):
        return PARANOID
    try:
        canonical, found = forward(name, _FAMILIES[number[0]])
    except (OSError, ValueError):
        return PARANOID
    if _same(name) not in {_same(canonical), _LOCALHOST} or number not in map(address_number, found):
        return PARANOID
    return name


def _is_numeric(name: str) -> bool:
    """Tell whether this is an address that confirms itself, `3405803781` and `0xcb.7.5` too (inet_aton(3))."""
    try:
        socket.inet_aton(name)
    except OSError:
        return address_number(name) is not None
    return True


def _same(name: str) -> str:
    return name.lower().removesuffix(".")


def in_netgroup(group: str, name: str) -> bool:
    """Ask the system whether a host is in a netgroup (innetgr(3)); may take its time."""
    import ctypes  # only where a table names a netgroup, and then only by the child that asks

    ask = ctypes.CDLL(None).innetgr
    return bool(ask(group.encode("latin-1"), name.encode("latin-1"), None, None))


def is_known(name: str) -> bool | None:
    """Tell whether there is a host of this name, or a netgroup if it begins with @; `None` if nobody can say now.

    For who has time: a resolver that does not answer is waited for.
    """
    if name in _WORDS:
        return True
    if name.startswith("@"):
        import ctypes  # as above

        return bool(ctypes.CDLL(None).setnetgrent(name[1:].encode("latin-1")))
    try:
        socket.getaddrinfo(name, None)
    except socket.gaierror as error:
        return False if error.errno in _NO_SUCH_NAME else None
    except (OSError, ValueError):
        return False
    return True


class Names:
    """All that is asked about one client, within one span of time; the children keep the descriptors `kept`."""

    __slots__ = ("_is_member", "_kept", "_seconds", "_verify", "_wakeup")

    def __init__(
        self,
        wakeup: Wakeup,
        seconds: float = 2.0,
        kept: tuple[int, ...] = (),
        verify: Callable[[str], str] = verify,
        is_member: Callable[[str, str], bool] = in_netgroup,
    ) -> None:
        self._wakeup = wakeup
        self._seconds = seconds
        self._kept = kept
        self._verify = verify
        self._is_member = is_member

    @property
    def is_out_of_time(self) -> bool:
        """Whether all the time went by: nothing will be asked any more."""
        return self._seconds <= 0

    def of(self, address: str) -> str:
        """Give the name of an address: a true one, `unknown` or `paranoid`."""
        return self._ask(self._verify, address) or UNKNOWN

    def in_netgroup(self, group: str, name: str) -> bool:
        """Tell whether a host is in a netgroup; raises `Fault` if nobody can say, for that must let nobody in."""
        answer = self._ask(lambda host: _YES if self._is_member(group, host) else _NO, name)
        if answer is None:
            raise Fault(f"@{group}", NO_ANSWER)
        return answer == _YES

    def _ask(self, question: Callable[[str], str], about: str) -> str | None:
        started = monotonic()
        answer = (
            host_name(about, self._wakeup, self._seconds, question, self._kept) if self._seconds > 0 else None
        )
        self._seconds -= monotonic() - started
        return answer
