"""Too many peers, too few descriptors, no processes: the honest peer is served, and the machine is not kept busy."""

from __future__ import annotations

import os
import re
import resource
import select
import socket
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from scpd.master import standbys
from tests.harness import wire
from tests.harness.descriptors import descriptors, tcp_sockets
from tests.harness.objects import ct_image
from tests.harness.processes import process
from tests.harness.raw_peer import CONTEXTS
from tests.harness.storing import (
    assert_serves,
    complaints,
    finish,
    log_lines,
    send_half,
    serving,
    standing_by,
    store,
    wait_until_idle,
    worker_of,
)
from tests.harness.waiting import PATIENCE_SECONDS, wait_until
from tests.harness.wrapped import attached, require_root, require_strace, unprivileged_user

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from tests.harness.raw_peer import RawPeer
    from tests.harness.servers import Server, ServerFactory

MOST_SILENT = 1024
# Seconds of processor time that a server may use while nothing happens for a second.
IDLE_SECONDS = 0.2
OUT_OF_RESOURCES = 0xA700


class Crowd:
    """Peers that connect and say nothing."""

    def __init__(self) -> None:
        self.members: list[socket.socket] = []

    def join(self, server: Server, count: int) -> None:
        """Connect so many more."""
        for _ in range(count):
            self.members.append(
                socket.create_connection((server.host, server.port), timeout=PATIENCE_SECONDS)
            )

    def left(self) -> set[int]:
        """Give the numbers of those whose connection the server has closed."""
        return readable(self.members)

    def close(self) -> None:
        for member in self.members:
            member.close()


@pytest.fixture
def crowd(many_descriptors: int) -> Iterator[Crowd]:
    if many_descriptors < 2 * MOST_SILENT:
        pytest.skip(f"this process may have {many_descriptors} descriptors only")
    with closing(Crowd()) as silent:
        yield silent


def readable(sockets: Sequence[socket.socket], seconds: float = 0.0) -> set[int]:
    """Give the numbers of those that have something to read, or an end; waits so long for the first one.

    Not by select(2), which knows no descriptor beyond 1023.
    """
    poll = select.poll()
    numbers = {sock.fileno(): number for number, sock in enumerate(sockets)}
    for descriptor in numbers:
        poll.register(descriptor, select.POLLIN)
    return {numbers[descriptor] for descriptor, _ in poll.poll(seconds * 1000)}


def processor_seconds(pid: int) -> float:
    """Give the processor time that a process has used (proc_pid_stat(5))."""
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def assert_is_at_rest(server: Server, quiet: socket.socket) -> None:
    """Fail if the master is busy while `quiet` has nothing to read for a second."""
    before = processor_seconds(server.pid)
    assert readable([quiet], 1.0) == set()
    assert processor_seconds(server.pid) - before < IDLE_SECONDS


def wait_until_at_rest(server: Server) -> None:
    """Wait until nobody is served and as many workers stand by as ever will: the master forks no more by itself."""

    def is_at_rest() -> bool:
        master = process(server.pid)
        return (
            len(standing_by(server)) == standbys.MOST
            and not server.workers()  # nor one that has no title yet
            and master is not None
            and master.state == "S"
        )

    server.wait_for(is_at_rest, what="workers that stand by")


# Silent peers


@pytest.mark.parametrize("mode", ["--fork", "--single-process"])
def test_an_honest_peer_is_served_beside_500_silent_ones_which_cost_no_process(
    scpd: ServerFactory, crowd: Crowd, raw_peer: Callable[..., RawPeer], mode: str
) -> None:
    server = scpd(mode, "-ta", "60")
    crowd.join(server, 500)
    for _ in range(3):
        assert_serves(server, raw_peer)
    wait_until_idle(server)
    assert crowd.left() == set()
    assert_is_at_rest(server, crowd.members[0])
    assert complaints(server) == []


def test_silent_peers_are_gone_when_their_time_is_over(
    scpd: ServerFactory, crowd: Crowd, raw_peer: Callable[..., RawPeer]
) -> None:
    server = scpd("--fork", "-ta", "1")
    before = tcp_sockets(server.pid)
    crowd.join(server, 500)
    wait_until(lambda: len(crowd.left()) == 500, what="the end of 500 connections")
    wait_until(lambda: tcp_sockets(server.pid) == before, what="closed descriptors in the master")
    assert serving(server) == []
    assert_serves(server, raw_peer)


def test_peers_that_say_half_a_header_are_gone_when_their_time_is_over(
    scpd: ServerFactory, crowd: Crowd, raw_peer: Callable[..., RawPeer]
) -> None:
    server = scpd("--fork", "-d", "-ta", "1")
    crowd.join(server, 30)
    for member in crowd.members:
        member.sendall(b"\x01\x00\x00")
    assert_serves(server, raw_peer)
    wait_until(lambda: len(crowd.left()) == 30, what="the end of 30 connections")
    wait_until_idle(server)
    assert server.stderr.count("no A-ASSOCIATE-RQ in time") == 30


def test_of_too_many_silent_peers_the_oldest_are_closed(
    scpd: ServerFactory, crowd: Crowd, raw_peer: Callable[..., RawPeer]
) -> None:
    server = scpd("--fork", "-ta", "60")
    crowd.join(server, MOST_SILENT + 10)
    wait_until(lambda: len(crowd.left()) == 10, what="the end of ten connections")
    assert crowd.left() == set(range(10))
    assert_serves(server, raw_peer)
    assert crowd.left() <= set(range(11))


# Descriptors


def test_an_honest_peer_is_served_when_silent_ones_take_all_descriptors(
    scpd_with_limits: Callable[..., ServerFactory], crowd: Crowd, raw_peer: Callable[..., RawPeer]
) -> None:
    server = scpd_with_limits(nofile=48)("--fork", "-ta", "60")
    crowd.join(server, 300)
    for _ in range(5):
        assert_serves(server, raw_peer)
    assert_is_at_rest(server, crowd.members[-1])
    assert len(complaints(server)) <= 1


def test_that_silent_peers_have_taken_all_descriptors_is_said_once(
    scpd_with_limits: Callable[..., ServerFactory], crowd: Crowd, raw_peer: Callable[..., RawPeer]
) -> None:
    server = scpd_with_limits(nofile=48)("--fork", "-ta", "60")
    crowd.join(server, 300)
    assert_serves(server, raw_peer)
    assert len([line for line in complaints(server) if "Too many open files" in line]) == 1


def test_a_master_without_a_free_descriptor_says_so_once_and_is_not_busy(
    scpd_with_limits: Callable[..., ServerFactory], crowd: Crowd, raw_peer: Callable[..., RawPeer]
) -> None:
    """And without a silent peer whose descriptor it could take."""
    server = scpd_with_limits(nofile=48)("--fork", "-ta", "60")
    assert_serves(server, raw_peer)
    wait_until_at_rest(server)
    used = descriptors(server.pid)
    _limit_descriptors(server.pid, next(number for number in range(48) if number not in used))
    crowd.join(server, 3)
    server.wait_for_log("cannot accept a connection: Too many open files")
    assert_is_at_rest(server, crowd.members[-1])
    assert len(complaints(server)) == 1
    _limit_descriptors(server.pid, 48)
    assert_serves(server, raw_peer)


def _limit_descriptors(pid: int, most: int) -> None:
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (most, 48))


# Processes


def test_peers_wait_while_no_process_can_be_forked_and_are_served_later(
    scpd_by_user: Callable[..., ServerFactory], tmp_path: Path, raw_peer: Callable[..., RawPeer]
) -> None:
    require_root()  # for a user of its own: the limit counts all processes of one
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    os.chown(inbox, unprivileged_user(), -1)
    server = scpd_by_user(nproc=4)("--fork", "-ta", "60", "--grace", "1", inbox=inbox)
    peers = [raw_peer(server) for _ in range(6)]
    for peer in peers:
        peer.send(wire.associate_request(CONTEXTS))
    answered = server.wait_for(lambda: _readable(peers) if len(_readable(peers)) == 3 else None)
    server.wait_for_log("cannot fork a worker")
    waiting = [peer for peer in peers if peer not in answered]
    assert_is_at_rest(server, waiting[0].socket)
    assert _readable(peers) == answered
    for peer in answered + waiting:
        answer = peer.receive()
        assert answer is not None
        assert answer.type == wire.ASSOCIATE_AC
        assert peer.echo() == 0
        peer.release()
    assert_serves(server, raw_peer)
    assert len([line for line in complaints(server) if "cannot fork a worker" in line]) == 1
    assert len(complaints(server)) <= 2  # the sweeper may have to wait too


def test_peers_wait_while_the_machine_has_no_memory_for_a_process(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer], tmp_path: Path
) -> None:
    require_strace()
    server = scpd("--fork", "-ta", "60")
    assert_serves(server, raw_peer)
    wait_until_idle(server)
    wait_until_at_rest(server)
    ready = len(standing_by(server))
    peers = [raw_peer(server) for _ in range(ready + 2)]
    expressions = "trace=/^(clone|fork|vfork)", "inject=/^(clone|fork|vfork):error=ENOMEM"
    with attached(server.pid, tmp_path / "trace", *expressions):
        for peer in peers:
            peer.send(wire.associate_request(CONTEXTS))
        server.wait_for_log("cannot fork a worker: Cannot allocate memory")
        answered = server.wait_for(lambda: _readable(peers) if len(_readable(peers)) == ready else None)
        assert_is_at_rest(server, next(peer for peer in peers if peer not in answered).socket)
    for peer in peers:
        answer = peer.receive()
        assert answer is not None
        assert answer.type == wire.ASSOCIATE_AC
        peer.release()
    assert_serves(server, raw_peer)
    assert len(complaints(server)) == 1


# A worker by itself


class Pair:
    """A worker that is to run out of something, and one beside it that is not to suffer."""

    def __init__(self, server: Server, raw_peer: Callable[..., RawPeer]) -> None:
        self._server = server
        self._raw_peer = raw_peer
        self.victim = raw_peer(server)
        self.victim.associate(calling="VICTIM")
        self._other = raw_peer(server)
        self._other.associate(calling="OTHER")
        self._image = ct_image(200_000)
        send_half(self._other, self._image)
        self.pid = worker_of(server, "VICTIM")

    def refuse(self, resource_number: int, limit: int, *comments: str) -> None:
        """Have three objects refused under a limit, and one taken when it is lifted; then end both associations."""
        before = resource.prlimit(self.pid, resource_number)
        resource.prlimit(self.pid, resource_number, (limit, before[1]))
        for _ in range(3):
            response = store(self.victim, ct_image(400_000))
            assert response.status == OUT_OF_RESOURCES
            assert response.comment in comments
            assert self.victim.echo() == 0
        resource.prlimit(self.pid, resource_number, before)
        image = ct_image(400_000)
        assert store(self.victim, image).status == 0
        assert finish(self._other, self._image).status == 0
        for peer in (self.victim, self._other):
            peer.release()
        wait_until_idle(self._server)
        assert set(self._server.files()) == {f"CT.{each.sop_instance_uid}" for each in (image, self._image)}
        with self._raw_peer(self._server) as peer:
            peer.associate()
            assert store(peer, ct_image(2000)).status == 0
            peer.release()


@pytest.mark.parametrize("options", [(), ("-xcr", "true")], ids=["default", "recorded"])
def test_a_worker_without_a_free_descriptor_refuses_objects_until_it_has_one(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer], options: tuple[str, ...]
) -> None:
    server = scpd("--fork", "-v", *options)
    pair = Pair(server, raw_peer)
    used = descriptors(pair.pid)
    free = next(number for number in range(1000) if number not in used)
    pair.refuse(resource.RLIMIT_NOFILE, free, "cannot write: Too many open files")
    said = [line[0] for line in log_lines(server) if "Too many open files" in line]
    assert said == ["E", "I", "I"]


def test_a_worker_without_memory_refuses_objects_until_it_has_some(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer]
) -> None:
    """Deflating takes more than a worker has to spare."""
    server = scpd("--fork", "-v", "+td")
    pair = Pair(server, raw_peer)
    pair.refuse(resource.RLIMIT_AS, 1 << 20, "out of memory", "cannot write: Cannot allocate memory")
    said = [line[0] for line in log_lines(server) if re.search("out of memory|Cannot allocate memory", line)]
    assert len(said) == 3
    assert 1 <= len(complaints(server)) <= 2  # one of either kind
    assert "Traceback" not in server.stderr


def _readable(peers: list[RawPeer]) -> list[RawPeer]:
    return [peers[number] for number in sorted(readable([peer.socket for peer in peers]))]
