"""The set-up of scpd.conf(5) done to the letter, by root: port 104, the users, one subnet, each command run as whom."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from scpd.cli.mdoc import MANUALS
from tests.harness.fresh_machine import FreshMachine
from tests.harness.manual_texts import examples
from tests.harness.servers import REPOSITORY
from tests.harness.studies import series, write

if TYPE_CHECKING:
    from pathlib import Path

CONF, ALLOW, DENY, SCRIPT, START, TRY, ASK, STOP, APART = range(9)
CONNECT = """\
import sys
from pynetdicom import AE
entity = AE()
entity.add_requested_context("1.2.840.10008.1.1")
association = entity.associate("127.0.0.1", 104, bind_address=(sys.argv[1], 0))
print(sys.argv[1], association.is_established)
association.release()
"""
# Nobody waits half a minute, and nobody's log is written to.
LOGGER = '#!/bin/sh\necho "$(id -un) $3" >> /srv/imported\n'
_BEFORE = """\
for user in scpd-keeper scpd; do ! id $user > /dev/null 2>&1 || userdel $user; done
touch imported && chmod 666 imported
"""


class Site:
    """The texts in their files, and what is done with them."""

    def __init__(self, folder: Path) -> None:
        shown = examples((MANUALS / "scpd.conf.5").read_text(encoding="utf-8"))
        (first,) = [place for place, text in enumerate(shown) if "--access-control" in text]
        self.texts = shown[first : first + 9]
        self._machine = FreshMachine(folder)
        conf = self.texts[CONF].replace("--eostudy-timeout 30", "--eostudy-timeout 1")
        self._machine.write("/etc/scpd/scpd.conf", conf)
        self._machine.write("/etc/scpd/hosts.allow", self.texts[ALLOW])
        self._machine.write("/etc/scpd/hosts.deny", self.texts[DENY])
        self._machine.write("/usr/local/bin/import", self.texts[SCRIPT], mode=0o755)
        self._machine.write("/usr/local/bin/logger", LOGGER, mode=0o755)
        self._machine.write("/srv/connect.py", CONNECT)
        write(folder / "some-images", [*series(2, "1.2.3.1"), *series(1, "1.2.3.2")])
        self._machine.copy(folder / "some-images", "/srv/some-images")

    def run(self, *steps: str) -> list[str]:
        """Do these steps, one behind the other; give the lines that they say."""
        return self._machine.run("\n".join([_BEFORE, *steps])).splitlines()


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def connect(address: str) -> str:
    return f"PYTHONPATH={REPOSITORY} {sys.executable} connect.py {address}"


def wait_for(command: str) -> str:
    return f"until_so sh -c '{command}'"


COMMANDS = [wait_for("test $(wc -l < imported) = 2"), "sort imported"]
# Of who has just been served nothing is left.
IDLE = wait_for('ps -e -o args= | grep -q "[m]aster, 0 associations on 104"')
USERS = "ps -e -o user:20=,args= | grep 'scp[dc].*[:] ' | grep -v standby | grep -v sweeper"
MODES = "find dicom -mindepth 1 ! -user scpd -o ! -group scpd -o -perm /007"
STOPPED = wait_for("! pgrep -u scpd")


def test_a_service_on_port_104_as_its_user(site: Site) -> None:
    said = site.run(
        site.texts[START], site.texts[TRY], IDLE, USERS, *COMMANDS, MODES, site.texts[STOP], STOPPED
    )
    assert said[0] == "3 stored, 0 failed, 0 not sent"
    users = [line.split(maxsplit=1) for line in said if "scpd: " in line]
    assert {user for user, _ in users} == {"scpd"}
    assert any(title == "scpd: master, 0 associations on 104" for _, title in users)
    assert said[-2:] == [
        f"scpd {number} objects from SCPCTL in /srv/dicom/study_1.2.3.{study}"
        for number, study in ((1, 2), (2, 1))
    ]


def test_the_subnet_alone_is_let_in(site: Site) -> None:
    asked = f"! {{\n{site.texts[ASK]}}}"
    said = site.run(
        site.texts[START], *map(connect, ("127.0.0.1", "192.0.2.9", "198.51.100.7")), asked, site.texts[STOP]
    )
    assert said[:3] == ["127.0.0.1 True", "192.0.2.9 True", "198.51.100.7 False"]
    assert said[-2:] == ["matched:  /etc/scpd/hosts.deny line 1", "access:   denied"]


def test_the_commands_run_as_a_user_of_their_own(site: Site) -> None:
    user = site.texts[START].splitlines()[:2]
    apart = site.texts[APART].rstrip() + " &"
    said = site.run(
        *user, apart, wait_for("test -s dicom/.scpd/keeper"), site.texts[TRY], IDLE, USERS, *COMMANDS
    )
    titles = [line.split(maxsplit=1) for line in said if "scpd: " in line or "scpctl: " in line]
    assert {(user, title.split()[1].strip(",")) for user, title in titles} == {
        ("scpd", "master"),
        ("scpd-keeper", "keeper"),
    }
    assert [line.split()[0] for line in said[-2:]] == ["scpd-keeper"] * 2
