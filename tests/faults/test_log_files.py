"""Log files that are moved away, full or gone, while all kinds of processes write to them: nothing is lost by it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.harness.clients import run
from tests.harness.objects import ct_image
from tests.harness.programs import real_program
from tests.harness.servers import REPOSITORY
from tests.harness.storing import assert_serves, store, wait_until_idle
from tests.harness.wrapped import require_root

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.harness.raw_peer import RawPeer
    from tests.harness.servers import Server, ServerFactory

CONFIGURATION = """\
log4cplus.rootLogger=INFO, F
log4cplus.appender.F=log4cplus::FileAppender
log4cplus.appender.F.File={path}
log4cplus.appender.F.layout=log4cplus::PatternLayout
log4cplus.appender.F.layout.ConversionPattern=%P %i: %m%n
"""
# Processes look once a second whether their file was moved.
NOTICED_SECONDS = 1.0
ROTATIONS = 5
REQUEST = re.compile(r"^I (\d+): \[\w+\] Received Store Request \(MsgID (\d+), CT\)$", re.MULTILINE)


def configured(folder: Path, path: Path) -> Path:
    file = folder / "logger.cfg"
    file.write_text(CONFIGURATION.format(path=path))
    return file


def is_said(path: Path, text: str) -> bool:
    return path.exists() and text in path.read_text()


def test_a_running_worker_and_the_keeper_go_on_in_the_new_file(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer], tmp_path: Path
) -> None:
    path = tmp_path / "scpd.log"
    server = scpd("--fork", "-lc", str(configured(tmp_path, path)), "-ss", "s", "-tos", "0", "-xcs", "true")
    peer = raw_peer(server)
    peer.associate(calling="CT_1")
    assert store(peer, ct_image(2000), 1).status == 0
    server.wait_for(lambda: is_said(path, "is complete"), what="a line of the keeper")
    path.rename(tmp_path / "scpd.log.1")
    server.signal(signal.SIGUSR1)
    server.wait_for(lambda: is_said(path, "log files reopened"))

    def both_are_there() -> bool:
        assert store(peer, ct_image(2000), 2).status == 0
        said = path.read_text()
        return "Received Store Request (MsgID 2, CT)" in said and "is complete" in said

    server.wait_for(both_are_there, what="lines of worker and keeper in the new file")
    peer.release()
    server.wait_for(lambda: is_said(path, "Association Release"))


def test_rotation_at_full_speed_loses_no_line(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer], tmp_path: Path
) -> None:
    path = tmp_path / "scpd.log"
    server = scpd("--fork", "--no-fsync", "-lc", str(configured(tmp_path, path)))

    def rotate(number: int) -> None:
        path.rename(tmp_path / f"scpd.log.{number}")
        server.signal(signal.SIGUSR1)

    logs_while_rotated(server, raw_peer, path, rotate)


def test_logrotate_with_our_example_loses_no_line(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer], tmp_path: Path
) -> None:
    require_root()
    tool = real_program("logrotate")
    path, pid_file, rules = tmp_path / "scpd.log", tmp_path / "pid", tmp_path / "rules"
    text = (REPOSITORY / "etc" / "logrotate").read_text(encoding="utf-8")
    for there, here in (
        ("/var/log/scpd/*.log", str(path)),
        ("/run/scpd.pid", str(pid_file)),
        # Not whatever else this machine runs.
        ("systemctl --quiet is-active scpd.service", "false"),
        ("su scpd scpd", "su root root"),
        ("    compress\n    # For a second workers may still write to the old one.\n    delaycompress\n", ""),
    ):
        assert there in text
        text = text.replace(there, here)
    rules.write_text(text, encoding="utf-8")
    rules.chmod(0o644)
    options = ("-lc", str(configured(tmp_path, path)), "--pidfile", str(pid_file))
    server = scpd("--fork", "--no-fsync", *options)

    def rotate(number: int) -> None:
        done = run([tool, "--force", "--state", str(tmp_path / "state"), str(rules)])
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        assert (tmp_path / f"scpd.log.{number}").exists()

    logs_while_rotated(server, raw_peer, path, rotate)


def logs_while_rotated(
    server: Server, raw_peer: Callable[..., RawPeer], path: Path, rotate: Callable[[int], None]
) -> None:
    """Have every object that is sent logged, and the log rotated meanwhile, to files of the same name and a number."""
    image = ct_image(2000)
    peers = [raw_peer(server) for _ in range(3)]
    for peer in peers:
        peer.associate()
    sent = 0
    for rotation in range(1, ROTATIONS + 1):
        for message in range(200):
            sent += 1
            for peer in peers:
                assert store(peer, image, sent).status == 0
            if message == 100:
                rotate(rotation)
        server.wait_for(path.exists)
    for peer in peers:
        peer.release()
    wait_until_idle(server)
    logs = [path, *(path.with_name(f"scpd.log.{number}") for number in range(1, ROTATIONS + 1))]
    found: dict[str, list[int]] = {}
    for log in reversed(logs):
        for pid, number in REQUEST.findall(log.read_text()):
            found.setdefault(pid, []).append(int(number))
    assert [sorted(numbers) for numbers in found.values()] == [[*range(1, sent + 1)]] * len(peers)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 kB, for a log."""
    require_root()
    disk = tmp_path / "disk"
    disk.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=65536", "scpd-test", str(disk)]
    mounted = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"cannot mount here: {mounted.stderr.strip()}")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], timeout=60, check=True)


def fill(server: Server, raw_peer: Callable[..., RawPeer], is_full: Callable[[], bool]) -> None:
    """Store until the log takes no more, then some objects more."""
    peer, image = raw_peer(server), ct_image(2000)
    peer.associate()
    for message in range(1, 5000):
        assert store(peer, image, message % 65535).status == 0
        if is_full():
            break
    assert is_full()
    for _ in range(20):
        assert store(peer, image).status == 0
    peer.release()


def test_a_full_log_disk_stops_nothing_and_the_log_goes_on_when_there_is_room(
    small_disk: Path, scpd: ServerFactory, raw_peer: Callable[..., RawPeer], tmp_path: Path
) -> None:
    path, filler = small_disk / "scpd.log", small_disk / "filler"
    server = scpd("--fork", "--no-fsync", "-lc", str(configured(tmp_path, path)))

    def is_full() -> bool:
        figures = os.statvfs(small_disk)
        return figures.f_bfree == 0

    filler.write_bytes(bytes(32768))
    fill(server, raw_peer, is_full)
    assert_serves(server, raw_peer)
    server.signal(signal.SIGUSR1)
    assert_serves(server, raw_peer)
    filler.unlink()

    def is_logged() -> bool:
        assert_serves(server, raw_peer, "AFTERWARDS")
        return "AFTERWARDS" in path.read_text()

    server.wait_for(is_logged, what="a line after there is room again")
    assert server.stop() == 0


def test_a_log_beyond_the_file_size_limit_stops_nothing(
    scpd_with_limits: Callable[..., ServerFactory], raw_peer: Callable[..., RawPeer], tmp_path: Path
) -> None:
    path = tmp_path / "scpd.log"
    server = scpd_with_limits(fsize=20_000)("--fork", "--no-fsync", "-lc", str(configured(tmp_path, path)))
    fill(server, raw_peer, lambda: path.stat().st_size >= 20_000 - 200)
    assert_serves(server, raw_peer)
    assert server.stop() == 0


@pytest.mark.parametrize("descriptor", ["2>&-", "2>/dev/full"])
def test_a_standard_error_that_takes_nothing_stops_nothing(
    scpd_wrapped: Callable[..., ServerFactory], raw_peer: Callable[..., RawPeer], descriptor: str
) -> None:
    server = scpd_wrapped("sh", "-c", f'exec "$@" {descriptor}', "sh")("--fork", "-d", "--no-fsync")
    for _ in range(3):
        assert_serves(server, raw_peer)
    server.signal(signal.SIGUSR1)
    assert_serves(server, raw_peer)
    assert server.stop() == 0
