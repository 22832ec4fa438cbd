"""SECURITY.md names tests that there are, and is named where one looks for it."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NOTES = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
NAMED = re.findall(r"`(?:tests/)?((?:unit|peers|faults|system)/[\w/]+\.py)`", NOTES)


def test_every_test_that_it_names_exists() -> None:
    assert len(NAMED) > 30
    assert [name for name in NAMED if not (ROOT / "tests" / name).is_file()] == []


def test_the_commands_that_it_names_are_targets_of_make() -> None:
    targets = re.findall(r"^(\w[\w-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert set(re.findall(r"`make (\w+)", NOTES)) <= set(targets)


def test_readme_and_manual_name_it() -> None:
    for name in ("README.md", "man/scpd.8"):
        assert "SECURITY.md" in (ROOT / name).read_text(encoding="utf-8"), name
