"""The manual pages as mandoc sees them."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

from tests.harness.programs import real_program

if TYPE_CHECKING:
    from pathlib import Path

# mandoc wants lines of 80 bytes and the pages of others installed; ours have one sentence each.
_ACCEPTED = re.compile("input text line longer than 80 bytes|referenced manual not found|outdated mandoc.db")


def complaints(path: Path) -> list[str]:
    """Give what mandoc has to say against a page."""
    run = subprocess.run(
        [real_program("mandoc"), "-Tlint", str(path)], capture_output=True, text=True, check=False
    )
    return [line for line in (run.stdout + run.stderr).splitlines() if not _ACCEPTED.search(line)]
