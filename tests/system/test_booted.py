"""The services of systemd/ under a systemd that is process 1, installed as scpd(8) says."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from tests.harness import wire
from tests.harness.booted import BootedMachine, remove_cgroups_of_the_dead
from tests.harness.mounted import MuteNameServer
from tests.harness.objects import ct_image, new_uid
from tests.harness.processes import is_running, wait_for_orphans
from tests.harness.raw_peer import CONTEXTS
from tests.harness.servers import REPOSITORY
from tests.harness.services import INBOX, KEEPER, RECEIVER, SECONDS, SOCKET, Services
from tests.harness.storing import finish, send_half, store
from tests.harness.waiting import wait_until
from tests.harness.wrapped import require_root

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.harness.raw_peer import RawPeer

PLAIN = f"--fork -v -od {INBOX} -su study --disable-host-lookup"
TABLES = "+ac --hosts-allow /etc/scpd/hosts.allow --hosts-deny /etc/scpd/hosts.deny"
NO_RIGHTS = "0" * 16
INETD = "scpd-inetd.socket"
LEVELS = {"scpd.service": 0.5, "scpd-inetd@1.service": 0.5, "scpd-keeper.service": 1.5}


def studies(command: str, more: str = "") -> str:
    """Give the command file of a site with a command for each study, each of which is one object."""
    return f"{PLAIN} -tos 0 {more} -xcs '{command}'"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    machine = BootedMachine(tmp_path_factory.mktemp("machine"))
    try:
        yield Services(machine)
    finally:
        machine.stop()


@pytest.fixture
def services(installed: Services) -> Services:
    installed.begin_anew(PLAIN)
    return installed


@pytest.fixture
def running(services: Services) -> Services:
    services.systemctl("start", SOCKET, RECEIVER)
    return services


def write_tables(services: Services, allow: str, deny: str = "") -> None:
    services.machine.write("/etc/scpd/hosts.allow", allow)
    services.machine.write("/etc/scpd/hosts.deny", deny)


def holding(services: Services, calling: str = "SLOW") -> RawPeer:
    """Give a peer that has begun to send."""
    peer = services.connect()
    peer.associate(calling=calling)
    return peer


# The machine itself


def test_a_machine_ends_with_its_maker(tmp_path: Path) -> None:
    require_root()
    script = (
        "import sys, time; from pathlib import Path; from tests.harness.booted import BootedMachine;"
        " machine = BootedMachine(Path(sys.argv[1])); print(machine.leader, flush=True); sys.stdin.read()"
    )
    maker = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )
    assert maker.stdout is not None
    leader = maker.stdout.readline()
    maker.kill()
    said = maker.communicate(timeout=30)[1]
    wait_for_orphans()
    if not leader:
        pytest.skip(said[-500:])
    wait_until(lambda: not is_running(int(leader)), what="the end of the machine")
    remove_cgroups_of_the_dead()
    assert os.listdir(tmp_path / "booted") == []  # nothing is mounted there any more


# Installation


def test_the_manuals_commands_make_users_directories_and_services(installed: Services) -> None:
    users = [installed.machine.check("id", name) for name in ("scpd", "scpd-keeper")]
    assert [re.sub(r"=\d+", "", user) for user in users] == [
        "uid(scpd) gid(scpd) groups(scpd)",
        "uid(scpd-keeper) gid(scpd) groups(scpd)",
    ]
    installed.begin_anew(PLAIN)
    places = ["/srv/dicom", INBOX, "/var/log/scpd"]
    modes = installed.machine.check("stat", "--format=%U:%G %a", *places).splitlines()
    assert modes == ["scpd:scpd 2770"] * 3
    for unit in (SOCKET, RECEIVER):
        assert installed.show(unit, "UnitFileState") == "enabled"


# The receiver


def test_the_first_connection_starts_the_service_and_is_served(services: Services) -> None:
    services.systemctl("start", SOCKET)
    assert services.show(RECEIVER, "ActiveState") == "inactive"
    image = ct_image()
    image.write(services.machine.path("/root/image.dcm"))
    services.machine.check("storescu", "localhost", "104", "/root/image.dcm")

    services.wait_for_state(RECEIVER, "active")
    (path,) = services.files()
    assert path.name == f"CT.{image.sop_instance_uid}"
    assert services.user_of(path) == "scpd:scpd 660"
    assert services.user_of(path.parent) == "scpd:scpd 2770"
    with holding(services):
        services.wait_for(
            lambda: services.show(RECEIVER, "StatusText").startswith("1 association on 104"), "STATUS"
        )
    services.wait_for(
        lambda: services.show(RECEIVER, "StatusText").startswith("0 associations on 104"), "STATUS"
    )
    shown = services.machine.check("systemctl", "status", "--no-pager", RECEIVER)
    assert 'Status: "0 associations on 104' in shown
    assert "scpd: master, 0 associations on 104" in shown


def test_a_connection_during_a_restart_waits_for_the_next_master(running: Services) -> None:
    image, before = ct_image(), running.main_pid()
    with holding(running) as first:
        send_half(first, image)
        running.systemctl("restart", "--no-block", RECEIVER)
        running.wait_for_state(RECEIVER, "deactivating")
        with running.connect() as second:
            second.send(wire.associate_request(CONTEXTS))
            assert finish(first, image).status == 0
            first.release()
            answer = second.receive()
            assert answer is not None
            assert answer.type == wire.ASSOCIATE_AC
            second.release()
    assert running.main_pid() != before
    assert running.show(RECEIVER, "NRestarts") == "0"


def test_a_stop_lets_associations_finish(running: Services) -> None:
    image = ct_image()
    with holding(running) as peer:
        send_half(peer, image)
        running.systemctl("stop", "--no-block", SOCKET, RECEIVER)
        running.wait_for(lambda: running.show(RECEIVER, "StatusText").startswith("draining"), "draining")
        assert running.show(RECEIVER, "SubState") == "stop-sigterm"
        assert finish(peer, image).status == 0
        peer.release()
    running.wait_for_state(RECEIVER, "inactive")
    assert running.show(RECEIVER, "Result") == "success"
    assert len(running.files()) == 1
    running.wait_for_state(SOCKET, "inactive")
    with pytest.raises(ConnectionRefusedError):
        running.connect()


def test_a_master_that_hangs_is_replaced(services: Services) -> None:
    services.drop_in(RECEIVER, "[Service]\nWatchdogSec=4\n")
    services.systemctl("start", SOCKET, RECEIVER)
    before = services.main_pid()
    services.machine.check("kill", "-STOP", str(before))
    services.store(ct_image())  # it waits in the socket
    assert services.main_pid() not in {0, before}
    assert services.show(RECEIVER, "NRestarts") == "1"


def test_a_master_that_is_killed_is_replaced_and_its_workers_end(running: Services) -> None:
    before = running.main_pid()
    with holding(running) as peer:
        children = running.children(before)
        assert children
        running.machine.check("kill", "-KILL", str(before))
        running.store(ct_image())
        assert peer.receive() is None
    assert running.main_pid() not in {0, before}
    assert running.show(RECEIVER, "NRestarts") == "1"
    running.wait_for(
        lambda: not [pid for pid in children if running.machine.path(f"/proc/{pid}").exists()], "their end"
    )


@pytest.mark.parametrize("how", ["reload", pytest.param("HUP", marks=pytest.mark.long), "USR2"])
def test_new_options_count_without_a_new_process(running: Services, how: str) -> None:
    running.store(ct_image())
    before = running.main_pid()
    with holding(running) as peer:
        write_tables(running, "ALL: 127.\n", "ALL: ALL\n")
        running.configure(f"{PLAIN} {TABLES} --require-called-aet --aetitle STORE")
        if how == "reload":
            running.systemctl("reload", RECEIVER)
        else:
            changed = running.show(RECEIVER, "StateChangeTimestampMonotonic")
            running.systemctl("kill", "--signal", how, "--kill-whom=main", RECEIVER)
            # To "reloading", which may be over before one looks.
            running.wait_for(
                lambda: running.show(RECEIVER, "StateChangeTimestampMonotonic") != changed, "RELOADING"
            )
        running.wait_for_log("reloaded")
        running.wait_for_state(RECEIVER, "active")
        assert running.main_pid() == before
        assert store(peer, ct_image()).status == 0
        peer.release()
    with running.connect() as other:
        answer = other.request_association(called="OTHER")
        assert answer is not None
        assert answer.type == wire.ASSOCIATE_RJ
    running.store(ct_image(), called="STORE")
    running.wait_for(
        lambda: running.show(RECEIVER, "StatusText").startswith("0 associations on 104"), "STATUS"
    )


def test_a_reload_with_a_fault_changes_nothing(running: Services) -> None:
    running.configure(f"{PLAIN} --no-such-option")
    assert running.machine.run("systemctl", "reload", RECEIVER).returncode == 1
    running.wait_for_log("not reloaded: ")
    running.wait_for_state(RECEIVER, "active")
    assert running.journal(RECEIVER, "-p", "err") == [
        line for line in running.journal() if "not reloaded: " in line
    ]
    running.store(ct_image())


def test_no_process_has_a_right_to_more(services: Services) -> None:
    services.configure(studies("cp /proc/self/status #p/command"))
    services.systemctl("start", SOCKET, RECEIVER, KEEPER)
    with holding(services) as peer:
        assert store(peer, ct_image()).status == 0
        master = services.main_pid()
        pids = [master, *services.children(master), services.main_pid(KEEPER)]
        assert len(pids) >= 3
        looked_at = 0
        for pid in pids:
            with suppress(FileNotFoundError, ProcessLookupError):  # a sweeper ends by itself
                status = services.status_of(pid)
                limits = services.machine.path(f"/proc/{pid}/limits").read_text()
                assert_has_no_rights(status)
                assert re.search(r"^Max core file size +0 +0 ", limits, re.MULTILINE)
                looked_at += 1
        assert looked_at >= 3
    text = services.wait_for_file("command")
    assert_has_no_rights(dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line))


def assert_has_no_rights(status: dict[str, str]) -> None:
    for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert status[kind] == NO_RIGHTS
    assert status["NoNewPrivs"] == "1"
    assert status["Seccomp"] == "2"
    assert "0" not in status["Uid"].split()


def test_what_a_service_may_do_is_little(installed: Services) -> None:
    for unit, most in LEVELS.items():
        said = installed.machine.check("systemd-analyze", "security", "--no-pager", unit)
        (level,) = re.findall(r"Overall exposure level for \S+: ([\d.]+)", said)
        assert float(level) < most


def test_the_journal_has_the_priorities(running: Services) -> None:
    image = ct_image()
    running.store(image)
    running.wait_for_log("Association Release")
    assert running.journal(RECEIVER, "-p", "warning") == []
    running.store(image)  # and overwrites it
    running.wait_for_log("overwriting")
    (warning,) = running.journal(RECEIVER, "-p", "warning")
    assert "DICOM file already exists, overwriting" in warning
    assert "Association Release" in " ".join(running.journal(RECEIVER, "-p", "info..info"))
    assert running.journal(RECEIVER, "-p", "err") == []


def test_a_unit_lets_workers_confine_themselves(running: Services) -> None:
    running.wait_for_log("workers are confined by seccomp and Landlock")
    running.store(ct_image())


def test_a_socket_unit_can_say_who_reaches_the_port(services: Services) -> None:
    if services.machine.run(*without_addresses("true")).returncode != 0:
        pytest.skip("systemd cannot filter by address here")
    services.drop_in(SOCKET, "[Socket]\nIPAddressDeny=any\nIPAddressAllow=127.0.0.1\n")
    services.systemctl("restart", SOCKET)
    services.store(ct_image())  # the service's own IPAddressDeny=any is not for what the socket lets in
    with pytest.raises(TimeoutError):
        services.connect(timeout=0.3, source="127.0.0.2")


def without_addresses(*words: str) -> list[str]:
    return ["systemd-run", "--quiet", "--wait", "--pipe", "--property=IPAddressDeny=any", *words]


# The keeper


def test_the_keeper_renames_and_runs_commands_as_its_own_user(services: Services) -> None:
    services.configure(f"{PLAIN} -tos 60 -rns -xcs 'id --user --name > #p/who'")
    services.systemctl("start", SOCKET, RECEIVER)
    study = new_uid()
    with holding(services) as peer:
        for _ in range(2):
            assert store(peer, ct_image(study_uid=study)).status == 0
        peer.release()
    services.store(ct_image(), calling="SLOW")  # its next study ends that one
    assert services.wait_for_file("who") == "scpd-keeper\n"
    (folder,) = [path.parent for path in services.files("CT000002")]
    assert sorted(path.name for path in folder.iterdir()) == ["CT000001", "CT000002", "who"]
    assert [services.user_of(path) for path in sorted(folder.iterdir())] == [
        "scpd:scpd 660",
        "scpd:scpd 660",
        "scpd-keeper:scpd 660",
    ]


def test_a_keeper_without_work_ends_and_that_is_no_failure(services: Services) -> None:
    services.systemctl("start", KEEPER)
    services.wait_for_state(KEEPER, "inactive")
    assert services.show(KEEPER, "ExecMainStatus") == "3"
    assert services.show(KEEPER, "Result") == "success"


def test_a_stop_of_the_keeper_lets_commands_finish(services: Services) -> None:
    begun = begin_command(services)
    services.systemctl("stop", "--no-block", KEEPER)
    services.wait_for_state(KEEPER, "deactivating")
    begun.with_name("go").touch()
    services.wait_for_state(KEEPER, "inactive")
    assert services.wait_for_file("done") == "done\n"
    assert services.show(KEEPER, "Result") == "success"


def begin_command(services: Services) -> Path:
    """Start the services and a command that waits for a file `go` beside that which is given, then makes `done`."""
    wait = "echo 1 > #p/begun; while [ ! -e #p/go ]; do sleep 0.05; done; echo done > #p/done"
    services.configure(studies(wait))
    services.systemctl("start", SOCKET, RECEIVER)
    services.store(ct_image())
    services.wait_for_file("begun")
    (begun,) = services.files("begun")
    return begun


def test_the_keeper_reloads_with_a_command_running(services: Services) -> None:
    begun = begin_command(services)
    before = services.main_pid(KEEPER)
    services.systemctl("reload", KEEPER)
    services.wait_for_log("reloaded", KEEPER)
    begun.with_name("go").touch()
    assert services.wait_for_file("done") == "done\n"
    services.wait_for_log("ended after", KEEPER)
    assert services.main_pid(KEEPER) == before


def test_both_services_restarted_have_other_commands(services: Services) -> None:
    begun = begin_command(services)
    services.configure(studies("echo new > #p/new"))
    services.systemctl("restart", "--no-block", KEEPER, RECEIVER)
    services.wait_for_state(KEEPER, "deactivating")
    # Stopped, and not on its way up: it waits for the keeper.
    services.wait_for_state(RECEIVER, "inactive")
    with services.connect(timeout=SECONDS) as peer:
        peer.send(wire.associate_request(CONTEXTS))
        begun.with_name("go").touch()
        assert peer.receive() is not None
        assert store(peer, ct_image()).status == 0
        peer.release()
    assert services.wait_for_file("new") == "new\n"
    assert services.show(RECEIVER, "NRestarts") == services.show(KEEPER, "NRestarts") == "0"


def test_one_of_them_restarted_says_what_differs_until_the_other_follows(services: Services) -> None:
    services.configure(studies("true"))
    services.systemctl("start", SOCKET, RECEIVER)
    services.configure(studies("true", "-rns"))
    assert services.machine.run("systemctl", "restart", RECEIVER).returncode != 0
    (said,) = services.wait_for(lambda: services.journal(RECEIVER, "-p", "err"), "an error")
    assert "--rename-on-eostudy" in said
    with services.connect(timeout=SECONDS) as peer:  # which waits
        peer.send(wire.associate_request(CONTEXTS))
        services.systemctl("restart", KEEPER)
        assert peer.receive() is not None
        peer.release()


def test_commands_reach_the_network_unless_a_drop_in_forbids_it(services: Services) -> None:
    services.configure(studies("scpctl echo 127.0.0.1 104 > #p/echo 2>&1; echo $? >> #p/echo"))
    services.systemctl("start", SOCKET, RECEIVER)
    services.store(ct_image(study_uid="2.25.1"))
    services.wait_for(lambda: outcome(services, "2.25.1") == "0", "an answer")

    services.drop_in(KEEPER, "[Service]\nRestrictAddressFamilies=\nRestrictAddressFamilies=AF_UNIX\n")
    services.systemctl("restart", KEEPER)
    services.store(ct_image(study_uid="2.25.2"))
    services.wait_for(lambda: outcome(services, "2.25.2") == "1", "no answer")


def outcome(services: Services, study: str) -> str:
    (path,) = services.wait_for(lambda: services.files(f"study_{study}/echo"), "the command")
    return " ".join(path.read_text().splitlines()[-1:])


# Drop-ins


@pytest.fixture
def silent_name_server(services: Services) -> Iterator[MuteNameServer]:
    with services.machine.network():
        server = MuteNameServer()
    before = {path: services.machine.path(path).read_text() for path in server.files()}
    for path, text in server.files().items():
        services.machine.write(path, text)
    yield server
    for path, text in before.items():
        services.machine.write(path, text)
    server.socket.close()


@pytest.mark.parametrize("is_there", [False, True])
def test_name_servers_are_asked_where_a_drop_in_allows_it(
    services: Services, silent_name_server: MuteNameServer, is_there: bool
) -> None:
    write_tables(services, "scpd: .example\n", "ALL: ALL\n")
    services.configure(f"--fork -v -od {INBOX} {TABLES}")
    if is_there:
        services.example("dns")
    services.systemctl("start", SOCKET, RECEIVER)
    if not is_there:
        services.wait_for_log("no name server can be asked here")
    with services.connect(source="127.0.0.9") as peer:
        peer.send(wire.associate_request(CONTEXTS))
        if is_there:
            silent_name_server.wait_for_question()
            assert "no name server can be asked here" not in " ".join(services.journal())
        else:
            peer.receive_until_closed()
            assert silent_name_server.questions() == 0


def test_commands_of_host_rules_reach_the_network_by_a_drop_in(services: Services) -> None:
    with services.machine.network():
        listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        listener.bind(("127.0.0.1", 0))
    with listener:
        listener.settimeout(SECONDS)
        place = repr(listener.getsockname())
        script = f"import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'heard', {place})"
        services.machine.write(
            "/usr/local/bin/tell", f'#!/bin/sh\nexec /usr/bin/python3 -c "{script}"', 0o755
        )
        write_tables(services, "ALL: ALL: spawn /usr/local/bin/tell\n")
        services.configure(f"{PLAIN} {TABLES}")
        services.example("spawn")
        services.systemctl("start", SOCKET, RECEIVER)
        services.store(ct_image())
        assert listener.recv(100) == b"heard"


def test_a_receiver_keeps_its_own_keeper_by_a_drop_in(services: Services) -> None:
    services.configure(studies("id --user --name > #p/who"))
    services.example("own-keeper")
    services.systemctl("mask", KEEPER)
    services.systemctl("start", SOCKET, RECEIVER)
    services.store(ct_image())
    assert services.wait_for_file("who") == "scpd\n"


def test_a_receiver_opens_its_port_itself_by_a_drop_in(services: Services) -> None:
    services.configure(f"{PLAIN} 104")
    services.example("port-104")
    services.systemctl("mask", SOCKET)
    services.systemctl("start", RECEIVER)
    services.store(ct_image())
    assert len(services.files()) == 1
    assert services.show(RECEIVER, "NRestarts") == "0"


# A process for each connection


def test_a_process_for_each_connection_stores_and_is_gone(services: Services) -> None:
    services.configure(studies("echo ended > #p/end"))
    services.systemctl("start", INETD)
    with holding(services) as one, holding(services) as other:
        listed = services.systemctl("list-units", "--plain", "--no-legend", "scpd-inetd@*")
        assert len(listed.splitlines()) == 2
        for peer in (one, other):
            assert store(peer, ct_image()).status == 0
            peer.release()
    services.wait_for(lambda: len(services.files("end")) == 2, "both ends")
    assert {services.user_of(path) for path in services.files("CT.*")} == {"scpd:scpd 660"}
    services.wait_for(
        lambda: not services.systemctl("list-units", "--all", "--no-legend", "scpd-inetd@*"), "no unit left"
    )
    assert services.systemctl("list-units", "--failed", "--no-legend", "scpd*") == ""


def test_the_two_sockets_take_each_others_place(running: Services) -> None:
    for started, stopped in ((INETD, SOCKET), (SOCKET, INETD)):
        running.systemctl("start", started)
        running.wait_for_state(stopped, "inactive")
        running.store(ct_image())
    assert running.systemctl("list-units", "--failed", "--no-legend", "scpd*") == ""


def test_why_a_service_cannot_start_is_an_error_in_the_journal(services: Services) -> None:
    services.configure(f"{PLAIN} --no-such-option")
    services.systemctl("start", SOCKET)
    assert services.machine.run("systemctl", "start", RECEIVER).returncode != 0
    for unit in (RECEIVER, KEEPER):
        said = services.wait_for(lambda unit=unit: services.journal(unit, "-p", "err"), f"errors of {unit}")
        assert any("--no-such-option" in line for line in said)
    services.configure(PLAIN)
    services.store(ct_image())  # by the next attempt, with nobody's help


@pytest.mark.long
def test_a_service_that_cannot_start_is_started_until_it_can(services: Services) -> None:
    for unit in (RECEIVER, KEEPER):
        services.drop_in(unit, "[Service]\nRestartSec=10ms\n")
    services.configure(f"{PLAIN} --no-such-option")
    services.machine.run("systemctl", "start", SOCKET, RECEIVER)
    with services.connect(timeout=SECONDS) as peer:
        peer.send(wire.associate_request(CONTEXTS))
        services.wait_for(lambda: int(services.show(RECEIVER, "NRestarts")) > 10, "many attempts")
        services.configure(studies("true"))
        assert peer.receive() is not None
        peer.release()
    services.wait_for_state(KEEPER, "active")


@pytest.mark.long
def test_no_sender_notices_a_reload(running: Services) -> None:
    for _ in range(10):
        running.systemctl("reload", "--no-block", RECEIVER)
        for _ in range(10):
            running.store(ct_image())
    assert len(running.files()) == 100


@pytest.mark.long
def test_no_sender_is_refused_or_cut_off_by_a_restart(running: Services) -> None:
    again = 0
    for _ in range(5):
        running.systemctl("restart", "--no-block", RECEIVER)
        for _ in range(10):
            again += not stored_at_once(running)
    assert len(running.files()) == 50
    assert again <= 5


def stored_at_once(services: Services) -> bool:
    """Store an object; a connection that the old master has just taken, and that has not yet spoken, may be closed."""
    with services.connect(timeout=SECONDS) as peer:
        if peer.request_association() is not None:
            assert store(peer, ct_image()).status == 0
            peer.release()
            return True
    services.store(ct_image())
    return False
