"""Who calls: AE titles and addresses, as options and scpd_peers(5) give them.

An AE title (PS3.5 6.2, AE) is 1 to 16 characters of the default repertoire, without backslash and control characters;
blanks at both ends are not significant.  Pure; raises `BadValueError`, whose `reason` is for who has room to say it.
"""

from __future__ import annotations

from scpd.cli.numbers import BadValueError

_LONGEST_TITLE = 16
_MAPPED_IPV4_BITS = 96

TYPE_CHECKING = False
if TYPE_CHECKING:
    # IP version, mask, and what an address has under the mask: `number & mask == value` at the served path.
    Net = tuple[int, int, int]


def ae_title(text: str) -> str:
    """Give an AE title without the blanks around it."""
    title = text.strip(" ")
    if not title:
        raise BadValueError("blank")
    if len(title) > _LONGEST_TITLE:
        raise BadValueError("too long")
    if not (title.isascii() and title.isprintable()) or "\\" in title:
        raise BadValueError("not an AE title")
    return title


def caller(text: str) -> tuple[str, str]:
    """Give title and net of TITLE[@ADDRESS or @NET], the net as it is written; empty: anywhere."""
    title, at, place = text.rpartition("@")
    if not at:
        return ae_title(text), ""
    read_net(place)  # raises
    return ae_title(title), place


def read_net(text: str) -> Net:
    """Give the net of an address or a net, IPv4 or IPv6; mapped IPv4 addresses count as IPv4."""
    # Imported here, since few command lines have an address: it takes 2 ms.
    import ipaddress

    if text.startswith("["):
        text = text[1:].replace("]", "", 1)
    if "%" in text:
        raise BadValueError("a zone")
    try:
        net = ipaddress.ip_network(text)
    except ValueError as error:
        raise BadValueError("host bits set" if "host bits" in str(error) else "not an address") from None
    version, mask, value = net.version, int(net.netmask), int(net.network_address)
    if version == 6 and net.prefixlen >= _MAPPED_IPV4_BITS and value >> 32 == 0xFFFF:
        return 4, mask & 0xFFFFFFFF, value & 0xFFFFFFFF
    return version, mask, value
