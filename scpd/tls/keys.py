"""A private key: from what a file has to what it is.

PEM or DER; RSA, EC, Ed25519 or DSA; as PKCS 8 or in the older forms, under a password or not.  Raises `StartError`.
"""

from __future__ import annotations

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
    load_pem_private_key,
)

from scpd.errors import StartError
from scpd.tls import pem

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

PEM, DER = "pem", "der"
RSA, DSS, ECDSA = "RSA", "DSS", "ECDSA"

_DER_SEQUENCE = b"\x30"


class Locked(Exception):
    """The key is encrypted, and no password was given."""


def unlock(path: str, content: bytes, form: str, password: bytes | None) -> PrivateKeyTypes:
    """Give the key that a file's content is.

    A password that is not needed does no harm.  Raises `Locked` if one is needed and is `None`.
    """
    key = _load(path, content, form, None)
    if key is None:
        if password is None:
            raise Locked
        key = _load(path, content, form, password)
    if key is None:  # an empty password is none to `cryptography`
        raise StartError(f"private key {path} is encrypted: it needs a password")
    return key


def _load(path: str, content: bytes, form: str, password: bytes | None) -> PrivateKeyTypes | None:
    """Load a key; `None` if it is encrypted and there is no password."""
    block = pem.private_key(content) if form == PEM else content
    if not block:
        hint = " (is it DER? --der-keys)" if content.startswith(_DER_SEQUENCE) else ""
        raise StartError(f"cannot load private key {path}: there is none in it{hint}")
    loader = load_pem_private_key if form == PEM else load_der_private_key
    try:
        return loader(block, password)
    except TypeError:  # what `cryptography` says to that
        return None
    except (ValueError, UnsupportedAlgorithm) as error:
        raise StartError(_complaint(path, content, form, password, error)) from None


def _complaint(path: str, content: bytes, form: str, password: bytes | None, error: Exception) -> str:
    if password:
        return f"wrong password for private key {path}"
    if form == DER and pem.private_key(content):
        return f"cannot load private key {path}: it is PEM, not DER"
    if isinstance(error, UnsupportedAlgorithm):
        return f"cannot load private key {path}: {error}"
    return f"cannot load private key {path}: it is damaged, or of an unknown kind"


def kind(key: PrivateKeyTypes) -> str:
    """Say what suites of TLS 1.2 and older call certificates of such keys; empty for what only TLS 1.3 has."""
    if isinstance(key, rsa.RSAPrivateKey):
        return RSA
    if isinstance(key, dsa.DSAPrivateKey):
        return DSS
    is_of_curve = isinstance(
        key, ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey
    )
    return ECDSA if is_of_curve else ""


def curve(key: PrivateKeyTypes) -> str:
    """Name the curve of an EC key as SEC 2 and RFC 5639 do; empty for other kinds."""
    return key.curve.name if isinstance(key, ec.EllipticCurvePrivateKey) else ""


def to_bytes(key: PrivateKeyTypes) -> bytes:
    """Give a key as PKCS 8 (DER) without password, for `from_bytes` alone."""
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def from_bytes(key: bytes) -> PrivateKeyTypes:
    """Give the key that was checked before: looking for primes in RSA once more takes 50 ms."""
    return load_der_private_key(key, None, unsafe_skip_rsa_key_validation=True)
