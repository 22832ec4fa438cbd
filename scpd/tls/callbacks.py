"""What OpenSSL asks us in the middle of a handshake: is this certificate good, this server name, this protocol?

Whoever makes a connection gives it a list (`set_app_data`) before the handshake; a callback that refuses appends one
line to it that says what and why, for the log: OpenSSL's own error only says that something was refused.
"""

from __future__ import annotations

import sys

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from OpenSSL._util import ffi, lib

from scpd.errors import NotDicom
from scpd.tls.names import UNREADABLE, described, parsed
from scpd.tls.profiles import LEAST_RSA_BITS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from OpenSSL import SSL
    from OpenSSL.crypto import X509

    from scpd.tls.profiles import Profile

_ALPN = b"dicom"  # PS3.15 B.12
# RFC 9325 7.2; the first ones are refused in every profile, as DCMTK does it.
_BROKEN_HASHES = frozenset(("md2", "md4", "md5"))
_WEAK_HASHES = _BROKEN_HASHES | {"sha1"}


class Unwanted(Exception):
    """Ends a handshake from within a callback; never seen outside."""


def set_verifier(context: SSL.Context, mode: int, profile: Profile) -> None:
    """Have a context ask `verifier`, and tell a peer that it is its certificate which was refused.

    pyOpenSSL's own callback says no without a reason where only we have one, and the peer hears of an "internal error".
    So it is called from within another, made as it is, which gives the reason: the alert is then bad_certificate.
    """
    context.set_verify(mode, verifier(profile))
    ask: Any = context._verify_callback  # noqa: SLF001 - as said

    def ask_and_give_a_reason(is_good: int, store: object) -> int:
        answer = int(ask(is_good, store))
        if not answer and lib.X509_STORE_CTX_get_error(store) == lib.X509_V_OK:
            lib.X509_STORE_CTX_set_error(store, lib.X509_V_ERR_CERT_REJECTED)
        return answer

    # The context has to keep it alive, and each of its connections does so by this name.
    context._verify_callback = ffi.callback("int (*)(int, X509_STORE_CTX *)", ask_and_give_a_reason)  # noqa: SLF001
    lib.SSL_CTX_set_verify(context._context, mode, context._verify_callback)  # noqa: SLF001


def verifier(profile: Profile) -> Callable[[SSL.Connection, X509, int, int, int], bool]:
    """Make what is asked about every certificate of a peer's chain, from the root on."""
    is_judged_by_openssl = profile.security_level > 0

    def verify(connection: SSL.Connection, certificate: X509, error: int, depth: int, is_good: int) -> bool:
        del depth
        if is_good and is_judged_by_openssl:
            return True
        shown = parsed(certificate)
        if not is_good:
            reason = _reason(error)
        else:
            reason = "certificate cannot be read" if shown is None else weakness(shown, profile)
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
    except UNREADABLE:
        # Where weak ones are allowed OpenSSL may say whether it knows better.
        return "certificate has a key or signature of an unknown kind" if profile.is_strict else ""
    if algorithm is not None and algorithm.name in hashes and not _has_signed_itself(certificate):
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


def _has_signed_itself(certificate: x509.Certificate) -> bool:
    """Tell whether it is its own authority as OpenSSL sees it: by name, and by what it says of that one's key.

    Nobody looks at the signature of such a one.  An authority that is succeeded by itself, with a new key, may have a
    certificate with the same name on both sides, whose signature counts.
    """
    try:
        if certificate.subject != certificate.issuer:
            return False
        issuer = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
        own = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    except x509.ExtensionNotFound:
        return True
    except UNREADABLE:
        return False
    return issuer.key_identifier in {None, own.digest}


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
