"""Security profiles: which versions of TLS, suites and groups a peer may use, and what is demanded of keys (PS3.15 B).

The table is DCMTK's (`tables.tls_profiles`), with its newer order of suites.  Two rules are ours, where DCMTK leaves
the library without limits: a profile that has a lowest version keeps to it, whatever suites are added; and unless it
allows TLS 1.0 it demands of all keys and certificates what BCP 195 does, RSA and DH of 2048 bits, no SHA-1 (OpenSSL's
security level 2).
"""

from __future__ import annotations

from scpd.errors import StartError
from scpd.tables.tls_profiles import PROFILES
from scpd.tls.suites import BY_OPENSSL_NAME, SUITES, encrypts, openssl_name, strength

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

DEFAULT = "8996"

# BCP 195 (RFC 9325 4.2.1 and 4.3) and PS3.15 B.13.
LEAST_RSA_BITS = LEAST_DH_BITS = 2048
LEAST_EC_BITS = 224
_LEAST_EC_BITS_MODIFIED = 256
_MODIFIED = "8996-mod"
_IN_FORCE = frozenset((DEFAULT, _MODIFIED))  # PS3.15 B.12 and B.13

# storescp has from P-256 on; X25519 before it, and the hybrid with ML-KEM that TLS 1.3 can use, are what BCP 195 and
# today's clients prefer.  A question mark: where the library has it (OpenSSL 4 has no secp256k1 and none of sect*).
_HYBRID = "?X25519MLKEM768"
_GROUPS = (
    "X25519",
    "P-256",
    "P-384",
    "P-521",
    "?brainpoolP256r1",
    "?brainpoolP384r1",
    "?brainpoolP512r1",
    "?secp256k1",
)
# What EC keys of ours may be of, so that a peer can have the group: "" are keys of other kinds.
CURVES = frozenset(
    ("", "secp256r1", "secp384r1", "secp521r1", "brainpoolP256r1", "brainpoolP384r1", "brainpoolP512r1")
)
# RFC 7919: a client that names some of these uses no other group for DHE, whatever parameters we have.
_FIELDS = ("?ffdhe2048", "?ffdhe3072", "?ffdhe4096")


class Profile:
    """A security profile: `key` is its option without --profile-, `lowest` and `highest` are versions as `1.2`.

    `suites` are those of TLS 1.2 and older as OpenSSL names them, best first, `rare` those of them that may be missing
    without a word, `suites13` those of TLS 1.3 (none: the library's default).
    """

    __slots__ = ("highest", "key", "lowest", "name", "rare", "suites", "suites13")

    def __init__(self, key: str) -> None:
        self.key = key
        self.name, self.lowest, self.highest, self.suites, self.rare, self.suites13 = PROFILES[key]

    @property
    def option(self) -> str:
        """The option that asks for it."""
        return f"--profile-{self.key}"

    @property
    def is_strict(self) -> bool:
        """Whether weak keys and hashes are refused."""
        return self.lowest >= "1.2"

    @property
    def allows_dsa(self) -> bool:
        """Whether our own key may be DSA: not in the profiles in force, as in DCMTK since 3.6.8."""
        return self.key not in _IN_FORCE

    @property
    def least_ec_bits(self) -> int:
        """What an EC key must have, if weak ones are refused."""
        return _LEAST_EC_BITS_MODIFIED if self.key == _MODIFIED else LEAST_EC_BITS

    @property
    def security_level(self) -> int:
        """OpenSSL's security level: 0 also where a suite of the profile needs it (CCM with a short tag)."""
        has_short_tags = any(name.endswith("CCM8") for name in self.suites)
        return 2 if self.is_strict and not has_short_tags else 0


def offered(profile: Profile, added: Iterable[str]) -> tuple[str, ...]:
    """Give the suites of a profile and those of --cipher, as OpenSSL names them, best first; raises `StartError`."""
    names = {BY_OPENSSL_NAME[name] for name in profile.suites}
    for name in added:
        if name not in SUITES:
            raise StartError(f"unknown cipher suite: {name}{_hint(name)}")
        if encrypts_all(profile) and not encrypts(name):
            raise StartError(
                f"Unencrypted ciphersuite '{name}' not permitted with security profile '{profile.name}'"
            )
        names.add(name)
    return tuple(openssl_name(name) for name in sorted(names, key=strength, reverse=True))


def encrypts_all(profile: Profile) -> bool:
    """Tell whether a profile has no suite that leaves data readable."""
    return all(encrypts(BY_OPENSSL_NAME[name]) for name in profile.suites)


def groups(profile: Profile, suites: Iterable[str]) -> tuple[str, ...]:
    """Give the groups for (EC)DHE, best first, as OpenSSL reads them; `suites` are what is offered."""
    hybrid = (_HYBRID,) if profile.highest >= "1.3" else ()
    fields = _FIELDS if any(name.startswith("DHE-") for name in suites) else ()
    return (*hybrid, *_GROUPS, *fields)


def _hint(name: str) -> str:
    if name in BY_OPENSSL_NAME:
        return f" (its name is {BY_OPENSSL_NAME[name]})"
    if name.startswith("TLS_") and "_WITH_" not in name:
        return " (those of TLS 1.3 are the profile's)"
    return " (--list-ciphers shows those that can be used)"
