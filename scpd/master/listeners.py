"""The sockets on which connections arrive: IPv4, IPv6, both at once, or the addresses that the administrator named.

`open_listeners` takes the port, which may need root; `listen` is for when there is somebody to accept: who connects in
between is refused, and not cut off by a start that fails.  A port on which another process listens cannot be taken;
one that another process has taken as well, and does not listen on yet, is its own as soon as it does: then `listen`
fails.

`inherit` takes those that a service manager has opened (`process.activation`) instead.  Such a socket listens already,
and goes on when we have ended: what connects then waits for the next start.

All raise `StartError` with one line: it names the address, or the number and name of the socket, and what is wrong.
"""

from __future__ import annotations

import errno
import os
import socket

from scpd.errors import StartError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from scpd.process.activation import Handed

# Connections that the kernel keeps while none is accepted (it cuts this to net.core.somaxconn).
_BACKLOG = 512

_WILDCARDS = {
    "ipv4": (socket.AF_INET, "0.0.0.0"),  # noqa: S104  (all interfaces is what storescp listens on)
    "ipv6": (socket.AF_INET6, "::"),
    "auto": (socket.AF_INET6, "::"),
}


def open_listeners(port: int, ip_protocol: str, addresses: tuple[str, ...]) -> list[socket.socket]:
    """Take `port`, at the given numeric addresses or on all of the protocol ("ipv4", "ipv6", "auto")."""
    if ip_protocol == "auto" and not _has_ipv6():
        ip_protocol = "ipv4"
    wanted = [_WILDCARDS[ip_protocol]]
    if addresses:
        wanted = [(socket.AF_INET6 if ":" in address else socket.AF_INET, address) for address in addresses]
    listeners: list[socket.socket] = []
    try:
        for family, address in wanted:
            listeners.append(_bind(family, address, port, dual=not addresses and ip_protocol == "auto"))
    except StartError:
        close_all(listeners)
        raise
    return listeners


def inherit(handed: list[Handed]) -> list[socket.socket]:
    """Take the sockets that were handed over; all of them must be TCP sockets that listen."""
    listeners: list[socket.socket] = []
    try:
        listeners.extend(map(_inherit, handed))
    except StartError:
        close_all(listeners)
        raise
    return listeners


def listen(listeners: list[socket.socket]) -> None:
    """Let connections arrive, from now on, where they do not yet."""
    for listener in listeners:
        if _listens(listener):  # a service manager's backlog stays what it has set
            continue
        try:
            listener.listen(_BACKLOG)
        except OSError as error:
            raise StartError(_explain(error, *listener.getsockname()[:2])) from None


def take_over(descriptors: list[int]) -> list[socket.socket]:
    """Listen on what the program before us listened on; it can be taken over again if we fail."""
    listeners = [socket.socket(fileno=os.dup(each)) for each in descriptors]
    for listener in listeners:
        listener.setblocking(False)
    return listeners


def ports(listeners: list[socket.socket]) -> list[int]:
    """Give their ports, each once."""
    return list(dict.fromkeys(int(listener.getsockname()[1]) for listener in listeners))


def names(listeners: list[socket.socket]) -> list[str]:
    """Give where they listen, as address and port."""
    addresses = (listener.getsockname() for listener in listeners)
    return [f"[{each[0]}]:{each[1]}" if ":" in each[0] else f"{each[0]}:{each[1]}" for each in addresses]


def close_all(listeners: list[socket.socket]) -> None:
    """Close them and forget them."""
    for listener in listeners:
        listener.close()
    listeners.clear()


def _inherit(handed: Handed) -> socket.socket:
    name = f"socket {handed.number} ({handed.name}) that the service manager has handed over"
    try:
        sock = socket.socket(fileno=handed.number)
    except OSError as error:
        raise StartError(f"{name} cannot be used: {error.strerror}") from None
    fault = _fault(sock)
    if fault:
        sock.close()
        raise StartError(f"{name} is no listening TCP socket: {fault}")
    sock.setblocking(False)
    sock.set_inheritable(False)
    return sock


def _fault(sock: socket.socket) -> str:
    """Say what keeps connections from arriving on a socket; empty if nothing does."""
    if sock.family not in (socket.AF_INET, socket.AF_INET6):
        return f"its family is {getattr(sock.family, 'name', sock.family)}"
    if sock.type != socket.SOCK_STREAM:
        return f"its type is {getattr(sock.type, 'name', sock.type)}"
    if not _listens(sock):
        return "it does not listen (Accept=yes is for --inetd)"
    return ""


def _listens(sock: socket.socket) -> bool:
    return bool(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))


def _has_ipv6() -> bool:
    """Tell whether the kernel speaks IPv6; it may be built or booted without."""
    try:
        socket.socket(socket.AF_INET6, socket.SOCK_STREAM).close()
    except OSError:
        return False
    return True


def _bind(family: int, address: str, port: int, *, dual: bool) -> socket.socket:
    try:
        listener = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise StartError(f"cannot listen on {address} port {port}: {error.strerror}") from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, not dual)
        listener.bind((address, port))
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise StartError(_explain(error, address, port)) from None
    return listener


def _explain(error: OSError, address: str, port: int) -> str:
    if error.errno == errno.EACCES and os.geteuid() != 0:
        return f"cannot listen on port {port}, insufficient privileges"
    return f"cannot listen on {address} port {port}: {error.strerror}"
