"""Directories: the output directory before anything is received, and others as they are opened."""

from __future__ import annotations

import os

from scpd.errors import StartError


def check_output_directory(path: str, *, must_be_writable: bool) -> None:
    """Raise `StartError` with storescp's words and the path unless objects can be stored in it."""
    if not os.path.isdir(path):
        raise StartError(f"specified output directory does not exist: {path}")
    if must_be_writable and not os.access(path, os.W_OK | os.X_OK, effective_ids=True):
        raise StartError(f"specified output directory is not writeable: {path}")


def open_directory(name: str, parent: int | None = None) -> int:
    """Open a directory, but no link to one, by its path or below an open one; raises `OSError`."""
    return os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
