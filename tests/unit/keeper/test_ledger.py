"""All journals together: order, what counts, what is removed, and what forgers write."""

from __future__ import annotations

import os
import resource
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scpd.keeper.ledger import Ledger
from scpd.keeper.places import Places
from scpd.lockdir import layout, records
from scpd.lockdir.layout import LockDirectory
from scpd.study import record
from scpd.study.record import Sender
from tests.harness.journals import OTHER_BOOT, THIS_BOOT, JournalFile, an_object
from tests.harness.lockdirs import put_what_is_no_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def ledger(lockdir: LockDirectory, output: Path) -> Iterator[Ledger]:
    made = Ledger(lockdir, Places(str(output)), THIS_BOOT, lambda: True)
    yield made
    made.close()


def names_of(news: object) -> list[str]:
    return [stored.record.name for stored in news.stored]  # type: ignore[attr-defined]


def listing(output: Path, part: str) -> list[str]:
    return sorted(os.listdir(output / ".scpd" / part))


@contextmanager
def few_descriptors(left: int) -> Iterator[None]:
    """Let this process open only so many files more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(map(int, os.listdir("/proc/self/fd"))) + left, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@contextmanager
def no_descriptor_but_one() -> Iterator[None]:
    """Let this process open one file more."""
    with few_descriptors(40):
        taken: list[int] = []
        with suppress(OSError):
            while True:
                taken.append(os.dup(0))
        os.close(taken.pop())
        try:
            yield
        finally:
            for descriptor in taken:
                os.close(descriptor)


class TestWhatCounts:
    def test_objects_of_all_journals_come_in_order_of_arrival(
        self, lockdir: LockDirectory, ledger: Ledger
    ) -> None:
        one, two, three = (JournalFile(lockdir, maker) for maker in ("z1", "y2", "x3"))
        one.store(1, "a", at=5)
        two.store(1, "b", at=3)
        three.store(1, "c", at=4)
        one.store(2, "d", at=6)
        assert names_of(ledger.look(100)) == ["b", "c", "a", "d"]

    def test_what_came_before_this_boot_comes_first_and_arrives_now(
        self, lockdir: LockDirectory, ledger: Ledger
    ) -> None:
        JournalFile(lockdir, "new").store(1, "new", at=1_000_000_000)
        JournalFile(lockdir, "old", boot=OTHER_BOOT).store(1, "old", at=99_000_000_000)
        news = ledger.look(50)
        assert [(stored.record.name, stored.arrived) for stored in news.stored] == [("old", 50), ("new", 1)]

    def test_nobody_can_say_that_an_object_comes_from_the_future(
        self, lockdir: LockDirectory, ledger: Ledger
    ) -> None:
        JournalFile(lockdir, "m").store(1, at=10**19)
        assert ledger.look(50).stored[0].arrived == 50

    def test_an_object_counts_when_it_is_said_that_it_was_stored_and_once(
        self, lockdir: LockDirectory, ledger: Ledger
    ) -> None:
        journal = JournalFile(lockdir, "m")
        journal.write(an_object(1, "CT.1", generation="g").encode())
        assert not ledger.look(1).stored
        assert ledger.is_pending("g")
        assert not ledger.is_pending("another")
        journal.write(record.encode_stored(1, "CT.1.1", 8))
        (stored,) = ledger.look(1).stored
        assert (stored.record.name, stored.record.inode) == ("CT.1.1", 8)
        assert not ledger.look(1).stored
        assert not ledger.is_pending("g")

    def test_the_line_of_the_next_one_may_say_that_it_was_stored(
        self, lockdir: LockDirectory, ledger: Ledger
    ) -> None:
        journal = JournalFile(lockdir, "m")
        journal.write(an_object(1, "CT.1", inode=7, generation="g").encode())
        journal.write(an_object(2, "CT.2", generation="g", stored=1).encode())
        journal.write(an_object(3, "CT.3", generation="g", stored=1).encode())
        (stored,) = ledger.look(1).stored
        assert (stored.record.name, stored.record.inode) == ("CT.1", 7)
        assert list(stored.association.pending) == [2, 3]

    def test_the_certificate_of_a_sender_is_known_with_its_first_object(
        self, lockdir: LockDirectory, ledger: Ledger
    ) -> None:
        journal = JournalFile(lockdir, "m")
        journal.write(records.encode((record.CERTIFICATE, "CN=ct1", "CN=ca")))
        journal.store(1)
        (stored,) = ledger.look(1).stored
        sender = stored.association.sender
        assert (sender.subject, sender.issuer) == ("CN=ct1", "CN=ca")

    def test_an_object_that_failed_does_not_count(self, lockdir: LockDirectory, ledger: Ledger) -> None:
        journal = JournalFile(lockdir, "m")
        journal.write(an_object(1).encode(), record.encode_failed(1))
        journal.die()
        assert not ledger.look(1).stored

    @pytest.mark.parametrize("directory", ["", "study"])
    @pytest.mark.parametrize("name", ["CT.1", "another"])
    def test_of_a_dead_worker_the_file_decides(
        self, lockdir: LockDirectory, ledger: Ledger, output: Path, directory: str, name: str
    ) -> None:
        (output / "study").mkdir()
        (output / directory / name).touch()
        inode = (output / directory / name).stat().st_ino
        journal = JournalFile(lockdir, "m")
        journal.write(an_object(1, "CT.1", directory=directory, inode=inode).encode())
        journal.write(an_object(2, "CT.2", directory="gone", inode=inode).encode())
        assert not ledger.look(1).stored
        journal.die()
        news = ledger.look(1)
        assert names_of(news) == [name]
        assert [association.maker for association in news.ended] == ["m"]

    def test_the_file_decides_where_the_output_directory_is_a_link_too(
        self, lockdir: LockDirectory, output: Path, tmp_path: Path
    ) -> None:
        link = tmp_path / "link"
        link.symlink_to(output)
        (output / "CT.1").touch()
        journal = JournalFile(lockdir, "m")
        journal.write(an_object(1, "CT.1", directory="", inode=(output / "CT.1").stat().st_ino).encode())
        journal.die()
        ledger = Ledger(lockdir, Places(str(link)), THIS_BOOT, lambda: True)
        assert names_of(ledger.look(1)) == ["CT.1"]
        ledger.close()

    @pytest.mark.parametrize("kind", ["hidden", "a directory"])
    def test_of_a_dead_worker_only_a_file_counts_that_can_have_been_published(
        self, lockdir: LockDirectory, ledger: Ledger, output: Path, kind: str
    ) -> None:
        found = output / {"hidden": ".CT.1", "a directory": "study"}[kind]
        found.touch() if kind == "hidden" else found.mkdir()
        journal = JournalFile(lockdir, "m")
        journal.write(an_object(1, "CT.1", directory="", inode=found.stat().st_ino).encode())
        journal.die()
        assert names_of(ledger.look(1)) == []

    def test_an_object_of_which_nothing_is_kept_counts_though_its_worker_died(
        self, lockdir: LockDirectory, ledger: Ledger
    ) -> None:
        journal = JournalFile(lockdir, "m")
        journal.write(an_object(1, "", inode=0, hook="xcr").encode())
        journal.die()
        assert names_of(ledger.look(1)) == [""]

    def test_who_waits_is_known_until_he_is_answered_or_dies(
        self, lockdir: LockDirectory, ledger: Ledger
    ) -> None:
        one, two = JournalFile(lockdir, "a"), JournalFile(lockdir, "b")
        one.write(record.encode_waits(3))
        two.write(record.encode_waits(4))
        ledger.look(1)
        assert {association.maker: association.waiting_for for association in ledger.waiting()} == {
            "a": 3,
            "b": 4,
        }
        answered = ledger.find("a")
        assert answered is not None
        ledger.answered(answered)
        two.die()
        ledger.look(1)
        assert not ledger.waiting()


class TestWhatIsRemoved:
    def test_a_dead_workers_journal_stays_as_long_as_it_is_needed(
        self, lockdir: LockDirectory, ledger: Ledger, output: Path
    ) -> None:
        journal = JournalFile(lockdir, "m")
        os.mkfifo(output / ".scpd/replies/m")
        journal.store(1)
        (stored,) = ledger.look(1).stored
        ledger.need(stored.association)
        ledger.need(stored.association)
        journal.die()
        (ended,) = ledger.look(1).ended
        ledger.forget_if_done(ended)
        ledger.release(ended)
        assert (listing(output, "journals"), listing(output, "journals/dead")) == (["dead"], ["m"])
        assert not listing(output, "replies")
        ledger.release(ended)
        assert not listing(output, "journals/dead")
        assert ledger.find("m") is None

    def test_a_living_workers_journal_stays(
        self, lockdir: LockDirectory, ledger: Ledger, output: Path
    ) -> None:
        journal = JournalFile(lockdir, "m")
        journal.store(1)
        (stored,) = ledger.look(1).stored
        ledger.need(stored.association)
        ledger.release(stored.association)
        assert listing(output, "journals") == ["dead", "m"]
        journal.die()

    def test_the_next_keeper_reads_dead_ones_again(
        self, lockdir: LockDirectory, ledger: Ledger, output: Path
    ) -> None:
        journal = JournalFile(lockdir, "m")
        journal.store(1)
        journal.die()
        ledger.need(ledger.look(1).stored[0].association)
        successor = Ledger(lockdir, Places(str(output)), THIS_BOOT, lambda: True)
        assert names_of(successor.look_back(2)) == ["CT.1"]
        assert not successor.look(3).stored
        successor.forget_all_done()
        assert not listing(output, "journals/dead")

    def test_a_thousand_dead_ones_take_no_descriptors(
        self, lockdir: LockDirectory, ledger: Ledger, output: Path
    ) -> None:
        for number in range(300):
            journal = JournalFile(lockdir, f"m{number}")
            journal.store(1, at=number)
            journal.die()
        with few_descriptors(12):
            news = ledger.look_back(1)
        assert len(news.stored) == 300
        assert not ledger.has_missed
        assert not listing(output, "strange")


class TestWhatCannotBeRead:
    def test_without_descriptors_nothing_is_set_aside_and_something_missed(
        self, lockdir: LockDirectory, ledger: Ledger, output: Path
    ) -> None:
        ledger.look_back(1)
        journals = [JournalFile(lockdir, f"m{number}") for number in range(2)]
        for journal in journals:
            journal.store(1)
        with no_descriptor_but_one():
            assert len(ledger.look(1).stored) == 1
        assert ledger.has_missed
        assert not listing(output, "strange")
        assert len(ledger.look(1).stored) == 1
        assert not ledger.has_missed

    @pytest.mark.parametrize("part", ["journals", "journals/dead"])
    @pytest.mark.parametrize("kind", ["directory", "fifo", "link", "empty", "no head", "no name"])
    def test_what_is_no_journal_is_set_aside(
        self, lockdir: LockDirectory, ledger: Ledger, output: Path, kind: str, part: str
    ) -> None:
        path = output / ".scpd" / part / ("no name" if kind == "no name" else "odd")
        if not put_what_is_no_file(path, kind):
            path.write_bytes({"empty": b"", "no head": b"x\n"}.get(kind, Sender("", "", "", "", "").encode()))
        assert not ledger.look_back(1).stored
        assert not ledger.has_missed
        assert len(listing(output, "strange")) == 1
        assert not os.path.lexists(path)

    @given(
        st.lists(
            st.one_of(st.binary(max_size=80), st.lists(st.text(max_size=30), min_size=1).map(records.encode))
        )
    )
    def test_any_lines_are_read_or_passed_over(self, lines: list[bytes]) -> None:
        import tempfile
        from pathlib import Path

        with tempfile.TemporaryDirectory() as folder:
            layout.make(folder)
            lockdir = LockDirectory(folder)
            head = Sender(THIS_BOOT, "A", "B", "h", "n").encode()
            (Path(folder) / "journals/m").write_bytes(head + b"\n".join(lines))
            ledger = Ledger(lockdir, Places(folder), THIS_BOOT, lambda: True)
            ledger.look_back(1)
            ledger.close()
            lockdir.close()


LONG = "9" * 5000


@pytest.mark.parametrize(
    "line",
    [
        ("stored", LONG, "CT.1", "7"),
        ("stored", "1", "CT.1", LONG),
        ("stored", "1", "../CT.1", "7"),
        ("stored", "1", "a\0b", "7"),
        ("stored", "\u0661", "CT.1", "7"),
        ("failed", LONG),
        ("waits", LONG),
        ("waits", "\u0661"),
        ("stored",),
        ("opened", "x"),
        ("nothing of ours", "x"),
    ],
)
def test_what_no_worker_writes_counts_for_nothing(
    lockdir: LockDirectory, ledger: Ledger, line: tuple[str, ...]
) -> None:
    journal = JournalFile(lockdir, "m")
    journal.write(an_object(1).encode(), records.encode(line))
    news = ledger.look(1)
    assert not news.stored
    assert not news.opened
    assert not ledger.waiting()


@pytest.mark.parametrize(
    "values",
    [
        {"name": "../x"},
        {"name": ".x"},
        {"name": "a/b"},
        {"name": "a\0"},
        {"name": "a\n"},
        {"name": "n" * 256},
        {"directory": ".."},
        {"directory": "a/b"},
        {"directory": ".scpd"},
    ],
)
def test_an_object_whose_names_are_none_counts_for_nothing(
    lockdir: LockDirectory, ledger: Ledger, values: dict[str, str]
) -> None:
    journal = JournalFile(lockdir, "m")
    journal.write(an_object(1, **values).encode(), record.encode_stored(1, "CT.1", 7))  # type: ignore[arg-type]
    assert not ledger.look(1).stored


def test_a_name_of_bytes_that_are_no_utf_8_is_one(lockdir: LockDirectory, ledger: Ledger) -> None:
    JournalFile(lockdir, "m").store(1, "CT.1.\udce9")
    assert names_of(ledger.look(1)) == ["CT.1.\udce9"]


def test_a_number_is_that_of_one_object(lockdir: LockDirectory, ledger: Ledger) -> None:
    journal = JournalFile(lockdir, "m")
    for number in (2, 2, 1, 3):
        journal.store(number, f"CT.{number}")
    assert names_of(ledger.look(1)) == ["CT.2", "CT.3"]


def test_studies_in_use_are_told(lockdir: LockDirectory, ledger: Ledger) -> None:
    JournalFile(lockdir, "m").write(record.encode_opened("1.1", "g"))
    assert ledger.look(1).opened == [("1.1", "g")]


def test_who_reads_much_gives_signs_of_life_meanwhile(lockdir: LockDirectory, ledger: Ledger) -> None:
    for number in range(3):
        JournalFile(lockdir, f"m{number}").store(1, f"CT.{number}")
    signs: list[int] = []
    ledger.look_back(1, lambda: signs.append(1))
    assert len(signs) >= 3
