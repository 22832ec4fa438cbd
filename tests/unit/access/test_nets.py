"""Section 4: nets and IPv6 addresses; what libwrap silently matches nobody with is a fault that names the net meant."""

from __future__ import annotations

import pytest

from scpd.access.findings import Fault
from scpd.access.nets import address_number, parse_bracketed, parse_net
from tests.unit.access.conftest import matches

IPV6 = "2001:db8:0:1::ab"


@pytest.mark.parametrize(
    ("net", "inside", "outside"),
    [
        (
            "10.1.2.0/24",
            ["10.1.2.0", "10.1.2.255", "::ffff:10.1.2.3"],
            ["10.1.3.0", "10.1.1.255", "unknown", "::1"],
        ),
        ("10.1.2.3/32", ["10.1.2.3"], ["10.1.2.2"]),
        ("0.0.0.0/1", ["127.255.255.255"], ["128.0.0.0"]),
        ("128.0.0.0/1", ["255.255.255.254"], ["127.0.0.1"]),
        ("10.0.0.0/08", ["10.9.9.9"], ["11.0.0.0"]),
        ("10.1.2.0/255.255.255.0", ["10.1.2.9"], ["10.1.3.9"]),
        ("10.1.2.2/255.255.255.254", ["10.1.2.2", "10.1.2.3"], ["10.1.2.4"]),
        ("10.0.2.0/255.0.255.0", ["10.1.2.3", "10.9.2.1"], ["10.1.3.3"]),
        ("0.0.0.0/0.0.0.0", ["10.1.2.3", "::ffff:9.9.9.9"], [IPV6, "unknown"]),
        ("[2001:db8:0:1::]/64", [IPV6], ["2001:db8:0:2::ab", "10.1.2.3"]),
        ("[2001:db8:0:1::ffff]/64", [IPV6], ["2001:db8:0:2::ab"]),
        ("[2001:db8:8000::]/33", ["2001:db8:8001::1"], [IPV6]),
        ("[::]/0", [IPV6, "::1", "fe80::1%lo"], ["10.1.2.3", "::ffff:10.1.2.3", "unknown"]),
        ("[fe80::]/10", ["fe80::1%lo", "febf::1"], ["fec0::1"]),
        (f"[{IPV6}]/128", [IPV6], ["2001:db8:0:1::ac"]),
        (f"[{IPV6.upper()}]", [IPV6], ["2001:db8:0:1::ac"]),
        ("[2001:0db8:0000:0001:0000:0000:0000:00ab]", [IPV6], []),
        ("[2001:db8:0:1::0.0.0.171]", [IPV6], []),
        ("[fe80::1%1]", ["fe80::1", "fe80::1%lo"], ["fe80::2"]),
        ("[::ffff:10.1.2.3]", ["10.1.2.3", "::ffff:10.1.2.3"], ["10.1.2.4", "::1"]),
        ("[::ffff:10.0.0.0]/104", ["10.9.9.9"], ["11.0.0.1"]),
        ("[::ffff:0:0]/96", ["10.1.2.3"], [IPV6]),
    ],
)
def test_a_net_has_its_addresses_and_no_others(net: str, inside: list[str], outside: list[str]) -> None:
    for address in inside:
        assert matches(net, address)
    for address in outside:
        assert not matches(net, address)


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("0.0.0.0/0", "write it as 0.0.0.0/8, or 0.0.0.0/0.0.0.0 for every IPv4 client"),
        ("1\xb2/8", "not a net"),
        ("10.0.0.0/\xb2", "write it as 10.0.0.0/8"),
        ("10.0.0.0/33", "a length is 1 to 32: write it as 10.0.0.0/8"),
        ("10.0.0.0/", "write it as 10.0.0.0/8"),
        ("10.1.0.0/x", "write it as 10.1.0.0/16"),
        ("10.1.2.0/-8", "write it as 10.1.2.0/24"),
        ("10.1.2.3/+8", "write it as 10.1.2.3/32"),
        ("10.0.0.0/8x", "write it as 10.0.0.0/8"),
        ("10.0.0.0/4294967304", "write it as 10.0.0.0/8"),
        ("10.1.2.3/24", "matches nobody: write 10.1.2.0/24"),
        ("10.1.2.3/255.255.255.0", "matches nobody: write 10.1.2.0/24"),
        ("10.1.2.3/255.0.255.0", "matches nobody: write 10.0.2.0/255.0.255.0"),
        ("10.1.2.3/255.255.255.255", "matches nobody: write 10.1.2.3, the address alone"),
        ("10.0.0.0/255.0.0", "a mask has four decimal numbers"),
        ("10.0.0.0/0xff.0.0.0", "a mask has four decimal numbers"),
        ("012.1.2.0/24", "matches nobody: write 12.1.2.0/24"),
        ("0xa.1.2.0/24", "write four decimal numbers and a length"),
        ("10/8", "matches nobody: write 10.0.0.0/8"),
        ("10.1.2/24", "matches nobody: write 10.1.2.0/24"),
        ("0/0", "0.0.0.0/0.0.0.0 for every IPv4 client"),
        ("10.*.0.0/16", "write four decimal numbers and a length"),
        ("ct1.example/24", "write four decimal numbers and a length"),
        ("2001:db8::/32", "write [2001:db8::]/32"),
        ("[2001:db8::]/", "a length is 0 to 128"),
        ("[2001:db8::]/abc", "a length is 0 to 128"),
        ("[2001:db8::]/32x", "a length is 0 to 128"),
        ("[2001:db8::]/129", "a length is 0 to 128"),
        ("[2001:db8::]/-1", "a length is 0 to 128"),
        ("[2001:db8::]/255.255.0.0", "a length is 0 to 128"),
        ("[2001:db8::]/0128", "a length is 0 to 128"),
        ("[::ffff:0:0]/80", "write 0.0.0.0/0.0.0.0"),
    ],
)
def test_what_is_no_net_is_a_fault_that_says_what_to_write(text: str, remedy: str) -> None:
    with pytest.raises(Fault) as caught:
        parse_net(text)
    assert remedy in caught.value.remedy
    assert caught.value.text == text


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("[10.1.2.3]", "brackets are for IPv6: write 10.1.2.3"),
        ("[2001:db8::/32]", "write [2001:db8::]/32"),
        ("[2001:db8:*]", "not an IPv6 address"),
        ("[2001:db8::1%eth0]", "not an IPv6 address"),
        ("[x/64]", "brackets are for IPv6"),
        ("[]", "brackets are for IPv6: write an address"),
    ],
)
def test_what_is_no_ipv6_address_is_a_fault(text: str, remedy: str) -> None:
    with pytest.raises(Fault) as caught:
        parse_bracketed(text)
    assert remedy in caught.value.remedy


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("10.1.2.3", (4, 0x0A010203)),
        ("::ffff:10.1.2.3", (4, 0x0A010203)),
        ("::FFFF:a01:203", (4, 0x0A010203)),
        ("::1", (6, 1)),
        ("fe80::1%lo", (6, 0xFE80 << 112 | 1)),
        ("010.1.2.3", None),
        ("10.1.2", None),
        ("unknown", None),
        ("", None),
    ],
)
def test_an_address_is_a_number(text: str, number: tuple[int, int] | None) -> None:
    assert address_number(text) == number
