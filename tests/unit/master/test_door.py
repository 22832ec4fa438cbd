"""The socket of scpctl: where it is, whose it is, and what becomes of one that was left over."""

from __future__ import annotations

import os
import socket
import stat
from typing import TYPE_CHECKING

import pytest

from scpd.master.door import first_usable, inherit_door, open_door
from scpd.process import unixsocket

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from scpd.master.door import Door


@pytest.fixture
def doors() -> Iterator[list[Door]]:
    made: list[Door] = []
    yield made
    for each in made:
        each.close()


def opened(doors: list[Door], folder: Path, stem: str = "104") -> Door:
    doors.append(open_door(str(folder), stem))
    return doors[-1]


def test_only_its_owner_may_open_it_from_the_first_moment_on(tmp_path: Path, doors: list[Door]) -> None:
    before = os.umask(0)
    try:
        door = opened(doors, tmp_path)
        assert os.umask(0) == 0
    finally:
        os.umask(before)
    mode = os.stat(door.path).st_mode
    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o600
    assert door.path == f"{tmp_path}/104.sock"


def test_it_does_not_block_and_nobody_inherits_it(tmp_path: Path, doors: list[Door]) -> None:
    door = opened(doors, tmp_path)
    with pytest.raises(BlockingIOError):
        door.sock.accept()
    assert not door.sock.get_inheritable()


def test_a_socket_that_was_left_over_is_replaced(tmp_path: Path, doors: list[Door]) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "104.sock"))
    door = opened(doors, tmp_path)
    assert door.path == f"{tmp_path}/104.sock"
    assert unixsocket.is_listening(door.path)


def test_where_another_daemon_listens_the_next_name_is_taken(tmp_path: Path, doors: list[Door]) -> None:
    paths = [opened(doors, tmp_path).path for _ in range(3)]
    assert [os.path.basename(path) for path in paths] == ["104.sock", "104-2.sock", "104-3.sock"]
    assert all(map(unixsocket.is_listening, paths))


@pytest.mark.parametrize("kind", ["file", "link", "directory"])
def test_what_is_no_socket_stays(tmp_path: Path, doors: list[Door], kind: str) -> None:
    path, other = tmp_path / "104.sock", tmp_path / "other"
    other.write_text("precious")
    if kind == "file":
        path.write_text("precious")
    elif kind == "link":
        path.symlink_to(other)
    else:
        path.mkdir()
    assert opened(doors, tmp_path).path == f"{tmp_path}/104-2.sock"
    assert path.is_dir() or path.read_text() == "precious"


def test_when_all_names_are_taken_it_says_so(tmp_path: Path) -> None:
    for name in ["104", *(f"104-{number}" for number in range(2, 10))]:
        (tmp_path / f"{name}.sock").touch()
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(OSError, match="others listen"):
        open_door(str(tmp_path), "104")
    assert len(os.listdir("/proc/self/fd")) == before


def test_it_is_removed_at_the_end(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    open_door(str(tmp_path), "104").close()
    assert list(tmp_path.iterdir()) == []
    assert len(os.listdir("/proc/self/fd")) == before


def test_one_that_has_taken_its_place_is_not_removed(tmp_path: Path, doors: list[Door]) -> None:
    door = open_door(str(tmp_path), "104")
    os.unlink(door.path)
    newer = opened(doors, tmp_path)
    door.close()
    assert unixsocket.is_listening(newer.path)


def test_it_is_removed_although_the_working_directory_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    door = open_door(".", "104")
    assert os.path.isabs(door.path)
    monkeypatch.chdir("/")
    door.close()
    assert list(tmp_path.iterdir()) == []


def test_a_path_of_any_length_will_do(tmp_path: Path, doors: list[Door]) -> None:
    folder = tmp_path / ("d" * 100) / ("e" * 100)
    folder.mkdir(parents=True)
    door = opened(doors, folder)
    assert unixsocket.is_listening(door.path)
    door.close()
    assert list(folder.iterdir()) == []


def test_the_program_that_comes_after_goes_on_with_it(tmp_path: Path, doors: list[Door]) -> None:
    door = open_door(str(tmp_path), "104")
    again = inherit_door(os.dup(door.fileno()), door.path)
    door.sock.close()
    assert unixsocket.is_listening(again.path)
    again.close()
    assert list(tmp_path.iterdir()) == []


def test_the_first_directory_in_which_we_may_make_something_is_used(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "there").mkdir()
    usable = str(tmp_path / "there")
    assert first_usable([str(tmp_path / "none"), str(tmp_path / "file"), usable, str(tmp_path)]) == usable
    assert first_usable([str(tmp_path / "none")]) == ""
