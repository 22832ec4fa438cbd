"""Removing what a killed worker left: temporary files whose maker is dead.

A maker holds a flock on its temporary file for as long as it lives, so a file that can be locked belongs to nobody.
The lock is compared with the path before the file goes (a locked file may have been published or removed in
between, and its name may be another file's by now).
"""

from __future__ import annotations

import fcntl
import logging
import os

from scpd.process import exitcodes
from scpd.store.sink import open_temporary

log = logging.getLogger("dcmtk.apps.storescp")


def run(output_directory: str) -> int:
    """Sweep once, as a process of its own; give its exit code."""
    try:
        count = sweep(output_directory)
    except OSError as error:
        log.warning("cannot look for temporary files of dead workers: %s", error)
        return exitcodes.OK
    if count:
        log.warning("removed %d temporary files of dead workers from %s", count, output_directory)
    return exitcodes.OK


def sweep(output_directory: str) -> int:
    """Remove the temporary files of dead workers below `output_directory`; give how many.

    Raises `OSError` if the directory cannot be read.
    """
    directory = os.open(output_directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        temporary = open_temporary(directory, make=False)
    except FileNotFoundError:
        return 0  # nothing was ever received here
    finally:
        os.close(directory)
    try:
        return sum(_remove_if_dead(temporary, name) for name in os.listdir(temporary))
    finally:
        os.close(temporary)


def _remove_if_dead(directory: int, name: str) -> bool:
    try:
        flags = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        descriptor = os.open(name, flags, dir_fd=directory)
    except OSError:
        return False  # published or removed meanwhile, or nothing that a worker makes
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not os.path.samestat(os.fstat(descriptor), os.stat(name, dir_fd=directory, follow_symlinks=False)):
            return False
        os.unlink(name, dir_fd=directory)
    except OSError:
        return False  # its maker lives, or it went by itself
    finally:
        os.close(descriptor)
    return True
