"""Who makes temporary files, and whether he still lives: for the sweeper, which removes what the dead left.

    .scpd/tmp/PID.MAKER.NUMBER    the temporary files of a maker
    .scpd/tmp/lock                the byte at MAKER, a random number, is locked as long as that maker lives

The kernel drops a lock with its holder, however that ends.  Raises `OSError`.
"""

from __future__ import annotations

import os

from scpd.process.locks import lock

_LOCK_FILE = "lock"


def new_maker(temporary: int) -> tuple[int, int]:
    """Lock a byte that nobody holds, and that never will be another maker's; give its number and the descriptor."""
    descriptor = open_lock_file(temporary)
    try:
        while True:
            # Not the process id: that comes back, and other hosts or containers may share the directory.
            maker = int.from_bytes(os.urandom(7), "big")
            if lock(descriptor, maker):
                return maker, descriptor
    except OSError:
        os.close(descriptor)
        raise


def open_lock_file(temporary: int) -> int:
    """Open the lock file in the directory of temporary files; make it if there is none."""
    return os.open(_LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666, dir_fd=temporary)
