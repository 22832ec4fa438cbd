"""Two workers store under one name at once: which file has it is seen in the directory, not in their lines."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from scpd.lockdir import layout
from scpd.lockdir.layout import LockDirectory
from scpd.study.completion import StudyDirectory
from scpd.study.plan import make_plan, rivals
from scpd.study.record import ObjectRecord, Sender

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SENDER = Sender("boot", "CALLING", "CALLED", "127.0.0.1", "localhost")
Objects = list[tuple[Sender, ObjectRecord]]


def an_object(name: str, inode: int, at: int) -> tuple[Sender, ObjectRecord]:
    return SENDER, ObjectRecord(
        number=1,
        at=at,
        generation="0123456789abcdef",
        directory="X",
        name=name,
        inode=inode,
        size=1,
        sop_class_uid="1.2",
        sop_instance_uid="1.3",
        study_instance_uid="1.2.3",
        transfer_syntax_uid="1.2.1",
        hook="",
    )


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[StudyDirectory]:
    (tmp_path / "X").mkdir()
    layout.make(str(tmp_path / "lock"))
    lockdir = LockDirectory(str(tmp_path / "lock"))
    with StudyDirectory(lockdir, str(tmp_path), "X", fsync=False) as folder:
        yield folder
    lockdir.close()


def files(path: Path, *names: str) -> list[int]:
    """Make files that exist at the same time; give their inodes."""
    for name in names:
        (path / name).write_text(name)
    return [(path / name).stat().st_ino for name in names]


@pytest.mark.parametrize("winner", [0, 1])
def test_the_file_that_has_the_name_is_renamed_whoever_wrote_his_line_first(
    tmp_path: Path, folder: StudyDirectory, winner: int
) -> None:
    inodes = files(tmp_path, "first", "second")
    objects = [an_object("CT.1", inodes[0], 1), an_object("CT.1", inodes[1], 2), an_object("CT.2", 7, 3)]
    os.rename(tmp_path / ["first", "second"][winner], tmp_path / "X" / "CT.1")
    plan = make_plan("1.2.3", "X", objects, folder.names(), folder.settle(rivals(objects)))

    assert [(move.name, move.inode, move.new_name) for move in plan.moves] == [
        ("CT.1", inodes[winner], "CT000001"),
        ("CT.2", 7, "CT000002"),
    ]
    folder.carry_out(plan.moves, 0)
    assert (tmp_path / "X" / "CT000001").read_text() == ["first", "second"][winner]


def test_only_names_of_several_files_are_looked_at() -> None:
    objects = [
        an_object("CT.1", 1, 1),
        an_object("CT.1", 1, 2),
        an_object("CT.2", 2, 3),
        an_object("CT.2", 3, 4),
    ]

    assert rivals(objects) == {"CT.2": {2, 3}}


def test_what_none_of_them_has_stays_as_it_is(tmp_path: Path, folder: StudyDirectory) -> None:
    """Removed, or replaced by somebody else since."""
    files(tmp_path / "X", "CT.1")

    assert folder.settle({"CT.1": {1, 2}, "CT.2": {3, 4}}) == {}
