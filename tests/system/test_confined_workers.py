"""Workers that are confined, with options that make them do more than to store: all of it can be done."""

from __future__ import annotations

import os
import re
import signal
import socket
import stat
import subprocess
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.harness import wire
from tests.harness.objects import ct_image
from tests.harness.programs import real_program
from tests.harness.raw_peer import ECHO_CONTEXT
from tests.harness.storing import complaints, store, wait_until_idle, worker_of
from tests.harness.tls_clients import is_served
from tests.harness.wrapped import require_root, wrapped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.harness.certificates import Infrastructure
    from tests.harness.raw_peer import RawPeer
    from tests.harness.servers import Server, ServerFactory

CONFINED = ["NoNewPrivs:\t1", "Seccomp:\t2"]
SEED_SIZE = 1024


@pytest.fixture(autouse=True)
def _landlock_is_there(scpd: ServerFactory) -> None:
    if "confined by seccomp and Landlock" not in scpd("-v").stderr:
        pytest.skip("the kernel has not both mechanisms")


def is_confined(pid: int) -> bool:
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return {*CONFINED} <= set(file.read().splitlines())


def confined(raw_peer: Callable[..., RawPeer], server: Server, calling: str = "CONFINED") -> RawPeer:
    """Associate with a worker that is confined."""
    peer = raw_peer(server)
    peer.associate(calling=calling)
    assert is_confined(worker_of(server, calling))
    return peer


# TLS


@pytest.mark.parametrize("is_there", [True, False], ids=["a file", "no file yet"])
@pytest.mark.parametrize("option", ["--write-seed", "--write-seed-file"])
def test_a_worker_writes_a_new_seed(
    scpd: ServerFactory,
    server_words: list[str],
    certificates: Infrastructure,
    tmp_path: Path,
    option: str,
    is_there: bool,
) -> None:
    folder = tmp_path / "seeds"
    folder.mkdir()
    seed = folder / "seed"
    old = folder / "old"
    old.write_bytes(bytes(100))
    if is_there:
        seed.write_bytes(bytes(100))
    words = (
        ["--seed", str(seed), option] if option == "--write-seed" else ["--seed", str(old), option, str(seed)]
    )
    server = scpd("--fork", *server_words, *words)
    written = set()
    for number in range(1, 4):
        assert is_served(server, certificates, certificates.good)
        wait_until_idle(server)
        server.wait_for(lambda count=number: seed.exists() and len({*written, seed.read_bytes()}) == count)
        written.add(seed.read_bytes())
    assert {len(each) for each in written} == {SEED_SIZE}
    assert stat.S_IMODE(seed.stat().st_mode) == 0o600
    assert old.read_bytes() == bytes(100)
    assert [line for line in complaints(server) if "seed" in line] == []


# Log files

APPENDERS = {
    "FileAppender": "",
    "RollingFileAppender": "F.MaxFileSize=200KB\nF.MaxBackupIndex=50\n",
    "DailyRollingFileAppender": "F.Schedule=MINUTELY\n",
}
LEAST_ROLLED = 220_000


def log_configuration(folder: Path, kind: str, path: Path) -> Path:
    lines = [
        "rootLogger=INFO, F",
        f"appender.F=log4cplus::{kind}",
        *(f"appender.{line}" for line in f"F.File={path}\n{APPENDERS[kind]}".splitlines()),
        "appender.F.layout=log4cplus::PatternLayout",
        "appender.F.layout.ConversionPattern=%P %i: %m%n",
    ]
    file = folder / "logger.cfg"
    file.write_text("".join(f"log4cplus.{line}\n" for line in lines), encoding="utf-8")
    return file


@pytest.mark.parametrize("kind", APPENDERS)
def test_a_worker_goes_on_in_a_new_log_file(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer], tmp_path: Path, kind: str
) -> None:
    folder = tmp_path / "log"
    folder.mkdir()
    path = folder / "scpd.log"
    server = scpd("--fork", "-lc", str(log_configuration(tmp_path, kind, path)))
    peer = confined(raw_peer, server)
    assert store(peer, ct_image(2000), 1).status == 0
    path.rename(folder / "moved")
    server.signal(signal.SIGUSR1)

    def is_there() -> bool:
        assert store(peer, ct_image(2000), 2).status == 0
        return path.exists() and "Received Store Request (MsgID 2, CT)" in path.read_text()

    server.wait_for(is_there, what="a line of the worker in the new file")
    peer.release()
    server.wait_for(lambda: "Association Release" in path.read_text())


def test_a_worker_rolls_a_log_file_that_is_full(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer], tmp_path: Path
) -> None:
    folder = tmp_path / "log"
    folder.mkdir()
    path = folder / "scpd.log"
    server = scpd(
        "--fork", "--no-fsync", "-lc", str(log_configuration(tmp_path, "RollingFileAppender", path))
    )
    path.write_text("x" * LEAST_ROLLED)
    peer = confined(raw_peer, server)
    worker = worker_of(server, "CONFINED")
    for number in range(1, 4):
        assert store(peer, ct_image(2000), number).status == 0
    peer.release()
    wait_until_idle(server)
    rolled = "".join(each.read_text() for each in folder.iterdir())
    for number in range(1, 4):
        assert re.search(
            rf"^I {worker}: .*Received Store Request \(MsgID {number}, CT\)$", rolled, re.MULTILINE
        )
    assert (folder / "scpd.log.1").exists()
    assert path.stat().st_size < LEAST_ROLLED


# The syslog of the machine


@pytest.fixture
def devices(tmp_path: Path) -> Path:
    """What is /dev for a server: the devices that Python needs, and room for a syslog's socket."""
    require_root()
    place = tmp_path / "dev"
    place.mkdir()
    for name in ("null", "zero", "random", "urandom"):
        original = os.stat(f"/dev/{name}")
        os.mknod(place / name, original.st_mode, original.st_rdev)
    try:
        (place / "null").write_bytes(b"x")
    except PermissionError:
        pytest.skip("devices are none here (nodev)")
    return place


@pytest.fixture
def scpd_with_devices(
    tmp_path: Path, devices: Path, _no_child_is_left_behind: None, _raw_peers: list[RawPeer]
) -> Iterator[ServerFactory]:
    words = [
        real_program("unshare"),
        "--mount",
        "sh",
        "-c",
        'mount --bind "$0" /dev && exec "$@"',
        str(devices),
    ]
    probe = subprocess.run([*words, "true"], capture_output=True, text=True, timeout=10, check=False)
    if probe.returncode != 0:
        pytest.skip(f"cannot mount here: {probe.stderr.strip()[:200]}")
    factory = wrapped(tmp_path, words)
    yield factory
    for peer in _raw_peers:
        peer.close()
    factory.finish()


class Syslog:
    """A syslog daemon's socket."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.setblocking(False)
        self.said = ""

    def close(self) -> None:
        self._socket.close()

    def has(self, text: str) -> bool:
        """Tell whether this has been said, sooner or later."""
        try:
            while datagram := self._socket.recv(65536):
                self.said += datagram.decode() + "\n"
        except BlockingIOError:
            pass
        return text in self.said


def test_a_worker_finds_a_syslog_daemon_that_was_started_anew(
    scpd_with_devices: ServerFactory, raw_peer: Callable[..., RawPeer], devices: Path, tmp_path: Path
) -> None:
    configuration = tmp_path / "logger.cfg"
    lines = "rootLogger=INFO, S", "appender.S=log4cplus::SysLogAppender", "appender.S.ident=scpd"
    configuration.write_text("".join(f"log4cplus.{line}\n" for line in lines), encoding="utf-8")
    with closing(Syslog(devices / "log")) as first:
        server = scpd_with_devices("--fork", "-lc", str(configuration))
        peer = confined(raw_peer, server)
        assert store(peer, ct_image(2000), 1).status == 0
        server.wait_for(lambda: first.has("Received Store Request (MsgID 1, CT)"))
    (devices / "log").unlink()
    assert store(peer, ct_image(2000), 2).status == 0  # with nobody who reads
    with closing(Syslog(devices / "log")) as second:

        def is_heard() -> bool:
            assert store(peer, ct_image(2000), 3).status == 0
            return second.has("Received Store Request (MsgID 3, CT)")

        server.wait_for(is_heard, what="the worker's line at the new syslog daemon")
        peer.release()
        server.wait_for(lambda: second.has("Association Release"))


# Commands, and the table of peers


def test_a_worker_waits_for_its_command_and_hears_that_it_has_ended(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer], tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    server = scpd("--fork", "-su", "st", "-xs", "-xcr", f"echo begun; read line < {gate}; echo ended")
    peer = confined(raw_peer, server)
    for number in (1, 2):
        assert store(peer, ct_image(2000), number).status == 0
        server.wait_for(lambda count=number: server.stdout.count("begun") == count, what="the command")
        peer.send_command(ECHO_CONTEXT, wire.c_echo_request(7))
        with pytest.raises(TimeoutError):
            peer.receive(timeout=0.3)
        gate.write_text("go\n")
        assert peer.receive_response().status == 0
        assert server.stdout.split() == ["begun", "ended"] * number
    peer.release()
    assert os.listdir(server.inbox / ".scpd" / "replies") == []
    assert complaints(server) == []


@pytest.mark.parametrize("mode", [[], ["-su", "S", "-xcr", "true"]], ids=["plain", "sorted, with commands"])
def test_workers_store_where_the_table_of_peers_says(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer], tmp_path: Path, mode: list[str]
) -> None:
    own, table = tmp_path / "own", tmp_path / "peers"
    own.mkdir()
    table.write_text(f"RESEARCH OWN directory={own} limit=2\n* COMMON\n", encoding="utf-8")
    server = scpd("--fork", "--peers", str(table), *mode)
    for called, calling, place in (("RESEARCH", "OWN", own), ("STORESCP", "COMMON", server.inbox)):
        image = ct_image(2000)
        peer = raw_peer(server)
        peer.associate(called=called, calling=calling)
        assert is_confined(worker_of(server, calling))
        assert store(peer, image).status == 0
        peer.release()
        assert len([*place.rglob(f"CT.{image.sop_instance_uid}")]) == 1
    assert complaints(server) == []
