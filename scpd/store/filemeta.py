"""What stands in a file before the data set: preamble, prefix and File Meta Information (PS3.10 7.1).

    128 zero bytes, DICM, then group 0002H in explicit VR little endian:
    (0002,0000) UL  length of the rest         (0002,0012) UI  Implementation Class UID: ours
    (0002,0001) OB  version 00 01              (0002,0013) SH  Implementation Version Name: ours
    (0002,0002) UI  SOP Class UID              (0002,0016) AE  Source: calling title
    (0002,0003) UI  SOP Instance UID           (0002,0017) AE  Sending: calling title
    (0002,0010) UI  Transfer Syntax UID        (0002,0018) AE  Receiving: called title

Byte for byte what storescp writes, but for the implementation and the last two elements, which it has not.  A
title of nothing but spaces is no title (PS3.5 6.2, AE): its elements are left out.
"""

from __future__ import annotations

from struct import Struct

from scpd import __version__

# UUID derived (PS3.5 B.2), made once: it tells scpd's files from others' for ever.  Versions differ by name.
IMPLEMENTATION_CLASS_UID = "2.25.334455760989958946894618299182660516343"
IMPLEMENTATION_VERSION_NAME = "SCPD_" + __version__.replace(".", "_")[:11]  # SH: 16 characters at most

_VERSION = b"\x02\x00\x01\x00OB\x00\x00\x02\x00\x00\x00\x00\x01"
_START = bytes(128) + b"DICM\x02\x00\x00\x00UL\x04\x00"
_GROUP_LENGTH = Struct("<I")
_SHORT_HEADER = Struct("<HH2sH")


class FileMeta:
    """The file meta of one presentation context's objects, encoded but for the two UIDs of each."""

    __slots__ = ("_begin", "_begins_for", "_rest")

    def __init__(self, transfer_syntax_uid: str, calling_ae_title: bytes, called_ae_title: bytes) -> None:
        self._begin, self._begins_for = b"", ("", -1)  # of the last object, and for which others
        calling, called = _title(calling_ae_title), _title(called_ae_title)
        self._rest = b"".join(
            (
                _uid(0x0010, transfer_syntax_uid),
                _uid(0x0012, IMPLEMENTATION_CLASS_UID),
                _element(0x0013, b"SH", IMPLEMENTATION_VERSION_NAME.encode("ascii"), b" "),
                _element(0x0016, b"AE", calling, b" ") if calling else b"",
                _element(0x0017, b"AE", calling, b" ") if calling else b"",
                _element(0x0018, b"AE", called, b" ") if called else b"",
            )
        )

    def for_object(self, sop_class_uid: str, sop_instance_uid: str) -> bytes:
        """Return what the file of this object begins with."""
        kind = sop_class_uid, len(sop_instance_uid)
        if kind != self._begins_for:
            self._begin = self._begin_for(*kind)
            self._begins_for = kind
        instance = sop_instance_uid.encode("latin-1")
        return b"".join((self._begin, instance, b"\0" * (len(instance) & 1), self._rest))

    def _begin_for(self, sop_class_uid: str, length: int) -> bytes:
        """Return all before the SOP Instance UID, one of so many bytes."""
        even = length + (length & 1)
        before = _VERSION + _uid(0x0002, sop_class_uid) + _SHORT_HEADER.pack(0x0002, 0x0003, b"UI", even)
        return _START + _GROUP_LENGTH.pack(len(before) + even + len(self._rest)) + before


def _title(field: bytes) -> bytes:
    """Return the title in a field of an A-ASSOCIATE-RQ; its leading spaces stay, as in storescp."""
    return field.rstrip(b" \0")


def _uid(element: int, uid: str) -> bytes:
    return _element(element, b"UI", uid.encode("latin-1"), b"\0")


def _element(element: int, vr: bytes, value: bytes, padding: bytes) -> bytes:
    if len(value) & 1:
        value += padding
    return _SHORT_HEADER.pack(0x0002, element, vr, len(value)) + value
