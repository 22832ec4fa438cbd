"""So many at a time, whoever counts, and nobody who is gone."""

from __future__ import annotations

import errno
import os
import signal
from typing import TYPE_CHECKING

import pytest

from scpd.lockdir import layout, slots
from scpd.lockdir.slots import Slots
from tests.harness.forked import exit_code, forked

if TYPE_CHECKING:
    from pathlib import Path

    from scpd.lockdir.layout import LockDirectory

pytestmark = pytest.mark.usefixtures("no_descriptor_is_left_open", "lockdir")


def take(path: Path, count: int, name: str = "STORE") -> int | None:
    return Slots(str(path), name, count).take()


def test_there_are_so_many_and_no_more(path: Path) -> None:
    taken = [take(path, 3) for _ in range(5)]
    assert [descriptor is None for descriptor in taken] == [False, False, False, True, True]
    for descriptor in taken[:3]:
        assert descriptor is not None
        os.close(descriptor)


def test_who_leaves_makes_room(path: Path) -> None:
    first, second = take(path, 2), take(path, 2)
    assert first is not None
    assert second is not None
    os.close(first)
    third = take(path, 2)
    assert third is not None
    assert take(path, 2) is None
    for descriptor in (second, third):
        os.close(descriptor)


def test_other_names_are_counted_by_themselves(path: Path) -> None:
    one, other = take(path, 1, "A"), take(path, 1, "B")
    assert one is not None
    assert other is not None
    os.close(one)
    os.close(other)


def test_a_process_that_is_killed_makes_room(path: Path) -> None:
    ready, told = os.pipe()

    def hold() -> int:
        assert take(path, 1) is not None
        os.write(told, b"x")
        signal.pause()
        return 0

    child = forked(hold)
    os.read(ready, 1)
    assert take(path, 1) is None
    os.kill(child, signal.SIGKILL)
    assert exit_code(child) == -signal.SIGKILL
    descriptor = take(path, 1)
    assert descriptor is not None
    for each in (descriptor, ready, told):
        os.close(each)


def test_a_file_that_was_removed_counts_nobody(path: Path) -> None:
    first = take(path, 1)
    (path / layout.SLOTS / "STORE").unlink()
    second = take(path, 1)
    assert first is not None
    assert second is not None
    assert take(path, 1) is None
    os.close(first)
    os.close(second)


@pytest.mark.parametrize("step", ["lock", "is_at"])
def test_a_machine_that_does_not_allow_it_costs_no_descriptor(
    path: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> bool:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(slots, step, fail)  # what only a kernel without memory, or a file server, would do
    with pytest.raises(OSError, match="No locks"):
        take(path, 1)


@pytest.mark.parametrize("kind", ["directory", "link"])
def test_what_is_no_file_is_set_aside(path: Path, kind: str, lockdir: LockDirectory) -> None:
    place = path / layout.SLOTS / "STORE"
    if kind == "directory":
        place.mkdir()
    else:
        place.symlink_to("/etc/passwd")
    descriptor = take(path, 1)
    assert descriptor is not None
    assert len(os.listdir(path / layout.STRANGE)) == 1
    os.close(descriptor)


def test_without_a_lock_directory_nobody_is_counted(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        take(tmp_path / "none", 1)
