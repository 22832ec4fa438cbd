"""What a failed handshake is said to have failed by stands in the manual, with what to do about it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from scpd.cli.mdoc import MANUALS
from scpd.worker.security import _REASONS
from tests.harness.handshakes import Client, load, shake
from tests.harness.manual_texts import section

if TYPE_CHECKING:
    from tests.harness.certificates import Infrastructure

LIST = "Reasons why there is no TLS connection:"


@pytest.fixture(scope="module")
def reasons() -> list[str]:
    """The heads of the list, as far as their first word that stands for something else."""
    source = (MANUALS / "scpd.8").read_text(encoding="utf-8")
    heads = re.findall(r"^\.It (.*)", section(source, "DIAGNOSTICS").partition(LIST)[2], re.MULTILINE)
    assert heads
    return [re.split(r":? (?:\( Ns )?(?:: )?Ar ", head)[0] for head in heads]


@pytest.mark.parametrize("text", _REASONS.values())
def test_each_reason_in_words_of_ours_is_there(text: str, reasons: list[str]) -> None:
    assert text.partition(" {")[0] in reasons


@pytest.mark.parametrize(
    ("client", "options"),
    [
        ("expired", ()),
        ("future", ()),
        ("foreign", ()),
        ("self_signed", ()),
        ("server_only", ()),
        ("weak", ()),
        ("revoked", ("+crl", "{current_crl}")),
        ("good", ("+crl", "{stale_crl}")),
        ("of_intermediate", ("+crl", "{current_crl}")),
    ],
)
def test_each_reason_why_a_certificate_is_refused_is_there(
    certificates: Infrastructure,
    server_words: list[str],
    client: str,
    options: tuple[str, ...],
    reasons: list[str],
) -> None:
    lists = {name: getattr(certificates, name) for name in ("current_crl", "stale_crl")}
    tls, _ = load(*server_words, *(word.format(**lists) for word in options))
    findings = shake(tls, Client(getattr(certificates, client)).old()).findings
    assert findings
    for each in findings:
        assert each.partition(": ")[0] in reasons
