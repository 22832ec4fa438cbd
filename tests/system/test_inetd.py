"""Started by inetd, xinetd, and systemd's Accept=yes: one process for each connection (scpd(8), "Under inetd")."""

from __future__ import annotations

import glob
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import uuid
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.harness.clients import echoscu, run, storescu
from tests.harness.inherited import SCPD, output_with, start
from tests.harness.objects import ct_image, write_ct_images
from tests.harness.processes import MAY_DUMP, command_line, core_limit, processes
from tests.harness.scripts import Objects, play
from tests.harness.servers import REPOSITORY
from tests.harness.storing import store
from tests.harness.studies import Hook, numbered, series, study_of
from tests.harness.superservers import KINDS, XINETD, SuperServers
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.harness.raw_peer import RawPeer
    from tests.harness.servers import ServerFactory

KEEPER_SECONDS = 30.0


def keepers(lock_directory: Path) -> list[int]:
    """Every keeper of this lock directory, by what it has open."""
    return [
        each.pid
        for each in processes()
        if ": keeper" in command_line(each.pid) and lock_directory in opened(each.pid)
    ]


def opened(pid: int) -> list[Path]:
    paths = []
    for link in glob.glob(f"/proc/{pid}/fd/*"):
        try:
            paths.append(Path(os.readlink(link)))
        except OSError:
            continue
    return paths


def wait_until_the_keeper_has_gone(lock_directory: Path) -> None:
    wait_until(lambda: not keepers(lock_directory), KEEPER_SECONDS, "the keeper to go")


@pytest.mark.parametrize("kind", KINDS)
def test_storescu_stores_through_it(superservers: SuperServers, tmp_path: Path, kind: str) -> None:
    server = superservers.start(kind, f"exec storescp -id -od {superservers.inbox}")
    for name in ("one", "two"):
        write_ct_images(tmp_path / name, 3)
        result = storescu(server, "+sd", tmp_path / name)
        assert result.returncode == 0, result.stderr

    assert len(server.files()) == 6
    assert echoscu(server).returncode == 0


@pytest.mark.parametrize("kind", KINDS)
def test_host_rules_are_asked_with_the_port_of_the_socket(
    superservers: SuperServers, tmp_path: Path, kind: str
) -> None:
    (tmp_path / "deny").write_text("ALL: ALL\n")
    (tmp_path / "allow").write_text("")
    files = f"--hosts-allow {tmp_path}/allow --hosts-deny {tmp_path}/deny"
    server = superservers.start(
        kind, f"exec storescp -id +ac {files} -od {superservers.inbox} 2>>{tmp_path}/log"
    )

    assert echoscu(server).returncode != 0

    (tmp_path / "allow").write_text(f"{server.port}@127.0.0.1: 127.0.0.1\n")
    assert echoscu(server).returncode == 0
    assert "denied" in (tmp_path / "log").read_text()


@pytest.mark.parametrize("kind", KINDS)
def test_commands_and_the_end_of_a_study_are_done_by_a_keeper_that_then_goes(
    superservers: SuperServers, raw_peer: Callable[..., RawPeer], tmp_path: Path, kind: str
) -> None:
    server = superservers.start(
        kind,
        f"exec storescp -id -od {superservers.inbox} -ss RX -tos 1 "
        """-xcr 'echo "object #f" >>$EFFECTS' -xcs 'echo "study #a" >>$EFFECTS'""",
    )
    statuses = play("A1 A2 / A3 B1", server, raw_peer, Objects())

    assert statuses == [0] * 4
    effects, lock_directory = tmp_path / "effects", superservers.inbox / ".scpd"
    wait_until(lambda: effects.exists() and effects.read_text().count("study") >= 2, KEEPER_SECONDS)
    wait_until_the_keeper_has_gone(lock_directory)
    lines = effects.read_text().splitlines()
    assert len([line for line in lines if line.startswith("object")]) == 4
    assert sorted(line for line in lines if line.startswith("study")) == ["study FIRST"] * 2
    assert len([path for path in superservers.inbox.iterdir() if path.name.startswith("RX")]) == 2


def test_a_keeper_has_nothing_of_the_worker_that_started_it(
    superservers: SuperServers, raw_peer: Callable[..., RawPeer]
) -> None:
    server = superservers.start(XINETD, f"exec storescp -id -od {superservers.inbox} -ss S -tos 2 -rns")
    lock_directory = superservers.inbox / ".scpd"
    peer = raw_peer(server)
    peer.associate()
    assert store(peer, ct_image(200)).status == 0
    wait_until(lambda: keepers(lock_directory), KEEPER_SECONDS, "a keeper")
    (keeper,) = keepers(lock_directory)

    (found,) = [each for each in processes() if each.pid == keeper]
    assert found.session == keeper
    assert os.readlink(f"/proc/{keeper}/cwd") == "/"
    assert not [path for path in opened(keeper) if str(path).startswith("socket:")]
    peer.release()
    wait_until_the_keeper_has_gone(lock_directory)


def test_only_one_of_many_workers_has_a_keeper(
    superservers: SuperServers, raw_peer: Callable[..., RawPeer], tmp_path: Path
) -> None:
    count = 12
    server = superservers.start(
        XINETD, f"exec storescp -id -od {superservers.inbox} -xcr 'echo #f >>$EFFECTS' --exec-jobs 2"
    )
    peers = [raw_peer(server, timeout=60) for _ in range(count)]
    for peer in peers:
        peer.associate()
    for peer in peers:
        assert store(peer, ct_image(200)).status == 0
    for peer in peers:
        peer.release()

    effects, lock_directory = tmp_path / "effects", superservers.inbox / ".scpd"
    wait_until(
        lambda: effects.exists() and len(effects.read_text().splitlines()) >= count,
        KEEPER_SECONDS,
        "commands",
    )
    assert len(keepers(lock_directory)) <= 1
    wait_until_the_keeper_has_gone(lock_directory)
    assert len(effects.read_text().splitlines()) == count


@pytest.mark.timeout(900)
def test_studies_that_come_by_inetd_and_by_a_master_end_once_each(
    scpd: ServerFactory,
    superservers: SuperServers,
    raw_peer: Callable[..., RawPeer],
    tmp_path: Path,
    is_long: bool,
) -> None:
    count = 1000 if is_long else 8
    hook = Hook(tmp_path / "hook")
    rules = ("-ss", "S", "-tos", "2", "-rns", "-xcs", hook.command)
    line = shlex.join(["storescp", "-id", *rules, "-od", str(superservers.inbox)])
    by_inetd = superservers.start(XINETD, f"exec {line}")  # first: without it the test is left out
    master = scpd("--fork", *rules, inbox=superservers.inbox)
    servers = (master, by_inetd)
    studies = [series(2) for _ in range(count)]
    for number, images in enumerate(studies):
        for place, image in enumerate(images):  # one of each study's objects comes by the other way
            peer = raw_peer(servers[(number + place) % 2], timeout=60)
            peer.associate()
            assert store(peer, image).status == 0
            peer.release()
            peer.close()

    runs = hook.wait_for(count, master)
    assert sorted(run.study for run in runs) == sorted(map(study_of, studies))
    assert {run.files for run in runs} == {tuple(numbered(2))}
    assert master.stop(timeout=60) == 0
    wait_until_the_keeper_has_gone(superservers.inbox / ".scpd")


def test_exec_sync_waits_for_the_keeper_that_the_worker_has_started(
    superservers: SuperServers, raw_peer: Callable[..., RawPeer], tmp_path: Path
) -> None:
    server = superservers.start(
        XINETD, f"exec storescp -id -od {superservers.inbox} -xs -xcr 'echo #f >>$EFFECTS'"
    )
    peer = raw_peer(server, timeout=60)
    peer.associate()
    assert store(peer, ct_image(200)).status == 0
    assert peer.echo() == 0  # served when the command has ended

    assert len((tmp_path / "effects").read_text().splitlines()) == 1
    peer.release()
    wait_until_the_keeper_has_gone(superservers.inbox / ".scpd")


def test_no_keeper_is_started_where_none_is_wanted_and_the_log_says_so(
    superservers: SuperServers, raw_peer: Callable[..., RawPeer], tmp_path: Path
) -> None:
    server = superservers.start(
        XINETD, f"exec storescp -id -od {superservers.inbox} --no-keeper -xcr true 2>>{tmp_path}/log"
    )
    peer = raw_peer(server, timeout=60)
    peer.associate()
    assert store(peer, ct_image(200)).status == 0
    peer.release()

    log = tmp_path / "log"
    wait_until(lambda: "nobody is its keeper" in log.read_text(), KEEPER_SECONDS, "a warning")
    assert not keepers(superservers.inbox / ".scpd")


FIELD = {
    "xinetd, by a wrapper": (
        "exec storescp -id -od {D} -pm -xcr 'pacs_process.php -p #p -f #f' -ss RX -tos 120",
        False,
        r"pacs_process.php [-p] [{D}/RX",
    ),
    "two commands": (
        'exec storescp -id -od {D} -xcr "touch D/#c;touch D/#a" -pm -sp',
        True,
        "",
    ),
    "redirection": (
        'exec storescp -id -aet X -od {D} --promiscuous -xcr "{here}/exec.bash #p #f #a #c #r > {here}/log"',
        True,
        "exec.bash",
    ),
    "the manual's": ("exec storescp -id +ac -od {D}", True, ""),
}
"""Lines of inetd found in use, whether their keeper goes by itself soon, and what their command begins to say."""

STAND_IN = """#!/bin/sh
line=$(basename "$0")
for word; do line="$line [$word]"; done
printf '%s\\n' "$line" >>"$EFFECTS"
"""


@pytest.mark.parametrize("name", FIELD)
def test_a_line_of_the_field_runs_unchanged(
    superservers: SuperServers, raw_peer: Callable[..., RawPeer], tmp_path: Path, name: str
) -> None:
    line, goes, effect = FIELD[name]
    for program in ("bin/pacs_process.php", "exec.bash"):
        (tmp_path / program).write_text(STAND_IN)
        (tmp_path / program).chmod(0o755)
    line, effect = (
        text.replace("{D}", str(superservers.inbox)).replace("{here}", str(tmp_path))
        for text in (line, effect)
    )
    server = superservers.start(XINETD, line.replace("touch D/", f"touch {tmp_path}/T_"))
    assert play("A1", server, raw_peer, Objects()) == [0]

    effects, lock_directory = tmp_path / "effects", superservers.inbox / ".scpd"
    if effect:
        wait_until(lambda: effects.exists() and effect in effects.read_text(), KEEPER_SECONDS, effect)
    if "touch" in line:
        wait_until((tmp_path / "T_FIRST").exists, KEEPER_SECONDS, "the second command")
    if goes:
        wait_until_the_keeper_has_gone(lock_directory)
    for keeper in keepers(lock_directory):
        os.kill(keeper, 15)
    wait_until_the_keeper_has_gone(lock_directory)


@pytest.mark.parametrize(
    "words",
    [
        "-id --{token}",
        "--{token} -id",
        "--{token}",
        "@/{token}",
        "-id -od /{token}",
        "-id --{token} --help",
    ],
)
def test_an_error_of_the_start_is_never_sent_to_the_peer(
    connection: tuple[socket.socket, socket.socket], words: str
) -> None:
    theirs, ours = connection
    token = uuid.uuid4().hex
    process = start(ours, *words.replace("{token}", token).split())

    assert process.wait(30) == 1
    assert theirs.recv(1) == b""
    assert token in output_with(token)


@pytest.mark.parametrize("words", ["--help", "-id --version"])
def test_what_is_asked_for_is_never_said_to_the_peer(
    connection: tuple[socket.socket, socket.socket], words: str
) -> None:
    theirs, ours = connection
    before = set(glob.glob("/tmp/storescp_*"))
    process = start(ours, *words.split())

    assert process.wait(30) == 0
    assert theirs.recv(1) == b""
    for path in set(glob.glob("/tmp/storescp_*")) - before:
        with suppress(FileNotFoundError):  # another test's, which has removed it
            if Path(path).read_text().startswith("$scpd: "):
                os.unlink(path)


def test_a_study_that_a_killed_process_held_ends_all_the_same(
    raw_peer: Callable[..., RawPeer], tmp_path: Path
) -> None:
    """By the second rule alone: no deadline keeps a keeper there, and nobody tells it of the kill."""
    words = ("-id", "-od", str(tmp_path), "-ss", "S", "-xcs", "true", "--eostudy-by", "next")
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:

        def served() -> tuple[RawPeer, subprocess.Popen[bytes]]:
            peer = raw_peer(listener.getsockname()[1])
            process = start(listener.accept()[0], *words)
            peer.associate()
            return peer, process

        (first, holder), (second, other) = served(), served()
        assert store(first, ct_image(200)).status == 0
        assert store(second, ct_image(200)).status == 0
        wait_until(lambda: keepers(tmp_path / ".scpd"), KEEPER_SECONDS, "a keeper")
        assert len(open_studies(tmp_path)) == 2
        holder.kill()
        assert holder.wait(30) == -signal.SIGKILL
        wait_until(lambda: len(open_studies(tmp_path)) == 1, KEEPER_SECONDS, "the end of the first study")
        second.release()
        assert other.wait(30) == 0
    wait_until_the_keeper_has_gone(tmp_path / ".scpd")


def open_studies(folder: Path) -> list[str]:
    words = [sys.executable, "-m", "scpd.ctl.main", "studies", "--json", "-od", str(folder)]
    found = run(words, 30, {"PYTHONPATH": str(REPOSITORY)})
    return [each["study"] for each in json.loads(found.stdout) if each["state"] == "open"]


def test_it_leaves_no_secret_in_a_core_file(
    connection: tuple[socket.socket, socket.socket], tmp_path: Path
) -> None:
    theirs, ours = connection
    process = start(ours, "-id", "-od", str(tmp_path), before=MAY_DUMP)
    port = theirs.getsockname()[1]
    theirs.send(b"\1")
    wait_until(lambda: f":{port}" in command_line(process.pid), what="a worker that waits for a request")
    assert core_limit(process.pid) == "0"
    theirs.close()
    assert process.wait(30) == 0


def test_an_association_with_nothing_to_say_leaves_no_file(
    connection: tuple[socket.socket, socket.socket], tmp_path: Path
) -> None:
    theirs, ours = connection
    process = start(ours, "-id", "-od", str(tmp_path))
    path = ""

    def has_moved() -> bool:
        nonlocal path
        with suppress(FileNotFoundError):
            nothing, path, errors = (os.readlink(f"/proc/{process.pid}/fd/{number}") for number in range(3))
            return path.startswith("/tmp/storescp_") and (nothing, errors) == ("/dev/null", path)
        return False

    wait_until(has_moved, what="the file of output")
    assert os.path.exists(path)
    theirs.close()

    assert process.wait(30) == 0
    assert not os.path.exists(path)


def test_a_defect_is_told_in_the_file(
    connection: tuple[socket.socket, socket.socket], tmp_path: Path
) -> None:
    theirs, ours = connection
    token = uuid.uuid4().hex
    script = (
        "import sys, scpd.__main__ as program, scpd.inetd_policies as policies\n"
        "def fail(*_): raise RuntimeError(sys.argv[-1])\n"
        "policies.serve_one = fail\n"
        "sys.exit(program.main())"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, "-id", "-od", str(tmp_path), "-fe", token],
        stdin=ours,
        stdout=ours,
        stderr=ours,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )
    ours.close()

    assert process.wait(30) == 70
    assert theirs.recv(1) == b""
    assert f"RuntimeError: {token}" in output_with(token)


def test_a_start_imports_nothing_that_its_peer_would_wait_for_in_vain(
    connection: tuple[socket.socket, socket.socket], tmp_path: Path
) -> None:
    theirs, ours = connection
    found = tmp_path / "modules"
    script = (
        "import sys, scpd.__main__ as program\n"
        "def look(frame, event, _):\n"
        "    if event == 'call' and frame.f_code.co_name == 'serve_inherited':\n"
        f"        open({str(found)!r}, 'w').write(' '.join(sys.modules))\n"
        "        sys.setprofile(None)\n"
        "sys.setprofile(look)\n"
        "sys.exit(program.main())"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, "-id", "-od", str(tmp_path), "-xcr", "true"],
        stdin=ours,
        stdout=ours,
        stderr=ours,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )
    ours.close()
    theirs.close()
    assert process.wait(30) == 0
    modules = set(found.read_text().split())

    assert "scpd.worker.serve" in modules
    assert not {name for name in modules if name.startswith(("scpd.master", "scpd.tls"))}
    assert {name for name in modules if name.startswith("scpd.dataset.")} <= {"scpd.dataset.values"}
    assert {name for name in modules if name.startswith("scpd.keeper.")} <= {
        "scpd.keeper.starting",
        "scpd.keeper.vacancy",
    }
    unwanted = {
        "pydicom",
        "pynetdicom",
        "typing",
        "dataclasses",
        "pathlib",
        "subprocess",
        "tempfile",
    }
    assert not modules & unwanted


def test_what_a_killed_process_has_left_is_removed_by_the_next(superservers: SuperServers) -> None:
    log = superservers.folder / "log"
    server = superservers.start(XINETD, f"exec storescp -id -od {superservers.inbox} 2>>{log}")
    assert echoscu(server).returncode == 0
    temporary = superservers.inbox / ".scpd" / "tmp"
    temporary.mkdir(parents=True, exist_ok=True)
    left = temporary / "4711.99.1"
    left.touch()
    assert echoscu(server).returncode == 0

    wait_until(lambda: not left.exists(), what="the sweeping")
    wait_until(lambda: "removed 1 temporary files" in log.read_text(), what="a line about it")


def test_what_is_no_connection_is_refused_in_one_line(tmp_path: Path) -> None:
    result = run([*SCPD, "-id", "-od", str(tmp_path)], env={"PYTHONPATH": str(REPOSITORY)})

    assert result.returncode == 1
    assert result.stderr.splitlines() == [
        "F: standard input is no socket: --inetd is for inetd(8), xinetd(8) and systemd's Accept=yes"
    ]


def test_a_listening_socket_is_refused_and_the_remedy_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        result = subprocess.run(
            [*SCPD, "-id", "-od", str(tmp_path)],
            stdin=listener,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        )

    assert result.returncode == 1
    assert "nowait" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_an_error_goes_to_standard_error_where_that_is_no_peer(
    connection: tuple[socket.socket, socket.socket],
) -> None:
    theirs, ours = connection
    process = subprocess.Popen(
        [*SCPD, "-id", "--nonsense"],
        stdin=ours,
        stdout=ours,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )
    ours.close()

    assert "Unknown option --nonsense" in process.communicate(timeout=30)[1]
    assert theirs.recv(1) == b""
