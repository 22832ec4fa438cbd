"""Objects that the disk does not take: A700H, nothing left behind, and the association goes on (PS3.4 B.2.3)."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.harness import wire
from tests.harness.clients import scpctl
from tests.harness.files import remove
from tests.harness.objects import ct_image
from tests.harness.storing import (
    assert_holds,
    assert_serves,
    complaints,
    finish,
    log_lines,
    padded_to,
    send_half,
    store,
    temporaries,
    wait_for_temporaries,
)
from tests.harness.wrapped import require_root, unprivileged_user

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.harness.raw_peer import RawPeer, Response
    from tests.harness.servers import Server, ServerFactory

DISK_SIZE = 1 << 20
DISK_INODES = 12
OUT_OF_RESOURCES = 0xA700
NO_SPACE = "cannot write: No space left on device"
# The usual way, the raw way, and without the flush that would report what a write has not.
MODES = [[], ["+B"], ["--no-fsync"]]
# By so many bytes an object is too long for the disk, whose blocks are of 4096.
SHORTAGES = [2, 100, 4094, 4096, 4098, 8190, 8192]


@pytest.fixture
def inbox(tmp_path: Path) -> Iterator[Path]:
    """A directory on a small file system of its own; unmounted after the servers of the test have ended."""
    require_root()
    disk = tmp_path / "disk"
    disk.mkdir()
    words = [
        "mount",
        "-t",
        "tmpfs",
        "-o",
        f"size={DISK_SIZE},nr_inodes={DISK_INODES}",
        "scpd-test",
        str(disk),
    ]
    mounted = subprocess.run(words, capture_output=True, text=True, timeout=10, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"cannot mount here: {mounted.stderr.strip()}")
    try:
        (disk / "inbox").mkdir()
        yield disk / "inbox"
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], timeout=10, check=True)


def free_bytes(path: Path) -> int:
    figures = os.statvfs(path)
    return figures.f_bavail * figures.f_frsize


def fill(inbox: Path) -> Path:
    """Leave no byte on the disk; gives the file that takes the space."""
    filler = inbox.parent / "filler"
    filler.write_bytes(bytes(free_bytes(inbox)))
    assert free_bytes(inbox) == 0
    return filler


def assert_refused(response: Response, server: Server, comment: str = NO_SPACE) -> None:
    assert (response.status, response.comment) == (OUT_OF_RESOURCES, comment)
    assert server.files() == {}
    assert temporaries(server) == []


def levels_of(server: Server, text: str) -> list[str]:
    """Give the levels of the lines of its log that have this text."""
    return [line[0] for line in log_lines(server) if text in line]


def associated(raw_peer: Callable[..., RawPeer], server: Server) -> RawPeer:
    peer = raw_peer(server)
    peer.associate()
    return peer


@pytest.mark.parametrize("mode", MODES, ids=["default", "bit-preserving", "no-fsync"])
def test_an_object_larger_than_the_disk_is_refused_and_the_association_goes_on(
    inbox: Path, scpd: ServerFactory, raw_peer: Callable[..., RawPeer], mode: list[str]
) -> None:
    server = scpd("--fork", "-v", *mode, inbox=inbox)
    peer = associated(raw_peer, server)
    small = ct_image(10_000)
    for _ in range(3):
        assert_refused(store(peer, ct_image(4 * DISK_SIZE)), server)
        assert peer.echo() == 0
    assert store(peer, small).status == 0
    assert_holds(server, small)
    assert levels_of(server, "No space left on device") == ["E", "I", "I"]
    assert len(complaints(server)) == 1


@pytest.mark.parametrize("mode", MODES, ids=["default", "bit-preserving", "no-fsync"])
def test_a_full_disk_is_served_again_as_soon_as_it_has_space(
    inbox: Path, scpd: ServerFactory, raw_peer: Callable[..., RawPeer], mode: list[str]
) -> None:
    server = scpd("--fork", *mode, inbox=inbox)
    peer, image = associated(raw_peer, server), ct_image(10_000)
    filler = fill(inbox)
    assert_refused(store(peer, image), server)
    filler.unlink()
    assert store(peer, image).status == 0
    assert_holds(server, image)


@pytest.mark.parametrize("mode", MODES, ids=["default", "bit-preserving", "no-fsync"])
def test_an_object_that_is_too_long_by_a_few_bytes_is_refused_too(
    inbox: Path, scpd: ServerFactory, raw_peer: Callable[..., RawPeer], mode: list[str]
) -> None:
    """storescp answers success for it, and keeps a file that lacks its end."""
    server = scpd("--fork", *mode, inbox=inbox)
    peer, image = associated(raw_peer, server), ct_image(1000)
    assert store(peer, image).status == 0
    (content,) = server.files().values()
    meta_size = len(content) - len(image.data_set)
    (inbox / f"CT.{image.sop_instance_uid}").unlink()
    free = free_bytes(inbox)
    for shortage in SHORTAGES:
        assert_refused(store(peer, padded_to(image, free - meta_size + shortage)), server)
        assert free_bytes(inbox) == free
    fitting = padded_to(image, free - meta_size)
    assert store(peer, fitting).status == 0
    assert_holds(server, fitting)


def test_a_failed_resend_on_a_full_disk_leaves_the_earlier_object_alone(
    inbox: Path, scpd: ServerFactory, raw_peer: Callable[..., RawPeer]
) -> None:
    server = scpd("--fork", inbox=inbox)
    peer, image = associated(raw_peer, server), ct_image(10_000)
    assert store(peer, image).status == 0
    fill(inbox)
    assert store(peer, image).status == OUT_OF_RESOURCES
    assert_holds(server, image)


def test_a_disk_without_inodes_refuses_and_recovers(
    inbox: Path, scpd: ServerFactory, raw_peer: Callable[..., RawPeer]
) -> None:
    server = scpd("--fork", inbox=inbox)
    peer, image = associated(raw_peer, server), ct_image(1000)
    fillers = [inbox.parent / f"filler-{number}" for number in range(os.statvfs(inbox).f_ffree)]
    for filler in fillers:
        filler.touch()
    assert_refused(store(peer, image), server)
    for filler in fillers:
        filler.unlink()
    assert store(peer, image).status == 0
    assert_holds(server, image)


@pytest.mark.parametrize("mode", MODES, ids=["default", "bit-preserving", "no-fsync"])
def test_an_object_beyond_the_file_size_limit_is_refused_and_the_association_goes_on(
    scpd_with_limits: Callable[..., ServerFactory], raw_peer: Callable[..., RawPeer], mode: list[str]
) -> None:
    server = scpd_with_limits(fsize=200_000)("--fork", *mode)
    peer, image = associated(raw_peer, server), ct_image(150_000)
    for size in (200_000, 1_000_000):
        assert_refused(store(peer, ct_image(size)), server, "cannot write: File too large")
    assert store(peer, image).status == 0
    assert_holds(server, image)


def test_a_disk_full_of_the_refused_is_free_for_the_next_association(
    inbox: Path, scpd: ServerFactory, raw_peer: Callable[..., RawPeer]
) -> None:
    """Two at once that do not fit together: what one gives up, the other may have."""
    server = scpd("--fork", inbox=inbox)
    images = [ct_image(DISK_SIZE * 2 // 3), ct_image(DISK_SIZE * 2 // 3)]
    first, second = associated(raw_peer, server), associated(raw_peer, server)
    send_half(first, images[0])
    send_half(second, images[1])
    wait_for_temporaries(server, 2)
    statuses = [finish(first, images[0]).status, finish(second, images[1]).status]
    assert sorted(statuses) == [0, OUT_OF_RESOURCES]
    (name,) = server.files()
    assert temporaries(server) == []
    (inbox / name).unlink()
    assert_serves(server, raw_peer)


# The usual way; with a line of record for each object; with a directory for each study
@pytest.mark.parametrize("mode", [[], ["-xcr", "true"], ["-su", "S"]], ids=["default", "recorded", "sorted"])
def test_that_the_disk_is_full_is_said_once_whoever_is_refused_what(
    inbox: Path, scpd: ServerFactory, raw_peer: Callable[..., RawPeer], mode: list[str]
) -> None:
    options = f"remount,nr_inodes={20 * DISK_INODES}"  # for the lock directory
    subprocess.run(["mount", "-o", options, str(inbox.parent)], timeout=10, check=True)
    server = scpd("--fork", "-v", *mode, inbox=inbox)
    fill(inbox)
    for number in range(50):
        server.source = f"127.0.7.{1 + number % 10}"
        peer = associated(raw_peer, server)
        for _ in range(2):
            assert store(peer, ct_image(10_000)).status == OUT_OF_RESOURCES
        peer.release()
    assert levels_of(server, "No space left on device") == ["E", *"I" * 99]
    assert len(complaints(server)) == 1


def test_that_too_little_room_is_left_is_said_once_whoever_is_refused_what(
    inbox: Path, scpd: ServerFactory, raw_peer: Callable[..., RawPeer]
) -> None:
    server = scpd("--fork", "-d", "--min-free", "512k", inbox=inbox)
    peers = []
    for number in range(5):
        server.source = f"127.0.7.{1 + number}"
        peers.append(associated(raw_peer, server))
    filler = inbox.parent / "filler"
    filler.write_bytes(bytes(free_bytes(inbox) - (512 << 10) + 4096))
    for peer in peers * 4:
        assert store(peer, ct_image(10_000)).comment == "too little disk space left"
    for number in range(20):
        server.source = f"127.0.8.{1 + number}"
        answer = raw_peer(server).request_association()
        assert answer is not None
        assert answer.type == wire.ASSOCIATE_RJ
    server.wait_for(lambda: len(levels_of(server, "less than --min-free")) >= 40)
    assert levels_of(server, "less than --min-free") == ["E", *"I" * 19, *"D" * 20]
    assert len(complaints(server)) == 1


# The output directory itself


def test_a_removed_output_directory_refuses_until_it_is_made_anew(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer]
) -> None:
    server = scpd("--fork")
    remove(server.inbox)
    peer = associated(raw_peer, server)
    response = store(peer, ct_image(1000))
    assert (response.status, response.comment) == (
        OUT_OF_RESOURCES,
        "cannot write: No such file or directory",
    )
    assert peer.echo() == 0
    assert not server.inbox.exists()
    server.inbox.mkdir()
    assert_serves(server, raw_peer)
    peer.release()


def test_an_association_that_has_stored_sees_its_directory_go_and_the_next_one_sees_it_back(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer]
) -> None:
    server = scpd("--fork")
    peer, image = associated(raw_peer, server), ct_image(1000)
    assert store(peer, image).status == 0
    remove(server.inbox)
    assert store(peer, image).status == OUT_OF_RESOURCES
    server.inbox.mkdir()
    # Its worker is confined to the directory that there was: the next one finds this one.
    assert store(peer, image).status == OUT_OF_RESOURCES
    peer.release()
    assert_serves(server, raw_peer)


def test_a_worker_that_is_not_confined_finds_a_directory_that_came_back(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer]
) -> None:
    server = scpd("--fork", "--no-confine")
    peer, image = associated(raw_peer, server), ct_image(1000)
    assert store(peer, image).status == 0
    remove(server.inbox)
    assert store(peer, image).status == OUT_OF_RESOURCES
    server.inbox.mkdir()
    assert store(peer, image).status == 0
    assert_holds(server, image)


def test_an_object_is_refused_when_its_directory_is_removed_meanwhile(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer]
) -> None:
    server = scpd("--fork")
    peer, image = associated(raw_peer, server), ct_image(300_000)
    send_half(peer, image)
    wait_for_temporaries(server, 1)
    remove(server.inbox)
    assert finish(peer, image).status == OUT_OF_RESOURCES
    assert peer.echo() == 0
    server.inbox.mkdir()
    assert_serves(server, raw_peer)
    assert_holds(server)


def test_a_directory_that_loses_its_write_permission_refuses_until_it_is_back(
    tmp_path: Path, scpd_by_user: Callable[..., ServerFactory], raw_peer: Callable[..., RawPeer]
) -> None:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    os.chown(inbox, unprivileged_user(), -1)
    server = scpd_by_user()("--fork", inbox=inbox)
    peer, image = associated(raw_peer, server), ct_image(1000)
    assert store(peer, image).status == 0
    (inbox / f"CT.{image.sop_instance_uid}").unlink()
    inbox.chmod(0o500)
    assert_refused(store(peer, image), server, "cannot write: Permission denied")
    inbox.chmod(0o700)
    assert store(peer, image).status == 0
    assert_holds(server, image)


# --min-free


def test_before_the_disk_is_full_associations_are_rejected_for_now(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer], inbox: Path
) -> None:
    server = scpd("--min-free", "512k", inbox=inbox)
    filler = inbox.parent / "filler"
    filler.write_bytes(bytes(free_bytes(inbox) - (512 << 10) + 4096))
    for _ in range(3):
        answer = raw_peer(server).request_association()
        assert answer is not None
        assert (answer.type, answer.body) == (wire.ASSOCIATE_RJ, bytes((0, 2, 3, 2)))
    server.wait_for_log("less than --min-free 524288 bytes are free in ")
    assert server.stderr.count("less than --min-free") == 1  # in a minute
    asked = scpctl("ready", "-od", inbox)
    assert (asked.returncode, asked.stderr) == (
        1,
        f"scpctl: not ready: less than --min-free 524288 bytes are free in {inbox}\n",
    )
    filler.unlink()
    assert scpctl("ready", "-od", inbox).returncode == 0
    assert_serves(server, raw_peer)


def test_an_object_that_would_leave_too_little_is_refused_and_the_next_one_taken(
    scpd: ServerFactory, raw_peer: Callable[..., RawPeer], inbox: Path
) -> None:
    server = scpd("--min-free", "512k", inbox=inbox)
    peer = associated(raw_peer, server)
    filler = inbox.parent / "filler"
    filler.write_bytes(bytes(free_bytes(inbox) - (512 << 10) + 4096))
    assert_refused(store(peer, ct_image(2000)), server, "too little disk space left")
    filler.unlink()
    image = ct_image(2000)
    assert store(peer, image).status == 0
    peer.release()
    assert_holds(server, image)
