"""What a connection speaks that is not DICOM, told from its first bytes.

A storage port meets browsers, port scanners, load balancers and modalities with a wrong port number.  Read as PDU
headers their bytes give errors that mislead ("PDU of 17149697 bytes"); here they get the name of the mistake.
"""

from __future__ import annotations

# Bytes that are enough to tell all of them.
ENOUGH = 16

_BEGINNINGS = (
    (b"\x16\x03", "a TLS hello on a port without TLS"),
    (b"\x0bMSH", "HL7 (MLLP)"),
    (b"MSH|", "HL7 without MLLP framing"),
    (b"GET ", "an HTTP request"),
    (b"HEAD ", "an HTTP request"),
    (b"POST ", "an HTTP request"),
    (b"PUT ", "an HTTP request"),
    (b"OPTIONS ", "an HTTP request"),
    (b"CONNECT ", "an HTTP request"),
    (b"PRI * HTTP/2", "an HTTP/2 request"),
    (b"SSH-", "an SSH client"),
    (b"PROXY ", "a PROXY protocol header, which is not enabled"),
    (b"\r\n\r\n\x00\r\nQUIT\n", "a PROXY protocol header, which is not enabled"),
    (b"EHLO ", "an SMTP client"),
    (b"HELO ", "an SMTP client"),
)

# A-ASSOCIATE-RQ to A-ABORT (PS3.8 9.3.1).
_PDU_TYPES = range(1, 8)
# Type, reserved byte and the two high bytes of the length of an A-ASSOCIATE-RJ; a TPKT header (RFC 1006, remote
# desktop scanners) has its own length in the last two.
_TPKT = b"\x03\x00"


def recognize(first: bytes) -> str:
    """Name the protocol that begins with these bytes; empty for a possible PDU, or for nothing at all."""
    if not first:
        return ""
    if first[0] in _PDU_TYPES:
        is_tpkt = first.startswith(_TPKT) and len(first) > 3 and first[2:4] != b"\x00\x00"
        return "a TPKT header (remote desktop)" if is_tpkt else ""
    for beginning, name in _BEGINNINGS:
        if first.startswith(beginning):
            return name
    return f"an unknown protocol (begins with {first[:8].hex(' ').upper()})"
