"""scpd as a super-server starts it, without one: a connection as its standard streams, and where its output goes."""

from __future__ import annotations

import glob
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.harness.servers import REPOSITORY

if TYPE_CHECKING:
    import socket

SCPD = (sys.executable, "-m", "scpd")


def start(ours: socket.socket, *words: str, before: tuple[str, ...] = ()) -> subprocess.Popen[bytes]:
    """Start scpd with a connection as all three standard streams, and close our copy; `before` is what runs it."""
    process = subprocess.Popen(
        [*before, *SCPD, *words],
        stdin=ours,
        stdout=ours,
        stderr=ours,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )
    ours.close()
    return process


def output_with(token: str) -> str:
    """Give what stands in the file of output that has this token; the file is removed."""
    for path in glob.glob("/tmp/storescp_*"):
        try:
            text = Path(path).read_text(errors="replace")
        except FileNotFoundError:  # another test's, which has removed it
            continue
        if token in text:
            assert os.stat(path).st_mode & 0o777 == 0o600
            os.unlink(path)
            return text
    raise AssertionError(f"no file of output has {token}")
