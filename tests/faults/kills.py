"""Kills by the thousand: scpd under load, and a process of it ended by SIGKILL again and again.

    python -m tests.faults.kills --kills 10000

Four senders store objects, each again until it is acknowledged.  Meanwhile master, workers, keeper and runners are
killed, at random moments and at system calls that are chosen at random (strace(1)); whenever the master falls another
one is started, as a service manager would, half of the time after all that was left of it was killed too (as systemd
does).  After each round of kills a last master falls, the next one starts, and then

- every object that was acknowledged with 0000H has its file, whole, identical, and its command has run;
- every file under a final name is whole, acknowledged or not;
- no temporary file, no study, no line of record, no command is left, no zombie, and no process of an earlier start;
- no process has failed in any way but that it was killed.

`Round` raises `AssertionError` for what is not so.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple, Self

from tests.harness.files import paths_below
from tests.harness.objects import data_set_bytes
from tests.harness.ports import ReservedPort, is_listening
from tests.harness.processes import become_subreaper, children_of, command_line, is_running, reap
from tests.harness.programs import real_program
from tests.harness.raw_peer import RawPeer
from tests.harness.servers import scpd_factory
from tests.harness.storing import store
from tests.harness.studies import remains, series
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.harness.objects import StorableObject
    from tests.harness.servers import Server

SENDERS = 4
KILLS_A_ROUND = 100
MOST_OBJECTS, MOST_PIXEL_BYTES = 8, 300_000
# How often each kind is chosen if there is one.
WEIGHTS = {"master": 2, "worker": 6, "keeper": 3, "runner": 9}
# A pause before each kill, seconds; a process that is to die at a call that it does not make is let go.
LONGEST_PAUSE, CALL_SECONDS = 0.02, 0.4
MOST_CALLS = 5
PATIENCE, LONG_PATIENCE = 60.0, 300.0
OK = 0
KILLED = "+++ killed by SIGKILL"  # in a trace
# At which calls each kind is killed: what it does to files, locks and processes, and what it waits in.
_FILES = ("openat", "write", "close", "fcntl", "fsync")
CALLS = {
    "master": ("accept4", "/^(clone|fork|vfork)", "/^poll", "write", "close", "/^wait", "sendmsg"),
    "worker": (*_FILES, "writev", "fdatasync", "renameat2", "renameat", "/^(recv|read)", "/^send", "mkdirat"),
    "keeper": (*_FILES, "/^rename", "unlinkat", "/^(clone|fork|vfork)", "getdents64", "/^poll", "mkdirat"),
    "runner": (*_FILES, "/^rename", "/^poll", "/^wait", "read"),
}


class Mode(NamedTuple):
    """How the server runs; for how long, in seconds, a sender pauses before a series, at most."""

    options: tuple[str, ...]
    longest_pause: float
    has_commands: bool = False


# Commands for each object are few, lest a round wait for minutes until the last one has run.
MODES = (
    Mode(("-ss", "X", "-tos", "1"), 0.0),
    Mode(("-su", "X", "-tos", "1", "--exec-jobs", "4"), 1.0, has_commands=True),
    Mode((), 0.0),
)


class Stored(NamedTuple):
    """An object that was acknowledged: its instance and the digest of its data set."""

    instance: str
    digest: bytes


class Victim(NamedTuple):
    """A process of the server, by a descriptor that no other process can get."""

    kind: str
    pid: int
    descriptor: int


class Figures:
    """What has happened so far."""

    def __init__(self) -> None:
        self.kills: Counter[str] = Counter()
        self.acknowledged = 0
        self.sent_again = 0
        self.starts = 0
        self.rounds = 0

    @property
    def count(self) -> int:
        """Give the number of kills."""
        return sum(self.kills.values())

    def __str__(self) -> str:
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(self.kills.items()))
        return (
            f"{self.count} kills ({kinds}), {self.starts} starts, {self.acknowledged} objects acknowledged, "
            f"{self.sent_again} attempts sent again, 0 objects lost"
        )


class Sender:
    """A peer that sends one series after the other, each object again until it is acknowledged."""

    def __init__(
        self, title: str, seed: str, port: int, mode: Mode, is_over: threading.Event, figures: Figures
    ) -> None:
        self._title = title
        self._random = random.Random(seed)
        self._port = port
        self._mode = mode
        self._is_over = is_over
        self._figures = figures
        self.stored: list[Stored] = []
        self.failure: BaseException | None = None

    def run(self) -> None:
        """Send until the round is over, and what has begun to its end."""
        try:
            while not self._is_over.wait(self._random.uniform(0, self._mode.longest_pause)):
                size = self._random.choice((400, 20_000, self._random.randrange(MOST_PIXEL_BYTES)))
                self._deliver(series(self._random.randint(1, MOST_OBJECTS), pixel_bytes=size))
        except BaseException as error:  # shown by who waits for this thread
            self.failure = error
            raise

    def _deliver(self, objects: list[StorableObject]) -> None:
        deadline = monotonic() + PATIENCE
        while objects:
            assert monotonic() < deadline, "nobody takes it"
            # Refused, reset, aborted, or no answer: all that a kill may do to a peer.
            with suppress(AssertionError, OSError):
                wait_until(lambda: is_listening(self._port), 5.0)
                with RawPeer(self._port, timeout=20.0) as peer:
                    peer.associate(calling=self._title)
                    while objects:
                        self._store(peer, objects[0])
                        del objects[0]
                    peer.release()
            self._figures.sent_again += bool(objects)

    def _store(self, peer: RawPeer, image: StorableObject) -> None:
        assert store(peer, image).status == OK
        self.stored.append(Stored(image.sop_instance_uid, hashlib.sha256(image.data_set).digest()))


class Round:
    """A server, its senders, and so many kills; then a look at what is there."""

    def __init__(self, folder: Path, mode: Mode, kills: int, seed: int, figures: Figures) -> None:
        self._folder = folder
        self._random = random.Random(seed)
        self._mode = mode
        self._kills = kills
        self._figures = figures
        self._notes = folder / "notes"
        self._port = ReservedPort()
        self._factory = scpd_factory(folder)
        self._earlier: list[int] = []  # masters
        self._is_over = threading.Event()
        self._server = self._start()
        self._senders = [
            Sender(f"PEER{number}", f"{seed} {number}", self._port.number, mode, self._is_over, figures)
            for number in range(SENDERS)
        ]

    def run(self) -> None:
        """Do all of it."""
        try:
            with self._load():
                goal = self._figures.count + self._kills
                while self._figures.count < goal:
                    self._is_over.wait(self._random.uniform(0, LONGEST_PAUSE))
                    self._strike()
                    self._assert_senders_live()
            self._fall(with_all=False)
            self._check()
            assert self._server.stop(PATIENCE) == 0
        finally:
            self._factory.finish()

    @contextmanager
    def _load(self) -> Iterator[None]:
        threads = [threading.Thread(target=sender.run) for sender in self._senders]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._is_over.set()
            for thread in threads:
                thread.join()
        self._assert_senders_live()
        self._figures.acknowledged += sum(len(sender.stored) for sender in self._senders)

    def _assert_senders_live(self) -> None:
        for sender in self._senders:
            if sender.failure:
                raise AssertionError(f"{sender.failure!r}; it says {self._server.stderr[-3000:]}")

    def _start(self) -> Server:
        self._figures.starts += 1
        options = self._mode.options
        if self._mode.has_commands:
            options = (*options, "-xcr", f'echo "#f" >>"{self._notes}"; sleep 0.1')
        return self._factory("--fork", *options, inbox=self._folder / "inbox", port=self._port)

    # Kills

    def _strike(self) -> None:
        victim = self._choose()
        if victim is None:
            return
        try:
            way = self._kill(victim)
        finally:
            os.close(victim.descriptor)
        if way:
            self._figures.kills[f"{victim.kind} {way}"] += 1
        if victim.kind == "master" and not self._server.is_running:
            self._fall(with_all=self._random.random() < 0.5)
        _reap_orphans(self._server.pid)

    def _choose(self) -> Victim | None:
        kinds = self._processes()
        kind = self._random.choices(list(kinds), [WEIGHTS[each] for each in kinds])[0]
        pid = self._random.choice(kinds[kind])
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            return None
        victim = Victim(kind, pid, descriptor)
        if pid in self._processes().get(kind, ()):  # so the descriptor is that one's
            return victim
        os.close(descriptor)
        return None

    def _processes(self) -> dict[str, list[int]]:
        kinds = {"master": [self._server.pid]}
        for child in children_of(self._server.pid):
            title = command_line(child.pid)
            if not child.is_running or ": sweeper" in title:
                continue
            kind = "keeper" if ": keeper" in title else "worker"
            kinds.setdefault(kind, []).append(child.pid)
            if kind == "keeper":
                runners = [
                    each.pid for each in children_of(child.pid) if ": runner" in command_line(each.pid)
                ]
                kinds.update({"runner": runners} if runners else {})
        return kinds

    def _kill(self, victim: Victim) -> str:
        """Kill it; tell how, "" if it was gone already."""
        if self._random.random() < 0.5 and self._kill_at_call(victim):
            return "at a call"
        if not is_running(victim.pid):
            return ""
        try:
            signal.pidfd_send_signal(victim.descriptor, signal.SIGKILL)
        except ProcessLookupError:
            return ""
        wait_until(lambda: not self._is_alive(victim), what="the end of what was killed")
        return "at random"

    def _kill_at_call(self, victim: Victim) -> bool:
        """Let it die at one of the next calls of a kind; `False` if it made none."""
        call = self._random.choice(CALLS[victim.kind])
        number = self._random.randint(1, MOST_CALLS)
        with _Tracer(victim.pid, call, number, self._folder / "trace") as tracer, suppress(AssertionError):
            wait_until(lambda: tracer.has_ended, CALL_SECONDS)
        return tracer.has_killed

    def _is_alive(self, victim: Victim) -> bool:
        return self._server.is_running if victim.kind == "master" else is_running(victim.pid)

    def _fall(self, *, with_all: bool) -> None:
        """Let the master be dead, and start the next one."""
        if self._server.is_running:
            self._server.process.kill()
        self._server.wait()
        self._earlier.append(self._server.pid)
        if with_all:
            for found in self._server.session():
                with suppress(ProcessLookupError):
                    os.kill(found.pid, signal.SIGKILL)
        self._server = self._start()

    # What is left

    def _check(self) -> None:
        server = self._server
        if self._mode.options:
            server.wait_for(lambda: not remains(server), LONG_PATIENCE, "the end of all studies and commands")
        server.wait_for(
            lambda: not list(self._temporaries()), PATIENCE, "a directory without temporary files"
        )
        server.wait_for(lambda: not self._zombies(), PATIENCE, "a table without zombies")
        server.wait_for(lambda: not self._survivors(), PATIENCE, "the end of what earlier masters started")
        self._check_objects()
        for log in self._folder.glob("*.log"):
            assert "Traceback" not in log.read_text(errors="replace"), log

    def _check_objects(self) -> None:
        found: dict[str, list[bytes]] = {}
        for path in paths_below(self._folder / "inbox", "[!.]*"):
            if path.is_file() and ".scpd" not in path.parts:
                assert path.name.startswith("CT."), path
                digest = hashlib.sha256(data_set_bytes(path)).digest()
                found.setdefault(path.name.partition(".")[2], []).append(digest)
        ran = set(self._notes.read_text().split()) if self._notes.exists() else set()
        sent = {one.instance: one.digest for sender in self._senders for one in sender.stored}
        for instance, digest in sent.items():
            assert set(found.get(instance, ())) == {digest}, f"{instance} is lost"
            assert not self._mode.has_commands or f"CT.{instance}" in ran, f"no command ran for {instance}"
        assert set(found) == set(sent)  # each was sent until it was acknowledged

    def _temporaries(self) -> Iterator[Path]:
        own = {str(child.pid) for child in children_of(self._server.pid)}
        folder = self._folder / "inbox/.scpd/tmp"
        return (
            path
            for path in folder.glob("*")
            if path.name != "lock" and path.name.partition(".")[0] not in own
        )

    def _zombies(self) -> list[int]:
        return [child.pid for child in children_of(self._server.pid) if not child.is_running]

    def _survivors(self) -> list[int]:
        _reap_orphans(self._server.pid)
        return [
            child.pid
            for child in children_of(os.getpid())
            if child.pid != self._server.pid and str(self._folder) in _environment_or_title(child.pid)
        ]


class _Tracer:
    """strace(1) at one process: it kills that at its N-th call of a kind from now on."""

    def __init__(self, pid: int, call: str, number: int, trace: Path) -> None:
        self._trace = trace
        words = ["-o", str(trace), "-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={number}"]
        self._process = subprocess.Popen(
            [real_program("strace"), *words, "-p", str(pid)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.has_killed = False

    @property
    def has_ended(self) -> bool:
        """True when what it traces has ended."""
        return self._process.poll() is not None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if not self.has_ended:
            self._process.terminate()
        self._process.wait(PATIENCE)
        # It may have ended by itself meanwhile.
        self.has_killed = self._trace.exists() and KILLED in self._trace.read_text(errors="replace")
        self._trace.unlink(missing_ok=True)


def _environment_or_title(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            environment = file.read().decode(errors="replace")
        return environment + os.readlink(f"/proc/{pid}/cwd")
    except OSError:
        return ""


def _reap_orphans(server: int) -> None:
    """Reap what has become our child by the death of its parent, and has ended; strace and the server are others'."""
    for child in children_of(os.getpid()):
        if not child.is_running and child.pid != server and child.name != "strace":
            reap(child.pid)


def run(
    folder: Path, kills: int, seed: int, figures: Figures, *, each: int = KILLS_A_ROUND, chatty: bool = False
) -> None:
    """Kill so often, in rounds of `each`, every one in a folder of its own, which is removed when all is well."""
    while figures.count < kills:
        number = figures.starts
        mode = MODES[figures.rounds % len(MODES)]
        figures.rounds += 1
        place = folder / f"round-{number}"
        place.mkdir(parents=True)
        Round(place, mode, min(each, kills - figures.count), seed + number, figures).run()
        shutil.rmtree(place)
        if chatty:
            print(figures, flush=True)


def main() -> int:
    """Run it by itself; print the figures."""
    parser = argparse.ArgumentParser(description="Kill processes of scpd under load, and see what is lost.")
    parser.add_argument("--kills", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--folder", type=Path, help="where to work; on failure what is there stays")
    arguments = parser.parse_args()
    become_subreaper()
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="scpd-kills-"))
    print(f"seed {arguments.seed}, in {folder}", flush=True)
    begun, figures = monotonic(), Figures()
    try:
        run(folder, arguments.kills, arguments.seed, figures, chatty=True)
    except AssertionError as failure:
        print(f"{failure}\nafter {figures.count} kills; see {folder}")
        return 1
    print(f"{figures}; {monotonic() - begun:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
