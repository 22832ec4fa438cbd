"""The same complaint about the same source is made once a minute, whoever makes it."""

from __future__ import annotations

import fcntl
import os
import signal
from typing import TYPE_CHECKING

import pytest

from scpd.log.complaints import Complaints, and_more
from tests.harness.forked import exit_code, forked, in_child

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW = 5000.0


@pytest.fixture
def complaints() -> Iterator[Complaints]:
    made = Complaints()
    yield made
    for descriptor in made.descriptors():
        os.close(descriptor)


def test_a_complaint_is_made_once_a_minute_and_counted(complaints: Complaints) -> None:
    moments = (0, 1, 59.9, 60, 61, 119, 121, 500)
    assert [complaints.admit("noise", "192.0.2.1", NOW + moment) for moment in moments] == [
        0,
        None,
        None,
        2,
        None,
        None,
        2,
        0,
    ]


def test_another_kind_or_source_is_another_complaint(complaints: Complaints) -> None:
    assert [
        complaints.admit(*what, NOW) for what in (("a", "b"), ("ab", ""), ("", "ab"), ("b", "a"), ("a", "c"))
    ] == [0] * 5


def test_a_source_that_varies_its_complaint_has_sixteen_lines_of_a_kind(complaints: Complaints) -> None:
    made = [
        complaints.admit(f"Association Rejected: title {number} not recognized", "192.0.2.1", NOW)
        for number in range(1000)
    ]
    assert len([each for each in made if each is not None]) == 16
    assert complaints.admit("Store SCP Failed: title 1 not recognized", "192.0.2.1", NOW) == 0
    assert complaints.admit("Association Rejected: title 1 not recognized", "192.0.2.2", NOW) == 0


def test_text_that_is_no_utf_8_is_counted_too(complaints: Complaints) -> None:
    assert [complaints.admit("a: \udcff", "b", NOW) for _ in range(2)] == [0, None]


def test_processes_count_together(complaints: Complaints) -> None:
    gate, opener = os.pipe()

    def life() -> int:
        os.read(gate, 1)
        return sum(complaints.admit("noise", str(number % 10), NOW) is not None for number in range(500))

    pids = [forked(life) for _ in range(4)]
    os.write(opener, b"x" * 4)
    admitted = sum(exit_code(pid) for pid in pids)
    os.close(gate)
    os.close(opener)

    assert admitted == 10
    assert [complaints.admit("noise", str(number), NOW + 60) for number in range(10)] == [199] * 10


def test_more_sources_than_there_is_memory_for_push_out_the_oldest(complaints: Complaints) -> None:
    assert {complaints.admit("noise", str(number), NOW + number / 1000) for number in range(20000)} == {0}
    recent = [complaints.admit("noise", str(number), NOW + 21) for number in range(19900, 20000)]
    assert recent.count(None) > 80


def test_a_process_killed_within_leaves_no_lock_and_a_stopped_one_holds_up_nobody(
    complaints: Complaints,
) -> None:
    (memory,) = complaints.descriptors()
    told, tell = os.pipe()

    def life() -> int:
        fcntl.lockf(memory, fcntl.LOCK_EX)
        os.write(tell, b"x")
        signal.pause()
        return 0

    pid = forked(life)
    os.read(told, 1)
    assert [complaints.admit("noise", "a", NOW) for _ in range(2)] == [0, 0]
    os.kill(pid, signal.SIGKILL)
    exit_code(pid)
    assert [complaints.admit("noise", "a", NOW) for _ in range(2)] == [0, None]
    os.close(told)
    os.close(tell)


def test_without_memory_every_complaint_is_made_and_no_other_file_is_touched(
    complaints: Complaints, tmp_path: object
) -> None:
    (memory,) = complaints.descriptors()

    def life() -> list[object]:
        os.close(memory)
        found: list[object] = [complaints.admit("noise", "a", NOW) for _ in range(2)]
        other = os.memfd_create("other")
        os.dup2(other, memory)
        os.ftruncate(other, 1 << 16)
        found += [complaints.admit("noise", "a", NOW) for _ in range(2)]
        return [*found, os.pread(other, 1 << 16, 0).count(0) == 1 << 16]

    assert in_child(life) == [0, 0, 0, 0, True]


def test_the_count_is_told() -> None:
    assert and_more(0) == ""
    assert and_more(3) == " (3 more like it in the last minute)"
