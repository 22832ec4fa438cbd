"""Studies for the end-to-end tests: their objects, the commands that tell of their end, and what must not be left."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.harness.clients import storescu
from tests.harness.objects import StorableObject, ct_image, file_meta, new_uid
from tests.harness.storing import left_over
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from tests.harness.servers import Server

SECONDS = 60.0  # the machine may be busy
END = "end"
INSTANCE = 0x0003  # (0002,0003)
# Parts of the lock directory in which nothing stays when every study has ended and every command has run.
TRANSIENT = (
    "open",
    "sealed",
    "journals",
    "journals/dead",
    "running",
    "replies",
    "requests",
    "failed",
    "strange",
)


def flat(lists: Iterable[Iterable[Any]]) -> list[Any]:
    """Give all that is in them as one list."""
    return [each for one in lists for each in one]


def series(count: int, study: str | None = None, pixel_bytes: int = 200) -> list[StorableObject]:
    """Make so many CT images of one study: copies of one, each with an instance UID of its own.

    A thousand take no longer than one by pydicom.
    """
    study = study or f"1.2.{new_uid()[5:30]}"
    stem = f"1.2.{new_uid()[5:40]}"
    numbers = [f"{stem}.{number:05}" for number in range(10000, 10000 + count)]
    first = ct_image(pixel_bytes, study_uid=study, sop_instance_uid=numbers[0])
    old = numbers[0].encode()
    return [
        replace(first, sop_instance_uid=uid, data_set=first.data_set.replace(old, uid.encode()))
        for uid in numbers
    ]


def write(folder: Path, objects: Iterable[StorableObject]) -> list[Path]:
    """Write objects as files; give their paths in order."""
    return [each.write(folder / f"{each.sop_instance_uid}.dcm") for each in objects]


def send(server: Server, paths: Iterable[Path], calling: str) -> subprocess.CompletedProcess[str]:
    """Send files on one association, in this order."""
    return storescu(server, "-aet", calling, *paths, timeout=2 * SECONDS)


class Run(NamedTuple):
    """A command that has run: what it was told, and the files that it saw."""

    study: str
    directory: str
    objects: int
    calling: str
    files: tuple[str, ...]


class Hook:
    """A command that writes down what it is told and what is in the directory, a file for each run."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir()
        variables = " ".join(f'"$SCPD_{name}"' for name in ("DIRECTORY", "OBJECTS", "CALLING_AET"))
        self.command = (
            'cd "$SCPD_DIRECTORY" && '
            f"printf '%s\\n' \"$SCPD_STUDY_INSTANCE_UID\" {variables} * {END} "
            f'>"{folder}/$SCPD_JOB.$$"'
        )

    def runs(self) -> list[Run]:
        """Give what has run to its end, in the order in which it ended."""
        files = [(path.stat().st_mtime_ns, path) for path in self._folder.iterdir()]
        texts = [path.read_text(encoding="utf-8").split("\n") for _, path in sorted(files)]
        return [
            Run(lines[0], lines[1].rpartition("/")[2], int(lines[2]), lines[3], tuple(lines[4:-2]))
            for lines in texts
            if lines[-2:] == [END, ""]
        ]

    def of(self, study: str) -> list[Run]:
        """Give the runs for one study."""
        return [run for run in self.runs() if run.study == study]

    def wait_for(self, count: int, server: Server, seconds: float = SECONDS) -> list[Run]:
        """Wait until so many have run; give them all."""

        def have_run() -> bool:  # to read them all again and again would take the time that they need
            return len(os.listdir(self._folder)) >= count and len(self.runs()) >= count

        server.wait_for(have_run, seconds, f"{count} commands")
        return self.runs()


class Gate:
    """Where a command waits until the test lets it pass; `command` is to be followed by another one."""

    def __init__(self, folder: Path, name: str = "gate") -> None:
        self._gate = folder / f"{name}-open"
        self._reached = folder / f"{name}-reached"
        rounds = int(2 * SECONDS / 0.05)
        self.command = (
            f'echo "$SCPD_JOB" >>"{self._reached}"; n=0; '
            f'while [ ! -e "{self._gate}" ] && [ $n -lt {rounds} ]; do sleep 0.05; n=$((n+1)); done; '
        )

    def arrived(self) -> list[str]:
        """Give the jobs that have come here, in order."""
        return self._reached.read_text(encoding="ascii").splitlines() if self._reached.exists() else []

    def wait_for(self, count: int = 1) -> None:
        """Wait until so many have come."""
        wait_until(lambda: len(self.arrived()) >= count, SECONDS, f"{count} commands at the gate")

    def let_pass(self) -> None:
        """Let all pass from now on."""
        self._gate.touch()


def directories(server: Server) -> dict[str, list[str]]:
    """Give the study directories with the names in them."""
    return {
        path.name: sorted(file.name for file in path.iterdir())
        for path in sorted(server.inbox.iterdir())
        if path.is_dir() and not path.name.startswith(".")
    }


def instances(server: Server, directory: str) -> list[str]:
    """Give the SOP Instance UIDs of the files of a study directory, in the order of their names."""
    paths = sorted((server.inbox / directory).iterdir())
    return [file_meta(path.read_bytes())[INSTANCE].value.rstrip(b"\0").decode() for path in paths]


def numbered(count: int) -> list[str]:
    """Give the names that so many CT images get when they are renamed."""
    return [f"CT{number:06}" for number in range(1, count + 1)]


def uids(objects: Iterable[StorableObject]) -> list[str]:
    """Give the SOP Instance UIDs of objects."""
    return [each.sop_instance_uid for each in objects]


def study_of(objects: list[StorableObject]) -> str:
    """Give the Study Instance UID of objects, all of one study."""
    _, _, rest = objects[0].data_set.partition(b"\x20\0\x0d\0UI")
    return rest[2 : 2 + int.from_bytes(rest[:2], "little")].rstrip(b"\0").decode()


def remains(server: Server, lock_directory: Path | None = None) -> list[str]:
    """Give what is left in the lock directory of studies, commands and workers, and the temporary files."""
    root = lock_directory or server.inbox / ".scpd"
    left = [
        f"{part}/{path.name}"
        for part in TRANSIENT
        for path in (root / part).iterdir()
        if path != root / "journals/dead"
    ]
    return left + [path.name for path in left_over(server)]


def wait_until_all_has_ended(server: Server, *others: Callable[[], object]) -> None:
    """Wait until nothing is left of studies, commands and workers; a failure says what is."""
    try:
        wait_until(lambda: not remains(server) and all(each() for each in others), SECONDS)
    except AssertionError:
        raise AssertionError(f"left: {remains(server)[:20]}; it says {server.stderr[-3000:]}") from None
