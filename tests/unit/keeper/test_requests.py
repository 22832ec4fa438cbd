"""What an administrator asks of the keeper, and what a forger may ask."""

from __future__ import annotations

import os
from time import monotonic
from typing import TYPE_CHECKING

import pytest

from scpd.keeper.requests import ask
from scpd.lockdir import records
from scpd.lockdir.layout import LockDirectory
from scpd.study.rules import Rules
from tests.harness.keeping import Site
from tests.harness.lockdirs import put_what_is_no_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from scpd.keeper.keeper import Keeper


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path, Rules(timeout=None, renames=True, runs=True), on_reception=True)
    yield made
    made.close()


@pytest.fixture
def keeper(site: Site) -> Iterator[Keeper]:
    made = site.keeper(monotonic())
    yield made
    made.close()


@pytest.fixture
def lockdir(site: Site) -> Iterator[LockDirectory]:
    made = LockDirectory(str(site.lock_directory))
    yield made
    made.close()


def listing(site: Site, part: str) -> list[str]:
    return sorted(os.listdir(site.lock_directory / part))


def turns(keeper: Keeper) -> None:
    for _ in range(4):
        keeper.turn(monotonic())


@pytest.mark.parametrize("by", ["uid", "generation"])
def test_a_study_is_completed_when_asked_for_though_somebody_holds_it(
    site: Site, keeper: Keeper, lockdir: LockDirectory, by: str
) -> None:
    worker = site.worker("ONE")
    worker.begin("1.1", "1")
    worker.finish()
    turns(keeper)
    (study,) = keeper._studies
    ask(lockdir, "complete", getattr(study, by))
    turns(keeper)
    assert os.listdir(site.output / "study_1.1") == ["CT000001"]
    assert not listing(site, "requests")
    worker.release()


def test_a_study_that_somebody_is_busy_with_is_completed_by_the_next_keeper_too(
    site: Site, lockdir: LockDirectory
) -> None:
    worker = site.worker("ONE")
    worker.begin("1.1", "1")
    worker.finish()
    worker.begin("1.1", "2")
    first = site.keeper(monotonic())
    ask(lockdir, "complete", "1.1")
    turns(first)
    assert len(listing(site, "requests")) == 1
    first.close()
    second = site.keeper(monotonic())
    turns(second)
    assert len(listing(site, "requests")) == 1
    worker.finish()
    turns(second)
    assert sorted(os.listdir(site.output / "study_1.1")) == ["CT000001", "CT000002"]
    assert not listing(site, "requests")
    second.close()
    worker.release()


def test_an_object_of_the_next_generation_is_not_what_was_asked_for(
    site: Site, keeper: Keeper, lockdir: LockDirectory
) -> None:
    worker = site.worker("ONE")
    worker.begin("1.1", "1")
    worker.finish()
    ask(lockdir, "complete", "1.1")
    turns(keeper)
    worker.begin("1.1", "2")
    worker.finish()
    turns(keeper)
    assert sorted(os.listdir(site.output / "study_1.1")) == ["CT.2", "CT000001"]
    worker.release()


def test_without_a_keeper_the_next_one_does_it(site: Site, lockdir: LockDirectory) -> None:
    worker = site.worker("ONE")
    worker.begin("1.1", "1")
    worker.finish()
    assert not ask(lockdir, "complete", "1.1")
    keeper = site.keeper(monotonic())
    turns(keeper)
    assert os.listdir(site.output / "study_1.1") == ["CT000001"]
    keeper.close()
    worker.release()


@pytest.mark.parametrize("verb", ["complete", "retry", "drop"])
@pytest.mark.parametrize("subject", ["1.9", "../../victim", "a\0b", "", "x" * 1000, "/etc/passwd", "\ud800"])
def test_what_is_not_there_is_said_and_no_file_is_touched(
    site: Site,
    keeper: Keeper,
    lockdir: LockDirectory,
    verb: str,
    subject: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (site.output / "victim").write_bytes(records.encode(("job", "x")))
    ask(lockdir, verb, subject)
    turns(keeper)
    assert any(message.startswith(f"cannot {verb}") for message in caplog.messages)
    assert (site.output / "victim").exists()
    assert not listing(site, "requests")
    assert not listing(site, "strange")
    assert not site.commands.started


@pytest.mark.parametrize("kind", ["garbage", "empty", "unknown", "three fields", "directory", "fifo", "link"])
def test_what_is_no_request_is_set_aside(site: Site, keeper: Keeper, kind: str) -> None:
    path = site.lock_directory / "requests/odd"
    if not put_what_is_no_file(path, kind):
        contents = {
            "unknown": records.encode(("run", "rm")),
            "three fields": records.encode(("drop", "a", "b")),
            "empty": b"",
        }
        path.write_bytes(contents.get(kind, b"\xff\n"))
    turns(keeper)
    assert not listing(site, "requests")
    assert len(listing(site, "strange")) == 1


def test_a_request_that_is_being_written_is_left_alone(site: Site, keeper: Keeper) -> None:
    (site.lock_directory / "requests/.r.1").write_bytes(b"comp")
    turns(keeper)
    assert listing(site, "requests") == [".r.1"]


def test_what_cannot_be_moved_is_said_once(
    site: Site, keeper: Keeper, caplog: pytest.LogCaptureFixture
) -> None:
    (site.lock_directory / "requests/odd").write_bytes(b"x")
    turns_in_vain = site.lock_directory / "strange"
    turns_in_vain.rmdir()
    turns_in_vain.touch()
    turns(keeper)
    turns(keeper)
    assert sum("and stays" in message for message in caplog.messages) <= 1
