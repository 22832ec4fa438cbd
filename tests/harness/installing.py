"""Run make as an administrator or a packager does, whatever make the tests themselves were started by."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.harness.programs import real_program
from tests.harness.servers import REPOSITORY

if TYPE_CHECKING:
    from pathlib import Path

MAKE_SECONDS = 150.0
_OF_AN_OUTER_MAKE = {"MAKEFLAGS", "MAKEOVERRIDES", "MAKELEVEL", "MFLAGS"}


def make(*words: str, umask: int = 0o022) -> str:
    """Run make in the checkout; give what it said.  AssertionError if it fails."""
    if not (REPOSITORY / ".venv").exists():
        pytest.skip("the checkout has no .venv: make test makes one")
    env = {key: value for key, value in os.environ.items() if key not in _OF_AN_OUTER_MAKE}
    ended = subprocess.run(
        [real_program("make"), *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=MAKE_SECONDS,
        env=env,
        cwd=REPOSITORY,
        umask=umask,
        check=False,
    )
    assert ended.returncode == 0, (ended.stdout + ended.stderr)[-3000:]
    return ended.stdout + ended.stderr


def install(destination: Path, *words: str, umask: int = 0o022) -> str:
    """`make install` into a folder that stands for the root directory."""
    return make("install", f"DESTDIR={destination}", *words, umask=umask)


def package(folder: Path) -> Path:
    """`make deb`; give the package.  Skips where Debian's tools are missing."""
    for name in ("dpkg-buildpackage", "dh"):
        real_program(name)
    needed = subprocess.run(
        [real_program("dpkg-checkbuilddeps"), "debian/control"],
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        check=False,
    )
    if needed.returncode != 0:
        pytest.skip(needed.stderr.strip())
    make("deb", f"PACKAGE_DIR={folder}")
    shutil.rmtree(folder / "deb")
    (made,) = folder.glob("*.deb")
    return made


def files_below(root: Path) -> dict[str, tuple[int, int, int]]:
    """Every file, link and folder, by its path below the root: mode, size and time of its last change."""
    found = {}
    for path in root.rglob("*"):
        status = path.lstat()
        found[str(path.relative_to(root))] = (status.st_mode, status.st_size, status.st_mtime_ns)
    return found
