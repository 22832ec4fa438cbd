"""Command lines found in use: scpd, called storescp, runs them as they are, and does what storescp does."""

from __future__ import annotations

import os
import re
import shlex
import sys
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.cases.field_command_lines import LINES, REFUSED, STAND_INS, FieldLine
from tests.harness.clients import run
from tests.harness.ports import ReservedPort
from tests.harness.programs import real_program
from tests.harness.scripts import SECONDS, Objects, Stamps, play, tree
from tests.harness.servers import REPOSITORY, STAYING_SECONDS, Server, without_root_warning

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.harness.raw_peer import RawPeer

STAND_IN = """#!/bin/sh
line=$(basename "$0")
for word; do line="$line [$word]"; done
printf '%s\\n' "$line in $(pwd)" >>"$EFFECTS"
"""
PROFILE = """[[TransferSyntaxes]]
[Uncompressed]
TransferSyntax1 = LocalEndianExplicit
[[PresentationContexts]]
[Storage]
PresentationContext1 = CTImageStorage\\Uncompressed
[[Profiles]]
[Default]
PresentationContexts = Storage
"""
SCRIPT = "A1 A2 / B1"
VERBOSE = re.compile(r" (-v|--verbose|-ll) ?")


class Seen(NamedTuple):
    """What a line has left, without times and places."""

    statuses: list[int]
    effects: list[str]
    ends: list[str]
    stdout: str
    stderr: str
    logs: list[str]
    tree: list[str]


class Site:
    """A directory of its own for a program that is called storescp."""

    def __init__(self, folder: Path, program: str) -> None:
        self.folder = folder
        for name in ("bin", "inbox", "DICOM", "app"):
            (folder / name).mkdir(parents=True)
        for name in STAND_INS:
            for path in (folder / name, folder / "bin" / os.path.basename(name)):
                _write_program(path, STAND_IN)
        _write_program(folder / "bin" / "storescp", f'#!/bin/sh\nexec {program} "$@"\n')
        (folder / "storescp.cfg").write_text(PROFILE, encoding="ascii")
        self._effects = folder / "effects"
        self._effects.touch()
        os.mkfifo(folder / "pipe")
        self._pipe = os.open(folder / "pipe", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self.environment = {
            **os.environ,
            "PATH": f"{folder}/bin:{os.environ['PATH']}",
            "PYTHONPATH": str(REPOSITORY),
            "EFFECTS": str(self._effects),
            "TCP_NODELAY": "1",
        }
        self._stamps = Stamps()
        self.server: Server | None = None

    def shell(self, line: str, port: int) -> list[str]:
        """Give what runs a line."""
        places = {"{D}": f"{self.folder}/inbox", "{here}": str(self.folder), "{port}": str(port)}
        for place, value in places.items():
            line = line.replace(place, value)
        return ["/bin/sh", "-c", line]

    def start(self, line: str) -> Server:
        """Start a server by a line."""
        port = ReservedPort()
        inbox = self.folder / ("DICOM" if "DICOM/" in line else "inbox")
        self.server = Server(
            self.shell(line, port.number),
            port,
            inbox,
            self.folder / "stderr",
            host="127.0.0.1",
            env=self.environment,
            cwd=self.folder,
        )
        self.server.wait_until_listening()
        return self.server

    def seen(self, given: FieldLine, raw_peer: Callable[..., RawPeer], *, is_long: bool) -> Seen:
        """Run a line, send something, and see what happens."""
        server, objects = self.start(given.line), Objects()
        statuses = play(SCRIPT, server, raw_peer, objects)
        server.wait_for(lambda: len(self._done()) >= given.effects, SECONDS, f"commands: {self._done()}")
        effects, ends = self._done(), []
        if given.ends and (is_long or given.seconds <= 2):
            wanted = given.effects + given.ends
            server.wait_for(lambda: len(self._done()) >= wanted, SECONDS, f"commands: {self._done()}")
            ends = self._done()
        return Seen(
            statuses,
            sorted(effects[: given.effects]),
            sorted(ends),
            self._plain(server.stdout),
            "" if VERBOSE.search(given.line) else self._plain(server.stderr),
            [
                self._plain(without_root_warning(path.read_text()))
                for path in sorted(self.folder.glob("*log"))
            ],
            tree(server.inbox, self._stamps, objects),
        )

    def _done(self) -> list[str]:
        """Give what commands have said, but not on the server's own streams."""
        try:
            text = os.read(self._pipe, 1 << 16).decode()
        except BlockingIOError:
            text = ""
        with self._effects.open("a", encoding="ascii") as effects:
            effects.write(text)
        return self._plain(self._effects.read_text(encoding="ascii")).splitlines()

    def _plain(self, text: str) -> str:
        # Debian's storescp puts #r between double quotes, as later versions do.
        text = text.replace(str(self.folder), "HERE").replace('"localhost"', "localhost")
        return self._stamps.without(text)

    def close(self) -> None:
        """End it."""
        os.close(self._pipe)
        if self.server is not None:
            self.server.end_for_good(STAYING_SECONDS)


def _write_program(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)


@pytest.fixture
def sites(tmp_path: Path, _raw_peers: list[RawPeer]) -> Iterator[list[Site]]:
    """One for scpd, one for storescp."""
    made = [
        Site(tmp_path / "ours", f"{shlex.quote(sys.executable)} -m scpd"),
        Site(tmp_path / "theirs", real_program("storescp")),
    ]
    yield made
    for peer in _raw_peers:
        peer.close()
    for site in made:
        site.close()


@pytest.mark.parametrize("name", LINES)
def test_a_line_runs_unchanged_and_has_the_same_effects(
    sites: list[Site], raw_peer: Callable[..., RawPeer], name: str, is_long: bool
) -> None:
    given = LINES[name]
    ours, theirs = (site.seen(given, raw_peer, is_long=is_long) for site in sites)

    assert theirs.statuses == [0, 0, 0]
    assert ours == theirs


@pytest.mark.parametrize("name", REFUSED)
def test_a_line_that_storescp_refuses_is_refused_in_its_words(sites: list[Site], name: str) -> None:
    ours, theirs = (run(site.shell(REFUSED[name], 1), env=site.environment) for site in sites)

    assert ours.returncode == theirs.returncode == 1
    assert [line for line in ours.stderr.splitlines() if "error" in line] == [
        line for line in theirs.stderr.splitlines() if "error" in line
    ]
