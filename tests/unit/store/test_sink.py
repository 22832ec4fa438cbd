"""From temporary file to object: nothing before the rename, everything after it, no trace of what failed."""

from __future__ import annotations

import errno
import fcntl
import os
import resource
import shutil
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scpd.keeper.sweep import sweep
from scpd.store import sink
from scpd.store.rename import rename_to_free_name
from scpd.store.sink import DirectoryFlushError, Incoming, OutputDirectory
from tests.harness.forked import in_child

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

NAME = "CT.1.2.3"


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    path = tmp_path / "inbox"
    path.mkdir()
    return path


@pytest.fixture(params=[True, False], ids=["fsync", "no fsync"])
def output(inbox: Path, request: pytest.FixtureRequest) -> Iterator[OutputDirectory]:
    output = OutputDirectory(str(inbox), fsync=request.param)
    yield output
    output.close()


@pytest.fixture(autouse=True)
def _no_descriptor_is_lost() -> Iterator[None]:
    before = open_descriptors()
    yield
    left = {number: path for number, path in open_descriptors().items() if number not in before}
    for number in left:
        os.close(number)
    # The two directories that an `OutputDirectory` keeps open for the life of its process, and the lock file.
    kept = ("inbox", "moved", "tmp", "lock")
    assert not [path for path in left.values() if not path.removesuffix(" (deleted)").endswith(kept)]


def open_descriptors() -> dict[int, str]:
    """Descriptors of this process, and what they are open on."""
    found = {}
    for name in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):  # the one that listed them
            found[int(name)] = os.readlink(f"/proc/self/fd/{name}")
    return found


def objects(inbox: Path) -> dict[str, bytes]:
    """What a consumer of the directory sees."""
    return {path.name: path.read_bytes() for path in inbox.iterdir() if not path.name.startswith(".")}


def temporary(inbox: Path) -> list[Path]:
    """What there is of objects under way."""
    return sorted(path for path in (inbox / ".scpd" / "tmp").iterdir() if path.name != "lock")


def begun(output: OutputDirectory, *pieces: bytes) -> Incoming:
    incoming = output.create()
    incoming.write(pieces)
    return incoming


class TestPublishing:
    def test_an_object_appears_whole_when_it_is_published_and_not_before(
        self, inbox: Path, output: OutputDirectory
    ) -> None:
        incoming = begun(output, b"meta", b"data")
        incoming.write([b"more"])
        assert objects(inbox) == {}

        incoming.publish(NAME)

        assert objects(inbox) == {NAME: b"metadatamore"}
        assert temporary(inbox) == []

    def test_an_earlier_object_is_replaced_by_the_rename_only(
        self, inbox: Path, output: OutputDirectory
    ) -> None:
        begun(output, b"first").publish(NAME)
        incoming = begun(output, b"second, and longer")
        assert objects(inbox) == {NAME: b"first"}

        incoming.replace(NAME)

        assert objects(inbox) == {NAME: b"second, and longer"}

    def test_whoever_has_the_earlier_object_open_keeps_it(self, inbox: Path, output: OutputDirectory) -> None:
        begun(output, b"first").publish(NAME)
        with (inbox / NAME).open("rb") as reader:
            begun(output, b"second").replace(NAME)
            assert reader.read() == b"first"

    def test_two_objects_of_one_name_never_mix(self, inbox: Path, output: OutputDirectory) -> None:
        one, other = output.create(), OutputDirectory(str(inbox), fsync=False).create()
        for _ in range(10):
            one.write([b"1" * 100])
            other.write([b"2" * 100])
        one.publish(NAME)
        assert objects(inbox) == {NAME: b"1" * 1000}

        other.replace(NAME)

        assert objects(inbox) == {NAME: b"2" * 1000}

    def test_a_link_of_that_name_is_replaced_and_its_target_left_alone(
        self, inbox: Path, tmp_path: Path, output: OutputDirectory
    ) -> None:
        target = tmp_path / "target"
        target.write_bytes(b"precious")
        (inbox / NAME).symlink_to(target)

        begun(output, b"object").replace(NAME)

        assert target.read_bytes() == b"precious"
        assert not (inbox / NAME).is_symlink()
        assert objects(inbox) == {NAME: b"object"}

    def test_an_object_has_the_rights_that_umask_leaves(self, inbox: Path, output: OutputDirectory) -> None:
        before = os.umask(0o027)
        try:
            begun(output, b"x").publish(NAME)
        finally:
            os.umask(before)

        assert stat.S_IMODE((inbox / NAME).stat().st_mode) == 0o640

    def test_an_object_may_be_empty(self, inbox: Path, output: OutputDirectory) -> None:
        output.create().publish(NAME)

        assert objects(inbox) == {NAME: b""}

    def test_a_published_object_is_not_locked(self, inbox: Path, output: OutputDirectory) -> None:
        begun(output, b"x").publish(NAME)

        with (inbox / NAME).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    @pytest.mark.parametrize("kind", ["a file", "a dangling link", "a directory", "a FIFO"])
    def test_a_taken_name_is_refused_and_another_may_be_tried(
        self, inbox: Path, output: OutputDirectory, kind: str
    ) -> None:
        MADE[kind](inbox / NAME)
        before = os.lstat(inbox / NAME)
        incoming = begun(output, b"second")

        with pytest.raises(FileExistsError):
            incoming.publish(NAME)
        assert os.lstat(inbox / NAME) == before
        incoming.publish("CT.9")

        assert (inbox / "CT.9").read_bytes() == b"second"
        assert temporary(inbox) == []

    def test_a_file_is_flushed_once_however_many_names_are_tried(
        self, inbox: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        output = OutputDirectory(str(inbox), fsync=True)
        flushed = watched_flushes(monkeypatch)
        (inbox / NAME).touch()
        incoming = begun(output, b"x")
        incoming.flush()
        assert flushed == ["file"]
        for _ in range(3):
            with pytest.raises(FileExistsError):
                incoming.publish(NAME)
        incoming.replace(NAME)

        assert flushed == ["file", "directory"]


def watched_flushes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is flushed from now on, as it happens."""
    flushed: list[str] = []
    real_fsync = os.fsync

    def fsync(descriptor: int) -> None:
        flushed.append("directory" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        real_fsync(descriptor)

    monkeypatch.setattr(sink.os, "fsync", fsync)
    return flushed


MADE: dict[str, Callable[[Path], object]] = {
    "a file": lambda path: path.write_bytes(b"first"),
    "a dangling link": lambda path: path.symlink_to("nothing"),
    "a directory": lambda path: path.mkdir(),
    "a FIFO": os.mkfifo,
}


class TestDiscarding:
    def test_nothing_is_left_of_a_discarded_object(self, inbox: Path, output: OutputDirectory) -> None:
        begun(output, b"half").discard()

        assert objects(inbox) == {}
        assert temporary(inbox) == []

    def test_a_broken_off_resend_leaves_the_stored_object_alone(
        self, inbox: Path, output: OutputDirectory
    ) -> None:
        begun(output, b"first").publish(NAME)
        before = (inbox / NAME).stat()

        begun(output, b"half").discard()

        after = (inbox / NAME).stat()
        assert objects(inbox) == {NAME: b"first"}
        assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)

    def test_discarding_twice_and_what_a_sweeper_took_is_fine(
        self, inbox: Path, output: OutputDirectory
    ) -> None:
        incoming = begun(output, b"half")
        temporary(inbox)[0].unlink()

        incoming.discard()
        incoming.discard()

    def test_discarding_after_publishing_leaves_the_object(
        self, inbox: Path, output: OutputDirectory
    ) -> None:
        incoming = begun(output, b"x")
        incoming.publish(NAME)

        incoming.discard()

        assert objects(inbox) == {NAME: b"x"}

    def test_discarding_never_hides_why(
        self, inbox: Path, output: OutputDirectory, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        incoming = begun(output, b"half")
        monkeypatch.setattr(sink.os, "close", failing_after(os.close))

        incoming.discard()

        assert temporary(inbox) == []


def failing_after(real: Callable[..., object]) -> Callable[..., object]:
    """The same call, but it reports an error once it is done, as close(2) does on network file systems."""

    def call(*args: object, **keywords: object) -> object:
        real(*args, **keywords)
        raise OSError(errno.EDQUOT, "Disk quota exceeded")

    return call


class TestErrors:
    """Whatever fails: `OSError`, an earlier object untouched, nothing left but what a discard removes."""

    def fails(self, inbox: Path, output: OutputDirectory, incoming: Incoming, name: str = NAME) -> int:
        """Publish and see it fail; gives errno."""
        before = objects(inbox)
        with pytest.raises(OSError) as caught:  # noqa: PT011  (which one differs by case)
            incoming.publish(name)
        incoming.discard()
        assert objects(inbox) == before
        assert temporary(inbox) == []
        assert not isinstance(caught.value, DirectoryFlushError)
        return caught.value.errno or 0

    def test_a_failed_flush_publishes_nothing(self, inbox: Path) -> None:
        output = OutputDirectory(str(inbox), fsync=True)
        begun(output, b"first").publish(NAME)
        incoming = begun(output, b"second")
        # A descriptor of this kind cannot be flushed (open(2), O_PATH).
        unflushable = os.open(temporary(inbox)[0], os.O_PATH)
        os.dup2(unflushable, incoming._descriptor)
        os.close(unflushable)

        assert self.fails(inbox, output, incoming) == errno.EBADF
        assert objects(inbox) == {NAME: b"first"}

    def test_a_failed_flush_is_never_tried_again(self, inbox: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        output = OutputDirectory(str(inbox), fsync=True)
        incoming = begun(output, b"x")
        flushed = []

        def fsync(descriptor: int) -> None:
            flushed.append(descriptor)
            raise OSError(errno.EIO, "Input/output error")

        monkeypatch.setattr(sink.os, "fsync", fsync)

        assert self.fails(inbox, output, incoming) == errno.EIO
        assert len(flushed) == 1

    @pytest.mark.parametrize("fsync", [True, False], ids=["fsync", "no fsync"])
    def test_an_error_of_close_publishes_nothing(
        self, inbox: Path, fsync: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sink.os, "major", lambda _: 0)  # as on a network file system
        output = OutputDirectory(str(inbox), fsync=fsync)
        begun(output, b"first").publish(NAME)
        incoming = begun(output, b"second")
        real_close, errors = os.close, [OSError(errno.EDQUOT, "Disk quota exceeded")]

        def close(descriptor: int) -> None:
            real_close(descriptor)
            if errors:
                raise errors.pop()

        monkeypatch.setattr(sink.os, "close", close)

        assert self.fails(inbox, output, incoming) == errno.EDQUOT

    def test_on_a_disk_a_file_is_closed_once(
        self, output: OutputDirectory, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        incoming = begun(output, b"x")
        real_close, closed = os.close, []

        def close(descriptor: int) -> None:
            real_close(descriptor)
            closed.append(descriptor)

        monkeypatch.setattr(sink.os, "close", close)
        incoming.publish(NAME)
        assert len(closed) == 1

    def test_a_directory_of_that_name_stays(self, inbox: Path, output: OutputDirectory) -> None:
        (inbox / NAME).mkdir()
        incoming = begun(output, b"x")

        with pytest.raises(FileExistsError):
            incoming.publish(NAME)
        with pytest.raises(IsADirectoryError):
            incoming.replace(NAME)
        incoming.discard()

        assert (inbox / NAME).is_dir()
        assert temporary(inbox) == []

    def test_too_long_a_name_is_an_error(self, inbox: Path, output: OutputDirectory) -> None:
        assert self.fails(inbox, output, begun(output, b"x"), "x" * 300) == errno.ENAMETOOLONG

    def test_a_directory_that_cannot_be_flushed_is_told_apart_for_the_object_is_there(
        self, inbox: Path
    ) -> None:
        output = OutputDirectory(str(inbox), fsync=True)
        unflushable = os.open(inbox, os.O_PATH)
        os.dup2(unflushable, output._directory)
        os.close(unflushable)
        incoming = begun(output, b"x")

        with pytest.raises(DirectoryFlushError) as caught:
            incoming.publish(NAME)
        incoming.discard()

        assert caught.value.errno == errno.EBADF
        assert caught.value.strerror
        assert objects(inbox) == {NAME: b"x"}
        assert temporary(inbox) == []

    def test_a_directory_removed_under_it_is_an_error(self, inbox: Path, output: OutputDirectory) -> None:
        incoming = begun(output, b"x")
        shutil.rmtree(inbox)

        with pytest.raises(FileNotFoundError):
            incoming.publish(NAME)
        incoming.discard()
        with pytest.raises(FileNotFoundError):
            output.create()
        assert not inbox.exists()

    def test_a_directory_that_was_moved_takes_its_objects_along(
        self, inbox: Path, output: OutputDirectory
    ) -> None:
        incoming = begun(output, b"x")
        moved = inbox.rename(inbox.parent / "moved")
        inbox.mkdir()

        incoming.publish(NAME)

        assert objects(moved) == {NAME: b"x"}
        assert objects(inbox) == {}

    def test_a_directory_that_is_none_is_an_error(self, inbox: Path) -> None:
        (inbox / "file").touch()

        for path in ("nothing", "file"):
            with pytest.raises(OSError, match=r"No such|Not a"):
                OutputDirectory(str(inbox / path), fsync=False)

    @pytest.mark.parametrize("place", [".scpd", ".scpd/tmp"])
    @pytest.mark.parametrize("kind", ["a file", "a link to a directory"])
    def test_what_stands_in_the_place_of_its_directory_is_not_followed(
        self, inbox: Path, tmp_path: Path, place: str, kind: str
    ) -> None:
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        (inbox / place).parent.mkdir(exist_ok=True)
        if kind == "a file":
            (inbox / place).touch()
        else:
            (inbox / place).symlink_to(elsewhere)
        before = len(os.listdir("/proc/self/fd"))

        with pytest.raises(OSError, match=r"Not a directory|Too many levels"):
            OutputDirectory(str(inbox), fsync=False)

        assert list(elsewhere.iterdir()) == []
        assert len(os.listdir("/proc/self/fd")) == before, "a descriptor is lost at every try"

    def test_a_file_system_without_locks_is_an_error_and_nothing_is_left(
        self, inbox: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def no_lock(*_: object) -> None:
            raise OSError(errno.ENOLCK, "No locks available")

        monkeypatch.setattr(sink.fcntl, "fcntl", no_lock)
        before = len(os.listdir("/proc/self/fd"))

        with pytest.raises(OSError, match="No locks"):
            OutputDirectory(str(inbox), fsync=False)

        assert temporary(inbox) == []
        assert len(os.listdir("/proc/self/fd")) == before


class TestMaker:
    def test_a_temporary_file_is_its_makers_until_it_is_an_object(
        self, inbox: Path, output: OutputDirectory
    ) -> None:
        incoming = begun(output, b"x")

        assert sweep(str(inbox)) == 0
        incoming.publish(NAME)

        assert objects(inbox) == {NAME: b"x"}
        assert sweep(str(inbox)) == 0

    def test_what_a_maker_leaves_is_nobodys_when_it_has_ended(
        self, inbox: Path, output: OutputDirectory
    ) -> None:
        other = begun(OutputDirectory(str(inbox), fsync=False), b"y")
        left = begun(output, b"x")
        output.close()

        assert sweep(str(inbox)) == 1
        os.close(left._descriptor)

        other.publish(NAME)
        assert objects(inbox) == {NAME: b"y"}

    def test_a_sweeper_finds_no_moment_before_the_rename(
        self, inbox: Path, output: OutputDirectory, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        incoming = begun(output, b"x")
        swept = []

        def rename(*names: object) -> None:
            swept.append(sweep(str(inbox)))
            rename_to_free_name(*names)  # type: ignore[arg-type]

        monkeypatch.setattr(sink, "rename_to_free_name", rename)

        incoming.publish(NAME)

        assert swept == [0]
        assert objects(inbox) == {NAME: b"x"}

    def test_a_number_that_another_maker_holds_is_not_taken(
        self, inbox: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        numbers = iter([b"\1" * 7, b"\1" * 7, b"\2" * 7])
        monkeypatch.setattr(sink.os, "urandom", lambda _: next(numbers))

        makers = [OutputDirectory(str(inbox), fsync=False) for _ in range(2)]

        incoming = [maker.create() for maker in makers]
        assert len({path.name.split(".")[1] for path in temporary(inbox)}) == 2
        for each in incoming:
            each.discard()

    def test_a_link_in_the_place_of_the_lock_file_is_not_followed(
        self, inbox: Path, tmp_path: Path, output: OutputDirectory
    ) -> None:
        (inbox / ".scpd" / "tmp" / "lock").unlink()
        (inbox / ".scpd" / "tmp" / "lock").symlink_to(tmp_path / "elsewhere")

        with pytest.raises(OSError, match="Too many levels"):
            OutputDirectory(str(inbox), fsync=False)

        assert not (tmp_path / "elsewhere").exists()

    def test_many_makers_of_one_process_and_directory_never_meet(
        self, inbox: Path, output: OutputDirectory
    ) -> None:
        makers = [output, *(OutputDirectory(str(inbox), fsync=False) for _ in range(5))]
        incoming = [maker.create() for maker in makers for _ in range(20)]

        assert len(temporary(inbox)) == 120
        for each in incoming:
            each.discard()

    def test_another_maker_may_make_the_directories_meanwhile(
        self, inbox: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real_mkdir = os.mkdir

        def mkdir(name: str, *, dir_fd: int) -> None:
            real_mkdir(name, dir_fd=dir_fd)  # the other one
            real_mkdir(name, dir_fd=dir_fd)

        monkeypatch.setattr(sink.os, "mkdir", mkdir)

        begun(OutputDirectory(str(inbox), fsync=False), b"x").publish(NAME)

        assert objects(inbox) == {NAME: b"x"}


class TestPreparing:
    def prepared(self, output: OutputDirectory, size: int = 300_000) -> Incoming:
        """Publish an object of this size, prepare for the next, and begin it."""
        begun(output, bytes(size)).publish("CT.0")
        output.prepare()
        return output.create()

    def test_what_was_prepared_is_created(self, inbox: Path, output: OutputDirectory) -> None:
        output.prepare()
        output.prepare()
        assert len(temporary(inbox)) == 1

        incoming = begun(output, b"x")
        assert len(temporary(inbox)) == 1
        incoming.publish(NAME)

        assert objects(inbox) == {NAME: b"x"}
        assert temporary(inbox) == []

    def test_who_prepares_has_files_closed_in_the_peers_turn(self, output: OutputDirectory) -> None:
        """Where closing can report nothing; at the end, too."""
        waits = not output.flushes
        for number in range(3):
            begun(output, b"x").publish(f"CT.{number}")
            are_open = [path for path in open_descriptors().values() if "/CT." in path]
            assert len(are_open) == (waits and number > 0)
            output.prepare()
            assert not [path for path in open_descriptors().values() if "/CT." in path]

        begun(output, b"x").publish("CT.last")
        output.close()
        assert not [path for path in open_descriptors().values() if "/CT." in path]

    def test_who_asks_for_inodes_has_the_next_one_known(
        self, inbox: Path, output: OutputDirectory, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first = output.create()
        assert first.inode() == temporary(inbox)[0].stat().st_ino
        first.discard()
        incoming = self.prepared(output)
        expected = temporary(inbox)[0].stat().st_ino

        monkeypatch.setattr(sink, "identity_of", None)
        assert incoming.inode() == expected
        monkeypatch.undo()
        incoming.discard()

    def test_space_is_reserved_for_an_object_like_the_last_one(
        self, inbox: Path, output: OutputDirectory
    ) -> None:
        incoming = self.prepared(output)
        reserved = temporary(inbox)[0].stat()
        incoming.discard()

        assert reserved.st_size == 4 * 65536
        assert reserved.st_blocks * 512 >= 4 * 65536

    @pytest.mark.parametrize("size", [0, 1, 65536, 4 * 65536 - 1, 4 * 65536, 300_000, 2_000_000])
    def test_an_object_is_as_long_as_what_was_written_whatever_was_reserved(
        self, inbox: Path, output: OutputDirectory, size: int
    ) -> None:
        incoming = self.prepared(output)
        content = os.urandom(size)
        for begin in range(0, size, 100_000):
            incoming.write([content[begin : begin + 100_000]])
        incoming.publish(NAME)

        assert objects(inbox)[NAME] == content

    def test_no_more_is_reserved_than_another_worker_can_do_without(
        self, inbox: Path, output: OutputDirectory
    ) -> None:
        incoming = self.prepared(output, 3 * sink._MOST_RESERVED)
        reserved = temporary(inbox)[0].stat()
        incoming.discard()

        assert reserved.st_size == sink._MOST_RESERVED

    def test_an_error_of_cutting_to_size_publishes_nothing(
        self, inbox: Path, output: OutputDirectory, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        incoming = self.prepared(output)
        incoming.write([b"short"])

        def ftruncate(*_: int) -> None:
            raise OSError(errno.EIO, "Input/output error")

        monkeypatch.setattr(sink.os, "ftruncate", ftruncate)
        with pytest.raises(OSError, match="Input/output"):
            incoming.publish(NAME)
        incoming.discard()

        assert set(objects(inbox)) == {"CT.0"}
        assert temporary(inbox) == []

    @pytest.mark.parametrize("code", [errno.ENOSPC, errno.EOPNOTSUPP, errno.EBADF, errno.EFBIG])
    def test_what_cannot_be_reserved_is_not(
        self, inbox: Path, output: OutputDirectory, monkeypatch: pytest.MonkeyPatch, code: int
    ) -> None:
        def posix_fallocate(descriptor: int, offset: int, size: int) -> None:
            os.ftruncate(descriptor, size // 2)  # half of it could be had
            raise OSError(code, os.strerror(code))

        monkeypatch.setattr(sink.os, "posix_fallocate", posix_fallocate)
        incoming = self.prepared(output)
        assert temporary(inbox)[0].stat().st_size == 0
        incoming.write([b"object"])
        incoming.publish(NAME)

        assert objects(inbox)[NAME] == b"object"

    def test_how_a_file_system_reserves_is_found_out_once(
        self, output: OutputDirectory, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Where it cannot, the C library writes zeros instead, but to a file that is open for appending."""
        real, reserve, flags = fcntl.fcntl, os.posix_fallocate, []

        def watched(descriptor: int, what: int, *more: int) -> int:
            flags.append((what, *more))
            return real(descriptor, what, *more)

        def cannot(*_: int) -> None:
            raise OSError(errno.EBADF, "Bad file descriptor")

        monkeypatch.setattr(sink.fcntl, "fcntl", watched)
        looked = [(fcntl.F_SETFL, os.O_APPEND), (fcntl.F_SETFL, 0)]
        for number, (can, expected) in enumerate([(cannot, looked), (reserve, looked), (reserve, [])]):
            monkeypatch.setattr(sink.os, "posix_fallocate", can)
            begun(output, bytes(300_000)).publish(f"CT.{number}")
            flags.clear()
            output.prepare()
            assert flags == expected
            output.create().discard()

    def test_what_can_neither_be_reserved_nor_given_back_leaves_nothing(
        self, inbox: Path, output: OutputDirectory, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken(*_: int) -> None:
            raise OSError(errno.EIO, "Input/output error")

        begun(output, bytes(300_000)).publish(NAME)
        monkeypatch.setattr(sink.os, "posix_fallocate", broken)
        monkeypatch.setattr(sink.os, "ftruncate", broken)
        output.prepare()
        assert temporary(inbox) == []

    def test_what_cannot_be_prepared_is_tried_again_when_it_is_needed(
        self, inbox: Path, output: OutputDirectory, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real_open = os.open

        def no_inodes(*_: object, **__: object) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(sink.os, "open", no_inodes)
        output.prepare()
        monkeypatch.setattr(sink.os, "open", real_open)
        assert temporary(inbox) == []

        begun(output, b"x").publish(NAME)

        assert objects(inbox) == {NAME: b"x"}

    def test_nothing_is_left_of_it_when_no_object_comes(self, inbox: Path, output: OutputDirectory) -> None:
        self.prepared(output).discard()
        output.prepare()
        assert len(temporary(inbox)) == 1

        output.close()

        assert temporary(inbox) == []

    def test_a_sweeper_leaves_it_alone(self, inbox: Path, output: OutputDirectory) -> None:
        output.prepare()

        assert sweep(str(inbox)) == 0

        begun(output, b"x").publish(NAME)
        assert objects(inbox) == {NAME: b"x"}


PIECES = st.lists(st.binary(max_size=12) | st.just(b""), max_size=30)


class TestWriting:
    def written(self, inbox: Path, output: OutputDirectory, pieces: list[bytes]) -> bytes:
        incoming = output.create()
        incoming.write([memoryview(piece) for piece in pieces])
        incoming.publish(NAME)
        return objects(inbox)[NAME]

    @pytest.mark.parametrize("count", [0, 1, 1023, 1024, 1025, 5000])
    def test_any_number_of_pieces_is_written(self, inbox: Path, output: OutputDirectory, count: int) -> None:
        pieces = [number.to_bytes(2, "big") for number in range(count)]

        assert self.written(inbox, output, pieces) == b"".join(pieces)

    @pytest.mark.parametrize(
        "pieces",
        [[b""], [b""] * 3000, [b""] * 1024 + [b"x"], [b"x"] + [b""] * 1500 + [b"y"], [b"x", b"", b"y", b""]],
        ids=["one", "many", "a full call of them", "between", "alternating"],
    )
    def test_pieces_may_be_empty(self, inbox: Path, output: OutputDirectory, pieces: list[bytes]) -> None:
        assert self.written(inbox, output, pieces) == b"".join(pieces)

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
    @given(pieces=PIECES, most=st.integers(1, 40))
    def test_any_pieces_are_written_whole_whatever_the_kernel_takes_at_once(
        self, inbox: Path, pieces: list[bytes], most: int
    ) -> None:
        output = OutputDirectory(str(inbox), fsync=False)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sink.os, "writev", lambda file, buffers: os.write(file, b"".join(buffers)[:most]))
            incoming = output.create()
            incoming.write(pieces)
        incoming.replace(NAME)

        assert objects(inbox) == {NAME: b"".join(pieces)}

    def test_the_callers_list_is_left_as_it_was(self, output: OutputDirectory) -> None:
        pieces = [b"a", b"b"]
        incoming = output.create()
        incoming.write(pieces)
        incoming.discard()

        assert pieces == [b"a", b"b"]

    @pytest.mark.parametrize("beyond", [1, 100, 4096])
    def test_a_full_disk_is_an_error_though_most_of_it_fits(self, inbox: Path, beyond: int) -> None:
        def fill() -> int:
            limit = 8192
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
            output = OutputDirectory(str(inbox), fsync=False)
            begun(output, b"first").publish(NAME)
            incoming = output.create()
            try:
                incoming.write([b"x" * 4096, b"y" * (4096 - 10), b"z" * (10 + beyond)])
            except OSError as error:
                incoming.discard()
                return error.errno or 0
            return 0

        assert in_child(fill) == errno.EFBIG
        assert objects(inbox) == {NAME: b"first"}
        assert temporary(inbox) == []


class TestChanging:
    """What was written may be overwritten, or forgotten, before it is published."""

    def test_what_was_written_is_overwritten_and_what_comes_next_is_appended(
        self, inbox: Path, output: OutputDirectory
    ) -> None:
        incoming = begun(output, b"lengthdata")
        incoming.patch(0, b"LENGTH")
        incoming.patch(9, b"A")
        incoming.write([b"more"])
        incoming.publish(NAME)

        assert objects(inbox) == {NAME: b"LENGTHdatAmore"}

    def test_a_patch_is_written_whole_however_little_the_kernel_takes_at_once(
        self, inbox: Path, output: OutputDirectory, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        incoming = begun(output, bytes(10))
        real_pwrite = os.pwrite
        monkeypatch.setattr(sink.os, "pwrite", lambda file, data, offset: real_pwrite(file, data[:2], offset))
        incoming.patch(3, b"patch")
        incoming.publish(NAME)

        assert objects(inbox) == {NAME: b"\0\0\0patch\0\0"}

    @pytest.mark.parametrize("left", [0, 3, 10])
    def test_what_was_forgotten_is_not_there_and_what_comes_next_takes_its_place(
        self, inbox: Path, output: OutputDirectory, left: int
    ) -> None:
        incoming = begun(output, b"0123456789")
        incoming.truncate(left)
        incoming.write([b"anew"])
        incoming.publish(NAME)

        assert objects(inbox) == {NAME: b"0123456789"[:left] + b"anew"}

    @pytest.mark.parametrize("size", [0, 5, 100_000, 300_000])
    def test_an_object_begun_anew_is_as_long_as_what_was_written_whatever_was_reserved(
        self, inbox: Path, output: OutputDirectory, size: int
    ) -> None:
        incoming = TestPreparing().prepared(output)
        incoming.write([b"meta", b"x" * 200_000])
        incoming.truncate(4)
        incoming.write([b"y" * size])
        incoming.publish(NAME)

        assert objects(inbox)[NAME] == b"meta" + b"y" * size

    def test_an_object_begun_anew_and_left_is_as_long_as_it_was_cut(
        self, inbox: Path, output: OutputDirectory
    ) -> None:
        incoming = TestPreparing().prepared(output)
        incoming.write([b"meta and more"])
        incoming.truncate(4)
        incoming.publish(NAME)

        assert objects(inbox)[NAME] == b"meta"

    def test_what_was_forgotten_is_not_reserved_for_the_next_object(
        self, inbox: Path, output: OutputDirectory
    ) -> None:
        incoming = begun(output, bytes(300_000))
        incoming.truncate(4)
        incoming.publish(NAME)
        output.prepare()

        assert temporary(inbox)[0].stat().st_size == 0
        output.create().discard()

    @pytest.mark.parametrize("call", ["pwrite", "ftruncate"])
    def test_what_cannot_be_changed_publishes_nothing(
        self, inbox: Path, output: OutputDirectory, monkeypatch: pytest.MonkeyPatch, call: str
    ) -> None:
        begun(output, b"first").publish(NAME)
        incoming = begun(output, b"second")

        def failing(*_: object) -> None:
            raise OSError(errno.EIO, "Input/output error")

        monkeypatch.setattr(sink.os, call, failing)
        with pytest.raises(OSError, match="Input/output"):
            incoming.patch(0, b"S") if call == "pwrite" else incoming.truncate(0)
        incoming.discard()

        assert objects(inbox) == {NAME: b"first"}
        assert temporary(inbox) == []

    def test_what_was_written_can_be_read_before_it_is_published(
        self, inbox: Path, output: OutputDirectory
    ) -> None:
        incoming = begun(output, b"written")
        descriptor = incoming.open_written()
        assert os.read(descriptor, 100) == b"written"
        os.close(descriptor)

        incoming.discard()

        assert temporary(inbox) == []
