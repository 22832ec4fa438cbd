"""What a worker has written is read once, whole and in order, whatever becomes of worker, disk and keeper."""

from __future__ import annotations

import os
import resource
import signal
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scpd.lockdir import journal, layout, records
from scpd.lockdir.journal import Journal, JournalReader
from scpd.lockdir.layout import LockDirectory
from tests.harness.forked import exit_code, forked, in_child

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HEAD = records.encode(["journal", "boot"])

pytestmark = pytest.mark.usefixtures("no_descriptor_is_left_open")


@pytest.fixture
def written(lockdir: LockDirectory) -> Iterator[Journal]:
    made = Journal(lockdir, HEAD, fsync=True)
    yield made
    made.close()


@pytest.fixture
def reader(lockdir: LockDirectory, written: Journal) -> Iterator[JournalReader]:
    opened = JournalReader(written.maker, lockdir.opened(layout.JOURNALS))
    yield opened
    opened.close()


def line(number: int) -> bytes:
    return records.encode(["object", str(number), "of any kind"])


def fields(*numbers: int) -> list[list[str]]:
    return [["object", str(number), "of any kind"] for number in numbers]


# Living and dying.


def test_a_journal_has_its_name_when_it_has_its_first_line(lockdir: LockDirectory, path: Path) -> None:
    written = Journal(lockdir, HEAD, fsync=False)
    assert os.listdir(path / "journals") in (["dead", written.maker], [written.maker, "dead"])
    assert (path / "journals" / written.maker).read_bytes() == HEAD
    written.close()


def test_no_two_have_the_same_name(lockdir: LockDirectory, path: Path) -> None:
    for _ in range(100):
        Journal(lockdir, HEAD, fsync=False).close()
    assert len(os.listdir(path / "journals")) == 101


def test_its_end_is_seen_once_it_is_closed(written: Journal, reader: JournalReader) -> None:
    written.write(line(1))
    assert reader.has_writer()
    reader.read()
    assert not reader.is_ended
    written.write(line(2))
    written.close()
    assert not reader.has_writer()
    assert reader.read() == fields(2)
    assert reader.is_ended


def test_readers_take_nothing_from_the_writer_or_each_other(lockdir: LockDirectory, written: Journal) -> None:
    several = [JournalReader(written.maker, lockdir.opened(layout.JOURNALS)) for _ in range(3)]
    assert [one.has_writer() for one in several] == [True] * 3
    written.close()
    assert [one.has_writer() for one in several] == [False] * 3
    for one in several:
        one.close()


def test_a_killed_writer_is_seen_to_be_gone_and_all_it_wrote_is_read(lockdir: LockDirectory) -> None:
    told, tell = os.pipe()

    def life() -> int:
        written = Journal(lockdir, HEAD, fsync=False)
        for number in range(1000):
            written.write(line(number))
        os.write(tell, written.maker.encode())
        signal.pause()
        return 0

    child = forked(life)
    maker = os.read(told, 100).decode()
    os.close(told)
    os.close(tell)
    reader = JournalReader(maker, lockdir.opened(layout.JOURNALS))
    try:
        assert reader.has_writer()
        os.kill(child, signal.SIGKILL)
        assert exit_code(child) == -signal.SIGKILL
        assert reader.read() == [["journal", "boot"], *fields(*range(1000))]
        assert reader.is_ended
    finally:
        reader.close()


def test_a_child_of_the_writer_that_lets_go_lets_nothing_go(written: Journal, reader: JournalReader) -> None:
    def life() -> int:
        written.close()
        return 0

    assert exit_code(forked(life)) == 0
    assert reader.has_writer()


def test_a_journal_that_a_keeper_took_for_a_dead_ones_is_made_again(lockdir: LockDirectory) -> None:
    """A keeper that looks between a worker's making a file and its locking it finds what a crash would leave."""
    directory = lockdir.opened(layout.JOURNALS)

    def work() -> list[object]:
        taken: list[str] = []

        def take(event: str, _: object) -> None:
            if event == "fcntl.fcntl" and not taken:
                taken.extend(name for name in os.listdir(directory) if name[0] == ".")
                for name in taken:
                    os.unlink(name, dir_fd=directory)

        sys.addaudithook(take)  # it stays: hence the process of its own
        written = Journal(lockdir, HEAD, fsync=False)
        reader = JournalReader(written.maker, directory)
        return [len(taken), reader.has_writer(), reader.read_head() is not None]

    assert in_child(work) == [1, True, True]


def test_where_no_journal_can_be_made_nothing_is_left(lockdir: LockDirectory, path: Path) -> None:
    def without_room() -> list[str]:
        resource.setrlimit(resource.RLIMIT_FSIZE, (5, 5))
        with pytest.raises(OSError, match=r"room|large"):
            Journal(lockdir, HEAD, fsync=False)
        return os.listdir(path / "journals")

    assert in_child(without_room) == ["dead"]


# Reading.


def test_lines_are_read_once_and_in_order(written: Journal, reader: JournalReader) -> None:
    assert reader.read() == [["journal", "boot"]]
    assert reader.read() == []
    written.write(line(1))
    written.write(line(2))
    assert reader.read() == fields(1, 2)
    written.flush()
    assert reader.read() == []


def test_the_head_is_read_by_itself(written: Journal, reader: JournalReader) -> None:
    written.write(line(1))
    assert reader.read_head() == ["journal", "boot"]
    assert reader.read() == fields(1)


@pytest.mark.parametrize("content", [b"", HEAD[:-1], HEAD[1:], b"\n", b"x" * 100_000, b"x" * 100_000 + b"\n"])
def test_a_file_without_a_head_has_none(lockdir: LockDirectory, path: Path, content: bytes) -> None:
    (path / "journals/made-by-hand").write_bytes(content)
    reader = JournalReader("made-by-hand", lockdir.opened(layout.JOURNALS))
    assert reader.read_head() is None
    reader.close()


def test_what_comes_in_pieces_is_the_same_cut_at_any_byte(lockdir: LockDirectory, path: Path) -> None:
    content = HEAD + line(1) + b"garbage\n" + line(2) + line(3)[:-5]
    for end in range(len(content) + 1):
        file = path / "journals/in-pieces"
        file.write_bytes(content[:end])
        reader = JournalReader("in-pieces", lockdir.opened(layout.JOURNALS))
        lines = reader.read()
        with file.open("ab") as more:
            more.write(content[end:])
        assert lines + reader.read() == [["journal", "boot"], *fields(1, 2)]
        assert reader.skipped == 1
        reader.close()


def test_what_comes_byte_by_byte_is_the_same(lockdir: LockDirectory, path: Path) -> None:
    reader, lines = reader_of(b"", lockdir, path), []
    with (path / "journals/made-by-hand").open("ab", buffering=0) as file:
        for byte in HEAD + b"garbage\n" + line(1):
            file.write(bytes((byte,)))
            lines += reader.read()
    assert (lines, reader.skipped) == ([["journal", "boot"], *fields(1)], 1)
    reader.close()


def reader_of(content: bytes, lockdir: LockDirectory, path: Path) -> JournalReader:
    (path / "journals/made-by-hand").write_bytes(content)
    return JournalReader("made-by-hand", lockdir.opened(layout.JOURNALS))


@pytest.mark.parametrize("piece", [1, 2, 3, 7, 64, 1000])
def test_the_size_of_a_read_changes_nothing(
    lockdir: LockDirectory, path: Path, piece: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "_PIECE", piece)
    reader = reader_of(HEAD + line(1) + b"\n\ngarbage\n" + line(2) + line(3)[:-1], lockdir, path)
    assert reader.read() == [["journal", "boot"], *fields(1, 2)]
    assert reader.skipped == 1
    reader.close()


def test_a_journal_longer_than_a_read_is_read_whole(lockdir: LockDirectory, path: Path) -> None:
    reader = reader_of(b"".join(map(line, range(20_000))), lockdir, path)
    assert reader.read() == fields(*range(20_000))
    reader.close()


def test_a_torn_last_line_is_not_read_and_no_garbage(lockdir: LockDirectory, path: Path) -> None:
    """Not even if it lacks but its newline: its writer was told that it failed."""
    for torn in range(1, len(line(2))):
        reader = reader_of(line(1) + line(2)[:torn], lockdir, path)
        assert reader.read() == fields(1)
        assert (reader.is_ended, reader.skipped) == (True, 0)
        reader.close()


def test_lines_between_garbage_are_read_and_garbage_is_counted(lockdir: LockDirectory, path: Path) -> None:
    garbage = [b"\xff\0", b"x" * 300_000, line(9)[:-2], line(9)[:-1] * 2, b"\t", line(9)[:-1] + b"\r"]
    content = b"".join(it + b"\n" + line(number) for number, it in enumerate(garbage))
    reader = reader_of(content, lockdir, path)
    assert reader.read() == fields(*range(len(garbage)))
    assert reader.skipped == len(garbage)
    reader.close()


@given(st.lists(st.binary(max_size=40) | st.integers(0, 9).map(line), max_size=20))
def test_any_bytes_between_lines_are_passed_over(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes]
) -> None:
    path = tmp_path_factory.mktemp("any") / "lock"
    layout.make(str(path))
    lockdir = LockDirectory(str(path))
    reader = reader_of(b"\n".join([*pieces, b""]), lockdir, path)
    assert reader.read() == [
        found for piece in pieces for it in piece.split(b"\n") if (found := records.decode(it))
    ]
    reader.close()
    lockdir.close()


def test_an_endless_line_takes_no_memory(lockdir: LockDirectory, path: Path) -> None:
    reader = reader_of(b"x" * 3_000_000, lockdir, path)
    assert reader.read() == []
    assert len(reader._rest) <= records.LONGEST + 1
    with (path / "journals/made-by-hand").open("ab") as file:
        file.write(b"\n" + line(1))
    assert reader.read() == fields(1)
    assert reader.skipped == 1
    reader.close()


@pytest.mark.parametrize("what", ["a link", "nothing", "a directory", "a fifo"])
def test_what_is_no_file_is_not_opened_and_nobody_waits(
    lockdir: LockDirectory, path: Path, what: str
) -> None:
    if what == "a link":
        (path / "journals/odd").symlink_to("/etc/passwd")
    elif what == "a directory":
        (path / "journals/odd").mkdir()
    elif what == "a fifo":
        os.mkfifo(path / "journals/odd")
    journals = lockdir.opened(layout.JOURNALS)
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(OSError, match=r"links|No such file|not a file") as raised:
        JournalReader("odd", journals)
    assert layout.is_strange(raised.value) == (what != "nothing")
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_line_that_is_longer_than_any_of_ours_is_skipped(lockdir: LockDirectory, path: Path) -> None:
    long = records.encode(("object", "x" * 2 * records.LONGEST))
    (path / "journals/odd").write_bytes(line(1) + long + line(2))
    reader = JournalReader("odd", lockdir.opened(layout.JOURNALS))
    reader.read_head()
    assert reader.read() == [records.decode(line(2).rstrip(b"\n"))]
    assert reader.skipped == 1
    reader.close()


# A full disk.


@pytest.mark.parametrize("room", range(1, len(line(2)) + 1))
def test_a_line_for_which_there_is_no_room_spoils_no_other(lockdir: LockDirectory, room: int) -> None:
    """The disk is full after some bytes of line 2, then has room again; then the same once more."""

    def life() -> list[object]:
        written = Journal(lockdir, HEAD, fsync=False)
        done = []
        for number in range(6):
            size = os.lseek(written._descriptor, 0, os.SEEK_END)
            if number in (2, 4):
                limit_file_size(size + room - 1)
            done.append(try_to_write(written, number) if number in (2, 4) else written.write(line(number)))
            if number in (2, 4):
                done.append(try_to_write(written, 7))
            limit_file_size(resource.RLIM_INFINITY)
        return [written.maker, done]

    maker, done = in_child(life)
    assert done == [None, None, "no", "no", None, "no", "no", None]
    reader = JournalReader(maker, lockdir.opened(layout.JOURNALS))
    assert reader.read() == [["journal", "boot"], *fields(0, 1, 3, 5)]
    assert reader.is_ended
    reader.close()


def try_to_write(written: Journal, number: int) -> str | None:
    try:
        written.write(line(number))
    except OSError:
        return "no"
    return None


def limit_file_size(size: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
