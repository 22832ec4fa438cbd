"""Another user of the machine who may write into output and lock directory plays with links, renames and FIFOs.

He can spoil what lies there: he could remove it as well.  He cannot have scpd write, truncate, move or show anything
that lies elsewhere, nor keep it waiting, and when he is gone all is served.
"""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.harness.files import paths_below
from tests.harness.forked import in_child
from tests.harness.objects import ct_image, new_uid
from tests.harness.programs import real_program
from tests.harness.raw_peer import RawPeer
from tests.harness.servers import REPOSITORY, ServerFactory, scpd_factory
from tests.harness.storing import finish, send_half, store, temporaries
from tests.harness.wrapped import require_root, unprivileged_user

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.harness.objects import StorableObject
    from tests.harness.servers import Server

SORTED = ("-su", "S", "-tos", "3600", "-xcs", "true")
LONGEST_SECONDS = 30.0  # that anything may take which meets what he has left


class Place:
    """A shared inbox, what must not be touched, and the two users."""

    def __init__(self, folder: Path) -> None:
        folder.chmod(0o755)
        self.receiver = unprivileged_user()
        self.player = self.receiver + 30000
        self.group = self.receiver + 40000
        self.folder = folder
        self.inbox = folder / "inbox"
        # The receiver may write there, the player may not: whoever follows a link shows.
        self.elsewhere = folder / "elsewhere"
        self.victim = self.elsewhere / "victim"
        self.inbox.mkdir()
        self.elsewhere.mkdir()
        self.victim.write_text("not yours")
        for path, mode in ((self.inbox, 0o2770), (self.elsewhere, 0o755), (self.victim, 0o644)):
            os.chown(path, self.receiver, self.group)
            path.chmod(mode)
        self._servers = self._factory()

    def _factory(self) -> ServerFactory:
        plain = scpd_factory(self.folder)
        become = [
            real_program("setpriv"),
            f"--reuid={self.receiver}",
            f"--regid={self.group}",
            "--clear-groups",
        ]
        run = ["sh", "-c", 'umask 0007; exec "$@"', "sh"]
        probe = subprocess.run([*become, *run, sys.executable, "-c", ""], capture_output=True, check=False)
        if probe.returncode != 0:  # Python lies in root's home
            become += ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
        return ServerFactory(
            [*become, *run, *plain._command], self.folder, "inbox", plain._environment, may_leave=False
        )

    def receive(self, *options: str) -> Server:
        """Start scpd as the receiver."""
        return self._servers("--fork", *options, inbox=self.inbox)

    def put(self, path: Path, kind: str) -> None:
        """Put something where a file is expected, as the player; only root can make a device."""
        if kind == "device":
            put(path, kind, self.victim)
        else:
            self.play(lambda: put(path, kind, self.victim))

    def play(self, game: Callable[[], object]) -> None:
        """Do something as the player."""

        def as_player() -> None:
            os.setgroups([])
            os.setgid(self.group)
            os.setuid(self.player)
            os.umask(0o007)
            game()

        in_child(as_player)

    def outside(self) -> dict[str, str]:
        """Give what lies elsewhere."""
        return {str(path): path.read_text() for path in self.elsewhere.rglob("*") if path.is_file()} | {
            str(path): "" for path in self.elsewhere.rglob("*") if not path.is_file()
        }

    def finish(self) -> None:
        """End the server."""
        self._servers.finish()


@pytest.fixture
def place(_no_child_is_left_behind: None) -> Iterator[Place]:
    require_root()
    with tempfile.TemporaryDirectory() as folder:
        made = Place(Path(folder))
        before = made.outside()
        yield made
        made.finish()
        assert made.outside() == before


def peer_of(server: Server) -> RawPeer:
    peer = RawPeer(server.port, timeout=LONGEST_SECONDS)
    peer.associate()
    return peer


def status_of(server: Server, image: StorableObject) -> int:
    """Send an object on an association of its own; its status, or -1 if there was no answer."""
    peer = peer_of(server)
    try:
        return store(peer, image).status
    except AssertionError:
        return -1
    finally:
        peer.close()


def objects_in(place: Place) -> set[str]:
    """Give the names of regular files that are objects, wherever in the inbox."""
    found = (path for path in paths_below(place.inbox, "CT.*") if path.is_file() and not path.is_symlink())
    return {path.name for path in found}


def moved_and_linked(path: Path, target: Path) -> Callable[[], None]:
    """Give a game: something is renamed, and a link stands in its place."""

    def game() -> None:
        path.rename(path.with_name(f".{path.name}.moved"))
        path.symlink_to(target)

    return game


def moved_back(path: Path) -> Callable[[], None]:
    def game() -> None:
        if path.is_symlink() or not path.is_dir():
            path.unlink()
        path.with_name(f".{path.name}.moved").rename(path)

    return game


# Directories.


def test_a_study_directory_that_becomes_a_link_between_two_objects_is_not_followed(place: Place) -> None:
    server = place.receive(*SORTED)
    study = new_uid()
    first, second, third = (ct_image(1000, study_uid=study) for _ in range(3))
    peer = peer_of(server)
    assert store(peer, first).status == 0
    (directory,) = place.inbox.glob("S_*")
    place.play(moved_and_linked(directory, place.elsewhere))
    status = store(peer, second).status
    assert status != 0 or f"CT.{second.sop_instance_uid}" in objects_in(place)
    assert status_of(server, third) != 0 or f"CT.{third.sop_instance_uid}" in objects_in(place)
    peer.release()
    place.play(moved_back(directory))
    assert status_of(server, ct_image(1000, study_uid=study)) == 0


@pytest.mark.parametrize("part", [".scpd", ".scpd/tmp", ".scpd/journals", ".scpd/open", ".scpd/sealed"])
@pytest.mark.parametrize("target", ["elsewhere", "/etc"])
def test_a_directory_of_scpd_that_becomes_a_link_is_not_followed(
    place: Place, part: str, target: str
) -> None:
    server = place.receive(*SORTED)
    study = new_uid()
    open_one = peer_of(server)
    assert store(open_one, ct_image(1000, study_uid=study)).status == 0
    path = place.inbox / part
    where = place.elsewhere if target == "elsewhere" else Path(target)
    before = set(os.listdir(where))
    place.play(moved_and_linked(path, where))
    for image in (ct_image(1000, study_uid=study), ct_image(1000)):
        status = status_of(server, image)
        assert status != 0 or f"CT.{image.sop_instance_uid}" in objects_in(place)
    store(open_one, ct_image(1000))
    open_one.close()
    assert set(os.listdir(where)) == before
    assert server.is_running
    place.play(lambda: restore(path))
    server.wait_for(lambda: status_of(server, ct_image(1000)) == 0, what="an object that is stored")


def restore(path: Path) -> None:
    """Put back what was moved, unless the keeper has made it anew, or does while we look."""
    if path.is_symlink():
        with suppress(OSError):
            moved_back(path)()


# Files.

GAMES = ["link", "dangling link", "fifo", "directory", "socket", "device"]


def put(path: Path, kind: str, victim: Path) -> None:
    """Put something where a file is expected."""
    if path.is_dir() and not path.is_symlink():
        path.rename(path.with_name(f".{path.name}.gone"))
    elif path.exists() or path.is_symlink():
        path.unlink()
    match kind:
        case "link":
            path.symlink_to(victim)
        case "dangling link":
            path.symlink_to(victim.with_name("new"))
        case "fifo":
            os.mkfifo(path)
        case "directory":
            path.mkdir()
        case "device":
            os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(1, 5))  # without end, as /dev/zero
        case "socket":
            with socket.socket(socket.AF_UNIX) as sock:
                os.chdir(path.parent)
                sock.bind(path.name)


@pytest.mark.parametrize("kind", GAMES)
@pytest.mark.parametrize("duplicates", ["replace", "keep", "both", "refuse"])
def test_what_has_the_name_of_an_object_is_neither_written_through_nor_waited_for(
    place: Place, kind: str, duplicates: str
) -> None:
    server = place.receive("--duplicates", duplicates)
    image = ct_image(1000)
    path = place.inbox / f"CT.{image.sop_instance_uid}"
    place.put(path, kind)
    status = status_of(server, image)
    names = [name for name in objects_in(place) if name.startswith(path.name)]
    assert bool(names) == (status == 0), server.stderr
    assert "Traceback" not in server.stderr
    assert status_of(server, ct_image(1000)) == 0


@pytest.mark.parametrize("kind", GAMES)
@pytest.mark.parametrize("name", ["tmp/lock", "rules", "wake", "keeper"])
def test_what_has_the_name_of_a_file_of_scpd_keeps_nobody_waiting(place: Place, name: str, kind: str) -> None:
    server = place.receive(*SORTED)
    study = new_uid()
    assert status_of(server, ct_image(1000, study_uid=study)) == 0
    place.put(place.inbox / ".scpd" / name, kind)
    for image in (ct_image(1000, study_uid=study), ct_image(1000)):
        status = status_of(server, image)
        assert status != 0 or f"CT.{image.sop_instance_uid}" in objects_in(place)
    assert server.is_running
    assert "Traceback" not in server.stderr
    server.stop()
    # A start either mends it or says in one line what is in its way.
    words = [sys.executable, "-m", "scpd", "--check-config", *SORTED, "-od", str(place.inbox), "11112"]
    checked = subprocess.run(
        words, env={**os.environ, "PYTHONPATH": str(REPOSITORY)}, capture_output=True, timeout=60, check=False
    )
    assert checked.returncode in {0, 1}


def test_a_temporary_file_that_becomes_a_link_shows_nothing_of_elsewhere_to_be_written(place: Place) -> None:
    """The player may take the object away; nothing is written through what he puts there."""
    server = place.receive()
    image = ct_image(400_000)
    peer = peer_of(server)
    send_half(peer, image)
    server.wait_for(lambda: any(path.stat().st_size for path in temporaries(server)), what="a temporary file")

    def game() -> None:
        for path in temporaries(server):
            path.rename(place.inbox / f"{path.name}.taken")
            path.symlink_to(place.victim)

    place.play(game)
    finish(peer, image)
    peer.release()
    assert place.victim.read_text() == "not yours"
    assert status_of(server, ct_image(1000)) == 0


# The control socket.


@pytest.mark.parametrize("kind", GAMES)
def test_a_control_socket_is_not_taken_from_another_user(place: Place, kind: str) -> None:
    """Whatever he does to it while scpd runs: the next start is none the worse."""
    (place.inbox / ".scpd").mkdir()
    os.chown(place.inbox / ".scpd", place.receiver, place.group)
    (place.inbox / ".scpd").chmod(0o2770)
    server = place.receive(*SORTED)
    found = list((place.inbox / ".scpd").glob("control-*"))
    assert found
    for path in found:
        place.put(path, kind)
    assert status_of(server, ct_image(1000)) == 0
    server.stop()
    again = place.receive(*SORTED)
    assert status_of(again, ct_image(1000)) == 0


def test_the_player_can_play(place: Place) -> None:
    """Else all of this would show nothing."""
    path = place.inbox / "file"
    place.play(lambda: put(path, "link", place.victim))
    assert path.is_symlink()
    assert path.lstat().st_uid == place.player
    with pytest.raises(AssertionError, match="PermissionError"):
        place.play(lambda: place.victim.write_text("mine"))
