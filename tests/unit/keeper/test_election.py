"""Who is the keeper."""

from __future__ import annotations

import os
import resource
import signal
from typing import TYPE_CHECKING

from scpd.keeper.election import Election
from tests.harness.lockdirs import keeper_pid

if TYPE_CHECKING:
    from pathlib import Path

    from scpd.lockdir.layout import LockDirectory


def test_one_is_the_keeper_until_it_resigns(lockdir: LockDirectory) -> None:
    one, two = Election(lockdir), Election(lockdir)
    assert keeper_pid(lockdir) is None
    assert one.is_won()
    assert not two.is_won()
    assert one.is_won()
    assert keeper_pid(lockdir) == os.getpid()
    one.resign()
    assert keeper_pid(lockdir) is None
    assert two.is_won()
    two.resign()


def test_a_lock_file_that_was_replaced_is_a_lost_election(lockdir: LockDirectory, output: Path) -> None:
    one, two = Election(lockdir), Election(lockdir)
    assert one.is_won()
    (output / ".scpd/keeper").unlink()
    assert not one.is_won()
    assert two.is_won()
    assert not one.is_won()
    for election in (one, two):
        election.resign()


def test_who_tries_in_vain_holds_nothing(lockdir: LockDirectory) -> None:
    one, two = Election(lockdir), Election(lockdir)
    assert one.is_won()
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        assert not two.is_won()
    assert len(os.listdir("/proc/self/fd")) == before
    one.resign()


def test_a_full_disk_prevents_no_election(lockdir: LockDirectory) -> None:
    one = Election(lockdir)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        assert one.is_won()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    assert keeper_pid(lockdir) is None  # nobody knows it
    one.resign()
