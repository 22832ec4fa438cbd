"""Names of stored objects: `CT.1.2.840....dcm`, of safe characters only, whatever a peer sent as a UID.

A name is never a path: no character of it is `/` or NUL, and it never begins with a dot.  How long a name may
be is the file system's decision, and so is whether it is taken: nothing here looks.
"""

from __future__ import annotations

import os

from scpd.errors import StartError
from scpd.tables.sop_classes import FILE_PREFIXES

_UNKNOWN_CLASS = "UNKNOWN"
# What storescp leaves in a UID; every other byte becomes an underscore.
_KEPT = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 -.:@_")
_SANITISED = bytes(code if code in _KEPT else 0x5F for code in range(256))


def file_name(sop_class_uid: str, sop_instance_uid: str, extension: str = "") -> str:
    """Return the name of an object by its UIDs; the same object has the same name at every transfer."""
    return f"{FILE_PREFIXES.get(sop_class_uid, _UNKNOWN_CLASS)}.{_sanitised(sop_instance_uid)}{extension}"


def unique_file_name(sop_class_uid: str, extension: str = "") -> str:
    """Return a name that no other object has, nor the same one at its next transfer (--unique-filenames)."""
    return f"{FILE_PREFIXES.get(sop_class_uid, _UNKNOWN_CLASS)}.X.{new_uid()}{extension}"


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
    if "/" in extension or "\0" in extension:
        raise StartError(f"filename extension must not contain '/' or NUL: {extension!r}")


def _sanitised(uid: str) -> str:
    return uid.encode("latin-1", "replace").translate(_SANITISED).decode("ascii")
