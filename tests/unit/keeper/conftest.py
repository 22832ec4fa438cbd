"""A keeper's commands for the tests of this room."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from scpd.lockdir import layout
from scpd.lockdir.layout import LockDirectory
from tests.harness.commands import Commands
from tests.harness.processes import children_of
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def new_commands(tmp_path: Path) -> Iterator[Callable[..., Commands]]:
    """`new_commands(timeout_seconds=None)`: a keeper's, each time of another one in the same folder."""
    made: list[Commands] = []
    before = {child.pid for child in children_of(os.getpid())}

    def runners() -> list[int]:
        children = children_of(os.getpid())
        return [child.pid for child in children if child.is_running and child.pid not in before]

    def make(timeout_seconds: float | None = None) -> Commands:
        made.append(Commands(tmp_path, timeout_seconds))
        return made[-1]

    yield make
    # A runner leaves when it has told the end; one that stays is for the look for what is left behind.
    with suppress(AssertionError):
        wait_until(lambda: not runners())
    for commands in made:
        commands.close()


@pytest.fixture
def commands(new_commands: Callable[..., Commands]) -> Commands:
    """The commands of one keeper."""
    return new_commands()


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """An output directory with a lock directory."""
    folder = tmp_path / "inbox"
    folder.mkdir()
    layout.make(str(folder / ".scpd"))
    return folder


@pytest.fixture
def lockdir(output: Path) -> Iterator[LockDirectory]:
    """The lock directory of that."""
    directory = LockDirectory(str(output / ".scpd"))
    yield directory
    directory.close()
