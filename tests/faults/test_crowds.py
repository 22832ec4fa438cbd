"""One host with more connections than it may have (--max-associations-per-host): it is told so, others are served."""

from __future__ import annotations

import os
import re
import signal
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING

import pytest

from tests.harness import wire
from tests.harness.clients import storescu
from tests.harness.descriptors import tcp_sockets
from tests.harness.objects import write_ct_images
from tests.harness.processes import children_of, command_line
from tests.harness.raw_peer import CONTEXTS
from tests.harness.storing import assert_serves, complaints, serving, standing_by, wait_until_idle, worker_of
from tests.harness.waiting import PATIENCE_SECONDS
from tests.harness.wrapped import require_root, unprivileged_user

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.harness.raw_peer import RawPeer
    from tests.harness.servers import Server, ServerFactory

LIMIT = "--max-associations-per-host"
REFUSED = wire.Pdu(wire.ASSOCIATE_RJ, b"\0\2\3\1")  # transient, provider (presentation), temporary congestion
OTHER_HOST = "127.0.0.2"
CROWD = 500
MOST_REFUSERS = 16
MOST_SILENT = 1024
REFUSER_SECONDS = 5.0
MODES = [
    pytest.param(("--fork",), id="fork"),
    pytest.param(("--fork", "--max-associations", "4"), id="slots"),
    pytest.param(("--fork", "--max-associations", "2"), id="fewer-slots-than-limit"),
    pytest.param(("--single-process",), id="single-process"),
]


def refusers(server: Server) -> list[int]:
    """Give the children that refuse a connection, by their titles."""
    children = [child.pid for child in children_of(server.pid) if child.is_running]
    return [pid for pid in children if ": refusing " in command_line(pid)]


def wait_until_no_refuser_is_left(server: Server) -> None:
    server.wait_for(lambda: not refusers(server), what="the end of all refusers")


def closed_unanswered(server: Server) -> int:
    """Give how many connections the log says were closed without an answer."""
    return sum(map(int, re.findall(r"W: (\d+) connections? beyond", server.stderr)))


def ask(peer: RawPeer) -> RawPeer:
    """Send an A-ASSOCIATE-RQ and wait for nothing."""
    peer.send(wire.associate_request(CONTEXTS))
    return peer


def assert_associated(peer: RawPeer) -> None:
    answer = peer.receive()
    assert answer is not None
    assert answer.type == wire.ASSOCIATE_AC


# 500 connections


@pytest.mark.usefixtures("many_descriptors")
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("host", "source"), [("127.0.0.1", OTHER_HOST), ("::1", "::1")])
def test_500_silent_connections_of_one_host_leave_slots_for_another(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer], mode: tuple[str, ...], host: str, source: str
) -> None:
    server = scpd(*mode, LIMIT, "3", "-i0", "-ta", "60")
    crowd = [raw_peer(server) for _ in range(CROWD)]
    for _ in range(3):
        assert_serves(server, partial(raw_peer, host=host, source=source))
    for peer in crowd[3:]:
        assert peer.receive() is None
    server.wait_for(
        lambda: len([sock for sock in tcp_sockets(server.pid) if not sock.is_listening]) == 3,
        what="no connection but the three",
    )


@pytest.mark.usefixtures("many_descriptors")
@pytest.mark.parametrize("mode", [MODES[0], MODES[1]])
def test_500_requests_of_one_host_leave_slots_for_another(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer], mode: tuple[str, ...]
) -> None:
    server = scpd(*mode, LIMIT, "3")
    crowd = [ask(raw_peer(server)) for _ in range(CROWD)]
    for _ in range(3):
        assert_serves(server, partial(raw_peer, source=OTHER_HOST))
    answers = [peer.receive() for peer in crowd]
    assert [answer.type for answer in answers[:3] if answer] == [wire.ASSOCIATE_AC] * 3
    assert {answer for answer in answers[3:] if answer} == {REFUSED}
    for peer in crowd:
        peer.close()
    wait_until_idle(server)
    server.stop()
    assert closed_unanswered(server) == answers.count(None)


@pytest.mark.usefixtures("many_descriptors")
@pytest.mark.parametrize("mode", [MODES[2], MODES[3]])
def test_where_a_host_may_take_every_slot_another_waits_for_no_more_than_its_limit(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer], mode: tuple[str, ...]
) -> None:
    server = scpd(*mode, LIMIT, "3")
    crowd = [ask(raw_peer(server)) for _ in range(CROWD)]
    assert {answer for peer in crowd[3:] if (answer := peer.receive())} == {REFUSED}
    other = ask(raw_peer(server, source=OTHER_HOST))
    for _ in range(CROWD):
        ask(raw_peer(server))
    for peer in crowd[:3]:
        assert_associated(peer)
        peer.release()
    assert_associated(other)


# The answer


@pytest.mark.parametrize("mode", MODES)
def test_a_sender_over_the_limit_is_told_of_a_temporary_congestion(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer], tmp_path: Path, mode: tuple[str, ...]
) -> None:
    server = scpd(*mode, LIMIT, "1")
    write_ct_images(tmp_path / "out", 1)
    first = raw_peer(server)
    first.associate()
    client = storescu(server, "+sd", tmp_path / "out")
    assert client.returncode != 0
    assert client.stderr.splitlines()[1:3] == [
        "F: Result: Rejected Transient, Source: Service Provider (Presentation Related)",
        "F: Reason: Temporary Congestion",
    ]
    first.release()
    wait_until_idle(server)
    assert storescu(server, "+sd", tmp_path / "out").returncode == 0
    assert len(server.files()) == 1


def test_one_line_names_host_count_and_limit_and_others_like_it_are_details(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer]
) -> None:
    server = scpd("--fork", LIMIT, "2", "-i0")
    for peer in [raw_peer(server), raw_peer(server)]:
        peer.associate()
    for _ in range(3):
        assert raw_peer(server).request_association(calling="LATE", called="HERE") == REFUSED
    wait_until_no_refuser_is_left(server)
    (line,) = complaints(server)
    assert line == (
        "E: Association Rejected: too many connections of this host "
        f"(LATE@127.0.0.1 -> HERE, has 2 already, {LIMIT} 2)"
    )


def test_who_is_refused_is_no_association_and_shows_it(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer]
) -> None:
    server = scpd("--fork", LIMIT, "1", "--max-associations", "2")
    raw_peer(server).associate()
    excess = raw_peer(server)
    (pid,) = server.wait_for(lambda: refusers(server), what="a refuser")
    port = excess.socket.getsockname()[1]
    assert command_line(pid).endswith(f": refusing 127.0.0.1:{port}, one too many of its host")
    title = f": master, 1 association on {server.port}"
    server.wait_for(lambda: command_line(server.pid).endswith(title), what=title)
    assert_serves(server, partial(raw_peer, source=OTHER_HOST))


def test_what_is_not_dicom_is_closed_over_the_limit_too(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer]
) -> None:
    server = scpd("--fork", LIMIT, "1")
    raw_peer(server).associate()
    browser = raw_peer(server)
    browser.send(b"GET / HTTP/1.1\r\n\r\n")
    assert browser.receive_until_closed() == []
    server.wait_for_log("failed: not DICOM")
    odd = raw_peer(server)
    odd.send(wire.release_request())
    answer = odd.receive()
    assert answer is not None
    assert answer.type == wire.ABORT


def test_who_says_nothing_over_the_limit_is_gone_in_time(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer]
) -> None:
    server = scpd("--fork", LIMIT, "1", "-ta", "60")
    raw_peer(server).associate()
    silent, dripping = raw_peer(server), raw_peer(server)
    dripping.send(b"\1\0\0")
    begin = monotonic()
    assert silent.receive() is None
    assert dripping.receive() is None
    assert monotonic() - begin < REFUSER_SECONDS + PATIENCE_SECONDS  # of -ta's minute
    wait_until_no_refuser_is_left(server)
    assert len(serving(server)) == 1


def test_a_peer_that_does_not_close_after_its_refusal_is_gone_in_time(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer]
) -> None:
    server = scpd("--fork", LIMIT, "1")
    raw_peer(server).associate()
    assert raw_peer(server).request_association() == REFUSED
    wait_until_no_refuser_is_left(server)


# Beyond the refusers


def test_beyond_sixteen_at_once_connections_are_closed_and_counted(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer]
) -> None:
    server = scpd("--fork", LIMIT, "1", "-ta", "60")
    raw_peer(server).associate(calling="FIRST")
    refused = [raw_peer(server) for _ in range(MOST_REFUSERS)]
    server.wait_for(lambda: len(refusers(server)) == MOST_REFUSERS, what="sixteen refusers")
    closed = [raw_peer(server) for _ in range(10)]
    assert [peer.receive() for peer in closed] == [None] * 10
    assert len(refusers(server)) == MOST_REFUSERS
    assert [ask(peer).receive() for peer in refused] == [REFUSED] * MOST_REFUSERS
    assert len([line for line in complaints(server) if "without an answer" in line]) == 1
    assert "16 others were being refused (the last one from 127.0.0.1, which has 1)" in server.stderr
    os.kill(worker_of(server, "FIRST"), signal.SIGKILL)
    server.stop()
    assert closed_unanswered(server) == 10


def test_who_cannot_be_refused_for_want_of_a_process_is_closed_and_others_are_served(
    scpd_by_user: Callable[..., ServerFactory], tmp_path: Path, raw_peer: Callable[..., RawPeer]
) -> None:
    require_root()  # for a user of its own: the limit counts all processes of one
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    os.chown(inbox, unprivileged_user(), -1)
    server = scpd_by_user(nproc=3)("--fork", LIMIT, "1", "--grace", "1", inbox=inbox)
    peer = raw_peer(server)
    peer.associate()
    server.wait_for(lambda: standing_by(server), what="three processes")
    assert ask(raw_peer(server)).receive() is None
    server.wait_for_log("cannot fork a worker to refuse it: Resource temporarily unavailable (the last one")
    assert_serves(server, partial(raw_peer, source=OTHER_HOST))
    peer.release()


def test_refusers_end_by_sigterm_with_their_master(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer]
) -> None:
    server = scpd("--fork", LIMIT, "1", "--grace", "0", "-ta", "60")
    raw_peer(server)
    begin = monotonic()
    silent = [raw_peer(server) for _ in range(5)]
    server.wait_for(lambda: len(refusers(server)) == len(silent), what="five refusers")
    server.stop()
    assert monotonic() - begin < REFUSER_SECONDS  # that a refuser waits by itself
    assert server.stderr.count(" was stopped") in {0, len(silent)}
    assert server.session() == []


# What is given back


@pytest.mark.parametrize("end", ["release", "abort", "reset", "close", "kill"])
def test_a_place_is_given_back_however_an_association_ends(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer], end: str
) -> None:
    server = scpd("--fork", LIMIT, "1")
    peer = raw_peer(server)
    peer.associate(calling="FIRST")
    assert raw_peer(server).request_association() == REFUSED
    if end == "kill":
        os.kill(worker_of(server, "FIRST"), signal.SIGKILL)
    else:
        getattr(peer, end)()
    assert_serves(server, raw_peer)  # though the worker may not have ended yet


@pytest.mark.parametrize("mode", MODES)
def test_a_sender_that_begins_the_next_association_when_one_has_ended_is_not_refused(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer], mode: tuple[str, ...]
) -> None:
    server = scpd(*mode, LIMIT, "1")
    for _ in range(30):
        peer = raw_peer(server)
        peer.associate()
        peer.release()
    assert complaints(server) == []


@pytest.mark.parametrize("mode", MODES)
def test_a_place_is_given_back_by_who_leaves_without_a_word(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer], mode: tuple[str, ...]
) -> None:
    server = scpd(*mode, LIMIT, "1", "-ta", "60")
    for _ in range(3):
        peer = raw_peer(server)
        server.wait_for(lambda: len(tcp_sockets(server.pid)) > 1, what="the connection")
        peer.close()
        server.wait_for(lambda: len(tcp_sockets(server.pid)) == 1, what="its end")
    assert_serves(server, raw_peer)


def test_a_place_is_given_back_when_the_time_of_a_silent_one_is_over(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer]
) -> None:
    server = scpd("--fork", LIMIT, "1", "-ta", "1")
    assert raw_peer(server).receive() is None
    assert_serves(server, raw_peer)


def test_a_place_is_given_back_by_who_leaves_while_all_slots_are_taken(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer]
) -> None:
    server = scpd("--single-process", "-d", LIMIT, "1")
    first = raw_peer(server, source=OTHER_HOST)
    first.associate()
    for _ in range(3):
        before = server.stderr.count("closed before a worker was free")
        ask(raw_peer(server)).close()
        server.wait_for(
            lambda before=before: server.stderr.count("closed before a worker was free") > before,
            what="the end of one that waits",
        )
    waiting = ask(raw_peer(server))
    first.release()
    assert_associated(waiting)
    waiting.release()
    assert "too many" not in server.stderr


def test_one_hosts_silent_connections_push_out_their_own(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer], many_descriptors: int
) -> None:
    if many_descriptors < 2 * MOST_SILENT:
        pytest.skip(f"this process may have {many_descriptors} descriptors only")
    server = scpd("--fork", LIMIT, str(2 * MOST_SILENT), "-ta", "60")
    other = raw_peer(server, source=OTHER_HOST)
    crowd = [raw_peer(server) for _ in range(MOST_SILENT + 9)]
    assert [peer.receive() for peer in crowd[:10]] == [None] * 10
    other.associate()
    other.release()
