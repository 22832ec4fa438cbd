"""Removing what dead workers left, and nothing else."""

from __future__ import annotations

import fcntl
import logging
import os
import signal
from typing import TYPE_CHECKING

import pytest

from scpd.keeper import sweep as sweep_module
from scpd.keeper.sweep import run, sweep
from scpd.process import exitcodes
from scpd.store.sink import OutputDirectory
from tests.harness.forked import exit_code, forked

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    path = tmp_path / ".scpd" / "tmp"
    path.mkdir(parents=True)
    return path


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def at_the_moment_of_locking(patch: pytest.MonkeyPatch, happen: Callable[[], object]) -> None:
    """Let something happen between the sweeper's open and its lock."""
    real_flock = fcntl.flock

    def flock(file: int, operation: int) -> None:
        happen()
        real_flock(file, operation)

    patch.setattr(sweep_module.fcntl, "flock", flock)


def test_files_that_nobody_holds_are_removed(tmp_path: Path, temporary: Path) -> None:
    for name in ("1.a.1", "2.b.1", "2.b.2"):
        (temporary / name).write_bytes(b"half an object")

    assert sweep(str(tmp_path)) == 3
    assert names(temporary) == []
    assert sweep(str(tmp_path)) == 0


def test_files_of_living_makers_stay(tmp_path: Path, temporary: Path) -> None:
    (temporary / "dead").touch()
    incoming = OutputDirectory(str(tmp_path), fsync=False).create()
    incoming.write([b"half"])

    assert sweep(str(tmp_path)) == 1

    incoming.publish("CT.1")
    assert (tmp_path / "CT.1").read_bytes() == b"half"


def test_objects_are_never_touched(tmp_path: Path, temporary: Path) -> None:
    (tmp_path / "CT.1").write_bytes(b"object")
    (tmp_path / ".scpd" / "other").write_bytes(b"something else")

    assert sweep(str(tmp_path)) == 0
    assert names(tmp_path) == [".scpd", "CT.1"]
    assert names(tmp_path / ".scpd") == ["other", "tmp"]


def test_the_file_of_a_killed_maker_is_removed_once_it_is_dead(tmp_path: Path) -> None:
    reader, writer = os.pipe()

    def life() -> int:
        OutputDirectory(str(tmp_path), fsync=False).create().write([b"half"])
        os.write(writer, b"!")
        signal.pause()
        return 0

    maker = forked(life)
    assert os.read(reader, 1) == b"!"
    os.close(reader)
    os.close(writer)
    while_it_lived = sweep(str(tmp_path))

    os.kill(maker, signal.SIGKILL)
    assert exit_code(maker) == -signal.SIGKILL

    assert while_it_lived == 0
    assert sweep(str(tmp_path)) == 1


def test_what_no_maker_makes_stays(tmp_path: Path, temporary: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_bytes(b"x")
    (temporary / "link").symlink_to(precious)
    (temporary / "dangling").symlink_to(tmp_path / "nothing")
    (temporary / "directory").mkdir()

    assert sweep(str(tmp_path)) == 0

    assert names(temporary) == ["dangling", "directory", "link"]
    assert precious.read_bytes() == b"x"


def test_a_fifo_does_not_hold_the_sweeper_up(tmp_path: Path, temporary: Path) -> None:
    os.mkfifo(temporary / "fifo")
    (temporary / "dead").touch()

    assert sweep(str(tmp_path)) >= 1
    assert "dead" not in names(temporary)


def test_a_file_published_before_it_was_locked_is_not_touched(
    tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (temporary / "1.a.1").write_bytes(b"object")
    at_the_moment_of_locking(monkeypatch, lambda: (temporary / "1.a.1").rename(tmp_path / "CT.1"))

    assert sweep(str(tmp_path)) == 0
    assert (tmp_path / "CT.1").read_bytes() == b"object"


def test_a_name_that_has_become_another_files_is_not_removed(
    tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = temporary / "1.a.1"
    path.write_bytes(b"old")

    def replace() -> None:
        path.rename(tmp_path / "CT.1")
        path.write_bytes(b"new")

    at_the_moment_of_locking(monkeypatch, replace)

    assert sweep(str(tmp_path)) == 0
    assert path.read_bytes() == b"new"


def test_two_sweepers_do_not_disturb_each_other(
    tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        (temporary / str(number)).touch()
    at_the_moment_of_locking(monkeypatch, lambda: [path.unlink() for path in temporary.iterdir()])

    assert sweep(str(tmp_path)) == 0
    assert names(temporary) == []


def test_no_descriptor_is_lost(tmp_path: Path, temporary: Path) -> None:
    for number in range(20):
        (temporary / str(number)).touch()
    before = len(os.listdir("/proc/self/fd"))

    sweep(str(tmp_path))

    assert len(os.listdir("/proc/self/fd")) == before


def test_as_a_process_it_says_how_many_there_were(
    tmp_path: Path, temporary: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (temporary / "dead").touch()
    with caplog.at_level(logging.WARNING):
        assert run(str(tmp_path)) == exitcodes.OK
        assert run(str(tmp_path)) == exitcodes.OK

    assert [record.getMessage() for record in caplog.records] == [
        f"removed 1 temporary files of dead workers from {tmp_path}"
    ]


def test_as_a_process_it_says_that_it_cannot_look(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert run(str(tmp_path / "nothing")) == exitcodes.OK

    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "nothing" in caplog.text
