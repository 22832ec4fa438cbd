"""Commands in numbers: bounded, in the background, each at least once whatever is killed, and settled by hand."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from tests.harness.clients import scpctl
from tests.harness.objects import ct_image
from tests.harness.processes import children_of, command_line, processes
from tests.harness.programs import real_program
from tests.harness.storing import send_half, store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.harness.ports import ReservedPort
    from tests.harness.raw_peer import RawPeer
    from tests.harness.servers import Server, ServerFactory

PATIENCE = 60.0
LONG_PATIENCE = 900.0


def gated(notes: Path, gate: Path) -> str:
    """Give a command that notes its begin, waits until the gate is there, and notes its end."""
    return f"echo begin #f >>{notes}; while [ ! -e {gate} ]; do sleep 0.1; done; echo end #f >>{notes}"


def lines(path: Path) -> list[str]:
    return path.read_text(encoding="ascii").splitlines() if path.exists() else []


def jobs(server: Server, state: str = "") -> list[dict[str, Any]]:
    """Give what scpctl lists, of one state or of all."""
    result = scpctl("jobs", "--json", "-od", server.inbox)
    assert result.returncode == 0, result.stderr
    return [job for job in json.loads(result.stdout) if state in {"", job["state"]}]


def keepers(server: Server) -> list[int]:
    return [child.pid for child in children_of(server.pid) if ": keeper" in command_line(child.pid)]


def keeper(server: Server) -> int:
    """Wait for the keeper that was elected."""

    def find() -> int:
        text = (server.inbox / ".scpd/keeper").read_text() if (server.inbox / ".scpd/keeper").exists() else ""
        pid = int(text) if text.strip().isdigit() else 0
        return pid if pid in keepers(server) else 0

    return server.wait_for(find, PATIENCE, "a keeper")


def send(peer: RawPeer, count: int) -> list[str]:
    """Store so many objects; give the names of their files."""
    names = []
    for number in range(count):
        image = ct_image(500)
        assert store(peer, image, number % 65000 + 1).status == 0
        names.append(f"CT.{image.sop_instance_uid}")
    return names


@pytest.mark.timeout(LONG_PATIENCE)
def test_commands_are_bounded_and_hold_up_nobody(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer], tmp_path: Path, is_long: bool
) -> None:
    count, most = (10_000, 4) if is_long else (120, 4)
    notes, gate = tmp_path / "notes", tmp_path / "gate"
    server = scpd("--fork", "--exec-jobs", str(most), "-xcr", gated(notes, gate))
    peer = raw_peer(server)
    peer.associate()
    names = send(peer, count)
    peer.release()
    server.wait_for(lambda: len(lines(notes)) == most, PATIENCE)
    assert {line.split()[0] for line in lines(notes)} == {"begin"}
    wanted = {"running": most, "queued": count - most}
    server.wait_for(lambda: Counter(job["state"] for job in jobs(server)) == wanted, PATIENCE, str(wanted))

    gate.touch()
    server.wait_for(lambda: len(lines(notes)) == 2 * count, LONG_PATIENCE if is_long else PATIENCE)
    server.wait_for(lambda: not jobs(server), PATIENCE)
    assert Counter(line.split()[1] for line in lines(notes)) == dict.fromkeys(names, 2)
    begun = [line.split()[1] for line in lines(notes) if line.startswith("begin")]
    assert set(begun[:most]) == set(names[:most])  # in order of arrival
    running = 0
    for line in lines(notes):
        running += 1 if line.startswith("begin") else -1
        assert 0 <= running <= most


@pytest.mark.timeout(LONG_PATIENCE)
def test_commands_of_8_associations_all_run_and_leave_no_zombie(
    scpd: ServerFactory, tmp_path: Path, is_long: bool
) -> None:
    count = 125 if is_long else 12
    out = tmp_path / "out"
    server = scpd("--fork", "-xcr", f"echo #f >>{out}")
    names = []
    senders = []
    for number in range(8):
        folder = tmp_path / f"sender{number}"
        images = [ct_image(500) for _ in range(count)]
        names += [f"CT.{image.sop_instance_uid}" for image in images]
        for index, image in enumerate(images):
            image.write(folder / f"{index}.dcm")
        command = [real_program("storescu"), "+sd", server.host, str(server.port), str(folder)]
        senders.append(
            subprocess.Popen(command, env={**os.environ, "TCP_NODELAY": "1"}, stdin=subprocess.DEVNULL)
        )
    assert [sender.wait(LONG_PATIENCE) for sender in senders] == [0] * 8
    server.wait_for(lambda: len(lines(out)) >= len(names), LONG_PATIENCE if is_long else PATIENCE)
    server.wait_for(lambda: not jobs(server), PATIENCE)
    assert sorted(lines(out)) == sorted(names)
    server.wait_for(lambda: zombies(server) == [], PATIENCE)


def kill(server: Server) -> list[int]:
    """Kill what lives of a server's processes; give whom."""
    victims = [found.pid for found in server.session()]
    for pid in victims:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return victims


def zombies(server: Server) -> list[int]:
    family = {server.pid, *(child.pid for child in children_of(server.pid))}
    return [found.pid for found in processes() if found.parent in family and not found.is_running]


def test_every_acknowledged_object_has_its_command_though_all_is_killed(
    scpd: ServerFactory,
    raw_peer: Callable[..., RawPeer],
    reserved_port: ReservedPort,
    tmp_path: Path,
    is_long: bool,
) -> None:
    count = 500 if is_long else 30
    out = tmp_path / "out"
    options = ("--fork", "--exec-jobs", "2", "-xcr", f"sleep 0.05; echo #f >>{out}")
    old = scpd(*options, port=reserved_port)
    peers = [raw_peer(old) for _ in range(3)]
    for peer in peers:
        peer.associate()
    acknowledged = [name for peer in peers for name in send(peer, count // 3)]
    send_half(peers[0], ct_image(100_000))
    old.wait_for(lambda: lines(out), PATIENCE)
    old.process.kill()  # first of all, so that nobody forks any more
    old.wait()
    old.wait_for(lambda: not kill(old), PATIENCE, "the end of all")

    new = scpd(*options, inbox=old.inbox, port=reserved_port)
    peer = raw_peer(new)
    peer.associate()
    acknowledged += send(peer, count // 3)
    peer.release()
    new.wait_for(lambda: set(acknowledged) <= set(lines(out)), LONG_PATIENCE if is_long else PATIENCE)
    new.wait_for(lambda: not jobs(new), PATIENCE)
    assert "Traceback" not in new.stderr


def test_a_command_whose_time_is_over_ends_with_all_that_it_started(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer], tmp_path: Path
) -> None:
    notes = tmp_path / "notes"
    server = scpd("--fork", "--exec-timeout", "1", "-xcr", f"sleep 600 & sleep 600 & echo $$ >{notes}; wait")
    peer = raw_peer(server)
    peer.associate()
    send(peer, 1)
    peer.release()
    server.wait_for(lambda: lines(notes), PATIENCE)
    group = int(lines(notes)[0])
    server.wait_for_log("was ended by --exec-timeout", PATIENCE)
    server.wait_for(lambda: not [it for it in processes() if it.group == group and it.is_running], PATIENCE)
    server.wait_for(lambda: [job["state"] for job in jobs(server)] == ["failed"], PATIENCE, "a failed job")


def test_a_failing_command_is_retried_set_aside_retried_by_hand_and_dropped(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer], tmp_path: Path
) -> None:
    tries = tmp_path / "tries"
    command = f"date +%s.%N >>{tries}; head -c 9000 /dev/zero | tr '\\0' x >&2; echo the reason >&2; exit 3"
    server = scpd("--fork", "--exec-retries", "2", "-xcr", command)
    peer = raw_peer(server)
    peer.associate()
    (name,) = send(peer, 1)
    peer.release()
    (job,) = server.wait_for(lambda: jobs(server, "failed"), PATIENCE)
    times = [float(line) for line in lines(tries)]
    assert len(times) == 3
    assert times[1] - times[0] > 0.8
    assert times[2] - times[1] > 1.8
    server.wait_for(lambda: server.stderr.count("failed with exit status 3") >= 3, PATIENCE, "three lines")
    (said,) = [line for line in server.stderr.splitlines() if "failed with exit status 3" in line][-1:]
    assert "the reason" in said
    assert len(said) < 5000
    assert (server.inbox / ".scpd/failed" / job["job"]).exists()
    assert (server.inbox / name).exists()

    assert scpctl("retry", "-od", server.inbox, job["job"]).returncode == 0
    server.wait_for(lambda: len(lines(tries)) >= 4, PATIENCE)
    server.wait_for(lambda: jobs(server, "failed"), PATIENCE)
    assert scpctl("drop", "-od", server.inbox, job["job"]).returncode == 0
    server.wait_for(lambda: not jobs(server), PATIENCE)
    assert list((server.inbox / ".scpd/failed").iterdir()) == []


def test_a_command_that_outlives_its_keeper_is_adopted_by_the_next(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer], tmp_path: Path
) -> None:
    notes, gate = tmp_path / "notes", tmp_path / "gate"
    server = scpd("--fork", "--exec-jobs", "1", "-xcr", gated(notes, gate))
    peer = raw_peer(server)
    peer.associate()
    first, second = send(peer, 2)
    server.wait_for(lambda: lines(notes) == [f"begin {first}"], PATIENCE)
    victim = keeper(server)
    os.kill(victim, signal.SIGKILL)
    server.wait_for(lambda: keeper(server) != victim, PATIENCE)
    (third,) = send(peer, 1)
    peer.release()
    server.wait_for(lambda: len(jobs(server)) == 3, PATIENCE)
    assert [job["state"] for job in jobs(server)].count("running") == 1
    assert lines(notes) == [f"begin {first}"]
    gate.touch()
    wanted = [f"{what} {name}" for name in (first, second, third) for what in ("begin", "end")]
    server.wait_for(lambda: len(lines(notes)) >= len(wanted), PATIENCE)
    server.wait_for(lambda: not jobs(server), PATIENCE)
    assert lines(notes) == wanted


def test_without_a_keeper_commands_wait_for_one(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    options = ("--fork", "-xcr", f"echo #f >>{out}")
    server = scpd(*options, "--no-keeper")
    peer = raw_peer(server)
    peer.associate()
    names = send(peer, 3)
    peer.release()
    assert keepers(server) == []
    assert [job["state"] for job in jobs(server)] == ["queued"] * 3
    assert not out.exists()
    keeping = scpd(*options, inbox=server.inbox)
    keeping.wait_for(lambda: sorted(lines(out)) == sorted(names), PATIENCE)
    keeping.wait_for(lambda: not jobs(keeping), PATIENCE)
