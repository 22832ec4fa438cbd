from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from scpd.tls.names import Identity, is_allowed
from tests.harness.certificates import Infrastructure, ec_key


@pytest.mark.parametrize(
    ("patterns", "names", "allowed"),
    [
        (["ct1"], ["ct1"], True),
        (["CT1"], ["ct1"], True),
        (["ct1"], ["ct10"], False),
        (["ct?"], ["CT7"], True),
        (["*.hospital.example"], ["a.b.hospital.example"], True),
        (["*.hospital.example"], ["hospital.example"], False),
        (["*.hospital.example"], ["x.hospital.example.evil"], False),
        (["ct[12]"], ["ct2"], True),
        (["x", "y*"], ["no", "yes"], True),
        (["*"], [], False),
        ([], ["ct1"], False),
        (["good"], ["good\0.evil"], False),
        (["good"], ["good\n"], False),
    ],
)
def test_a_name_is_allowed_by_a_pattern_as_a_whole(
    patterns: list[str], names: list[str], allowed: bool
) -> None:
    assert is_allowed(patterns, names) is allowed


def test_a_certificate_is_told_by_subject_issuer_serial_number_and_names(
    certificates: Infrastructure,
) -> None:
    identity = Identity(certificates.good.certificate)
    assert identity.subject == "CN=good,O=Hospital,C=DE"
    assert identity.issuer == "CN=ca,O=Hospital,C=DE"
    assert int(identity.serial, 16) == certificates.good.certificate.serial_number
    assert identity.names == ("good", "ct1.hospital.example")


def test_addresses_are_no_names(certificates: Infrastructure) -> None:
    assert Identity(certificates.server.certificate).names == ("server", "localhost")


def test_alternative_names_that_cannot_be_read_are_none(certificates: Infrastructure) -> None:
    junk = x509.UnrecognizedExtension(x509.SubjectAlternativeName.oid, b"\x30\x05junk")
    key = ec_key()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "odd")])
    now = certificates.now
    builder = x509.CertificateBuilder(
        name, name, key.public_key(), 1, now, now + 9 * (now - now + now.resolution)
    )
    from cryptography.hazmat.primitives.hashes import SHA256

    certificate = builder.add_extension(junk, critical=False).sign(key, SHA256())
    assert Identity(certificate).names == ("odd",)
