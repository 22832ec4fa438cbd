"""From settings to TLS, as `policies` does it for the rest; imported with --enable-tls only (70 ms, 19 MB).

All that can go wrong does so here, before a port is open: `StartError` for what would let nobody in, or the wrong ones,
warnings for what is weak, about to expire, or of no effect.
"""

from __future__ import annotations

import datetime as dt
import warnings

from cryptography.x509.oid import PublicKeyAlgorithmOID

from scpd.errors import StartError
from scpd.process.renewable import not_renewed
from scpd.tls import dates, dh, keys, library, material, profiles, seed
from scpd.tls.callbacks import weakness
from scpd.tls.endpoint import Tls
from scpd.tls.material import Sources
from scpd.tls.passwords import Password
from scpd.tls.policy import IGNORE, LEAF, Policy
from scpd.tls.profiles import Profile
from scpd.tls.suites import BY_OPENSSL_NAME, certificate_kind, has_forward_secrecy, openssl_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from scpd.cli.settings import Settings
    from scpd.tls.material import Material


def sources(settings: Settings) -> Sources:
    """Say where everything is."""
    if settings.tls is None:
        raise ValueError("without TLS there are no sources")
    key, certificate = settings.tls
    return Sources(
        key,
        certificate,
        _password(settings.key_password),
        form=settings.key_format,
        authorities=settings.certificate_files,
        directories=settings.certificate_directories,
        crls=settings.crl_files,
        dh_parameters=settings.dh_parameters,
    )


def _password(value: str | tuple[str, str] | None) -> Password:
    return Password(file=value[1]) if isinstance(value, tuple) else Password(value)


def policy(settings: Settings) -> Policy:
    """Say what connections must be like; raises `StartError`."""
    profile = Profile(settings.tls_profile)
    suites = profiles.offered(profile, settings.ciphers)
    lacking = library.missing(suites)
    for name in settings.ciphers:
        if openssl_name(name) in lacking:
            raise StartError(
                f"cipher suite {name}: {library.version()}, which is used here, does not have it"
            )
    if not set(suites) - set(lacking):
        raise StartError(
            f"{profile.option}: {library.version()}, which is used here, has no suite of it ({_iana(lacking)})"
        )
    # With a revocation list one is looked into, as storescp has it.
    crl_check = settings.crl_check or (LEAF if settings.crl_files else None)
    return Policy(
        profile,
        tuple(name for name in suites if name not in lacking),
        peer_certificate=settings.peer_certificate,
        crl_check=None if settings.peer_certificate == IGNORE else crl_check,
        directories=settings.certificate_directories,
        server_name=settings.expected_server_name,
    )


def load(
    settings: Settings, former: Mapping[str, Any] | None = None, *, may_ask: bool = False
) -> tuple[Tls, list[str]]:
    """Read and check all, and make it ready; give it, and what is odd.  Raises `StartError`.

    `former` is the estate of the program before us; `may_ask` allows to ask for the password of the key.
    """
    # What the library thinks of a certificate, a peer's too, it would write to standard error, past the log.
    warnings.simplefilter("ignore", UserWarning)
    rules = policy(settings)
    found = material.load(sources(settings), former, may_ask=may_ask)
    _check_strength(settings, rules, found)
    odd = [*_of_rules(settings, rules), *_of_material(settings, rules, found)]
    output = settings.seed_output
    if settings.seed_file is not None and (said := seed.mix_in(settings.seed_file)):
        odd.append(said)
    tls = Tls(rules, found, settings.allowed_names, settings.seed_file if output == "" else output)
    return tls, odd


def _check_strength(settings: Settings, rules: Policy, found: Material) -> None:
    """Refuse what the profile forbids and what nobody could connect to; raises `StartError`."""
    profile = rules.profile
    key, certificate = settings.tls or ("", "")
    for each in found.chain:
        if reason := weakness(each, profile):
            raise StartError(f"{reason}, which {profile.option} does not allow: {certificate}")
    if profile.is_strict and settings.dh_parameters is not None:
        bits = dh.bits(settings.dh_parameters, found.dh_parameters)
        if bits < profiles.LEAST_DH_BITS:
            raise StartError(
                f"Diffie-Hellman parameters of {settings.dh_parameters} have only {bits} bits: "
                f"{profile.option} demands {profiles.LEAST_DH_BITS}"
            )
    if (curve := keys.curve(found.key)) not in profiles.CURVES:
        raise StartError(f"private key {key}: TLS has no group for its curve, {curve}")
    if found.chain[0].public_key_algorithm_oid == PublicKeyAlgorithmOID.RSASSA_PSS:
        raise StartError(
            f"private key {key} is for RSA-PSS signatures only, which is not supported: take one for RSA"
        )
    is_dsa = keys.kind(found.key) == keys.DSS
    if is_dsa and not profile.allows_dsa:
        raise StartError(f"private key {key} is a DSA key, which {profile.option} does not allow")
    if (profile.highest < "1.3" or is_dsa) and not _usable(rules, found):
        raise StartError(f"private key {key}: {profile.option} has no suite for keys of its kind")


def _usable(rules: Policy, found: Material) -> bool:
    """Tell whether a suite of TLS 1.2 and older can be used with our key."""
    kind = keys.kind(found.key)
    return any(certificate_kind(name) == kind for name in rules.suites)


def _of_rules(settings: Settings, rules: Policy) -> Iterator[str]:
    profile = rules.profile
    lacking = library.missing(name for name in profile.suites if name not in profile.rare)
    if lacking:
        yield f"{profile.option}: {library.version()}, which is used here, does not have {_iana(lacking)}"
    for name in settings.ciphers:
        if not has_forward_secrecy(name):
            yield (
                f"Ciphersuite '{name}' uses RSA key transport. "
                "RFC 9325 recommends that such cipher suites should not be used."
            )


def _of_material(settings: Settings, rules: Policy, found: Material) -> Iterator[str]:
    yield from found.left_out
    yield from (not_renewed(path, reason) for path, reason in found.kept.items())
    now = dt.datetime.now(dt.UTC)
    certificate = settings.tls[1] if settings.tls else ""
    own = ((certificate, each) for each in found.chain)
    named = (each for each in found.authorities if each[0] in settings.certificate_files)
    yield from dates.warnings((*own, *named), now)
    yield from _of_sizes(settings, found)
    if rules.profile.highest >= "1.3" and not _usable(rules, found):
        yield f"{rules.profile.option} has no suite for such a key in TLS 1.2: clients need TLS 1.3"
    if rules.profile.highest >= "1.3" and keys.kind(found.key) == keys.DSS:
        yield "TLS 1.3 has no DSA, as our key is: clients need TLS 1.2"
    if rules.peer_certificate == IGNORE:
        return
    if not found.authorities:
        yield "no peer can be verified without --add-cert-file or --add-cert-dir: whoever has a certificate is refused"
    if rules.crl_check is not None:
        yield from dates.stale(found.crls, now)
        if not found.crls:
            yield "no revocation list was found: whoever has a certificate is refused"


def _of_sizes(settings: Settings, found: Material) -> Iterator[str]:
    """Say what is weak and allowed; where it is not, the start has ended by now."""
    if settings.dh_parameters is not None:
        bits = dh.bits(settings.dh_parameters, found.dh_parameters)
        if bits < profiles.LEAST_DH_BITS:
            yield (
                "Key length of Diffie-Hellman parameter file too short: RFC 9325 recommends at least "
                f"{profiles.LEAST_DH_BITS} bits, but the key in file '{settings.dh_parameters}' is only {bits} bits."
            )
    size = getattr(found.key, "key_size", profiles.LEAST_RSA_BITS)
    if keys.kind(found.key) == keys.RSA and size < profiles.LEAST_RSA_BITS:
        yield (
            f"Key length of RSA public key too short: RFC 9325 recommends at least {profiles.LEAST_RSA_BITS} bits "
            f"for RSA keys, but the key in certificate file '{settings.tls[1] if settings.tls else ''}' "
            f"is only {size} bits."
        )


def unrenewable(settings: Settings) -> list[str]:
    """Say what we could not read again, with the rights that we have now."""
    return material.unrenewable(sources(settings))


def _iana(names: tuple[str, ...]) -> str:
    return ", ".join(BY_OPENSSL_NAME[name] for name in names)
