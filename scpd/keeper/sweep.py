"""Removing what a killed worker left: temporary files whose maker is dead.

A maker holds a lock on its byte of the lock file for as long as it lives (`store.makers`); whoever can lock that byte
knows that the files with its number belong to nobody.  Files that no maker makes stay.
"""

from __future__ import annotations

import logging
import os
import re

from scpd.process import exitcodes
from scpd.process.locks import lock
from scpd.store.makers import open_lock_file
from scpd.store.sink import open_temporary

# Process id, maker, number; no maker's number is longer.
_TEMPORARY_FILE = re.compile(r"[0-9]+\.([0-9]{1,17})\.[0-9]+", re.ASCII)

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
        return _sweep(temporary)
    finally:
        os.close(temporary)


def _sweep(temporary: int) -> int:
    files = [match for name in os.listdir(temporary) if (match := _TEMPORARY_FILE.fullmatch(name))]
    lock_file = open_lock_file(temporary)
    try:
        dead = {maker for maker in {int(match[1]) for match in files} if lock(lock_file, maker)}
        return sum(_remove(temporary, match[0]) for match in files if int(match[1]) in dead)
    finally:
        os.close(lock_file)


def _remove(temporary: int, name: str) -> bool:
    try:
        os.unlink(name, dir_fd=temporary)
    except OSError:
        return False  # published or removed meanwhile
    return True
