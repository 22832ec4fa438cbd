from __future__ import annotations

import pytest

from scpd.tls import library
from scpd.tls.suites import SUITES, encrypts, has_forward_secrecy, openssl_name, strength

# What the OpenSSL of a wheel does not have.
RARE = ("3DES", "CAMELLIA_128_GCM", "CAMELLIA_256_GCM")


@pytest.mark.parametrize(
    ("name", "theirs"),
    [
        ("TLS_RSA_WITH_NULL_SHA", "NULL-SHA"),
        ("TLS_RSA_WITH_3DES_EDE_CBC_SHA", "DES-CBC3-SHA"),
        ("TLS_RSA_WITH_AES_128_CBC_SHA", "AES128-SHA"),
        ("TLS_RSA_WITH_CAMELLIA_256_CBC_SHA", "CAMELLIA256-SHA"),
        ("TLS_DHE_DSS_WITH_AES_256_GCM_SHA384", "DHE-DSS-AES256-GCM-SHA384"),
        ("TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8", "ECDHE-ECDSA-AES128-CCM8"),
        ("TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-RSA-CHACHA20-POLY1305"),
        ("TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384", "ECDHE-RSA-AES256-SHA384"),
    ],
)
def test_openssl_has_names_of_its_own(name: str, theirs: str) -> None:
    assert openssl_name(name) == SUITES[name] == theirs


@pytest.mark.parametrize("name", [name for name in SUITES if not any(part in name for part in RARE)])
def test_openssl_knows_every_suite_by_the_name_that_we_give_it(name: str) -> None:
    assert SUITES[name] in library.known_suites()


@pytest.mark.parametrize(
    ("weak", "strong"),
    [
        ("TLS_RSA_WITH_AES_256_GCM_SHA384", "TLS_DHE_RSA_WITH_AES_128_CBC_SHA"),
        ("TLS_RSA_WITH_NULL_SHA", "TLS_RSA_WITH_3DES_EDE_CBC_SHA"),
        ("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "TLS_DHE_RSA_WITH_AES_256_CBC_SHA"),
        ("TLS_DHE_RSA_WITH_AES_256_GCM_SHA384", "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA"),
        ("TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"),
        ("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"),
    ],
)
def test_one_suite_is_stronger_than_another(weak: str, strong: str) -> None:
    assert strength(weak) < strength(strong)


def test_no_two_suites_are_equally_strong() -> None:
    assert len({strength(name) for name in SUITES}) == len(SUITES)


def test_forward_secrecy_and_encryption_are_known_by_the_name() -> None:
    assert [name for name in SUITES if not encrypts(name)] == ["TLS_RSA_WITH_NULL_SHA"]
    assert not has_forward_secrecy("TLS_RSA_WITH_AES_256_GCM_SHA384")
    assert has_forward_secrecy("TLS_DHE_RSA_WITH_AES_256_GCM_SHA384")
