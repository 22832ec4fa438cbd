"""How long a turn of the processor is: what sched_getattr(2) says of it."""

from __future__ import annotations

import os

import pytest

from scpd.process import slices
from tests.harness.forked import in_child
from tests.harness.turns import attributes, lack


@pytest.fixture(autouse=True)
def _kernel_has_them() -> None:
    if reason := lack():
        pytest.skip(reason)


@pytest.mark.parametrize("turn", [slices.PROMPT, slices.PATIENT])
@pytest.mark.parametrize("nice", [0, 7, 19])
@pytest.mark.parametrize("policy", [os.SCHED_OTHER, os.SCHED_BATCH])
def test_a_turn_is_that_long_and_all_else_stays(turn: int, nice: int, policy: int) -> None:
    def life() -> list[int]:
        os.sched_setscheduler(0, policy, os.sched_param(0))
        os.setpriority(os.PRIO_PROCESS, 0, nice)
        slices.take(slices.PATIENT)
        slices.take(turn)
        return list(attributes())

    assert in_child(life) == [policy, nice, turn]


def test_a_child_has_the_usual_one() -> None:
    def life() -> list[int]:
        usual = attributes()[2]
        slices.take(slices.PROMPT)
        return [usual, in_child(lambda: attributes()[2])]

    usual, childs = in_child(life)
    assert usual == childs
    assert slices.PROMPT < usual < slices.PATIENT


@pytest.mark.skipif(os.getuid() != 0, reason="only root may have it")
def test_who_has_a_nice_value_below_0_is_left_alone_and_its_children_keep_it() -> None:
    def life() -> list[int]:
        os.setpriority(os.PRIO_PROCESS, 0, -5)
        before = attributes()
        slices.take(slices.PROMPT)
        return [before == attributes(), *in_child(lambda: list(attributes()))[:2]]

    assert in_child(life) == [True, os.SCHED_OTHER, -5]


@pytest.mark.skipif(os.getuid() != 0, reason="only root may have it")
def test_who_has_a_real_time_policy_keeps_it_and_so_do_its_children() -> None:
    def life() -> list[int]:
        try:
            os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
        except OSError:
            return [os.SCHED_RR, os.SCHED_RR]  # the machine allows none
        slices.take(slices.PROMPT)
        return [os.sched_getscheduler(0), in_child(lambda: os.sched_getscheduler(0))]

    assert in_child(life) == [os.SCHED_RR, os.SCHED_RR]


@pytest.mark.parametrize("number", [None, 1 << 20])
def test_where_there_is_no_such_call_nothing_happens(
    monkeypatch: pytest.MonkeyPatch, number: int | None
) -> None:
    before = attributes()
    monkeypatch.setattr(slices, "_NUMBER", number)
    slices.take(slices.PROMPT)
    monkeypatch.undo()
    assert attributes() == before


def test_where_even_the_nice_value_is_a_secret_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    def getpriority(*_: int) -> int:
        raise PermissionError

    before = attributes()
    monkeypatch.setattr(os, "getpriority", getpriority)
    slices.take(slices.PROMPT)
    assert attributes() == before
