"""What scpd and storescp say when they start with TLS, side by side; and what scpd says when it reloads."""

from __future__ import annotations

import json
import os
import pty
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.harness.certificates import PASSWORD
from tests.harness.clients import scpctl
from tests.harness.programs import real_program
from tests.harness.servers import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.harness.certificates import Infrastructure, Pair
    from tests.harness.ports import ReservedPort
    from tests.harness.servers import Server, ServerFactory

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
SECONDS = 30
RUNS = "runs"

# Words, what storescp 3.6.7 does, what we do: the exit is 1 unless it runs.  {NAME} is a file, see `places`.
CASES = {
    "key missing": (
        "+tls {none} {crt}",
        "Unable to load private TLS key from '{none}'",
        "F: cannot read {none}: No such file or directory",
    ),
    "key is garbage": (
        "+tls {junk} {crt}",
        "Unable to load private TLS key from '{junk}'",
        "F: cannot load private key {junk}: there is none in it",
    ),
    "key is DER": (
        "+tls {key_der} {crt}",
        "Unable to load private TLS key from '{key_der}'",
        "F: cannot load private key {key_der}: there is none in it (is it DER? --der-keys)",
    ),
    "key is PEM": (
        "-der +tls {key} {crt_der}",
        "Unable to load private TLS key from '{key}'",
        "F: cannot load private key {key}: it is PEM, not DER",
    ),
    "wrong password": (
        "+tls {locked} {crt} +pw wrong",
        "Unable to load private TLS key from '{locked}'",
        "F: wrong password for private key {locked}",
    ),
    "no password": (
        "+tls {locked} {crt} -pw",
        "Unable to load private TLS key from '{locked}'",
        "F: private key {locked} is encrypted: it needs a password",
    ),
    "nobody to ask for it": (
        "+tls {locked} {crt}",
        "Unable to load private TLS key from '{locked}'",
        "F: private key {locked} is encrypted, and there is no terminal to ask for its password: give --passwd-file",
    ),
    "right password": ("+tls {locked} {crt} +pw secret -ic", RUNS, RUNS),
    "password of an open key": ("+tls {key} {crt} +pw secret -ic", RUNS, RUNS),
    "all in DER": ("-der +tls {key_der} {crt_der} +cf {ca_der}", RUNS, RUNS),
    "certificate missing": (
        "+tls {key} {none}",
        "Private key '{key}' and certificate '{none}' do not match",
        "F: cannot read {none}: No such file or directory",
    ),
    "certificate of another key": (
        "+tls {key} {other}",
        "Private key '{key}' and certificate '{other}' do not match",
        "F: Private key '{key}' and certificate '{other}' do not match",
    ),
    "certificate has expired": (
        "+tls {expired_key} {expired} -ic",
        RUNS,
        "W: certificate {expired} (CN=expired,O=Hospital,C=DE) has expired on ",
    ),
    "certificate of the future": (
        "+tls {future_key} {future} -ic",
        RUNS,
        "W: certificate {future} (CN=future,O=Hospital,C=DE) is not valid before ",
    ),
    "authority missing": (
        "+tls {key} {crt} +cf {none}",
        "W: unable to load certificate file '{none}', ignoring",
        "F: cannot read {none}: No such file or directory",
    ),
    "directory missing": (
        "+tls {key} {crt} +cd {none}",
        RUNS,
        "F: cannot read {none}: No such file or directory",
    ),
    "no authority": (
        "+tls {key} {crt}",
        RUNS,
        "W: no peer can be verified without --add-cert-file or --add-cert-dir",
    ),
    "list missing": (
        "+tls {key} {crt} +cf {ca} +crl {none}",
        "W: unable to load CRL file '{none}', ignoring",
        "F: cannot read {none}: No such file or directory",
    ),
    "list in DER": (
        "-der +tls {key_der} {crt_der} +cf {ca_der} +crl {crl_der}",
        "W: unable to load CRL file '{crl_der}', ignoring",
        RUNS,
    ),
    "both kinds of lists": ("+tls {key} {crt} +cf {ca} +crl {crl} +cra", RUNS, RUNS),
    "unknown suite": ("+tls {key} {crt} +cs X", "F: 0001:0007 Illegal call", "F: unknown cipher suite: X "),
    "OpenSSL's name of a suite": (
        "+tls {key} {crt} +cs AES128-SHA",
        "F: 0001:0007 Illegal call",
        "F: unknown cipher suite: AES128-SHA (its name is TLS_RSA_WITH_AES_128_CBC_SHA)",
    ),
    "suite that the library lacks": (
        "+tls {key} {crt} +cs TLS_RSA_WITH_3DES_EDE_CBC_SHA",
        "F: Ciphersuite 'TLS_RSA_WITH_3DES_EDE_CBC_SHA' not supported by the OpenSSL library",
        "F: cipher suite TLS_RSA_WITH_3DES_EDE_CBC_SHA: OpenSSL ",
    ),
    "suite without encryption": (
        "+tls {key} {crt} +py +cs TLS_RSA_WITH_NULL_SHA",
        "F: Unencrypted ciphersuite 'TLS_RSA_WITH_NULL_SHA' not permitted with security profile '",
        "F: Unencrypted ciphersuite 'TLS_RSA_WITH_NULL_SHA' not permitted with security profile '",
    ),
    "suite without forward secrecy": (
        "+tls {key} {crt} -ic +cs TLS_RSA_WITH_AES_128_CBC_SHA",
        "W: Ciphersuite 'TLS_RSA_WITH_AES_128_CBC_SHA' uses RSA key transport.",
        "W: Ciphersuite 'TLS_RSA_WITH_AES_128_CBC_SHA' uses RSA key transport.",
    ),
    "parameters missing": (
        "+tls {key} {crt} -ic +dp {none}",
        "W: unable to load temporary DH parameter file '{none}', ignoring",
        "F: cannot read {none}: No such file or directory",
    ),
    "weak key of ours, older profile": (
        "+tls {weak_key} {weak} -ic +pn",
        "W: Key length of RSA public key too short: ",
        "W: Key length of RSA public key too short: ",
    ),
    "weak key of ours": (
        "+tls {weak_key} {weak} -ic +py",
        "W: Key length of RSA public key too short: ",
        "F: certificate has an RSA key of only 1024 bits, which --profile-bcp195-nd does not allow: {weak}",
    ),
    "DSA key": (
        "+tls {dsa_key} {dsa} -ic",
        RUNS,
        "F: private key {dsa_key} is a DSA key, which --profile-8996 does not allow",
    ),
    "DSA key without a suite": (
        "+tls {dsa_key} {dsa} -ic +pa",
        RUNS,
        "F: private key {dsa_key}: --profile-aes has no suite for keys of its kind",
    ),
    "DSA key without a suite, where there is TLS 1.3": (
        "+tls {dsa_key} {dsa} -ic +py",
        RUNS,
        "F: private key {dsa_key}: --profile-bcp195-nd has no suite for keys of its kind",
    ),
    "DSA key with a suite": (
        "+tls {dsa_key} {dsa} -ic +py +cs TLS_DHE_DSS_WITH_AES_256_GCM_SHA384",
        "W: Ciphersuite 'TLS_DHE_DSS_WITH_AES_256_GCM_SHA384' uses NO RSA key transport.",
        "W: TLS 1.3 has no DSA, as our key is: clients need TLS 1.2",
    ),
    "weak DSA key": (
        "+tls {dsa_weak_key} {dsa_weak} -ic +py +cs TLS_DHE_DSS_WITH_AES_256_GCM_SHA384",
        "W: Ciphersuite 'TLS_DHE_DSS_WITH_AES_256_GCM_SHA384' uses NO RSA key transport.",
        "F: TLS: ee key too small",
    ),
    "key for RSA-PSS": (
        "+tls {pss_key} {pss} -ic",
        RUNS,
        "F: private key {pss_key} is for RSA-PSS signatures only, which is not supported: take one for RSA",
    ),
    "EC key of a curve that TLS clients do not have": (
        "+tls {small_curve_key} {small_curve} -ic",
        RUNS,
        "F: private key {small_curve_key}: TLS has no group for its curve, secp224r1",
    ),
    "missing seed": ("+tls {key} {crt} -ic +rs {seed} +ws", RUNS, RUNS),
}


NAMED = ("expired", "future", "weak", "dsa", "dsa_weak", "small_curve")


@pytest.fixture(scope="module")
def places(certificates: Infrastructure) -> dict[str, str]:
    """What the names in `CASES` stand for."""
    (certificates.directory / "junk").write_text("no such thing\n")
    pss_key, pss = (str(certificates.directory / f"pss.{suffix}") for suffix in ("key", "crt"))
    words = ["req", "-x509", "-newkey", "rsa-pss", "-nodes", "-days", "99", "-subj", "/CN=pss"]
    subprocess.run(
        [real_program("openssl"), *words, "-keyout", pss_key, "-out", pss],
        check=True,
        capture_output=True,
        timeout=SECONDS,
    )
    server, infrastructure = certificates.server, certificates
    return {
        "none": str(certificates.directory / "none"),
        "seed": str(certificates.directory / "seed"),
        "junk": str(certificates.directory / "junk"),
        "key": server.key,
        "crt": server.crt,
        "key_der": server.key_der,
        "crt_der": server.crt_der,
        "locked": server.locked,
        "ca": infrastructure.ca.crt,
        "ca_der": infrastructure.ca.crt_der,
        "crl": infrastructure.current_crl,
        "crl_der": f"{infrastructure.current_crl}.der",
        "other": infrastructure.good.crt,
        "pss": pss,
        "pss_key": pss_key,
        **{name: getattr(infrastructure, name).crt for name in NAMED},
        **{f"{name}_key": getattr(infrastructure, name).key for name in NAMED},
    }


def theirs(storescp: ServerFactory, words: list[str]) -> tuple[bool, str]:
    """Tell whether storescp serves, and what it has said by then: its port is open before anything is loaded."""
    try:
        server = storescp(*words)
        with suppress(OSError), socket.create_connection(("127.0.0.1", server.port), SECONDS) as peer:
            peer.sendall(b"no TLS at all\r\n\r\n")
        server.wait_for(lambda: not server.is_running or "Receiving Association failed" in server.stderr)
    except AssertionError as ended:
        return False, str(ended)
    return server.is_running, server.stderr


def ours(scpd: ServerFactory, words: list[str]) -> tuple[bool, str]:
    """Tell whether scpd listens, and what it has said by then."""
    try:
        server = scpd(*words)
    except AssertionError as ended:
        return False, str(ended)
    return True, server.stderr


@pytest.mark.parametrize("name", CASES)
def test_both_say_what_is_listed(
    name: str, scpd: ServerFactory, storescp: ServerFactory, places: dict[str, str]
) -> None:
    line, they_say, we_say = (text.format(**places) for text in CASES[name])
    runs, said = theirs(storescp, line.split())
    assert runs is (they_say == RUNS or they_say.startswith("W: "))
    assert they_say == RUNS or they_say in said
    runs, said = ours(scpd, line.split())
    assert runs is (we_say == RUNS or we_say.startswith("W: "))
    assert runs or " ended with 1: " in said
    assert said == "" if we_say == RUNS else we_say in said


@pytest.mark.parametrize("check", [(), ("--check-config",)], ids=["start", "check"])
def test_names_of_peers_whom_nobody_asks_for_a_certificate_are_refused(
    places: dict[str, str], tmp_path: Path, reserved_port: ReservedPort, check: tuple[str, ...]
) -> None:
    # It would reject everybody, with a reason that leads astray.
    words = ["+tls", places["key"], places["crt"], "-ic", "--allow-peer-cn", "ct*", "-od", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-m", "scpd", *check, *words, str(reserved_port.number)],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.endswith("error: --allow-peer-cn not allowed with --ignore-peer-cert\n")


@pytest.mark.parametrize("name", CASES)
def test_a_check_finds_what_the_start_would(name: str, places: dict[str, str], tmp_path: Path) -> None:
    line, _, we_say = (text.format(**places) for text in CASES[name])
    command = [sys.executable, "-m", "scpd", "--check-config", "-od", str(tmp_path), "11112", *line.split()]
    done = subprocess.run(
        command,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        start_new_session=True,
        check=False,
    )
    assert done.returncode == we_say.startswith("F: ")
    expected = "" if we_say == RUNS else we_say.replace("W: ", "warning: ").removeprefix("F: ")
    if name == "nobody to ask for it":
        expected = expected.partition(", and")[0]
    assert done.stderr == "" if not expected else expected in done.stderr


def test_the_suites_are_storescps_and_those_of_its_newer_profiles() -> None:
    def listed(command: list[str]) -> set[str]:
        text = subprocess.run(
            [*command, "+cc"], env=ENVIRONMENT, capture_output=True, text=True, timeout=SECONDS, check=True
        ).stdout
        _, head, names = text.partition("Supported TLS ciphersuites are:\n")
        assert head
        return {line.strip() for line in names.splitlines() if line.startswith("  TLS_")}

    storescp, scpd = listed([real_program("storescp")]), listed([sys.executable, "-m", "scpd"])
    assert len(storescp) == 40
    assert scpd - storescp == {
        f"TLS_ECDHE_ECDSA_WITH_AES_{bits}_CCM{tag}" for bits in (128, 256) for tag in ("", "_8")
    }
    assert storescp <= scpd


def test_the_profiles_that_can_be_used_are_listed() -> None:
    text = subprocess.run(
        [sys.executable, "-m", "scpd", "+ph"],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=True,
    ).stdout
    assert "\nSupported TLS profiles are:\n  BCP 195 RFC 8996 (--profile-8996)\n" in text
    assert "--profile-basic" not in text  # OpenSSL has no 3DES any more


class Terminal:
    """scpd with a terminal of its own, and somebody who types there; standard input is another thing."""

    def __init__(self, words: list[str]) -> None:
        self.ours, self._theirs = pty.openpty()
        without_stdin = ["sh", "-c", 'exec "$0" "$@" </dev/null', sys.executable, "-m", "scpd", *words]
        self.process = subprocess.Popen(
            [real_program("setsid"), "--ctty", *without_stdin],
            env=ENVIRONMENT,
            stdin=self._theirs,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def wait_for(self, text: bytes) -> bytes:
        """Read what is shown, until this is."""
        shown = b""
        while text not in shown:
            shown += os.read(self.ours, 1024)
        return shown

    def type(self, text: bytes) -> None:
        os.write(self.ours, text)

    def end(self) -> tuple[int, str, bytes]:
        """Wait for the end; give the exit code, standard error, and what the terminal showed meanwhile."""
        stderr = self.process.communicate(timeout=SECONDS)[1]
        shown = b""
        os.set_blocking(self.ours, False)
        with suppress(OSError):
            shown = os.read(self.ours, 1024)
        os.close(self.ours)
        os.close(self._theirs)
        return self.process.returncode, stderr, shown


@pytest.fixture
def words(certificates: Infrastructure, tmp_path: Path) -> list[str]:
    server = certificates.server
    return ["+tls", server.locked, server.crt, "-ic", "--check-config", "-od", str(tmp_path), "11112"]


@pytest.mark.parametrize(
    ("typed", "code", "said"),
    [
        (b"secret\n", 0, ""),
        (b"wrong\n", 1, "wrong password for private key"),
        (b"\x04", 1, "nobody has told"),
    ],
)
def test_a_password_is_asked_for_on_the_terminal_without_echo(
    typed: bytes, code: int, said: str, words: list[str]
) -> None:
    terminal = Terminal(words)
    terminal.wait_for(b"Enter PEM pass phrase:")
    terminal.type(typed)
    ended, stderr, shown = terminal.end()
    assert (ended, bool(stderr)) == (code, bool(said))
    assert said in stderr
    assert typed.strip() not in shown or typed == b"\x04"


@pytest.fixture
def mine(certificates: Infrastructure, tmp_path: Path) -> Iterator[Pair]:
    """A pair whose files a test may change, in a directory that others may look into."""
    import tempfile

    pair = certificates.server
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield type(pair)(Path(folder), "mine", pair.private, pair.certificate, pair.chain).write()


def reloaded(server: Server) -> str:
    """Reload; give what the log says from then on."""
    before = len(server.stderr)
    server.signal(signal.SIGHUP)
    server.wait_for(lambda: any(text in server.stderr[before:] for text in ("I: reloaded", "not reloaded:")))
    return server.stderr[before:]


def is_executable_for_all(path: str) -> bool:
    place = Path(path).resolve()
    return all(each.stat().st_mode & 0o005 == 0o005 for each in (place, *place.parents))


class TestReload:
    def test_a_renewed_certificate_is_in_force_and_a_bad_one_is_not(
        self, scpd: ServerFactory, mine: Pair, certificates: Infrastructure
    ) -> None:
        server = scpd("-v", "+tls", mine.key, mine.crt, "-ic")
        soon = certificates.issue("soon", certificates.ca, days=(-1, 9))
        Path(mine.crt).write_bytes(Path(soon.crt).read_bytes())
        assert (
            f"not reloaded: Private key '{mine.key}' and certificate '{mine.crt}' do not match"
            in reloaded(server)
        )
        Path(mine.key).write_bytes(Path(soon.key).read_bytes())
        log = reloaded(server)
        assert "not reloaded" not in log
        assert f"W: certificate {mine.crt} (CN=soon,O=Hospital,C=DE) expires on " in log
        told = json.loads(scpctl("status", "--json", "-od", server.inbox).stdout)
        assert told["certificate_expires"] == soon.certificate.not_valid_after_utc.timestamp()
        assert "(in 9 d)" in scpctl("status", "-od", server.inbox).stdout

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
    def test_a_key_that_is_roots_is_kept_and_told_at_the_start_already(
        self, scpd: ServerFactory, mine: Pair, tmp_path: Path
    ) -> None:
        inbox = Path(mine.directory) / "inbox"
        inbox.mkdir()
        os.chown(inbox, 65534, 65534)
        server = scpd("-v", "+tls", mine.key, mine.crt, "-ic", "--user", "65534", "-od", str(inbox))
        told = f"cannot be renewed by reload: {mine.key}: Permission denied"
        assert server.stderr.count(told) == 1
        assert mine.crt not in server.stderr
        if not is_executable_for_all(sys.executable):
            pytest.skip("the interpreter is root's alone: no other user can reload")
        log = reloaded(server)
        assert "not reloaded" not in log
        assert told in log
        Path(mine.key).unlink()  # the place is open: this is seen
        assert f"not reloaded: cannot read {mine.key}: No such file or directory" in reloaded(server)

    def test_a_password_that_nobody_can_tell_now_is_not_needed_for_the_same_key(
        self, scpd: ServerFactory, mine: Pair
    ) -> None:
        password = mine.directory / "password"
        password.write_text(f"{PASSWORD}\n")
        server = scpd("-v", "+tls", mine.locked, mine.crt, "-ic", "--passwd-file", str(password))
        assert "not reloaded" not in reloaded(server)
        password.write_text("another\n")
        assert f"not reloaded: wrong password for private key {mine.locked}" in reloaded(server)


def test_a_new_seed_is_written_when_a_worker_ends(
    scpd: ServerFactory, server_words: list[str], tmp_path: Path
) -> None:
    seed = tmp_path / "seed"
    server = scpd(*server_words, "+rs", str(seed), "+ws")
    assert seed.read_bytes() == b""  # made by the master, for workers who may make none
    with socket.create_connection(("127.0.0.1", server.port), SECONDS) as peer:
        peer.sendall(b"no TLS at all\r\n\r\n")
        server.wait_for(lambda: seed.stat().st_size > 0, what="a seed")
    assert seed.stat().st_mode & 0o777 == 0o600


def test_a_super_server_gets_the_complaint_in_the_log_and_nothing_on_the_socket(
    certificates: Infrastructure, tmp_path: Path
) -> None:
    words = ["-id", "-od", str(tmp_path), "+tls", certificates.server.locked, certificates.server.crt]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        peer = socket.create_connection(listener.getsockname())
        stdin, _ = listener.accept()
    with peer:
        with stdin:
            done = subprocess.run(
                [sys.executable, "-m", "scpd", *words],
                env=ENVIRONMENT,
                stdin=stdin,
                capture_output=True,
                timeout=SECONDS,
                check=False,
            )
        assert peer.recv(100) == b""
    assert done.returncode == 1
    assert b"is encrypted, and its password cannot be asked for now" in done.stderr
