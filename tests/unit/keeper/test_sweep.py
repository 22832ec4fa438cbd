"""Removing what dead workers left, and nothing else."""

from __future__ import annotations

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


def after_the_look_for_the_dead(patch: pytest.MonkeyPatch, happen: Callable[[], object]) -> None:
    """Let something happen between the sweeper's look at the locks and what it does then."""
    real_lock = sweep_module.lock

    def lock(descriptor: int, maker: int) -> bool:
        is_dead = real_lock(descriptor, maker)
        happen()
        return is_dead

    patch.setattr(sweep_module, "lock", lock)


def test_files_that_nobody_holds_are_removed(tmp_path: Path, temporary: Path) -> None:
    for name in ("1.10.1", "2.20.1", "2.20.2", f"3.{2**56 - 1}.1"):
        (temporary / name).write_bytes(b"half an object")

    assert sweep(str(tmp_path)) == 4
    assert names(temporary) == ["lock"]
    assert sweep(str(tmp_path)) == 0


def test_files_of_living_makers_stay(tmp_path: Path, temporary: Path) -> None:
    (temporary / "1.2.3").touch()
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
    (temporary / "1.2.3").mkdir()
    (temporary / "notes.2026.txt").touch()

    assert sweep(str(tmp_path)) == 0

    assert names(temporary) == ["1.2.3", "dangling", "directory", "link", "lock", "notes.2026.txt"]
    assert precious.read_bytes() == b"x"


def test_of_a_maker_killed_between_link_and_unlink_the_object_stays(tmp_path: Path, temporary: Path) -> None:
    """Where no rename can refuse a taken name (`store.rename`)."""
    (temporary / "1.2.3").write_bytes(b"whole object")
    (tmp_path / "CT.1").hardlink_to(temporary / "1.2.3")

    assert sweep(str(tmp_path)) == 1

    assert (tmp_path / "CT.1").read_bytes() == b"whole object"
    assert (tmp_path / "CT.1").stat().st_nlink == 1
    assert names(temporary) == ["lock"]


def test_a_fifo_does_not_hold_the_sweeper_up(tmp_path: Path, temporary: Path) -> None:
    os.mkfifo(temporary / "fifo")
    (temporary / "1.2.3").touch()

    assert sweep(str(tmp_path)) >= 1
    assert "1.2.3" not in names(temporary)


def test_a_file_published_meanwhile_is_not_touched(
    tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (temporary / "1.2.3").write_bytes(b"object")
    after_the_look_for_the_dead(monkeypatch, lambda: (temporary / "1.2.3").rename(tmp_path / "CT.1"))

    assert sweep(str(tmp_path)) == 0
    assert (tmp_path / "CT.1").read_bytes() == b"object"


def test_two_sweepers_do_not_disturb_each_other(
    tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        (temporary / f"1.2.{number}").touch()
    counts: list[int] = []

    def another() -> None:
        if not counts:
            counts.append(-1)
            counts.append(sweep(str(tmp_path)))

    after_the_look_for_the_dead(monkeypatch, another)

    assert sweep(str(tmp_path)) == 5
    assert counts[1:] == [0], "who was second finds the first one at it"
    assert names(temporary) == ["lock"]


def test_no_descriptor_is_lost(tmp_path: Path, temporary: Path) -> None:
    for number in range(20):
        (temporary / f"1.2.{number}").touch()
    before = len(os.listdir("/proc/self/fd"))

    sweep(str(tmp_path))

    assert len(os.listdir("/proc/self/fd")) == before


def test_as_a_process_it_says_how_many_there_were(
    tmp_path: Path, temporary: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (temporary / "1.2.3").touch()
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
