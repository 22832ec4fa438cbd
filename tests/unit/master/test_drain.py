"""How a master ends: asked, told to abort, killed; the clock is a number."""

from __future__ import annotations

import signal

from scpd.master.drain import Drain

# What a worker has between SIGTERM and SIGKILL.
LONGEST_FAREWELL = 3.0


def test_within_the_grace_period_nobody_is_disturbed() -> None:
    drain = Drain(100.0, 30.0)

    assert drain.next_deadline() == 130.0
    assert drain.due(100.0) is None
    assert drain.due(129.9) is None


def test_after_the_grace_period_workers_abort_and_are_killed_a_moment_later() -> None:
    drain = Drain(100.0, 30.0)

    assert drain.due(130.0) == signal.SIGTERM
    assert drain.next_deadline() == 130.0 + LONGEST_FAREWELL
    assert drain.due(130.0) is None
    assert drain.due(132.9) is None
    assert drain.due(133.0) == signal.SIGKILL


def test_after_the_kill_there_is_nothing_but_waiting() -> None:
    drain = Drain(100.0, 0.0)
    assert [drain.due(100.0), drain.due(103.0)] == [signal.SIGTERM, signal.SIGKILL]

    drain.hurry(104.0)

    assert drain.next_deadline() is None
    assert drain.due(1e9) is None


def test_a_second_request_ends_the_grace_period() -> None:
    drain = Drain(100.0, 30.0)

    drain.hurry(105.0)

    assert drain.next_deadline() == 105.0
    assert drain.due(105.0) == signal.SIGTERM
    assert drain.due(107.9) is None


def test_a_third_request_kills_at_once() -> None:
    drain = Drain(100.0, 30.0)
    drain.hurry(105.0)
    assert drain.due(105.0) == signal.SIGTERM

    drain.hurry(106.0)

    assert drain.due(106.0) == signal.SIGKILL


def test_without_a_grace_period_workers_abort_at_once() -> None:
    assert Drain(100.0, 0.0).due(100.0) == signal.SIGTERM


def test_a_master_that_slept_over_both_steps_still_takes_them_one_by_one() -> None:
    drain = Drain(100.0, 30.0)

    assert drain.due(1000.0) == signal.SIGTERM
    assert drain.due(1000.0) is None
    assert drain.due(1003.0) == signal.SIGKILL


def test_a_farewell_to_the_peer_fits_into_what_a_worker_has() -> None:
    from scpd.ul.connection import LINGER_SECONDS

    assert LINGER_SECONDS < LONGEST_FAREWELL


def test_one_without_a_grace_period_waits_for_ever_until_it_is_limited() -> None:
    drain = Drain(100.0, None)
    assert not drain.is_limited
    drain.hurry(1000.0)
    assert (drain.next_deadline(), drain.due(1e9)) == (None, None)

    drain.limit(2000.0, 30.0)

    assert drain.is_limited
    assert drain.next_deadline() == 2030.0
    assert [drain.due(2030.0), drain.due(2033.0)] == [signal.SIGTERM, signal.SIGKILL]
