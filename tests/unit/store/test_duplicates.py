"""A taken name: replaced, kept, stored beside or refused, whoever comes at the same moment."""

from __future__ import annotations

import errno
import os
import stat
import time
from typing import TYPE_CHECKING

import pytest

from scpd.store import duplicates, sink
from scpd.store.filemeta import FileMeta
from scpd.store.sink import DirectoryFlushError, Incoming, OutputDirectory
from tests.harness.forked import exit_code, forked
from tests.harness.objects import data_set_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from scpd.store.duplicates import Policy

NAME = "CT.1.2.3"
EVERY = {**duplicates.POLICIES, "serial": duplicates.serial, "silent": duplicates.silent}


def dicom(data_set: bytes, calling: bytes = b"CT_1") -> bytes:
    return (
        FileMeta("1.2.840.10008.1.2", calling, b"SCP").for_object("1.2.840.10008.5.1.4.1.1.2", "1.2.3")
        + data_set
    )


class Scene:
    def __init__(self, inbox: Path, *, fsync: bool = True) -> None:
        self.inbox = inbox
        self.output = OutputDirectory(str(inbox), fsync=fsync)

    def written(self, content: bytes) -> Incoming:
        incoming = self.output.create()
        incoming.write([content])
        return incoming

    def store(self, policy: Policy, content: bytes) -> tuple[str, str]:
        """Store by a policy; what it gives."""
        incoming = self.written(content)
        try:
            return policy(incoming, NAME)
        except OSError:
            incoming.discard()
            raise

    def objects(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.inbox.iterdir() if path.is_file()}

    def temporary(self) -> list[str]:
        return [name for name in os.listdir(self.inbox / ".scpd" / "tmp") if name != "lock"]


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    (tmp_path / "inbox").mkdir()
    scene = Scene(tmp_path / "inbox")
    before = len(os.listdir("/proc/self/fd"))
    yield scene
    assert len(os.listdir("/proc/self/fd")) == before, "a descriptor is lost"
    assert scene.temporary() == []
    scene.output.close()


@pytest.mark.parametrize("policy", EVERY.values(), ids=EVERY)
def test_a_free_name_is_taken_without_remark(scene: Scene, policy: Policy) -> None:
    assert scene.store(policy, b"x") == (NAME, "")
    assert scene.objects() == {NAME: b"x"}


class TestReplace:
    def test_the_new_object_takes_the_place_of_the_old_one(self, scene: Scene) -> None:
        scene.store(duplicates.replace, b"old")
        assert scene.store(duplicates.replace, b"new") == (NAME, duplicates.REPLACED)
        assert scene.objects() == {NAME: b"new"}

    def test_silently_if_so_told(self, scene: Scene) -> None:
        scene.store(duplicates.silent, b"old")
        assert scene.store(duplicates.silent, b"new") == (NAME, "")
        assert scene.objects() == {NAME: b"new"}

    @pytest.mark.parametrize("policy", [duplicates.replace, duplicates.silent])
    def test_a_directory_is_not_replaced(self, scene: Scene, policy: Policy) -> None:
        (scene.inbox / NAME).mkdir()
        with pytest.raises(IsADirectoryError):
            scene.store(policy, b"x")


class TestKeep:
    def test_an_equal_object_is_kept_whoever_sent_it(self, scene: Scene) -> None:
        scene.store(duplicates.keep, dicom(b"data"))
        inode = (scene.inbox / NAME).stat().st_ino

        assert scene.store(duplicates.keep, dicom(b"data", b"OTHER")) == (NAME, duplicates.KEPT)

        assert scene.objects() == {NAME: dicom(b"data")}
        assert (scene.inbox / NAME).stat().st_ino == inode

    def test_another_object_is_stored_beside_it(self, scene: Scene) -> None:
        scene.store(duplicates.keep, dicom(b"first"))
        assert scene.store(duplicates.keep, dicom(b"second")) == (f"{NAME}.1", duplicates.BESIDE)
        assert scene.store(duplicates.keep, dicom(b"third")) == (f"{NAME}.2", duplicates.BESIDE)

        contents = [dicom(data) for data in (b"first", b"second", b"third")]
        assert scene.objects() == dict(zip((NAME, f"{NAME}.1", f"{NAME}.2"), contents, strict=True))

    def test_what_was_stored_beside_is_kept_too(self, scene: Scene) -> None:
        for data in (b"first", b"second", b"third"):
            scene.store(duplicates.keep, dicom(data))
        assert scene.store(duplicates.keep, dicom(b"third")) == (f"{NAME}.2", duplicates.KEPT)
        assert len(scene.objects()) == 3

    @pytest.mark.parametrize(
        "kind", ["directory", "FIFO", "link to an equal file", "dangling link", "device"]
    )
    def test_what_is_no_file_is_taken_and_different(self, scene: Scene, tmp_path: Path, kind: str) -> None:
        path = scene.inbox / NAME
        (tmp_path / "equal").write_bytes(dicom(b"data"))
        made: dict[str, Callable[[], object]] = {
            "directory": path.mkdir,
            "FIFO": lambda: os.mkfifo(path),
            "link to an equal file": lambda: path.symlink_to(tmp_path / "equal"),
            "dangling link": lambda: path.symlink_to("nothing"),
            "device": lambda: path.symlink_to("/dev/zero"),
        }
        made[kind]()
        before = os.lstat(path)

        assert scene.store(duplicates.keep, dicom(b"data")) == (f"{NAME}.1", duplicates.BESIDE)

        assert os.lstat(path).st_ino == before.st_ino
        assert (scene.inbox / f"{NAME}.1").read_bytes() == dicom(b"data")

    def test_what_has_gone_meanwhile_is_different(
        self, scene: Scene, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        scene.store(duplicates.keep, dicom(b"data"))
        monkeypatch.setattr(OutputDirectory, "open_object", gone)

        assert scene.store(duplicates.keep, dicom(b"data")) == (f"{NAME}.1", duplicates.BESIDE)

    def test_a_kept_object_and_its_name_are_as_durable_as_a_new_one(
        self, scene: Scene, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (scene.inbox / NAME).write_bytes(dicom(b"data"))  # by whoever flushes nothing
        flushed = []
        real_fsync = os.fsync

        def fsync(descriptor: int) -> None:
            flushed.append(os.fstat(descriptor).st_ino)
            real_fsync(descriptor)

        monkeypatch.setattr(sink.os, "fsync", fsync)
        assert scene.store(duplicates.keep, dicom(b"data")) == (NAME, duplicates.KEPT)

        assert flushed[-2:] == [(scene.inbox / NAME).stat().st_ino, scene.inbox.stat().st_ino]

    def test_without_fsync_nothing_is_flushed(self, scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
        careless = Scene(scene.inbox, fsync=False)
        monkeypatch.setattr(sink.os, "fsync", gone)
        careless.store(duplicates.keep, dicom(b"data"))
        assert careless.store(duplicates.keep, dicom(b"data")) == (NAME, duplicates.KEPT)
        careless.output.close()

    def test_what_cannot_be_flushed_is_not_relied_on(
        self, scene: Scene, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        scene.store(duplicates.keep, dicom(b"data"))
        old = (scene.inbox / NAME).stat().st_ino
        fail_to_flush(monkeypatch, lambda status: status.st_ino == old)

        assert scene.store(duplicates.keep, dicom(b"data")) == (f"{NAME}.1", duplicates.BESIDE)

    def test_a_directory_that_cannot_be_flushed_is_an_error(
        self, scene: Scene, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        scene.store(duplicates.keep, dicom(b"data"))
        fail_to_flush(monkeypatch, lambda status: stat.S_ISDIR(status.st_mode))

        with pytest.raises(DirectoryFlushError) as caught:
            scene.store(duplicates.keep, dicom(b"data"))
        assert caught.value.filename == NAME
        assert list(scene.objects()) == [NAME]


def gone(*_: object) -> int:
    raise FileNotFoundError(errno.ENOENT, "No such file or directory")


def fail_to_flush(patch: pytest.MonkeyPatch, what: Callable[[os.stat_result], bool]) -> None:
    real_fsync = os.fsync

    def fsync(descriptor: int) -> None:
        if what(os.fstat(descriptor)):
            raise OSError(errno.EIO, "Input/output error")
        real_fsync(descriptor)

    patch.setattr(sink.os, "fsync", fsync)


class TestBoth:
    def test_each_object_is_stored_beside_the_others(self, scene: Scene) -> None:
        names = [scene.store(duplicates.both, b"%d" % number) for number in range(4)]

        assert names == [
            (NAME, ""),
            *((f"{NAME}.{number}", duplicates.BESIDE) for number in range(1, 4)),
        ]
        assert scene.objects() == {name: b"%d" % number for number, (name, _) in enumerate(names)}

    def test_equal_objects_too(self, scene: Scene) -> None:
        for _ in range(3):
            scene.store(duplicates.both, b"x")
        assert len(scene.objects()) == 3

    def test_a_gap_is_filled(self, scene: Scene) -> None:
        for _ in range(3):
            scene.store(duplicates.both, b"x")
        (scene.inbox / f"{NAME}.1").unlink()
        assert scene.store(duplicates.both, b"y") == (f"{NAME}.1", duplicates.BESIDE)


def test_refused_is_whatever_has_a_taken_name(scene: Scene) -> None:
    scene.store(duplicates.refuse, b"first")
    for _ in range(2):
        with pytest.raises(FileExistsError):
            scene.store(duplicates.refuse, b"second")
    assert scene.objects() == {NAME: b"first"}


def test_a_taken_time_gets_serial_numbers_and_no_remark(scene: Scene) -> None:
    time_name = "20260728101112345.CT.dcm"
    stored = []
    for number in range(4):
        incoming = scene.written(b"%d" % number)
        stored.append(duplicates.serial(incoming, time_name))

    stamp = "20260728101112345"
    names = [
        time_name,
        f"{stamp}_0000.CT.dcm",
        f"{stamp}_0001.CT.dcm",
        f"{stamp}_0002.CT.dcm",
    ]
    assert stored == [(name, "") for name in names]
    assert scene.objects() == {name: b"%d" % number for number, name in enumerate(names)}


def broken(*_: object, **__: object) -> None:
    raise OSError(errno.EIO, "Input/output error")


@pytest.mark.parametrize("policy", EVERY.values(), ids=EVERY)
def test_an_error_of_the_disk_is_no_taken_name(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, policy: Policy
) -> None:
    for name in ("scpd.store.sink.rename_to_free_name", "os.rename"):
        monkeypatch.setattr(name, broken)

    with pytest.raises(OSError, match="Input/output"):
        scene.store(policy, b"new")

    assert scene.objects() == {}


@pytest.mark.parametrize("policy", [duplicates.replace, duplicates.silent])
def test_what_cannot_be_replaced_stays(scene: Scene, monkeypatch: pytest.MonkeyPatch, policy: Policy) -> None:
    scene.store(duplicates.replace, b"old")
    monkeypatch.setattr("os.rename", broken)

    with pytest.raises(OSError, match="Input/output"):
        scene.store(policy, b"new")

    assert scene.objects() == {NAME: b"old"}


WORKERS, ROUNDS = 4, 60


def race(inbox: Path, policy: Policy, content: Callable[[int, int], bytes]) -> list[int]:
    """Let workers publish one name after the other, all the same one at the same time.

    Gives how many each of them stored; `content(worker, round)` is what.
    """
    begin = time.monotonic() + 0.1

    def life(worker: int) -> int:
        output = OutputDirectory(str(inbox), fsync=False)
        stored = 0
        for number in range(ROUNDS):
            incoming = output.create()
            incoming.write([content(worker, number)])
            while time.monotonic() < begin + number * 0.003:
                os.sched_yield()
            try:
                _, remark = policy(incoming, f"CT.{number}")
                stored += remark != duplicates.KEPT
            except FileExistsError:
                incoming.discard()
        output.close()
        return stored

    children = [forked(lambda worker=worker: life(worker)) for worker in range(WORKERS)]  # type: ignore[misc]
    return [exit_code(child) for child in children]


class TestManyWorkers:
    @pytest.fixture
    def inbox(self, tmp_path: Path) -> Iterator[Path]:
        path = tmp_path / "race"
        path.mkdir()
        yield path
        assert os.listdir(path / ".scpd" / "tmp") == ["lock"]

    def files(self, inbox: Path) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in inbox.iterdir() if path.is_file()}

    def test_both_keeps_every_one(self, inbox: Path) -> None:
        stored = race(inbox, duplicates.both, lambda worker, number: b"%d %d" % (worker, number))

        assert stored == [ROUNDS] * WORKERS
        assert sorted(self.files(inbox).values()) == sorted(
            b"%d %d" % (worker, number) for worker in range(WORKERS) for number in range(ROUNDS)
        )
        assert {name.count(".") for name in self.files(inbox)} == {1, 2}

    def test_serial_numbers_keep_every_one(self, inbox: Path) -> None:
        race(inbox, lambda incoming, _: duplicates.serial(incoming, "2026.CT"), lambda *_: b"x")

        assert len(self.files(inbox)) == ROUNDS * WORKERS

    def test_keep_keeps_one_of_equals_and_all_that_differ(self, inbox: Path) -> None:
        stored = race(inbox, duplicates.keep, lambda worker, _: dicom(b"ab"[worker % 2 :], b"W%d" % worker))

        assert sum(stored) == 2 * ROUNDS
        files = self.files(inbox)
        assert len(files) == 2 * ROUNDS
        for number in range(ROUNDS):
            versions = {data_set_bytes(files[f"CT.{number}{end}"]) for end in ("", ".1")}
            assert versions == {b"ab", b"b"}

    def test_refuse_stores_exactly_one(self, inbox: Path) -> None:
        stored = race(inbox, duplicates.refuse, lambda worker, _: b"%d" % worker)

        assert sum(stored) == ROUNDS
        assert len(self.files(inbox)) == ROUNDS

    def test_replace_leaves_one_whole_object_and_says_so_of_the_others(self, inbox: Path) -> None:
        replaced = race(
            inbox,
            lambda incoming, name: (
                ("", duplicates.KEPT) if duplicates.replace(incoming, name)[1] else ("", "")
            ),
            lambda worker, _: b"%d" % worker * 5000,
        )

        assert sum(replaced) == ROUNDS, "each name was new to one of them"
        assert {bytes(set(content)) for content in self.files(inbox).values()} <= {b"0", b"1", b"2", b"3"}
