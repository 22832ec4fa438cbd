"""scpctl status, ready, drain and reopen beside a daemon that serves: what it says agrees with what senders know."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from scpd.cli.mdoc import MANUALS
from scpd.process import unixsocket
from tests.harness import wire
from tests.harness.clients import scpctl
from tests.harness.objects import ct_image, write_ct_images
from tests.harness.ports import is_listening
from tests.harness.processes import children_of, command_line
from tests.harness.programs import real_program
from tests.harness.raw_peer import STORE_CONTEXT
from tests.harness.servers import REPOSITORY
from tests.harness.storing import announce, assert_serves, finish, send_half, store, worker_of
from tests.harness.waiting import PATIENCE_SECONDS, wait_until
from tests.harness.wrapped import require_root, unprivileged_words

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator

    from tests.harness.raw_peer import RawPeer
    from tests.harness.servers import Server, ServerFactory

SENDERS = 50


def status(server: Server) -> dict[str, Any]:
    done = scpctl("status", "--json", "-od", server.inbox)
    assert (done.returncode, done.stderr) == (0, "")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def wait_for_status(server: Server, agrees: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    found = status(server)
    deadline = time.monotonic() + 10
    while not agrees(found) and time.monotonic() < deadline:
        found = status(server)
    assert agrees(found), found
    return found


def seconds_to_answer(server: Server) -> float:
    """Ask for the status without scpctl, which takes longer to start than to be answered."""
    begun = time.monotonic()
    with control(server) as sock:
        sock.sendall(b"status\n")
        assert sock.recv(1)
    return time.monotonic() - begun


def control(server: Server, path: str = "") -> socket.socket:
    """Connect to the control socket."""
    return unixsocket.connect(path or f"{server.inbox}/.scpd/control-{server.port}.sock", 10)


def test_while_fifty_associations_run_it_agrees_with_their_senders(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer]
) -> None:
    server = scpd("--fork", "--no-fsync", "-dhl")
    image = ct_image(2000)
    peers = []
    for number in range(SENDERS):
        peer = raw_peer(server)
        peer.associate(calling=f"CT_{number}", called="STORE")
        for message_id in range(1, number % 5 + 1):
            assert store(peer, image, message_id).status == 0
        peers.append(peer)
    assert min(seconds_to_answer(server) for _ in range(5)) < 1.0  # others may have the processors meanwhile
    found = status(server)

    told = {worker["calling_aet"]: worker for worker in found["workers"]}
    assert sorted(told) == sorted(f"CT_{number}" for number in range(SENDERS))
    for number, peer in enumerate(peers):
        worker = told[f"CT_{number}"]
        assert (worker["objects"], worker["refused"]) == (number % 5, 0)
        assert worker["bytes"] == number % 5 * len(image.data_set)
        assert worker["peer"] == "{}:{}".format(*peer.socket.getsockname())
        assert (worker["called_aet"], worker["phase"], worker["name"]) == ("STORE", "associated", "")
        assert 0 <= worker["seconds"] < 60
    stored = sum(number % 5 for number in range(SENDERS))
    assert found["totals"]["objects"] == {"0000": stored}
    assert found["totals"]["associations"] == {}

    for peer in peers:
        peer.release()
    totals = wait_for_status(server, lambda now: now["totals"]["associations"] == {"released": SENDERS})[
        "totals"
    ]
    assert (totals["objects"], totals["bytes"]) == ({"0000": stored}, stored * len(image.data_set))


def test_what_storescu_and_dcmsend_have_sent_is_counted(scpd: ServerFactory, tmp_path: Path) -> None:
    server = scpd("--fork", "--no-fsync")
    files = write_ct_images(tmp_path / "images", 20)
    environment = {**os.environ, "TCP_NODELAY": "1"}
    where = ["127.0.0.1", str(server.port)]
    storescu = [real_program("storescu"), *where, "+sd", str(tmp_path / "images")]
    dcmsend = [real_program("dcmsend"), *where, "+sd", str(tmp_path / "images")]
    senders = [
        subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL)
        for words in [storescu, dcmsend] * 3
    ]
    assert [sender.wait(60) for sender in senders] == [0] * 6
    found = wait_for_status(server, lambda now: now["totals"]["associations"] == {"released": 6})
    assert found["totals"]["objects"] == {"0000": 6 * len(files)}
    assert found["workers"] == []


def test_a_killed_worker_is_counted_and_its_objects_are_not_lost(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer]
) -> None:
    server = scpd("--fork", "--no-fsync")
    peer, image = raw_peer(server), ct_image(2000)
    peer.associate(calling="UNLUCKY")
    for message_id in range(1, 8):
        assert store(peer, image, message_id).status == 0
    os.kill(worker_of(server, "UNLUCKY"), signal.SIGKILL)
    totals = wait_for_status(server, lambda now: not now["workers"])["totals"]
    assert totals["associations"] == {"killed": 1}
    assert totals["died"] == {"worker SIGKILL": 1}
    assert (totals["objects"], totals["bytes"]) == ({"0000": 7}, 7 * len(image.data_set))


def test_refusals_are_told_by_status_and_rejections_by_reason(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer]
) -> None:
    server = scpd(
        "--fork",
        "--no-fsync",
        "--require-called-aet",
        "--called-aet",
        "STORE",
        "--max-associations-per-host",
        "3",
    )
    peer, image = raw_peer(server), ct_image(2000)
    peer.associate(called="STORE")
    assert store(peer, image).status == 0
    announce(peer, ct_image(2000), 2)
    peer.send_data(STORE_CONTEXT, image.data_set)  # another object than was announced
    assert peer.receive_response().status == 0xA900
    for called in ("OTHER", "OTHER", " "):
        with raw_peer(server) as other:
            answer = other.request_association(called=called)
            assert answer is not None
            assert answer.type == wire.ASSOCIATE_RJ
        wait_for_status(server, lambda now: len(now["workers"]) == 1)
    with raw_peer(server) as browser:
        browser.send(b"GET / HTTP/1.0\r\n\r\n")
        assert browser.receive_until_closed() == []
    raw_peer(server).close()
    wait_for_status(server, lambda now: len(now["workers"]) == 1 and now["totals"]["unanswered"])
    raw_peer(server)
    raw_peer(server)
    with raw_peer(server) as beyond:
        answer = beyond.request_association(called="STORE")
        assert answer is not None
        assert answer.body[1:4] == b"\2\3\1"
    peer.send(wire.abort())
    ended = {"rejected": 4, "not_dicom": 1, "lost": 1}
    found = wait_for_status(server, lambda now: now["totals"]["associations"] == ended)
    totals = found["totals"]
    assert totals["objects"] == {"0000": 1, "A900": 1}
    assert totals["rejections"] == {"1/1/7": 3, "2/3/1": 1}
    assert totals["unanswered"] == {"left": 1}
    assert found["waiting"]["silent"] == 2


def test_the_document_has_no_member_that_the_manual_does_not_name(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer]
) -> None:
    server = scpd("--fork", "-ss", "s", "-tos", "60")
    peer = raw_peer(server)
    peer.associate(calling="CT_1")
    assert store(peer, ct_image(2000)).status == 0
    found = wait_for_status(server, lambda now: now["keeper"]["alive"])
    assert found["studies"] == {"open": 1, "completing": 0}
    assert found["lock_directory"] == f"{server.inbox}/.scpd"
    page = (MANUALS / "scpctl.8").read_text(encoding="utf-8")
    told = re.findall(r"\w+", page.partition(".Ss A running daemon")[2].partition(".Ss ")[0])
    members = {*found, *found["workers"][0], *found["totals"]}
    assert [member for member in members if member not in told] == []
    people = scpctl("status", "-od", server.inbox).stdout
    assert re.search(r"^studies +1 open, 0 completing$", people, re.MULTILINE)
    assert re.search(r"^\d+ .*CT_1 +ANY-SCP +associated +1 +0 ", people, re.MULTILINE)


class TestReady:
    """`scpctl ready`."""

    def test_it_is_ready_while_it_can_store(self, scpd: ServerFactory) -> None:
        server = scpd("--fork")
        done = scpctl("ready", "-od", server.inbox)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        assert server.files() == {}

    def test_it_is_not_without_its_output_directory(self, scpd: ServerFactory) -> None:
        server = scpd("--fork")
        elsewhere = server.inbox.with_name("elsewhere")
        server.inbox.rename(elsewhere)
        done = scpctl("ready", "-od", elsewhere)
        assert (done.returncode, done.stderr) == (
            1,
            f"scpctl: not ready: cannot write to {server.inbox}: No such file or directory\n",
        )
        elsewhere.rename(server.inbox)
        assert scpctl("ready", "-od", server.inbox).returncode == 0

    def test_it_is_not_without_the_keeper_that_it_needs(self, scpd: ServerFactory) -> None:
        server = scpd("--fork", "-xcr", "true", "--no-keeper")
        done = scpctl("ready", "-od", server.inbox)
        assert (done.returncode, done.stderr) == (1, "scpctl: not ready: there is no keeper\n")

    def test_it_is_not_while_its_keeper_is_stopped(self, scpd: ServerFactory) -> None:
        server = scpd("--fork", "-xcr", "true")
        pid = wait_for_status(server, lambda now: now["keeper"]["alive"])["keeper"]["pid"]
        os.kill(pid, signal.SIGSTOP)
        try:
            found = wait_for_status(server, lambda now: not now["keeper"]["alive"])
            done = scpctl("ready", "-od", server.inbox)
        finally:
            os.kill(pid, signal.SIGCONT)
        assert found["keeper"]["pid"] == pid
        assert (done.returncode, done.stderr) == (1, f"scpctl: not ready: keeper {pid} is stopped\n")
        wait_for_status(server, lambda now: now["keeper"]["alive"])
        assert scpctl("ready", "-od", server.inbox).returncode == 0

    def test_it_is_not_while_it_drains(self, scpd: ServerFactory, raw_peer: Callable[..., RawPeer]) -> None:
        server = scpd("--fork")
        peer = raw_peer(server)
        peer.associate()
        assert scpctl("drain", "-od", server.inbox).stdout == "draining, 1 association left\n"
        done = scpctl("ready", "-od", server.inbox)
        assert (done.returncode, done.stderr) == (
            1,
            "scpctl: not ready: draining: no connection is accepted\n",
        )


class TestDrain:
    """`scpctl drain`."""

    def test_it_closes_the_port_and_ends_after_the_last_association(
        self, scpd: ServerFactory, raw_peer: Callable[..., RawPeer]
    ) -> None:
        server = scpd("--fork", "-v", "--grace", "0")
        image, peer = ct_image(300_000), raw_peer(server)
        peer.associate(calling="LONG")
        send_half(peer, image)
        worker_of(server, "LONG")
        for _ in range(2):
            assert scpctl("drain", "-od", server.inbox).stdout == "draining, 1 association left\n"
        wait_until(lambda: not is_listening(server.port))
        assert status(server)["state"] == "draining"
        # Longer than the grace period, after which it would be aborted and killed.
        with pytest.raises(TimeoutError):
            peer.receive(timeout=1.0)
        peer.socket.settimeout(PATIENCE_SECONDS)
        assert finish(peer, image).status == 0
        peer.release()
        assert server.wait() == 0
        assert not (server.inbox / ".scpd" / f"control-{server.port}.sock").exists()

    def test_a_sigterm_limits_it(self, scpd: ServerFactory, raw_peer: Callable[..., RawPeer]) -> None:
        server = scpd("--fork", "--grace", "1")
        peer = raw_peer(server)
        peer.associate()
        assert scpctl("drain", "-od", server.inbox).returncode == 0
        server.signal(signal.SIGTERM)
        assert peer.receive() == wire.Pdu(wire.ABORT, bytes(4))
        assert server.wait() == 0

    def test_the_keeper_works_on_as_long_as_workers_may_need_it(
        self, scpd: ServerFactory, raw_peer: Callable[..., RawPeer]
    ) -> None:
        server = scpd("--fork", "-xcr", "true")
        peer = raw_peer(server)
        peer.associate()
        pid = wait_for_status(server, lambda now: now["keeper"]["alive"])["keeper"]["pid"]
        assert scpctl("drain", "-od", server.inbox).returncode == 0
        os.kill(pid, signal.SIGKILL)
        found = wait_for_status(server, lambda now: now["keeper"]["alive"] and now["keeper"]["pid"] != pid)
        assert found["totals"]["died"] == {"keeper SIGKILL": 1}
        peer.release()
        assert server.wait() == 0


def test_when_reopen_has_returned_log_files_are_opened_anew(scpd: ServerFactory, tmp_path: Path) -> None:
    path, configuration = tmp_path / "scpd.log", tmp_path / "logger.cfg"
    # No line is written meanwhile, at which it would see for itself that the file was moved.
    configuration.write_text(
        "log4cplus.rootLogger=FATAL, F\nlog4cplus.appender.F=log4cplus::FileAppender\n"
        f"log4cplus.appender.F.File={path}\n"
    )
    server = scpd("--fork", "-lc", str(configuration))
    path.rename(tmp_path / "scpd.log.1")
    assert scpctl("reopen", "-od", server.inbox).returncode == 0
    assert path.exists()


def test_a_log_file_that_cannot_be_opened_anew_is_told(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer], tmp_path: Path
) -> None:
    folder, configuration = tmp_path / "logs", tmp_path / "logger.cfg"
    folder.mkdir()
    configuration.write_text(
        "log4cplus.rootLogger=INFO, F\nlog4cplus.appender.F=log4cplus::FileAppender\n"
        f"log4cplus.appender.F.File={folder}/scpd.log\n"
    )
    server = scpd("--fork", "-lc", str(configuration))
    folder.rename(tmp_path / "moved")
    done = scpctl("reopen", "-od", server.inbox)
    fault = f"cannot open {folder}/scpd.log: what was open is written to"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"scpctl: {fault}\n")
    assert_serves(server, raw_peer)
    assert f"ERROR - {fault}\n" in (tmp_path / "moved" / "scpd.log").read_text()
    folder.mkdir()
    assert scpctl("reopen", "-od", server.inbox).returncode == 0
    assert (folder / "scpd.log").exists()
    server.may_be_broken = True


def test_a_word_that_it_does_not_know_is_an_error(scpd: ServerFactory) -> None:
    server = scpd("--fork")
    with control(server) as sock:
        sock.sendall(b"explode\n")
        assert json.loads(sock.recv(999)) == {"error": "unknown request"}


def test_neither_garbage_nor_a_hundred_silent_clients_hurt_the_master(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer]
) -> None:
    server = scpd("--fork", "--no-fsync")
    descriptors = len(os.listdir(f"/proc/{server.pid}/fd"))
    clients = [control(server) for _ in range(100)]
    assert_serves(server, raw_peer)
    assert scpctl("ready", "-od", server.inbox).returncode == 0
    for garbage in (b"\0" * 10_000, b"\xff" * 64, b"status", os.urandom(5000)):
        # It may have been told that this is no request before it has said all.
        with control(server) as sock, suppress(BrokenPipeError, ConnectionResetError):
            sock.sendall(garbage)
    assert status(server)["state"] == "serving"
    assert_serves(server, raw_peer)
    for client in clients:
        client.close()
    wait_for_status(server, lambda now: not now["workers"])
    server.wait_for(
        lambda: len(os.listdir(f"/proc/{server.pid}/fd")) <= descriptors + 4
    )  # workers that stand by have theirs
    assert server.stderr == ""


def test_clients_that_hear_no_answer_leave_nothing_behind(scpd: ServerFactory) -> None:
    server = scpd("--fork")
    for _ in range(30):
        with control(server) as sock:
            sock.sendall(b"status\n")
    assert status(server)["totals"]["died"] == {}
    server.wait_for(
        lambda: not any("teller" in command_line(child.pid) for child in children_of(server.pid)),
        what="the end of all tellers",
    )


@pytest.fixture
def reachable() -> Iterator[Path]:
    """A folder that every user may enter, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        yield Path(folder)


def test_another_user_may_not_ask_whatever_the_mode_of_the_socket(
    scpd: ServerFactory, reachable: Path
) -> None:
    require_root()
    locks = reachable / "locks"
    server = scpd("--fork", "--lock-directory", str(locks))
    locks.chmod(0o755)
    path = locks / f"control-{server.port}.sock"
    words = [sys.executable, "-m", "scpd.ctl.main", "status", "--socket", str(path)]
    ask = lambda: subprocess.run(  # noqa: E731
        unprivileged_words(words),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )
    done = ask()
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"scpctl: cannot ask the daemon at {path}: Permission denied\n"
    path.chmod(0o666)
    done = ask()
    assert (done.returncode, done.stdout) == (1, "")
    assert "only root and the user of the daemon may ask" in done.stderr


def test_with_the_daemon_stopped_it_says_so_in_one_line(scpd: ServerFactory) -> None:
    server = scpd("--fork")
    assert server.stop() == 0
    for word in ("status", "ready", "drain"):
        done = scpctl(word, "-od", server.inbox)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == f"scpctl: no daemon listens in {server.inbox}/.scpd\n"


def test_what_a_killed_daemon_left_is_no_obstacle(scpd: ServerFactory) -> None:
    server = scpd("--fork")
    path = server.inbox / ".scpd" / f"control-{server.port}.sock"
    server.process.kill()
    server.wait()
    assert path.exists()
    done = scpctl("status", "--socket", path)
    assert (done.returncode, done.stderr) == (1, f"scpctl: no daemon listens at {path}\n")
    again = scpd("--fork", inbox=server.inbox, port=server._reservation)
    assert status(again)["pid"] == again.pid


def test_a_path_may_be_longer_than_the_address_of_a_socket(scpd: ServerFactory, tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100) / ("e" * 100)
    server = scpd("--fork", inbox=deep)
    assert status(server)["listeners"] == [f"0.0.0.0:{server.port}"]
    assert scpctl("drain", "-od", deep).returncode == 0
    assert server.wait() == 0
    assert list((deep / ".scpd").glob("*.sock")) == []


def test_of_two_daemons_with_one_lock_directory_each_can_be_asked(
    scpd: ServerFactory, tmp_path: Path
) -> None:
    locks = tmp_path / "locks"
    servers = [
        scpd("--fork", "--lock-directory", str(locks), "--pidfile", str(tmp_path / f"pid-{number}"))
        for number in range(2)
    ]
    done = scpctl("reload", "--lock-directory", locks)
    assert (done.returncode, done.stdout) == (1, "")
    there = sorted(f"{locks}/control-{server.port}.sock (pid {server.pid})" for server in servers)
    assert done.stderr == (
        f"scpctl: several daemons listen in {locks}, say which by --port, --pidfile or --socket: {', '.join(there)}\n"
    )
    for number, server in enumerate(servers):
        for which in (("--port", server.port), ("--pidfile", tmp_path / f"pid-{number}")):
            asked = scpctl("status", "--json", "--lock-directory", locks, *map(str, which))
            assert json.loads(asked.stdout)["pid"] == server.pid


def test_in_its_runtime_directory_it_is_found_by_its_port(scpd: ServerFactory, tmp_path: Path) -> None:
    runtime = tmp_path / "run"
    runtime.mkdir()
    server = scpd("--fork", "--ignore", env={"RUNTIME_DIRECTORY": str(runtime)})
    assert scpctl("ready", "--socket", runtime / f"{server.port}.sock").returncode == 0
    assert not (server.inbox / ".scpd").exists()
