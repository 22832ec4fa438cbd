"""The files in etc/: who copies them has a service that starts, whatever line he takes the number sign from."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.harness.certificates import PASSWORD
from tests.harness.servers import REPOSITORY

if TYPE_CHECKING:
    from tests.harness.certificates import Infrastructure

EXAMPLES = REPOSITORY / "etc"
OPTION = re.compile(r"^#(--[a-z-]+.*|\d+)$", re.MULTILINE)
COMMAND_FILE = (EXAMPLES / "scpd.conf").read_text(encoding="utf-8")
OPTIONS = OPTION.findall(COMMAND_FILE)
TLS = ("--enable-tls", "--passwd-file", "--add-cert-file", "--add-crl-file", "--allow-peer-cn")
PROFILES = re.findall(
    r"^\[([\w-]+)\]$",
    (EXAMPLES / "storescp.cfg").read_text(encoding="utf-8").partition("[[Profiles]]")[2],
    re.MULTILINE,
)
NO_PORT = "scpd: warning: no port: this needs a socket unit, which hands over what it listens on\n"


@pytest.fixture
def site(tmp_path: Path, certificates: Infrastructure) -> Path:
    """A machine of one folder: the examples without their ending, and the directories and keys that they name."""
    files = {"server.key": certificates.server.locked, "server.crt": certificates.server.crt}
    files |= {"ca.crt": certificates.ca.crt, "ca.crl": certificates.current_crl}
    for name, source in files.items():
        (tmp_path / name).write_bytes(Path(source).read_bytes())
    (tmp_path / "server.password").write_text(f"{PASSWORD}\n")
    for example in EXAMPLES.iterdir():
        (tmp_path / example.name.removesuffix(".example")).write_text(adapted(example.read_text(), tmp_path))
    (tmp_path / "incoming").mkdir()
    (tmp_path / "research").mkdir()
    return tmp_path


def adapted(text: str, folder: Path) -> str:
    return re.sub(r"/(etc|var/log)/scpd\b|/srv/dicom\b", str(folder), text)


def check(folder: Path, *words: str) -> tuple[int, str]:
    """Run --check-config; give its exit code and all that it says."""
    ended = subprocess.run(
        [sys.executable, "-m", "scpd", "--check-config", *words],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return ended.returncode, ended.stdout + ended.stderr


def test_there_is_no_example_without_a_test() -> None:
    assert {path.name for path in EXAMPLES.iterdir()} == {
        *("scpd.conf", "storescp.cfg", "logger.cfg", "peers.example"),
        *("hosts.allow.example", "hosts.deny.example", "logrotate"),
    }


def test_the_command_file_is_sound_as_it_is(site: Path) -> None:
    assert check(site, "@scpd.conf") == (0, NO_PORT)
    assert check(site, "@scpd.conf", "11112") == (0, "")


def test_the_command_file_has_something_to_choose_from() -> None:
    assert len(OPTIONS) > 15


@pytest.mark.parametrize("line", OPTIONS)
def test_the_command_file_is_sound_with_any_line_of_it_taken_in(site: Path, line: str) -> None:
    text = OPTION.sub(lambda found: found[1] if found[1] == line else found[0], COMMAND_FILE)
    if line.startswith("--hosts-"):
        text = text.replace("#--access-control", "--access-control")
    if line.startswith(TLS):
        for other in TLS[:3]:  # a key is of no use without its password, nor a server that trusts nobody
            text = text.replace(f"#{other}", other)
    if line.startswith("--config-file"):
        text = text.replace("--accept-all\n", "")
    (site / "scpd.conf").write_text(adapted(text, site))
    words = [] if line.isdigit() else ["11112"]
    assert check(site, "@scpd.conf", *words) == (0, "")


def test_the_units_take_their_options_from_that_place() -> None:
    for unit in ("scpd.service", "scpd-keeper.service", "scpd-inetd@.service"):
        assert "@/etc/scpd/scpd.conf" in (REPOSITORY / "systemd" / unit).read_text()


@pytest.mark.parametrize("profile", PROFILES)
def test_every_profile_is_sound(site: Path, profile: str) -> None:
    assert check(site, "-xf", "storescp.cfg", profile, "-od", "incoming", "11112") == (0, "")


def test_the_log_configuration_is_sound(site: Path) -> None:
    assert check(site, "-lc", "logger.cfg", "-od", "incoming", "11112") == (0, "")


def test_the_log_configuration_is_sound_with_all_that_it_offers(site: Path) -> None:
    path = site / "logger.cfg"
    path.write_text(re.sub("^#log4cplus", "log4cplus", path.read_text(), flags=re.MULTILINE))
    assert check(site, "-lc", "logger.cfg", "-od", "incoming", "11112") == (0, "")


def test_the_table_of_peers_is_sound_with_all_that_it_offers(site: Path) -> None:
    path = site / "peers"
    assert check(site, "--peers", "peers", "-od", "incoming", "11112") == (0, "")
    path.write_text(re.sub("^#([A-Z])", r"\1", path.read_text(), flags=re.MULTILINE))
    words = ("-xf", "storescp.cfg", "Default", "--peers", "peers", "-od", "incoming", "11112")
    assert check(site, *words) == (0, "")


@pytest.mark.parametrize("deny", ["hosts.deny", "nothing"])
def test_the_tables_of_hosts_are_sound(site: Path, deny: str) -> None:
    (site / "nothing").touch()
    words = ("+ac", "--hosts-allow", "hosts.allow", "--hosts-deny", deny, "-od", "incoming", "11112")
    assert check(site, *words) == (0, "")


def test_the_tables_of_hosts_are_sound_with_all_that_they_offer(site: Path) -> None:
    for name in ("hosts.allow", "hosts.deny"):
        path = site / name
        path.write_text(re.sub("^#([a-zA-Z]+:)", r"\1", path.read_text(), flags=re.MULTILINE))
    words = ("+ac", "--hosts-allow", "hosts.allow", "--hosts-deny", "hosts.deny", "-od", "incoming", "11112")
    assert check(site, *words) == (0, "")
