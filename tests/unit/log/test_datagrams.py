"""Records as datagrams."""

from __future__ import annotations

import logging
import socket
import time
from typing import TYPE_CHECKING

import pytest

from scpd.log.datagrams import DatagramAppender, local_address, udp_address
from tests.harness.log_records import MOMENT, a_record

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def listen(family: int, address: object) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_DGRAM)
    sock.bind(address)
    sock.setblocking(False)
    return sock


def sender(address: tuple[int, object]) -> DatagramAppender:
    handler = DatagramAppender(address, lambda record, text: f"<{record.levelno}>{text}")
    handler.setFormatter(logging.Formatter("%(message)s"))
    return handler


@pytest.fixture
def syslog(tmp_path: Path) -> Iterator[DatagramAppender]:
    handler = sender(local_address(str(tmp_path / "log")))
    yield handler
    handler._socket.close()


def at(text: str, moment: float) -> logging.LogRecord:
    record = a_record(text)
    record.created = MOMENT + moment
    return record


def test_a_syslog_that_is_restarted_is_found_again(tmp_path: Path, syslog: DatagramAppender) -> None:
    path = tmp_path / "log"
    (descriptor,) = syslog.descriptors()
    syslog.handle(at("before the first start", 0))
    with listen(socket.AF_UNIX, str(path)) as daemon:
        syslog.handle(at("too soon", 0.5))
        syslog.handle(at("one", 1.5))
        assert daemon.recv(100) == b"<20>one"
    path.unlink()
    with listen(socket.AF_UNIX, str(path)) as daemon:
        syslog.handle(at("two", 1.6))
        assert daemon.recv(100) == b"<20>two"
    assert syslog.descriptors() == (descriptor,)


def test_a_syslog_that_does_not_read_holds_up_nobody_for_long(
    tmp_path: Path, syslog: DatagramAppender
) -> None:
    with listen(socket.AF_UNIX, str(tmp_path / "log")):
        begin = time.monotonic()
        for _ in range(2000):
            syslog.handle(at("x" * 1000, 0))
        assert time.monotonic() - begin < 5


def test_udp_goes_on_when_nobody_listens(tmp_path: Path) -> None:
    with listen(socket.AF_INET, ("127.0.0.1", 0)) as daemon:
        port = daemon.getsockname()[1]
        handler = sender(udp_address("127.0.0.1", port))
        handler.handle(at("one", 0))
        assert daemon.recv(100) == b"<20>one"
    for number in range(4):
        handler.handle(at("lost", number * 2))
    with listen(socket.AF_INET, ("127.0.0.1", port)) as daemon:
        handler.handle(at("two", 10))
        assert daemon.recv(100) == b"<20>two"
    handler._socket.close()


def test_a_host_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(OSError):  # noqa: PT011  (its text is the resolver's)
        udp_address("no.such.host.invalid", 514)
