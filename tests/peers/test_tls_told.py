"""Whose certificate a peer has shown is told: to commands, and in each line of a log in JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID

from tests.harness.certificates import Pair
from tests.harness.clients import storescu
from tests.harness.objects import write_ct_images
from tests.harness.tls_clients import PATIENCE, credentials, is_served

if TYPE_CHECKING:
    from pathlib import Path

    from tests.harness.certificates import Infrastructure
    from tests.harness.servers import Server, ServerFactory

SHOW = 'printf "%s\\n" "${SCPD_TLS_SUBJECT-unset}" "${SCPD_TLS_ISSUER-unset}" end >>'


def send(server: Server, certificates: Infrastructure, pair: Pair | None, folder: Path) -> None:
    """Send one image."""
    write_ct_images(folder, 1)
    result = storescu(server, *PATIENCE, *credentials(certificates, pair), "+sd", folder)
    assert result.returncode == 0, result.stderr


def told(server: Server, file: Path) -> list[str]:
    """Wait for the end of a command, and give what it has written."""
    server.wait_for(lambda: file.exists() and file.read_text().endswith("end\n"), what="a command")
    return file.read_text().splitlines()[:-1]


def test_a_command_is_told_of_whom_the_certificate_is_and_from_whom(
    certificates: Infrastructure, scpd: ServerFactory, server_words: list[str], tmp_path: Path
) -> None:
    file = tmp_path / "told"
    server = scpd(*server_words, "--fork", "-xcr", f"{SHOW}{file}")
    send(server, certificates, certificates.good, tmp_path / "images")
    assert told(server, file) == [certificates.good.subject, certificates.ca.subject]


def test_a_name_with_what_means_something_to_a_shell_comes_as_it_is(
    certificates: Infrastructure, scpd: ServerFactory, server_words: list[str], tmp_path: Path
) -> None:
    file = tmp_path / "told"
    pair = certificates.issue("odd", certificates.ca, common_name="CT $(id); \"'`id`\nä")
    server = scpd(*server_words, "--fork", "-xcr", f"{SHOW}{file}")
    send(server, certificates, pair, tmp_path / "images")
    assert "\n".join(told(server, file)) == f"{pair.subject}\n{certificates.ca.subject}"


@pytest.mark.filterwarnings("ignore:Attribute's length")
def test_a_certificate_that_the_library_wonders_at_is_told_as_any_other(
    certificates: Infrastructure, scpd: ServerFactory, server_words: list[str], tmp_path: Path
) -> None:
    """A country has two letters (X.520); `cryptography` warns of others, past the log."""
    country = x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "Germany", _validate=False),
            x509.NameAttribute(NameOID.COMMON_NAME, "CT 1"),
        ]
    )
    model = certificates.good
    certificate = (
        x509.CertificateBuilder(extensions=list(model.certificate.extensions))
        .subject_name(country)
        .issuer_name(certificates.ca.certificate.subject)
        .public_key(model.private.public_key())
        .serial_number(7)
        .not_valid_before(model.certificate.not_valid_before_utc)
        .not_valid_after(model.certificate.not_valid_after_utc)
        .sign(certificates.ca.private, hashes.SHA256())
    )
    pair = Pair(tmp_path, "germany", model.private, certificate).write()
    server = scpd(*server_words, "--fork", "-v")
    send(server, certificates, pair, tmp_path / "images")
    server.wait_for_log("CN=CT 1,C=Germany")
    assert "Warning" not in server.stderr


@pytest.mark.parametrize("mode", ["-vc", "-ic"])
def test_a_command_is_told_nothing_of_a_peer_without_certificate(
    certificates: Infrastructure, scpd: ServerFactory, server_words: list[str], tmp_path: Path, mode: str
) -> None:
    file = tmp_path / "told"
    server = scpd(*server_words, mode, "--fork", "-xcr", f"{SHOW}{file}")
    send(server, certificates, None, tmp_path / "images")
    assert told(server, file) == ["unset", "unset"]


def subjects(server: Server) -> dict[str, str | None]:
    """Give message > subject, of a log in JSON."""
    records = [json.loads(line) for line in server.stderr.splitlines()]
    return {record["message"].partition(" (")[0]: record["tls_subject"] for record in records}


def test_each_line_in_json_from_the_handshake_on_says_whose_certificate_it_is(
    certificates: Infrastructure, scpd: ServerFactory, server_words: list[str], tmp_path: Path
) -> None:
    server = scpd(*server_words, "--fork", "-v", "--log-format", "json")
    send(server, certificates, certificates.good, tmp_path / "images")
    server.wait_for_log("Association Release")
    found = subjects(server)
    beginnings = ("scpd ", "workers are ")
    of_master = [found.pop(message) for message in tuple(found) if message.startswith(beginnings)]
    assert set(of_master) <= {None}
    assert {message[:4] for message in found} >= {"TLS ", "Asso", "Rece"}
    assert set(found.values()) == {certificates.good.subject}


def test_json_names_nobody_by_a_certificate_that_was_not_good(
    certificates: Infrastructure, scpd: ServerFactory, server_words: list[str]
) -> None:
    server = scpd(*server_words, "--fork", "--log-format", "json")
    assert not is_served(server, certificates, certificates.foreign)
    server.wait_for_log("no TLS connection")
    assert set(subjects(server).values()) == {None}
    assert certificates.foreign.subject in server.stderr


def test_json_says_of_whom_it_refuses_by_name_who_that_is(
    certificates: Infrastructure, scpd: ServerFactory, server_words: list[str]
) -> None:
    server = scpd(*server_words, "--fork", "--log-format", "json", "--allow-peer-cn", "other")
    assert not is_served(server, certificates, certificates.good)
    server.wait_for_log("Association Rejected")
    assert set(subjects(server).values()) == {certificates.good.subject}
