"""Processes as the administrator sees them: titles, names, descriptors, no zombies; and starts that fail."""

from __future__ import annotations

import os
import re
import socket
import sys
from typing import TYPE_CHECKING

import pytest

from scpd.master import standbys
from tests.harness.clients import run
from tests.harness.descriptors import descriptors, sockets, tcp_sockets
from tests.harness.objects import ct_image
from tests.harness.pages import FEW_PAGE_FAULTS, page_faults, require_io_uring
from tests.harness.processes import children_of, command_line, process
from tests.harness.servers import REPOSITORY
from tests.harness.storing import (
    assert_serves,
    finish,
    send_half,
    serving,
    standing_by,
    store,
    wait_for_temporaries,
    wait_until_idle,
    worker_of,
)
from tests.harness.waiting import wait_until
from tests.harness.wrapped import require_root, unprivileged_words

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    from tests.harness.ports import ReservedPort
    from tests.harness.raw_peer import RawPeer
    from tests.harness.servers import Server, ServerFactory

# What a console script is, so that the program may be called by any name.
SCRIPT = f"#!{sys.executable}\nimport sys\nfrom scpd.__main__ import main\nsys.exit(main())\n"
ENVIRONMENT = {"PYTHONPATH": str(REPOSITORY)}


def name_of(pid: int) -> str:
    with open(f"/proc/{pid}/comm", encoding="utf-8") as file:
        return file.read().rstrip("\n")


def assert_title(server: Server, pid: int, pattern: str) -> None:
    """Wait for a title: what a process is about to show it has not shown yet."""
    try:
        wait_until(lambda: re.fullmatch(pattern, command_line(pid)))
    except AssertionError:
        raise AssertionError(f"{pattern} is not the title {command_line(pid)!r}; {server.stderr}") from None


@pytest.fixture(params=["scpd", "storescp"])
def called(request: pytest.FixtureRequest, tmp_path: Path) -> list[str]:
    """The program by its own name, and by that of the one whose place it takes: the words that start it."""
    script = tmp_path / "bin" / "scpd"
    script.parent.mkdir()
    script.write_text(SCRIPT)
    script.chmod(0o755)
    if request.param != "scpd":
        script.with_name(request.param).symlink_to("scpd")
    return [str(script.with_name(request.param))]


@pytest.fixture
def start_called(
    called: list[str], scpd_wrapped: Callable[..., ServerFactory]
) -> Callable[..., tuple[Server, str]]:
    """Start it by that name; gives the server and the name."""
    name = os.path.basename(called[0])

    def start(*options: str) -> tuple[Server, str]:
        factory = scpd_wrapped()
        factory._command = called
        return factory(*options), name

    return start


def test_titles_tell_what_each_process_does(
    start_called: Callable[..., tuple[Server, str]], raw_peer: Callable[..., RawPeer]
) -> None:
    server, name = start_called("--fork")
    assert_title(server, server.pid, f"{name}: master, 0 associations on {server.port}")
    peer, image = raw_peer(server), ct_image(4_000_000)
    peer.associate(calling="CT_1", called="STORESCP")
    worker = worker_of(server, "CT_1")
    who = rf"{name}: CT_1@127\.0\.0\.1 -> STORESCP"
    assert_title(server, worker, f"{who}: associated")
    assert_title(server, server.pid, f"{name}: master, 1 association on {server.port}")
    send_half(peer, image)
    assert_title(server, worker, rf"{who}: storing 1, [12]\.\d MB")
    assert finish(peer, image).status == 0
    assert_title(server, worker, rf"{who}: stored 1, 4\.0 MB")
    send_half(peer, image)
    assert_title(server, worker, rf"{who}: storing 2, [56]\.\d MB")
    assert finish(peer, image).status == 0
    other = raw_peer(server)
    other.associate(calling="CT_2")
    assert_title(server, server.pid, f"{name}: master, 2 associations on {server.port}")
    peer.release()
    other.release()
    assert_title(server, server.pid, f"{name}: master, 0 associations on {server.port}")


def test_every_process_keeps_the_name_that_the_program_was_called_by(
    start_called: Callable[..., tuple[Server, str]], raw_peer: Callable[..., RawPeer]
) -> None:
    server, name = start_called("--fork")
    assert name_of(server.pid) == name
    peer, image = raw_peer(server), ct_image(300_000)
    peer.associate(calling="CT_1")
    worker = worker_of(server, "CT_1")
    assert name_of(worker) == name
    send_half(peer, image)
    wait_for_temporaries(server, 1)
    assert name_of(worker) == name
    assert finish(peer, image).status == 0
    assert {name_of(pid) for pid in (server.pid, worker, *standing_by(server))} == {name}


def test_messages_use_the_name_that_the_program_was_called_by(called: list[str]) -> None:
    name = os.path.basename(called[0])
    result = run([*called, "--nonsense"], env=ENVIRONMENT)
    assert result.returncode == 1
    assert f": {name} v" in result.stderr
    assert ("storescp" in result.stderr) == (name == "storescp")
    version = run([*called, "--version"], env=ENVIRONMENT)
    assert version.returncode == 0
    assert f": {name} v" in version.stdout
    usage = run([*called, "--help"], env=ENVIRONMENT)
    assert usage.returncode == 0
    assert f"usage: {name} " in usage.stdout


def test_a_title_shows_nothing_of_a_peer_but_printable_characters(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer]
) -> None:
    server = scpd("--fork")
    peer = raw_peer(server)
    peer.associate(calling=b"A\x1b[31m\n\xff%s", called="ANY")
    (worker,) = server.wait_for(lambda: serving(server))
    assert_title(server, worker, r"scpd: A\?\[31m\?\?%s@127\.0\.0\.1 -> ANY: associated")


# What processes hold open


def test_a_worker_holds_the_connection_of_its_own_peer_and_no_other_socket(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer]
) -> None:
    server = scpd("--fork")
    silent = [raw_peer(server) for _ in range(5)]
    counts = []
    for number in range(12):
        peer = raw_peer(server)
        peer.associate(calling=f"PEER{number}")
        assert store(peer, ct_image(1000)).status == 0
        worker = worker_of(server, f"PEER{number}")
        (connection,) = tcp_sockets(worker)
        assert (connection.remote_port, connection.is_listening) == (peer.socket.getsockname()[1], False)
        assert len(sockets(worker)) == 1
        counts.append(len(descriptors(worker)))
    assert len(set(counts)) == 1
    # It lets go of a connection when that is in the hands of its worker, who may have answered by then.
    server.wait_for(lambda: len(tcp_sockets(server.pid)) == 1 + len(silent), what="no other connection")
    assert [found.is_listening for found in tcp_sockets(server.pid)].count(True) == 1


def test_workers_that_stand_by_hold_no_connection(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer]
) -> None:
    server = scpd("--fork")
    peers = [raw_peer(server) for _ in range(8)]
    for number, peer in enumerate(peers):
        peer.associate(calling=f"PEER{number}")
    for pid in standing_by(server):
        assert tcp_sockets(pid) == []
        assert len(sockets(pid)) <= 1


@pytest.mark.skipif(os.geteuid() != 0, reason="what a user may lock is for all his servers together")
def test_what_workers_would_copy_is_pinned_by_the_master_alone(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer]
) -> None:
    require_io_uring()
    server = scpd("--fork")
    peer = raw_peer(server)
    peer.associate(calling="PEER")
    worker = worker_of(server, "PEER")
    ring = "anon_inode:[io_uring]"
    assert ring in descriptors(server.pid).values()
    assert ring not in descriptors(worker).values()
    assert page_faults(worker) < FEW_PAGE_FAULTS
    peer.release()


@pytest.mark.parametrize("mode", ["--fork", "--single-process"])
def test_many_associations_leave_no_zombie_and_no_descriptor(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer], mode: str
) -> None:
    server = scpd(mode)
    assert_serves(server, raw_peer)
    for _ in range(40):
        assert_serves(server, raw_peer)
    wait_until_idle(server)
    server.wait_for(lambda: all(child.is_running for child in children_of(server.pid)), what="no zombies")
    # The listener, the control socket, and a channel to each worker that stands by.
    server.wait_for(lambda: len(sockets(server.pid)) == 2 + len(standing_by(server)), what="no other socket")
    assert len(standing_by(server)) <= standbys.MOST


def test_a_server_has_no_thread(scpd: ServerFactory, raw_peer: Callable[..., RawPeer]) -> None:
    server = scpd("--fork")
    peer = raw_peer(server)
    peer.associate(calling="CT_1")
    assert store(peer, ct_image(1000)).status == 0
    for pid in (server.pid, worker_of(server, "CT_1"), *standing_by(server)):
        assert len(os.listdir(f"/proc/{pid}/task")) == 1


def test_nothing_of_a_server_remains_when_it_has_ended(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer]
) -> None:
    server = scpd("--fork")
    assert_serves(server, raw_peer)
    children = [child.pid for child in children_of(server.pid)]
    assert server.stop() == 0
    server.wait_for(lambda: server.session() == [])
    # None that is one of ours now, a zombie; another test's may have the number.
    assert [it for pid in children if (it := process(pid)) and it.session == server.pid] == []


# Starts that fail


def start(*words: str, prefix: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    return run([*prefix, sys.executable, "-m", "scpd", *words], env=ENVIRONMENT)


def assert_one_line(result: subprocess.CompletedProcess[str], *parts: str) -> None:
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith("F: ")
    for part in parts:
        assert part in line
    assert result.stdout == ""


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])
def test_a_taken_port_is_told_in_one_line(tmp_path: Path, address: str) -> None:
    with socket.create_server((address, 0)) as listener:
        port = str(listener.getsockname()[1])
        assert_one_line(start("-od", str(tmp_path), port), port, "Address already in use")


def test_an_address_of_another_machine_is_told_in_one_line(
    tmp_path: Path, reserved_port: ReservedPort
) -> None:
    result = start("-od", str(tmp_path), "--bind", "192.0.2.1", str(reserved_port.number))
    assert_one_line(result, "192.0.2.1", str(reserved_port.number), "Cannot assign requested address")


def test_a_privileged_port_is_told_in_one_line(tmp_path: Path) -> None:
    with open("/proc/sys/net/ipv4/ip_unprivileged_port_start", encoding="ascii") as file:
        if int(file.read()) <= 104:
            pytest.skip("port 104 is not privileged here")
    result = start("--ignore", "-od", str(tmp_path), "104", prefix=tuple(unprivileged_words([])))
    assert_one_line(result, "104", "insufficient privileges")


@pytest.mark.parametrize("kind", ["missing", "a file"])
def test_an_output_directory_that_is_none_is_told_in_one_line(
    tmp_path: Path, reserved_port: ReservedPort, kind: str
) -> None:
    path = tmp_path / "output"
    if kind == "a file":
        path.touch()
    assert_one_line(start("-od", str(path), str(reserved_port.number)), str(path), "does not exist")


def test_an_unwritable_output_directory_is_told_in_one_line(
    tmp_path: Path, reserved_port: ReservedPort
) -> None:
    require_root()
    path = tmp_path / "output"
    path.mkdir(mode=0o755)
    result = start("-od", str(path), str(reserved_port.number), prefix=tuple(unprivileged_words([])))
    assert_one_line(result, str(path), "not writeable")
    assert list(path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--nonsense", "11112"], "Unknown option --nonsense"),
        (["-pdu", "100", "11112"], "--max-pdu (underflow: 100)"),
        (["-pdu", "x", "11112"], "--max-pdu"),
        (["-ta", "11112"], "Missing parameter port"),
        (["-ll", "loud", "11112"], "--log-level"),
        (["--bind", "nowhere", "11112"], "--bind (nowhere)"),
        (["--grace", "-1", "11112"], "--grace"),
        (["0"], "underflow"),
        (["65536"], "overflow"),
        (["port"], "Invalid parameter value port"),
        (["11112", "11113"], "Too many parameters"),
        (["--max-associations", "3", "11112"], "--fork"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_command_line_that_cannot_be_followed_is_told_in_one_line(words: list[str], text: str) -> None:
    result = start(*words)
    assert result.returncode == 1
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert text in line
    assert "Traceback" not in result.stderr
    assert result.stdout == ""
