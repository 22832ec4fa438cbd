"""The gate: what a rule's options do, at which level is logged what it says, and what a refuser may ask of it."""

from __future__ import annotations

import logging
import os
import socket
import struct
from typing import TYPE_CHECKING

import pytest

from scpd.access.commands import Commands
from scpd.access.names import verify
from scpd.access.tables import Tables
from scpd.access.verdict import Action
from scpd.errors import Denied
from scpd.worker.gate import Gate, _level, _obey
from scpd.worker.peer import Peer
from scpd.worker.service import Surroundings
from tests.harness.forked import in_child
from tests.unit.access.test_commands import Renewed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ADDRESS, SERVER_PORT = "127.0.0.1", 104


class NoLogs:
    """Logging that holds nothing open."""

    def descriptors(self) -> tuple[int, ...]:
        return ()


class NoCommands:
    """Takes commands, and runs none."""

    def __init__(self, *, has_processes: bool = True) -> None:
        self.spawned: list[tuple[str, list[object]]] = []
        self._has_processes = has_processes

    def spawn(self, command: str, before: list[Action]) -> bool:
        self.spawned.append((command, [action.value for action in before]))
        return self._has_processes


@pytest.fixture
def around() -> Iterator[Surroundings]:
    wakeup = Renewed()
    yield Surroundings(None, wakeup, NoLogs())  # type: ignore[arg-type]
    wakeup.close()


@pytest.fixture
def sock() -> Iterator[socket.socket]:
    """Our end of an accepted connection."""
    with (
        socket.create_server((ADDRESS, 0)) as listener,
        socket.create_connection(listener.getsockname()),
        listener.accept()[0] as ours,
    ):
        yield ours


@pytest.fixture
def commands(around: Surroundings) -> Commands:
    return Commands(around.wakeup)


class Gates:
    """Gates whose tables are these texts."""

    def __init__(self, folder: Path) -> None:
        self.allow, self.deny = folder / "hosts.allow", folder / "hosts.deny"

    def __call__(self, allow: str = "", deny: str = "", *, asks_names: bool = False) -> Gate:
        self.allow.write_text(allow)
        self.deny.write_text(deny)
        tables = Tables(str(self.allow), str(self.deny))
        return Gate(tables, ("storescp", "scpd", "mystore"), SERVER_PORT, asks_names=asks_names)


@pytest.fixture
def gates(tmp_path: Path) -> Gates:
    return Gates(tmp_path)


@pytest.fixture
def localhost() -> str:
    """The name of this host, where it is what most hosts call themselves."""
    try:
        name = verify(ADDRESS)
    except OSError:
        name = ""
    if name != "localhost":
        pytest.skip("this host does not know itself as localhost")
    return name


def refusal(gate: Gate, sock: socket.socket, around: Surroundings, host: str = ADDRESS) -> Denied:
    with pytest.raises(Denied) as caught:
        gate.let_in(sock, Peer((host, 4711)), around)
    return caught.value


# The options of a rule


@pytest.mark.parametrize(
    ("severity", "level"),
    [
        ("emerg", logging.CRITICAL),
        ("alert", logging.CRITICAL),
        ("auth.crit", logging.CRITICAL),
        ("err", logging.ERROR),
        ("daemon.warning", logging.WARNING),
        ("notice", logging.INFO),
        ("local7.info", logging.INFO),
        ("debug", logging.DEBUG),
    ],
)
def test_a_severity_of_syslog_is_a_level_of_ours(severity: str, level: int) -> None:
    assert _level((Action("severity", severity),)) == level


def test_the_last_severity_counts_and_without_one_the_rule_says_nothing() -> None:
    assert _level((Action("severity", "err"), Action("keepalive", None), Action("severity", "debug"))) == 10
    assert _level((Action("keepalive", None),)) is None


def test_keepalive_and_linger_are_set_on_the_connection(sock: socket.socket, commands: Commands) -> None:
    def said() -> tuple[int, tuple[int, int]]:
        linger = sock.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8)
        return sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE), struct.unpack("ii", linger)

    assert _obey((Action("setenv", ("A", "b")),), sock, commands) is None
    assert said() == (0, (0, 0))
    assert _obey((Action("keepalive", None), Action("linger", 7), Action("severity", "info")), sock, commands)
    assert said() == (1, (1, 7))


def test_umask_and_nice_are_for_this_process(sock: socket.socket, commands: Commands) -> None:
    def work() -> list[int]:
        before = os.nice(0)
        _obey((Action("umask", 0o137), Action("nice", 2)), sock, commands)
        return [os.umask(0), os.nice(0) - before]

    assert in_child(work) == [0o137, min(2, 19 - os.nice(0))]


def test_a_command_is_as_nice_as_its_rule_says_and_no_nicer(
    sock: socket.socket, commands: Commands, tmp_path: Path
) -> None:
    if os.nice(0) > 15:
        pytest.skip("this process is as nice as can be already")

    def work() -> None:
        actions = Action("umask", 0o27), Action("nice", 2), Action("spawn", f"(nice; umask) >{tmp_path}/out")
        _obey(actions, sock, commands)

    in_child(work)
    assert (tmp_path / "out").read_text().split() == [str(os.nice(0) + 2), "0027"]


def test_a_command_has_the_variables_set_before_it(sock: socket.socket) -> None:
    taken = NoCommands()
    actions = (
        Action("setenv", ("A", "1")),
        Action("spawn", "first"),
        Action("setenv", ("B", "2")),
        Action("spawn", "second &"),
        Action("setenv", ("C", "3")),
    )
    _obey(actions, sock, taken)  # type: ignore[arg-type]
    assert taken.spawned == [("first", [("A", "1")]), ("second &", [("A", "1"), ("B", "2")])]
    assert "A" not in os.environ


# Who is let in


def test_who_is_let_in_is_a_detail_unless_the_rule_says_otherwise(
    gates: Gates, sock: socket.socket, around: Surroundings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    peer = Peer((ADDRESS, 4711))
    assert gates().let_in(sock, peer, around) is True
    assert gates("ALL: 127.\n", "ALL: ALL\n").let_in(sock, peer, around) is True
    assert gates("\nALL: 127.: severity notice\n", "ALL: ALL\n").let_in(sock, peer, around) is True
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("DEBUG", "127.0.0.1:4711: granted: no rule matches"),
        ("DEBUG", f"127.0.0.1:4711: granted by {gates.allow}:1"),
        ("INFO", f"127.0.0.1:4711: granted by {gates.allow}:2"),
    ]


@pytest.mark.parametrize(
    ("options", "level"), [("", logging.ERROR), (": severity mail.warning", logging.WARNING)]
)
def test_who_is_not_learns_nothing_but_the_log_the_line(
    gates: Gates, sock: socket.socket, around: Surroundings, options: str, level: int
) -> None:
    denied = refusal(gates("storescp: 10.\n", f"# all others\nscpd: ALL{options}\n"), sock, around)
    assert (str(denied), denied.level) == (f"denied by {gates.deny}:2", level)


@pytest.mark.parametrize(
    ("daemons", "is_meant"),
    [
        ("storescp", True),
        ("scpd", True),
        ("MyStore", True),
        ("104", True),
        ("+0104", True),
        ("mystore@127.0.0.1", True),
        ("104@127.0.0.0/8", True),
        ("105", False),
        ("mystore@10.", False),
        ("sshd", False),
        ("ALL EXCEPT storescp", False),
        ("ALL EXCEPT sshd", True),
    ],
)
def test_rules_call_us_by_name_port_and_address(
    gates: Gates, sock: socket.socket, around: Surroundings, daemons: str, is_meant: bool
) -> None:
    gate = gates("", f"{daemons}: ALL\n")
    if is_meant:
        assert str(refusal(gate, sock, around)) == f"denied by {gates.deny}:1"
    else:
        gate.let_in(sock, Peer((ADDRESS, 4711)), around)


def test_without_names_a_rule_that_needs_one_finds_an_unknown_one(
    gates: Gates, sock: socket.socket, around: Surroundings, localhost: str
) -> None:
    denied = refusal(gates(f"ALL: {localhost}\n", "ALL: ALL\n"), sock, around)
    assert str(denied) == f"denied by {gates.deny}:1"
    gates(f"ALL: {localhost}\n", "ALL: ALL\n", asks_names=True).let_in(sock, Peer((ADDRESS, 4711)), around)


def test_a_name_that_was_asked_for_stands_in_the_line(
    gates: Gates, sock: socket.socket, around: Surroundings, localhost: str
) -> None:
    denied = refusal(gates("", f"ALL: {localhost}\n", asks_names=True), sock, around)
    assert str(denied) == f"denied by {gates.deny}:1, host name localhost"


def test_a_broken_table_lets_nobody_in_and_says_where_it_is_broken(
    gates: Gates, sock: socket.socket, around: Surroundings
) -> None:
    denied = refusal(gates("ALL: ALL\nALL: 10/8\nALL ALL\n"), sock, around)
    where = f'{gates.allow}:2: "10/8": matches nobody: write 10.0.0.0/8 (and 1 more)'
    assert (str(denied), denied.level) == (f"denied: {where}", logging.ERROR)


def test_the_tables_of_the_moment_decide(gates: Gates, sock: socket.socket, around: Surroundings) -> None:
    gate = gates("ALL: 127.\n", "ALL: ALL\n")
    gate.let_in(sock, Peer((ADDRESS, 1)), around)
    gates.allow.write_text("ALL: 128.\n")
    refusal(gate, sock, around)
    os.remove(gates.deny)
    gate.let_in(sock, Peer((ADDRESS, 2)), around)


def test_options_of_a_rule_that_denies_are_obeyed_too(
    gates: Gates, sock: socket.socket, around: Surroundings, tmp_path: Path
) -> None:
    command = f"echo %a %d %r >{tmp_path}/told"
    refusal(gates("", f"ALL: ALL: spawn {command}\n"), sock, around)
    assert (tmp_path / "told").read_text() == "127.0.0.1 storescp 4711\n"


@pytest.mark.parametrize(("status", "is_granted"), [(0, True), (1, False), (126, False)])
def test_a_command_may_decide(
    gates: Gates, sock: socket.socket, around: Surroundings, status: int, is_granted: bool
) -> None:
    gate = gates(f"ALL: ALL: aclexec exit {status}\n", "ALL: ALL\n")
    if is_granted:
        gate.let_in(sock, Peer((ADDRESS, 4711)), around)
    else:
        assert str(refusal(gate, sock, around)) == f"denied by {gates.allow}:1: aclexec did not agree"


def test_no_rule_is_blamed_where_a_signal_has_ended_all_questions(
    gates: Gates, sock: socket.socket, around: Surroundings
) -> None:
    around.wakeup.signalled = True  # type: ignore[misc]
    gate = gates("ALL: ALL: severity debug: aclexec true\n")
    denied = refusal(gate, sock, around)
    assert str(denied) == "stopped by the administrator before the host rules had decided"
    assert denied.level == logging.WARNING


@pytest.mark.parametrize("has_processes", [True, False])
def test_a_command_without_a_process_is_a_warning(
    sock: socket.socket, caplog: pytest.LogCaptureFixture, has_processes: bool
) -> None:
    _obey((Action("spawn", "tell %h"),), sock, NoCommands(has_processes=has_processes))  # type: ignore[arg-type]
    told = [(record.levelname, record.getMessage()) for record in caplog.records]
    text = "host access control: not run, as there can be no process for it: tell %h"
    assert told == ([] if has_processes else [("WARNING", text)])


# Asked by a refuser


def test_a_refuser_learns_the_level_and_spawns_nothing(
    gates: Gates, sock: socket.socket, around: Surroundings, tmp_path: Path
) -> None:
    gate = gates("", f"ALL: 127.: severity debug: spawn touch {tmp_path}/told\n")
    with pytest.raises(Denied) as caught:
        gate.judge(sock, Peer((ADDRESS, 4711)), around, 1.0)
    assert (str(caught.value), caught.value.level) == (f"denied by {gates.deny}:1", logging.DEBUG)
    gate.judge(sock, Peer(("10.1.2.3", 4711)), around, 1.0)
    assert not (tmp_path / "told").exists()


def test_for_a_refuser_a_command_has_less_time(
    gates: Gates, sock: socket.socket, around: Surroundings
) -> None:
    with pytest.raises(Denied, match="aclexec did not agree"):
        gates("ALL: ALL: aclexec exec sleep 60\n").judge(sock, Peer((ADDRESS, 4711)), around, 0.2)


# At the start


def test_what_is_wrong_is_told_at_the_start(gates: Gates, caplog: pytest.LogCaptureFixture) -> None:
    gates("ALL: 10/8\nsshd: ALL: permit\n", "LOCAL: 10.\n").prepare()
    assert [(record.levelname, record.getMessage().split(": ")[:2]) for record in caplog.records] == [
        ("ERROR", ["host access control", f"{gates.allow}:1"]),
        ("WARNING", ["host access control", f"{gates.allow}:2"]),
        ("WARNING", ["host access control", f"{gates.deny}:1"]),
    ]


def test_tables_that_are_not_there_are_no_fault(
    gates: Gates, caplog: pytest.LogCaptureFixture, sock: socket.socket, around: Surroundings
) -> None:
    gate = gates()
    os.remove(gates.allow)
    os.remove(gates.deny)
    gate.prepare()
    gate.let_in(sock, Peer((ADDRESS, 4711)), around)
    assert {record.levelname for record in caplog.records} == {"WARNING"}


def test_the_master_reads_what_has_changed_before_a_worker_has_to(gates: Gates) -> None:
    gate = gates(deny="ALL: ALL\n")
    gate.refresh()
    before = gate._tables._book
    gates.deny.write_text("ALL: 10.0.0.1\n")
    gate.refresh()
    read = gate._tables._book
    assert before is not None
    assert read is not before
    assert gate._tables.look() is read  # nothing is left to be read
