"""Keepers that crash, sleep through deadlines, lose their lock or meet a clock that steps: one end, and idle peace."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from itertools import count
from time import monotonic
from typing import TYPE_CHECKING

import pytest

from scpd.study.rules import Rules
from tests.harness.keeping import Descriptors, Site, crash_at
from tests.harness.objects import ct_image
from tests.harness.processes import children_of, command_line, is_running, process
from tests.harness.storing import store
from tests.harness.waiting import wait_until
from tests.harness.wrapped import attached, require_strace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.harness.raw_peer import RawPeer
    from tests.harness.servers import ServerFactory

PATIENCE = 60.0
TIMEOUT = 100.0
HOUR = 3600.0
MOST_IDLE_CALLS_PER_SECOND = 5


def assert_complete(site: Site, study: str, size: int) -> None:
    """Fail unless all objects of a study have the names of their order of arrival, and nothing else is there."""
    folder = site.output / f"study_{study}"
    found = {path.name: path.read_text() for path in folder.iterdir()}
    assert found == {f"CT{number:06}": f"{study}.{number}" for number in range(1, size + 1)}


def store_study(site: Site, study: str, size: int, peer: str = "ONE") -> None:
    worker = site.worker(peer)
    for number in range(1, size + 1):
        worker.begin(study, f"{study}.{number}")
        worker.finish()
    worker.release()


@contextmanager
def keeping(site: Site, notes: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a keeper, as a process of its own, until it ends or the block does."""
    words = ["keep", "-od", str(site.output), "-ss", "study", "-rns", "-tos", "0", "--no-fsync"]
    words += ["-xcs", f"echo #p >>{notes}"]
    with (site.output.parent / "log").open("ab") as log:
        keeper = subprocess.Popen(
            [sys.executable, "-m", "scpd.ctl.main", *words],
            cwd=site.output,
            stderr=log,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
    try:
        yield keeper
    finally:
        if keeper.poll() is None:
            keeper.send_signal(signal.SIGCONT)
            keeper.terminate()
        keeper.wait(PATIENCE)


def is_elected(site: Site, keeper: subprocess.Popen[bytes]) -> bool:
    path = site.lock_directory / "keeper"
    return path.exists() and path.read_text() == f"{keeper.pid}\n"


def unfinished(site: Site) -> list[Path]:
    """Give what is open, or sealed and not done; a study may have come in more than one piece."""
    return [found for part in ("open", "sealed") for found in (site.lock_directory / part).glob("[!.]*")]


def stop_at_random(keeper: subprocess.Popen[bytes], within: float) -> None:
    """Stop it anywhere on its way through the next so many seconds."""
    time.sleep(random.uniform(0, within))  # nothing tells where it is: that is the point
    keeper.send_signal(signal.SIGSTOP)
    wait_until(lambda: (found := process(keeper.pid)) is not None and found.state in {"T", "t"}, PATIENCE)


def test_a_keeper_that_slept_while_another_was_elected_does_no_harm(tmp_path: Path, is_long: bool) -> None:
    """A lost lease: its lock file is replaced while it is stopped, past every deadline, anywhere in its work."""
    rounds, size = (100 if is_long else 5), 60
    site = Site(tmp_path, Rules(timeout=0, renames=True, runs=True))
    notes = tmp_path / "notes"
    for number in range(rounds):
        study = f"1.{number}"
        with keeping(site, notes) as first:
            wait_until(lambda first=first: is_elected(site, first), PATIENCE)
            store_study(site, study, size)
            stop_at_random(first, 0.03)
            (site.lock_directory / "keeper").unlink()
            with keeping(site, notes) as second:
                wait_until(lambda second=second: is_elected(site, second), PATIENCE)
                folder = str(site.output / f"study_{study}")

                def is_done(folder: str = folder) -> bool:
                    return notes.exists() and folder in notes.read_text() and not unfinished(site)

                # If it was stopped with the study's lock its own, nobody else comes to the study until it goes on.
                with suppress(AssertionError):
                    wait_until(is_done, 3)
                first.send_signal(signal.SIGCONT)
                assert first.wait(PATIENCE) == 0
                wait_until(is_done, PATIENCE)
                assert_complete(site, study, size)
                assert is_elected(site, second)
        (site.lock_directory / "keeper").unlink()
    for number in range(rounds):
        assert_complete(site, f"1.{number}", size)
    log = (tmp_path / "log").read_text()
    assert "Traceback" not in log
    assert "keeps its name" not in log
    assert list((site.lock_directory / "strange").iterdir()) == []


def crashes(folder: Path) -> Iterator[tuple[Site, Descriptors, int]]:
    """Give sites, in each of which a keeper is to crash a step later than in the one before."""
    for step in count(1):
        place = folder / str(step)
        place.mkdir()
        site = Site(place, Rules(timeout=TIMEOUT, renames=True, runs=True), on_reception=True)
        yield site, Descriptors(), step


def work(site: Site, now: float) -> None:
    """Be a keeper, from its start to the end of all work."""
    keeper = site.keeper(now)
    for turn in range(12):
        keeper.turn(now + turn * (TIMEOUT + 1))
    keeper.close()


@pytest.mark.parametrize("crashes_again", [0, 25], ids=["once", "twice"])
def test_a_crash_before_any_step_of_a_keeper_leads_to_the_same_end(
    tmp_path: Path, crashes_again: int
) -> None:
    """All that there are, one after the other, the next keeper crashing too; so is every wreck put on disk."""
    now = monotonic()
    for site, descriptors, step in crashes(tmp_path):
        store_study(site, "1.1", 3)
        store_study(site, "1.2", 2)
        done = False  # without a crash, in the first attempt
        for crash in filter(None, (step, crashes_again)):
            with crash_at(crash), descriptors.watched():
                work(site, now)
                done = done or crash == step
            descriptors.close()
        with descriptors.watched():
            work(site, now)
        descriptors.close()
        assert_complete(site, "1.1", 3)
        assert_complete(site, "1.2", 2)
        commands = [command for _, command, _ in site.commands.started]
        for study, size in (("1.1", 3), ("1.2", 2)):
            folder = site.output / f"study_{study}"
            last = max(commands.index(f"xcr {folder}/CT.{study}.{number}") for number in range(1, size + 1))
            assert commands.index(f"xcs {folder}") > last
        for part in ("open", "sealed", "journals/dead", "strange", "failed"):
            assert os.listdir(site.lock_directory / part) == []
        if done:
            assert step > 50  # there was something to crash in
            return


def test_what_a_killed_worker_left_half_made_is_removed(tmp_path: Path) -> None:
    site = Site(tmp_path, Rules(timeout=TIMEOUT, renames=True, runs=True))
    prepared = site.lock_directory / "open/.0123456789abcdef"
    prepared.mkdir()
    (prepared / "study").write_bytes(b"torn")
    removed = site.lock_directory / "sealed/.1.1.0123456789abcdef"
    removed.mkdir()
    (removed / "study").write_bytes(b"torn")
    work(site, monotonic())
    assert not prepared.exists()
    assert not removed.exists()


@pytest.mark.parametrize("step", [-HOUR, HOUR])
@pytest.mark.parametrize("restarts", [False, True])
def test_a_step_of_the_wall_clock_ends_no_study_early_and_none_much_later(
    tmp_path: Path, step: float, restarts: bool
) -> None:
    """Every time that the file system tells is an hour off; after a restart it may last twice as long."""
    site = Site(tmp_path, Rules(timeout=TIMEOUT, renames=True, runs=True))
    now = monotonic()
    keeper = site.keeper(now)
    store_study(site, "1.1", 2)
    keeper.turn(now)
    stepped = time.time() + step
    for path in (*site.output.rglob("*"), *site.lock_directory.rglob("*")):
        os.utime(path, (stepped, stepped), follow_symlinks=False)
    if restarts:
        keeper.close()
        keeper = site.keeper(now + TIMEOUT / 2)
    keeper.turn(now + TIMEOUT - 1)
    keeper.turn(now + TIMEOUT - 0.5)
    assert len(os.listdir(site.lock_directory / "open")) == 1
    for turn in range(4):
        keeper.turn(now + (2 if restarts else 1) * TIMEOUT + 1 + turn)
    assert os.listdir(site.lock_directory / "open") == []
    assert_complete(site, "1.1", 2)
    keeper.close()


def keeper_of(pid: int) -> int:
    return next((it.pid for it in children_of(pid) if ": keeper, " in command_line(it.pid)), 0)


def test_a_killed_keeper_is_replaced(scpd: ServerFactory, raw_peer: Callable[..., RawPeer]) -> None:
    server = scpd("--fork", "-ss", "study", "-tos", "1", "-rns")
    for _ in range(2):
        victim = server.wait_for(lambda: keeper_of(server.pid), PATIENCE)
        os.kill(victim, signal.SIGKILL)
        server.wait_for(lambda victim=victim: not is_running(victim), PATIENCE)
    peer = raw_peer(server)
    peer.associate()
    assert store(peer, ct_image(500)).status == 0
    peer.release()
    server.wait_for(lambda: list(server.inbox.glob("study_*/CT000001")), PATIENCE)


def test_an_idle_keeper_costs_next_to_nothing(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer], tmp_path: Path, is_long: bool
) -> None:
    require_strace()
    seconds = 20.0 if is_long else 3.0
    server = scpd("--fork", "-ss", "study", "-tos", "3600", "-rns")
    peers = [raw_peer(server) for _ in range(5)]
    for number, peer in enumerate(peers):
        peer.associate(calling=f"PEER{number}")
        assert store(peer, ct_image(500)).status == 0
    pid = server.wait_for(lambda: keeper_of(server.pid), PATIENCE)
    server.wait_for(lambda: "5 open studies" in command_line(pid), PATIENCE)
    with attached(pid, tmp_path / "trace") as calls:
        time.sleep(seconds)  # a stretch of time is what is measured
        made = len(calls())
    assert made <= MOST_IDLE_CALLS_PER_SECOND * seconds
