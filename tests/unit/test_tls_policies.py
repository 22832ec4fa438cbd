"""What a start with TLS refuses, and what it warns of."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from scpd.errors import StartError
from scpd.tls import library
from tests.harness.handshakes import load
from tests.harness.servers import REPOSITORY

if TYPE_CHECKING:
    from pathlib import Path

    from tests.harness.certificates import Infrastructure, Pair

NO_AUTHORITY = (
    "no peer can be verified without --add-cert-file or --add-cert-dir: whoever has a certificate is refused"
)
NO_3DES = f"{library.version()}, which is used here, does not have TLS_RSA_WITH_3DES_EDE_CBC_SHA"


def odd(pair: Pair, *words: str) -> list[str]:
    return load("+tls", pair.key, pair.crt, *words)[1]


def refusal(pair: Pair, *words: str) -> str:
    with pytest.raises(StartError) as caught:
        load("+tls", pair.key, pair.crt, *words)
    return str(caught.value)


def test_an_ordinary_server_has_nothing_to_complain_of(certificates: Infrastructure) -> None:
    assert odd(certificates.server, "+cf", certificates.ca.crt) == []


def test_without_an_authority_nobody_can_be_verified(certificates: Infrastructure) -> None:
    assert odd(certificates.server) == [NO_AUTHORITY]
    assert odd(certificates.server, "-vc") == [NO_AUTHORITY]
    assert odd(certificates.server, "-ic") == []


@pytest.mark.parametrize(
    ("days", "text"),
    [
        ((-9, -2), "certificate {} (CN=dated,O=Hospital,C=DE) has expired on {}"),
        ((2, 90), "certificate {} (CN=dated,O=Hospital,C=DE) is not valid before {}"),
        ((-2, 29), "certificate {} (CN=dated,O=Hospital,C=DE) expires on {}"),
        ((-2, 31), ""),
    ],
)
def test_a_certificate_that_is_not_good_now_or_soon_is_told(
    days: tuple[int, int], text: str, certificates: Infrastructure
) -> None:
    pair = certificates.issue("dated", certificates.ca, days=days)
    date = pair.certificate.not_valid_before_utc if days[0] > 0 else pair.certificate.not_valid_after_utc
    expected = [text.format(pair.crt, f"{date:%Y-%m-%d}")] if text else []
    assert odd(pair, "-ic") == expected
    assert odd(certificates.server, "+cf", pair.crt, "-vc") == expected


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("+pb", f"--profile-basic: {library.version()}, which is used here, has no suite of it "),
        ("+cs X", "unknown cipher suite: X "),
        ("+cs TLS_RSA_WITH_NULL_SHA", "Unencrypted ciphersuite 'TLS_RSA_WITH_NULL_SHA' not permitted"),
        (
            "+px +cs TLS_RSA_WITH_3DES_EDE_CBC_SHA",
            f"cipher suite TLS_RSA_WITH_3DES_EDE_CBC_SHA: {library.version()}",
        ),
    ],
)
def test_what_the_library_or_the_profile_does_not_have_ends_the_start(
    words: str, text: str, certificates: Infrastructure
) -> None:
    assert refusal(certificates.server, "-ic", *words.split()).startswith(text)


@pytest.mark.parametrize("option", ["--profile-aes", "--profile-bcp195"])
def test_a_profile_that_goes_on_without_3des_says_so(option: str, certificates: Infrastructure) -> None:
    assert odd(certificates.server, "-ic", option) == [f"{option}: {NO_3DES}"]


def test_suites_without_forward_secrecy_are_advised_against(certificates: Infrastructure) -> None:
    name = "TLS_RSA_WITH_AES_128_CBC_SHA"
    assert odd(certificates.server, "-ic", "+cs", name, "+cs", "TLS_DHE_RSA_WITH_AES_128_CBC_SHA") == [
        f"Ciphersuite '{name}' uses RSA key transport. RFC 9325 recommends that such cipher suites should not be used."
    ]


def test_a_weak_key_of_ours_is_refused_or_told(certificates: Infrastructure) -> None:
    weak = certificates.weak
    for option in ("--profile-8996", "--profile-8996-mod", "--profile-bcp195-nd", "--profile-bcp195-ex"):
        expected = f"certificate has an RSA key of only 1024 bits, which {option} does not allow: {weak.crt}"
        assert refusal(weak, "-ic", option) == expected
    (told,) = odd(weak, "-ic", "+pn")
    assert told == (
        "Key length of RSA public key too short: RFC 9325 recommends at least 2048 bits for RSA keys, "
        f"but the key in certificate file '{weak.crt}' is only 1024 bits."
    )


def test_so_are_weak_parameters(certificates: Infrastructure) -> None:
    path = certificates.directory / "dh1024.pem"
    command = ["openssl", "dhparam", "-dsaparam", "-out", str(path), "1024"]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    assert refusal(certificates.server, "-ic", "+py", "+dp", str(path)) == (
        f"Diffie-Hellman parameters of {path} have only 1024 bits: --profile-bcp195-nd demands 2048"
    )
    (told,) = odd(certificates.server, "-ic", "+pn", "+dp", str(path))
    assert told == (
        "Key length of Diffie-Hellman parameter file too short: RFC 9325 recommends at least 2048 bits, "
        f"but the key in file '{path}' is only 1024 bits."
    )


def test_an_ec_key_without_a_suite_is_refused_or_told(certificates: Infrastructure) -> None:
    pair = certificates.server_ec
    assert (
        refusal(pair, "-ic", "+pa")
        == f"private key {pair.key}: --profile-aes has no suite for keys of its kind"
    )
    assert odd(pair, "-ic", "+py") == [
        "--profile-bcp195-nd has no suite for such a key in TLS 1.2: clients need TLS 1.3"
    ]
    assert odd(pair, "-ic") == []


def test_asking_for_revocation_without_a_list_is_told(certificates: Infrastructure) -> None:
    words = ["+cf", certificates.ca.crt, "+crv"]
    assert odd(certificates.server, *words) == [
        "no revocation list was found: whoever has a certificate is refused"
    ]


def test_patterns_of_names_are_kept(certificates: Infrastructure, server_words: list[str]) -> None:
    tls, _ = load(*server_words, "--allow-peer-cn", "ct*", "--allow-peer-cn", "mr1")
    assert tls.allowed_names == ("ct*", "mr1")
    assert tls.peer_certificate == "require"


@pytest.mark.parametrize("words", [["--check-config", "11112"], ["--version"]])
def test_without_tls_nothing_of_it_is_imported(words: list[str], tmp_path: Path) -> None:
    script = (
        "import sys, scpd.__main__ as program; "
        f"sys.argv = ['scpd', '-od', {str(tmp_path)!r}, *{words!r}]; code = program.main(); "
        "print([n for n in sys.modules if n.partition('.')[0] in "
        "('OpenSSL', 'cryptography', '_cffi_backend', 'ssl') or n.startswith(('scpd.tls', 'scpd.tls_policies'))]); "
        "sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "[]"), done.stderr
