"""Who a certificate is about, as texts, and who of them may come (--allow-peer-cn).

Texts are those of RFC 4514, `CN=ct1,O=Hospital,C=DE`, the most specific part first.  Names to be allowed by are the
common names of the subject and the DNS names among its alternative names; patterns are those of a shell: `*`, `?` and
`[...]`, capital and small letters are the same, and a dot is a character like any other.
"""

from __future__ import annotations

from fnmatch import fnmatchcase

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.x509.oid import NameOID

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from OpenSSL.crypto import X509

# What `cryptography` raises for what it cannot understand; some of it is understood by OpenSSL.
UNREADABLE = (
    ValueError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)
_UNREADABLE = "(unreadable)"


class Identity:
    """What a certificate says: `subject` and `issuer` as texts, `serial` in hexadecimal, `names` to be allowed by.

    One that cannot be read (`None`) says nothing, and has no names.
    """

    __slots__ = ("issuer", "names", "serial", "subject")

    def __init__(self, certificate: x509.Certificate | None) -> None:
        self.subject = self.issuer = self.serial = _UNREADABLE
        self.names: tuple[str, ...] = ()
        if certificate is not None:
            self.subject = text(certificate, "subject")
            self.issuer = text(certificate, "issuer")
            self.serial = f"{certificate.serial_number:X}"
            self.names = (*_common_names(certificate), *_dns_names(certificate))


def parsed(certificate: X509) -> x509.Certificate | None:
    """Give what can be looked into; `None` if OpenSSL understands it and `cryptography`, which is strict, does not."""
    try:
        return certificate.to_cryptography()
    except UNREADABLE:
        return None


def text(certificate: x509.Certificate, which: str) -> str:
    """Give the subject or the issuer; peers may send what cannot be read."""
    try:
        return str(getattr(certificate, which).rfc4514_string())
    except UNREADABLE:
        return _UNREADABLE


def described(certificate: x509.Certificate | None) -> str:
    """Say whose certificate it is, and from whom."""
    if certificate is None:
        return _UNREADABLE
    return f"{text(certificate, 'subject')}, issued by {text(certificate, 'issuer')}"


def is_allowed(patterns: Iterable[str], names: Iterable[str]) -> bool:
    """Tell whether one of the names matches one of the patterns."""
    small = [name.lower() for name in names]
    return any(fnmatchcase(name, pattern.lower()) for pattern in patterns for name in small)


def _common_names(certificate: x509.Certificate) -> list[str]:
    try:
        found = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    except UNREADABLE:
        return []
    return [each.value if isinstance(each.value, str) else each.value.decode("latin-1") for each in found]


def _dns_names(certificate: x509.Certificate) -> list[str]:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (x509.ExtensionNotFound, *UNREADABLE):
        return []
    return extension.value.get_values_for_type(x509.DNSName)
