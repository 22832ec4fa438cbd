"""Log files that many processes write to at once."""

from __future__ import annotations

import fcntl
import os
import resource
import time
from typing import TYPE_CHECKING

import pytest

from scpd.log.files import DailyFile, LogFile, RollingFile, make_room
from scpd.log.schedules import SCHEDULES
from tests.harness.forked import exit_code, forked, in_child

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

NOON = 1795435200.0  # 2026-11-23 12:00:00 UTC
DAY = 86400.0


@pytest.fixture(autouse=True)
def _in_utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()


@pytest.fixture
def told() -> list[str]:
    """What was told about failures."""
    return []


@pytest.fixture
def files() -> Iterator[list[LogFile]]:
    """Files whose descriptors the test closes at its end."""
    opened: list[LogFile] = []
    yield opened
    for file in opened:
        os.close(file.descriptor)


@pytest.fixture
def plain(tmp_path: Path, told: list[str], files: list[LogFile]) -> LogFile:
    files.append(LogFile(str(tmp_path / "f"), told.append, NOON, empty=False))
    return files[-1]


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in sorted(folder.iterdir()) if path.is_file()}


def test_a_file_is_added_to(tmp_path: Path, plain: LogFile) -> None:
    plain.write(b"one\n", NOON)
    plain.write(b"two\n", NOON)
    assert contents(tmp_path) == {"f": "one\ntwo\n"}


@pytest.mark.parametrize(("empty", "left"), [(True, ""), (False, "old\n")])
def test_a_file_is_emptied_when_opened_but_never_again(
    tmp_path: Path, told: list[str], files: list[LogFile], empty: bool, left: str
) -> None:
    (tmp_path / "f").write_text("old\n")
    files.append(LogFile(str(tmp_path / "f"), told.append, NOON, empty=empty))
    files[0].write(b"one\n", NOON)
    files[0].reopen(NOON)
    files[0].write(b"two\n", NOON)
    assert contents(tmp_path) == {"f": f"{left}one\ntwo\n"}


def test_a_file_that_was_moved_is_noticed_within_a_second(tmp_path: Path, plain: LogFile) -> None:
    plain.write(b"one\n", NOON)
    (tmp_path / "f").rename(tmp_path / "f.old")
    plain.write(b"two\n", NOON + 0.9)
    plain.write(b"three\n", NOON + 1.1)
    assert contents(tmp_path) == {"f": "three\n", "f.old": "one\ntwo\n"}


def test_a_file_that_was_moved_is_noticed_when_the_clock_was_set_back(tmp_path: Path, plain: LogFile) -> None:
    (tmp_path / "f").rename(tmp_path / "f.old")
    plain.write(b"one\n", NOON - 3600)
    assert contents(tmp_path) == {"f": "one\n", "f.old": ""}


def test_what_was_written_to_a_removed_file_is_written_once_more(tmp_path: Path, plain: LogFile) -> None:
    (tmp_path / "f").unlink()
    plain.write(b"one\n", NOON + 0.1)
    assert contents(tmp_path) == {"f": "one\n"}


def test_reopening_keeps_the_descriptor_and_leaves_none_behind(tmp_path: Path, plain: LogFile) -> None:
    descriptor, before = plain.descriptor, os.listdir("/proc/self/fd")
    (tmp_path / "f").rename(tmp_path / "f.old")

    plain.reopen(NOON)
    plain.write(b"one\n", NOON)

    assert contents(tmp_path) == {"f": "one\n", "f.old": ""}
    assert (plain.descriptor, os.listdir("/proc/self/fd")) == (descriptor, before)
    assert not os.get_inheritable(descriptor)


def test_a_file_that_cannot_be_opened_is_tried_again_each_second(
    tmp_path: Path, told: list[str], files: list[LogFile]
) -> None:
    path = tmp_path / "folder" / "f"
    files.append(LogFile(str(path), told.append, NOON, empty=False))
    files[0].write(b"lost\n", NOON)
    path.parent.mkdir()
    files[0].write(b"lost too\n", NOON + 0.5)
    files[0].write(b"kept\n", NOON + 1)

    assert path.read_text() == "kept\n"
    assert told == [f"Unable to open file: {path}"]


def test_a_file_that_cannot_be_opened_again_is_written_to_under_its_other_name(
    tmp_path: Path, plain: LogFile, told: list[str]
) -> None:
    (tmp_path / "f").rename(tmp_path / "f.old")
    (tmp_path / "f").mkdir()
    plain.write(b"one\n", NOON + 2)
    assert contents(tmp_path) == {"f.old": "one\n"}
    assert told == [f"Unable to open file: {tmp_path / 'f'}"]


def test_a_name_that_no_file_can_have_is_only_told(told: list[str], files: list[LogFile]) -> None:
    files.append(LogFile("a\0b", told.append, NOON, empty=False))
    files[0].write(b"lost\n", NOON + 2)
    assert len(told) == 2


def test_a_pipe_without_a_reader_holds_up_nobody(
    tmp_path: Path, told: list[str], files: list[LogFile]
) -> None:
    os.mkfifo(tmp_path / "f")
    files.append(LogFile(str(tmp_path / "f"), told.append, NOON, empty=False))
    files[0].write(b"lost\n", NOON)
    assert told == [f"Unable to open file: {tmp_path / 'f'}"]


def test_a_file_without_room_loses_records_and_nothing_else(tmp_path: Path) -> None:
    def life() -> list[str]:
        told: list[str] = []
        file = LogFile(str(tmp_path / "f"), told.append, NOON, empty=False)
        resource.setrlimit(resource.RLIMIT_FSIZE, (8, 8192))
        file.write(b"1234567\n", NOON)
        file.write(b"lost\n", NOON)
        resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))
        file.write(b"back\n", NOON + 1)
        return told

    assert in_child(life) == [f"cannot write {tmp_path / 'f'}: File too large"]
    assert contents(tmp_path) == {"f": "1234567\nback\n"}


def test_a_file_that_could_not_be_written_is_opened_anew(
    tmp_path: Path, plain: LogFile, told: list[str]
) -> None:
    broken = os.open(tmp_path / "f", os.O_RDONLY)  # as a file whose server has forgotten it
    os.dup2(broken, plain.descriptor)
    os.close(broken)
    plain.write(b"lost\n", NOON)
    plain.write(b"back\n", NOON + 1)
    assert contents(tmp_path) == {"f": "back\n"}
    assert told == [f"cannot write {tmp_path / 'f'}: Bad file descriptor"]


def rolling(folder: Path, files: list[LogFile], told: list[str], copies: int = 2, limit: int = 10) -> LogFile:
    path = str(folder / "f")
    files.append(RollingFile(path, told.append, NOON, empty=False, limit=limit, copies=copies))
    return files[-1]


def test_a_file_is_moved_after_the_record_that_made_it_too_large(
    tmp_path: Path, told: list[str], files: list[LogFile]
) -> None:
    file = rolling(tmp_path, files, told)
    for record in (b"a2345678\n", b"b\n", b"c234567890\n", b"d234567890\n", b"e2345678\n"):
        file.write(record, NOON)
    assert contents(tmp_path) == {"f": "e2345678\n", "f.1": "d234567890\n", "f.2": "c234567890\n"}
    assert not told


def test_a_file_of_exactly_the_limit_stays(tmp_path: Path, told: list[str], files: list[LogFile]) -> None:
    rolling(tmp_path, files, told).write(b"123456789\n", NOON)
    assert contents(tmp_path) == {"f": "123456789\n"}


@pytest.mark.parametrize(
    ("there", "copies", "left"),
    [
        ([], 3, []),
        ([1], 1, [1]),
        ([1], 3, [2]),
        ([1, 2, 3], 3, [2, 3]),
        ([2, 3], 3, [2, 3]),
        ([1, 3], 3, [2, 3]),
        ([1, 2, 3, 4], 3, [2, 3, 4]),
    ],
)
def test_room_is_made_for_the_first_copy(
    tmp_path: Path, there: list[int], copies: int, left: list[int]
) -> None:
    for number in there:
        (tmp_path / f"f.{number}").touch()
    make_room(str(tmp_path / "f"), copies)
    assert sorted(contents(tmp_path)) == [f"f.{number}" for number in left]


def test_who_finds_the_file_moved_by_another_does_not_move_it_again(
    tmp_path: Path, told: list[str], files: list[LogFile]
) -> None:
    one, other = rolling(tmp_path, files, told), rolling(tmp_path, files, told)
    one.write(b"a234567890\n", NOON)
    other.write(b"b\n", NOON)
    other.write(b"c\n", NOON)
    assert contents(tmp_path) == {"f": "c\n", "f.1": "a234567890\nb\n"}


def test_while_another_moves_the_file_records_are_written_on(
    tmp_path: Path, told: list[str], files: list[LogFile]
) -> None:
    file = rolling(tmp_path, files, told)
    with (tmp_path / "f").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        file.write(b"a234567890\n", NOON)
        file.write(b"b\n", NOON)
        assert contents(tmp_path) == {"f": "a234567890\nb\n"}
    file.write(b"c\n", NOON)
    assert contents(tmp_path) == {"f": "", "f.1": "a234567890\nb\nc\n"}
    assert not told


def test_a_file_that_cannot_be_moved_grows(tmp_path: Path, told: list[str], files: list[LogFile]) -> None:
    (tmp_path / "f.1" / "full").mkdir(parents=True)
    file = rolling(tmp_path, files, told, copies=1)
    file.write(b"a234567890\n", NOON)
    file.write(b"b\n", NOON + 0.5)
    file.write(b"c\n", NOON + 1)
    assert contents(tmp_path) == {"f": "a234567890\nb\nc\n"}
    assert told == [f"cannot move {tmp_path / 'f'} away: Is a directory"] * 2


def written_by_many(
    folder: Path, make: Callable[[], LogFile], moments: Callable[[int], float], processes: int = 4
) -> list[bytes]:
    """Let forked processes write 600 records each; give all lines that lie in the folder then."""
    first = make()
    gate, opener = os.pipe()

    def life(number: int) -> int:
        # Half of them write through what they inherited, half open the file themselves.
        file = first if number % 2 else make()
        os.read(gate, 1)
        for record in range(600):
            file.write(b"process %d record %d\n" % (number, record), moments(record))
        return 0

    pids = [forked(lambda number=number: life(number)) for number in range(processes)]
    os.write(opener, b"x" * processes)
    assert [exit_code(pid) for pid in pids] == [0] * processes
    for descriptor in (gate, opener, first.descriptor):
        os.close(descriptor)
    return [line for path in folder.iterdir() for line in path.read_bytes().splitlines(keepends=True)]


EVERYTHING = sorted(
    b"process %d record %d\n" % (number, record) for number in range(4) for record in range(600)
)


def test_of_many_processes_that_roll_a_file_no_line_is_lost_doubled_or_torn(tmp_path: Path) -> None:
    def make() -> LogFile:
        return RollingFile(str(tmp_path / "f"), print, NOON, empty=False, limit=1000, copies=1000)

    assert sorted(written_by_many(tmp_path, make, lambda record: NOON + record / 100)) == EVERYTHING
    assert len(list(tmp_path.iterdir())) > 4


def test_of_many_processes_in_many_periods_no_line_is_lost_doubled_or_torn(tmp_path: Path) -> None:
    begin = time.time() // 60 * 60

    def make() -> LogFile:
        schedule = SCHEDULES["MINUTELY"]
        return DailyFile(str(tmp_path / "f"), print, begin, empty=False, schedule=schedule, copies=1000)

    assert sorted(written_by_many(tmp_path, make, lambda record: begin + 10 * record)) == EVERYTHING
    assert len(list(tmp_path.iterdir())) > 4


def daily(
    folder: Path, files: list[LogFile], now: float, schedule: str = "DAILY", copies: int = 2
) -> LogFile:
    path = str(folder / "f")
    files.append(DailyFile(path, print, now, empty=False, schedule=SCHEDULES[schedule], copies=copies))
    return files[-1]


def test_a_file_gets_the_name_of_its_period_at_the_first_record_after_it(
    tmp_path: Path, files: list[LogFile]
) -> None:
    file = daily(tmp_path, files, NOON)
    file.write(b"one\n", NOON)
    file.write(b"two\n", NOON + DAY / 2 - 1)
    file.write(b"three\n", NOON + DAY / 2)
    file.write(b"four\n", NOON + 3 * DAY)
    assert contents(tmp_path) == {
        "f": "four\n",
        "f.2026-11-23": "one\ntwo\n",
        "f.2026-11-24": "three\n",
    }


def test_a_name_that_is_taken_makes_room_up_to_the_limit(tmp_path: Path, files: list[LogFile]) -> None:
    for name in ("f.2026-11-23", "f.2026-11-23.1", "f.2026-11-23.2", "f.2026-11-22"):
        (tmp_path / name).write_text(name)
    file = daily(tmp_path, files, NOON)
    file.write(b"one\n", NOON)
    file.write(b"two\n", NOON + DAY)
    assert contents(tmp_path) == {
        "f": "two\n",
        "f.2026-11-22": "f.2026-11-22",
        "f.2026-11-23": "one\n",
        "f.2026-11-23.1": "f.2026-11-23",
        "f.2026-11-23.2": "f.2026-11-23.1",
    }


def test_a_file_of_an_earlier_start_gets_the_name_of_its_last_record(
    tmp_path: Path, files: list[LogFile]
) -> None:
    (tmp_path / "f").write_text("old\n")
    os.utime(tmp_path / "f", (NOON - 5 * DAY, NOON - 5 * DAY))
    daily(tmp_path, files, NOON).write(b"new\n", NOON)
    assert contents(tmp_path) == {"f": "new\n", "f.2026-11-18": "old\n"}


def test_who_slept_over_two_periods_finds_what_others_did(tmp_path: Path, files: list[LogFile]) -> None:
    master = daily(tmp_path, files, NOON)
    master.write(b"master 1\n", NOON)
    worker = daily(tmp_path, files, NOON)
    worker.write(b"worker 2\n", NOON + DAY)
    os.utime(tmp_path / "f", (NOON + DAY, NOON + DAY))
    master.write(b"master 3\n", NOON + 2 * DAY)
    assert contents(tmp_path) == {
        "f": "master 3\n",
        "f.2026-11-23": "master 1\n",
        "f.2026-11-24": "worker 2\n",
    }


def test_an_empty_file_and_a_clock_set_back_roll_nothing(tmp_path: Path, files: list[LogFile]) -> None:
    (tmp_path / "f").touch()
    os.utime(tmp_path / "f", (NOON - 5 * DAY, NOON - 5 * DAY))
    file = daily(tmp_path, files, NOON)
    file.write(b"one\n", NOON)
    file.write(b"two\n", NOON - DAY)
    assert contents(tmp_path) == {"f": "one\ntwo\n"}


def test_what_is_no_plain_file_is_never_moved(tmp_path: Path, told: list[str], files: list[LogFile]) -> None:
    (tmp_path / "f").symlink_to("/dev/null")
    file = daily(tmp_path, files, NOON)
    for day in range(3):
        file.write(b"x" * 100, NOON + day * DAY)
    rolling(tmp_path, files, told).write(b"x" * 100, NOON)
    assert [path.name for path in tmp_path.iterdir()] == ["f"]
