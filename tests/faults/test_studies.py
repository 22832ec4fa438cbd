"""Processes killed at random while studies arrive, end and have their commands: nothing is lost, nothing stays open.

Senders send a study again until all of it was acknowledged.  Runners are spared, and so are the commands: what those do
when they are killed is their own affair.
"""

from __future__ import annotations

import os
import random
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from tests.harness.ports import is_listening
from tests.harness.processes import children_of, command_line, is_running
from tests.harness.raw_peer import STORE_CONTEXT
from tests.harness.storing import announce, finish, send_half, serving, store
from tests.harness.studies import (
    SECONDS,
    Gate,
    Hook,
    directories,
    flat,
    instances,
    numbered,
    remains,
    send,
    series,
    study_of,
    uids,
    wait_until_all_has_ended,
    write,
)
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from tests.harness.objects import StorableObject
    from tests.harness.ports import ReservedPort
    from tests.harness.raw_peer import RawPeer
    from tests.harness.servers import Server, ServerFactory

    Start = Callable[[], Server]

KILL_EVERY = 0.2  # seconds


@pytest.fixture
def hook(tmp_path: Path) -> Hook:
    return Hook(tmp_path / "runs")


class Chaos:
    """Kills one process after the other, a new master is started for each that falls."""

    def __init__(self, start: Start, seed: int) -> None:
        self._start = start
        self._random = random.Random(seed)
        self.server = start()
        self.killed: list[str] = []

    def go_on_until(self, done: threading.Event) -> None:
        while not done.wait(KILL_EVERY):
            self._strike()

    def _strike(self) -> None:
        kinds = self._victims()
        kind = self._random.choice(sorted(kinds))
        pid = self._random.choice(kinds[kind])
        self.killed.append(kind)
        if kind == "master":
            self.begin_anew()
            return
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

    def begin_anew(self) -> None:
        """Kill the master, and start another."""
        self.server.process.kill()
        self.server.wait()
        self.server = self._start()

    def _victims(self) -> dict[str, list[int]]:
        kinds = {"master": [self.server.pid]}
        for child in children_of(self.server.pid):
            title = command_line(child.pid)
            if ": runner" in title or not child.is_running:
                continue
            kinds.setdefault("keeper" if ": keeper" in title else "worker", []).append(child.pid)
        return kinds


class Sender:
    """A peer that sends its studies one after the other, each until it is through; `is_over` ends it in any case."""

    def __init__(self, number: int, studies: list[list[Path]], is_over: threading.Event) -> None:
        self._calling = f"PEER{number}"
        self._studies = studies
        self._is_over = is_over

    def run(self, chaos: Chaos) -> None:
        for study in self._studies:
            while not self._is_over.is_set() and not self._has_sent(chaos.server, study):
                continue

    def _has_sent(self, server: Server, paths: list[Path]) -> bool:
        with suppress(AssertionError):
            wait_until(lambda: is_listening(server.port), 5.0)
        return send(server, paths, self._calling).returncode == 0


def all_stored(server: Server) -> dict[str, list[str]]:
    """Every study directory with the instances in it; who is killed before his first object may leave an empty one."""
    return {name: instances(server, name) for name, files in directories(server).items() if files}


def assert_nothing_is_lost(server: Server, hook: Hook, studies: Iterable[list[StorableObject]]) -> None:
    """Fail unless every object is in a directory of its study, and each directory's last command has seen all of it."""
    stored = all_stored(server)
    last = {run.directory: run for run in hook.runs()}
    assert set(last) == set(stored)
    for study in studies:
        own = [name for name, run in last.items() if run.study == study_of(study)]
        assert {uid for name in own for uid in stored[name]} == set(uids(study))
    found = directories(server)
    assert {name: list(run.files) for name, run in last.items()} == {name: found[name] for name in stored}


@pytest.mark.parametrize(
    "sorting",
    [
        ("-ss", "X"),
        pytest.param(("-su", "X"), marks=pytest.mark.long),
        pytest.param(("-sp", "-xs"), marks=pytest.mark.long),
    ],
    ids=["by time", "by uid", "by patient, waiting for commands"],
)
def test_whoever_is_killed_no_study_is_lost_or_stays_open(
    scpd: ServerFactory,
    tmp_path: Path,
    hook: Hook,
    reserved_port: ReservedPort,
    is_long: bool,
    sorting: tuple[str, ...],
) -> None:
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")
    peers, studies, objects = (8, 5, 20) if is_long else (4, 5, 10)
    words = ["--fork", *sorting, "-rns", "-xcs", hook.command, "-tos", "1"]
    chaos = Chaos(lambda: scpd(*words, inbox=tmp_path / "inbox", port=reserved_port), seed)
    made = [[series(objects) for _ in range(studies)] for _ in range(peers)]
    done = threading.Event()
    senders = [
        Sender(number, [write(tmp_path / "sent", study) for study in peer], done)
        for number, peer in enumerate(made)
    ]
    with ThreadPoolExecutor(peers) as pool:
        futures = [pool.submit(sender.run, chaos) for sender in senders]
        waiter = threading.Thread(target=lambda: ([future.exception() for future in futures], done.set()))
        waiter.start()
        chaos.go_on_until(done)
        waiter.join()
    assert [future.exception() for future in futures] == [None] * peers
    chaos.begin_anew()  # its keeper comes at once

    print(chaos.killed)
    wait_until_all_has_ended(chaos.server)
    assert_nothing_is_lost(chaos.server, hook, flat(made))
    for names in directories(chaos.server).values():
        if "-su" in sorting:
            # What is sent again may replace a file that is just to be renamed: nobody has that one's number then.
            assert all(len(name) == 8 and name[:2] == "CT" and name[2:].isdigit() for name in names)
        else:
            assert names == numbered(len(names))


class TestObjectsWithoutAPause:
    """All requests are on their way before the first response: what a worker puts off is done in time, or made good."""

    def sent(
        self, scpd: ServerFactory, raw_peer: Callable[..., RawPeer], hook: Hook
    ) -> tuple[Server, RawPeer, list[StorableObject]]:
        """Send twelve objects one right after the other, the last one half, and see all others answered."""
        server = scpd("--fork", "-su", "X", "-xcs", hook.command, "-tos", "1")
        study = series(12)
        peer = raw_peer(server, timeout=SECONDS)
        peer.associate(calling="SERIES")
        for image in study[:-1]:
            announce(peer, image)
            peer.send_data(STORE_CONTEXT, image.data_set)
        send_half(peer, study[-1])
        assert [peer.receive_response().status for _ in study[:-1]] == [0] * (len(study) - 1)
        return server, peer, study

    def test_a_study_ends_when_its_sender_pauses(
        self, scpd: ServerFactory, raw_peer: Callable[..., RawPeer], hook: Hook
    ) -> None:
        server, peer, study = self.sent(scpd, raw_peer, hook)
        assert finish(peer, study[-1]).status == 0

        (run,) = hook.wait_for(1, server)
        assert (run.study, run.objects, len(run.files)) == (study_of(study), 12, 12)
        assert store(peer, series(1)[0]).status == 0
        peer.release()

    def test_whose_worker_is_killed_amid_a_series_all_that_was_acknowledged_counts(
        self, scpd: ServerFactory, raw_peer: Callable[..., RawPeer], hook: Hook
    ) -> None:
        server, _, study = self.sent(scpd, raw_peer, hook)
        (worker,) = serving(server)
        os.kill(worker, signal.SIGKILL)

        (run,) = hook.wait_for(1, server)
        assert (run.study, run.objects, len(run.files)) == (study_of(study), 11, 11)


class TestEndOfTheMaster:
    def two_ended_studies(self, server: Server, raw_peer: Callable[..., RawPeer]) -> list[str]:
        """Store two studies that have ended, give their UIDs."""
        studies = [series(2), series(3), series(1)]
        peer = raw_peer(server)
        peer.associate()
        for study in studies:
            assert {store(peer, each).status for each in study} == {0}
        peer.release()
        return [study_of(study) for study in studies[:2]]

    def test_running_commands_end_and_the_next_start_runs_those_that_wait(
        self, scpd: ServerFactory, raw_peer: Callable[..., RawPeer], hook: Hook, tmp_path: Path
    ) -> None:
        gate = Gate(tmp_path)
        words = ["--fork", "-ss", "X", "-rns", "-xcs", gate.command + hook.command, "--exec-jobs", "1"]
        server = scpd("-v", *words, "-tos", "1000")
        first, second = self.two_ended_studies(server, raw_peer)
        gate.wait_for(1)
        session = [found.pid for found in server.session()]
        server.signal(signal.SIGTERM)
        server.wait_for_log("Terminated")
        # The keeper is told when the last worker has gone, and the command is waited for.
        server.wait_for(lambda: len(children_of(server.pid)) == 1, SECONDS)
        assert server.is_running
        gate.let_pass()

        assert server.wait(SECONDS) == 0
        assert [run.study for run in hook.runs()] == [first]
        assert server.session() == []
        assert not any(map(is_running, session))
        assert [name for name in remains(server) if name.startswith("running/")] == []

        again = scpd(*words, "-tos", "1000", inbox=server.inbox)
        hook.wait_for(2, again)
        assert [run.study for run in hook.runs()] == [first, second]
        assert [run.objects for run in hook.runs()] == [2, 3]

    def test_the_keeper_of_a_killed_master_leaves_its_place_to_the_next_one(
        self, scpd: ServerFactory, raw_peer: Callable[..., RawPeer], hook: Hook, tmp_path: Path
    ) -> None:
        gate = Gate(tmp_path)
        words = ["--fork", "-ss", "X", "-rns", "-xcs", gate.command + hook.command, "--exec-jobs", "2"]
        server = scpd(*words, "-tos", "1000")
        studies = self.two_ended_studies(server, raw_peer)
        gate.wait_for(2)
        keeper = keeper_of(server)
        server.process.kill()
        server.wait()
        server.wait_for(lambda: not is_running(keeper), SECONDS)

        again = scpd(*words, "-tos", "1000", inbox=server.inbox)
        gate.let_pass()
        hook.wait_for(2, again)
        again.wait_for(lambda: not list((server.inbox / ".scpd/sealed").iterdir()), SECONDS)
        assert sorted(run.study for run in hook.runs()) == sorted(studies)
        assert len(gate.arrived()) == 2  # they were adopted

    def test_a_command_outlives_a_killed_keeper_and_is_not_run_twice(
        self, scpd: ServerFactory, raw_peer: Callable[..., RawPeer], hook: Hook, tmp_path: Path
    ) -> None:
        gate = Gate(tmp_path)
        words = ["--fork", "-ss", "X", "-rns", "-xcs", gate.command + hook.command, "--exec-jobs", "1"]
        server = scpd(*words, "-tos", "1000")
        studies = self.two_ended_studies(server, raw_peer)
        gate.wait_for(1)
        os.kill(keeper_of(server), signal.SIGKILL)
        server.wait_for(lambda: "was killed by signal 9" in server.stderr, SECONDS)
        server.wait_for(lambda: keeper_of(server), SECONDS)
        gate.let_pass()

        hook.wait_for(2, server)
        server.wait_for(lambda: not list((server.inbox / ".scpd/sealed").iterdir()), SECONDS)
        assert [run.study for run in hook.runs()] == studies
        assert len(gate.arrived()) == 2


def keeper_of(server: Server) -> int:
    """Give the process id of its keeper, 0 if there is none."""
    pids = [child.pid for child in children_of(server.pid) if ": keeper" in command_line(child.pid)]
    return pids[0] if pids else 0
