"""What the machine lacks where a call fails: every object and every peer has to do without it, so it is told once.

A word for it is what complaints are alike in (`errors.Refused`), whichever object or host they are about.
"""

from __future__ import annotations

import errno

# Room is missing in a place; the others are missing everywhere.
_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}
_ANYWHERE = {errno.EMFILE, errno.ENFILE, errno.ENOMEM}


def lack(error: OSError, place: str) -> str:
    """Say what is missing in a directory, or everywhere; empty if it is the object's own fault, or nobody knows."""
    if error.errno in _ROOM:
        return f"{error.strerror} in {place}"
    return str(error.strerror) if error.errno in _ANYWHERE else ""
