"""The end of a study on disk: every step may be done twice, and nobody's plan leads out of the study's directory."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from scpd.lockdir import layout, records
from scpd.lockdir.layout import LockDirectory
from scpd.process.locks import lock, share
from scpd.study import completion
from scpd.study.completion import Sealed, StudyDirectory
from scpd.study.plan import Move, Plan

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAME = "1.1.0123456789abcdef"


@pytest.fixture
def output(tmp_path: Path) -> Path:
    folder = tmp_path / "inbox"
    (folder / "study").mkdir(parents=True)
    layout.make(str(folder / ".scpd"))
    (folder / ".scpd/sealed" / NAME).mkdir()
    return folder


@pytest.fixture
def lockdir(output: Path) -> Iterator[LockDirectory]:
    made = LockDirectory(str(output / ".scpd"))
    yield made
    made.close()


@pytest.fixture
def sealed(lockdir: LockDirectory) -> Iterator[Sealed]:
    with Sealed(lockdir, NAME, fsync=True) as made:
        yield made


def a_plan(directory: str = "study", moves: list[Move] | None = None, calling: str = "A") -> Plan:
    return Plan(
        study_instance_uid="1.1",
        directory=directory,
        calling=calling,
        called="B",
        host="h",
        peer_name="n",
        transfer_syntax_uid="1.2",
        objects=1,
        moves=moves or [],
    )


class TestThePlan:
    def test_there_is_none_until_one_is_written_and_none_after_it(self, sealed: Sealed, output: Path) -> None:
        assert sealed.read_plan() is None
        assert sealed.write_plan(a_plan()).calling == "A"
        assert sealed.write_plan(a_plan(calling="ANOTHER")).calling == "A"
        found = sealed.read_plan()
        assert found is not None
        assert found.calling == "A"
        assert os.listdir(output / ".scpd/sealed" / NAME) == ["plan"]

    @pytest.mark.parametrize(
        "kind", ["garbage", "torn", "empty", "directory", "link", "fifo", "leads out", "hidden"]
    )
    def test_what_cannot_be_one_is_set_aside_and_another_made(
        self, sealed: Sealed, output: Path, kind: str
    ) -> None:
        path = output / ".scpd/sealed" / NAME / "plan"
        if kind == "directory":
            path.mkdir()
        elif kind == "link":
            path.symlink_to(output / "study")
        elif kind == "fifo":
            os.mkfifo(path)
        else:
            contents = {
                "garbage": b"x",
                "torn": a_plan().encode()[:-1],
                "empty": b"",
                "leads out": a_plan("../..").encode(),
                "hidden": a_plan(".scpd").encode(),
            }
            path.write_bytes(contents[kind] if kind != "torn" else a_plan().encode()[:-4])
        assert sealed.read_plan() is None
        assert len(os.listdir(output / ".scpd/strange")) == 1
        assert sealed.write_plan(a_plan()).directory == "study"

    def test_a_plan_for_which_there_is_no_room_leaves_nothing(
        self, sealed: Sealed, output: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        import resource
        import signal

        before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))
        try:
            with pytest.raises(OSError, match="large"):
                sealed.write_plan(a_plan())
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            signal.signal(signal.SIGXFSZ, before)
        assert not os.listdir(output / ".scpd/sealed" / NAME)

    def test_removing_leaves_nothing_and_a_crash_nothing_that_counts(
        self, lockdir: LockDirectory, sealed: Sealed, output: Path
    ) -> None:
        sealed.write_plan(a_plan())
        (output / ".scpd/sealed" / NAME / ".plan.1.x").touch()
        sealed.remove()
        assert not os.listdir(output / ".scpd/sealed")
        hidden = output / ".scpd/sealed" / f".{NAME}"
        hidden.mkdir()
        (hidden / "study").touch()
        with Sealed(lockdir, hidden.name, fsync=False) as half_removed:
            half_removed.remove()
        assert not os.listdir(output / ".scpd/sealed")


class TestRenaming:
    @pytest.fixture
    def study(self, lockdir: LockDirectory, output: Path) -> Iterator[StudyDirectory]:
        with StudyDirectory(lockdir, str(output), "study", fsync=True) as made:
            yield made

    def carry_out(self, study: StudyDirectory, moves: list[Move]) -> None:
        done = 0
        while done < len(moves):
            done = study.carry_out(moves, done)

    def put(self, output: Path, name: str, text: str = "") -> int:
        path = output / "study" / name
        path.write_text(text or name)
        return path.stat().st_ino

    def names(self, output: Path) -> dict[str, str]:
        return {path.name: path.read_text() for path in (output / "study").iterdir() if path.is_file()}

    def test_files_get_their_new_names_once(self, study: StudyDirectory, output: Path) -> None:
        moves = [Move(name, self.put(output, name), f"new-{name}") for name in "abc"]
        self.carry_out(study, moves)
        self.carry_out(study, moves)
        assert self.names(output) == {"new-a": "a", "new-b": "b", "new-c": "c"}

    def test_a_plan_is_gone_on_with_from_anywhere(self, study: StudyDirectory, output: Path) -> None:
        moves = [Move(name, self.put(output, name), f"new-{name}") for name in "abc"]
        os.rename(output / "study/a", output / "study/new-a")
        os.rename(output / "study/c", output / "study/new-c")
        self.carry_out(study, moves)
        assert set(self.names(output)) == {"new-a", "new-b", "new-c"}

    def test_no_file_but_the_planned_one_is_renamed(self, study: StudyDirectory, output: Path) -> None:
        inode = self.put(output, "a", "old")
        self.put(output, "other")
        os.rename(output / "study/other", output / "study/a")  # superseded
        self.carry_out(study, [Move("a", inode, "new-a"), Move("gone", 7, "new-gone")])
        assert self.names(output) == {"a": "other"}

    def test_no_taken_name_is_given(self, study: StudyDirectory, output: Path) -> None:
        move = Move("a", self.put(output, "a"), "b")
        self.put(output, "b")
        self.carry_out(study, [move])
        assert self.names(output) == {"a": "a", "b": "b"}

    @pytest.mark.parametrize("name", ["../out", ".hidden", "sub/x", "", "a\0", "/tmp/x", ".."])
    def test_no_name_leads_out_of_the_directory(self, study: StudyDirectory, output: Path, name: str) -> None:
        inode = self.put(output, "a")
        (output / "study/sub").mkdir()
        (output / "out").write_text("out")
        moves = [Move("a", inode, name), Move(name, (output / "out").stat().st_ino, "in")]
        self.carry_out(study, moves)
        assert self.names(output) == {"a": "a"}
        assert (output / "out").read_text() == "out"

    def test_links_and_directories_are_not_renamed(self, study: StudyDirectory, output: Path) -> None:
        (output / "study/link").symlink_to("a")
        (output / "study/sub").mkdir()
        moves = [
            Move(name, (output / "study" / name).lstat().st_ino, f"new-{name}") for name in ("link", "sub")
        ]
        self.carry_out(study, moves)
        assert sorted(os.listdir(output / "study")) == ["link", "sub"]

    def test_many_are_renamed_a_piece_at_a_time_and_workers_come_in_between(
        self, study: StudyDirectory, lockdir: LockDirectory, output: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(completion, "_LONGEST_SECONDS", 0.0)
        moves = [Move(name, self.put(output, name), f"new-{name}") for name in "abc"]
        worker = lockdir.open_publish_lock("study")
        for begin in range(3):
            assert study.carry_out(moves, begin) == begin + 1
            assert lock(worker, 0)
            os.close(worker)
            worker = lockdir.open_publish_lock("study")
        os.close(worker)

    def test_who_publishes_for_ever_is_waited_for_but_not_for_ever(
        self, study: StudyDirectory, lockdir: LockDirectory, output: Path
    ) -> None:
        worker = lockdir.open_publish_lock("study")
        assert share(worker, 0)
        moves = [Move("a", self.put(output, "a"), "b")]
        with pytest.raises(TimeoutError):
            study.carry_out(moves, 0)
        assert set(self.names(output)) == {"a"}
        os.close(worker)
        assert study.carry_out(moves, 0) == 1


@pytest.mark.parametrize(
    "name", ["gone", "file", "link", "..", ".scpd", "", "a/b", "a\0b", "n" * 300, "é" * 200]
)
def test_what_is_no_study_directory_is_not_there(lockdir: LockDirectory, output: Path, name: str) -> None:
    (output / "file").touch()
    (output / "link").symlink_to("study")
    lockdir.opened(layout.PUBLISH)
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(FileNotFoundError):
        StudyDirectory(lockdir, str(output), name, fsync=False)
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_forged_publish_lock_is_set_aside(lockdir: LockDirectory, output: Path) -> None:
    for number in range(64):
        (output / f".scpd/publish/{number:02}").symlink_to("/etc/passwd")
    with StudyDirectory(lockdir, str(output), "study", fsync=False) as directory:
        assert directory.names() == []
    assert len(list((output / ".scpd/strange").iterdir())) == 1


def test_records_keep_any_plain_name() -> None:
    assert records.decode(records.encode(("é\udce9",)).rstrip(b"\n")) == ["é\udce9"]
