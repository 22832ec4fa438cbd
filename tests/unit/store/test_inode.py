"""Which file it is: as os.stat says, by statx and without it."""

from __future__ import annotations

import ctypes
import errno
import os
from typing import TYPE_CHECKING

import pytest

from scpd.store import inode
from scpd.store.inode import identity_at, identity_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def identity(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_ino, os.major(status.st_dev), os.minor(status.st_dev)


@pytest.fixture(params=["statx", "without"], autouse=True)
def _way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "without":
        monkeypatch.setattr(inode, "_statx", inode._find_statx(object()))


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[int]:
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("file")
    (tmp_path / os.fsdecode(b"f\xfcr")).write_bytes(b"")
    descriptor = os.open(tmp_path, os.O_RDONLY)
    yield descriptor
    os.close(descriptor)


@pytest.mark.parametrize(
    "name", [b"file", b"folder", b"link", b"f\xfcr", b"/proc/self/stat", b"/dev/shm", b"/"]
)
def test_a_name_is_told_from_others(directory: int, name: bytes) -> None:
    assert identity_at(name, directory) == identity(os.stat(name, dir_fd=directory, follow_symlinks=False))


@pytest.mark.parametrize("path", ["/proc/self/status", "/dev/shm", "/", "/dev/null"])
def test_so_is_what_is_open(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        assert identity_of(descriptor) == identity(os.fstat(descriptor))
    finally:
        os.close(descriptor)


def test_one_answer_is_not_changed_by_the_next(directory: int) -> None:
    file, folder = identity_at(b"file", directory), identity_at(b"folder", directory)
    assert (file, folder) == (identity_at(b"file", directory), identity_at(b"folder", directory))
    assert file != folder


def test_what_is_not_there_is_an_error(directory: int) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        identity_at(b"nothing", directory)
    assert caught.value.errno == errno.ENOENT
    with pytest.raises(NotADirectoryError):
        identity_at(b"file/nothing", directory)
    with pytest.raises(OSError, match="Bad file descriptor"):
        identity_of(-1)


def test_the_library_here_has_the_function() -> None:
    assert inode._find_statx(ctypes.CDLL(None)) is not inode._lacks_it
