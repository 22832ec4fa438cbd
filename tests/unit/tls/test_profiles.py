from __future__ import annotations

import pytest

from scpd.errors import StartError
from scpd.tables.tls_profiles import PROFILES
from scpd.tls.profiles import Profile, groups, offered

NULL = "TLS_RSA_WITH_NULL_SHA"


def test_added_suites_are_sorted_in_by_their_strength_whatever_the_order() -> None:
    added = ["TLS_RSA_WITH_AES_128_CBC_SHA", "TLS_DHE_RSA_WITH_AES_256_GCM_SHA384"]
    expected = (
        "ECDHE-RSA-AES256-GCM-SHA384",
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "DHE-RSA-AES256-GCM-SHA384",
        "ECDHE-RSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "AES128-SHA",
    )
    assert offered(Profile("8996"), added) == offered(Profile("8996"), added[::-1]) == expected


@pytest.mark.parametrize("key", PROFILES)
def test_without_more_a_profile_offers_its_own(key: str) -> None:
    assert offered(Profile(key), ()) == Profile(key).suites


@pytest.mark.parametrize(
    ("key", "name", "text"),
    [
        ("8996", "X", "unknown cipher suite: X (--list-ciphers shows those that can be used)"),
        ("8996", "AES128-SHA", "unknown cipher suite: AES128-SHA (its name is TLS_RSA_WITH_AES_128_CBC_SHA)"),
        (
            "8996",
            "TLS_AES_128_GCM_SHA256",
            "unknown cipher suite: TLS_AES_128_GCM_SHA256 (those of TLS 1.3 are the profile's)",
        ),
        (
            "bcp195-nd",
            NULL,
            f"Unencrypted ciphersuite '{NULL}' not permitted with security profile 'Non-downgrading BCP 195'",
        ),
    ],
)
def test_a_suite_that_cannot_be_added_is_named(key: str, name: str, text: str) -> None:
    with pytest.raises(StartError) as caught:
        offered(Profile(key), [name])
    assert str(caught.value) == text


def test_the_profile_without_encryption_may_get_suites_with_it() -> None:
    assert offered(Profile("null"), ["TLS_RSA_WITH_AES_128_CBC_SHA"]) == ("AES128-SHA", "NULL-SHA")


@pytest.mark.parametrize(
    ("key", "level", "is_strict"),
    [
        ("8996", 2, True),
        ("8996-mod", 0, True),  # for its suites with short tags; we look at keys ourselves
        ("bcp195-nd", 2, True),
        ("bcp195-ex", 2, True),
        ("bcp195", 0, False),
        ("aes", 0, False),
        ("basic", 0, False),
        ("null", 0, False),
    ],
)
def test_openssl_is_let_go_as_low_as_the_profile_needs(key: str, level: int, is_strict: bool) -> None:
    assert (Profile(key).security_level, Profile(key).is_strict) == (level, is_strict)


def test_groups_are_for_the_versions_and_suites_that_can_use_them() -> None:
    assert groups(Profile("8996"), ("ECDHE-RSA-AES128-GCM-SHA256",))[:3] == (
        "?X25519MLKEM768",
        "X25519",
        "P-256",
    )
    assert groups(Profile("bcp195-ex"), ("ECDHE-RSA-AES128-GCM-SHA256",))[0] == "X25519"
    assert not any("ffdhe" in name for name in groups(Profile("8996"), ("ECDHE-RSA-AES128-GCM-SHA256",)))
    assert "?ffdhe2048" in groups(Profile("8996"), ("DHE-RSA-AES128-GCM-SHA256",))
