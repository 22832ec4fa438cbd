"""The directory in which objects get their names: the output directory, or one right below it that was entered.

It stays open from one object to the next, but who moves it away, or removes it, finds no objects in it that come later:
one look an object, and it is made anew.

A crash leaves an empty directory at most.  Every function raises `OSError` and nothing else; `leave` raises nothing.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress

from scpd.store.directory import open_directory
from scpd.store.inode import identity_at, identity_of


class Subdirectory:
    """The directory that was entered; `name` is empty and `descriptor` the output directory's as long as none was."""

    __slots__ = ("_encoded_name", "_fsync", "_identity", "_output", "descriptor", "name")

    def __init__(self, output_directory: int, *, fsync: bool) -> None:
        self._output = self.descriptor = output_directory
        self._fsync = fsync
        self._identity = 0, 0, 0
        self.name, self._encoded_name = "", b""

    def make_new(self, name: str) -> bool:
        """Make a directory that nobody has made before, durable when this returns; `False` if the name is taken."""
        _check(name)
        try:
            os.mkdir(name, 0o777, dir_fd=self._output)
        except FileExistsError:
            return False
        self._flush_output()
        return True

    def is_at(self, name: str) -> bool:
        """Tell whether objects get their names in this directory, and it is still there under its name."""
        if name != self.name:
            return False
        try:
            return identity_at(self._encoded_name, self._output) == self._identity
        except FileNotFoundError:
            return False

    def enter(self, name: str, *, is_durable: bool = False) -> bool:
        """Let objects get their names in this directory from now on; tell whether it had to be made.

        `is_durable`: if it is there, it is known to be so after a power cut too.
        """
        if self.is_at(name):
            return False
        _check(name)
        self.leave()
        is_made, descriptor = self._open_or_make(name)
        self.name, self.descriptor = name, descriptor
        self._encoded_name = os.fsencode(name)
        self._identity = identity_of(descriptor)
        if is_made or not is_durable:  # whoever made it may not have come to flush it yet
            self._flush_output()
        return is_made

    def _open_or_make(self, name: str) -> tuple[bool, int]:
        """Give a directory, made if it is not there, and whether it had to be."""
        with suppress(FileNotFoundError):
            return False, open_directory(name, self._output)
        is_made = True
        try:
            os.mkdir(name, 0o777, dir_fd=self._output)
        except FileExistsError:  # another worker was faster
            is_made = False
        return is_made, open_directory(name, self._output)

    def leave(self) -> None:
        """Let objects get their names in the output directory again."""
        descriptor, self.descriptor, self.name = self.descriptor, self._output, ""
        if descriptor != self._output:
            with suppress(OSError):
                os.close(descriptor)

    def _flush_output(self) -> None:
        """Make durable, if that is asked for, which directories there are."""
        if self._fsync:
            os.fsync(self._output)


def _check(name: str) -> None:
    """Refuse a name that leads elsewhere, or to what is ours: it may come from a file that anybody can have written."""
    if not name or "/" in name or name.startswith("."):
        raise PermissionError(errno.EPERM, "not the name of a study's directory", name)
