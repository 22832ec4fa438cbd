"""What a process asks of the kernel about itself, as /proc and its children show it."""

from __future__ import annotations

import os
import signal

from scpd.process import prctl
from tests.harness.forked import exit_code, forked, in_child
from tests.harness.processes import wait_for_orphans


def status() -> dict[str, str]:
    with open("/proc/self/status", encoding="ascii") as file:
        return {name: value.strip() for name, _, value in (line.partition(":") for line in file)}


def test_no_new_privileges_are_to_be_had() -> None:
    def work() -> list[str]:
        before = status()["NoNewPrivs"]
        prctl.forbid_new_privileges()
        return [before, status()["NoNewPrivs"]]

    assert in_child(work)[-1] == "1"


def test_memory_is_nobodys_but_roots() -> None:
    def work() -> list[int]:
        if os.geteuid() == 0:
            os.setresuid(40000, 40000, 40000)
        prctl.forbid_dumps()
        # Such a file belongs to the user of the process, unless the kernel keeps its memory from him.
        return [os.stat("/proc/self/mem").st_uid, os.geteuid()]

    owner, user = in_child(work)
    assert owner == 0 != user


def test_a_child_learns_of_the_end_of_its_parent() -> None:
    reader, writer = os.pipe()

    def parent() -> int:
        ready, told = os.pipe()

        def child() -> int:
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
            prctl.signal_at_death_of_parent(signal.SIGUSR2)
            os.write(told, b".")
            os.write(writer, bytes([signal.sigwait([signal.SIGUSR2])]))
            return 0

        forked(child)
        os.read(ready, 1)
        return 0

    assert exit_code(forked(parent)) == 0
    os.close(writer)
    assert os.read(reader, 1) == bytes([signal.SIGUSR2])
    assert os.read(reader, 1) == b""
    os.close(reader)
    wait_for_orphans()
