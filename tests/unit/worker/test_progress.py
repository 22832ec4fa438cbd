"""What an association shows of itself: in `ps`, on standard output, in its last line."""

from __future__ import annotations

import logging
import os
import re
from typing import TYPE_CHECKING

import pytest

from scpd.worker import progress as progress_module
from scpd.worker.progress import Progress
from tests.harness.forked import in_child

if TYPE_CHECKING:
    from collections.abc import Iterator

PEER = "127.0.0.1:4711"
LOGGER = "dcmtk.apps.storescp.progress"


class Titles:
    """A title that remembers what it showed."""

    def __init__(self) -> None:
        self.shown: list[str] = []

    def show(self, text: str) -> None:
        self.shown.append(text)


@pytest.fixture(params=[logging.INFO])
def level(request: pytest.FixtureRequest) -> Iterator[int]:
    """The level of the logger that decides about the progress line."""
    logger = logging.getLogger(LOGGER)
    logger.setLevel(request.param)
    yield request.param
    logger.setLevel(logging.NOTSET)


def object_of(progress: Progress, *fragments: int, status: int = 0) -> None:
    progress.begin()
    for count, size in enumerate(fragments, 1):
        progress.add(size, 1, is_last=count == len(fragments))
    progress.end(status)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The monotonic seconds, to be set."""
    now = [1000.0]
    monkeypatch.setattr(progress_module, "monotonic", lambda: now[0])
    return now


@pytest.mark.usefixtures("clock")
def test_the_title_says_at_every_pause_what_is_going_on() -> None:
    titles = Titles()
    progress = Progress(titles, PEER)  # type: ignore[arg-type]

    progress.associated("CT_1@127.0.0.1 -> STORESCP")
    for step in (
        progress.begin,
        lambda: progress.add(1_500_000, 1, is_last=False),
        lambda: progress.add(100_000, 1, is_last=True),
        lambda: progress.end(0),
        progress.begin,
        lambda: progress.end(0xA700),
    ):
        step()
        progress.show()  # a pause

    name = "CT_1@127.0.0.1 -> STORESCP"
    assert titles.shown == [
        f"{name}: associated",
        f"{name}: storing 1, 0.0 MB",
        f"{name}: storing 1, 1.5 MB",
        f"{name}: storing 1, 1.6 MB",
        f"{name}: stored 1, 1.6 MB",
        f"{name}: storing 2, 1.6 MB",
        f"{name}: stored 1, 1.6 MB",
    ]


def test_the_title_grows_while_a_data_set_comes_without_a_pause(clock: list[float]) -> None:
    titles = Titles()
    progress = Progress(titles, PEER)  # type: ignore[arg-type]
    progress.associated("A@127.0.0.1 -> B")
    progress.begin()
    for _ in range(4):
        clock[0] += 0.06
        progress.add(1_000_000, 1, is_last=False)

    assert titles.shown == [
        "A@127.0.0.1 -> B: associated",
        "A@127.0.0.1 -> B: storing 1, 2.0 MB",
        "A@127.0.0.1 -> B: storing 1, 4.0 MB",
    ]


def test_nothing_is_printed_while_logging_is_off(level: int, capfd: pytest.CaptureFixture[str]) -> None:
    logging.disable()
    try:
        object_of(Progress(Titles(), PEER), 10)  # type: ignore[arg-type]
    finally:
        logging.disable(logging.NOTSET)

    assert capfd.readouterr().out == ""


@pytest.mark.usefixtures("clock")
def test_the_title_is_true_when_there_is_a_pause_however_fast_things_went() -> None:
    titles = Titles()
    progress = Progress(titles, PEER)  # type: ignore[arg-type]
    progress.show()
    progress.associated("A@127.0.0.1 -> B")
    for _ in range(500):
        object_of(progress, 1000)
    progress.show()
    progress.begin()
    progress.show()

    assert titles.shown == [
        f"{PEER}: waiting for the request",
        "A@127.0.0.1 -> B: associated",
        "A@127.0.0.1 -> B: stored 500, 0.5 MB",
        "A@127.0.0.1 -> B: storing 501, 0.5 MB",
    ]


@pytest.mark.usefixtures("level")
def test_without_a_watcher_there_is_no_progress_line(capfd: pytest.CaptureFixture[str]) -> None:
    titles = Titles()
    progress = Progress(titles, PEER, is_watched=False)  # type: ignore[arg-type]
    object_of(progress, 10, 10)

    assert capfd.readouterr().out == ""
    progress.show()
    assert titles.shown[-1] == f"{PEER}: stored 1, 0.0 MB"


@pytest.mark.usefixtures("level")
def test_the_progress_line_has_a_dot_for_each_pdv(capfd: pytest.CaptureFixture[str]) -> None:
    progress = Progress(Titles(), PEER)  # type: ignore[arg-type]
    progress.begin()
    progress.add(20, 2, is_last=False)
    progress.add(10, 0, is_last=False)  # the begin of a fragment
    progress.add(10, 1, is_last=True)
    progress.end(0)
    object_of(progress, 1)

    assert capfd.readouterr().out == "RECV: ...\nRECV: .\n"


@pytest.mark.usefixtures("level")
@pytest.mark.parametrize("fragments", [0, 2])
def test_the_progress_line_of_a_refused_object_ends_too(
    capfd: pytest.CaptureFixture[str], fragments: int
) -> None:
    progress = Progress(Titles(), PEER)  # type: ignore[arg-type]
    progress.begin()
    progress.add(10, fragments, is_last=False)
    progress.end(0xA700)
    object_of(progress, 1)

    assert capfd.readouterr().out == f"RECV: {'.' * fragments}\nRECV: .\n"


@pytest.mark.parametrize("level", [logging.DEBUG, logging.WARNING, 5], indirect=True)
def test_at_any_other_level_than_info_there_is_no_progress_line(
    level: int, capfd: pytest.CaptureFixture[str]
) -> None:
    object_of(Progress(Titles(), PEER), 1, 1)  # type: ignore[arg-type]

    assert capfd.readouterr().out == ""


@pytest.mark.usefixtures("level")
def test_whoever_read_the_progress_line_may_leave() -> None:
    def work() -> bool:
        reader, writer = os.pipe()
        os.dup2(writer, 1)
        os.close(writer)
        os.close(reader)
        progress = Progress(Titles(), PEER)  # type: ignore[arg-type]
        object_of(progress, 1, 1)
        object_of(progress, 1)
        return "2 objects stored" in (progress.associated("x") or progress.summary())

    assert in_child(work) is True


def test_the_summary_counts_objects_and_megabytes() -> None:
    progress = Progress(Titles(), PEER)  # type: ignore[arg-type]
    assert progress.summary() == ""

    progress.associated("name")
    object_of(progress, 1_250_000)
    object_of(progress, 50_000, status=0xA900)

    assert re.fullmatch(
        r", 1 object stored, 1 refused, 1\.3 MB received, 0\.0 s, \d+\.\d MB/s", progress.summary()
    )
