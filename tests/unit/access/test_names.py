"""Section 5: a name is what its own zone confirms; whatever the resolver does, there is an answer in time."""

from __future__ import annotations

import os
import socket
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING

import pytest

from scpd.access.findings import Fault
from scpd.access.names import Names, verify
from scpd.access.parties import Client, Host, Service
from scpd.access.verdict import decide
from tests.harness.processes import children_of
from tests.unit.access.conftest import book
from tests.unit.access.test_lookup import Unsignalled, fail, hang

if TYPE_CHECKING:
    from collections.abc import Iterator

CT1 = "ct1.rad.example"


@contextmanager
def asking(**options: object) -> Iterator[Names]:
    wakeup = Unsignalled()
    try:
        yield Names(wakeup, **options)  # type: ignore[arg-type]
    finally:
        wakeup.close()


@pytest.mark.parametrize(
    ("address", "backward", "canonical", "found", "name"),
    [
        ("10.1.2.3", CT1, CT1, ["10.1.2.3"], CT1),
        ("10.1.2.3", CT1, CT1, ["10.9.9.9", "10.1.2.3"], CT1),
        ("10.1.2.3", CT1, "CT1.RAD.example.", ["10.1.2.3"], CT1),
        ("::ffff:10.1.2.3", CT1, CT1, ["10.1.2.3"], CT1),
        ("2001:db8:0::1", CT1, CT1, ["2001:db8::1"], CT1),
        ("fe80::1%lo", CT1, CT1, ["fe80::1"], CT1),
        ("127.0.0.1", "localhost", "me.example", ["127.0.0.1"], "localhost"),
        ("10.1.2.3", "10.1.2.3", "10.1.2.3", ["10.1.2.3"], "paranoid"),
        ("10.1.2.3", "2001:db8::1", "x", ["10.1.2.3"], "paranoid"),
        ("10.1.2.3", "167838211", "167838211", ["10.1.2.3"], "paranoid"),
        ("10.1.2.3", "0xa010203", "0xa010203", ["10.1.2.3"], "paranoid"),
        ("10.1.2.3", "012.1.515", "012.1.515", ["10.1.2.3"], "paranoid"),
        ("10.1.2.3", CT1, CT1, ["10.1.2.4"], "paranoid"),
        ("10.1.2.3", CT1, CT1, [], "paranoid"),
        ("10.1.2.3", CT1, "other.example", ["10.1.2.3"], "paranoid"),
        ("10.1.2.3", CT1, None, [], "paranoid"),
        ("10.1.2.3", "a b;c", "a b;c", ["10.1.2.3"], "paranoid"),
        ("10.1.2.3", "x\xe4.example", "x\xe4.example", ["10.1.2.3"], "paranoid"),
        ("no address", CT1, CT1, ["10.1.2.3"], "unknown"),
    ],
)
def test_each_outcome(
    address: str, backward: str, canonical: str | None, found: list[str], name: str
) -> None:
    def forward(asked: str, family: int) -> tuple[str, list[str]]:
        assert asked == backward
        assert family == (socket.AF_INET6 if "db8:" in address or "fe80" in address else socket.AF_INET)
        if canonical is None:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return canonical, found

    assert verify(address, lambda _: backward, forward) == name


def test_the_address_is_asked_for_as_an_ipv4_one_if_it_is_one() -> None:
    asked: list[str] = []

    def backward(address: str) -> str:
        asked.append(address)
        return CT1

    verify("::ffff:10.1.2.3", backward, lambda *_: (CT1, []))
    verify("fe80::1%lo", backward, lambda *_: (CT1, []))
    assert asked == ["10.1.2.3", "fe80::1%lo"]


def test_no_name_is_unknown() -> None:
    with asking(verify=fail) as names_of:
        assert names_of.of("10.1.2.3") == "unknown"


def test_this_host_is_asked_about_in_earnest() -> None:
    with asking() as names_of:
        assert names_of.of("127.0.0.1") in {"localhost", "paranoid", "unknown", socket.gethostname()}


def test_all_that_is_asked_takes_no_longer_than_it_may() -> None:
    before = children_of(os.getpid())
    started = monotonic()
    with asking(verify=hang, seconds=4.0) as names_of:
        client = Client(Host("10.1.2.3", lambda: names_of.of("10.1.2.3")))
        service = Service(("storescp",), host=Host("10.0.0.1", lambda: names_of.of("10.0.0.1")))
        tables = book("ALL@.example: ALL\nALL: .example\nALL: @trusted\n", "ALL: UNKNOWN\n")
        verdict = decide(tables, service, client, in_netgroup=names_of.in_netgroup)
    assert not verdict.granted
    assert 4.0 <= monotonic() - started < 7.9  # two questions with four seconds each would take 8
    assert children_of(os.getpid()) == before


def test_without_an_answer_the_verdict_is_that_of_an_unknown_name() -> None:
    for allow, granted in (("ALL: UNKNOWN\n", True), ("ALL: .example\n", False), ("ALL: KNOWN\n", False)):
        with asking(verify=hang, seconds=0.1) as names_of:
            client = Client(Host("10.1.2.3", lambda names_of=names_of: names_of.of("10.1.2.3")))
            assert decide(book(allow, "ALL: ALL\n"), Service(("storescp",)), client).granted is granted


def test_whether_there_is_time_to_ask_more_is_told() -> None:
    with asking(verify=fail, seconds=10.0) as names_of:
        names_of.of("10.1.2.3")
        assert not names_of.is_out_of_time
    with asking(verify=hang, seconds=0.1) as names_of:
        names_of.of("10.1.2.3")
        assert names_of.is_out_of_time


def test_a_netgroup_that_is_not_there_has_nobody() -> None:
    with asking() as names_of:
        assert names_of.in_netgroup("no-such-netgroup", CT1) is False


def test_a_netgroup_is_asked_about_the_name() -> None:
    with asking(is_member=lambda group, name: (group, name) == ("trusted", CT1)) as names_of:
        assert names_of.in_netgroup("trusted", CT1) is True
        assert names_of.in_netgroup("trusted", "pacs") is False


def test_no_answer_about_a_netgroup_lets_nobody_in() -> None:
    with asking(seconds=0.0) as names_of, pytest.raises(Fault, match="no answer about the netgroup"):
        names_of.in_netgroup("trusted", CT1)
