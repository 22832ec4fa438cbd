"""What crashes have left goes, what somebody is making stays."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from scpd.keeper.leftovers import LOOK_SECONDS, Leftovers

if TYPE_CHECKING:
    from pathlib import Path

    from scpd.lockdir.layout import LockDirectory


def make(path: Path) -> None:
    if path.parent.name == "replies":
        os.mkfifo(path)
    elif path.parent.name == "open":
        path.mkdir()
        (path / "study").touch()
    else:
        path.touch()


@pytest.mark.parametrize(
    "where", ["journals/.m", "open/.0123456789abcdef", "requests/.r.1", "failed/.j.1", "replies/m"]
)
def test_what_is_left_goes_at_the_second_look(lockdir: LockDirectory, output: Path, where: str) -> None:
    path = output / ".scpd" / where
    leftovers = Leftovers(lockdir)
    leftovers.sweep(0)
    make(path)
    leftovers.sweep(LOOK_SECONDS - 1)
    leftovers.sweep(LOOK_SECONDS)
    leftovers.sweep(2 * LOOK_SECONDS - 1)
    assert path.exists()
    leftovers.sweep(2 * LOOK_SECONDS)
    assert not path.exists()


@pytest.mark.parametrize(
    "where", ["journals/m", "open/1.1", "requests/r", "failed/m.1.xcr", "journals/dead/m"]
)
def test_what_has_its_name_stays(lockdir: LockDirectory, output: Path, where: str) -> None:
    make(output / ".scpd" / where)
    leftovers = Leftovers(lockdir)
    for look in range(4):
        leftovers.sweep(look * LOOK_SECONDS)
    assert (output / ".scpd" / where).exists()


def test_a_workers_fifo_stays_as_long_as_it_lives(lockdir: LockDirectory, output: Path) -> None:
    path = output / ".scpd/replies/m"
    os.mkfifo(path)
    worker = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    leftovers = Leftovers(lockdir)
    for look in range(4):
        leftovers.sweep(look * LOOK_SECONDS)
    assert path.exists()
    os.close(worker)
    leftovers.sweep(4 * LOOK_SECONDS)
    leftovers.sweep(5 * LOOK_SECONDS)
    assert not path.exists()


def test_what_cannot_be_removed_stays(lockdir: LockDirectory, output: Path) -> None:
    (output / ".scpd/open/.odd/deep").mkdir(parents=True)
    leftovers = Leftovers(lockdir)
    for look in range(4):
        leftovers.sweep(look * LOOK_SECONDS)
    assert (output / ".scpd/open/.odd/deep").exists()
