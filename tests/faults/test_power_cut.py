"""The power fails after an acknowledgement: everything acknowledged is whole, and its study and commands are known.

The output directory lies on ext4 in a file.  After each acknowledgement that file is copied while the daemon runs: what
is not in it then would have been lost.  The copy is mounted, which replays its journal.  It does not model a drive that
acknowledges a flush which it has not done.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.harness.objects import data_set_bytes
from tests.harness.servers import REPOSITORY
from tests.harness.storing import store
from tests.harness.studies import numbered, series
from tests.harness.waiting import wait_until
from tests.harness.wrapped import require_root

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from tests.harness.objects import StorableObject
    from tests.harness.raw_peer import RawPeer
    from tests.harness.servers import ServerFactory

IMAGE_BYTES = 64 << 20
SECONDS = 60.0
LONG_SECONDS = 600.0  # a thousand commands on a machine that is busy
PIXEL_BYTES = 4000
STUDY_SIZE = 4
FEW, MANY = 12, 1000
# After so many objects a keeper starts on the copy, and finishes what it finds there.
FEW_TO_A_KEEPER, MANY_TO_A_KEEPER = 6, 250


class Disk:
    """An ext4 in a file, mounted; `cut` shows what of it would survive a power cut now."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "disk.img"
        self._folder = folder
        self._cuts = 0
        self.mount_point = folder / "disk"
        self._after = folder / "after"
        self.mount_point.mkdir()
        self._after.mkdir()
        with self._file.open("wb") as file:
            file.truncate(IMAGE_BYTES)
        _run("mkfs.ext4", "-q", "-F", self._file)
        # What is written to the disk is what somebody has flushed: nothing is by itself, within five minutes.
        if fault := _mount(self._file, self.mount_point, "loop,commit=300"):
            pytest.skip(f"cannot mount here: {fault}")

    @contextmanager
    def cut(self) -> Iterator[Path]:
        """Give the directory in which it is mounted as after a power cut."""
        # A file of another name each time: a loop device that is not gone yet shows what it knows of the last one.
        self._cuts += 1
        copy = self._folder / f"copy-{self._cuts}.img"
        _run("cp", "--reflink=auto", "--sparse=always", self._file, copy)
        assert _mount(copy, self._after, "loop") == ""
        try:
            yield self._after
        finally:
            _run("umount", self._after)
            copy.unlink()

    def unmount(self) -> None:
        """Let it go, whoever uses it, and what an interrupted test has left."""
        for place in (self._after, self.mount_point):
            if place.is_mount():
                _run("umount", "--lazy", place)


def _run(*words: str | Path) -> None:
    subprocess.run(list(map(str, words)), check=True, timeout=SECONDS, capture_output=True)


def _mount(file: Path, where: Path, options: str) -> str:
    """Mount an image; give what is said against it, empty if it is mounted."""
    words = ["mount", "-t", "ext4", "-o", options, str(file), str(where)]
    mounted = subprocess.run(words, capture_output=True, text=True, timeout=SECONDS, check=False)
    return "" if mounted.returncode == 0 else mounted.stderr.strip() or "no reason"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """Comes before the servers, so that it is unmounted when they have ended."""
    require_root()
    if shutil.which("mkfs.ext4", path="/usr/sbin:/sbin:/usr/bin:/bin") is None:
        pytest.skip("mkfs.ext4 is not installed (Debian: e2fsprogs)")
    made = Disk(tmp_path)
    try:
        yield made
    finally:
        made.unmount()


class Commands:
    """The options of studies that end, and what their commands wrote down."""

    def __init__(self, folder: Path) -> None:
        self._objects, self._studies = folder / "objects", folder / "studies"
        self.options = ["-ss", "X", "-tos", "1", "-rns"]
        self.options += ["-xcr", f'echo "#f" >>"{self._objects}"']
        self.options += ["-xcs", f'echo "#p" >>"{self._studies}"']

    def forget(self) -> None:
        """Let nothing have run."""
        for path in (self._objects, self._studies):
            path.write_text("")

    def objects(self) -> set[str]:
        """Give the names of the objects for which a command has run."""
        return set(self._objects.read_text().split())

    def studies(self) -> set[str]:
        """Give the names of the directories for which one has."""
        return {line.rpartition("/")[2] for line in self._studies.read_text().split()}


@contextmanager
def keeping(output: Path, options: Sequence[str], log: Path) -> Iterator[None]:
    """Run a keeper as a process of its own."""
    with log.open("ab") as file:
        words = [sys.executable, "-m", "scpd.ctl.main", "keep", "-od", str(output), *options]
        keeper = subprocess.Popen(words, stderr=file, cwd=log.parent, env={"PYTHONPATH": str(REPOSITORY)})
    try:
        yield
    finally:
        keeper.terminate()
        keeper.wait(SECONDS)
    assert "Traceback" not in log.read_text()


def whole(output: Path, objects: Sequence[StorableObject]) -> list[StorableObject]:
    """Give those that are there, and whole."""
    files = {path.name: path for path in output.glob("**/CT.*")}
    return [
        each
        for each in objects
        if (path := files.get(f"CT.{each.sop_instance_uid}")) and data_set_bytes_of(path) == each.data_set
    ]


def data_set_bytes_of(path: Path) -> bytes:
    """Give what is there of a data set, none of a file that is none any more."""
    try:
        return data_set_bytes(path)
    except (AssertionError, IndexError, ValueError):
        return b""


def unfinished(output: Path) -> list[Path]:
    """Give what a keeper still has to do, or could not."""
    parts = ("open", "sealed", "journals/dead", "running", "failed", "strange")
    return [path for part in parts for path in (output / ".scpd" / part).iterdir()]


def assert_keeper_finishes(output: Path, commands: Commands, sent: list[StorableObject], log: Path) -> None:
    """Fail unless the next keeper runs every command and ends every study."""
    names = {f"CT.{each.sop_instance_uid}" for each in sent}
    folders = {path.name: len(list(path.iterdir())) for path in output.glob("X_*")}
    commands.forget()
    with keeping(output, commands.options, log):
        wait_until(lambda: commands.objects() >= names, LONG_SECONDS, "every command")
        wait_until(lambda: commands.studies() >= set(folders), SECONDS, "the end of every study")
        wait_until(lambda: not unfinished(output), SECONDS, "the end of all")
    assert commands.objects() == names
    found = {path.name: sorted(file.name for file in path.iterdir()) for path in output.glob("X_*")}
    assert found == {name: numbered(count) for name, count in folders.items()}
    assert unfinished(output) == []


def stored_one_by_one(peer: RawPeer, count: int) -> Iterator[list[StorableObject]]:
    """Store so many objects of studies of their own; gives all so far after each acknowledgement."""
    sent: list[StorableObject] = []
    while len(sent) < count:
        for image in series(min(STUDY_SIZE, count - len(sent)), pixel_bytes=PIXEL_BYTES):
            assert store(peer, image).status == 0
            sent.append(image)
            yield sent


@pytest.mark.timeout(1800)
def test_every_acknowledged_object_survives_with_its_study_and_its_command(
    disk: Disk, scpd: ServerFactory, raw_peer: Callable[..., RawPeer], tmp_path: Path, is_long: bool
) -> None:
    count, to_a_keeper = (MANY, MANY_TO_A_KEEPER) if is_long else (FEW, FEW_TO_A_KEEPER)
    commands = Commands(tmp_path)
    # Its own keeper would do what the one after the power cut shall do.
    server = scpd("--fork", "--no-keeper", *commands.options, inbox=disk.mount_point / "inbox")
    peer = raw_peer(server)
    peer.associate()
    for sent in stored_one_by_one(peer, count):
        with disk.cut() as after:
            assert len(whole(after / "inbox", sent)) == len(sent)
            if len(sent) % to_a_keeper == 0:
                assert_keeper_finishes(after / "inbox", commands, sent, tmp_path / "keeper.log")
    peer.release()


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("options", [(), ("+B",)], ids=["default", "bit-preserving"])
def test_every_acknowledged_object_survives_where_nothing_is_recorded(
    disk: Disk,
    scpd: ServerFactory,
    raw_peer: Callable[..., RawPeer],
    is_long: bool,
    options: tuple[str, ...],
) -> None:
    server = scpd("--fork", *options, inbox=disk.mount_point / "inbox")
    peer = raw_peer(server)
    peer.associate()
    for sent in stored_one_by_one(peer, MANY if is_long else FEW):
        with disk.cut() as after:
            assert len(whole(after / "inbox", sent)) == len(sent)
    peer.release()


def test_without_flushes_a_power_cut_is_noticed_here(
    disk: Disk, scpd: ServerFactory, raw_peer: Callable[..., RawPeer]
) -> None:
    """So the tests above can fail."""
    server = scpd("--fork", "--no-fsync", inbox=disk.mount_point / "inbox")
    peer = raw_peer(server)
    peer.associate()
    survivors = []
    for sent in stored_one_by_one(peer, FEW):
        with disk.cut() as after:
            survivors.append(len(whole(after / "inbox", sent)))
    peer.release()
    assert survivors == [0] * FEW
