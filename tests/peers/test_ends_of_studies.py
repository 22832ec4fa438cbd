"""When a study ends, when it does not, and what its end brings, seen by a peer.

Nothing waits for a time to pass: where a study must not end, another one that may ends meanwhile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.harness.storing import complaints, finish, send_half, store
from tests.harness.studies import (
    SECONDS,
    Gate,
    Hook,
    directories,
    flat,
    instances,
    numbered,
    series,
    study_of,
    uids,
    wait_until_all_has_ended,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.harness.objects import StorableObject
    from tests.harness.raw_peer import RawPeer
    from tests.harness.servers import Server, ServerFactory

    Connect = Callable[..., RawPeer]

NEVER = "1000"  # seconds


@pytest.fixture
def hook(tmp_path: Path) -> Hook:
    return Hook(tmp_path / "runs")


@pytest.fixture
def received(tmp_path: Path) -> Hook:
    """Its command is the one for each object."""
    return Hook(tmp_path / "received")


def associated(raw_peer: Connect, server: Server, calling: str = "PEER") -> RawPeer:
    peer = raw_peer(server, timeout=SECONDS)
    peer.associate(calling=calling)
    return peer


def store_all(peer: RawPeer, objects: list[StorableObject]) -> None:
    assert [store(peer, each).status for each in objects] == [0] * len(objects)


def store_alone(
    raw_peer: Connect, server: Server, objects: list[StorableObject], calling: str = "PEER"
) -> None:
    """Store on an association that ends with them."""
    peer = associated(raw_peer, server, calling)
    store_all(peer, objects)
    peer.release()


class TestObjectsAfterTheEnd:
    """With -su a study comes back to its directory."""

    def test_what_is_sent_again_is_numbered_behind_and_told_alone(
        self, scpd: ServerFactory, raw_peer: Connect, hook: Hook
    ) -> None:
        server = scpd("--fork", "-su", "X", "-rns", "-xcs", hook.command, "-tos", "0")
        first, more = series(5), []
        for count in (5, 2, 1):
            peer = associated(raw_peer, server)
            again = first[:count]
            with_one_end(server, hook, peer, again)
            more += uids(again)
            peer.release()

        runs = hook.runs()
        wait_until_all_has_ended(server)
        (directory,) = directories(server)
        assert directory == f"X_{study_of(first)}"
        assert instances(server, directory) == more
        assert sum(run.objects for run in runs) == len(more)
        assert runs[-1].files == tuple(numbered(len(more)))
        assert complaints(server) == []

    def test_resent_objects_end_with_a_command_of_their_own(
        self, scpd: ServerFactory, raw_peer: Connect, hook: Hook
    ) -> None:
        server = scpd("--fork", "-su", "X", "-rns", "-xcs", hook.command, "-tos", NEVER)
        objects = series(5)
        for turn, sent in enumerate((objects, objects[1:3], objects[4:]), 1):
            peer = associated(raw_peer, server)
            store_all(peer, sent)
            store_all(peer, series(1))  # so the one before has ended
            server.wait_for(lambda turn=turn: len(hook.of(study_of(objects))) == turn, SECONDS)
            peer.release()

        directory = f"X_{study_of(objects)}"
        assert [(run.objects, len(run.files)) for run in hook.of(study_of(objects))] == [
            (5, 5),
            (2, 7),
            (1, 8),
        ]
        assert directories(server)[directory] == numbered(8)
        assert instances(server, directory) == uids([*objects, *objects[1:3], *objects[4:]])
        assert complaints(server) == []

    def test_an_object_that_comes_while_the_command_runs_opens_the_study_anew(
        self, scpd: ServerFactory, raw_peer: Connect, hook: Hook, tmp_path: Path
    ) -> None:
        gate = Gate(tmp_path)
        server = scpd("--fork", "-su", "X", "-rns", "-xcs", gate.command + hook.command, "-tos", "1")
        objects = series(5)
        peer = associated(raw_peer, server)
        store_all(peer, objects[:3])
        gate.wait_for(1)
        store_all(peer, objects[3:])
        peer.release()
        gate.let_pass()

        runs = hook.wait_for(2, server)
        wait_until_all_has_ended(server)
        assert [run.objects for run in runs] == [3, 2]
        assert runs[1].files == tuple(numbered(5))
        assert instances(server, runs[0].directory) == uids(objects)
        assert len(hook.runs()) == 2

    def test_an_object_that_comes_before_the_files_are_renamed_has_no_part_in_that(
        self, scpd: ServerFactory, raw_peer: Connect, hook: Hook, tmp_path: Path
    ) -> None:
        """The study is sealed already; its renaming waits for the command of an object."""
        gate = Gate(tmp_path)
        commands = ["-xcr", gate.command, "-xcs", hook.command, "--exec-jobs", "8"]
        server = scpd("--fork", "-su", "X", "-rns", *commands, "-tos", NEVER)
        objects = series(5)
        peer = associated(raw_peer, server)
        store_all(peer, objects[:3])
        store_all(peer, series(1))
        # A new generation opens in a place that only the sealed one has left.
        server.wait_for(lambda: len(list((server.inbox / ".scpd/sealed").iterdir())) == 1, SECONDS)
        store_all(peer, objects[3:])
        store_all(peer, series(1))
        gate.wait_for(7)
        assert hook.runs() == []
        gate.let_pass()

        server.wait_for(lambda: len(hook.of(study_of(objects))) == 2, SECONDS)
        # Both run at once, so who writes first is not said.
        runs = sorted(hook.of(study_of(objects)), key=lambda run: -run.objects)
        assert [run.objects for run in runs] == [3, 2]
        assert set(numbered(3)) <= set(runs[0].files)
        assert runs[1].files == tuple(numbered(5))
        assert instances(server, runs[0].directory) == uids(objects)


def with_one_end(server: Server, hook: Hook, peer: RawPeer, objects: list[StorableObject]) -> None:
    """Store objects each of which ends its study, one after the other."""
    for each in objects:
        before = len(hook.runs())
        store_all(peer, [each])
        hook.wait_for(before + 1, server)


class TestTimeout:
    def test_a_transfer_in_progress_keeps_its_study_open(
        self, scpd: ServerFactory, raw_peer: Connect, hook: Hook
    ) -> None:
        server = scpd("--fork", "-ss", "X", "-rns", "-xcs", hook.command, "-tos", "1")
        objects = series(2, pixel_bytes=100_000)
        slow = associated(raw_peer, server, "SLOW")
        store_all(slow, objects[:1])
        send_half(slow, objects[1])
        others = [series(1) for _ in range(3)]
        for number, other in enumerate(others, 1):
            store_alone(raw_peer, server, other, "QUICK")
            hook.wait_for(number, server)  # each of them has taken the timeout
        assert [run.study for run in hook.runs()] == [study_of(other) for other in others]
        assert finish(slow, objects[1]).status == 0
        slow.release()

        run = hook.wait_for(4, server)[-1]
        assert (run.study, run.objects, run.files) == (study_of(objects), 2, tuple(numbered(2)))
        wait_until_all_has_ended(server)
        assert len(directories(server)) == len(hook.runs()) == 4

    def test_a_transfer_that_breaks_off_lets_it_end(
        self, scpd: ServerFactory, raw_peer: Connect, hook: Hook
    ) -> None:
        server = scpd("--fork", "-ss", "X", "-rns", "-xcs", hook.command, "-tos", "1")
        objects = series(2, pixel_bytes=100_000)
        peer = associated(raw_peer, server)
        store_all(peer, objects[:1])
        send_half(peer, objects[1])
        peer.reset()

        (run,) = hook.wait_for(1, server)
        assert (run.objects, run.files) == (1, ("CT000001",))
        wait_until_all_has_ended(server)

    def test_an_echo_does_not_put_off_the_end(
        self, scpd: ServerFactory, raw_peer: Connect, hook: Hook
    ) -> None:
        server = scpd("--fork", "-ss", "X", "-rns", "-xcs", hook.command, "-tos", "1")
        peer = associated(raw_peer, server)
        store_all(peer, series(2))
        server.wait_for(lambda: peer.echo() == 0 and hook.runs(), SECONDS, "an end in spite of echos")

    def test_an_object_of_another_study_does_not_put_off_the_end(
        self, scpd: ServerFactory, raw_peer: Connect, hook: Hook
    ) -> None:
        server = scpd("--fork", "-ss", "X", "-xcs", hook.command, "-tos", "1", "--eostudy-by", "timeout")
        peer, other = associated(raw_peer, server), associated(raw_peer, server, "OTHER")
        objects, drip = series(1), series(10_000)
        rest = iter(drip)
        store_all(peer, objects)

        def has_ended() -> bool:
            store_all(other, [next(rest)])
            return bool(hook.runs())

        server.wait_for(has_ended, SECONDS)
        assert [run.study for run in hook.runs()] == [study_of(objects)]

    def test_zero_seconds_end_it_at_once(self, scpd: ServerFactory, raw_peer: Connect, hook: Hook) -> None:
        server = scpd("--fork", "-ss", "X", "-rns", "-xcs", hook.command, "-tos", "0")
        objects = series(3)
        peer = associated(raw_peer, server)
        with_one_end(server, hook, peer, objects)

        assert [(run.study, run.objects, run.files) for run in hook.runs()] == [
            (study_of(objects), 1, ("CT000001",))
        ] * 3
        assert len(directories(server)) == 3

    def test_a_drip_of_objects_ends_by_its_age(
        self, scpd: ServerFactory, raw_peer: Connect, hook: Hook
    ) -> None:
        rules = ["-tos", NEVER, "--eostudy-max-age", "1"]
        server = scpd("--fork", "-ss", "X", "-rns", "-xcs", hook.command, *rules)
        peer = associated(raw_peer, server)
        objects = series(10_000)
        sent: list[StorableObject] = []

        def has_ended_twice() -> bool:
            sent.append(objects[len(sent)])
            store_all(peer, sent[-1:])
            return len(hook.runs()) >= 2

        server.wait_for(has_ended_twice, SECONDS)
        store_all(peer, series(1))
        peer.release()
        server.wait_for(lambda: sum(run.objects for run in hook.of(study_of(objects))) == len(sent), SECONDS)
        wait_until_all_has_ended(server)
        runs = hook.of(study_of(objects))
        assert [run.files for run in runs] == [tuple(numbered(run.objects)) for run in runs]
        stored = [uid for run in runs for uid in instances(server, run.directory)]
        assert stored == uids(sent)


class TestRules:
    def test_the_next_study_of_its_peer_ends_it_and_no_other_peers(
        self, scpd: ServerFactory, raw_peer: Connect, hook: Hook, received: Hook
    ) -> None:
        server = scpd("--fork", "-ss", "X", "-xcr", received.command, "-xcs", hook.command, "-tos", NEVER)
        first, second, foreign = series(2), series(1), [series(1), series(1)]
        store_alone(raw_peer, server, first[:1])  # so nobody holds it
        other = associated(raw_peer, server, "OTHER")
        for study in foreign:
            store_all(other, study)
        hook.wait_for(1, server)
        peer = associated(raw_peer, server)
        store_all(peer, first[1:])
        received.wait_for(4, server)
        assert [run.study for run in hook.runs()] == [study_of(foreign[0])]

        store_all(peer, second)
        assert [run.study for run in hook.wait_for(2, server)] == [study_of(foreign[0]), study_of(first)]
        assert hook.runs()[-1].objects == 2

    def test_by_timeout_the_next_study_does_not_end_it(
        self, scpd: ServerFactory, raw_peer: Connect, hook: Hook, received: Hook
    ) -> None:
        commands = ["-xcr", received.command, "-xcs", hook.command]
        server = scpd("--fork", "-ss", "X", "-rns", *commands, "-tos", "3", "--eostudy-by", "timeout")
        studies = [series(3), series(3)]
        peer = associated(raw_peer, server)
        for n in range(3):  # A B A B A B
            for number, study in enumerate(studies, 1):
                store_all(peer, study[n : n + 1])
                received.wait_for(2 * n + number, server)  # the keeper has seen it
        peer.release()

        runs = hook.wait_for(2, server)
        wait_until_all_has_ended(server)
        assert sorted(run.study for run in runs) == sorted(map(study_of, studies))
        assert [(run.objects, run.files) for run in runs] == [(3, tuple(numbered(3)))] * 2
        assert len(hook.runs()) == len(directories(server)) == 2

    def test_by_next_no_timeout_ends_it(
        self, scpd: ServerFactory, raw_peer: Connect, hook: Hook, received: Hook
    ) -> None:
        commands = ["-xcr", received.command, "-xcs", hook.command]
        server = scpd("--fork", "-ss", "X", "-rns", *commands, "-tos", "0", "--eostudy-by", "next")
        objects = series(3)
        peer = associated(raw_peer, server)
        for number, each in enumerate(objects, 1):
            store_all(peer, [each])
            received.wait_for(number, server)  # the keeper has seen it
        peer.release()
        assert hook.runs() == []

        store_alone(raw_peer, server, series(1))
        (run,) = hook.wait_for(1, server)
        assert (run.study, run.objects, run.files) == (study_of(objects), 3, tuple(numbered(3)))
        assert len(directories(server)) == 2


def test_commands_of_the_objects_end_before_their_files_are_renamed(
    scpd: ServerFactory, raw_peer: Connect, hook: Hook, received: Hook, tmp_path: Path
) -> None:
    gate = Gate(tmp_path)
    commands = ["-xcr", gate.command + received.command, "-xcs", hook.command, "--exec-jobs", "1"]
    server = scpd("--fork", "-ss", "X", "-rns", *commands, "-tos", "0")
    objects = series(4)
    peer = associated(raw_peer, server)
    store_all(peer, objects)
    store_all(peer, series(1))
    peer.release()
    gate.wait_for(1)
    names = sorted(f"CT.{uid}" for uid in uids(objects))
    assert sorted(flat(directories(server).values())) == sorted([*names, *other_names(server, names)])
    gate.let_pass()

    wait_until_all_has_ended(server)
    assert sum(run.objects for run in hook.of(study_of(objects))) == 4
    for run in received.of(study_of(objects)):
        assert not set(run.files) & set(numbered(4))
    assert len(received.runs()) == 5


def other_names(server: Server, names: list[str]) -> list[str]:
    return [name for found in directories(server).values() for name in found if name not in names]
