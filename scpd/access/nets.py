"""Nets and IPv6 addresses as they are written in a table: `10.1.2.0/24`, `10.1.2.0/255.255.255.0`, `[2001:db8::]/32`.

A net is a tuple: family (4 or 6), network and mask as integers.  What libwrap takes for something else, or matches
nobody with and says nothing, is a `Fault` here that names what was probably meant.
"""

from __future__ import annotations

from ipaddress import AddressValueError, IPv4Address, IPv6Address

from scpd.access.findings import Fault

TYPE_CHECKING = False
if TYPE_CHECKING:
    Net = tuple[int, int, int]

_ALL4 = (1 << 32) - 1
_ALL6 = (1 << 128) - 1
_MAPPED = 0xFFFF << 32
_MAPPED_LENGTH = 96
_EVERY_IPV4 = "0.0.0.0/0.0.0.0"


def address_number(text: str) -> tuple[int, int] | None:
    """Give family and number of a numeric address; a mapped one is IPv4, a zone counts for nothing.  Else `None`."""
    try:
        if ":" not in text:
            return 4, int(IPv4Address(text))
        number = int(IPv6Address(text.partition("%")[0]))
    except AddressValueError:
        return None
    return (4, number & _ALL4) if number >> 32 == 0xFFFF else (6, number)


def parse_net(text: str) -> Net:
    """Read `X/Y`, where the slash is outside brackets."""
    if text.startswith("["):
        return _ipv6_net(text)
    network, _, length = text.partition("/")
    if ":" in network:
        raise Fault(text, f"write [{network}]/{length}")
    if not _is_number(network.replace(".", "")):
        raise Fault(text, "not a net: write four decimal numbers and a length, as 10.1.2.0/24")
    number = _dotted(network)
    mask = _mask(text, length)
    if number is None:
        raise _probably(text, _expanded(network), mask)
    if number & ~mask:
        raise _probably(text, number, mask)
    return 4, number, mask


def parse_bracketed(text: str) -> Net:
    """Read `[X]`: one IPv6 address, or one IPv4 address in its mapped form."""
    inner = text[1:-1]
    found = _ipv6(text, inner)
    if found >> 32 == 0xFFFF:
        return 4, found & _ALL4, _ALL4
    return 6, found, _ALL6


def _ipv6(text: str, inner: str) -> int:
    address, _, zone = inner.partition("%")
    try:
        number = int(IPv6Address(address))
    except AddressValueError:
        number = -1
    if number >= 0 and (not zone or _is_number(zone) or number >> 118 == 0x3FA):  # fe80::/10
        return number
    raise Fault(text, _remedy_of_brackets(inner))


def _remedy_of_brackets(inner: str) -> str:
    address, slash, length = inner.partition("/")
    if slash and ":" in address:
        return f"write [{address}]/{length}"
    if ":" not in inner:
        return f"brackets are for IPv6: write {inner or 'an address'}"
    return "not an IPv6 address: write it as [2001:db8::1], or a net as [2001:db8::]/32"


def _ipv6_net(text: str) -> Net:
    bracketed, _, length = text.rpartition("/")
    if not bracketed.endswith("]"):
        raise Fault(text, "write [2001:db8::]/32")
    number = _ipv6(text, bracketed[1:-1])
    bits = _length(length)
    if bits is None or bits > 128:
        raise Fault(text, "a length is 0 to 128: write [2001:db8::]/32, or without it for one address")
    mask = _ALL6 ^ (_ALL6 >> bits)
    if number >> 32 != 0xFFFF:
        return 6, number & mask, mask
    if bits < _MAPPED_LENGTH:
        raise Fault(text, f"an IPv4 net in IPv6 form has a length from {_MAPPED_LENGTH}: write {_EVERY_IPV4}")
    return 4, number & mask & _ALL4, mask & _ALL4


def _length(text: str) -> int | None:
    return int(text) if _is_number(text) and len(text) <= 3 else None


def _is_number(text: str) -> bool:
    # A byte of a table can be a raised 2 or 3, which are digits, too, and no numbers.
    return text.isascii() and text.isdigit()


def _mask(text: str, length: str) -> int:
    if "." in length:
        mask = _dotted(length)
        if mask is None:
            raise Fault(text, "a mask has four decimal numbers, as 255.255.255.0")
        if mask == _ALL4:
            raise Fault(text, f"matches nobody: write {text.partition('/')[0]}, the address alone")
        return mask
    bits = _length(length)
    if bits is None or not 1 <= bits <= 32:
        number = _expanded(text.partition("/")[0])
        every = f", or {_EVERY_IPV4} for every IPv4 client" if bits == 0 else ""
        raise Fault(text, f"a length is 1 to 32: write it as {_with_length(number, length)}{every}")
    return _ALL4 ^ (_ALL4 >> bits)


def _with_length(number: int, length: str) -> str:
    """Guess the net that is meant: by the digits of its length, or by the zeros at its end."""
    digits = length[: len(length) - len(length.lstrip("0123456789"))]
    bits = _length(digits) or 0
    if not 1 <= bits <= 32:
        bits = next((bits for bits in (8, 16, 24) if not number & (_ALL4 >> bits)), 32)
    mask = _ALL4 ^ (_ALL4 >> bits)
    return f"{IPv4Address(number & mask)}/{bits}"


def _dotted(text: str) -> int | None:
    try:
        return int(IPv4Address(text))
    except AddressValueError:
        return None


def _expanded(text: str) -> int:
    """Guess the address that is meant by too few numbers, or by numbers with leading zeros; 0 if there is none."""
    parts = [int(part[:9]) for part in text.split(".") if part]
    if len(parts) > 4 or any(part > 255 for part in parts):
        return 0
    number = 0
    for part in [*parts, 0, 0, 0, 0][:4]:
        number = number << 8 | part
    return number


def _probably(text: str, number: int, mask: int) -> Fault:
    """Make the fault that names the net without host bits."""
    bits = mask.bit_count()
    is_plain = mask == _ALL4 ^ (_ALL4 >> bits)
    behind = str(bits) if is_plain else str(IPv4Address(mask))
    return Fault(text, f"matches nobody: write {IPv4Address(number & mask)}/{behind}")
