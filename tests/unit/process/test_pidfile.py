"""The pid file: held by a lock, not by being there."""

from __future__ import annotations

import os
import resource
import signal
from typing import TYPE_CHECKING

import pytest

from scpd.errors import StartError
from scpd.process.pidfile import PidFile
from tests.harness.forked import in_child

if TYPE_CHECKING:
    from pathlib import Path


def test_it_holds_our_number_and_goes_with_us(tmp_path: Path) -> None:
    path = tmp_path / "run.pid"
    file = PidFile(str(path))
    file.write()
    assert path.read_text() == f"{os.getpid()}\n"
    file.remove()
    assert not path.exists()


def test_a_second_one_is_told_who_runs(tmp_path: Path) -> None:
    path = tmp_path / "run.pid"
    PidFile(str(path)).write()
    with pytest.raises(StartError, match=f"run.pid is held by {os.getpid()}$"):
        PidFile(str(path))


def test_what_a_killed_daemon_left_is_no_obstacle(tmp_path: Path) -> None:
    path = tmp_path / "run.pid"
    path.write_text("1234567890 and more than one line\n")
    PidFile(str(path)).write()
    assert path.read_text() == f"{os.getpid()}\n"


def test_who_has_not_written_it_does_not_remove_it(tmp_path: Path) -> None:
    path = tmp_path / "run.pid"
    file = PidFile(str(path))
    child = os.fork()
    if not child:
        file.write()
        os._exit(0)
    os.waitpid(child, 0)
    file.remove()
    assert path.read_text() == f"{child}\n"


def test_it_is_empty_until_it_is_written_and_goes_with_a_start_that_fails(tmp_path: Path) -> None:
    path = tmp_path / "run.pid"
    path.write_text("1234567890\n")
    file = PidFile(str(path))
    assert path.read_bytes() == b""
    with pytest.raises(StartError, match=r"run\.pid is held by one that is just starting$"):
        PidFile(str(path))
    file.remove()
    assert not path.exists()


def test_the_file_of_a_successor_stays(tmp_path: Path) -> None:
    path = tmp_path / "run.pid"
    file = PidFile(str(path))
    file.write()
    path.unlink()
    other = PidFile(str(path))
    other.write()
    file.remove()
    assert path.read_text() == f"{os.getpid()}\n"


def test_no_other_file_is_overwritten(tmp_path: Path) -> None:
    path, other = tmp_path / "run.pid", tmp_path / "other"
    other.write_text("precious")
    path.hardlink_to(other)
    with pytest.raises(StartError, match="several names"):
        PidFile(str(path))
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(StartError, match="no file"):
        PidFile(str(path))
    assert other.read_text() == "precious"


def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    def work() -> str:
        file = PidFile(str(tmp_path / "run.pid"))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        with pytest.raises(StartError) as caught:
            file.write()
        return str(caught.value)

    assert in_child(work) == f"cannot write pid file: {tmp_path}/run.pid: File too large"


@pytest.mark.parametrize("name", ["nowhere/run.pid", "link"])
def test_a_place_that_cannot_be_is_one_line(tmp_path: Path, name: str) -> None:
    (tmp_path / "link").symlink_to("elsewhere")
    with pytest.raises(StartError, match=r"^cannot write pid file: "):
        PidFile(str(tmp_path / name))


def test_a_successor_has_it_and_lets_nobody_else_have_it(tmp_path: Path) -> None:
    path = tmp_path / "run.pid"
    first = PidFile(str(path))
    first.write()
    successor = PidFile(str(path), first.descriptors())
    assert path.read_text() == f"{os.getpid()}\n"
    with pytest.raises(StartError, match="is held by"):
        PidFile(str(path))
    successor.remove()
    assert not path.exists()
