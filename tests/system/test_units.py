"""The units of systemd/, as systemd itself reads them."""

from __future__ import annotations

import re
import shlex
import sys
from typing import TYPE_CHECKING

import pytest

from scpd.cli.parser import parse
from scpd.cli.settings import Settings
from tests.harness import restricted
from tests.harness.clients import run
from tests.harness.programs import real_program
from tests.harness.servers import REPOSITORY

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

FOLDER = REPOSITORY / "systemd"
UNITS = sorted(path.name for path in FOLDER.iterdir() if path.suffix in {".service", ".socket"})
SERVICES = [name for name in UNITS if name.endswith(".service")]
DROP_INS = sorted(path.name for path in (FOLDER / "scpd.service.d").iterdir())
WOULD_RUN_HERE = "commands would run here, without a network: --no-keeper leaves them to scpd-keeper.service"
INSTALLED = re.compile(r"/usr/bin/(scpd|scpctl)\b")


def settings_of(text: str) -> dict[str, list[str]]:
    """Give what a unit says, each key with all its values."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if "=" in line and not line.startswith("#"):
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


def unit(name: str) -> dict[str, list[str]]:
    return settings_of((FOLDER / name).read_text())


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units where systemd-analyze looks, with a program that there is."""
    folder = tmp_path / "units"
    folder.mkdir()
    for name in UNITS:
        write(folder / name, FOLDER / name)
    return folder


def write(target: Path, source: Path) -> None:
    target.write_text(INSTALLED.sub("/bin/true", source.read_text()))


def analyze(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return run(
        [real_program("systemd-analyze"), *words], timeout=120, env={"SYSTEMD_UNIT_PATH": f"{folder}:"}
    )


def complaints(folder: Path, name: str) -> str:
    result = analyze(folder, "verify", "--man=no", str(folder / name))
    return result.stdout + result.stderr


def exposure(folder: Path, name: str) -> float:
    said = analyze(folder, "security", "--offline=true", str(folder / name)).stdout
    (level,) = re.findall(r"Overall exposure level for \S+: ([\d.]+)", said)
    return float(level)


@pytest.mark.parametrize("name", UNITS)
def test_systemd_has_nothing_to_complain_about(units: Path, name: str) -> None:
    assert complaints(units, name) == ""


def test_systemd_would_complain(units: Path) -> None:
    with (units / "scpd.service").open("a") as file:
        file.write("[Service]\nPrivateNetwrok=yes\n")
    assert "PrivateNetwrok" in complaints(units, "scpd.service")


@pytest.mark.parametrize(
    ("name", "most"), [("scpd.service", 0.5), ("scpd-inetd@.service", 0.5), ("scpd-keeper.service", 1.5)]
)
def test_what_a_service_may_do_is_little(units: Path, name: str, most: float) -> None:
    assert exposure(units, name) < most


@pytest.mark.parametrize("name", DROP_INS)
def test_a_drop_in_opens_no_more_than_it_says(units: Path, name: str) -> None:
    folder = units / "scpd.service.d"
    folder.mkdir()
    write(folder / name.removesuffix(".example"), FOLDER / "scpd.service.d" / name)
    assert complaints(units, "scpd.service") == ""
    assert exposure(units, "scpd.service") < 1.5


def test_drop_ins_are_examples_that_no_copy_of_the_folder_puts_in_force() -> None:
    assert DROP_INS == [
        "dns.conf.example",
        "own-keeper.conf.example",
        "port-104.conf.example",
        "spawn.conf.example",
    ]


def command_lines() -> list[tuple[str, str]]:
    files = [*(FOLDER / name for name in SERVICES), *(FOLDER / "scpd.service.d").iterdir()]
    lines = [
        (path.name, line.partition("=")[2].lstrip("-"))
        for path in files
        for line in path.read_text().splitlines()
        if line.startswith("ExecStart") and line.partition("=")[2]
    ]
    assert len(lines) == 6
    return lines


@pytest.mark.parametrize(("name", "line"), command_lines())
def test_every_command_line_is_one(tmp_path: Path, name: str, line: str) -> None:
    (tmp_path / "scpd.conf").write_text("--fork -od /srv/dicom/incoming -su study -tos 60")
    program, *words = shlex.split(line.replace("/etc/scpd", str(tmp_path)))
    words = words[program.endswith("scpctl") :]
    assert isinstance(parse("scpd", words, needs_port=False), Settings)


@pytest.mark.parametrize("name", SERVICES)
def test_there_is_time_for_the_grace_period(name: str) -> None:
    grace = parse("scpd", ["11112"]).grace  # type: ignore[union-attr]
    assert unit(name)["TimeoutStopSec"] == [str(grace + 15)]
    assert unit(name)["KillMode"] == ["mixed"]


@pytest.mark.parametrize("name", ["scpd.service", "scpd-keeper.service"])
def test_no_service_is_given_up(name: str) -> None:
    assert unit(name)["StartLimitIntervalSec"] == ["0"]
    assert unit(name)["Restart"] == ["on-failure"]


@pytest.mark.parametrize("name", SERVICES)
def test_both_users_share_a_group_and_what_they_make(name: str) -> None:
    assert unit(name)["Group"] == ["scpd"]
    assert unit(name)["UMask"] == ["0007"]
    assert unit(name)["User"] == ["scpd-keeper" if name == "scpd-keeper.service" else "scpd"]


def test_a_receiver_never_starts_a_keeper_that_would_be_locked_in_with_it() -> None:
    for name in ("scpd.service", "scpd-inetd@.service"):
        assert "--no-keeper" in unit(name)["ExecStart"][0]
        assert "scpd-keeper.service" in unit(name)["Wants"][0]


def test_users_and_directories_are_made_as_the_units_need_them(tmp_path: Path) -> None:
    sysusers, tmpfiles = real_program("systemd-sysusers"), real_program("systemd-tmpfiles")
    (tmp_path / "etc").mkdir()
    made = run([sysusers, f"--root={tmp_path}", str(FOLDER / "sysusers.d" / "scpd.conf")])
    if made.returncode != 0:
        pytest.skip(f"systemd-sysusers cannot work here: {made.stderr.strip()[:200]}")
    users = [line.split(":") for line in (tmp_path / "etc/passwd").read_text().splitlines()]
    groups = {
        fields[0]: fields[2]
        for fields in (line.split(":") for line in (tmp_path / "etc/group").read_text().splitlines())
    }
    by_name = {fields[0]: fields for fields in users}
    assert by_name["scpd"][3] == by_name["scpd-keeper"][3] == groups["scpd"]
    assert by_name["scpd"][2] != by_name["scpd-keeper"][2]

    made = run([tmpfiles, f"--root={tmp_path}", "--create", str(FOLDER / "tmpfiles.d" / "scpd.conf")])
    if made.returncode != 0:
        pytest.skip(f"systemd-tmpfiles cannot work here: {made.stderr.strip()[:200]}")
    writable = unit("scpd.service")["ReadWritePaths"][0].replace("-/", "/").split()
    for path in (*writable, "/srv/dicom/incoming"):
        assert (tmp_path / path[1:]).stat().st_mode & 0o7777 == 0o2770


def checked(folder: Path, *words: str) -> str:
    """Give what --check-config says where no sockets can be opened, as in the unit."""
    if not restricted.is_possible():
        pytest.skip("needs root that may make namespaces, on x86_64 or aarch64")
    (folder / "inbox").mkdir()
    prefix = [sys.executable, "-m", "tests.harness.restricted", str(folder / "inbox")]
    command = [sys.executable, "-m", "scpd", "--check-config", "-od", str(folder / "inbox"), *words]
    ended = run([*prefix, *command], env={"PYTHONPATH": str(REPOSITORY), "INVOCATION_ID": "0"})
    assert ended.returncode == 0, ended.stderr
    return ended.stderr


def test_what_the_unit_forbids_is_told_where_the_options_ask_for_it(tmp_path: Path) -> None:
    table = tmp_path / "allow"
    table.write_text("scpd: 10.\nscpd: .example\nALL: 10.: spawn /usr/bin/tell\n")
    empty = tmp_path / "deny"
    empty.touch()
    words = ["+ac", "--hosts-allow", str(table), "--hosts-deny", str(empty), "-xcr", "route #f #r"]
    assert checked(tmp_path, *words).splitlines() == [
        f"scpd: warning: {table}:2: it needs the name of a host, and no name server can be asked here",
        f"scpd: warning: {table}:3: its command can reach nobody from here",
        "scpd: warning: commands get addresses for names: no name server can be asked here",
        "scpd: warning: " + WOULD_RUN_HERE,
    ]


def test_where_the_options_ask_for_nothing_forbidden_nothing_is_told(tmp_path: Path) -> None:
    assert checked(tmp_path, "--fork", "-su", "study", "-tos", "60", "--no-keeper") == ""


def test_a_check_by_hand_without_a_port_says_what_it_needs(tmp_path: Path) -> None:
    command = ["env", "-u", "INVOCATION_ID", sys.executable, "-m", "scpd", "--check-config"]
    ended = run([*command, "-od", str(tmp_path)], env={"PYTHONPATH": str(REPOSITORY)})
    assert ended.returncode == 0
    assert ended.stderr == (
        "scpd: warning: no port: this needs a socket unit, which hands over what it listens on\n"
    )
