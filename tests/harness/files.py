"""What lies below a directory in which others make, rename and remove while one looks."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator


def paths_below(root: Path, pattern: str = "*") -> Iterator[Path]:
    """Give files and directories whose names match; a directory that vanishes has none (`Path.rglob` raises)."""
    for folder, folders, files in os.walk(root):
        yield from (Path(folder, name) for name in (*folders, *files) if fnmatchcase(name, pattern))


def states_below(root: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Give all that is there, with its lstat(2), less what vanishes meanwhile."""
    for path in paths_below(root):
        with suppress(FileNotFoundError):
            yield path, path.lstat()


def remove(folder: Path) -> None:
    """Remove a directory with all that is in it, in which others still make files."""

    def is_gone() -> bool:
        shutil.rmtree(folder, ignore_errors=True)
        return not folder.exists()

    wait_until(is_gone, what=f"{folder} to be gone")
