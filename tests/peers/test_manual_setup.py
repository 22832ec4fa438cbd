"""The example of scpd.conf(5) done from its text: a port, one subnet, sorted by study, a command for each study.

Here by anybody, in a folder; system/test_manual_setup does it by root, to the letter.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from scpd.cli.mdoc import MANUALS
from tests.harness import wire
from tests.harness.clients import scpctl
from tests.harness.manual_texts import examples
from tests.harness.raw_peer import CONTEXTS
from tests.harness.studies import series, write

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.harness.raw_peer import RawPeer
    from tests.harness.servers import Server, ServerFactory

CONF, ALLOW, DENY, SCRIPT = range(4)
SECONDS = 60.0


class Site:
    """The files of the example in one folder, whose paths stand for those of the text."""

    def __init__(self, folder: Path) -> None:
        shown = examples((MANUALS / "scpd.conf.5").read_text(encoding="utf-8"))
        (first,) = [place for place, text in enumerate(shown) if "--access-control" in text]
        self._folder = folder
        self.files = [self._adapted(text) for text in shown[first : first + 4]]
        self.storage = folder / "dicom"

    def set_up(self) -> None:
        self.storage.mkdir()
        conf = self.files[CONF]
        assert conf.startswith("104\n")
        # The port is one that is free, and nobody waits half a minute for the end of a study.
        conf = conf.removeprefix("104\n").replace("--eostudy-timeout 30", "--eostudy-timeout 1")
        (self._folder / "scpd.conf").write_text(conf)
        (self._folder / "hosts.allow").write_text(self.files[ALLOW])
        (self._folder / "hosts.deny").write_text(self.files[DENY])
        script = self._folder / "import"
        script.write_text(self.files[SCRIPT])
        script.chmod(0o755)
        logger = self._folder / "logger"  # nobody's log but ours
        logger.write_text(f'#!/bin/sh\necho "$@" >> {self._folder}/imported\n')
        logger.chmod(0o755)

    def imported(self) -> list[str]:
        path = self._folder / "imported"
        return path.read_text().splitlines() if path.exists() else []

    def _adapted(self, text: str) -> str:
        for place in ("/etc/scpd", "/usr/local/bin"):
            text = text.replace(place, str(self._folder))
        return text.replace("/srv/dicom", str(self._folder / "dicom"))


@pytest.fixture
def site(tmp_path: Path) -> Site:
    site = Site(tmp_path)
    site.set_up()
    return site


@pytest.fixture
def server(site: Site, scpd: ServerFactory, tmp_path: Path) -> Server:
    path = f"{tmp_path}:/usr/bin:/bin"
    return scpd(f"@{tmp_path}/scpd.conf", "--verbose", inbox=site.storage, env={"PATH": path})


def test_two_studies_end_in_directories_of_their_own_and_each_has_its_command(
    site: Site, server: Server, tmp_path: Path
) -> None:
    write(tmp_path / "some-images", [*series(2, "1.2.3.1"), *series(1, "1.2.3.2")])
    assert scpctl("echo", "localhost", server.port).returncode == 0
    assert scpctl("send", "localhost", server.port, tmp_path / "some-images").returncode == 0
    server.wait_for(lambda: len(site.imported()) == 2, SECONDS, "both commands")
    assert sorted(site.imported()) == [
        f"-t import 1 objects from SCPCTL in {site.storage}/study_1.2.3.2",
        f"-t import 2 objects from SCPCTL in {site.storage}/study_1.2.3.1",
    ]
    server.wait_for(lambda: server.stderr.count(".xcs ended after") == 2, SECONDS, "their ends in the log")
    assert server.stderr.count("is complete: ") == 2
    studies = scpctl("studies", "-od", site.storage, "--json")
    assert json.loads(studies.stdout) == []


def test_who_is_not_in_the_subnet_is_refused_and_named(
    raw_peer: Callable[..., RawPeer], server: Server, tmp_path: Path
) -> None:
    peer = raw_peer(server, timeout=SECONDS, source="127.0.0.2")
    peer.send(wire.associate_request(CONTEXTS))
    assert peer.receive() is None
    server.wait_for_log(f"denied by {tmp_path}/hosts.deny:1 (127.0.0.2:")
