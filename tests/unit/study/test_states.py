"""All workers are at one and the same open study, and nobody seals it while one of them is."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from scpd.errors import Refused
from scpd.lockdir import layout, records
from scpd.lockdir.layout import LockDirectory
from scpd.process import locks
from scpd.study.states import BUSY, About, Seal, is_key, key_of, new_generation, open_study
from tests.harness.descriptors import descriptors
from tests.harness.forked import all_at_once, exit_code, forked, in_child
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from scpd.study.states import OpenStudy

UID = "1.2.826.0.1"
RULES = "5 either - each-peer - -"
PROCESSES = 8

pytestmark = pytest.mark.usefixtures("no_descriptor_is_left_open")


def opened(lockdir: LockDirectory, uid: str = UID, rules: str = RULES) -> OpenStudy:
    return open_study(lockdir, uid, rules, flush=True)


def generation_of(lockdir: LockDirectory) -> str:
    study = opened(lockdir)
    study.let_go()
    return study.about.generation


def sealed(lockdir: LockDirectory, *, hold_too: bool = True, key: str = UID) -> bool:
    """Try to seal a study as the keeper does."""
    seal = Seal(lockdir, key)
    try:
        return (
            seal.try_locks(hold_too=hold_too)
            and seal.about is not None
            and seal.carry_out(seal.about.generation)
        )
    finally:
        seal.let_go()


# Keys.


any_text = st.text(st.characters(exclude_categories=()), min_size=1, max_size=20)


@pytest.mark.parametrize(
    ("uid", "key"),
    [
        ("1.2.3", "1.2.3"),
        ("A-z", "A-z"),
        (".", "%2E"),
        ("..", "%2E."),
        ("../x", "%2E.%2Fx"),
        ("a_b%", "a%5Fb%25"),
        ("é\0", "%C3%A9%00"),
        ("1" * 190, "1" * 190),
    ],
)
def test_a_key_is_the_uid_in_safe_characters(uid: str, key: str) -> None:
    assert key_of(uid) == key


@pytest.mark.parametrize("uid", ["", "1" * 191, "\0" * 64])
def test_a_uid_that_makes_no_key_is_refused(uid: str) -> None:
    with pytest.raises(Refused) as refused:
        key_of(uid)
    assert refused.value.status == 0xC000


@given(any_text)
@example("\ud800")
def test_any_key_is_a_name(uid: str) -> None:
    key = key_of(uid)
    assert key.isascii()
    assert key[0] != "."
    assert not set(key) & set("/\0\n\t ")
    assert len(f"{key}.{new_generation()}.xcs") < 230


@given(any_text, any_text)
@example("\udcc3\udca9", "é")
@example("%41", "A")
def test_any_two_uids_have_two_keys(one: str, other: str) -> None:
    assert (key_of(one) == key_of(other)) == (one == other)


@given(any_text, any_text, any_text | st.just(""), any_text | st.just(""))
@example("A", "A_6666cd76f9695646", "/", "")
def test_any_two_places_have_two_keys(one: str, other: str, place: str, elsewhere: str) -> None:
    assert (key_of(one, place) == key_of(other, elsewhere)) == ((one, place) == (other, elsewhere))
    assert is_key(key_of(one, place))


def test_with_a_place_there_is_less_room_for_the_uid() -> None:
    assert len(key_of("1" * 173, "/ct")) == 190
    with pytest.raises(Refused):
        key_of("1" * 174, "/ct")
    with pytest.raises(Refused):
        key_of("", "/ct")


@given(any_text, any_text, any_text | st.just(""))
def test_what_a_file_says_of_a_study_survives(uid: str, rules: str, place: str) -> None:
    about = About.decode(About("0123456789abcdef", uid, rules, place).encode())
    assert about is not None
    assert [about.generation, about.study_instance_uid, about.rules] == ["0123456789abcdef", uid, rules]
    assert about.place == place


def test_a_study_without_a_place_of_its_own_says_nothing_of_one() -> None:
    generation = "0123456789abcdef"
    assert records.decode(About(generation, UID, RULES).encode()[:-1]) == ["study", generation, UID, RULES]
    assert About.decode(records.encode(("study", generation, UID, RULES, ""))) is None


def test_a_state_that_says_another_place_is_no_study_of_ours(lockdir: LockDirectory, path: Path) -> None:
    forged = path / "open" / key_of(UID, "/ct")
    forged.mkdir()
    (forged / "study").write_bytes(About("0123456789abcdef", UID, RULES, "/elsewhere").encode())
    with pytest.raises(OSError, match="corrupt"):
        open_study(lockdir, UID, RULES, "/ct", flush=False)


@pytest.mark.parametrize("generation", ["", "0123", "0123456789abcde/", "0123456789abcdeé", "0" * 17])
def test_a_generation_that_is_none_is_noticed(generation: str) -> None:
    assert About.decode(About(generation, UID, RULES).encode()) is None


@given(st.binary())
def test_any_bytes_are_about_a_study_or_not(data: bytes) -> None:
    assert About.decode(data) is None


# Opening.


def test_a_study_is_opened_once_and_found_after_that(lockdir: LockDirectory, path: Path) -> None:
    one = opened(lockdir)
    other = opened(lockdir, rules="60 next - any-peer - -")
    assert one.about.generation == other.about.generation
    assert (one.key, one.about.study_instance_uid, other.about.rules) == (UID, UID, RULES)
    assert os.listdir(path / "open") == [UID]
    assert os.listdir(path / "open" / UID) == ["study"]
    one.let_go()
    other.let_go()


def test_workers_that_open_a_study_at_the_same_moment_open_one(path: Path) -> None:
    layout.make(str(path))

    def work(_: int) -> list[str]:
        lockdir = LockDirectory(str(path))
        return [opened(lockdir, f"1.2.{number}").about.generation for number in range(50)]

    generations = all_at_once(PROCESSES, work)
    assert generations == [generations[0]] * PROCESSES
    assert len(set(generations[0])) == 50
    assert sorted(os.listdir(path / "open")) == sorted(f"1.2.{number}" for number in range(50))


def test_a_sealed_study_is_opened_anew_as_another(lockdir: LockDirectory, path: Path) -> None:
    first = opened(lockdir)
    first.find_directory(lambda: "first", flush=False)
    first.let_go()
    assert sealed(lockdir)
    second = opened(lockdir)
    assert second.about.generation != first.about.generation
    assert second.find_directory(lambda: "second", flush=False) == "second"
    second.let_go()
    assert os.listdir(path / "sealed") == [f"{UID}.{first.about.generation}"]
    assert os.listdir(path / "open") == [UID]


def test_a_state_without_a_file_is_what_a_crash_has_left_and_replaced(
    lockdir: LockDirectory, path: Path
) -> None:
    (path / "open" / UID).mkdir()
    opened(lockdir).let_go()
    assert os.listdir(path / "open" / UID) == ["study"]


def test_what_a_crash_has_left_disturbs_nobody(lockdir: LockDirectory, path: Path) -> None:
    """Directories prepared but not opened, at every step; a name being written down."""
    for number, litter in enumerate([[], [".study.77"], ["study"]]):
        (path / f"open/.{number:016}").mkdir()
        for name in litter:
            (path / f"open/.{number:016}" / name).write_text("torn")
    generation = generation_of(lockdir)
    (path / "open" / UID / ".directory.77").write_text("torn")
    study = opened(lockdir)
    assert study.about.generation == generation
    assert study.find_directory(lambda: "chosen", flush=True) == "chosen"
    study.let_go()
    assert sealed(lockdir)


def test_a_study_whose_state_a_keeper_took_for_what_a_crash_has_left_is_opened_again(
    lockdir: LockDirectory, path: Path
) -> None:
    def work() -> list[object]:
        taken: list[str] = []

        def take(event: str, _: object) -> None:
            if event == "os.rename" and not taken:
                for litter in (path / "open").glob(".*"):
                    taken.append(litter.name)
                    shutil.rmtree(litter)

        sys.addaudithook(take)  # it stays: hence the process of its own
        study = open_study(lockdir, UID, RULES, flush=False)
        return [len(taken), study.is_current(), len(os.listdir(path / "open"))]

    assert in_child(work) == [1, True, 1]


@pytest.mark.parametrize("content", [b"", b"garbage\n", About("0" * 16, UID, RULES).encode()[:-9]])
def test_a_corrupt_state_is_an_error_and_never_sealed(
    lockdir: LockDirectory, path: Path, content: bytes
) -> None:
    (path / "open" / UID).mkdir()
    (path / "open" / UID / "study").write_bytes(content)
    with pytest.raises(OSError, match="corrupt"):
        opened(lockdir)
    assert not sealed(lockdir)


@pytest.mark.parametrize("what", ["study", "directory", "fifo", "link"])
def test_something_else_in_the_place_of_a_state_is_an_error(
    lockdir: LockDirectory, path: Path, what: str
) -> None:
    state = path / "open" / UID
    elsewhere = path.with_name("elsewhere")
    elsewhere.mkdir()
    (elsewhere / "study").write_bytes(About("0" * 16, UID, RULES).encode())
    if what == "link":
        state.symlink_to(elsewhere)
    elif what == "study":
        state.mkdir()
        (state / "study").symlink_to(elsewhere / "study")
    elif what == "directory":
        (state / "study").mkdir(parents=True)
    else:
        state.mkdir()
        os.mkfifo(state / "study")
    with pytest.raises(OSError, match=r"links|directory|seek"):
        opened(lockdir)
    with pytest.raises(OSError, match=r"links|directory|seek"):
        Seal(lockdir, UID)
    assert os.listdir(elsewhere) == ["study"]
    assert os.listdir(path / "open") == [UID]


def test_without_room_nothing_is_left(lockdir: LockDirectory, path: Path) -> None:
    def life() -> int:
        import resource  # in a child: no limit of the test's own process changes

        resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))
        with pytest.raises(OSError, match="large"):
            opened(lockdir)
        return 0

    assert exit_code(forked(life)) == 0
    assert os.listdir(path / "open") == []


def test_who_waits_in_vain_has_nothing_open(lockdir: LockDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    opened(lockdir).let_go()
    seal = Seal(lockdir, UID)
    assert seal.try_locks(hold_too=False)
    monkeypatch.setattr(locks, "PATIENCE_SECONDS", 0.01)
    before = descriptors(os.getpid())
    with pytest.raises(TimeoutError):
        opened(lockdir)
    assert descriptors(os.getpid()) == before
    seal.let_go()


# Sealing.


def test_a_study_is_not_sealed_while_a_worker_is_busy_with_it(lockdir: LockDirectory) -> None:
    busy, other = opened(lockdir), opened(lockdir)
    for hold_too in (False, True):
        assert not sealed(lockdir, hold_too=hold_too)
    busy.end()
    assert not sealed(lockdir, hold_too=False)
    other.end()
    assert sealed(lockdir)
    busy.let_go()
    other.let_go()


def test_a_study_that_is_held_is_sealed_only_if_that_does_not_matter(lockdir: LockDirectory) -> None:
    study = opened(lockdir)
    study.hold()
    study.end()
    assert not sealed(lockdir, hold_too=True)
    assert sealed(lockdir, hold_too=False)
    study.let_go()


def test_a_study_that_was_let_go_is_sealed(lockdir: LockDirectory) -> None:
    study = opened(lockdir)
    study.hold()
    study.let_go()
    assert sealed(lockdir, hold_too=True)


def test_what_a_killed_worker_was_busy_with_and_held_is_sealed(lockdir: LockDirectory) -> None:
    ready, tell = os.pipe()

    def life() -> int:
        opened(lockdir).hold()
        os.write(tell, b"x")
        signal.pause()
        return 0

    # The open study of the child is forgotten by Python only when it ends: it is not closed before.
    child = forked(life)
    os.read(ready, 1)
    os.close(ready)
    os.close(tell)
    assert not sealed(lockdir, hold_too=False)
    os.kill(child, signal.SIGKILL)
    assert exit_code(child) == -signal.SIGKILL
    assert sealed(lockdir, hold_too=True)


def test_who_tried_in_vain_to_seal_has_let_all_go(lockdir: LockDirectory) -> None:
    study = opened(lockdir)
    study.hold()
    study.end()
    assert not sealed(lockdir)
    assert study.begin()
    study.let_go()


def test_only_the_generation_that_is_meant_is_sealed(lockdir: LockDirectory, path: Path) -> None:
    opened(lockdir).let_go()
    seal = Seal(lockdir, UID)
    assert seal.try_locks(hold_too=True)
    assert not seal.carry_out(new_generation())
    seal.let_go()
    assert os.listdir(path / "sealed") == []


def test_of_two_keepers_one_seals_and_the_other_does_not_seal_what_is_opened_then(
    lockdir: LockDirectory, path: Path
) -> None:
    """A keeper that slept since it opened the file, while another one was elected."""
    generation = generation_of(lockdir)
    slow = Seal(lockdir, UID)
    assert sealed(lockdir)
    assert slow.try_locks(hold_too=True)
    assert not slow.carry_out(generation)
    study = opened(lockdir)
    assert not slow.carry_out(generation)
    slow.let_go()
    assert study.is_current()
    study.let_go()
    assert len(os.listdir(path / "sealed")) == 1


def test_what_is_not_open_cannot_be_sealed(lockdir: LockDirectory) -> None:
    with pytest.raises(FileNotFoundError):
        Seal(lockdir, UID)


def test_a_worker_that_finds_its_study_sealed_is_not_busy_with_it(lockdir: LockDirectory, path: Path) -> None:
    study = opened(lockdir)
    assert study.is_current()
    study.end()
    assert sealed(lockdir)
    assert not study.is_current()
    assert not study.begin()
    other = os.open(path / "sealed" / f"{UID}.{study.about.generation}" / "study", os.O_RDWR)
    assert locks.lock(other, BUSY)
    os.close(other)
    new = opened(lockdir)
    assert not study.is_current()
    assert not study.begin()
    new.end()
    assert sealed(lockdir)
    new.let_go()
    study.let_go()


def test_a_worker_that_waits_while_the_keeper_seals_opens_the_next_generation(lockdir: LockDirectory) -> None:
    generation = generation_of(lockdir)
    begin, let_it_begin = os.pipe()

    def life() -> int:
        os.read(begin, 1)
        before = len(descriptors(os.getpid()))
        study = opened(lockdir)
        assert study.is_current()
        assert study.about.generation != generation
        return len(descriptors(os.getpid())) - before - 1  # it has no other study open

    child = forked(life)  # before the lock is taken: a child has its parent's
    seal = Seal(lockdir, UID)
    assert seal.try_locks(hold_too=True)
    before = naps(child)
    os.write(let_it_begin, b"x")
    os.close(begin)
    os.close(let_it_begin)
    wait_until(lambda: naps(child) > before + 20, what="the worker to wait")
    assert seal.carry_out(generation)
    seal.let_go()
    assert exit_code(child) == 0


def naps(pid: int) -> int:
    """How often a process has waited for something (proc_pid_status(5))."""
    with open(f"/proc/{pid}/status", encoding="ascii") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith("voluntary_ctxt_switches"))


def test_what_is_done_while_busy_belongs_to_the_generation_that_was_opened(path: Path) -> None:
    """Workers leave marks in the states as if these were directories of files, while a keeper seals whenever it can."""
    layout.make(str(path))
    lockdir = LockDirectory(str(path))
    workers, uids, enough = 3, [f"1.2.{number}" for number in range(5)], path.with_name("sealed often enough")

    def leave_marks(number: int) -> int:
        turn = 0
        while not enough.exists():
            study = open_study(lockdir, uids[(number + turn) % len(uids)], f"{number} {turn}", flush=False)
            (path / "open" / study.key / f"{study.about.generation}-{number}-{turn}").touch()
            study.let_go()
            turn += 1
        return turn

    def seal_often() -> int:
        done = turn = 0
        while done < 200:
            turn += 1
            with suppress(FileNotFoundError):
                done += sealed(lockdir, key=uids[turn % len(uids)])
        enough.touch()
        return 0

    turns = all_at_once(workers + 1, lambda number: leave_marks(number) if number < workers else seal_often())
    lockdir.close()
    assert len(os.listdir(path / "sealed")) == 200
    states = [*(path / "sealed").iterdir(), *(path / "open").iterdir()]
    marks = [(state, file.name) for state in states for file in state.iterdir() if "-" in file.name]
    assert len(marks) == sum(turns)
    for state, mark in marks:
        about = About.decode((state / "study").read_bytes())
        assert about is not None
        assert mark.startswith(about.generation)
        assert state.name in (about.study_instance_uid, f"{about.study_instance_uid}.{about.generation}")


# Directories.


def test_a_study_has_the_directory_that_was_chosen_first(lockdir: LockDirectory, path: Path) -> None:
    one, other = opened(lockdir), opened(lockdir)
    assert one.find_directory(lambda: "study é\n", flush=True) == "study é\n"
    assert other.find_directory(lambda: "another", flush=True) == "study é\n"
    assert one.find_directory(lambda: "another", flush=True) == "study é\n"
    assert records.decode((path / "open" / UID / "directory").read_bytes()[:-1]) == ["study é\n"]
    one.let_go()
    other.let_go()
    assert sorted(os.listdir(path / "open" / UID)) == ["directory", "study"]


def test_a_directory_is_chosen_once_by_workers_at_the_same_moment(path: Path) -> None:
    layout.make(str(path))

    def work(worker: int) -> list[str]:
        lockdir = LockDirectory(str(path))
        return [find(lockdir, f"1.2.{number}", worker) for number in range(30)]

    def find(lockdir: LockDirectory, uid: str, worker: int) -> str:
        study = opened(lockdir, uid)
        try:
            return study.find_directory(lambda: chosen(path, uid, worker), flush=False)
        finally:
            study.let_go()

    found = all_at_once(PROCESSES, work)
    assert found == [found[0]] * PROCESSES
    assert sorted(found[0]) == sorted(os.listdir(path.with_name("chosen")))


def chosen(path: Path, uid: str, worker: int) -> str:
    """Leave a trace of each choice."""
    name = f"{uid} by {worker}"
    path.with_name("chosen").mkdir(exist_ok=True)
    path.with_name("chosen").joinpath(name).touch(exist_ok=False)
    return name


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_who_cannot_choose_leaves_it_to_the_next(lockdir: LockDirectory, error: BaseException) -> None:
    def fails() -> str:
        raise error

    one, other = opened(lockdir), opened(lockdir)
    with pytest.raises(type(error)):
        one.find_directory(fails, flush=False)
    assert other.find_directory(lambda: "chosen", flush=False) == "chosen"
    assert one.find_directory(fails, flush=False) == "chosen"
    one.let_go()
    other.let_go()


def test_who_is_killed_while_choosing_leaves_it_to_the_next(lockdir: LockDirectory) -> None:
    def dies() -> str:
        os.kill(os.getpid(), signal.SIGKILL)
        return "never"

    study = opened(lockdir)
    child = forked(lambda: len(opened(lockdir).find_directory(dies, flush=False)))
    assert exit_code(child) == -signal.SIGKILL
    assert study.find_directory(lambda: "chosen", flush=False) == "chosen"
    study.let_go()


@pytest.mark.parametrize("content", [b"", b"garbage\n", records.encode([""])])
def test_a_directory_that_cannot_be_read_is_chosen_again(
    lockdir: LockDirectory, path: Path, content: bytes
) -> None:
    study = opened(lockdir)
    (path / "open" / UID / "directory").write_bytes(content)
    assert study.find_directory(lambda: "chosen", flush=False) == "chosen"
    study.let_go()
