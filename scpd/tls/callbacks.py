"""What OpenSSL asks us in the middle of a handshake: is this certificate good, this server name, this protocol?

Whoever makes a connection gives it a list (`set_app_data`) before the handshake; a callback that refuses appends one
line to it that says what and why, for the log: OpenSSL's own error only says that something was refused.
"""

from __future__ import annotations

import sys

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from OpenSSL._util import ffi, lib

from scpd.errors import NotDicom
from scpd.tls.names import described
from scpd.tls.profiles import LEAST_RSA_BITS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cryptography import x509
    from OpenSSL import SSL
    from OpenSSL.crypto import X509

    from scpd.tls.profiles import Profile

_ALPN = b"dicom"  # PS3.15 B.12
# RFC 9325 7.2; the first ones are refused in every profile, as DCMTK does it.
_BROKEN_HASHES = frozenset(("md2", "md4", "md5"))
_WEAK_HASHES = _BROKEN_HASHES | {"sha1"}


class Unwanted(Exception):
    """Ends a handshake from within a callback; never seen outside."""


def verifier(profile: Profile) -> Callable[[SSL.Connection, X509, int, int, int], bool]:
    """Make what is asked about every certificate of a peer's chain, from the root on."""
    is_judged_by_openssl = profile.security_level > 0

    def verify(connection: SSL.Connection, certificate: X509, error: int, depth: int, is_good: int) -> bool:
        del depth
        if is_good and is_judged_by_openssl:
            return True
        shown = certificate.to_cryptography()
        reason = weakness(shown, profile) if is_good else _reason(error)
        if reason:
            _note(connection, f"{reason}: {described(shown)}")
        return not reason

    return verify


def _reason(error: int) -> str:
    # pyOpenSSL gives the number only; this is the function behind its own X509StoreContextError.
    return str(ffi.string(lib.X509_verify_cert_error_string(error)).decode("ascii", "replace"))


def weakness(certificate: x509.Certificate, profile: Profile) -> str:
    """Say what makes a certificate too weak for a profile, if anything does."""
    hashes = _WEAK_HASHES if profile.is_strict else _BROKEN_HASHES
    try:
        algorithm = certificate.signature_hash_algorithm
        key = certificate.public_key()
    except (UnsupportedAlgorithm, ValueError):
        return ""  # for OpenSSL to say whether it knows better
    is_root = certificate.subject == certificate.issuer  # whose signature nobody looks at
    if algorithm is not None and algorithm.name in hashes and not is_root:
        return f"certificate is signed with {algorithm.name.upper()}"
    if profile.is_strict and isinstance(key, rsa.RSAPublicKey) and key.key_size < LEAST_RSA_BITS:
        return f"certificate has an RSA key of only {key.key_size} bits"
    if (
        profile.is_strict
        and isinstance(key, ec.EllipticCurvePublicKey)
        and key.key_size < profile.least_ec_bits
    ):
        return f"certificate has an EC key of only {key.key_size} bits"
    return ""


def name_checker(server_name: str) -> Callable[[SSL.Connection], None]:
    """Make what is asked about the name that a client looks for (SNI); none at all is fine."""
    wanted = server_name.encode("utf-8", "surrogateescape")

    def check(connection: SSL.Connection) -> None:
        asked = connection.get_servername()
        if asked is not None and asked != wanted:
            name = asked.decode("utf-8", "backslashreplace")
            _note(connection, f"client asks for server '{name}', this is '{server_name}' (SNI)")
            _refuse()

    return check


def _refuse() -> None:
    """Have pyOpenSSL send an alert: only an exception does that, which it then hands to sys.excepthook."""
    usual = sys.excepthook

    def say_nothing(*_: object) -> None:
        sys.excepthook = usual

    sys.excepthook = say_nothing
    raise Unwanted


def choose_protocol(connection: SSL.Connection, offered: Sequence[bytes]) -> bytes:
    """Take `dicom` of what a client offers (ALPN); raises `NotDicom`, out of the handshake, if it is not there."""
    if _ALPN in offered:
        return _ALPN
    protocols = ", ".join(each.decode("utf-8", "backslashreplace") for each in offered)
    text = f"TLS client offers {protocols}, not dicom (ALPN)"
    _note(connection, text)
    raise NotDicom(text)


def _note(connection: SSL.Connection, text: str) -> None:
    findings = connection.get_app_data()
    if findings is not None:
        findings.append(text)
