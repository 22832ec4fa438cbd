"""A master that renews itself (SIGHUP, SIGUSR2): nobody notices but those who come after it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING

import pytest

from tests.harness import wire
from tests.harness.clients import scpctl
from tests.harness.objects import ct_image
from tests.harness.processes import children_of, command_line
from tests.harness.raw_peer import STORE_CONTEXT, RawPeer
from tests.harness.storing import (
    announce,
    assert_holds,
    assert_serves,
    padded_to,
    send_half,
    send_rest,
    serving,
    standing_by,
    store,
    worker_of,
)
from tests.harness.waiting import PATIENCE_SECONDS, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.harness.servers import Server, ServerFactory

RENEWING = [signal.SIGHUP, signal.SIGUSR2]
RELOADED, REFUSED = "I: reloaded", "E: not reloaded: "


def renew(server: Server, number: int = signal.SIGHUP, verdict: str = RELOADED) -> None:
    """Have it renew itself, and wait for the verdict."""
    count = server.stderr.count(verdict)
    server.signal(number)
    server.wait_for(lambda: server.stderr.count(verdict) > count, PATIENCE_SECONDS, f"one more {verdict!r}")


@pytest.mark.parametrize("number", RENEWING)
def test_new_associations_get_the_new_settings_and_running_ones_go_on(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer], options: Path, number: int
) -> None:
    server = scpd("--fork", "--require-called-aet", f"@{options}")
    old = raw_peer(server)
    old.associate(called="ONE", calling="OLD")
    image = ct_image()
    send_half(old, image)
    worker = worker_of(server, "OLD")
    options.write_text("-v\n-aet TWO\n", encoding="utf-8")
    renew(server, number)
    assert worker_of(server, "OLD") == worker
    send_rest(old, image)
    assert old.receive_response().status == 0
    old.release()
    assert_holds(server, image)
    wait_until(lambda: not serving(server))
    refused = raw_peer(server)
    answer = refused.request_association(called="ONE")
    assert answer is not None
    assert answer.type == wire.ASSOCIATE_RJ
    new = raw_peer(server)
    new.associate(called="TWO")
    new.release()
    assert server.stop() == 0
    assert "Traceback" not in server.stderr


def test_a_broken_configuration_is_named_and_the_old_one_stays(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer], options: Path
) -> None:
    server = scpd("--fork", f"@{options}")
    workers = server.wait_for(lambda: standing_by(server), what="a worker that stands by")
    options.write_text("-v\n--grace never\n", encoding="utf-8")
    renew(server, verdict=REFUSED)
    assert "never" in server.stderr
    assert {*workers} <= {*standing_by(server)}
    assert_serves(server, raw_peer)
    options.write_text("-v\n--peers /nonexistent\n", encoding="utf-8")
    renew(server, verdict=REFUSED)
    assert "/nonexistent" in server.stderr
    options.write_text("-v\n", encoding="utf-8")
    renew(server)
    assert_serves(server, raw_peer)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--bind", "127.0.0.2"], "--bind cannot change"),
        (["-i6"], "IP protocol cannot change"),
        (["--pidfile", "other.pid"], "--pidfile cannot change"),
        (["--user", "nobody"], "--user cannot change"),
        (["--group", "nogroup"], "--group cannot change"),
        (["--daemon"], "--daemon cannot change"),
        (["-su", "S", "-tos", "5", "-xcs", "true", "--lock-directory", "elsewhere"], "lock directory cannot"),
    ],
)
def test_what_cannot_change_is_one_line_that_names_it(
    scpd: ServerFactory,
    raw_peer: Callable[..., RawPeer],
    options: Path,
    words: list[str],
    complaint: str,
) -> None:
    own = ("--fork", "-su", "S", "-tos", "5", "-xcs", "true") if "--lock-directory" in words else ("--fork",)
    server = scpd(*own, f"@{options}")
    options.write_text("-v\n" + "\n".join(words) + "\n", encoding="utf-8")
    renew(server, verdict=REFUSED)
    lines = [line for line in server.stderr.splitlines() if "not reloaded" in line]
    assert len(lines) == 1
    assert complaint in lines[0]
    peer = raw_peer(server)
    peer.associate()
    assert peer.echo() == 0
    peer.release()


def test_connections_that_wait_are_served_by_the_successor(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer]
) -> None:
    server = scpd("-v", "--fork", "--max-associations", "1")
    first = raw_peer(server)
    first.associate(calling="FIRST")
    waiting = [raw_peer(server) for _ in range(3)]  # one accepted at the most, the others in the backlog
    renew(server)
    first.release()
    for peer in waiting:
        peer.associate(calling="WAITS")
        peer.release()


def test_silent_connections_and_counts_of_hosts_pass_to_the_successor(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer]
) -> None:
    server = scpd("-v", "--fork", "--max-associations-per-host", "2", "-ta", "20")
    busy, silent = raw_peer(server), raw_peer(server)
    busy.associate(calling="BUSY")
    renew(server)
    late = raw_peer(server)
    answer = late.request_association()
    assert answer is not None
    assert answer.type == wire.ASSOCIATE_RJ  # a third one
    silent.associate(calling="SILENT")
    silent.release()
    busy.release()
    wait_until(lambda: not serving(server))
    assert_serves(server, raw_peer)


def test_a_worker_that_ends_during_the_change_is_reaped(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer]
) -> None:
    server = scpd("-v", "--fork")
    peers = [raw_peer(server) for _ in range(8)]
    for peer in peers:
        peer.associate()
    before = server.stderr.count(RELOADED)
    server.signal(signal.SIGHUP)
    for peer in peers:
        peer.release()
    server.wait_for(lambda: server.stderr.count(RELOADED) > before, 20, "reloaded")
    wait_until(lambda: not serving(server))
    wait_until(lambda: all(child.is_running for child in children_of(server.pid)), what="no zombies")
    assert server.stop() == 0


def test_a_request_to_end_that_comes_during_the_change_is_heard(scpd: ServerFactory) -> None:
    for delay in (0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3):
        server = scpd("-v", "--fork")
        server.signal(signal.SIGHUP)
        threading.Event().wait(delay)  # whatever it is doing then
        server.signal(signal.SIGTERM)
        assert server.wait() == 0, server.stderr


def keeper_of(server: Server) -> list[int]:
    """Give the keeper that has been elected."""
    children = [child.pid for child in children_of(server.pid) if child.is_running]
    return [pid for pid in children if ": keeper, " in command_line(pid) and "turn" not in command_line(pid)]


def test_the_keeper_changes_and_its_commands_go_on(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer], options: Path, tmp_path: Path
) -> None:
    began, go, done = tmp_path / "began", tmp_path / "go", tmp_path / "done"
    command = f"echo >> {began}; while [ ! -e {go} ]; do sleep 0.05; done; echo >> {done}"
    server = scpd("--fork", "-xcr", command, f"@{options}")
    peer = raw_peer(server)
    peer.associate()
    assert store(peer, ct_image()).status == 0
    peer.release()
    wait_until(began.exists, what="the command's begin")
    keeper = keeper_of(server)
    renew(server)
    server.wait_for(lambda: keeper_of(server) not in ([], keeper), 10, "another keeper")
    go.touch()
    server.wait_for(done.exists, 15, "the command's end")
    assert server.stop() == 0
    assert began.read_text(encoding="utf-8") == done.read_text(encoding="utf-8") == "\n"


def test_options_of_studies_change_unless_somebody_else_uses_the_lock_directory(
    scpd: ServerFactory, options: Path, tmp_path: Path
) -> None:
    shared = ("--fork", "--lock-directory", str(tmp_path / "locks"), f"@{options}")
    studies = "-v\n-su S\n-xcs true\n-tos {}\n"
    options.write_text(studies.format(5), encoding="utf-8")
    first = scpd(*shared)
    options.write_text(studies.format(6), encoding="utf-8")
    renew(first)
    second = scpd(*shared, inbox=first.inbox)
    options.write_text(studies.format(7), encoding="utf-8")
    renew(first, verdict=REFUSED)
    assert "with --eostudy-timeout 6, not 7" in first.stderr
    second.stop()
    renew(first)


def test_a_log_is_not_emptied_by_a_reload(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer], tmp_path: Path
) -> None:
    configuration, file = tmp_path / "log.cfg", tmp_path / "log"
    configuration.write_text(
        "log4cplus.rootLogger=INFO, F\nlog4cplus.appender.F=log4cplus::FileAppender\n"
        f"log4cplus.appender.F.File={file}\nlog4cplus.appender.F.Append=false\n",
        encoding="utf-8",
    )
    server = scpd("--fork", "-lc", str(configuration))
    assert_serves(server, raw_peer)
    server.signal(signal.SIGHUP)
    wait_until(lambda: "reloaded" in file.read_text(encoding="utf-8"), 20, "the reload")
    assert "Association Release" in file.read_text(encoding="utf-8")
    assert server.stop() == 0


def test_the_pid_file_stays_and_is_locked(scpd: ServerFactory, tmp_path: Path) -> None:
    pid_file = tmp_path / "scpd.pid"
    server = scpd("-v", "--fork", "--pidfile", str(pid_file))
    for number in RENEWING:
        renew(server, number)
        assert pid_file.read_text(encoding="ascii") == f"{server.pid}\n"
        with pytest.raises(AssertionError, match="another process runs already"):
            scpd("--fork", "--pidfile", str(pid_file))
    assert server.stop() == 0
    assert not pid_file.exists()


def test_descriptors_do_not_add_up(scpd: ServerFactory, raw_peer: Callable[..., RawPeer]) -> None:
    server = scpd("-v", "--fork", "-xcr", "true", "--pidfile", "scpd.pid")
    renew(server)
    server.wait_for(lambda: keeper_of(server), what="a keeper")
    before = len(os.listdir(f"/proc/{server.pid}/fd"))
    for _ in range(5):
        renew(server)
    assert_serves(server, raw_peer)
    server.wait_for(lambda: keeper_of(server), what="a keeper")
    wait_until(lambda: not serving(server))
    # Up to three workers stand by, each with its channel.
    wait_until(lambda: len(os.listdir(f"/proc/{server.pid}/fd")) <= before + 2, what="as many descriptors")


# What changes between the check and the change


def test_a_successor_that_cannot_start_tries_again_and_nobody_is_refused(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer], options: Path, tmp_path: Path
) -> None:
    # The check reads the file once, the successor a second time: a FIFO gives each of them something else.
    server = scpd("-v", "--fork", f"@{options}")
    worker = raw_peer(server)
    worker.associate(calling="OLD")
    options.unlink()
    os.mkfifo(options)
    server.signal(signal.SIGHUP)
    for text in ("-v\n", "-v\n--peers /nonexistent\n", "-v\n--no-such-option\n"):
        with options.open("w", encoding="utf-8") as fifo:
            fifo.write(text)
        wait_until(lambda: not _is_open_for_reading(options))
    assert worker.echo() == 0
    late = raw_peer(server)  # waits
    with options.open("w", encoding="utf-8") as fifo:
        fifo.write("-v\n")
    server.wait_for_log(RELOADED)
    late.associate()
    late.release()
    worker.release()
    assert server.stop() == 0


def _is_open_for_reading(fifo: Path) -> bool:
    with suppress(OSError):
        os.close(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK))
        return True
    return False


# Upgrades


def _version(installed: Path, version: str, more: str = "") -> None:
    file = installed / "scpd" / "__init__.py"
    file.write_text(f'"""scpd."""\n__version__ = "{version}"\n{more}', encoding="utf-8")


def test_a_newer_program_takes_over(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer], installed: Path
) -> None:
    server = scpd("-v", "--fork", env={"PYTHONPATH": str(installed)})
    worker, image = raw_peer(server), ct_image()
    worker.associate()
    send_half(worker, image)
    _version(installed, "9.8.7")
    renew(server, signal.SIGUSR2, "I: upgraded from version")
    assert "to version 9.8.7" in server.stderr
    send_rest(worker, image)
    assert worker.receive_response().status == 0
    worker.release()
    assert_holds(server, image)


@pytest.mark.parametrize(
    "fault", ["def", "raise RuntimeError", "import sys; sys.exit(3)", "import os; os.abort()"]
)
def test_a_program_that_does_not_run_is_not_begun(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer], installed: Path, fault: str
) -> None:
    server = scpd("-v", "--fork", env={"PYTHONPATH": str(installed)})
    _version(installed, "9.8.7", fault + "\n")
    server.may_be_broken = True
    renew(server, signal.SIGUSR2, REFUSED)
    assert_serves(server, raw_peer)


def test_a_worker_of_the_old_program_needs_nothing_from_disk(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer], installed: Path
) -> None:
    server = scpd("-d", "--fork", "+tb", "-sp", "-xcr", "true", env={"PYTHONPATH": str(installed)})
    worker = raw_peer(server)
    worker.associate()
    shutil.rmtree(installed / "scpd")
    for _ in range(3):
        assert store(worker, ct_image()).status == 0
    worker.send(b"\x04\x00\x00\x00\x00\x03abc")
    assert worker.receive_until_closed()
    assert "Traceback" not in server.stderr
    assert "No module" not in server.stderr


# Under load


class Senders:
    """Send objects, each by an association of its own, until told to stop; any failure is theirs to tell."""

    def __init__(self, server: Server, count: int) -> None:
        self._server = server
        self._ends = threading.Event()
        self._pool = ThreadPoolExecutor(count)
        self._futures = [self._pool.submit(self._send) for _ in range(count)]

    def _send(self) -> int:
        image, sent = ct_image(2000), 0
        while not self._ends.is_set():
            with RawPeer(self._server.port, timeout=30) as peer:
                peer.associate()
                assert store(peer, image).status == 0
                peer.release()
            sent += 1
        return sent

    def stop(self) -> int:
        """Give how many associations there were; raises what one of them failed by."""
        self._ends.set()
        self._pool.shutdown()
        return sum(future.result() for future in self._futures)


def test_under_load_no_association_fails_and_no_connection_is_refused(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer], options: Path, is_long: bool
) -> None:
    seconds, upgrades, size = (60, 100, 300 << 20) if is_long else (6, 10, 60 << 20)
    good, broken = "-v\n", "-v\n--peers /nonexistent\n"
    options.write_text(good, encoding="utf-8")
    server = scpd("--fork", "--no-fsync", f"@{options}")
    large = padded_to(ct_image(), size)
    transfer = raw_peer(server)
    transfer.associate(calling="LARGE")
    announce(transfer, large)
    worker, piece = worker_of(server, "LARGE"), size // upgrades
    senders = Senders(server, 8)
    pause, begin = threading.Event(), monotonic()
    for number in range(upgrades):
        pause.wait(max(begin + number * seconds / upgrades - monotonic(), 0))
        server.signal(signal.SIGUSR2)
        part = large.data_set[number * piece : (number + 1) * piece]
        transfer.send_data(STORE_CONTEXT, part, is_last=False)
        if number * seconds % upgrades < seconds:
            options.write_text(broken if number * seconds // upgrades % 2 else good, encoding="utf-8")
            server.signal(signal.SIGHUP)
    # A program that finds its options broken when it has just been executed tries again until they are whole: the last
    # upgrade, and the renewal that was asked for meanwhile, must be over.
    options.write_text(good, encoding="utf-8")
    renew(server)
    renew(server)
    options.write_text(broken, encoding="utf-8")
    renew(server, verdict=REFUSED)
    assert "/nonexistent" in server.stderr
    options.write_text(good, encoding="utf-8")
    assert worker_of(server, "LARGE") == worker
    transfer.send_data(STORE_CONTEXT, large.data_set[upgrades * piece :])
    assert transfer.receive_response().status == 0
    transfer.release()
    sent = senders.stop()
    assert sent > 8
    renew(server)
    assert "Traceback" not in server.stderr
    wait_until(lambda: not serving(server))
    assert server.stop() == 0


# scpctl


def test_scpctl_reload_returns_when_it_is_done_with_the_verdict(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer], options: Path
) -> None:
    server = scpd("--fork", f"@{options}")
    place = ("-od", server.inbox)
    assert_serves(server, raw_peer)
    done = scpctl("reload", *place)
    assert (done.returncode, done.stdout, done.stderr) == (0, "reloaded\n", "")
    assert RELOADED in server.stderr
    options.write_text("-v\n--peers /nonexistent\n--bind 127.0.0.2\n", encoding="utf-8")
    refused = scpctl("reload", *place)
    assert refused.returncode == 1
    assert "/nonexistent" in refused.stderr
    assert "--bind cannot change" in refused.stderr
    told = json.loads(scpctl("status", "--json", *place).stdout)
    assert told["reload"]["ok"] is False
    assert len(told["reload"]["lines"]) == 2
    assert told["totals"]["associations"] == {"released": 1}  # before the reload
    assert told["totals"]["objects"] == {"0000": 1}
    assert server.stop() == 0
    assert not [*server.inbox.glob(".scpd/control*")]


def test_the_socket_for_scpctl_and_the_counts_of_workers_pass_to_the_successor(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer]
) -> None:
    server = scpd("-v", "--fork")
    peer = raw_peer(server)
    peer.associate(calling="GOES ON")
    assert store(peer, ct_image()).status == 0
    for number in RENEWING:
        renew(server, number)
        assert store(peer, ct_image()).status == 0
    told = json.loads(scpctl("status", "--json", "-od", server.inbox).stdout)
    (worker,) = told["workers"]
    assert (worker["calling_aet"], worker["objects"]) == ("GOES ON", 3)
    assert told["reload"]["ok"] is True
    peer.release()
    wait_until(lambda: not serving(server))
    told = json.loads(scpctl("status", "--json", "-od", server.inbox).stdout)
    assert told["totals"]["objects"] == {"0000": 3}
