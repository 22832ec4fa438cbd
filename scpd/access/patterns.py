"""One word of a list to a pattern: what it means, what is wrong with it, what is only odd.

A word is text with a character for each byte.  Raises `Fault`; `warn` is told of what has a meaning that whoever wrote
it will hardly have meant.  Who reads pattern files says `in_file`: there a colon is a character like any other.
"""

from __future__ import annotations

import re

from scpd.access.findings import Fault, shown
from scpd.access.match import (
    ClientPattern,
    DaemonPattern,
    Everyone,
    InFile,
    InNet,
    Known,
    Local,
    Netgroup,
    TextHost,
)
from scpd.access.nets import address_number, parse_bracketed, parse_net
from scpd.access.texts import Text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from scpd.access.match import HostPattern

    Warn = Callable[[Fault], None]

_ALL_BITS = {4: (1 << 32) - 1, 6: (1 << 128) - 1}
_LARGEST_PORT = 65535
_PORT = re.compile(r"\+?[0-9]+", re.ASCII)
_BRACKETED = re.compile(r"\[[^\[\]]*\](/[^\[\]/]*)?")
_HOST = re.compile(r"[a-z0-9._*?-]+")
_HOST_IN_FILE = re.compile(r"[a-z0-9._*?:%-]+")
_ADDRESS_ONLY = re.compile(r"[0-9./*?]+")
_NUMBERS = re.compile(r"(0x[0-9a-f]+|[0-9]+)(\.(0x[0-9a-f]+|[0-9]+))*\.?")
_KEYWORDS: dict[str, Callable[[], HostPattern]] = {"all": Everyone, "known": Known, "local": Local}
_RESERVED = frozenset(("local", "paranoid", "unknown"))
_USERS = frozenset(("all", "known", "unknown"))


def client_pattern(word: str, warn: Warn) -> ClientPattern:
    """Read `host` or `user@host`."""
    user, host = _split(word)
    if not host:
        raise Fault(word, "no host behind the @")
    if user is None:
        return ClientPattern(host_pattern(host, warn))
    _check_characters(user)
    name = small(user)
    if name not in _USERS:
        text = "the user is always unknown: this matches nobody, unless by wildcards"
        warn(Fault(word, text, ours_only=True))
    return ClientPattern(host_pattern(host, warn), Text(name))


def daemon_pattern(word: str, warn: Warn) -> DaemonPattern:
    """Read `daemon`, `port`, or either with `@host`."""
    before, behind = _split(word)
    if not behind:
        raise Fault(word, "no host behind the @")
    daemon = behind if before is None else before
    host = None if before is None else host_pattern(behind, warn)
    _check_characters(daemon)
    if daemon.startswith("#"):
        raise Fault(word, "a comment begins in the first column")
    if daemon.startswith("/"):
        raise Fault(word, f"a daemon is named without its path: write {shown(daemon.rpartition('/')[2])}")
    if any(each in daemon for each in "[]/"):
        raise Fault(word, "not the name of a daemon: those stand before the first colon, clients after it")
    name = small(daemon)
    if _PORT.fullmatch(name) and len(name) < 20 and int(name) <= _LARGEST_PORT:
        return DaemonPattern(None, int(name), host)
    _warn_of_daemon(word, name, warn)
    return DaemonPattern(Text(name), 0, host)


def _warn_of_daemon(word: str, name: str, warn: Warn) -> None:
    if name in _RESERVED:
        warn(Fault(word, "no keyword for daemons: it means a daemon of this name"))
    elif name.startswith("@"):
        warn(Fault(word, "no netgroup: it means a daemon of this name"))
    elif name.startswith("."):
        warn(Fault(word, "means every daemon whose name ends so"))
    elif name.endswith("."):
        warn(Fault(word, "means every daemon whose name begins so"))


def host_pattern(word: str, warn: Warn, *, in_file: bool = False) -> HostPattern:
    """Read what a host is compared with."""
    if word.startswith("/"):
        return InFile(word)
    _check_characters(word)
    if word.startswith("@") and not in_file:
        return _netgroup(word)
    host = small(word)
    if "[" in host or "]" in host:
        return _bracketed(word, host, warn)
    if "/" in host:
        return InNet(parse_net(host))
    keyword = _KEYWORDS.get(host)
    return keyword() if keyword is not None else _named(word, host, warn, in_file=in_file)


def _netgroup(word: str) -> HostPattern:
    if word == "@":
        raise Fault(word, "no name of a netgroup behind it")
    return Netgroup(word[1:])


def _named(word: str, host: str, warn: Warn, *, in_file: bool) -> HostPattern:
    """Read what is compared as a text."""
    if in_file and ":" in host and (found := address_number(host)):
        return InNet((*found, _ALL_BITS[found[0]]))
    if not (_HOST_IN_FILE if in_file else _HOST).fullmatch(host):
        raise Fault(word, "not a host name, an address or a net")
    if "*" in host or "?" in host:
        return _wildcard(word, host, warn)
    _warn_of_host(word, host, warn)
    return TextHost(host, needs_name=not _ADDRESS_ONLY.fullmatch(host))


def _bracketed(word: str, host: str, warn: Warn) -> HostPattern:
    if not _BRACKETED.fullmatch(host):
        raise Fault(word, "a stray bracket: write [2001:db8::1], or [2001:db8::]/32")
    net = parse_bracketed(host) if host.endswith("]") else parse_net(host)
    if "%" in host:
        warn(Fault(word, "the zone counts for nothing: the address matches on every interface"))
    return InNet(net)


def _wildcard(word: str, host: str, warn: Warn) -> HostPattern:
    if host.startswith("."):
        raise Fault(word, f"with wildcards a dot in front means no suffix: write *{host}")
    if host.endswith("."):
        warn(Fault(word, f"with wildcards a dot at the end means no prefix: write {host}*"))
    return TextHost(host, needs_name=not _ADDRESS_ONLY.fullmatch(host))


def _warn_of_host(word: str, host: str, warn: Warn) -> None:
    if host == "fail":
        warn(Fault(word, "no keyword: it means a host of this name"))
    elif host.startswith(".") and host.endswith("."):
        warn(
            Fault(word, "matches nobody: a domain has a dot in front, the beginning of an address one behind")
        )
    elif _NUMBERS.fullmatch(host):
        numbers = host.removesuffix(".").split(".")
        is_prefix = host.endswith(".")
        if len(numbers) > 3 if is_prefix else address_number(host) is None:
            remedy = "matches nobody: an address has four decimal numbers, its beginning a dot behind"
            warn(Fault(word, remedy))
    elif host.startswith(".") and _ADDRESS_ONLY.fullmatch(host):
        warn(Fault(word, "means every address that ends so, a net is written as 10.1.2.0/24"))
    elif host.endswith("."):
        warn(Fault(word, "means every name that begins so, a domain has a dot in front"))


def _split(word: str) -> tuple[str | None, str]:
    """Split at the first `@` that is not the first character, and in no brackets."""
    depth = 0
    for position, character in enumerate(word):
        depth += (character == "[") - (character == "]")
        if character == "@" and position and not depth:
            return word[:position], word[position + 1 :]
    return None, word


def _check_characters(word: str) -> None:
    try:
        readable = word.encode("latin-1").decode("utf-8")
    except UnicodeDecodeError:
        readable = word
    if not readable.isprintable():
        raise Fault(word, "an odd blank or an invisible character: use blanks, tabs and commas only")
    if "\\" in word:
        raise Fault(word, "a backslash: it joins lines only as the very last character of one")


def small(word: str) -> str:
    """Give the word with small letters, those of ASCII only."""
    return word.encode("latin-1").lower().decode("latin-1")
