"""Counting connections by host."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from scpd.master.quota import Quota


def test_a_host_has_as_many_as_it_may_and_no_more() -> None:
    quota = Quota(2)
    assert [quota.take("192.0.2.1") for _ in range(4)] == [True, True, False, False]
    assert quota.count("192.0.2.1") == 2


def test_hosts_do_not_count_for_each_other() -> None:
    quota = Quota(1)
    assert quota.take("192.0.2.1")
    assert quota.take("2001:db8::1")
    assert not quota.take("192.0.2.1")
    assert quota.count("192.0.2.2") == 0


def test_what_is_given_back_may_be_taken_again() -> None:
    quota = Quota(1)
    assert quota.take("192.0.2.1")
    quota.give_back("192.0.2.1")
    assert quota.count("192.0.2.1") == 0
    assert quota.take("192.0.2.1")


def test_a_refusal_is_nothing_to_give_back() -> None:
    quota = Quota(1)
    quota.take("192.0.2.1")
    quota.take("192.0.2.1")
    quota.give_back("192.0.2.1")
    assert quota.count("192.0.2.1") == 0


def test_a_host_without_connections_takes_no_room() -> None:
    quota = Quota(3)
    for number in range(1000):
        quota.take(f"host {number}")
        quota.give_back(f"host {number}")
    assert quota._counts == {}


@given(st.integers(1, 4), st.lists(st.tuples(st.sampled_from("abc"), st.booleans())))
def test_any_coming_and_going_is_counted_as_a_multiset_counts_it(
    most: int, steps: list[tuple[str, bool]]
) -> None:
    quota, here = Quota(most), Counter[str]()
    for host, comes in steps:
        if comes:
            assert quota.take(host) is (here[host] < most)
            here[host] = min(here[host] + 1, most)
        elif here[host]:
            quota.give_back(host)
            here[host] -= 1
        assert quota.count(host) == here[host]


def test_who_is_here_already_is_counted_beyond_the_limit() -> None:
    quota = Quota(1)
    for _ in range(3):
        quota.add("192.0.2.1")
    assert quota.count("192.0.2.1") == 3
    for left in (2, 1):
        quota.give_back("192.0.2.1")
        assert quota.count("192.0.2.1") == left
        assert not quota.take("192.0.2.1")
    quota.give_back("192.0.2.1")
    assert quota.take("192.0.2.1")
