"""Into which directory an object goes; with whole objects it is in test_filing."""

from __future__ import annotations

import logging
import os
import time
from typing import TYPE_CHECKING

import pytest

from scpd.dataset.plain import PATIENT_NAME, STUDY_INSTANCE_UID
from scpd.errors import Refused
from scpd.store.folders import CONC_STUDIES, PATIENT_NAME_AND_TIME, STUDY_UID, Sorting
from scpd.store.subdirectory import Subdirectory
from scpd.worker import placing
from scpd.worker.placing import Placing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FOUND = {STUDY_INSTANCE_UID: b"1.2.3\0", PATIENT_NAME: b"Doe^Jane"}
NOON = time.mktime((2020, 1, 1, 12, 0, 0, 0, 0, -1))
STAMP = "20200101_120000"
BY_UID, BY_TIME = Sorting(STUDY_UID, "X"), Sorting(CONC_STUDIES, "X")


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Subdirectory]:
    descriptor = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    place = Subdirectory(descriptor, fsync=False)
    yield place
    place.leave()
    os.close(descriptor)


@pytest.fixture(autouse=True)
def _noon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placing, "time", lambda: NOON)


@pytest.mark.parametrize(
    ("sorting", "name"),
    [
        (BY_UID, "X_1.2.3"),
        (BY_TIME, f"X_{STAMP}000"),
        (Sorting(PATIENT_NAME_AND_TIME, ""), f"Doe_Jane_{STAMP}000"),
    ],
)
def test_each_kind_has_its_name(sorting: Sorting, name: str) -> None:
    assert Placing(sorting, "inbox").name("1.2.3", FOUND) == name


def test_a_name_by_uid_is_made_once_for_a_run_of_objects(caplog: pytest.LogCaptureFixture) -> None:
    """And warned of once."""
    by_uid = Placing(BY_UID, "inbox")
    for _ in range(3):
        assert by_uid.name("1/2", {STUDY_INSTANCE_UID: b"1/2\0"}) == "X_1_2"
    assert len(caplog.records) == 1
    assert by_uid.name("1.2.3", FOUND) == "X_1.2.3"


def test_a_study_without_a_uid_has_none() -> None:
    with pytest.raises(Refused):
        Placing(BY_UID, "inbox").name("", {})


def test_a_time_that_is_taken_gives_way_to_the_next_millisecond(tmp_path: Path, place: Subdirectory) -> None:
    for number in range(3):
        (tmp_path / f"X_{STAMP}{number:03}").mkdir()

    assert Placing(BY_TIME, "inbox").make(place, f"X_{STAMP}000") == f"X_{STAMP}003"


def test_a_uids_own_directory_may_be_there(tmp_path: Path, place: Subdirectory) -> None:
    (tmp_path / "X_1.2.3").mkdir()

    assert Placing(BY_UID, "inbox").make(place, "X_1.2.3") == "X_1.2.3"


def test_the_log_tells_whether_a_directory_was_there(
    tmp_path: Path, place: Subdirectory, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "old").mkdir()
    by_uid = Placing(BY_UID, "inbox")
    with caplog.at_level(logging.INFO):
        by_uid.enter(place, by_uid.make(place, "made"), is_durable=True)
        for name in ("made", "old", "old", "new", "made"):
            by_uid.enter(place, name, is_durable=True)

    assert [record.getMessage() for record in caplog.records] == [
        "created new subdirectory for study: inbox/made",
        "using existing subdirectory for study: inbox/old",
        "created new subdirectory for study: inbox/new",
        "using existing subdirectory for study: inbox/made",
    ]
