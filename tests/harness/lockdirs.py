"""A lock directory as tests look at it from outside."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from scpd.lockdir import layout
from scpd.lockdir.layout import LockDirectory
from tests.harness.descriptors import descriptors

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def keeper_pid(lockdir: LockDirectory) -> int | None:
    """Give the process id of the keeper, as it says itself; `None` if there is none."""
    if not lockdir.has_keeper():
        return None
    text = layout.read_small(layout.KEEPER, lockdir.descriptor).strip()
    return int(text) if text.isdigit() else None


def put_what_is_no_file(path: Path, kind: str) -> bool:
    """Put a "directory", a "fifo" or a "link" where a file should be; `False` for any other kind."""
    if kind == "directory":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "link":
        path.symlink_to("/etc/passwd")
    else:
        return False
    return True


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a lock directory may be."""
    return tmp_path / "lock"


@pytest.fixture
def lockdir(path: Path) -> Iterator[LockDirectory]:
    """A lock directory at that path."""
    layout.make(str(path))
    made = LockDirectory(str(path))
    yield made
    made.close()


@pytest.fixture
def no_descriptor_is_left_open() -> Iterator[None]:
    """Fail a test that leaves one."""
    before = descriptors(os.getpid())
    yield
    assert descriptors(os.getpid()) == before
