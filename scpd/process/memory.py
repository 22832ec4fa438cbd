"""What becomes of memory that was freed: it stays, for the next object (mallopt(3), by `ctypes`).

The C library gives back what is free at the end of its heap, 128 kB and more, and takes it anew a moment later: for a
worker that deflates images that is 37 new pages for each, and one or two images in a hundred (`python -m bench --only
deflated`); for one that swaps an image it has in whole, 128.  What is kept is little beside the bound of a worker's
memory.

Without glibc nothing happens.
"""

from __future__ import annotations

import ctypes

# malloc.h of glibc
_TRIM_THRESHOLD = -1
_MMAP_THRESHOLD = -3

_KEPT_BYTES = 2 << 20
# As large as pieces of a value are, and some: what is larger, such as the receive buffer, has pages of its own.
_LARGEST_BYTES = 1 << 19


def keep_freed() -> None:
    """Keep up to 2 MiB that was freed, in this process and in those that it forks."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_TRIM_THRESHOLD, _KEPT_BYTES)
        mallopt(_MMAP_THRESHOLD, _LARGEST_BYTES)
