"""Which files a reload could not read again: a master that has given up root may not see what it was started with.

What such a file had then stays in force, and its administrator is told, at the start already.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


def closed(paths: Iterable[str]) -> list[tuple[str, str]]:
    """Give what this process, as it is now, may not read, and why."""
    refused = []
    for path in paths:
        try:
            os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))
        except PermissionError as error:
            refused.append((path, str(error.strerror)))
        except OSError:
            continue  # gone since: no question of rights
    return refused


def not_renewed(path: str, reason: str) -> str:
    """Say that a file stays as it is until a restart."""
    return f"cannot be renewed by reload: {path}: {reason}"
