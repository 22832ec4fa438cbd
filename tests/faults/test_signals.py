"""Signals to the master and to its workers: who finishes, who is told, and with which exit code."""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING

import pytest

from tests.harness import wire
from tests.harness.clients import scpctl
from tests.harness.objects import ct_image
from tests.harness.ports import is_listening
from tests.harness.processes import command_line
from tests.harness.programs import real_program
from tests.harness.raw_peer import STORE_CONTEXT
from tests.harness.storing import (
    assert_holds,
    assert_serves,
    complaints,
    finish,
    send_half,
    store,
    temporaries,
    wait_for_temporaries,
    wait_until_idle,
    worker_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.harness.objects import StorableObject
    from tests.harness.ports import ReservedPort
    from tests.harness.raw_peer import RawPeer
    from tests.harness.servers import Server, ServerFactory

ABORTED = wire.Pdu(wire.ABORT, bytes(4))  # by the service user, no reason
ENDINGS = [signal.SIGTERM, signal.SIGINT]
MODES = ["--fork", "--single-process"]


def storing(
    raw_peer: Callable[..., RawPeer], server: Server, calling: str = "STORING"
) -> tuple[RawPeer, StorableObject]:
    """Bring a peer into the middle of an object."""
    image, peer = ct_image(300_000), raw_peer(server)
    peer.associate(calling=calling)
    before = len(temporaries(server))
    send_half(peer, image)
    wait_for_temporaries(server, before + 1)
    return peer, image


def wait_until_silent(server: Server, count: int) -> None:
    """Wait until the master has let in so many connections."""

    def waiting() -> int:
        done = scpctl("status", "--json", "-od", server.inbox)
        return int(json.loads(done.stdout)["waiting"]["silent"])

    server.wait_for(lambda: waiting() == count, what="silent connections")


def wait_until_draining(server: Server) -> None:
    server.wait_for(lambda: "draining" in command_line(server.pid), what="a title that says so")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("number", ENDINGS)
def test_an_object_being_stored_is_finished_and_acknowledged(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer], number: signal.Signals, mode: str
) -> None:
    server = scpd(mode, "--grace", "60")
    peer, image = storing(raw_peer, server)
    server.signal(number)
    wait_until_draining(server)
    # A worker forked a moment before may not have come to closing what it inherited.
    server.wait_for(lambda: not is_listening(server.port), what="closed doors")
    with pytest.raises(ConnectionRefusedError):
        raw_peer(server)
    assert finish(peer, image).status == 0
    assert server.is_running
    another = ct_image(1000)
    assert store(peer, another).status == 0
    peer.release()
    assert server.wait() == 0
    assert_holds(server, image, another)
    assert complaints(server) == []


def test_a_new_master_gets_the_port_while_the_old_one_waits_for_its_associations(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer], reserved_port: ReservedPort
) -> None:
    old = scpd("--fork", "--grace", "60", port=reserved_port)
    peer, image = storing(raw_peer, old)
    old.signal(signal.SIGTERM)
    wait_until_draining(old)
    # A worker that was forked just now may not have closed the door behind itself: it is no new master that listens.
    old.wait_for(lambda: not is_listening(old.port), what="a port on which nobody listens")
    new = scpd("--fork", inbox=old.inbox, port=reserved_port)
    assert_serves(new, raw_peer)
    assert finish(peer, image).status == 0
    peer.release()
    assert old.wait() == 0
    assert_holds(new, image)


@pytest.mark.parametrize("mode", MODES)
def test_associations_are_aborted_when_the_grace_period_is_over(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer], mode: str
) -> None:
    server = scpd(mode, "--grace", "1")
    peer, _ = storing(raw_peer, server)
    server.signal(signal.SIGTERM)
    assert peer.receive() == ABORTED
    assert peer.receive() is None
    peer.close()
    assert server.wait() == 0
    assert_holds(server)


@pytest.mark.parametrize("second", ENDINGS)
def test_a_second_signal_ends_every_association_at_once(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer], second: signal.Signals
) -> None:
    server = scpd("--fork", "--grace", "600")
    in_mid_object, _ = storing(raw_peer, server)
    idle, unassociated = raw_peer(server), raw_peer(server)
    idle.associate(calling="IDLE")
    unassociated.send(b"\x01\x00\x00")
    server.wait_for(lambda: len(server.workers()) == 3)
    server.signal(signal.SIGTERM)
    wait_until_draining(server)
    server.signal(second)
    assert in_mid_object.receive() == ABORTED
    assert idle.receive() == ABORTED
    for peer in (in_mid_object, idle, unassociated):
        peer.receive_until_closed()
        peer.close()
    assert server.wait() == 0
    assert_holds(server)


def test_silent_and_waiting_peers_are_closed_at_the_first_signal(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer]
) -> None:
    server = scpd("--single-process", "--grace", "60")
    peer, image = storing(raw_peer, server)
    waiting = raw_peer(server)
    waiting.send(wire.associate_request([(1, wire.VERIFICATION, [wire.IMPLICIT_LITTLE])]))
    server.signal(signal.SIGTERM)
    assert waiting.receive_until_closed() == []
    assert finish(peer, image).status == 0
    peer.release()
    assert server.wait() == 0


def test_who_came_just_before_may_still_begin(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer], installed: Path
) -> None:
    entrance = installed / "scpd" / "master" / "entrance.py"
    text = entrance.read_text(encoding="utf-8")
    assert text.count("LAST_MOMENT_SECONDS = 1.0\n") == 1
    # Longer than any machine is busy.
    entrance.write_text(
        text.replace("LAST_MOMENT_SECONDS = 1.0\n", "LAST_MOMENT_SECONDS = 25.0\n"), encoding="utf-8"
    )
    server = scpd("--fork", "--grace", "60", env={"PYTHONPATH": str(installed)})
    late, silent = raw_peer(server), raw_peer(server)
    wait_until_silent(server, 2)
    server.signal(signal.SIGTERM)
    wait_until_draining(server)
    late.associate()
    image = ct_image(1000)
    assert store(late, image).status == 0
    late.release()
    assert server.is_running
    assert complaints(server) == []
    server.signal(signal.SIGTERM)  # which ends the moment, too
    assert silent.receive_until_closed() == []
    assert server.wait() == 0
    assert_holds(server, image)


def test_who_is_silent_does_not_keep_the_server(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer]
) -> None:
    server = scpd("--fork", "--grace", "600")
    silent = raw_peer(server)
    wait_until_silent(server, 1)
    server.signal(signal.SIGTERM)
    assert silent.receive_until_closed() == []
    assert server.wait() == 0


def test_a_peer_that_never_closes_does_not_keep_the_server(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer]
) -> None:
    server = scpd("--fork", "--grace", "0")
    storing(raw_peer, server)
    server.signal(signal.SIGTERM)
    assert server.wait() == 0
    assert_holds(server)


def test_a_worker_that_hangs_does_not_keep_the_server(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer]
) -> None:
    server = scpd("--fork", "--grace", "0")
    storing(raw_peer, server)
    os.kill(worker_of(server, "STORING"), signal.SIGSTOP)
    server.signal(signal.SIGTERM)
    assert server.wait() == 0
    assert server.files() == {}


# Signals to workers


def test_a_worker_told_to_end_aborts_its_association_and_no_other(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer]
) -> None:
    server = scpd("--fork", "-v")
    victim, _ = storing(raw_peer, server, "VICTIM")
    other, image = storing(raw_peer, server, "OTHER")
    pid = worker_of(server, "VICTIM")
    os.kill(pid, signal.SIGTERM)
    assert victim.receive() == ABORTED
    assert victim.receive() is None
    victim.close()
    server.wait_for_log(f"worker {pid} (127.0.0.1:")
    assert finish(other, image).status == 0
    other.release()
    assert_serves(server, raw_peer)
    assert_holds(server, image)
    assert server.stderr.count("stopped by the administrator") == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_a_worker_ignores_what_a_terminal_sends_to_all(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer], number: signal.Signals
) -> None:
    server = scpd("--fork")
    peer, image = storing(raw_peer, server)
    os.kill(worker_of(server, "STORING"), number)
    assert finish(peer, image).status == 0
    assert peer.echo() == 0
    peer.release()
    assert_holds(server, image)


def test_ctrl_c_in_a_terminal_lets_associations_finish(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer]
) -> None:
    server = scpd("--fork")
    peer, image = storing(raw_peer, server)
    os.killpg(server.pid, signal.SIGINT)
    wait_until_draining(server)
    assert finish(peer, image).status == 0
    peer.release()
    assert server.wait() == 0
    assert_holds(server, image)


def test_a_signal_while_the_peer_is_silent_within_a_pdu_is_heard(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer]
) -> None:
    server = scpd("--fork")
    peer, _image = storing(raw_peer, server)
    peer.send(wire.p_data(wire.pdv(STORE_CONTEXT, wire.DATA, bytes(1000)))[:500])
    os.kill(worker_of(server, "STORING"), signal.SIGTERM)
    assert peer.receive() == ABORTED
    peer.close()
    wait_until_idle(server)
    assert_holds(server)


# Signals ignored from the start


@pytest.mark.parametrize(
    ("prefix", "number"), [(["nohup"], signal.SIGHUP), (["env", "--ignore-signal=INT"], signal.SIGINT)]
)
def test_a_signal_ignored_at_the_start_stays_ignored(
    scpd_wrapped: Callable[..., ServerFactory],
    raw_peer: Callable[..., RawPeer],
    prefix: list[str],
    number: signal.Signals,
    tmp_path: Path,
) -> None:
    server = scpd_wrapped(real_program(prefix[0]), *prefix[1:])("--fork")
    server.signal(number)
    for _ in range(3):
        assert_serves(server, raw_peer)
    ignored = int((_status(server.pid)["SigIgn"]), 16)
    assert ignored & 1 << number - 1
    assert server.stop() == 0


def _status(pid: int) -> dict[str, str]:
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        return {line.partition(":")[0]: line.partition(":")[2].strip() for line in file}
