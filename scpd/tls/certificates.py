"""Certificates and revocation lists: from what files have to what they are.  Raises `StartError`."""

from __future__ import annotations

from cryptography import x509

from scpd.errors import StartError
from scpd.tls import pem
from scpd.tls.keys import PEM
from scpd.tls.names import UNREADABLE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_DER_SEQUENCE = b"\x30"


def certificates(path: str, content: bytes, form: str) -> list[x509.Certificate]:
    """Give all certificates of a file; there is one at least, and in DER no more."""
    try:
        found = list(pem.blocks(content, pem.CERTIFICATES)) if form == PEM else [content]
        if found:
            return [x509.load_der_x509_certificate(each) for each in found]
    except UNREADABLE as error:
        reason = "it is PEM, not DER" if _is_pem(content, form) else _first_words(error)
        raise StartError(f"cannot load certificate from {path}: {reason}") from None
    hint = " (is it DER? --der-keys)" if content.startswith(_DER_SEQUENCE) else ""
    if b"-----BEGIN TRUSTED CERTIFICATE-----" in content:
        hint = " but such as only OpenSSL reads (openssl x509 makes a plain one of it)"
    raise StartError(f"cannot load certificate from {path}: there is none in it{hint}")


def crls(path: str, content: bytes) -> list[x509.CertificateRevocationList]:
    """Give all revocation lists of a file, PEM or DER; there is one at least."""
    try:
        if content.startswith(_DER_SEQUENCE):
            return [x509.load_der_x509_crl(content)]
        found = crls_within(content)
    except UNREADABLE as error:
        raise StartError(f"cannot load revocation list from {path}: {_first_words(error)}") from None
    if not found:
        raise StartError(f"cannot load revocation list from {path}: there is none in it")
    return found


def crls_within(content: bytes) -> list[x509.CertificateRevocationList]:
    """Give the revocation lists that a PEM file has beside others; raises what is `UNREADABLE`."""
    return [x509.load_der_x509_crl(each) for each in pem.blocks(content, pem.CRLS)]


def hashed(
    path: str, content: bytes
) -> tuple[Sequence[x509.Certificate], Sequence[x509.CertificateRevocationList]]:
    """Give what a file of a hashed directory has, PEM or DER; its name tells which of both it is."""
    if ".r" in path.rpartition("/")[2]:
        return (), crls(path, content)
    return certificates(path, content, "der" if content.startswith(_DER_SEQUENCE) else PEM), ()


def _is_pem(content: bytes, form: str) -> bool:
    return form != PEM and b"-----BEGIN " in content


def _first_words(error: Exception) -> str:
    return str(error).partition("\n")[0] or "it is damaged"
