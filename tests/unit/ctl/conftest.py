"""A lock directory as workers and a keeper leave it, written by the rooms that write it in earnest."""

from __future__ import annotations

import os
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

import pytest

from scpd.keeper.accounts import write_failed
from scpd.keeper.election import Election
from scpd.lockdir import layout, records
from scpd.lockdir.journal import Journal
from scpd.lockdir.layout import LockDirectory
from scpd.study.record import ObjectRecord, Sender, encode_opened, encode_stored
from scpd.study.rules import Rules
from scpd.study.states import OpenStudy, Seal, open_study

if TYPE_CHECKING:
    from collections.abc import Iterator

BOOT = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


class Worker:
    """A worker, as far as its journal goes."""

    def __init__(self, lockdir: LockDirectory, calling: str, boot: str, output_directory: str = "") -> None:
        self._lockdir = lockdir
        self._journal = Journal(
            lockdir,
            Sender(boot, calling, "STORE", "10.0.0.5", "ct1", "", output_directory).encode(),
            fsync=False,
        )
        self.maker = self._journal.maker
        self._number = 0

    def store(
        self,
        name: str,
        study: OpenStudy | None = None,
        *,
        age: float = 0.0,
        hook: str = "",
        said: bool = True,
        stored_as: str = "",
        inode: int = 1,
    ) -> str:
        """Store an object so many seconds ago; give the job of its command."""
        self._number += 1
        if study is not None:
            self._journal.write(encode_opened(study.key, study.about.generation))
        entry = ObjectRecord(
            number=self._number,
            at=int((monotonic() - age) * 1e9),
            generation=study.about.generation if study else "",
            directory=study.directory if study else "",
            name=name,
            inode=inode,
            size=1,
            sop_class_uid="1.2",
            sop_instance_uid="1.2.3",
            study_instance_uid=study.about.study_instance_uid if study else "",
            transfer_syntax_uid="1.2.4",
            hook=hook,
        )
        self._journal.write(entry.encode())
        if said:
            self._journal.write(encode_stored(self._number, stored_as or name, 1))
        return f"{self.maker}.{self._number}.xcr"

    def leave(self) -> None:
        self._journal.close()


class Place:
    """An output directory with its lock directory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / ".scpd"
        layout.make(str(self.path))
        self.lockdir = LockDirectory(str(self.path))
        self._open: list[OpenStudy] = []
        self._workers: list[Worker] = []
        self._election = Election(self.lockdir)
        self._wake = -1

    def worker(self, calling: str = "CT_1", boot: str = BOOT, output_directory: str = "") -> Worker:
        """Give a worker; with --peers it may have an output directory of its own."""
        worker = Worker(self.lockdir, calling, boot, output_directory)
        self._workers.append(worker)
        return worker

    def open(
        self, uid: str, directory: str = "", *, output_directory: str = "", **rules: object
    ) -> OpenStudy:
        words = Rules(**{"timeout": None, **rules}).encode()  # type: ignore[arg-type]
        study = open_study(self.lockdir, uid, words, output_directory, flush=False)
        if directory:
            study.find_directory(lambda: directory, flush=False)
        study.end()
        self._open.append(study)
        return study

    def seal(self, study: OpenStudy) -> None:
        seal = Seal(self.lockdir, study.key)
        assert seal.carry_out(study.about.generation)
        seal.let_go()

    def set_aside(self, job: str, **values: str) -> None:
        write_failed(self.lockdir, job, {"job": job, **values})

    def account(self, *lines: tuple[str, ...]) -> None:
        (self.path / "keepers" / "1-abc").write_bytes(b"".join(map(records.encode, lines)))

    def run(self, job: str) -> None:
        (self.path / "running" / f"{job}.run").touch()

    def elect(self) -> None:
        """Have a keeper that hears what it is told, and does nothing."""
        assert self._election.is_won()
        self._wake = os.open(self.path / "wake", os.O_RDWR | os.O_NONBLOCK)

    def woken(self) -> bool:
        try:
            return bool(os.read(self._wake, 100))
        except BlockingIOError:
            return False

    def requests(self) -> list[list[str] | None]:
        folder = self.path / "requests"
        return [records.decode(path.read_bytes().rstrip(b"\n")) for path in sorted(folder.iterdir())]

    def contents(self) -> dict[str, bytes]:
        """All that lies there, but what is asked of the keeper."""
        files = (path for path in self.path.rglob("*") if path.is_file() and path.parent.name != "requests")
        return {str(path.relative_to(self.path)): path.read_bytes() for path in files}

    def close(self) -> None:
        for worker in self._workers:
            worker.leave()
        for study in self._open:
            study.let_go()
        self._election.resign()
        if self._wake != -1:
            os.close(self._wake)
        self.lockdir.close()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    yield made
    made.close()
