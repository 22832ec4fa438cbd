"""Names of stored objects: `CT.1.2.840....dcm`, of safe characters only, whatever a peer sent as a UID.

    uid       PREFIX.INSTANCE              the same object has the same name at every transfer
    unique    PREFIX.X.2.25.NUMBER         a new UID (--unique-filenames)
    time      YYYYMMDDHHMMSSmmm.PREFIX     local time (--timenames); ..mmm_0000.PREFIX and so on if that is taken

and behind each the extension.  PREFIX is the SOP class's, INSTANCE the SOP Instance UID.  A name is never a path: no
character of it is `/` or NUL, and it never begins with a dot.  How long a name may be is the file system's decision,
and so is whether it is taken: nothing here looks, nor at the clock.
"""

from __future__ import annotations

import os
from time import localtime, strftime

from scpd.errors import StartError
from scpd.tables.sop_classes import FILE_PREFIXES

UID, UNIQUE, TIME = "uid", "unique", "time"
_UNKNOWN_CLASS = "UNKNOWN"
_LONGEST_NAME = 255  # bytes
# What storescp leaves in a UID; every other byte becomes an underscore.
_KEPT = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 -.:@_")
_SANITISED = bytes(code if code in _KEPT else 0x5F for code in range(256))


def prefix_of(sop_class_uid: str) -> str:
    """Return what the names of a SOP class's objects begin with."""
    return FILE_PREFIXES.get(sop_class_uid, _UNKNOWN_CLASS)


def file_name(prefix: str, sop_instance_uid: str, extension: str = "") -> str:
    """Return the name of an object by its UIDs; the same object has the same name at every transfer."""
    return f"{prefix}.{sanitised(sop_instance_uid)}{extension}"


def unique_file_name(sop_class_uid: str, extension: str = "") -> str:
    """Return a name that no other object has, nor the same one at its next transfer (--unique-filenames)."""
    return f"{prefix_of(sop_class_uid)}.X.{new_uid()}{extension}"


def time_file_name(sop_class_uid: str, extension: str, now: float) -> str:
    """Return a name by the time, `now` in seconds since the epoch; others may have it already (--timenames)."""
    seconds, milliseconds = divmod(int(now * 1000), 1000)
    stamp = strftime("%Y%m%d%H%M%S", localtime(seconds))
    return f"{stamp}{milliseconds:03}.{prefix_of(sop_class_uid)}{extension}"


def name_beside(name: str, number: int) -> str:
    """Return the name of the so many-th further object of one name; the first one, number 0, has the name itself."""
    return f"{name}.{number}" if number else name


def name_with_serial(name: str, number: int) -> str:
    """Return the so many-th further name for the time in a time name, by storescp's serial numbers: 1 is `_0000`."""
    if not number:
        return name
    stamp, _, rest = name.partition(".")
    return f"{stamp}_{number - 1:04}.{rest}"


def sanitised(uid: str) -> str:
    """Return a UID as it stands in a name: an underscore for each byte that storescp would not leave there."""
    return uid.encode("latin-1", "replace").translate(_SANITISED).decode("ascii")


def new_uid() -> str:
    """Return a UID that was never used before: 2.25. and a random UUID as a number (PS3.5 B.2, RFC 9562 5.4).

    Not by `uuid`: a start by inetd would pay for its import.
    """
    number = int.from_bytes(os.urandom(16), "big")
    number = number & ~(0xF << 76) | 4 << 76  # version 4: random
    number = number & ~(0x3 << 62) | 2 << 62  # variant 10
    return f"2.25.{number}"


def check_extension(extension: str) -> None:
    """Raise `StartError` if --filename-extension would make of a name a path or no name at all."""
    if "/" in extension or not extension.isprintable():
        raise StartError(f"filename extension must not contain '/' or control characters: {extension!r}")


def check_prefix(prefix: str) -> None:
    """Raise `StartError` if the prefix of a sort option would make of a directory's name a path, or hide it.

    A hidden one could be what we keep in the output directory ourselves.
    """
    if "/" in prefix or not prefix.isprintable():
        raise StartError(f"sort prefix must not contain '/' or control characters: {prefix!r}")
    if prefix.startswith("."):
        raise StartError(f"sort prefix must not begin with a dot: {prefix!r}")


def is_plain_name(name: str) -> bool:
    """Tell whether this can be the name of something in a directory, not hidden there, and harmless in a log."""
    if not name or name[0] == "." or "/" in name:
        return False
    if name.isascii():  # as nearly all are, and a keeper asks for each object
        return name.isprintable() and len(name) <= _LONGEST_NAME
    return _without_bytes(name).isprintable() and _has_room(name)


def _has_room(name: str) -> bool:
    try:
        return len(os.fsencode(name)) <= _LONGEST_NAME
    except UnicodeEncodeError:  # of a locale that lacks the characters
        return False


def _without_bytes(name: str) -> str:
    """Leave out what stands for bytes that are no UTF-8: an administrator's extension or prefix may hold some."""
    return "".join(char for char in name if not "\udc80" <= char <= "\udcff")
