"""The gate: what the options of a rule do to a connection; the rest is tested with clients (peers/test_host_rules)."""

from __future__ import annotations

import logging
import socket
from struct import Struct
from typing import TYPE_CHECKING

import pytest

from scpd.access.verdict import Action
from scpd.worker import gate

if TYPE_CHECKING:
    from collections.abc import Iterator

LINGER = Struct("ii")


class NoCommands:
    """Runs nothing, and tells what it was asked to run."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, list[str]]] = []

    def spawn(self, command: str, before: tuple[Action, ...]) -> bool:
        self.asked.append((command, [each.keyword for each in before]))
        return True


@pytest.fixture
def sock() -> Iterator[socket.socket]:
    with socket.socket() as made:
        yield made


def obey(sock: socket.socket, *actions: Action) -> tuple[int | None, NoCommands]:
    commands = NoCommands()
    return gate._obey(actions, sock, commands), commands  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("severity", "level"),
    [
        ("emerg", logging.CRITICAL),
        ("local0.alert", logging.CRITICAL),
        ("crit", logging.CRITICAL),
        ("mail.err", logging.ERROR),
        ("warning", logging.WARNING),
        ("daemon.notice", logging.INFO),
        ("info", logging.INFO),
        ("uucp.debug", logging.DEBUG),
    ],
)
def test_a_severity_is_a_level_of_the_log(sock: socket.socket, severity: str, level: int) -> None:
    assert obey(sock, Action("severity", severity))[0] == level


def test_without_a_severity_there_is_none(sock: socket.socket) -> None:
    assert obey(sock)[0] is None


def test_keepalive_and_linger_are_options_of_the_socket(sock: socket.socket) -> None:
    obey(sock, Action("keepalive", None), Action("linger", 7))
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
    assert LINGER.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER.size)) == (1, 7)


def test_a_command_knows_what_stands_before_it_and_nothing_behind(sock: socket.socket) -> None:
    actions = Action("setenv", ("A", "b")), Action("spawn", "true"), Action("keepalive", None)
    assert obey(sock, *actions)[1].asked == [("true", ["setenv"])]
