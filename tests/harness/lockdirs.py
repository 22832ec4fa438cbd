"""A lock directory as tests look at it from outside."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scpd.lockdir import layout

if TYPE_CHECKING:
    from scpd.lockdir.layout import LockDirectory


def keeper_pid(lockdir: LockDirectory) -> int | None:
    """Give the process id of the keeper, as it says itself; `None` if there is none."""
    if not lockdir.has_keeper():
        return None
    text = layout.read_small(layout.KEEPER, lockdir.descriptor).strip()
    return int(text) if text.isdigit() else None
