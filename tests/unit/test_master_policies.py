"""From command line to what the master's rooms are told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from scpd import master_policies, policies
from scpd.cli.parser import parse
from scpd.cli.settings import Settings
from scpd.log.association import Association
from scpd.log.complaints import Complaints
from scpd.log.setup import Logging

if TYPE_CHECKING:
    from pathlib import Path

    from scpd.master.roles import Roles


class Titles:
    def __init__(self) -> None:
        self.shown: list[str] = []

    def show(self, text: str) -> None:
        self.shown.append(text)


def settings(*words: str) -> Settings:
    outcome = parse("scpd", [*words, "11112"])
    assert isinstance(outcome, Settings)
    return outcome


def roles_of(given: Settings, titles: Titles) -> Roles:
    logs = Logging(Association(), Complaints(), [])
    policy = policies.worker_policy(given, None, None, None)
    return master_policies.roles(given, policy, titles, logs)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("words", "workers"),
    [("", 1), ("--single-process", 1), ("--fork", None), ("--fork --max-associations 7", 7)],
)
def test_one_worker_at_a_time_unless_told_to_fork(words: str, workers: int | None) -> None:
    limits = master_policies.limits(settings(*words.split(), "-ta", "9", "--grace", "11"))

    assert (limits.workers, limits.acse_timeout, limits.grace) == (workers, 9, 11)


@pytest.mark.parametrize(("words", "per_host"), [("", None), ("--max-associations-per-host 7", 7)])
def test_nobody_is_refused_for_the_number_of_his_connections_unless_it_is_limited(
    tmp_path: Path, words: str, per_host: int | None
) -> None:
    given = settings(*words.split(), "-od", str(tmp_path))
    roles = roles_of(given, Titles())

    assert master_policies.limits(given).per_host == per_host
    assert (roles.refuse is None) is (per_host is None)


def test_the_sweeper_sweeps_the_output_directory(tmp_path: Path) -> None:
    (tmp_path / ".scpd" / "tmp").mkdir(parents=True)
    (tmp_path / ".scpd" / "tmp" / "1.2.3").touch()
    titles = Titles()
    roles = roles_of(settings("-od", str(tmp_path)), titles)

    assert roles.sweep() == 0
    assert titles.shown == ["sweeper"]
    assert [path.name for path in (tmp_path / ".scpd" / "tmp").iterdir()] == ["lock"]


class Renewed:
    """Something that the master does anew."""

    def __init__(self) -> None:
        self.times = 0

    def refresh(self) -> None:
        self.times += 1


@pytest.mark.parametrize("names", [(), ("gate",), ("tls",), ("gate", "tls")])
def test_the_master_does_anew_what_there_is(names: tuple[str, ...]) -> None:
    policy = policies.worker_policy(settings(), None, None, None)
    parts = {name: Renewed() for name in names}
    for name, part in parts.items():
        setattr(policy, name, part)
    refresh = master_policies._refresh(policy)
    assert (refresh is None) is (not names)
    if refresh is not None:
        refresh()
    assert [part.times for part in parts.values()] == [1] * len(names)
