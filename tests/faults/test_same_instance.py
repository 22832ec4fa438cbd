"""Two senders with the same instance at once: one whole object, at every moment."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Self

import pytest

from tests.harness.objects import StorableObject, ct_image, data_set_bytes
from tests.harness.storing import left_over, send_half, send_rest, wait_for_temporaries

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.harness.raw_peer import RawPeer
    from tests.harness.servers import ServerFactory

ROUNDS = 25


@pytest.mark.parametrize("options", [[], ["+B", "--no-fsync"]], ids=["default", "raw"])
def test_two_senders_of_one_instance_never_make_a_mixture(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer], options: list[str]
) -> None:
    server = scpd("--fork", *options)
    short = ct_image(300_000)
    versions = [short, ct_image(500_000, sop_instance_uid=short.sop_instance_uid, patient_id="0815")]
    peers = [raw_peer(server), raw_peer(server)]
    for peer in peers:
        peer.associate()
    winners = set()
    with Reader(server.inbox / f"CT.{short.sop_instance_uid}") as reader:
        for number in range(ROUNDS):
            order = [number % 2, 1 - number % 2]
            for index in order:
                send_half(peers[index], versions[index])
            wait_for_temporaries(server, 2)
            assert finish_together(peers, versions, order) == [0, 0]
            (content,) = server.files().values()
            winners.add(data_set_bytes(content))
    assert left_over(server) == []
    whole = {version.data_set for version in versions}
    assert winners <= whole
    assert reader.seen <= whole
    assert reader.seen


def finish_together(peers: list[RawPeer], versions: list[StorableObject], order: list[int]) -> list[int]:
    """Let both end at the same moment; gives their statuses."""
    barrier = threading.Barrier(2, timeout=30)

    def finish(index: int) -> int:
        barrier.wait()
        send_rest(peers[index], versions[index])
        return peers[index].receive_response().status

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(finish, order))


class Reader:
    """A consumer that reads a file again and again; `seen` are the data sets that it found there."""

    def __init__(self, path: Path) -> None:
        self.seen: set[bytes] = set()
        self._path = path
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._read)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _read(self) -> None:
        while not self._is_over.wait(0.002):
            if self._path.exists():
                self.seen.add(data_set_bytes(self._path))


def test_ten_senders_of_one_instance_leave_one_whole_object(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer]
) -> None:
    server = scpd("--fork")
    first = ct_image(100_000)
    versions = [
        ct_image(100_000 + 10_000 * number, sop_instance_uid=first.sop_instance_uid) for number in range(10)
    ]

    def send(version: StorableObject) -> list[int]:
        peer = raw_peer(server)
        peer.associate()
        return [
            peer.store(version.sop_class_uid, version.sop_instance_uid, version.data_set, message_id=number)
            for number in range(1, 6)
        ]

    with ThreadPoolExecutor(len(versions)) as pool:
        assert list(pool.map(send, versions)) == [[0] * 5] * 10
    (content,) = server.files().values()
    assert data_set_bytes(content) in {version.data_set for version in versions}
    assert left_over(server) == []
