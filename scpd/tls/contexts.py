"""An OpenSSL context: what was read from the disk, and the rules, made ready for handshakes.

A context cannot be changed any more when a connection was made of it: whoever wants something else makes a new one.
It is made before the fork, so that a client can go on with a session (a ticket) in another worker.  Tickets are sealed
with keys of the context's own, which nobody can change: a new context is also the only way to have new ones.

Where revocation is checked there are no tickets: a session that goes on is not verified again (RFC 8446 2.2).

Raises `StartError`.
"""

from __future__ import annotations

import os

from OpenSSL import SSL, crypto
from OpenSSL._util import lib

from scpd.errors import StartError
from scpd.tls import callbacks, profiles
from scpd.tls.policy import CHAIN, IGNORE, REQUIRE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from scpd.tls.material import Material
    from scpd.tls.policy import Policy

_VERSIONS = {
    "1.0": SSL.TLS1_VERSION,
    "1.2": SSL.TLS1_2_VERSION,
    "1.3": SSL.TLS1_3_VERSION,
}
# What signs sessions has to have a name, or they cannot be resumed where certificates are asked for.
_SESSION_ID = b"scpd"
# PS3.15 B.13: SHA-2 and SHA-3 only; where OpenSSL's security level says so, nobody has to.
_STRICT_SIGNATURES = (
    b"ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512:ed25519:ed448:RSA-PSS+SHA256:RSA-PSS+SHA384:RSA-PSS+SHA512:"
    b"RSA+SHA256:RSA+SHA384:RSA+SHA512"
)
_OPTIONS = (
    SSL.OP_CIPHER_SERVER_PREFERENCE | SSL.OP_NO_RENEGOTIATION | SSL.OP_NO_COMPRESSION | SSL.OP_SINGLE_DH_USE
)


def make(policy: Policy, material: Material) -> SSL.Context:
    """Make a context for servers."""
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    try:
        _set_versions_and_suites(context, policy)
        _set_groups(context, policy)
        _set_key(context, material)
        if any(name.startswith("DHE-") for name in policy.suites):
            _set_dh(context, material.dh_parameters)
        _set_trust(context, policy, material)
    except (SSL.Error, crypto.Error) as error:
        raise StartError(f"TLS: {_reason(error)}") from None
    context.set_options(_OPTIONS)
    _set_resumption(context, policy)
    context.set_alpn_select_callback(callbacks.choose_protocol)
    if policy.server_name is not None:
        context.set_tlsext_servername_callback(callbacks.name_checker(policy.server_name))
    return context


def _set_versions_and_suites(context: SSL.Context, policy: Policy) -> None:
    profile = policy.profile
    context.set_min_proto_version(_VERSIONS[profile.lowest])
    context.set_max_proto_version(_VERSIONS[profile.highest])
    # The level comes first: by it, keys are judged when they are loaded.
    level = f"@SECLEVEL={profile.security_level}"
    context.set_cipher_list(":".join((*policy.suites, level)).encode("ascii"))
    if profile.suites13:
        context.set_tls13_ciphersuites(":".join(profile.suites13).encode("ascii"))


def _set_groups(context: SSL.Context, policy: Policy) -> None:
    """Say which groups are taken for (EC)DHE, and which signatures if the level does not say so.

    pyOpenSSL has a method for one group only, none for a list, none for signatures.  Its module of bindings is the
    smallest bridge: OpenSSL itself is linked into it, and reached by nothing else.  Both give 0 for an unknown name.
    """
    profile = policy.profile
    groups = ":".join(profiles.groups(profile, policy.suites)).encode("ascii")
    if not lib.SSL_CTX_set1_curves_list(context._context, groups):  # noqa: SLF001 - as said
        raise StartError("TLS: this OpenSSL lacks X25519, P-256, P-384 or P-521")
    if profile.is_strict and profile.security_level == 0:
        lib.SSL_CTX_set1_sigalgs_list(context._context, _STRICT_SIGNATURES)  # noqa: SLF001 - as said


def _set_key(context: SSL.Context, material: Material) -> None:
    own, *above = material.chain
    context.use_certificate(own)
    for certificate in above:
        context.add_extra_chain_cert(certificate)
    context.use_privatekey(material.key)  # type: ignore[arg-type]  # of all kinds those that OpenSSL knows


def _set_dh(context: SSL.Context, parameters: bytes) -> None:
    """Load the parameters from memory: pyOpenSSL takes the name of a file only."""
    number = os.memfd_create("scpd-dh", os.MFD_CLOEXEC)
    try:
        os.write(number, parameters)
        context.load_tmp_dh(f"/proc/self/fd/{number}")
    finally:
        os.close(number)


def _set_trust(context: SSL.Context, policy: Policy, material: Material) -> None:
    if policy.peer_certificate == IGNORE:
        context.set_verify(SSL.VERIFY_NONE)
        return
    mode = SSL.VERIFY_PEER
    if policy.peer_certificate == REQUIRE:
        mode |= SSL.VERIFY_FAIL_IF_NO_PEER_CERT
    callbacks.set_verifier(context, mode, policy.profile)
    store = context.get_cert_store()
    if store is None:
        raise StartError("TLS: OpenSSL gives no store for certificates")
    for _, certificate in material.authorities:
        store.add_cert(crypto.X509.from_cryptography(certificate))
    for _, crl in material.crls:
        store.add_crl(crl)
    for directory in policy.directories:
        store.load_locations(None, directory)
    if policy.crl_check is not None:
        all_of_them = crypto.X509StoreFlags.CRL_CHECK_ALL if policy.crl_check == CHAIN else 0
        store.set_flags(crypto.X509StoreFlags.CRL_CHECK | all_of_them)


def _set_resumption(context: SSL.Context, policy: Policy) -> None:
    context.set_session_id(_SESSION_ID)
    # A cache is the worker's, and goes with it.
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    if policy.crl_check is not None:
        context.set_options(SSL.OP_NO_TICKET)


def _reason(error: SSL.Error | crypto.Error) -> str:
    queue = error.args[0] if error.args else ()
    return ", ".join(str(entry[-1]) for entry in queue) or "OpenSSL gives no reason"
