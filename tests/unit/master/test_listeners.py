"""The sockets that connections arrive on."""

from __future__ import annotations

import errno
import os
import socket

import pytest

from scpd.errors import StartError
from scpd.master.listeners import close_all, open_listeners
from tests.harness.forked import in_child

NOBODY = 65534
HAS_IPV6 = socket.has_ipv6 and os.path.exists("/proc/net/if_inet6")
needs_ipv6 = pytest.mark.skipif(not HAS_IPV6, reason="no IPv6 here")


@pytest.fixture
def port() -> int:
    """A port that was free a moment ago, for both protocols."""
    with socket.create_server(("", 0), family=socket.AF_INET) as free:
        number: int = free.getsockname()[1]
        return number


def connects(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as sock:
        sock.settimeout(10)
        return sock.connect_ex((host, port)) == 0


@pytest.mark.parametrize(
    ("ip_protocol", "addresses", "ipv4", "ipv6"),
    [
        ("ipv4", (), True, False),
        pytest.param("ipv6", (), False, True, marks=needs_ipv6),
        pytest.param("auto", (), True, True, marks=needs_ipv6),
        ("ipv4", ("127.0.0.1",), True, False),
        pytest.param("ipv4", ("::1",), False, True, marks=needs_ipv6),
        pytest.param("auto", ("::1",), False, True, marks=needs_ipv6),
        pytest.param("auto", ("127.0.0.1", "::1"), True, True, marks=needs_ipv6),
        ("auto", ("127.0.0.2",), False, False),
    ],
)
def test_it_listens_where_it_was_told_and_nowhere_else(
    port: int, ip_protocol: str, addresses: tuple[str, ...], ipv4: bool, ipv6: bool
) -> None:
    listeners = open_listeners(port, ip_protocol, addresses)
    try:
        assert connects("127.0.0.1", port) is ipv4
        if HAS_IPV6:
            assert connects("::1", port) is ipv6
        assert len(listeners) == max(1, len(addresses))
    finally:
        close_all(listeners)
    assert not connects("127.0.0.1", port)


def test_listeners_neither_block_nor_pass_to_programs_that_are_run(port: int) -> None:
    (listener,) = listeners = open_listeners(port, "ipv4", ("127.0.0.1",))

    with pytest.raises(BlockingIOError):
        listener.accept()
    assert not listener.get_inheritable()
    close_all(listeners)


def test_a_server_can_start_again_at_once_though_connections_linger(port: int) -> None:
    listeners = open_listeners(port, "ipv4", ("127.0.0.1",))
    client = socket.create_connection(("127.0.0.1", port))
    accepted = _accepted(listeners[0])
    accepted.close()  # our end closes first: its port stays in TIME-WAIT
    client.close()
    close_all(listeners)

    close_all(open_listeners(port, "ipv4", ("127.0.0.1",)))


def _accepted(listener: socket.socket) -> socket.socket:
    listener.settimeout(10)
    return listener.accept()[0]


def test_a_port_that_is_taken_is_named(port: int) -> None:
    with (
        socket.create_server(("127.0.0.1", port)),
        pytest.raises(StartError) as caught,
    ):
        open_listeners(port, "ipv4", ("127.0.0.1",))

    assert str(caught.value) == f"cannot listen on 127.0.0.1 port {port}: Address already in use"


def test_an_address_that_is_not_ours_is_named(port: int) -> None:
    with pytest.raises(StartError) as caught:
        open_listeners(port, "ipv4", ("192.0.2.1",))

    assert str(caught.value) == f"cannot listen on 192.0.2.1 port {port}: {os.strerror(errno.EADDRNOTAVAIL)}"


def test_if_one_address_fails_none_is_kept(port: int) -> None:
    with pytest.raises(StartError):
        open_listeners(port, "ipv4", ("127.0.0.1", "192.0.2.1"))

    assert not connects("127.0.0.1", port)


def test_a_privileged_port_asks_for_privileges() -> None:
    with open("/proc/sys/net/ipv4/ip_unprivileged_port_start", encoding="ascii") as file:
        if int(file.read()) <= 104:
            pytest.skip("every port is everybody's here")

    def listen() -> str:
        if os.geteuid() == 0:
            os.setuid(NOBODY)
        with pytest.raises(StartError) as caught:
            open_listeners(104, "ipv4", ("127.0.0.1",))
        return str(caught.value)

    assert in_child(listen) == "cannot listen on port 104, insufficient privileges"


def test_closing_forgets_the_listeners(port: int) -> None:
    listeners = open_listeners(port, "ipv4", ("127.0.0.1",))
    (listener,) = listeners

    close_all(listeners)

    assert listeners == []
    assert listener.fileno() == -1
