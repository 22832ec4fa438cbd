"""Work without a keeper is told after a minute, once; with a keeper, or without work, nothing is said."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from scpd.keeper.election import Election
from scpd.keeper.vacancy import Vacancy
from scpd.lockdir import layout
from scpd.lockdir.layout import LockDirectory

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def lockdir(tmp_path: Path) -> Iterator[LockDirectory]:
    layout.make(str(tmp_path / "lock"))
    made = LockDirectory(str(tmp_path / "lock"))
    yield made
    made.close()


@pytest.fixture
def vacancy(tmp_path: Path, lockdir: LockDirectory) -> Vacancy:
    return Vacancy(str(tmp_path / "lock"))


@pytest.mark.parametrize(
    "work", ["open/1.2", "sealed/1.2.0123456789abcdef", "journals/1-a", "journals/dead/1-a"]
)
def test_work_that_nobody_does_for_a_minute_is_told_once(
    vacancy: Vacancy, tmp_path: Path, work: str, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "lock" / work).touch()
    for now in (0.0, 30.0, 59.0):
        vacancy.look(now)
    assert caplog.messages == []
    for now in (60.0, 120.0, 1000.0):
        vacancy.look(now)
    assert caplog.messages == [
        f"studies or commands wait in {tmp_path}/lock, and for 60 s nobody has been its keeper"
    ]


def test_without_work_nobody_is_missed(
    vacancy: Vacancy, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("journals/.unready", "open/.prepared", "sealed/.removed", "keepers/1-a"):
        (tmp_path / "lock" / name).touch()
    for now in (0.0, 100.0, 200.0):
        vacancy.look(now)
    assert caplog.messages == []


def test_a_keeper_ends_the_vacancy_and_the_next_one_is_told_again(
    vacancy: Vacancy, lockdir: LockDirectory, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "lock/open/1.2").touch()
    keeper = Election(lockdir)
    assert keeper.is_won()
    for now in (0.0, 100.0):
        vacancy.look(now)
    keeper.resign()
    for now in (200.0, 250.0):
        vacancy.look(now)
    assert caplog.messages == []
    vacancy.look(260.0)
    assert keeper.is_won()
    vacancy.look(300.0)
    keeper.resign()
    for now in (400.0, 500.0):
        vacancy.look(now)
    assert len(caplog.messages) == 2


def test_a_lock_directory_that_cannot_be_read_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    Vacancy(str(tmp_path / "none")).look(0.0)
    assert caplog.messages == [f"cannot look for the keeper of {tmp_path}/none: No such file or directory"]
