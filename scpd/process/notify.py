r"""What a service manager is told (sd_notify(3)): datagrams of lines, such as `READY=1\nSTATUS=0 associations on 104`.

NOTIFY_SOCKET names the Unix socket that takes them, `@` in front standing for the null byte of an abstract one;
WATCHDOG_USEC says how long it waits for a sign of life, if WATCHDOG_PID is our id or not there.  `take` removes the
variables, lest a command that is run below speak for us.

Nothing here blocks or raises: a manager that does not listen is no reason to serve nobody.  `tell` says whether the
datagram went out, for whom it matters.
"""

from __future__ import annotations

import socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping

READY = "READY=1"
STOPPING = "STOPPING=1"
WATCHDOG = "WATCHDOG=1"

_SOCKET, _USEC, _PID = "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"
VARIABLES = (_SOCKET, _USEC, _PID)


class Manager:
    """A service manager that listens; `watchdog_seconds` is how long it waits for a sign of life, `None`: for none."""

    __slots__ = ("_address", "_socket", "watchdog_seconds")

    def __init__(self, address: str, watchdog_seconds: float | None = None) -> None:
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self.watchdog_seconds = watchdog_seconds

    def tell(self, *lines: str) -> bool:
        """Send these lines as one datagram; tell whether that worked."""
        data = "\n".join(lines).encode("utf-8", "backslashreplace")
        try:
            # By its address each time: a manager that was started anew has another socket there.
            self._socket.sendto(data, self._address)
        except (OSError, ValueError):  # nobody there, its queue is full, no address at all
            return False
        return True

    def seconds_of_silence(self, most: float) -> float:
        """Give how long it may wait for the next sign of life: half of its patience, and no more than `most`."""
        return most if self.watchdog_seconds is None else min(self.watchdog_seconds / 2, most)

    def fileno(self) -> int:
        """Give the descriptor of its socket."""
        return self._socket.fileno()

    def close(self) -> None:
        """Let it go."""
        self._socket.close()


def take(environment: MutableMapping[str, str], pid: int) -> Manager | None:
    """Give the service manager of the process of this id, and forget the variables; `None` if there is none."""
    address = environment.get(_SOCKET, "")
    seconds = _watchdog_seconds(environment, pid)
    for name in VARIABLES:
        environment.pop(name, None)
    if not address.startswith(
        ("/", "@")
    ):  # vsock: is for virtual machines, which have a manager of their own
        return None
    try:
        return Manager(address, seconds)
    except OSError:
        return None


def _watchdog_seconds(environment: Mapping[str, str], pid: int) -> float | None:
    text = environment.get(_USEC, "")
    if environment.get(_PID, str(pid)) != str(pid) or not (text.isascii() and text.isdigit()):
        return None
    return int(text) / 1e6 or None


def status(text: str) -> str:
    """Give the line that says in words how things are, in one line; systemctl(1) shows it."""
    return f"STATUS={' '.join(text.splitlines())}"


def reloading(monotonic_ns: int) -> tuple[str, str]:
    """Give the lines that say that a reload begins at this time of the monotonic clock; `READY` ends it."""
    return "RELOADING=1", f"MONOTONIC_USEC={monotonic_ns // 1000}"
