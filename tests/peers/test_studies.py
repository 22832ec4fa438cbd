"""Many studies at once from real peers: none is split, none ends early, each has its names and one command.

Every peer sends one study after the other; the studies of several peers come mixed.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.harness.processes import children_of, command_line
from tests.harness.storing import complaints, store
from tests.harness.studies import (
    SECONDS,
    Hook,
    directories,
    flat,
    instances,
    numbered,
    send,
    series,
    study_of,
    uids,
    wait_until_all_has_ended,
    write,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.harness.objects import StorableObject
    from tests.harness.raw_peer import RawPeer
    from tests.harness.servers import Server, ServerFactory

    Study = list[StorableObject]

WORKING, WAITING = ": keeper, ", "keeper, waiting"


@pytest.fixture
def hook(tmp_path: Path) -> Hook:
    return Hook(tmp_path / "runs")


def options(hook: Hook, timeout: str = "2") -> list[str]:
    return ["--fork", "-ss", "X", "-rns", "-xcs", hook.command, "-tos", timeout]


def send_all(jobs: list[list[tuple[Server, list[Path], str]]]) -> None:
    """Send, each list one after the other, all lists at the same time."""

    def send_list(steps: list[tuple[Server, list[Path], str]]) -> list[int]:
        return [send(server, paths, calling).returncode for server, paths, calling in steps]

    with ThreadPoolExecutor(len(jobs)) as pool:
        codes = list(pool.map(send_list, jobs))
    assert [code for each in codes for code in each] == [0] * sum(map(len, jobs))


def assert_each_is_complete(server: Server, hook: Hook, studies: list[Study]) -> None:
    """Fail unless each study has one directory, all its objects by number in their order, and had one command then."""
    runs = hook.wait_for(len(studies), server, SECONDS + len(studies))
    wait_until_all_has_ended(server)
    assert len(hook.runs()) == len(runs) == len(studies)
    found = directories(server)
    assert sorted(run.directory for run in runs) == sorted(found)
    by_study = {run.study: run for run in runs}
    for study in studies:
        run = by_study[study_of(study)]
        assert found[run.directory] == list(run.files) == numbered(len(study))
        assert run.objects == len(study)
        assert instances(server, run.directory) == uids(study)


def keepers(*servers: Server) -> list[str]:
    titles = [command_line(child.pid) for server in servers for child in children_of(server.pid)]
    return [title for title in titles if WORKING in title and WAITING not in title]


class TestInterleavedPeers:
    def sizes(self, is_long: bool) -> tuple[int, int, int]:
        return (8, 5, 20) if is_long else (4, 3, 8)

    def studies(self, tmp_path: Path, is_long: bool) -> tuple[list[list[Study]], list[list[list[Path]]]]:
        """For each peer its studies, and the files of each."""
        peers, studies, objects = self.sizes(is_long)
        made = [[series(objects) for _ in range(studies)] for _ in range(peers)]
        return made, [[write(tmp_path / "sent", study) for study in peer] for peer in made]

    def test_each_study_has_a_directory_numbered_files_and_one_command(
        self, scpd: ServerFactory, tmp_path: Path, hook: Hook, is_long: bool
    ) -> None:
        server = scpd(*options(hook))
        made, paths = self.studies(tmp_path, is_long)
        send_all([[(server, flat(peer), f"PEER{number}")] for number, peer in enumerate(paths)])

        assert_each_is_complete(server, hook, flat(made))
        assert {run.calling for run in hook.runs()} == {f"PEER{number}" for number in range(len(made))}
        assert complaints(server) == []

    def test_an_association_for_each_study(
        self, scpd: ServerFactory, tmp_path: Path, hook: Hook, is_long: bool
    ) -> None:
        server = scpd(*options(hook))
        made, paths = self.studies(tmp_path, is_long)
        send_all([[(server, study, f"PEER{number}") for study in peer] for number, peer in enumerate(paths)])

        assert_each_is_complete(server, hook, flat(made))
        assert complaints(server) == []

    def test_two_masters_that_share_the_directories_have_one_keeper(
        self, scpd: ServerFactory, tmp_path: Path, hook: Hook, is_long: bool
    ) -> None:
        first = scpd(*options(hook))
        second = scpd(*options(hook), inbox=first.inbox)
        first.wait_for(lambda: len(keepers(first, second)) == 1, SECONDS)
        made, paths = self.studies(tmp_path, is_long)
        send_all(
            [
                [
                    ((first, second)[(number + turn) % 2], study, f"PEER{number}")
                    for turn, study in enumerate(peer)
                ]
                for number, peer in enumerate(paths)
            ]
        )

        assert_each_is_complete(first, hook, flat(made))
        assert len(keepers(first, second)) == 1
        assert complaints(first) == complaints(second) == []


def test_one_study_on_two_associations_at_once_has_one_directory_and_one_end(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer], hook: Hook
) -> None:
    server = scpd(*options(hook))
    objects = series(20)
    peers = [raw_peer(server), raw_peer(server)]
    for peer in peers:
        peer.associate(calling="ROUTER")
    assert {store(peers[n % 2], each).status for n, each in enumerate(objects)} == {0}
    for peer in peers:
        peer.release()

    assert_each_is_complete(server, hook, [objects])
    assert complaints(server) == []


def test_one_study_by_two_senders_at_once_has_one_directory_and_one_end(
    scpd: ServerFactory, tmp_path: Path, hook: Hook, is_long: bool
) -> None:
    server = scpd(*options(hook))
    objects = series(100 if is_long else 40)
    paths = write(tmp_path / "sent", objects)
    send_all([[(server, paths[n::2], f"ROUTER{n}")] for n in range(2)])

    (run,) = hook.wait_for(1, server)
    wait_until_all_has_ended(server)
    assert (run.objects, list(run.files)) == (len(objects), numbered(len(objects)))
    ((directory, names),) = directories(server).items()
    assert (directory, names) == (run.directory, numbered(len(objects)))
    stored = instances(server, directory)
    assert sorted(stored) == sorted(uids(objects))
    # Each association's objects are in its order.
    for n in range(2):
        mine = set(uids(objects[n::2]))
        assert [uid for uid in stored if uid in mine] == uids(objects[n::2])
    assert len(hook.runs()) == 1


class TestTwoMasters:
    @pytest.mark.parametrize(
        ("others", "message"),
        [
            (["-ss", "X", "-rns", "-tos", "7"], "with --eostudy-timeout 5, not 7"),
            (["-ss", "X", "-tos", "5"], "with --rename-on-eostudy, not without it"),
            (["-ss", "Y", "-rns", "-tos", "5"], "with .*X.*, not .*Y"),
            (["-su", "X", "-rns", "-tos", "5"], "with .*X.*, not .*"),
            (["-ss", "X", "-rns", "-tos", "5", "--eostudy-by", "next"], "with --eostudy-by either, not next"),
            (
                ["-ss", "X", "-rns", "-tos", "5", "--eostudy-max-age", "9"],
                "without --eostudy-max-age, not with it",
            ),
        ],
    )
    def test_a_second_one_with_other_rules_is_refused_and_both_values_are_named(
        self, scpd: ServerFactory, others: list[str], message: str
    ) -> None:
        first = scpd("--fork", "-ss", "X", "-rns", "-tos", "5")
        with pytest.raises(AssertionError, match=f"is in use {message}"):
            scpd("--fork", *others, inbox=first.inbox)

    def test_the_keeper_of_one_takes_over_when_the_other_has_ended(
        self, scpd: ServerFactory, raw_peer: Callable[..., RawPeer], hook: Hook
    ) -> None:
        first = scpd(*options(hook))
        first.wait_for(lambda: keepers(first), SECONDS)
        second = scpd(*options(hook), inbox=first.inbox)
        objects = series(4)
        peer = raw_peer(first)
        peer.associate()
        assert {store(peer, each).status for each in objects} == {0}
        peer.release()
        assert first.stop() == 0

        assert_each_is_complete(second, hook, [objects])


@pytest.mark.timeout(1200)
def test_at_size_each_study_is_completed_once_after_its_last_object(
    scpd: ServerFactory, tmp_path: Path, hook: Hook, is_long: bool
) -> None:
    """In full a thousand studies by eight peers, at two masters."""
    peers, studies = (8, 125) if is_long else (8, 5)
    given = [*options(hook, "5"), "--no-fsync"]
    first = scpd(*given)
    second = scpd(*given, inbox=first.inbox)
    made = [[series(20) for _ in range(studies)] for _ in range(peers)]
    send_all(
        [
            [((first, second)[number % 2], write(tmp_path / "sent", flat(peer)), f"PEER{number}")]
            for number, peer in enumerate(made)
        ]
    )

    assert_each_is_complete(first, hook, flat(made))
    assert complaints(first) == complaints(second) == []
