"""Where a file lies is said as storescp says it."""

from __future__ import annotations

import pytest

from scpd.jobs.values import Values


@pytest.mark.parametrize(
    ("output", "study", "directory"),
    [
        (None, None, None),
        (None, "x", None),
        (".", None, "."),
        ("/data", None, "/data"),
        ("/data", "", "/data"),
        ("/data", "study_1", "/data/study_1"),
        (".", "study_1", "./study_1"),
    ],
)
def test_the_directory_is_the_studys_if_there_is_one(
    output: str | None, study: str | None, directory: str | None
) -> None:
    values = Values(output)
    values.study_directory = study
    assert values.directory == directory
