"""What all who use a lock directory must agree on: options that decide what becomes of a study.

scpd_studies(7), agreeing 1 to 3:

    rules    NAME TAB VALUE TAB CHECKSUM for each option, written by who finds nobody else; an empty value: not given

Whoever uses the directory has byte 0 of it locked, shared, for life.  Who can have it exclusively is alone, writes down
his own options and shares it then; anybody else compares.  The lock goes with its last holder, so options change when
all daemons of the directory have ended, or when the only one succeeds itself (`process.succession`) and has it already.

A crash leaves at most a torn file, which the next one writes anew: it finds nobody else.  Raises `StartError` for
options that differ, and `OSError`.
"""

from __future__ import annotations

import errno
import os

from scpd.errors import StartError
from scpd.lockdir import layout, records
from scpd.lockdir.layout import LockDirectory
from scpd.process.locks import is_at, is_taken, lock, wait_to_share

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    # Names of options, and their values as one would say them; GIVEN where an option has none.
    Options = Sequence[tuple[str, str]]

GIVEN = "yes"

_IN_USE = 0
_MOST = 1 << 18  # bytes: command lines may be long


def use(path: str, options: Options, held: int | None = None) -> int:
    """Make the lock directory if it is not there, and agree; give the descriptor that keeps it in use.

    Who used it before gives what he `held`.  What does not allow that is a `StartError`.
    """
    try:
        layout.make(path)
        lockdir = LockDirectory(path)
        try:
            _check_rights(lockdir)
            return agree(lockdir, path, options, held)
        finally:
            lockdir.close()
    except OSError as error:
        raise StartError(f"cannot use lock directory: {path}: {error.strerror}") from None


def check_place(path: str, output_directory: str) -> None:
    """Raise `StartError` where the lock directory and the directories of studies would get into each other's way.

    A peer may choose the name of a study's directory, but none that begins with a dot.
    """
    place, output = (f"{os.path.realpath(each).rstrip('/')}/" for each in (path, output_directory))
    if output.startswith(place):
        raise StartError(f"lock directory must not hold the output directory: {path}")
    if place.startswith(output) and place[len(output)] != ".":
        raise StartError(f"lock directory in the output directory must begin with a dot: {path}")


def check(path: str) -> None:
    """Raise `StartError` unless `use` could make or use the lock directory; nothing is made, nobody is asked."""
    there = path if os.path.lexists(path) else os.path.dirname(path.rstrip("/")) or "."
    code = 0
    if not os.path.isdir(there):
        code = errno.ENOTDIR if os.path.lexists(there) else errno.ENOENT
    elif not os.access(there, os.W_OK | os.X_OK, effective_ids=True):
        code = errno.EACCES
    if code:
        raise StartError(f"cannot use lock directory: {path}: {os.strerror(code)}")


def check_change(held: int, path: str, options: Options) -> None:
    """Raise `StartError` unless whoever keeps a lock directory in use by `held` could use it with these options."""
    if is_taken(held, _IN_USE):
        _raise_difference(held, path, options)


def _check_rights(lockdir: LockDirectory) -> None:
    for part in (layout.JOURNALS, layout.OPEN):
        if not os.access(".", os.W_OK | os.X_OK, dir_fd=lockdir.opened(part), effective_ids=True):
            raise PermissionError(errno.EACCES, f"{part} is not writeable", part)


def agree(lockdir: LockDirectory, path: str, options: Options, held: int | None = None) -> int:
    """Give the descriptor that keeps the directory in use with these options; `path` is for the error.

    It is that which was `held`, if there is one and it is still the directory's.
    """
    if held is not None and is_at(held, layout.RULES, lockdir.descriptor):
        _settle(held, path, options)
        return held
    descriptor = lockdir.open_lock_file(layout.RULES)
    try:
        _settle(descriptor, path, options)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _settle(descriptor: int, path: str, options: Options) -> None:
    if not _write_if_alone(descriptor, options):
        _raise_difference(descriptor, path, options)


def _raise_difference(descriptor: int, path: str, options: Options) -> None:
    difference = _difference(descriptor, options)
    if difference:
        raise StartError(f"lock directory {path} is in use {difference}")


def _write_if_alone(descriptor: int, options: Options) -> bool:
    if not lock(descriptor, _IN_USE):
        return False
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, b"".join(map(records.encode, options)), 0)
    wait_to_share(descriptor, _IN_USE)  # from exclusive to shared in one step
    return True


def _difference(descriptor: int, options: Options) -> str:
    """Use it together with the others; give what their options say otherwise, empty if nothing."""
    wait_to_share(descriptor, _IN_USE)
    lines = os.pread(descriptor, _MOST, 0).splitlines()
    theirs = {fields[0]: fields[1] for fields in records.decode_all(lines) if len(fields) >= 2}
    for name, ours in options:
        other = theirs.get(name, "")
        if other != ours:
            return _text(name, other, ours)
    return ""


def _text(name: str, theirs: str, ours: str) -> str:
    if not theirs:
        return f"without {name}, not with it"
    if not ours:
        return f"with {name}{'' if theirs == GIVEN else ' ' + theirs}, not without it"
    return f"with {name} {theirs}, not {ours}"
