"""Files, renames and commands of --single-process: the same scripted sends to scpd and to storescp, in the same order.

What each sees of the other's work: every command appends a line that says what its directory holds.  Where storescp's
is a defect a test of its own says so, and scpd(8) too.
"""

from __future__ import annotations

import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.harness.objects import ct_image
from tests.harness.scripts import SECONDS, Objects, Stamps, play, tree
from tests.harness.storing import complaints, log_lines

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.harness.raw_peer import RawPeer
    from tests.harness.servers import Server, ServerFactory

REFUSED = re.compile(r"(CT|TIME)\.[0-9.]*\.999(\.dcm)? ?")
ABOUT_FILES = re.compile(r"subdirectory for study|storing DICOM file|already exists|absent or empty")
SYNC = "-xs"


class Seen(NamedTuple):
    """Everything that can be seen of a script, but times."""

    statuses: list[int]
    log: list[str]
    events: list[str]
    tree: list[str]
    stdout: str


class Observed:
    """One server, one script after the other."""

    def __init__(
        self, start: ServerFactory, name: str, options: str, tmp_path: Path, raw_peer: Callable[..., RawPeer]
    ) -> None:
        self._events_path = tmp_path / f"{name}-events"
        self._events_path.touch()
        self._options = options.split()
        listing = "$(ls '#p' | tr '\\n' ' ')"
        commands = {
            "XCR": f'echo "xcr #f in #p of "#a #c #r" there: {listing}" >>{self._events_path}',
            "XCS": f'echo "xcs #f in #p of "#a #c #r" there: {listing}" >>{self._events_path}',
        }
        self.server: Server = start("-v", *[commands.get(word, word) for word in self._options])
        self._raw_peer = raw_peer
        self._stamps = Stamps()
        self._lines_before = self._events_before = 0
        self._is_new = True  # no study is open that the first one could end

    def play(self, script: str, objects: Objects) -> Seen:
        """Play a script, and wait for the commands of all studies but the last one."""
        self._events_before = len(self._events())
        statuses = play(
            script,
            self.server,
            self._raw_peer,
            objects,
            pause=lambda studies: self._wait_for("xcs", studies),
            after_each=self._wait_for_command,
        )
        if SYNC not in self._options and "XCS" in self._options and "--ignore" not in self._options:
            self._wait_for("xcs", number_of_studies(script) - self._is_new)
        self._is_new = False
        seen = Seen(
            statuses,
            self._directories_once(self._new_lines()),
            self._new_events(),
            tree(self.server.inbox, self._stamps, objects),
            self.server.stdout,
        )
        self._lines_before += len(self._new_lines())
        return seen

    def _wait_for_command(self, objects: int) -> None:
        """Without -xs nobody else does."""
        if "XCR" in self._options:
            self._wait_for("xcr", objects)

    def _wait_for(self, kind: str, count: int) -> None:
        self.server.wait_for(
            lambda: sum(event.startswith(kind) for event in self._new_events()) >= count,
            SECONDS,
            f"{count} {kind}: {self._new_events()}",
        )

    def _events(self) -> list[str]:
        return self._events_path.read_text(encoding="utf-8").splitlines()

    def _new_events(self) -> list[str]:
        return [self._plain(event) for event in self._events()[self._events_before :]]

    def _new_lines(self) -> list[str]:
        return log_lines(self.server)[self._lines_before :]

    def _directories_once(self, lines: list[str]) -> list[str]:
        """Give what is said of files; our associations say each for itself where they store."""
        found, last = [], ""
        for line in map(self._plain, filter(ABOUT_FILES.search, lines)):
            _, is_directory, directory = line.partition("subdirectory for study: ")
            if not (is_directory and directory == last):
                found.append(line)
            last = directory or last
        return found

    def _plain(self, line: str) -> str:
        # Debian's storescp puts #r between double quotes, as later versions do: the echo takes them away.
        return self._stamps.without(line.replace(str(self.server.inbox), "IN"))


class Pair:
    """Both servers."""

    def __init__(self, ours: Observed, theirs: Observed) -> None:
        self._ours = ours
        self._theirs = theirs
        self._series = 0
        ct_image(2)  # loads pydicom, which two threads that begin to at once cannot

    def play(self, script: str) -> tuple[Seen, Seen]:
        """Play a script to both; what is seen of ours and of theirs."""
        self._series += 1
        with ThreadPoolExecutor(2) as pool:
            ours, theirs = pool.map(
                lambda each: each.play(script, Objects(self._series)), (self._ours, self._theirs)
            )
        return ours, theirs


@pytest.fixture
def pair(
    scpd: ServerFactory, storescp: ServerFactory, raw_peer: Callable[..., RawPeer], tmp_path: Path
) -> Callable[[str], Pair]:
    def start(options: str) -> Pair:
        return Pair(
            Observed(scpd, "ours", options, tmp_path, raw_peer),
            Observed(storescp, "theirs", options, tmp_path, raw_peer),
        )

    return start


def number_of_studies(script: str) -> int:
    """Count how often another study comes."""
    return len([study for study, _ in groupby(word[0] for word in script.split() if word[0].isupper())])


def without_refused(seen: Seen) -> Seen:
    """Give what storescp would have done without an object that it refused: it keeps it, and runs its command."""
    return seen._replace(
        log=[line for line in seen.log if not REFUSED.search(line)],
        events=[
            REFUSED.sub("", event) for event in seen.events if not REFUSED.match(event.removeprefix("xcr "))
        ],
        tree=[line for line in seen.tree if not REFUSED.search(line)],
    )


SCRIPTS = [
    "A1 A2 B1",
    "C1 / C2 / D1",
    "E1 E2 E1 F1",
    "echo G1 echo G2 / echo / H1 echo",
]
AGAIN = ["A1 B1 A2 C1 B2 A3"]  # with -su and -rns the second round overwrites storescp's first
WITH_REFUSED = ["A1 A2! A3 B1 B4! B2"]  # with -rns the refused ones have numbers
OPTIONS = {
    "-xs -ss X -rns -xcr XCR -xcs XCS": SCRIPTS + AGAIN,
    "-xs -su X -rns -xcr XCR -xcs XCS": SCRIPTS,
    "-xs -sp -rns -xcr XCR -xcs XCS": SCRIPTS + AGAIN,
    "-xs -su X -xcs XCS": SCRIPTS + AGAIN + WITH_REFUSED,
    "-xs -ss X -xcr XCR": SCRIPTS + AGAIN + WITH_REFUSED,
    "-xs -su X -rns -tn -xcs XCS": ["A1 A2 B1", "C1 / C2 / D1"],
    "-xs -ss X -rns +uf -fe .dcm -xcr XCR -xcs XCS": SCRIPTS + AGAIN,
    "-xs -ss X -tn -fe .dcm -xcr XCR -xcs XCS": SCRIPTS + AGAIN,
    "-ss X -rns -xcr XCR -xcs XCS": SCRIPTS + AGAIN,
    "-sp -rns": SCRIPTS + AGAIN,
    "-ss X": SCRIPTS + AGAIN + WITH_REFUSED,
    "-xs -xcr XCR": SCRIPTS + AGAIN + WITH_REFUSED,
    "-fe .dcm -xcr XCR": SCRIPTS + AGAIN,
    "-xs --ignore -xcr XCR": SCRIPTS,
    "--ignore -ss X -rns -xcr XCR -xcs XCS": SCRIPTS,
}
ONLY_LONG = {
    "-xs -sp -rns -xcr XCR -xcs XCS",
    "-xs -ss X -xcr XCR",
    "-xs -ss X -rns +uf -fe .dcm -xcr XCR -xcs XCS",
    "-ss X",
    "-fe .dcm -xcr XCR",
    "-xs --ignore -xcr XCR",
}


@pytest.mark.parametrize(
    "options",
    [
        pytest.param(options, marks=pytest.mark.long) if options in ONLY_LONG else options
        for options in OPTIONS
    ],
)
def test_files_renames_and_commands_are_storescps_in_its_order(
    pair: Callable[[str], Pair], options: str
) -> None:
    both = pair(options)
    for script in OPTIONS[options]:
        ours, theirs = both.play(script)
        theirs = without_refused(theirs)
        if SYNC not in options.split():
            # Then a study's command runs beside the one of the next object.
            ours, theirs = (seen._replace(events=sorted(seen.events)) for seen in (ours, theirs))
        assert ours == theirs, f"{options}: {script}"


@pytest.mark.parametrize("sorting", ["-ss X", "-su X", "-sp"])
def test_studies_end_by_timeout_as_storescps(pair: Callable[[str], Pair], sorting: str) -> None:
    """A study that goes on after its end has another directory, except by its UID; the last one ends too."""
    ours, theirs = pair(f"-xs {sorting} -tos 1 -xcs XCS").play("A1 ... A2 / B1 ... echo C1 ...")

    assert len(ours.events) == 4
    assert ours == theirs


class TestKnownDefects:
    """What storescp does, and what we do instead (scpd(8))."""

    def test_what_was_refused_is_not_there_has_no_number_and_no_command(
        self, pair: Callable[[str], Pair]
    ) -> None:
        ours, theirs = pair("-xs -ss X -rns -xcr XCR -xcs XCS").play("A1 A2! A3 B1")

        assert ours.statuses == theirs.statuses == [0, 0xA900, 0, 0]
        assert theirs.tree[:4] == ["X_T1/", "X_T1/CT000001 A1", "X_T1/CT000002 A2!", "X_T1/CT000003 A3"]
        assert ours.tree[:4] == ["X_T1/", "X_T1/CT000001 A1", "X_T1/CT000002 A3", "X_T2/"]
        assert len(theirs.events) == len(ours.events) + 1 == 5

    def test_what_was_refused_ends_no_study(self, pair: Callable[[str], Pair]) -> None:
        ours, theirs = pair("-xs -ss X -rns -xcs XCS").play("A1 B1! A2 C1")

        assert theirs.tree[:4] == ["X_T1/", "X_T1/CT000001 A1", "X_T2/", "X_T2/CT000001 B1!"]
        assert ours.tree[:4] == ["X_T1/", "X_T1/CT000001 A1", "X_T1/CT000002 A2", "X_T2/"]
        assert (len(ours.events), len(theirs.events)) == (1, 3)

    def test_an_object_without_a_study_runs_no_command_of_another(self, pair: Callable[[str], Pair]) -> None:
        ours, theirs = pair("-xs -ss X -xcr XCR").play("A1 ? A2")

        assert ours.statuses == theirs.statuses == [0, 0xC000, 0]
        assert theirs.events[1] == theirs.events[0]
        assert ours.events == [theirs.events[0], theirs.events[2]]
        assert ours.tree == theirs.tree

    def test_an_object_that_came_twice_has_one_number(self, pair: Callable[[str], Pair]) -> None:
        ours, theirs = pair("-xs -ss X -rns -xcs XCS").play("A1 A1 A2 B1")

        assert theirs.tree[1:3] == ["X_T1/CT000001 A1", "X_T1/CT000003 A2"]
        assert ours.tree[1:3] == ["X_T1/CT000001 A1", "X_T1/CT000002 A2"]

    def test_a_study_that_comes_again_overwrites_nothing(self, pair: Callable[[str], Pair]) -> None:
        ours, theirs = pair("-xs -su X -rns -xcs XCS").play("A1 B1 A2 C1")

        assert theirs.tree[1] == "X_1.2.1.65/CT000001 A2"
        assert ours.tree[1:3] == ["X_1.2.1.65/CT000001 A1", "X_1.2.1.65/CT000002 A2"]

    def test_the_command_of_a_study_has_the_titles_of_its_sender(self, pair: Callable[[str], Pair]) -> None:
        ours, theirs = pair("-xs -ss X -xcs XCS").play("A1 /OTHER B1")

        assert "FIRST TO_FIRST" in ours.events[0]
        assert "OTHER TO_OTHER" in theirs.events[0]
        assert ours.tree == theirs.tree

    def test_the_name_of_a_file_stays_as_it_is_in_the_command_of_a_study(
        self, pair: Callable[[str], Pair]
    ) -> None:
        ours, theirs = pair("-xs -ss X -xcs XCS").play("A1 B1")

        assert ours.events == theirs.events
        assert ours.events[0].startswith("xcs #f in IN/X_T1 ")

    def test_a_directory_that_the_machine_does_not_allow_is_no_fault_of_the_object(
        self,
        scpd: ServerFactory,
        storescp: ServerFactory,
        raw_peer: Callable[..., RawPeer],
        tmp_path: Path,
    ) -> None:
        servers = scpd("-ss", "X", "--lock-directory", str(tmp_path / "lock")), storescp("-ss", "X")
        statuses = []
        for server in servers:
            shutil.rmtree(server.inbox)
            statuses += play("A1", server, raw_peer, Objects())

        assert statuses == [0xA700, 0xC000]
        # Whoever looks for temporary files as scpd starts may miss the directory too, and says so.
        (ours,) = (line for line in complaints(servers[0]) if "Store SCP Failed" in line)
        (theirs,) = complaints(servers[1])
        assert theirs.startswith(f"E: could not create subdirectory for study: {servers[1].inbox}/X_")
        assert "No such file or directory" in ours
