"""The master is killed: its workers finish or end in time, and the next master starts at once."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

import pytest

from tests.harness import wire
from tests.harness.objects import ct_image
from tests.harness.processes import children_of, is_running
from tests.harness.storing import assert_holds, finish, send_half, standing_by, store, temporaries, worker_of
from tests.harness.waiting import PATIENCE_SECONDS, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.harness.ports import ReservedPort
    from tests.harness.raw_peer import RawPeer
    from tests.harness.servers import Server, ServerFactory

ABORTED = wire.Pdu(wire.ABORT, bytes(4))  # by the service user, no reason
STUDIES = ("-su", "study", "-tos", "60", "-xcr", "true")


def kill(server: Server) -> None:
    server.signal(signal.SIGKILL)
    assert server.wait() == -signal.SIGKILL


def test_a_worker_finishes_and_all_others_leave(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer]
) -> None:
    server = scpd("--fork", *STUDIES)
    peer, image = raw_peer(server), ct_image(300_000)
    peer.associate(calling="LONG")
    send_half(peer, image)
    worker = worker_of(server, "LONG")
    server.wait_for(lambda: standing_by(server))
    others = {child.pid for child in children_of(server.pid)} - {worker}
    kill(server)

    wait_until(lambda: not any(map(is_running, others)), what="the end of keeper and standbys")
    assert finish(peer, image).status == 0
    assert peer.echo() == 0
    assert is_running(worker)
    peer.release()
    wait_until(lambda: not is_running(worker))
    assert len(list(server.inbox.glob("study_*/CT.*"))) == 1


@pytest.mark.parametrize("grace", [0, 1])
def test_a_worker_that_does_not_finish_ends_with_the_grace_period(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer], grace: int
) -> None:
    server = scpd("--fork", "--grace", str(grace))
    peer, image = raw_peer(server), ct_image(300_000)
    peer.associate(calling="LONG")
    send_half(peer, image)
    worker = worker_of(server, "LONG")
    begin = time.monotonic()
    kill(server)

    assert peer.receive() == ABORTED
    assert grace - 0.2 < time.monotonic() - begin < grace + PATIENCE_SECONDS
    peer.close()
    wait_until(lambda: not is_running(worker))
    assert server.files() == {}
    assert temporaries(server) == []
    assert "] Association Aborted: the master died and the grace period ended (LONG@" in server.stderr


def test_a_worker_that_was_stopped_meanwhile_ends_as_soon_as_it_goes_on(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer]
) -> None:
    server = scpd("--fork", "--grace", "0")
    peer = raw_peer(server)
    peer.associate(calling="SLOW")
    worker = worker_of(server, "SLOW")
    os.kill(worker, signal.SIGSTOP)
    kill(server)
    os.kill(worker, signal.SIGCONT)
    wait_until(lambda: not is_running(worker), what="the end of the worker")


def test_the_next_master_starts_at_once(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer], reserved_port: ReservedPort
) -> None:
    options = ("--fork", "--pidfile", "scpd.pid", *STUDIES)
    first = scpd(*options, port=reserved_port)
    peer, image = raw_peer(first), ct_image(300_000)
    peer.associate(calling="LONG")
    send_half(peer, image)
    worker = worker_of(first, "LONG")
    kill(first)

    second = scpd(*options, port=reserved_port, inbox=first.inbox)
    other = raw_peer(second)
    other.associate()
    assert store(other, ct_image(1000)).status == 0
    other.release()
    assert is_running(worker)
    assert finish(peer, image).status == 0
    peer.release()
    assert len(list(second.inbox.glob("study_*/CT.*"))) == 2
    wait_until(lambda: not is_running(worker))


# SIGTERM with much under way


def test_a_large_object_is_finished_within_the_grace_period(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer], is_long: bool
) -> None:
    server = scpd("--fork", "--grace", "60")
    peer, image = raw_peer(server, timeout=60), ct_image(300_000_000 if is_long else 60_000_000)
    peer.associate(calling="LONG")
    send_half(peer, image)
    server.signal(signal.SIGTERM)
    server.wait_for(lambda: not standing_by(server))
    assert finish(peer, image).status == 0
    peer.release()
    assert server.wait() == 0
    assert_holds(server, image)


def test_a_large_object_that_comes_too_late_is_not_there_at_all(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer], is_long: bool
) -> None:
    server = scpd("--fork", "--grace", "1")
    peer, image = raw_peer(server, timeout=60), ct_image(300_000_000 if is_long else 60_000_000)
    peer.associate(calling="LONG")
    send_half(peer, image)
    server.signal(signal.SIGTERM)
    assert peer.receive() == ABORTED
    peer.close()
    assert server.wait() == 0
    assert server.files() == {}
    assert temporaries(server) == []
