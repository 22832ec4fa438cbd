"""Sockets that a service manager hands over at the start (sd_listen_fds(3)): how many, with which numbers and names.

    LISTEN_PID      for whom they are; a process below the one that was meant sees the variables too
    LISTEN_FDS      how many: descriptors 3, 4 and so on
    LISTEN_FDNAMES  their names (FileDescriptorName=), separated by colons; not always there

`take` removes the variables, lest a command that is run below take its own descriptors for these.  What kind of sockets
they are is for `master.listeners` to say.
"""

from __future__ import annotations

from scpd.errors import StartError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping

_PID, _COUNT, _NAMES = "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"
# LISTEN_PIDFDID came with systemd 258, and says by another number for whom they are.
VARIABLES = (_PID, _COUNT, _NAMES, "LISTEN_PIDFDID")

_FIRST = 3
_NO_NAME = "unknown"  # as sd_listen_fds_with_names(3) has it


class Handed:
    """A descriptor that was handed over, and what the service manager calls it."""

    __slots__ = ("name", "number")

    def __init__(self, number: int, name: str) -> None:
        self.number = number
        self.name = name


def is_for(environment: Mapping[str, str], pid: int) -> bool:
    """Tell whether sockets were handed to the process of this id."""
    return environment.get(_PID) == str(pid) and environment.get(_COUNT, "0") != "0"


def take(environment: MutableMapping[str, str], pid: int) -> list[Handed]:
    """Give what was handed to the process of this id, and forget it; raises `StartError` for what is no number."""
    handed = _handed(environment) if is_for(environment, pid) else []
    for name in VARIABLES:
        environment.pop(name, None)
    return handed


def _handed(environment: Mapping[str, str]) -> list[Handed]:
    text = environment[_COUNT]
    if not (text.isascii() and text.isdigit()):
        raise StartError(f"{_COUNT}={text} says not how many sockets there are")
    count = int(text)
    names = environment.get(_NAMES, "").split(":")
    names += [""] * (count - len(names))
    return [Handed(_FIRST + place, names[place] or _NO_NAME) for place in range(count)]
