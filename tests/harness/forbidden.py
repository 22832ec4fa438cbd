"""System calls that something outside of scpd forbids, as a container's runtime may."""

from __future__ import annotations

import errno
import struct

from scpd.process.seccomp import Filter


def refusing(number: int) -> Filter:
    """A filter under which one system call is refused, and no other."""
    lines = [
        (0x20, 0, 0, 0),
        (0x15, 0, 1, number),
        (0x06, 0, 0, 0x50000 | errno.EPERM),
        (0x06, 0, 0, 0x7FFF0000),
    ]
    return Filter(b"".join(struct.pack("HBBI", *line) for line in lines))
