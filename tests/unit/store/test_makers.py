"""A maker is known to live by its lock, and by nothing else; what an `OutputDirectory` makes of it is in test_sink."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from scpd.process.locks import lock
from scpd.store import makers
from scpd.store.makers import new_maker, open_lock_file
from tests.harness.forked import exit_code, forked

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[int]:
    descriptor = os.open(tmp_path, os.O_RDONLY)
    yield descriptor
    os.close(descriptor)


def can_be_locked(directory: int, maker: int) -> bool:
    descriptor = open_lock_file(directory)
    try:
        return lock(descriptor, maker)
    finally:
        os.close(descriptor)


def test_a_maker_is_locked_until_its_descriptor_is_closed(directory: int) -> None:
    maker, descriptor = new_maker(directory)
    assert not can_be_locked(directory, maker)
    assert can_be_locked(directory, maker + 1)
    os.close(descriptor)
    assert can_be_locked(directory, maker)


def test_a_killed_maker_is_locked_no_more(directory: int) -> None:
    reader, writer = os.pipe()

    def life() -> int:
        maker, _ = new_maker(directory)
        os.write(writer, maker.to_bytes(8, "big"))
        signal.pause()
        return 0

    child = forked(life)
    maker = int.from_bytes(os.read(reader, 8), "big")
    os.close(reader)
    os.close(writer)
    assert not can_be_locked(directory, maker)
    os.kill(child, signal.SIGKILL)
    assert exit_code(child) == -signal.SIGKILL
    assert can_be_locked(directory, maker)


def test_a_number_that_is_taken_is_passed_over(directory: int, monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = iter([bytes(6) + b"\1", bytes(6) + b"\1", bytes(6) + b"\2"])
    monkeypatch.setattr(makers.os, "urandom", lambda _: next(numbers))
    made = [new_maker(directory) for _ in range(2)]
    assert [maker for maker, _ in made] == [1, 2]
    for _, descriptor in made:
        os.close(descriptor)
