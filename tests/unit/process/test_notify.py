"""What a service manager is told: sd_notify(3)."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from scpd.process import notify

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OURS = 17


def listener(address: str) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sock.bind(address)
    sock.settimeout(30)
    return sock


@pytest.fixture
def heard(tmp_path: Path) -> Iterator[socket.socket]:
    with listener(str(tmp_path / "notify")) as sock:
        yield sock


@pytest.fixture
def manager(tmp_path: Path, heard: socket.socket) -> Iterator[notify.Manager]:
    made = notify.Manager(str(tmp_path / "notify"))
    yield made
    made.close()


def taken(**variables: str) -> notify.Manager | None:
    manager = notify.take(variables, OURS)
    if manager is not None:
        manager.close()
    return manager


def test_lines_go_out_as_one_datagram(manager: notify.Manager, heard: socket.socket) -> None:
    assert manager.tell(notify.READY, notify.status("3 associations on 104"))
    assert heard.recv(100) == b"READY=1\nSTATUS=3 associations on 104"


def test_an_abstract_address_begins_with_an_at_sign() -> None:
    with listener(f"\0scpd-test-{id(object())}") as heard:
        address = heard.getsockname().decode()
        manager = notify.Manager("@" + address[1:])
        assert manager.tell(notify.STOPPING)
        assert heard.recv(100) == b"STOPPING=1"
        manager.close()


@pytest.mark.parametrize("address", ["/nowhere/notify", "/", "/" + "x" * 300, "@" + "x" * 300, "/a\0b"])
def test_nobody_who_listens_is_no_error(address: str) -> None:
    manager = notify.Manager(address)
    assert manager.tell(notify.READY) is False
    manager.close()


def test_a_manager_that_does_not_read_holds_up_nobody(manager: notify.Manager) -> None:
    told = [manager.tell(notify.WATCHDOG) for _ in range(100_000)]
    assert told[0]
    assert not told[-1]


def test_a_manager_that_was_started_anew_is_found_again(
    tmp_path: Path, manager: notify.Manager, heard: socket.socket
) -> None:
    heard.close()
    (tmp_path / "notify").unlink()
    assert not manager.tell(notify.READY)
    with listener(str(tmp_path / "notify")) as again:
        assert manager.tell(notify.READY)
        assert again.recv(100) == b"READY=1"


@pytest.mark.parametrize("address", ["", "vsock:2:1234", "relative"])
def test_without_an_address_of_a_unix_socket_there_is_no_manager(address: str) -> None:
    assert taken(NOTIFY_SOCKET=address) is None
    assert taken() is None


@pytest.mark.parametrize(
    ("variables", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "500000", "WATCHDOG_PID": str(OURS)}, 0.5),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "-1"}, None),
    ],
)
def test_it_waits_for_signs_of_life_of_this_process_only(
    variables: dict[str, str], seconds: float | None
) -> None:
    manager = taken(NOTIFY_SOCKET="/run/notify", **variables)
    assert manager is not None
    assert manager.watchdog_seconds == seconds


def test_the_variables_are_for_nobody_that_comes_after_us() -> None:
    variables = {"NOTIFY_SOCKET": "/n", "WATCHDOG_USEC": "1", "WATCHDOG_PID": "1", "PATH": "/bin"}
    manager = notify.take(variables, OURS)
    assert variables == {"PATH": "/bin"}
    assert manager is not None
    manager.close()


def test_a_reload_begins_at_a_time_in_microseconds() -> None:
    assert notify.reloading(1_234_567_890) == ("RELOADING=1", "MONOTONIC_USEC=1234567")


@pytest.mark.parametrize(
    ("patience", "most", "seconds"), [(None, 60.0, 60.0), (30.0, 60.0, 15.0), (30.0, 1.0, 1.0)]
)
def test_signs_of_life_come_twice_in_its_patience(
    patience: float | None, most: float, seconds: float
) -> None:
    manager = notify.Manager("/nowhere", patience)
    assert manager.seconds_of_silence(most) == seconds
    manager.close()


def test_a_status_is_one_line() -> None:
    assert notify.status("a fault\nREADY=1\r\n") == "STATUS=a fault READY=1"
