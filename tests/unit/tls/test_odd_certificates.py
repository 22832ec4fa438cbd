"""Certificates that OpenSSL understands and `cryptography` does not, or only in part: nobody falls over them."""

from __future__ import annotations

import random
import warnings
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL, crypto

from scpd.tls.names import Identity, parsed
from tests.harness.handshakes import Client, Outcome, load, shake

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scpd.tls.endpoint import Tls
    from tests.harness.certificates import Infrastructure, Pair

VERSION_3, VERSION_6 = bytes.fromhex("a003020102"), bytes.fromhex("a003020105")
TRUE, ODD_TRUE = bytes.fromhex("0101ff"), bytes.fromhex("010101")  # DER knows one TRUE only (X.690 11.1)
WITHIN_LENGTH = 4  # bytes of a tag and a length of two bytes
RSA_WITH_SHA256 = bytes.fromhex("300d06092a864886f70d01010b0500")
REFUSED = "certificate verify failed"


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Without pyOpenSSL's word on what this makes of its X509: nothing else lets such certificates be shown."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def signed_by(issuer: Pair, to_be_signed: bytes) -> bytes:
    """Give a certificate of an authority that signs whatever it is given."""
    assert isinstance(issuer.private, rsa.RSAPrivateKey)
    signature = issuer.private.sign(to_be_signed, padding.PKCS1v15(), hashes.SHA256())
    return sequence(to_be_signed, RSA_WITH_SHA256, b"\x03" + length(len(signature) + 1) + b"\0" + signature)


def sequence(*parts: bytes) -> bytes:
    content = b"".join(parts)
    return b"\x30" + length(len(content)) + content


def length(number: int) -> bytes:
    """Write a length of DER, always in two bytes."""
    return b"\x82" + number.to_bytes(2, "big")


def shown(tls: Tls, pair: Pair, der: bytes) -> Outcome | None:
    """Show a certificate to the server; `None` if OpenSSL does not understand it, or it is of another key."""
    client = Client().old()
    client.context.use_privatekey(pair.private)
    try:
        client.context.use_certificate(crypto.load_certificate(crypto.FILETYPE_ASN1, der))
        client.context.check_privatekey()
    except (SSL.Error, crypto.Error):
        return None
    return shake(tls, client)


def replaced(der: bytes, before: bytes, after: bytes) -> bytes:
    assert before in der
    return der.replace(before, after, 1)


@pytest.mark.parametrize(
    ("before", "after"), [(VERSION_3, VERSION_6), (TRUE, ODD_TRUE)], ids=["version", "boolean"]
)
class TestUnreadable:
    def test_of_nobody_it_is_refused_like_others(
        self, before: bytes, after: bytes, server_words: list[str], certificates: Infrastructure
    ) -> None:
        der = replaced(certificates.self_signed.certificate.public_bytes(Encoding.DER), before, after)
        outcome = shown(load(*server_words)[0], certificates.self_signed, der)
        assert outcome is not None
        assert outcome.error == REFUSED
        assert outcome.findings == ["self-signed certificate: (unreadable)"]

    def test_of_our_authority_it_is_let_in_where_openssl_judges_and_has_no_name(
        self, before: bytes, after: bytes, server_words: list[str], certificates: Infrastructure
    ) -> None:
        pair = certificates.good
        der = signed_by(certificates.ca, replaced(pair.certificate.tbs_certificate_bytes, before, after))
        outcome = shown(load(*server_words)[0], pair, der)
        assert outcome is not None
        assert outcome.error == ""
        certificate = outcome.server.get_peer_certificate()
        assert certificate is not None
        identity = Identity(parsed(certificate))
        assert {identity.subject, identity.issuer, identity.serial} == {"(unreadable)"}
        assert identity.names == ()

    @pytest.mark.parametrize("profile", ["+px", "+pm"])
    def test_it_is_refused_where_we_have_to_judge(
        self, before: bytes, after: bytes, profile: str, server_words: list[str], certificates: Infrastructure
    ) -> None:
        pair = certificates.good
        der = signed_by(certificates.ca, replaced(pair.certificate.tbs_certificate_bytes, before, after))
        outcome = shown(load(*server_words, profile)[0], pair, der)
        assert outcome is not None
        assert outcome.error == REFUSED
        assert outcome.findings == ["certificate cannot be read: (unreadable)"]


def test_an_alternative_name_of_a_kind_that_nobody_knows_is_passed_by(
    server_words: list[str], certificates: Infrastructure
) -> None:
    pair = certificates.good
    name = b"ct1.hospital.example"
    dns_name = b"\x82" + bytes((len(name),)) + name
    x400_address = b"\xa3" + bytes((len(name),)) + b"\x13" + bytes((len(name) - 2,)) + name[2:]
    tbs = replaced(pair.certificate.tbs_certificate_bytes, dns_name, x400_address)
    outcome = shown(load(*server_words)[0], pair, signed_by(certificates.ca, tbs))
    assert outcome is not None
    assert outcome.error == ""
    certificate = outcome.server.get_peer_certificate()
    assert certificate is not None
    identity = Identity(parsed(certificate))
    assert (identity.subject, identity.names) == (pair.subject, ("good",))


@pytest.mark.parametrize("profile", ["+pg", "+pm", "+px"])
def test_a_certificate_with_any_bytes_changed_is_taken_or_refused(
    profile: str, server_words: list[str], certificates: Infrastructure, is_long: bool
) -> None:
    # Signed by our authority, so that it gets as far as any, with a byte or two that are something else.
    chance = random.Random(profile)
    tls, pair, looked_at = load(*server_words, profile)[0], certificates.good, 0
    original = pair.certificate.tbs_certificate_bytes
    places = list(range(WITHIN_LENGTH, len(original)))
    assert isinstance(pair.private, rsa.RSAPrivateKey)
    modulus = original.index(pair.private.private_numbers().public_numbers.n.to_bytes(256, "big"))
    del places[modulus - WITHIN_LENGTH : modulus - WITHIN_LENGTH + 256]  # it must be of our key
    for _ in range(5000 if is_long else 200):
        tbs = bytearray(original)
        for _ in range(chance.choice((1, 1, 2))):
            tbs[chance.choice(places)] = chance.choice((0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)))
        outcome = shown(tls, pair, signed_by(certificates.ca, bytes(tbs)))
        if outcome is None:
            continue
        looked_at += 1
        assert (outcome.error == REFUSED) == bool(outcome.findings)
        certificate = outcome.server.get_peer_certificate()
        if certificate is not None:
            identity = Identity(parsed(certificate))
            assert identity.subject
            assert all(isinstance(name, str) for name in identity.names)
    assert looked_at > 50


def test_a_file_with_such_a_certificate_is_named(certificates: Infrastructure) -> None:
    from scpd.errors import StartError

    for before, after in ((VERSION_3, VERSION_6), (TRUE, ODD_TRUE)):
        der = replaced(certificates.ca.certificate.public_bytes(Encoding.DER), before, after)
        path = certificates.directory / "odd.crt.der"
        path.write_bytes(der)
        server = certificates.server
        with pytest.raises(StartError, match=f"^cannot load certificate from {path}: "):
            load("-der", "+tls", server.key_der, server.crt_der, "+cf", str(path))
