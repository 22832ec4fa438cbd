"""--seed and --write-seed: what an older OpenSSL needed to have random numbers.

Today's asks the kernel.  What the file has is mixed in all the same, and counts nothing (RAND_add(3), no entropy); what
is written is what OpenSSL would write (RAND_write_file(3)): 1024 random bytes that only we can read.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress

_MOST = 65536
_SIZE = 1024


def mix_in(path: str) -> str:
    """Mix a file into the random generator, if it is there; say why not if it is a socket, else nothing."""
    # What OpenSSL.rand calls, which is deprecated: few command lines have a use for it.
    from OpenSSL._util import lib

    with suppress(OSError):
        if stat.S_ISSOCK(os.stat(path).st_mode):
            return (
                f"--seed {path} has no effect: OpenSSL takes nothing from entropy gathering daemons any more"
            )
        with open(path, "rb", buffering=0) as file:
            content = file.read(_MOST)
            lib.RAND_add(content, len(content), 0.0)
    return ""


def write(path: str) -> None:
    """Write a new seed; raises `OSError`."""
    number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.fchmod(number, 0o600)
        os.write(number, os.urandom(_SIZE))
    finally:
        os.close(number)
