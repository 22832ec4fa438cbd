"""Who may connect (+ac): what clients get by the tables of the moment, the one line of the log, and storescp's way.

The language itself is tested in tests/unit/access and test_host_access.
"""

from __future__ import annotations

import os
import shutil
import socket
import stat
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.harness.clients import echoscu, scpctl, storescu
from tests.harness.ports import ReservedPort
from tests.harness.programs import real_program
from tests.harness.raw_peer import RawPeer
from tests.harness.servers import REPOSITORY, Server, ServerFactory
from tests.harness.storing import complaints
from tests.harness.studies import series, write
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECONDS = 20.0
MODES = pytest.mark.parametrize("mode", [["--fork"], []], ids=["fork", "single process"])
OTHER = "127.0.0.2"


class Tables:
    """A hosts.allow and a hosts.deny of the test."""

    def __init__(self, folder: Path) -> None:
        self.allow, self.deny = folder / "allow", folder / "deny"
        self.options = ["+ac", "--hosts-allow", str(self.allow), "--hosts-deny", str(self.deny)]

    def write(self, allow: str | None = None, deny: str | None = "ALL: ALL\n") -> None:
        """Write both, anew as an editor does; `None` is one that is not there."""
        for path, text in ((self.allow, allow), (self.deny, deny)):
            path.unlink(missing_ok=True)
            if text is not None:
                new = path.with_suffix(".new")
                new.write_text(text)
                new.rename(path)


@pytest.fixture
def tables(tmp_path: Path) -> Tables:
    return Tables(tmp_path)


def is_let_in(server: Server, source: str = "", host: str = "") -> bool:
    """Tell whether an association is given; who is not let in gets not a byte."""
    with RawPeer(server.port, host or server.host, SECONDS, source) as peer:
        answer = peer.request_association()
        if answer is None:
            return False
        peer.release()
    return True


def errors(server: Server) -> list[str]:
    return [line for line in complaints(server) if line.startswith("E:")]


def the_error(server: Server) -> str:
    """Wait for the one error of the log."""
    server.wait_for(lambda: errors(server), SECONDS, "an error in the log")
    (line,) = errors(server)
    return line


class TestAddresses:
    @MODES
    def test_a_client_of_an_allowed_net_stores_and_another_is_cut_off(
        self, scpd: ServerFactory, tables: Tables, tmp_path: Path, mode: list[str]
    ) -> None:
        tables.write("# ours\nstorescp: 127.0.0.0/255.255.255.254\n")
        server = scpd(*mode, *tables.options)
        (path,) = write(tmp_path / "out", series(1))
        assert storescu(server, path).returncode == 0
        server.wait_for_files(1)
        assert not is_let_in(server, OTHER)
        assert the_error(server).startswith(
            f"E: Receiving Association failed: denied by {tables.deny}:1 ({OTHER}:"
        )

    @MODES
    def test_ipv6_and_ipv4_on_one_socket(self, scpd: ServerFactory, tables: Tables, mode: list[str]) -> None:
        tables.write("scpd: [::1]\n")
        server = scpd(*mode, "-i0", *tables.options)
        assert is_let_in(server, host="::1")
        assert not is_let_in(server)
        assert f"{tables.deny}:1 (127.0.0.1:" in the_error(server)

    @pytest.mark.parametrize(("refuses", "message"), [("127.0.0.1", "Aborted"), ("10.0.0.1", "")])
    def test_echoscu(self, scpd: ServerFactory, tables: Tables, refuses: str, message: str) -> None:
        tables.write(None, f"ALL: {refuses}\n")
        result = echoscu(scpd(*tables.options), timeout=SECONDS)
        assert (result.returncode == 0) == (not message)
        assert bool(message) == ("Association Request Failed" in result.stderr)

    def test_missing_tables_let_everybody_in(self, scpd: ServerFactory, tables: Tables) -> None:
        server = scpd(*tables.options)
        assert is_let_in(server)
        assert complaints(server) == []

    def test_without_access_control_nobody_looks_at_tables(self, scpd: ServerFactory, tables: Tables) -> None:
        tables.write()
        assert is_let_in(scpd("-ac"))


class TestDaemons:
    def test_port_address_and_own_name(self, scpd: ServerFactory, tables: Tables, tmp_path: Path) -> None:
        port = ReservedPort()
        tables.write(f"{port.number}: 127.0.0.1\nscpd@127.0.0.1: {OTHER}\nmystore: 127.0.0.3\n")
        server = scpd("-v", *tables.options, port=port)
        assert is_let_in(server)
        assert is_let_in(server, OTHER)
        assert not is_let_in(server, "127.0.0.3")

    def test_the_name_of_a_link(self, tables: Tables, tmp_path: Path) -> None:
        tables.write("mystore: 127.0.0.3\n")
        launcher = tmp_path / "mystore"
        launcher.write_text(f"#!{sys.executable}\nfrom scpd.__main__ import main\nmain()\n")
        launcher.chmod(0o755)
        environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
        factory = ServerFactory([str(launcher)], tmp_path, "inbox", environment, may_leave=False)
        try:
            server = factory(*tables.options)
            assert is_let_in(server, "127.0.0.3")
            assert not is_let_in(server)
        finally:
            factory.finish()


class TestTables:
    def test_those_of_the_moment_count(self, scpd: ServerFactory, tables: Tables) -> None:
        tables.write("ALL: 127.0.0.1\n")
        server = scpd("--fork", *tables.options)
        assert is_let_in(server)
        tables.write("ALL: 127.0.0.9\n")
        assert not is_let_in(server)
        tables.write("ALL: 127.0.0.1\n")
        assert is_let_in(server)

    @pytest.mark.parametrize(
        ("allow", "place", "told"),
        [
            ("ALL: 127.0.0.1\nALL: 2001:db8::1\n", "allow:2", '"2001:db8::1": write [2001:db8::1]'),
            ("ALL: 127.0.0.1: twist /bin/true\n", "allow:1", "twist is not supported"),
            ("ALL: 127.0.0.1: nonsense\n", "allow:1", "no such option"),
            ("ALL: /does/not/exist\n", "allow:1", "the pattern file cannot be read"),
        ],
    )
    def test_a_broken_one_lets_nobody_in_and_says_where(
        self, scpd: ServerFactory, tables: Tables, allow: str, place: str, told: str
    ) -> None:
        tables.write(allow, None)
        server = scpd("--fork", *tables.options)
        assert not is_let_in(server)
        server.wait_for(
            lambda: len(errors(server)) == 2, SECONDS, "an error at the start, and one for the client"
        )
        begins = ("E: host access control: ", "E: Receiving Association failed: denied: ")
        for line, begin in zip(errors(server), begins, strict=True):
            assert line.startswith(f"{begin}{tables.allow.parent}/{place}")
            assert told in line

    def test_a_fifo_for_a_table_hangs_nobody(self, scpd: ServerFactory, tables: Tables) -> None:
        os.mkfifo(tables.deny)
        assert not is_let_in(scpd("--fork", *tables.options))

    def test_a_fault_in_a_rule_of_another_daemon_is_a_warning(
        self, scpd: ServerFactory, tables: Tables
    ) -> None:
        tables.write("sshd: ALL: nonsense\nALL: 127.0.0.1\n")
        server = scpd("--fork", *tables.options)
        assert is_let_in(server)
        (line,) = complaints(server)
        assert line.startswith(f"W: host access control: {tables.allow}:1")


class TestOptionsOfRules:
    def test_a_command_is_run_before_the_association_with_nothing_a_shell_would_take(
        self, scpd: ServerFactory, tables: Tables, tmp_path: Path
    ) -> None:
        notes = tmp_path / "notes"
        tables.write(f"ALL: 127.0.0.1: setenv WHO scanner : spawn echo %a %d %u $WHO >> {notes}\n")
        server = scpd("--fork", *tables.options)
        with RawPeer(server.port, source="", timeout=SECONDS) as peer:
            peer.send(b"\x01")  # it is run before the request is there
            wait_until(lambda: notes.exists() and notes.read_text(), SECONDS)
        assert notes.read_text() == "127.0.0.1 storescp unknown scanner\n"

    def test_a_command_that_does_not_agree_denies(self, scpd: ServerFactory, tables: Tables) -> None:
        tables.write("ALL: 127.0.0.1: aclexec false\nALL: ALL: aclexec true\n", None)
        server = scpd("--fork", *tables.options)
        assert not is_let_in(server)
        assert f"denied by {tables.allow}:1: aclexec did not agree" in the_error(server)
        assert is_let_in(server, OTHER)

    def test_severity_is_the_level_of_the_line(self, scpd: ServerFactory, tables: Tables) -> None:
        tables.write(f"ALL: 127.0.0.1: severity warning\nALL: {OTHER}: severity info: deny\n", None)
        server = scpd("--fork", "-v", *tables.options)
        assert is_let_in(server)
        assert not is_let_in(server, OTHER)
        server.wait_for_log(f"denied by {tables.allow}:2", SECONDS)
        levels = {line.split(" ", 1)[0] for line in server.stderr.splitlines() if f"{tables.allow}" in line}
        assert levels == {"W:", "I:"}

    def test_umask_is_for_this_connection(self, scpd: ServerFactory, tables: Tables, tmp_path: Path) -> None:
        tables.write(f"ALL: 127.0.0.1: umask 077\nALL: {OTHER}: umask 022\n")
        server = scpd("--fork", *tables.options)
        (path,) = write(tmp_path / "out", series(1))
        assert storescu(server, path).returncode == 0
        (name,) = server.wait_for_files(1)
        assert stat.S_IMODE((server.inbox / name).stat().st_mode) == 0o600


class TestNames:
    @pytest.mark.parametrize(("options", "expected"), [([], True), (["-dhl"], False)])
    def test_a_name_counts_unless_names_are_not_looked_up(
        self, scpd: ServerFactory, tables: Tables, options: list[str], expected: bool
    ) -> None:
        tables.write("ALL: localhost\n")
        server = scpd("--fork", "-i4", *options, *tables.options)
        assert is_let_in(server) is expected
        if not expected:
            assert "host name" not in the_error(server)

    def test_a_resolver_that_does_not_answer_delays_nobody_else(self, tables: Tables, tmp_path: Path) -> None:
        tables.write(f"ALL: {OTHER}\nALL: .hospital.example\n")
        with resolver_without_answers(tmp_path) as factory, silent_port():
            server = factory("--fork", *tables.options)
            begin = time.monotonic()
            waiting = RawPeer(server.port, timeout=SECONDS, source="127.0.0.77")
            with waiting:
                waiting.send(b"\x01\x00")
                assert is_let_in(server, OTHER)
                among = time.monotonic() - begin
                assert waiting.receive() is None
            taken = time.monotonic() - begin
            assert f"denied by {tables.deny}:1, host name unknown" in the_error(server)
        assert among < 1.5 < taken < 10  # a resolver's own patience is ten seconds


@contextmanager
def resolver_without_answers(folder: Path) -> Iterator[ServerFactory]:
    """A scpd in a mount namespace whose name server is 127.0.0.53, of which the test makes a silent one."""
    etc = own_etc(folder)
    (etc / "resolv.conf").unlink(missing_ok=True)
    (etc / "resolv.conf").write_text("nameserver 127.0.0.53\n")
    (etc / "nsswitch.conf").write_text("hosts: dns\n")
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    command = with_etc(etc, [sys.executable, "-m", "scpd"])
    factory = ServerFactory(command, folder, "inbox", environment, may_leave=False)
    try:
        yield factory
    finally:
        factory.finish()


@contextmanager
def silent_port() -> Iterator[None]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        try:
            silent.bind(("127.0.0.53", 53))
        except OSError as error:
            pytest.skip(f"no name server can be made here: {error.strerror}")
        yield


def own_etc(folder: Path) -> Path:
    """Give a copy of /etc, to stand in its place."""
    if os.geteuid() != 0:
        pytest.skip("only root may put other files in the place of /etc")
    etc = folder / "etc"
    shutil.copytree("/etc", etc, symlinks=True, ignore_dangling_symlinks=True)
    return etc


def with_etc(etc: Path, command: list[str]) -> list[str]:
    """Give the command line of a program that sees `etc` as /etc."""
    real_program("unshare")
    if subprocess.run(["unshare", "-m", "true"], check=False, capture_output=True).returncode:
        pytest.skip("no mount namespaces here")
    script = 'mount --bind "$1" /etc && shift && exec "$@"'
    return ["unshare", "-m", "sh", "-c", script, "sh", str(etc), *command]


class TestBesideStorescp:
    @pytest.mark.parametrize(
        ("allow", "deny"),
        [
            ("storescp: 127.0.0.1\n", "ALL: ALL\n"),
            ("ALL: 127.0.0.\n", "ALL: ALL\n"),
            ("", "storescp: 127.0.0.2\n"),
            ("sshd: ALL\n", "ALL EXCEPT sshd: 127.0.0.1\n"),
            ("ALL: 127.0.0.0/255.255.255.254\n", "ALL: KNOWN UNKNOWN\n"),
            ("ALL: ALL EXCEPT 127.0.0.2: allow\n", "ALL: ALL\n"),
            ("ALL: 127.0.0.1: deny\n", ""),
        ],
    )
    def test_the_same_clients_come_in(self, tables: Tables, tmp_path: Path, allow: str, deny: str) -> None:
        etc = own_etc(tmp_path)
        (etc / "hosts.allow").write_text(allow)
        (etc / "hosts.deny").write_text(deny)
        environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "TCP_NODELAY": "1"}
        programs = {"scpd": [sys.executable, "-m", "scpd"], "storescp": [real_program("storescp")]}
        told: dict[str, list[bool]] = {}
        for name, program in programs.items():
            command = with_etc(etc, program)
            factory = ServerFactory(command, tmp_path / name, "inbox", environment, may_leave=True)
            (tmp_path / name).mkdir()
            try:
                server = factory("-dhl", "+ac")
                told[name] = [is_let_in(server, source) for source in ("127.0.0.1", OTHER)]
            finally:
                factory.finish()
        assert told["scpd"] == told["storescp"]


class TestLimitsPerHost:
    def test_whom_the_rules_keep_out_gets_no_answer_beyond_the_limit_either(
        self, scpd: ServerFactory, tables: Tables
    ) -> None:
        tables.write("ALL: 127.0.0.1\n")
        server = scpd("--fork", "--max-associations-per-host", "1", *tables.options)
        with RawPeer(server.port, timeout=SECONDS, source=OTHER) as first:
            assert not is_let_in(server, OTHER)  # waits behind `first`, which says nothing
            first.close()
        assert f"denied by {tables.deny}:1" in the_error(server)


class TestAdministration:
    def test_check_config_tells_faults_and_warnings(self, tables: Tables, tmp_path: Path) -> None:
        def check() -> subprocess.CompletedProcess[str]:
            command = [
                sys.executable,
                "-m",
                "scpd",
                "--check-config",
                *tables.options,
                "-od",
                str(tmp_path),
                "11112",
            ]
            return subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY, check=False)

        tables.write("sshd: ALL: nonsense\n")
        odd = check()
        assert odd.returncode == 0
        assert odd.stderr.startswith(f"scpd: warning: {tables.allow}:1: ")
        tables.write("ALL: 10/8\nALL: ALL EXCEPT\n")
        broken = check()
        assert broken.returncode == 1
        assert [line.split(": ")[1] for line in broken.stderr.splitlines()] == [
            f"{tables.allow}:{n}" for n in (1, 2)
        ]

    def test_tables_without_access_control_are_a_wrong_command_line(self) -> None:
        command = [sys.executable, "-m", "scpd", "--hosts-allow", "x", "11112"]
        result = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY, check=False)
        assert result.returncode == 1
        assert "error: --hosts-allow only allowed with --access-control" in result.stderr

    @pytest.mark.parametrize(
        ("address", "calling", "code"),
        [("127.0.0.1", "CT1", 0), ("127.0.0.1", "NOBODY", 1), ("127.0.0.2", "CT1", 1)],
    )
    def test_scpctl_asks_both_tables(
        self, tables: Tables, tmp_path: Path, address: str, calling: str, code: int
    ) -> None:
        tables.write("ALL: 127.0.0.1\n")
        peers = tmp_path / "peers"
        peers.write_text("STORE CT1\n")
        words = ["--hosts-allow", str(tables.allow), "--hosts-deny", str(tables.deny), "--peers", str(peers)]
        result = scpctl("access", address, *words, "--called", "STORE", "--calling", calling)
        assert result.returncode == code, result.stdout + result.stderr
        assert "access:   " in result.stdout
        assert "verdict: " in result.stdout

    @pytest.mark.parametrize(
        "words", [["--calling", "A"], ["--peers", "x"], ["--peers", "x", "--called", "A"]]
    )
    def test_scpctl_wants_all_of_it(self, words: list[str]) -> None:
        result = scpctl("access", "127.0.0.1", *words)
        assert result.returncode == 2
        assert "--peers, --calling and --called belong together" in result.stderr
