"""The files: which are read, which never, and when again."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from scpd.access.parties import Client, Host, Service
from scpd.access.tables import HOSTS_ALLOW, HOSTS_DENY, LARGEST_BYTES, Tables, faults
from scpd.access.verdict import decide

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SERVICE = Service(("storescp",))
OLD = (1_000_000_000, 1_000_000_000)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "allow").write_text("ALL: 10.\n")
    (tmp_path / "deny").write_text("ALL: ALL\n")
    return tmp_path


def tables(place: Path) -> Tables:
    return Tables(str(place / "allow"), str(place / "deny"))


def decided(read: Tables, address: str = "10.1.2.3") -> str:
    return str(decide(read.look(), SERVICE, Client(Host(address)))).replace(os.sep, "/")


def test_both_are_read(place: Path) -> None:
    assert decided(tables(place)) == f"granted by {place}/allow:1"
    assert decided(tables(place), "9.1.1.1") == f"denied by {place}/deny:1"


@pytest.mark.parametrize("kind", ["missing", "dangling"])
def test_one_that_is_not_there_is_empty(place: Path, kind: str) -> None:
    for name in ("allow", "deny"):
        (place / name).unlink()
        if kind == "dangling":
            (place / name).symlink_to(place / "nowhere")
    assert decided(tables(place)) == "granted: no rule matches"


def make_directory(path: Path) -> None:
    path.mkdir()


def make_fifo(path: Path) -> None:
    os.mkfifo(path)


def make_null(path: Path) -> None:
    path.symlink_to("/dev/null")


def make_loop(path: Path) -> None:
    path.symlink_to(path)


def make_below_a_file(path: Path) -> None:
    (path.parent / "file").write_text("")
    path.symlink_to(path.parent / "file" / "below")


def make_large(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(LARGEST_BYTES + 1)


@pytest.mark.parametrize("name", ["allow", "deny", "list"])
@pytest.mark.parametrize(
    ("make", "text"),
    [
        (make_directory, "not a regular file"),
        (make_fifo, "not a regular file"),
        (make_null, "not a regular file"),
        (make_loop, "Too many levels of symbolic links"),
        (make_below_a_file, "Not a directory"),
        (make_large, f"larger than {LARGEST_BYTES} bytes"),
    ],
)
def test_what_cannot_be_read_refuses_and_makes_nobody_wait(
    place: Path, name: str, make: Callable[[Path], None], text: str
) -> None:
    (place / name).unlink(missing_ok=True)
    make(place / name)
    if name == "list":
        (place / "allow").write_text(f"#\nALL: ALL EXCEPT {place}/list\n")
    signal.alarm(10)
    said = decided(tables(place))
    signal.alarm(0)
    where = f'{place}/allow:2: "{place}/list": the pattern file' if name == "list" else f"{place}/{name}:"
    assert said == f"denied: {where} cannot be read: {text}"


def test_one_that_may_not_be_read_refuses(place: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    (place / "deny").chmod(0)
    assert "Permission denied" in decided(tables(place))


def test_a_pattern_file_that_is_missing_refuses_until_it_is_there(place: Path) -> None:
    (place / "deny").write_text(f"ALL: ALL EXCEPT {place}/list\n")
    read = tables(place)
    assert decided(read, "9.1.1.1").endswith("the pattern file cannot be read: No such file or directory")
    (place / "list").write_text("9.\n")
    assert decided(read, "9.1.1.1") == "granted: no rule matches"


class TestWhenTheyAreReadAgain:
    def settle(self, place: Path) -> Tables:
        """Give tables that were read after their files had been left alone for long."""
        read = tables(place)
        for path in place.iterdir():
            os.utime(path, OLD)
        read.look()
        # utime(2) cannot set the time of the change itself, so these are young still.
        assert read._young
        read._young.clear()
        return read

    def test_not_while_nothing_has_changed(self, place: Path) -> None:
        read = self.settle(place)
        assert read.look() is read.look()

    @pytest.mark.parametrize("name", ["allow", "deny", "list"])
    @pytest.mark.parametrize("how", ["written", "renamed", "removed", "touched", "same size and time"])
    def test_when_a_file_is(self, place: Path, name: str, how: str) -> None:
        (place / "list").write_text("10.\n")
        (place / "allow").write_text(f"ALL: {place}/list\n")
        read = self.settle(place)
        before = read.look()
        path = place / name
        text = path.read_text()
        if how == "written":
            path.write_text(text + "#\n")
        elif how == "renamed":
            (place / "new").write_text(text)
            (place / "new").rename(path)
        elif how == "removed":
            path.unlink()
        elif how == "touched":
            os.utime(path)
        else:
            path.write_text(text.swapcase())
            os.utime(path, OLD)
        assert read.look() is not before

    def test_at_once_if_they_were_young_when_they_were_read(self, place: Path) -> None:
        read = tables(place)
        assert decided(read, "9.1.1.1").startswith("denied")
        # The same size, and within what a coarse clock calls the same time.
        (place / "deny").write_text("ALL: 8.8\n")
        assert decided(read, "9.1.1.1").startswith("granted")

    def test_not_if_they_were_young_and_say_the_same(self, place: Path) -> None:
        read = tables(place)
        assert read.look() is read.look()

    def test_a_young_one_that_cannot_be_read_any_more_refuses(self, place: Path) -> None:
        read = tables(place)
        assert decided(read).startswith("granted")
        (place / "allow").unlink()
        (place / "allow").mkdir()
        assert decided(read).startswith("denied")

    def test_a_table_appears(self, place: Path) -> None:
        (place / "allow").unlink()
        read = tables(place)
        assert decided(read).startswith("denied")
        (place / "allow").write_text("ALL: ALL\n")
        assert decided(read).startswith("granted")


def test_everything_that_is_wrong_is_told_at_once_and_once(place: Path) -> None:
    (place / "allow").write_text("ALL: 10/8\nsshd: 9/8\n" + f"ALL: {place}/list\n" * 2)
    (place / "deny").write_text("ALL ALL\nLOCAL: ALL\n")
    (place / "list").write_text("# all of them\n")
    refusing, odd = faults(tables(place).look(), SERVICE)
    assert [line.replace(str(place), "") for line in refusing] == [
        '/allow:1: "10/8": matches nobody: write 10.0.0.0/8',
        '/deny:1: "ALL ALL": no colon between daemons and clients',
        '/list:1: "#": a pattern file has no comments: every word would be a pattern',
    ]
    assert [line.replace(str(place), "") for line in odd] == [
        '/allow:2: "9/8": matches nobody: write 9.0.0.0/8',
        '/deny:2: "LOCAL": no keyword for daemons: it means a daemon of this name',
    ]


def test_a_file_that_everybody_may_write_to_is_told(place: Path) -> None:
    (place / "allow").write_text(f"ALL: {place}/list\n")
    (place / "list").write_text("10.\n")
    for name in ("allow", "list"):
        (place / name).chmod(0o666)
    refusing, odd = faults(tables(place).look(), SERVICE)
    assert refusing == []
    assert [line.partition(": ")[0] for line in odd] == [f"{place}/allow", f"{place}/list"]
    assert all("chmod o-w" in line for line in odd)


def test_one_that_is_missed_is_told(place: Path) -> None:
    (place / "deny").unlink()
    refusing, odd = faults(tables(place).look(), SERVICE)
    assert refusing == []
    assert odd == [f"{place}/deny: does not exist, and counts as empty: make it, or correct its name"]


def test_of_the_systems_own_tables_none_need_be_there(place: Path) -> None:
    for own in (Tables(HOSTS_ALLOW, str(place / "deny")), Tables(str(place / "allow"), HOSTS_DENY)):
        assert not [line for line in faults(own.look(), SERVICE)[1] if "does not exist" in line]


def test_what_is_prepared_needs_no_more_work(place: Path) -> None:
    read = tables(place)
    book = read.prepare(SERVICE)
    assert book.indexes(SERVICE) is book.indexes(Service(("storescp",)))
