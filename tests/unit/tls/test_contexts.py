from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP224R1
from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL
from OpenSSL._util import lib

from scpd.tables.tls_profiles import PROFILES
from scpd.tls import library
from scpd.tls.callbacks import weakness
from scpd.tls.profiles import Profile
from tests.harness.certificates import ec_key
from tests.harness.handshakes import Client, load, shake
from tests.harness.programs import real_program

if TYPE_CHECKING:
    from scpd.tls.endpoint import Tls
    from tests.harness.certificates import Infrastructure

REFUSED = "certificate verify failed"


@pytest.fixture
def good(certificates: Infrastructure) -> Client:
    return Client(certificates.good).old()


def test_the_newest_version_is_taken_with_the_groups_of_today(
    server_words: list[str], certificates: Infrastructure
) -> None:
    outcome = shake(load(*server_words)[0], Client(certificates.good))
    assert (outcome.error, outcome.alert) == ("", "")
    assert outcome.server.get_protocol_version_name() == "TLSv1.3"
    assert outcome.server.get_group_name() == "X25519MLKEM768"


@pytest.mark.parametrize(
    ("group", "is_taken"),
    [(b"X25519", True), (b"P-256", True), (b"P-521", True), (b"brainpoolP384r1", True), (b"X448", False)],
)
def test_groups_are_storescps_and_x25519(
    group: bytes, is_taken: bool, server_words: list[str], good: Client
) -> None:
    assert lib.SSL_CTX_set1_curves_list(good.context._context, group)
    outcome = shake(load(*server_words)[0], good)
    assert outcome.error == ("" if is_taken else "no shared cipher")


@pytest.mark.parametrize(("profile", "is_taken"), [("+pg", False), ("+pm", False), ("+px", True)])
def test_a_client_that_takes_sha_1_signatures_only(
    profile: str, is_taken: bool, server_words: list[str]
) -> None:
    client = Client().old()
    assert lib.SSL_CTX_set1_sigalgs_list(client.context._context, b"RSA+SHA1")
    assert bool(shake(load(*server_words, profile, "-ic")[0], client).error) is not is_taken


def test_the_server_prefers_the_strongest_suite(server_words: list[str], good: Client) -> None:
    good.suites("ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384")
    assert shake(load(*server_words)[0], good).suite == "ECDHE-RSA-AES256-GCM-SHA384"


def usable(key: str, kind: str) -> list[str]:
    """Give the suites of a profile that the library has, for a key of this kind."""
    known = library.known_suites()
    return [name for name in PROFILES[key][3] if name in known and ("ECDSA" in name) == (kind == "ec")]


@pytest.mark.parametrize("kind", ["rsa", "ec"])
@pytest.mark.parametrize("key", [key for key in PROFILES if key != "basic"])
def test_exactly_the_suites_of_the_profile_can_be_had(
    key: str, kind: str, certificates: Infrastructure
) -> None:
    pair = certificates.server if kind == "rsa" else certificates.server_ec
    if not usable(key, kind):
        return
    tls, _ = load("+tls", pair.key, pair.crt, "-ic", f"--profile-{key}")
    taken = []
    for name in sorted(library.known_suites() & set(BY_NAME)):
        outcome = shake(tls, Client().old().suites(name))
        if not outcome.error:
            taken.append(outcome.suite)
    assert sorted(taken) == sorted(usable(key, kind))


BY_NAME = {suite for row in PROFILES.values() for suite in row[3]} | {
    "AES256-GCM-SHA384",
    "CAMELLIA128-SHA",
    "DHE-RSA-AES256-SHA256",
    "DHE-RSA-CHACHA20-POLY1305",
    "ECDHE-ECDSA-AES256-SHA384",
    "ECDHE-RSA-AES128-SHA",
    "ADH-AES128-SHA",
    "AECDH-NULL-SHA",
}


@pytest.mark.parametrize(
    ("key", "lowest", "highest"),
    [
        ("8996", 0x303, 0x304),
        ("8996-mod", 0x303, 0x304),
        ("bcp195-nd", 0x303, 0x304),
        ("bcp195", 0x301, 0x304),
        ("bcp195-ex", 0x303, 0x303),
        ("aes", 0x301, 0x303),
        ("null", 0x301, 0x303),
    ],
)
def test_exactly_the_versions_of_the_profile_can_be_had(
    key: str, lowest: int, highest: int, certificates: Infrastructure
) -> None:
    server = certificates.server
    tls, _ = load("+tls", server.key, server.crt, "-ic", f"--profile-{key}")
    taken = [
        version
        for version in (SSL.TLS1_VERSION, SSL.TLS1_1_VERSION, SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION)
        if not shake(tls, Client().versions(version, version)).error
    ]
    assert (taken[0], taken[-1]) == (lowest, highest)


@pytest.mark.parametrize("profile", ["+pg", "+pm", "+py"])
def test_an_added_suite_lets_no_older_version_in(
    profile: str, server_words: list[str], certificates: Infrastructure
) -> None:
    tls, _ = load(*server_words, profile, "+cs", "TLS_RSA_WITH_AES_128_CBC_SHA")
    assert shake(tls, Client(certificates.good).old().suites("AES128-SHA")).suite == "AES128-SHA"
    older = Client(certificates.good).versions(SSL.TLS1_VERSION, SSL.TLS1_1_VERSION).suites("AES128-SHA")
    assert shake(tls, older).error == "unsupported protocol"


def test_the_modified_profile_has_all_suites_of_tls_1_3_and_the_others_have_the_usual(
    server_words: list[str], certificates: Infrastructure
) -> None:
    client = Client(certificates.good)
    client.context.set_tls13_ciphersuites(b"TLS_AES_128_CCM_8_SHA256")
    assert shake(load(*server_words, "+pm")[0], client).suite == "TLS_AES_128_CCM_8_SHA256"
    client = Client(certificates.good)
    client.context.set_tls13_ciphersuites(b"TLS_AES_128_CCM_8_SHA256")
    assert shake(load(*server_words)[0], client).error == "no shared cipher"


@pytest.mark.parametrize(
    ("who", "finding"),
    [
        ("expired", "certificate has expired: CN=expired,O=Hospital,C=DE, issued by CN=ca,O=Hospital,C=DE"),
        (
            "future",
            "certificate is not yet valid",
        ),
        ("server_only", "unsuitable certificate purpose: CN=server-only,"),
        ("foreign", "unable to get local issuer certificate: CN=foreign,"),
        ("self_signed", "self-signed certificate: CN=self-signed,"),
        ("weak", "EE certificate key too weak: CN=weak,"),
    ],
)
@pytest.mark.parametrize("mode", ["-rc", "-vc"])
def test_a_bad_certificate_is_refused_and_the_reason_kept(
    mode: str, who: str, finding: str, server_words: list[str], certificates: Infrastructure
) -> None:
    outcome = shake(load(*server_words, mode)[0], Client(getattr(certificates, who)).old())
    assert outcome.error == REFUSED
    assert len(outcome.findings) == 1
    assert outcome.findings[0].startswith(finding)
    assert outcome.alert


@pytest.mark.parametrize(("mode", "is_refused"), [("-rc", True), ("-vc", False), ("-ic", False)])
def test_nobody_needs_a_certificate_but_where_it_is_required(
    mode: str, is_refused: bool, server_words: list[str]
) -> None:
    outcome = shake(load(*server_words, mode)[0], Client().old())
    assert outcome.error == ("peer did not return a certificate" if is_refused else "")


def test_ignored_certificates_are_not_asked_for(
    server_words: list[str], certificates: Infrastructure
) -> None:
    outcome = shake(load(*server_words, "-ic")[0], Client(certificates.expired).old())
    assert not outcome.error
    assert outcome.server.get_peer_certificate(as_cryptography=True) is None


def test_weak_keys_are_a_matter_of_the_profile(server_words: list[str], certificates: Infrastructure) -> None:
    assert not shake(load(*server_words, "+px")[0], Client(certificates.weak).old()).error
    outcome = shake(load(*server_words, "+pm")[0], Client(certificates.weak).old())
    assert outcome.findings == [
        "certificate has an RSA key of only 1024 bits: CN=weak,O=Hospital,C=DE, issued by CN=ca,O=Hospital,C=DE"
    ]


@pytest.mark.parametrize("version", [SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION])
@pytest.mark.parametrize(("profile", "who"), [("+pg", "weak"), ("+pm", "weak"), ("+px", "md5")])
def test_whose_certificate_is_too_weak_hears_that_it_is_his(
    profile: str, who: str, version: int, server_words: list[str], certificates: Infrastructure
) -> None:
    # By OpenSSL's judgement and by ours alike: not that something is wrong with the server (internal error).
    client = signed_with("md5", certificates) if who == "md5" else Client(certificates.weak)
    outcome = shake(load(*server_words, profile)[0], client.versions(version, version))
    assert len(outcome.findings) == 1
    assert outcome.alert.endswith("alert bad certificate")


@pytest.mark.parametrize(
    ("profile", "is_refused"), [("+pg", True), ("+pm", True), ("+py", True), ("+px", False)]
)
def test_sha_1_is_a_matter_of_the_profile(
    profile: str, is_refused: bool, server_words: list[str], certificates: Infrastructure
) -> None:
    outcome = shake(load(*server_words, profile)[0], signed_with("sha1", certificates))
    assert outcome.error == (REFUSED if is_refused else "")


@pytest.mark.parametrize(("key", "is_too_weak"), [("8996", False), ("8996-mod", True), ("bcp195", False)])
def test_ec_keys_have_256_bits_in_the_modified_profile(
    key: str, is_too_weak: bool, certificates: Infrastructure
) -> None:
    small = certificates.issue("small", certificates.ca, key=ec_key(SECP224R1())).certificate
    expected = "certificate has an EC key of only 224 bits" if is_too_weak else ""
    assert weakness(small, Profile(key)) == expected


def signed_with(digest: str, certificates: Infrastructure) -> Client:
    """Make a client of the root whose certificate is signed with this digest."""
    pair = certificates.issue(digest, certificates.ca)
    certificates.sign_again(pair, certificates.ca, digest)
    client = Client().old()
    client.context.use_privatekey_file(pair.key)
    client.context.use_certificate_file(pair.crt)
    return client


@pytest.mark.parametrize("profile", ["+pg", "+px", "+pa"])
def test_md5_is_refused_everywhere(
    profile: str, server_words: list[str], certificates: Infrastructure
) -> None:
    outcome = shake(load(*server_words, profile)[0], signed_with("md5", certificates))
    assert outcome.error == REFUSED
    assert "MD5" in outcome.findings[0] or "too weak" in outcome.findings[0]


def test_the_signature_of_an_authority_counts_unless_it_is_of_its_own_key(
    certificates: Infrastructure, tmp_path: Path
) -> None:
    # Both have the same name on both sides: the second is the first one's successor, issued with the first one's key.
    root, successor = tmp_path / "root", tmp_path / "successor"
    Path(f"{root}.key").write_bytes(Path(certificates.ca.key).read_bytes())
    extensions = tmp_path / "extensions"
    extensions.write_text("subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n")
    name = ["-subj", "/CN=authority", "-key"]
    issued = ["-CA", f"{root}.crt", "-CAkey", f"{root}.key", "-extfile", str(extensions)]
    for words in (
        ["req", "-x509", "-sha1", *name, f"{root}.key", "-out", f"{root}.crt"],
        ["req", "-new", *name, certificates.good.key, "-out", f"{successor}.csr"],
        ["x509", "-req", "-sha1", *issued, "-in", f"{successor}.csr", "-out", f"{successor}.crt"],
    ):
        subprocess.run([real_program("openssl"), *words], check=True, capture_output=True, timeout=30)
    found = [
        weakness(x509.load_pem_x509_certificate(Path(f"{each}.crt").read_bytes()), Profile("8996-mod"))
        for each in (root, successor)
    ]
    assert found == ["", "certificate is signed with SHA1"]
    # A root that cannot be told to be one: two extensions of a kind.
    der = x509.load_pem_x509_certificate(Path(f"{root}.crt").read_bytes()).public_bytes(Encoding.DER)
    twice = der.replace(bytes.fromhex("0603551d0e"), bytes.fromhex("0603551d23"), 1)
    odd = x509.load_der_x509_certificate(twice)
    assert weakness(odd, Profile("8996-mod")) == "certificate is signed with SHA1"


@pytest.mark.parametrize(("key", "is_refused"), [("8996-mod", True), ("bcp195", False)])
def test_a_key_of_an_unknown_kind_is_left_to_openssl_unless_weak_ones_are_refused(
    key: str, is_refused: bool, certificates: Infrastructure
) -> None:
    der = certificates.good.certificate.public_bytes(Encoding.DER)
    rsa, unknown = bytes.fromhex("06092a864886f70d010101"), bytes.fromhex("06092a864886f70d010163")
    odd = x509.load_der_x509_certificate(der.replace(rsa, unknown, 1))
    expected = "certificate has a key or signature of an unknown kind" if is_refused else ""
    assert weakness(odd, Profile(key)) == expected


def test_an_intermediate_may_be_sent_or_known(certificates: Infrastructure) -> None:
    server, client = certificates.server, certificates.of_intermediate
    only_root, _ = load("+tls", server.key, server.crt, "+cf", certificates.ca.crt)
    assert not shake(only_root, Client(client).old()).error
    alone = Client().old()
    alone.context.use_privatekey(client.private)
    alone.context.use_certificate(client.certificate)
    assert shake(only_root, alone).error == REFUSED
    both, _ = load(
        "+tls", server.key, server.crt, "+cf", certificates.ca.crt, "+cf", certificates.intermediate.crt
    )
    assert not shake(both, alone).error
    no_root, _ = load("+tls", server.key, server.crt, "+cf", certificates.intermediate.crt)
    assert shake(no_root, alone).error == REFUSED


def test_our_own_chain_is_sent(certificates: Infrastructure) -> None:
    pair = certificates.of_intermediate
    outcome = shake(load("+tls", pair.key, pair.crt, "-ic")[0], Client().old())
    chain = outcome.client.get_peer_cert_chain(as_cryptography=True) or []
    assert chain == [pair.certificate, certificates.intermediate.certificate]


class TestRevocation:
    @pytest.mark.parametrize("suffix", ["", ".der"])
    def test_a_list_is_looked_into_because_it_is_there(
        self, suffix: str, server_words: list[str], certificates: Infrastructure
    ) -> None:
        tls, _ = load(*server_words, "+crl", f"{certificates.current_crl}{suffix}")
        outcome = shake(tls, Client(certificates.revoked).old())
        assert outcome.findings[0].startswith("certificate revoked: CN=revoked,")
        assert not shake(tls, Client(certificates.good).old()).error

    def test_without_one_nobody_is_revoked(
        self, server_words: list[str], certificates: Infrastructure
    ) -> None:
        assert not shake(load(*server_words)[0], Client(certificates.revoked).old()).error

    def test_a_list_of_every_authority_is_needed_for_the_whole_chain(
        self, server_words: list[str], certificates: Infrastructure
    ) -> None:
        client = Client(certificates.of_intermediate).old()
        of_intermediate = certificates.crl("of-intermediate-crl", certificates.intermediate)
        root = ["+crl", certificates.current_crl]
        leaf = ["+crl", of_intermediate]
        assert (
            shake(load(*server_words, *root)[0], client)
            .findings[0]
            .startswith("unable to get certificate CRL")
        )
        assert not shake(load(*server_words, *leaf)[0], client).error
        assert shake(load(*server_words, *leaf, "+cra")[0], client).error == REFUSED
        assert not shake(load(*server_words, *leaf, *root, "+cra")[0], client).error

    def test_a_list_that_is_out_of_date_refuses_and_is_told_at_the_start(
        self, server_words: list[str], certificates: Infrastructure, good: Client
    ) -> None:
        tls, odd = load(*server_words, "+crl", certificates.stale_crl)
        assert [text for text in odd if certificates.stale_crl in text and "out of date since" in text]
        assert shake(tls, good).findings[0].startswith("CRL has expired: ")

    def test_one_that_is_out_of_date_is_not_told_beside_a_newer_one(
        self, server_words: list[str], certificates: Infrastructure, good: Client
    ) -> None:
        lists = ["+crl", certificates.stale_crl, "+crl", certificates.current_crl]
        tls, odd = load(*server_words, *lists)
        assert odd == []
        assert not shake(tls, good).error

    def test_one_in_the_file_of_an_authority_counts_if_it_is_asked_for(
        self, tmp_path: Path, certificates: Infrastructure
    ) -> None:
        server = certificates.server
        both = tmp_path / "both.pem"
        both.write_bytes(
            (certificates.directory / "ca.crt").read_bytes()
            + (certificates.directory / certificates.current_crl).read_bytes()
        )
        words = ["+tls", server.key, server.crt, "+cf", str(both)]
        assert not shake(load(*words)[0], Client(certificates.revoked).old()).error
        assert shake(load(*words, "+crv")[0], Client(certificates.revoked).old()).error == REFUSED


class TestHashedDirectory:
    def test_authorities_and_lists_of_it_count(self, certificates: Infrastructure) -> None:
        server = certificates.server
        folder = certificates.hashed(
            "hashed", certificates.ca, certificates.intermediate, crls=[certificates.current_crl]
        )
        words = ["+tls", server.key, server.crt, "+cd", folder]
        assert not shake(load(*words)[0], Client(certificates.of_intermediate).old()).error
        assert shake(load(*words, "+crv")[0], Client(certificates.revoked).old()).error == REFUSED

    def test_an_authority_that_comes_later_counts_without_a_reload(
        self, certificates: Infrastructure
    ) -> None:
        server = certificates.server
        folder = certificates.directory / "growing"
        folder.mkdir()
        tls, odd = load("+tls", server.key, server.crt, "+cd", str(folder))
        assert f"{folder} has no file that is named by its hash (openssl rehash)" in odd
        client = Client(certificates.good).old()
        assert shake(tls, client).error == REFUSED
        for path in (certificates.directory / certificates.hashed("source", certificates.ca)).iterdir():
            path.rename(folder / path.name)
        assert not shake(tls, client).error


class TestServerName:
    @pytest.mark.parametrize(
        ("asked", "is_refused"), [(b"pacs", False), (b"", False), (b"PACS", True), (b"other", True)]
    )
    @pytest.mark.parametrize("version", [SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION])
    def test_a_client_may_ask_for_ours_or_for_none(
        self,
        asked: bytes,
        is_refused: bool,
        version: int,
        server_words: list[str],
        certificates: Infrastructure,
        capfd: pytest.CaptureFixture[str],
    ) -> None:
        client = Client(certificates.good).versions(version, version)
        client.server_name = asked
        usual = sys.excepthook
        outcome = shake(load(*server_words, "--expect-sni", "pacs")[0], client)
        assert sys.excepthook is usual
        assert bool(outcome.error) is is_refused
        if is_refused:
            assert outcome.findings == [f"client asks for server '{asked.decode()}', this is 'pacs' (SNI)"]
            assert outcome.alert == "tlsv1 unrecognized name"
        assert capfd.readouterr() == ("", "")  # pyOpenSSL would write a traceback

    def test_without_the_option_any_name_is_fine(self, server_words: list[str], good: Client) -> None:
        good.server_name = b"whatever"
        assert not shake(load(*server_words)[0], good).error


class TestProtocol:
    @pytest.mark.parametrize(
        ("offered", "chosen"), [([b"dicom"], b"dicom"), ([b"h2", b"dicom"], b"dicom"), ([], b"")]
    )
    def test_dicom_or_none_is_taken(
        self, offered: list[bytes], chosen: bytes, server_words: list[str], good: Client
    ) -> None:
        if offered:
            good.context.set_alpn_protos(offered)
        outcome = shake(load(*server_words)[0], good)
        assert (outcome.error, outcome.client.get_alpn_proto_negotiated()) == ("", chosen)

    def test_others_are_refused_by_name(self, server_words: list[str], good: Client) -> None:
        good.context.set_alpn_protos([b"h2", b"http/1.1"])
        outcome = shake(load(*server_words)[0], good)
        assert outcome.error == "NotDicom: TLS client offers h2, http/1.1, not dicom (ALPN)"
        assert outcome.alert == "tlsv1 alert no application protocol"


class TestResumption:
    @pytest.mark.parametrize("version", [SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION])
    @pytest.mark.parametrize(
        ("words", "is_resumed"), [([], True), (["-ic"], True), (["+crl"], False), (["-ic", "+crl"], True)]
    )
    def test_sessions_go_on_unless_revocation_has_to_count_at_once(
        self,
        words: list[str],
        is_resumed: bool,
        version: int,
        server_words: list[str],
        certificates: Infrastructure,
    ) -> None:
        words = [
            part
            for word in words
            for part in ([word, certificates.current_crl] if word == "+crl" else [word])
        ]
        tls, _ = load(*server_words, *words)
        assert self.is_second_resumed(tls, Client(certificates.good).versions(version, version)) is is_resumed

    def test_a_new_context_has_new_ticket_keys(
        self, server_words: list[str], certificates: Infrastructure
    ) -> None:
        tls, _ = load(*server_words)
        client = Client(certificates.good)
        client.session = shake(tls, client).client.get_session()
        tls.refresh(1e12)
        outcome = shake(tls, client)
        assert not outcome.error
        assert not is_resumed_by(outcome.server)

    @staticmethod
    def is_second_resumed(tls: Tls, client: Client) -> bool:
        first = shake(tls, client)
        assert not first.error
        client.session = first.client.get_session()
        second = shake(tls, client)
        assert not second.error
        return is_resumed_by(second.server)


def is_resumed_by(connection: SSL.Connection) -> bool:
    """Tell whether a handshake went on with a session: pyOpenSSL has no method for that."""
    return bool(lib.SSL_session_reused(connection._ssl))


def test_diffie_hellman_uses_the_built_in_group_or_that_of_the_file(
    certificates: Infrastructure, server_words: list[str]
) -> None:
    path = certificates.directory / "dh.pem"
    subprocess.run(
        f"openssl genpkey -genparam -algorithm DH -pkeyopt group:modp_3072 -out {path}",
        shell=True,
        check=True,
    )
    for words in ([], ["+dp", str(path)]):
        client = Client(certificates.good).old().suites("DHE-RSA-AES256-GCM-SHA384")
        assert shake(load(*server_words, "+py", *words)[0], client).suite == "DHE-RSA-AES256-GCM-SHA384"
