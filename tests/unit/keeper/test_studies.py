"""Open studies and their endings: what is sealed when, and what forgers and faults do not achieve."""

from __future__ import annotations

import errno
import os
import shutil
from time import monotonic
from typing import TYPE_CHECKING

import pytest

from scpd.keeper.studies import LOOK_SECONDS
from scpd.lockdir import records
from scpd.lockdir.layout import LockDirectory
from scpd.process.locks import share
from scpd.study import record
from scpd.study.rules import Rules
from scpd.study.states import About, open_study
from tests.harness.journals import OTHER_BOOT, JournalFile, an_object
from tests.harness.keeping import Site, crash_at

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from scpd.keeper.keeper import Keeper
    from scpd.study.states import OpenStudy

TIMEOUT = 100.0
GENERATION = "0123456789abcdef"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path, Rules(timeout=TIMEOUT, renames=True, runs=True))
    yield made
    made.close()


@pytest.fixture
def now() -> float:
    return monotonic()


@pytest.fixture
def keeper(site: Site, now: float) -> Iterator[Keeper]:
    made = site.keeper(now)
    yield made
    made.close()


def store(site: Site, study: str, *instances: str) -> None:
    worker = site.worker("ONE")
    for instance in instances:
        worker.begin(study, instance)
        worker.finish()
    worker.release()


def listing(site: Site, part: str) -> list[str]:
    return sorted(os.listdir(site.lock_directory / part))


def study_files(site: Site, study: str = "1.1") -> list[str]:
    return sorted(os.listdir(site.output / f"study_{study}"))


def turns(keeper: Keeper, now: float, count: int = 4) -> None:
    for number in range(count):
        keeper.turn(now + number / 100)


def jobs(site: Site) -> list[str]:
    return [job.rpartition(".")[2] for job, _, _ in site.commands.started]


def is_clean(site: Site) -> bool:
    return not any(listing(site, part) for part in ("open", "sealed", "journals/dead", "replies", "strange"))


def test_a_study_is_completed_when_its_time_is_over_and_not_before(
    site: Site, keeper: Keeper, now: float
) -> None:
    store(site, "1.1", "1", "2")
    turns(keeper, now)
    turns(keeper, now + TIMEOUT - 1)
    assert study_files(site) == ["CT.1", "CT.2"]
    assert str(keeper) == "1 open study, 0 commands"
    turns(keeper, now + TIMEOUT + 1)
    assert study_files(site) == ["CT000001", "CT000002"]
    assert jobs(site) == ["xcs"]
    assert is_clean(site)
    assert str(keeper) == "0 open studies, 0 commands"


def test_a_study_to_which_no_object_came_is_nothing_once_nobody_is_at_it(
    site: Site, keeper: Keeper, now: float
) -> None:
    worker = site.worker("ONE")
    worker.begin("1.1", "1")
    turns(keeper, now)
    assert listing(site, "open") == ["1.1"]
    worker.refuse()
    turns(keeper, now + 10)
    assert not listing(site, "open")
    assert not listing(site, "sealed")
    worker.begin("1.1", "1")
    worker.finish()
    worker.release()
    turns(keeper, now + 200)
    turns(keeper, now + 400)
    assert study_files(site) == ["CT000001"]
    assert is_clean(site)


def test_nothing_is_sealed_while_an_object_is_on_its_way_whose_workers_lock_is_gone(
    site: Site, keeper: Keeper, now: float
) -> None:
    store(site, "1.1", "1")
    turns(keeper, now)
    (study,) = keeper._studies
    lockdir = LockDirectory(str(site.lock_directory))
    dying = JournalFile(lockdir, "dying", boot=OTHER_BOOT)
    (site.output / "study_1.1/CT.2").write_text("2")
    inode = (site.output / "study_1.1/CT.2").stat().st_ino
    entry = an_object(1, "CT.2", directory="study_1.1", generation=study.generation, inode=inode)
    dying.write(entry.encode())
    turns(keeper, now + TIMEOUT + 1)
    assert listing(site, "open") == ["1.1"]
    dying.die()
    turns(keeper, now + TIMEOUT + 2)
    turns(keeper, now + 3 * TIMEOUT)
    assert study_files(site) == ["CT000001", "CT000002"]
    assert is_clean(site)
    lockdir.close()


def test_a_state_that_vanished_is_forgotten_with_its_journals(site: Site, keeper: Keeper, now: float) -> None:
    store(site, "1.1", "1")
    turns(keeper, now)
    shutil.rmtree(site.lock_directory / "open/1.1")
    turns(keeper, now + TIMEOUT + 1)
    assert is_clean(site)
    assert not jobs(site)


def test_a_study_that_another_keeper_has_sealed_is_completed(site: Site, keeper: Keeper, now: float) -> None:
    store(site, "1.1", "1")
    turns(keeper, now)
    (study,) = keeper._studies
    os.rename(site.lock_directory / "open/1.1", site.lock_directory / f"sealed/1.1.{study.generation}")
    turns(keeper, now + TIMEOUT + 1)
    assert study_files(site) == ["CT000001"]
    assert is_clean(site)


@pytest.mark.parametrize(
    "key", ["../../victim", "..", ".", "/etc", "a\0b", "", "a/b", ".1", "x" * 300, "../journals"]
)
def test_a_key_that_is_none_leads_nowhere(site: Site, keeper: Keeper, now: float, key: str) -> None:
    (site.output / "victim").write_text("x")
    lockdir = LockDirectory(str(site.lock_directory))
    forger = JournalFile(lockdir, "forger")
    forger.write(record.encode_opened(key, GENERATION))
    forger.store(1, "CT.1", generation=GENERATION, directory="victim")
    turns(keeper, now)
    turns(keeper, now + 1000)
    assert (site.output / "victim").read_text() == "x"
    assert not listing(site, "strange")
    forger.die()
    turns(keeper, now + 1001)
    assert is_clean(site)
    lockdir.close()


def foreign(path: Path, kind: str) -> None:
    rules = Rules(timeout=1).encode()
    if kind == "file":
        path.write_text("x")
        return
    if kind == "link":
        path.symlink_to("/etc")
        return
    path.mkdir()
    contents = {
        "another study's": About(GENERATION, "2.2", rules).encode(),
        "no rules": About(GENERATION, "1.1", "x").encode(),
        "no generation": records.encode(("study", "../x", "1.1", rules)),
        "torn": About(GENERATION, "1.1", rules).encode()[:-4],
    }
    if kind == "a directory":
        (path / "study").mkdir()
    elif kind == "a fifo":
        os.mkfifo(path / "study")
    elif kind == "no study":
        (path / "other").touch()
    else:
        (path / "study").write_bytes(contents[kind])


KINDS = [
    "file",
    "link",
    "another study's",
    "no rules",
    "no generation",
    "torn",
    "a directory",
    "a fifo",
    "no study",
]


@pytest.mark.parametrize("where", ["open/1.1", f"sealed/1.1.{GENERATION}"])
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_study_is_set_aside_and_another_can_be_opened(
    site: Site, now: float, kind: str, where: str
) -> None:
    foreign(site.lock_directory / where, kind)
    keeper = site.keeper(now)
    assert len(listing(site, "strange")) == 1
    store(site, "1.1", "1")
    turns(keeper, now)
    turns(keeper, now + TIMEOUT + 1)
    assert study_files(site) == ["CT000001"]
    keeper.close()


def a_study_of_which_nobody_has_told(site: Site) -> OpenStudy:
    """Open one, as a worker does before it writes its journal's line."""
    lockdir = LockDirectory(str(site.lock_directory))
    study = open_study(lockdir, "1.1", site.rules.encode(), flush=False)
    lockdir.close()
    return study


def test_a_study_whose_worker_was_killed_before_it_told_of_it_goes(
    site: Site, keeper: Keeper, now: float
) -> None:
    a_study_of_which_nobody_has_told(site).let_go()
    turns(keeper, now + LOOK_SECONDS - 1)
    assert listing(site, "open") == ["1.1"]
    turns(keeper, now + LOOK_SECONDS)
    assert is_clean(site)


def test_a_study_of_which_nobody_has_told_stays_as_long_as_a_worker_is_busy_with_it(
    site: Site, keeper: Keeper, now: float
) -> None:
    study = a_study_of_which_nobody_has_told(site)
    turns(keeper, now + LOOK_SECONDS)
    turns(keeper, now + 2 * LOOK_SECONDS)
    assert listing(site, "open") == ["1.1"]
    study.let_go()
    turns(keeper, now + 3 * LOOK_SECONDS)
    assert is_clean(site)


def test_what_comes_to_lie_among_studies_is_set_aside_by_a_keeper_that_lives(
    site: Site, keeper: Keeper, now: float
) -> None:
    foreign(site.lock_directory / "open/1.1", "no study")
    turns(keeper, now + LOOK_SECONDS)
    assert listing(site, "open") == []
    assert len(listing(site, "strange")) == 1


def test_what_cannot_be_read_is_said_once(
    site: Site, keeper: Keeper, now: float, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(*_: object) -> None:
        raise OSError(errno.EACCES, "Permission denied")

    a_study_of_which_nobody_has_told(site).let_go()
    monkeypatch.setattr("scpd.keeper.studies.Seal", forbidden)
    for look in range(1, 4):
        turns(keeper, now + look * LOOK_SECONDS)
    assert caplog.text.count("cannot read the state of open study 1.1: Permission denied") == 1


def test_without_descriptors_no_open_study_is_forgotten(
    site: Site, now: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(site, "1.1", "1")

    def no_more(*_: object) -> None:
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr("scpd.keeper.studies.Seal", no_more)
        with pytest.raises(OSError, match="Too many"):
            site.keeper(now)
    keeper = site.keeper(now)
    with monkeypatch.context() as patch:
        patch.setattr("scpd.keeper.studies.Seal", no_more)
        turns(keeper, now + TIMEOUT + 1)
    assert listing(site, "open") == ["1.1"]
    turns(keeper, now + TIMEOUT + 5)
    assert study_files(site) == ["CT000001"]
    assert is_clean(site)
    keeper.close()


def seal_and_stop(site: Site, now: float) -> Path:
    """Seal a study, and crash before its plan; give its sealed state."""
    keeper = site.keeper(now)
    for step in range(1, 200):
        with crash_at(step):
            keeper.turn(now + TIMEOUT + 1)
        keeper.close()
        if listing(site, "sealed"):
            break
        keeper = site.keeper(now)
    (sealed,) = (site.lock_directory / "sealed").iterdir()
    return sealed


@pytest.mark.parametrize(
    "plan",
    [b"x", b"", records.encode(("plan", "1.1", "../../..", *"abcdef", "1")) + records.encode(("end", "0"))],
)
def test_a_corrupt_plan_is_set_aside_and_the_study_completed(site: Site, now: float, plan: bytes) -> None:
    store(site, "1.1", "1")
    sealed = seal_and_stop(site, now)
    for left in sealed.glob("*plan*"):
        left.unlink()
    (sealed / "plan").write_bytes(plan)
    keeper = site.keeper(now)
    turns(keeper, now + TIMEOUT + 1)
    assert study_files(site) == ["CT000001"]
    assert jobs(site) == ["xcs"]
    assert len(listing(site, "strange")) == 1
    assert not listing(site, "sealed")
    keeper.close()


@pytest.mark.parametrize("kind", ["gone", "link", "file"])
def test_a_study_directory_that_is_none_any_more_keeps_no_study(
    site: Site, keeper: Keeper, now: float, kind: str
) -> None:
    store(site, "1.1", "1")
    os.rename(site.output / "study_1.1", site.output / "moved")
    if kind == "link":
        (site.output / "study_1.1").symlink_to("moved")
    elif kind == "file":
        (site.output / "study_1.1").touch()
    turns(keeper, now)
    turns(keeper, now + TIMEOUT + 1)
    assert os.listdir(site.output / "moved") == ["CT.1"]
    assert jobs(site) == ["xcs"]
    assert is_clean(site)


def test_a_step_that_fails_is_tried_again_later_and_later_and_others_go_on(
    site: Site, keeper: Keeper, now: float, caplog: pytest.LogCaptureFixture
) -> None:
    store(site, "1.1", "1")
    store(site, "1.2", "2")
    lockdir = LockDirectory(str(site.lock_directory))
    stopped = lockdir.open_publish_lock("study_1.1")
    assert share(stopped, 0)
    turns(keeper, now)
    for seconds in range(0, 60, 4):
        keeper.turn(now + TIMEOUT + 1 + seconds)
    assert study_files(site, "1.2") == ["CT000001"]
    assert (
        sum("cannot complete study 1.1" in message for message in caplog.messages) == 4
    )  # after 0, 5, 15, 35 s
    os.close(stopped)
    turns(keeper, now + TIMEOUT + 300)
    assert study_files(site) == ["CT000001"]
    assert is_clean(site)
    lockdir.close()


def test_what_a_crash_has_left_of_a_study_that_was_removed_goes(site: Site, now: float) -> None:
    half = site.lock_directory / f"sealed/.1.1.{GENERATION}"
    half.mkdir()
    (half / "study").write_text("x")
    site.keeper(now).close()
    assert not listing(site, "sealed")
    assert not listing(site, "strange")


def test_numbering_goes_on_when_a_study_is_opened_anew(site: Site, keeper: Keeper, now: float) -> None:
    for generation in range(3):
        store(site, "1.1", f"{generation}.1", f"{generation}.2")
        turns(keeper, now)
        now += TIMEOUT + 1
        turns(keeper, now)
    assert study_files(site) == [f"CT{number:06}" for number in range(1, 7)]
    assert [variables["SCPD_OBJECTS"] for _, _, variables in site.commands.started] == ["2"] * 3


def test_a_sealed_study_that_another_keeper_has_completed_is_done(
    site: Site, keeper: Keeper, now: float, caplog: pytest.LogCaptureFixture
) -> None:
    store(site, "1.1", "1")
    turns(keeper, now)
    (study,) = keeper._studies
    keeper._studies._close(study)
    keeper._endings.enter(study)
    shutil.rmtree(site.lock_directory / "open/1.1")
    turns(keeper, now + TIMEOUT + 1)
    assert is_clean(site)
    assert "the state of sealed study 1.1 has vanished from the lock directory" in caplog.messages


class TestOutputDirectoriesOfTitles:
    """With --peers: a study in one output directory is not the one of the same UID in another."""

    @pytest.fixture
    def place(self, tmp_path: Path) -> Path:
        made = tmp_path / "ct"
        made.mkdir()
        return made

    @pytest.fixture
    def site(self, tmp_path: Path, place: Path) -> Iterator[Site]:
        made = Site(
            tmp_path, Rules(timeout=TIMEOUT, renames=True, runs=True), on_reception=True, places=(place,)
        )
        yield made
        made.close()

    def store(self, site: Site, place: Path | None, *instances: str) -> None:
        worker = site.worker("ONE" if place is None else "TWO", place=place)
        for instance in instances:
            worker.begin("1.1", instance)
            worker.finish()
        worker.release()

    def test_each_ends_in_its_own(self, site: Site, place: Path, keeper: Keeper, now: float) -> None:
        self.store(site, place, "1", "2")
        self.store(site, None, "3")
        turns(keeper, now)
        assert len(listing(site, "open")) == 2
        turns(keeper, now + 2 * TIMEOUT)
        assert sorted(os.listdir(place / "study_1.1")) == ["CT000001", "CT000002"]
        assert study_files(site) == ["CT000001"]
        ends = sorted(command for _, command, _ in site.commands.started if command.startswith("xcs"))
        assert ends == sorted([f"xcs {place}/study_1.1", f"xcs {site.output}/study_1.1"])
        assert f"xcr {place}/study_1.1/CT.1" in [command for _, command, _ in site.commands.started]
        assert is_clean(site)

    def test_the_next_keeper_goes_on_there(self, site: Site, place: Path, now: float) -> None:
        """Each crash leaves what the next one needs: a worker between line and note, then a keeper at each end."""
        worker = site.worker("ONE", place=place)
        worker.begin("1.1", "1")
        while worker.go_on() != "renamed":
            pass
        worker.die()
        first = site.keeper(now)
        first.turn(now)
        first.close()
        second = site.keeper(now)
        turns(second, now + 2 * TIMEOUT)
        assert sorted(os.listdir(place / "study_1.1")) == ["CT000001"]
        second.close()

    def test_a_command_that_was_set_aside_knows_it(
        self, site: Site, place: Path, keeper: Keeper, now: float
    ) -> None:
        self.store(site, place, "1")
        turns(keeper, now)
        values = keeper._hooks.of_failed({"place": str(place), "study_directory": "study_1.1"})
        assert values.directory == f"{place}/study_1.1"

    def test_a_directory_that_no_option_allows_is_passed_by_and_stays(
        self, site: Site, place: Path, now: float, caplog: pytest.LogCaptureFixture
    ) -> None:
        self.store(site, place, "1")
        allowed, site.places = site.places, ()
        strict = site.keeper(now)
        turns(strict, now + 2 * TIMEOUT)
        strict.close()
        assert site.commands.started == []
        assert os.listdir(place / "study_1.1") == ["CT.1"]
        assert listing(site, "strange") == []
        texts = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
        assert len(texts) == 2, "the journal, and the study"
        assert all(text.endswith(f"no option allows the output directory {str(place)!r}") for text in texts)
        site.places = allowed
        keeper = site.keeper(now)
        turns(keeper, now + 2 * TIMEOUT)
        assert os.listdir(place / "study_1.1") == ["CT000001"]
        assert is_clean(site)
        keeper.close()

    def test_an_object_of_another_directory_is_not_the_studys(
        self, site: Site, place: Path, keeper: Keeper, now: float
    ) -> None:
        self.store(site, place, "1")
        turns(keeper, now)
        (key,) = listing(site, "open")
        generation = About.decode((site.lock_directory / "open" / key / "study").read_bytes())
        assert generation is not None
        lockdir = LockDirectory(str(site.lock_directory))
        forger = JournalFile(lockdir, "f", boot=OTHER_BOOT)  # of the daemon's own output directory
        forger.store(1, "CT.9", generation=generation.generation, directory="study_1.1")
        forger.die()
        turns(keeper, now + 2 * TIMEOUT)
        assert os.listdir(place / "study_1.1") == ["CT000001"]
        (objects,) = [
            text["SCPD_OBJECTS"] for _, command, text in site.commands.started if command[:3] == "xcs"
        ]
        assert objects == "1"
        lockdir.close()
