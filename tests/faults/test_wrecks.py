"""What is on disk when all is cut off between two steps of an object: put there by hand, and found by a keeper.

The order of scpd_studies(7): study opened, temporary file flushed, directory made and named, line of record flushed,
final name, directory flushed, note, response.  Each state is what one step more leaves.
"""

from __future__ import annotations

import os
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

import pytest

from scpd.keeper.sweep import sweep
from scpd.lockdir import records
from scpd.study import record
from scpd.study.record import ObjectRecord, Sender
from scpd.study.rules import Rules
from scpd.study.states import About
from tests.harness.keeping import OTHER_BOOT, Descriptors, Site, crash_at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

TIMEOUT = 100.0
STUDY, INSTANCE = "1.2.3", "1.2.3.4"
KEY, GENERATION, MAKER = STUDY, "0123456789abcdef", "4711-0123456789ab"
HEAD = Sender(OTHER_BOOT, "ONE", "CALLED", "127.0.0.1", "localhost").encode()
FEWEST_STEPS, MOST_STEPS = 20, 200
DIRECTORY, NAME = f"study_{STUDY}", f"CT.{INSTANCE}"


class State(NamedTuple):
    """How far the worker came, and whether there is an object then."""

    steps: tuple[str, ...]
    has_object: bool


PREPARED = ("study prepared",)
OPENED = ("study opened", "journal", "opened noted")
RECEIVED = (*OPENED, "received")
PLACED = (*RECEIVED, "directory made", "directory named")
RECORDED = (*PLACED, "line")
NAMED = (*RECORDED, "named")
STATES = {
    "study prepared": State(PREPARED, False),
    "study opened": State(OPENED[:1], False),
    "journal begun": State((OPENED[0], "journal begun"), False),
    "journal": State(OPENED[:2], False),
    "opened noted": State(OPENED, False),
    "received": State(RECEIVED, False),
    "directory made": State(PLACED[:-1], False),
    "name of the directory prepared": State((*PLACED[:-1], "name of the directory prepared"), False),
    "directory named": State(PLACED, False),
    "line torn": State((*PLACED, "line torn"), False),
    "line": State(RECORDED, False),
    "refused": State((*RECORDED, "discarded", "failed noted"), False),
    "named": State(NAMED, True),
    "note torn": State((*NAMED, "note torn"), True),
    "noted": State((*NAMED, "stored noted"), True),
}


class Wreck:
    """A site, and one worker's steps there, done by hand."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._open = site.lock_directory / "open"
        self._journal = site.lock_directory / "journals" / MAKER
        self._temporary = site.output / ".scpd/tmp/4711.815.1"
        self._temporary.parent.mkdir()
        self._directory = site.output / DIRECTORY
        self._steps: dict[str, Callable[[], object]] = {
            "study prepared": lambda: self._write_state(f".{GENERATION}"),
            "study opened": lambda: self._write_state(KEY),
            "journal begun": lambda: self._journal.with_name(f".{MAKER}").write_bytes(HEAD[:20]),
            "journal": lambda: self._append(HEAD),
            "opened noted": lambda: self._append(record.encode_opened(KEY, GENERATION)),
            "received": lambda: self._temporary.write_text(INSTANCE),
            "directory made": self._directory.mkdir,
            "name of the directory prepared": lambda: self._write_name(".directory.4711", 5),
            "directory named": lambda: self._write_name("directory", None),
            "line torn": lambda: self._append(self._line()[:60]),
            "line": lambda: self._append(self._line()),
            "discarded": self._temporary.unlink,
            "failed noted": lambda: self._append(record.encode_failed(1)),
            "named": lambda: self._temporary.rename(self._directory / NAME),
            "note torn": lambda: self._append(self._note()[:9]),
            "stored noted": lambda: self._append(self._note()),
        }

    def bring_about(self, state: State) -> None:
        """Do its steps."""
        for step in state.steps:
            self._steps[step]()

    def _write_state(self, name: str) -> None:
        state = self._open / name
        state.mkdir()
        (state / "study").write_bytes(About(GENERATION, STUDY, self._site.rules.encode()).encode())

    def _write_name(self, file: str, length: int | None) -> None:
        (self._open / KEY / file).write_bytes(records.encode((DIRECTORY,))[:length])

    def _append(self, line: bytes) -> None:
        with self._journal.open("ab") as file:
            file.write(line)

    def _note(self) -> bytes:
        return record.encode_stored(1, NAME, (self._directory / NAME).stat().st_ino)

    def _line(self) -> bytes:
        status = self._temporary.stat()
        return ObjectRecord(
            number=1,
            at=1,
            generation=GENERATION,
            directory=DIRECTORY,
            name=NAME,
            inode=status.st_ino,
            size=status.st_size,
            sop_class_uid="1.2",
            sop_instance_uid=INSTANCE,
            study_instance_uid=STUDY,
            transfer_syntax_uid="1.2.840.10008.1.2",
            hook="xcr",
        ).encode()


def work(site: Site) -> None:
    """Be the sweeper and a keeper, from the start to the end of all work."""
    sweep(str(site.output))
    now = monotonic()
    keeper = site.keeper(now)
    for turn in range(12):
        keeper.turn(now + turn * (TIMEOUT + 1))
    keeper.close()


def store_again(site: Site) -> None:
    """Be the worker to which the sender, who has no success, sends the object again."""
    worker = site.worker("ONE")
    worker.begin(STUDY, INSTANCE)
    worker.finish()
    worker.release()


def commands(site: Site) -> list[str]:
    """Give what has run, in order."""
    return [command for _, command, _ in site.commands.started]


def assert_nothing_is_left(site: Site) -> None:
    for part in ("open", "sealed", "journals/dead", "running", "strange", "failed"):
        assert os.listdir(site.lock_directory / part) == []
    assert os.listdir(site.lock_directory / "journals") == ["dead"]
    assert set(os.listdir(site.lock_directory / "tmp")) <= {"lock"}


def assert_complete(site: Site, most_runs: int) -> None:
    """Fail unless the object is there once, under its last name, its command ran, and then the study's."""
    assert (site.output / DIRECTORY / "CT000001").read_text() == INSTANCE
    assert len(os.listdir(site.output / DIRECTORY)) == 1
    of_object, of_study = f"xcr {site.output}/{DIRECTORY}/{NAME}", f"xcs {site.output}/{DIRECTORY}"
    ran = commands(site)
    assert 1 <= ran.count(of_object) <= most_runs
    assert ran.count(of_study) == 1
    assert ran.index(of_study) == len(ran) - 1


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path, Rules(timeout=TIMEOUT, renames=True, runs=True), on_reception=True)
    yield made
    made.close()


@pytest.mark.parametrize("state", STATES.values(), ids=STATES)
def test_whatever_step_a_worker_came_to_a_keeper_makes_the_end_of_it(site: Site, state: State) -> None:
    Wreck(site).bring_about(state)
    work(site)
    if state.has_object:
        assert_complete(site, most_runs=1)
    else:
        assert commands(site) == []
        assert [name for _, _, names in os.walk(site.output) for name in names if name.startswith("CT")] == []
    assert_nothing_is_left(site)


@pytest.mark.parametrize("state", STATES.values(), ids=STATES)
def test_whatever_step_a_worker_came_to_the_object_that_is_sent_again_is_there_once(
    site: Site, state: State
) -> None:
    Wreck(site).bring_about(state)
    store_again(site)
    work(site)
    assert_complete(site, most_runs=2)
    assert_nothing_is_left(site)


def test_a_worker_that_crashes_before_any_step_leaves_nothing_that_the_next_one_and_a_keeper_do_not_mend(
    tmp_path: Path,
) -> None:
    """The same, by the real worker; every step at which it changes the file system, or locks."""
    for step in range(1, MOST_STEPS):
        folder = tmp_path / str(step)
        folder.mkdir()
        site = Site(folder, Rules(timeout=TIMEOUT, renames=True, runs=True), on_reception=True)
        (site.lock_directory / "tmp").mkdir()
        descriptors, is_done = Descriptors(), []
        with crash_at(step), descriptors.watched():
            store_again(site)
            is_done.append(True)
        descriptors.close()
        (site.output / f".tmp.{INSTANCE}").unlink(missing_ok=True)
        store_again(site)
        work(site)
        assert_complete(site, most_runs=2)
        assert_nothing_is_left(site)
        if is_done:
            assert step > FEWEST_STEPS  # there was something to crash in
            return
    pytest.fail("a worker never comes to its end")
