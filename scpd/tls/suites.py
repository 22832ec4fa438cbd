"""Cipher suites of TLS 1.2 and older: their names, OpenSSL's names for them, and which is stronger.

Known are those of storescp 3.6.7 and of its newer profiles, whatever the library has.  TLS 1.3 has suites of its own,
which no option names.  The order of strength is that of DCMTK since 3.6.8: forward secrecy first, then the bits of the
key, ECDHE before DHE, the mode, and the kind of certificate.
"""

from __future__ import annotations

import re

# By key exchange and certificate; the first has no forward secrecy.
_WITH = {
    "RSA": """NULL_SHA 3DES_EDE_CBC_SHA AES_128_CBC_SHA AES_256_CBC_SHA AES_128_CBC_SHA256 AES_256_CBC_SHA256
        AES_128_GCM_SHA256 AES_256_GCM_SHA384 CAMELLIA_128_CBC_SHA CAMELLIA_256_CBC_SHA""",
    "DHE_DSS": """AES_128_CBC_SHA AES_256_CBC_SHA AES_128_CBC_SHA256 AES_256_CBC_SHA256 AES_128_GCM_SHA256
        AES_256_GCM_SHA384 CAMELLIA_128_CBC_SHA CAMELLIA_256_CBC_SHA""",
    "DHE_RSA": """AES_128_CBC_SHA AES_256_CBC_SHA AES_128_CBC_SHA256 AES_256_CBC_SHA256 AES_128_GCM_SHA256
        AES_256_GCM_SHA384 CAMELLIA_128_CBC_SHA CAMELLIA_256_CBC_SHA CHACHA20_POLY1305_SHA256""",
    "ECDHE_ECDSA": """AES_128_CBC_SHA AES_256_CBC_SHA AES_128_CBC_SHA256 AES_256_CBC_SHA384 AES_128_GCM_SHA256
        AES_256_GCM_SHA384 CHACHA20_POLY1305_SHA256 AES_128_CCM AES_256_CCM AES_128_CCM_8 AES_256_CCM_8
        CAMELLIA_128_GCM_SHA256 CAMELLIA_256_GCM_SHA384""",
    "ECDHE_RSA": """AES_128_CBC_SHA AES_256_CBC_SHA AES_128_CBC_SHA256 AES_256_CBC_SHA384 AES_128_GCM_SHA256
        AES_256_GCM_SHA384 CHACHA20_POLY1305_SHA256 CAMELLIA_128_GCM_SHA256 CAMELLIA_256_GCM_SHA384""",
}
# From weak to strong.
_KEY_EXCHANGES = ("RSA", "DHE", "ECDHE")
_CERTIFICATES = ("DSS", "ECDSA", "RSA")
_MODES = ("_SHA$", "CBC_SHA256", "CBC_SHA384", "CAMELLIA.*GCM", "CHACHA20", "CCM$", "CCM_8", "AES.*GCM")

_BITS = re.compile(r"_(128|256)(?:_|$)")
# In this order, what OpenSSL leaves out or calls otherwise.
_ABBREVIATIONS = (
    ("TLS_RSA_WITH_", "TLS_"),
    ("TLS_", ""),
    ("WITH_", ""),
    ("_CBC", ""),
    ("3DES_EDE", "DES_CBC3"),
    ("POLY1305_SHA256", "POLY1305"),
    ("CCM_8", "CCM8"),
    ("AES_", "AES"),
    ("CAMELLIA_", "CAMELLIA"),
    ("_", "-"),
)


def openssl_name(name: str) -> str:
    """Give OpenSSL's name of a suite."""
    for before, after in _ABBREVIATIONS:
        name = name.replace(before, after)
    return name


def has_forward_secrecy(name: str) -> bool:
    """Tell whether what was recorded stays secret if the server's key gets known."""
    return not name.startswith("TLS_RSA_")


def certificate_kind(theirs: str) -> str:
    """Say of which kind the server's certificate is, by OpenSSL's name of a suite: RSA, DSS or ECDSA."""
    return next((kind for kind in _CERTIFICATES if f"-{kind}-" in theirs), "RSA")


def encrypts(name: str) -> bool:
    """Tell whether it keeps anything secret."""
    return "_NULL_" not in name


def strength(name: str) -> tuple[int, ...]:
    """Give what suites are sorted by; the strongest has most."""
    exchange, _, cipher = name.removeprefix("TLS_").partition("_WITH_")
    key_exchange, _, certificate = exchange.partition("_")
    return (
        int(has_forward_secrecy(name)),
        _bits(cipher),
        _KEY_EXCHANGES.index(key_exchange),
        next(place for place, mode in enumerate(_MODES) if re.search(mode, cipher)),
        _CERTIFICATES.index(certificate or key_exchange),
        int(cipher.startswith("AES")),
    )


def _bits(cipher: str) -> int:
    found = _BITS.search(cipher)
    if found:
        return int(found[1])
    return {"CHACHA20": 256, "3DES": 112, "NULL": 0}[cipher.partition("_")[0]]


# By the names of the standards (IANA), the weakest first, and what OpenSSL calls them.
SUITES = {
    name: openssl_name(name)
    for name in sorted(
        (
            f"TLS_{exchange}_WITH_{cipher}"
            for exchange, ciphers in _WITH.items()
            for cipher in ciphers.split()
        ),
        key=strength,
    )
}
BY_OPENSSL_NAME = {theirs: name for name, theirs in SUITES.items()}
