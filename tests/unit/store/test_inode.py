"""Which file it is: as os.stat says, by statx and without it."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

from scpd.store import inode
from scpd.store.inode import Inodes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def identity(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_ino, os.major(status.st_dev), os.minor(status.st_dev)


@pytest.fixture(params=["statx", "without"])
def inodes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Inodes:
    if request.param == "without":
        monkeypatch.setattr(inode, "_statx", inode._find_statx(object()))
    return Inodes()


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
def test_a_name_is_told_from_others(inodes: Inodes, directory: int, name: bytes) -> None:
    assert inodes.at(name, directory) == identity(os.stat(name, dir_fd=directory, follow_symlinks=False))


@pytest.mark.parametrize("path", ["/proc/self/status", "/dev/shm", "/", "/dev/null"])
def test_so_is_what_is_open(inodes: Inodes, path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        assert inodes.of(descriptor) == identity(os.fstat(descriptor))
    finally:
        os.close(descriptor)


def test_one_answer_is_not_changed_by_the_next(inodes: Inodes, directory: int) -> None:
    file, folder = inodes.at(b"file", directory), inodes.at(b"folder", directory)
    assert (file, folder) == (inodes.at(b"file", directory), inodes.at(b"folder", directory))
    assert file != folder


def test_what_is_not_there_is_an_error(inodes: Inodes, directory: int) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        inodes.at(b"nothing", directory)
    assert caught.value.errno == errno.ENOENT
    with pytest.raises(NotADirectoryError):
        inodes.at(b"file/nothing", directory)
    with pytest.raises(OSError, match="Bad file descriptor"):
        inodes.of(-1)


def test_the_library_here_has_the_function() -> None:
    assert inode._statx is not inode._lacks_it
