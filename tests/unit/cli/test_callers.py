"""AE titles, and nets as numbers."""

from __future__ import annotations

from ipaddress import IPv4Address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scpd.cli.callers import ae_title, caller, read_net
from scpd.cli.numbers import BadValueError

ONES_4, ONES_6 = (1 << 32) - 1, (1 << 128) - 1


@pytest.mark.parametrize(
    ("text", "net"),
    [
        ("192.0.2.1", (4, ONES_4, 0xC0000201)),
        ("192.0.2.0/24", (4, 0xFFFFFF00, 0xC0000200)),
        ("192.0.2.0/255.255.255.0", (4, 0xFFFFFF00, 0xC0000200)),
        ("0.0.0.0/0", (4, 0, 0)),
        ("::1", (6, ONES_6, 1)),
        ("::/0", (6, 0, 0)),
        ("[::1]", (6, ONES_6, 1)),
        ("[2001:db8::]/32", (6, ONES_6 - (ONES_6 >> 32), 0x20010DB8 << 96)),
        ("::ffff:192.0.2.1", (4, ONES_4, 0xC0000201)),
        ("::ffff:192.0.2.0/120", (4, 0xFFFFFF00, 0xC0000200)),
        ("::ffff:0:0/96", (4, 0, 0)),
    ],
)
def test_a_net_is_version_mask_and_value(text: str, net: tuple[int, int, int]) -> None:
    assert read_net(text) == net


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not an address"),
        ("1", "not an address"),
        ("192.0.2", "not an address"),
        ("192.0.2.1/33", "not an address"),
        ("192.0.2.01", "not an address"),
        ("host.example.org", "not an address"),
        ("[::1", ""),
        ("192.0.2.1/24", "host bits set"),
        ("2001:db8::1/32", "host bits set"),
        ("fe80::1%lo", "a zone"),
    ],
)
def test_what_is_no_net_is_refused(text: str, reason: str) -> None:
    if not reason:
        assert read_net(text) == read_net("::1"), "a bracket that is left out does no harm"
        return
    with pytest.raises(BadValueError) as caught:
        read_net(text)
    assert caught.value.reason == reason


@given(st.text())
def test_any_text_is_a_net_or_a_bad_value(text: str) -> None:
    try:
        version, mask, value = read_net(text)
    except BadValueError:
        return
    assert version in {4, 6}
    assert value & mask == value


@given(st.ip_addresses(v=4), st.integers(0, 32), st.ip_addresses(v=4))
def test_an_address_is_in_a_net_as_ipaddress_has_it(
    begin: IPv4Address, length: int, other: IPv4Address
) -> None:
    net = ip_network((begin, length), strict=False)
    version, mask, value = read_net(str(net))
    assert version == 4
    assert (int(other) & mask == value) == (other in net)


@given(st.text(max_size=20))
def test_any_text_is_a_title_of_the_standard_or_a_bad_value(text: str) -> None:
    try:
        title = ae_title(text)
    except BadValueError:
        return
    assert title == text.strip(" ")
    assert 1 <= len(title) <= 16
    assert all(0x20 <= ord(character) < 0x7F and character != "\\" for character in title)


def test_the_last_at_sign_separates_the_net() -> None:
    assert caller("A@B@10.0.0.0/8") == ("A@B", "10.0.0.0/8")
