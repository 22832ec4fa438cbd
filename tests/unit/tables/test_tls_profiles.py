from __future__ import annotations

from pathlib import Path

import pytest

from scpd.cli import options
from scpd.tables import generate, tls_profiles
from scpd.tls.suites import BY_OPENSSL_NAME, strength

SHEET = Path(__file__).parents[2] / "cases" / "tls" / "profiles.tsv"


def test_the_committed_module_is_what_the_sheet_generates() -> None:
    text = generate.tls_profiles(generate.read_table(SHEET))
    assert text == Path(tls_profiles.__file__).read_text(encoding="utf-8")


def test_every_profile_has_an_option_and_the_other_way_round() -> None:
    longs = {option.long for option in options.OPTIONS if option.long.startswith("--profile-")}
    assert {f"--profile-{key}" for key in tls_profiles.PROFILES} == longs


@pytest.mark.parametrize("key", tls_profiles.PROFILES)
def test_the_suites_of_a_profile_are_known_and_stand_in_the_order_of_their_strength(key: str) -> None:
    names = [BY_OPENSSL_NAME[name] for name in tls_profiles.PROFILES[key][3]]
    assert names == sorted(names, key=strength, reverse=True)


@pytest.mark.parametrize(
    ("key", "versions"),
    [
        ("8996", ("1.2", "1.3")),
        ("bcp195", ("1.0", "1.3")),
        ("bcp195-ex", ("1.2", "1.2")),
        ("aes", ("1.0", "1.2")),
    ],
)
def test_versions_are_those_of_the_sheet(key: str, versions: tuple[str, str]) -> None:
    assert tls_profiles.PROFILES[key][1:3] == versions
