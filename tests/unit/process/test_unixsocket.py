"""Unix sockets at paths of any length."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import pytest

from scpd.process import unixsocket

if TYPE_CHECKING:
    from pathlib import Path


def listening(path: Path) -> socket.socket:
    directory = unixsocket.open_directory_of(str(path))
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(unixsocket.address(str(path), directory))
    os.close(directory)
    sock.listen()
    return sock


def deep(folder: Path) -> Path:
    """A folder whose path is far longer than a socket's address."""
    for _ in range(4):
        folder /= "d" * 60
    folder.mkdir(parents=True)
    return folder


@pytest.mark.parametrize("is_deep", [False, True])
def test_a_socket_is_reached_by_its_path(tmp_path: Path, is_deep: bool) -> None:
    path = (deep(tmp_path) if is_deep else tmp_path) / "x.sock"
    assert (len(str(path)) > unixsocket.MOST_BYTES) is is_deep
    with listening(path) as sock, unixsocket.connect(str(path), 5.0) as ours:
        theirs, _ = sock.accept()
        ours.sendall(b"!")
        assert theirs.recv(9) == b"!"
        theirs.close()


def test_the_longest_path_that_an_address_can_hold_is_its_address(tmp_path: Path) -> None:
    room = unixsocket.MOST_BYTES - len(str(tmp_path)) - 1
    listening(tmp_path / ("x" * room)).close()
    assert unixsocket.address(f"{tmp_path}/{'x' * room}", 7) == f"{tmp_path}/{'x' * room}"
    name = "x" * (room + 1)
    assert unixsocket.address(f"{tmp_path}/{name}", 7) == f"/proc/self/fd/7/{name}"


def test_a_socket_is_alive_as_long_as_somebody_listens(tmp_path: Path) -> None:
    path = tmp_path / "x"
    assert not unixsocket.is_listening(str(path))
    sock = listening(path)
    assert unixsocket.is_listening(str(path))
    sock.close()
    assert path.exists()
    assert not unixsocket.is_listening(str(path))


def test_one_that_is_too_busy_is_alive(tmp_path: Path) -> None:
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(str(tmp_path / "x"))
    sock.listen(0)
    waiting = [unixsocket.connect(str(tmp_path / "x"), 5.0)]
    assert unixsocket.is_listening(str(tmp_path / "x"))
    for each in [*waiting, sock]:
        each.close()


def test_what_cannot_be_reached_costs_no_descriptor(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for path in (tmp_path / "none", tmp_path / "no" / "folder"):
        with pytest.raises(FileNotFoundError):
            unixsocket.connect(str(path), 5.0)
    assert len(os.listdir("/proc/self/fd")) == before
