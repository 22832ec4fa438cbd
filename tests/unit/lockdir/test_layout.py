"""The lock directory can be made by anybody at any time; what lies in the place of a part of it is not followed."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from scpd.lockdir import layout
from scpd.lockdir.layout import LockDirectory
from tests.harness.descriptors import descriptors
from tests.harness.forked import all_at_once, exit_code, forked, in_child

if TYPE_CHECKING:
    from pathlib import Path

PROCESSES = 8
PARTS = [
    "failed",
    "journals",
    "journals/dead",
    "keepers",
    "open",
    "publish",
    "replies",
    "requests",
    "running",
    "sealed",
    "slots",
    "strange",
]

pytestmark = pytest.mark.usefixtures("no_descriptor_is_left_open")


def tree(path: Path) -> list[str]:
    return sorted(str(found.relative_to(path)) for found in path.rglob("*"))


def test_it_is_made_with_all_its_parts(path: Path) -> None:
    layout.make(str(path))
    assert tree(path) == sorted([*PARTS, "wake"])
    assert stat.S_ISFIFO((path / "wake").stat().st_mode)
    assert all((path / part).is_dir() for part in PARTS)


def test_it_can_be_made_again_and_loses_nothing(path: Path) -> None:
    layout.make(str(path))
    (path / "journals/dead/1-abc").write_text("what a worker has received")
    layout.make(str(path))
    assert (path / "journals/dead/1-abc").read_text() == "what a worker has received"


def test_what_is_missing_is_made_again(path: Path) -> None:
    layout.make(str(path))
    for part in ("journals/dead", "journals", "publish"):
        (path / part).rmdir()
    (path / "wake").unlink()
    layout.make(str(path))
    assert tree(path) == sorted([*PARTS, "wake"])


def test_several_processes_can_make_it_at_once(path: Path) -> None:
    for number in range(20):
        one = path.with_name(f"lock {number}")
        assert all_at_once(PROCESSES, lambda _, one=one: layout.make(str(one))) == [None] * PROCESSES
        assert tree(one) == sorted([*PARTS, "wake"])


def test_it_needs_the_directory_above(path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        layout.make(str(path / "below"))


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("what", ["a link", "a file", "a dangling link"])
def test_what_stands_in_the_place_of_a_part_is_an_error(path: Path, part: str, what: str) -> None:
    elsewhere = path.with_name("elsewhere")
    elsewhere.mkdir()
    path.mkdir()
    if "/" in part:
        (path / part).parent.mkdir()
    put(path / part, what, elsewhere)
    with pytest.raises(OSError, match=r"directory|links"):
        layout.make(str(path))
    assert tree(elsewhere) == []


def put(path: Path, what: str, elsewhere: Path) -> None:
    if what == "a link":
        path.symlink_to(elsewhere)
    elif what == "a dangling link":
        path.symlink_to(elsewhere / "nothing")
    else:
        path.write_text("")


@pytest.mark.parametrize("part", PARTS)
def test_a_link_that_takes_the_place_of_a_part_later_is_not_followed(
    lockdir: LockDirectory, path: Path, part: str
) -> None:
    (path / part).rename(path.with_name("elsewhere"))
    (path / part).symlink_to(path.with_name("elsewhere"))
    with pytest.raises(OSError, match=r"directory|links"):
        lockdir.opened(part)


@pytest.mark.parametrize("what", ["a link", "a file", "a dangling link"])
def test_what_stands_in_the_place_of_the_fifo_is_an_error(path: Path, what: str) -> None:
    path.mkdir()
    os.mkfifo(path.with_name("fifo"))
    put(path / "wake", what, path.with_name("fifo"))
    with pytest.raises(OSError, match="not a FIFO"):
        layout.make(str(path))


def test_a_part_is_opened_once(lockdir: LockDirectory, path: Path) -> None:
    before = set(descriptors(os.getpid()))
    first = lockdir.opened("journals/dead")
    assert lockdir.opened("journals/dead") == first
    assert os.path.samestat(os.fstat(first), (path / "journals/dead").stat())
    assert set(descriptors(os.getpid())) - before == {lockdir.opened("journals"), first}


def test_what_is_closed_is_closed_with_all_parts(path: Path) -> None:
    layout.make(str(path))
    lockdir = LockDirectory(str(path))
    for part in PARTS:
        lockdir.opened(part)
    lockdir.close()  # the fixture looks


def test_it_can_be_closed_twice_and_closes_nothing_else(path: Path) -> None:
    layout.make(str(path))
    lockdir = LockDirectory(str(path))
    number = lockdir.descriptor
    lockdir.close()
    reader, writer = os.pipe()
    assert number in (reader, writer)
    lockdir.close()
    os.close(reader)
    os.close(writer)


def test_a_lock_file_is_made_and_is_one_for_all(lockdir: LockDirectory, path: Path) -> None:
    opened = [lockdir.open_lock_file("keeper") for _ in range(2)]
    assert {os.fstat(it).st_ino for it in opened} == {(path / "keeper").stat().st_ino}
    for it in opened:
        os.close(it)


@pytest.mark.parametrize("kind", ["link", "hard link", "directory", "fifo"])
def test_what_stands_in_the_place_of_a_lock_file_is_set_aside(
    lockdir: LockDirectory, path: Path, kind: str
) -> None:
    elsewhere = path.with_name("elsewhere")
    if kind == "link":
        (path / "keeper").symlink_to(elsewhere)
    elif kind == "hard link":
        elsewhere.write_text("other")
        (path / "keeper").hardlink_to(elsewhere)
    else:
        {"directory": os.mkdir, "fifo": os.mkfifo}[kind](path / "keeper")
    os.close(lockdir.open_lock_file("keeper"))
    assert stat.S_ISREG((path / "keeper").lstat().st_mode)
    assert len(os.listdir(path / "strange")) == 1
    assert elsewhere.exists() == (kind == "hard link")
    assert kind != "hard link" or (path / "keeper").stat().st_ino != elsewhere.stat().st_ino


@pytest.mark.parametrize("kind", ["nothing", "file", "link", "directory"])
def test_the_fifo_is_made_anew_when_something_has_taken_its_place(
    lockdir: LockDirectory, path: Path, kind: str
) -> None:
    (path / "wake").unlink()
    if kind == "link":
        (path / "wake").symlink_to("/dev/zero")
    elif kind != "nothing":
        {"directory": os.mkdir, "file": lambda at: at.write_bytes(b"x")}[kind](path / "wake")
    descriptor = lockdir.open_wake()
    assert lockdir.wake()
    assert os.read(descriptor, 10) == b"\n"
    os.close(descriptor)


def test_a_name_that_leads_elsewhere_is_not_set_aside(lockdir: LockDirectory, path: Path) -> None:
    victim = path.with_name("victim")
    victim.touch()
    (path / "strange/open-..").mkdir()
    for name in ("../../victim", str(victim)):
        lockdir.set_aside(name, "open")
    assert victim.exists()


@pytest.mark.parametrize("name", ["x" * 255, "\u4e00" * 85])
def test_the_longest_names_are_set_aside(lockdir: LockDirectory, path: Path, name: str) -> None:
    (path / "requests" / name).touch()
    lockdir.set_aside(name, "requests")
    (strange,) = os.listdir(path / "strange")
    assert strange.rpartition(".")[0] in f"requests-{name}"
    assert strange.startswith("requests-")


def test_a_study_directory_has_one_of_64_locks(lockdir: LockDirectory, path: Path) -> None:
    names = [f"study_{number}" for number in range(1000)] + ["\udcff", "é"]
    for name in names:
        os.close(lockdir.open_publish_lock(name))
    assert sorted(os.listdir(path / "publish")) == [f"{number:02}" for number in range(64)]
    found = {name_of_publish_lock(lockdir, "study_1") for _ in range(3)}
    assert len(found) == 1


def name_of_publish_lock(lockdir: LockDirectory, name: str) -> str:
    descriptor = lockdir.open_publish_lock(name)
    try:
        return os.readlink(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)


# The FIFO that wakes the keeper.


def test_without_a_keeper_nobody_is_woken(lockdir: LockDirectory) -> None:
    assert not lockdir.wake()


def test_a_keeper_is_woken(lockdir: LockDirectory, path: Path) -> None:
    keeper = os.open(path / "wake", os.O_RDWR | os.O_NONBLOCK)
    assert lockdir.wake()
    assert lockdir.wake()
    assert os.read(keeper, 100) == b"\n\n"
    os.close(keeper)
    assert not lockdir.wake()


def test_a_full_fifo_has_told_the_keeper_and_nobody_waits(lockdir: LockDirectory, path: Path) -> None:
    keeper = os.open(path / "wake", os.O_RDWR | os.O_NONBLOCK)
    with suppress(BlockingIOError):
        while True:
            os.write(keeper, b"x" * 4096)
    assert lockdir.wake()
    os.close(keeper)


def test_a_keeper_that_goes_while_it_is_woken_harms_nobody(lockdir: LockDirectory, path: Path) -> None:
    """Between opening the FIFO and writing into it: EPIPE."""
    stop, told_to_stop = os.pipe()

    def life() -> int:
        os.close(told_to_stop)
        os.set_blocking(stop, False)
        while True:
            for _ in range(100):
                os.close(os.open(path / "wake", os.O_RDWR | os.O_NONBLOCK))
            try:
                os.read(stop, 1)
            except BlockingIOError:
                continue
            return 0

    child = forked(life)
    os.close(stop)
    try:
        woken = [lockdir.wake() for _ in range(20_000)]
    finally:
        os.close(told_to_stop)
        assert exit_code(child) == 0
    assert True in woken
    assert False in woken
    assert "wake" not in "".join(descriptors(os.getpid()).values())


@pytest.mark.parametrize("what", ["nothing", "a link"])
def test_who_wakes_follows_no_link(lockdir: LockDirectory, path: Path, what: str) -> None:
    (path / "wake").unlink()
    if what == "a link":
        os.mkfifo(path.with_name("fifo"))
        (path / "wake").symlink_to(path.with_name("fifo"))
        keeper = os.open(path.with_name("fifo"), os.O_RDWR | os.O_NONBLOCK)
    assert not lockdir.wake()
    if what == "a link":
        os.close(keeper)


# Files.


def test_what_is_written_whole_replaces_what_was_there(lockdir: LockDirectory, path: Path) -> None:
    for data in (b"one", b"two " * 100_000, b""):
        layout.write_whole("rules", data, lockdir.descriptor, flush=True)
        assert (path / "rules").read_bytes() == data
    assert tree(path) == sorted([*PARTS, "wake", "rules"])


def test_a_link_is_replaced_and_not_written_through(lockdir: LockDirectory, path: Path) -> None:
    path.with_name("elsewhere").write_text("other")
    (path / "rules").symlink_to(path.with_name("elsewhere"))
    layout.write_whole("rules", b"new", lockdir.descriptor, flush=False)
    assert (path / "rules").read_bytes() == b"new"
    assert path.with_name("elsewhere").read_text() == "other"


@pytest.mark.parametrize("kind", ["fifo", "hard link", "link"])
def test_what_stands_in_the_place_of_its_temporary_file_is_not_written_to(
    lockdir: LockDirectory, path: Path, kind: str
) -> None:
    temporary, elsewhere = path / f".rules.{os.getpid()}", path.with_name("elsewhere")
    elsewhere.write_text("other")
    if kind == "fifo":
        os.mkfifo(temporary)
    elif kind == "link":
        temporary.symlink_to(elsewhere)
    else:
        temporary.hardlink_to(elsewhere)
    layout.write_whole("rules", b"new", lockdir.descriptor, flush=False)
    assert (path / "rules").read_bytes() == b"new"
    assert elsewhere.read_text() == "other"
    assert tree(path) == sorted([*PARTS, "wake", "rules"])


def test_without_room_the_old_file_stays_and_nothing_else(lockdir: LockDirectory, path: Path) -> None:
    layout.write_whole("rules", b"old", lockdir.descriptor, flush=False)
    assert in_child(lambda: written_with_room_for(2000, lockdir)) == "File too large"
    assert (path / "rules").read_bytes() == b"old"
    assert tree(path) == sorted([*PARTS, "wake", "rules"])


def written_with_room_for(size: int, lockdir: LockDirectory) -> str:
    import resource  # in a child: no limit of the test's own process changes

    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    try:
        layout.write_whole("rules", b"x" * 5000, lockdir.descriptor, flush=False)
    except OSError as error:
        return error.strerror
    return "written"


def test_a_small_file_is_read_up_to_a_length(lockdir: LockDirectory, path: Path) -> None:
    (path / "rules").write_bytes(b"0123456789")
    assert layout.read_small("rules", lockdir.descriptor) == b"0123456789"
    assert layout.read_small("rules", lockdir.descriptor, 4) == b"0123"


def test_a_file_that_is_not_there_or_none_is_an_error_and_nobody_waits(
    lockdir: LockDirectory, path: Path
) -> None:
    with pytest.raises(FileNotFoundError):
        layout.read_small("rules", lockdir.descriptor)
    (path / "rules").symlink_to("/etc/passwd")
    with pytest.raises(OSError, match="links"):
        layout.read_small("rules", lockdir.descriptor)
    with pytest.raises(OSError, match="not a file"):
        layout.read_small("open", lockdir.descriptor)
    with pytest.raises(OSError, match="not a file"):
        layout.read_small("wake", lockdir.descriptor)


def test_what_is_not_ours_is_set_aside_under_a_name_of_its_own(lockdir: LockDirectory, path: Path) -> None:
    for content in ("one", "two"):
        (path / "journals/dead/odd").write_text(content)
        lockdir.set_aside("odd", "journals/dead")
    (path / "requests/a directory").mkdir()
    lockdir.set_aside("a directory", "requests")
    (path / ("x" * 255)).symlink_to("/etc")
    lockdir.set_aside("x" * 255, "")
    assert len(os.listdir(path / "strange")) == 4
    assert {it.read_text() for it in (path / "strange").glob("*odd*")} == {"one", "two"}


def test_what_cannot_be_set_aside_stays(lockdir: LockDirectory, path: Path) -> None:
    lockdir.set_aside("nothing", "requests")
    assert os.listdir(path / "strange") == []
