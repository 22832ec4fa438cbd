"""The directory below the output directory in which objects get their names."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from scpd.store.sink import OutputDirectory

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def output(tmp_path: Path) -> Iterator[OutputDirectory]:
    before = len(os.listdir("/proc/self/fd"))
    output = OutputDirectory(str(tmp_path), fsync=True)
    yield output
    output.close()
    assert len(os.listdir("/proc/self/fd")) == before


def publish(output: OutputDirectory, name: str) -> None:
    incoming = output.create()
    incoming.write([b"data"])
    try:
        incoming.publish(name)
    except FileExistsError:
        incoming.discard()
        raise


def names(path: Path) -> list[str]:
    return sorted(str(each.relative_to(path)) for each in path.rglob("*") if ".scpd" not in str(each))


def test_objects_get_their_names_where_it_was_entered(tmp_path: Path, output: OutputDirectory) -> None:
    publish(output, "1")
    assert output.subdirectory.enter("A")
    publish(output, "2")
    assert output.subdirectory.enter("B")
    publish(output, "3")
    assert not output.subdirectory.enter("A"), "it is there"
    publish(output, "4")
    output.subdirectory.leave()
    publish(output, "5")

    assert names(tmp_path) == ["1", "5", "A", "A/2", "A/4", "B", "B/3"]


def test_a_name_is_taken_only_in_its_own_directory(tmp_path: Path, output: OutputDirectory) -> None:
    publish(output, "1")
    output.subdirectory.enter("A")
    publish(output, "1")

    with pytest.raises(FileExistsError):
        publish(output, "1")


def test_replacing_and_reading_work_there_too(tmp_path: Path, output: OutputDirectory) -> None:
    output.subdirectory.enter("A")
    publish(output, "1")
    incoming = output.create()
    incoming.write([b"new"])
    inode = incoming.inode()
    incoming.replace("1")

    descriptor = output.open_object("1")
    assert os.read(descriptor, 10) == b"new"
    os.close(descriptor)
    assert output.inode_of("1") == inode == (tmp_path / "A" / "1").stat().st_ino
    assert output.inode_of("2") == 0


def test_a_directory_made_by_others_is_entered(tmp_path: Path, output: OutputDirectory) -> None:
    (tmp_path / "A").mkdir()

    assert not output.subdirectory.enter("A")
    publish(output, "1")
    assert names(tmp_path) == ["A", "A/1"]


@pytest.mark.parametrize("is_removed", [True, False])
def test_who_moves_it_away_gets_no_later_object_in_it(
    tmp_path: Path, output: OutputDirectory, is_removed: bool
) -> None:
    output.subdirectory.enter("A")
    publish(output, "1")
    os.rename(tmp_path / "A", tmp_path / "gone")
    if is_removed:
        os.unlink(tmp_path / "gone" / "1")
        os.rmdir(tmp_path / "gone")
    assert output.subdirectory.enter("A")
    publish(output, "2")

    assert names(tmp_path) == ["A", "A/2"] + ([] if is_removed else ["gone", "gone/1"])


def test_nor_does_who_puts_another_in_its_place(tmp_path: Path, output: OutputDirectory) -> None:
    output.subdirectory.enter("A")
    publish(output, "1")
    os.rename(tmp_path / "A", tmp_path / "gone")
    (tmp_path / "A").mkdir()
    assert not output.subdirectory.is_at("A")
    assert not output.subdirectory.enter("A"), "it was there"
    publish(output, "2")

    assert names(tmp_path) == ["A", "A/2", "gone", "gone/1"]


def test_a_new_one_is_nobody_elses(tmp_path: Path, output: OutputDirectory) -> None:
    (tmp_path / "A").mkdir()
    (tmp_path / "F").write_bytes(b"")
    (tmp_path / "L").symlink_to("nowhere")

    assert [output.subdirectory.make_new(name) for name in "AFLB"] == [False, False, False, True]
    assert output.subdirectory.name == "", "it has not been entered"
    assert not output.subdirectory.make_new("B")


@pytest.mark.parametrize("name", ["F", "L"])
def test_what_is_no_directory_is_not_entered(tmp_path: Path, output: OutputDirectory, name: str) -> None:
    """A link neither, whatever it points to."""
    (tmp_path / "F").write_bytes(b"")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "L").symlink_to("elsewhere")
    with pytest.raises(NotADirectoryError):
        output.subdirectory.enter(name)
    publish(output, "1")
    assert (tmp_path / "1").is_file()


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "A/B", "/tmp/x", ".scpd", ".hidden"])
def test_a_name_that_leads_elsewhere_is_refused(tmp_path: Path, output: OutputDirectory, name: str) -> None:
    for call in (output.subdirectory.enter, output.subdirectory.make_new):
        with pytest.raises(PermissionError):
            call(name)
    assert names(tmp_path) == []
    assert output.subdirectory.name == ""


def test_the_mask_of_the_process_decides_about_rights(tmp_path: Path, output: OutputDirectory) -> None:
    before = os.umask(0o027)
    try:
        output.subdirectory.enter("A")
        output.subdirectory.make_new("B")
    finally:
        os.umask(before)
    assert [(tmp_path / name).stat().st_mode & 0o777 for name in "AB"] == [0o750, 0o750]
