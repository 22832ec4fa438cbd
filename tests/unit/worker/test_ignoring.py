"""Objects of which nothing is kept, and the line that each of them leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from scpd.dimse import messages
from scpd.errors import Gone, Refused
from scpd.lockdir import layout, records
from scpd.study.record import ObjectRecord
from scpd.study.tracker import TrackerPolicy
from scpd.ul.negotiation import Context
from scpd.worker.filing import FilingPolicy
from scpd.worker.ignoring import IgnoredObjects
from scpd.worker.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CT, LITTLE = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2.1"


class Titles:
    def show(self, text: str) -> None:
        pass


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    path = tmp_path / "lock"
    layout.make(str(path))
    return path


@pytest.fixture
def ignored(lock: Path) -> Iterator[IgnoredObjects]:
    tracker = TrackerPolicy(
        lock_directory=str(lock), rules="", renames=False, hook="xcr", waits="", boot="boot", fsync=False
    )
    policy = FilingPolicy(None, tracker, "")
    ignored = IgnoredObjects(policy.begin("CALLING", "CALLED", "127.0.0.1", "localhost"))
    yield ignored
    ignored.close()


def send(ignored: IgnoredObjects, instance: str, data: Iterator[object]) -> None:
    request = messages.Request(messages.C_STORE_RQ, 1, has_data_set=True)
    request.affected_sop_class_uid, request.affected_sop_instance_uid = CT, instance
    ignored.store(request, Context(1, CT, LITTLE), data, Progress(Titles(), "peer"))  # type: ignore[arg-type]


def portions(*sizes: int) -> Iterator[object]:
    for number, size in enumerate(sizes, 1):
        yield [memoryview(bytes(size))], 1, number == len(sizes)


def lines(lock: Path) -> list[list[str]]:
    found = []
    for path in (lock / "journals").iterdir():
        if path.is_file():
            found += records.decode_all(path.read_bytes().splitlines())[1:]
    return found


def test_each_one_is_recorded_without_a_name(lock: Path, ignored: IgnoredObjects) -> None:
    send(ignored, "1.2.3", portions(10, 20, 30))
    send(ignored, "1.2.4", portions(5))

    recorded = [ObjectRecord.decode(line) for line in lines(lock) if line[0] == "object"]
    assert [
        (line.sop_instance_uid, line.size, line.name, line.directory, line.inode, line.hook)
        for line in recorded
        if line is not None
    ] == [("1.2.3", 60, "", "", 0, "xcr"), ("1.2.4", 5, "", "", 0, "xcr")]
    notes = [line for line in lines(lock) if line[0] != "object"]
    assert notes == [["stored", "1", "", "0"], ["stored", "2", "", "0"]]


def test_what_breaks_off_is_not_recorded(lock: Path, ignored: IgnoredObjects) -> None:
    def broken_off() -> Iterator[object]:
        yield from portions(10)
        raise Gone("gone")

    with pytest.raises(Gone):
        send(ignored, "1.2.3", broken_off())
    assert lines(lock) == []


def test_an_object_whose_command_cannot_be_recorded_is_refused(lock: Path, ignored: IgnoredObjects) -> None:
    lock.rename(lock.with_name("elsewhere"))
    with pytest.raises(Refused) as caught:
        send(ignored, "1.2.3", portions(10))
    assert caught.value.status == 0xA700
