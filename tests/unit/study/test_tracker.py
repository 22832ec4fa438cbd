"""The worker's side of studies and commands: several trackers in one process, on a real lock directory."""

from __future__ import annotations

import errno
import os
import time
from typing import TYPE_CHECKING

import pytest

from scpd.errors import Refused
from scpd.lockdir import layout, records
from scpd.lockdir.journal import JournalReader
from scpd.lockdir.layout import LockDirectory
from scpd.process.locks import lock
from scpd.study import states, tracker
from scpd.study.record import ObjectRecord, Sender
from scpd.study.states import Seal
from scpd.study.tracker import Tracker, TrackerPolicy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

STUDY, OTHER = "1.2.3", "1.2.4"
RULES = "5 either - each-peer - -"


def an_object(directory: str = "", name: str = "CT.1") -> ObjectRecord:
    return ObjectRecord(
        number=0,
        at=0,
        generation="",
        directory=directory,
        name=name,
        inode=4711,
        size=100,
        sop_class_uid="1.2",
        sop_instance_uid="1.2.5",
        study_instance_uid=STUDY,
        transfer_syntax_uid="1.2.1",
        hook="",
    )


class Scene:
    """A lock directory, its workers, and a keeper's eyes and hands."""

    def __init__(self, path: Path) -> None:
        self.path = path
        layout.make(str(path))
        self.lockdir = LockDirectory(str(path))
        self.trackers: list[Tracker] = []
        self.fifo = os.open(path / "wake", os.O_RDWR | os.O_NONBLOCK)

    def tracker(self, **changes: object) -> Tracker:
        options: dict[str, object] = {
            "lock_directory": str(self.path),
            "rules": RULES,
            "renames": False,
            "hook": "",
            "waits": "",
            "boot": "boot",
            "fsync": False,
        }
        sender = Sender("boot", "CALLING", "CALLED", "127.0.0.1", "localhost", str(changes.get("waits", "")))
        made = Tracker(TrackerPolicy(**(options | changes)), sender)  # type: ignore[arg-type]
        self.trackers.append(made)
        return made

    def journals(self) -> list[str]:
        return [name for name in os.listdir(self.path / "journals") if name != "dead"]

    def lines(self, name: str = "") -> list[list[str]]:
        """The lines of a journal, by default of the only one, without its first."""
        name = name or self.journals()[0]
        data = (self.path / "journals" / name).read_bytes()
        return records.decode_all(data.splitlines())[1:]

    def was_woken(self) -> bool:
        try:
            return bool(os.read(self.fifo, 100))
        except BlockingIOError:
            return False

    def can_seal(self, study: str, *, hold_too: bool = False) -> bool:
        seal = Seal(self.lockdir, study)
        try:
            return seal.try_locks(hold_too=hold_too)
        finally:
            seal.let_go()

    def seal(self, study: str) -> str:
        """Seal a study to which nobody is busy; give its generation."""
        seal = Seal(self.lockdir, study)
        try:
            assert seal.about is not None
            assert seal.try_locks(hold_too=False)
            assert seal.carry_out(seal.about.generation)
            return seal.about.generation
        finally:
            seal.let_go()

    def generation(self, study: str) -> str:
        about = states.About.decode((self.path / "open" / study / "study").read_bytes())
        assert about is not None
        return about.generation


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    before = len(os.listdir("/proc/self/fd"))
    scene = Scene(tmp_path / "lock")
    yield scene
    for each in scene.trackers:
        each.close()
    scene.lockdir.close()
    os.close(scene.fifo)
    assert len(os.listdir("/proc/self/fd")) == before


def place(one: Tracker, choose: Callable[[], str]) -> str:
    """Come to the study's directory."""
    return one.place() or one.find_place(choose)


def receive(one: Tracker, study: str = STUDY, choose: Callable[[], str] = lambda: "X_1") -> int:
    """Begin with an object, and come to where its rename would be."""
    one.began(study)
    return one.publishing(an_object(place(one, choose)))


def store(one: Tracker, study: str = STUDY, choose: Callable[[], str] = lambda: "X_1") -> int:
    """Store an object."""
    number = receive(one, study, choose)
    one.stored(number, "CT.1", 4711)
    one.ended()
    return number


def refuse(one: Tracker, study: str = STUDY) -> None:
    """Begin with an object that is refused."""
    one.began(study)
    one.ended()


class TestBusy:
    def test_nobody_seals_a_study_while_an_object_of_it_is_on_its_way(self, scene: Scene) -> None:
        one = scene.tracker()
        number = receive(one)
        assert not scene.can_seal(STUDY)

        one.stored(number, "CT.1", 1)
        one.ended()
        assert scene.can_seal(STUDY)

    def test_a_refused_object_lets_its_study_go(self, scene: Scene) -> None:
        refuse(scene.tracker())

        assert scene.can_seal(STUDY, hold_too=True)

    def test_two_workers_are_busy_with_one_study(self, scene: Scene) -> None:
        one, two = scene.tracker(), scene.tracker()
        store(one)
        receive(two)

        assert not scene.can_seal(STUDY)
        refuse(one)
        assert not scene.can_seal(STUDY), "the other one is busy still"

    def test_the_end_of_a_worker_lets_everything_go(self, scene: Scene) -> None:
        one = scene.tracker()
        store(one)
        receive(one, OTHER)
        one.close()

        assert scene.can_seal(STUDY, hold_too=True)
        assert scene.can_seal(OTHER, hold_too=True)

    def test_a_uid_of_which_no_study_can_be_made_is_refused(self, scene: Scene) -> None:
        one = scene.tracker()
        with pytest.raises(Refused):
            one.began("1" * 300)
        one.ended()

        store(one)


class TestHold:
    def test_the_study_of_the_last_stored_object_is_held(self, scene: Scene) -> None:
        one = scene.tracker()
        store(one)
        assert not scene.can_seal(STUDY, hold_too=True)

        store(one, OTHER)
        assert scene.can_seal(STUDY, hold_too=True)
        assert not scene.can_seal(OTHER, hold_too=True)

    def test_a_refused_object_of_another_study_leaves_the_hold_where_it_was(self, scene: Scene) -> None:
        one = scene.tracker()
        store(one)
        refuse(one, OTHER)

        assert not scene.can_seal(STUDY, hold_too=True)
        assert scene.can_seal(OTHER, hold_too=True)

    def test_a_refused_object_of_the_same_study_leaves_the_hold_where_it_was(self, scene: Scene) -> None:
        one = scene.tracker()
        store(one)
        refuse(one)

        assert scene.can_seal(STUDY)
        assert not scene.can_seal(STUDY, hold_too=True)

    def test_both_studies_are_held_until_the_next_object_is_stored(self, scene: Scene) -> None:
        one = scene.tracker()
        store(one)
        receive(one, OTHER)

        assert not scene.can_seal(STUDY, hold_too=True)


class TestGenerations:
    def test_an_object_after_the_seal_opens_the_study_anew(self, scene: Scene) -> None:
        one = scene.tracker()
        store(one)
        sealed = scene.seal(STUDY)
        store(one)

        assert scene.generation(STUDY) != sealed
        generations = [line[3] for line in scene.lines() if line[0] == "object"]
        assert generations == [sealed, scene.generation(STUDY)]
        assert not scene.can_seal(STUDY, hold_too=True), "the new one is held"

    def test_who_was_busy_so_long_that_a_lock_may_be_lost_looks_again_before_publishing(
        self, scene: Scene, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(tracker, "_LEASE_SECONDS", -1.0)
        one = scene.tracker()
        one.began(STUDY)
        lost = scene.generation(STUDY)
        os.rename(
            scene.path / "open" / STUDY, scene.path / "sealed" / f"{STUDY}.{lost}"
        )  # with no lock at all
        number = one.publishing(an_object(place(one, lambda: "X_2")))
        one.stored(number, "CT.1", 1)
        one.ended()

        assert scene.generation(STUDY) != lost
        assert [line[3] for line in scene.lines() if line[0] == "object"] == [scene.generation(STUDY)]
        store(one)

    def test_a_study_keeps_its_rules_whoever_opens_it_later(self, scene: Scene) -> None:
        store(scene.tracker(rules="7 next - each-peer - -"))
        store(scene.tracker())

        about = states.About.decode((scene.path / "open" / STUDY / "study").read_bytes())
        assert about is not None
        assert about.rules == "7 next - each-peer - -"


class TestDirectory:
    def test_all_workers_learn_of_the_directory_that_the_first_one_chose(self, scene: Scene) -> None:
        one, two = scene.tracker(), scene.tracker()
        one.began(STUDY)
        two.began(STUDY)

        assert [place(two, lambda: "X_2"), place(one, lambda: "X_1")] == ["X_2", "X_2"]

    def test_a_directory_that_could_not_be_made_is_chosen_by_the_next_object(self, scene: Scene) -> None:
        def fail() -> str:
            raise Refused(0xC000, "no")

        one = scene.tracker()
        one.began(STUDY)
        with pytest.raises(Refused):
            place(one, fail)
        one.ended()

        store(one, choose=lambda: "X_3")
        assert [line[4] for line in scene.lines() if line[0] == "object"] == ["X_3"]


class TestJournal:
    def test_it_says_what_became_of_each_object(self, scene: Scene) -> None:
        one = scene.tracker(hook="xcr")
        store(one)
        one.failed(receive(one))
        one.ended()
        store(one, OTHER)

        kinds = [(line[0], line[1]) for line in scene.lines()]
        assert kinds == [
            ("opened", STUDY),
            ("object", "1"),
            ("stored", "1"),
            ("object", "2"),
            ("failed", "2"),
            ("opened", OTHER),
            ("object", "3"),
            ("stored", "3"),
        ]
        decoded = ObjectRecord.decode(scene.lines()[1])
        assert decoded is not None
        assert (decoded.hook, decoded.directory, decoded.inode) == ("xcr", "X_1", 4711)
        assert decoded.generation == scene.generation(STUDY)
        assert 0 <= time.monotonic_ns() - decoded.at < 60e9

    def test_its_head_tells_of_the_sender(self, scene: Scene) -> None:
        store(scene.tracker())

        reader = JournalReader(scene.journals()[0], scene.lockdir.opened(layout.JOURNALS))
        sender = Sender.decode(reader.read_head() or [])
        reader.close()
        assert sender is not None
        assert (sender.peer, sender.called, sender.name) == (("CALLING", "127.0.0.1"), "CALLED", "localhost")

    def test_it_has_ended_when_the_worker_has(self, scene: Scene) -> None:
        one = scene.tracker()
        store(one)
        reader = JournalReader(scene.journals()[0], scene.lockdir.opened(layout.JOURNALS))
        assert reader.has_writer()
        one.close()
        assert not reader.has_writer()
        reader.close()

    def test_without_studies_an_object_is_recorded_all_the_same(self, scene: Scene) -> None:
        one = scene.tracker(rules="", hook="xcr")
        number = one.publishing(an_object("", ""))
        one.stored(number, "", 0)
        one.ended()

        (line, note) = scene.lines()
        assert (line[0], line[3], line[4], line[5], line[12]) == ("object", "", "", "", "xcr")
        assert note == ["stored", "1", "", "0"]


class TestWaking:
    def test_an_object_more_of_a_study_wakes_nobody(self, scene: Scene) -> None:
        one = scene.tracker()
        store(one)
        one.rest()
        assert scene.was_woken(), "a study was opened"
        store(one)
        refuse(one)
        one.rest()
        assert not scene.was_woken()

        store(one, OTHER)
        one.rest()
        assert scene.was_woken()
        refuse(one, "1.2.5")
        one.rest()
        assert scene.was_woken(), "an open study without objects"
        one.close()
        assert scene.was_woken()

    def test_the_keeper_is_woken_early_though_one_object_follows_the_other(
        self, scene: Scene, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        now = [1000.0]
        monkeypatch.setattr(tracker, "monotonic", lambda: now[0])
        one, woken = scene.tracker(), []
        for _ in range(6):
            now[0] += 0.0008
            store(one)
            woken.append(scene.was_woken())
        assert woken == [False, False, False, True, False, False]
        assert not scene.can_seal(STUDY), "who is busy still"

    def test_the_keeper_is_not_woken_while_one_object_follows_the_other(self, scene: Scene) -> None:
        one = scene.tracker()
        store(one)
        store(one)
        assert not scene.was_woken()
        one.rest()
        assert scene.was_woken()

    def test_who_leaves_wakes_the_keeper_last(self, scene: Scene) -> None:
        one = scene.tracker()
        store(one)
        one.leave()
        assert not scene.was_woken()
        assert scene.can_seal(STUDY, hold_too=True)
        one.close()
        assert scene.was_woken()

    def test_each_object_with_a_command_wakes_the_keeper(self, scene: Scene) -> None:
        one = scene.tracker(hook="xcr")
        store(one)
        scene.was_woken()
        store(one)
        assert scene.was_woken()

    def test_a_keeper_that_is_not_there_is_no_reason_to_fail(self, scene: Scene) -> None:
        (scene.path / "wake").unlink()
        store(scene.tracker(hook="xcr"))


class TestObjectsWithoutAPause:
    """The peer sends one object right after the other: what is put off, and when it is done."""

    def notes(self, scene: Scene) -> list[str]:
        return [line[1] for line in scene.lines() if line[0] == "stored"]

    def brought(self, scene: Scene) -> list[str]:
        """The objects of which the line of the next one says that they are stored."""
        return [line[13] for line in scene.lines() if line[0] == "object" and line[13:]]

    def test_the_first_object_of_a_study_is_noted_at_once(self, scene: Scene) -> None:
        store(scene.tracker())
        assert self.notes(scene) == ["1"]
        assert scene.can_seal(STUDY)

    def test_one_more_keeps_us_busy_until_the_peer_rests(self, scene: Scene) -> None:
        one = scene.tracker()
        store(one)
        store(one)
        assert self.notes(scene) == ["1"]
        assert not scene.can_seal(STUDY)

        one.rest()
        assert self.notes(scene) == ["1", "2"]
        assert scene.can_seal(STUDY)
        assert not scene.can_seal(STUDY, hold_too=True)

    def test_the_next_object_brings_the_note_of_the_one_before(self, scene: Scene) -> None:
        one = scene.tracker()
        for _ in range(3):
            store(one)
        assert [line[:2] for line in scene.lines()[1:]] == [
            ["object", "1"],
            ["stored", "1"],
            ["object", "2"],
            ["object", "3"],
        ]
        number = receive(one)
        assert self.brought(scene) == ["2", "3"]
        assert self.notes(scene) == ["1"]
        one.stored(number, "CT.1", 4711)
        one.ended()
        assert not scene.can_seal(STUDY)
        one.rest()
        assert self.notes(scene) == ["1", "4"]

    def test_a_pause_within_the_next_object_notes_and_leaves_us_busy_with_that(self, scene: Scene) -> None:
        one = scene.tracker()
        store(one)
        store(one)
        one.began(STUDY)
        one.rest()
        assert self.notes(scene) == ["1", "2"]
        assert not scene.can_seal(STUDY), "an object of it is on its way"

    def test_a_pause_before_the_study_of_the_next_object_is_known_lets_it_go(self, scene: Scene) -> None:
        one = scene.tracker()
        store(one)
        store(one)
        one.rest()
        sealed = scene.seal(STUDY)
        store(one)
        assert scene.generation(STUDY) != sealed

    def test_an_object_of_another_study_lets_the_one_before_go(self, scene: Scene) -> None:
        one = scene.tracker()
        store(one)
        store(one)
        one.began(OTHER)
        assert self.notes(scene) == ["1", "2"]
        assert scene.can_seal(STUDY)
        assert not scene.can_seal(STUDY, hold_too=True)

    def test_who_refuses_the_next_object_notes_the_one_before_first(self, scene: Scene) -> None:
        one = scene.tracker()
        store(one)
        store(one)
        refuse(one)
        assert self.notes(scene) == ["1", "2"]
        assert scene.can_seal(STUDY)

    def test_an_object_without_a_study_lets_the_one_before_go(self, scene: Scene) -> None:
        one = scene.tracker()
        store(one)
        store(one)
        number = one.publishing(an_object())
        assert scene.can_seal(STUDY)
        one.stored(number, "CT.1", 4711)
        one.ended()
        assert self.notes(scene) == ["1", "2", "3"]

    def test_the_end_of_the_association_notes_it(self, scene: Scene) -> None:
        one = scene.tracker()
        store(one)
        store(one)
        one.close()
        assert self.notes(scene) == ["1", "2"]
        assert scene.can_seal(STUDY, hold_too=True)

    def test_nothing_is_put_off_for_long(self, scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(tracker, "_LONGEST_SECONDS", -1.0)
        monkeypatch.setattr(tracker, "_FREE_SECONDS", 0.0)
        one = scene.tracker()
        for _ in range(3):
            store(one)
        assert self.notes(scene) == ["1", "2"]
        assert scene.was_woken()
        store(one)
        store(one)
        assert self.notes(scene) == ["1", "2", "4"]
        assert self.brought(scene) == ["3"]

    def test_for_some_time_after_that_the_study_is_free_between_its_objects(
        self, scene: Scene, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        now = [1000.0]
        monkeypatch.setattr(tracker, "monotonic", lambda: now[0])
        one = scene.tracker()
        free = []
        for _ in range(220):
            now[0] += 0.01
            store(one)
            free.append(scene.can_seal(STUDY))
        assert free[0], "the first one opens it"
        assert [number for number, each in enumerate(free) if each] == [0, 101, 102, 103, 205, 206, 207]

    def test_so_it_is_more_often_where_its_rules_may_end_it(
        self, scene: Scene, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        now = [1000.0]
        monkeypatch.setattr(tracker, "monotonic", lambda: now[0])
        one = scene.tracker(ends_meanwhile=True)
        free = []
        for _ in range(30):
            now[0] += 0.01
            store(one)
            free.append(scene.can_seal(STUDY))
        assert free[0], "the first one opens it"
        assert free[1:12] == [False] * 10 + [True]
        assert free[12:15] == [True, True, False]
        assert sum(free[1:]) == 6

    def test_what_stands_for_an_object_instead_is_noted_at_once(self, scene: Scene) -> None:
        one = scene.tracker()
        store(one)
        for name, inode in (("CT.1.1", 4711), ("CT.1", 4712)):
            one.stored(receive(one), name, inode)
            one.ended()
            assert scene.can_seal(STUDY)
        assert self.notes(scene) == ["1", "2", "3"]

    def test_it_is_noted_before_the_study_is_let_go_and_the_keeper_woken(
        self, scene: Scene, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        done: list[str] = []

        def watched(kind: type, name: str) -> None:
            real = getattr(kind, name)

            def call(*arguments: object) -> object:
                done.append(f"{name} {self.notes(scene)[-1]}")
                return real(*arguments)

            monkeypatch.setattr(kind, name, call)

        one, two = scene.tracker(), scene.tracker()
        two.close()
        scene.trackers.remove(two)
        for name in scene.journals():
            if name != one._journal.maker:
                (scene.path / "journals" / name).unlink()
        store(one)
        store(one)
        watched(states.OpenStudy, "end")
        watched(states.OpenStudy, "let_go")
        watched(LockDirectory, "wake")
        one.rest()
        store(one)
        one.close()
        assert done == ["end 2", "wake 2", "let_go 3", "wake 3"]

    def test_a_lost_study_is_given_back_when_its_objects_are_noted(
        self, scene: Scene, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        one = scene.tracker()
        store(one)
        store(one)
        os.rename(scene.path / "open" / STUDY, scene.path / "sealed" / f"{STUDY}.{scene.generation(STUDY)}")
        noted: list[list[str]] = []
        monkeypatch.setattr(states.OpenStudy, "end", lambda _: noted.append(self.notes(scene)))
        monkeypatch.setattr(tracker, "_LEASE_SECONDS", -1.0)
        receive(one, choose=lambda: "X_2")
        assert noted[0] == ["1", "2"]

    def test_a_refused_object_of_another_study_is_not_held(self, scene: Scene) -> None:
        one = scene.tracker()
        store(one)
        store(one)
        refuse(one, OTHER)
        assert scene.can_seal(OTHER, hold_too=True)
        assert not scene.can_seal(STUDY, hold_too=True)

    def test_an_object_after_one_of_another_study_that_was_refused_is_news(self, scene: Scene) -> None:
        one = scene.tracker()
        store(one)
        refuse(one, OTHER)
        store(one)
        assert self.notes(scene) == ["1", "2"]
        assert scene.can_seal(STUDY)

    def test_who_can_note_nothing_at_the_end_lets_go_all_the_same(
        self, scene: Scene, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(*_: object) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

        one = scene.tracker()
        store(one)
        store(one)
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", full)
            one.leave()
        assert self.notes(scene) == ["1"]
        assert scene.can_seal(STUDY, hold_too=True)

    def test_who_has_left_closes_no_descriptor_again(self, scene: Scene) -> None:
        one = scene.tracker()
        store(one)
        one.leave()
        others = [os.open(scene.path, os.O_RDONLY) for _ in range(8)]
        one.rest()
        one.close()
        for descriptor in others:
            os.fstat(descriptor)
            os.close(descriptor)

    def test_each_line_is_flushed_before_its_rename(
        self, scene: Scene, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        flushed: list[int] = []
        monkeypatch.setattr(os, "fdatasync", lambda _: flushed.append(len(scene.lines())))
        one = scene.tracker(fsync=True)
        for _ in range(3):
            store(one)
        assert flushed == [2, 4, 5]

    @pytest.mark.parametrize("options", [{"hook": "xcr"}, {"renames": True}, {"waits": "single"}])
    def test_nothing_is_put_off_where_somebody_waits_for_it(
        self, scene: Scene, options: dict[str, object]
    ) -> None:
        one = scene.tracker(**options)
        store(one)
        assert scene.was_woken()
        store(one)
        assert self.notes(scene) == ["1", "2"]
        assert scene.can_seal(STUDY)

    def test_a_lock_that_may_be_lost_is_looked_at_again_however_long_we_linger(
        self, scene: Scene, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        one = scene.tracker()
        store(one)
        store(one)
        lost = scene.generation(STUDY)
        monkeypatch.setattr(tracker, "_LEASE_SECONDS", -1.0)
        os.rename(scene.path / "open" / STUDY, scene.path / "sealed" / f"{STUDY}.{lost}")
        store(one, choose=lambda: "X_2")
        assert (
            [line[3] for line in scene.lines() if line[0] == "object"][2] == scene.generation(STUDY) != lost
        )
        assert self.notes(scene)[:2] == ["1", "2"]


class TestPublishLock:
    def lock_of(self, scene: Scene, directory: str = "X_1") -> bool:
        """Tell whether a keeper could rename there."""
        descriptor = scene.lockdir.open_publish_lock(directory)
        try:
            return lock(descriptor, 0)
        finally:
            os.close(descriptor)

    def test_nobody_renames_where_an_object_gets_its_name(self, scene: Scene) -> None:
        one = scene.tracker(renames=True)
        number = receive(one)
        assert not self.lock_of(scene)
        one.stored(number, "CT.1", 1)
        assert self.lock_of(scene)
        one.ended()

        number = receive(one)
        assert not self.lock_of(scene)
        one.failed(number)
        assert self.lock_of(scene)
        one.ended()

    def test_where_nothing_is_renamed_there_is_no_lock(self, scene: Scene) -> None:
        receive(scene.tracker())
        assert self.lock_of(scene)
        assert os.listdir(scene.path / "publish") != []  # ours

    def test_a_lock_that_is_never_given_is_an_error(
        self, scene: Scene, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("scpd.process.locks.PATIENCE_SECONDS", 0.0)
        descriptor = scene.lockdir.open_publish_lock("X_1")
        assert lock(descriptor, 0)
        one = scene.tracker(renames=True)
        with pytest.raises(TimeoutError):
            receive(one)
        os.close(descriptor)


class Deaf:
    """A wakeup that hears nothing."""

    signalled = False

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def fileno(self) -> int:
        return self._descriptor


class TestWaiting:
    @pytest.fixture
    def wakeup(self) -> Iterator[Deaf]:
        reader, writer = os.pipe()
        yield Deaf(reader)
        os.close(reader)
        os.close(writer)

    @pytest.fixture
    def keeper(self, scene: Scene) -> Iterator[int]:
        """The lock of a keeper."""
        descriptor = scene.lockdir.open_lock_file(layout.KEEPER)
        assert lock(descriptor, 0)
        yield descriptor
        os.close(descriptor)

    def answer(self, scene: Scene, number: int) -> None:
        (name,) = os.listdir(scene.path / "replies")
        fifo = os.open(scene.path / "replies" / name, os.O_WRONLY | os.O_NONBLOCK)
        os.write(fifo, b"%d\n" % number)
        os.close(fifo)

    def waits(self, scene: Scene) -> list[str]:
        return [line[1] for line in scene.lines() if line[0] == "waits"]

    def test_with_commands_in_order_each_object_is_waited_for(
        self, scene: Scene, keeper: int, wakeup: Deaf
    ) -> None:
        one = scene.tracker(hook="xcr", waits="xs")
        for _ in range(2):
            number = store(one)
            self.answer(scene, number)
            assert one.settle(wakeup)
        assert self.waits(scene) == ["1", "2"]

    def test_one_process_waits_where_a_study_may_have_ended(
        self, scene: Scene, keeper: int, wakeup: Deaf
    ) -> None:
        one = scene.tracker(waits="single")
        studies = [STUDY, STUDY, OTHER, OTHER, STUDY]
        for study in studies:
            self.answer(scene, store(one, study))
            assert one.settle(wakeup)
        assert self.waits(scene) == ["1", "3", "5"]

    def test_a_refused_object_is_not_waited_for(self, scene: Scene, keeper: int, wakeup: Deaf) -> None:
        one = scene.tracker(hook="xcr", waits="xs")
        refuse(one)
        assert one.settle(wakeup)
        assert self.waits(scene) == []

    def test_without_a_keeper_nothing_is_waited_for_twice(
        self, scene: Scene, wakeup: Deaf, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("scpd.study.replies._LOOK_SECONDS", 0.01)
        one = scene.tracker(hook="xcr", waits="xs")
        assert one._replies is not None
        one._replies.patience_seconds = 0.0
        store(one)
        assert not one.settle(wakeup)
        store(one)
        assert one.settle(wakeup)
        assert os.listdir(scene.path / "replies") == []

    def test_a_journal_that_cannot_be_made_leaves_no_fifo(self, scene: Scene) -> None:
        (scene.path / "journals" / "dead").rmdir()
        (scene.path / "journals").rmdir()
        with pytest.raises(OSError, match="No such file"):
            scene.tracker(waits="xs")
        assert os.listdir(scene.path / "replies") == []
        (scene.path / "journals").mkdir()
