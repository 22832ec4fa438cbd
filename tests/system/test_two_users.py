"""Receiver and keeper as two users with a common group, as scpd.service and scpd-keeper.service run them."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from scpd.lockdir.layout import LockDirectory
from tests.harness.files import states_below
from tests.harness.lockdirs import keeper_pid
from tests.harness.programs import real_program
from tests.harness.servers import REPOSITORY, ServerFactory, scpd_factory
from tests.harness.studies import Hook, numbered, remains, send, series, study_of, write
from tests.harness.waiting import wait_until
from tests.harness.wrapped import require_root, unprivileged_user

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.harness.objects import StorableObject
    from tests.harness.servers import Server


class Users:
    """Two users and their group, none of which anybody else has."""

    def __init__(self) -> None:
        self.receiver = unprivileged_user()
        self.keeper = self.receiver + 20000
        self.group = self.receiver + 40000

    def words(self, user: int) -> list[str]:
        """What runs a command line as one of them, with UMask=0007."""
        become = [real_program("setpriv"), f"--reuid={user}", f"--regid={self.group}", "--clear-groups"]
        run = ["sh", "-c", 'umask 0007; exec "$@"', "sh"]
        probe = subprocess.run([*become, *run, sys.executable, "-c", ""], capture_output=True, check=False)
        if probe.returncode != 0:
            # Python lies in root's home: to read it is a right that hides what could not be read else.  Modes are
            # looked at for that reason.
            become += ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
        return [*become, *run]


class Site:
    """A directory of mode 2770 with a receiver and a keeper, and a hook that the keeper may run."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.users = Users()
        self.folder = folder
        folder.chmod(0o755)
        self.hook = Hook(folder / "ran")
        os.chown(folder / "ran", self.users.keeper, self.users.group)
        self.inbox = folder / "inbox"
        self.inbox.mkdir()
        os.chown(self.inbox, self.users.receiver, self.users.group)
        self.inbox.chmod(0o2770)
        self.options = options
        plain = scpd_factory(folder)
        words = [*self.users.words(self.users.receiver), *plain._command]
        self._servers = ServerFactory(words, folder, "inbox", plain._environment, may_leave=False)
        self._keepers: list[subprocess.Popen[bytes]] = []

    def receive(self) -> Server:
        """Start the receiver, without a keeper of its own."""
        return self._servers("--fork", "--no-keeper", "-v", *self.options, inbox=self.inbox)

    def keep(self) -> subprocess.Popen[bytes]:
        """Start the keeper, wait until it is the one."""
        words = [sys.executable, "-m", "scpd.ctl.main", "keep", "--fork", "-v", "-od", str(self.inbox)]
        with (self.folder / "keeper.log").open("ab") as log:
            keeper = subprocess.Popen(
                [*self.users.words(self.users.keeper), *words, *self.options],
                cwd=self.folder,
                stderr=log,
                env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
            )
        self._keepers.append(keeper)
        wait_until(self._is_kept, what="a keeper")
        return keeper

    def _is_kept(self) -> bool:
        path = self.inbox / ".scpd"
        if not (path / "keeper").exists():
            return False
        lockdir = LockDirectory(str(path))
        try:
            return keeper_pid(lockdir) in [keeper.pid for keeper in self._keepers]
        finally:
            lockdir.close()

    def keeper_says(self) -> str:
        """Give its log."""
        return (self.folder / "keeper.log").read_text()

    def closed_to_one_of_them(self) -> list[str]:
        """Give what one of the two cannot read and write, and what others can: with its mode.

        The control socket is the receiver's own.
        """
        found = []
        for path, status in states_below(self.inbox):
            if stat.S_ISSOCK(status.st_mode):
                continue
            needed = 0o2770 if stat.S_ISDIR(status.st_mode) else 0o660
            if status.st_gid != self.users.group or stat.S_IMODE(status.st_mode) != needed:
                found.append(f"{path.relative_to(self.inbox)} {status.st_gid} {status.st_mode:o}")
        return found

    def owners(self) -> set[int]:
        """Give who has made what is there."""
        return {status.st_uid for _, status in states_below(self.inbox)}

    def finish(self) -> None:
        """End both."""
        for keeper in self._keepers:
            keeper.terminate()
            keeper.wait(60)
        self._servers.finish()


@pytest.fixture
def site(_no_child_is_left_behind: None) -> Iterator[Callable[..., Site]]:
    """`site(*options)` makes one, in a place that every user reaches; ends it."""
    require_root()
    made: list[Site] = []
    with tempfile.TemporaryDirectory() as folder:
        yield lambda *options: made.append(Site(Path(folder), *options)) or made[-1]
        for each in made:
            each.finish()


def with_hook(site: Site) -> Site:
    """Let the keeper run the hook at the end of each study."""
    site.options = (*site.options, "-xcs", site.hook.command)
    return site


def sources(site: Site, images: list[StorableObject]) -> list[Path]:
    folder = site.folder / "sources"
    folder.mkdir(exist_ok=True)
    return write(folder, images)


@pytest.mark.parametrize("first", ["receiver", "keeper"])
def test_studies_end_whoever_has_made_the_lock_directory(site: Callable[..., Site], first: str) -> None:
    place = with_hook(site("-su", "study", "-tos", "1", "-rns"))
    if first == "keeper":
        place.keep()
    server = place.receive()
    images = series(3)
    assert send(server, sources(place, images), "CT1").returncode == 0
    assert place.closed_to_one_of_them() == []
    if first == "receiver":
        place.keep()
    (ended,) = place.hook.wait_for(1, server)
    assert (ended.study, ended.objects, list(ended.files)) == (study_of(images), 3, numbered(3))
    wait_until(lambda: remains(server) == [], what="an empty lock directory")
    assert place.closed_to_one_of_them() == []
    assert place.owners() == {place.users.receiver, place.users.keeper}
    assert "E:" not in place.keeper_says() + server.stderr


def test_a_keeper_that_was_killed_is_followed_by_one_that_finds_all(site: Callable[..., Site]) -> None:
    place = with_hook(site("-su", "study", "-tos", "3600"))
    server = place.receive()
    first = place.keep()
    images = series(2)
    assert send(server, sources(place, images), "CT1").returncode == 0
    first.kill()
    first.wait()
    assert place.closed_to_one_of_them() == []
    place.keep()
    # What comes next from this sender ends the study.
    assert send(server, sources(place, series(1)), "CT1").returncode == 0
    (ended,) = place.hook.wait_for(1, server)
    assert (ended.study, ended.objects) == (study_of(images), 2)
    assert place.closed_to_one_of_them() == []


def test_a_worker_waits_for_the_end_of_a_command_of_another_user(site: Callable[..., Site]) -> None:
    place = site("-xs", "-xcr", "id -u > #p/#f.user")
    place.keep()
    server = place.receive()
    (image,) = series(1)
    assert send(server, sources(place, [image]), "CT1").returncode == 0
    # The association has ended when the command has.
    users = [path.read_text().strip() for path in place.inbox.glob("*.user")]
    assert users == [str(place.users.keeper)]
    assert "without" not in server.stderr
    assert place.closed_to_one_of_them() == []


def test_a_file_of_a_stranger_would_be_found() -> None:
    require_root()
    with tempfile.TemporaryDirectory() as folder:
        place = Site(Path(folder))
        (place.inbox / "file").touch(mode=0o600)
        assert len(place.closed_to_one_of_them()) == 1
