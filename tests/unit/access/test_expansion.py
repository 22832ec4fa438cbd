"""The % expansions of section 6: what is inserted, and that nothing of it means something to a shell."""

from __future__ import annotations

import os

import pytest

from scpd.access.expansion import LONGEST, Facts, Template
from scpd.access.findings import Fault
from scpd.access.parties import Client, Host, Service

SERVICE = Service(("storescp", "scpd"), 104, Host("10.0.0.1", "srv.example"))
CLIENT = Client(Host("10.1.2.3", "ct1.rad.example"), 4711)


def expand(text: str, client: Client = CLIENT, service: Service = SERVICE) -> str:
    return Template(text).expand(Facts(service, client, 99))


@pytest.mark.parametrize(
    ("letter", "value"),
    [
        ("a", "10.1.2.3"),
        ("A", "10.0.0.1"),
        ("n", "ct1.rad.example"),
        ("N", "srv.example"),
        ("h", "ct1.rad.example"),
        ("H", "srv.example"),
        ("u", "unknown"),
        ("c", "ct1.rad.example"),
        ("d", "storescp"),
        ("s", "storescp@srv.example"),
        ("p", "99"),
        ("r", "4711"),
        ("R", "104"),
        ("%", "%"),
        ("q", ""),
        ("", ""),
    ],
)
def test_each_letter(letter: str, value: str) -> None:
    assert expand(f"<%{letter}") == f"<{value}"


def test_what_is_not_known() -> None:
    client, service = Client(Host("10.1.2.3", "paranoid")), Service(("storescp",))
    assert expand("%n %h %c %r", client, service) == "paranoid 10.1.2.3 10.1.2.3 0"
    assert expand("%N %H %A %s %R", client, service) == "unknown unknown unknown storescp 0"
    assert expand("%c", Client(Host("10.1.2.3"), user="alice"), service) == "alice@10.1.2.3"


def test_a_name_is_asked_for_only_where_it_is_inserted() -> None:
    asked: list[str] = []
    client = Client(Host("10.1.2.3", lambda: asked.append("") or "ct1.example"))  # type: ignore[func-returns-value]
    assert expand("%h %c %a", client) == "10.1.2.3 10.1.2.3 10.1.2.3"
    assert not asked
    assert expand("%n %h", client) == "ct1.example ct1.example"
    assert len(asked) == 1


def test_nothing_that_is_inserted_means_something_to_a_shell() -> None:
    client = Client(Host("10.1.2.3", "a;rm -rf `x`$(y)|&<>'\"\\\n\xe4{}*?~#^"))
    assert set(expand("%n", client)) <= set("arm-fxy_")
    assert expand("<%n>;", Client(Host("10.1.2.3", "a;b"))) == "<a_b>;"


def test_what_is_inserted_is_not_expanded_again() -> None:
    assert expand("%n", Client(Host("10.1.2.3", "%a%n"))) == "%a%n"


def test_a_result_that_is_too_long_is_a_fault() -> None:
    assert len(expand("x" * LONGEST)) == LONGEST
    with pytest.raises(Fault, match="longer than 8192 bytes"):
        expand("%n" * 600)


def test_the_process_is_this_one_unless_it_is_said() -> None:
    assert Template("%p").expand(Facts(SERVICE, CLIENT)) == str(os.getpid())
