"""Any bytes give a verdict or a fault with its line, in bounded time."""

from __future__ import annotations

from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scpd.access.book import Book
from scpd.access.lines import LONGEST_LINE
from scpd.access.parties import Client, Host, Service
from scpd.access.pattern_files import PatternFile
from scpd.access.syntax import Table
from scpd.access.verdict import decide

WORDS = st.sampled_from([
    b"ALL", b"storescp", b"EXCEPT", b":", b" ", b",", b"[", b"]", b"/", b"@", b"#", b"\\", b"\\\n", b"\n", b"\r", b"*",
    b"?", b".", b"10.", b"10.1.2.3", b"/8", b"/24", b"2001:db8::1", b"[2001:db8::]", b"KNOWN", b"LOCAL", b"/list",
    b"allow", b"deny", b"spawn", b"aclexec", b"setenv A", b"umask 022", b"%h", b"%", b"=", b"\0", b"\xff", b"\xc2\xa0",
    b"\xb2",
])  # fmt: skip
TABLES = st.one_of(st.binary(max_size=300), st.lists(WORDS, max_size=40).map(b"".join))
SERVICE = Service(("storescp", "scpd"), 104, Host("10.0.0.1", "srv.example"))


@given(TABLES, TABLES, TABLES, st.sampled_from(["10.1.2.3", "2001:db8::1", "::ffff:10.1.2.3", "unknown", ""]))
def test_any_bytes_give_a_verdict_or_a_fault_with_its_line(
    allow: bytes, deny: bytes, listed: bytes, address: str
) -> None:
    book = Book(Table("allow", allow), Table("deny", deny), {"/list": PatternFile("/list", listed)})
    verdict = decide(book, SERVICE, Client(Host(address, "ct1.example")), lambda *_: False, lambda *_: False)
    assert str(verdict).isprintable()
    for finding in (*book.faults(SERVICE), *book.warnings(SERVICE)):
        assert 1 <= finding.line <= 1 + (allow + deny + listed).count(b"\n")
        assert finding.remedy
        assert str(finding).isprintable()
    if verdict.faults:
        assert not verdict.granted
    else:
        assert verdict.line or verdict.granted


@given(st.text(), st.text(), st.text())
def test_any_name_user_and_address_give_a_verdict(address: str, name: str, user: str) -> None:
    rules = b"ALL: a* *.* .x x. [::1] 10.0.0.0/8 LOCAL a@KNOWN: spawn echo %a %n %u %c\nALL: ALL EXCEPT ALL@10.1.2.3\n"
    book = Book(Table("allow", rules), Table("deny"), {})
    assert decide(book, SERVICE, Client(Host(address, name), user=user)) is not None


@pytest.mark.parametrize(
    "line",
    [
        b"*a" * 900,
        b"?*" * 900,
        b"*?a" * 600,
        b"[" * 1900,
        b"EXCEPT " * 280,
        b"ALL EXCEPT " * 180 + b"ALL",
        b"a@" * 900,
        b"::" * 900,
        b"f:" * 900,
        b"1" * 1900,
        b"." * 1900,
        b"\\:" * 900,
        b"\\\n" * 900,
        b"/list " * 300,
        b": " * 900,
    ],
)
def test_no_line_takes_long(line: bytes) -> None:
    assert len(line) + 20 < LONGEST_LINE
    started = process_time()
    for text in (b"ALL: " + line, line + b": ALL", b"ALL: ALL: " + line, b"ALL: ALL: spawn " + line):
        book = Book(Table("allow", (text + b"\n") * 20), Table("deny"), {"/list": PatternFile("/list", line)})
        decide(book, SERVICE, Client(Host("10.1.2.3", "a" * 255)), lambda *_: False, lambda *_: False)
    assert process_time() - started < 3
