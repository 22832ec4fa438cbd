"""A worker or the master is killed in the middle of its work: nobody else notices, nothing half done stays."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from tests.harness.objects import ct_image
from tests.harness.processes import is_running
from tests.harness.storing import (
    assert_holds,
    assert_serves,
    complaints,
    finish,
    send_half,
    serving,
    standing_by,
    temporaries,
    wait_for_temporaries,
    worker_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.harness.ports import ReservedPort
    from tests.harness.raw_peer import RawPeer
    from tests.harness.servers import ServerFactory


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_a_killed_worker_takes_down_its_own_association_only(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer], number: signal.Signals
) -> None:
    server = scpd("--fork")
    names = ["VICTIM", "FIRST", "SECOND"]
    peers = {name: raw_peer(server) for name in names}
    images = {name: ct_image(300_000) for name in names}
    for name in names:
        peers[name].associate(calling=name)
        send_half(peers[name], images[name])
    wait_for_temporaries(server, 3)

    victim = worker_of(server, "VICTIM")
    port = peers["VICTIM"].socket.getsockname()[1]
    os.kill(victim, number)

    assert peers["VICTIM"].receive() is None
    server.wait_for_log(f"worker {victim} (127.0.0.1:{port}) was killed by signal {number.value}")
    wait_for_temporaries(server, 2)
    assert server.files() == {}
    for name in names[1:]:
        assert finish(peers[name], images[name]).status == 0
        assert peers[name].echo() == 0
        peers[name].release()
    assert_holds(server, images["FIRST"], images["SECOND"])
    assert_serves(server, raw_peer)
    assert len([line for line in complaints(server) if "was killed" in line]) == 1


def test_a_killed_worker_leaves_an_earlier_object_of_that_name_alone(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer]
) -> None:
    image = ct_image(300_000)
    server = scpd("--fork")
    first, second = raw_peer(server), raw_peer(server)
    first.associate()
    send_half(first, image)
    assert finish(first, image).status == 0
    first.release()
    second.associate(calling="VICTIM")
    send_half(second, image)
    wait_for_temporaries(server, 1)
    os.kill(worker_of(server, "VICTIM"), signal.SIGKILL)
    wait_for_temporaries(server, 0)
    assert_holds(server, image)


def test_a_killed_worker_of_a_single_process_makes_room_for_the_next(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer]
) -> None:
    image = ct_image(300_000)
    server = scpd("--single-process")
    peer = raw_peer(server)
    peer.associate(calling="VICTIM")
    send_half(peer, image)
    os.kill(worker_of(server, "VICTIM"), signal.SIGKILL)
    assert_serves(server, raw_peer)
    wait_for_temporaries(server, 0)


def test_workers_that_stand_by_may_be_killed_too(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer]
) -> None:
    server = scpd("--fork")
    assert_serves(server, raw_peer)
    victims = server.wait_for(lambda: standing_by(server))
    for pid in victims:
        os.kill(pid, signal.SIGKILL)
    # One that is dying may still take a connection along.
    server.wait_for(lambda: not any(map(is_running, victims)))
    for _ in range(5):
        assert_serves(server, raw_peer)


def test_a_new_master_removes_what_dead_workers_left_and_nothing_of_living_ones(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer], reserved_port: ReservedPort
) -> None:
    """It also gets the port at once: the old one's workers hold no listening socket."""
    image, lost = ct_image(300_000), ct_image(300_000)
    old = scpd("--fork", "-v", port=reserved_port)
    living, dying = raw_peer(old), raw_peer(old)
    living.associate(calling="LIVING")
    dying.associate(calling="DYING")
    send_half(living, image)
    (kept,) = wait_for_temporaries(old, 1)
    send_half(dying, lost)
    wait_for_temporaries(old, 2)
    survivor, victim = worker_of(old, "LIVING"), worker_of(old, "DYING")

    old.process.kill()
    old.wait()
    os.kill(victim, signal.SIGKILL)
    assert dying.receive() is None
    old.wait_for(lambda: not is_running(victim))
    assert len(temporaries(old)) == 2

    new = scpd("--fork", inbox=old.inbox, port=reserved_port)
    assert wait_for_temporaries(new, 1) == [kept]
    assert_serves(new, raw_peer)
    assert temporaries(new) == [kept]
    assert is_running(survivor)
    assert finish(living, image).status == 0
    living.release()
    assert_holds(new, image)


def test_fifty_killed_workers_leave_no_file_and_no_process(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer]
) -> None:
    image = ct_image(400_000)
    server = scpd("--fork")
    for number in range(50):
        peer = raw_peer(server)
        peer.associate(calling=f"VICTIM{number}")
        send_half(peer, image)
        os.kill(worker_of(server, f"VICTIM{number}"), signal.SIGKILL)
        assert peer.receive() is None
    server.wait_for(lambda: not serving(server))
    wait_for_temporaries(server, 0)
    assert_serves(server, raw_peer)
    assert_holds(server)
