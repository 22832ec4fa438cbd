"""Commands on a full disk: none runs twice, none is forgotten, and all go on when there is room again."""

from __future__ import annotations

import os
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from tests.harness.commands import JOB, Commands, let_go
from tests.harness.processes import children_of, is_running
from tests.harness.waiting import PATIENCE_SECONDS, wait_until
from tests.harness.wrapped import require_root

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def commands(tmp_path: Path) -> Iterator[Commands]:
    """A keeper's, whose directory is a small file system of its own."""
    require_root()
    folder = tmp_path / "running"
    folder.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=64k,nr_inodes=20", "scpd-test", str(folder)]
    mounted = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"cannot mount here: {mounted.stderr.strip()}")
    before = {child.pid for child in children_of(os.getpid())}
    commands = Commands(tmp_path)
    yield commands
    commands.close()
    wait_until(lambda: {child.pid for child in children_of(os.getpid()) if child.is_running} <= before)
    subprocess.run(["umount", str(folder)], timeout=60, check=True)


def fill(commands: Commands) -> Path:
    """Leave no room in the directory; what is removed to make some."""
    path = commands.folder / "filler"
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return path


def test_a_command_waits_for_room_and_then_runs_once(commands: Commands, tmp_path: Path) -> None:
    filler = fill(commands)
    out = tmp_path / "out"
    commands.start(JOB, f"echo once >>{out}; exit 3")
    with pytest.raises(AssertionError):
        commands.ended(timeout=1.5)
    assert commands.running.jobs() == [JOB]
    assert not out.exists()
    filler.unlink()
    (end,) = commands.ended()
    assert end.code == 3
    assert out.read_text(encoding="ascii") == "once\n"


def test_an_end_for_which_there_is_no_room_is_told_later(commands: Commands, tmp_path: Path) -> None:
    fifo = tmp_path / "wait"
    os.mkfifo(fifo)
    start = time.monotonic()
    commands.start(JOB, f"read line <{fifo}; echo said 1>&2; exit 4")
    command, _ = commands.pids(JOB)
    filler = fill(commands)
    let_go(fifo)
    wait_until(lambda: not is_running(command), what="the end of the command")
    with pytest.raises(AssertionError):
        commands.ended(timeout=1.5)
    assert commands.running.jobs() == [JOB]
    begin = time.monotonic()
    filler.unlink()
    (end,) = commands.ended()
    assert (end.code, end.stderr) == (4, "said\n")
    assert time.monotonic() - begin < PATIENCE_SECONDS
    assert end.seconds < begin - start  # to its own end, not to when that could be told
