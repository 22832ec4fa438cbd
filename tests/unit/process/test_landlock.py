"""Where a process may read and write, by rules that the kernel keeps."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

from scpd.process import landlock, prctl
from tests.harness.forked import in_child

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path


@pytest.fixture(autouse=True)
def _kernel() -> None:
    try:
        os.close(landlock.prepare([]).descriptor)
    except OSError as error:
        pytest.skip(f"no Landlock: {error}")


def tried(rules: Sequence[tuple[str, int]], *works: Callable[[], object]) -> list[int]:
    """Give the errno of each of these works under the rules, 0 for what could be done."""
    prepared = landlock.prepare(rules)

    def life() -> list[int]:
        prctl.forbid_new_privileges()
        prepared.enter()
        return [number_of(work) for work in works]

    try:
        return list(in_child(life))
    finally:
        os.close(prepared.descriptor)


def number_of(work: Callable[[], object]) -> int:
    try:
        work()
    except OSError as error:
        return error.errno or -1
    return 0


def write(path: Path) -> None:
    path.write_text("written")


def test_what_no_rule_grants_is_refused(tmp_path: Path) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    inside.mkdir()
    outside.write_text("secret")
    assert tried(
        [(str(inside), landlock.STORE)],
        lambda: write(inside / "new"),
        lambda: write(outside),
        outside.read_text,
        lambda: os.listdir(tmp_path),
        lambda: (inside / "new").rename(outside),
        lambda: write(inside / ".." / "other"),
    ) == [0, errno.EACCES, errno.EACCES, errno.EACCES, errno.EACCES, errno.EACCES]
    assert outside.read_text() == "secret"


def test_a_link_out_of_a_directory_leads_nowhere(tmp_path: Path) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    inside.mkdir()
    outside.write_text("secret")
    (inside / "link").symlink_to(outside)
    works = (inside / "link").read_text, lambda: (inside / "own").symlink_to(outside)
    assert tried([(str(inside), landlock.STORE)], *works) == [errno.EACCES] * 2


def test_files_move_between_directories_that_are_granted(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "a" / "file").touch()
    move = lambda: (tmp_path / "a" / "file").rename(tmp_path / "b" / "file")  # noqa: E731
    assert tried([(str(tmp_path), landlock.STORE)], move) == [0]


def test_a_log_can_be_written_and_moved_and_not_read(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.touch()
    works = (
        lambda: os.close(os.open(log, os.O_WRONLY | os.O_APPEND)),
        lambda: log.rename(tmp_path / "log.1"),
        lambda: os.close(os.open(log, os.O_WRONLY | os.O_CREAT)),
        log.read_text,
        lambda: os.listdir(tmp_path),
    )
    assert tried([(str(tmp_path), landlock.LOG)], *works) == [0, 0, 0, errno.EACCES, errno.EACCES]


def test_a_rule_may_be_for_a_file(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    (tmp_path / "b").touch()
    works = (tmp_path / "a").read_text, (tmp_path / "b").read_text, lambda: write(tmp_path / "a")
    assert tried([(str(tmp_path / "a"), landlock.READ)], *works) == [0, errno.EACCES, errno.EACCES]


def test_what_does_not_exist_has_no_rule(tmp_path: Path) -> None:
    assert tried([(str(tmp_path / "missing"), landlock.STORE)], lambda: write(tmp_path / "x")) == [
        errno.EACCES
    ]


@pytest.mark.parametrize("was_there", [True, False], ids=["replaced", "made"])
def test_a_directory_that_has_another_inode_by_now_is_found_anew(tmp_path: Path, *, was_there: bool) -> None:
    place = tmp_path / "place"
    if was_there:
        place.mkdir()
    prepared = landlock.prepare([(str(place), landlock.STORE)])
    if was_there:
        place.rename(tmp_path / "old")
    place.mkdir()

    def life() -> list[int]:
        prctl.forbid_new_privileges()
        prepared.enter()
        return [number_of(lambda: write(place / "x")), number_of(lambda: write(tmp_path / "old" / "x"))]

    refused = errno.EACCES if was_there else errno.ENOENT
    assert in_child(life) == [0, refused]
    os.close(prepared.descriptor)


def test_whoever_has_entered_cannot_add_a_rule(tmp_path: Path) -> None:
    prepared = landlock.prepare([(str(tmp_path), landlock.STORE)])

    def life() -> int:
        prctl.forbid_new_privileges()
        prepared.enter()
        return number_of(lambda: os.fstat(prepared.descriptor))

    assert in_child(life) == errno.EBADF
    os.close(prepared.descriptor)
