"""The Debian package: what lintian says of it, and what it does to a machine, from its installation to its end."""

from __future__ import annotations

import re
import subprocess
from fnmatch import fnmatch
from typing import TYPE_CHECKING

import pytest

import scpd
from tests.harness.clients import run
from tests.harness.containers import SHARED, Container
from tests.harness.installing import package
from tests.harness.objects import ct_image
from tests.harness.programs import real_program
from tests.harness.servers import REPOSITORY
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

UNITS = ("scpd.socket", "scpd.service", "scpd-keeper.service", "scpd-inetd.socket")
CONFIGURATION = (
    "/etc/logrotate.d/scpd",
    "/etc/scpd/logger.cfg",
    "/etc/scpd/scpd.conf",
    "/etc/scpd/storescp.cfg",
)
INBOX = "/srv/dicom/incoming"
NEWER = f"{scpd.__version__}+newer"
LISTENS = re.compile(r"^ *\d+: \S+ \S+ 0A ", re.MULTILINE)


def test_debians_changelog_is_about_this_version() -> None:
    first = (REPOSITORY / "debian/changelog").read_text().splitlines()[0]
    assert first.startswith(f"scpd ({scpd.__version__}) ")


@pytest.mark.timeout(300)
def test_lintian_has_nothing_to_complain_about(tmp_path: Path) -> None:
    lintian = real_program("lintian")
    made = package(tmp_path)
    said = run([lintian, "--allow-root", "--fail-on=error,warning", str(made)], timeout=150)
    assert (said.returncode, said.stdout) == (0, ""), said.stderr

    files = run([real_program("dpkg-deb"), "--info", str(made), "conffiles"]).stdout.split()
    assert files == list(CONFIGURATION)
    listed = run([real_program("dpkg-deb"), "--contents", str(made)]).stdout
    assert "__pycache__" not in listed
    assert "./usr/lib/scpd/bin/storescp -> ../../../bin/scpd" in listed


@pytest.mark.timeout(300)
def test_the_licence_of_every_library_that_it_brings_is_told(tmp_path: Path) -> None:
    listed = run([real_program("dpkg-deb"), "--contents", str(package(tmp_path))]).stdout
    found = {match[1] for match in re.finditer(r" \./usr/lib/scpd/python/([^/\n]+)", listed)}
    brought = {name for name in found if not name.endswith(".dist-info")} - {"scpd"}
    text = (REPOSITORY / "debian/copyright").read_text(encoding="utf-8")
    told = re.findall(r"usr/lib/scpd/python/(\S+?)(?:/\*|$|(?=\s))", text, re.MULTILINE)
    assert {"pydicom", "cryptography"} < brought
    assert [name for name in brought if not any(fnmatch(name, pattern) for pattern in told)] == []


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Container]:
    """A machine that has the package, a newer one, and an object to send."""
    shared = tmp_path / "shared"
    shared.mkdir()
    machine = Container(shared)
    try:
        package(tmp_path).rename(shared / "scpd.deb")
        write_newer(shared / "scpd.deb", shared / "newer.deb")
        ct_image().write(shared / "image.dcm")
        yield machine
    finally:
        machine.stop()


def write_newer(old: Path, new: Path) -> None:
    """Make another version of a package, the same but for its number."""
    tool, folder = real_program("dpkg-deb"), new.with_suffix("")
    subprocess.run([tool, "--raw-extract", str(old), str(folder)], check=True)
    for file in (folder / "DEBIAN/control", folder / "usr/lib/scpd/python/scpd/__init__.py"):
        text = file.read_text()
        assert scpd.__version__ in text
        file.write_text(text.replace(scpd.__version__, NEWER))
    subprocess.run(
        [tool, "--build", "--root-owner-group", str(folder), str(new)], check=True, stdout=subprocess.PIPE
    )


def install(machine: Container, name: str) -> None:
    machine.check("dpkg", "--install", "--force-confold", f"{SHARED}/{name}")


def send(machine: Container) -> None:
    machine.check("scpctl", "send", "127.0.0.1", "104", f"{SHARED}/image.dcm")


def states(machine: Container, question: str) -> list[str]:
    """What systemctl answers for each unit: is-enabled, is-active."""
    return machine.run("systemctl", question, *UNITS).stdout.split()


def listens(machine: Container) -> bool:
    return bool(LISTENS.search(machine.check("cat", "/proc/net/tcp", "/proc/net/tcp6")))


def master(machine: Container) -> str:
    return machine.check("systemctl", "show", "--property=MainPID", "--value", "scpd.service").strip()


def runs_what_is_installed(machine: Container) -> bool:
    """Say whether the library that the master has mapped is the one on disk: dpkg gives each file a new inode."""
    maps = machine.run("cat", f"/proc/{master(machine)}/maps").stdout.splitlines()
    mapped = [line for line in maps if "/_setproctitle" in line]
    return bool(mapped) and not any(line.endswith("(deleted)") for line in mapped)


def exists(machine: Container, path: str) -> bool:
    return machine.run("test", "-e", path).returncode == 0


@pytest.mark.long
@pytest.mark.timeout(300)
def test_a_machine_gets_it_uses_it_upgrades_it_and_loses_it(machine: Container) -> None:
    is_installed_and_asleep(machine)
    is_started(machine)
    is_upgraded(machine)
    is_removed_and_purged(machine)


def is_installed_and_asleep(machine: Container) -> None:
    """Nothing is enabled, nothing runs, nothing listens; users, directories and byte code are there."""
    install(machine, "scpd.deb")
    assert states(machine, "is-enabled") == ["disabled"] * len(UNITS)
    assert states(machine, "is-active") == ["inactive"] * len(UNITS)
    assert not listens(machine)
    assert machine.check("id", "--name", "--groups", "scpd-keeper").split() == ["scpd"]
    for path in (INBOX, "/var/log/scpd"):
        assert machine.check("stat", "--format=%a %U %G", path).split() == ["2770", "scpd", "scpd"]
    library = "/usr/lib/scpd/python/scpd"
    assert machine.check("find", f"{library}/__pycache__", "-name", "__main__.*.pyc")
    assert machine.check("scpd", "--check-config", "--no-keeper", "@/etc/scpd/scpd.conf") == ""


def is_started(machine: Container) -> None:
    """By the lines of README.Debian; an object is stored, and the log can be rotated."""
    machine.check("systemctl", "enable", "--now", *UNITS[:3])
    send(machine)
    (name,) = machine.check("find", INBOX, "-name", "CT.*").splitlines()
    assert machine.check("stat", "--format=%a %U %G", name).split() == ["660", "scpd", "scpd"]
    machine.check("sh", "-c", "echo line > /var/log/scpd/scpd.log && chown scpd:scpd /var/log/scpd/scpd.log")
    machine.check("logrotate", "--force", "/etc/logrotate.d/scpd")
    assert exists(machine, "/var/log/scpd/scpd.log.1")
    assert machine.check("systemctl", "is-active", "scpd.service") == "active\n"


def is_upgraded(machine: Container) -> None:
    """What was changed stays, what runs goes on, and what was switched off is not switched on."""
    machine.check("sh", "-c", "echo '#changed' >> /etc/scpd/scpd.conf")
    before = master(machine)
    install(machine, "newer.deb")
    assert f"v{NEWER} " in machine.check("scpd", "--version")
    wait_until(lambda: runs_what_is_installed(machine), what="a master that is the new program")
    send(machine)
    assert master(machine) == before
    told = machine.check("scpctl", "status")
    assert f"upgraded from version {scpd.__version__} to version {NEWER}" in told
    assert states(machine, "is-active")[:2] == ["active", "active"]
    assert machine.check("tail", "-n", "1", "/etc/scpd/scpd.conf") == "#changed\n"

    machine.check("systemctl", "stop", *UNITS[:3])
    install(machine, "newer.deb")
    assert states(machine, "is-active") == ["inactive"] * len(UNITS)
    machine.check("systemctl", "start", *UNITS[:3])


def is_removed_and_purged(machine: Container) -> None:
    """Images stay in any case, and with them the notes; everything else goes at its time."""
    machine.check("dpkg", "--remove", "scpd")
    assert not listens(machine)
    assert not exists(machine, "/usr/lib/scpd")
    assert exists(machine, "/var/log/scpd/scpd.log.1")
    assert exists(machine, CONFIGURATION[2])

    said = machine.run("dpkg", "--purge", "scpd")
    assert "what was received in /srv/dicom is kept" in said.stderr
    assert machine.check("find", INBOX, "-name", "CT.*")
    for path in ("/etc/scpd", "/etc/logrotate.d/scpd", "/var/log/scpd"):
        assert not exists(machine, path)

    install(machine, "scpd.deb")
    machine.check(
        "sh", "-c", f"find {INBOX} -name 'CT.*' -delete; mkdir -p {INBOX}/.scpd/tmp; touch {INBOX}/.scpd/x"
    )
    assert machine.run("dpkg", "--purge", "scpd").returncode == 0
    assert not exists(machine, "/srv/dicom")
    assert machine.run("find", "/etc/systemd", "-name", "scpd*").stdout == ""
