"""Are two files one object?  The same transfer syntax, and the same bytes of data set (PS3.10 7.1).

What else stands in the file meta information may differ: who sent it, who wrote it.  Files without file meta
(--write-dataset) are equal if all their bytes are.  Anything but a regular file, and file meta that does not begin with
its group length, as DICOM wants it and all of ours does, is equal to nothing.

Works on descriptors, with `_CHUNK` bytes of each in memory; raises `OSError`.
"""

from __future__ import annotations

import os
import stat
from struct import Struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    Content = tuple[bytes, int, int]  # transfer syntax, where the data set begins, how long it is

_CHUNK = 1 << 17

_MAGIC = b"DICM"
_MAGIC_AT = 128
_GROUP_LENGTH = b"\x02\x00\x00\x00UL\x04\x00"
_META_AT = 144  # behind preamble, prefix and group length
_LONGEST_META = 1 << 16
_TRANSFER_SYNTAX = 0x0010
_HEADER = Struct("<HH2sH")
_LONG_LENGTH = Struct("<I")
_LONG_FORM = frozenset((b"OB", b"OW", b"UN", b"UT", b"SQ"))


def are_equal(one: int, other: int) -> bool:
    """Tell whether two files, open for reading, hold the same object."""
    content = _content(one)
    if content is None:
        return False
    other_content = _content(other)
    if other_content is None:
        return False
    transfer_syntax, start, length = content
    other_transfer_syntax, other_start, other_length = other_content
    if (transfer_syntax, length) != (other_transfer_syntax, other_length):
        return False
    return all(
        os.pread(one, _CHUNK, start + offset) == os.pread(other, _CHUNK, other_start + offset)
        for offset in range(0, length, _CHUNK)
    )


def _content(descriptor: int) -> Content | None:
    """Find transfer syntax (empty without file meta) and data set; `None` if there is none to be compared."""
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        return None
    head = os.pread(descriptor, _META_AT, 0)
    if head[_MAGIC_AT:].startswith(_MAGIC):
        return _behind_meta(descriptor, head, status.st_size)
    return b"", 0, status.st_size


def _behind_meta(descriptor: int, head: bytes, size: int) -> Content | None:
    if head[_MAGIC_AT + len(_MAGIC) : -4] != _GROUP_LENGTH:
        return None
    length = int.from_bytes(head[-4:], "little")
    if length > min(_LONGEST_META, size - _META_AT):
        return None
    transfer_syntax = _transfer_syntax(os.pread(descriptor, length, _META_AT))
    start = _META_AT + length
    return None if transfer_syntax is None else (transfer_syntax, start, size - start)


def _transfer_syntax(meta: bytes) -> bytes | None:
    """Find (0002,0010) in group 0002H, which is explicit VR little endian always."""
    position = 0
    while position + _HEADER.size <= len(meta):
        group, element, vr, length = _HEADER.unpack_from(meta, position)
        position += _HEADER.size
        if vr in _LONG_FORM:
            if position + 4 > len(meta):
                return None
            (length,) = _LONG_LENGTH.unpack_from(meta, position)
            position += 4
        if (group, element) == (2, _TRANSFER_SYNTAX):
            return meta[position : position + length].rstrip(b"\0 ")
        position += length
    return None
