"""A worker that cannot be confined as the master has said it would be serves nobody, and says why."""

from __future__ import annotations

import errno
import logging
import os
import socket
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING

import pytest

from scpd.errors import Denied
from scpd.log.association import Association
from scpd.log.complaints import Complaints
from scpd.log.setup import Logging
from scpd.process import exitcodes, landlock
from scpd.process.confine import Confinement
from scpd.ul import negotiation
from scpd.ul.connection import Timeouts
from scpd.worker.confinement import enter
from scpd.worker.peer import Peer
from scpd.worker.refuse import RefusalPolicy, refuse
from scpd.worker.serve import serve
from scpd.worker.service import ServicePolicy, Surroundings, Verbosity
from tests.harness import wire
from tests.harness.forbidden import refusing
from tests.harness.forked import in_child
from tests.harness.raw_peer import CONTEXTS
from tests.harness.storing import complaints, wait_until_idle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.harness.raw_peer import RawPeer
    from tests.harness.wrapped import TracedFactory

REQUEST = wire.associate_request(CONTEXTS)
WHY = "Receiving Association failed: the worker cannot be confined: "
# Numbers of x86_64 and of aarch64.
PRCTL, LANDLOCK_RESTRICT_SELF = {"x86_64": 157, "aarch64": 167}.get(os.uname().machine, 0), 446


class Broken:
    """A confinement that the kernel refuses."""

    def enter(self) -> None:
        raise OSError(errno.EPERM, "the kernel refuses it")


class Titles:
    def show(self, text: str) -> None:
        pass


class Wakeup:
    """Signals that never come."""

    signalled = False

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()

    def fileno(self) -> int:
        return self._reader

    def close(self) -> None:
        os.close(self._reader)
        os.close(self._writer)


@pytest.fixture
def around() -> Iterator[Surroundings]:
    wakeup, complaints_made = Wakeup(), Complaints()
    logs = Logging(Association(), complaints_made, [])
    yield Surroundings(Titles(), wakeup, logs)  # type: ignore[arg-type]
    wakeup.close()
    for descriptor in complaints_made.descriptors():
        os.close(descriptor)


@pytest.mark.parametrize("number", [LANDLOCK_RESTRICT_SELF, PRCTL], ids=["Landlock", "seccomp"])
def test_a_mechanism_that_was_there_and_is_there_no_more_is_an_error(tmp_path: Path, number: int) -> None:
    confinement = Confinement([(str(tmp_path), landlock.STORE)])
    if confinement.missing:
        pytest.skip(str(confinement))
    outside = refusing(number)

    def life() -> list[object]:
        confinement._prctl(*confinement._arguments)
        outside.enter()
        try:
            enter(confinement)
        except Denied as denied:
            return [str(denied), denied.level]
        return []

    said, level = in_child(life)
    assert said.startswith("the worker cannot be confined: the kernel refuses ")
    assert level == logging.ERROR
    for descriptor in confinement.descriptors():
        os.close(descriptor)


def as_worker(sock: socket.socket, peer: Peer, around: Surroundings) -> int:
    policy = ServicePolicy(
        negotiation.Policy((wire.EXPLICIT_LITTLE,), {wire.CT_IMAGE_STORAGE}),
        16384,
        Timeouts(20, 20, None),
        None,
        None,
        Verbosity(),
        confinement=Broken(),  # type: ignore[arg-type]
    )
    return serve(sock, peer, policy, around, monotonic() + 20)


def as_refuser(sock: socket.socket, peer: Peer, around: Surroundings) -> int:
    policy = RefusalPolicy(16384, Timeouts(20, 20, None), 4, confinement=Broken())  # type: ignore[arg-type]
    return refuse(sock, peer, 4, policy, around)


@pytest.mark.parametrize("life", [as_worker, as_refuser])
def test_who_cannot_be_confined_reads_and_answers_nothing(
    around: Surroundings, life: Callable[..., int], caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        peer = socket.create_connection(listener.getsockname())
        ours, address = listener.accept()
    peer.settimeout(10)
    with peer, ours:
        peer.sendall(REQUEST)
        peer.shutdown(socket.SHUT_WR)
        assert life(ours, Peer(address), around) == exitcodes.REJECTED
        with suppress(ConnectionResetError):  # what it said was not read
            assert peer.recv(1) == b""
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert record.getMessage().startswith(f"{WHY}the kernel refuses it (127.0.0.1:")


def test_a_daemon_whose_workers_cannot_be_confined_serves_nobody_and_says_so_once(
    traced: Callable[..., TracedFactory], raw_peer: Callable[..., RawPeer]
) -> None:
    run = traced("trace=landlock_restrict_self", "inject=landlock_restrict_self:error=EPERM")
    server = run.factory("--fork", "-v")
    if "Landlock (ABI" not in server.stderr:
        pytest.skip("the kernel has no Landlock")
    for _ in range(3):
        peer = raw_peer(server)
        try:
            peer.send(REQUEST)
            assert peer.receive() is None
        except ConnectionError:  # what it said was not read
            pass
    wait_until_idle(server)
    server.wait_for_log(f"{WHY}the kernel refuses Landlock rules")
    (line,) = complaints(server)
    assert WHY in line
    assert server.files() == {}
    assert server.is_running
