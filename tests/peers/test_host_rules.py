"""The host rules (+ac) as real clients meet them: who is let in, who gets no byte, and the one line about it."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from time import monotonic
from typing import TYPE_CHECKING

import pytest

from tests.harness import wire
from tests.harness.clients import echoscu, pynetdicom_send, scpctl, storescu
from tests.harness.mounted import MuteNameServer, mounted, mounting
from tests.harness.processes import is_running
from tests.harness.raw_peer import CONTEXTS
from tests.harness.servers import REPOSITORY, ServerFactory, scpd_factory, storescp_factory
from tests.harness.storing import complaints, log_lines, wait_until_idle
from tests.harness.studies import SECONDS, series, write
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.harness.raw_peer import RawPeer
    from tests.harness.servers import Server

    Connect = Callable[..., RawPeer]

OTHER_HOST = "127.0.0.2"
NAMES_SECONDS = 2.0
MODES = pytest.mark.parametrize("mode", [["--fork"], ["--single-process"]], ids=["fork", "single process"])
ABORTED = "F: Association Request Failed: 0006:0317 Peer aborted Association (or never connected)\n"


class Tables:
    """hosts.allow and hosts.deny of a test, and the words that name them."""

    def __init__(self, folder: Path) -> None:
        self.allow, self.deny = folder / "hosts.allow", folder / "hosts.deny"
        self.files = [f"--hosts-allow={self.allow}", f"--hosts-deny={self.deny}"]
        self.words = ["+ac", "--hosts-allow", str(self.allow), "--hosts-deny", str(self.deny)]

    def write(self, allow: str = "", deny: str = "") -> list[str]:
        self.allow.write_text(allow)
        self.deny.write_text(deny)
        return self.words


@pytest.fixture
def tables(tmp_path: Path) -> Tables:
    return Tables(tmp_path)


def is_let_in(raw_peer: Connect, server: Server, **where: str) -> bool:
    """Ask for an association, and release one that is given; whoever is denied must not get a byte."""
    peer = raw_peer(server, timeout=SECONDS, **where)
    peer.send(wire.associate_request(CONTEXTS))
    answer = peer.receive()
    if answer is None:
        assert peer._buffer == b""
        peer.close()
        return False
    assert answer.type == wire.ASSOCIATE_AC
    peer.release()
    return True


def wait_for_complaints(server: Server, count: int) -> list[str]:
    """Wait for so many warnings and errors in the log, and for the end of all workers; no more than these come."""
    server.wait_for(lambda: len(complaints(server)) >= count, SECONDS, f"{count} complaints")
    wait_until_idle(server)
    assert len(complaints(server)) == count, server.stderr
    return complaints(server)


def denials(server: Server) -> list[str]:
    """Give what each denial says, without the port that the peer came from."""
    begin = "E: Receiving Association failed: denied "
    return [
        line.removeprefix(begin).rpartition(":")[0] for line in log_lines(server) if line.startswith(begin)
    ]


class TestAddresses:
    @MODES
    def test_clients_of_dcmtk_and_pynetdicom(
        self, scpd: ServerFactory, raw_peer: Connect, tables: Tables, tmp_path: Path, mode: list[str]
    ) -> None:
        words = tables.write("storescp: 127.0.0.2, [::1]\n", "# nobody else\nALL: ALL\n")
        server = scpd(*mode, *words, "-i0")
        (path,) = write(tmp_path / "out", series(1))
        for client in (storescu(server, path), echoscu(server)):
            assert (client.returncode != 0, client.stderr) == (True, ABORTED)
        server.host = "::1"
        assert pynetdicom_send(server, [path]) == [0]
        assert is_let_in(raw_peer, server, host="127.0.0.1", source=OTHER_HOST)
        assert len(server.files()) == 1
        (line,) = wait_for_complaints(server, 1)  # the second one within a minute is a detail
        assert line.startswith(f"E: Receiving Association failed: denied by {tables.deny}:2 (127.0.0.1:")

    @MODES
    def test_each_who_is_denied_is_told_of_with_address_and_line(
        self, scpd: ServerFactory, raw_peer: Connect, tables: Tables, mode: list[str]
    ) -> None:
        deny = "scpd: 127.0.0.2\nscpd: [::]/0\n126: ALL\nstorescp: 127.0.0.0/255.0.0.0 EXCEPT 127.0.0.4\n"
        server = scpd(*mode, *tables.write("", deny), "-i0")
        sources = [(OTHER_HOST, "127.0.0.1"), ("::1", "::1"), ("127.0.0.3", "127.0.0.1")]
        for number, (source, host) in enumerate(sources, 1):
            assert not is_let_in(raw_peer, server, source=source, host=host)
            wait_for_complaints(server, number)
        assert is_let_in(raw_peer, server, source="127.0.0.4", host="127.0.0.1")
        assert denials(server) == [
            f"by {tables.deny}:1 (127.0.0.2",
            f"by {tables.deny}:2 ([::1]",
            f"by {tables.deny}:4 (127.0.0.3",
        ]

    @pytest.mark.parametrize(("severity", "begin"), [("warning", "W: "), ("notice", "I: "), ("alert", "F: ")])
    def test_the_rule_says_at_which_level(
        self, scpd: ServerFactory, raw_peer: Connect, tables: Tables, severity: str, begin: str
    ) -> None:
        words = tables.write("", f"storescp: ALL: severity auth.{severity}\n")
        server = scpd("--fork", "-ll", "info", *words)
        assert not is_let_in(raw_peer, server)
        server.wait_for_log("denied by")
        wait_until_idle(server)
        (line,) = [line for line in log_lines(server) if "denied by" in line]
        assert line.startswith(f"{begin}Receiving Association failed: denied by {tables.deny}:1 (127.0.0.1:")

    def test_without_access_control_no_table_is_asked(
        self, scpd: ServerFactory, raw_peer: Connect, tables: Tables
    ) -> None:
        tables.write("", "ALL: ALL\n")
        assert is_let_in(raw_peer, scpd("--fork"))

    def test_tables_that_are_not_there_let_everybody_in_and_are_missed(
        self, scpd: ServerFactory, raw_peer: Connect, tables: Tables
    ) -> None:
        server = scpd("--fork", *tables.words)
        assert is_let_in(raw_peer, server)
        wait_until_idle(server)
        assert [line.partition(" does not exist")[0] for line in log_lines(server) if "exist" in line] == [
            f"W: host access control: {table}:" for table in (tables.allow, tables.deny)
        ]

    def test_one_that_speaks_no_dicom_learns_nothing_either(
        self, scpd: ServerFactory, raw_peer: Connect, tables: Tables
    ) -> None:
        server = scpd("--fork", *tables.write("", "ALL: ALL\n"))
        browser = raw_peer(server)
        browser.send(b"GET / HTTP/1.1\r\n\r\n")
        assert browser.receive_until_closed() == []
        (line,) = wait_for_complaints(server, 1)
        assert f"denied by {tables.deny}:1" in line
        assert "DICOM" not in server.stderr


class TestBesideStorescp:
    """The same tables at /etc, the same clients."""

    @pytest.fixture
    def pair(
        self, tmp_path: Path, _no_child_is_left_behind: None, _raw_peers: list[RawPeer]
    ) -> Iterator[Callable[[str, str], tuple[Server, Server]]]:
        factories: list[ServerFactory] = []

        def start(allow: str, deny: str) -> tuple[Server, Server]:
            files = {
                "/etc/hosts.allow": allow,
                "/etc/hosts.deny": deny,
                "/etc/hosts": "127.0.0.1 localhost\n127.0.0.2 ct2.example\n127.0.0.3 ct3.other\n",
                "/etc/nsswitch.conf": "hosts: files\n",
            }
            factories.extend(
                mounted(plain, tmp_path, files)
                for plain in (scpd_factory(tmp_path), storescp_factory(tmp_path))
            )
            ours, theirs = (factory("--fork", "+ac") for factory in factories)
            return ours, theirs

        yield start
        for peer in _raw_peers:
            peer.close()
        for factory in factories:
            factory.finish()

    @pytest.mark.parametrize(
        ("allow", "deny", "expected"),
        [
            ("storescp: 127.0.0.2\n", "ALL: ALL\n", [False, True, False]),
            ("ALL: .example\n", "storescp: ALL\n", [False, True, False]),
            ("ALL: localhost, 127.0.0.3\n", "ALL: ALL\n", [True, False, True]),
            ("", "storescp: 127. EXCEPT 127.0.0.2\n", [False, True, False]),
            ("", "sshd: ALL\nstorescp: *.other\n", [True, True, False]),
            ("storescp: 127.0.0.0/255.255.255.254: deny\nALL: ALL\n", "", [False, True, True]),
            ("", "", [True, True, True]),
        ],
    )
    def test_the_same_verdicts(
        self,
        pair: Callable[[str, str], tuple[Server, Server]],
        raw_peer: Connect,
        allow: str,
        deny: str,
        expected: list[bool],
    ) -> None:
        ours, theirs = pair(allow, deny)
        sources = ["127.0.0.1", "127.0.0.2", "127.0.0.3"]
        verdicts = [
            [is_let_in(raw_peer, server, source=source) for source in sources] for server in (ours, theirs)
        ]
        assert verdicts == [expected, expected]
        count = expected.count(False)
        wait_for_complaints(ours, count)
        theirs.wait_for(
            lambda: theirs.stderr.count("TCP wrapper: denied connection from ") == count,
            what="as many lines of storescp",
        )
        assert len(denials(ours)) == count

    def test_the_client_sees_no_difference(
        self, pair: Callable[[str, str], tuple[Server, Server]], raw_peer: Connect
    ) -> None:
        answers = [echoscu(server) for server in pair("", "storescp: ALL\n")]
        assert [(answer.returncode, answer.stderr) for answer in answers] == [(1, ABORTED)] * 2


class TestChanges:
    @MODES
    def test_a_changed_table_is_obeyed_at_once(
        self, scpd: ServerFactory, raw_peer: Connect, tables: Tables, mode: list[str]
    ) -> None:
        server = scpd(*mode, *tables.write("", "ALL: ALL\n"))
        assert not is_let_in(raw_peer, server)
        tables.allow.write_text("storescp: 127.0.0.1\n")
        assert is_let_in(raw_peer, server)
        new = tables.allow.with_name("new")
        new.write_text("storescp: 127.0.0.9\n")
        new.rename(tables.allow)
        assert not is_let_in(raw_peer, server)
        tables.deny.unlink()
        assert is_let_in(raw_peer, server)

    def test_a_pattern_file_of_the_moment_too(
        self, scpd: ServerFactory, raw_peer: Connect, tables: Tables, tmp_path: Path
    ) -> None:
        listed = tmp_path / "scanners"
        listed.write_text("127.0.0.9\n")
        server = scpd("--fork", *tables.write(f"storescp: {listed}\n", "ALL: ALL\n"))
        assert not is_let_in(raw_peer, server)
        listed.write_text("127.0.0.9\n127.0.0.1\n")
        assert is_let_in(raw_peer, server)


class TestBrokenTables:
    @MODES
    def test_one_lets_nobody_in_and_is_told_at_the_start_and_for_each_connection(
        self, scpd: ServerFactory, raw_peer: Connect, tables: Tables, mode: list[str]
    ) -> None:
        server = scpd(*mode, *tables.write("ALL: 127.\nstorescp: 10/8\n"))
        where = f'{tables.allow}:2: "10/8": matches nobody: write 10.0.0.0/8'
        server.wait_for_log(f"E: host access control: {where}\n")
        for number, source in enumerate(("127.0.0.1", OTHER_HOST), 2):
            assert not is_let_in(raw_peer, server, source=source)
            assert f"failed: denied: {where} ({source}:" in wait_for_complaints(server, number)[-1]
        tables.write("ALL: 127.\nstorescp: 10.0.0.0/8\n")
        assert is_let_in(raw_peer, server)

    def test_one_that_breaks_while_we_serve(
        self, scpd: ServerFactory, raw_peer: Connect, tables: Tables
    ) -> None:
        server = scpd("--fork", *tables.write("ALL: ALL\n"))
        assert is_let_in(raw_peer, server)
        tables.deny.unlink()
        tables.deny.mkdir()
        assert not is_let_in(raw_peer, server)
        (line,) = wait_for_complaints(server, 1)
        assert f"denied: {tables.deny}: cannot be read: not a regular file (127.0.0.1:" in line

    def test_a_fault_in_a_rule_of_another_daemon_is_a_warning(
        self, scpd: ServerFactory, raw_peer: Connect, tables: Tables
    ) -> None:
        server = scpd("--fork", *tables.write("sshd: 10/8\nstorescp: 127.0.0.1\n", "ALL: ALL\n"))
        assert is_let_in(raw_peer, server)
        wait_until_idle(server)
        assert complaints(server) == [
            f'W: host access control: {tables.allow}:1: "10/8": matches nobody: write 10.0.0.0/8'
        ]


class TestDaemonNames:
    @pytest.fixture
    def linked(
        self, tmp_path: Path, scpd: ServerFactory, _raw_peers: list[RawPeer]
    ) -> Iterator[ServerFactory]:
        """Starts scpd by way of a link that is named mystore."""
        program = tmp_path / "scpd"
        program.write_text(
            f"#!{sys.executable}\nimport sys\nfrom scpd.__main__ import main\nsys.exit(main())\n"
        )
        program.chmod(0o755)
        link = tmp_path / "mystore"
        link.symlink_to(program)
        factory = ServerFactory([str(link)], tmp_path, "inbox", scpd._environment, may_leave=False)
        yield factory
        for peer in _raw_peers:
            peer.close()
        factory.finish()

    @pytest.mark.parametrize("daemon", ["mystore", "storescp", "scpd", "MYSTORE@127.0.0.1"])
    def test_the_name_that_it_was_called_by_and_its_own(
        self, linked: ServerFactory, raw_peer: Connect, tables: Tables, daemon: str
    ) -> None:
        server = linked("--fork", *tables.write("", f"{daemon}: 127.0.0.1\n"))
        assert not is_let_in(raw_peer, server)
        assert is_let_in(raw_peer, server, source=OTHER_HOST)

    def test_a_name_that_it_was_not_called_by_is_another_daemon(
        self, scpd: ServerFactory, raw_peer: Connect, tables: Tables
    ) -> None:
        assert is_let_in(raw_peer, scpd("--fork", *tables.write("", "mystore: ALL\n")))

    def test_its_port(self, scpd: ServerFactory, raw_peer: Connect, tables: Tables) -> None:
        server = scpd("--fork", *tables.write())
        tables.write("", f"{server.port}: ALL\n")
        assert not is_let_in(raw_peer, server)
        tables.write("", f"{server.port + 1}: ALL\n{server.port}@127.0.0.9: ALL\n")
        assert is_let_in(raw_peer, server)


class TestNames:
    """Rules for names; /etc/hosts is what these servers have mounted there."""

    @pytest.fixture
    def scpd_with_hosts(
        self, tmp_path: Path, _no_child_is_left_behind: None, _raw_peers: list[RawPeer]
    ) -> Iterator[ServerFactory]:
        hosts = "127.0.0.1 localhost\n127.0.0.2 ct2.example\n::1 ct6.example\n127.0.0.9 liar.example\n"
        files = {"/etc/hosts": hosts, "/etc/nsswitch.conf": "hosts: files\n"}
        factory = mounted(scpd_factory(tmp_path), tmp_path, files)
        yield factory
        for peer in _raw_peers:
            peer.close()
        factory.finish()

    @MODES
    def test_a_suffix_and_a_whole_name(
        self, scpd_with_hosts: ServerFactory, raw_peer: Connect, tables: Tables, mode: list[str]
    ) -> None:
        words = tables.write("storescp: .example\n", "ALL: localhost\nALL: ALL\n")
        server = scpd_with_hosts(*mode, "-i0", *words)
        assert is_let_in(raw_peer, server, source=OTHER_HOST)
        assert is_let_in(raw_peer, server, host="::1")
        assert not is_let_in(raw_peer, server)
        wait_for_complaints(server, 1)
        assert not is_let_in(raw_peer, server, source="127.0.0.3")
        wait_for_complaints(server, 2)
        assert [line.partition(" (")[0] for line in denials(server)] == [
            f"by {tables.deny}:1, host name localhost",
            f"by {tables.deny}:2, host name unknown",
        ]

    @pytest.mark.parametrize("daemons", ["storescp", "storescp@ct2.example"])
    def test_with_dhl_there_are_none(
        self, scpd_with_hosts: ServerFactory, raw_peer: Connect, tables: Tables, daemons: str
    ) -> None:
        words = tables.write(f"{daemons}: .example\nALL: KNOWN, LOCAL\n", "ALL: ALL\n")
        server = scpd_with_hosts("--fork", "-dhl", *words)
        assert not is_let_in(raw_peer, server, source=OTHER_HOST)
        (line,) = wait_for_complaints(server, 1)
        assert f"denied by {tables.deny}:1 (" in line


class TestASilentResolver:
    @pytest.fixture
    def name_server(self) -> Iterator[MuteNameServer]:
        server = MuteNameServer()
        yield server
        server.socket.close()

    @pytest.fixture
    def scpd_asking(
        self,
        tmp_path: Path,
        name_server: MuteNameServer,
        _no_child_is_left_behind: None,
        _raw_peers: list[RawPeer],
    ) -> Iterator[ServerFactory]:
        factory = mounted(scpd_factory(tmp_path), tmp_path, name_server.files())
        yield factory
        for peer in _raw_peers:
            peer.close()
        factory.finish()

    @pytest.mark.parametrize(
        ("pattern", "is_granted"), [(".example", False), ("KNOWN", False), ("UNKNOWN", True)]
    )
    def test_delays_one_worker_for_its_time_and_nobody_else(
        self,
        scpd_asking: ServerFactory,
        raw_peer: Connect,
        tables: Tables,
        name_server: MuteNameServer,
        pattern: str,
        is_granted: bool,
    ) -> None:
        words = tables.write(f"storescp: 127.0.0.1\nstorescp: {pattern}\n", "ALL: ALL\n")
        server = scpd_asking("--fork", "-v", "-ta", "1", *words)
        name_server.questions()
        peer = raw_peer(server, timeout=SECONDS, source=OTHER_HOST)
        begin = monotonic()
        peer.send(wire.associate_request(CONTEXTS, calling="WAITING"))
        name_server.wait_for_question()
        assert is_let_in(raw_peer, server)
        assert "WAITING" not in server.stderr
        peer.socket.setblocking(False)
        with pytest.raises(BlockingIOError):
            peer.socket.recv(1)
        peer.socket.settimeout(SECONDS)
        answer = peer.receive()
        # -v wants the name, too, and does not ask for it again.
        assert monotonic() - begin >= NAMES_SECONDS
        assert name_server.questions() == 0
        assert (answer is not None) == is_granted
        if is_granted:
            peer.release()
        else:
            server.wait_for_log(f"denied by {tables.deny}:1, host name unknown (127.0.0.2:")

    def test_a_worker_that_waits_for_it_ends_when_it_is_told_to(
        self, scpd_asking: ServerFactory, raw_peer: Connect, tables: Tables, name_server: MuteNameServer
    ) -> None:
        words = tables.write("ALL: .example\n", "ALL: ALL\n")
        server = scpd_asking("--fork", "--grace", "0", *words)
        peer = raw_peer(server, timeout=SECONDS, source=OTHER_HOST)
        peer.send(wire.associate_request(CONTEXTS))
        name_server.wait_for_question()
        server.stop()
        assert peer.receive_until_closed() == []
        (line,) = complaints(server)
        assert line.startswith("W: Receiving Association failed: stopped by the administrator before ")

    def test_nobody_is_asked_where_the_address_decides_or_with_dhl(
        self, scpd_asking: ServerFactory, raw_peer: Connect, tables: Tables, name_server: MuteNameServer
    ) -> None:
        words = tables.write("storescp: .example, 127.0.0.2\n", "ALL: 127.0.0.3\nALL: .example\n")
        server = scpd_asking("--fork", *words)
        assert is_let_in(raw_peer, server, source=OTHER_HOST)
        server = scpd_asking("--fork", "-dhl", *words)
        assert not is_let_in(raw_peer, server, source="127.0.0.3")
        assert is_let_in(raw_peer, server, source="127.0.0.4")
        assert name_server.questions() == 0

    def test_check_config_asks_for_a_name_once(
        self, tmp_path: Path, tables: Tables, name_server: MuteNameServer
    ) -> None:
        words = tables.write("storescp: ct1.example\n", "ALL: ct2.example\n")
        prefix = mounting(tmp_path, name_server.files("timeout:1 attempts:1"))
        plain = scpd_factory(tmp_path)
        ended = subprocess.run(
            [*prefix, *plain._command, "--check-config", *words, "104"],
            cwd=tmp_path,
            env=plain._environment,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert (ended.returncode, ended.stderr) == (0, "")
        assert name_server.questions() <= 2  # its IPv4 and its IPv6 addresses


class TestCommands:
    def test_a_spawned_one_has_safe_values_and_comes_before_the_association(
        self, scpd: ServerFactory, raw_peer: Connect, tables: Tables, tmp_path: Path
    ) -> None:
        told = tmp_path / "told"
        command = f"echo %a %r %A %R %d %c %u %s %% $WHY $0 >{told}"
        server = scpd(
            "--fork", "-ll", "info", *tables.write(f"ALL: 127.: setenv WHY for_%a: spawn {command}\n")
        )
        peer = raw_peer(server, timeout=SECONDS)
        peer.associate()
        port = peer.socket.getsockname()[1]
        assert told.read_text().split() == [
            "127.0.0.1",
            str(port),
            "127.0.0.1",
            str(server.port),
            "storescp",
            "127.0.0.1",
            "unknown",
            "storescp@127.0.0.1",
            "%",
            "for_127.0.0.1",
            "sh",
        ]
        peer.release()

    def test_the_association_waits_for_one_that_is_not_beside(
        self, scpd: ServerFactory, raw_peer: Connect, tables: Tables, tmp_path: Path
    ) -> None:
        fifo = tmp_path / "fifo"
        os.mkfifo(fifo)
        server = scpd("--fork", "-ll", "info", *tables.write(f"ALL: ALL: spawn read line <{fifo}\n"))
        peer = raw_peer(server, timeout=SECONDS)
        peer.send(wire.associate_request(CONTEXTS))
        descriptor = os.open(fifo, os.O_WRONLY)  # waits for the command
        assert "Association Received" not in server.stderr
        peer.socket.setblocking(False)
        with pytest.raises(BlockingIOError):
            peer.socket.recv(1)
        peer.socket.settimeout(SECONDS)
        os.write(descriptor, b"go\n")
        os.close(descriptor)
        answer = peer.receive()
        assert answer is not None
        assert answer.type == wire.ASSOCIATE_AC
        peer.release()

    def test_one_beside_it_that_does_not_end_is_left_alone(
        self, scpd: ServerFactory, raw_peer: Connect, tables: Tables, tmp_path: Path
    ) -> None:
        fifo = tmp_path / "fifo"
        os.mkfifo(fifo)
        words = tables.write(f"ALL: ALL: spawn read line <{fifo}; echo $line >{tmp_path}/told &\n")
        server = scpd("--fork", *words)
        assert is_let_in(raw_peer, server)
        fifo.write_text("done\n")
        server.wait_for(lambda: (tmp_path / "told").exists() and (tmp_path / "told").read_text() == "done\n")

    @MODES
    def test_one_that_says_no_lets_nobody_in(
        self, scpd: ServerFactory, raw_peer: Connect, tables: Tables, mode: list[str]
    ) -> None:
        server = scpd(*mode, *tables.write("ALL: 127.: aclexec test %a = 127.0.0.1\n", ""))
        assert is_let_in(raw_peer, server)
        assert not is_let_in(raw_peer, server, source=OTHER_HOST)
        (line,) = wait_for_complaints(server, 1)
        assert f"denied by {tables.allow}:1: aclexec did not agree (127.0.0.2:" in line

    @pytest.mark.parametrize("option", ["spawn", "aclexec"])
    def test_a_worker_that_waits_for_one_ends_when_it_is_told_to_and_ends_it(
        self, scpd: ServerFactory, raw_peer: Connect, tables: Tables, tmp_path: Path, option: str
    ) -> None:
        fifo = tmp_path / "fifo"
        os.mkfifo(fifo)
        words = tables.write(f"ALL: ALL: {option} echo $$ >{fifo}; exec sleep 60\n")
        server = scpd("--fork", "--grace", "0", *words)
        peer = raw_peer(server, timeout=SECONDS)
        peer.send(wire.associate_request(CONTEXTS))
        pid = int(fifo.read_text())
        assert is_running(pid)
        peer.close()
        server.stop()
        wait_until(lambda: not is_running(pid), what="the end of the command")
        (line,) = complaints(server)
        assert line.startswith("W: ")
        assert "stopped by the administrator" in line

    @pytest.mark.parametrize(("mask", "mode"), [("077", 0o600), ("027", 0o640), ("000", 0o666)])
    def test_umask_is_that_of_what_is_stored(
        self, scpd: ServerFactory, tables: Tables, tmp_path: Path, mask: str, mode: int
    ) -> None:
        server = scpd("--fork", *tables.write(f"ALL: 127.: umask {mask}\n", "ALL: ALL\n"))
        (path,) = write(tmp_path / "out", series(1))
        assert storescu(server, path).returncode == 0
        (stored,) = [each for each in server.inbox.iterdir() if each.is_file()]
        assert stat.S_IMODE(stored.stat().st_mode) == mode


class TestWithALimitPerHost:
    LIMIT = ("--max-associations-per-host", "1")

    @pytest.mark.parametrize("options", ["", ": severity warning"])
    def test_who_is_denied_and_one_too_many_gets_no_answer(
        self, scpd: ServerFactory, raw_peer: Connect, tables: Tables, options: str
    ) -> None:
        server = scpd("--fork", *self.LIMIT, *tables.write())
        raw_peer(server).associate()
        tables.write("", f"ALL: 127.0.0.1{options}\n")
        peer = raw_peer(server, timeout=SECONDS)
        peer.send(wire.associate_request(CONTEXTS))
        assert peer.receive_until_closed() == []
        server.wait_for(lambda: complaints(server), what="a line about it")
        (line,) = complaints(server)
        letter = "W" if options else "E"
        assert line.startswith(
            f"{letter}: Receiving Association failed: denied by {tables.deny}:1 (127.0.0.1:"
        )
        assert line.endswith(f", has 1 already, {self.LIMIT[0]} 1)")

    def test_who_is_let_in_and_one_too_many_is_told_to_come_again(
        self, scpd: ServerFactory, raw_peer: Connect, tables: Tables, tmp_path: Path
    ) -> None:
        words = tables.write(f"ALL: 127.0.0.1: spawn echo told >>{tmp_path}/told\n", "ALL: ALL\n")
        server = scpd("--fork", *self.LIMIT, *words)
        raw_peer(server, timeout=SECONDS).associate()
        answer = raw_peer(server, timeout=SECONDS).request_association()
        assert answer == wire.Pdu(wire.ASSOCIATE_RJ, b"\0\2\3\1")
        assert (tmp_path / "told").read_text() == "told\n"


class TestTheCommandLine:
    def check(self, *words: str) -> subprocess.CompletedProcess[str]:
        plain = [sys.executable, "-m", "scpd", *words, "104"]
        environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(REPOSITORY)}
        return subprocess.run(plain, env=environment, capture_output=True, text=True, timeout=60, check=False)

    def test_check_config_tells_all_faults_and_warnings(self, tables: Tables, tmp_path: Path) -> None:
        words = tables.write(
            "ALL: 10/8\nsshd: ALL: permit\nstorescp: ALL: twist true\n", "LOCAL: 10.\nALL ALL\n"
        )
        ended = self.check("--check-config", "-od", str(tmp_path), *words)
        lines = [line.replace(f"{tmp_path}/", "") for line in ended.stderr.splitlines()]
        assert (ended.returncode, ended.stdout) == (1, "")
        begins = [
            'scpd: hosts.allow:1: "10/8": ',
            'scpd: hosts.allow:3: "twist true": twist is not supported: ',
            'scpd: hosts.deny:2: "ALL ALL": ',
            'scpd: warning: hosts.allow:2: "permit": ',
            'scpd: warning: hosts.deny:1: "LOCAL": ',
        ]
        assert len(lines) == len(begins)
        for line, begin in zip(lines, begins, strict=True):
            assert line.startswith(begin), line

    def test_warnings_alone_are_no_failure(self, tables: Tables, tmp_path: Path) -> None:
        words = tables.write("sshd: 10/8\n", "ALL: ALL: spawn echo %z\n")
        ended = self.check("--check-config", "-od", str(tmp_path), *words)
        assert ended.returncode == 0
        assert [line.split(": ")[1] for line in ended.stderr.splitlines()] == ["warning", "warning"]

    def test_tables_without_access_control_are_an_error(self, tables: Tables) -> None:
        for word in tables.files:
            ended = self.check(*word.split("="))
            assert ended.returncode == 1
            (line,) = [line for line in ended.stderr.splitlines() if "--hosts-" in line]
            assert "--access-control" in line


class TestScpctl:
    """scpctl access answers as the daemon does, for both tables."""

    PEERS = "STORE CT1@127.0.0.1\n"

    @pytest.mark.parametrize(
        ("address", "calling", "code", "said"),
        [
            ("127.0.0.1", "CT1", 0, ["access:   granted", "verdict: may send"]),
            ("127.0.0.1", "MR1", 1, ["access:   granted", "verdict: rejected (1/1/3"]),
            ("127.0.0.2", "CT1", 1, ["access:   granted", "verdict: rejected (1/1/3"]),
            ("127.0.0.3", "CT1", 1, ["access:   denied", "verdict: rejected (1/1/3"]),
        ],
    )
    def test_both_tables(  # noqa: PLR0917 - the table has as many columns
        self,
        scpd: ServerFactory,
        raw_peer: Connect,
        tables: Tables,
        tmp_path: Path,
        address: str,
        calling: str,
        code: int,
        said: list[str],
    ) -> None:
        (tmp_path / "peers").write_text(self.PEERS)
        words = tables.write("", "storescp: 127.0.0.3\n")
        peers = ["--peers", str(tmp_path / "peers")]
        told = scpctl("access", *tables.files, *peers, "--calling", calling, "--called", "STORE", address)
        assert told.returncode == code, told.stderr
        verdicts = [line for line in told.stdout.splitlines() if line.startswith(("access:", "verdict:"))]
        assert [line[: len(text)] for line, text in zip(verdicts, said, strict=True)] == said
        server = scpd("--fork", *words, *peers)
        peer = raw_peer(server, timeout=SECONDS, source=address)
        answer = peer.request_association(called="STORE", calling=calling)
        kind = None if answer is None else answer.type
        granted = said[0].endswith("granted")
        assert kind == (None if not granted else wire.ASSOCIATE_RJ if code else wire.ASSOCIATE_AC)
        peer.close()

    @pytest.mark.parametrize("words", [["--calling", "A"], ["--called", "B"], ["--peers", "x"]])
    def test_half_a_question_is_a_wrong_one(self, tables: Tables, words: list[str]) -> None:
        tables.write()
        assert scpctl("access", *tables.files, *words, "127.0.0.1").returncode == 2

    def test_a_fault_of_either_table_is_told(self, tables: Tables, tmp_path: Path) -> None:
        tables.write("ALL: 10/8\n")
        (tmp_path / "peers").write_text("STORE\n")
        words = ["--peers", str(tmp_path / "peers"), "--calling", "A", "--called", "B", "127.0.0.1"]
        told = scpctl("access", *tables.files, *words)
        assert told.returncode == 1
        assert [line.split(": ")[1] for line in told.stderr.splitlines()] == [
            f"{tables.allow}:1",
            f"{tmp_path}/peers",
        ]
