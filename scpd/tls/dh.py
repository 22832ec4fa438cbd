"""Diffie-Hellman parameters: for suites with DHE in TLS 1.2 and older.

`cryptography` is about to drop them and warns of it on standard error, and OpenSSL's own functions are out of reach:
so their size is read here, and all else is left to OpenSSL, which takes the text.
"""

from __future__ import annotations

from scpd.errors import StartError
from scpd.tls import pem

# ffdhe2048 of RFC 7919 A.1, the group that DCMTK has built in since 3.6.8.
BUILT_IN = b"""\
-----BEGIN DH PARAMETERS-----
MIIBCAKCAQEA//////////+t+FRYortKmq/cViAnPTzx2LnFg84tNpWp4TZBFGQz
+8yTnc4kmz75fS/jY2MMddj2gbICrsRhetPfHtXV/WVhJDP1H18GbtCFY2VVPe0a
87VXE15/V8k1mE8McODmi3fipona8+/och3xWKE2rec1MKzKT0g6eXq8CrGCsyT7
YdEIqUuyyOP7uWrat2DX9GgdT0Kj3jlN9K5W7edjcrsZCwenyO4KbXCeAvzhzffi
7MA0BM0oNC9hkXL+nOmFg/+OTxIy7vKBg8P+OxtMb61zO7X8vC7CIAXFjvGDfRaD
ssbzSibBsu/6iGtCOGEoXJf//////////wIBAg==
-----END DH PARAMETERS-----
"""

_SEQUENCE, _INTEGER = 0x30, 0x02
_LONG_FORM = 0x80


def bits(path: str, text: bytes) -> int:
    """Give the size of the prime that a file's text has; raises `StartError`."""
    try:
        parameters = next(pem.blocks(text, pem.DH_PARAMETERS))
        return int.from_bytes(_value(_INTEGER, _value(_SEQUENCE, parameters)), "big").bit_length()
    except (ValueError, IndexError, StopIteration):
        raise StartError(f"cannot load Diffie-Hellman parameters from {path}: there are none in it") from None


def _value(tag: int, data: bytes) -> bytes:
    """Give the value of the first element of DER data (X.690)."""
    if data[0] != tag:
        raise ValueError(data[0])
    length, start = data[1], 2
    if length >= _LONG_FORM:
        start += length - _LONG_FORM
        length = int.from_bytes(data[2:start], "big")
    if len(data) < start + length:
        raise ValueError(length)
    return data[start : start + length]
