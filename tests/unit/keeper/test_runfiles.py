"""What a runner writes is read as it was written; the rest is in test_running, where it matters."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scpd.keeper import runfiles
from scpd.keeper.runfiles import END, RUN, STDERR_KEPT, End, StrangeFileError, Trace
from tests.harness.forked import in_child

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

JOB = "4711-a1.1.xcr"


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[int]:
    descriptor = os.open(tmp_path, os.O_RDONLY)
    yield descriptor
    os.close(descriptor)


def test_a_trace_comes_back(directory: int) -> None:
    runfiles.write_trace(directory, JOB, Trace(7, 8, 9, 10, 11).encode("b-1"))
    trace = runfiles.read_trace(directory, JOB)
    assert trace is not None
    assert (trace.pid, trace.start, trace.runner, trace.runner_start) == (7, 8, 9, 10)
    assert (trace.milliseconds, trace.boot_id) == (11, "b-1")
    assert os.listdir(directory) == [JOB + RUN]


def test_a_trace_is_written_once(directory: int, tmp_path: Path) -> None:
    runfiles.write_trace(directory, JOB, b"first\n")
    with pytest.raises(FileExistsError):
        runfiles.write_trace(directory, JOB, b"second\n")
    assert (tmp_path / (JOB + RUN)).read_bytes() == b"first\n"
    assert os.listdir(directory) == [JOB + RUN]


def test_an_end_takes_the_place_of_an_older_one(directory: int) -> None:
    for code in (1, -9):
        end = End(7, 8)
        end.code, end.timed_out, end.milliseconds = code, code < 0, 1234
        runfiles.write_end(directory, JOB, end.encode())
    found = runfiles.read_end(directory, JOB)
    assert found is not None
    assert (found.pid, found.start, found.code, found.timed_out, found.milliseconds) == (7, 8, -9, True, 1234)
    assert os.listdir(directory) == [JOB + END]


@given(st.binary(max_size=STDERR_KEPT))
def test_any_stderr_comes_back_as_text(data: bytes) -> None:
    end = End(7, 8)
    end.stderr = data.decode("utf-8", "backslashreplace")
    fields = runfiles.records.decode(end.encode()[:-1])
    assert fields is not None
    assert fields[-1] == end.stderr


@pytest.mark.parametrize("byte", [b"\0", b"\xff", b"\xc3", b"%", b" ", b"\n"])
def test_the_longest_stderr_of_any_bytes_is_read_again(directory: int, byte: bytes) -> None:
    end = End(7, 8)
    end.stderr = (byte * STDERR_KEPT).decode("utf-8", "backslashreplace")
    runfiles.write_end(directory, JOB, end.encode())
    found = runfiles.read_end(directory, JOB)
    assert found is not None
    assert found.stderr == end.stderr


def test_what_is_not_there_is_nothing(directory: int) -> None:
    assert runfiles.read_trace(directory, JOB) is None
    assert runfiles.read_end(directory, JOB) is None
    runfiles.remove(directory, JOB + END)


def test_one_kind_is_not_the_other(directory: int) -> None:
    runfiles.write_end(directory, JOB, Trace(7, 8, 9, 10, 11).encode("b-1"))
    with pytest.raises(StrangeFileError):
        runfiles.read_end(directory, JOB)


def test_a_link_is_not_followed_even_to_a_file_of_ours(directory: int, tmp_path: Path) -> None:
    runfiles.write_end(directory, "another", End(7, 8).encode())
    (tmp_path / (JOB + END)).symlink_to("another.end")
    with pytest.raises(StrangeFileError):
        runfiles.read_end(directory, JOB)


def test_a_fifo_is_strange_even_if_it_says_what_a_file_of_ours_says(directory: int, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / (JOB + END))
    fifo = os.open(tmp_path / (JOB + END), os.O_RDWR | os.O_NONBLOCK)
    os.write(fifo, End(7, 8).encode())
    with pytest.raises(StrangeFileError):
        runfiles.read_end(directory, JOB)
    os.close(fifo)


def test_what_an_earlier_process_with_our_id_left_is_no_obstacle(directory: int, tmp_path: Path) -> None:
    (tmp_path / f"{JOB}.tmp.{os.getpid()}").symlink_to("/etc/passwd")
    runfiles.write_trace(directory, JOB, b"x\n")
    assert (tmp_path / (JOB + RUN)).read_bytes() == b"x\n"


def test_if_it_cannot_be_written_nothing_is_left(directory: int, tmp_path: Path) -> None:
    def work() -> list[object]:
        import resource
        import signal

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (3, 3))
        try:
            runfiles.write_end(directory, JOB, b"too long\n")
        except OSError as error:
            return [error.errno, os.listdir(tmp_path)]
        return []

    code, left = in_child(work)
    assert code in {errno.ENOSPC, errno.EFBIG}
    assert left == []


@pytest.mark.parametrize(
    ("name", "found"),
    [
        (f"{JOB}.tmp.17", (JOB, 17)),
        (f"{JOB}.tmp.", None),
        (f"{JOB}.tmp.-1", None),
        (f"{JOB}.tmp.99999999", None),
        (".tmp.17", None),
        ("a b.tmp.17", None),
        (JOB + END, None),
    ],
)
def test_a_temporary_file_says_whose_it_is(name: str, found: tuple[str, int] | None) -> None:
    assert runfiles.temporary_of(name) == found
