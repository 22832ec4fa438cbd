"""Both mechanisms of confinement together, and what is said of them."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

from scpd.process import landlock, prctl
from scpd.process.confine import Confinement
from tests.harness.forbidden import refusing
from tests.harness.forked import in_child

if TYPE_CHECKING:
    from pathlib import Path

LANDLOCK_CREATE_RULESET = 444


def test_it_says_what_is_in_force() -> None:
    confinement = Confinement([])
    if confinement.missing:
        pytest.skip(str(confinement))
    assert str(confinement).startswith("workers are confined by seccomp and Landlock (ABI ")
    assert confinement
    for number in confinement.descriptors():
        os.close(number)


def test_it_says_what_is_missing_and_does_with_what_there_is() -> None:
    outside = refusing(LANDLOCK_CREATE_RULESET)

    def life() -> list[object]:
        prctl.forbid_new_privileges()
        outside.enter()
        confinement = Confinement([])
        confinement.enter()
        try:
            os.chmod("/", 0o755)
        except OSError as error:
            return [str(confinement), bool(confinement), list(confinement.descriptors()), error.errno]
        return []

    said = "workers are confined by seccomp: no Landlock: Operation not permitted"
    assert in_child(life) == [said, True, [], errno.EPERM]


def test_what_was_granted_can_be_done_under_both(tmp_path: Path) -> None:
    confinement = Confinement([(str(tmp_path), landlock.STORE)])

    def life() -> str:
        confinement.enter()
        (tmp_path / "a").write_text("text")
        (tmp_path / "a").rename(tmp_path / "b")
        return (tmp_path / "b").read_text()

    assert in_child(life) == "text"
    for number in confinement.descriptors():
        os.close(number)


def test_calls_of_some_options_are_there_if_they_are_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "seed"
    path.touch()

    def changed(*also: str) -> bool:
        confinement = Confinement([(str(tmp_path), landlock.STORE)], also)

        def life() -> bool:
            confinement.enter()
            with path.open("w") as file:
                try:
                    os.fchmod(file.fileno(), 0o600)
                except OSError:
                    return False
            return True

        try:
            return bool(in_child(life))
        finally:
            for number in confinement.descriptors():
                os.close(number)

    assert [changed(), changed("fchmod")] == [False, True]
