"""What a keeper does in which order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from scpd.study.record import WAITS_FOR_COMMANDS, WAITS_FOR_RENAMING
from scpd.study.rules import Rules
from tests.harness.keeping import Site

if TYPE_CHECKING:
    from pathlib import Path


def a_site(tmp_path: Path, *, any_peer: bool) -> Site:
    rules = Rules(timeout=None, any_peer=any_peer, renames=True, runs=True)
    return Site(tmp_path, rules, on_reception=True)


def commands(site: Site) -> list[str]:
    """Give the commands started since the last look."""
    found = [command.replace(f"{site.output}/study_", "") for _, command, _ in site.commands.started]
    site.commands.started.clear()
    return found


@pytest.mark.parametrize("other", ["SAME", "OTHER"])
def test_who_waits_for_commands_sees_his_object_s_before_the_study_ends_that_it_ended(
    tmp_path: Path, other: str
) -> None:
    site = a_site(tmp_path, any_peer=True)
    keeper = site.keeper(0)
    first = site.worker("SAME", WAITS_FOR_COMMANDS)
    first.begin("1", "a")
    first.finish()
    keeper.turn(1)
    keeper.turn(2)
    assert commands(site) == ["xcr 1/CT.a"]
    if other == "OTHER":
        first.release()
    second = first if other == "SAME" else site.worker(other, WAITS_FOR_COMMANDS)
    second.begin("2", "b")
    second.finish()

    keeper.turn(3)
    assert commands(site) == ["xcr 2/CT.b"]
    assert (site.output / "study_1" / "CT.a").exists()
    keeper.turn(4)
    assert commands(site) == ["xcs 1"]
    assert (site.output / "study_1" / "CT000001").exists()
    second.release()
    keeper.close()


def test_who_does_not_wait_holds_up_no_study(tmp_path: Path) -> None:
    site = a_site(tmp_path, any_peer=True)
    keeper = site.keeper(0)
    worker = site.worker("SAME", WAITS_FOR_RENAMING)
    worker.begin("1", "a")
    worker.finish()
    keeper.turn(1)
    keeper.turn(2)
    assert commands(site) == ["xcr 1/CT.a"]
    worker.begin("2", "b")
    worker.finish()

    keeper.turn(3)
    assert commands(site) == ["xcr 2/CT.b", "xcs 1"]
    assert (site.output / "study_1" / "CT000001").exists()
    worker.release()
    keeper.close()


def test_another_senders_object_holds_up_no_study_where_it_does_not_end_it(tmp_path: Path) -> None:
    site = a_site(tmp_path, any_peer=False)
    keeper = site.keeper(0)
    worker, other = site.worker("ONE", WAITS_FOR_COMMANDS), site.worker("OTHER", WAITS_FOR_COMMANDS)
    worker.begin("1", "a")
    worker.finish()
    keeper.turn(1)
    keeper.turn(2)
    worker.begin("2", "b")
    worker.finish()
    keeper.turn(3)  # its command runs, the first study waits for it
    assert commands(site) == ["xcr 1/CT.a", "xcr 2/CT.b"]
    other.begin("3", "c")
    other.finish()

    keeper.turn(4)
    assert commands(site) == ["xcr 3/CT.c", "xcs 1"]
    worker.release()
    other.release()
    keeper.close()
