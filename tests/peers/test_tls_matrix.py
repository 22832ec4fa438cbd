"""Who gets a TLS connection: real clients, each asked of scpd and of storescp, and every difference has its reason."""

from __future__ import annotations

import ssl
import subprocess
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import TYPE_CHECKING

import pytest

from scpd.tables.tls_profiles import PROFILES
from tests.harness import wire
from tests.harness.clients import CLIENT_SECONDS, echoscu, storescu
from tests.harness.objects import ct_image, data_set_bytes, write_ct_images
from tests.harness.programs import real_program
from tests.harness.raw_peer import CONTEXTS
from tests.harness.tls_clients import (
    PATIENCE,
    agrees,
    credentials,
    goes_on,
    is_served,
    known_suites,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.harness.certificates import Infrastructure, Pair
    from tests.harness.servers import Server, ServerFactory

# Debian's library has no 3DES, so storescp there no --profile-basic.
PROFILE_OPTIONS = ("+py", "+px", "+pz", "+pa", "+pn")
CLIENTS = (
    "good",
    "expired",
    "future",
    "revoked",
    "foreign",
    "self_signed",
    "server_only",
    "of_intermediate",
    "weak",
    "no certificate",
)

# The reasons for what differs: (options, client) > what scpd does.
_WEAK = "a key of 1024 bits is refused where the profile is BCP 195, which demands 2048 (RFC 9325 4.5)"
DIFFERENCES: dict[tuple[tuple[str, ...], str], tuple[bool, str]] = {
    (("-rc",), "weak"): (False, _WEAK),
    (("-vc",), "weak"): (False, _WEAK),
    (("-rc", "+crl"), "weak"): (False, _WEAK),
}


def pair_of(certificates: Infrastructure, client: str) -> Pair | None:
    return None if client == "no certificate" else getattr(certificates, client)


@pytest.mark.parametrize(
    "options", [("-rc",), ("-vc",), ("-ic",), ("-rc", "+crl"), ("-rc", "+px")], ids=" ".join
)
def test_each_certificate_in_each_mode(
    certificates: Infrastructure,
    scpd: ServerFactory,
    storescp: ServerFactory,
    server_words: list[str],
    options: tuple[str, ...],
) -> None:
    words = [*server_words, "--fork", *options]
    if "+crl" in options:
        words.append(certificates.current_crl)
    ours, theirs = scpd(*words), storescp(*words)
    verdicts = {}
    for client in CLIENTS:
        pair = pair_of(certificates, client)
        verdicts[client] = is_served(ours, certificates, pair), is_served(theirs, certificates, pair)
    found = {client: ours for client, (ours, theirs) in verdicts.items() if ours != theirs}
    wanted = {client: ours for (of, client), (ours, _) in DIFFERENCES.items() if of == options}
    assert found == wanted, verdicts
    assert verdicts["good"] == (True, True)
    assert verdicts["expired"] == (("-ic" in options),) * 2


@pytest.mark.parametrize("profile", ["", *PROFILE_OPTIONS])
def test_each_profile_with_each(
    certificates: Infrastructure,
    scpd: ServerFactory,
    storescp: ServerFactory,
    server_words: list[str],
    profile: str,
) -> None:
    words = [*server_words, "--fork", *([profile] if profile else [])]
    ours, theirs = scpd(*words), storescp(*words)
    verdicts = {
        of_client: tuple(
            is_served(server, certificates, certificates.good, of_client) for server in (ours, theirs)
        )
        for of_client in PROFILE_OPTIONS
    }
    assert {client for client, (ours, theirs) in verdicts.items() if ours != theirs} == set(), verdicts
    assert any(ours for ours, _ in verdicts.values())


PASSWORD = "secret"
FORMS = {
    "PEM": (("key", "crt"), (), True),
    "PEM, locked": (("locked", "crt"), ("+pw", PASSWORD), True),
    "PEM, locked, wrong password": (("locked", "crt"), ("+pw", "wrong"), False),
    "PEM, locked, no password": (("locked", "crt"), ("-pw",), False),
    "PEM, a password for an open key": (("key", "crt"), ("+pw", PASSWORD), True),
    "DER": (("key_der", "crt_der"), ("-der",), True),
    "PEM for DER": (("key", "crt"), ("-der",), False),
    "DER for PEM": (("key_der", "crt_der"), (), False),
}


@pytest.mark.parametrize("form", FORMS)
def test_each_form_of_key_and_password(
    certificates: Infrastructure, scpd: ServerFactory, storescp: ServerFactory, form: str
) -> None:
    names, options, starts = FORMS[form]
    key, certificate = (getattr(certificates.server, name) for name in names)
    trusted = certificates.ca.crt_der if "-der" in options else certificates.ca.crt
    words = ["+tls", key, certificate, *options, "+cf", trusted, "--fork"]
    if starts:
        assert is_served(scpd(*words), certificates, certificates.good)
        assert is_served(storescp(*words), certificates, certificates.good)
        return
    with pytest.raises(AssertionError, match="ended with 1"):
        scpd(*words)
    try:
        original = storescp(*words)  # it listens before it looks at its key
    except AssertionError:
        return
    assert original.wait() == 1


def test_objects_arrive_as_they_do_without_tls(
    certificates: Infrastructure, scpd: ServerFactory, server_words: list[str], tmp_path: Path
) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    images = write_ct_images(folder, 5)
    large = tmp_path / "large.dcm"
    ct_image(20_000_000).write(large)
    received = {}
    for name, words in (("plain", []), ("tls", server_words)):
        server = scpd("--fork", *words)
        options = credentials(certificates, certificates.good) if words else []
        result = storescu(server, *PATIENCE, *options, "+sd", folder, large)
        assert result.returncode == 0, result.stderr
        files = server.wait_for_files(len(images) + 1)
        received[name] = {file: data_set_bytes(content) for file, content in files.items()}
    assert received["tls"] == received["plain"]


@pytest.mark.parametrize("option", ["", *(f"--profile-{key}" for key in PROFILES)])
@pytest.mark.parametrize("key", ["server", "server_ec"])
def test_exactly_the_suites_of_a_profile_are_taken(
    certificates: Infrastructure, scpd: ServerFactory, option: str, key: str
) -> None:
    pair, own = getattr(certificates, key), "ECDSA" if key == "server_ec" else "RSA"
    _, lowest, highest, suites, _, suites13 = PROFILES[option.removeprefix("--profile-") or "8996"]
    words = ["+tls", pair.key, pair.crt, "+cf", certificates.ca.crt, "--fork", *([option] if option else [])]
    known = known_suites("-tls1_2")
    wanted = {suite for suite in suites if suite in known and ("ECDSA" in suite) == (own == "ECDSA")}
    wanted13 = {*suites13} if suites13 else {*known_suites("-tls1_3")} - {"TLS_AES_128_CCM_SHA256"}
    if not wanted and highest < "1.3":
        with pytest.raises(AssertionError, match="ended with 1"):
            scpd(*words)
        return
    server = scpd(*words)

    def takes(suite: str) -> bool:
        return agrees(server, certificates, "-tls1_2", "-cipher", f"{suite}:@SECLEVEL=0")

    def takes13(suite: str) -> bool:
        return agrees(server, certificates, "-tls1_3", "-ciphersuites", suite)

    with ThreadPoolExecutor(4) as pool:
        assert {suite for suite, taken in zip(known, pool.map(takes, known), strict=True) if taken} == wanted
    for version, number in (("-tls1", "1.0"), ("-tls1_1", "1.1")):
        is_taken = agrees(server, certificates, version, "-cipher", "ALL:COMPLEMENTOFALL:@SECLEVEL=0")
        assert is_taken == (lowest <= number and bool(wanted)), version
    known13 = ["TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256", "TLS_AES_128_GCM_SHA256"]
    known13 += ["TLS_AES_128_CCM_SHA256", "TLS_AES_128_CCM_8_SHA256"]
    if highest < "1.3":
        wanted13 = set()
    assert {suite for suite in known13 if takes13(suite)} == wanted13 & set(known13)


def test_the_default_profile_refuses_what_bcp_195_refuses(
    certificates: Infrastructure, scpd: ServerFactory, server_words: list[str]
) -> None:
    # RFC 9325 3.1.1 and 4.1, RFC 8996: no old versions, no NULL, RC4, export, CBC, no key transport by RSA.
    server = scpd(*server_words, "--fork")
    for suites in ("NULL", "RC4", "3DES", "EXPORT", "kRSA", "CBC", "aNULL", "kDHE"):
        options = ("-tls1_2", "-cipher", f"{suites}:@SECLEVEL=0")
        assert not agrees(server, certificates, *options), suites
    assert agrees(server, certificates, "-tls1_2")
    assert agrees(server, certificates, "-tls1_3")


@pytest.mark.parametrize(
    ("options", "asked", "is_taken"),
    [
        ((), ("-servername", "anything"), True),
        (("--expect-sni", "archive"), ("-servername", "archive"), True),
        (("--expect-sni", "archive"), ("-servername", "other"), False),
        (("--expect-sni", "archive"), ("-noservername",), True),
        ((), ("-alpn", "dicom"), True),
        ((), ("-alpn", "h2,dicom"), True),
        ((), ("-alpn", "h2,http/1.1"), False),
    ],
)
def test_names_and_protocols_that_a_client_asks_for(
    certificates: Infrastructure,
    scpd: ServerFactory,
    server_words: list[str],
    options: tuple[str, ...],
    asked: tuple[str, ...],
    is_taken: bool,
) -> None:
    server = scpd(*server_words, "--fork", *options)
    for version in ("-tls1_2", "-tls1_3"):
        assert agrees(server, certificates, version, *asked) == is_taken
    if not is_taken:
        wrong = asked[-1].replace(",", ", ")
        server.wait_for_log(wrong)


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_sessions_go_on_in_other_workers_unless_revocation_is_checked(
    certificates: Infrastructure,
    scpd: ServerFactory,
    server_words: list[str],
    version: str,
    tmp_path: Path,
) -> None:
    session = str(tmp_path / "session")
    server = scpd(*server_words, "--fork", "-v")
    assert not goes_on(server, certificates, version, "-sess_out", session)
    for _ in range(4):
        assert goes_on(server, certificates, version, "-sess_in", session)
    server.wait_for_log(f", resumed, peer {certificates.good.subject}")
    strict = scpd(*server_words, "--fork", "+crl", certificates.current_crl)
    assert not goes_on(strict, certificates, version, "-sess_out", session)
    assert not goes_on(strict, certificates, version, "-sess_in", session)


def talking(server: Server, certificates: Infrastructure, *options: str) -> subprocess.Popen[bytes]:
    """Start an openssl s_client that can be told things (its man page: CONNECTED COMMANDS)."""
    words = [real_program("openssl"), "s_client", "-connect", f"{server.host}:{server.port}", *options]
    words += ["-cert", certificates.good.crt, "-key", certificates.good.key, "-CAfile", certificates.ca.crt]
    pipe = subprocess.PIPE
    # Without a buffer: `communicate` would not see what is in it.
    return subprocess.Popen(words, bufsize=0, stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT)


def told(client: subprocess.Popen[bytes], said: bytes, awaited: bytes) -> None:
    """Tell it something and wait for a line with that in it."""
    assert client.stdin is not None
    assert client.stdout is not None
    client.stdin.write(said)
    client.stdin.flush()
    while awaited not in (line := client.stdout.readline()):
        assert line, f"{awaited!r} does not come"


def test_keys_are_updated_while_data_comes(
    certificates: Infrastructure, scpd: ServerFactory, server_words: list[str]
) -> None:
    # TLS 1.3, `K`: new keys for both directions (RFC 8446 4.6.3); what follows is sealed with them.
    server = scpd(*server_words, "--fork")
    with talking(server, certificates, "-tls1_3") as client:
        told(client, b"K\n", b"KEYUPDATE")
        told(client, wire.associate_request(CONTEXTS), b"1.2.840.10008.3.1.1.1")
        told(client, b"K\n", b"KEYUPDATE")
        told(client, wire.release_request(), b"closed")
        client.communicate(timeout=CLIENT_SECONDS)
    server.wait_for(lambda: not server.workers(), what="the end of the association")
    assert server.stderr == ""


def test_a_client_that_wants_to_renegotiate_ends_alone(
    certificates: Infrastructure, scpd: ServerFactory, server_words: list[str]
) -> None:
    server = scpd(*server_words, "--fork", "--acse-timeout", "60")
    begin = monotonic()
    with talking(server, certificates, "-tls1_2") as client:
        told(client, b"R\n", b"RENEGOTIATING")
        assert b"no renegotiation" in client.communicate(timeout=CLIENT_SECONDS)[0]
    assert monotonic() - begin < CLIENT_SECONDS / 2  # it is told at once
    assert is_served(server, certificates, certificates.good)


def test_pynetdicoms_client_is_served(
    certificates: Infrastructure, scpd: ServerFactory, server_words: list[str]
) -> None:
    from pynetdicom import AE

    server = scpd(*server_words, "--fork")
    context = ssl.create_default_context(cafile=certificates.ca.crt)
    context.load_cert_chain(certificates.good.crt, certificates.good.key)
    application = AE()
    application.add_requested_context("1.2.840.10008.1.1")
    association = application.associate(server.host, server.port, tls_args=(context, "localhost"))
    assert association.is_established
    assert association.send_c_echo().Status == 0
    association.release()


def test_allowed_names_shut_out_who_need_not_show_a_certificate_and_shows_none(
    certificates: Infrastructure, scpd: ServerFactory, server_words: list[str]
) -> None:
    server = scpd(*server_words, "-vc", "--allow-peer-cn", "good")
    assert is_served(server, certificates, certificates.good)
    result = echoscu(server, *PATIENCE, *credentials(certificates, None))
    assert result.returncode != 0
    assert "Calling AE Title Not Recognized" in result.stdout + result.stderr
    server.wait_for_log("Association Rejected: --allow-peer-cn: the peer has shown no certificate")


DSA_TOO = "DSA+SHA256:RSA+SHA256:RSA-PSS+SHA256:ECDSA+SHA256"
# What only we do, by client and options: the reason is that of the other weak keys.
WEAKER = {("dsa_weak", ()), ("dsa_weak", ("+py",))}


@pytest.mark.parametrize("options", [(), ("+py",), ("+px",), ("+pa",)], ids=" ".join)
def test_dsa_and_small_curves_are_taken_where_storescp_takes_them(
    certificates: Infrastructure,
    scpd: ServerFactory,
    storescp: ServerFactory,
    server_words: list[str],
    options: tuple[str, ...],
) -> None:
    servers = [start(*server_words, "--fork", *options) for start in (scpd, storescp)]
    base = ["-tls1_2", "-sigalgs", DSA_TOO, "-cipher", "ALL:@SECLEVEL=0"]
    for client in ("dsa", "dsa_weak", "small_curve"):
        pair = getattr(certificates, client)
        words = [*base, "-cert", pair.crt, "-key", pair.key]
        ours, theirs = (agrees(server, certificates, *words) for server in servers)
        assert theirs == (client != "small_curve")
        assert ours == (theirs and (client, options) not in WEAKER), client


@pytest.mark.parametrize("options", [("+py",), ("+px",)], ids=" ".join)
def test_a_dsa_key_of_ours_serves_who_takes_tls_1_2_as_in_storescp(
    certificates: Infrastructure, scpd: ServerFactory, storescp: ServerFactory, options: tuple[str, ...]
) -> None:
    own, suite = certificates.dsa, "TLS_DHE_DSS_WITH_AES_256_GCM_SHA384"
    words = ["+tls", own.key, own.crt, "+cf", certificates.ca.crt, "--fork", *options, "+cs", suite]
    for start in (scpd, storescp):
        server = start(*words)
        old = ("-tls1_2", "-sigalgs", DSA_TOO, "-cipher", "DHE-DSS-AES256-GCM-SHA384:@SECLEVEL=0")
        assert agrees(server, certificates, *old)
        assert not agrees(server, certificates, "-tls1_3")
