"""Private memory of a worker: `Anonymous` of /proc/PID/smaps_rollup, less its value right after the fork.

Right after the fork a worker has its master's value, which is read before the connection; should the first
sample of a worker be less, that one counts. So what a worker does before its first sample is not forgiven.
"""

from __future__ import annotations

from pathlib import Path


class Watch:
    """Peak growth over all children of one master; call `sample` often while a worker works."""

    def __init__(self, master_pid: int) -> None:
        """Read the master's value, and its children's: create it before the connection is made."""
        self._children = Path(f"/proc/{master_pid}/task/{master_pid}/children")
        self._master = _anonymous(master_pid) or 0
        self._base: dict[str, int] = {}
        self.samples = 0
        self.peak_bytes = 0
        self.written_bytes = 0
        self.sample()

    def sample(self) -> None:
        """Look at every child that is there now: a worker may have been forked ahead of its connection."""
        for pid in self._children.read_text().split():
            value = _anonymous(pid)
            if value is None:
                continue
            base = self._base.setdefault(pid, min(value, self._master))
            self.samples += 1
            self.peak_bytes = max(self.peak_bytes, value - base)
            self.written_bytes = max(self.written_bytes, _field(f"/proc/{pid}/io", "wchar:") or 0)


def _anonymous(pid: int | str) -> int | None:
    kilobytes = _field(f"/proc/{pid}/smaps_rollup", "Anonymous:")
    return None if kilobytes is None else kilobytes * 1024


def _field(path: str, name: str) -> int | None:
    try:
        lines = Path(path).read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return next((int(line.split()[1]) for line in lines if line.startswith(name)), None)
