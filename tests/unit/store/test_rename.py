"""A name that must be free: taken or not is the kernel's word, by whatever call it has for it."""

from __future__ import annotations

import ctypes
import errno
import os
from typing import TYPE_CHECKING

import pytest

from scpd.store import rename
from scpd.store.rename import rename_to_free_name
from tests.harness.forked import exit_code, forked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


class Scene:
    """A directory of temporary files and one of objects."""

    def __init__(self, folder: Path) -> None:
        self.tmp, self.inbox = folder / "tmp", folder / "inbox"
        for path in (self.tmp, self.inbox):
            path.mkdir()
        self.descriptors = [os.open(path, os.O_RDONLY) for path in (self.tmp, self.inbox)]

    def rename(self, name: str, new_name: str) -> None:
        rename_to_free_name(name, self.descriptors[0], new_name, self.descriptors[1])

    def refused(self, name: str = "t") -> OSError:
        """Try, and see that nothing has changed."""
        before = [sorted(os.listdir(path)) for path in (self.tmp, self.inbox)]
        with pytest.raises(OSError) as caught:  # noqa: PT011  (which one differs by case)
            self.rename(name, "CT.1")
        assert [sorted(os.listdir(path)) for path in (self.tmp, self.inbox)] == before
        return caught.value


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    scene = Scene(tmp_path)
    (scene.tmp / "t").write_bytes(b"new")
    yield scene
    for descriptor in scene.descriptors:
        os.close(descriptor)


def failing(code: int) -> Callable[..., int]:
    def renameat2(*_: object) -> int:
        ctypes.set_errno(code)
        return -1

    return renameat2


def no_links(*_: object, **__: object) -> None:
    raise OSError(errno.EPERM, "Operation not permitted")


def by_kernel(_: pytest.MonkeyPatch) -> None:
    """Change nothing."""


def by_link(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(rename, "_renameat2", failing(errno.EINVAL))


def by_link_for_an_old_kernel(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(rename, "_renameat2", failing(errno.ENOSYS))


def by_link_for_an_old_library(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(rename, "_renameat2", rename._find_renameat2(object()))


def by_looking(patch: pytest.MonkeyPatch) -> None:
    by_link(patch)
    patch.setattr(rename.os, "link", no_links)


WAYS = (by_kernel, by_link, by_link_for_an_old_kernel, by_link_for_an_old_library, by_looking)


@pytest.fixture(params=WAYS, ids=[way.__name__ for way in WAYS])
def _way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    request.param(monkeypatch)


@pytest.mark.usefixtures("_way")
class TestEveryWay:
    def test_a_file_gets_a_free_name_and_loses_its_old_one(self, scene: Scene) -> None:
        inode = (scene.tmp / "t").stat().st_ino

        scene.rename("t", "CT.1")

        assert os.listdir(scene.tmp) == []
        assert (scene.inbox / "CT.1").read_bytes() == b"new"
        assert (scene.inbox / "CT.1").stat().st_ino == inode
        assert (scene.inbox / "CT.1").stat().st_nlink == 1

    @pytest.mark.parametrize("taken_by", ["file", "dangling link", "directory"])
    def test_a_taken_name_is_refused_whatever_has_it(self, scene: Scene, taken_by: str) -> None:
        path = scene.inbox / "CT.1"
        if taken_by == "file":
            path.write_bytes(b"old")
        elif taken_by == "directory":
            path.mkdir()
        else:
            path.symlink_to("nothing")
        before = os.lstat(path)

        error = scene.refused()

        assert isinstance(error, FileExistsError)
        assert error.strerror == "File exists"
        assert os.lstat(path) == before
        assert (scene.tmp / "t").read_bytes() == b"new"

    def test_what_is_not_there_is_another_error(self, scene: Scene) -> None:
        assert isinstance(scene.refused("nothing"), FileNotFoundError)

    def test_names_are_those_of_the_file_system(self, scene: Scene) -> None:
        name = "CT.1 \xe4\udcff"

        scene.rename("t", name)

        assert os.listdir(scene.inbox) == [name]

    def test_too_long_a_name_is_an_error(self, scene: Scene) -> None:
        with pytest.raises(OSError, match="too long"):
            scene.rename("t", "x" * 300)


@pytest.mark.parametrize("way", [by_kernel, by_link], ids=["kernel", "link"])
def test_of_many_that_want_a_name_at_once_exactly_one_gets_it(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, way: Callable[[pytest.MonkeyPatch], None]
) -> None:
    way(monkeypatch)
    names, processes = [f"CT.{number}" for number in range(200)], 4
    ready, start = os.pipe()

    def life(process: int) -> int:
        os.close(start)
        for number in range(len(names)):
            (scene.tmp / f"{process}.{number}").write_bytes(b"%d" % process)
        os.read(ready, 1)
        won = 0
        for number, name in enumerate(names):
            try:
                scene.rename(f"{process}.{number}", name)
                won += 1
            except FileExistsError:
                pass
        return won

    children = [forked(lambda process=process: life(process)) for process in range(processes)]  # type: ignore[misc]
    os.close(start)
    os.close(ready)

    assert sum(map(exit_code, children)) == len(names)
    assert len(os.listdir(scene.inbox)) == len(names)
    assert len([name for name in os.listdir(scene.tmp) if name != "t"]) == (processes - 1) * len(names)


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EXDEV])
def test_what_the_disk_says_is_no_reason_to_try_another_way(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    monkeypatch.setattr(rename, "_renameat2", failing(code))
    error = scene.refused()
    assert (error.errno, error.strerror) == (code, os.strerror(code))

    monkeypatch.setattr(rename, "_renameat2", failing(errno.EINVAL))

    def link(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(rename.os, "link", link)
    assert scene.refused().errno == code


def test_a_link_that_was_made_though_its_answer_was_lost_counts(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NFS: the client asks again and hears EEXIST."""
    by_link(monkeypatch)
    real_link = os.link

    def link(*names: str, **directories: int) -> None:
        real_link(*names, **directories)
        real_link(*names, **directories)

    monkeypatch.setattr(rename.os, "link", link)

    scene.rename("t", "CT.1")

    assert (os.listdir(scene.tmp), os.listdir(scene.inbox)) == ([], ["CT.1"])


def test_a_second_name_that_cannot_be_removed_is_no_failure(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_link(monkeypatch)

    def unlink(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(rename.os, "unlink", unlink)

    scene.rename("t", "CT.1")

    assert (scene.inbox / "CT.1").read_bytes() == b"new"
