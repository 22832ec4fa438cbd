"""A share of the disk is used up: A700H, nothing is left behind, and with room again the next object is taken.

The quota is a real one, of a btrfs subvolume in a file: writes fail (EDQUOT) while the disk itself has room.
"""

from __future__ import annotations

import errno
import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.harness.objects import ct_image
from tests.harness.programs import real_program
from tests.harness.storing import assert_holds, complaints, log_lines, store, temporaries
from tests.harness.wrapped import require_root, unprivileged_user

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.harness.raw_peer import RawPeer
    from tests.harness.servers import ServerFactory

DISK_SIZE = 256 << 20
QUOTA = 8 << 20
PIECE = 64 << 10
SECONDS = 60.0
OUT_OF_RESOURCES = 0xA700


def run(*words: object) -> None:
    subprocess.run([*map(str, words)], check=True, timeout=SECONDS, capture_output=True)


@pytest.fixture
def inbox(tmp_path: Path) -> Iterator[Path]:
    """A directory with a quota, of `unprivileged_user`; unmounted after the servers of the test have ended."""
    require_root()
    image, disk = tmp_path / "disk.img", tmp_path / "disk"
    disk.mkdir()
    with image.open("wb") as file:
        file.truncate(DISK_SIZE)
    tool = real_program("btrfs")
    run(real_program("mkfs.btrfs"), "-q", image)
    words = ["mount", "-t", "btrfs", "-o", "loop", str(image), str(disk)]
    mounted = subprocess.run(words, capture_output=True, text=True, timeout=SECONDS, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"cannot mount here: {mounted.stderr.strip()}")
    try:
        place = disk / "inbox"
        run(tool, "quota", "enable", disk)
        run(tool, "subvolume", "create", place)
        run(tool, "qgroup", "limit", QUOTA, place)
        os.chown(place, unprivileged_user(), -1)
        yield place
    finally:
        run("umount", "--lazy", disk)


def write_much(path: Path) -> None:
    """Write twice what there may be."""
    with path.open("wb", buffering=0) as file:
        for _ in range(2 * QUOTA // PIECE):
            file.write(os.urandom(PIECE))


def use_up(inbox: Path) -> Path:
    """Leave nothing of the quota; gives the file that takes the room."""
    filler = inbox / ".filler"
    with pytest.raises(OSError, match="quota exceeded") as failed:
        write_much(filler)
    assert failed.value.errno == errno.EDQUOT
    return filler


def settle(inbox: Path) -> None:
    """Let what was removed count no more."""
    run(real_program("btrfs"), "filesystem", "sync", inbox)


@pytest.mark.parametrize("mode", [[], ["+B"], ["--no-fsync"]], ids=["default", "bit-preserving", "no-fsync"])
def test_an_object_beyond_the_quota_is_refused_and_taken_when_there_is_room(
    inbox: Path, scpd_by_user: Callable[..., ServerFactory], raw_peer: Callable[..., RawPeer], mode: list[str]
) -> None:
    server = scpd_by_user()("--fork", "-v", *mode, inbox=inbox)
    filler = use_up(inbox)
    peer, image = raw_peer(server), ct_image(200_000)
    peer.associate()
    for _ in range(5):
        response = store(peer, ct_image(200_000))
        assert (response.status, response.comment) == (OUT_OF_RESOURCES, "cannot write: Disk quota exceeded")
        assert server.files() == {}
        assert temporaries(server) == []
        assert peer.echo() == 0
    filler.unlink()
    settle(inbox)
    assert store(peer, image).status == 0
    peer.release()
    assert_holds(server, image)
    said = [line[0] for line in log_lines(server) if "Disk quota exceeded" in line]
    assert said == ["E", *"I" * 4]
    assert len(complaints(server)) == 1


def test_what_fits_into_the_quota_is_taken_beside_what_does_not(
    inbox: Path, scpd_by_user: Callable[..., ServerFactory], raw_peer: Callable[..., RawPeer]
) -> None:
    server = scpd_by_user()("--fork", inbox=inbox)
    peer, small = raw_peer(server), ct_image(100_000)
    peer.associate()
    assert store(peer, ct_image(2 * QUOTA)).status == OUT_OF_RESOURCES
    assert temporaries(server) == []
    settle(inbox)
    assert store(peer, small).status == 0
    peer.release()
    assert_holds(server, small)
