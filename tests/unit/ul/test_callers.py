"""The decision on titles and addresses, case by case."""

from __future__ import annotations

import fnmatch
import re
from time import perf_counter
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scpd.cli.callers import read_net
from scpd.errors import Reject
from scpd.ul.callers import ANY, STAR, Caller, Callers, Pattern, Permission, address

if TYPE_CHECKING:
    from ipaddress import IPv6Address

ANYBODY = Caller(Pattern((STAR,)))


def pattern(text: str) -> Pattern:
    """Give the pattern of a text without quotes."""
    return Pattern([{"*": STAR, "?": ANY}.get(character) or ord(character) for character in text])


def entry(where: str, called: str, *callers: str) -> Permission:
    """Give an entry from titles, or TITLE@NET."""
    parts = [caller.partition("@") for caller in callers]
    return Permission(
        where,
        pattern(called),
        [Caller(pattern(title), read_net(net) if net else None) for title, _, net in parts],
    )


TABLE = Callers(
    [
        entry("t:1", "STORE", "CT1@192.0.2.10", "CT TWO@192.0.2.0/24", "CT6@2001:db8::/32"),
        entry("t:2", "STORE", "MR?", "XA*@10.0.0.0/8"),
        entry("t:3", "R*", "*"),
        entry("t:4", "*", "ROUTER@::1"),
        entry("t:5", "STORE", "CT1"),
    ],
    "no entry is for it (t, lines 1 to 5)",
)


def decision(called: str, calling: str, host: str) -> str | tuple[int, int, int]:
    try:
        return TABLE.permission(called.encode("latin-1"), calling.encode("latin-1"), host).where
    except Reject as error:
        return error.result, error.source, error.reason


UNKNOWN_CALLING, UNKNOWN_CALLED = (1, 1, 3), (1, 1, 7)


@pytest.mark.parametrize(
    ("called", "calling", "host", "expected"),
    [
        ("STORE", "CT1", "192.0.2.10", "t:1"),
        ("STORE           ", "  CT1           ", "192.0.2.10", "t:1"),
        ("STORE", "CT TWO", "192.0.2.255", "t:1"),
        ("STORE", "CT6", "2001:db8::6", "t:1"),
        ("STORE", "CT1", "::ffff:192.0.2.10", "t:1"),
        ("STORE", "CT1", "::FFFF:c000:020a", "t:1"),
        ("STORE", "CT1", "192.0.2.11", "t:5"),
        ("STORE", "MR1", "203.0.113.1", "t:2"),
        ("STORE", "XA", "10.1.2.3", "t:2"),
        ("STORE", "XA-ROOM 1", "10.1.2.3", "t:2"),
        ("RESEARCH", "anybody", "203.0.113.1", "t:3"),
        ("R", "anybody", "2001:db9::1", "t:3"),
        ("OTHER", "ROUTER", "::1", "t:4"),
        ("STORE", "ROUTER", "::1", "t:4"),
        ("STORE", "ct1", "192.0.2.10", UNKNOWN_CALLING),
        ("STORE", "CT TWO", "192.0.3.1", UNKNOWN_CALLING),
        ("STORE", "CT6", "2001:db9::6", UNKNOWN_CALLING),
        ("STORE", "CT6", "192.0.2.10", UNKNOWN_CALLING),
        ("STORE", "MR", "203.0.113.1", UNKNOWN_CALLING),
        ("STORE", "MR11", "203.0.113.1", UNKNOWN_CALLING),
        ("STORE", "CT TWO", "", UNKNOWN_CALLING),
        ("store", "CT1", "192.0.2.10", UNKNOWN_CALLING),
        ("OTHER", "ROUTER", "127.0.0.1", UNKNOWN_CALLING),
    ],
)
def test_the_first_entry_that_fits_counts(
    called: str, calling: str, host: str, expected: str | tuple[int, int, int]
) -> None:
    assert decision(called, calling, host) == expected


def test_order_counts_whether_an_entry_has_a_title_or_a_pattern() -> None:
    entries = [entry("t:1", "S*", "A"), entry("t:2", "STORE", "B", "A"), entry("t:3", "*", "C", "B")]
    table = Callers(entries, "")
    decided = [table.permission(b"STORE", calling, "::1").where for calling in (b"A", b"B", b"C")]
    assert decided == ["t:1", "t:2", "t:3"]


@pytest.mark.parametrize(
    ("net", "host"), [("::/0", "192.0.2.1"), ("0.0.0.0/0", "2001:db8::1"), ("::1", "0.0.0.1")]
)
def test_a_net_of_one_protocol_has_no_address_of_the_other(net: str, host: str) -> None:
    table = Callers([entry("t:1", "STORE", f"CT1@{net}")], "")
    with pytest.raises(Reject):
        table.permission(b"STORE", b"CT1", host)


OURS = Callers(
    [entry("t:7", "STORE", "CT1@192.0.2.10"), entry("t:9", "STORE", "CT2")], "no entry is for it (t)"
)


@pytest.mark.parametrize(
    ("called", "calling", "fields", "words"),
    [
        (b"OTHER", b"CT1", UNKNOWN_CALLED, ["OTHER", "CT1", "203.0.113.1", "no entry is for it (t)"]),
        (b"OTHER", b"NOBODY", UNKNOWN_CALLED, ["OTHER"]),
        (b"STORE", b"CT9", UNKNOWN_CALLING, ["CT9", "203.0.113.1", "among", "STORE", "(t:7, t:9)"]),
        (b"STORE", b"CT1", UNKNOWN_CALLING, ["CT1", "203.0.113.1", "from there", "STORE", "(t:7)"]),
        (b"STORE", b"C\nT\\", UNKNOWN_CALLING, [r"C\x0aT\\"]),
    ],
)
def test_a_refusal_has_the_standards_reason_and_says_where_it_stands(
    called: bytes, calling: bytes, fields: tuple[int, int, int], words: list[str]
) -> None:
    with pytest.raises(Reject) as caught:
        OURS.permission(called, calling, "203.0.113.1")
    error = caught.value
    assert (error.result, error.source, error.reason) == fields
    assert [word for word in words if word not in str(error)] == []


def test_a_refusal_names_a_handful_of_entries() -> None:
    table = Callers([entry(f"t:{number}", "STORE", "CT") for number in range(1, 99)], "")
    with pytest.raises(Reject, match=re.escape("(t:1, t:2, t:3, t:4, t:5, ...)")):
        table.permission(b"STORE", b"MR", "::1")


@given(st.text("ab*?", max_size=12), st.text("ab", max_size=12))
def test_patterns_are_those_of_a_shell(text: str, title: str) -> None:
    assert pattern(text).matches(title.encode()) == fnmatch.fnmatchcase(title, text)


def test_no_pattern_takes_long() -> None:
    hard = pattern("*a" * 8 + "b")
    begin = perf_counter()
    for _ in range(100):
        assert not hard.matches(b"a" * 16)
    assert perf_counter() - begin < 1


def test_a_title_is_no_pattern() -> None:
    assert Pattern.of("A*").matches(b"A*")
    assert not Pattern.of("A*").matches(b"AB")


@given(st.text(max_size=50))
def test_any_text_is_an_address_or_none(text: str) -> None:
    assert address(text)[0] in {0, 4, 6}


@given(st.ip_addresses(v=6))
def test_any_address_is_its_number(text: IPv6Address) -> None:
    mapped = text.ipv4_mapped
    assert address(str(text)) == ((4, int(mapped)) if mapped is not None else (6, int(text)))


def test_a_scope_does_not_count() -> None:
    assert address("fe80::1%eth0") == address("fe80::1")
