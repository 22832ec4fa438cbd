"""A master that renews itself where that is hard: odd configurations, odd checks, crowds, other ways to be started."""

from __future__ import annotations

import json
import os
import signal
import stat
import sys
import time
from typing import TYPE_CHECKING

import pytest

from scpd.process import unixsocket
from tests.faults.test_renewal import REFUSED, RELOADED, renew
from tests.harness import wire
from tests.harness.activated import Activator, NotifySocket
from tests.harness.clients import run
from tests.harness.objects import ct_image
from tests.harness.ports import is_listening
from tests.harness.processes import children_of, command_line
from tests.harness.raw_peer import CONTEXTS, RawPeer
from tests.harness.servers import REPOSITORY
from tests.harness.storing import (
    STORE_CONTEXT,
    announce,
    assert_holds,
    assert_serves,
    send_half,
    send_rest,
    serving,
    store,
    wait_until_idle,
)
from tests.harness.waiting import wait_until
from tests.harness.wrapped import wrapped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.harness.servers import Server, ServerFactory

IMAGE = ct_image(300_000)


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[NotifySocket]:
    """What listens to READY and the like."""
    listening = NotifySocket(str(tmp_path / "notify"))
    yield listening
    listening.close()


def check_of(server: Server) -> int:
    """Wait for the process that checks the configuration."""

    def find() -> list[int]:
        children = [child.pid for child in children_of(server.pid) if child.is_running]
        return [pid for pid in children if command_line(pid).endswith("--check-config")]

    return server.wait_for(find, what="a check")[0]


def hold_up(options: Path) -> Path:
    """Put a FIFO there, on which whoever reads it waits; give another name of it."""
    options.unlink()
    os.mkfifo(options)
    fifo = options.with_suffix(".fifo")
    fifo.hardlink_to(options)
    return fifo


# What is asked for


@pytest.mark.parametrize("word", ["--help", "--version", "--check-config"])
def test_a_command_line_that_asks_for_no_daemon_ends_none(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer], options: Path, word: str
) -> None:
    server = scpd("--fork", f"@{options}")
    options.write_text(f"-v\n{word}\n", encoding="utf-8")
    renew(server, verdict=REFUSED)
    assert "is no daemon" in server.stderr
    assert_serves(server, raw_peer)


def test_a_wrong_command_line_is_one_line(scpd: ServerFactory, options: Path) -> None:
    server = scpd("--fork", f"@{options}")
    options.write_text("--no-such-option\n", encoding="utf-8")
    renew(server, verdict=REFUSED)
    lines = [line for line in server.stderr.splitlines() if line.startswith(REFUSED)]
    assert lines == [f"{REFUSED}Unknown option --no-such-option"]


def test_a_umask_that_is_asked_for_no_more_is_that_of_the_start(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer], options: Path
) -> None:
    modes = []
    umask = os.umask(0o027)
    try:
        server = scpd("--fork", f"@{options}")
    finally:
        os.umask(umask)
    for text in ("-v\n--umask 077\n", "-v\n"):
        options.write_text(text, encoding="utf-8")
        renew(server)
        image = ct_image(2000)
        peer = raw_peer(server)
        peer.associate()
        assert store(peer, image).status == 0
        peer.release()
        modes.append(stat.S_IMODE((server.inbox / f"CT.{image.sop_instance_uid}").stat().st_mode))
    assert modes == [0o600, 0o640]


def test_a_host_that_has_more_than_a_lowered_limit_keeps_it(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer], options: Path
) -> None:
    options.write_text("-v\n--max-associations-per-host 5\n", encoding="utf-8")
    server = scpd("--fork", "-ta", "20", f"@{options}")
    busy = [raw_peer(server) for _ in range(3)]
    silent = [raw_peer(server) for _ in range(2)]
    for peer in busy:
        peer.associate()
    options.write_text("-v\n--max-associations-per-host 2\n", encoding="utf-8")
    renew(server)
    late = raw_peer(server)
    busy.pop().release()  # in whose place the late one may not come: there are four others
    answer = late.request_association()
    assert answer is not None
    assert answer.type == wire.ASSOCIATE_RJ
    for peer in silent:
        peer.associate()
    for peer in (*busy, *silent):
        peer.release()
    wait_until_idle(server)
    few = [raw_peer(server) for _ in range(2)]
    for peer in few:
        peer.associate()
        peer.release()
    assert server.stop() == 0
    assert "Traceback" not in server.stderr


def test_more_associations_than_a_lowered_limit_go_on(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer], options: Path
) -> None:
    options.write_text("-v\n--max-associations 3\n", encoding="utf-8")
    server = scpd("--fork", f"@{options}")
    busy = [raw_peer(server) for _ in range(3)]
    for peer in busy:
        peer.associate()
    options.write_text("-v\n--max-associations 1\n", encoding="utf-8")
    renew(server)
    assert [peer.echo() for peer in busy] == [0, 0, 0]
    late = raw_peer(server)
    busy.pop().release()
    wait_until(lambda: len(serving(server)) == 2)
    busy.pop().release()
    wait_until(lambda: len(serving(server)) == 1)
    late.send(wire.associate_request(CONTEXTS))
    with pytest.raises(TimeoutError):
        late.receive(0.3)
    busy.pop().release()
    answer = late.receive()
    assert answer is not None
    assert answer.type == wire.ASSOCIATE_AC
    late.release()


# Who asks, and when


def test_a_request_to_end_does_not_wait_for_a_check_that_lasts(
    scpd: ServerFactory, options: Path, manager: NotifySocket
) -> None:
    server = scpd("--fork", "--grace", "60", f"@{options}", env={"NOTIFY_SOCKET": manager.address})
    hold_up(options)
    server.signal(signal.SIGHUP)
    os.kill(check_of(server), signal.SIGSTOP)
    server.signal(signal.SIGTERM)
    assert server.wait() == 0
    assert [line for line in manager.heard() if "STATUS" not in line and "USEC" not in line] == [
        "READY=1",
        "RELOADING=1",
        "STOPPING=1",
    ]


def test_who_waits_for_a_verdict_hears_of_the_end_before_the_last_association_ends(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer], options: Path
) -> None:
    server = scpd("--fork", "--grace", "600", f"@{options}")
    peer = raw_peer(server)
    peer.associate()
    hold_up(options)
    with unixsocket.connect(f"{server.inbox}/.scpd/control-{server.port}.sock", 10) as asker:
        asker.settimeout(20)
        asker.sendall(b"reload\n")
        check_of(server)
        server.signal(signal.SIGTERM)
        verdict = json.loads(asker.recv(9999))
    assert (verdict["ok"], verdict["lines"]) == (False, ["the master is ending"])
    assert server.is_running
    peer.release()
    assert server.wait() == 0


def test_a_fault_is_named_even_if_one_asks_again_meanwhile(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer], options: Path
) -> None:
    server = scpd("--fork", f"@{options}")
    fifo = hold_up(options)
    good = options.with_suffix(".good")
    good.write_text("-v\n", encoding="utf-8")
    server.signal(signal.SIGHUP)
    with fifo.open("w", encoding="utf-8") as file:  # the check reads
        server.signal(signal.SIGUSR2)
        server.wait_for_log("SIGUSR2: checking")
        good.rename(options)
        file.write("-v\n--grace never\n")
    server.wait_for_log(RELOADED)
    assert f"{REFUSED}Invalid value for option --grace (never)" in server.stderr
    assert_serves(server, raw_peer)


def test_200_requests_in_a_moment_are_one(scpd: ServerFactory, raw_peer: Callable[..., RawPeer]) -> None:
    server = scpd("-v", "--fork")
    for _ in range(200):
        server.signal(signal.SIGHUP)
    server.wait_for_log(RELOADED, 20)
    assert_serves(server, raw_peer)
    assert server.stderr.count(RELOADED) <= 2
    assert server.stop() == 0


def test_a_service_manager_hears_of_success_and_of_failure(
    scpd: ServerFactory, options: Path, manager: NotifySocket
) -> None:
    surroundings = {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "200000"}
    server = scpd("--fork", f"@{options}", env=surroundings)
    manager.wait_for("READY=1")
    for number, text in enumerate(("-v\n", "-v\n--grace never\n", "-v\n"), 1):
        options.write_text(text, encoding="utf-8")
        before = time.monotonic_ns() // 1000
        server.signal(signal.SIGHUP)
        wait_until(lambda count=number: manager.heard().count("READY=1") == count + 1, what="READY=1")
        told = [line for line in manager.heard() if line.startswith(("RELOADING", "MONOTONIC", "READY"))]
        assert [line.partition("=")[0] for line in told[-3:]] == ["RELOADING", "MONOTONIC_USEC", "READY"]
        assert before <= int(told[-2].partition("=")[2]) <= time.monotonic_ns() // 1000
        signs = manager.heard().count("WATCHDOG=1")
        wait_until(lambda count=signs: manager.heard().count("WATCHDOG=1") > count + 2, what="signs of life")
    assert server.stop() == 0


# Defects


def test_a_successor_with_a_defect_tries_again_and_nobody_is_refused(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer], installed: Path
) -> None:
    server = scpd("-v", "--fork", env={"PYTHONPATH": str(installed)})
    worker = raw_peer(server)
    worker.associate()
    start = installed / "scpd" / "start.py"  # of which a check knows nothing
    sound = start.read_text(encoding="utf-8")
    start.write_text(f"{sound}\nraise RuntimeError('a defect')\n", encoding="utf-8")
    server.may_be_broken = True
    server.signal(signal.SIGUSR2)
    server.wait_for(lambda: server.stderr.count("cannot take over: a defect") >= 2, 20, "two tries")
    late = raw_peer(server)
    assert worker.echo() == 0
    start.write_text(sound, encoding="utf-8")
    server.wait_for_log(RELOADED, 20)
    late.associate()
    late.release()
    worker.release()
    assert server.stop() == 0


def test_who_tries_again_tells_the_service_manager_that_it_lives_and_why_it_waits(
    scpd: ServerFactory, installed: Path, options: Path, manager: NotifySocket
) -> None:
    surroundings = {
        "NOTIFY_SOCKET": manager.address,
        "WATCHDOG_USEC": "400000",
        "PYTHONPATH": str(installed),
    }
    server = scpd("-v", "--fork", f"@{options}", env=surroundings)
    manager.wait_for("READY=1")
    start = installed / "scpd" / "start.py"
    sound = start.read_text(encoding="utf-8")
    start.write_text(f"{sound}\nraise RuntimeError('a defect\\nREADY=1')\n", encoding="utf-8")
    server.may_be_broken = True
    server.signal(signal.SIGHUP)
    waiting = "STATUS=cannot take over, trying again: "
    manager.wait_for(f"{waiting}a defect READY=1")
    signs = manager.heard().count("WATCHDOG=1")
    wait_until(lambda: manager.heard().count("WATCHDOG=1") >= signs + 8, what="signs of life")
    assert manager.heard().count("READY=1") == 1
    start.write_text(sound, encoding="utf-8")
    # As the last failure of a command line, whose fault no check has seen.
    options.write_text("-v\n--no-such-option\n", encoding="utf-8")
    wait_until(
        lambda: any(line.startswith(waiting) and "--no-such-option" in line for line in manager.heard()),
        what="the other fault",
    )
    options.write_text("-v\n--peers /nonexistent\n", encoding="utf-8")
    wait_until(
        lambda: any(line.startswith(waiting) and "/nonexistent" in line for line in manager.heard()),
        what="a third one",
    )
    options.write_text("-v\n", encoding="utf-8")
    server.wait_for_log(RELOADED, 20)
    wait_until(lambda: manager.heard().count("READY=1") == 2, what="READY=1")
    assert server.stop() == 0


class TestSurrender:
    """A successor that tries again and is told to end."""

    @pytest.fixture
    def begin(
        self, scpd: ServerFactory, raw_peer: Callable[..., RawPeer], installed: Path, manager: NotifySocket
    ) -> Callable[..., tuple[Server, RawPeer]]:
        """`begin(option...)` gives such a server, and a peer that is in the middle of an object."""

        def begin(*options: str) -> tuple[Server, RawPeer]:
            words = ("-v", "--fork", "--pidfile", f"{installed}/pid", *options)
            surroundings = {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "400000"}
            server = scpd(*words, env={"PYTHONPATH": str(installed), **surroundings})
            server.may_be_broken = True
            peer = raw_peer(server)
            peer.associate(calling="LONG")
            send_half(peer, IMAGE)
            start = installed / "scpd" / "start.py"
            start.write_text("raise RuntimeError('a defect')\n", encoding="utf-8")
            server.signal(signal.SIGUSR2)
            server.wait_for(lambda: server.stderr.count("a defect") >= 2, 20, "a try")
            return server, peer

        return begin

    def test_it_lets_in_nobody_and_its_workers_finish_in_time(
        self, begin: Callable[..., tuple[Server, RawPeer]], installed: Path, manager: NotifySocket
    ) -> None:
        server, peer = begin("--grace", "60", "-xcr", "true")
        (silent := RawPeer(server.port)).send(wire.associate_request(CONTEXTS))
        server.signal(signal.SIGTERM)
        server.wait_for(lambda: not is_listening(server.port), 20, "the listener's end")
        assert [*server.inbox.glob(".scpd/control*")] == []
        manager.wait_for("STOPPING=1")
        manager.wait_for("STATUS=draining, 1 association")
        signs = manager.heard().count("WATCHDOG=1")
        wait_until(lambda: manager.heard().count("WATCHDOG=1") >= signs + 3, what="signs of life")
        assert (installed / "pid").read_text(encoding="ascii") == f"{server.pid}\n"
        send_rest(peer, IMAGE)
        assert peer.receive_response().status == 0
        peer.release()
        assert server.wait() == 0
        silent.close()
        assert_holds(server, IMAGE)
        assert not (installed / "pid").exists()

    @pytest.mark.parametrize(("grace", "requests"), [("1", 1), ("60", 2)])
    def test_when_that_is_over_they_abort(
        self, begin: Callable[..., tuple[Server, RawPeer]], installed: Path, grace: str, requests: int
    ) -> None:
        server, peer = begin("--grace", grace)
        server.signal(signal.SIGTERM)
        server.wait_for(lambda: not is_listening(server.port), 20, "the listener's end")
        for _ in range(requests - 1):
            server.signal(signal.SIGTERM)
        assert peer.receive() == wire.Pdu(wire.ABORT, bytes(4))
        assert server.wait() == 0
        assert not (installed / "pid").exists()
        assert server.files() == {}


def test_a_check_that_prints_for_ever_fills_no_memory(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer], installed: Path
) -> None:
    server = scpd("-v", "--fork", env={"PYTHONPATH": str(installed)})
    (installed / "scpd" / "__init__.py").write_text(
        "import os\nwhile os.write(2, b'x' * 9999 + b'\\n'):\n    pass\n", encoding="utf-8"
    )
    renew(server, signal.SIGUSR2, REFUSED)
    assert len(server.stderr) < 1 << 16
    assert_serves(server, raw_peer)


# How it was started


@pytest.fixture
def linked(tmp_path: Path, _no_child_is_left_behind: None) -> Iterator[ServerFactory]:
    """scpd started by a relative path, as a script of another name."""
    script = tmp_path / "bin" / "storescp"
    script.parent.mkdir()
    script.write_text(
        f"#!{sys.executable}\nimport sys\nfrom scpd.__main__ import main\nsys.exit(main())\n",
        encoding="utf-8",
    )
    script.chmod(0o755)
    factory = wrapped(tmp_path, [])
    factory._command = ["bin/storescp"]
    yield factory
    factory.finish()


def test_it_finds_itself_by_a_relative_path_and_its_environment_is_that_of_the_start(
    linked: ServerFactory, raw_peer: Callable[..., RawPeer], tmp_path: Path
) -> None:
    odd = {"ODD": "x" * 100_000, "NO_TEXT": "\udcff"}
    server = linked(
        "-v", "--fork", "-xcr", f"env > {tmp_path}/new && mv {tmp_path}/new {tmp_path}/env", env=odd
    )
    for _ in range(2):
        renew(server)
    server.wait_for(lambda: command_line(server.pid).startswith("storescp: master"), what="its title")
    with raw_peer(server) as peer:
        peer.associate()
        assert store(peer, ct_image()).status == 0
        peer.release()
    server.wait_for((tmp_path / "env").exists, 15, "the command's environment")
    lines = (tmp_path / "env").read_bytes().splitlines()
    assert b"NO_TEXT=\xff" in lines
    assert b"ODD=" + b"x" * 100_000 in lines
    assert not [line for line in lines if line.startswith(b"SCPD_SUCCESSION")]


def test_a_crowd_that_waits_is_handed_on(
    scpd_with_limits: Callable[..., ServerFactory], raw_peer: Callable[..., RawPeer]
) -> None:
    server = scpd_with_limits(nofile=2048)("-v", "--fork", "--max-associations", "1", "-ta", "60")
    silent = [RawPeer(server.port) for _ in range(1000)]
    try:
        renew(server)
        silent[0].associate()
        assert silent[0].echo() == 0
        silent[999].send(wire.associate_request(CONTEXTS))
        silent[0].release()
        answer = silent[999].receive()
        assert answer is not None
        assert answer.type == wire.ASSOCIATE_AC
        silent[999].release()
    finally:
        for peer in silent:
            peer.close()
    assert_serves(server, raw_peer)
    assert server.stop() == 0


def test_a_crowd_that_has_every_descriptor_makes_room_for_a_reload(
    scpd_with_limits: Callable[..., ServerFactory], raw_peer: Callable[..., RawPeer]
) -> None:
    server = scpd_with_limits(nofile=64)("-v", "--fork", "-ta", "60", "-xcr", "true")
    crowd = [RawPeer(server.port) for _ in range(80)]
    try:
        server.wait_for_log("Too many open files")
        renew(server)
        crowd[79].associate()  # who came last is not sent away
        crowd[79].release()
    finally:
        for peer in crowd:
            peer.close()
    assert_serves(server, raw_peer)
    assert server.stop() == 0


@pytest.fixture
def activated(
    tmp_path: Path, _no_child_is_left_behind: None, _raw_peers: list[RawPeer]
) -> Iterator[Activator]:
    """scpd with sockets that somebody else has opened."""
    activator = Activator(tmp_path)
    yield activator
    for peer in _raw_peers:
        peer.close()
    activator.finish()


def test_the_sockets_of_a_service_manager_are_kept(
    activated: Activator, raw_peer: Callable[..., RawPeer], options: Path
) -> None:
    (server, one), (_, other) = activated("--fork", f"@{options}", names=("dicom", "research"))
    first = raw_peer(one.port)
    first.associate()
    for _ in range(2):
        renew(server)
    for place in (one, other):
        with raw_peer(place.port) as peer:
            peer.associate()
            peer.release()
    title = f"scpd: master, 1 association on {one.port} and {other.port}"
    server.wait_for(lambda: command_line(server.pid) == title, what=title)
    assert first.echo() == 0
    first.release()
    assert "W: " not in server.stderr


# What changes


def test_no_reload_asks_for_the_names_of_host_rules(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer], tmp_path: Path
) -> None:
    allow, deny = tmp_path / "hosts.allow", tmp_path / "hosts.deny"
    allow.write_text("ALL: 127.0.0.1\nALL: @no-such-netgroup\n", encoding="utf-8")
    deny.write_text("ALL: ALL\n", encoding="utf-8")
    rules = ("+ac", "--hosts-allow", str(allow), "--hosts-deny", str(deny))
    asked = run([sys.executable, "-m", "scpd", *rules, "--check-config"], env={"PYTHONPATH": str(REPOSITORY)})
    assert "no-such-netgroup" in asked.stderr
    server = scpd("-v", "--fork", *rules)
    renew(server)
    assert "no-such-netgroup" not in server.stderr
    assert_serves(server, raw_peer)
    allow.write_text("ALL: EXCEPT\n", encoding="utf-8")
    renew(server, verdict=REFUSED)
    assert str(allow) in server.stderr


def test_tables_of_peers_and_profiles_are_read_anew(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer], tmp_path: Path
) -> None:
    peers = tmp_path / "peers"
    peers.write_text("* ONE\n", encoding="utf-8")
    server = scpd("-v", "--fork", "--peers", str(peers))
    with raw_peer(server) as peer:
        peer.associate(calling="ONE")
        peers.write_text("* TWO\n", encoding="utf-8")
        renew(server)
        assert store(peer, ct_image()).status == 0
        peer.release()
    with raw_peer(server) as peer:
        answer = peer.request_association(calling="ONE")
        assert answer is not None
        assert answer.type == wire.ASSOCIATE_RJ
    with raw_peer(server) as peer:
        peer.associate(calling="TWO")
        peer.release()


def test_a_log_that_changes_gets_the_next_line(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer], tmp_path: Path
) -> None:
    configuration, one, other = tmp_path / "log.cfg", tmp_path / "one", tmp_path / "other"
    text = (
        "log4cplus.rootLogger=INFO, F\nlog4cplus.appender.F=log4cplus::FileAppender\n"
        "log4cplus.appender.F.File={}\n"
    )
    configuration.write_text(text.format(one), encoding="utf-8")
    server = scpd("--fork", "-lc", str(configuration))
    with raw_peer(server) as peer:
        peer.associate(calling="OLD")
        configuration.write_text(text.format(tmp_path / "nowhere" / "log"), encoding="utf-8")
        server.signal(signal.SIGHUP)
        wait_until(lambda: "cannot write to" in one.read_text(encoding="utf-8"), 20, "the refusal")
        configuration.write_text(text.format(other), encoding="utf-8")
        server.signal(signal.SIGHUP)
        wait_until(
            lambda: other.exists() and "reloaded" in other.read_text(encoding="utf-8"), 20, "the reload"
        )
        peer.release()
    wait_until(lambda: "Release" in one.read_text(encoding="utf-8"), what="the old worker's line")
    assert_serves(server, raw_peer)
    wait_until(lambda: "Release" in other.read_text(encoding="utf-8"), what="the new worker's line")
    assert server.stop() == 0


def test_who_waits_for_the_keeper_gets_the_answer_of_the_next_one(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer], tmp_path: Path
) -> None:
    go, begun = tmp_path / "go", tmp_path / "begun"
    command = f"echo >> {begun}; while [ ! -e {go} ]; do sleep 0.05; done"
    server = scpd("-v", "--fork", "-xs", "-xcr", command)
    peer = raw_peer(server)
    peer.associate()
    image = ct_image(2000)
    announce(peer, image)
    peer.send_data(STORE_CONTEXT, image.data_set)
    wait_until(begun.exists, 15, "the command")
    for _ in range(2):
        renew(server)
    go.touch()
    assert peer.receive_response().status == 0
    assert store(peer, ct_image(2000)).status == 0
    peer.release()
    wait_until_idle(server)
    assert server.stop() == 0
    assert begun.read_text(encoding="utf-8") == "\n\n"


def test_one_at_a_time_it_serves_whoever_comes_next(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer]
) -> None:
    server = scpd("-v", "--single-process")
    first = raw_peer(server)
    first.associate(calling="FIRST")
    late = raw_peer(server)
    late.send(wire.associate_request(CONTEXTS))
    renew(server)
    assert first.echo() == 0
    assert len(serving(server)) == 1
    first.release()
    answer = late.receive()
    assert answer is not None
    assert answer.type == wire.ASSOCIATE_AC
    late.release()
    assert server.stop() == 0
