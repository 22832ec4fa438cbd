"""Journals as workers write them, line by line, and as forgers would."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scpd.lockdir.journal import Journal
from scpd.study import record
from scpd.study.record import ObjectRecord, Sender

if TYPE_CHECKING:
    from scpd.lockdir.layout import LockDirectory

THIS_BOOT, OTHER_BOOT = "this boot", "a boot before"


def an_object(number: int = 1, name: str = "CT.1", **values: object) -> ObjectRecord:
    """A record with values of no account, but for those given."""
    given: dict[str, object] = {
        "number": number,
        "at": number * 1_000_000_000,
        "generation": "",
        "directory": "",
        "name": name,
        "inode": 7,
        "size": 10,
        "sop_class_uid": "1.2",
        "sop_instance_uid": f"9.{number}",
        "study_instance_uid": "1.1",
        "transfer_syntax_uid": "1.2.840.10008.1.2",
        "hook": "",
    }
    return ObjectRecord(**{**given, **values})  # type: ignore[arg-type]


class JournalFile:
    """One worker's; it lives until it dies."""

    def __init__(
        self, lockdir: LockDirectory, maker: str, *, boot: str = THIS_BOOT, peer: str = "ONE", waits: str = ""
    ) -> None:
        head = Sender(boot, peer, "CALLED", "127.0.0.1", "localhost", waits).encode()
        self._journal = Journal(lockdir, head, fsync=False, maker=maker)
        self.maker = maker
        self._lives = True

    def write(self, *lines: bytes) -> None:
        for line in lines:
            self._journal.write(line)

    def store(self, number: int, name: str = "", **values: object) -> None:
        """Write down an object, and that it was stored."""
        entry = an_object(number, name or f"CT.{number}", **values)
        self.write(entry.encode(), record.encode_stored(number, entry.name, entry.inode))

    def die(self) -> None:
        if self._lives:
            self._lives = False
            self._journal.close()

    def __del__(self) -> None:
        self.die()
