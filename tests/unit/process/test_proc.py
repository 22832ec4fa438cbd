"""Processes are told apart by what proc(5) shows, whatever they call themselves."""

from __future__ import annotations

import os
import select
import signal
import subprocess

import pytest

from scpd.process import proc
from tests.harness.forked import ended, exit_code, forked
from tests.harness.waiting import wait_until


def test_a_process_has_a_start_a_group_and_a_session() -> None:
    me = proc.look_up(os.getpid())
    assert me is not None
    assert (me.group, me.session) == (os.getpgrp(), os.getsid(0))
    assert me.start_time > 0
    assert proc.lives(os.getpid(), me.start_time)
    assert not proc.lives(os.getpid(), me.start_time + 1)


def test_a_name_with_parentheses_and_fields_does_not_mislead() -> None:
    def life() -> int:
        with open("/proc/self/comm", "w", encoding="ascii") as file:
            file.write(") Z 1 1 (1")
        found = proc.look_up(os.getpid())
        return 40 + (found is not None and found.group == os.getpgrp())

    assert exit_code(forked(life)) == 41


def test_one_that_has_ended_is_gone_even_before_its_parent_asks() -> None:
    pid = ended(lambda: 0)
    assert proc.look_up(pid) is None
    dead = proc.look_up(pid, even_dead=True)
    assert dead is not None
    assert not proc.lives(pid, dead.start_time)
    exit_code(pid)
    assert proc.look_up(pid, even_dead=True) is None


@pytest.mark.parametrize(
    ("name", "value", "is_there"),
    [
        ("JOB", "a b", True),
        ("JOB", "a", False),
        ("JOB", "", False),
        ("B", "x", False),
        ("OTHER", "JOB=x", True),
        ("JOB", "x", False),
        ("MISSING", "1", False),
    ],
)
def test_a_variable_is_there_as_a_whole_or_not(name: str, value: str, is_there: bool) -> None:
    process = subprocess.Popen(["sleep", "60"], env={"JOB": "a b", "OTHER": "JOB=x", "BIG": "x" * 100_000})
    try:
        wait_until(lambda: proc.has_in_environment(process.pid, "JOB", "a b"))
        assert proc.has_in_environment(process.pid, name, value) == is_there
    finally:
        process.kill()
        process.wait()
    assert not proc.has_in_environment(process.pid, name, value)


def test_a_boot_has_an_id() -> None:
    assert len(proc.boot_id()) == 36
    assert proc.boot_id() == proc.boot_id()


def test_a_watch_tells_of_the_end() -> None:
    process = subprocess.Popen(["sleep", "60"])
    watch = proc.open_watch(process.pid)
    poll = select.poll()
    poll.register(watch, select.POLLIN)
    assert poll.poll(0) == []
    process.send_signal(signal.SIGKILL)
    assert poll.poll(10_000)
    process.wait()
    os.close(watch)
    assert proc.open_watch(process.pid) == -1
