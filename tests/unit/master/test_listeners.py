"""The sockets that connections arrive on."""

from __future__ import annotations

import errno
import os
import socket
import struct
from typing import TYPE_CHECKING

import pytest

from scpd.errors import StartError
from scpd.master.listeners import close_all, inherit, listen, open_listeners, ports
from scpd.process.activation import Handed
from tests.harness.forked import in_child

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

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
        sock.settimeout(30)
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
        assert not connects("127.0.0.1", port)
        listen(listeners)
        assert connects("127.0.0.1", port) is ipv4
        if HAS_IPV6:
            assert connects("::1", port) is ipv6
        assert len(listeners) == max(1, len(addresses))
    finally:
        close_all(listeners)
    assert not connects("127.0.0.1", port)


def test_listeners_neither_block_nor_pass_to_programs_that_are_run(port: int) -> None:
    (listener,) = listeners = open_listeners(port, "ipv4", ("127.0.0.1",))
    listen(listeners)

    with pytest.raises(BlockingIOError):
        listener.accept()
    assert not listener.get_inheritable()
    close_all(listeners)


def test_a_server_can_start_again_at_once_though_connections_linger(port: int) -> None:
    listeners = open_listeners(port, "ipv4", ("127.0.0.1",))
    listen(listeners)
    client = socket.create_connection(("127.0.0.1", port))
    accepted = _accepted(listeners[0])
    accepted.close()  # our end closes first: its port stays in TIME-WAIT
    client.close()
    close_all(listeners)

    listeners = open_listeners(port, "ipv4", ("127.0.0.1",))
    listen(listeners)
    close_all(listeners)


def _accepted(listener: socket.socket) -> socket.socket:
    listener.settimeout(30)
    return listener.accept()[0]


def test_a_port_that_is_taken_is_named(port: int) -> None:
    with (
        socket.create_server(("127.0.0.1", port)),
        pytest.raises(StartError) as caught,
    ):
        open_listeners(port, "ipv4", ("127.0.0.1",))

    assert str(caught.value) == f"cannot listen on 127.0.0.1 port {port}: Address already in use"


def test_a_port_that_two_have_taken_is_his_who_listens_first(port: int) -> None:
    first = open_listeners(port, "ipv4", ("127.0.0.1",))
    second = open_listeners(port, "ipv4", ("127.0.0.1",))
    try:
        listen(second)
        with pytest.raises(StartError) as caught:
            listen(first)
        assert str(caught.value) == f"cannot listen on 127.0.0.1 port {port}: Address already in use"
        assert connects("127.0.0.1", port)
    finally:
        close_all(first)
        close_all(second)


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

    def take() -> str:
        if os.geteuid() == 0:
            os.setuid(NOBODY)
        with pytest.raises(StartError) as caught:
            open_listeners(104, "ipv4", ("127.0.0.1",))
        return str(caught.value)

    assert in_child(take) == "cannot listen on port 104, insufficient privileges"


def test_closing_forgets_the_listeners(port: int) -> None:
    listeners = open_listeners(port, "ipv4", ("127.0.0.1",))
    (listener,) = listeners

    close_all(listeners)

    assert listeners == []
    assert listener.fileno() == -1


def handed(*sockets: socket.socket, name: str = "dicom") -> list[Handed]:
    return [Handed(os.dup(sock.fileno()), name) for sock in sockets]


def test_sockets_that_were_handed_over_are_listened_on(port: int) -> None:
    with socket.create_server(("127.0.0.1", port)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        theirs = handed(one, other)
        listeners = inherit(theirs)
        try:
            assert [listener.fileno() for listener in listeners] == [each.number for each in theirs]
            assert ports(listeners) == [port, other.getsockname()[1]]
            for listener in listeners:
                assert not listener.get_inheritable()
                with pytest.raises(BlockingIOError):
                    listener.accept()
        finally:
            close_all(listeners)
        # The service manager has its own descriptor: who comes now waits for the next start.
        assert connects("127.0.0.1", port)


def test_the_backlog_of_a_service_manager_stays_what_it_is() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=7) as theirs:
        listeners = inherit(handed(theirs))
        listen(listeners)
        close_all(listeners)
        assert backlog(theirs) == 7


def backlog(listener: socket.socket) -> int:
    """Give how many connections may wait: tcpi_sacked of a socket that listens."""
    information = listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 32)
    return int(struct.unpack_from("I", information, 28)[0])


def test_two_sockets_of_one_port_are_one_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as one:
        listeners = inherit(handed(one, one))
        assert ports(listeners) == [one.getsockname()[1]]
        close_all(listeners)


def unlistening() -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.bind(("127.0.0.1", 0))
    return sock


@pytest.mark.parametrize(
    ("make", "fault"),
    [
        (lambda: socket.socket(socket.AF_UNIX, socket.SOCK_STREAM), "its family is AF_UNIX"),
        (lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM), "its type is SOCK_DGRAM"),
        (unlistening, "it does not listen (Accept=yes is for --inetd)"),
    ],
)
def test_another_socket_is_a_start_that_fails_and_names_it(
    make: Callable[[], socket.socket], fault: str
) -> None:
    with make() as wrong, socket.create_server(("127.0.0.1", 0)) as right:
        theirs = [*handed(right), *handed(wrong, name="odd")]
        with pytest.raises(StartError) as caught:
            inherit(theirs)
        assert str(caught.value) == (
            f"socket {theirs[1].number} (odd) that the service manager has handed over is no listening TCP "
            f"socket: {fault}"
        )
    for each in theirs:
        with pytest.raises(OSError, match="Bad file"):
            os.fstat(each.number)


def test_a_descriptor_that_is_no_socket_is_a_start_that_fails_and_names_it(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (tmp_path / "file").open() as file, pytest.raises(StartError) as caught:
        inherit([Handed(file.fileno(), "odd")])
    assert "(odd) that the service manager has handed over cannot be used: Socket operation" in str(
        caught.value
    )
    with pytest.raises(StartError, match=r"socket 1000000 \(gone\) .* cannot be used: Bad file descriptor"):
        inherit([Handed(1_000_000, "gone")])
