from __future__ import annotations

import os
import socket
import stat
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from scpd.process.inherited import take_over, to_own_file
from tests.harness.forked import in_child

if TYPE_CHECKING:
    from collections.abc import Callable


def tcp_pair() -> tuple[socket.socket, socket.socket]:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        theirs = socket.create_connection(listener.getsockname(), 30)
        return theirs, listener.accept()[0]


def with_streams(pair: Callable[[], tuple[socket.socket, socket.socket]], *numbers: int) -> socket.socket:
    """In a child: let these standard streams be one end of a connection, and the others a file; give the other end."""
    theirs, ours = pair()
    for number in (0, 1, 2):
        os.dup2(ours.fileno() if number in numbers else os.open("/dev/null", os.O_RDWR), number)
    ours.close()
    return theirs


def test_the_streams_of_a_peer_are_taken_from_it_and_it_hears_nothing() -> None:
    def life() -> None:
        theirs = with_streams(tcp_pair, 0, 1, 2)
        inherited = take_over([])
        assert inherited is not None
        assert inherited.sock.fileno() > 2
        assert not os.get_inheritable(inherited.sock.fileno())
        os.write(1, b"out\n")
        os.write(2, b"err\n")
        path = Path(os.readlink("/proc/self/fd/2"))
        assert path.read_bytes() == b"out\nerr\n"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert str(path).startswith("/tmp/storescp_")
        inherited.output.finish()
        assert path.exists()
        path.unlink()
        inherited.sock.close()
        assert theirs.recv(100) == b""

    in_child(life)


def test_a_file_with_nothing_in_it_is_removed() -> None:
    def life() -> None:
        with_streams(tcp_pair, 0, 1, 2)
        inherited = take_over([])
        path = Path(os.readlink("/proc/self/fd/1"))
        assert path.exists()
        assert inherited is not None
        inherited.output.finish()
        assert not path.exists()

    in_child(life)


@pytest.mark.parametrize(("peers", "other"), [((0, 1), 2), ((0, 2), 1)])
def test_the_stream_that_is_none_of_the_peer_stands_for_both(peers: tuple[int, ...], other: int) -> None:
    def life() -> None:
        with_streams(tcp_pair, *peers)
        assert take_over([]) is not None
        assert {os.readlink(f"/proc/self/fd/{number}") for number in (0, 1, 2)} == {"/dev/null"}

    in_child(life)


def test_closed_streams_are_replaced() -> None:
    def life() -> None:
        with_streams(tcp_pair, 0)
        os.close(1)
        os.close(2)
        inherited = take_over([])
        assert inherited is not None
        path = Path(os.readlink("/proc/self/fd/2"))
        assert os.readlink("/proc/self/fd/1") == str(path)
        inherited.output.finish()
        assert not path.exists()

    in_child(life)


def test_another_kind_of_socket_is_a_peer_only_if_the_words_say_so(tmp_path: Path) -> None:
    (tmp_path / "words").write_text("-v '--inetd'")
    (tmp_path / "others").write_text("-v x--inetd")

    def life() -> None:
        for words in (["-v"], [f"@{tmp_path}/others"], [f"@{tmp_path}/missing"], ["@"]):
            with_streams(socket.socketpair, 0, 1, 2)
            assert take_over(words) is None
        for words in (["-v", "-id"], ["--inetd"], [f"@{tmp_path}/words"]):
            with_streams(socket.socketpair, 0, 1, 2)
            inherited = take_over(words)
            assert inherited is not None
            inherited.output.finish()

    in_child(life)


def test_where_no_file_can_be_made_output_goes_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scpd.process.inherited._PREFIX", "/nonexistent/storescp_")

    def life() -> None:
        to_own_file().finish()
        assert {os.readlink(f"/proc/self/fd/{number}") for number in (1, 2)} == {"/dev/null"}

    in_child(life)
