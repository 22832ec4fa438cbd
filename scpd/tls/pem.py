"""PEM (RFC 7468): the blocks of a text, whatever stands between them, as files of keys and certificates have it."""

from __future__ import annotations

import binascii
import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_BLOCK = re.compile(
    rb"^-----BEGIN ([A-Z0-9. ]+)-----[ \t]*\r?\n(.*?)^-----END \1-----", re.DOTALL | re.MULTILINE
)

CERTIFICATES = (b"CERTIFICATE", b"X509 CERTIFICATE")
CRLS = (b"X509 CRL",)
DH_PARAMETERS = (b"DH PARAMETERS", b"X9.42 DH PARAMETERS")


def blocks(text: bytes, labels: tuple[bytes, ...]) -> Iterator[bytes]:
    """Give what the blocks of these labels hold, in order: DER.  Raises `ValueError`, also for one that has no end.

    A file that was cut would lose its last block without a word.
    """
    begun = sum(text.count(b"-----BEGIN " + label + b"-----") for label in labels)
    if begun > sum(match[1] in labels for match in _BLOCK.finditer(text)):
        raise ValueError("a block is cut off, or does not begin a line")
    for match in _BLOCK.finditer(text):
        if match[1] in labels:
            yield binascii.a2b_base64(match[2], strict_mode=False)


def private_key(text: bytes) -> bytes | None:
    """Give the first block that is a private key, of whatever kind, as it stands there; `None` if there is none."""
    for match in _BLOCK.finditer(text):
        if match[1].endswith(b"PRIVATE KEY"):
            return match[0] + b"\n"
    return None
