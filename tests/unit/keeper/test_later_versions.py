"""What a later version writes is read as far as it is known here: fields behind ours, and lines of other kinds."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from scpd.keeper import runfiles
from scpd.keeper.accounts import Accounts, read_failed
from scpd.keeper.ledger import Ledger
from scpd.keeper.places import Places
from scpd.keeper.runfiles import END, RUN
from scpd.lockdir import journal, layout, records
from scpd.lockdir.agreement import agree
from scpd.study.completion import Sealed
from scpd.study.plan import Plan
from scpd.study.record import ObjectRecord, Sender
from scpd.study.states import About
from tests.harness.journals import THIS_BOOT, an_object

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from scpd.lockdir.layout import LockDirectory

MORE = ("added", "")
UNKNOWN = records.encode(("later", "whatever"))
HEAD = ("plan", "1.1", "study", "A", "B", "h", "n", "1.2", "1")
MOVE = ("move", "CT.1", "7", "CT000001")
JOB = "4711-a1.1.xcr"


def lines(*of: Sequence[str]) -> bytes:
    return b"".join(records.encode((*fields, *MORE)) for fields in of)


class TestPlan:
    def test_fields_and_lines_that_nobody_knows_are_passed_over(self) -> None:
        subject = ("CN=ct1", "CN=ca")
        plan = Plan.decode(lines((*HEAD, *subject), MOVE) + UNKNOWN + lines(("end", "1")))
        assert plan is not None
        assert (plan.subject, plan.issuer) == subject
        assert [(move.name, move.inode, move.new_name) for move in plan.moves] == [("CT.1", 7, "CT000001")]

    def test_a_field_that_is_missing_before_a_later_one_is_empty(self) -> None:
        plan = Plan.decode(lines((*HEAD, "", ""), ("end", "0")))
        assert plan is not None
        assert (plan.subject, plan.issuer) == ("", "")

    @pytest.mark.parametrize("end", ["0", "2"])
    def test_moves_are_counted_all_the_same(self, end: str) -> None:
        assert Plan.decode(lines(HEAD, MOVE) + UNKNOWN + lines(("end", end))) is None

    def test_a_line_that_is_torn_is_none_of_them(self) -> None:
        assert Plan.decode(lines(HEAD, MOVE) + UNKNOWN[:-3] + b"\n" + lines(("end", "1"))) is None

    def test_a_keeper_carries_it_out_and_makes_no_other(self, lockdir: LockDirectory, output: Path) -> None:
        sealed_directory = output / ".scpd" / "sealed" / "1.1.0123456789abcdef"
        sealed_directory.mkdir()
        (sealed_directory / "plan").write_bytes(lines((*HEAD, "CN=ct1", "CN=ca"), ("end", "0")))
        with Sealed(lockdir, sealed_directory.name, fsync=False) as sealed:
            plan = sealed.read_plan()
        assert plan is not None
        assert plan.subject == "CN=ct1"
        assert os.listdir(output / ".scpd" / "strange") == []


def test_a_study_says_more() -> None:
    about = About.decode(lines(("study", "0123456789abcdef", "1.1", "rules", "/place")))
    assert about is not None
    assert about.place == "/place"
    without = About.decode(lines(("study", "0123456789abcdef", "1.1", "rules", "")))
    assert without is not None
    assert without.place == ""


def test_a_sender_and_an_object_say_more() -> None:
    for place in ("", "/place"):
        sender = Sender.decode(["journal", "boot", "A", "B", "h", "n", "xs", place, *MORE])
        assert sender is not None
        assert (sender.waits, sender.place, sender.subject) == ("xs", place, "")
    fields = records.decode(an_object(1, "CT.1").encode()[:-1])
    assert fields is not None
    found = ObjectRecord.decode([*fields, "", *MORE])
    assert found is not None
    assert found.encode() == an_object(1, "CT.1").encode()


@pytest.fixture
def ledger(lockdir: LockDirectory, output: Path) -> Iterator[Ledger]:
    made = Ledger(lockdir, Places(str(output)), THIS_BOOT, lambda: True)
    yield made
    made.close()


def test_a_journal_says_more(lockdir: LockDirectory, ledger: Ledger) -> None:
    def more(line: bytes) -> bytes:
        fields = records.decode(line[:-1])
        assert fields is not None
        return lines((*fields, ""))

    first = ("journal", THIS_BOOT, "A", "B", "h", "n", "xs", "")
    made = journal.Journal(lockdir, lines(first, ("tls", "CN=ct1", "CN=ca")), fsync=False, maker="m")
    for number in (1, 2, 3):
        made.write(more(an_object(number, f"CT.{number}").encode()) + UNKNOWN)
    made.write(lines(("opened", "1.1", "g"), ("stored", "1", "CT.1", "7"), ("failed", "2"), ("waits", "1")))
    news = ledger.look(1)
    (stored,) = news.stored
    assert stored.record.name == "CT.1"
    assert stored.association.sender.subject == "CN=ct1"
    assert stored.association.waiting_for == 1
    assert news.opened == [("1.1", "g")]
    assert list(stored.association.pending) == [3]
    made.close()


def test_what_keepers_say_of_commands_is_more(lockdir: LockDirectory) -> None:
    keepers, failed = lockdir.opened(layout.KEEPERS), lockdir.opened(layout.FAILED)
    layout.write_whole("other", lines(("settled", JOB), ("tried", "b.1.xcr", "2")), keepers, flush=False)
    accounts = Accounts(lockdir)
    assert accounts.is_settled(JOB)
    assert accounts.tried("b.1.xcr") == 2
    layout.write_whole(JOB, lines(("path", "/in")), failed, flush=False)
    assert read_failed(lockdir, JOB) == {"path": "/in"}


def test_what_runners_say_is_more(lockdir: LockDirectory) -> None:
    running = lockdir.opened(layout.RUNNING)
    layout.write_whole(JOB + RUN, lines(("run", "7", "8", "9", "10", "boot", "11")), running, flush=False)
    layout.write_whole(JOB + END, lines(("end", "7", "8", "-9", "1", "12", "error")), running, flush=False)
    trace, end = runfiles.read_trace(running, JOB), runfiles.read_end(running, JOB)
    assert trace is not None
    assert end is not None
    assert (trace.pid, trace.boot_id, trace.milliseconds) == (7, "boot", 11)
    assert (end.pid, end.code, end.stderr) == (7, -9, "error")


def test_what_options_must_agree_is_more(lockdir: LockDirectory, output: Path) -> None:
    path = str(output / ".scpd")
    held = agree(lockdir, path, [("-tos", "5")])
    try:
        (output / ".scpd" / "rules").write_bytes(lines(("-tos", "5"), ("--later", "yes")))
        os.close(agree(lockdir, path, [("-tos", "5")]))
    finally:
        os.close(held)
