"""A worker that has to wait for the keeper (--exec-sync, --single-process): for whom it waits, and how long."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

import pytest

from tests.harness import wire
from tests.harness.objects import ct_image, new_uid
from tests.harness.raw_peer import ECHO_CONTEXT
from tests.harness.storing import announce, complaints, store, wait_until_idle, worker_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.harness.raw_peer import RawPeer
    from tests.harness.servers import ServerFactory


def fifos(inbox: Path) -> list[str]:
    return os.listdir(inbox / ".scpd" / "replies")


def test_the_next_request_is_read_when_the_command_has_ended(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer], tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    server = scpd("--fork", "-xs", "-xcr", f"echo begun; read line < {gate}; echo ended")
    peer = raw_peer(server)
    peer.associate()
    assert store(peer, ct_image(2000)).status == 0, "the response is not delayed"
    server.wait_for(lambda: "begun" in server.stdout, what="the command")
    peer.send_command(ECHO_CONTEXT, wire.c_echo_request(2))
    with pytest.raises(TimeoutError):
        peer.receive(timeout=0.3)
    gate.write_text("go\n")

    assert peer.receive_response().status == 0
    assert server.stdout.split() == ["begun", "ended"]
    peer.release()


def test_without_a_keeper_it_warns_once_and_goes_on(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer]
) -> None:
    server = scpd("--fork", "--no-keeper", "-xs", "-xcr", "true")
    peer = raw_peer(server)
    peer.associate()
    began = time.monotonic()
    assert [store(peer, ct_image(2000)).status for _ in range(4)] == [0] * 4
    assert 4 < time.monotonic() - began < 18  # each of the four would wait for 5 s
    peer.release()
    wait_until_idle(server)

    assert complaints(server) == ["W: no keeper is running, going on without waiting for it"]
    assert fifos(server.inbox) == []


def test_a_worker_that_waits_ends_when_it_is_told_to(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer]
) -> None:
    server = scpd("--fork", "--no-keeper", "-xs", "-xcr", "true")
    peer = raw_peer(server)
    peer.associate(calling="WAITING")
    assert store(peer, ct_image(2000)).status == 0
    announce(peer, ct_image(2000))
    os.kill(worker_of(server, "WAITING"), signal.SIGTERM)

    assert peer.receive() == (wire.ABORT, bytes(4))
    wait_until_idle(server)
    assert "no keeper is running" not in server.stderr, "it has waited to the end"
    assert fifos(server.inbox) == []


def test_one_process_waits_for_the_study_that_has_ended(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer]
) -> None:
    """So the files of one study have their new names before the next request is read, as with storescp."""
    server = scpd("-su", "X", "-rns")
    peer = raw_peer(server)
    peer.associate()
    studies = [new_uid() for _ in range(5)]
    for number, study in enumerate(studies):
        assert store(peer, ct_image(2000, study_uid=study)).status == 0
        assert store(peer, ct_image(2000, study_uid=study)).status == 0
        if number:
            ended = sorted(path.name for path in (server.inbox / f"X_{studies[number - 1]}").iterdir())
            assert ended == ["CT000001", "CT000002"]
    peer.release()
