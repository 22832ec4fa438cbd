"""What the OpenSSL that pyOpenSSL brings can do: its version and its suites, and the answers to +cc and +ph."""

from __future__ import annotations

from OpenSSL import SSL

from scpd.tls.profiles import Profile
from scpd.tls.suites import SUITES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

# From new to old, as --help has them.
_PROFILES = ("8996", "8996-mod", "bcp195-nd", "bcp195", "bcp195-ex", "basic", "aes", "null")


def version() -> str:
    """Give name and version, such as OpenSSL 4.0.3."""
    return " ".join(SSL.OpenSSL_version(SSL.OPENSSL_VERSION).decode("ascii", "replace").split()[:2])


def known_suites() -> frozenset[str]:
    """Give all suites of TLS 1.2 and older that the library has, by its own names, however weak."""
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_cipher_list(b"ALL:COMPLEMENTOFALL:@SECLEVEL=0")
    return frozenset(SSL.Connection(context, None).get_cipher_list())


def missing(suites: Iterable[str]) -> tuple[str, ...]:
    """Give those of OpenSSL's names that the library does not know."""
    known = known_suites()
    return tuple(name for name in suites if name not in known)


def list_of_suites() -> str:
    """Say which suites can be used, the weakest first, in the form of `storescp +cc`."""
    known = known_suites()
    lines = (f"  {name}\n" for name, theirs in SUITES.items() if theirs in known)
    return "Supported TLS ciphersuites are:\n" + "".join(lines)


def list_of_profiles() -> str:
    """Say which profiles can be used: all those of which the library has a suite."""
    known = known_suites()
    profiles = (Profile(key) for key in _PROFILES)
    lines = (f"  {each.name} ({each.option})\n" for each in profiles if known.intersection(each.suites))
    return "Supported TLS profiles are:\n" + "".join(lines)


# By the option that asks for them.
LISTS: dict[str, Callable[[], str]] = {
    "--list-ciphers": list_of_suites,
    "--list-profiles": list_of_profiles,
}
