"""Inputs that have broken a promise once: tests/cases/fuzz/regressions/TARGET/NAME."""

from __future__ import annotations

from binascii import crc32
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.fuzz.engine import Finding

REGRESSIONS = Path(__file__).parents[1] / "cases" / "fuzz" / "regressions"


def regressions(target: str) -> list[Path]:
    """Give the files of one target."""
    return sorted((REGRESSIONS / target).glob("*"))


def save(finding: Finding, folder: Path = REGRESSIONS) -> Path:
    """Keep an input; give its file."""
    path = folder / finding.target / f"{crc32(finding.data):08x}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(finding.data)
    return path
